//! The gossip cluster's side of a rehearsal.
//!
//! `settings` says what the cluster is like; `build` wires the hosts, writes their state files
//! and boots machines from them. `verbs` is what can be done, `facts` what can be expected,
//! `read` reads both; `act` does it in the words of `tool`, and `hands` remembers it for those
//! who judge; `families` is what a seed may draw; `check` is what must hold.

mod act;
mod build;
pub mod check;
pub mod facts;
mod families;
mod hands;
mod read;
mod settings;
mod tool;
pub mod verbs;

use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::config::Role;
use standin_core::gossip::plant::Plant;
use standin_core::rng::Rng;
use standin_core::text::{Piece, Problem};
use standin_core::time::Duration;

pub use self::build::Cluster;
use self::facts::Fact;
use self::verbs::Action;
use crate::check::Checker;
use crate::kit::{Kit, WrongSetting};
use crate::plan::{Family, Setup, Tuning};
use crate::world::World;
use crate::world::moment::HostId;

/// The gossip kit.
#[derive(Debug)]
pub struct GossipKit {
    cluster: Rc<Cluster>,
}

impl Kit for GossipKit {
    type Machine = Gossip;
    type Action = Action;
    type Fact = Fact;

    const NAME: &'static str = "gossip";
    const VERBS: &'static [&'static str] = verbs::VERBS;
    const FACTS: &'static [&'static str] = facts::FACTS;
    const SIZES: [u32; 8] = [3, 6, 6, 6, 7, 8, 9, 12];
    const TUNING: Tuning = families::TUNING;
    const PLANTS: &'static [(&'static str, u64)] = &[
        (Plant::VoteNotPersisted.name(), 20),
        (Plant::VotesTwice.name(), 100),
        (Plant::ReportsNeverExpire.name(), 100),
        (Plant::CollisionIgnored.name(), 50),
        (Plant::UpdateNotSent.name(), 200),
        (Plant::StrangerBelieved.name(), 50),
        (Plant::RankIgnored.name(), 100),
        (Plant::PfailCountedAsFail.name(), 20),
        (Plant::EpochNotBumped.name(), 50),
        (Plant::FailClearedEarly.name(), 50),
        (Plant::BlacklistIgnored.name(), 50),
        (Plant::MinorityServes.name(), 50),
        (Plant::StaleClaimWins.name(), 50),
        (Plant::QuorumOneLess.name(), 50),
        (Plant::HandshakeUnending.name(), 50),
        (Plant::WinnerKeepsEpoch.name(), 20),
        (Plant::WriteNotPassedOn.name(), 50),
        (Plant::LossClearsAll.name(), 100),
        (Plant::WinnerForgets.name(), 200),
    ];

    fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        Ok(Self { cluster: Rc::new(Cluster::new(setup)?) })
    }

    fn build(&self, setup: &Setup) -> World<Gossip> {
        build::world(setup, &self.cluster)
    }

    fn checkers(&self, _: &Setup) -> Vec<Box<dyn Checker<Gossip>>> {
        check::all(&self.cluster)
    }

    fn opening(&self) -> Vec<(Duration, Action)> {
        if !self.cluster.fresh {
            return Vec::new();
        }
        let at = Duration::from_secs;
        let enlist = [5, 8, 11, 14, 30, 60].map(|seconds| (at(seconds), Action::Enlist));
        [(at(1), Action::Create)].into_iter().chain(enlist).collect()
    }

    fn act(&mut self, world: &mut World<Gossip>, action: &Action) {
        act::act(&self.cluster, world, action);
    }

    fn heal(&mut self, world: &mut World<Gossip>) {
        act::heal(&self.cluster, world);
    }

    fn undo(&self, action: &Action) -> Option<Action> {
        act::undo(&self.cluster, action)
    }

    fn holds(&self, world: &World<Gossip>, fact: &Fact, seen: &dyn Fn(HostId, &str) -> bool) -> bool {
        facts::holds(&self.cluster, world, fact, seen)
    }

    fn parse_action(words: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
        read::action(words, hosts)
    }

    fn parse_fact(words: &[Piece<'_>], hosts: u32) -> Result<Fact, Problem> {
        read::fact(words, hosts)
    }

    fn families() -> &'static [Family<Action>] {
        families::FAMILIES
    }

    fn draw_settings(rng: &mut Rng) -> Vec<(String, String)> {
        families::draw_settings(rng)
    }

    /// All that may have to happen one after the other, each as late as it may: nobody comes back
    /// by gossip for a minute after a FORGET; a replication link that is none ends after a minute
    /// of silence; a failed master that nobody replaced is well after two node timeouts; an
    /// election that failed is tried again after four, twice. And then a while in which
    /// nothing happens any more.
    fn settles_within(&self) -> Duration {
        Duration::from_secs(60 + 60 + 30) + self.cluster.config.node_timeout.times(14) + check::QUIET
    }

    /// A letter for what the node is in its own eyes, large where it finds the cluster served:
    /// `M` a master, `R` a replica, `W` a witness, `E` a master without slots, `?` not up yet.
    fn column(&self, world: &World<Gossip>, host: HostId) -> char {
        let Some(machine) = facts::up(world, host) else { return '?' };
        let me = machine.table().me();
        let letter = match (me.is_master(), me.slots().is_empty()) {
            (false, _) => 'R',
            (true, true) => 'E',
            (true, false) if machine.config().role == Role::Witness => 'W',
            (true, false) => 'M',
        };
        if machine.state().is_ok() { letter } else { letter.to_ascii_lowercase() }
    }
}
