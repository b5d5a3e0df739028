//! What the world knows about every two nodes, reckoned anew whenever a condition changes:
//! since when nothing can be heard, and since when nothing has been wrong.

use std::cell::RefCell;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::types::Pnn;
use standin_core::time::Duration;

use super::super::build::Cluster;
use crate::check::backlog::{BACKOFF_MAX, Backlog};
use crate::world::World;
use crate::world::host::Pace;
use crate::world::moment::{HostId, Moment, Net};
use crate::world::network::Weather;

/// One ordered pair: what the first can know of the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Since when not a byte of the second can reach the first, while the first's daemon runs
    /// without delay.
    pub(super) silent_since: Option<Moment>,
    /// The second's daemon ended at this time, its host and every way being fine; until
    /// something else changes.
    pub(super) closed_at: Option<Moment>,
    /// What the second's kernel holds up while segments or their acknowledgements are getting lost.
    backlog: Backlog,
    /// Whether something is wrong between the two.
    wrong: bool,
    /// When that began, or the trouble it belongs to.
    trouble_since: Moment,
    /// Until when what went wrong may have consequences.
    excused_until: Moment,
    /// Since when nothing has been wrong and nothing held up is still on its way, if nothing is.
    calm_from: Moment,
    /// Until when somebody else's bytes may be taken for a sign of life.
    pub(super) meddled_until: Moment,
    lives: (u32, u32),
    jumps: (u32, u32),
}

/// What the conditions between two nodes follow from, on one host.
#[derive(Clone, Copy, Debug)]
struct Standing {
    life: u32,
    jumps: u32,
    awake: bool,
    brisk: bool,
    /// A daemon has been started and not ended.
    runs: bool,
    /// There is no daemon, or it stands still.
    stands: bool,
    /// The kernel is awake and its address can be reached.
    usable: bool,
    /// Nothing is delayed or lost at its port.
    calm: bool,
}

impl Standing {
    fn of(cluster: &Cluster, world: &World<Ctdb>, host: HostId) -> Self {
        let there = world.host(host);
        let process = there.process.as_ref();
        Self {
            life: there.lives,
            jumps: there.clock.jumps(),
            awake: there.awake(),
            brisk: there.brisk(),
            runs: process.is_some(),
            stands: process.is_none_or(|process| process.pace == Pace::Stopped),
            usable: there.awake() && there.kernel.usable(cluster.address(host)),
            calm: world.network().weather(Net::Private, host, host) == Weather::CALM,
        }
    }
}

/// What several checkers look at, and the first of them keeps.
pub(super) type Shared = Rc<RefCell<Truth>>;

/// All pairs.
#[derive(Debug)]
pub(super) struct Truth {
    cluster: Rc<Cluster>,
    members: u32,
    pairs: Vec<Pair>,
    /// Since when each host's daemon takes its inputs at once, on a clock that neither drifts
    /// nor jumps.
    steady: Vec<(Option<Moment>, u32)>,
    /// How long after trouble its consequences may show, beyond the trouble's own length:
    /// silence has to be counted out, twice.
    aftermath: Duration,
}

impl Truth {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        let fresh = Pair {
            silent_since: None,
            closed_at: None,
            backlog: Backlog::default(),
            wrong: true,
            trouble_since: Moment::START,
            excused_until: Moment::START,
            calm_from: Moment::START,
            meddled_until: Moment::START,
            lives: (0, 0),
            jumps: (0, 0),
        };
        let pairs = vec![fresh; (cluster.members * cluster.members) as usize];
        let aftermath = cluster.silence_max().times(2) + Duration::from_secs(5);
        let steady = vec![(None, 0); cluster.members as usize];
        let members = cluster.members;
        Self { cluster, members, pairs, steady, aftermath }
    }

    pub(super) fn pair(&self, one: HostId, other: HostId) -> &Pair {
        &self.pairs[(one.0 * self.members + other.0) as usize]
    }

    /// Whether nothing has been wrong between two nodes for long enough.
    pub(super) fn blameless(&self, one: HostId, other: HostId, now: Moment) -> bool {
        let pair = self.pair(one, other);
        !pair.wrong && pair.excused_until < now
    }

    /// Whether nothing has been wrong between two nodes since before `then`: what either said to
    /// the other has been heard at once.
    pub(super) fn in_touch_since(&self, one: HostId, other: HostId, then: Moment) -> bool {
        let calm = |one, other| {
            let pair = self.pair(one, other);
            !pair.wrong && pair.calm_from < then && pair.meddled_until < then
        };
        calm(one, other) && calm(other, one)
    }

    /// Whether a node's questions to everybody it counts as connected have been answered at once
    /// since before `then`.
    pub(super) fn hears_all_since(&self, world: &World<Ctdb>, host: HostId, then: Moment) -> bool {
        let Some(machine) = world.host(host).machine() else { return false };
        let peers = (0..machine.node_count()).map(Pnn);
        let mut asked = peers.filter(|pnn| machine.pnn() != Some(*pnn) && machine.is_connected(*pnn));
        asked.all(|pnn| {
            let other = machine.address(pnn).and_then(|address| self.cluster.host_at(address));
            other.is_some_and(|other| self.in_touch_since(host, other, then))
        })
    }

    /// Whether a host's daemon has taken its inputs at once, on an even clock, since before `then`.
    pub(super) fn steady_since(&self, host: HostId, then: Moment) -> bool {
        self.steady[host.index()].0.is_some_and(|since| since < then)
    }

    /// Every two members, ordered.
    pub(super) fn all(&self) -> impl Iterator<Item = (HostId, HostId)> + use<> {
        let members = self.members;
        let pair = move |one| (0..members).map(move |other| (HostId(one), HostId(other)));
        (0..members).flat_map(pair).filter(|(one, other)| one != other)
    }

    /// Bytes were put on a stream that its owner never sent.
    pub(super) fn meddled(&mut self, world: &World<Ctdb>, one: HostId, other: HostId) {
        let until = world.now() + self.aftermath;
        for (from, to) in [(one, other), (other, one)] {
            let pair = &mut self.pairs[(from.0 * self.members + to.0) as usize];
            pair.excused_until = pair.excused_until.max(until);
            pair.meddled_until = until;
            // What was forged counts as a sign of life.
            pair.silent_since = pair.silent_since.map(|since| since.max(world.now()));
        }
    }

    /// Conditions changed: look at every pair.
    pub(super) fn observe(&mut self, world: &World<Ctdb>) {
        for (host, steady) in (0..).map(HostId).zip(&mut self.steady) {
            let there = world.host(host);
            let jumps = there.clock.jumps();
            let calm = there.brisk() && there.clock.drift_ppm() == 0 && jumps == steady.1;
            *steady = (calm.then(|| steady.0.unwrap_or(world.now())), jumps);
        }
        let standing = |host| Standing::of(&self.cluster, world, HostId(host));
        let hosts: Vec<_> = (0..self.members).map(standing).collect();
        for (one, other) in self.all() {
            self.observe_pair(world, (one, &hosts[one.index()]), (other, &hosts[other.index()]));
        }
    }

    fn observe_pair(
        &mut self,
        world: &World<Ctdb>,
        (one, here): (HostId, &Standing),
        (other, there): (HostId, &Standing),
    ) {
        let now = world.now();
        let usable = here.usable && there.usable;
        let to_us = usable && world.network().open(Net::Private, other, one);
        let both = to_us && world.network().open(Net::Private, one, other);
        let calm = here.calm && there.calm;
        let lives = (here.life, there.life);
        let jumps = (here.jumps, there.jumps);
        let pair = &mut self.pairs[(one.0 * self.members + other.0) as usize];
        let same = pair.lives == lives && pair.jumps == jumps;
        let fine =
            both && calm && here.brisk && there.brisk && same && agree(&self.cluster, world, one, other);

        pair.backlog.observe(both && calm, now);
        // A daemon that stands still says nothing, but its kernel still brings over what it said.
        let mute = there.awake && there.stands && !pair.backlog.is_cut();
        let silent = here.brisk && pair.lives.0 == lives.0 && (!to_us || !there.awake || mute);
        let from = if to_us && there.awake { pair.backlog.until().max(now) } else { now };
        pair.silent_since = silent.then(|| {
            pair.silent_since.unwrap_or(from).max(if mute && to_us {
                pair.backlog.until()
            } else {
                Moment::START
            })
        });

        let gone = there.awake && !there.runs;
        let closing = gone && both && calm && here.brisk && pair.lives.0 == lives.0;
        let was_fine = !pair.wrong && pair.excused_until < now;
        pair.closed_at = match pair.closed_at {
            Some(at) if closing => Some(at),
            None if closing && was_fine => Some(now),
            _ => None,
        };

        match (fine, pair.wrong) {
            // Before its streams have got over it, the next trouble prolongs the last: what waits
            // to be sent again waits longer each time it meets with none but bad moments.
            (false, false) => {
                if now >= pair.calm_from {
                    pair.trouble_since = now;
                }
                pair.wrong = true;
            }
            (true, true) => {
                let lasted = now.since(pair.trouble_since).min(BACKOFF_MAX);
                pair.wrong = false;
                pair.calm_from = pair.calm_from.max(now + lasted);
                pair.excused_until = pair.excused_until.max(now + lasted + self.aftermath);
            }
            (false, true) | (true, false) => {}
        }
        if !same {
            pair.excused_until = pair.excused_until.max(now + self.aftermath);
        }
        pair.lives = lives;
        pair.jumps = jumps;
    }
}

/// Whether two daemons know each other under the same numbers. Nodes files that disagree are
/// their operator's mistake.
fn agree(cluster: &Cluster, world: &World<Ctdb>, one: HostId, other: HostId) -> bool {
    let (Some(here), Some(there)) = (world.host(one).machine(), world.host(other).machine()) else {
        return false;
    };
    let known =
        |at: &Ctdb, of: HostId, who: &Ctdb| who.pnn().is_some() && cluster.number_of(at, of) == who.pnn();
    known(here, other, there) && known(there, one, here)
}
