//! One run: a world, its checkers and its trace, moved from step to step.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use standin_core::machine::{Level, Noticed};
use standin_core::time::Duration;

use crate::check::{Checker, Manners, Violation};
use crate::kit::Kit;
use crate::outcome::{AddressOutcome, Outcome, Verdict};
use crate::plan::{Deed, Plan, Setup};
use crate::trace::Trace;
use crate::world::client::Summary;
use crate::world::fault::Fault;
use crate::world::host::Pace;
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

type NoticeOf<K> = <<K as Kit>::Machine as standin_core::machine::Machine>::Notice;

/// A run under way.
pub struct Run<K: Kit> {
    /// The protocol's side.
    pub kit: K,
    /// The world.
    pub world: World<K::Machine>,
    /// What has been noticed.
    pub trace: Trace,
    checkers: Vec<Box<dyn Checker<K::Machine>>>,
    /// The first promise that broke; nothing moves any more.
    broken: Option<Violation>,
    /// How often each kind was noticed.
    kinds: Vec<u64>,
    /// Who noticed what since the last step of a scenario.
    recent: BTreeSet<(HostId, usize)>,
    faults: BTreeMap<String, u64>,
    setup: Setup,
}

impl<K: Kit> Run<K> {
    /// Builds the cluster and starts every daemon that starts by itself.
    pub fn new(kit: K, setup: &Setup, keep_trace: bool) -> Self {
        let world = kit.build(setup);
        let mut checkers = kit.checkers(setup);
        checkers.push(Box::new(Manners::default()));
        Self {
            kit,
            world,
            trace: Trace::new(keep_trace),
            checkers,
            broken: None,
            kinds: vec![0; NoticeOf::<K>::KINDS.len()],
            recent: BTreeSet::new(),
            faults: BTreeMap::new(),
            setup: setup.clone(),
        }
    }

    /// Starts every daemon.
    pub fn start(&mut self) {
        for host in self.world.members() {
            self.world.start(host);
        }
        self.digest();
    }

    /// Whether a promise broke.
    #[must_use]
    pub const fn broken(&self) -> Option<&Violation> {
        self.broken.as_ref()
    }

    /// Records a broken promise, if it is the first.
    pub fn fail(&mut self, violation: Violation) {
        self.broken.get_or_insert(violation);
    }

    /// Whether `host` noticed `kind` since [`forget_recent`](Self::forget_recent).
    #[must_use]
    pub fn noticed(&self, host: HostId, kind: &str) -> bool {
        let place = NoticeOf::<K>::KINDS.iter().position(|name| *name == kind);
        place.is_some_and(|place| self.recent.contains(&(host, place)))
    }

    /// Forgets who noticed what.
    pub fn forget_recent(&mut self) {
        self.recent.clear();
    }

    /// Lets time pass until `until`. `each` is called whenever something has happened and may
    /// stop the run there by answering false.
    pub fn until(&mut self, until: Moment, mut each: impl FnMut(&mut Self) -> bool) {
        while self.broken.is_none() {
            let due = self.checkers.iter().filter_map(|checker| checker.due()).min();
            let next = due.map_or(until, |due| due.min(until)).max(self.world.now());
            if self.world.advance(next) {
                self.digest();
                if !each(self) {
                    return;
                }
                continue;
            }
            self.look();
            if next == until {
                return;
            }
        }
    }

    fn look(&mut self) {
        let now = self.world.now();
        for checker in &mut self.checkers {
            if checker.due().is_some_and(|due| due <= now)
                && let Err(violation) = checker.look(&self.world)
            {
                self.broken.get_or_insert(violation);
            }
        }
    }

    /// Traces and checks what happened.
    fn digest(&mut self) {
        while !self.world.news.is_empty() && self.broken.is_none() {
            let news = std::mem::take(&mut self.world.news);
            for one in news {
                self.record(&one);
                for checker in &mut self.checkers {
                    if let Err(violation) = checker.news(&self.world, &one) {
                        self.broken.get_or_insert(violation);
                    }
                }
            }
        }
    }

    fn record(&mut self, news: &News<K::Machine>) {
        let at = self.world.now();
        let (world, kit) = (&self.world, &self.kit);
        let columns = || columns(kit, world);
        match news {
            News::Notice(host, notice) => {
                self.kinds[notice.kind()] += 1;
                self.recent.insert((*host, notice.kind()));
                self.trace.noticed(at, *host, notice, columns);
                if notice.level() == Level::Error {
                    self.broken.get_or_insert(Violation::safety("error-notice", format!("{host}: {notice}")));
                }
            }
            News::Exited(host, status) => {
                self.trace.befell(at, "exited", &format!("{host} {status}"), columns);
            }
            News::Started(_) | News::Changed | News::Meddled(..) | News::Spins(..) => {}
        }
    }

    /// Does something to the cluster now.
    pub fn apply(&mut self, deed: &Deed<K::Action>) {
        let text = deed.to_string();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        *self.faults.entry(verb.to_owned()).or_default() += 1;
        match deed {
            Deed::Fault(Fault::Heal) => self.kit.heal(&mut self.world),
            Deed::Fault(fault) => self.world.befall(fault),
            Deed::Protocol(action) => self.kit.act(&mut self.world, action),
            Deed::Look => return,
        }
        let (world, kit) = (&self.world, &self.kit);
        self.trace.befell(world.now(), verb, rest, || columns(kit, world));
        self.digest();
    }

    /// The last questions: are all promises kept, now that nothing disturbs?
    pub fn finish(&mut self, settled: bool) {
        for checker in &mut self.checkers {
            if self.broken.is_none()
                && let Err(violation) = checker.end(&self.world, settled)
            {
                self.broken = Some(violation);
            }
        }
        let counts = self.world.counts;
        for word in [counts.events, counts.wakes, counts.segments, counts.bytes, self.world.now().0] {
            self.trace.word(word);
        }
        for (_, Summary { out, twice, .. }) in self.world.client_view() {
            self.trace.word(out.total.0);
            self.trace.word(twice.total.0);
        }
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self, verdict: Option<Verdict>) -> Outcome {
        let mut figures: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
        for (what, samples) in self.checkers.iter().flat_map(|checker| checker.figures()) {
            figures.entry(what).or_default().extend(samples);
        }
        let broken = self.broken;
        let view = self.world.client_view();
        Outcome {
            protocol: K::NAME,
            seed: self.setup.seed,
            nodes: self.setup.nodes,
            verdict: verdict.unwrap_or_else(|| broken.map_or(Verdict::Passed, Verdict::Broken)),
            hash: self.trace.hash(),
            notices: self.trace.count(),
            simulated: Duration(self.world.now().0),
            counts: self.world.counts,
            kinds: NoticeOf::<K>::KINDS.iter().copied().zip(self.kinds).collect(),
            faults: self.faults,
            checks: self.checkers.iter().map(|checker| (checker.name(), checker.looked())).collect(),
            figures,
            addresses: view.iter().map(|(address, seen)| AddressOutcome::new(*address, seen)).collect(),
            lines: self.trace.into_lines(),
        }
    }
}

/// One character a member: `#` no power, `-` no daemon, `z` stopped or asleep, `~` slow, else
/// what the protocol says of it.
fn columns<K: Kit>(kit: &K, world: &World<K::Machine>) -> String {
    let one = |host: HostId| {
        let there = world.host(host);
        match &there.process {
            _ if !there.powered => '#',
            None => '-',
            Some(_) if !there.awake() => 'z',
            Some(process) => match process.pace {
                Pace::Stopped => 'z',
                Pace::Slow(_) => '~',
                Pace::Running => kit.column(world, host),
            },
        }
    };
    world.members().map(one).collect()
}

/// Runs a plan to its end: faults, healing, and the demand that all be well again.
#[must_use]
pub fn play<K: Kit>(kit: K, plan: &Plan<K::Action>, keep_trace: bool) -> Outcome {
    let mut run = Run::new(kit, &plan.setup, keep_trace);
    let moved = guarded(|| {
        run.start();
        for step in &plan.steps {
            run.until(step.at, |_| true);
            if run.broken().is_some() {
                break;
            }
            run.apply(&step.deed);
        }
        run.until(plan.heal_at, |_| true);
        if run.broken().is_none() {
            run.apply(&Deed::Fault(Fault::Heal));
        }
        let settled = plan.heal_at + run.kit.settles_within();
        run.until(settled, |_| true);
        run.finish(true);
    });
    let outcome = run.outcome(moved.err().map(Verdict::Crash));
    Outcome { faults: tally(plan, &outcome), ..outcome }
}

/// Faults by family, counted up to where the run stopped.
fn tally<A>(plan: &Plan<A>, outcome: &Outcome) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| step.at.0 <= outcome.simulated.0) {
        if let Some(family) = step.family {
            *counts.entry(family.to_owned()).or_default() += 1;
        }
    }
    counts
}

thread_local! {
    /// Whether [`guarded`] is on this thread's stack.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic under it happened.
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For a program's panic hook: notes where a machine panicked, so that the verdict can say it.
/// False if the panic is nobody's whom [`guarded`] watches, and should be reported as usual.
pub fn note_panic(panic: &PanicHookInfo<'_>) -> bool {
    let guarded = GUARDED.get();
    if guarded {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        PANICKED_AT.set(place);
    }
    guarded
}

/// Runs something in which a machine may panic; the error is what it said.
///
/// # Errors
/// The panic's message, behind the place where it happened if a hook called [`note_panic`].
pub fn guarded(what: impl FnOnce()) -> Result<(), String> {
    let outer = GUARDED.replace(true);
    PANICKED_AT.take();
    let ended = catch_unwind(AssertUnwindSafe(what));
    GUARDED.set(outer);
    ended.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        let said = said.unwrap_or_else(|| "a panic without a message".to_owned());
        PANICKED_AT.take().map_or_else(|| said.clone(), |place| format!("{place}: {said}"))
    })
}
