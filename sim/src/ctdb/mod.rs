//! CTDB's side of a rehearsal.
//!
//! `settings` says what the cluster is like, `public` what it serves; `build` wires the hosts and
//! boots machines from what their disks hold. `verbs` is what can be done and expected, `read`
//! reads it, `act` does it in the words of `tool`, and `facts` sees whether it is so; `families`
//! is what a seed may draw; `check` is what must hold; `figures` are held against those of a real
//! cluster. `interface_script` is CTDB's own; `problem` is what `allocate` is asked.

mod act;
mod build;
pub mod check;
pub mod facts;
mod families;
pub mod figures;
pub mod interface_script;
pub mod problem;
mod public;
mod read;
mod settings;
mod tool;
pub mod verbs;

use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::config::Config;
use standin_core::ctdb::plant::{Plant, Plants};
use standin_core::ctdb::types::Pnn;
use standin_core::rng::Rng;
use standin_core::text::{Piece, Problem, Problems};
use standin_core::time::Duration;

pub use self::build::Cluster;
use self::facts::Fact;
pub use self::public::Public;
use self::verbs::Action;
use crate::check::Checker;
use crate::kit::{ConfigFile, Configured, IdleRate, Kit, WrongSetting};
use crate::plan::{Family, Setup, Tuning};
use crate::world::World;
use crate::world::moment::HostId;
use crate::world::puppet::PuppetId;

/// The CTDB kit.
#[derive(Debug)]
pub struct CtdbKit {
    cluster: Rc<Cluster>,
    /// Operators' programs that may still wait for an answer.
    tools: Vec<PuppetId>,
}

impl CtdbKit {
    /// What every daemon of the cluster is configured with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.cluster.config
    }

    /// Programs that have their answer end, before others begin.
    fn hang_up(&mut self, world: &mut World<Ctdb>) {
        self.tools.retain(|&id| {
            let waits = world.puppet(id).heard.is_empty();
            if !waits {
                world.puppet_close(id);
            }
            waits
        });
    }
}

impl Kit for CtdbKit {
    type Machine = Ctdb;
    type Action = Action;
    type Fact = Fact;

    const NAME: &'static str = "ctdb";
    const VERBS: &'static [&'static str] = verbs::VERBS;
    const FACTS: &'static [&'static str] = facts::FACTS;
    const EVENTS: &'static [&'static str] = standin_core::ctdb::EVENTS;
    const TUNING: Tuning = families::TUNING;
    const PLANTS: &'static [(&'static str, u64)] = &[
        (Plant::DeadCountNotReset.name(), 100),
        (Plant::LimitOneLess.name(), 20),
        (Plant::LimitOneMore.name(), 20),
        (Plant::OneDirectionEnough.name(), 20),
        (Plant::DeletedLineNotCounted.name(), 50),
        (Plant::ReconnectForgotten.name(), 20),
        (Plant::SourceUnchecked.name(), 20),
        (Plant::KeepaliveToSelf.name(), 20),
        (Plant::StaleLinkCounted.name(), 100),
        (Plant::PendingNotFailed.name(), 50),
        (Plant::YoungerWins.name(), 20),
        (Plant::LockKept.name(), 50),
        (Plant::TakeBeforeReleased.name(), 20),
        (Plant::WrongCulprit.name(), 20),
        (Plant::MapInNormalMode.name(), 20),
        (Plant::NoRerecoveryPause.name(), 20),
        (Plant::NormalModeUnchecked.name(), 50),
        (Plant::AnnouncedNever.name(), 20),
        (Plant::KeptWhenInactive.name(), 20),
        (Plant::UnhealthyOffers.name(), 20),
        (Plant::LeadsInactive.name(), 20),
        (Plant::CheckSkipped.name(), 20),
        (Plant::MonitorIgnored.name(), 20),
        (Plant::BanUnending.name(), 50),
        (Plant::DropAllForgotten.name(), 200),
        (Plant::BusyReleaseForgiven.name(), 200),
        (Plant::OlderCopyWins.name(), 200),
        (Plant::MastersCopyIgnored.name(), 500),
        (Plant::PersistentMixed.name(), 500),
        (Plant::StubStaysMaster.name(), 500),
    ];

    fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        Ok(Self { cluster: Rc::new(Cluster::new(setup)?), tools: Vec::new() })
    }

    fn read_config(file: ConfigFile, text: &[u8]) -> Option<Result<Configured, Problems>> {
        Some(match file {
            ConfigFile::Nodes => build::nodes_file(text),
            ConfigFile::Tunables => build::tunables_file(text),
            ConfigFile::PublicAddresses => public::public_addresses_file(text),
        })
    }

    fn build(&self, setup: &Setup) -> World<Ctdb> {
        build::world(setup, &self.cluster)
    }

    fn checkers(&self, _: &Setup) -> Vec<Box<dyn Checker<Ctdb>>> {
        check::all(&self.cluster)
    }

    fn act(&mut self, world: &mut World<Ctdb>, action: &Action) {
        self.hang_up(world);
        let before = world.puppet_count();
        act::act(&self.cluster, world, action);
        self.tools.extend((before..world.puppet_count()).map(PuppetId));
    }

    fn heal(&mut self, world: &mut World<Ctdb>) {
        act::heal(&self.cluster, world);
    }

    fn undo(&self, action: &Action) -> Option<Action> {
        act::undo(&self.cluster, action)
    }

    fn holds(&self, world: &World<Ctdb>, fact: &Fact, seen: &dyn Fn(HostId, &str) -> bool) -> bool {
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

    fn draw_later_settings(rng: &mut Rng) -> Vec<(String, String)> {
        families::draw_later_settings(rng)
    }

    /// All that may have to happen one after the other, each as late as it may:
    ///
    /// - both ends of a link find out by silence that it is none, and dial;
    /// - an event that hangs uses up its time, and so does the one that finds the node well again
    ///   a `MonitorInterval` later;
    /// - a leader is missed and elected, and missed and elected once more, if the first is the one
    ///   whose ban was on its way;
    /// - that ban ends: operators take bans back when all is healed, leaders do not;
    /// - a recovery waits for `RerecoveryTimeout`, twice if somebody joins just after one;
    /// - a node starts up 3 s after another `RerecoveryTimeout`, and is monitored 2 s later;
    /// - takeover runs are off for 20 s, as somebody who moves an address wants it;
    /// - one fails at its last moment, three `TakeoverTimeout`s later, and the next does not.
    ///
    /// Each of that is begun in a round. And then a while in which nothing happens any more.
    fn settles_within(&self) -> Duration {
        let tunables = self.cluster.tunables();
        let elected = self.cluster.config.leader_timeout + tunables.election_timeout();
        self.cluster.silence_max().times(2)
            + Duration::from_secs(10)
            + self.cluster.rounds_later().times(10)
            + tunables.event_script_timeout().times(2)
            + tunables.monitor_interval()
            + elected.times(2)
            + tunables.recovery_ban_period()
            + tunables.rerecovery_timeout().times(3)
            + Duration::from_secs(5 + 20)
            + tunables.takeover_timeout().times(3)
            + check::QUIET
    }

    /// `.` all peers connected, `o` some are missing, `?` still without a number.
    fn column(&self, world: &World<Ctdb>, host: HostId) -> char {
        let Some(machine) = world.host(host).machine() else { return '-' };
        if machine.pnn().is_none() {
            return '?';
        }
        let whole = (0..machine.node_count()).map(Pnn).all(|pnn| {
            use standin_core::ctdb::types::NodeFlags;
            machine.is_connected(pnn)
                || machine.flags(pnn).is_some_and(|flags| flags.contains(NodeFlags::DELETED))
        });
        if whole { '.' } else { 'o' }
    }

    /// Every node polls every other one once a second; the leader asks each three things more,
    /// and says that it leads; and every five seconds each tells all others that it lives.
    fn idle_rate(nodes: u32) -> Option<IdleRate> {
        let others = u64::from(nodes) - 1;
        let ways = u64::from(nodes) * others;
        let tenths = 20 * ways + 70 * others + 2 * ways;
        Some(IdleRate { tenths, captured_tenths: (nodes == 3).then_some(270) })
    }
}

/// The planted bug of that name.
fn plant_named(name: &str) -> Option<Plants> {
    Plant::ALL.iter().copied().find(|plant| plant.name() == name).map(Plants::with)
}
