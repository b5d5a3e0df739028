//! The streams of the bus: one we dial to each node, one each node dials to us.
//!
//! On the outbound one we send PING, MEET and everything without an answer, and hear PONG; on
//! the inbound one we hear theirs and send nothing but PONG (and the one PING that answers
//! MFSTART).

use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};

use super::table::Ix;
use super::wire::Bus;
use crate::bytes::FrameBuffer;
use crate::machine::{Endpoint, LinkId, PortId};
use crate::time::Instant;

/// The bus.
pub const BUS: PortId = PortId(1);
/// The clients' port.
pub const CLIENTS: PortId = PortId(2);

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
}

/// The streams of the bus, by number.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Links {
    all: BTreeMap<LinkId, Link>,
    next: u64,
    /// How many came in from nobody we know yet.
    strangers: usize,
}

impl Links {
    /// A number for a stream we dial.
    pub(super) const fn number(&mut self) -> LinkId {
        self.next += 2;
        LinkId(self.next)
    }

    pub(super) fn dialled(&mut self, link: LinkId, node: Ix, to: SocketAddr, now: Instant) {
        self.all.insert(
            link,
            Link {
                node: Some(node),
                inbound: false,
                open: false,
                since: now,
                heard: now,
                remote: Some(to.ip()),
                local: None,
                buffer: FrameBuffer::new(),
            },
        );
    }

    pub(super) fn accepted(&mut self, link: LinkId, from: &Endpoint, local: &Endpoint, now: Instant) {
        self.strangers += 1;
        self.all.insert(
            link,
            Link {
                node: None,
                inbound: true,
                open: true,
                since: now,
                heard: now,
                remote: from.ip(),
                local: local.ip(),
                buffer: FrameBuffer::new(),
            },
        );
    }

    #[inline]
    pub(super) fn get(&self, link: LinkId) -> Option<&Link> {
        self.all.get(&link)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.all.get_mut(&link)
    }

    /// Streams that came in, from nobody we know yet.
    pub(super) const fn strangers(&self) -> usize {
        self.strangers
    }

    /// A stream that came in turns out to be this node's.
    pub(super) fn bind(&mut self, link: LinkId, node: Ix) {
        if let Some(known) = self.all.get_mut(&link)
            && known.node.replace(node).is_none()
        {
            self.strangers -= 1;
        }
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<Link> {
        let gone = self.all.remove(&link)?;
        self.strangers -= usize::from(gone.inbound && gone.node.is_none());
        Some(gone)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.all.iter().map(|(&id, link)| (id, link))
    }
}
