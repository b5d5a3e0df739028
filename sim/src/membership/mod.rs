//! How nodes come to know each other, and what it costs: a list they all read, flooding, gossip
//! with few of many, and Redis Cluster's gossip, each in the same world.

mod spread;

pub use self::spread::{ENTRY, Silent, Spread, Way};

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use standin_core::ctdb::types::Pnn;
use standin_core::gossip::slots::SLOTS;
use standin_core::gossip::{Config, Gossip};
use standin_core::host::{Done, Fact, Job};
use standin_core::machine::{Endpoint, Machine};
use standin_core::rng::Rng;
use standin_core::time::Duration;

use crate::ctdb::CtdbKit;
use crate::kit::Kit;
use crate::plan::{NODES_MAX, Setup};
use crate::world::disk::Disk;
use crate::world::kernel::Kernel;
use crate::world::moment::{HostId, Moment, Net};
use crate::world::{Translator, World};

/// A way to find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// CTDB's nodes file, and a link each way between every two.
    List,
    /// Flooding, over four links a node.
    Flood,
    /// Each second ten random members to three random ones, and back.
    FewOfMany,
    /// Each second everything to one random member, and back.
    AllToOne,
    /// Redis Cluster's gossip, MEET along a chain, node timeout 15 s.
    Redis,
}

impl Topology {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 5] = [Self::List, Self::Flood, Self::FewOfMany, Self::AllToOne, Self::Redis];

    /// As the table has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "central list (nodes file), full mesh",
            Self::Flood => "flooding, 4 links a node",
            Self::FewOfMany => "gossip, 10 members to 3 a second",
            Self::AllToOne => "gossip, all members to 1 a second",
            Self::Redis => "Redis Cluster, MEET in a chain",
        }
    }

    /// Whether so many nodes can be run.
    #[must_use]
    pub const fn runs(self, nodes: u32) -> bool {
        match self {
            // As many as a rehearsal of CTDB takes.
            Self::List => nodes <= NODES_MAX,
            Self::Flood | Self::FewOfMany | Self::AllToOne | Self::Redis => true,
        }
    }
}

/// What became of a cluster that starts from nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Spreading {
    /// Until every node knew (with a list: was connected to) every other; none within the limit.
    pub all_know_us: Option<u64>,
    /// Bytes of payload a node sent until then, the mean.
    pub bytes_a_node: u64,
    /// Bytes of payload a node sent in each of the ten seconds that began twenty seconds later.
    pub idle_bytes_a_second: u64,
}

/// When a run is given up.
const LIMIT: Duration = Duration::from_secs(300);
/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(20);

/// Starts so many nodes at once and lets them find each other.
#[must_use]
pub fn spread(topology: Topology, nodes: u32, seed: u64) -> Spreading {
    let gossip = |peers, entries| Way::Gossip { peers, entries };
    match topology {
        Topology::List => list(nodes, seed),
        Topology::Flood => small(Way::Flood, nodes, seed),
        Topology::FewOfMany => small(gossip(3, 10), nodes, seed),
        Topology::AllToOne => small(gossip(1, 0), nodes, seed),
        Topology::Redis => redis(nodes, seed),
    }
}

/// Where a node lives: a /16 has room for all.
fn address(node: u32) -> IpAddr {
    Ipv4Addr::new(10, 0, (node / 250) as u8, (node % 250) as u8 + 1).into()
}

fn socket(node: u32) -> SocketAddr {
    SocketAddr::new(address(node), 7_000)
}

fn kernel(node: u32) -> Kernel {
    Kernel::new().plugged("eth0", Net::Private, address(node), 16)
}

#[derive(Debug)]
struct Members {
    way: Way,
}

impl Translator<Spread> for Members {
    fn boot(&self, host: HostId, _: &Disk, seed: u64) -> Spread {
        let mut rng = Rng::new(seed, 2);
        let links = if self.way == Way::Flood { 4 } else { 1 };
        let mut bootstrap: Vec<u32> =
            (0..links).filter(|_| host.0 > 0).map(|_| rng.below(host.0.into()) as u32).collect();
        bootstrap.sort_unstable();
        bootstrap.dedup();
        Spread::new(self.way, host.0, socket, bootstrap, seed)
    }
    fn job(&self, job: Infallible) -> Job {
        match job {}
    }
    fn done(&self, _: Done) {}
}

fn small(way: Way, nodes: u32, seed: u64) -> Spreading {
    let mut world = World::new(seed, Rc::new(Members { way }));
    for node in 0..nodes {
        let host = world.add_member(kernel(node));
        world.start(host);
    }
    watch(&mut world, nodes, |world| {
        let mut members = world.members();
        members.all(|host| world.host(host).machine().is_some_and(|it| it.known() == nodes as usize))
    })
}

fn list(nodes: u32, seed: u64) -> Spreading {
    let setup = Setup { seed, nodes, settings: Vec::new(), plant: None };
    let kit = CtdbKit::new(&setup).expect("the defaults are right");
    let mut world = kit.build(&setup);
    let members: Vec<HostId> = world.members().collect();
    for &host in &members {
        world.start(host);
    }
    watch(&mut world, nodes, move |world| {
        let knows = |host: &HostId| {
            let machine = world.host(*host).machine();
            machine.is_some_and(|it| (0..nodes).all(|other| it.is_connected(Pnn(other))))
        };
        members.iter().all(knows)
    })
}

#[derive(Debug)]
struct Redis;

impl Translator<Gossip> for Redis {
    fn boot(&self, host: HostId, _: &Disk, seed: u64) -> Gossip {
        let mut config = Config::new(address(host.0), 7_000);
        config.require_full_coverage = false;
        Gossip::new(config, seed)
    }
    fn job(&self, job: Job) -> Job {
        job
    }
    fn done(&self, done: Done) -> Done {
        done
    }
    fn fact(&self, fact: Fact) -> Option<Fact> {
        Some(fact)
    }
}

fn redis(nodes: u32, seed: u64) -> Spreading {
    let mut world = World::new(seed, Rc::new(Redis));
    for node in 0..nodes {
        let host = world.add_member(kernel(node));
        world.start(host);
    }
    // They are up before anybody is told to meet anybody.
    while world.advance(Moment(1_000_000)) {
        world.news.clear();
    }
    // As real ones were measured: epochs and slots first, then each meets the one before it.
    for node in 0..nodes {
        let slot = |node: u32| u32::from(SLOTS) * node / nodes;
        let (epoch, first, last) = (node + 1, slot(node), slot(node + 1) - 1);
        let mut says =
            format!("CLUSTER SET-CONFIG-EPOCH {epoch}\r\nCLUSTER ADDSLOTSRANGE {first} {last}\r\n");
        if node > 0 {
            says.push_str(&format!("CLUSTER MEET {} 7000\r\n", address(node - 1)));
        }
        world.puppet_tell(HostId(node), &Endpoint::Tcp(socket(node)), says.into_bytes());
    }
    watch(&mut world, nodes, |world| {
        let knows = |it: &Gossip| {
            it.table().len() == nodes as usize && it.table().iter().all(|(_, node)| !node.in_handshake())
        };
        world.members().all(|host| world.host(host).machine().is_some_and(knows))
    })
}

/// Lets the world turn until all know all, and then a little longer.
fn watch<M: Machine>(world: &mut World<M>, nodes: u32, all_know: impl Fn(&World<M>) -> bool) -> Spreading {
    let start = world.now();
    let turn = |world: &mut World<M>, until: Moment| {
        while world.advance(until) {
            world.news.clear();
        }
    };
    let bytes = world.counts.bytes;
    let mut all_know_us = None;
    while all_know_us.is_none() && world.now().since(start) < LIMIT {
        let next = world.now() + LOOK;
        turn(world, next);
        if all_know(world) {
            all_know_us = Some(world.now().since(start).as_micros());
        }
    }
    let bytes_a_node = (world.counts.bytes - bytes) / u64::from(nodes);
    let calm = world.now() + Duration::from_secs(20);
    turn(world, calm);
    let before = world.counts.bytes;
    turn(world, calm + Duration::from_secs(10));
    let idle_bytes_a_second = (world.counts.bytes - before) / 10 / u64::from(nodes);
    Spreading { all_know_us, bytes_a_node, idle_bytes_a_second }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_clusters_come_to_know_each_other_and_repeat() {
        for topology in [Topology::List, Topology::Flood, Topology::FewOfMany, Topology::AllToOne] {
            let once = spread(topology, 10, 7);
            assert!(once.all_know_us.is_some(), "{topology:?}: {once:?}");
            assert_eq!(once, spread(topology, 10, 7), "{topology:?}");
        }
    }
}
