//! What came of a run.

use std::collections::BTreeMap;

use serde::Serialize;
use standin_core::time::Duration;

use crate::check::{Kind, Violation};
use crate::trace::Line;
use crate::world::Counts;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every promise kept.
    Passed,
    /// One was not.
    Broken(Violation),
    /// A machine panicked: its own invariant broke.
    Crash(String),
}

impl Verdict {
    /// The process's exit status: 0 passed, 1 safety, 2 liveness, 3 crash.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Broken(Violation { kind: Kind::Safety, .. }) => 1,
            Self::Broken(Violation { kind: Kind::Liveness, .. }) => 2,
            Self::Crash(_) => 3,
        }
    }

    /// What failures are grouped by: the checker, or the panic's message without its numbers.
    #[must_use]
    pub fn signature(&self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Broken(violation) => match violation.kind {
                Kind::Safety => format!("safety: {}", violation.checker),
                Kind::Liveness => format!("liveness: {}", violation.checker),
            },
            Self::Crash(said) => {
                let first = said.lines().next().unwrap_or_default();
                let text: String = first.chars().map(|c| if c.is_ascii_digit() { '_' } else { c }).collect();
                format!("crash: {text}")
            }
        }
    }

    /// What happened, in words; nothing if the run passed.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Broken(violation) => &violation.what,
            Self::Crash(said) => said,
        }
    }
}

/// Everything one run has to say.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The protocol's name.
    pub protocol: &'static str,
    /// The seed.
    pub seed: u64,
    /// How many hosts ran a daemon.
    pub nodes: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// The trace hash.
    pub hash: u64,
    /// Lines the trace has or would have.
    pub notices: u64,
    /// Simulated time, in microseconds.
    #[serde(serialize_with = "micros")]
    pub simulated: Duration,
    /// Events and bytes.
    pub counts: Counts,
    /// How often each kind was noticed.
    pub kinds: Vec<(&'static str, u64)>,
    /// How often each fault family struck.
    pub faults: BTreeMap<String, u64>,
    /// How often each checker looked.
    pub checks: Vec<(&'static str, u64)>,
    /// Samples of what was measured, in microseconds.
    pub figures: BTreeMap<&'static str, Vec<u64>>,
    /// The trace, if it was kept.
    #[serde(skip)]
    pub lines: Vec<Line>,
}

fn micros<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(span.as_micros())
}
