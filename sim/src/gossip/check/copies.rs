//! Copies: a replica that takes its master's stream holds what the master holds, once all is quiet; and
//! when it takes over while the master's writes wait for that, right then: nothing is lost.
//!
//! A master that loses a slot to another deletes its data and tells no replica, as a real 7.0.15 does:
//! a replica that took the stream then has them still, should the slot ever come back.

use std::collections::BTreeMap;

use standin_core::gossip::notice::Manual;
use standin_core::gossip::{Gossip, Notice};

use super::super::facts::{all_up, up};
use super::sight::{Shared, Suspicion};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Copies {
    names: Shared,
    /// Who takes over with its master's help, and whose place.
    helped: BTreeMap<HostId, HostId>,
    /// When a master last deleted what it had of a lost slot, and when a replica got everything.
    deleted: BTreeMap<HostId, Moment>,
    synced: BTreeMap<HostId, Moment>,
    suspicion: Suspicion,
    looked: u64,
}

impl Copies {
    pub(super) fn new(names: Shared) -> Self {
        let (deleted, synced) = (BTreeMap::new(), BTreeMap::new());
        Self { names, helped: BTreeMap::new(), deleted, synced, suspicion: Suspicion::default(), looked: 0 }
    }

    /// Whether a replica was told of all that its master did since it got everything.
    fn was_told(&self, host: HostId, of: HostId) -> bool {
        self.deleted.get(&of).is_none_or(|deleted| self.synced.get(&host) > Some(deleted))
    }

    /// The first slot of the master's, or of those it had, of which the copy is another.
    fn apart(master: &Gossip, copy: &Gossip, owner: &Gossip) -> Option<u16> {
        let mine = |machine: &Gossip| -> BTreeMap<u16, _> {
            let owned = |slot: &u16| owner.owner_of(*slot) == Some(owner.id());
            machine.registers().filter(|(slot, _)| owned(slot)).collect()
        };
        let (kept, copied) = (mine(master), mine(copy));
        kept.keys().chain(copied.keys()).find(|slot| kept.get(slot) != copied.get(slot)).copied()
    }

    fn took_over(&mut self, world: &World<Gossip>, host: HostId) {
        let Some(from) = self.helped.remove(&host) else { return };
        let Some((machine, master)) = world.host(host).machine().zip(up(world, from)) else { return };
        // Its writes wait for a time only, and longer than a replica tries; but who slept knows no time.
        let now = world.host(from).machine_time(world.now());
        if !now.is_some_and(|now| master.holds_writes(now)) || !self.was_told(host, from) {
            return;
        }
        self.looked += 1;
        if let Some(slot) = Self::apart(master, machine, machine) {
            let has = |machine: &Gossip| machine.register(slot).unwrap_or_default().writes;
            let what = format!(
                "{host} took {from}'s place with its help and has {} of {} writes of slot {slot}",
                has(machine),
                has(master)
            );
            self.suspicion.raise(world, host, Violation::safety("helped-loses-nothing", what));
        }
    }
}

impl Checker<Gossip> for Copies {
    fn name(&self) -> &'static str {
        "copies"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Notice(host, notice) => (*host, notice),
            News::Changed => {
                self.suspicion.changed(world);
                return Ok(());
            }
            News::Started(host) | News::Exited(host, _) => {
                self.helped.retain(|by, from| by != host && from != host);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match notice {
            Notice::ManualStarted { how: Manual::Default } => {
                let master = world.host(host).machine().and_then(Gossip::master);
                let from = master.and_then(|master| self.names.borrow().host(&master));
                self.helped.extend(from.map(|from| (host, from)));
            }
            Notice::ManualStarted { .. } | Notice::ManualExpired | Notice::Follows { .. } => {
                self.helped.remove(&host);
            }
            Notice::Promoted { .. } => self.took_over(world, host),
            Notice::SlotsDirty { .. } => drop(self.deleted.insert(host, world.now())),
            Notice::Replicating { .. } => drop(self.synced.insert(host, world.now())),
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.suspicion.due()
    }

    fn look(&mut self, _: &World<Gossip>) -> Result<(), Violation> {
        self.suspicion.look()
    }

    fn end(&mut self, world: &World<Gossip>, settled: bool) -> Result<(), Violation> {
        let replicas = all_up(world).filter(|(_, machine)| settled && machine.is_replicating());
        for (host, machine) in replicas {
            let master = machine.master();
            let Some((of, master)) = all_up(world).find(|(_, other)| Some(other.id()) == master) else {
                continue;
            };
            if !self.was_told(host, of) {
                continue;
            }
            self.looked += 1;
            if let Some(slot) = Self::apart(master, machine, master) {
                let has = |machine: &Gossip| machine.register(slot).unwrap_or_default();
                let (has, should) = (has(machine), has(master));
                let what = format!(
                    "{host} replicates {of}, whose slot {slot} has {} after {} writes, and has {} after {}",
                    should.value, should.writes, has.value, has.writes
                );
                return Err(Violation::safety("replica-holds-the-same", what));
            }
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
