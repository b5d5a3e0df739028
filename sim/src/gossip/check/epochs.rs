//! Epochs: a node's own claim only ever gets later versions, across restarts too, and nobody
//! acts on one that its owner's disk does not know yet.

use std::collections::BTreeMap;

use standin_core::gossip::notice::EpochCause;
use standin_core::gossip::types::{Epoch, NodeId};
use standin_core::gossip::{Gossip, Notice};

use super::sight;
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// The last claim of each name that anybody acted on, and whose name it is.
    acted: BTreeMap<NodeId, Epoch>,
    hosts: BTreeMap<NodeId, HostId>,
    looked: u64,
}

impl Epochs {
    fn acted_on(
        &mut self,
        world: &World<Gossip>,
        by: HostId,
        of: NodeId,
        epoch: Epoch,
    ) -> Result<(), Violation> {
        let Some(&owner) = self.hosts.get(&of) else { return Ok(()) };
        self.looked += 1;
        let Some((name, saved)) = sight::saved_claim(world, owner) else { return Ok(()) };
        if name == of && saved < epoch {
            let what = format!(
                "{by} gave slots to {owner} by epoch {epoch}, but {owner}'s disk knows of {saved} only"
            );
            return Err(Violation::safety("epoch-is-durable", what));
        }
        let last = self.acted.entry(of).or_default();
        *last = (*last).max(epoch);
        Ok(())
    }
}

impl Checker<Gossip> for Epochs {
    fn name(&self) -> &'static str {
        "epochs"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        let News::Notice(host, notice) = news else { return Ok(()) };
        let Some(machine) = world.host(*host).machine() else { return Ok(()) };
        match notice {
            Notice::Listening { id, .. } => {
                self.hosts.insert(*id, *host);
            }
            Notice::Reset { .. } => {
                self.hosts.insert(machine.id(), *host);
            }
            Notice::SlotsMoved { to, epoch, .. } => return self.acted_on(world, *host, *to, *epoch),
            Notice::EpochTaken { epoch, cause } if *cause != EpochCause::Set => {
                self.looked += 1;
                let acted = self.acted.get(&machine.id()).copied().unwrap_or_default();
                if *epoch <= acted {
                    let what =
                        format!("{host} takes epoch {epoch}, after others acted on its claim of {acted}");
                    return Err(Violation::safety("claims-grow", what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
