//! What kernels know of a connection: its two ends, what is stuck, which ways are open.

use std::collections::VecDeque;

use prefetch_index::prefetch_index;
use standin_core::machine::{Endpoint, Machine};
use standin_core::time::Duration;

use crate::world::end::{ConnId, EndRef, Owner, Side};
use crate::world::host::Host;
use crate::world::moment::{HostId, Moment, Net};
use crate::world::network::Network;

/// One direction of a connection: all that a segment on it asks for, in a cache line of its own.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(in crate::world) struct Way {
    pub(super) from: HostId,
    pub(super) to: HostId,
    /// `None` between two sockets of one host.
    pub(super) net: Option<Net>,
    /// Whether the writing end's kernel takes the connection for established.
    pub(super) established: bool,
    /// When the last segment arrives: streams stay in order.
    pub(super) last_arrival: Moment,
    /// What the writing end keeps, once something was lost.
    pub(super) stuck: Option<Box<Stuck>>,
    /// Who holds the reading end.
    pub(super) reader: Owner,
    /// When the reading end last received data.
    pub(super) heard: Moment,
    /// The world's topology for which `open` was reckoned.
    seen: u64,
    /// Whose segments, of the two ends, reach the other kernel.
    open: [bool; 2],
    /// The connection's.
    serial: u32,
}

const _: () = assert!(size_of::<Way>() == 64, "a cache line");

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

/// A connection: its two ways, by the end that writes.
#[derive(Clone, Debug)]
pub(in crate::world) struct Conn {
    ways: [Way; 2],
}

impl Conn {
    /// A connection about to be opened, between two hosts (one, if that is the dialler's own, or
    /// none has the address) over a network.
    pub(super) fn new(dialler: HostId, owner: Owner, far: HostId, net: Option<Net>, now: Moment) -> Self {
        let way = |from, to, reader| Way {
            from,
            to,
            net,
            established: false,
            last_arrival: now,
            stuck: None,
            reader,
            heard: Moment::START,
            seen: u64::MAX,
            open: [false; 2],
            serial: 0,
        };
        Self { ways: [way(dialler, far, Owner::Nobody), way(far, dialler, owner)] }
    }

    /// What an end writes on.
    pub(super) fn way(&self, from: Side) -> &Way {
        &self.ways[from as usize]
    }

    /// What an end writes on.
    pub(super) fn way_mut(&mut self, from: Side) -> &mut Way {
        &mut self.ways[from as usize]
    }

    /// The host of an end.
    pub(in crate::world) fn host(&self, side: Side) -> HostId {
        self.way(side).from
    }

    /// Whether the first host dialled the second.
    pub(in crate::world) fn is_between(&self, dialler: HostId, acceptor: HostId) -> bool {
        (self.host(Side::Dialler), self.host(Side::Acceptor)) == (dialler, acceptor)
    }

    /// Who holds an end.
    pub(in crate::world) fn owner(&self, side: Side) -> Owner {
        self.way(side.other()).reader
    }

    /// Hands an end over.
    pub(super) fn set_owner(&mut self, side: Side, owner: Owner) {
        self.way_mut(side.other()).reader = owner;
    }

    /// The network between two hosts.
    pub(super) fn net(&self) -> Option<Net> {
        self.ways[0].net
    }
}

/// All connections.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct Conns {
    slots: Vec<Option<Conn>>,
    /// Of each slot, the number of the connection that is there, or will be next.
    serials: Vec<u32>,
    /// Of each slot's two ends; apart from what every segment touches.
    origins: Vec<[Origin; 2]>,
    free: Vec<u32>,
}

impl Conns {
    pub(super) fn insert(&mut self, mut conn: Conn, origins: [Origin; 2]) -> ConnId {
        let Some(slot) = self.free.pop() else {
            self.slots.push(Some(conn));
            self.serials.push(0);
            self.origins.push(origins);
            return ConnId { slot: self.slots.len() as u32 - 1, serial: 0 };
        };
        let at = slot as usize;
        let serial = self.serials[at];
        for way in &mut conn.ways {
            way.serial = serial;
        }
        (self.slots[at], self.origins[at]) = (Some(conn), origins);
        ConnId { slot, serial }
    }

    /// Where the ends of a connection that [`get`](Self::get) knows came from.
    pub(super) fn origins(&mut self, id: ConnId) -> &mut [Origin; 2] {
        &mut self.origins[id.slot as usize]
    }

    /// Every connection there is, with where its ends came from.
    pub(super) fn live(&self) -> impl Iterator<Item = (&Conn, &[Origin; 2])> {
        let all = self.slots.iter().zip(&self.origins);
        all.filter_map(|(conn, origins)| Some((conn.as_ref()?, origins)))
    }

    #[inline]
    pub(in crate::world) fn get(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots[id.slot as usize].as_mut().filter(|conn| conn.ways[0].serial == id.serial)
    }

    /// Has what the dialler writes on fetched from memory.
    #[inline]
    pub(in crate::world) fn fetch(&self, id: ConnId) {
        prefetch_index(&self.slots, id.slot as usize);
    }

    pub(super) fn peek(&self, id: ConnId) -> Option<(&Conn, &[Origin; 2])> {
        let conn = self.slots[id.slot as usize].as_ref().filter(|conn| conn.ways[0].serial == id.serial)?;
        Some((conn, &self.origins[id.slot as usize]))
    }

    pub(super) fn remove(&mut self, id: ConnId) {
        if self.get(id).is_some() {
            self.slots[id.slot as usize] = None;
            self.serials[id.slot as usize] += 1;
            self.free.push(id.slot);
        }
    }

    /// Every connection there is, in order of slots.
    pub(in crate::world) fn ids(&self) -> Vec<ConnId> {
        let live = self.slots.iter().zip(&self.serials).enumerate().filter(|(_, (conn, _))| conn.is_some());
        live.map(|(slot, (_, &serial))| ConnId { slot: slot as u32, serial }).collect()
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

impl Way {
    /// Whether an end's segments reach the other kernel, as [`fresh`] has reckoned it.
    #[inline]
    pub(super) fn is_open(&self, from: Side) -> bool {
        self.open[from as usize]
    }
}

/// What an end of a connection writes on, open or not as of this topology.
#[inline]
pub(super) fn fresh<'a, M: Machine>(
    conns: &'a mut Conns,
    hosts: &[Host<M>],
    network: &Network,
    topology: u64,
    from: EndRef,
) -> Option<&'a mut Way> {
    let EndRef { conn: ConnId { slot, serial }, side } = from;
    let conn = conns.slots[slot as usize].as_mut().filter(|conn| conn.way(side).serial == serial)?;
    if conn.way(side).seen != topology {
        let open = open_ways(hosts, network, conn, &conns.origins[slot as usize]);
        let way = conn.way_mut(side);
        (way.seen, way.open) = (topology, open);
    }
    Some(conn.way_mut(side))
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
        let host = &hosts[conn.host(side).index()];
        let ip = origins[side as usize].address.ip();
        let local = conn.net().is_none() || ip.is_none_or(|ip| ip.is_loopback());
        host.awake() && (local || ip.is_some_and(|ip| host.kernel.usable(ip)))
    };
    let both = reachable(Side::Dialler) && reachable(Side::Acceptor);
    let (one, other) = (conn.host(Side::Dialler), conn.host(Side::Acceptor));
    match conn.net() {
        None => [both; 2],
        Some(net) => [both && network.open(net, one, other), both && network.open(net, other, one)],
    }
}
