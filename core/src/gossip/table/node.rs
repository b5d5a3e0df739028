//! What is known of one node.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Ix;
use crate::gossip::slots::SlotSet;
use crate::gossip::types::{Epoch, NodeFlags, NodeId};
use crate::machine::LinkId;
use crate::time::Instant;

/// Where a node is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Address {
    /// Absent until known.
    pub ip: Option<IpAddr>,
    /// Its clients' port.
    pub port: u16,
    /// Its bus port.
    pub bus_port: u16,
    /// Its plaintext port, when `port` speaks TLS; else 0.
    pub plain_port: u16,
}

impl Address {
    /// The clients' port, or the one without TLS if there is one.
    #[must_use]
    pub const fn port_for(&self, plainly: bool) -> u16 {
        if plainly && self.plain_port != 0 { self.plain_port } else { self.port }
    }
}

/// A time, or none: what an `Option` says, in half of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct When(u64);

impl When {
    /// None.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time, if there is one.
    #[must_use]
    #[inline]
    pub const fn get(self) -> Option<Instant> {
        if self.is_never() { None } else { Some(Instant(self.0)) }
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_never(self) -> bool {
        self.0 == Self::NEVER.0
    }
}

/// The end of time is never.
impl From<Instant> for When {
    fn from(at: Instant) -> Self {
        Self(at.0)
    }
}

impl From<Option<Instant>> for When {
    fn from(at: Option<Instant>) -> Self {
        at.map_or(Self::NEVER, Self::from)
    }
}

/// What we know of a node, but for when it last answered: that the table keeps, see
/// [`Table::pong_received`](super::Table::pong_received).
///
/// In a large cluster each packet tells of a tenth of all nodes, and none of them is in the
/// processor's cache. So what is told of a node lies in one line, and what its own packets ask
/// for in the next.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    /// Its name; made up while [`NodeFlags::HANDSHAKE`] is set.
    pub id: NodeId,
    /// Where it is reached.
    pub address: Address,
    /// What it is, and how it fares in our eyes.
    pub flags: NodeFlags,
    /// Whom it replicates, if we know.
    pub master: Option<Ix>,
    /// When the ping was sent that it has not answered yet.
    pub ping_sent: When,
    /// When anything last came from it.
    pub data_received: When,
    /// Our link to it.
    pub(in super::super) outbound: Option<LinkId>,
    /// The version of its claim to its slots.
    pub epoch: Epoch,
    /// Its replication offset, as it last said.
    pub offset: u64,
    /// What it owns. Kept in step with the table's owners.
    pub(in super::super) slots: SlotSet,
    /// The name it gives itself.
    pub hostname: Option<Box<str>>,
    /// Its link to us.
    pub(in super::super) inbound: Option<LinkId>,
    /// When we first heard of it.
    pub since: Instant,
    /// When it was found failed.
    pub failed: Option<Instant>,
    /// When we last voted for one of its replicas.
    pub voted: Option<Instant>,
    /// Since when this master has been without a working replica.
    pub orphaned: Option<Instant>,
    /// Masters that cannot reach it, and when they last said so.
    reports: Vec<(Ix, Instant)>,
    /// Fields of its line in the state file that we do not know.
    pub(in super::super) aux: Vec<Box<str>>,
}

/// The size of a line of the processor's cache.
const LINE: usize = 64;
const _: () = {
    assert!(core::mem::offset_of!(Node, flags) == LINE);
    assert!(core::mem::offset_of!(Node, slots) <= 2 * LINE);
};

impl Node {
    /// A node heard of now.
    #[must_use]
    pub const fn new(id: NodeId, flags: NodeFlags, address: Address, now: Instant) -> Self {
        Self {
            id,
            address,
            flags,
            master: None,
            ping_sent: When::NEVER,
            data_received: When::NEVER,
            outbound: None,
            epoch: Epoch(0),
            offset: 0,
            slots: SlotSet::new(),
            hostname: None,
            inbound: None,
            since: now,
            failed: None,
            voted: None,
            orphaned: None,
            reports: Vec::new(),
            aux: Vec::new(),
        }
    }

    /// What it owns.
    #[must_use]
    pub const fn slots(&self) -> &SlotSet {
        &self.slots
    }

    /// Our link to it, open or being dialled.
    #[must_use]
    pub const fn link(&self) -> Option<LinkId> {
        self.outbound
    }

    /// Whether it is a master.
    #[must_use]
    pub const fn is_master(&self) -> bool {
        self.flags.contains(NodeFlags::MASTER)
    }

    /// Whether it is a master with a slot: who counts for majorities.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.is_master() && !self.slots.is_empty()
    }

    /// Whether it is known by its address only.
    #[must_use]
    pub const fn in_handshake(&self) -> bool {
        self.flags.contains(NodeFlags::HANDSHAKE)
    }

    /// Whether we have a link to it, or are dialling.
    #[must_use]
    pub const fn has_link(&self) -> bool {
        self.outbound.is_some()
    }

    /// Whether we hold it for failed, or suspect it.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.flags.failing()
    }

    /// Masters that cannot reach it, and when they last said so.
    pub(in super::super) fn reports(&self) -> &[(Ix, Instant)] {
        &self.reports
    }

    /// Whether any master cannot reach it.
    pub(in super::super) const fn is_reported(&self) -> bool {
        !self.reports.is_empty()
    }

    /// A master cannot reach it.
    pub(in super::super) fn report(&mut self, by: Ix, now: Instant) {
        match self.reports.iter_mut().find(|(known, _)| *known == by) {
            Some((_, at)) => *at = now,
            None => self.reports.push((by, now)),
        }
    }

    /// Forgets the reports that are not to be kept.
    pub(in super::super) fn keep_reports(&mut self, keep: impl Fn(Ix, Instant) -> bool) {
        self.reports.retain(|&(by, at)| keep(by, at));
    }
}
