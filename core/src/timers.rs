//! Timers of one machine: a closed set of kinds, keyed by peer where peers have their own.
//!
//! They fire in time order, ties in the order of their keys, never in the order of an enum or
//! an array.

use alloc::vec::Vec;

use crate::machine::Deadline;
use crate::time::Instant;

/// A timer's key: an enum of the machine, perhaps with a peer in it.
pub trait Timer: Copy + Ord {
    /// The timer's name, for [`Deadline::why`].
    fn why(&self) -> &'static str;
}

/// At most one deadline a key; the earliest is always at hand.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timers<K> {
    /// Sorted, the earliest last.
    due: Vec<(Instant, K)>,
}

impl<K: Timer> Timers<K> {
    /// No timer set.
    #[must_use]
    pub const fn new() -> Self {
        Self { due: Vec::new() }
    }

    /// Sets (or moves) the timer `key` to `at`.
    pub fn set(&mut self, key: K, at: Instant) {
        self.cancel(key);
        let place = self.due.partition_point(|&held| held > (at, key));
        self.due.insert(place, (at, key));
    }

    /// Forgets the timer `key`; nothing happens if it is not set.
    pub fn cancel(&mut self, key: K) {
        if let Some(place) = self.due.iter().position(|&(_, held)| held == key) {
            self.due.remove(place);
        }
    }

    /// When the timer `key` is due, if set.
    #[must_use]
    pub fn at(&self, key: K) -> Option<Instant> {
        self.due.iter().find(|&&(_, held)| held == key).map(|&(at, _)| at)
    }

    /// Takes out the earliest timer that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.due.last()?;
        (at <= now).then(|| {
            self.due.pop();
            key
        })
    }

    /// The earliest deadline and its timer's name.
    #[must_use]
    pub fn next(&self) -> Option<Deadline> {
        self.due.last().map(|&(at, key)| Deadline { at, why: key.why() })
    }
}

impl<K: Timer> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Kind {
        Late,
        Early(u32),
    }
    impl Timer for Kind {
        fn why(&self) -> &'static str {
            "test"
        }
    }

    #[test]
    fn timers_fire_in_time_order_and_ties_by_key() {
        let mut timers = Timers::new();
        timers.set(Kind::Early(2), Instant(5));
        timers.set(Kind::Late, Instant(9));
        timers.set(Kind::Early(1), Instant(5));
        assert_eq!(timers.next().map(|next| next.at), Some(Instant(5)));
        assert_eq!(timers.pop_due(Instant(4)), None);
        assert_eq!(timers.pop_due(Instant(9)), Some(Kind::Early(1)));
        assert_eq!(timers.pop_due(Instant(9)), Some(Kind::Early(2)));
        assert_eq!(timers.pop_due(Instant(9)), Some(Kind::Late));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn setting_again_moves_and_cancelling_forgets() {
        let mut timers = Timers::new();
        timers.set(Kind::Late, Instant(3));
        timers.set(Kind::Late, Instant(7));
        assert_eq!(timers.at(Kind::Late), Some(Instant(7)));
        timers.cancel(Kind::Late);
        assert_eq!(timers.at(Kind::Late), None);
        assert_eq!(timers.pop_due(Instant(100)), None);
    }
}
