//! One seed, one stream a concern.
//!
//! ChaCha has numbered streams: one more draw in the election leaves every draw elsewhere in
//! place, so an old seed goes on meaning what it meant.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::time::Duration;

/// A seeded source of numbers for one concern.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "place::Place", into = "place::Place"))]
pub struct Rng {
    chacha: ChaCha8Rng,
}

impl Rng {
    /// The stream number `stream` of `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut chacha = ChaCha8Rng::seed_from_u64(seed);
        chacha.set_stream(stream);
        Self { chacha }
    }

    /// Any 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.chacha.next_u64()
    }

    /// A number in `0..limit`, every one as likely; 0 if `limit` is 0.
    #[inline]
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// A number in `low..=high`.
    ///
    /// # Panics
    /// If `low > high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range: {low}..={high}");
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.bits(),
        }
    }

    /// A span in `low..=high`.
    pub fn span(&mut self, low: Duration, high: Duration) -> Duration {
        Duration(self.between(low.0, high.0))
    }

    /// True in `parts` of a million draws.
    pub fn chance(&mut self, parts_per_million: u32) -> bool {
        self.below(1_000_000) < u64::from(parts_per_million)
    }

    /// An index into something with `len` elements, or `None` if it has none.
    pub fn index(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.below(len as u64) as usize)
    }
}

#[cfg(feature = "serde")]
mod place {
    //! A stream is saved as where it stands, not as its buffer.
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::Rng;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Place {
        seed: [u8; 32],
        stream: u64,
        drawn: u128,
    }

    impl From<Place> for Rng {
        fn from(place: Place) -> Self {
            let mut chacha = ChaCha8Rng::from_seed(place.seed);
            chacha.set_stream(place.stream);
            chacha.set_word_pos(place.drawn);
            Self { chacha }
        }
    }

    impl From<Rng> for Place {
        fn from(rng: Rng) -> Self {
            let Rng { chacha } = rng;
            Self { seed: chacha.get_seed(), stream: chacha.get_stream(), drawn: chacha.get_word_pos() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_do_not_disturb_each_other() {
        let mut alone = Rng::new(42, 1);
        let expected = [alone.bits(), alone.bits()];
        let mut one = Rng::new(42, 1);
        let mut other = Rng::new(42, 2);
        let first = one.bits();
        other.bits();
        assert_eq!([first, one.bits()], expected);
        assert_ne!(Rng::new(42, 1).bits(), Rng::new(42, 2).bits());
    }

    #[test]
    fn the_algorithm_is_fixed() {
        assert_eq!(Rng::new(42, 0).bits(), 0xae90_bfb5_395d_5ba1);
    }

    #[test]
    fn ranges_hold_their_bounds() {
        let mut rng = Rng::new(7, 0);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&rng.between(3, 5)));
        }
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.between(9, 9), 9);
        assert_eq!(rng.index(0), None);
    }
}
