//! Claims: a slot goes from one owner to another by a later epoch only, in every table.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::gossip::types::{Epoch, NodeId};
use standin_core::gossip::{Gossip, Notice};

use super::super::build::{Cluster, Place};
use super::super::facts::all_up;
use super::sight::Suspicion;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// Slots looked at, at most.
const PROBES_MAX: usize = 64;

/// A slot of each of the first masters.
pub(super) fn probes(cluster: &Cluster) -> Vec<u16> {
    let first = (0..cluster.members).map(|host| cluster.place(HostId(host)));
    let mut slots: Vec<u16> = first
        .filter_map(|place| match place {
            Place::Master(first, _) => Some(first),
            Place::Replica(_) | Place::Witness(_) | Place::Spare => None,
        })
        .collect();
    slots.sort_unstable();
    slots.dedup();
    slots.truncate(PROBES_MAX);
    slots
}

/// The checker.
#[derive(Debug)]
pub(super) struct Claims {
    cluster: Rc<Cluster>,
    probes: Vec<u16>,
    /// Who owned each probe in a host's table when it was last looked at.
    owners: BTreeMap<HostId, Vec<Option<NodeId>>>,
    suspicion: Suspicion,
    looked: u64,
}

impl Claims {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        let probes = probes(&cluster);
        Self { cluster, probes, owners: BTreeMap::new(), suspicion: Suspicion::default(), looked: 0 }
    }

    fn note(&mut self, host: HostId, machine: &Gossip) {
        let owners = self.probes.iter().map(|&slot| machine.owner_of(slot)).collect();
        self.owners.insert(host, owners);
    }

    fn moved(&mut self, world: &World<Gossip>, host: HostId, to: NodeId, epoch: Epoch) {
        let Some(machine) = world.host(host).machine() else { return };
        let former = self.owners.get(&host).cloned().unwrap_or_default();
        for (&slot, owner) in self.probes.iter().zip(former) {
            let Some(owner) = owner.filter(|owner| *owner != to && machine.owner_of(slot) == Some(to)) else {
                continue;
            };
            if self.cluster.hands.borrow().touched.contains(&slot) {
                continue;
            }
            self.looked += 1;
            let Some(at) = machine.table().find(&owner) else { continue };
            let known = machine.table().get(at).epoch;
            // It may have stopped to claim the slot.
            let claims = owner == machine.id()
                || all_up(world).any(|(_, other)| other.id() == owner && other.owner_of(slot) == Some(owner));
            if known >= epoch && claims {
                let what = format!(
                    "{host} gives slot {slot} to {to:.8} by epoch {epoch}, though {owner:.8} has it by {known}"
                );
                self.suspicion.raise(world, host, Violation::safety("later-claim-wins", what));
            }
        }
    }
}

impl Checker<Gossip> for Claims {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        if matches!(news, News::Changed) {
            self.suspicion.changed(world);
        }
        let News::Notice(host, notice) = news else { return Ok(()) };
        match notice {
            Notice::SlotsMoved { to, epoch, .. } => self.moved(world, *host, *to, *epoch),
            Notice::Listening { .. }
            | Notice::RoleChanged { .. }
            | Notice::SlotsEdited { .. }
            | Notice::Promoted { .. }
            | Notice::Follows { .. }
            | Notice::Forgotten { .. }
            | Notice::Reset { .. } => {}
            _ => return Ok(()),
        }
        if let Some(machine) = world.host(*host).machine() {
            self.note(*host, machine);
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.suspicion.due()
    }

    fn look(&mut self, _: &World<Gossip>) -> Result<(), Violation> {
        self.suspicion.look()
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
