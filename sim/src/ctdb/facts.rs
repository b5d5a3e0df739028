//! What can be expected of a CTDB cluster, each fact printing as its words, and whether it holds.

use std::fmt;
use std::net::IpAddr;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::types::{Generation, NodeFlags, Pnn, RecoveryMode, RunState};

use super::build::Cluster;
use super::verbs::word_of;
use crate::world::World;
use crate::world::moment::{HostId, Net};

/// The first words of facts.
pub const FACTS: &[&str] = &[
    "connected",
    "dead",
    "pnn",
    "nodes",
    "flags",
    "healthy",
    "unhealthy",
    "banned",
    "runstate",
    "mode",
    "leader",
    "no-leader",
    "generation-agreed",
    "address",
    "all-served",
    "balanced",
    "holds",
    "holder",
    "running",
    "noticed",
];

/// What can be expected of a CTDB cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The first counts the second as connected.
    Connected(HostId, HostId),
    /// Every running daemon counts every other one as connected.
    AllConnected,
    /// Every other running daemon counts this node as disconnected.
    Dead(HostId),
    /// The node has this number.
    Number(HostId, u32),
    /// The node's nodes file has so many numbers.
    Nodes(HostId, u32),
    /// The first knows these flags of the second (DISCONNECTED and UNHEALTHY left out).
    Flags(HostId, HostId, NodeFlags),
    /// The node has, or has not, the UNHEALTHY flag of its own.
    Healthy(HostId, bool),
    /// The node has the BANNED flag of its own.
    Banned(HostId),
    /// The daemon has come so far.
    RunState(HostId, RunState),
    /// The daemon is in this recovery mode.
    Mode(HostId, RecoveryMode),
    /// The node leads, and every running active node that counts it as connected follows it.
    Leader(HostId),
    /// No running daemon leads.
    NoLeader,
    /// All running active nodes have the same generation, one that a leader gave them.
    GenerationAgreed,
    /// How a public address stands on the public network.
    Address(IpAddr, Served),
    /// Every public address the cluster began with is on exactly one host.
    AllServed,
    /// Running nodes without a flag hold the same number of public addresses, or one more.
    Balanced,
    /// The host's kernel has so many public addresses.
    Holds(HostId, u32),
    /// The first's table says that the second holds the address; or nobody.
    Holder(HostId, IpAddr, Option<HostId>),
    /// The daemon runs.
    Running(HostId),
    /// The node noticed something of this kind since the last `at`.
    Noticed(HostId, String),
}

/// How a public address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// This host's kernel has it, and no other's.
    On(HostId),
    /// No host has it.
    Nowhere,
    /// Two hosts or more have it.
    Twice,
    /// A client gets answers.
    Answers,
}

/// How an address stands, where a word says it all.
pub(super) const SERVED: [(Served, &str); 3] =
    [(Served::Nowhere, "nowhere"), (Served::Twice, "twice"), (Served::Answers, "answers")];

/// Flags a scenario can name, with their words.
pub(super) const FLAG_WORDS: [(NodeFlags, &str); 5] = [
    (NodeFlags::empty(), "ok"),
    (NodeFlags::PERMANENTLY_DISABLED, "disabled"),
    (NodeFlags::STOPPED, "stopped"),
    (NodeFlags::BANNED, "banned"),
    (NodeFlags::DELETED, "deleted"),
];

/// Recovery modes, with their words.
pub(super) const MODES: [(RecoveryMode, &str); 2] =
    [(RecoveryMode::Normal, "normal"), (RecoveryMode::Active, "recovery")];

/// Runstates, with the tool's words.
pub(super) const RUNSTATES: [(RunState, &str); 6] = [
    (RunState::Init, "INIT"),
    (RunState::Setup, "SETUP"),
    (RunState::FirstRecovery, "FIRST_RECOVERY"),
    (RunState::Startup, "STARTUP"),
    (RunState::Running, "RUNNING"),
    (RunState::Shutdown, "SHUTDOWN"),
];

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(from, to) => write!(f, "connected {from} {to}"),
            Self::AllConnected => f.write_str("connected all"),
            Self::Dead(host) => write!(f, "dead {host}"),
            Self::Number(host, number) => write!(f, "pnn {host} {number}"),
            Self::Nodes(host, count) => write!(f, "nodes {host} {count}"),
            Self::Flags(from, to, flags) => {
                write!(f, "flags {from} {to} ")?;
                let mut words =
                    FLAG_WORDS.iter().filter(|(flag, _)| !flag.is_empty() && flags.contains(*flag));
                match words.next() {
                    None => f.write_str("ok"),
                    Some((_, first)) => {
                        f.write_str(first)?;
                        words.try_for_each(|(_, word)| write!(f, "|{word}"))
                    }
                }
            }
            Self::Healthy(host, true) => write!(f, "healthy {host}"),
            Self::Healthy(host, false) => write!(f, "unhealthy {host}"),
            Self::Banned(host) => write!(f, "banned {host}"),
            Self::RunState(host, state) => write!(f, "runstate {host} {}", word_of(&RUNSTATES, state)),
            Self::Mode(host, mode) => write!(f, "mode {host} {}", word_of(&MODES, mode)),
            Self::Leader(host) => write!(f, "leader {host}"),
            Self::NoLeader => f.write_str("no-leader"),
            Self::GenerationAgreed => f.write_str("generation-agreed"),
            Self::Address(address, Served::On(host)) => write!(f, "address {address} on {host}"),
            Self::Address(address, served) => write!(f, "address {address} {}", word_of(&SERVED, served)),
            Self::AllServed => f.write_str("all-served"),
            Self::Balanced => f.write_str("balanced"),
            Self::Holds(host, count) => write!(f, "holds {host} {count}"),
            Self::Holder(host, address, Some(holder)) => write!(f, "holder {host} {address} {holder}"),
            Self::Holder(host, address, None) => write!(f, "holder {host} {address} nobody"),
            Self::Running(host) => write!(f, "running {host}"),
            Self::Noticed(host, kind) => write!(f, "noticed {host} {kind}"),
        }
    }
}

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

/// A node's flags in its own eyes, while its daemon runs and knows its number.
pub(super) fn own_flags(world: &World<Ctdb>, host: HostId) -> Option<NodeFlags> {
    let machine = world.host(host).machine()?;
    machine.flags(machine.pnn()?)
}

/// The running daemon that thinks it leads; the first if several do.
pub(super) fn leads(world: &World<Ctdb>) -> Option<HostId> {
    let leads = |machine: &Ctdb| machine.pnn().is_some() && machine.leader() == machine.pnn();
    world.members().find(|host| world.host(*host).machine().is_some_and(leads))
}

/// The hosts that would answer for an address on the public network.
fn holders(world: &World<Ctdb>, address: IpAddr) -> Vec<HostId> {
    let holds = |host: &HostId| {
        let there = world.host(*host);
        there.awake() && there.kernel.net_of(address) == Some(Net::Public) && there.kernel.usable(address)
    };
    world.members().filter(holds).collect()
}

/// How many addresses beside its own a host's kernel has on the public network.
fn held(cluster: &Cluster, world: &World<Ctdb>, host: HostId) -> usize {
    let there = world.host(host);
    let up = there.kernel.interfaces().iter().filter(|one| one.net == Net::Public && one.is_up());
    let held = up.flat_map(|one| &one.addresses).filter(|held| !cluster.is_own(held.address));
    if there.awake() { held.count() } else { 0 }
}

pub(super) fn holds(
    cluster: &Cluster,
    world: &World<Ctdb>,
    fact: &Fact,
    seen: &dyn Fn(HostId, &str) -> bool,
) -> bool {
    let runs = |host: HostId| world.host(host).runs();
    let running = || world.members().filter(|&host| runs(host));
    let machine = |host: HostId| world.host(host).machine();
    let active = |host: &HostId| own_flags(world, *host).is_some_and(|flags| !flags.is_inactive());
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
        Fact::Number(host, number) => machine(*host).and_then(Ctdb::pnn).is_some_and(|pnn| pnn.0 == *number),
        Fact::Nodes(host, count) => machine(*host).is_some_and(|machine| machine.node_count() == *count),
        Fact::Flags(from, to, flags) => {
            let known = machine(*from)
                .zip(number_at(cluster, world, *from, *to))
                .and_then(|(machine, pnn)| machine.flags(pnn));
            known.is_some_and(|known| known - NodeFlags::DISCONNECTED - NodeFlags::UNHEALTHY == *flags)
        }
        Fact::Healthy(host, healthy) => {
            own_flags(world, *host).is_some_and(|flags| flags.contains(NodeFlags::UNHEALTHY) != *healthy)
        }
        Fact::Banned(host) => own_flags(world, *host).is_some_and(|flags| flags.contains(NodeFlags::BANNED)),
        Fact::RunState(host, state) => machine(*host).is_some_and(|machine| machine.runstate() == *state),
        Fact::Mode(host, mode) => machine(*host).is_some_and(|machine| machine.recovery_mode() == *mode),
        Fact::Leader(host) => {
            let follows = |one: HostId| {
                let number = number_at(cluster, world, one, *host);
                number.is_some() && machine(one).and_then(Ctdb::leader) == number
            };
            let bound =
                |one: &HostId| one != host && active(one) && counts_connected(cluster, world, *one, *host);
            runs(*host) && follows(*host) && running().filter(bound).all(follows)
        }
        Fact::NoLeader => leads(world).is_none(),
        Fact::GenerationAgreed => {
            let mut all = running().filter(active).filter_map(machine).map(Ctdb::generation);
            all.next().is_some_and(|first| first != Generation::INVALID && all.all(|other| other == first))
        }
        Fact::Address(address, Served::On(host)) => holders(world, *address) == [*host],
        Fact::Address(address, Served::Nowhere) => holders(world, *address).is_empty(),
        Fact::Address(address, Served::Twice) => holders(world, *address).len() > 1,
        Fact::Address(address, Served::Answers) => {
            let seen = world.client_view().into_iter().find(|(watched, _)| watched == address);
            // The client asks only what the cluster began with.
            seen.map_or_else(
                || holders(world, *address).len() == 1,
                |(_, summary)| summary.served_by.is_some(),
            )
        }
        Fact::AllServed => {
            let mut due = cluster.public().iter().filter(|public| cluster.can_be_served(public));
            due.all(|public| holders(world, public.entry.address).len() == 1)
        }
        Fact::Balanced => {
            let fit = running().filter(|host| own_flags(world, *host) == Some(NodeFlags::empty()));
            let counts: Vec<_> = fit.map(|host| held(cluster, world, host)).collect();
            let (least, most) = (counts.iter().min(), counts.iter().max());
            least.zip(most).is_some_and(|(least, most)| most - least <= 1)
        }
        Fact::Holds(host, count) => held(cluster, world, *host) == *count as usize,
        Fact::Holder(host, address, holder) => machine(*host).is_some_and(|machine| {
            let known = machine.public_addresses().any(|public| public.address == *address);
            let wanted = holder.and_then(|holder| cluster.number_of(machine, holder));
            known && machine.holder_of(*address) == wanted && holder.is_some() == wanted.is_some()
        }),
        Fact::Running(host) => runs(*host),
        Fact::Noticed(host, kind) => seen(*host, kind),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use standin_core::host::Placed;
    use standin_core::time::Duration;

    use super::*;
    use crate::ctdb::build;
    use crate::plan::Setup;
    use crate::world::fault::{Fault, Who};
    use crate::world::kernel::Kernel;

    fn setup() -> (Setup, Rc<Cluster>) {
        let settings = vec![("public".to_owned(), "4".to_owned())];
        let setup = Setup { seed: 1, nodes: 2, settings, plant: None };
        let cluster = Cluster::new(&setup).map(Rc::new);
        (setup, cluster.unwrap_or_else(|wrong| panic!("{}", wrong.what)))
    }

    #[test]
    fn a_run_knows_who_is_connected_and_how_far_each_has_come() {
        let (setup, cluster) = setup();
        let mut world = build::world(&setup, &cluster);
        world.befall(&Fault::Start(Who::All));
        let until = world.now() + Duration::from_secs(20);
        while world.advance(until) {
            world.news.clear();
        }
        let so = |fact: Fact| holds(&cluster, &world, &fact, &|_, _| false);
        assert!(so(Fact::AllConnected) && !so(Fact::Dead(HostId(1))) && !so(Fact::Banned(HostId(0))));
        assert!(so(Fact::Healthy(HostId(0), true)) != so(Fact::Healthy(HostId(0), false)));
        let states = RUNSTATES.map(|(state, _)| so(Fact::RunState(HostId(0), state)));
        assert_eq!(states.iter().filter(|so| **so).count(), 1);
        let modes = MODES.map(|(mode, _)| so(Fact::Mode(HostId(0), mode)));
        assert_eq!(modes.iter().filter(|so| **so).count(), 1);
        assert!(!(so(Fact::NoLeader) && (so(Fact::Leader(HostId(0))) || so(Fact::Leader(HostId(1))))));
    }

    /// Hosts whose kernels have these addresses; no daemon runs.
    fn wired(cluster: &Rc<Cluster>, hosts: [&[&str]; 2]) -> World<Ctdb> {
        let mut world = World::new(1, cluster.clone());
        for (host, held) in (0..).zip(hosts) {
            let own = build::usual_address(Net::Public, false, host);
            let mut kernel = Kernel::new().plugged("eth1", Net::Public, own, 16);
            for address in held {
                let placed =
                    Placed { interface: "eth1".to_owned(), address: address.parse().unwrap(), prefix: 16 };
                kernel.add_address(&placed).unwrap();
            }
            world.add_member(kernel);
        }
        cluster.public().iter().for_each(|public| world.watch(public.entry.address));
        world
    }

    #[test]
    fn where_an_address_is_follows_from_the_kernels() {
        let (_, cluster) = setup();
        let so = |world: &World<Ctdb>, fact: Fact| holds(&cluster, world, &fact, &|_, _| false);
        let address = |text: &str, served| Fact::Address(text.parse().unwrap(), served);
        let some = wired(&cluster, [&["10.1.0.10", "10.1.0.11"], &["10.1.0.11", "10.1.0.12", "10.1.0.77"]]);
        assert!(so(&some, address("10.1.0.10", Served::On(HostId(0)))));
        assert!(!so(&some, address("10.1.0.10", Served::On(HostId(1)))));
        assert!(so(&some, address("10.1.0.11", Served::Twice)));
        assert!(!so(&some, address("10.1.0.11", Served::On(HostId(0)))));
        assert!(so(&some, address("10.1.0.13", Served::Nowhere)));
        assert!(!so(&some, address("10.1.0.13", Served::Answers)));
        assert!(so(&some, address("10.1.0.77", Served::Answers)), "though the client never asks");
        assert!(so(&some, Fact::Holds(HostId(0), 2)) && so(&some, Fact::Holds(HostId(1), 3)));
        assert!(!so(&some, Fact::AllServed));
        let all = wired(&cluster, [&["10.1.0.10", "10.1.0.11"], &["10.1.0.12", "10.1.0.13"]]);
        assert!(so(&all, Fact::AllServed));
        let mut dark = all.clone();
        dark.befall(&Fault::PowerOff(Who::One(HostId(1))));
        assert!(so(&dark, address("10.1.0.12", Served::Nowhere)) && so(&dark, Fact::Holds(HostId(1), 0)));
        // No daemon runs that could be compared.
        assert!(!so(&all, Fact::Balanced) && !so(&all, Fact::GenerationAgreed) && so(&all, Fact::NoLeader));
    }
}
