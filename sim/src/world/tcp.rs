//! Byte streams with TCP's semantics under fault, by exception: an acknowledgement is a
//! number nobody sends, retransmission exists only once a segment is lost.
//!
//! What bites is kept: a host without power says nothing, so its peers hold half-open
//! connections until they write (and a rebooted kernel answers RST), give up after fifteen
//! retransmissions (924 s), or probe after two idle hours; a connection to a hung process
//! opens, because its kernel accepts; FIN needs a way through; an acknowledgement that cannot
//! come back stalls the sender even where its data arrives. Figures are Linux's defaults.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use standin_core::machine::{Endpoint, How, LinkId, Machine, Why};
use standin_core::time::Duration;

use super::host::{Accepted, Stored};
use super::moment::{HostId, Moment, Net};
use super::puppet::PuppetId;
use super::{Event, World};

/// A connection of the world; the serial number tells later users of a slot apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConnId {
    slot: u32,
    serial: u32,
}

/// Which of a connection's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// One end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EndRef {
    pub(super) conn: ConnId,
    pub(super) side: Side,
}

/// Who holds an end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The kernel knows no such connection (any more).
    Nobody,
    /// Closed by its process; the kernel still has FIN, and what precedes it, to bring over.
    Kernel,
    /// SYN received, not yet handed to a process.
    Embryo,
    /// The host's daemon.
    Machine(LinkId),
    /// A hand of the rehearsal's own.
    Puppet(PuppetId),
}

#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) host: HostId,
    pub(super) address: Endpoint,
    pub(super) owner: Owner,
    established: bool,
    /// When it came to be.
    opened: Moment,
    /// When the last segment this end sent arrives: streams stay in order.
    last_arrival: Moment,
    /// When this end last received data.
    heard: Moment,
    stuck: Option<Box<Stuck>>,
}

/// What an end has sent without acknowledgement, once that is an exception.
#[derive(Clone, Debug)]
struct Stuck {
    queue: VecDeque<Held>,
    bytes: usize,
    rto: Duration,
    tries: u32,
    serial: u32,
}

#[derive(Clone, Debug)]
enum Held {
    /// Not arrived.
    Waiting(Piece),
    /// Arrived, but its acknowledgement did not.
    Heard,
}

/// What travels in order on a connection.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// The third leg of the handshake.
    Hello,
    /// Data.
    Bytes(Vec<u8>),
    /// The sender has closed.
    Fin,
}

#[derive(Clone, Debug)]
pub(super) struct Conn {
    /// `None` between two sockets of one host.
    net: Option<Net>,
    pub(super) ends: [End; 2],
    /// The world's topology for which `open` was reckoned.
    seen: u64,
    open: [bool; 2],
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Conns {
    slots: Vec<(u32, Option<Conn>)>,
    free: Vec<u32>,
}

impl Conns {
    fn insert(&mut self, conn: Conn) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.1 = Some(conn);
        ConnId { slot, serial: place.0 }
    }

    #[inline]
    pub(super) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        let (serial, conn) = &mut self.slots[id.slot as usize];
        if *serial == id.serial { conn.as_mut() } else { None }
    }

    fn peek(&self, id: ConnId) -> Option<&Conn> {
        let (serial, conn) = &self.slots[id.slot as usize];
        if *serial == id.serial { conn.as_ref() } else { None }
    }

    fn remove(&mut self, id: ConnId) {
        let place = &mut self.slots[id.slot as usize];
        if place.0 == id.serial && place.1.take().is_some() {
            place.0 += 1;
            self.free.push(id.slot);
        }
    }

    /// Every connection there is, in order of slots.
    pub(super) fn ids(&self) -> Vec<ConnId> {
        let live = self.slots.iter().enumerate().filter(|(_, place)| place.1.is_some());
        live.map(|(slot, place)| ConnId { slot: slot as u32, serial: place.0 }).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// Linux: the smallest and largest retransmission time-out, and how often each kind tries.
const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(120);
const TRIES_MAX: u32 = 15;
const ORPHAN_TRIES_MAX: u32 = 8;
const SYN_TRIES_MAX: u32 = 6;
/// How long address resolution takes to fail.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
/// `SO_KEEPALIVE`: idle time before the first probe, between probes, and how many.
const IDLE_MAX: Duration = Duration::from_secs(7_200);
const PROBE_EVERY: Duration = Duration::from_secs(75);
const PROBES_MAX: u32 = 9;
/// What a sender may have queued before the driver calls it an overflow.
const SEND_QUEUE_MAX: usize = 4 << 20;
/// What a process may leave unread before its kernel's window closes.
const UNREAD_MAX: usize = 1 << 16;

impl<M: Machine> World<M> {
    /// Whether a segment sent from `side` would reach the other kernel.
    #[inline]
    fn open(&mut self, id: ConnId, side: Side) -> bool {
        let topology = self.topology;
        let Some(conn) = self.conns.get(id) else { return false };
        if conn.seen != topology {
            conn.seen = topology;
            conn.open = open_ways(&self.hosts, &self.network, conn);
        }
        conn.open[side as usize]
    }

    fn delay(&mut self, id: ConnId, side: Side) -> Duration {
        let Some(conn) = self.conns.get(id) else { return Duration::ZERO };
        let (net, from, to) =
            (conn.net, conn.ends[side as usize].host, conn.ends[side.other() as usize].host);
        self.network.delay(net, from, to)
    }

    /// Whether a segment sent now from `side` gets through.
    fn passes(&mut self, id: ConnId, side: Side) -> bool {
        if !self.open(id, side) {
            return false;
        }
        let Some(conn) = self.conns.get(id) else { return false };
        let (net, from, to) =
            (conn.net, conn.ends[side as usize].host, conn.ends[side.other() as usize].host);
        !self.network.loses(net, from, to)
    }

    /// Opens a connection for `owner`; what becomes of it arrives later.
    pub(super) fn tcp_dial(
        &mut self,
        host: HostId,
        owner: Owner,
        from: Option<IpAddr>,
        to: &Endpoint,
    ) -> EndRef {
        let (local, remote, net, failure) = self.route(host, from, to);
        let end = |host, address, owner| End {
            host,
            address,
            owner,
            established: false,
            opened: self.now,
            last_arrival: self.now,
            heard: Moment::START,
            stuck: None,
        };
        let far = remote.unwrap_or(host);
        let ends = [end(host, local, owner), end(far, to.clone(), Owner::Nobody)];
        let conn = self.conns.insert(Conn { net, ends, seen: u64::MAX, open: [false; 2] });
        match failure {
            Some((after, why)) => {
                self.schedule.push(self.now + after, Event::Reset { conn, to: Side::Dialler, why });
            }
            None => self.tcp_syn(conn, 0),
        }
        EndRef { conn, side: Side::Dialler }
    }

    /// Our end's address, the host and network of the other one, and what is wrong at once.
    #[expect(clippy::type_complexity, reason = "four answers of one question")]
    fn route(
        &mut self,
        host: HostId,
        from: Option<IpAddr>,
        to: &Endpoint,
    ) -> (Endpoint, Option<HostId>, Option<Net>, Option<(Duration, Why)>) {
        let Endpoint::Tcp(to) = to else {
            return (Endpoint::Unix("".into()), Some(host), None, None);
        };
        self.next_port = if self.next_port == u16::MAX { 32_768 } else { self.next_port + 1 };
        let port = self.next_port;
        let kernel = &self.hosts[host.index()].kernel;
        let local = |ip| Endpoint::Tcp(SocketAddr::new(ip, port));
        if let Some(from) = from.filter(|from| !kernel.holds(*from)) {
            return (local(from), None, None, Some((Duration::ZERO, Why::NoAddress)));
        }
        if kernel.holds(to.ip()) {
            return (local(from.unwrap_or(to.ip())), Some(host), None, None);
        }
        let far = self.hosts.iter().position(|far| far.kernel.holds(to.ip()));
        let net = far.and_then(|far| self.hosts[far].kernel.net_of(to.ip()));
        let ours = from.or_else(|| net.and_then(|net| first_usable(kernel, net, to.is_ipv4())));
        match (far, net, ours) {
            (Some(far), Some(net), Some(ours)) if kernel.usable(ours) => {
                (local(ours), Some(HostId(far as u32)), Some(net), None)
            }
            (None, ..) => {
                let ours = ours.unwrap_or(to.ip());
                (local(ours), None, None, Some((UNREACHABLE_AFTER, Why::Unreachable)))
            }
            _ => (local(ours.unwrap_or(to.ip())), None, None, Some((Duration::ZERO, Why::Unreachable))),
        }
    }

    /// Sends SYN, and again after 1, 2, 4 … s.
    pub(super) fn tcp_syn(&mut self, conn: ConnId, tries: u32) {
        let Some(held) = self.conns.get(conn) else { return };
        let dialler = &held.ends[0];
        if dialler.established || dialler.owner == Owner::Nobody {
            return;
        }
        if self.hosts[dialler.host.index()].suspended.is_some() {
            // Its kernel sleeps; it goes on where it was.
            self.schedule.push(self.now + Duration::from_secs(1), Event::Syn { conn, tries });
            return;
        }
        if self.passes(conn, Side::Dialler) {
            let at = self.now + self.delay(conn, Side::Dialler);
            self.schedule.push(at, Event::SynArrives { conn });
        }
        let next = self.now + Duration::from_secs(1 << tries);
        if tries < SYN_TRIES_MAX {
            self.schedule.push(next, Event::Syn { conn, tries: tries + 1 });
        } else {
            self.schedule.push(next, Event::Reset { conn, to: Side::Dialler, why: Why::TimedOut });
        }
    }

    pub(super) fn tcp_syn_arrives(&mut self, conn: ConnId) {
        if !self.open(conn, Side::Dialler) {
            return;
        }
        let Some(held) = self.conns.get(conn) else { return };
        let end = &held.ends[1];
        let listens = self.hosts[end.host.index()]
            .process
            .as_ref()
            .is_some_and(|process| process.listeners.iter().any(|listener| listener.on == end.address));
        let fresh = matches!(end.owner, Owner::Nobody | Owner::Embryo);
        if !fresh || !self.passes(conn, Side::Acceptor) {
            return;
        }
        let at = self.now + self.delay(conn, Side::Acceptor);
        if !listens {
            self.schedule.push(at, Event::Reset { conn, to: Side::Dialler, why: Why::Refused });
            return;
        }
        if let Some(held) = self.conns.get(conn) {
            held.ends[1].owner = Owner::Embryo;
        }
        self.schedule.push(at, Event::SynAck { conn });
    }

    pub(super) fn tcp_syn_ack(&mut self, conn: ConnId) {
        if !self.open(conn, Side::Acceptor) {
            return;
        }
        let Some(held) = self.conns.get(conn) else { return };
        let end = &mut held.ends[0];
        if end.established || matches!(end.owner, Owner::Nobody | Owner::Kernel) {
            return;
        }
        end.established = true;
        end.opened = self.now;
        let (owner, host, local) = (end.owner, end.host, end.address.clone());
        self.transmit(conn, Side::Dialler, Piece::Hello);
        self.watch_idle(EndRef { conn, side: Side::Dialler });
        match owner {
            Owner::Machine(link) => self.deliver(host, Stored::Opened { link, local }),
            Owner::Puppet(puppet) => self.puppet_opened(puppet),
            Owner::Nobody | Owner::Kernel | Owner::Embryo => {}
        }
    }

    fn watch_idle(&mut self, end: EndRef) {
        self.schedule.push(self.now + IDLE_MAX, Event::Idle { end, probes: 0 });
    }

    /// Sends data on an open connection; dropped if it is not (or no more) open.
    pub(super) fn tcp_send(&mut self, end: EndRef, bytes: Vec<u8>) {
        match self.conns.get(end.conn).map(|conn| conn.ends[end.side as usize].established) {
            Some(true) => self.transmit(end.conn, end.side, Piece::Bytes(bytes)),
            Some(false) | None => self.outbox.recycle(bytes),
        }
    }

    #[inline]
    pub(super) fn transmit(&mut self, id: ConnId, side: Side, piece: Piece) {
        let Some(conn) = self.conns.get(id) else { return };
        if conn.ends[side as usize].stuck.is_some() || !self.passes(id, side) {
            return self.stick(id, side, Held::Waiting(piece));
        }
        let at = self.now + self.delay(id, side);
        let Some(conn) = self.conns.get(id) else { return };
        let end = &mut conn.ends[side as usize];
        let at = at.max(end.last_arrival);
        end.last_arrival = at;
        self.schedule.push(at, Event::Arrive { conn: id, to: side.other(), piece, again: false });
    }

    /// Keeps a piece for retransmission.
    fn stick(&mut self, id: ConnId, side: Side, held: Held) {
        let now = self.now;
        let Some(conn) = self.conns.get(id) else { return };
        let end = &mut conn.ends[side as usize];
        if end.owner == Owner::Nobody {
            return;
        }
        let stuck = end.stuck.get_or_insert_with(|| {
            let serial = self.next_serial;
            self.next_serial += 1;
            self.schedule.push(now + RTO_MIN, Event::Retransmit { end: EndRef { conn: id, side }, serial });
            Box::new(Stuck { queue: VecDeque::new(), bytes: 0, rto: RTO_MIN, tries: 0, serial })
        });
        if let Held::Waiting(Piece::Bytes(bytes)) = &held {
            stuck.bytes += bytes.len();
        }
        stuck.queue.push_back(held);
        if stuck.bytes > SEND_QUEUE_MAX {
            self.schedule.push(now, Event::Reset { conn: id, to: side, why: Why::Overflow });
        }
    }

    pub(super) fn tcp_arrives(&mut self, id: ConnId, to: Side, piece: Piece, again: bool) {
        let from = to.other();
        if !self.open(id, from) {
            return self.lost(id, from, piece, again);
        }
        let now = self.now;
        let Some(conn) = self.conns.get(id) else {
            if let Piece::Bytes(bytes) = piece {
                self.outbox.recycle(bytes);
            }
            return;
        };
        if !again
            && conn.ends[from as usize]
                .stuck
                .as_ref()
                .is_some_and(|stuck| stuck.queue.iter().any(Held::waits))
        {
            // Something before it is missing: the receiving kernel keeps it back.
            return self.stick(id, from, Held::Waiting(piece));
        }
        let end = &mut conn.ends[to as usize];
        if matches!(piece, Piece::Bytes(_)) {
            end.heard = now;
        }
        let (owner, host) = (end.owner, end.host);
        let is_fin = matches!(piece, Piece::Fin);
        match (owner, piece) {
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
                    self.stick(id, from, Held::Waiting(piece));
                }
                return;
            }
            (Owner::Embryo, _) => self.accept(id),
            (_, Piece::Hello) => {}
            (Owner::Machine(link), Piece::Bytes(bytes)) => {
                let process = self.hosts[host.index()].process.as_ref();
                if process.is_some_and(|process| process.inbox.len() >= UNREAD_MAX) {
                    return self.lost(id, from, Piece::Bytes(bytes), again);
                }
                self.deliver(host, Stored::Bytes(link, bytes));
            }
            (Owner::Puppet(puppet), Piece::Bytes(bytes)) => self.puppet_heard(puppet, bytes),
            (Owner::Machine(_) | Owner::Puppet(_), Piece::Fin) => {
                self.end_closed(EndRef { conn: id, side: to }, Why::Eof);
                self.end_gone(EndRef { conn: id, side: from });
            }
        }
        if !again && !is_fin && !self.open(id, to) {
            self.stick(id, from, Held::Heard);
        }
    }

    /// A piece that did not arrive goes back to its sender's kernel.
    fn lost(&mut self, id: ConnId, from: Side, piece: Piece, again: bool) {
        if !again {
            return self.stick(id, from, Held::Waiting(piece));
        }
        let Some(conn) = self.conns.get(id) else { return };
        if let Some(head) = conn.ends[from as usize].stuck.as_mut().and_then(|stuck| stuck.queue.front_mut())
        {
            *head = Held::Waiting(piece);
        }
    }

    /// Hands a completed connection to the process that listens.
    fn accept(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get(id) else { return };
        let (from, local, host) =
            (conn.ends[0].address.clone(), conn.ends[1].address.clone(), conn.ends[1].host);
        let Owner::Embryo = conn.ends[1].owner else { return };
        let peer_pid = match conn.ends[0].owner {
            Owner::Puppet(puppet) => conn.net.is_none().then_some(1_000 + puppet.0),
            Owner::Nobody | Owner::Kernel | Owner::Embryo | Owner::Machine(_) => None,
        };
        let process = self.hosts[host.index()].process.as_mut();
        let port = process.and_then(|process| {
            let port = process.listeners.iter().find(|listener| listener.on == local)?.port;
            let link = LinkId(process.next_link);
            process.next_link += 2;
            process.links.insert(link, EndRef { conn: id, side: Side::Acceptor });
            Some((port, link))
        });
        let Some(conn) = self.conns.get(id) else { return };
        let Some((port, link)) = port else {
            conn.ends[1].owner = Owner::Nobody;
            self.schedule.push(self.now, Event::Reset { conn: id, to: Side::Dialler, why: Why::Reset });
            return;
        };
        conn.ends[1].owner = Owner::Machine(link);
        conn.ends[1].established = true;
        conn.ends[1].opened = self.now;
        self.watch_idle(EndRef { conn: id, side: Side::Acceptor });
        self.deliver(host, Stored::Accepted(Box::new(Accepted { link, port, from, local, peer_pid })));
    }

    pub(super) fn tcp_reset(&mut self, conn: ConnId, to: Side, why: Why) {
        let Some(held) = self.conns.get(conn) else { return };
        let end = &held.ends[to as usize];
        let opening = matches!(why, Why::TimedOut | Why::Refused | Why::Unreachable | Why::NoAddress);
        if (opening && end.established) || !self.hosts[end.host.index()].awake() {
            return;
        }
        self.end_closed(EndRef { conn, side: to }, why);
    }

    pub(super) fn tcp_retransmit(&mut self, at: EndRef, serial: u32) {
        let EndRef { conn: id, side } = at;
        let Some(conn) = self.conns.get(id) else { return };
        let end = &mut conn.ends[side as usize];
        let orphan = end.owner == Owner::Kernel;
        let Some(stuck) = end.stuck.as_mut().filter(|stuck| stuck.serial == serial) else { return };
        let host = &self.hosts[end.host.index()];
        if host.powered && !host.awake() {
            // Its kernel's timers sleep with it.
            self.schedule.push(self.now + stuck.rto, Event::Retransmit { end: at, serial });
            return;
        }
        stuck.tries += 1;
        stuck.rto = (stuck.rto + stuck.rto).min(RTO_MAX);
        let (tries, next) = (stuck.tries, self.now + stuck.rto);
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
        let far_gone = matches!(conn.ends[side.other() as usize].owner, Owner::Nobody | Owner::Kernel);
        let Some(stuck) = conn.ends[side as usize].stuck.as_mut() else { return };
        if far_gone {
            if back {
                self.schedule.push(arrives, Event::Reset { conn: id, to: side, why: Why::Reset });
            }
        } else if back {
            let queue = std::mem::take(&mut stuck.queue);
            conn.ends[side as usize].stuck = None;
            for held in queue {
                if let Held::Waiting(piece) = held {
                    self.transmit(id, side, piece);
                }
            }
        } else if let Some(head) = stuck.queue.front_mut()
            && let Held::Waiting(piece) = std::mem::replace(head, Held::Heard)
        {
            self.schedule.push(arrives, Event::Arrive { conn: id, to: side.other(), piece, again: true });
        }
    }

    /// Two idle hours: is the peer still there?
    pub(super) fn tcp_idle(&mut self, at: EndRef, probes: u32) {
        let now = self.now;
        let Some(conn) = self.conns.get(at.conn) else { return };
        let end = &conn.ends[at.side as usize];
        if !matches!(end.owner, Owner::Machine(_) | Owner::Puppet(_)) {
            return;
        }
        let idle_until = end.heard.max(end.opened) + IDLE_MAX;
        if idle_until > now || end.stuck.is_some() {
            self.schedule.push(idle_until.max(now + PROBE_EVERY), Event::Idle { end: at, probes: 0 });
            return;
        }
        let far_gone = matches!(conn.ends[at.side.other() as usize].owner, Owner::Nobody | Owner::Kernel);
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

    /// The owner closes its end.
    pub(super) fn tcp_close(&mut self, at: EndRef, how: How) {
        let Some(conn) = self.conns.get(at.conn) else { return };
        let end = &mut conn.ends[at.side as usize];
        match how {
            How::Orderly if end.established => {
                end.owner = Owner::Kernel;
                self.transmit(at.conn, at.side, Piece::Fin);
            }
            How::Orderly | How::Abort => {
                let embryo = &mut conn.ends[at.side.other() as usize];
                if embryo.owner == Owner::Embryo {
                    embryo.owner = Owner::Nobody;
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
        let end = &conn.ends[at.side as usize];
        let (owner, host) = (end.owner, end.host);
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
        let end = &mut conn.ends[at.side as usize];
        end.owner = Owner::Nobody;
        end.stuck = None;
        let [one, other] = &conn.ends;
        let over = |end: &End| matches!(end.owner, Owner::Nobody);
        if over(one) && over(other) {
            self.conns.remove(at.conn);
        }
    }

    /// Whether a daemon holds the other end of a connection and segments pass both ways.
    pub(super) fn is_heard(&self, end: EndRef) -> bool {
        let Some(conn) = self.conns.peek(end.conn) else { return false };
        let held = matches!(conn.ends[end.side.other() as usize].owner, Owner::Machine(_));
        held && open_ways(&self.hosts, &self.network, conn) == [true; 2]
    }

    /// When the first host last received data on connections that the second dialled, among
    /// those its kernel still knows. `None` if there is none, or one has been opened since.
    #[must_use]
    pub fn last_heard(&self, host: HostId, from: HostId) -> Option<Moment> {
        let live = self.conns.slots.iter().filter_map(|(_, conn)| conn.as_ref());
        let theirs = live.filter(|conn| conn.ends[0].host == from && conn.ends[1].host == host);
        let theirs: Vec<_> = theirs.map(|conn| &conn.ends[1]).filter(|end| end.established).collect();
        let heard = theirs.iter().map(|end| end.heard).max()?;
        theirs.iter().all(|end| end.opened < heard).then_some(heard)
    }

    /// Connections the first daemon dialled and the second holds, as kernels see them:
    /// (the dialler's end is up, the acceptor's end is up) of each.
    #[must_use]
    pub fn links_between(&self, from: HostId, to: HostId) -> Vec<(bool, bool)> {
        let held = |end: &End| end.established && matches!(end.owner, Owner::Machine(_));
        let live = self.conns.slots.iter().filter_map(|(_, conn)| conn.as_ref());
        let theirs = live.filter(|conn| conn.ends[0].host == from && conn.ends[1].host == to);
        theirs
            .filter(|conn| conn.ends[1].address.ip().is_some())
            .map(|conn| (held(&conn.ends[0]), held(&conn.ends[1])))
            .filter(|&(one, other)| one || other)
            .collect()
    }

    /// The host's kernel forgets every connection, without a word to anybody.
    pub(super) fn tcp_forget(&mut self, host: HostId) {
        for conn in self.conns.ids() {
            for side in [Side::Dialler, Side::Acceptor] {
                let Some(end) = self.conns.get(conn).map(|held| &held.ends[side as usize]) else { continue };
                if end.host != host {
                    continue;
                }
                let owner = end.owner;
                self.end_gone(EndRef { conn, side });
                if let Owner::Puppet(puppet) = owner {
                    self.puppet_closed(puppet, Why::System);
                }
            }
        }
    }
}

/// Which ways of a connection carry a segment to the other kernel.
fn open_ways<M: Machine>(
    hosts: &[super::host::Host<M>],
    network: &super::network::Network,
    conn: &Conn,
) -> [bool; 2] {
    let reachable = |end: &End| {
        let host = &hosts[end.host.index()];
        let local = conn.net.is_none() || end.address.ip().is_none_or(|ip| ip.is_loopback());
        host.awake() && (local || end.address.ip().is_some_and(|ip| host.kernel.usable(ip)))
    };
    let both = reachable(&conn.ends[0]) && reachable(&conn.ends[1]);
    let (one, other) = (conn.ends[0].host, conn.ends[1].host);
    match conn.net {
        None => [both; 2],
        Some(net) => [both && network.open(net, one, other), both && network.open(net, other, one)],
    }
}

/// The address a kernel picks for an unbound socket towards a network.
fn first_usable(kernel: &super::kernel::Kernel, net: Net, v4: bool) -> Option<IpAddr> {
    let plugged = kernel.interfaces().iter().filter(|interface| interface.net == net && interface.is_up());
    let mut held = plugged.flat_map(|interface| &interface.addresses);
    held.find(|held| held.address.is_ipv4() == v4).map(|held| held.address)
}

impl Held {
    const fn waits(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}
