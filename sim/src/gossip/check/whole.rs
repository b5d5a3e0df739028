//! A healed cluster: everybody runs, knows everybody whom it knows by any chain, has a link to it
//! and holds it for well; all agree on every slot, each has its own config epoch, all serve.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::notice::ClusterState;
use standin_core::gossip::slots::SLOTS;
use standin_core::gossip::types::{Epoch, NodeId};

use super::super::build::Cluster;
use super::super::facts::{agree_but, known, up};
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Whole {
    cluster: Rc<Cluster>,
    looked: u64,
}

fn broken(what: String) -> Result<(), Violation> {
    Err(Violation::liveness("healed-is-whole", what))
}

impl Whole {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, looked: 0 }
    }

    /// Who is acquainted by any chain, as lists in order; with those whom nobody met, if it is mutual.
    fn circles(machines: &BTreeMap<HostId, &Gossip>, unmet: &BTreeSet<HostId>) -> Vec<Vec<HostId>> {
        let names: BTreeMap<NodeId, HostId> =
            machines.iter().map(|(host, machine)| (machine.id(), *host)).collect();
        let mut circle: BTreeMap<HostId, HostId> = machines.keys().map(|host| (*host, *host)).collect();
        let root = |circle: &BTreeMap<HostId, HostId>, mut at: HostId| {
            while circle[&at] != at {
                at = circle[&at];
            }
            at
        };
        for (host, machine) in machines {
            for (_, node) in machine.table().iter().filter(|(_, node)| !node.in_handshake()) {
                let other = names.get(&node.id);
                let other = other.filter(|other| {
                    let met = !unmet.contains(host) && !unmet.contains(other);
                    met || known(machines[other], &machine.id()).is_some()
                });
                if let Some(other) = other {
                    let (one, other) = (root(&circle, *host), root(&circle, *other));
                    circle.insert(one.max(other), one.min(other));
                }
            }
        }
        let mut circles: BTreeMap<HostId, Vec<HostId>> = BTreeMap::new();
        for host in machines.keys() {
            circles.entry(root(&circle, *host)).or_default().push(*host);
        }
        circles.into_values().collect()
    }

    /// Whether operators moved this slot about until nobody claims it any more. Who was told of an
    /// owner remembers it for as long as nobody else claims the slot, as with Redis.
    fn lost_by_hand(&self, machines: &BTreeMap<HostId, &Gossip>, circle: &[HostId], slot: u16) -> bool {
        let touched = self.cluster.hands.borrow().touched.contains(&slot);
        touched && !circle.iter().any(|host| machines[host].table().me().slots().contains(slot))
    }

    fn mesh(&mut self, machines: &BTreeMap<HostId, &Gossip>, circle: &[HostId]) -> Result<(), Violation> {
        for host in circle {
            for other in circle.iter().filter(|other| *other != host) {
                self.looked += 1;
                match known(machines[host], &machines[other].id()) {
                    None => return broken(format!("{host} does not know {other}")),
                    Some(node) if node.is_failing() => {
                        return broken(format!("{host} holds {other} for {}", node.flags));
                    }
                    Some(node) if !node.has_link() => {
                        return broken(format!("{host} has no link to {other}"));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    fn slots(&mut self, machines: &BTreeMap<HostId, &Gossip>, circle: &[HostId]) -> Result<(), Violation> {
        let Some((first, others)) = circle.split_first() else { return Ok(()) };
        for other in others {
            self.looked += 1;
            if let Err(slot) =
                agree_but(machines[first], machines[other], &|slot| self.lost_by_hand(machines, circle, slot))
            {
                let owner = |host: &HostId| {
                    machines[host].owner_of(slot).map_or("nobody".to_owned(), |owner| format!("{owner:.8}"))
                };
                return broken(format!(
                    "slot {slot} is {}'s in the eyes of {first}, {}'s in those of {other}",
                    owner(first),
                    owner(other)
                ));
            }
        }
        let mut claims: BTreeMap<Epoch, HostId> = BTreeMap::new();
        for host in circle {
            let me = machines[host].table().me();
            if me.is_master()
                && let Some(other) = claims.insert(me.epoch, *host)
            {
                let what = format!("{host} and {other} both claim by epoch {}", me.epoch);
                return Err(Violation::liveness("epochs-unique", what));
            }
            // Its master may have forgotten it, and nobody had them meet.
            let met = !self.cluster.hands.borrow().unmet.contains(host);
            let master = machines[host].master().filter(|_| met && !me.is_master());
            let leads = |name: &NodeId| {
                circle.iter().any(|one| machines[one].id() == *name && machines[one].table().me().is_master())
            };
            // Who does not migrate stays with its master unless one other took all its slots, as with Redis;
            // a hard reset takes that name out of the world.
            let stays = !machines[host].config().allow_replica_migration;
            let gone = |name: &NodeId| machines.values().all(|machine| machine.id() != *name);
            let master = master.filter(|name| !(stays && gone(name)));
            if master.is_some_and(|name| !leads(&name)) {
                return broken(format!("{host} replicates somebody who is no master"));
            }
        }
        Ok(())
    }
}

impl Checker<Gossip> for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn news(&mut self, _: &World<Gossip>, _: &News<Gossip>) -> Result<(), Violation> {
        Ok(())
    }

    fn end(&mut self, world: &World<Gossip>, settled: bool) -> Result<(), Violation> {
        if !settled {
            return Ok(());
        }
        let mut machines = BTreeMap::new();
        for host in world.members() {
            let Some(machine) = up(world, host) else { return broken(format!("{host} is not up")) };
            machines.insert(host, machine);
        }
        let unmet = self.cluster.hands.borrow().unmet.clone();
        for circle in Self::circles(&machines, &unmet) {
            self.mesh(&machines, &circle)?;
            self.slots(&machines, &circle)?;
            let owned = circle.iter().map(|host| machines[host].table().me().slots().len()).sum::<u32>();
            // Whoever was forgotten, and whom nobody had them meet, took its slots along.
            let lacking = circle.iter().any(|host| unmet.contains(host)) && owned < u32::from(SLOTS);
            let lost = (0..SLOTS).any(|slot| self.lost_by_hand(&machines, &circle, slot));
            let covered = owned > 0 && self.cluster.hands.borrow().emptied.is_empty();
            for host in circle.iter().filter(|_| covered) {
                self.looked += 1;
                let state = machines[host].state();
                let by_rule = (lacking || lost) && state == ClusterState::Uncovered;
                if !state.is_ok() && !by_rule {
                    return broken(format!("{host} finds the cluster {state}"));
                }
            }
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
