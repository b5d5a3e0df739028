//! Plays a scenario: its steps in order, its expectations followed all the while.

use standin_core::time::Duration;

use super::{Expectation, Scenario, When};
use crate::check::Violation;
use crate::kit::Kit;
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Deed, Step};
use crate::run::{Run, guarded};
use crate::world::fault::Fault;
use crate::world::moment::{HostId, Moment};

/// What broken expectations are grouped by.
const CHECKER: &str = "expect";

/// An expectation that came true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its line in the file.
    pub line: usize,
    /// Its words.
    pub text: String,
    /// When it was decided, after the step it belongs to.
    pub after: Duration,
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Played {
    /// What came of its run.
    pub outcome: Outcome,
    /// The expectations kept until it ended, in the order of their lines.
    pub kept: Vec<Kept>,
}

/// Plays a scenario to its end, or to the first promise that breaks.
///
/// A `heal` with no deed after it demands what the heal at a campaign's end demands, if the run
/// goes on long enough for the cluster to settle.
#[must_use]
pub fn play<K: Kit>(kit: K, scenario: &Scenario<K::Action, K::Fact>, keep_trace: bool) -> Played {
    let mut run = Run::new(kit, &scenario.setup, keep_trace);
    let mut watch = Watch::<K> { expectations: &scenario.expectations, open: Vec::new(), kept: Vec::new() };
    let moved = guarded(|| {
        if scenario.starts {
            run.start();
        }
        watch.open(&mut run, 0);
        for (place, step) in scenario.steps.iter().enumerate() {
            watch.pass(&mut run, step.at);
            if run.broken().is_some() {
                break;
            }
            run.forget_recent();
            run.apply(&step.deed);
            watch.look(&mut run, false);
            watch.open(&mut run, place + 1);
        }
        watch.pass(&mut run, scenario.end);
        watch.close(&mut run);
        let healed = healed(&scenario.steps);
        let settled = healed.is_some_and(|at| run.world.now() >= at + run.kit.settles_within());
        run.finish(settled);
    });
    watch.kept.sort_by_key(|&(place, _)| place);
    let outcome = run.outcome(moved.err().map(Verdict::Crash));
    Played { outcome, kept: watch.kept.into_iter().map(|(_, kept)| kept).collect() }
}

/// When everything was healed for good.
fn healed<A>(steps: &[Step<A>]) -> Option<Moment> {
    let last = steps.iter().rev().find(|step| !matches!(step.deed, Deed::Look))?;
    matches!(last.deed, Deed::Fault(Fault::Heal)).then_some(last.at)
}

/// Follows the expectations whose time has come.
struct Watch<'s, K: Kit> {
    expectations: &'s [Expectation<K::Fact>],
    /// Places of those undecided.
    open: Vec<usize>,
    kept: Vec<(usize, Kept)>,
}

/// How an expectation stands.
enum Standing {
    Open,
    Kept,
    Broken(Violation),
}

impl<K: Kit> Watch<'_, K> {
    /// Takes up the expectations of the last of `steps` steps.
    fn open(&mut self, run: &mut Run<K>, steps: usize) {
        let here = self.expectations.iter().enumerate().filter(|(_, one)| one.steps == steps);
        self.open.extend(here.map(|(place, _)| place));
        self.look(run, false);
    }

    /// Lets time pass, stopping at every moment some expectation waits for.
    fn pass(&mut self, run: &mut Run<K>, until: Moment) {
        while run.broken().is_none() {
            let now = run.world.now();
            let marks = self.open.iter().flat_map(|&place| marks(&self.expectations[place]));
            let next = marks.filter(|mark| *mark > now).min().map_or(until, |mark| mark.min(until));
            run.until(next, |run| {
                self.look(run, false);
                run.broken().is_none()
            });
            self.look(run, true);
            if next == until {
                return;
            }
        }
    }

    /// Decides what can be decided. `over` says that nothing more happens at this moment.
    fn look(&mut self, run: &mut Run<K>, over: bool) {
        if run.broken().is_some() {
            return;
        }
        let mut open = std::mem::take(&mut self.open);
        open.retain(|&place| {
            let one = &self.expectations[place];
            match stands(run, one, over) {
                Standing::Open => return true,
                Standing::Kept => {
                    let after = run.world.now().since(one.since);
                    self.kept.push((place, Kept { line: one.line, text: one.text.clone(), after }));
                }
                Standing::Broken(violation) => run.fail(violation),
            }
            false
        });
        self.open = open;
    }

    /// What is undecided at the end was not kept. A scenario read from text leaves nothing.
    fn close(&mut self, run: &mut Run<K>) {
        if run.broken().is_none()
            && let Some(&place) = self.open.first()
        {
            let one = &self.expectations[place];
            run.fail(Violation::liveness(CHECKER, said(one, "the run is over before that")));
        }
    }
}

/// The moments at which an expectation has to be looked at even if nothing happens.
fn marks<F>(one: &Expectation<F>) -> impl Iterator<Item = Moment> + use<F> {
    let first = match one.when {
        When::Between(after, _) => Some(one.since + after),
        When::Now | When::Within(_) | When::Throughout(_) => None,
    };
    first.into_iter().chain([one.since + one.when.deadline()])
}

fn stands<K: Kit>(run: &Run<K>, one: &Expectation<K::Fact>, over: bool) -> Standing {
    let seen = |host: HostId, kind: &str| run.noticed(host, kind);
    let so = run.kit.holds(&run.world, &one.fact, &seen) == one.holds;
    let now = run.world.now();
    let passed = now.since(one.since);
    let late = over && passed >= one.when.deadline();
    let clock = Duration(now.0);
    match one.when {
        When::Now if so => Standing::Kept,
        When::Now => Standing::Broken(Violation::safety(CHECKER, said(one, "it is not so"))),
        When::Between(after, _) if so && passed < after => {
            let what = said(one, &format!("it is so already at {clock}"));
            Standing::Broken(Violation::safety(CHECKER, what))
        }
        When::Within(_) | When::Between(..) if so => Standing::Kept,
        When::Within(_) | When::Between(..) if late => {
            let what = said(one, &format!("it is not so by {clock}"));
            Standing::Broken(Violation::liveness(CHECKER, what))
        }
        When::Throughout(_) if !so => {
            let what = said(one, &format!("it is not so at {clock}"));
            Standing::Broken(Violation::safety(CHECKER, what))
        }
        When::Throughout(_) if late => Standing::Kept,
        When::Within(_) | When::Between(..) | When::Throughout(_) => Standing::Open,
    }
}

/// `line 4: expected within 40s of 60s: leader n1; it is not so by 100s`.
fn said<F: std::fmt::Display>(one: &Expectation<F>, but: &str) -> String {
    let since = Duration(one.since.0);
    let when = match one.when {
        When::Now => format!("at {since}"),
        When::Within(span) => format!("within {span} of {since}"),
        When::Between(after, within) => format!("after {after} and within {within} of {since}"),
        When::Throughout(span) => format!("throughout {span} from {since}"),
    };
    format!("line {}: expected {when}: {}; {but}", one.line, one.claim())
}
