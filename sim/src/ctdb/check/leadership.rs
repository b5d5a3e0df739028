//! Leadership: whoever cannot lead stops within seconds, nobody believes in a lock that is
//! another's, and a cluster at peace follows one leader, who holds the lock.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::RunState;
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::busy::Busy;
use super::truth::Shared;
use super::view::{can_lead, is_active, is_inactive, leads, node, out_of_reach};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How long a node may lead that cannot, where rounds are a second apart: the leader's word is due
/// once a second, and instead of it comes the end.
const USURPED_MAX: Duration = Duration::from_millis(2_500);
/// How long a node may keep the lock that does not lead, where rounds are a second apart: until its
/// word is due, or the race that it has won is told.
const HOARDED_MAX: Duration = Duration::from_secs(3);
/// How often a leader says that it leads.
const WORD_EVERY: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug)]
pub(super) struct Leadership {
    cluster: Rc<Cluster>,
    truth: Shared,
    /// Who leads though it cannot, since when.
    usurping: BTreeMap<HostId, Moment>,
    /// Who cannot lead and has the lock, since when.
    hoarding: BTreeMap<HostId, Moment>,
    /// When anybody last followed somebody else.
    changed: Moment,
    /// For how long nobody had led, or somebody waited for a leader, though all was healed.
    leaderless: Vec<u64>,
    busy: Busy,
    looked: u64,
}

impl Leadership {
    pub(super) fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self {
            cluster,
            truth,
            usurping: BTreeMap::new(),
            hoarding: BTreeMap::new(),
            changed: Moment::START,
            leaderless: Vec::new(),
            busy: Busy::default(),
            looked: 0,
        }
    }

    fn can_lead(&self, world: &World<Ctdb>, host: HostId) -> bool {
        can_lead(&self.cluster, world, host) && is_active(world, host)
    }

    fn look_at(&mut self, world: &World<Ctdb>, host: HostId) -> Result<(), Violation> {
        self.looked += 1;
        let now = world.now();
        let Some((machine, _)) = node(world, host) else {
            self.usurping.remove(&host);
            self.hoarding.remove(&host);
            return Ok(());
        };
        let held = self.cluster.config.cluster_lock.as_deref().filter(|_| machine.holds_lock());
        if let Some(name) = held.filter(|_| world.host(host).caught_up())
            && !world.locks().believers(name).any(|believer| believer == host)
        {
            let what = format!("{host} believes to hold the lock, and has been told that it does not");
            return Err(Violation::safety("lock-is-believed-rightly", what));
        }
        // Whoever ends does so without a word.
        let ends = machine.runstate() == RunState::Shutdown;
        let unfit = !ends && !self.can_lead(world, host);
        let usurps = unfit && leads(world, host);
        let hoards = unfit && held.is_some();
        // It is found out in a round, and one waits for everybody who counts as connected.
        let idle = !self.busy.is(host) && !machine.is_electing();
        let steady = |since| {
            let truth = self.truth.borrow();
            idle && truth.steady_since(host, since) && truth.hears_all_since(world, host, since)
        };
        let later = self.cluster.rounds_later();
        for (watched, is, most, what) in [
            (&mut self.usurping, usurps, USURPED_MAX + later, "leads, which it cannot,"),
            (&mut self.hoarding, hoards, HOARDED_MAX + later, "keeps the lock and cannot lead"),
        ] {
            if !is {
                watched.remove(&host);
                continue;
            }
            let since = watched.entry(host).or_insert(now);
            if now.since(*since) < most {
                continue;
            }
            if steady(*since) {
                let what = format!("{host} {what} for {}", now.since(*since));
                return Err(Violation::safety("the-unfit-do-not-lead", what));
            }
            *since = now;
        }
        Ok(())
    }

    /// All is healed: one leader, followed by all who take part.
    fn at_peace(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let hint = if self.cluster.config.leader_timeout <= WORD_EVERY {
            "; the leader's word comes once a second, and with this leader-timeout that is too late"
        } else {
            ""
        };
        let fail = |what: String| Err(Violation::liveness("one-leader", what + hint));
        let running = || world.members().filter(|&host| node(world, host).is_some());
        if !running().any(|host| self.can_lead(world, host)) {
            return Ok(());
        }
        let leaders: Vec<_> = running().filter(|&host| leads(world, host)).collect();
        // The holder of the lock followed nobody when the others missed a leader: a finding.
        if leaders.is_empty() && !self.cluster.config.fixes.holder_leads {
            let holds = |host| node(world, host).is_some_and(|(machine, _)| machine.holds_lock());
            if running().any(holds) {
                self.leaderless.push(world.now().since(self.changed).0);
                return Ok(());
            }
        }
        if leaders.iter().any(|&leader| out_of_reach(&self.cluster, world, leader)) {
            return Ok(());
        }
        let &[leader] = &leaders[..] else {
            return fail(format!("healed, and these lead: {leaders:?}"));
        };
        for host in running().filter(|&host| !is_inactive(world, host)) {
            let Some((machine, _)) = node(world, host) else { continue };
            if machine.leader() != self.cluster.number_of(machine, leader) {
                return fail(format!("healed, but {host} follows {:?} and not {leader}", machine.leader()));
            }
            // Whoever is told of an election and of no candidate waits for ever: a finding.
            if machine.is_electing() && !self.cluster.config.fixes.holder_leads {
                self.leaderless.push(world.now().since(self.changed).0);
            } else if machine.is_electing() {
                return fail(format!("healed, but {host} believes that an election goes on"));
            }
        }
        if let Some(name) = self.cluster.config.cluster_lock.as_deref() {
            let holder = world.locks().holder(name);
            if holder != Some(leader) {
                return fail(format!("healed, {leader} leads and {holder:?} holds the lock"));
            }
            if let Some(other) = running()
                .find(|&host| node(world, host).is_some_and(|(it, _)| it.holds_lock()) != (host == leader))
            {
                return fail(format!("healed, {leader} leads, and {other} is wrong about its lock"));
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Leadership {
    fn name(&self) -> &'static str {
        "leadership"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        self.busy.watch(news);
        if let News::Notice(
            host,
            Notice::NodeDead { .. }
            | Notice::RecoveryFailed { .. }
            | Notice::TakeoverFailed { .. }
            | Notice::TakeoverFinished { .. },
        ) = news
        {
            // Until now it may have waited for an answer.
            for watched in [&mut self.usurping, &mut self.hoarding] {
                watched.entry(*host).and_modify(|since| *since = world.now());
            }
        }
        if let News::Notice(_, Notice::LeaderChanged { .. }) = news {
            self.changed = world.now();
        }
        match news {
            News::Notice(
                host,
                Notice::LeaderChanged { .. }
                | Notice::FlagsChanged { .. }
                | Notice::LockTaken
                | Notice::LockLost
                | Notice::LockReleased
                | Notice::RunStateReached { .. },
            )
            | News::Started(host)
            | News::Exited(host, _) => self.look_at(world, *host),
            News::Changed => world.members().try_for_each(|host| self.look_at(world, host)),
            News::Notice(..) | News::Meddled(..) | News::Spins(..) => Ok(()),
        }
    }

    fn due(&self) -> Option<Moment> {
        let later = self.cluster.rounds_later();
        let usurped = self.usurping.values().map(|since| *since + USURPED_MAX + later);
        usurped.chain(self.hoarding.values().map(|since| *since + HOARDED_MAX + later)).min()
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        world.members().try_for_each(|host| self.look_at(world, host))
    }

    fn end(&mut self, world: &World<Ctdb>, settled: bool) -> Result<(), Violation> {
        if settled { self.at_peace(world) } else { Ok(()) }
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![("no leader, or an election without end, though healed (strict)", self.leaderless.clone())]
    }
}
