//! Addresses on two hosts at once: for how long, and why.
//!
//! Only a lease could rule it out, and the protocol has none. What it should be able to avoid is
//! told apart from what it cannot.

use std::collections::BTreeMap;
use std::net::IpAddr;

use standin_core::ctdb::Ctdb;

use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment, Net};
use crate::world::{News, World};

/// Why an address is on two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    /// One of them has no daemon any more.
    LeftBehind,
    /// They cannot talk to each other, or one of them stands still.
    Apart,
    /// They can.
    Together,
}

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Twice {
    /// What is on two hosts, since when.
    open: BTreeMap<IpAddr, (Case, Moment)>,
    lasted: BTreeMap<Case, Vec<u64>>,
    looked: u64,
}

impl Twice {
    fn case(world: &World<Ctdb>, holders: &[HostId]) -> Case {
        let runs = |host: &HostId| world.host(*host).runs();
        let talk = |one: HostId, other: HostId| {
            one == other || (world.network().open(Net::Private, one, other) && world.host(one).brisk())
        };
        if !holders.iter().all(runs) {
            Case::LeftBehind
        } else if holders.iter().all(|one| holders.iter().all(|other| talk(*one, *other))) {
            Case::Together
        } else {
            Case::Apart
        }
    }

    fn look_at_all(&mut self, world: &World<Ctdb>) {
        let now = world.now();
        for &address in world.watched() {
            self.looked += 1;
            let mut holders = world.public_holders(address);
            let (first, second) = (holders.next(), holders.next());
            let (Some(first), Some(second)) = (first, second) else {
                if !self.open.is_empty() {
                    self.close(address, now);
                }
                continue;
            };
            let all: Vec<_> = [first, second].into_iter().chain(holders).collect();
            let case = Self::case(world, &all);
            if self.open.get(&address).is_none_or(|(before, _)| *before != case) {
                self.close(address, now);
                self.open.insert(address, (case, now));
            }
        }
    }

    fn close(&mut self, address: IpAddr, now: Moment) {
        if let Some((case, since)) = self.open.remove(&address) {
            self.lasted.entry(case).or_default().push(now.since(since).0);
        }
    }
}

impl Checker<Ctdb> for Twice {
    fn name(&self) -> &'static str {
        "twice"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Changed | News::Started(_) | News::Exited(..) => self.look_at_all(world),
            News::Notice(..) | News::Meddled(..) | News::Spins(..) => {}
        }
        Ok(())
    }

    fn end(&mut self, world: &World<Ctdb>, _: bool) -> Result<(), Violation> {
        let open: Vec<_> = self.open.keys().copied().collect();
        open.into_iter().for_each(|address| self.close(address, world.now()));
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        let of = |case| self.lasted.get(&case).cloned().unwrap_or_default();
        vec![
            ("served twice, left behind by a dead daemon", of(Case::LeftBehind)),
            ("served twice in a partition", of(Case::Apart)),
            ("served twice, one component", of(Case::Together)),
        ]
    }
}
