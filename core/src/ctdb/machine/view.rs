//! What may be looked at from outside: for traces, checkers and status pages.

use core::net::IpAddr;

use super::super::config::Config;
use super::super::types::{Capabilities, Generation, NodeFlags, Pnn, RecoveryMode, RunState};
use super::Ctdb;
use crate::time::Instant;

/// A public address in the eyes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicView<'a> {
    /// The address.
    pub address: IpAddr,
    /// Network bits.
    pub bits: u8,
    /// Who holds it, as far as this node knows.
    pub holder: Option<Pnn>,
    /// The interface it is on here, if it is assigned here.
    pub interface: Option<&'a str>,
}

impl Ctdb {
    /// Our number, once known.
    #[must_use]
    pub const fn pnn(&self) -> Option<Pnn> {
        self.state.me
    }

    /// How many numbers the nodes file in force uses.
    #[must_use]
    pub fn node_count(&self) -> u32 {
        self.state.nodes.len() as u32
    }

    /// The number of a node's address.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<Pnn> {
        self.state.find(address)
    }

    /// A number's address; none if the number is deleted or not in use.
    #[must_use]
    pub fn address(&self, pnn: Pnn) -> Option<IpAddr> {
        self.state.node(pnn).and_then(|node| node.address)
    }

    /// A node's flags as we know them.
    #[must_use]
    pub fn flags(&self, pnn: Pnn) -> Option<NodeFlags> {
        self.state.node(pnn).map(|node| node.flags)
    }

    /// Whether we count a node as connected. We are always connected to ourselves.
    #[must_use]
    pub fn is_connected(&self, pnn: Pnn) -> bool {
        self.state.node(pnn).is_some_and(super::super::state::Node::is_connected)
    }

    /// How far this daemon has come.
    #[must_use]
    pub const fn runstate(&self) -> RunState {
        self.state.runstate
    }

    /// Whether a recovery is under way, or due.
    #[must_use]
    pub const fn recovery_mode(&self) -> RecoveryMode {
        self.state.recovery_mode
    }

    /// The generation a leader last gave us.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.state.generation
    }

    /// The location masters a leader last gave us.
    #[must_use]
    pub fn vnn_map(&self) -> &[Pnn] {
        &self.state.vnn_map
    }

    /// What this node may be: as configured, less what others' databases forbid it.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.config.capabilities
    }

    /// Whom we follow: ourselves if we lead.
    #[must_use]
    pub const fn leader(&self) -> Option<Pnn> {
        self.state.leader
    }

    /// Whether we believe an election is going on.
    #[must_use]
    pub const fn is_electing(&self) -> bool {
        self.election.on
    }

    /// Whether we believe we hold the cluster lock.
    #[must_use]
    pub const fn holds_lock(&self) -> bool {
        self.election.holds_lock()
    }

    /// The public addresses this node knows, in the order of GET_PUBLIC_IPS, as they are held in
    /// its own eyes.
    pub fn public_addresses(&self) -> impl Iterator<Item = PublicView<'_>> {
        self.addresses.iter().map(|entry| PublicView {
            address: entry.address(),
            bits: entry.bits(),
            holder: entry.holder(),
            interface: entry.interface(),
        })
    }

    /// The interfaces of its public addresses, and whether each has a link, as the monitor
    /// scripts said last.
    pub fn links(&self) -> impl Iterator<Item = (&str, bool)> {
        self.addresses.link_states()
    }

    /// The holder of a public address in this node's eyes; none if it is unknown here, or nobody.
    #[must_use]
    pub fn holder_of(&self, address: IpAddr) -> Option<Pnn> {
        self.public_addresses().find(|held| held.address == address).and_then(|held| held.holder)
    }

    /// Whether this node is changing a public address just now.
    #[must_use]
    pub fn is_changing(&self, address: IpAddr) -> bool {
        self.addresses.get(address).is_some_and(super::super::addresses::Entry::is_changing)
    }

    /// The nodes that its next takeover run, as leader, is to give addresses to even where nothing
    /// else moves: an operator changed what they can host.
    pub fn forced(&self) -> impl Iterator<Item = Pnn> {
        self.rounds.forced.iter().copied()
    }

    /// Until when takeover runs are off here, if they are.
    #[must_use]
    pub fn takeover_runs_off(&self) -> Option<Instant> {
        self.timers.at(super::super::cx::Wake::TakeoverRunsOn)
    }

    /// Until when recoveries are off here, if they are.
    #[must_use]
    pub fn recoveries_off(&self) -> Option<Instant> {
        self.timers.at(super::super::cx::Wake::RecoveriesOn)
    }

    /// What is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }
}
