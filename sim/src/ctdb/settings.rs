//! What can be set of a cluster, by name.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use standin_core::ctdb::config::{Config, Fixes};
use standin_core::ctdb::files::nodes::Nodes;
use standin_core::ctdb::tunables;
use standin_core::time::Duration;

use super::build::{Cluster, LOCK, usual_address};
use super::interface_script::LastRead;
use super::plant_named;
use super::public::{self, PER_NODE_MAX, PUBLIC_MAX, Wish};
use crate::kit::WrongSetting;
use crate::plan::Setup;
use crate::world::moment::Net;

/// Settings beside the tunables, with what each can be.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("strict", "0 or 1: every fault of ctdbd as it is"),
    ("listen", "auto or configured"),
    ("deleted", "numbers of deleted lines, as 1 or 1,3"),
    ("ipv6", "0 or 1: the nodes have IPv6 addresses"),
    ("addresses", "an address a node with commas between them, - for a deleted line"),
    ("public", "the number of public addresses, 0 to 1000"),
    ("public-per-node", "the number of public addresses a node, 0 to 4"),
    ("public6", "how many public addresses are IPv6, 0 to 1000"),
    ("public-interfaces", "1 or 2"),
    ("public-addresses", "ADDR/BITS with commas between them; @0+1 behind one that only n0 and n1 have"),
    ("publicless", "numbers of hosts, as 1 or 1,3, or none"),
    ("lock", "0 or 1: the cluster has a lock"),
    ("no-leader", "numbers of hosts, as 1 or 1,3, or none"),
    ("no-lmaster", "numbers of hosts, as 1 or 1,3, or none"),
    ("databases", "numbers of hosts, as 1 or 1,3, or none"),
    ("stub", "numbers of hosts, as 1 or 1,3, or none"),
    ("failover", "on or off"),
    ("leader-timeout", "seconds, 1 to 3600"),
    ("partial", "0 or 1: a node with one interface up is healthy"),
    ("scripts", "stock or builtin"),
];

/// The values of a tunable that a rehearsal can go on with.
pub(super) fn tunable_range(name: &str) -> RangeInclusive<u32> {
    match name.to_ascii_lowercase().as_str() {
        "keepaliveinterval" | "monitorinterval" | "electiontimeout" | "takeovertimeout"
        | "recovertimeout" | "recoverinterval" | "eventscripttimeout" => 1..=3_600,
        "keepalivelimit" | "monitortimeoutcount" => 1..=1_000,
        "controltimeout" | "recoverydropallips" | "recoverybanperiod" | "tickleupdateinterval" => 1..=86_400,
        "rerecoverytimeout" => 0..=3_600,
        "recoverygraceperiod" => 0..=86_400,
        "enablebans" | "noipfailback" | "noiptakeover" => 0..=1,
        "ipallocalgorithm" => 0..=2,
        _ => 0..=u32::MAX,
    }
}

impl Cluster {
    /// Reads the settings.
    pub(crate) fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        let mut cluster = Self {
            members: setup.nodes,
            config: Config::default(),
            listen: false,
            addresses: (0..setup.nodes).map(|host| usual_address(Net::Private, false, host)).collect(),
            deleted: Vec::new(),
            public: Vec::new(),
            wish: Wish::default(),
            no_leader: Vec::new(),
            no_lmaster: Vec::new(),
            databases: Vec::new(),
            stub: Vec::new(),
            last_read: LastRead::default(),
            partial: false,
            stock_scripts: true,
        };
        for (name, value) in &setup.settings {
            cluster.set(name, value)?;
        }
        let taken = |address: IpAddr| cluster.is_own(address);
        cluster.public = cluster.wish.addresses(setup.nodes, &taken)?;
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
        let lower = name.to_ascii_lowercase();
        if let Some((known, expected)) = SETTINGS.iter().find(|(known, _)| *known == lower) {
            return self.set_own(known, value).ok_or_else(|| wrong(expected));
        }
        if tunables::position(name).is_none() {
            let ours = SETTINGS.iter().map(|(name, _)| *name);
            let known = ours.clone().chain(tunables::TUNABLES.iter().map(|tunable| tunable.name));
            return Err(WrongSetting {
                name: name.to_owned(),
                what: format!("there is no setting {name}"),
                expected: format!("a tunable's name, or {}", ours.collect::<Vec<_>>().join(", ")),
                nearest: standin_core::text::nearest(name, known).map(str::to_owned),
            });
        }
        let range = tunable_range(name);
        let number = value.parse().ok().filter(|number| range.contains(number));
        let number =
            number.ok_or_else(|| wrong(&format!("a number from {} to {}", range.start(), range.end())))?;
        let set = self.config.tunables.set(name, number);
        debug_assert!(set.is_ok(), "{name} was looked up before");
        Ok(())
    }

    /// Sets one of [`SETTINGS`]; `None` if the value cannot be.
    fn set_own(&mut self, name: &'static str, value: &str) -> Option<()> {
        match name {
            "strict" => self.config.fixes = if switch(value)? { Fixes::NONE } else { Fixes::ALL },
            "listen" => self.listen = choice(value, "auto", "configured")?,
            "deleted" => {
                self.deleted = numbers(value)?;
                self.deleted.sort_unstable();
            }
            "ipv6" => {
                let ipv6 = switch(value)?;
                let address = |host| usual_address(Net::Private, ipv6, host);
                self.addresses = (0..self.members).map(address).collect();
            }
            "addresses" => self.set_addresses(value)?,
            "public" => self.wish.count = Some(up_to(value, PUBLIC_MAX)?),
            "public-per-node" => self.wish.per_node = up_to(value, PER_NODE_MAX)?,
            "public6" => self.wish.six = up_to(value, PUBLIC_MAX)?,
            "public-interfaces" => self.wish.two = choice(value, "1", "2")?,
            "public-addresses" => self.wish.listed = Some(public::listed(value)?),
            "publicless" => self.wish.without = numbers(value)?,
            "lock" => self.config.cluster_lock = switch(value)?.then(|| LOCK.into()),
            "no-leader" => self.no_leader = numbers(value)?,
            "no-lmaster" => self.no_lmaster = numbers(value)?,
            "databases" => self.databases = numbers(value)?,
            "stub" => self.stub = numbers(value)?,
            "failover" => self.config.failover_disabled = choice(value, "on", "off")?,
            "leader-timeout" => {
                let seconds = up_to(value, 3_600).filter(|seconds| *seconds > 0)?;
                self.config.leader_timeout = Duration::from_secs(seconds.into());
            }
            "partial" => self.partial = switch(value)?,
            "scripts" => self.stock_scripts = choice(value, "builtin", "stock")?,
            _ => return None,
        }
        Some(())
    }

    fn set_addresses(&mut self, value: &str) -> Option<()> {
        let (mut addresses, mut deleted) = (Vec::new(), Vec::new());
        for (line, word) in (0..).zip(value.split(',')) {
            match word {
                "-" => deleted.push(line),
                _ => addresses.push(word.parse().ok()?),
            }
        }
        // The rules of a nodes file: no address twice, none that is no host's.
        let file: String = addresses.iter().map(|address: &IpAddr| format!("{address}\n")).collect();
        if addresses.len() != self.members as usize || Nodes::parse(file.as_bytes()).is_err() {
            return None;
        }
        (self.addresses, self.deleted) = (addresses, deleted);
        Some(())
    }
}

fn switch(value: &str) -> Option<bool> {
    choice(value, "0", "1")
}

fn choice(value: &str, no: &str, yes: &str) -> Option<bool> {
    (value == yes).then_some(true).or_else(|| (value == no).then_some(false))
}

fn up_to(value: &str, most: u32) -> Option<u32> {
    value.parse().ok().filter(|number| *number <= most)
}

/// `1,3`, or `none`.
fn numbers(value: &str) -> Option<Vec<u32>> {
    if value == "none" {
        return Some(Vec::new());
    }
    value.split(',').map(|number| up_to(number, 1_000)).collect()
}

#[cfg(test)]
mod tests {
    use standin_core::ctdb::types::Capabilities;

    use super::*;
    use crate::world::moment::HostId;

    fn cluster(settings: &[(&str, &str)]) -> Result<Cluster, WrongSetting> {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Cluster::new(&Setup { seed: 1, nodes: 3, settings, plant: None })
    }

    #[test]
    fn leadership_is_set_by_name() {
        let settings = [("lock", "1"), ("no-leader", "2"), ("no-lmaster", "1,2"), ("leader-timeout", "7")];
        let cluster = cluster(&settings).unwrap();
        assert_eq!(cluster.config.cluster_lock.as_deref(), Some(LOCK));
        assert_eq!(cluster.config.leader_timeout, Duration::from_secs(7));
        let neither = Capabilities::STOCK - Capabilities::LEADER - Capabilities::LMASTER;
        assert_eq!(cluster.capabilities(HostId(0)), Capabilities::STOCK);
        assert_eq!(cluster.capabilities(HostId(1)), Capabilities::STOCK - Capabilities::LMASTER);
        assert_eq!(cluster.capabilities(HostId(2)), neither);
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (name, value) in [
            ("lock", "2"),
            ("failover", "maybe"),
            ("scripts", "none"),
            ("public", "1001"),
            ("public-per-node", "5"),
            ("public-interfaces", "3"),
            ("no-leader", "n1"),
            ("leader-timeout", "0"),
            ("MonitorInterval", "0"),
            ("IPAllocAlgorithm", "3"),
            ("NoIPTakeover", "2"),
        ] {
            let wrong = cluster(&[(name, value)]).unwrap_err();
            assert_eq!(wrong.what, format!("{name} cannot be {value}"));
            assert!(!wrong.expected.is_empty(), "{name}");
        }
        let unknown = cluster(&[("publicles", "1")]).unwrap_err();
        assert_eq!(unknown.nearest.as_deref(), Some("publicless"));
    }

    #[test]
    fn every_setting_has_its_line_in_the_manual() {
        let manual = include_str!("../../../scenarios/README.md");
        for (name, _) in SETTINGS {
            assert!(manual.contains(&format!("\n| `{name} ")), "{name} is not in scenarios/README.md");
        }
    }
}
