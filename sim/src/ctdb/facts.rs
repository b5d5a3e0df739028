//! Whether a fact holds in a world.

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::types::{NodeFlags, Pnn};

use super::build::Cluster;
use super::verbs::Fact;
use crate::world::World;
use crate::world::moment::HostId;

/// A number a host goes by in the eyes of another: the line of its address there.
fn number_at(cluster: &Cluster, world: &World<Ctdb>, at: HostId, of: HostId) -> Option<Pnn> {
    cluster.number_of(world.host(at).machine()?, of)
}

/// Whether a daemon counts another host as connected.
pub(super) fn counts_connected(cluster: &Cluster, world: &World<Ctdb>, at: HostId, of: HostId) -> bool {
    let machine = world.host(at).machine();
    number_at(cluster, world, at, of)
        .is_some_and(|pnn| machine.is_some_and(|machine| machine.is_connected(pnn)))
}

pub(super) fn holds(
    cluster: &Cluster,
    world: &World<Ctdb>,
    fact: &Fact,
    seen: &dyn Fn(HostId, &str) -> bool,
) -> bool {
    let runs = |host: HostId| world.host(host).runs();
    let running = || (0..cluster.members).map(HostId).filter(|&host| runs(host));
    match fact {
        Fact::Connected(from, to) => counts_connected(cluster, world, *from, *to),
        Fact::AllConnected => {
            running().count() > 0
                && running().all(|one| running().all(|other| counts_connected(cluster, world, one, other)))
        }
        Fact::Dead(host) => {
            let mut others = running().filter(|other| other != host).peekable();
            others.peek().is_some() && others.all(|other| !counts_connected(cluster, world, other, *host))
        }
        Fact::Number(host, number) => {
            world.host(*host).machine().and_then(Ctdb::pnn).is_some_and(|pnn| pnn.0 == *number)
        }
        Fact::Nodes(host, count) => {
            world.host(*host).machine().is_some_and(|machine| machine.node_count() == *count)
        }
        Fact::Flags(from, to, flags) => {
            let machine = world.host(*from).machine();
            let known = machine
                .zip(number_at(cluster, world, *from, *to))
                .and_then(|(machine, pnn)| machine.flags(pnn));
            known.is_some_and(|known| known - NodeFlags::DISCONNECTED - NodeFlags::UNHEALTHY == *flags)
        }
        Fact::Running(host) => runs(*host),
        Fact::Noticed(host, kind) => seen(*host, kind),
    }
}
