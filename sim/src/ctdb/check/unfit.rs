//! Nodes that are not fit: whoever takes no part is in recovery mode and gives its addresses up,
//! so does who has been in recovery for too long, and a takeover run leaves nothing on a node
//! that was unfit when it began. A node is unhealthy once its monitor scripts say so.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{NodeFlags, Pnn, RecoveryMode, RunState};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::{counts_connected, own_flags};
use super::SLACK;
use super::busy::Busy;
use super::hands::Hands;
use super::truth::Shared;
use super::view::{is_inactive, node, stretched};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How long an inactive node may be in normal mode where rounds are a second apart.
const NORMAL_MAX: Duration = Duration::from_millis(2_500);

/// The checker.
#[derive(Debug)]
pub(super) struct Unfit {
    cluster: Rc<Cluster>,
    truth: Shared,
    hands: Hands,
    /// Who has had a flag of its own, since when.
    unfit: BTreeMap<HostId, Moment>,
    /// Who has just stopped taking part and has not said that it drops its addresses.
    dropping: BTreeMap<HostId, Moment>,
    /// Who takes no part and is in normal mode, since when.
    normal: BTreeMap<HostId, Moment>,
    /// Whose recovery mode nobody times, as in ctdbd: it came with no longer taking part, or its time
    /// has been up.
    untimed: BTreeSet<HostId>,
    /// Who serves and is in recovery mode, since when.
    recovering: BTreeMap<HostId, Moment>,
    /// Takeover runs under way, by leader.
    runs: BTreeMap<HostId, Run>,
    busy: Busy,
    looked: u64,
}

/// A takeover run under way.
#[derive(Debug)]
struct Run {
    since: Moment,
    /// Whom its leader has met since.
    met: Vec<Pnn>,
    /// Another leader has had one meanwhile.
    disputed: bool,
}

impl Unfit {
    pub(super) fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self {
            cluster,
            truth,
            hands: Hands::default(),
            unfit: BTreeMap::new(),
            dropping: BTreeMap::new(),
            normal: BTreeMap::new(),
            untimed: BTreeSet::new(),
            recovering: BTreeMap::new(),
            runs: BTreeMap::new(),
            busy: Busy::default(),
            looked: 0,
        }
    }

    fn gone(&mut self, host: HostId) {
        for watched in [&mut self.unfit, &mut self.dropping, &mut self.normal, &mut self.recovering] {
            watched.remove(&host);
        }
        self.untimed.remove(&host);
        self.runs.remove(&host);
    }

    fn normal_max(&self) -> Duration {
        NORMAL_MAX + self.cluster.rounds_later()
    }

    fn recovering_max(&self) -> Duration {
        stretched(self.cluster.tunables().recovery_drop_all_ips()) + SLACK
    }

    /// A host's flags or mode may not be what they were.
    fn observe(&mut self, world: &World<Ctdb>, host: HostId) {
        let now = world.now();
        let Some((machine, _)) = node(world, host) else { return self.gone(host) };
        let active_mode = machine.recovery_mode() == RecoveryMode::Active;
        let inactive = is_inactive(world, host);
        let unfit = own_flags(world, host).is_some_and(|flags| !flags.is_empty());
        let ends = machine.runstate() == RunState::Shutdown;
        // With a cluster lock the end of a recovery stops the clock even if it fails, as in ctdbd.
        let timed = self.cluster.config.cluster_lock.is_none() && !self.untimed.contains(&host);
        let serves = machine.runstate() == RunState::Running && !inactive && timed;
        for (watched, is) in [
            (&mut self.unfit, unfit),
            (&mut self.normal, inactive && !active_mode && !ends),
            (&mut self.recovering, serves && active_mode),
        ] {
            if is {
                watched.entry(host).or_insert(now);
            } else {
                watched.remove(&host);
            }
        }
    }

    fn run_over(&mut self, world: &World<Ctdb>, leader: HostId) -> Result<(), Violation> {
        let run = self.runs.remove(&leader).filter(|run| !run.disputed);
        let Some(Run { since: began, met, .. }) = run else { return Ok(()) };
        self.hands.watch(world);
        if self.cluster.config.failover_disabled || !self.hands.off_addresses(world.now()) {
            return Ok(());
        }
        for (&host, &since) in &self.unfit {
            self.looked += 1;
            let Some((machine, own)) = node(world, host) else { continue };
            let there =
                host == leader || counts_connected(&self.cluster, world, leader, host) && !met.contains(&own);
            let steady = self.truth.borrow().steady_since(host, began);
            if since >= began || !there || !steady || !world.host(host).caught_up() {
                continue;
            }
            if let Some(kept) = machine.public_addresses().find(|public| public.holder == Some(own)) {
                let flags = own_flags(world, host).unwrap_or_default();
                let what = format!(
                    "a takeover run of {leader}'s is over, and {host}, {flags}, has {} still",
                    kept.address
                );
                return Err(Violation::safety("the-unfit-serve-nothing", what));
            }
        }
        Ok(())
    }

    fn look_at_all(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let now = world.now();
        let (normal_max, recovering_max) = (self.normal_max(), self.recovering_max());
        if let Some((host, since)) = self.dropping.iter().find(|(_, since)| **since < now) {
            let what = format!("{host} takes no part since {since} and does not drop its addresses");
            return Err(Violation::safety("the-unfit-drop-all", what));
        }
        let recovers = "is in recovery mode and has not dropped its addresses";
        for (watched, most, seen_by_itself, what) in [
            (&mut self.normal, normal_max, true, "takes no part and is in normal mode"),
            (&mut self.recovering, recovering_max, false, recovers),
        ] {
            for (host, since) in watched {
                if now.since(*since) < most {
                    continue;
                }
                let serves = node(world, *host).is_some_and(|(machine, own)| {
                    machine.public_addresses().any(|public| public.holder == Some(own))
                });
                // Amid an election nobody looks.
                let electing = node(world, *host).is_some_and(|(machine, _)| machine.is_electing());
                let looks = !electing
                    && !self.busy.is(*host)
                    && self.truth.borrow().hears_all_since(world, *host, *since);
                let counts = if seen_by_itself { looks } else { serves };
                if counts && self.truth.borrow().steady_since(*host, *since) {
                    let what = format!("{host} {what} for {}", now.since(*since));
                    return Err(Violation::safety("the-unfit-drop-all", what));
                }
                *since = now;
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Unfit {
    fn name(&self) -> &'static str {
        "unfit"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        self.busy.watch(news);
        let (host, notice) = match news {
            News::Started(host) | News::Exited(host, _) => {
                self.gone(*host);
                return Ok(());
            }
            News::Changed => {
                let gone = |host: &HostId| !world.host(*host).runs();
                world.members().filter(gone).for_each(|host| self.gone(host));
                return Ok(());
            }
            News::Notice(host, notice) => (*host, notice),
            News::Meddled(..) | News::Spins(..) => return Ok(()),
        };
        match notice {
            Notice::FlagsChanged { pnn, from, to, .. }
                if node(world, host).is_some_and(|(_, own)| own == *pnn) =>
            {
                self.observe(world, host);
                let stops = !from.is_inactive() && to.is_inactive();
                let ends = node(world, host).is_some_and(|(it, _)| it.runstate() == RunState::Shutdown);
                if stops && !ends && !self.cluster.config.failover_disabled {
                    self.dropping.insert(host, world.now());
                }
            }
            // Until now it may have waited for an answer, or for the end of an election.
            Notice::ElectionStarted | Notice::LeaderChanged { .. } | Notice::NodeDead { .. } => {
                self.normal.entry(host).and_modify(|since| *since = world.now());
            }
            Notice::DroppingAll { .. } => {
                self.dropping.remove(&host);
                self.recovering.remove(&host);
                self.untimed.insert(host);
            }
            Notice::RecoveryModeChanged { .. } => {
                if is_inactive(world, host) {
                    self.untimed.insert(host);
                } else {
                    self.untimed.remove(&host);
                }
                self.observe(world, host);
            }
            Notice::RunStateReached { .. } | Notice::Listening { .. } | Notice::Stopping(_) => {
                self.observe(world, host);
                if matches!(notice, Notice::Stopping(_)) {
                    self.dropping.remove(&host);
                }
            }
            Notice::TakeoverStarted => {
                self.runs.remove(&host);
                self.runs.values_mut().for_each(|run| run.disputed = true);
                let (since, disputed) = (world.now(), !self.runs.is_empty());
                self.runs.insert(host, Run { since, met: Vec::new(), disputed });
            }
            Notice::NodeConnected { pnn } => {
                if let Some(run) = self.runs.get_mut(&host) {
                    run.met.push(*pnn);
                }
            }
            Notice::TakeoverFailed { .. } => {
                self.runs.remove(&host);
            }
            Notice::TakeoverFinished { .. } => return self.run_over(world, host),
            Notice::ScriptFailed { event: "monitor", .. } => {
                self.looked += 1;
                let well = own_flags(world, host).is_some_and(|flags| !flags.contains(NodeFlags::UNHEALTHY));
                let runs = node(world, host).is_some_and(|(it, _)| it.runstate() == RunState::Running);
                if well && runs {
                    let what = format!("{host}'s monitor event failed and it counts as healthy");
                    return Err(Violation::safety("failed-is-unhealthy", what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        let dropped = self.dropping.values().map(|since| *since + Duration(1));
        let normal = self.normal.values().map(|since| *since + self.normal_max());
        let recovered = self.recovering.values().map(|since| *since + self.recovering_max());
        dropped.chain(normal).chain(recovered).min()
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        self.look_at_all(world)
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
