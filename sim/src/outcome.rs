//! What came of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use standin_core::time::Duration;

use crate::check::{Kind, Violation};
use crate::trace::Line;
use crate::world::Counts;
use crate::world::client::{Spans, Summary};
use crate::world::moment::{micros, micros_if};

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
    /// What a client saw of each address it asked, in order of address; empty if it asked none.
    pub addresses: Vec<AddressOutcome>,
    /// The trace, if it was kept.
    #[serde(skip)]
    pub lines: Vec<Line>,
}

/// What a client saw of a public address in a whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressOutcome {
    /// The address.
    pub address: IpAddr,
    /// How long the client asked until somebody served it, if anybody ever did: the cold start.
    #[serde(rename = "served_after_us", serialize_with = "micros_if")]
    pub served_after: Option<Duration>,
    /// Nobody answered, from the first time it was served on.
    pub out: Spans,
    /// Of that: somebody would have answered, but the client asked another host.
    pub stale: Spans,
    /// Two or more hosts would have answered.
    pub twice: Spans,
}

impl AddressOutcome {
    /// What a client's summary comes to.
    #[must_use]
    pub fn new(address: IpAddr, summary: &Summary) -> Self {
        let &Summary { served_after, out, stale, twice, .. } = summary;
        Self { address, served_after, out, stale, twice }
    }
}

/// The verdict on an address: `10.0.1.5: first served after 2.1s; out 27.3s, longest 26s at 312s`.
impl fmt::Display for AddressOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match self.served_after {
            Some(after) => write!(f, "first served after {after}")?,
            None => f.write_str("never served")?,
        }
        let mut spans = |what: &str, spans: &Spans| match spans.longest_at {
            None => Ok(()),
            Some(at) if spans.count == 1 => write!(f, "; {what} {} at {at}", spans.total),
            Some(at) => {
                let Spans { total, longest, count, .. } = spans;
                write!(f, "; {what} {total} in {count}, longest {longest} at {at}")
            }
        };
        spans("out", &self.out)?;
        spans("of that stale", &self.stale)?;
        spans("served twice", &self.twice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::moment::Moment;

    fn outcome() -> AddressOutcome {
        let spans = |total, longest, at, count| Spans {
            total: Duration(total),
            longest: Duration(longest),
            longest_at: Some(Moment(at)),
            count,
            since: None,
        };
        AddressOutcome {
            address: [10, 0, 1, 5].into(),
            served_after: Some(Duration(2_100_000)),
            out: spans(27_300_000, 26_000_000, 312_000_000, 2),
            stale: Spans::default(),
            twice: spans(300_000, 300_000, 7, 1),
        }
    }

    #[test]
    fn an_addresss_verdict_is_a_line() {
        let outcome = outcome();
        let text = "10.0.1.5: first served after 2.1s; out 27.3s in 2, longest 26s at 312.000000; \
                    served twice 300ms at 0.000007";
        assert_eq!(outcome.to_string(), text);
        let none = Spans::default();
        let never = AddressOutcome { served_after: None, out: none, twice: none, ..outcome };
        assert_eq!(never.to_string(), "10.0.1.5: never served");
    }

    #[test]
    fn for_programs_all_times_are_microseconds() {
        let json = serde_json::to_value(outcome()).expect("it is numbers and text");
        let expected = serde_json::json!({
            "address": "10.0.1.5",
            "served_after_us": 2_100_000,
            "out": {
                "total_us": 27_300_000, "longest_us": 26_000_000, "longest_at_us": 312_000_000,
                "count": 2, "since_us": null,
            },
            "stale": {
                "total_us": 0, "longest_us": 0, "longest_at_us": null, "count": 0, "since_us": null,
            },
            "twice": {
                "total_us": 300_000, "longest_us": 300_000, "longest_at_us": 7, "count": 1, "since_us": null,
            },
        });
        assert_eq!(json, expected);
    }
}
