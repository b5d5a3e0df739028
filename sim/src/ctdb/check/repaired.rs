//! The local check: a table that does not agree with its own kernel is found within a round or
//! two, whoever wronged it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{RecoveryMode, RunState};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::busy::Busy;
use super::truth::Shared;
use super::view::{is_active, node};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How often a difference is looked at, while there is one.
const LOOK: Duration = Duration::from_secs(1);
/// How long one may go unnoticed while nothing keeps the node from looking, where rounds are a second
/// apart.
const UNSEEN_MAX: Duration = Duration::from_secs(6);

/// The checker.
#[derive(Debug)]
pub(super) struct Repaired {
    cluster: Rc<Cluster>,
    truth: Shared,
    /// Tables that differ from their kernels, and since when nobody has said so.
    wrong: BTreeMap<(HostId, IpAddr), Moment>,
    /// How each kernel was when it was last looked at.
    kernels: BTreeMap<HostId, u64>,
    /// Leaders amid a recovery or a takeover run: their next round is some time away.
    busy: Busy,
    next: Option<Moment>,
    looked: u64,
}

impl Repaired {
    pub(super) fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self {
            cluster,
            truth,
            wrong: BTreeMap::new(),
            kernels: BTreeMap::new(),
            busy: Busy::default(),
            next: None,
            looked: 0,
        }
    }

    fn compare_all(&mut self, world: &World<Ctdb>, host: HostId) {
        self.wrong.retain(|(of, _), _| *of != host);
        let Some((machine, own)) = node(world, host) else { return };
        for public in machine.public_addresses() {
            self.compare(world, (host, public.address), public.holder == Some(own));
        }
    }

    fn compare_one(&mut self, world: &World<Ctdb>, host: HostId, address: IpAddr) {
        self.wrong.remove(&(host, address));
        let Some((machine, own)) = node(world, host) else { return };
        if let Some(public) = machine.public_addresses().find(|public| public.address == address) {
            self.compare(world, (host, address), public.holder == Some(own));
        }
    }

    fn compare(&mut self, world: &World<Ctdb>, (host, address): (HostId, IpAddr), held: bool) {
        self.looked += 1;
        if held != world.host(host).kernel.holds(address) {
            self.wrong.insert((host, address), world.now());
            self.next.get_or_insert(world.now() + LOOK);
        }
    }

    /// Whether something keeps a node from looking, or from being sure.
    fn is_hindered(&self, world: &World<Ctdb>, host: HostId, since: Moment) -> bool {
        let Some((machine, _)) = node(world, host) else { return true };
        let truth = self.truth.borrow();
        let works = !self.busy.is(host)
            && machine.runstate() == RunState::Running
            && is_active(world, host)
            && machine.recovery_mode() == RecoveryMode::Normal
            && machine.takeover_runs_off().is_none()
            && !machine.is_electing()
            // A leader waits for its own scripts, however long they take.
            && !machine.public_addresses().any(|public| machine.is_changing(public.address))
            && truth.steady_since(host, since);
        // A round waits for everybody who counts as connected.
        !works || !truth.hears_all_since(world, host, since)
    }
}

impl Checker<Ctdb> for Repaired {
    fn name(&self) -> &'static str {
        "repaired"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        if self.cluster.config.failover_disabled {
            return Ok(());
        }
        self.busy.watch(news);
        match news {
            News::Changed => {
                for host in world.members() {
                    let changes = world.host(host).kernel.changes();
                    if self.kernels.insert(host, changes) != Some(changes) {
                        self.compare_all(world, host);
                    }
                }
            }
            News::Started(host) | News::Exited(host, _) => self.wrong.retain(|(of, _), _| of != host),
            News::Notice(
                host,
                Notice::Taking { address, .. }
                | Notice::Taken { address, .. }
                | Notice::TakeFailed { address, .. }
                | Notice::Released { address, .. }
                | Notice::ReleaseFailed { address }
                | Notice::ReleaseRedundant { address, .. }
                | Notice::Updating { address, .. }
                | Notice::Updated { address, .. },
            ) => self.compare_one(world, *host, *address),
            News::Notice(host, Notice::RunStateReached { .. } | Notice::AddressesReloaded { .. }) => {
                self.compare_all(world, *host);
            }
            // It has been found; what comes of it is the leader's to decide.
            News::Notice(host, Notice::AddressWrong { address, .. }) => {
                self.wrong.remove(&(*host, *address));
            }
            // Nobody checks while a run is on, and runs that fail every second may meet every check.
            News::Notice(_, Notice::TakeoverStarted) => {
                self.wrong.values_mut().for_each(|since| *since = world.now());
            }
            News::Notice(..) | News::Meddled(..) | News::Spins(..) => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.next
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let now = world.now();
        let all: Vec<_> = self.wrong.iter().map(|(what, since)| (*what, *since)).collect();
        for ((host, address), since) in all {
            self.looked += 1;
            // A table is put right without a word, too. And an operator may have taken off the list
            // what its node did not hold: nobody looks then for what the kernel has.
            let differs = node(world, host).is_some_and(|(machine, own)| {
                let mut listed = machine.public_addresses().filter(|public| public.address == address);
                let there = world.host(host).kernel.holds(address);
                listed.any(|public| (public.holder == Some(own)) != there)
            });
            if !differs {
                self.wrong.remove(&(host, address));
            } else if self.is_hindered(world, host, since) {
                self.wrong.insert((host, address), now);
            } else if now.since(since) >= UNSEEN_MAX + self.cluster.rounds_later().times(2) {
                let what = format!("{host} has not seen for {} that {address} is wrong", now.since(since));
                return Err(Violation::safety("wrong-is-seen", what));
            }
        }
        self.next = (!self.wrong.is_empty()).then_some(now + LOOK);
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
