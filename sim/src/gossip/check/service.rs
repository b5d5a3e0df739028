//! What clients get, as figures and no promise: how long a slot is served by nobody, and by two;
//! writes that were acknowledged, and how many of them are gone in the end. Replication does
//! not wait, so some may be.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::gossip::{Gossip, Notice};

use super::super::build::Cluster;
use super::super::facts::{all_up, up};
use super::super::tool::acknowledged;
use super::claims;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// Who serves a slot of each range.
#[derive(Debug)]
pub(super) struct Service {
    probes: Vec<Probe>,
    out: Vec<u64>,
    twice: Vec<u64>,
    looked: u64,
}

#[derive(Debug, Default)]
struct Probe {
    slot: u16,
    by: BTreeSet<HostId>,
    /// Since when nobody serves it, once somebody did.
    out: Option<Moment>,
    twice: Option<Moment>,
}

impl Service {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        // Two clusters have each slot twice.
        let one = cluster.places.iter().all(|(first, _)| *first == 0);
        let slots = if one { claims::probes(&cluster) } else { Vec::new() };
        let probes = slots.into_iter().map(|slot| Probe { slot, ..Probe::default() }).collect();
        Self { probes, out: Vec::new(), twice: Vec::new(), looked: 0 }
    }

    fn survey(&mut self, world: &World<Gossip>, host: HostId) {
        let machine = up(world, host).filter(|machine| world.host(host).brisk() && machine.state().is_ok());
        let me = machine.map(Gossip::id);
        for probe in &mut self.probes {
            let serves = machine.is_some_and(|machine| machine.owner_of(probe.slot) == me);
            let changed = if serves { probe.by.insert(host) } else { probe.by.remove(&host) };
            if !changed {
                continue;
            }
            self.looked += 1;
            let now = world.now();
            let ended = |since: &mut Option<Moment>, spans: &mut Vec<u64>| {
                spans.extend(since.take().map(|since| now.since(since).0));
            };
            match probe.by.len() {
                0 => probe.out = Some(now),
                1 => {
                    ended(&mut probe.out, &mut self.out);
                    ended(&mut probe.twice, &mut self.twice);
                }
                _ => {
                    probe.twice.get_or_insert(now);
                }
            }
        }
    }
}

impl Checker<Gossip> for Service {
    fn name(&self) -> &'static str {
        "service"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        match news {
            News::Notice(
                host,
                Notice::StateChanged { .. }
                | Notice::SlotsMoved { .. }
                | Notice::SlotsEdited { .. }
                | Notice::Promoted { .. }
                | Notice::Follows { .. }
                | Notice::VoteLost { .. }
                | Notice::Reset { .. }
                | Notice::Listening { .. },
            ) => self.survey(world, *host),
            News::Changed => world.members().for_each(|host| self.survey(world, host)),
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![("slot out", self.out.clone()), ("slot served twice", self.twice.clone())]
    }
}

/// Writes that were acknowledged, or those of them that no owner has in the end.
#[derive(Debug)]
pub(super) struct Writes {
    cluster: Rc<Cluster>,
    lost: bool,
    count: u64,
}

impl Writes {
    pub(super) const fn new(cluster: Rc<Cluster>, lost: bool) -> Self {
        Self { cluster, lost, count: 0 }
    }
}

impl Checker<Gossip> for Writes {
    fn name(&self) -> &'static str {
        if self.lost { "writes lost" } else { "writes acknowledged" }
    }

    fn news(&mut self, _: &World<Gossip>, _: &News<Gossip>) -> Result<(), Violation> {
        Ok(())
    }

    fn end(&mut self, world: &World<Gossip>, settled: bool) -> Result<(), Violation> {
        let mut told: BTreeMap<u16, u64> = BTreeMap::new();
        for write in &self.cluster.hands.borrow().writes {
            let heard = acknowledged(&world.puppet(write.puppet).heard);
            *told.entry(write.slot).or_default() += heard.min(write.times.into());
        }
        if !self.lost {
            self.count = told.values().sum();
            return Ok(());
        }
        for (slot, told) in told.into_iter().filter(|_| settled) {
            let owner = all_up(world).find(|(_, machine)| machine.owner_of(slot) == Some(machine.id()));
            let kept = owner.and_then(|(_, machine)| machine.register(slot)).unwrap_or_default().writes;
            self.count += told.saturating_sub(kept);
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.count
    }
}
