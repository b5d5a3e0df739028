//! Scenarios: a story a person writes, line by line, and the trace it leaves.
//!
//! The text form is in `scenarios/README.md`. Reading order: this file (what a scenario is),
//! [`parse`] (from its text, with [`words`] and [`faults`]), [`run`] (playing it while its
//! expectations are followed), [`snapshot`] (the trace kept beside it), [`command`] (what
//! `scenario run`, `check`, `list` and `accept` print), [`told`] (for other programs).

pub mod command;
pub mod difference;
pub mod faults;
pub mod parse;
pub mod run;
pub mod snapshot;
pub mod told;
pub mod words;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod ticker;

use std::fmt;

use standin_core::time::Duration;

use crate::plan::{Setup, Step};
use crate::world::moment::Moment;

/// A story: a cluster, what is done to it when, and what must be true.
#[derive(Clone, Debug)]
pub struct Scenario<A, F> {
    /// The first comment of the file.
    pub title: Option<String>,
    /// The cluster.
    pub setup: Setup,
    /// Whether every daemon starts at the beginning.
    pub starts: bool,
    /// In order of time.
    pub steps: Vec<Step<A>>,
    /// The line of each step in the file, from 1.
    pub lines: Vec<usize>,
    /// In the order of their lines.
    pub expectations: Vec<Expectation<F>>,
    /// When it is over.
    pub end: Moment,
}

/// One `expect`.
#[derive(Clone, Debug)]
pub struct Expectation<F> {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Its words.
    pub text: String,
    /// It belongs to the last of this many steps; to the beginning if there are none.
    pub steps: usize,
    /// The time of that step.
    pub since: Moment,
    /// When the fact has to hold.
    pub when: When,
    /// Whether the fact must hold, or its contrary.
    pub holds: bool,
    /// The fact.
    pub fact: F,
}

/// When an expected fact has to hold, counted from the step before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At that moment.
    Now,
    /// At some time up to this.
    Within(Duration),
    /// Not before the first, at some time up to the second.
    Between(Duration, Duration),
    /// All the time up to this.
    Throughout(Duration),
}

impl When {
    /// The time after which nothing can change it any more.
    #[must_use]
    pub const fn deadline(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Within(span) | Self::Between(_, span) | Self::Throughout(span) => span,
        }
    }
}

/// `after 25s within 30s `, with a blank behind unless it is empty.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => Ok(()),
            Self::Within(span) => write!(f, "within {span} "),
            Self::Between(after, within) => write!(f, "after {after} within {within} "),
            Self::Throughout(span) => write!(f, "throughout {span} "),
        }
    }
}

impl<F: fmt::Display> Expectation<F> {
    /// The fact or its contrary: `not leader n1`.
    #[must_use]
    pub fn claim(&self) -> String {
        format!("{}{}", if self.holds { "" } else { "not " }, self.fact)
    }

    /// The last moment it looks at.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        self.since + self.when.deadline()
    }
}
