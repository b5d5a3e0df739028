//! The tick, ten a second: dial, ping, suspect.

use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::table::Ix;
use super::super::types::NodeFlags;
use super::super::wire::Kind;
use super::{Gossip, Out, TICK, Todo, Wake};
use crate::time::Instant;

/// Nodes drawn each second; the one heard of longest ago is pinged.
const SAMPLE: usize = 5;

impl Gossip {
    pub(super) fn tick(&mut self, now: Instant, out: Out<'_>) {
        self.timers.set(Wake::Cron, now + TICK);
        self.ticks += 1;
        self.connect(now, out);
        if self.ticks.is_multiple_of(10) {
            self.ping_one(now);
        }
        let suspected = self.watch(now, out);
        self.data_tick(now, out);
        self.manual_deadline(now, out);
        if !self.table.me().is_master() {
            self.manual_step(now, out);
            self.election_step(now, out);
            self.migrate_if_orphaned(now, out);
        }
        if suspected || !self.standing.state.is_ok() {
            self.todo |= Todo::STATE;
        }
    }

    /// Everybody without a stream is dialled; handshakes that take too long end.
    fn connect(&mut self, now: Instant, out: Out<'_>) {
        let limit = self.config.handshake_timeout();
        let for_ever = self.config.plants.has(Plant::HandshakeUnending);
        let mut suspects = 0;
        for at in self.table.places() {
            let node = self.table.get(at);
            suspects += usize::from(node.flags.contains(NodeFlags::PFAIL));
            if at == Ix::ME || node.flags.contains(NodeFlags::NOADDR) {
                continue;
            }
            if node.in_handshake() && now.since(node.since) > limit && !for_ever {
                if let Some(address) = Self::dial_address(node) {
                    out.notice(Notice::HandshakeExpired { address });
                }
                self.remove(now, out, at);
            } else if !node.has_link() {
                self.dial(now, out, at);
            }
        }
        self.suspects = suspects;
    }

    /// Of a few nodes drawn at random, pings the one heard of longest ago.
    fn ping_one(&mut self, now: Instant) {
        let mut oldest: Option<(Instant, Ix)> = None;
        for _ in 0..SAMPLE {
            let at = self.table.draw(&mut self.rng.pings);
            let node = self.table.get(at);
            if at == Ix::ME || !node.has_link() || node.ping_sent.is_some() || node.in_handshake() {
                continue;
            }
            let heard = node.pong_received.unwrap_or(Instant::START);
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
    fn watch(&mut self, now: Instant, out: Out<'_>) -> bool {
        let timeout = self.config.node_timeout;
        let half = crate::time::Duration(timeout.0 / 2);
        let mut suspected = false;
        for at in self.table.places() {
            let node = self.table.get(at);
            if at == Ix::ME || node.flags.intersects(NodeFlags::NOADDR | NodeFlags::HANDSHAKE) {
                continue;
            }
            let data = node.data_received.map_or(u64::MAX, |heard| now.since(heard).0);
            if let Some(link) = node.outbound
                && let Some(sent) = node.ping_sent
                && self.links.get(link).is_some_and(|link| now.since(link.since) > timeout)
                && now.since(sent) > half
                && data > half.0
            {
                self.drop_link(now, out, link);
            }
            let node = self.table.get(at);
            let heard = node.pong_received.map_or(u64::MAX, |heard| now.since(heard).0);
            if node.has_link() && node.ping_sent.is_none() && heard > half.0 {
                self.ping(now, at, Kind::Ping);
                continue;
            }
            if self.manual.is_replica(at) && node.has_link() && self.table.me().is_master() {
                self.ping(now, at, Kind::Ping);
                continue;
            }
            let Some(sent) = node.ping_sent else { continue };
            let silent = now.since(sent).0.min(data);
            if silent > timeout.0 && !node.is_failing() {
                let id = node.id;
                self.table.get_mut(at).flags.insert(NodeFlags::PFAIL);
                out.notice(Notice::Pfail { id, silent: crate::time::Duration(silent) });
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
        self.table.remove(at);
    }
}
