//! The streams of the bus: one we dial to each node, one each node dials to us.
//!
//! On the outbound one we send PING, MEET and everything without an answer, and hear PONG; on
//! the inbound one we hear theirs and send nothing but PONG (and the one PING that answers
//! MFSTART).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::index::{Index, Place};
use super::table::Ix;
use super::wire::Bus;
use crate::bytes::FrameBuffer;
use crate::machine::{Endpoint, LinkId, PortId};
use crate::time::Instant;

/// The bus.
pub const BUS: PortId = PortId(1);
/// The clients' port.
pub const CLIENTS: PortId = PortId(2);
/// The clients' port that speaks TLS.
pub const TLS_CLIENTS: PortId = PortId(3);

/// A stream of the bus.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Link {
    /// Whose it is, once known. An outbound one always has it.
    pub(super) node: Option<Ix>,
    /// They dialled.
    pub(super) inbound: bool,
    /// Bytes can be sent.
    pub(super) open: bool,
    pub(super) since: Instant,
    /// When anything last came.
    pub(super) heard: Instant,
    /// Their end.
    pub(super) remote: Option<IpAddr>,
    /// Our end.
    pub(super) local: Option<IpAddr>,
    pub(super) buffer: FrameBuffer<Bus>,
    /// Bytes of it that are counted among those of strangers.
    counted: usize,
}

/// The streams of the bus, by number.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Links {
    all: Vec<Option<(LinkId, Link)>>,
    free: Vec<Place>,
    numbers: Index,
    next: u64,
    /// How many came in from nobody we know yet.
    strangers: usize,
    /// Bytes kept of packets of theirs that are not whole.
    strangers_held: usize,
    /// None of theirs has been silent since before this.
    pub(super) quiet_since: Instant,
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            all: Vec::new(),
            free: Vec::new(),
            numbers: Index::new(),
            next: 0,
            strangers: 0,
            strangers_held: 0,
            quiet_since: Instant::START,
        }
    }

    /// A number for a stream we dial.
    pub(super) const fn number(&mut self) -> LinkId {
        self.next += 2;
        LinkId(self.next)
    }

    pub(super) fn dialled(&mut self, link: LinkId, node: Ix, to: SocketAddr, now: Instant) {
        let known = Link {
            node: Some(node),
            inbound: false,
            open: false,
            since: now,
            heard: now,
            remote: Some(to.ip()),
            local: None,
            buffer: FrameBuffer::new(),
            counted: 0,
        };
        self.add(link, known);
    }

    pub(super) fn accepted(&mut self, link: LinkId, from: &Endpoint, local: &Endpoint, now: Instant) {
        self.strangers += 1;
        let known = Link {
            node: None,
            inbound: true,
            open: true,
            since: now,
            heard: now,
            remote: from.ip(),
            local: local.ip(),
            buffer: FrameBuffer::new(),
            counted: 0,
        };
        self.add(link, known);
    }

    fn add(&mut self, link: LinkId, known: Link) {
        // Two a node and the strangers: a quarter of what a place can number.
        let next = || Place::try_from(self.all.len()).expect("streams are bounded");
        let place = self.free.pop().unwrap_or_else(next);
        match self.all.get_mut(usize::from(place)) {
            Some(free) => *free = Some((link, known)),
            None => self.all.push(Some((link, known))),
        }
        let all = &self.all;
        self.numbers.insert(hash(link), place, |place| hash_at(all, place));
    }

    #[inline]
    fn place(&self, link: LinkId) -> Option<Place> {
        let is = |place| matches!(self.all[usize::from(place)], Some((number, _)) if number == link);
        self.numbers.find(hash(link), is)
    }

    #[inline]
    pub(super) fn get(&self, link: LinkId) -> Option<&Link> {
        let place = self.place(link)?;
        self.all[usize::from(place)].as_ref().map(|(_, known)| known)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        let place = self.place(link)?;
        self.all[usize::from(place)].as_mut().map(|(_, known)| known)
    }

    /// Streams that came in, from nobody we know yet.
    pub(super) const fn strangers(&self) -> usize {
        self.strangers
    }

    /// Counts what is kept of a stranger's packet; how much of it and of all of theirs. Nothing of
    /// somebody known.
    pub(super) fn count_held(&mut self, link: LinkId) -> Option<(usize, usize)> {
        let known = self.get_mut(link).filter(|known| known.node.is_none())?;
        let held = known.buffer.held();
        let before = core::mem::replace(&mut known.counted, held);
        self.strangers_held = self.strangers_held - before + held;
        Some((held, self.strangers_held))
    }

    /// A stream that came in turns out to be this node's.
    pub(super) fn bind(&mut self, link: LinkId, node: Ix) {
        let Some(known) = self.get_mut(link) else { return };
        if known.node.replace(node).is_none() {
            let counted = core::mem::take(&mut known.counted);
            self.strangers -= 1;
            self.strangers_held -= counted;
        }
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<Link> {
        let place = self.place(link)?;
        let all = &self.all;
        self.numbers.remove(hash(link), place, |place| hash_at(all, place));
        let (_, gone) = self.all[usize::from(place)].take()?;
        self.free.push(place);
        self.strangers -= usize::from(gone.inbound && gone.node.is_none());
        self.strangers_held -= gone.counted;
        Some(gone)
    }

    pub(super) const fn len(&self) -> usize {
        self.numbers.len()
    }

    /// All of them, by their numbers.
    pub(super) fn sorted(&self) -> Vec<(LinkId, &Link)> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by_key(|&(link, _)| link);
        all
    }

    /// All of them, in any order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.all.iter().flatten().map(|(link, known)| (*link, known))
    }
}

const fn hash(link: LinkId) -> u64 {
    let mixed = link.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

fn hash_at(all: &[Option<(LinkId, Link)>], place: Place) -> u64 {
    all[usize::from(place)].as_ref().map_or(0, |&(link, _)| hash(link))
}
