//! What a master acknowledged it has, as long as it lives and is the slot's master; and it ceases to be
//! that only by a failover, or because an operator wanted so. Replication does not wait: what a failover
//! or a lost life costs is a figure (`service`), and no promise.
//!
//! An operator who has a master take an epoch without a vote (`SETSLOT NODE`, `BUMPEPOCH`, `TAKEOVER`) may
//! want more than is meant: should an election elsewhere have had the same epoch, the two masters'
//! names settle who has all of its slots. Real Redis does the same. And where two clusters were made
//! one, the later epoch has the slot.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::gossip::notice::EpochCause;
use standin_core::gossip::slots::SlotSet;
use standin_core::gossip::types::NodeId;
use standin_core::gossip::{Gossip, Notice};

use super::super::build::Cluster;
use super::super::facts::up;
use super::super::hands::Written;
use super::super::tool::acknowledged;
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Kept {
    cluster: Rc<Cluster>,
    /// Writes that are not for their first master to keep any more, by their places among all.
    over: BTreeSet<usize>,
    /// Who was elected, or told to take an epoch, and the slots each had then.
    risen: BTreeMap<NodeId, SlotSet>,
    looked: u64,
}

impl Kept {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        let (over, risen) = (BTreeSet::new(), BTreeMap::new());
        Self { cluster, over, risen, looked: 0 }
    }

    /// A life is over, and the data with it.
    fn forget(&mut self, host: HostId) {
        let hands = self.cluster.hands.borrow();
        let asked = |write: &Written| write.asked.is_some_and(|(asked, _)| asked == host);
        let writes = hands.writes.iter().enumerate().filter(|(_, write)| asked(write));
        self.over.extend(writes.map(|(place, _)| place));
    }

    /// Looks whether a host has what it acknowledged, and whose slots it lost to whom.
    fn survey(&mut self, world: &World<Gossip>, host: HostId) -> Result<(), Violation> {
        let Some(machine) = up(world, host) else { return Ok(()) };
        let hands = self.cluster.hands.borrow();
        // How often a register was written at least.
        let mut least: BTreeMap<u16, u64> = BTreeMap::new();
        for (place, write) in hands.writes.iter().enumerate() {
            let Some((asked, before)) = write.asked else { continue };
            if asked != host || self.over.contains(&place) {
                continue;
            }
            let heard = acknowledged(&world.puppet(write.puppet).heard).min(write.times.into());
            if machine.table().me().is_master() && machine.owner_of(write.slot) == Some(machine.id()) {
                *least.entry(write.slot).or_insert(before) += heard;
                continue;
            }
            self.over.insert(place);
            self.looked += 1;
            let owner = machine.owner_of(write.slot);
            let by_hand = |told: &HostId| {
                *told == host || up(world, *told).is_some_and(|machine| Some(machine.id()) == owner)
            };
            let wanted =
                hands.merged || hands.touched.contains(&write.slot) || hands.emptied.iter().any(by_hand);
            let risen = owner.and_then(|owner| self.risen.get(&owner));
            if heard > 0 && !wanted && !risen.is_some_and(|slots| slots.contains(write.slot)) {
                let owner = owner.map_or("nobody".to_owned(), |owner| format!("{owner:.8}"));
                let what = format!(
                    "{host} acknowledged {heard} writes to slot {} and lost it to {owner} without a failover",
                    write.slot
                );
                return Err(Violation::safety("failover-explains-loss", what));
            }
        }
        for (slot, least) in least {
            self.looked += 1;
            let writes = machine.register(slot).unwrap_or_default().writes;
            if writes < least {
                let what = format!(
                    "{host} is slot {slot}'s master still and has {writes} of {least} writes that were acknowledged"
                );
                return Err(Violation::safety("acknowledged-is-kept", what));
            }
        }
        Ok(())
    }
}

impl Checker<Gossip> for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        match news {
            News::Started(host) | News::Exited(host, _) => self.forget(*host),
            News::Notice(host, notice) => {
                let told = [EpochCause::Import, EpochCause::Bump, EpochCause::Takeover];
                let rises = match notice {
                    Notice::Promoted { .. } => true,
                    Notice::EpochTaken { cause, .. } => told.contains(cause),
                    _ => false,
                };
                if rises && let Some(machine) = world.host(*host).machine() {
                    let slots = self.risen.entry(machine.id()).or_default();
                    machine.table().me().slots().iter().for_each(|slot| slots.insert(slot));
                }
                let moves = matches!(
                    notice,
                    Notice::SlotsMoved { .. }
                        | Notice::SlotsEdited { .. }
                        | Notice::SlotsDirty { .. }
                        | Notice::Follows { .. }
                        | Notice::Forgotten { .. }
                        | Notice::Reset { .. }
                );
                if moves {
                    return self.survey(world, *host);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, world: &World<Gossip>, _: bool) -> Result<(), Violation> {
        world.members().try_for_each(|host| self.survey(world, host))
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
