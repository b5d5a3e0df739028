//! What can be expected of a gossip cluster, each fact printing as its words, and whether it
//! holds.

use std::fmt;

use standin_core::gossip::Gossip;
use standin_core::gossip::notice::ClusterState;
use standin_core::gossip::slots::SLOTS;
use standin_core::gossip::table::Node;
use standin_core::gossip::types::{Epoch, NodeFlags, NodeId};

use super::build::Cluster;
use crate::world::World;
use crate::world::fault::Who;
use crate::world::moment::HostId;

/// The first words of facts.
pub const FACTS: &[&str] = &[
    "master",
    "replica",
    "knows",
    "mesh",
    "state",
    "sees",
    "slot",
    "epoch",
    "config-epoch",
    "epochs-unique",
    "agreed",
    "covered",
    "value",
    "holds-writes",
    "running",
    "noticed",
];

/// What can be expected of a gossip cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The node is a master in its own eyes.
    Master(HostId),
    /// It is a replica; of this one, if said.
    Replica(HostId, Option<HostId>),
    /// The first knows the second, by its own name.
    Knows(HostId, HostId),
    /// Every running daemon knows every other one of its cluster.
    AllKnow,
    /// The same, and has a link to it, and nobody is suspected.
    Mesh,
    /// The cluster is served, or not, in the eyes of these.
    State(Who, State),
    /// How the first sees the second.
    Sees(HostId, HostId, Sight),
    /// Who owns the slot, in the eyes of these running daemons.
    Slot(u16, HostId, Who),
    /// The node's current epoch.
    Epoch(HostId, u64),
    /// The node's config epoch.
    ConfigEpoch(HostId, u64),
    /// No two running masters that know each other have one config epoch.
    EpochsUnique,
    /// All running daemons that know each other agree on every slot's owner.
    Agreed,
    /// Every slot is owned, by a running master that thinks so too, in everybody's eyes.
    Covered,
    /// A slot's register on this node.
    Value(HostId, u16, u64),
    /// Clients' writes wait for a manual failover.
    HoldsWrites(HostId),
    /// The daemon runs.
    Running(HostId),
    /// The node noticed something of this kind since the last `at`.
    Noticed(HostId, String),
}

/// Whether the cluster is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Ok,
    /// It is not.
    Down,
}

/// How a node is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Neither suspected nor failed.
    Well,
    /// Suspected.
    Pfail,
    /// Failed.
    Fail,
}

/// States, with their words.
pub(super) const STATES: [(State, &str); 2] = [(State::Ok, "ok"), (State::Down, "down")];
/// Sights, with their words.
pub(super) const SIGHTS: [(Sight, &str); 3] =
    [(Sight::Well, "ok"), (Sight::Pfail, "pfail"), (Sight::Fail, "fail")];

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Master(host) => write!(f, "master {host}"),
            Self::Replica(host, None) => write!(f, "replica {host}"),
            Self::Replica(host, Some(of)) => write!(f, "replica {host} {of}"),
            Self::Knows(host, other) => write!(f, "knows {host} {other}"),
            Self::AllKnow => f.write_str("knows all"),
            Self::Mesh => f.write_str("mesh"),
            Self::State(who, state) => write!(f, "state {who} {}", word_of(&STATES, state)),
            Self::Sees(host, other, sight) => write!(f, "sees {host} {other} {}", word_of(&SIGHTS, sight)),
            Self::Slot(slot, owner, Who::All) => write!(f, "slot {slot} {owner}"),
            Self::Slot(slot, owner, on) => write!(f, "slot {slot} {owner} on {on}"),
            Self::Epoch(host, epoch) => write!(f, "epoch {host} {epoch}"),
            Self::ConfigEpoch(host, epoch) => write!(f, "config-epoch {host} {epoch}"),
            Self::EpochsUnique => f.write_str("epochs-unique"),
            Self::Agreed => f.write_str("agreed"),
            Self::Covered => f.write_str("covered"),
            Self::Value(host, slot, value) => write!(f, "value {host} {slot} {value}"),
            Self::HoldsWrites(host) => write!(f, "holds-writes {host}"),
            Self::Running(host) => write!(f, "running {host}"),
            Self::Noticed(host, kind) => write!(f, "noticed {host} {kind}"),
        }
    }
}

fn word_of<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(held, _)| held == value).map_or("", |(_, word)| word)
}

/// The machine of a daemon that has read its state and listens.
pub(super) fn up(world: &World<Gossip>, host: HostId) -> Option<&Gossip> {
    world.host(host).machine().filter(|machine| world.host(host).powered && machine.is_up())
}

/// A member's name: its own, or its first if its daemon does not run.
pub(super) fn name_of(cluster: &Cluster, world: &World<Gossip>, host: HostId) -> NodeId {
    up(world, host).map_or(cluster.names[host.index()], Gossip::id)
}

/// What a machine knows of a name, once it has shaken hands.
pub(super) fn known<'m>(machine: &'m Gossip, name: &NodeId) -> Option<&'m Node> {
    let at = machine.table().find(name)?;
    Some(machine.table().get(at)).filter(|node| !node.in_handshake())
}

/// Every running daemon's machine.
pub(super) fn all_up(world: &World<Gossip>) -> impl Iterator<Item = (HostId, &Gossip)> {
    world.members().filter_map(|host| Some((host, up(world, host)?)))
}

/// Whether two running daemons agree on every slot.
pub(super) fn agree(one: &Gossip, other: &Gossip) -> Result<(), u16> {
    agree_but(one, other, &|_| false)
}

/// The same, but for some slots.
pub(super) fn agree_but(one: &Gossip, other: &Gossip, but: &dyn Fn(u16) -> bool) -> Result<(), u16> {
    let owned = |machine: &Gossip| {
        let owners = machine.table().iter().filter(|(_, node)| !node.slots().is_empty());
        owners.map(|(_, node)| (node.id, node.slots().clone())).collect::<std::collections::BTreeMap<_, _>>()
    };
    if owned(one) == owned(other) {
        return Ok(());
    }
    let apart = (0..SLOTS).find(|&slot| one.owner_of(slot) != other.owner_of(slot) && !but(slot));
    apart.map_or(Ok(()), Err)
}

/// Whether every slot has an owner that runs and knows it.
pub(super) fn covered(world: &World<Gossip>) -> bool {
    let names: std::collections::BTreeMap<NodeId, &Gossip> =
        all_up(world).map(|(_, machine)| (machine.id(), machine)).collect();
    let whole = |machine: &Gossip| {
        let table = machine.table();
        let mut owners = table.iter().filter(|(_, node)| !node.slots().is_empty());
        table.assigned() == u32::from(SLOTS)
            && owners.all(|(_, node)| {
                let owner = names.get(&node.id);
                owner.is_some_and(|owner| {
                    owner.table().me().is_master() && owner.table().me().slots() == node.slots()
                })
            })
    };
    !names.is_empty() && names.values().all(|machine| whole(machine))
}

pub(super) fn holds(
    cluster: &Cluster,
    world: &World<Gossip>,
    fact: &Fact,
    seen: &dyn Fn(HostId, &str) -> bool,
) -> bool {
    let name = |host: HostId| name_of(cluster, world, host);
    let node = |at: HostId, of: HostId| up(world, at).and_then(|machine| known(machine, &name(of)));
    let same = |one: HostId, other: HostId| cluster.places[one.index()].0 == cluster.places[other.index()].0;
    let pairs = |so: &dyn Fn(&Gossip, &Gossip) -> bool| {
        let up: Vec<_> = all_up(world).collect();
        let apart =
            |one: &(HostId, &Gossip), other: &(HostId, &Gossip)| one.0 != other.0 && same(one.0, other.0);
        !up.is_empty() && up.iter().all(|one| up.iter().all(|other| !apart(one, other) || so(one.1, other.1)))
    };
    match fact {
        Fact::Master(host) => up(world, *host).is_some_and(|machine| machine.table().me().is_master()),
        Fact::Replica(host, of) => up(world, *host).is_some_and(|machine| {
            !machine.table().me().is_master() && of.is_none_or(|of| machine.master() == Some(name(of)))
        }),
        Fact::Knows(host, other) => node(*host, *other).is_some(),
        Fact::AllKnow => pairs(&|one, other| known(one, &other.id()).is_some()),
        Fact::Mesh => pairs(&|one, other| {
            known(one, &other.id()).is_some_and(|node| node.has_link() && !node.is_failing())
        }),
        Fact::State(who, state) => {
            let is = |machine: &Gossip| (machine.state() == ClusterState::Ok) == (*state == State::Ok);
            match who {
                Who::One(host) => up(world, *host).is_some_and(is),
                Who::All => all_up(world).count() > 0 && all_up(world).all(|(_, machine)| is(machine)),
            }
        }
        Fact::Sees(host, other, sight) => node(*host, *other).is_some_and(|node| match sight {
            Sight::Well => !node.is_failing(),
            Sight::Pfail => node.flags.contains(NodeFlags::PFAIL),
            Sight::Fail => node.flags.contains(NodeFlags::FAIL),
        }),
        Fact::Slot(slot, owner, on) => {
            let owner = name(*owner);
            let so = |machine: &Gossip| machine.owner_of(*slot) == Some(owner);
            match on {
                Who::One(host) => up(world, *host).is_some_and(so),
                Who::All => all_up(world).count() > 0 && all_up(world).all(|(_, machine)| so(machine)),
            }
        }
        Fact::Epoch(host, epoch) => {
            up(world, *host).is_some_and(|machine| machine.current_epoch() == Epoch(*epoch))
        }
        Fact::ConfigEpoch(host, epoch) => {
            up(world, *host).is_some_and(|machine| machine.table().me().epoch == Epoch(*epoch))
        }
        Fact::EpochsUnique => pairs(&|one, other| {
            let (mine, theirs) = (one.table().me(), other.table().me());
            !(mine.is_master()
                && theirs.is_master()
                && mine.epoch == theirs.epoch
                && known(one, &theirs.id).is_some())
        }),
        Fact::Agreed => pairs(&|one, other| known(one, &other.id()).is_none() || agree(one, other).is_ok()),
        Fact::Covered => covered(world),
        Fact::Value(host, slot, value) => {
            let register = up(world, *host).and_then(|machine| machine.register(*slot));
            register.unwrap_or_default().value == *value
        }
        Fact::HoldsWrites(host) => up(world, *host)
            .zip(world.host(*host).machine_time(world.now()))
            .is_some_and(|(machine, now)| machine.holds_writes(now)),
        Fact::Running(host) => world.host(*host).runs(),
        Fact::Noticed(host, kind) => seen(*host, kind),
    }
}
