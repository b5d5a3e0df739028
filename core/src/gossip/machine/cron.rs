//! The tick, ten a second: dial, ping, suspect.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::table::{Ix, Marks};
use super::super::types::NodeFlags;
use super::super::wire::Kind;
use super::{Gossip, Out, TICK, Todo, Wake};
use crate::time::{Duration, Instant};

/// Nodes drawn each second; the one heard of longest ago is pinged.
const SAMPLE: usize = 5;

/// Ticks ahead that are on the agenda: what is due later still is looked at then, and put off.
const TICKS_AHEAD: u64 = 256;
/// Nodes there is room for in a tick's part of the agenda once it is over.
const ROOM: usize = 64;
/// Node timeouts after which no answer is expected to a ping any more.
const FORGOTTEN: u64 = 2;

/// When the tick has to look at each node: nodes of which nothing is due are passed over.
///
/// A node is looked at too early rather than too late: what puts a look off is found out at the
/// look.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Agenda {
    /// What is due within a tick's length each, the first of them in the one numbered `first`.
    ticks: VecDeque<Vec<(Instant, Ix)>>,
    first: u64,
}

impl Agenda {
    /// Nobody may be on it twice.
    fn add(&mut self, when: Instant, at: Ix) {
        if self.ticks.is_empty() {
            self.first = when.0 / TICK.0;
        }
        let tick = (when.0 / TICK.0).saturating_sub(self.first).min(TICKS_AHEAD) as usize;
        if self.ticks.len() <= tick {
            self.ticks.resize_with(tick + 1, Vec::new);
        }
        self.ticks[tick].push((when, at));
    }

    fn remove(&mut self, at: Ix) {
        self.ticks.iter_mut().for_each(|tick| tick.retain(|&(_, other)| other != at));
    }

    /// Takes off what is due.
    fn take(&mut self, now: Instant, mut each: impl FnMut(Ix)) {
        let this_tick = now.0 / TICK.0;
        let over = this_tick.saturating_sub(self.first).min(self.ticks.len() as u64) as usize;
        for tick in self.ticks.range_mut(..over) {
            tick.drain(..).for_each(|(_, at)| each(at));
            tick.shrink_to(ROOM);
        }
        // Their room is for ticks to come.
        self.ticks.rotate_left(over);
        self.first = self.first.max(this_tick);
        if let Some(tick) = self.ticks.front_mut() {
            tick.retain(|&(when, at)| {
                let later = when > now;
                if !later {
                    each(at);
                }
                later
            });
        }
    }
}

impl Gossip {
    /// Has the next tick look at a node.
    pub(in super::super) fn look_soon(&mut self, now: Instant, at: Ix) {
        self.look_at(at, now);
    }

    fn look_at(&mut self, at: Ix, when: Instant) {
        if self.table.await_look(at, true) {
            self.agenda.remove(at);
        }
        self.agenda.add(when, at);
    }

    /// Everybody whose time has come, in the order of their places.
    fn take_due(&mut self, now: Instant) -> Vec<Ix> {
        let mut due = Vec::new();
        self.agenda.take(now, |at| due.push(at));
        for &at in &due {
            self.table.await_look(at, false);
        }
        due.sort_unstable();
        due
    }

    /// Of a node that is well and heard of: when it is to be pinged, should nobody hear of it.
    #[inline]
    fn nothing_before(&self, at: Ix) -> Option<Instant> {
        let glance = self.table.glance(at);
        let well = glance.marks() & (Marks::LINKED | Marks::PINGED) == Marks::LINKED
            && !glance.flags().intersects(NodeFlags::HANDSHAKE | NodeFlags::NOADDR)
            && !self.manual.is_replica(at);
        let heard = glance.pong_received().get().filter(|_| well)?;
        Some(heard + Duration(self.config.node_timeout.0 / 2 + 1))
    }

    /// When a node is to be looked at next.
    fn next_look(&self, now: Instant, at: Ix) -> Instant {
        let soon = now + Duration(1);
        if let Some(later) = self.nothing_before(at) {
            return later.max(soon);
        }
        let node = self.table.get(at);
        if !node.has_link() || node.flags.contains(NodeFlags::NOADDR) {
            return soon;
        }
        if node.in_handshake() {
            return (node.since + self.config.handshake_timeout() + Duration(1)).max(soon);
        }
        soon
    }

    pub(super) fn tick(&mut self, now: Instant, out: Out<'_>) {
        self.timers.set(Wake::Cron, now + TICK);
        self.ticks += 1;
        let due = self.take_due(now);
        self.count_suspects();
        let due = self.connect(now, out, due);
        if self.ticks.is_multiple_of(10) {
            self.ping_one(now);
            self.prune_links(now, out);
        }
        let suspected = self.watch(now, out, &due);
        for at in due {
            self.look_at(at, self.next_look(now, at));
        }
        self.data_tick(now, out);
        self.manual_deadline(now, out);
        if !self.table.me().is_master() {
            self.leave_chain(out);
            self.manual_step();
            self.election_step(now, out);
            if self.ticks.is_multiple_of(10) {
                self.migrate_if_orphaned(now, out);
            }
        }
        if suspected || !self.standing.state.is_ok() {
            self.todo |= Todo::STATE;
        }
    }

    fn count_suspects(&mut self) {
        let table = &self.table;
        self.suspects.retain(|&at| table.get(at).flags.contains(NodeFlags::PFAIL));
        self.suspects_seen = self.suspects.len();
    }

    /// Whoever has no stream is dialled; handshakes that take too long end. Who is left.
    fn connect(&mut self, now: Instant, out: Out<'_>, due: Vec<Ix>) -> Vec<Ix> {
        let limit = self.config.handshake_timeout();
        let for_ever = self.config.plants.has(Plant::HandshakeUnending);
        let mut left = Vec::with_capacity(due.len());
        for at in due {
            if self.nothing_before(at).is_some() {
                left.push(at);
                continue;
            }
            let node = self.table.get(at);
            if node.in_handshake() && now.since(node.since) > limit && !for_ever {
                if let Some(address) = Self::dial_address(node) {
                    out.notice(Notice::HandshakeExpired { address });
                }
                self.remove(now, out, at);
                continue;
            }
            left.push(at);
            if !node.has_link() && !node.flags.contains(NodeFlags::NOADDR) {
                self.dial(now, out, at);
            }
        }
        left
    }

    /// Of a few nodes drawn at random, pings the one heard of longest ago.
    fn ping_one(&mut self, now: Instant) {
        let mut oldest: Option<(Instant, Ix)> = None;
        for _ in 0..SAMPLE {
            let at = self.table.draw(&mut self.rng.pings);
            let node = self.table.get(at);
            if at == Ix::ME || !node.has_link() || !node.ping_sent.is_never() || node.in_handshake() {
                continue;
            }
            let heard = self.table.pong_received(at).get().unwrap_or(Instant::START);
            if oldest.is_none_or(|(known, _)| heard < known) {
                oldest = Some((heard, at));
            }
        }
        if let Some((_, at)) = oldest {
            self.ping(now, at, Kind::Ping);
        }
    }

    /// Pings whom nobody heard of for half the node timeout, suspects whom nobody hears for all of
    /// it. Whether somebody new is suspected.
    fn watch(&mut self, now: Instant, out: Out<'_>, due: &[Ix]) -> bool {
        let timeout = self.config.node_timeout;
        let half = Duration(timeout.0 / 2);
        let mut suspected = false;
        for &at in due {
            if self.nothing_before(at).is_some_and(|later| later > now) {
                continue;
            }
            let node = self.table.get(at);
            if node.flags.intersects(NodeFlags::NOADDR | NodeFlags::HANDSHAKE) {
                continue;
            }
            let data = node.data_received.get().map_or(u64::MAX, |heard| now.since(heard).0);
            if let Some(link) = node.outbound
                && let Some(sent) = node.ping_sent.get()
                && let Some(known) = self.links.get(link)
                && now.since(known.since) > timeout
                && now.since(sent) > half
                // Redis never gives up one that the other end has forgotten, as long as it hears from
                // there: no ping goes out on it any more, and a FAIL is never undone.
                && (data > half.0 || known.open && now.since(sent.max(known.since)) > timeout.times(FORGOTTEN))
            {
                self.drop_link(now, out, link);
            }
            let node = self.table.get(at);
            let heard = self.table.pong_received(at).get().map_or(u64::MAX, |heard| now.since(heard).0);
            if node.has_link() && node.ping_sent.is_never() && heard > half.0 {
                self.ping(now, at, Kind::Ping);
                continue;
            }
            if self.manual.is_replica(at) && node.has_link() && self.table.me().is_master() {
                self.ping(now, at, Kind::Ping);
                continue;
            }
            let Some(sent) = node.ping_sent.get() else { continue };
            let silent = now.since(sent).0.min(data);
            if silent > timeout.0 && !node.is_failing() {
                let id = node.id;
                self.table.get_mut(at).flags.insert(NodeFlags::PFAIL);
                self.suspects.push(at);
                out.notice(Notice::Pfail { id, silent: Duration(silent) });
                suspected = true;
                if self.config.plants.has(Plant::PfailCountedAsFail) {
                    self.fail_if_agreed(now, out, at);
                }
            }
        }
        suspected
    }

    /// Takes a node out of the table, with its streams.
    pub(super) fn remove(&mut self, now: Instant, out: Out<'_>, at: Ix) {
        let node = self.table.get(at);
        for link in [node.outbound, node.inbound].into_iter().flatten() {
            self.drop_link(now, out, link);
        }
        self.migrating.retain(|_, to| *to != at);
        self.importing.retain(|_, from| *from != at);
        self.manual.forget(at);
        self.election.forget(at);
        self.suspects.retain(|&suspect| suspect != at);
        if self.table.await_look(at, false) {
            self.agenda.remove(at);
        }
        self.table.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::btree_map::Entry;
    use alloc::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::gossip::table::{Address, Node, Table};
    use crate::gossip::types::NodeId;
    use crate::rng::Rng;

    /// Places of a table with so many nodes.
    fn places(count: usize, rng: &mut Rng) -> Vec<Ix> {
        let mut node =
            || Node::new(NodeId::random(rng), NodeFlags::MASTER, Address::default(), Instant::START);
        let mut table = Table::new(node(), 7);
        (0..count).map(|_| table.add(node()).unwrap()).collect()
    }

    #[test]
    fn nobody_is_looked_at_late_and_early_only_far_ahead() {
        let mut rng = Rng::new(5, 0);
        let places = places(40, &mut rng);
        let mut agenda = Agenda::default();
        // When, and whether that is beyond what the agenda reaches.
        let mut model: BTreeMap<Ix, (Instant, bool)> = BTreeMap::new();
        // A host that was up for long before.
        let mut now = Instant(3_000_000_000_000);
        for _ in 0..20_000 {
            let at = places[rng.index(places.len()).unwrap()];
            match model.entry(at) {
                Entry::Occupied(known) if rng.chance(100_000) => {
                    known.remove();
                    agenda.remove(at);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(free) => {
                    let span = [1, 300_000, 20_000_000, 90_000_000][rng.index(4).unwrap()];
                    let when = Instant(now.0 - 200_000 + rng.below(span));
                    agenda.add(when, at);
                    let far = (when.0 / TICK.0).saturating_sub(agenda.first) > TICKS_AHEAD;
                    free.insert((when, far));
                }
            }
            // Ticks, now and then a long sleep.
            now += Duration(if rng.chance(1_000) { 60_000_000 } else { rng.below(120_000) });
            let mut taken = BTreeSet::new();
            agenda.take(now, |at| assert!(taken.insert(at), "twice"));
            model.retain(|at, &mut (when, far)| {
                let is_taken = taken.remove(at);
                assert!(is_taken || when > now, "late");
                assert!(!is_taken || when <= now || far, "early");
                !is_taken
            });
            assert!(taken.is_empty(), "who is not on it");
        }
    }
}
