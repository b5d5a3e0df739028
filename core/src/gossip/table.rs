//! Who is known, and who owns which slot: this node's picture of the cluster.

mod glance;
mod node;

pub(super) use self::glance::{Glance, Marks, NodeMut};
pub use self::node::{Address, Node, When};

use alloc::vec::Vec;

use super::index::{Index, Place, Sought};
use super::slots::{SLOTS, SlotSet};
use super::types::{NodeFlags, NodeId};
use crate::rng::Rng;

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

/// Nodes looked at together: while memory answers one question it answers the others too.
pub(super) const AT_ONCE: usize = 32;

/// Everybody known, this node first.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Table {
    nodes: Vec<Node>,
    /// As many, each of the node in the same place.
    glances: Vec<Glance>,
    free: Vec<Ix>,
    /// The places in use, for draws.
    places: Vec<Ix>,
    /// Part of each name's hash, so that nobody can make names that fall together.
    key: u64,
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
        let mut ids = Index::new();
        let hashed = hash(key, me.id.bytes());
        ids.insert(hashed, Ix::ME.0, |_| key);
        let mut glance = Glance::new(tag(hashed));
        glance.follow(&me);
        Self {
            nodes: alloc::vec![me],
            glances: alloc::vec![glance],
            free: Vec::new(),
            places: alloc::vec![Ix::ME],
            key,
            ids,
            owners: alloc::vec![Ix::NOBODY; usize::from(SLOTS)],
            unclaimed: SlotSet::new(),
            assigned: 0,
        }
    }

    /// This node alone, again.
    pub(super) fn alone(&mut self, me: Node) {
        *self = Self::new(me, self.key);
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

    pub(super) fn me_mut(&mut self) -> NodeMut<'_> {
        self.get_mut(Ix::ME)
    }

    /// A node by its place.
    ///
    /// # Panics
    /// If it has left: places are not kept beyond that.
    #[must_use]
    #[inline]
    pub fn get(&self, at: Ix) -> &Node {
        assert!(self.glances[at.at()].marks.contains(Marks::HERE), "a place outlived its node");
        &self.nodes[at.at()]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: Ix) -> NodeMut<'_> {
        let glance = &mut self.glances[at.at()];
        assert!(glance.marks.contains(Marks::HERE), "a place outlived its node");
        NodeMut { node: &mut self.nodes[at.at()], glance }
    }

    /// A node, at a glance.
    ///
    /// # Panics
    /// If it has left.
    #[inline]
    pub(super) fn glance(&self, at: Ix) -> Glance {
        let glance = self.glances[at.at()];
        assert!(glance.marks.contains(Marks::HERE), "a place outlived its node");
        glance
    }

    /// When a node last answered, as far as we or somebody we trust knows.
    ///
    /// # Panics
    /// If it has left.
    #[must_use]
    #[inline]
    pub fn pong_received(&self, at: Ix) -> When {
        self.glance(at).pong_received
    }

    /// A node answered us, or somebody we trust.
    #[inline]
    pub(super) fn answered(&mut self, at: Ix, when: impl Into<When>) {
        self.glances[at.at()].pong_received = when.into();
    }

    /// Notes whether the tick has a node on its agenda; whether it had.
    pub(super) fn await_look(&mut self, at: Ix, awaited: bool) -> bool {
        core::mem::replace(&mut self.glances[at.at()].awaited, awaited)
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
        self.ids.find(hash(self.key, id), |place| self.is_named(Ix(place), id)).map(Ix)
    }

    /// Whether a node has the name that these bytes would be.
    #[inline]
    pub(super) fn is_named(&self, at: Ix, id: &[u8; NodeId::LENGTH]) -> bool {
        self.nodes[at.at()].id.bytes() == id
    }

    /// How many places there ever were: every [`Ix::number`] is below it.
    pub(super) const fn places_ever(&self) -> usize {
        self.nodes.len()
    }

    /// Everybody, in the order they became known (a place that fell free is filled anew).
    pub fn iter(&self) -> impl Iterator<Item = (Ix, &Node)> + Clone {
        let all = self.nodes.iter().zip(&self.glances).enumerate();
        let here = all.filter(|(_, (_, glance))| glance.marks.contains(Marks::HERE));
        here.map(|(at, (node, _))| (Ix(at as u16), node))
    }

    /// Everybody's place, for walks that change things.
    pub(super) fn places(&self) -> Vec<Ix> {
        self.iter().map(|(at, _)| at).collect()
    }

    /// Whose these names are by their hashes, [`AT_ONCE`] at most: who is known is found; of
    /// strangers one in 2^48 is taken for somebody. Only the index and what is seen at a glance are
    /// looked at, of all at once.
    pub(super) fn guess_each<'i>(
        &self,
        ids: impl Iterator<Item = &'i [u8; NodeId::LENGTH]>,
    ) -> [Option<Ix>; AT_ONCE] {
        let mut sought = [Sought::NOTHING; AT_ONCE];
        let mut asked = 0;
        for (to, id) in sought.iter_mut().zip(ids) {
            *to = self.ids.seek(hash(self.key, id));
            asked += 1;
        }
        let mut guesses = [None; AT_ONCE];
        for (guess, sought) in guesses.iter_mut().zip(&sought[..asked]) {
            let is = |place| self.glances[usize::from(place)].tag == tag(sought.hash());
            *guess = self.ids.found(sought, is).map(Ix);
        }
        guesses
    }

    /// The names of some, [`AT_ONCE`] at most: little else is done, so that memory is asked for all
    /// of them at once. What is behind the last is not to be looked at.
    pub(super) fn names(&self, places: &[Ix]) -> [NodeId; AT_ONCE] {
        let mut names = [self.me().id; AT_ONCE];
        for (name, at) in names.iter_mut().zip(places) {
            *name = self.nodes[at.at()].id;
        }
        names
    }

    /// As many places as there is room for, drawn at random one after the other, and what is seen
    /// of them at a glance.
    pub(super) fn draw_each(&self, rng: &mut Rng, drawn: &mut [(Ix, Glance)]) {
        drawn.iter_mut().for_each(|(at, _)| *at = self.draw(rng));
        for (at, glance) in drawn {
            *glance = self.glances[at.at()];
        }
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
        let hashed = hash(self.key, node.id.bytes());
        let mut glance = Glance::new(tag(hashed));
        glance.follow(&node);
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at.at()] = node;
                self.glances[at.at()] = glance;
                at
            }
            None => {
                self.nodes.push(node);
                self.glances.push(glance);
                Ix((self.nodes.len() - 1) as u16)
            }
        };
        self.places.push(at);
        let (key, nodes) = (self.key, &self.nodes);
        self.ids.insert(hashed, at.0, |place| hash_at(key, nodes, place));
        Some(at)
    }

    /// Takes a node out: its slots fall free, its reports and who replicated it are forgotten.
    pub(super) fn remove(&mut self, at: Ix) -> Node {
        assert!(at != Ix::ME, "a node cannot leave its own table");
        for slot in self.get(at).slots.clone().iter() {
            self.unbind(slot);
        }
        let id = self.get(at).id;
        let (key, nodes) = (self.key, &self.nodes);
        self.ids.remove(hash(key, id.bytes()), at.0, |place| hash_at(key, nodes, place));
        let left = &mut self.nodes[at.at()];
        let nobody = Node::new(id, NodeFlags::empty(), Address::default(), left.since);
        let node = core::mem::replace(left, nobody);
        self.glances[at.at()] = Glance::new(0);
        self.places.retain(|&place| place != at);
        self.free.push(at);
        for place in 0..self.places.len() {
            let mut other = self.get_mut(self.places[place]);
            other.keep_reports(|by, _| by != at);
            if other.master == Some(at) {
                other.master = None;
            }
        }
        node
    }

    /// A node's made-up name gives way to its own.
    pub(super) fn rename(&mut self, at: Ix, id: NodeId) {
        let old = self.get(at).id;
        let (key, nodes) = (self.key, &self.nodes);
        self.ids.remove(hash(key, old.bytes()), at.0, |place| hash_at(key, nodes, place));
        self.nodes[at.at()].id = id;
        let (key, nodes) = (self.key, &self.nodes);
        let hashed = hash(key, id.bytes());
        self.ids.insert(hashed, at.0, |place| hash_at(key, nodes, place));
        self.glances[at.at()].tag = tag(hashed);
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
            let mut glance = self.glance(at);
            glance.follow(node);
            let tag = tag(hash(self.key, node.id.bytes()));
            let seen = self.glance(at);
            assert_eq!((seen.flags, seen.marks, seen.tag), (glance.flags, glance.marks, tag), "{}", node.id);
        }
        assert_eq!(held, self.assigned, "slots are counted wrongly");
        assert_eq!(self.ids.len(), self.len(), "a name without a node");
    }
}

/// The part of a hash that the index has no room for.
#[inline]
const fn tag(hash: u64) -> u32 {
    (hash >> 16) as u32
}

/// With a secret in every product nobody can choose names that fall together, and no word of a name
/// in the table takes a product to zero: those are ASCII.
#[inline]
fn hash(key: u64, id: &[u8; NodeId::LENGTH]) -> u64 {
    let (words, _) = id.as_chunks::<8>();
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|place| u64::from_le_bytes(words[place]));
    let front = folded(a ^ key, b ^ 0x9e37_79b9_7f4a_7c15);
    let back = folded(c ^ key.rotate_left(32), d ^ 0xbf58_476d_1ce4_e5b9);
    folded(front ^ e ^ 0x94d0_49bb_1331_11eb, back ^ key)
}

/// Both halves of a product, one laid over the other.
#[inline]
const fn folded(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

fn hash_at(key: u64, nodes: &[Node], place: Place) -> u64 {
    hash(key, nodes[usize::from(place)].id.bytes())
}
