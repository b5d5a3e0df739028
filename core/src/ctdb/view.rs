//! What may be looked at from outside: for traces, checkers and status pages.

use core::net::IpAddr;

use super::config::Config;
use super::machine::Ctdb;
use super::types::{NodeFlags, Pnn};

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
        self.state.node(pnn).is_some_and(super::state::Node::is_connected)
    }

    /// What is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }
}
