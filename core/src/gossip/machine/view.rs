//! What may be looked at from outside: for traces, checkers and status pages.

use super::super::config::Config;
use super::super::notice::ClusterState;
use super::super::table::{Ix, Table};
use super::super::traffic::Traffic;
use super::super::types::{Epoch, NodeId};
use super::Gossip;
use super::boot::Boot;
use crate::time::Instant;

/// A slot's register: the number last written, and how often it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Register {
    /// What was written last.
    pub value: u64,
    /// How many writes there were.
    pub writes: u64,
}

impl Gossip {
    /// Our name.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.table.me().id
    }

    /// Whether the node has read its state and listens.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.boot == Boot::Done && !self.over
    }

    /// Everybody known.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// The cluster's epoch, as far as we know it.
    #[must_use]
    pub const fn current_epoch(&self) -> Epoch {
        self.current_epoch
    }

    /// The epoch we last voted in.
    #[must_use]
    pub const fn last_vote_epoch(&self) -> Epoch {
        self.last_vote
    }

    /// Whether the cluster is served, in our eyes.
    #[must_use]
    pub const fn state(&self) -> ClusterState {
        self.standing.state
    }

    /// Masters with slots at the last look: what majorities are reckoned from.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.standing.size
    }

    /// Whom we replicate.
    #[must_use]
    pub fn master(&self) -> Option<NodeId> {
        let me = self.table.me();
        me.master.filter(|_| !me.is_master()).map(|at| self.table.get(at).id)
    }

    /// How many masters said within two node timeouts that they cannot reach a node.
    #[must_use]
    pub fn reports_on(&self, now: Instant, at: Ix) -> u32 {
        let age = self.config.node_timeout.times(2);
        self.table.get(at).reports().iter().filter(|&&(_, said)| now.since(said) <= age).count() as u32
    }

    /// Who claims a slot, and whether they still do.
    #[must_use]
    pub fn owner_of(&self, slot: u16) -> Option<NodeId> {
        self.table.owner(slot).map(|at| self.table.get(at).id)
    }

    /// Whether clients' writes wait for a manual failover.
    #[must_use]
    pub fn holds_writes(&self, now: Instant) -> bool {
        self.manual.holds_writes(now)
    }

    /// Our replication offset, in bytes.
    #[must_use]
    pub fn replication_offset(&self) -> u64 {
        self.offset()
    }

    /// A slot's register, if this node keeps any.
    #[must_use]
    pub fn register(&self, slot: u16) -> Option<Register> {
        self.data.get(slot)
    }

    /// Every slot's register that there is, in the slots' order.
    pub fn registers(&self) -> impl Iterator<Item = (u16, Register)> {
        self.data.all()
    }

    /// Whether a replica has its master's data and takes every write of his.
    #[must_use]
    pub fn is_replicating(&self) -> bool {
        self.data.is_streaming()
    }

    /// Until when gossip does not bring a node back.
    #[must_use]
    pub fn forgotten_until(&self, id: &NodeId) -> Option<Instant> {
        self.blacklist.get(id).copied()
    }

    /// What went over the bus.
    #[must_use]
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }
}
