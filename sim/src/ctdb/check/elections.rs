//! Elections without a cluster lock: nobody wins against an older candidate who was there all
//! the time.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Capabilities, Pnn, RunState};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::counts_connected;
use super::detection::host_of;
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
    began: BTreeMap<HostId, Began>,
    looked: u64,
}

/// Since when a node could lead. One that took no part for a while counts from when it last saw
/// that, which is its own business.
#[derive(Clone, Copy, Debug)]
struct Able {
    /// The earliest it may say: a time of day in µs, as its daemon reckons it.
    oldest: i64,
    /// The latest it may say. None if the daemon was told the time anew while it took no part: it may
    /// have seen that for the last time before or after.
    youngest: Option<i64>,
    /// When the latter was, and what the daemon had been told of the time of day.
    since: Moment,
    told: i64,
}

/// An election as one node sees it.
#[derive(Clone, Copy, Debug)]
struct Began {
    at: Moment,
    /// It has met nobody since.
    met_nobody: bool,
}

impl Elections {
    pub(super) const fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self { cluster, truth, able: BTreeMap::new(), began: BTreeMap::new(), looked: 0 }
    }

    /// A node may lead from now on, or may not any more. Its age is what its daemon says, and that
    /// reckons on a clock that may run fast or slow until somebody sets it right.
    fn able_now(&mut self, world: &World<Ctdb>, host: HostId, was_inactive: bool) {
        let there = world.host(host);
        let Some((told, now)) = there.told().zip(there.reckoned_time_of_day(world.now())) else { return };
        let before = self.able.get(&host);
        let set = was_inactive && before.is_some_and(|able| able.youngest.is_none() || able.told != told);
        let able = Able {
            oldest: before.map_or(now, |able| able.oldest),
            youngest: (!set).then_some(now),
            since: world.now(),
            told,
        };
        self.able.insert(host, able);
    }

    /// Two nodes meet: in an election that goes on, one of them may have deferred to somebody whom
    /// the other did not hear.
    fn meet(&mut self, world: &World<Ctdb>, host: HostId, pnn: Pnn) {
        for one in [Some(host), host_of(world, &self.cluster, host, pnn)].into_iter().flatten() {
            self.began.entry(one).and_modify(|began| began.met_nobody = false);
        }
    }

    /// A node has won an election and begins its first recovery.
    fn won(&mut self, world: &World<Ctdb>, winner: HostId) -> Result<(), Violation> {
        let Some(Began { at: began, met_nobody }) = self.began.remove(&winner) else { return Ok(()) };
        let Some(&Able { oldest: age, .. }) = self.able.get(&winner) else { return Ok(()) };
        let there = Moment(began.0.saturating_sub(THERE_BEFORE.0));
        // Somebody whom it does not see, or did not when the votes were cast, may have been deferred
        // to.
        let meets = |other: HostId| {
            counts_connected(&self.cluster, world, winner, other)
                && counts_connected(&self.cluster, world, other, winner)
        };
        let mut running = world.members().filter(|host| *host != winner && world.host(*host).runs());
        if !met_nobody || !running.all(meets) {
            return Ok(());
        }
        for (&other, &Able { youngest: older, since, .. }) in
            self.able.iter().filter(|(other, _)| **other != winner)
        {
            self.looked += 1;
            let truth = self.truth.borrow();
            let ready = older.is_some_and(|older| older + AGE_APART_US < age)
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
                self.able_now(world, *host, false);
            }
            // Until its next round it may still count the time before.
            News::Notice(host, Notice::FlagsChanged { pnn, from, to, .. })
                if node(world, *host).is_some_and(|(_, own)| own == *pnn)
                    && (from.is_inactive() || to.is_inactive()) =>
            {
                self.able_now(world, *host, from.is_inactive());
            }
            News::Notice(host, Notice::ElectionStarted) => {
                self.began.insert(*host, Began { at: world.now(), met_nobody: true });
            }
            News::Notice(host, Notice::NodeConnected { pnn }) => self.meet(world, *host, *pnn),
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
