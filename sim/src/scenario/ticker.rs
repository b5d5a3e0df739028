//! A protocol for the tests: each daemon counts its own ticks, one a second, and can be poked.

use std::fmt;
use std::rc::Rc;

use standin_core::host::{Done, Fact, Job};
use standin_core::machine::{Deadline, Depth, Input, Level, Machine, Noticed, Outbox};
use standin_core::rng::Rng;
use standin_core::text::{Piece, Problem, nearest};
use standin_core::time::{Duration, Instant};

use super::words::Words;
use crate::check::Checker;
use crate::kit::{Kit, WrongSetting};
use crate::plan::{Deed, Family, Setup};
use crate::world::disk::Disk;
use crate::world::kernel::Kernel;
use crate::world::moment::HostId;
use crate::world::{Translator, World};

#[derive(Clone, Debug)]
pub(super) struct Ticker {
    every: Duration,
    next: Instant,
    ticks: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Notice {
    Tick(u64),
    Poked,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick(ticks) => write!(f, "{ticks}"),
            Self::Poked => Ok(()),
        }
    }
}

impl Noticed for Notice {
    const KINDS: &'static [&'static str] = &["tick", "poked"];

    fn kind(&self) -> usize {
        match self {
            Self::Tick(_) => 0,
            Self::Poked => 1,
        }
    }

    fn level(&self) -> Level {
        Level::Info
    }

    fn words(&self, put: &mut dyn FnMut(u64)) {
        if let Self::Tick(ticks) = self {
            put(*ticks);
        }
    }
}

impl Machine for Ticker {
    type Job = Job;
    type Done = Done;
    type Fact = Fact;
    type Order = ();
    type Notice = Notice;

    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Order(()) => out.notice(Notice::Poked),
            Input::Wake if now >= self.next => {
                self.next = now + self.every;
                self.ticks += 1;
                out.notice(Notice::Tick(self.ticks));
            }
            Input::Wake | Input::Port(..) | Input::Link(..) | Input::Job(..) | Input::Fact(_) => {}
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        Some(Deadline { at: self.next, why: "tick" })
    }

    fn check(&self, _: Depth) {
        assert!(self.ticks < 1_000, "a thousand ticks");
    }
}

#[derive(Debug)]
struct Hands(Duration);

impl Translator<Ticker> for Hands {
    fn boot(&self, _: HostId, _: &Disk, _: u64) -> Ticker {
        Ticker { every: self.0, next: Instant(self.0.0), ticks: 0 }
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

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Poke(pub(super) HostId);

impl fmt::Display for Poke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poke {}", self.0)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Claim {
    Ticked(HostId, u64),
    Running(HostId),
    Poked(HostId),
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ticked(host, ticks) => write!(f, "ticked {host} {ticks}"),
            Self::Running(host) => write!(f, "running {host}"),
            Self::Poked(host) => write!(f, "noticed {host} poked"),
        }
    }
}

pub(super) struct Clockwork(Duration);

impl Kit for Clockwork {
    type Machine = Ticker;
    type Action = Poke;
    type Fact = Claim;

    const NAME: &'static str = "ticker";
    const VERBS: &'static [&'static str] = &["poke"];
    const FACTS: &'static [&'static str] = &["ticked", "running", "noticed"];
    const PLANTS: &'static [(&'static str, u64)] = &[("lazy", 1)];

    fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        let mut every = Duration::from_secs(1);
        for (name, value) in &setup.settings {
            let wrong = |what, expected: &str, nearest: Option<&str>| WrongSetting {
                name: name.clone(),
                what,
                expected: expected.to_owned(),
                nearest: nearest.map(str::to_owned),
            };
            if !name.eq_ignore_ascii_case("Every") {
                let meant = nearest(name, ["Every"]);
                return Err(wrong(format!("there is no setting `{name}`"), "`Every`", meant));
            }
            let number: Option<u64> = value.parse().ok();
            let Some(seconds) = number else {
                return Err(wrong(format!("`{value}` is no number for `Every`"), "whole seconds", None));
            };
            every = Duration::from_secs(seconds);
        }
        Ok(Self(every))
    }

    fn build(&self, setup: &Setup) -> World<Ticker> {
        let mut world = World::new(setup.seed, Rc::new(Hands(self.0)));
        for _ in 0..setup.nodes {
            world.add_member(Kernel::default());
        }
        world
    }

    fn checkers(&self, _: &Setup) -> Vec<Box<dyn Checker<Ticker>>> {
        Vec::new()
    }

    fn act(&mut self, world: &mut World<Ticker>, action: &Poke) {
        world.order(action.0, ());
    }

    fn undo(&self, _: &Poke) -> Option<Poke> {
        None
    }

    fn holds(&self, world: &World<Ticker>, fact: &Claim, seen: &dyn Fn(HostId, &str) -> bool) -> bool {
        match fact {
            Claim::Ticked(host, ticks) => {
                world.host(*host).machine().is_some_and(|ticker| ticker.ticks >= *ticks)
            }
            Claim::Running(host) => world.host(*host).runs(),
            Claim::Poked(host) => seen(*host, "poked"),
        }
    }

    fn parse_action(words: &[Piece<'_>], hosts: u32) -> Result<Poke, Problem> {
        let mut words = Words::new(words, hosts);
        words.literal("poke")?;
        let host = words.host()?;
        words.end().map(|()| Poke(host))
    }

    fn parse_fact(words: &[Piece<'_>], hosts: u32) -> Result<Claim, Problem> {
        let mut words = Words::new(words, hosts);
        let first = words.take("a fact")?;
        let host = words.host()?;
        let claim = match first.text {
            "ticked" => Claim::Ticked(host, words.number(0, 1_000)?),
            "running" => Claim::Running(host),
            _ => words.literal("poked").map(|()| Claim::Poked(host))?,
        };
        words.end().map(|()| claim)
    }

    fn families() -> &'static [Family<Poke>] {
        const NONE: Duration = Duration::ZERO;
        &[Family {
            name: "poke",
            lasts: (NONE, NONE),
            draw: |rng, setup| Some(Deed::Protocol(Poke(HostId(rng.below(u64::from(setup.nodes)) as u32)))),
        }]
    }

    fn draw_settings(rng: &mut Rng) -> Vec<(String, String)> {
        vec![("Every".to_owned(), rng.between(9, 90).to_string())]
    }

    fn settles_within(&self) -> Duration {
        Duration::from_secs(90)
    }

    fn column(&self, _: &World<Ticker>, _: HostId) -> char {
        '.'
    }
}
