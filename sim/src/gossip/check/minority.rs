//! Minorities: who cannot hear a majority of the owners of slots stops serving, in time.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::notice::{ClusterState, Notice};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::up;
use super::sight::{self, Shared};
use super::{SLACK, stretched};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Minority {
    cluster: Rc<Cluster>,
    names: Shared,
    /// Since when a host hears too few owners of slots.
    deaf: BTreeMap<HostId, Moment>,
    looked: u64,
}

impl Minority {
    pub(super) const fn new(cluster: Rc<Cluster>, names: Shared) -> Self {
        Self { cluster, names, deaf: BTreeMap::new(), looked: 0 }
    }

    /// A ping is due, is not answered, and a tick sees that.
    fn bound(&self) -> Duration {
        stretched(self.cluster.silence_max()) + SLACK
    }

    /// Whether a host hears of a majority of those that own slots in its eyes.
    fn hears(&self, world: &World<Gossip>, host: HostId) -> bool {
        let Some(machine) = up(world, host).filter(|_| world.host(host).brisk()) else { return true };
        let names = self.names.borrow();
        let (mut size, mut heard) = (0, 0);
        for (_, owner) in machine.table().iter().filter(|(_, node)| node.is_owner()) {
            size += 1;
            let silent = match names.host(&owner.id) {
                Some(from) => from != host && !sight::hears(world, host, from),
                None => false,
            };
            heard += u32::from(!silent);
        }
        heard > size / 2
    }

    fn survey(&mut self, world: &World<Gossip>) {
        for host in world.members() {
            if self.hears(world, host) {
                self.deaf.remove(&host);
            } else {
                self.deaf.entry(host).or_insert(world.now());
            }
        }
    }
}

impl Checker<Gossip> for Minority {
    fn name(&self) -> &'static str {
        "minority"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        match news {
            News::Changed => self.survey(world),
            // It may count other owners now.
            News::Notice(
                host,
                Notice::SlotsMoved { .. } | Notice::Forgotten { .. } | Notice::SlotsEdited { .. },
            ) if self.hears(world, *host) => {
                self.deaf.remove(host);
            }
            News::Started(host) | News::Exited(host, _) => drop(self.deaf.remove(host)),
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.deaf.values().min().map(|since| *since + self.bound())
    }

    fn look(&mut self, world: &World<Gossip>) -> Result<(), Violation> {
        let (now, bound) = (world.now(), self.bound());
        let due: Vec<_> = self.deaf.iter().filter(|(_, since)| **since + bound <= now).collect();
        let due: Vec<_> = due.into_iter().map(|(host, since)| (*host, *since)).collect();
        for (host, since) in due {
            self.looked += 1;
            // Looked at again as long as it lasts.
            self.deaf.insert(host, Moment(now.0 - bound.0 / 2));
            if !world.host(host).caught_up() || self.hears(world, host) {
                self.deaf.remove(&host);
                continue;
            }
            if up(world, host).is_some_and(|machine| machine.state() == ClusterState::Ok) {
                let what =
                    format!("{host} has heard no majority of the owners of slots since {since}, and serves");
                return Err(Violation::safety("minority-stops", what));
            }
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
