//! Many seeds: what each expands to and how it is run, and what all of them came to.
//!
//! Nothing here starts a thread: whoever runs seeds side by side brings the outcomes back in
//! the order of their seeds ([`InOrder`]), so that the same campaign says the same however
//! many hands worked on it.

mod addresses;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use serde::Serialize;
use siphasher::sip::SipHasher13;
use standin_core::time::Duration;

pub use self::addresses::{Addresses, Worst};
use crate::check::Violation;
use crate::kit::{Kit, WrongSetting};
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Drawn, Plan, Wishes, expand};
use crate::run::play;
use crate::trace::diff::first_difference;
use crate::world::Counts;

/// What a seed expands to, and the kit that plays it.
///
/// # Errors
/// What is wrong with a setting.
pub fn prepare<K: Kit>(seed: u64, wishes: &Wishes) -> Result<(K, Plan<K::Action>), WrongSetting> {
    // The setup comes first and alone, because only a kit made for it knows how to undo its actions.
    let calm = Wishes { families: Some(Vec::new()), ..wishes.clone() };
    let mut drawn = Drawn {
        sizes: K::SIZES,
        settings: K::draw_settings,
        later_settings: K::draw_later_settings,
        tuning: K::TUNING,
        own: &[],
        opening: Vec::new(),
    };
    let setup = expand::<K::Action>(seed, &calm, &drawn, |_| None).setup;
    let kit = K::new(&setup)?;
    (drawn.own, drawn.opening) = (K::families(), kit.opening());
    let plan = expand(seed, wishes, &drawn, |action| kit.undo(action));
    Ok((kit, plan))
}

/// Runs a plan, whoever made it.
///
/// # Errors
/// What is wrong with a setting.
pub fn run_plan<K: Kit>(plan: &Plan<K::Action>, keep_trace: bool) -> Result<Outcome, WrongSetting> {
    Ok(play(K::new(&plan.setup)?, plan, keep_trace))
}

/// Runs one seed.
///
/// # Errors
/// What is wrong with a setting.
pub fn run_seed<K: Kit>(seed: u64, wishes: &Wishes, keep_trace: bool) -> Result<Outcome, WrongSetting> {
    let (kit, plan) = prepare::<K>(seed, wishes)?;
    Ok(play(kit, &plan, keep_trace))
}

/// Two runs of one seed that were not the same.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What came of the first.
    pub first: Box<Outcome>,
    /// Where the second parts from it.
    pub what: String,
}

impl Difference {
    /// The first run's outcome, failed for not repeating: a promise like any other.
    #[must_use]
    pub fn into_outcome(self) -> Outcome {
        let verdict = Verdict::Broken(Violation::safety("determinism", self.what));
        Outcome { verdict, ..*self.first }
    }
}

/// Runs one seed twice and compares all that was traced.
///
/// # Errors
/// What is wrong with a setting; inside, where the two runs part.
pub fn check_determinism<K: Kit>(
    seed: u64,
    wishes: &Wishes,
) -> Result<Result<Outcome, Difference>, WrongSetting> {
    let first = run_seed::<K>(seed, wishes, true)?;
    let second = run_seed::<K>(seed, wishes, true)?;
    let what = first_difference(&first.lines, &second.lines).or_else(|| {
        let same = first.hash == second.hash && first.verdict == second.verdict;
        (!same).then(|| {
            format!(
                "the traces read the same, but hash {:016x} and {:016x}; the runs ended `{}` and `{}`",
                first.hash,
                second.hash,
                first.verdict.signature(),
                second.verdict.signature(),
            )
        })
    });
    Ok(match what {
        None => Ok(first),
        Some(what) => Err(Difference { first: Box::new(first), what }),
    })
}

/// Brings what was finished in any order back into the order it was begun.
#[derive(Clone, Debug)]
pub struct InOrder<T> {
    next: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> InOrder<T> {
    /// Nothing finished; the first is number 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }

    /// The one numbered `place` is finished.
    pub fn put(&mut self, place: u64, item: T) {
        self.waiting.insert(place, item);
    }

    /// The next one in order, if it is finished.
    pub fn take(&mut self) -> Option<T> {
        let item = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(item)
    }
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A seed that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// How many hosts ran a daemon.
    pub nodes: u32,
    /// What failures are grouped by.
    pub signature: String,
    /// What happened.
    pub what: String,
    /// Its run's exit status.
    pub status: u8,
}

/// The failures of one signature.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The first of them.
    pub first: &'a Failure,
    /// Their seeds, in the order they ran.
    pub seeds: Vec<u64>,
}

/// What all runs so far came to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// How many runs.
    pub runs: u64,
    /// Simulated time of all.
    pub simulated: Duration,
    /// Events and bytes of all; the most that waited in any.
    pub counts: Counts,
    /// Lines the traces have or would have.
    pub notices: u64,
    /// Faults by family.
    pub faults: BTreeMap<String, u64>,
    /// How often each kind was noticed, in the protocol's order.
    pub kinds: Vec<(&'static str, u64)>,
    /// How often each checker looked, in the order they were asked.
    pub checks: Vec<(&'static str, u64)>,
    /// Samples of what was measured, in microseconds.
    pub figures: BTreeMap<&'static str, Vec<u64>>,
    /// What clients saw of the public addresses.
    pub addresses: Addresses,
    /// Every failure, in the order of the runs.
    pub failures: Vec<Failure>,
    hasher: SipHasher13,
}

impl Totals {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a run's outcome. The order matters: seeds in order.
    pub fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.simulated = self.simulated + outcome.simulated;
        self.notices += outcome.notices;
        self.hasher.write_u64(outcome.seed.to_le());
        self.hasher.write_u64(outcome.hash.to_le());
        let (all, one) = (&mut self.counts, outcome.counts);
        all.events += one.events;
        all.wakes += one.wakes;
        all.segments += one.segments;
        all.bytes += one.bytes;
        all.waiting_max = all.waiting_max.max(one.waiting_max);
        all.connections_max = all.connections_max.max(one.connections_max);
        for (family, times) in outcome.faults {
            *self.faults.entry(family).or_default() += times;
        }
        add_named(&mut self.kinds, &outcome.kinds);
        add_named(&mut self.checks, &outcome.checks);
        for (what, samples) in outcome.figures {
            self.figures.entry(what).or_default().extend(samples);
        }
        for address in &outcome.addresses {
            self.addresses.add(outcome.seed, address);
        }
        let verdict = outcome.verdict;
        if verdict != Verdict::Passed {
            self.failures.push(Failure {
                seed: outcome.seed,
                nodes: outcome.nodes,
                signature: verdict.signature(),
                what: verdict.what().to_owned(),
                status: verdict.exit_status(),
            });
        }
    }

    /// One hash over the seeds and the trace hashes of all runs.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many runs kept every promise.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.runs - self.failures.len() as u64
    }

    /// Kinds of notices that no run has shown.
    #[must_use]
    pub fn never_noticed(&self) -> Vec<&'static str> {
        self.kinds.iter().filter(|(_, times)| *times == 0).map(|(kind, _)| *kind).collect()
    }

    /// Failures of the same signature together, in the order of their first seeds.
    #[must_use]
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut groups: Vec<Group<'_>> = Vec::new();
        for failure in &self.failures {
            let place = *places.entry(&failure.signature).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Group { first: failure, seeds: Vec::new() });
            }
            groups[place].seeds.push(failure.seed);
        }
        groups
    }

    /// The campaign's exit status: 3 if a machine crashed, else 1 if a safety promise broke,
    /// else 2 if a liveness promise did, else 0.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        let seen: BTreeSet<u8> = self.failures.iter().map(|failure| failure.status).collect();
        [3, 1, 2].into_iter().find(|status| seen.contains(status)).unwrap_or(0)
    }
}

fn add_named(all: &mut Vec<(&'static str, u64)>, one: &[(&'static str, u64)]) {
    for &(name, times) in one {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += times,
            None => all.push((name, times)),
        }
    }
}

/// What samples come to, in their own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many.
    pub n: u64,
    /// The least.
    pub min: u64,
    /// Half of them are no more than this.
    pub median: u64,
    /// 99 of 100 are no more than this.
    pub p99: u64,
    /// The most.
    pub max: u64,
}

impl Spread {
    /// Of these samples, by nearest rank; nothing of none.
    #[must_use]
    pub fn of(samples: &[u64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        Some(Self { n: sorted.len() as u64, min, median: rank(50), p99: rank(99), max })
    }
}

#[cfg(test)]
#[path = "cli/toy.rs"]
mod toy;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::toy::Toy;
    use super::*;
    use crate::ctdb::CtdbKit;
    use crate::gossip::GossipKit;
    use crate::plan::{Deed, Setup};
    use crate::run::Run;
    use crate::world::fault::{Fault, Which, Who};
    use crate::world::moment::{Moment, Net};

    fn wishes(plant: Option<&str>) -> Wishes {
        let hours = Some(Duration::from_secs(600));
        Wishes { hours, plant: plant.map(str::to_owned), ..Wishes::default() }
    }

    fn tunes<K: Kit>() {
        for &(name, values) in K::TUNING {
            for &value in values {
                let settings = vec![(name.to_owned(), value.to_owned())];
                let kit = K::new(&Setup { seed: 1, nodes: 6, settings, plant: None });
                assert!(kit.is_ok(), "{name} cannot be {value}");
            }
        }
        let (wished, _) = K::TUNING[0];
        let settings = vec![(wished.to_owned(), K::TUNING[0].1[0].to_owned())];
        for seed in 0..50 {
            let plan = |tuned| {
                let wishes = Wishes { tuned, settings: settings.clone(), ..wishes(None) };
                prepare::<K>(seed, &wishes).unwrap_or_else(|wrong| panic!("{}", wrong.what)).1
            };
            let (tuned, plain) = (plan(true), plan(false));
            let count = |name| tuned.setup.settings.iter().filter(|(one, _)| one == name).count();
            let known = K::TUNING.iter().map(|(name, _)| count(name));
            assert!(known.clone().all(|times| times <= 1), "each once: {:?}", tuned.setup.settings);
            assert!((2..).contains(&known.sum::<usize>()), "{:?}", tuned.setup.settings);
            assert!(tuned.setup.settings.contains(&settings[0]), "what is wished for is not drawn");
            let rest = |plan: &Plan<K::Action>| {
                let tunable = |name: &str| K::TUNING.iter().any(|(one, _)| *one == name);
                let settings = plan.setup.settings.iter().filter(|(name, _)| !tunable(name));
                (plan.setup.nodes, settings.cloned().collect::<Vec<_>>())
            };
            assert_eq!(rest(&tuned), rest(&plain), "what else is drawn is as without");
        }
    }

    #[test]
    fn tunables_are_drawn_beside_what_a_seed_draws_anyway() {
        tunes::<CtdbKit>();
        tunes::<GossipKit>();
    }

    fn totals(outcomes: impl IntoIterator<Item = Outcome>) -> Totals {
        let mut totals = Totals::new();
        outcomes.into_iter().for_each(|outcome| totals.add(outcome));
        totals
    }

    fn run(seed: u64, plant: Option<&str>) -> Outcome {
        run_seed::<Toy>(seed, &wishes(plant), false).unwrap()
    }

    #[test]
    fn seeds_finished_in_any_order_come_to_the_same() {
        let one = totals((0..6).map(|seed| run(seed, Some("panics"))));
        let mut order = InOrder::new();
        let mut other = Totals::new();
        for place in [3, 1, 0, 5, 4, 2] {
            order.put(place, run(place, Some("panics")));
            while let Some(outcome) = order.take() {
                other.add(outcome);
            }
        }
        assert_eq!(one.runs, 6);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_eq!(one.hash(), other.hash());
        assert_ne!(one.hash(), totals((1..7).map(|seed| run(seed, Some("panics")))).hash());
    }

    #[test]
    fn the_worst_failure_is_the_campaigns_status() {
        let with = |verdict: Verdict| Outcome { verdict, ..run(1, None) };
        let crash = || with(Verdict::Crash("a.rs:7: no".into()));
        let safety = || with(Verdict::Broken(Violation::safety("a", String::new())));
        let liveness = || with(Verdict::Broken(Violation::liveness("b", String::new())));
        let passed = || with(Verdict::Passed);
        assert_eq!(totals([]).exit_status(), 0);
        assert_eq!(totals([passed(), passed()]).exit_status(), 0);
        assert_eq!(totals([passed(), liveness()]).exit_status(), 2);
        assert_eq!(totals([liveness(), safety()]).exit_status(), 1);
        assert_eq!(totals([liveness(), safety(), crash(), passed()]).exit_status(), 3);
    }

    #[test]
    fn failures_of_a_kind_are_told_together() {
        let with = |seed, verdict| Outcome { verdict, seed, ..run(1, None) };
        let crash = |seed, line| with(seed, Verdict::Crash(format!("a.rs:{line}: no")));
        let safety = |seed| with(seed, Verdict::Broken(Violation::safety("a", String::new())));
        let all = totals([crash(1, 7), safety(2), with(3, Verdict::Passed), crash(4, 9)]);
        let groups = all.groups();
        let told: Vec<_> = groups.iter().map(|group| (group.first.seed, group.seeds.clone())).collect();
        assert_eq!(told, [(1, vec![1, 4]), (2, vec![2])]);
        assert_eq!((all.runs, all.passed()), (4, 1));
    }

    #[test]
    fn an_outcome_tells_of_each_watched_address() {
        let (kit, plan) = prepare::<Toy>(5, &wishes(None)).unwrap();
        let mut run = Run::new(kit, &plan.setup, false);
        let served = IpAddr::from([10, 0, 1, 5]);
        [IpAddr::from([10, 0, 1, 6]), served].into_iter().for_each(|address| run.world.watch(address));
        run.start();
        run.until(Moment(2_000_000), |_| true);
        let add = Fault::AddressAdd(Who::All, Net::Public, Which::Given(served), None);
        run.apply(&Deed::Fault(add));
        run.until(Moment(5_000_000), |_| true);
        run.finish(true);
        let outcome = run.outcome(None);
        let told: Vec<_> = outcome.addresses.iter().map(|one| (one.address, one.served_after)).collect();
        let never = IpAddr::from([10, 0, 1, 6]);
        assert_eq!(told, [(served, Some(Duration::from_secs(2))), (never, None)]);
        let all = totals([outcome, run_seed::<Toy>(1, &wishes(None), false).unwrap()]);
        assert_eq!((all.addresses.watched, all.addresses.never_served), (2, 1));
        assert_eq!(all.addresses.worst_twice.map(|worst| worst.longest), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_run_repeats_and_one_that_does_not_says_where() {
        let same = check_determinism::<Toy>(5, &wishes(None)).unwrap();
        assert_eq!(same.unwrap().verdict, Verdict::Passed);
        let difference = check_determinism::<Toy>(5, &wishes(Some("forgets"))).unwrap().unwrap_err();
        assert!(difference.what.contains("then differ"), "{}", difference.what);
        let outcome = difference.into_outcome();
        assert_eq!(outcome.verdict.signature(), "safety: determinism");
        assert_eq!(outcome.verdict.exit_status(), 1);
    }

    #[test]
    fn a_plan_runs_the_same_whoever_hands_it_over() {
        let (_, plan) = prepare::<Toy>(5, &wishes(None)).unwrap();
        assert!(plan.steps.iter().any(|step| step.family.is_some()));
        assert_eq!(run_plan::<Toy>(&plan, true).unwrap().hash, run(5, None).hash);
    }

    #[test]
    fn a_wrong_setting_is_refused_before_anything_runs() {
        let wishes = Wishes { settings: vec![("Evry".into(), "1".into())], ..Wishes::default() };
        let wrong = run_seed::<Toy>(1, &wishes, false).unwrap_err();
        assert_eq!((wrong.name.as_str(), wrong.nearest.as_deref()), ("Evry", Some("Every")));
    }

    #[test]
    fn samples_come_to_ranks() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[7]), Some(Spread { n: 1, min: 7, median: 7, p99: 7, max: 7 }));
        let samples: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(Spread::of(&samples), Some(Spread { n: 200, min: 1, median: 100, p99: 198, max: 200 }));
    }
}
