//! Dead detection: silence is noticed in time, a closed stream at once, and nobody who is up,
//! awake and reachable is ever declared dead. After healing both ends agree.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::{Cause, Notice, StartRefusal};
use standin_core::ctdb::types::{NodeFlags, Pnn, RunState};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::counts_connected;
use super::truth::Shared;
use super::{DRIFT_MAX_PERCENT, SLACK};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Detection {
    cluster: Rc<Cluster>,
    /// Kept here for everybody: this checker is asked first.
    truth: Shared,
    looked: u64,
    /// When the next pair has to be looked at.
    due: Option<Moment>,
    /// How long silence and closed streams took to be noticed, in µs.
    silences: Vec<u64>,
    closings: Vec<u64>,
    returns: Vec<u64>,
    /// How long pairs had been apart that healing did not bring together.
    apart: Vec<u64>,
    /// With which status each daemon last ended by itself.
    exits: BTreeMap<HostId, u8>,
    /// When each pair last met.
    met: BTreeMap<(HostId, HostId), Moment>,
    /// Since when each counts silence: from the end of its `setup` event.
    counting: BTreeMap<HostId, Moment>,
    /// Who did not start because of its scripts.
    refused: BTreeSet<HostId>,
    /// When each pair last parted.
    parted: BTreeMap<(HostId, HostId), Moment>,
}

impl Detection {
    pub(super) const fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self {
            cluster,
            truth,
            looked: 0,
            due: None,
            silences: Vec::new(),
            closings: Vec::new(),
            returns: Vec::new(),
            apart: Vec::new(),
            exits: BTreeMap::new(),
            met: BTreeMap::new(),
            counting: BTreeMap::new(),
            refused: BTreeSet::new(),
            parted: BTreeMap::new(),
        }
    }

    /// The latest time at which `one` may still count the silent `other` as connected.
    fn silence_ends(&self, one: HostId, since: Moment) -> Moment {
        let bound = self.cluster.silence_max();
        // A clock that has run slow stretches its owner's intervals.
        let even = self.truth.borrow().steady_since(one, since);
        let stretch = if even { Duration::ZERO } else { Duration(bound.0 * DRIFT_MAX_PERCENT / 100) };
        since + bound + stretch + SLACK
    }

    fn look_at(&mut self, world: &World<Ctdb>, one: HostId, other: HostId) -> Result<(), Violation> {
        let pair = *self.truth.borrow().pair(one, other);
        let now = world.now();
        let (silent, closed) = (pair.silent_since, pair.closed_at);
        if (silent.is_none() && closed.is_none()) || !counts_connected(&self.cluster, world, one, other) {
            return Ok(());
        }
        self.looked += 1;
        // Counting begins with the connection.
        let connected = self.met.get(&(one, other)).copied();
        let counting = self.counting.get(&one).copied();
        if let Some((since, counting)) = silent.zip(counting) {
            let since = since.max(counting).max(connected.unwrap_or_default());
            let ends = self.silence_ends(one, since);
            if ends <= now {
                let what =
                    format!("{one} still counts {other} as connected after {} of silence", now.since(since));
                return Err(Violation::safety("silent-is-dead", what));
            }
            self.due = Some(self.due.map_or(ends, |due| due.min(ends)));
        }
        if let Some(at) = closed {
            let ends = at + SLACK;
            if ends <= now {
                let what = format!("{one} has not noticed for {} that {other}'s daemon ended", now.since(at));
                return Err(Violation::safety("closed-is-noticed", what));
            }
            self.due = Some(self.due.map_or(ends, |due| due.min(ends)));
        }
        Ok(())
    }

    fn look_at_all(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        self.due = None;
        let pairs = self.truth.borrow().all();
        for (one, other) in pairs {
            self.look_at(world, one, other)?;
        }
        Ok(())
    }

    fn dead(&mut self, world: &World<Ctdb>, one: HostId, pnn: Pnn, cause: Cause) -> Result<(), Violation> {
        self.looked += 1;
        let now = world.now();
        let Some(other) = host_of(world, &self.cluster, one, pnn) else { return Ok(()) };
        self.parted.insert((one, other), now);
        let pair = *self.truth.borrow().pair(one, other);
        let lost = NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY;
        let flags = world.host(one).machine().and_then(|machine| machine.flags(pnn));
        let caught_up = world.host(one).caught_up() && !counts_connected(&self.cluster, world, one, other);
        if caught_up && flags.is_some_and(|flags| !flags.contains(lost)) {
            let what = format!("{one} lost {other} and knows it as {}", flags.unwrap_or_default());
            return Err(Violation::safety("lost-is-unhealthy", what));
        }
        // Whoever ends says nothing any more, however long its scripts take.
        let stops =
            |host: HostId| world.host(host).machine().is_some_and(|it| it.runstate() == RunState::Shutdown);
        let ends = stops(one) || stops(other);
        if !ends && self.truth.borrow().blameless(one, other, now) {
            let hint = match self.cluster.tunables().keepalive_limit() {
                1 if cause == Cause::Silence => {
                    "; with KeepaliveLimit=1 one keepalive that is late is enough"
                }
                _ => "",
            };
            let what =
                format!("{one} declared {other} dead ({cause}) though both were up and reachable{hint}");
            return Err(Violation::safety("alive-is-not-dead", what));
        }
        if cause == Cause::Silence
            && pair.meddled_until < now
            && let Some(last) = world.last_heard(one, other)
        {
            let silence = now.since(last);
            let early = silence + SLACK < self.cluster.silence_min();
            // What came before both links were up does not count.
            let counted = self.met.get(&(one, other)).is_none_or(|met| *met < last);
            if early && counted && self.truth.borrow().steady_since(one, last) {
                let what = format!("{one} declared {other} dead after only {silence} of silence");
                return Err(Violation::safety("dead-too-early", what));
            }
        }
        match (cause, pair.silent_since, pair.closed_at) {
            (Cause::Silence, Some(since), _) if since < now => self.silences.push(now.since(since).0),
            (Cause::LinkIn(_) | Cause::LinkOut(_), _, Some(at)) => self.closings.push(now.since(at).0),
            _ => {}
        }
        Ok(())
    }
}

/// Which member a number means to a daemon.
pub(super) fn host_of(world: &World<Ctdb>, cluster: &Cluster, at: HostId, pnn: Pnn) -> Option<HostId> {
    let address = world.host(at).machine()?.address(pnn)?;
    cluster.host_at(address).filter(|host| host.0 < cluster.members && *host != at)
}

impl Checker<Ctdb> for Detection {
    fn name(&self) -> &'static str {
        "detection"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        if let News::Exited(host, status) = news {
            self.exits.insert(*host, *status);
        }
        match news {
            // A daemon that ends counts nothing any more.
            News::Started(host) | News::Notice(host, Notice::Stopping(_)) => {
                self.counting.remove(host);
                self.refused.remove(host);
            }
            // Its scripts would not have it start: somebody has to look after it.
            News::Notice(host, Notice::StartRefused(StartRefusal::Event { .. })) => {
                self.refused.insert(*host);
            }
            _ => {}
        }
        match news {
            News::Notice(host, Notice::RunStateReached { to: RunState::FirstRecovery }) => {
                self.counting.insert(*host, world.now());
                self.look_at_all(world)
            }
            News::Changed | News::Started(_) | News::Exited(..) => {
                self.truth.borrow_mut().observe(world);
                self.look_at_all(world)
            }
            News::Meddled(one, other) => {
                self.truth.borrow_mut().meddled(world, *one, *other);
                Ok(())
            }
            News::Notice(host, Notice::NodeDead { pnn, cause }) => self.dead(world, *host, *pnn, *cause),
            News::Notice(host, Notice::NodeConnected { pnn }) => {
                let Some(other) = host_of(world, &self.cluster, *host, *pnn) else { return Ok(()) };
                self.met.insert((*host, other), world.now());
                if let Some(at) = self.parted.remove(&(*host, other)) {
                    self.returns.push(world.now().since(at).0);
                }
                self.look_at(world, *host, other)
            }
            News::Notice(host, Notice::NodesReloaded { added, deleted, undeleted, changed, removed, .. }) => {
                // Links of nodes that came or went are closed and opened without a fault.
                if added + deleted + undeleted + changed + removed > 0 {
                    for other in (0..self.cluster.members).map(HostId).filter(|other| other != host) {
                        self.truth.borrow_mut().meddled(world, *host, other);
                    }
                }
                self.truth.borrow_mut().observe(world);
                Ok(())
            }
            News::Notice(_, Notice::Listening { .. }) => {
                self.truth.borrow_mut().observe(world);
                Ok(())
            }
            News::Notice(..) | News::Spins(..) => Ok(()),
        }
    }

    fn due(&self) -> Option<Moment> {
        self.due
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        self.look_at_all(world)
    }

    fn end(&mut self, world: &World<Ctdb>, settled: bool) -> Result<(), Violation> {
        if !settled {
            return Ok(());
        }
        let down = |host: HostId| !world.host(host).runs();
        let refused = |host: &HostId| self.refused.contains(host);
        for host in (0..self.cluster.members).map(HostId).filter(|host| down(*host) && !refused(host)) {
            if self.exits.get(&host).is_none_or(|status| *status != 0) {
                let what = format!("healed, but {host}'s daemon does not run and was not told to stop");
                return Err(Violation::liveness("running-again", what));
            }
        }
        let pairs = self.truth.borrow().all();
        for (one, other) in pairs.filter(|(one, other)| !down(*one) && !down(*other)) {
            self.looked += 1;
            let apart = !counts_connected(&self.cluster, world, one, other);
            // ctdbd keeps a link that is open on its side alone for hours; a finding, no failure.
            if apart && !self.cluster.config.fixes.redial_unanswered {
                let since = self.parted.get(&(one, other)).copied().unwrap_or_default();
                self.apart.push(world.now().since(since).0);
                continue;
            }
            if apart {
                let what = format!("healed, but {one} does not count {other} as connected");
                return Err(Violation::liveness("connected-again", what));
            }
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![
            ("silence to dead", self.silences.clone()),
            ("closed stream to dead", self.closings.clone()),
            ("dead to connected again", self.returns.clone()),
            ("apart though healed (strict)", self.apart.clone()),
        ]
    }
}
