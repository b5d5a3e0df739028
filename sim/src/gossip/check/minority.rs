//! Minorities: who cannot hear of a majority of the owners of slots stops serving, in time.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::notice::{ClusterState, Notice};
use standin_core::gossip::types::NodeId;
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::up;
use super::sight::{self, Shared};
use super::{SLACK, stretched};
use crate::check::backlog::Backlog;
use crate::check::{Checker, Violation};
use crate::world::host::Pace;
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Minority {
    cluster: Rc<Cluster>,
    names: Shared,
    /// Since when a host has heard nothing of somebody, from itself or from others.
    silent: BTreeMap<(HostId, NodeId), Moment>,
    /// What a host's kernel holds up for another.
    backlogs: BTreeMap<(HostId, HostId), Backlog>,
    /// Since when a host hears of too few owners of slots.
    deaf: BTreeMap<HostId, Moment>,
    /// When it is looked at again.
    again: BTreeMap<HostId, Moment>,
    /// Whose daemons take their inputs late, or not at all for now.
    late: BTreeSet<HostId>,
    /// How late, at most.
    lateness: Duration,
    looked: u64,
}

impl Minority {
    pub(super) fn new(cluster: Rc<Cluster>, names: Shared) -> Self {
        let (silent, deaf, again) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (backlogs, late, lateness) = (BTreeMap::new(), BTreeSet::new(), Duration::ZERO);
        Self { cluster, names, silent, backlogs, deaf, again, late, lateness, looked: 0 }
    }

    /// A ping is due, is not answered, and a tick sees that.
    fn bound(&self) -> Duration {
        stretched(self.cluster.silence_max()) + SLACK + self.lateness
    }

    /// An answer counts from when it is taken, with Redis too: who takes it late tells late that somebody
    /// is well. Who has caught up may have told so of anybody just now.
    fn survey_late(&mut self, world: &World<Gossip>) {
        let late = world.members().filter(|host| world.host(*host).runs() && !world.host(*host).brisk());
        let late: BTreeSet<HostId> = late.collect();
        if self.late.difference(&late).any(|host| world.host(*host).brisk()) {
            self.silent.values_mut().for_each(|since| *since = world.now());
        }
        let lateness = |host: &HostId| match world.host(*host).process.as_ref()?.pace {
            Pace::Slow(by) => Some(by),
            Pace::Running | Pace::Stopped => None,
        };
        self.lateness = late.iter().filter_map(lateness).max().unwrap_or(Duration::ZERO);
        self.late = late;
    }

    fn survey_ways(&mut self, world: &World<Gossip>) {
        let hosts: Vec<HostId> = world.members().collect();
        for &teller in &hosts {
            for &to in hosts.iter().filter(|to| **to != teller) {
                let open = sight::is_way(world, to, teller) && sight::is_way(world, teller, to);
                self.backlogs.entry((teller, to)).or_default().observe(open, world.now());
            }
        }
    }

    /// Until when somebody may still hear what a teller said before its daemon stood still: as long
    /// as its kernel lives.
    fn told_until(&self, world: &World<Gossip>, teller: HostId) -> Moment {
        let of_it = self.backlogs.range((teller, HostId(0))..=(teller, HostId(u32::MAX)));
        let last = of_it.map(|(_, backlog)| backlog.until()).max();
        last.filter(|_| world.host(teller).awake()).unwrap_or_default()
    }

    /// Whoever a host may hear of: those it hears, and those who answer somebody who answers it,
    /// and so on. Gossip tells when a node last answered, and Redis pings none of which it was told
    /// that just now, so that it may not notice for long that it hears nothing itself.
    fn heard_of(world: &World<Gossip>, host: HostId) -> BTreeSet<HostId> {
        let answers =
            |to: HostId, from: HostId| sight::hears(world, to, from) && sight::hears(world, from, to);
        let mut strangers: Vec<HostId> = world.members().filter(|other| *other != host).collect();
        let mut heard: BTreeSet<HostId> =
            strangers.iter().copied().filter(|from| sight::hears(world, host, *from)).collect();
        let mut tellers = vec![host];
        while let Some(teller) = tellers.pop() {
            let (told, left) = strangers.into_iter().partition::<Vec<_>, _>(|other| answers(teller, *other));
            strangers = left;
            heard.extend(&told);
            tellers.extend(told);
        }
        heard
    }

    /// Since when a host cannot hear of a majority of those that own slots in its eyes: since as
    /// many as it takes have been silent, each without a pause.
    fn deaf_since(&mut self, world: &World<Gossip>, host: HostId) -> Option<Moment> {
        let heard = Self::heard_of(world, host);
        let names = self.names.borrow();
        // Whose daemon goes by another name by now speaks for that one.
        let speaks = |name: &NodeId, from: HostId| {
            heard.contains(&from) && up(world, from).is_none_or(|machine| machine.id() == *name)
        };
        let is_heard = |name: &NodeId| names.host(name).is_some_and(|from| speaks(name, from));
        self.silent.retain(|(at, name), _| *at != host || !is_heard(name));
        let machine = up(world, host).filter(|_| world.host(host).brisk())?;
        let (mut size, mut silent) = (0, Vec::new());
        for (_, owner) in machine.table().iter().filter(|(_, node)| node.is_owner()) {
            size += 1;
            let Some(from) = names.host(&owner.id).filter(|from| *from != host) else { continue };
            if !speaks(&owner.id, from) {
                let since = *self.silent.entry((host, owner.id)).or_insert(world.now());
                silent.push(since.max(self.told_until(world, from)));
            }
        }
        silent.sort_unstable();
        // So many that the others are no majority.
        let needed: usize = size - size / 2;
        silent.get(needed.checked_sub(1)?).copied()
    }

    fn survey(&mut self, world: &World<Gossip>, host: HostId) {
        match self.deaf_since(world, host) {
            Some(since) => drop(self.deaf.insert(host, since)),
            None => drop(self.deaf.remove(&host)),
        }
    }

    /// A process that slept has heard nothing, and may not know it yet.
    fn forget(&mut self, host: HostId) {
        self.deaf.remove(&host);
        self.silent.retain(|(at, _), _| *at != host);
    }
}

impl Checker<Gossip> for Minority {
    fn name(&self) -> &'static str {
        "minority"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        match news {
            News::Changed => {
                self.survey_late(world);
                self.survey_ways(world);
                for host in world.members() {
                    if world.host(host).brisk() { self.survey(world, host) } else { self.forget(host) }
                }
            }
            // It may count other owners now.
            News::Notice(
                host,
                Notice::SlotsMoved { .. }
                | Notice::Forgotten { .. }
                | Notice::SlotsEdited { .. }
                | Notice::RoleChanged { .. },
            ) if self.deaf.contains_key(host) => self.survey(world, *host),
            News::Started(host) | News::Exited(host, _) => self.forget(*host),
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        let due = self.deaf.iter().map(|(host, since)| {
            self.again.get(host).copied().unwrap_or_default().max(*since + self.bound())
        });
        due.min()
    }

    fn look(&mut self, world: &World<Gossip>) -> Result<(), Violation> {
        let (now, bound) = (world.now(), self.bound());
        for host in self.deaf.keys().copied().collect::<Vec<_>>() {
            // Looked at again as long as it lasts.
            if self.again.get(&host).is_some_and(|again| *again > now) {
                continue;
            }
            self.survey(world, host);
            let Some(since) = self.deaf.get(&host).copied().filter(|since| *since + bound <= now) else {
                continue;
            };
            self.looked += 1;
            self.again.insert(host, now + Duration(bound.0 / 2));
            let serves = up(world, host).is_some_and(|machine| machine.state() == ClusterState::Ok);
            if serves && world.host(host).caught_up() {
                let what = format!(
                    "{host} has heard of no majority of the owners of slots since {since}, and serves"
                );
                return Err(Violation::safety("minority-stops", what));
            }
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
