//! Who is known, and who owns which slot: this node's picture of the cluster.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::index::{Index, Place};
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

/// What we know of a node.
///
/// In a large cluster this is where the time goes: each packet tells of a tenth of all nodes, and
/// none of them is in the processor's cache. So what every entry that is heard asks for lies in the
/// first line of it, and what one that is told asks for in the first two.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Node {
    /// Its name; made up while [`NodeFlags::HANDSHAKE`] is set.
    pub id: NodeId,
    /// What it is, and how it fares in our eyes.
    pub flags: NodeFlags,
    /// Whether any master cannot reach it: `reports` has something.
    reported: bool,
    /// False where a node has left its place. An `Option` around it would say so behind the lines
    /// that are looked at anyway.
    here: bool,
    /// When it last answered, as far as we or somebody we trust knows.
    pub pong_received: When,
    /// When the ping was sent that it has not answered yet.
    pub ping_sent: When,
    /// Our link to it.
    pub(super) outbound: Option<LinkId>,
    /// Where it is reached.
    pub address: Address,
    /// When we first heard of it.
    pub since: Instant,
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
    /// Its link to us.
    pub(super) inbound: Option<LinkId>,
    /// Masters that cannot reach it, and when they last said so.
    reports: Vec<(Ix, Instant)>,
    /// Fields of its line in the state file that we do not know.
    pub(super) aux: Vec<Box<str>>,
}

/// The size of a line of the processor's cache.
const LINE: usize = 64;
const _: () = {
    assert!(core::mem::offset_of!(Node, outbound) == LINE);
    assert!(core::mem::offset_of!(Node, since) < 2 * LINE);
};

impl Node {
    /// A node heard of now.
    #[must_use]
    pub const fn new(id: NodeId, flags: NodeFlags, address: Address, now: Instant) -> Self {
        Self {
            id,
            flags,
            reported: false,
            here: true,
            pong_received: When::NEVER,
            ping_sent: When::NEVER,
            outbound: None,
            address,
            since: now,
            hostname: None,
            epoch: Epoch(0),
            offset: 0,
            master: None,
            slots: SlotSet::new(),
            data_received: None,
            failed: None,
            voted: None,
            orphaned: None,
            look: None,
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

    /// Masters that cannot reach it, and when they last said so.
    pub(super) fn reports(&self) -> &[(Ix, Instant)] {
        &self.reports
    }

    /// Whether any master cannot reach it.
    pub(super) const fn is_reported(&self) -> bool {
        self.reported
    }

    /// A master cannot reach it.
    pub(super) fn report(&mut self, by: Ix, now: Instant) {
        match self.reports.iter_mut().find(|(known, _)| *known == by) {
            Some((_, at)) => *at = now,
            None => self.reports.push((by, now)),
        }
        self.reported = true;
    }

    /// Forgets the reports that are not to be kept.
    pub(super) fn keep_reports(&mut self, keep: impl Fn(Ix, Instant) -> bool) {
        if self.reported {
            self.reports.retain(|&(by, at)| keep(by, at));
            self.reported = !self.reports.is_empty();
        }
    }
}

/// What is seen of a node at a glance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    pub(super) at: Ix,
    pub(super) flags: NodeFlags,
    pub(super) linked: bool,
}

/// Nodes looked at together: while memory answers one question it answers the others too.
pub(super) const AT_ONCE: usize = 32;

/// Everybody known, this node first.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Table {
    nodes: Vec<Node>,
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
        ids.insert(hash(key, me.id.bytes()), Ix::ME.0, |_| key);
        Self {
            nodes: alloc::vec![me],
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
        let node = &self.nodes[at.at()];
        assert!(node.here, "a place outlived its node");
        node
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: Ix) -> &mut Node {
        let node = &mut self.nodes[at.at()];
        assert!(node.here, "a place outlived its node");
        node
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
        self.ids.find(hash(self.key, id), |place| self.get(Ix(place)).id.bytes() == id).map(Ix)
    }

    /// How many places there ever were: every [`Ix::number`] is below it.
    pub(super) const fn places_ever(&self) -> usize {
        self.nodes.len()
    }

    /// Everybody, in the order they became known (a place that fell free is filled anew).
    pub fn iter(&self) -> impl Iterator<Item = (Ix, &Node)> + Clone {
        let all = self.nodes.iter().enumerate();
        all.filter(|(_, node)| node.here).map(|(at, node)| (Ix(at as u16), node))
    }

    /// Everybody's place, for walks that change things.
    pub(super) fn places(&self) -> Vec<Ix> {
        self.iter().map(|(at, _)| at).collect()
    }

    /// Whom these names belong to, as far as they are known: as [`find_raw`](Self::find_raw).
    pub(super) fn find_each<'i>(
        &self,
        ids: impl Iterator<Item = &'i [u8; NodeId::LENGTH]> + Clone,
    ) -> [Option<Ix>; AT_ONCE] {
        let mut hashes = [0; AT_ONCE];
        let mut asked = 0;
        for (to, id) in hashes.iter_mut().zip(ids.clone()) {
            *to = hash(self.key, id);
            asked += 1;
        }
        let guesses: [_; AT_ONCE] = self.ids.guess_each(&hashes[..asked]);
        // First a word of each and nothing more, so that memory is asked for all of them at once.
        let words = guesses.map(|guess| guess.map_or(0, |at| first_word(self.get(Ix(at)).id.bytes())));
        let mut places = [None; AT_ONCE];
        for (((place, guess), word), id) in places.iter_mut().zip(guesses).zip(words).zip(ids) {
            *place = guess.map(Ix).filter(|&at| word == first_word(id) && self.get(at).id.bytes() == id);
        }
        places
    }

    /// As many places as `glances` has, drawn at random one after the other.
    pub(super) fn draw_each(&self, rng: &mut Rng, glances: &mut [Glance]) {
        glances.iter_mut().for_each(|glance| glance.at = self.draw(rng));
        for glance in glances {
            let node = self.get(glance.at);
            (glance.flags, glance.linked) = (node.flags, node.has_link());
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
        let id = node.id;
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at.at()] = node;
                at
            }
            None => {
                self.nodes.push(node);
                Ix((self.nodes.len() - 1) as u16)
            }
        };
        self.places.push(at);
        let (key, nodes) = (self.key, &self.nodes);
        self.ids.insert(hash(key, id.bytes()), at.0, |place| hash_at(key, nodes, place));
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
        let left = self.get_mut(at);
        let nobody =
            Node { here: false, ..Node::new(id, NodeFlags::empty(), Address::default(), left.since) };
        let node = core::mem::replace(left, nobody);
        self.places.retain(|&place| place != at);
        self.free.push(at);
        for other in self.nodes.iter_mut().filter(|node| node.here) {
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
        self.get_mut(at).id = id;
        let (key, nodes) = (self.key, &self.nodes);
        self.ids.insert(hash(key, id.bytes()), at.0, |place| hash_at(key, nodes, place));
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
            assert_eq!(node.reported, !node.reports.is_empty(), "{} is reported or not", node.id);
        }
        assert_eq!(held, self.assigned, "slots are counted wrongly");
        assert_eq!(self.ids.len(), self.len(), "a name without a node");
    }
}

#[inline]
fn first_word(id: &[u8; NodeId::LENGTH]) -> u64 {
    let (words, _) = id.as_chunks();
    u64::from_ne_bytes(words[0])
}

#[inline]
fn hash(key: u64, id: &[u8; NodeId::LENGTH]) -> u64 {
    let (words, _) = id.as_chunks::<8>();
    words.iter().fold(key, |hash, word| {
        let mixed = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

fn hash_at(key: u64, nodes: &[Node], place: Place) -> u64 {
    hash(key, nodes[usize::from(place)].id.bytes())
}
