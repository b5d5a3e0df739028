//! Who is known, and who owns which slot: this node's picture of the cluster.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::index::Index;
use super::slots::{SLOTS, SlotSet};
use super::types::{Epoch, NodeFlags, NodeId};
use crate::machine::LinkId;
use crate::rng::Rng;
use crate::time::Instant;

/// A node's place in the table, for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ix(u16);

impl Ix {
    /// This node.
    pub const ME: Self = Self(0);
    const NOBODY: u16 = u16::MAX;

    /// Its number, below the largest the table ever was.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }

    const fn at(self) -> usize {
        self.0 as usize
    }
}

/// Nodes that are kept at most; gossip about more is not believed. Redis has no limit and
/// recommends 1,000.
pub const NODES_MAX: usize = 8_192;

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

/// What we know of a node.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    /// Its name; made up while [`NodeFlags::HANDSHAKE`] is set.
    pub id: NodeId,
    /// What it is, and how it fares in our eyes.
    pub flags: NodeFlags,
    /// Where it is reached.
    pub address: Address,
    /// The name it gives itself.
    pub hostname: Option<Box<str>>,
    /// The version of its claim to its slots.
    pub epoch: Epoch,
    /// Its replication offset, as it last said.
    pub offset: u64,
    /// Whom it replicates, if we know.
    pub master: Option<Ix>,
    /// What it owns. Kept in step with the table's owners.
    pub(super) slots: SlotSet,
    /// When we first heard of it.
    pub since: Instant,
    /// When the ping was sent that it has not answered yet.
    pub ping_sent: Option<Instant>,
    /// When it last answered, as far as we or somebody we trust knows.
    pub pong_received: Option<Instant>,
    /// When anything last came from it.
    pub data_received: Option<Instant>,
    /// When it was found failed.
    pub failed: Option<Instant>,
    /// When we last voted for one of its replicas.
    pub voted: Option<Instant>,
    /// Since when this master has been without a working replica.
    pub orphaned: Option<Instant>,
    /// When the tick looks at it next.
    pub(super) look: Option<Instant>,
    /// Our link to it.
    pub(super) outbound: Option<LinkId>,
    /// Its link to us.
    pub(super) inbound: Option<LinkId>,
    /// Masters that cannot reach it, and when they last said so.
    pub(super) reports: Vec<(Ix, Instant)>,
    /// Fields of its line in the state file that we do not know.
    pub(super) aux: Vec<Box<str>>,
}

impl Node {
    /// A node heard of now.
    #[must_use]
    pub const fn new(id: NodeId, flags: NodeFlags, address: Address, now: Instant) -> Self {
        Self {
            id,
            flags,
            address,
            hostname: None,
            epoch: Epoch(0),
            offset: 0,
            master: None,
            slots: SlotSet::new(),
            since: now,
            ping_sent: None,
            pong_received: None,
            data_received: None,
            failed: None,
            voted: None,
            orphaned: None,
            look: None,
            outbound: None,
            inbound: None,
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
}

/// Everybody known, this node first.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Table {
    nodes: Vec<Option<Node>>,
    free: Vec<Ix>,
    /// The places in use, for draws.
    places: Vec<Ix>,
    ids: Index,
    /// The owner of each slot.
    owners: Vec<u16>,
    /// Slots whose owner has stopped claiming them.
    pub(super) unclaimed: SlotSet,
    assigned: u32,
}

impl Table {
    /// This node alone. What names are found by depends on a key nobody else knows.
    #[must_use]
    pub fn new(me: Node, key: u64) -> Self {
        let mut ids = Index::new(key);
        ids.insert(&me.id, Ix::ME.0, |_| me.id);
        Self {
            nodes: alloc::vec![Some(me)],
            free: Vec::new(),
            places: alloc::vec![Ix::ME],
            ids,
            owners: alloc::vec![Ix::NOBODY; usize::from(SLOTS)],
            unclaimed: SlotSet::new(),
            assigned: 0,
        }
    }

    /// This node alone, again.
    pub(super) fn alone(&mut self, me: Node) {
        *self = Self::new(me, self.ids.key());
    }

    /// How many are known, this node and those in handshake included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// Never: this node is always there.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// This node.
    ///
    /// # Panics
    /// Never: it is always there.
    #[must_use]
    pub fn me(&self) -> &Node {
        self.get(Ix::ME)
    }

    pub(super) fn me_mut(&mut self) -> &mut Node {
        self.get_mut(Ix::ME)
    }

    /// A node by its place.
    ///
    /// # Panics
    /// If it has left: places are not kept beyond that.
    #[must_use]
    #[inline]
    pub fn get(&self, at: Ix) -> &Node {
        self.nodes[at.at()].as_ref().expect("a place outlived its node")
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: Ix) -> &mut Node {
        self.nodes[at.at()].as_mut().expect("a place outlived its node")
    }

    /// Who has this name.
    #[must_use]
    #[inline]
    pub fn find(&self, id: &NodeId) -> Option<Ix> {
        self.find_raw(id.bytes())
    }

    /// Who has the name that these bytes would be.
    #[must_use]
    #[inline]
    pub fn find_raw(&self, id: &[u8; NodeId::LENGTH]) -> Option<Ix> {
        self.ids.find(id, |place| self.get(Ix(place)).id.bytes() == id).map(Ix)
    }

    /// Everybody, in the order they became known (a place that fell free is filled anew).
    pub fn iter(&self) -> impl Iterator<Item = (Ix, &Node)> + Clone {
        self.nodes.iter().enumerate().filter_map(|(at, node)| node.as_ref().map(|node| (Ix(at as u16), node)))
    }

    /// Everybody's place, for walks that change things.
    pub(super) fn places(&self) -> Vec<Ix> {
        self.iter().map(|(at, _)| at).collect()
    }

    /// A place drawn at random.
    pub(super) fn draw(&self, rng: &mut Rng) -> Ix {
        self.places[rng.index(self.places.len()).unwrap_or_default()]
    }

    /// Adds a node, unless its name is taken or the table is full.
    pub(super) fn add(&mut self, node: Node) -> Option<Ix> {
        if self.len() >= NODES_MAX || self.find(&node.id).is_some() {
            return None;
        }
        let id = node.id;
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at.at()] = Some(node);
                at
            }
            None => {
                self.nodes.push(Some(node));
                Ix((self.nodes.len() - 1) as u16)
            }
        };
        self.places.push(at);
        let nodes = &self.nodes;
        self.ids.insert(&id, at.0, |place| name(nodes, place));
        Some(at)
    }

    /// Takes a node out: its slots fall free, its reports and who replicated it are forgotten.
    pub(super) fn remove(&mut self, at: Ix) -> Node {
        assert!(at != Ix::ME, "a node cannot leave its own table");
        for slot in self.get(at).slots.clone().iter() {
            self.unbind(slot);
        }
        let id = self.get(at).id;
        let nodes = &self.nodes;
        self.ids.remove(&id, at.0, |place| name(nodes, place));
        let node = self.nodes[at.at()].take().expect("a place outlived its node");
        self.places.retain(|&place| place != at);
        self.free.push(at);
        for other in self.nodes.iter_mut().flatten() {
            other.reports.retain(|&(by, _)| by != at);
            if other.master == Some(at) {
                other.master = None;
            }
        }
        node
    }

    /// A node's made-up name gives way to its own.
    pub(super) fn rename(&mut self, at: Ix, id: NodeId) {
        let old = self.get(at).id;
        let nodes = &self.nodes;
        self.ids.remove(&old, at.0, |place| name(nodes, place));
        self.get_mut(at).id = id;
        let nodes = &self.nodes;
        self.ids.insert(&id, at.0, |place| name(nodes, place));
    }

    /// Who owns a slot.
    #[must_use]
    #[inline]
    pub fn owner(&self, slot: u16) -> Option<Ix> {
        let owner = *self.owners.get(usize::from(slot))?;
        (owner != Ix::NOBODY).then_some(Ix(owner))
    }

    /// Slots that somebody owns.
    #[must_use]
    pub const fn assigned(&self) -> u32 {
        self.assigned
    }

    /// Gives a slot to a node; whoever had it loses it.
    pub(super) fn bind(&mut self, slot: u16, to: Ix) {
        self.unbind(slot);
        self.owners[usize::from(slot)] = to.0;
        self.get_mut(to).slots.insert(slot);
        self.assigned += 1;
    }

    /// Nobody owns a slot any more.
    pub(super) fn unbind(&mut self, slot: u16) {
        if let Some(owner) = self.owner(slot) {
            self.get_mut(owner).slots.remove(slot);
            self.owners[usize::from(slot)] = Ix::NOBODY;
            self.assigned -= 1;
        }
        self.unclaimed.remove(slot);
    }

    /// Masters with a slot, failed ones included: what a majority is reckoned from.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.iter().filter(|(_, node)| node.is_owner()).count() as u32
    }

    /// Votes, or reports, that are a majority.
    #[must_use]
    pub fn quorum(&self) -> u32 {
        self.size() / 2 + 1
    }

    /// Who replicates a master.
    pub fn replicas_of(&self, master: Ix) -> impl Iterator<Item = (Ix, &Node)> + Clone {
        self.iter().filter(move |(_, node)| node.master == Some(master))
    }

    /// Looks for broken invariants.
    ///
    /// # Panics
    /// If one is.
    pub(super) fn check(&self) {
        let mut held = 0;
        for (at, node) in self.iter() {
            held += node.slots.len();
            assert_eq!(self.find(&node.id), Some(at), "{} is not where it is said to be", node.id);
            assert!(
                node.slots
                    .ranges()
                    .iter()
                    .all(|&(first, last)| { self.owner(first) == Some(at) && self.owner(last) == Some(at) }),
                "{} holds a slot of another's",
                node.id
            );
            assert!(node.master != Some(at), "{} replicates itself", node.id);
        }
        assert_eq!(held, self.assigned, "slots are counted wrongly");
        assert_eq!(self.ids.len(), self.len(), "a name without a node");
    }
}

fn name(nodes: &[Option<Node>], place: u16) -> NodeId {
    nodes[usize::from(place)].as_ref().expect("a place outlived its node").id
}
