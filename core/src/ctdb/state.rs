//! What every part reads: the node map, who we are, how far we are.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::files::nodes::Nodes;
use super::types::{Capabilities, Generation, NodeFlags, Pnn, RecoveryMode, RunState};
use super::wire::NodeMap;
use crate::time::Instant;

/// A node as we know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Node {
    /// `None` for a deleted line.
    pub(super) address: Option<IpAddr>,
    pub(super) flags: NodeFlags,
    /// What it said it may be and can do, when it was last asked.
    pub(super) capabilities: Capabilities,
    /// Since when it counts as dead, if it has ever been connected.
    pub(super) lost: Option<Instant>,
}

impl Node {
    /// A node nobody has heard of yet.
    fn new(address: Option<IpAddr>) -> Self {
        let kind = if address.is_some() { NodeFlags::UNHEALTHY } else { NodeFlags::DELETED };
        let flags = NodeFlags::DISCONNECTED | kind;
        Self { address, flags, capabilities: Capabilities::empty(), lost: None }
    }

    pub(super) const fn is_connected(&self) -> bool {
        !self.flags.contains(NodeFlags::DISCONNECTED)
    }
}

/// The machine's shared state.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct State {
    /// Our number, once known.
    pub(super) me: Option<Pnn>,
    pub(super) nodes: Vec<Node>,
    /// The nodes file in force, once read.
    pub(super) file: Option<Nodes>,
    pub(super) generation: Generation,
    /// The location masters.
    pub(super) vnn_map: Vec<Pnn>,
    /// Whom we follow.
    pub(super) leader: Option<Pnn>,
    /// When START_RECOVERY and END_RECOVERY last came.
    pub(super) recovery_started: Option<Instant>,
    pub(super) recovery_finished: Option<Instant>,
    /// Recoveries that ended here.
    pub(super) recoveries: u32,
    /// What to add to our clock for the time of day, in microseconds.
    pub(super) time_of_day: i64,
    pub(super) recovery_mode: RecoveryMode,
    pub(super) runstate: RunState,
    pub(super) born: Instant,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            me: None,
            nodes: Vec::new(),
            file: None,
            generation: Generation::INVALID,
            vnn_map: Vec::new(),
            leader: None,
            recovery_started: None,
            recovery_finished: None,
            recoveries: 0,
            time_of_day: 0,
            recovery_mode: RecoveryMode::Active,
            runstate: RunState::Init,
            born: Instant::START,
        }
    }

    /// Our number; only asked once the node listens.
    pub(super) fn own(&self) -> Pnn {
        self.me.expect("nothing is sent before the node knows its number")
    }

    pub(super) fn is_me(&self, pnn: Pnn) -> bool {
        self.me == Some(pnn)
    }

    pub(super) fn node(&self, pnn: Pnn) -> Option<&Node> {
        self.nodes.get(pnn.0 as usize)
    }

    pub(super) fn node_mut(&mut self, pnn: Pnn) -> Option<&mut Node> {
        self.nodes.get_mut(pnn.0 as usize)
    }

    /// Every number of the nodes file, deleted ones too.
    pub(super) fn all(&self) -> impl Iterator<Item = Pnn> + use<> {
        (0..self.nodes.len() as u32).map(Pnn)
    }

    /// Whether a number is a node we should have links with.
    pub(super) fn is_peer(&self, pnn: Pnn) -> bool {
        !self.is_me(pnn) && self.node(pnn).is_some_and(|node| node.address.is_some())
    }

    /// The node of an address.
    pub(super) fn find(&self, address: IpAddr) -> Option<Pnn> {
        let address = address.to_canonical();
        self.nodes.iter().position(|node| node.address == Some(address)).map(|at| Pnn(at as u32))
    }

    /// Fills the node map from a nodes file, from nothing.
    pub(super) fn adopt(&mut self, file: Nodes) {
        self.nodes = file.iter().map(|(_, address)| Node::new(address)).collect();
        let live = |pnn: &Pnn| self.node(*pnn).is_some_and(|node| node.address.is_some());
        self.vnn_map = self.all().filter(live).collect();
        self.file = Some(file);
    }

    /// Whether a node map says what we say of every node.
    pub(super) fn agrees_with(&self, map: &NodeMap) -> bool {
        map.nodes.len() == self.nodes.len()
            && self
                .nodes
                .iter()
                .zip(self.all())
                .zip(&map.nodes)
                .all(|((node, pnn), entry)| entry.pnn == pnn && entry.flags == node.flags)
    }

    /// A number's node is another one from now on.
    pub(super) fn replace(&mut self, pnn: Pnn, address: Option<IpAddr>) {
        let fresh = Node::new(address);
        match self.node_mut(pnn) {
            Some(node) => *node = fresh,
            None => self.nodes.push(fresh),
        }
    }
}
