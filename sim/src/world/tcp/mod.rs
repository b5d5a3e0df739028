//! Byte streams with TCP's semantics under fault, by exception: an acknowledgement is a
//! number nobody sends, retransmission exists only once a segment is lost.
//!
//! What bites is kept: a host without power says nothing, so its peers hold half-open
//! connections until they write (and a rebooted kernel answers RST), give up after fifteen
//! retransmissions (924 s), or probe after two idle hours; a connection to a hung process
//! opens, because its kernel accepts; FIN needs a way through; an acknowledgement that cannot
//! come back stalls the sender even where its data arrives. Figures are Linux's defaults.

mod conn;
mod endurance;
mod handshake;
mod view;

use std::collections::VecDeque;

use standin_core::machine::{How, Machine, Why};
use standin_core::time::Duration;

pub(super) use self::conn::{Conns, Piece};
use self::conn::{Held, Stuck, Way, fresh};
use self::endurance::{RTO_MIN, SYN_ACK_AGAIN};
use super::end::{ConnId, EndRef, Owner, Side};
use super::host::Stored;
use super::moment::HostId;
use super::{Event, World};

/// What a sender may have queued before the driver calls it an overflow.
const SEND_QUEUE_MAX: usize = 4 << 20;

impl<M: Machine> World<M> {
    /// What an end writes on, open or not as of the topology there is now.
    #[inline]
    fn way(&mut self, from: EndRef) -> Option<&mut Way> {
        fresh(&mut self.conns, &self.hosts, &self.network, self.topology, from)
    }

    /// Whether a segment sent from `side` would reach the other kernel.
    fn open(&mut self, id: ConnId, side: Side) -> bool {
        self.way(EndRef { conn: id, side }).is_some_and(|way| way.is_open(side))
    }

    fn delay(&mut self, id: ConnId, side: Side) -> Duration {
        let Some(conn) = self.conns.get(id) else { return Duration::ZERO };
        let &Way { net, from, to, .. } = conn.way(side);
        self.network.delay(net, from, to)
    }

    /// Whether a segment sent now from `side` gets through.
    fn passes(&mut self, id: ConnId, side: Side) -> bool {
        if !self.open(id, side) {
            return false;
        }
        let Some(conn) = self.conns.get(id) else { return false };
        let &Way { net, from, to, .. } = conn.way(side);
        !self.network.loses(net, from, to)
    }

    /// Sends data on an open connection; dropped if it is not (or no more) open.
    #[inline]
    pub(super) fn tcp_send(&mut self, end: EndRef, bytes: Vec<u8>) {
        self.transmit(end.conn, end.side, Piece::Bytes(bytes));
    }

    /// Sends a piece on an established connection, in order.
    #[inline]
    pub(super) fn transmit(&mut self, id: ConnId, side: Side, piece: Piece) {
        let writer = EndRef { conn: id, side };
        let way = fresh(&mut self.conns, &self.hosts, &self.network, self.topology, writer);
        let Some(way) = way.filter(|way| way.established) else {
            if let Piece::Bytes(bytes) = piece {
                self.outbox.recycle(bytes);
            }
            return;
        };
        let Way { net, from, to, .. } = *way;
        let passes = way.is_open(side) && way.stuck.is_none() && !self.network.loses(net, from, to);
        if !passes {
            return self.stick(id, side, Held::Waiting(piece));
        }
        let at = (self.now + self.network.delay(net, from, to)).max(way.last_arrival);
        way.last_arrival = at;
        self.schedule.push(at, Event::Arrive { conn: id, to: side.other(), piece, again: false });
    }

    /// Keeps a piece for retransmission, behind all that was sent before it.
    #[cold]
    fn stick(&mut self, id: ConnId, side: Side, held: Held) {
        self.hold(id, side, held, |stuck| stuck.queue.len());
    }

    /// Keeps a piece that was under way: before all that was sent while something was stuck.
    #[cold]
    fn keep_back(&mut self, id: ConnId, side: Side, held: Held) {
        self.hold(id, side, held, |stuck| {
            stuck.first += 1;
            stuck.first - 1
        });
    }

    fn hold(&mut self, id: ConnId, side: Side, held: Held, place: fn(&mut Stuck) -> usize) {
        let now = self.now;
        let Some(conn) = self.conns.get(id) else { return };
        if conn.owner(side) == Owner::Nobody {
            return;
        }
        let stuck = conn.way_mut(side).stuck.get_or_insert_with(|| {
            let serial = self.next_serial;
            self.next_serial += 1;
            // Until it has the third leg, the other kernel repeats its SYN-ACK.
            let rto = if matches!(held, Held::Waiting(Piece::Hello)) { SYN_ACK_AGAIN } else { RTO_MIN };
            self.schedule.push(now + rto, Event::Retransmit { end: EndRef { conn: id, side }, serial });
            Box::new(Stuck { queue: VecDeque::new(), first: 0, bytes: 0, rto, tries: 0, serial })
        });
        if let Held::Waiting(Piece::Bytes(bytes)) = &held {
            stuck.bytes += bytes.len();
        }
        let at = place(stuck);
        stuck.queue.insert(at, held);
        if stuck.bytes > SEND_QUEUE_MAX {
            self.schedule.push(now, Event::Reset { conn: id, to: side, why: Why::Overflow });
        }
    }

    pub(super) fn tcp_arrives(&mut self, id: ConnId, to: Side, piece: Piece, again: bool) {
        let from = to.other();
        let now = self.now;
        let writer = EndRef { conn: id, side: from };
        let Some(way) = fresh(&mut self.conns, &self.hosts, &self.network, self.topology, writer) else {
            if let Piece::Bytes(bytes) = piece {
                self.outbox.recycle(bytes);
            }
            return;
        };
        if !way.is_open(from) {
            return self.lost(id, from, piece, again);
        }
        let acknowledged = way.is_open(to);
        let before = way.stuck.as_ref();
        if !again && before.is_some_and(|stuck| stuck.queue.iter().take(stuck.first).any(Held::waits)) {
            // Something before it is missing: the receiving kernel keeps it back.
            return self.keep_back(id, from, Held::Waiting(piece));
        }
        if matches!((way.reader, &piece), (Owner::Machine(_), Piece::Bytes(_))) {
            way.heard = now;
        }
        let (owner, host) = (way.reader, way.to);
        let is_fin = matches!(piece, Piece::Fin);
        match (owner, piece) {
            (Owner::Machine(link), Piece::Bytes(bytes)) => {
                if let Err(bytes) = self.deliver_bytes(host, link, bytes) {
                    return self.lost(id, from, Piece::Bytes(bytes), again);
                }
            }
            (Owner::Nobody, Piece::Fin) => self.end_gone(EndRef { conn: id, side: from }),
            (Owner::Kernel, Piece::Fin) => {
                self.end_gone(EndRef { conn: id, side: from });
                self.end_gone(EndRef { conn: id, side: to });
            }
            (Owner::Nobody | Owner::Kernel, piece) => {
                if self.passes(id, to) {
                    let at = now + self.delay(id, to);
                    self.schedule.push(at, Event::Reset { conn: id, to: from, why: Why::Reset });
                } else if !again {
                    self.keep_back(id, from, Held::Waiting(piece));
                }
                return;
            }
            (Owner::Embryo, _) => self.accept(id),
            (_, Piece::Hello) => {}
            (Owner::Puppet(puppet), Piece::Bytes(bytes)) => self.puppet_heard(puppet, bytes),
            (Owner::Machine(_) | Owner::Puppet(_), Piece::Fin) => {
                self.end_closed(EndRef { conn: id, side: to }, Why::Eof);
                self.end_gone(EndRef { conn: id, side: from });
            }
        }
        if !again && !is_fin && !acknowledged {
            self.keep_back(id, from, Held::Heard);
        }
    }

    /// A piece that did not arrive goes back to its sender's kernel.
    #[cold]
    fn lost(&mut self, id: ConnId, from: Side, piece: Piece, again: bool) {
        if !again {
            return self.keep_back(id, from, Held::Waiting(piece));
        }
        let Some(conn) = self.conns.get(id) else { return };
        if let Some(head) = conn.way_mut(from).stuck.as_mut().and_then(|stuck| stuck.queue.front_mut()) {
            *head = Held::Waiting(piece);
        }
    }

    /// The owner closes its end.
    pub(super) fn tcp_close(&mut self, at: EndRef, how: How) {
        let Some(conn) = self.conns.get(at.conn) else { return };
        match how {
            How::Orderly if conn.way(at.side).established => {
                conn.set_owner(at.side, Owner::Kernel);
                self.transmit(at.conn, at.side, Piece::Fin);
            }
            How::Orderly | How::Abort => {
                if conn.owner(at.side.other()) == Owner::Embryo {
                    conn.set_owner(at.side.other(), Owner::Nobody);
                }
                self.end_gone(at);
                if self.passes(at.conn, at.side) {
                    let arrives = self.now + self.delay(at.conn, at.side);
                    let to = at.side.other();
                    self.schedule.push(arrives, Event::Reset { conn: at.conn, to, why: Why::Reset });
                }
            }
        }
    }

    /// An end is no more and its owner is told.
    fn end_closed(&mut self, at: EndRef, why: Why) {
        let Some(conn) = self.conns.get(at.conn) else { return };
        let (owner, host) = (conn.owner(at.side), conn.host(at.side));
        self.end_gone(at);
        match owner {
            Owner::Machine(link) => self.deliver(host, Stored::Closed(link, why)),
            Owner::Puppet(puppet) => self.puppet_closed(puppet, why),
            Owner::Nobody | Owner::Kernel | Owner::Embryo => {}
        }
    }

    /// An end is no more and nobody is told.
    pub(super) fn end_gone(&mut self, at: EndRef) {
        let Some(conn) = self.conns.get(at.conn) else { return };
        conn.set_owner(at.side, Owner::Nobody);
        conn.way_mut(at.side).stuck = None;
        if conn.owner(at.side.other()) == Owner::Nobody {
            self.conns.remove(at.conn);
        }
    }

    /// The host's kernel forgets every connection, without a word to anybody.
    pub(super) fn tcp_forget(&mut self, host: HostId) {
        for conn in self.conns.ids() {
            for side in [Side::Dialler, Side::Acceptor] {
                let Some(held) = self.conns.get(conn) else { continue };
                if held.host(side) != host {
                    continue;
                }
                let owner = held.owner(side);
                self.end_gone(EndRef { conn, side });
                if let Owner::Puppet(puppet) = owner {
                    self.puppet_closed(puppet, Why::System);
                }
            }
        }
    }
}
