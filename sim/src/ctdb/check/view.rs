//! How a node is looked at.

use standin_core::ctdb::types::{Capabilities, NodeFlags, Pnn};
use standin_core::ctdb::{Ctdb, config};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::{counts_connected, own_flags};
use super::DRIFT_MAX_PERCENT;
use crate::world::World;
use crate::world::moment::HostId;

/// The machine of a host whose daemon runs and knows its number.
pub(super) fn node(world: &World<Ctdb>, host: HostId) -> Option<(&Ctdb, Pnn)> {
    let machine = world.host(host).machine()?;
    Some((machine, machine.pnn()?))
}

/// Whether a host's daemon runs and may be this: as configured, less what it has given up.
pub(super) fn may_be(world: &World<Ctdb>, host: HostId, role: Capabilities) -> bool {
    node(world, host).is_some_and(|(machine, _)| machine.capabilities().contains(role))
}

/// Whether a host's daemon runs and has to be able to lead: as configured, unless it can recover no
/// databases and there are some, whatever it says itself.
pub(super) fn can_lead(cluster: &Cluster, world: &World<Ctdb>, host: HostId) -> bool {
    let keeps = |host| node(world, host).is_some_and(|(machine, _)| machine.databases().next().is_some());
    let stub = cluster.role(host) == config::Databases::None && world.members().any(keeps);
    let has_to = cluster.capabilities(host).contains(Capabilities::LEADER) && !stub;
    may_be(world, host, Capabilities::LEADER) || (has_to && node(world, host).is_some())
}

/// Whether a node takes part, in its own eyes.
pub(super) fn is_active(world: &World<Ctdb>, host: HostId) -> bool {
    own_flags(world, host).is_some_and(|flags| !flags.is_inactive())
}

/// Whether a node takes no part, in its own eyes.
pub(super) fn is_inactive(world: &World<Ctdb>, host: HostId) -> bool {
    own_flags(world, host).is_some_and(NodeFlags::is_inactive)
}

/// Whether a node leads, in its own eyes.
pub(super) fn leads(world: &World<Ctdb>, host: HostId) -> bool {
    node(world, host).is_some_and(|(machine, own)| machine.leader() == Some(own))
}

/// Whether a leader and somebody are apart though all is healed, by a link that is open at one of
/// its ends alone: ctdbd does not dial it anew, a finding of the pair's. Such a node misses the
/// leader for ever and calls everybody to elections; nothing else can be asked of that cluster.
pub(super) fn out_of_reach(cluster: &Cluster, world: &World<Ctdb>, leader: HostId) -> bool {
    let half_open = |one, other| world.holds_link_to(one, other) != world.holds_link_from(other, one);
    let apart = |one, other| !counts_connected(cluster, world, one, other);
    let mut others = world.members().filter(|&host| host != leader && node(world, host).is_some());
    !cluster.config.fixes.redial_unanswered
        && others.any(|host| {
            (apart(leader, host) || apart(host, leader))
                && (half_open(leader, host) || half_open(host, leader))
        })
}

/// A protocol's time on a clock that runs as slow as one may.
pub(super) const fn stretched(time: Duration) -> Duration {
    Duration(time.0 + time.0 * DRIFT_MAX_PERCENT / 100)
}

/// A protocol's time on a clock that runs as fast as one may.
pub(super) const fn shrunk(time: Duration) -> Duration {
    Duration(time.0 - time.0 * DRIFT_MAX_PERCENT / 100)
}
