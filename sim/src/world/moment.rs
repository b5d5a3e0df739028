//! The world's own time, and who is who in it.

use std::fmt;
use std::ops::{Add, AddAssign};

use standin_core::time::Duration;

/// What a right clock on the wall shows when a run begins, in microseconds since 1970: the
/// first of January 2026, midnight UTC.
pub const EPOCH: i64 = 1_767_225_600_000_000;

/// A point in simulated time, in microseconds since the run began.
///
/// Not the [`Instant`](standin_core::time::Instant) of any host: their clocks may run fast, slow or jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Moment(pub u64);

impl Moment {
    /// The beginning of the run.
    pub const START: Self = Self(0);
    /// After everything.
    pub const NEVER: Self = Self(u64::MAX);

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// For other programs: a span as microseconds.
///
/// # Errors
/// The serializer's own.
pub fn micros<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(span.as_micros())
}

/// [`micros`], or nothing.
///
/// # Errors
/// The serializer's own.
pub fn micros_if<S: serde::Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&span.map(Duration::as_micros), to)
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

/// Seconds with microseconds: `27.100000`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A computer of the world, numbered from 0. Prints as `n3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct HostId(pub u32);

impl HostId {
    /// The number as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A puppet of the world, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PuppetId(pub u32);

/// A network of the world; each interface of a host is plugged into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Net {
    /// Where the cluster talks to itself.
    Private,
    /// Where clients are.
    Public,
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "private",
            Self::Public => "public",
        })
    }
}
