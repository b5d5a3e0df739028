//! The cluster: who is what, names, addresses, state files, and how a daemon is born from them.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use standin_core::gossip::config::Role;
use standin_core::gossip::types::NodeId;
use standin_core::gossip::{Config, Gossip};
use standin_core::host::{Done, Fact, Job};

use super::hands::Hands;
use crate::plan::Setup;
use crate::world::disk::Disk;
use crate::world::fault::interface_name;
use crate::world::kernel::Kernel;
use crate::world::moment::{HostId, Net};
use crate::world::{Translator, World};

/// What all daemons of a run have in common.
#[derive(Debug)]
pub struct Cluster {
    /// Hosts that run a daemon.
    pub members: u32,
    /// Their configuration, but for what is said of single hosts.
    pub config: Config,
    /// The first host of each member's cluster, and what the member is in the beginning.
    pub(super) places: Vec<(u32, Place)>,
    /// The members' names in a formed cluster.
    pub(super) names: Vec<NodeId>,
    /// Nobody knows anybody in the beginning.
    pub(super) fresh: bool,
    /// Hosts that never stand for election.
    pub(super) no_failover: Vec<u32>,
    /// What operators and clients did.
    pub(super) hands: RefCell<Hands>,
}

/// What a member is in the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A master of the slots from the first to the last.
    Master(u16, u16),
    /// A replica of this host.
    Replica(HostId),
    /// A witness with this slot.
    Witness(u16),
    /// A master without slots.
    Spare,
}

/// The state file.
pub(super) const STATE: &str = "nodes.conf";
/// The stranger's number among addresses, beyond every member's.
const STRANGER: u32 = 50_000;

/// A host's address.
pub(super) fn usual_address(net: Net, host: u32) -> IpAddr {
    let (high, low) = ((host / 200) as u8, (host % 200) as u8 + 1);
    match net {
        Net::Private => Ipv4Addr::new(10, 0, high, low).into(),
        Net::Public => Ipv4Addr::new(198, 18, high, low).into(),
    }
}

impl Cluster {
    /// The member that had this address in the beginning.
    pub(super) fn host_at(&self, address: IpAddr) -> Option<HostId> {
        (0..self.members).map(HostId).find(|host| usual_address(Net::Private, host.0) == address)
    }

    /// The address of a host's clients' port, as far as its kernel has one.
    pub(super) fn clients_port(&self, world: &World<Gossip>, host: HostId) -> Option<SocketAddr> {
        let kernel = &world.host(host).kernel;
        let usual = usual_address(Net::Private, host.0);
        let mut held = kernel.addresses().map(|placed| placed.address);
        let ip = if kernel.holds(usual) {
            Some(usual)
        } else {
            held.find(|ip| kernel.net_of(*ip) == Some(Net::Private))
        };
        Some(SocketAddr::new(ip?, self.config.port))
    }

    /// What a member is in the beginning.
    pub(super) fn place(&self, host: HostId) -> Place {
        self.places[host.index()].1
    }

    /// The members of a member's cluster.
    pub(super) fn companions(&self, host: HostId) -> impl Iterator<Item = HostId> {
        let first = self.places[host.index()].0;
        (0..self.members).map(HostId).filter(move |other| self.places[other.index()].0 == first)
    }

    /// How long a silence has to be before it is noticed, at most: a ping that is due after half
    /// the node timeout, and the whole of it without an answer.
    pub(super) const fn silence_max(&self) -> standin_core::time::Duration {
        standin_core::time::Duration(self.config.node_timeout.0 + self.config.node_timeout.0 / 2)
    }

    /// A claim's version in the beginning: masters and witnesses are numbered from 1.
    fn epoch(&self, host: HostId) -> u64 {
        let before = self.companions(host).filter(|other| *other <= host);
        before.filter(|other| matches!(self.place(*other), Place::Master(..) | Place::Witness(_))).count()
            as u64
    }

    /// The lines of a formed cluster's state file, without `myself`.
    fn lines(&self, first: HostId) -> Vec<(HostId, String, String)> {
        let epochs: Vec<u64> = (0..self.members).map(|host| self.epoch(HostId(host))).collect();
        let port = self.config.port;
        let bus = self.config.bus_port;
        let line = |host: HostId| {
            let id = self.names[host.index()];
            let ip = usual_address(Net::Private, host.0);
            let head = format!("{id} {ip}:{port}@{bus} ");
            let (flags, master, epoch, slots) = match self.place(host) {
                Place::Master(from, to) if from == to => {
                    ("master", None, epochs[host.index()], format!(" {from}"))
                }
                Place::Master(from, to) => ("master", None, epochs[host.index()], format!(" {from}-{to}")),
                Place::Witness(slot) => ("master", None, epochs[host.index()], format!(" {slot}")),
                Place::Spare => ("master", None, 0, String::new()),
                Place::Replica(of) => ("slave", Some(of), epochs[of.index()], String::new()),
            };
            let master = master.map_or("-".to_owned(), |of| self.names[of.index()].to_string());
            (host, head, format!("{flags} {master} 0 1 {epoch} connected{slots}\n"))
        };
        self.companions(first).map(line).collect()
    }

    /// Everybody's state file in a formed cluster.
    fn state_files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut lines: Vec<(HostId, String, String)> = Vec::new();
        for host in (0..self.members).map(HostId) {
            if lines.first().is_none_or(|(first, ..)| first.0 != self.places[host.index()].0) {
                lines = self.lines(host);
            }
            let mut file = String::new();
            for (of, head, tail) in &lines {
                file.push_str(head);
                if *of == host {
                    file.push_str("myself,");
                }
                file.push_str(tail);
            }
            let last = self.companions(host).map(|host| self.epoch(host)).max().unwrap_or_default();
            let _ = writeln!(file, "vars currentEpoch {last} lastVoteEpoch 0");
            files.push(file);
        }
        files
    }
}

impl Translator<Gossip> for Cluster {
    fn boot(&self, host: HostId, _: &Disk, seed: u64) -> Gossip {
        let mut config = self.config.clone();
        config.no_failover = self.no_failover.contains(&host.0);
        if matches!(self.place(host), Place::Witness(_)) {
            config.role = Role::Witness;
        }
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

/// The hosts on their networks, with their files.
pub(super) fn world(setup: &Setup, cluster: &Rc<Cluster>) -> World<Gossip> {
    let mut world = World::new(setup.seed, cluster.clone());
    let kernel = |host: u32| {
        Kernel::new()
            .plugged(interface_name(Net::Private), Net::Private, usual_address(Net::Private, host), 16)
            .plugged(interface_name(Net::Public), Net::Public, usual_address(Net::Public, host), 16)
    };
    let files = if cluster.fresh { Vec::new() } else { cluster.state_files() };
    for host in 0..setup.nodes {
        let added = world.add_member(kernel(host));
        if let Some(file) = files.get(added.index()) {
            world.disk(added).edit(STATE, file.as_bytes());
        }
    }
    world.add_stranger(kernel(STRANGER));
    world
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formed_cluster_is_written_as_redis_writes_it() {
        let settings = vec![("masters".to_owned(), "1".to_owned()), ("witnesses".to_owned(), "1".to_owned())];
        let setup = Setup { seed: 1, nodes: 3, settings, plant: None };
        let cluster = Cluster::new(&setup).unwrap_or_else(|wrong| panic!("{}", wrong.what));
        let files = cluster.state_files();
        let cut: Vec<_> = files[1]
            .lines()
            .map(|line| line.split(' ').map(|word| &word[..word.len().min(20)]).collect::<Vec<_>>().join(" "))
            .collect();
        let id = |host: usize| cluster.names[host].as_str()[..20].to_owned();
        assert_eq!(
            cut,
            [
                format!("{} 10.0.0.1:6379@16379 master - 0 1 1 connected 0-16382", id(0)),
                format!("{} 10.0.0.2:6379@16379 myself,slave {} 0 1 1 connected", id(1), id(0)),
                format!("{} 10.0.0.3:6379@16379 master - 0 1 2 connected 16383", id(2)),
                "vars currentEpoch 2 lastVoteEpoch 0".to_owned(),
            ]
        );
    }
}
