//! What kernels know of a connection: its two ends, what is stuck, which ways are open.

use std::collections::VecDeque;

use standin_core::machine::{Endpoint, LinkId, Machine};
use standin_core::time::Duration;

use crate::world::host::Host;
use crate::world::moment::{HostId, Moment, Net};
use crate::world::network::Network;
use crate::world::puppet::PuppetId;

/// A connection of the world; the serial number tells later users of a slot apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::world) struct ConnId {
    pub(super) slot: u32,
    pub(super) serial: u32,
}

/// Which of a connection's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::world) enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// One end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::world) struct EndRef {
    pub(in crate::world) conn: ConnId,
    pub(in crate::world) side: Side,
}

/// Who holds an end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) enum Owner {
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
pub(in crate::world) struct End {
    pub(in crate::world) host: HostId,
    pub(super) established: bool,
    pub(in crate::world) owner: Owner,
    /// When the last segment this end sent arrives: streams stay in order.
    pub(super) last_arrival: Moment,
    /// When this end last received data.
    pub(super) heard: Moment,
    pub(super) stuck: Option<Box<Stuck>>,
}

/// What is rarely asked of an end.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) address: Endpoint,
    /// When it came to be.
    pub(super) opened: Moment,
}

/// What an end has sent without acknowledgement, once that is an exception.
#[derive(Clone, Debug)]
pub(super) struct Stuck {
    pub(super) queue: VecDeque<Held>,
    /// So many of them were under way already when what follows them was sent.
    pub(super) first: usize,
    pub(super) bytes: usize,
    pub(super) rto: Duration,
    pub(super) tries: u32,
    pub(super) serial: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Held {
    /// Not arrived.
    Waiting(Piece),
    /// Arrived, but its acknowledgement did not.
    Heard,
}

/// What travels in order on a connection.
#[derive(Clone, Debug)]
pub(in crate::world) enum Piece {
    /// The third leg of the handshake.
    Hello,
    /// Data.
    Bytes(Vec<u8>),
    /// The sender has closed.
    Fin,
}

#[derive(Clone, Debug)]
pub(in crate::world) struct Conn {
    /// `None` between two sockets of one host.
    pub(super) net: Option<Net>,
    pub(in crate::world) ends: [End; 2],
    /// The world's topology for which `open` was reckoned.
    pub(super) seen: u64,
    pub(super) open: [bool; 2],
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct Conns {
    pub(super) slots: Vec<(u32, Option<Conn>)>,
    /// Of each slot's two ends; apart from what every segment touches.
    pub(super) origins: Vec<[Origin; 2]>,
    pub(super) free: Vec<u32>,
}

impl Conns {
    pub(super) fn insert(&mut self, conn: Conn, origins: [Origin; 2]) -> ConnId {
        let Some(slot) = self.free.pop() else {
            self.slots.push((0, Some(conn)));
            self.origins.push(origins);
            return ConnId { slot: self.slots.len() as u32 - 1, serial: 0 };
        };
        let place = &mut self.slots[slot as usize];
        place.1 = Some(conn);
        self.origins[slot as usize] = origins;
        ConnId { slot, serial: place.0 }
    }

    /// Where the ends of a connection that [`get`](Self::get) knows came from.
    pub(super) fn origins(&mut self, id: ConnId) -> &mut [Origin; 2] {
        &mut self.origins[id.slot as usize]
    }

    /// Every connection there is, with where its ends came from.
    pub(super) fn live(&self) -> impl Iterator<Item = (&Conn, &[Origin; 2])> {
        let all = self.slots.iter().zip(&self.origins);
        all.filter_map(|((_, conn), origins)| Some((conn.as_ref()?, origins)))
    }

    #[inline]
    pub(in crate::world) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        let (serial, conn) = &mut self.slots[id.slot as usize];
        if *serial == id.serial { conn.as_mut() } else { None }
    }

    pub(super) fn peek(&self, id: ConnId) -> Option<(&Conn, &[Origin; 2])> {
        let (serial, conn) = &self.slots[id.slot as usize];
        let conn = conn.as_ref().filter(|_| *serial == id.serial)?;
        Some((conn, &self.origins[id.slot as usize]))
    }

    pub(super) fn remove(&mut self, id: ConnId) {
        let place = &mut self.slots[id.slot as usize];
        if place.0 == id.serial && place.1.take().is_some() {
            place.0 += 1;
            self.free.push(id.slot);
        }
    }

    /// Every connection there is, in order of slots.
    pub(in crate::world) fn ids(&self) -> Vec<ConnId> {
        let live = self.slots.iter().enumerate().filter(|(_, place)| place.1.is_some());
        live.map(|(slot, place)| ConnId { slot: slot as u32, serial: place.0 }).collect()
    }

    /// How many there are.
    pub(in crate::world) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Held {
    pub(super) const fn waits(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

/// A connection with its ways reckoned for this topology.
#[inline]
pub(super) fn fresh<'a, M: Machine>(
    conns: &'a mut Conns,
    hosts: &[Host<M>],
    network: &Network,
    topology: u64,
    id: ConnId,
) -> Option<&'a mut Conn> {
    let (serial, conn) = &mut conns.slots[id.slot as usize];
    let conn = conn.as_mut().filter(|_| *serial == id.serial)?;
    if conn.seen != topology {
        conn.seen = topology;
        conn.open = open_ways(hosts, network, conn, &conns.origins[id.slot as usize]);
    }
    Some(conn)
}

/// Which ways of a connection carry a segment to the other kernel.
#[cold]
pub(super) fn open_ways<M: Machine>(
    hosts: &[Host<M>],
    network: &Network,
    conn: &Conn,
    origins: &[Origin; 2],
) -> [bool; 2] {
    let reachable = |side: Side| {
        let host = &hosts[conn.ends[side as usize].host.index()];
        let ip = origins[side as usize].address.ip();
        let local = conn.net.is_none() || ip.is_none_or(|ip| ip.is_loopback());
        host.awake() && (local || ip.is_some_and(|ip| host.kernel.usable(ip)))
    };
    let both = reachable(Side::Dialler) && reachable(Side::Acceptor);
    let (one, other) = (conn.ends[0].host, conn.ends[1].host);
    match conn.net {
        None => [both; 2],
        Some(net) => [both && network.open(net, one, other), both && network.open(net, other, one)],
    }
}
