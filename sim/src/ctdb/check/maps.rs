//! Generation and location masters: they change in recovery mode alone, and a cluster at peace
//! agrees on them.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Capabilities, Generation, Pnn, RecoveryMode};
use standin_core::ctdb::{Ctdb, config};

use super::super::build::Cluster;
use super::view::{is_active, leads, may_be, node, out_of_reach};
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Maps {
    cluster: Rc<Cluster>,
    /// Who said last that its mode is normal.
    normal: BTreeMap<HostId, bool>,
    looked: u64,
}

impl Maps {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, normal: BTreeMap::new(), looked: 0 }
    }

    fn at_peace(&self, world: &World<Ctdb>) -> Result<(), Violation> {
        let fail = |what: String| Err(Violation::liveness("one-map", what));
        let active: Vec<_> = world.members().filter(|&host| is_active(world, host)).collect();
        let Some(leader) = active.iter().copied().find(|&host| leads(world, host)) else { return Ok(()) };
        let Some((chief, own)) = node(world, leader) else { return Ok(()) };
        if out_of_reach(&self.cluster, world, leader) {
            return Ok(());
        }
        let masters = || active.iter().filter(|host| may_be(world, **host, Capabilities::LMASTER));
        let volatile = |host: &HostId| {
            let kept = node(world, *host).into_iter().flat_map(|(machine, _)| machine.databases());
            kept.filter(|kept| kept.flags.is_empty()).count() > 0
        };
        if let Some(stub) = masters().find(|host| self.cluster.role(**host) == config::Databases::None)
            && let Some(keeper) = active.iter().find(|host| volatile(host))
        {
            return fail(format!("{stub} is a location master and cannot say where {keeper}'s records are"));
        }
        let mut map: Vec<Pnn> = masters().filter_map(|host| self.cluster.number_of(chief, *host)).collect();
        map.sort_unstable();
        if map.is_empty() {
            // Somebody who keeps data stands in, else the leader.
            let keepers = active.iter().filter(|host| {
                node(world, **host).is_some_and(|(machine, _)| machine.databases().next().is_some())
            });
            let keepers: Vec<_> = keepers.filter_map(|host| self.cluster.number_of(chief, *host)).collect();
            let standing = chief.vnn_map().first().filter(|pnn| keepers.contains(pnn));
            map.push(standing.copied().unwrap_or(own));
        }
        for host in active {
            let Some((machine, _)) = node(world, host) else { continue };
            if machine.recovery_mode() != RecoveryMode::Normal {
                return fail(format!("healed, but {host} is in recovery"));
            }
            if machine.generation() != chief.generation() || machine.generation() == Generation::INVALID {
                return fail(format!("healed, but {host} and {leader} have other generations"));
            }
            if machine.vnn_map() != map {
                return fail(format!(
                    "healed, but {host} has the map {:?} and not {map:?}",
                    machine.vnn_map()
                ));
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Maps {
    fn name(&self) -> &'static str {
        "maps"
    }

    fn news(&mut self, _: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Started(host) => {
                self.normal.insert(*host, false);
            }
            News::Notice(host, Notice::RecoveryModeChanged { to }) => {
                self.normal.insert(*host, *to == RecoveryMode::Normal);
            }
            News::Notice(host, Notice::VnnMapSet { generation, .. }) => {
                self.looked += 1;
                if self.normal.get(host).is_some_and(|normal| *normal) {
                    let what = format!("{host} took generation {generation} in normal mode");
                    return Err(Violation::safety("maps-change-in-recovery", what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, world: &World<Ctdb>, settled: bool) -> Result<(), Violation> {
        if settled { self.at_peace(world) } else { Ok(()) }
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
