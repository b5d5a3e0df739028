//! Hashes → places: names are looked up a hundred times a packet in a large cluster.
//!
//! Open addressing. Whoever uses it makes the hashes, and knows what is at a place. Nothing ever
//! walks it: its order means nothing.

use alloc::vec::Vec;

/// A place in somebody's table, by number.
pub(super) type Place = u16;
/// No place.
const FREE: Place = Place::MAX;

/// Where what has a hash is. The things themselves are the user's.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Index {
    /// The upper sixteen bits of the hash, and the place. A power of two of them, at most half in
    /// use, found by the lowest bits.
    slots: Vec<(u16, Place)>,
    used: usize,
}

/// The first of what is asked of the index for one of many: see [`Index::seek`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    hash: u64,
    first: (u16, Place),
}

impl Sought {
    pub(super) const NOTHING: Self = Self { hash: 0, first: (0, FREE) };

    #[inline]
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self { slots: alloc::vec![(0, FREE); 16], used: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.used
    }

    /// Begins to look for a hash: one look at memory, so that it is asked for many at once.
    #[inline]
    pub(super) fn seek(&self, hash: u64) -> Sought {
        Sought { hash, first: self.slots[hash as usize & (self.slots.len() - 1)] }
    }

    /// What [`find`](Self::find) finds.
    #[inline]
    pub(super) fn found(&self, sought: &Sought, is: impl Fn(Place) -> bool) -> Option<Place> {
        let (upper, place) = sought.first;
        let at_once = upper == upper_of(sought.hash) && place != FREE && is(place);
        if at_once { Some(place) } else { self.find(sought.hash, is) }
    }

    /// The place with this hash that `is` what is looked for.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl Fn(Place) -> bool) -> Option<Place> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let (upper, place) = self.slots[at];
            if place == FREE {
                return None;
            }
            if upper == upper_of(hash) && is(place) {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a place that is not there. `hash_of` tells the others', should they have to move.
    pub(super) fn insert(&mut self, hash: u64, place: Place, hash_of: impl Fn(Place) -> u64) {
        if (self.used + 1) * 2 > self.slots.len() {
            let twice = self.slots.len() * 2;
            let old = core::mem::replace(&mut self.slots, alloc::vec![(0, FREE); twice]);
            for (_, place) in old.into_iter().filter(|&(_, place)| place != FREE) {
                self.put(hash_of(place), place);
            }
        }
        self.put(hash, place);
        self.used += 1;
    }

    fn put(&mut self, hash: u64, place: Place) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].1 != FREE {
            at = (at + 1) & mask;
        }
        self.slots[at] = (upper_of(hash), place);
    }

    /// Takes a place out; those behind it move up. `hash_of` tells theirs.
    pub(super) fn remove(&mut self, hash: u64, place: Place, hash_of: impl Fn(Place) -> u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
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
            self.put(hash_of(moved), moved);
            next = (next + 1) & mask;
        }
    }
}

#[inline]
const fn upper_of(hash: u64) -> u16 {
    (hash >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn places_are_found_while_others_come_and_go() {
        let mut rng = Rng::new(3, 0);
        // Some share a hash.
        let hashes: Vec<u64> = (0..500).map(|_| rng.below(400).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let hash_of = |place: Place| hashes[usize::from(place)];
        let mut index = Index::new();
        let mut there = alloc::collections::BTreeSet::new();
        for _ in 0..5_000 {
            let place = rng.below(500) as Place;
            if there.remove(&place) {
                index.remove(hash_of(place), place, hash_of);
            } else {
                there.insert(place);
                index.insert(hash_of(place), place, hash_of);
            }
            let probe = rng.below(500) as Place;
            let found = index.find(hash_of(probe), |place| place == probe);
            assert_eq!(found, there.contains(&probe).then_some(probe));
            let sought = index.seek(hash_of(probe));
            assert_eq!(index.found(&sought, |place| place == probe), found);
            assert_eq!(index.len(), there.len());
        }
    }
}
