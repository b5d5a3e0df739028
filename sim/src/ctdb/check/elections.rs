//! Elections without a cluster lock: nobody wins against an older candidate who was there all
//! the time.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Capabilities, RunState};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::counts_connected;
use super::truth::Shared;
use super::view::{is_active, leads, may_be, node};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// Ages that differ by less are not told apart: times of day are a matter of the hosts' clocks.
const AGE_APART_US: i64 = 100_000;
/// How long before an election a candidate has to be there.
const THERE_BEFORE: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug)]
pub(super) struct Elections {
    cluster: Rc<Cluster>,
    truth: Shared,
    /// Since when each could lead, at the earliest and at the latest.
    able: BTreeMap<HostId, Able>,
    /// When each last believed that an election began.
    began: BTreeMap<HostId, Moment>,
    looked: u64,
}

/// Since when a node could lead. One that took no part for a while counts from when it last saw
/// that, which is its own business.
#[derive(Clone, Copy, Debug)]
struct Able {
    /// Times of day in µs.
    oldest: i64,
    youngest: i64,
    /// When the latter was.
    since: Moment,
}

impl Elections {
    pub(super) const fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self { cluster, truth, able: BTreeMap::new(), began: BTreeMap::new(), looked: 0 }
    }

    fn able_now(&mut self, world: &World<Ctdb>, host: HostId) {
        let (now, since) = (world.host(host).time_of_day(world.now()), world.now());
        let oldest = self.able.get(&host).map_or(now, |able| able.oldest);
        self.able.insert(host, Able { oldest, youngest: now, since });
    }

    /// A node has won an election and begins its first recovery.
    fn won(&mut self, world: &World<Ctdb>, winner: HostId) -> Result<(), Violation> {
        let Some(began) = self.began.remove(&winner) else { return Ok(()) };
        let Some(&Able { oldest: age, .. }) = self.able.get(&winner) else { return Ok(()) };
        let there = Moment(began.0.saturating_sub(THERE_BEFORE.0));
        // Somebody whom it does not see may have been deferred to.
        let meets = |other: HostId| {
            counts_connected(&self.cluster, world, winner, other)
                && counts_connected(&self.cluster, world, other, winner)
        };
        let mut running = world.members().filter(|host| *host != winner && world.host(*host).runs());
        if !running.all(meets) {
            return Ok(());
        }
        for (&other, &Able { youngest: older, since, .. }) in
            self.able.iter().filter(|(other, _)| **other != winner)
        {
            self.looked += 1;
            let truth = self.truth.borrow();
            let ready = older + AGE_APART_US < age
                && since < there
                && is_active(world, other)
                && node(world, other).is_some_and(|(machine, _)| machine.runstate() != RunState::Shutdown)
                && may_be(world, other, Capabilities::LEADER)
                && truth.in_touch_since(winner, other, there)
                && truth.steady_since(winner, there)
                && truth.steady_since(other, there);
            if ready {
                let what =
                    format!("{winner} won the election of {began} though {other} is older and was there");
                return Err(Violation::safety("the-oldest-leads", what));
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Elections {
    fn name(&self) -> &'static str {
        "elections"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        if self.cluster.config.cluster_lock.is_some() {
            return Ok(());
        }
        match news {
            News::Started(host) | News::Exited(host, _) => {
                self.able.remove(host);
                self.began.remove(host);
            }
            News::Notice(host, Notice::RunStateReached { to: RunState::FirstRecovery }) => {
                self.able_now(world, *host);
            }
            // Until its next round it may still count the time before.
            News::Notice(host, Notice::FlagsChanged { pnn, from, to })
                if node(world, *host).is_some_and(|(_, own)| own == *pnn)
                    && (from.is_inactive() || to.is_inactive()) =>
            {
                self.able_now(world, *host);
            }
            News::Notice(host, Notice::ElectionStarted) => {
                self.began.insert(*host, world.now());
            }
            News::Notice(host, Notice::RecoveryStarted(_)) if leads(world, *host) => {
                return self.won(world, *host);
            }
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
