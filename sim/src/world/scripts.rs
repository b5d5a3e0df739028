//! What event scripts do on a host: how long each event's take, and how they end.

use std::collections::BTreeMap;

use standin_core::host::ScriptEnd;
use standin_core::rng::Rng;
use standin_core::time::Duration;

/// What an event's scripts do when run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// How long they take at least.
    pub takes: Duration,
    /// How much longer they may take; drawn anew each time.
    pub jitter: Duration,
    /// How they end.
    pub ends: Ends,
}

/// How scripts end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// On their own, like this.
    With(ScriptEnd),
    /// Not before the host ends them.
    Hangs,
}

impl Behaviour {
    /// Scripts of a healthy host: 10 to 60 ms, all succeed.
    pub const HEALTHY: Self = Self {
        takes: Duration::from_millis(10),
        jitter: Duration::from_millis(50),
        ends: Ends::With(ScriptEnd::Ok),
    };

    /// As healthy ones, but in the end one exits with this status.
    #[must_use]
    pub const fn failing(status: u8) -> Self {
        Self { ends: Ends::With(ScriptEnd::Failed(status)), ..Self::HEALTHY }
    }

    /// They succeed, but take this long.
    #[must_use]
    pub const fn slow(takes: Duration) -> Self {
        Self { takes, ..Self::HEALTHY }
    }

    /// They never end.
    #[must_use]
    pub const fn hanging() -> Self {
        Self { ends: Ends::Hangs, ..Self::HEALTHY }
    }
}

/// The event scripts of one host.
///
/// What counts for an event: a fault of its own, else a fault of all, else its usual behaviour,
/// else the usual behaviour of all.
#[derive(Clone, Debug)]
pub struct Scripts {
    usual_of_all: Behaviour,
    usual: BTreeMap<String, Behaviour>,
    fault_of_all: Option<Behaviour>,
    faults: BTreeMap<String, Behaviour>,
}

impl Scripts {
    /// Healthy scripts for every event.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            usual_of_all: Behaviour::HEALTHY,
            usual: BTreeMap::new(),
            fault_of_all: None,
            faults: BTreeMap::new(),
        }
    }

    /// Says how the scripts of an event, or (`None`) of all others, usually behave.
    pub fn set_usual(&mut self, event: Option<&str>, behaviour: Behaviour) {
        match event {
            Some(event) => {
                self.usual.insert(event.to_owned(), behaviour);
            }
            None => self.usual_of_all = behaviour,
        }
    }

    /// Fault: the scripts of an event, or (`None`) of all without a fault of their own, behave
    /// like this from now on. A run under way keeps the end it was promised.
    pub fn set_fault(&mut self, event: Option<&str>, behaviour: Behaviour) {
        match event {
            Some(event) => {
                self.faults.insert(event.to_owned(), behaviour);
            }
            None => self.fault_of_all = Some(behaviour),
        }
    }

    /// Takes back what [`set_fault`](Self::set_fault) did for this event, or (`None`) for all.
    pub fn clear_fault(&mut self, event: Option<&str>) {
        match event {
            Some(event) => {
                self.faults.remove(event);
            }
            None => self.fault_of_all = None,
        }
    }

    /// Takes every fault back.
    pub fn heal(&mut self) {
        self.faults.clear();
        self.fault_of_all = None;
    }

    /// What counts for this event now.
    #[must_use]
    pub fn behaviour(&self, event: &str) -> Behaviour {
        let fault = self.faults.get(event).or(self.fault_of_all.as_ref());
        *fault.or(self.usual.get(event)).unwrap_or(&self.usual_of_all)
    }

    /// Runs an event: how long until it ends, and how. It never takes longer than `limit`; at
    /// the limit it is ended. One draw, whatever the behaviour.
    pub fn plan(&self, event: &str, limit: Duration, rng: &mut Rng) -> (Duration, ScriptEnd) {
        let Behaviour { takes, jitter, ends } = self.behaviour(event);
        let takes = rng.span(takes, takes + jitter);
        match ends {
            Ends::With(end) if takes < limit => (takes, end),
            Ends::With(_) | Ends::Hangs => (limit, ScriptEnd::TimedOut),
        }
    }
}

impl Default for Scripts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn run(scripts: &Scripts, event: &str) -> (Duration, ScriptEnd) {
        scripts.plan(event, LIMIT, &mut Rng::new(1, 0))
    }

    #[test]
    fn healthy_scripts_succeed_in_10_to_60_ms() {
        let mut rng = Rng::new(1, 0);
        let spans: Vec<_> = (0..1_000).map(|_| Scripts::new().plan("monitor", LIMIT, &mut rng)).collect();
        assert!(spans.iter().all(|&(_, end)| end == ScriptEnd::Ok));
        let (low, high) = (spans.iter().min_by_key(|s| s.0), spans.iter().max_by_key(|s| s.0));
        assert!(
            (10_000..12_000).contains(&low.unwrap().0.0) && (58_000..=60_000).contains(&high.unwrap().0.0)
        );
    }

    #[test]
    fn the_limit_ends_what_is_too_slow_or_hangs() {
        let mut scripts = Scripts::new();
        scripts.set_fault(Some("monitor"), Behaviour::slow(Duration::from_secs(31)));
        scripts.set_fault(Some("takeip"), Behaviour::hanging());
        assert_eq!(run(&scripts, "monitor"), (LIMIT, ScriptEnd::TimedOut));
        assert_eq!(run(&scripts, "takeip"), (LIMIT, ScriptEnd::TimedOut));
        assert_eq!(run(&scripts, "releaseip").1, ScriptEnd::Ok);
    }

    #[test]
    fn a_fault_outranks_the_usual_and_its_own_outranks_all() {
        let mut scripts = Scripts::new();
        scripts.set_usual(Some("startup"), Behaviour::failing(1));
        assert_eq!(run(&scripts, "startup").1, ScriptEnd::Failed(1));
        scripts.set_fault(None, Behaviour::failing(2));
        scripts.set_fault(Some("startup"), Behaviour::failing(3));
        assert_eq!(run(&scripts, "startup").1, ScriptEnd::Failed(3));
        scripts.clear_fault(Some("startup"));
        assert_eq!(run(&scripts, "startup").1, ScriptEnd::Failed(2));
        scripts.heal();
        assert_eq!(run(&scripts, "startup").1, ScriptEnd::Failed(1));
        assert_eq!(run(&scripts, "monitor").1, ScriptEnd::Ok);
    }

    #[test]
    fn every_run_takes_one_draw() {
        let mut hanging = Scripts::new();
        hanging.set_fault(None, Behaviour::hanging());
        let (mut one, mut other) = (Rng::new(7, 0), Rng::new(7, 0));
        hanging.plan("monitor", LIMIT, &mut one);
        Scripts::new().plan("monitor", LIMIT, &mut other);
        assert_eq!(one.below(u64::MAX), other.below(u64::MAX));
    }
}
