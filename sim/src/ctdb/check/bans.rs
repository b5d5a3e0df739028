//! Bans: only for what the protocol bans for, against whom the failure was, and they end in time.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::{BanCause, Credit, DatabaseStep, Notice, RecoveryStep};
use standin_core::ctdb::types::Pnn;
use standin_core::time::{Duration, Instant};

use super::super::build::Cluster;
use super::SLACK;
use super::detection::host_of;
use super::hands::Hands;
use super::truth::Shared;
use super::view::node;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How often a recovery's databases have to fail at the same node.
const DATABASE_TIMES: u32 = 3;
/// What is a node's own part of it.
const OWN_PARTS: [DatabaseStep; 4] =
    [DatabaseStep::Name, DatabaseStep::Attach, DatabaseStep::Freeze, DatabaseStep::Pull];

/// The checker.
#[derive(Debug)]
pub(super) struct Bans {
    cluster: Rc<Cluster>,
    truth: Shared,
    hands: Hands,
    /// How many bans each node has earned by credits and not served.
    earned: BTreeMap<HostId, u32>,
    /// Whom each leader's last failed run was about, and when.
    failed: BTreeMap<HostId, (Moment, Option<Pnn>)>,
    /// How often each leader's recovery under way has failed at a node's own part of a database.
    databases: BTreeMap<HostId, BTreeMap<Pnn, u32>>,
    /// Whom each has lost since its last recovery began: they may have started anew.
    away: BTreeMap<HostId, BTreeSet<Pnn>>,
    /// When each last noticed something that it may ban itself for.
    ashamed: BTreeMap<HostId, (Moment, BanCause)>,
    /// Who is banned until when, by its own clock, and when to look whether it is over.
    banned: BTreeMap<HostId, (Instant, Moment)>,
    looked: u64,
}

impl Bans {
    pub(super) fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self {
            cluster,
            truth,
            hands: Hands::default(),
            earned: BTreeMap::new(),
            failed: BTreeMap::new(),
            databases: BTreeMap::new(),
            away: BTreeMap::new(),
            ashamed: BTreeMap::new(),
            banned: BTreeMap::new(),
            looked: 0,
        }
    }

    fn credited(
        &mut self,
        world: &World<Ctdb>,
        leader: HostId,
        (pnn, count, credit): (Pnn, u32, Credit),
    ) -> Result<(), Violation> {
        self.looked += 1;
        let Some((machine, own)) = node(world, leader) else { return Ok(()) };
        if credit == Credit::Takeover
            && let Some((at, failed)) = self.failed.get(&leader)
            && *at == world.now()
            && *failed != Some(pnn)
        {
            let what = format!("{leader} blames {pnn} for a takeover run that {failed:?} made fail");
            return Err(Violation::safety("the-guilty-are-blamed", what));
        }
        if count >= 2 * machine.node_count() {
            let culprit = if pnn == own { Some(leader) } else { host_of(world, &self.cluster, leader, pnn) };
            if let Some(culprit) = culprit {
                *self.earned.entry(culprit).or_default() += 1;
            }
        }
        Ok(())
    }

    /// A recovery failed at its databases: whoever made it fail thrice has earned a ban.
    fn data_failed(&mut self, world: &World<Ctdb>, leader: HostId, pnn: Option<Pnn>) {
        self.looked += 1;
        let times = self.databases.remove(&leader).unwrap_or_default();
        let Some(pnn) = pnn.filter(|pnn| times.get(pnn).is_some_and(|times| *times >= DATABASE_TIMES)) else {
            return;
        };
        let Some((_, own)) = node(world, leader) else { return };
        let culprit = if pnn == own { Some(leader) } else { host_of(world, &self.cluster, leader, pnn) };
        if let Some(culprit) = culprit {
            *self.earned.entry(culprit).or_default() += 1;
        }
    }

    fn banned(
        &mut self,
        world: &World<Ctdb>,
        host: HostId,
        (seconds, cause): (u32, BanCause),
    ) -> Result<(), Violation> {
        self.looked += 1;
        self.hands.watch(world);
        let period = self.cluster.tunables().recovery_ban_period().as_secs() == u64::from(seconds);
        let by_hand = self.hands.bans.iter().any(|(on, _, said)| *on == host && *said == seconds);
        let right = match cause {
            BanCause::Told(_) if by_hand => true,
            BanCause::Told(_) => {
                let earned = self.earned.get_mut(&host).filter(|earned| **earned > 0);
                period && earned.map(|earned| *earned -= 1).is_some()
            }
            BanCause::Conflict | BanCause::ElectionLock | BanCause::RecoveryLock => {
                period && self.ashamed.get(&host) == Some(&(world.now(), cause))
            }
        };
        if !right {
            let what = format!("{host} is banned for {seconds} s without a cause ({cause:?})");
            return Err(Violation::safety("bans-are-earned", what));
        }
        let clock = &world.host(host).clock;
        let until = clock.read(world.now()) + Duration::from_secs(seconds.into());
        self.banned.insert(host, (until, clock.when(until + SLACK)));
        Ok(())
    }

    fn unbanned(&mut self, world: &World<Ctdb>, host: HostId) -> Result<(), Violation> {
        self.looked += 1;
        self.hands.watch(world);
        let Some((until, _)) = self.banned.remove(&host) else { return Ok(()) };
        let by_hand = self.hands.bans.iter().any(|(on, _, said)| *on == host && *said == 0);
        if !by_hand && world.host(host).clock.read(world.now()) < until {
            let what = format!("{host} has ended its ban before its time");
            return Err(Violation::safety("bans-are-served", what));
        }
        Ok(())
    }

    fn overdue(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let now = world.now();
        self.banned.retain(|host, _| world.host(*host).runs());
        for (host, (until, look)) in self.banned.iter_mut().filter(|(_, (_, look))| *look <= now) {
            let there = world.host(*host);
            let past = there.clock.read(now).since(*until);
            let lately = Moment(now.0.saturating_sub(2 * SLACK.0));
            if past >= SLACK && self.truth.borrow().steady_since(*host, lately) {
                let what = format!("{host}'s ban should have ended {past} ago");
                return Err(Violation::safety("bans-end", what));
            }
            *look = now + SLACK.times(3);
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Bans {
    fn name(&self) -> &'static str {
        "bans"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Started(host) | News::Exited(host, _) => {
                self.banned.remove(host);
                return Ok(());
            }
            News::Notice(host, notice) => (*host, notice),
            _ => return Ok(()),
        };
        let cause = match notice {
            Notice::Credited { pnn, count, credit } => {
                return self.credited(world, host, (*pnn, *count, *credit));
            }
            Notice::Banned { seconds, cause } => return self.banned(world, host, (*seconds, *cause)),
            Notice::Unbanned => return self.unbanned(world, host),
            Notice::NodeDead { pnn, .. } => {
                self.away.entry(host).or_default().insert(*pnn);
                return Ok(());
            }
            Notice::DatabaseFailed { pnn, step, .. } => {
                let away = self.away.get(&host).is_some_and(|away| away.contains(pnn));
                if OWN_PARTS.contains(step) && !away {
                    *self.databases.entry(host).or_default().entry(*pnn).or_default() += 1;
                }
                return Ok(());
            }
            Notice::RecoveryFailed { step: RecoveryStep::Data, pnn } => {
                self.data_failed(world, host, *pnn);
                return Ok(());
            }
            Notice::TakeoverFailed { pnn, .. } => {
                self.failed.insert(host, (world.now(), *pnn));
                return Ok(());
            }
            Notice::Stopping(_) => {
                self.banned.remove(&host);
                return Ok(());
            }
            Notice::AddressConflict { .. } => BanCause::Conflict,
            Notice::LockDenied(_) => BanCause::ElectionLock,
            Notice::RecoveryStarted(_) => {
                self.databases.remove(&host);
                self.away.remove(&host);
                BanCause::RecoveryLock
            }
            _ => return Ok(()),
        };
        self.ashamed.insert(host, (world.now(), cause));
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.banned.values().map(|(_, look)| *look).min()
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        self.overdue(world)
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
