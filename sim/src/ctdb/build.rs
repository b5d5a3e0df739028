//! The cluster: addresses, disks, and how a daemon is born from them.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::config::{Config, Fixes};
use standin_core::ctdb::tunables::{self, Tunables};
use standin_core::host::{Done, Fact, Job};
use standin_core::time::Duration;

use super::plant_named;
use super::verbs::NodesLine;
use crate::kit::WrongSetting;
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
    /// Their configuration, but for what a host's own disk says.
    pub config: Config,
    /// Each daemon is told its address, instead of finding it.
    listen: bool,
    /// Numbers of nodes that were deleted before the run began.
    deleted: Vec<u32>,
}

/// Files on a host's disk.
pub(super) const NODES: &str = "nodes";
pub(super) const CONF: &str = "ctdb.conf";
pub(super) const VERSION: &str = "samba-version";

/// Settings beside the tunables.
const SETTINGS: [(&str, &str); 3] = [
    ("strict", "0 or 1: every fault of ctdbd as it is"),
    ("listen", "auto or configured"),
    ("deleted", "numbers of deleted lines, as 1 or 1,3"),
];

/// The address of a member on the private network.
#[must_use]
pub fn private_address(host: HostId) -> IpAddr {
    address(0, host.0)
}

/// The member with that address on the private network.
#[must_use]
pub(super) fn host_at(address: IpAddr) -> Option<HostId> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [10, 0, high, low] if (1..=200).contains(&low) => {
                Some(HostId(u32::from(high) * 200 + u32::from(low) - 1))
            }
            _ => None,
        },
        IpAddr::V6(_) => None,
    }
}

fn address(net: u8, host: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, net, (host / 200) as u8, (host % 200) as u8 + 1))
}

impl Cluster {
    /// Reads the settings.
    pub(crate) fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        let mut cluster =
            Self { members: setup.nodes, config: Config::default(), listen: false, deleted: Vec::new() };
        for (name, value) in &setup.settings {
            cluster.set(name, value)?;
        }
        if let Some(plant) = &setup.plant {
            let planted = plant_named(plant);
            cluster.config.plants = planted.ok_or_else(|| WrongSetting {
                name: plant.clone(),
                what: format!("no planted bug is called {plant}"),
                expected: "a name of `--plant list`".to_owned(),
                nearest: None,
            })?;
        }
        Ok(cluster)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), WrongSetting> {
        let wrong = |expected: &str| WrongSetting {
            name: name.to_owned(),
            what: format!("{name} cannot be {value}"),
            expected: expected.to_owned(),
            nearest: None,
        };
        match name.to_ascii_lowercase().as_str() {
            "strict" => match value {
                "1" => self.config.fixes = Fixes::NONE,
                "0" => self.config.fixes = Fixes::ALL,
                _ => return Err(wrong(SETTINGS[0].1)),
            },
            "listen" => match value {
                "auto" => self.listen = false,
                "configured" => self.listen = true,
                _ => return Err(wrong(SETTINGS[1].1)),
            },
            "deleted" => {
                let numbers: Result<Vec<u32>, _> = value.split(',').map(str::parse).collect();
                let numbers = numbers.ok().filter(|numbers| numbers.iter().all(|&number| number <= 1_000));
                self.deleted = numbers.ok_or_else(|| wrong(SETTINGS[2].1))?;
                self.deleted.sort_unstable();
            }
            _ if tunables::position(name).is_some() => {
                let number = value.parse().map_err(|_| wrong("a number from 0 to 4294967295"))?;
                let least = u32::from(name.eq_ignore_ascii_case("KeepaliveInterval"));
                if number < least {
                    return Err(wrong("a number from 1 on"));
                }
                let set = self.config.tunables.set(name, number);
                debug_assert!(set.is_ok(), "{name} was looked up before");
            }
            _ => {
                let ours = SETTINGS.iter().map(|(name, _)| *name);
                let known = ours.chain(tunables::TUNABLES.iter().map(|tunable| tunable.name));
                return Err(WrongSetting {
                    name: name.to_owned(),
                    what: format!("there is no setting {name}"),
                    expected: "a tunable's name, strict, listen or deleted".to_owned(),
                    nearest: standin_core::text::nearest(name, known).map(str::to_owned),
                });
            }
        }
        Ok(())
    }

    /// The nodes file the cluster begins with, and returns to when healed.
    #[must_use]
    pub fn nodes_lines(&self) -> Vec<NodesLine> {
        let mut lines: Vec<NodesLine> = Vec::new();
        let mut members = (0..self.members).map(HostId);
        loop {
            if self.deleted.contains(&(lines.len() as u32)) {
                lines.push(NodesLine::Gone(format!("10.0.250.{}", lines.len() % 250 + 1)));
            } else if let Some(member) = members.next() {
                lines.push(NodesLine::Node(member));
            } else {
                return lines;
            }
        }
    }

    /// Lines as they stand in a file.
    #[must_use]
    pub fn file_of(lines: &[NodesLine]) -> String {
        let line = |line: &NodesLine| match line {
            NodesLine::Node(host) => private_address(*host).to_string(),
            NodesLine::Deleted(host) => format!("#{}", private_address(*host)),
            NodesLine::Gone(text) => format!("#{text}"),
            NodesLine::Blank => String::new(),
            NodesLine::Text(text) => text.clone(),
        };
        lines.iter().map(|one| line(one) + "\n").collect()
    }

    /// The tunables in force.
    #[must_use]
    pub const fn tunables(&self) -> &Tunables {
        &self.config.tunables
    }

    /// How long a node may be silent before it has to be dead: one interval may already have
    /// begun when it fell silent.
    #[must_use]
    pub fn silence_max(&self) -> Duration {
        let tunables = self.tunables();
        tunables.keepalive_interval().times(u64::from(tunables.keepalive_limit()) + 1)
    }

    /// How long a node has to be silent before it may be dead.
    #[must_use]
    pub fn silence_min(&self) -> Duration {
        let tunables = self.tunables();
        tunables.keepalive_interval().times(u64::from(tunables.keepalive_limit()))
    }

    /// The number a member's line has in a nodes file, counted as ctdbd counts: blank lines
    /// take no number, deleted ones do.
    #[must_use]
    pub fn line_of(file: &str, host: HostId) -> Option<u32> {
        let own = private_address(host).to_string();
        let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.zip(0..).find(|(line, _)| *line == own).map(|(_, number)| number)
    }
}

impl Translator<Ctdb> for Cluster {
    fn boot(&self, host: HostId, disk: &Disk, _: u64) -> Ctdb {
        let mut config = self.config.clone();
        if self.listen {
            config.listen = Some(private_address(host));
        }
        let text =
            |name| disk.read(name).ok().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        config.start_as_stopped = text(CONF).contains("start as stopped = true");
        config.start_as_disabled = text(CONF).contains("start as disabled = true");
        config.version = text(VERSION).parse().unwrap_or(config.version);
        Ctdb::new(config)
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
pub(super) fn world(setup: &Setup, cluster: &Rc<Cluster>) -> World<Ctdb> {
    let mut world = World::new(setup.seed, cluster.clone());
    let kernel = |host: u32| {
        Kernel::new().plugged(interface_name(Net::Private), Net::Private, address(0, host), 16).plugged(
            interface_name(Net::Public),
            Net::Public,
            address(1, host),
            16,
        )
    };
    let file = Cluster::file_of(&cluster.nodes_lines());
    for host in 0..setup.nodes {
        let host = world.add_member(kernel(host));
        world.disk(host).edit(NODES, file.as_bytes());
    }
    world.add_stranger(kernel(199 + 200 * 254));
    world
}
