//! What a protocol brings to the rehearsal room: how to build its cluster, the verbs and facts
//! of its scenarios, its own fault families, its checkers and its trace column.

use std::fmt::{Debug, Display};

use standin_core::machine::Machine;
use standin_core::rng::Rng;
use standin_core::text::{Piece, Problem, Problems};
use standin_core::time::Duration;

use crate::check::Checker;
use crate::plan::{Family, Setup, Tuning};
use crate::world::World;
use crate::world::fault::Fault;
use crate::world::moment::HostId;

/// A protocol's side of a rehearsal.
pub trait Kit: Sized {
    /// Its machine.
    type Machine: Machine;
    /// What a scenario or a seed can do to it beyond the world's faults. Prints as its words.
    type Action: Clone + Debug + Display + PartialEq + 'static;
    /// What a scenario can expect of it. Prints as its words.
    type Fact: Clone + Debug + Display;

    /// The protocol's name: `ctdb`.
    const NAME: &'static str;
    /// The first words of its actions.
    const VERBS: &'static [&'static str];
    /// The first words of its facts.
    const FACTS: &'static [&'static str];
    /// What its scripts are run for; none, if it runs none.
    const EVENTS: &'static [&'static str] = &[];
    /// The numbers of nodes a seed may draw, each as likely as the others.
    const SIZES: [u32; 8] = [2, 3, 3, 3, 4, 5, 6, 8];
    /// What its tunables may be where a seed is to draw them too.
    const TUNING: Tuning = &[];
    /// Its planted bugs, with the seeds within which a campaign must find each.
    const PLANTS: &'static [(&'static str, u64)];

    /// A kit for one run.
    ///
    /// # Errors
    /// What is wrong with a setting: its name, and what was expected.
    fn new(setup: &Setup) -> Result<Self, WrongSetting>;

    /// Reads one of the protocol's own configuration files into settings, so that somebody's
    /// real cluster can be rehearsed. `None` if the protocol has no such file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn read_config(file: ConfigFile, text: &[u8]) -> Option<Result<Configured, Problems>> {
        let _ = (file, text);
        None
    }

    /// The world at the beginning: hosts wired, disks written, nothing started.
    fn build(&self, setup: &Setup) -> World<Self::Machine>;

    /// What must hold.
    fn checkers(&self, setup: &Setup) -> Vec<Box<dyn Checker<Self::Machine>>>;

    /// What is done to a seed's cluster before anything befalls it, each so long after the
    /// start. A scenario says it itself.
    fn opening(&self) -> Vec<(Duration, Self::Action)> {
        Vec::new()
    }

    /// Does an action now.
    fn act(&mut self, world: &mut World<Self::Machine>, action: &Self::Action);

    /// Undoes every fault, the world's and the protocol's own.
    fn heal(&mut self, world: &mut World<Self::Machine>) {
        world.befall(&Fault::Heal);
    }

    /// What undoes an action, if anything has to.
    fn undo(&self, action: &Self::Action) -> Option<Self::Action>;

    /// Whether a fact holds now. `seen` tells whether a host noticed a kind since the last `at`.
    fn holds(
        &self,
        world: &World<Self::Machine>,
        fact: &Self::Fact,
        seen: &dyn Fn(HostId, &str) -> bool,
    ) -> bool;

    /// Reads an action; the first word is one of [`VERBS`](Self::VERBS).
    ///
    /// # Errors
    /// What is wrong, at which word.
    fn parse_action(words: &[Piece<'_>], hosts: u32) -> Result<Self::Action, Problem>;

    /// Reads a fact; the first word is one of [`FACTS`](Self::FACTS).
    ///
    /// # Errors
    /// What is wrong, at which word.
    fn parse_fact(words: &[Piece<'_>], hosts: u32) -> Result<Self::Fact, Problem>;

    /// Its own fault families, in the order of their streams.
    fn families() -> &'static [Family<Self::Action>];

    /// Settings a seed may draw: (name, value).
    fn draw_settings(rng: &mut Rng) -> Vec<(String, String)>;

    /// Settings that came later, drawn from a stream of their own.
    fn draw_later_settings(_: &mut Rng) -> Vec<(String, String)> {
        Vec::new()
    }

    /// How long after healing the cluster has to be whole again.
    fn settles_within(&self) -> Duration;

    /// One character for a host in the trace.
    fn column(&self, world: &World<Self::Machine>, host: HostId) -> char;

    /// How much its nodes have to say to each other while nothing happens, if that is known.
    fn idle_rate(nodes: u32) -> Option<IdleRate> {
        let _ = nodes;
        None
    }
}

/// Packets a second between all nodes of a cluster in which nothing happens, in tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleRate {
    /// As the protocol's intervals say.
    pub tenths: u64,
    /// As captured from a real cluster of that size, if one was.
    pub captured_tenths: Option<u64>,
}

/// A configuration file a protocol may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// Who belongs to the cluster.
    Nodes,
    /// What can be tuned.
    Tunables,
    /// What is served to clients.
    PublicAddresses,
}

/// What a configuration file means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Hosts that run a daemon, if the file says so.
    pub nodes: Option<u32>,
    /// Settings by name.
    pub settings: Vec<(String, String)>,
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongSetting {
    /// The setting's name as given.
    pub name: String,
    /// What is wrong.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// The valid name nearest to it.
    pub nearest: Option<String>,
}
