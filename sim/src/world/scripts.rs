//! The event scripts of a host: which there are, how long each takes, and what is wrong with them.
//!
//! What a script does is the protocol's business: the world asks its
//! [`Translator`](super::Translator) when one starts ([`ScriptRun`] in, [`ScriptOutcome`] out)
//! and does it when the script ends. One that is ended before (by its limit, by the daemon, or
//! with the daemon) has done nothing.

use std::collections::BTreeMap;

use standin_core::host::{Placed, Script, ScriptEnd};
use standin_core::machine::Endpoint;
use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::disk::Disk;
use super::kernel::Kernel;
use super::moment::{HostId, Moment};

/// How long a script takes at least and at most.
const TAKES: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(15));
/// The same for one that changes addresses.
const TAKES_REWIRING: (Duration, Duration) = (Duration::from_millis(15), Duration::from_millis(45));
/// How long it takes to find that a script cannot be started.
const TAKES_NOTHING: (Duration, Duration) = (Duration(100), Duration(900));

/// The host a script runs on, as it is when the script starts.
#[derive(Clone, Copy, Debug)]
pub struct ScriptView<'a> {
    /// Which host.
    pub host: HostId,
    /// When.
    pub now: Moment,
    /// Its interfaces and addresses.
    pub kernel: &'a Kernel,
    /// Its files.
    pub disk: &'a Disk,
}

/// A script to run.
#[derive(Clone, Copy, Debug)]
pub struct ScriptRun<'a> {
    /// As the daemon named it.
    pub path: &'a str,
    /// Its first argument.
    pub event: &'a str,
    /// Its other arguments, in order.
    pub arguments: &'a [String],
}

impl<'a> ScriptRun<'a> {
    /// The script's name: what stands behind the last slash.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// What a script does on a host where nothing is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptOutcome {
    /// Done in this order when it ends. The first that the kernel refuses ends it with status 1,
    /// and what comes after is not done.
    pub acts: Vec<Act>,
    /// How it ends.
    pub end: ScriptEnd,
    /// How long it takes, at least and at most. Without: 3 to 15 ms; 15 to 45 ms if it changes
    /// addresses.
    pub takes: Option<(Duration, Duration)>,
}

impl Default for ScriptOutcome {
    /// Nothing, successfully.
    fn default() -> Self {
        Self { acts: Vec::new(), end: ScriptEnd::Ok, takes: None }
    }
}

/// Something a script does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It puts an address on an interface.
    Add(Placed),
    /// It takes an address off an interface.
    Drop(Placed),
    /// It sets the interface of this name up.
    InterfaceUp(String),
    /// A program it starts connects to this socket, writes these bytes and hangs up; nobody
    /// waits for an answer.
    Say(Endpoint, Vec<u8>),
}

/// What is wrong with a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It takes this much longer.
    Slow(Duration),
    /// It exits with this status and has done nothing.
    Fails(u8),
    /// It does all it should, then exits with this status.
    FailsLate(u8),
    /// It never ends by itself.
    Hangs,
}

/// The event scripts of one host.
#[derive(Clone, Debug, Default)]
pub struct Scripts {
    /// By name.
    installed: Vec<Script>,
    fault_of_all: Option<Fault>,
    faults: BTreeMap<String, Fault>,
}

#[derive(Clone, Debug)]
struct Fault {
    trouble: Trouble,
    /// The script it is about, if not the usual one.
    script: Option<String>,
}

/// A run as it will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// How long until it ends.
    pub takes: Duration,
    /// Whether it does then what it should.
    pub acts: bool,
    /// How it ends.
    pub end: ScriptEnd,
}

impl Scripts {
    /// A directory without scripts.
    #[must_use]
    pub const fn new() -> Self {
        Self { installed: Vec::new(), fault_of_all: None, faults: BTreeMap::new() }
    }

    /// Puts a script there, or changes whether it may be executed. There is one directory of
    /// scripts a host, whatever the daemon calls it.
    pub fn install(&mut self, name: &str, enabled: bool) {
        match self.installed.binary_search_by(|script| script.name.as_str().cmp(name)) {
            Ok(at) => self.installed[at].enabled = enabled,
            Err(at) => self.installed.insert(at, Script { name: name.to_owned(), enabled }),
        }
    }

    /// Takes a script away. Says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.installed.len();
        self.installed.retain(|script| script.name != name);
        self.installed.len() < before
    }

    /// The scripts there are, by name.
    #[must_use]
    pub fn installed(&self) -> &[Script] {
        &self.installed
    }

    /// Fault: something is wrong with an event's scripts, or (`None`) with those of all events
    /// without a fault of their own. It hits one script: the one named, else the first enabled,
    /// else (of [`Trouble::FailsLate`]) whichever has something to do. A run under way keeps the
    /// end it was promised; an earlier fault of the same event is forgotten.
    pub fn set_fault(&mut self, event: Option<&str>, trouble: Trouble, script: Option<&str>) {
        let fault = Fault { trouble, script: script.map(str::to_owned) };
        match event {
            Some(event) => {
                self.faults.insert(event.to_owned(), fault);
            }
            None => self.fault_of_all = Some(fault),
        }
    }

    /// Takes back the fault of an event, or (`None`) every fault.
    pub fn clear_fault(&mut self, event: Option<&str>) {
        match event {
            Some(event) => {
                self.faults.remove(event);
            }
            None => {
                self.faults.clear();
                self.fault_of_all = None;
            }
        }
    }

    /// What becomes of a run whose script wants `outcome`. It never takes longer than `limit`; at
    /// the limit it is ended. One draw, whatever happens.
    pub fn plan(
        &self,
        run: &ScriptRun<'_>,
        outcome: &ScriptOutcome,
        limit: Duration,
        rng: &mut Rng,
    ) -> Planned {
        if !self.installed.iter().any(|script| script.name == run.name() && script.enabled) {
            let takes = rng.span(TAKES_NOTHING.0, TAKES_NOTHING.1);
            return Planned { takes, acts: false, end: ScriptEnd::NotStarted };
        }
        let rewires = outcome.acts.iter().any(|act| matches!(act, Act::Add(_) | Act::Drop(_)));
        let (low, high) = outcome.takes.unwrap_or(if rewires { TAKES_REWIRING } else { TAKES });
        let takes = rng.span(low, high.max(low));
        let planned = match self.trouble(run, outcome) {
            None => Planned { takes, acts: true, end: outcome.end },
            Some(Trouble::Slow(late)) => Planned { takes: takes + late, acts: true, end: outcome.end },
            Some(Trouble::Fails(status)) => Planned { takes, acts: false, end: ScriptEnd::Failed(status) },
            Some(Trouble::FailsLate(status)) => Planned { takes, acts: true, end: ScriptEnd::Failed(status) },
            Some(Trouble::Hangs) => Planned { takes: limit, acts: false, end: ScriptEnd::TimedOut },
        };
        if planned.takes < limit {
            planned
        } else {
            Planned { takes: limit, acts: false, end: ScriptEnd::TimedOut }
        }
    }

    /// What is wrong with this run.
    fn trouble(&self, run: &ScriptRun<'_>, outcome: &ScriptOutcome) -> Option<Trouble> {
        let fault = self.faults.get(run.event).or(self.fault_of_all.as_ref())?;
        let hit = match (&fault.script, fault.trouble) {
            (Some(script), _) => script == run.name(),
            (None, Trouble::FailsLate(_)) => !outcome.acts.is_empty(),
            (None, Trouble::Slow(_) | Trouble::Fails(_) | Trouble::Hangs) => {
                self.installed.iter().find(|script| script.enabled).is_some_and(|it| it.name == run.name())
            }
        };
        hit.then_some(fault.trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn scripts() -> Scripts {
        let mut scripts = Scripts::new();
        for (name, enabled) in [("10.wires", true), ("05.off", false), ("00.first", true)] {
            scripts.install(name, enabled);
        }
        scripts
    }

    fn add() -> ScriptOutcome {
        let placed = Placed { interface: "eth1".into(), address: [10, 0, 1, 5].into(), prefix: 24 };
        ScriptOutcome { acts: vec![Act::Add(placed)], ..ScriptOutcome::default() }
    }

    fn run(scripts: &Scripts, name: &str, event: &str, outcome: &ScriptOutcome) -> Planned {
        let path = format!("events/{name}");
        let run = ScriptRun { path: &path, event, arguments: &[] };
        scripts.plan(&run, outcome, LIMIT, &mut Rng::new(1, 0))
    }

    fn ends(scripts: &Scripts, name: &str, event: &str) -> (bool, ScriptEnd) {
        let outcome = if name == "10.wires" { add() } else { ScriptOutcome::default() };
        let planned = run(scripts, name, event, &outcome);
        (planned.acts, planned.end)
    }

    #[test]
    fn scripts_lie_in_order_and_can_be_switched_off() {
        let mut scripts = scripts();
        let names = |scripts: &Scripts| -> Vec<_> {
            scripts.installed().iter().map(|script| (script.name.clone(), script.enabled)).collect()
        };
        let named = |name: &str, enabled| (name.to_owned(), enabled);
        assert_eq!(
            names(&scripts),
            [named("00.first", true), named("05.off", false), named("10.wires", true)]
        );
        scripts.install("00.first", false);
        assert!(scripts.remove("05.off") && !scripts.remove("05.off"));
        assert_eq!(names(&scripts), [named("00.first", false), named("10.wires", true)]);
        for name in ["00.first", "nowhere"] {
            let planned = run(&scripts, name, "monitor", &add());
            assert_eq!((planned.acts, planned.end), (false, ScriptEnd::NotStarted));
        }
    }

    #[test]
    fn a_script_takes_3_to_15_ms_and_one_that_changes_addresses_15_to_45() {
        let (mut rng, scripts) = (Rng::new(1, 0), scripts());
        let mut spread = |outcome: &ScriptOutcome| {
            let run = ScriptRun { path: "10.wires", event: "takeip", arguments: &[] };
            let spans: Vec<_> =
                (0..1_000).map(|_| scripts.plan(&run, outcome, LIMIT, &mut rng).takes.0 / 1_000).collect();
            (*spans.iter().min().unwrap(), *spans.iter().max().unwrap())
        };
        assert_eq!(spread(&ScriptOutcome::default()), (3, 14));
        assert_eq!(spread(&add()), (15, 44));
        let takes = Some((Duration::from_millis(1_500), Duration::from_millis(2_000)));
        let (low, high) = spread(&ScriptOutcome { takes, ..add() });
        assert!((1_500..1_510).contains(&low) && (1_990..2_000).contains(&high), "{low} {high}");
    }

    #[test]
    fn the_limit_ends_what_is_too_slow_or_hangs_and_it_has_done_nothing() {
        let mut scripts = scripts();
        scripts.set_fault(Some("monitor"), Trouble::Slow(LIMIT), None);
        scripts.set_fault(Some("takeip"), Trouble::Hangs, Some("10.wires"));
        let over = Planned { takes: LIMIT, acts: false, end: ScriptEnd::TimedOut };
        assert_eq!(run(&scripts, "00.first", "monitor", &add()), over);
        assert_eq!(run(&scripts, "10.wires", "takeip", &add()), over);
        assert_eq!(ends(&scripts, "10.wires", "releaseip"), (true, ScriptEnd::Ok));
        scripts.set_fault(Some("monitor"), Trouble::Slow(Duration::from_secs(5)), None);
        let late = run(&scripts, "00.first", "monitor", &ScriptOutcome::default());
        assert!((5_003_000..=5_015_000).contains(&late.takes.0) && late.acts, "{late:?}");
    }

    #[test]
    fn a_fault_hits_the_first_enabled_script_or_the_one_it_names() {
        let mut scripts = scripts();
        scripts.set_fault(Some("takeip"), Trouble::Fails(7), None);
        assert_eq!(ends(&scripts, "00.first", "takeip"), (false, ScriptEnd::Failed(7)));
        assert_eq!(ends(&scripts, "10.wires", "takeip"), (true, ScriptEnd::Ok));
        scripts.set_fault(Some("takeip"), Trouble::Fails(7), Some("10.wires"));
        assert_eq!(ends(&scripts, "00.first", "takeip"), (true, ScriptEnd::Ok));
        assert_eq!(ends(&scripts, "10.wires", "takeip"), (false, ScriptEnd::Failed(7)));
    }

    #[test]
    fn what_fails_late_has_done_its_work_and_is_the_script_that_has_some() {
        let mut scripts = scripts();
        scripts.set_fault(Some("takeip"), Trouble::FailsLate(1), None);
        assert_eq!(ends(&scripts, "00.first", "takeip"), (true, ScriptEnd::Ok));
        assert_eq!(ends(&scripts, "10.wires", "takeip"), (true, ScriptEnd::Failed(1)));
        scripts.set_fault(Some("takeip"), Trouble::FailsLate(1), Some("00.first"));
        assert_eq!(ends(&scripts, "00.first", "takeip"), (true, ScriptEnd::Failed(1)));
    }

    #[test]
    fn a_fault_of_its_own_outranks_that_of_all() {
        let mut scripts = scripts();
        scripts.set_fault(None, Trouble::Fails(2), None);
        scripts.set_fault(Some("startup"), Trouble::Fails(3), None);
        assert_eq!(ends(&scripts, "00.first", "startup").1, ScriptEnd::Failed(3));
        scripts.clear_fault(Some("startup"));
        assert_eq!(ends(&scripts, "00.first", "startup").1, ScriptEnd::Failed(2));
        scripts.set_fault(Some("startup"), Trouble::Fails(3), None);
        scripts.clear_fault(None);
        assert_eq!(ends(&scripts, "00.first", "startup").1, ScriptEnd::Ok);
        assert_eq!(ends(&scripts, "00.first", "monitor").1, ScriptEnd::Ok);
    }

    #[test]
    fn every_run_takes_one_draw() {
        let mut hanging = scripts();
        hanging.set_fault(None, Trouble::Hangs, None);
        let run = |path| ScriptRun { path, event: "monitor", arguments: &[] };
        let drawn = |scripts: &Scripts, path| {
            let mut rng = Rng::new(7, 0);
            scripts.plan(&run(path), &ScriptOutcome::default(), LIMIT, &mut rng);
            rng.bits()
        };
        let draws = [drawn(&hanging, "00.first"), drawn(&scripts(), "00.first"), drawn(&scripts(), "no")];
        assert!(draws.iter().all(|draw| *draw == draws[0]));
    }
}
