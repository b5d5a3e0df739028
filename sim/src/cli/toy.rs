//! A protocol for the tests of this package: each machine counts the seconds.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::rc::Rc;

use standin_core::host::{Done, Fact, Job};
use standin_core::machine::{Deadline, Depth, Effect, Input, Level, Machine, Noticed, Outbox};
use standin_core::rng::Rng;
use standin_core::text::{Piece, Problem, nearest};
use standin_core::time::{Duration, Instant};
use standin_sim::check::{Checker, Violation};
use standin_sim::kit::{Kit, WrongSetting};
use standin_sim::plan::{Family, Setup};
use standin_sim::world::disk::Disk;
use standin_sim::world::kernel::Kernel;
use standin_sim::world::moment::{HostId, Net};
use standin_sim::world::{News, Translator, World};

thread_local! {
    /// What the plant `forgets` does not forget between two runs.
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the seconds.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    next: Instant,
    every: u64,
    count: u64,
    panics_at: u64,
}

/// It said a number.
#[derive(Clone, Debug)]
pub(crate) struct Said(u64);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Noticed for Said {
    const KINDS: &'static [&'static str] = &["said", "sung"];
    fn kind(&self) -> usize {
        0
    }
    fn level(&self) -> Level {
        Level::Info
    }
    fn words(&self, put: &mut dyn FnMut(u64)) {
        put(self.0);
    }
}

impl Machine for Counter {
    type Job = Job;
    type Done = Done;
    type Fact = Fact;
    type Order = ();
    type Notice = Said;

    fn handle(&mut self, now: Instant, _input: Input<'_, Self>, out: &mut Outbox<Self>) {
        while self.next <= now {
            self.next += Duration::from_secs(self.every);
            self.count += 1;
            assert!(self.count != self.panics_at, "count {} is too much", self.count);
            if self.count.is_multiple_of(60) {
                out.push(Effect::Notice(Said(self.count)));
            }
        }
    }
    fn next_deadline(&self) -> Option<Deadline> {
        Some(Deadline { at: self.next, why: "second" })
    }
    fn check(&self, _depth: Depth) {}
}

#[derive(Debug)]
struct Births {
    every: u64,
    panics: bool,
    first: u64,
}

impl Translator<Counter> for Births {
    fn boot(&self, _host: HostId, _disk: &Disk, seed: u64) -> Counter {
        let panics_at = if self.panics && seed.is_multiple_of(3) { 200 } else { u64::MAX };
        Counter { next: Instant::START, every: self.every, count: self.first, panics_at }
    }
    fn job(&self, job: Job) -> Job {
        job
    }
    fn done(&self, done: Done) -> Done {
        done
    }
    fn fact(&self, fact: Fact) -> Option<Fact> {
        Some(fact)
    }
}

/// Somebody has counted at the end.
#[derive(Debug)]
struct Counted {
    samples: Vec<u64>,
    fails: bool,
}

impl Checker<Counter> for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }
    fn news(&mut self, world: &World<Counter>, news: &News<Counter>) -> Result<(), Violation> {
        if matches!(news, News::Notice(..)) {
            self.samples.push(world.now().0);
        }
        Ok(())
    }
    fn end(&mut self, _world: &World<Counter>, _settled: bool) -> Result<(), Violation> {
        let what = || "nobody counted".to_owned();
        if self.fails { Err(Violation::liveness("counted", what())) } else { Ok(()) }
    }
    fn looked(&self) -> u64 {
        self.samples.len() as u64
    }
    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![("start -> said", self.samples.clone())]
    }
}

/// The kit.
#[derive(Debug)]
pub(crate) struct Toy {
    every: u64,
}

impl Kit for Toy {
    type Machine = Counter;
    type Action = Infallible;
    type Fact = Infallible;

    const NAME: &'static str = "toy";
    const VERBS: &'static [&'static str] = &[];
    const FACTS: &'static [&'static str] = &[];
    const PLANTS: &'static [(&'static str, u64)] = &[("panics", 20), ("stalls", 1), ("forgets", 1)];

    fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        let mut every = 1;
        for (name, value) in &setup.settings {
            let wrong = |what: &str, expected: &str, nearest: Option<&str>| WrongSetting {
                name: name.clone(),
                what: what.to_owned(),
                expected: expected.to_owned(),
                nearest: nearest.map(str::to_owned),
            };
            if !name.eq_ignore_ascii_case("every") {
                return Err(wrong("there is no such setting", "Every", nearest(name, ["Every"])));
            }
            every = value.parse().map_err(|_| wrong("this is no number", "seconds, 1 or more", None))?;
        }
        Ok(Self { every })
    }

    fn build(&self, setup: &Setup) -> World<Counter> {
        let plant = setup.plant.as_deref();
        let first = if plant == Some("forgets") { RUNS.replace(RUNS.get() + 1) } else { 0 };
        let births = Births { every: self.every, panics: plant == Some("panics"), first };
        let mut world = World::new(setup.seed, Rc::new(births));
        for host in 0..setup.nodes {
            let mut kernel = Kernel::new();
            for (name, net) in [("eth0", Net::Private), ("eth1", Net::Public)] {
                kernel.add_interface(name, net, [2, 0, 0, 0, net as u8, host as u8]);
                kernel.set_admin(name, true).expect("it was just added");
            }
            world.add_member(kernel);
        }
        world.add_stranger(Kernel::new());
        world
    }

    fn checkers(&self, setup: &Setup) -> Vec<Box<dyn Checker<Counter>>> {
        vec![Box::new(Counted { samples: Vec::new(), fails: setup.plant.as_deref() == Some("stalls") })]
    }

    fn act(&mut self, _world: &mut World<Counter>, action: &Infallible) {
        match *action {}
    }

    fn undo(&self, action: &Infallible) -> Option<Infallible> {
        match *action {}
    }

    fn holds(&self, _: &World<Counter>, fact: &Infallible, _: &dyn Fn(HostId, &str) -> bool) -> bool {
        match *fact {}
    }

    fn parse_action(words: &[Piece<'_>], _hosts: u32) -> Result<Infallible, Problem> {
        Err(words[0].problem("a toy does nothing".to_owned(), "nothing"))
    }

    fn parse_fact(words: &[Piece<'_>], _hosts: u32) -> Result<Infallible, Problem> {
        Err(words[0].problem("a toy has no facts".to_owned(), "nothing"))
    }

    fn families() -> &'static [Family<Infallible>] {
        &[]
    }

    fn draw_settings(_rng: &mut Rng) -> Vec<(String, String)> {
        Vec::new()
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn column(&self, _world: &World<Counter>, _host: HostId) -> char {
        '.'
    }
}
