//! Names → places: looked up a hundred times a packet in a large cluster.
//!
//! Open addressing; a name's hash depends on a key of its own for each table, so that nobody can
//! make names that fall together. Nothing ever walks it: its order means nothing.

use alloc::vec::Vec;

use super::types::NodeId;

/// A place in a table of nodes, by number.
type Place = u16;
/// No place.
const FREE: Place = Place::MAX;

/// Where each name is. The names themselves are the table's.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Index {
    key: u64,
    /// Part of the name's hash, and its place. A power of two of them, at most half in use.
    slots: Vec<(u32, Place)>,
    used: usize,
}

impl Index {
    pub(super) fn new(key: u64) -> Self {
        Self { key, slots: alloc::vec![(0, FREE); 16], used: 0 }
    }

    pub(super) const fn key(&self) -> u64 {
        self.key
    }

    pub(super) const fn len(&self) -> usize {
        self.used
    }

    #[inline]
    fn hash(&self, id: &[u8; NodeId::LENGTH]) -> u64 {
        let (words, _) = id.as_chunks::<8>();
        words.iter().fold(self.key, |hash, word| {
            let mixed = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ mixed >> 32
        })
    }

    /// The place whose name this is; `is` compares a candidate's.
    #[inline]
    pub(super) fn find(&self, id: &[u8; NodeId::LENGTH], is: impl Fn(Place) -> bool) -> Option<Place> {
        let hash = self.hash(id);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let (tag, place) = self.slots[at];
            if place == FREE {
                return None;
            }
            if tag == (hash >> 32) as u32 && is(place) {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a name that is not there. `name` tells those that are, should they have to move.
    pub(super) fn insert(&mut self, id: &NodeId, place: Place, name: impl Fn(Place) -> NodeId) {
        if (self.used + 1) * 2 > self.slots.len() {
            let twice = self.slots.len() * 2;
            let old = core::mem::replace(&mut self.slots, alloc::vec![(0, FREE); twice]);
            for (_, place) in old.into_iter().filter(|&(_, place)| place != FREE) {
                self.put(&name(place), place);
            }
        }
        self.put(id, place);
        self.used += 1;
    }

    fn put(&mut self, id: &NodeId, place: Place) {
        let hash = self.hash(id.bytes());
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].1 != FREE {
            at = (at + 1) & mask;
        }
        self.slots[at] = ((hash >> 32) as u32, place);
    }

    /// Takes a name out; those behind it move up. `name` tells them.
    pub(super) fn remove(&mut self, id: &NodeId, place: Place, name: impl Fn(Place) -> NodeId) {
        let mask = self.slots.len() - 1;
        let mut at = self.hash(id.bytes()) as usize & mask;
        while self.slots[at].1 != place {
            if self.slots[at].1 == FREE {
                return;
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = (0, FREE);
        self.used -= 1;
        let mut next = (at + 1) & mask;
        while self.slots[next].1 != FREE {
            let (_, moved) = core::mem::replace(&mut self.slots[next], (0, FREE));
            self.put(&name(moved), moved);
            next = (next + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn names_are_found_while_others_come_and_go() {
        let mut rng = Rng::new(3, 0);
        let names: Vec<NodeId> = (0..500).map(|_| NodeId::random(&mut rng)).collect();
        let name = |place: Place| names[usize::from(place)];
        let mut index = Index::new(99);
        let mut there = alloc::collections::BTreeSet::new();
        for _ in 0..5_000 {
            let place = rng.below(500) as Place;
            if there.remove(&place) {
                index.remove(&name(place), place, name);
            } else {
                there.insert(place);
                index.insert(&name(place), place, name);
            }
            let probe = rng.below(500) as Place;
            let found = index.find(name(probe).bytes(), |place| name(place) == name(probe));
            assert_eq!(found, there.contains(&probe).then_some(probe));
            assert_eq!(index.len(), there.len());
        }
    }
}
