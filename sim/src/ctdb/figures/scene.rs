//! A cluster that is watched as the real one was: its clients' gaps and its hosts' addresses, looked at
//! every 20 ms, and what its daemons noticed.

use std::net::IpAddr;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Pnn, RecoveryMode, RunState};
use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::Missed;
use crate::ctdb::CtdbKit;
use crate::ctdb::facts::{Fact, leads};
use crate::ctdb::verbs::Action;
use crate::kit::{Kit, WrongSetting};
use crate::plan::Setup;
use crate::world::fault::Fault;
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How often the real addresses were asked.
const LOOK: Duration = Duration::from_millis(20);
/// Daemons start within this of the first: by hand, or from a script.
const START_WITHIN: Duration = Duration::from_secs(1);
/// A cluster is settled this long after all is well: no timer of its start runs any more.
const CALM: Duration = Duration::from_secs(40);
/// What befalls it does so within this, each moment as likely.
const FAULT_WITHIN: Duration = Duration::from_secs(30);
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(180);
/// Far from the world's own streams of a seed.
const STREAM: u64 = 5_000;

/// A cluster, from its start on.
#[derive(Debug)]
pub(super) struct Scene {
    kit: CtdbKit,
    pub(super) world: World<Ctdb>,
    rng: Rng,
    addresses: Vec<IpAddr>,
    /// Figures count from here.
    mark: Moment,
    /// What was noticed since.
    noticed: Vec<(Moment, HostId, Notice)>,
    /// The gaps of each address since, in the order of `addresses`.
    gaps: Vec<Gap>,
    /// When an address was first hosted twice since, and the most that were at once.
    twice_since: Option<Moment>,
    twice_max: usize,
}

/// The time without an answer of one address.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    /// All of it, when the address last answered.
    before: Duration,
    longest: Duration,
}

impl Scene {
    /// A cluster that is built; no daemon runs.
    pub(super) fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        let kit = CtdbKit::new(setup)?;
        let world = kit.build(setup);
        let addresses: Vec<IpAddr> = world.watched().to_vec();
        Ok(Self {
            gaps: vec![Gap::default(); addresses.len()],
            kit,
            world,
            rng: Rng::new(setup.seed, STREAM),
            addresses,
            mark: Moment::START,
            noticed: Vec::new(),
            twice_since: None,
            twice_max: 0,
        })
    }

    /// Starts every daemon, the first one at once; figures count from then on.
    pub(super) fn start(&mut self) {
        let mut hosts: Vec<(Duration, HostId)> =
            self.world.members().map(|host| (self.rng.span(Duration::ZERO, START_WITHIN), host)).collect();
        hosts.sort_unstable();
        let first = hosts.first().map_or(Duration::ZERO, |(at, _)| *at);
        self.mark();
        for (at, host) in hosts {
            self.pass_until(self.mark + (at - first));
            self.world.start(host);
        }
    }

    /// Starts a cluster and waits until nothing happens in it; then a drawn time more.
    pub(super) fn settle(&mut self) -> Result<(), Missed> {
        self.start();
        self.until(Self::is_well).ok_or_else(|| Missed::new("the cluster does not become whole"))?;
        let more = self.rng.span(Duration::ZERO, FAULT_WITHIN);
        self.pass(CALM + more);
        if !self.is_well() {
            return Err(Missed::new("the cluster does not stay whole"));
        }
        self.mark();
        Ok(())
    }

    /// All nodes are healthy, follow one leader, and serve every address.
    pub(super) fn is_well(&self) -> bool {
        let each = |host| {
            [
                Fact::RunState(host, RunState::Running),
                Fact::Mode(host, RecoveryMode::Normal),
                Fact::Healthy(host, true),
            ]
        };
        let mut facts = vec![Fact::AllConnected, Fact::AllServed, Fact::Balanced, Fact::GenerationAgreed];
        facts.extend(leads(&self.world).map(Fact::Leader));
        facts.extend(self.world.members().flat_map(each));
        leads(&self.world).is_some()
            && facts.iter().all(|fact| self.kit.holds(&self.world, fact, &|_, _| false))
            && self.all_answer()
    }

    /// The leader.
    pub(super) fn leader(&self) -> Result<HostId, Missed> {
        leads(&self.world).ok_or_else(|| Missed::new("there is no leader"))
    }

    /// A node that is not the leader, drawn.
    pub(super) fn follower(&mut self) -> Result<HostId, Missed> {
        let leader = self.leader()?;
        let others: Vec<HostId> = self.world.members().filter(|host| *host != leader).collect();
        let place = self.rng.below(others.len() as u64) as usize;
        others.get(place).copied().ok_or_else(|| Missed::new("there is no follower"))
    }

    /// Figures count from now on.
    pub(super) fn mark(&mut self) {
        self.mark = self.world.now();
        self.noticed.clear();
        for ((_, seen), gap) in self.world.client_view().into_iter().zip(&mut self.gaps) {
            *gap = Gap { before: seen.out.total, longest: Duration::ZERO };
        }
        (self.twice_since, self.twice_max) = (None, 0);
    }

    /// Lets something happen now.
    pub(super) fn befall(&mut self, fault: &Fault) {
        self.world.befall(fault);
        self.look();
    }

    /// Does something of CTDB's now.
    pub(super) fn act(&mut self, action: &Action) {
        self.kit.act(&mut self.world, action);
        self.look();
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, span: Duration) {
        self.pass_until(self.world.now() + span);
    }

    /// Lets time pass, and up to a second more: nobody's timer is in step with whoever waits by hand.
    pub(super) fn wait(&mut self, span: Duration) {
        let more = self.rng.span(Duration::ZERO, Duration::from_secs(1));
        self.pass(span + more);
    }

    /// Lets time pass until so long after the mark.
    pub(super) fn pass_to(&mut self, span: Duration) {
        self.pass_until(self.mark + span);
    }

    fn pass_until(&mut self, end: Moment) {
        self.step(end, |_| false);
    }

    /// Waits until something is so: how long after the mark that was, if it ever was.
    pub(super) fn until(&mut self, so: impl Fn(&Self) -> bool) -> Option<Duration> {
        self.until_within(self.world.now().since(self.mark) + PATIENCE, so)
    }

    /// The same, until so long after the mark at most.
    pub(super) fn until_within(&mut self, span: Duration, so: impl Fn(&Self) -> bool) -> Option<Duration> {
        self.step(self.mark + span, so).then(|| self.world.now().since(self.mark))
    }

    /// Lets time pass until `end`, or until something is so when it is looked at; whether it was.
    fn step(&mut self, end: Moment, so: impl Fn(&Self) -> bool) -> bool {
        loop {
            self.look();
            if so(self) {
                return true;
            }
            if self.world.now() >= end {
                return false;
            }
            let next = (self.world.now() + LOOK).min(end);
            while self.world.advance(next) {
                self.read();
            }
        }
    }

    /// Takes down what was noticed.
    fn read(&mut self) {
        let now = self.world.now();
        for news in self.world.news.drain(..) {
            if let News::Notice(host, notice) = news {
                self.noticed.push((now, host, notice));
            }
        }
    }

    /// Takes down how everything stands.
    fn look(&mut self) {
        self.read();
        for ((_, seen), gap) in self.world.client_view().into_iter().zip(&mut self.gaps) {
            gap.longest = gap.longest.max(seen.out.total - gap.before);
            if seen.out.since.is_none() {
                gap.before = seen.out.total;
            }
        }
        let twice = self.twice();
        if twice > 0 {
            self.twice_since.get_or_insert(self.world.now());
        }
        self.twice_max = self.twice_max.max(twice);
    }

    /// The longest time since the mark for which a client went without an answer of one address;
    /// nothing if it still does.
    pub(super) fn outage(&self) -> Option<Duration> {
        let longest = self.gaps.iter().map(|gap| gap.longest).max();
        longest.filter(|_| self.all_answer())
    }

    /// How many addresses two or more hosts have.
    pub(super) fn twice(&self) -> usize {
        let twice = |address: &&IpAddr| self.world.public_holders(**address).count() > 1;
        self.addresses.iter().filter(twice).count()
    }

    /// When after the mark an address was first hosted twice.
    pub(super) fn twice_since(&self) -> Option<Duration> {
        self.twice_since.map(|at| at.since(self.mark))
    }

    /// The most addresses hosted twice at once since the mark.
    pub(super) const fn twice_max(&self) -> usize {
        self.twice_max
    }

    /// The addresses that this host has.
    pub(super) fn held_by(&self, host: HostId) -> Vec<IpAddr> {
        let held = |address: &&IpAddr| self.world.public_holders(**address).any(|holder| holder == host);
        self.addresses.iter().filter(held).copied().collect()
    }

    /// Whether each of these is on another host than this one.
    pub(super) fn elsewhere(&self, addresses: &[IpAddr], than: HostId) -> bool {
        let there = |address: &IpAddr| self.world.public_holders(*address).any(|holder| holder != than);
        addresses.iter().all(there)
    }

    /// Whether every address answers.
    pub(super) fn all_answer(&self) -> bool {
        self.world.client_view().iter().all(|(_, seen)| seen.served_by.is_some())
    }

    /// When after the mark each other node marked one as dead for the first time, in order of time.
    pub(super) fn marked_dead(&self, dead: HostId) -> Vec<Duration> {
        let mut times: Vec<Duration> = Vec::new();
        for observer in self.world.members().filter(|host| *host != dead) {
            let first = self.noticed.iter().find(|(_, host, notice)| {
                *host == observer && matches!(notice, Notice::NodeDead { pnn, .. } if *pnn == Pnn(dead.0))
            });
            times.extend(first.map(|(at, ..)| at.since(self.mark)));
        }
        times.sort_unstable();
        times
    }

    /// When after the mark any node first marked another as dead.
    pub(super) fn first_death(&self) -> Option<Duration> {
        let mut deaths = self.noticed.iter().filter(|(.., notice)| matches!(notice, Notice::NodeDead { .. }));
        deaths.next().map(|(at, ..)| at.since(self.mark))
    }
}
