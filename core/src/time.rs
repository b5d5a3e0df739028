//! Monotonic time as the machines see it.
//!
//! A machine never reads a clock: each input carries the driver's [`Instant`]. It counts
//! microseconds since this driver started, includes time spent suspended, and never goes back.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A point on one driver's monotonic clock, in microseconds since that driver started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Instant(pub u64);

/// A span of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Duration(pub u64);

impl Instant {
    /// The moment the driver started.
    pub const START: Self = Self(0);

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000)
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    /// A span of microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The span in microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The span in whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The span `times` over; stops at the largest span there is.
    #[must_use]
    pub const fn times(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Seconds with microseconds, as trace lines print them: `27.100000`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The shortest form a scenario would read back: `30s`, `250ms`, `1.5s`, `150us`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0;
        if micros.is_multiple_of(1_000_000) {
            return write!(f, "{}s", micros / 1_000_000);
        }
        if micros < 1_000 {
            return write!(f, "{micros}us");
        }
        let (unit, whole) = if micros < 1_000_000 { ("ms", 1_000) } else { ("s", 1_000_000) };
        write!(f, "{}", micros / whole)?;
        let mut rest = micros % whole;
        if rest > 0 {
            f.write_str(".")?;
            let mut place = whole;
            while rest > 0 {
                place /= 10;
                write!(f, "{}", rest / place)?;
                rest %= place;
            }
        }
        f.write_str(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn durations_print_their_shortest_form() {
        for (micros, text) in [
            (0, "0s"),
            (150, "150us"),
            (1_500, "1.5ms"),
            (250_000, "250ms"),
            (1_000_000, "1s"),
            (1_050_000, "1.05s"),
            (90_000_000, "90s"),
            (1_000_001, "1.000001s"),
        ] {
            assert_eq!(Duration(micros).to_string(), text);
        }
    }

    #[test]
    fn an_instant_never_lies_before_the_start() {
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
        assert_eq!((Instant(u64::MAX) + Duration(1)), Instant(u64::MAX));
    }
}
