//! How a connection endures: retransmission once something is lost, probes once it is idle.

use standin_core::machine::{Machine, Why};
use standin_core::time::Duration;

use super::conn::{Held, Piece};
use crate::world::end::{EndRef, Owner};
use crate::world::{Event, World};

/// Linux: the smallest and largest retransmission time-out, and how often each kind tries.
pub(super) const RTO_MIN: Duration = Duration::from_millis(200);
/// When a listening kernel repeats its SYN-ACK first (then after 2, 4 … s), and how often.
pub(super) const SYN_ACK_AGAIN: Duration = Duration::from_secs(1);
const SYN_ACK_TRIES_MAX: u32 = 5;
const RTO_MAX: Duration = Duration::from_secs(120);
const TRIES_MAX: u32 = 15;
const ORPHAN_TRIES_MAX: u32 = 8;
/// `SO_KEEPALIVE`: idle time before the first probe, between probes, and how many.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(7_200);
const PROBE_EVERY: Duration = Duration::from_secs(75);
const PROBES_MAX: u32 = 9;

impl<M: Machine> World<M> {
    pub(in crate::world) fn tcp_retransmit(&mut self, at: EndRef, serial: u32) {
        let EndRef { conn: id, side } = at;
        let Some(conn) = self.conns.get(id) else { return };
        let orphan = conn.owner(side) == Owner::Kernel;
        let way = conn.way_mut(side);
        let Some(stuck) = way.stuck.as_mut().filter(|stuck| stuck.serial == serial) else { return };
        let host = &self.hosts[way.from.index()];
        if host.powered && !host.awake() {
            // Its kernel's timers sleep with it.
            self.schedule.push(self.now + stuck.rto, Event::Retransmit { end: at, serial });
            return;
        }
        stuck.tries += 1;
        stuck.rto = (stuck.rto + stuck.rto).min(RTO_MAX);
        let (tries, next) = (stuck.tries, self.now + stuck.rto);
        if tries > SYN_ACK_TRIES_MAX && matches!(stuck.queue.front(), Some(Held::Waiting(Piece::Hello))) {
            // The listener forgets the embryo, if it was never told; we stay half open until we write.
            stuck.queue.pop_front();
            stuck.first = stuck.first.saturating_sub(1);
            let unsent = !stuck.queue.is_empty();
            if !unsent {
                way.stuck = None;
            }
            if way.reader == Owner::Embryo {
                way.reader = Owner::Nobody;
            }
            if !unsent {
                return;
            }
            self.schedule.push(next, Event::Retransmit { end: at, serial });
            return;
        }
        if tries > if orphan { ORPHAN_TRIES_MAX } else { TRIES_MAX } {
            return self.end_closed(at, Why::TimedOut);
        }
        self.schedule.push(next, Event::Retransmit { end: at, serial });
        if !self.passes(id, side) {
            return;
        }
        let back = self.passes(id, side.other());
        let arrives = self.now + self.delay(id, side);
        let Some(conn) = self.conns.get(id) else { return };
        let way = conn.way_mut(side);
        let far_gone = matches!(way.reader, Owner::Nobody | Owner::Kernel);
        let Some(stuck) = way.stuck.as_mut() else { return };
        if far_gone {
            if back {
                self.schedule.push(arrives, Event::Reset { conn: id, to: side, why: Why::Reset });
            }
        } else if back {
            let queue = std::mem::take(&mut stuck.queue);
            way.stuck = None;
            for held in queue {
                if let Held::Waiting(piece) = held {
                    self.transmit(id, side, piece);
                }
            }
        } else if let Some(head) = stuck.queue.front_mut()
            && let Held::Waiting(piece) = std::mem::replace(head, Held::Heard)
        {
            let arrives = arrives.max(way.last_arrival);
            way.last_arrival = arrives;
            self.schedule.push(arrives, Event::Arrive { conn: id, to: side.other(), piece, again: true });
        }
    }

    /// Two idle hours: is the peer still there?
    pub(in crate::world) fn tcp_idle(&mut self, at: EndRef, probes: u32) {
        let now = self.now;
        let Some(conn) = self.conns.get(at.conn) else { return };
        if !matches!(conn.owner(at.side), Owner::Machine(_) | Owner::Puppet(_)) {
            return;
        }
        let heard = conn.way(at.side.other()).heard;
        let way = conn.way(at.side);
        let (stuck, far_gone) = (way.stuck.is_some(), matches!(way.reader, Owner::Nobody | Owner::Kernel));
        let opened = self.conns.origins(at.conn)[at.side as usize].opened;
        let idle_until = heard.max(opened) + IDLE_MAX;
        if idle_until > now || stuck {
            self.schedule.push(idle_until.max(now + PROBE_EVERY), Event::Idle { end: at, probes: 0 });
            return;
        }
        if self.passes(at.conn, at.side) && self.passes(at.conn, at.side.other()) {
            if far_gone {
                self.end_closed(at, Why::Reset);
            } else {
                self.schedule.push(now + IDLE_MAX, Event::Idle { end: at, probes: 0 });
            }
        } else if probes >= PROBES_MAX {
            self.end_closed(at, Why::TimedOut);
        } else {
            self.schedule.push(now + PROBE_EVERY, Event::Idle { end: at, probes: probes + 1 });
        }
    }
}
