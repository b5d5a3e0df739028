//! A table by link number that keeps neighbours side by side.
//!
//! Link numbers are handed out one after another, and what a daemon says to all it says in that
//! order. A hash that scatters them costs a large cluster a cache miss a packet; this one is the
//! number itself: the dialled (even) ones upwards from the table's beginning, the accepted (odd)
//! ones downwards from its end.

use std::hash::{BuildHasherDefault, Hasher};

use standin_core::machine::LinkId;

/// Something for each link of a process.
#[expect(clippy::disallowed_types, reason = "its hash is no random one: the order is the numbers'")]
pub(super) type ByLink<T> = std::collections::HashMap<LinkId, T, BuildHasherDefault<InOrder>>;

/// The hash of a number that is one of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InOrder(u64);

/// A table tells the entries of a neighbourhood apart by the highest bits of their hashes.
const TAG: u32 = 57;

impl Hasher for InOrder {
    fn write_u64(&mut self, number: u64) {
        let place = if number.is_multiple_of(2) { number / 2 } else { !(number / 2) };
        self.0 = place ^ (place << TAG);
    }

    fn write(&mut self, bytes: &[u8]) {
        unreachable!("a link number is 64 bits, not {} bytes", bytes.len());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_row_have_places_of_their_own_and_neighbours_other_tags() {
        let hash = |number: u64| {
            let mut hasher = InOrder::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        for bits in [5, 8, 12] {
            let size = 1_u64 << bits;
            let mut places: Vec<_> = (0..size).map(|number| hash(number) % size).collect();
            places.sort_unstable();
            assert_eq!(places, (0..size).collect::<Vec<_>>(), "{size} numbers from 0");
        }
        let tags: Vec<_> = (0..32).map(|number| hash(number * 2) >> TAG).collect();
        assert!(tags.windows(2).all(|two| two[0] != two[1]), "{tags:?}");
    }
}
