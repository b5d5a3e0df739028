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
    pub(in crate::world) address: Endpoint,
    pub(in crate::world) owner: Owner,
    pub(super) established: bool,
    /// When it came to be.
    pub(super) opened: Moment,
    /// When the last segment this end sent arrives: streams stay in order.
    pub(super) last_arrival: Moment,
    /// When this end last received data.
    pub(super) heard: Moment,
    pub(super) stuck: Option<Box<Stuck>>,
}

/// What an end has sent without acknowledgement, once that is an exception.
#[derive(Clone, Debug)]
pub(super) struct Stuck {
    pub(super) queue: VecDeque<Held>,
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
    pub(super) free: Vec<u32>,
}

impl Conns {
    pub(super) fn insert(&mut self, conn: Conn) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.1 = Some(conn);
        ConnId { slot, serial: place.0 }
    }

    #[inline]
    pub(in crate::world) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        let (serial, conn) = &mut self.slots[id.slot as usize];
        if *serial == id.serial { conn.as_mut() } else { None }
    }

    pub(super) fn peek(&self, id: ConnId) -> Option<&Conn> {
        let (serial, conn) = &self.slots[id.slot as usize];
        if *serial == id.serial { conn.as_ref() } else { None }
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
    let conn = conns.get(id)?;
    if conn.seen != topology {
        conn.seen = topology;
        conn.open = open_ways(hosts, network, conn);
    }
    Some(conn)
}

/// Which ways of a connection carry a segment to the other kernel.
pub(super) fn open_ways<M: Machine>(hosts: &[Host<M>], network: &Network, conn: &Conn) -> [bool; 2] {
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
