//! What can be set of a cluster, by name.

use standin_core::gossip::Config;
use standin_core::gossip::config::Role;
use standin_core::gossip::plant::{Plant, Plants};
use standin_core::gossip::slots::SLOTS;
use standin_core::gossip::types::NodeId;
use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::build::{Cluster, Place};
use crate::kit::WrongSetting;
use crate::plan::Setup;
use crate::world::moment::HostId;

/// Every setting with what it can be.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("masters", "the number of masters with slots of each cluster, 1 to 1000"),
    ("replicas", "the number of replicas a master, 0 to 100; hosts beyond that are masters without slots"),
    ("witnesses", "the number of witnesses of each cluster, 0 to 9: the last hosts, with a slot each"),
    ("node-timeout", "milliseconds, 100 to 600000"),
    ("start", "formed or fresh"),
    ("names", "host or random: what the names of a formed cluster's nodes begin with"),
    ("clusters", "1 or 2: the first half of the hosts is one, the second another"),
    ("full-coverage", "0 or 1: no slot is served while one is not"),
    ("migration", "0 or 1: replicas move to masters without any"),
    ("migration-barrier", "replicas a master keeps, 0 to 100"),
    (
        "validity-factor",
        "node timeouts for which a replica's data stay good enough, 0 to 1000; 0 is for ever",
    ),
    ("repl-ping", "seconds between a master's pings to its replicas, 1 to 3600"),
    ("no-failover", "numbers of hosts that never stand for election, as 1 or 1,3, or none"),
];

/// Streams of the cluster's seed.
const NAMES: u64 = 40;

/// What is read before it is put together.
struct Wish {
    masters: u32,
    replicas: Option<u32>,
    witnesses: u32,
    clusters: u32,
    random_names: bool,
}

impl Cluster {
    /// Reads the settings.
    pub(crate) fn new(setup: &Setup) -> Result<Self, WrongSetting> {
        let mut config = Config::new([0, 0, 0, 0].into(), 6379);
        config.node_timeout = Duration::from_secs(5);
        config.role = Role::Register;
        let mut cluster = Self {
            members: setup.nodes,
            config,
            places: Vec::new(),
            names: Vec::new(),
            fresh: false,
            no_failover: Vec::new(),
            hands: std::cell::RefCell::default(),
        };
        let mut wish = Wish { masters: 3, replicas: None, witnesses: 0, clusters: 1, random_names: false };
        for (name, value) in &setup.settings {
            cluster.set(&mut wish, name, value)?;
        }
        cluster.lay_out(&wish);
        cluster.name(&wish, setup.seed);
        if let Some(plant) = &setup.plant {
            let planted = Plant::ALL.iter().find(|one| one.name() == plant);
            let planted = planted.ok_or_else(|| WrongSetting {
                name: plant.clone(),
                what: format!("no planted bug is called {plant}"),
                expected: "a name of `--plant list`".to_owned(),
                nearest: None,
            })?;
            cluster.config.plants = Plants::with(*planted);
        }
        Ok(cluster)
    }

    fn set(&mut self, wish: &mut Wish, name: &str, value: &str) -> Result<(), WrongSetting> {
        let lower = name.to_ascii_lowercase();
        let Some((known, expected)) = SETTINGS.iter().find(|(known, _)| *known == lower) else {
            let ours = SETTINGS.iter().map(|(name, _)| *name);
            return Err(WrongSetting {
                name: name.to_owned(),
                what: format!("there is no setting {name}"),
                expected: ours.clone().collect::<Vec<_>>().join(", "),
                nearest: standin_core::text::nearest(name, ours).map(str::to_owned),
            });
        };
        self.set_known(wish, known, value).ok_or_else(|| WrongSetting {
            name: name.to_owned(),
            what: format!("{name} cannot be {value}"),
            expected: (*expected).to_owned(),
            nearest: None,
        })
    }

    /// Sets one of [`SETTINGS`]; `None` if the value cannot be.
    fn set_known(&mut self, wish: &mut Wish, name: &str, value: &str) -> Option<()> {
        let config = &mut self.config;
        match name {
            "masters" => wish.masters = number(value, 1, 1_000)?,
            "replicas" => wish.replicas = Some(number(value, 0, 100)?),
            "witnesses" => wish.witnesses = number(value, 0, 9)?,
            "node-timeout" => {
                config.node_timeout = Duration::from_millis(number(value, 100, 600_000)?.into());
            }
            "start" => self.fresh = choice(value, "formed", "fresh")?,
            "names" => wish.random_names = choice(value, "host", "random")?,
            "clusters" => wish.clusters = number(value, 1, 2)?,
            "full-coverage" => config.require_full_coverage = choice(value, "0", "1")?,
            "migration" => config.allow_replica_migration = choice(value, "0", "1")?,
            "migration-barrier" => config.migration_barrier = number(value, 0, 100)?,
            "validity-factor" => config.replica_validity_factor = number(value, 0, 1_000)?,
            "repl-ping" => config.repl_ping_period = Duration::from_secs(number(value, 1, 3_600)?.into()),
            "no-failover" => self.no_failover = numbers(value)?,
            _ => return None,
        }
        Some(())
    }

    /// Who is what: in each cluster masters first, then their replicas in turn, witnesses last.
    fn lay_out(&mut self, wish: &Wish) {
        let clusters = if self.members < 2 { 1 } else { wish.clusters };
        let half = self.members.div_ceil(clusters);
        for first in (0..self.members).step_by(half as usize) {
            let hosts = half.min(self.members - first);
            let witnesses = wish.witnesses.min(hosts - 1);
            let masters = wish.masters.min(hosts - witnesses);
            let slots = u32::from(SLOTS) - witnesses;
            let end = |master: u32| (2 * slots * master + masters) / (2 * masters);
            for host in 0..hosts {
                let place = if host < masters {
                    Place::Master(end(host) as u16, (end(host + 1) - 1) as u16)
                } else if host >= hosts - witnesses {
                    Place::Witness((slots + (host + witnesses - hosts)) as u16)
                } else {
                    let (round, of) = ((host - masters) / masters, (host - masters) % masters);
                    if wish.replicas.is_some_and(|most| round >= most) {
                        Place::Spare
                    } else {
                        Place::Replica(HostId(first + of))
                    }
                };
                self.places.push((first, place));
            }
        }
    }

    fn name(&mut self, wish: &Wish, seed: u64) {
        let mut rng = Rng::new(seed, NAMES);
        for host in 0..self.members {
            let random = NodeId::random(&mut rng);
            let mut text = random.as_str().to_owned();
            if !wish.random_names {
                text.replace_range(..4, &format!("n{host:03}"));
            }
            self.names.push(NodeId::new(text.as_bytes()).unwrap_or(random));
        }
    }
}

fn choice(value: &str, no: &str, yes: &str) -> Option<bool> {
    (value == yes).then_some(true).or_else(|| (value == no).then_some(false))
}

fn number(value: &str, least: u32, most: u32) -> Option<u32> {
    value.parse().ok().filter(|number| (least..=most).contains(number))
}

/// `1,3`, or `none`.
fn numbers(value: &str) -> Option<Vec<u32>> {
    if value == "none" {
        return Some(Vec::new());
    }
    value.split(',').map(|one| number(one, 0, 1_000_000)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(nodes: u32, settings: &[(&str, &str)]) -> Result<Cluster, WrongSetting> {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Cluster::new(&Setup { seed: 1, nodes, settings, plant: None })
    }

    #[test]
    fn three_masters_share_the_slots_as_the_stock_tool_does() {
        let cluster = cluster(8, &[("witnesses", "1")]).unwrap();
        let places: Vec<_> = cluster.places.iter().map(|(_, place)| *place).collect();
        assert_eq!(places[0], Place::Master(0, 5_460));
        assert_eq!(places[1], Place::Master(5_461, 10_921));
        assert_eq!(places[2], Place::Master(10_922, 16_382));
        assert_eq!(places[3..7], [0, 1, 2, 0].map(|of| Place::Replica(HostId(of))));
        assert_eq!(places[7], Place::Witness(16_383));
    }

    #[test]
    fn two_clusters_share_the_hosts_and_nothing_else() {
        let cluster = cluster(5, &[("clusters", "2"), ("masters", "2"), ("replicas", "0")]).unwrap();
        let first: Vec<_> = cluster.places.iter().map(|(first, _)| *first).collect();
        assert_eq!(first, [0, 0, 0, 3, 3]);
        assert_eq!(cluster.places[2].1, Place::Spare);
        assert_eq!(cluster.places[4].1, Place::Master(8_192, 16_383));
    }

    #[test]
    fn what_cannot_be_says_what_can() {
        for (name, value) in [("masters", "0"), ("start", "warm"), ("node-timeout", "5s"), ("clusters", "3")]
        {
            let wrong = cluster(3, &[(name, value)]).unwrap_err();
            assert_eq!(wrong.what, format!("{name} cannot be {value}"));
        }
        assert_eq!(cluster(3, &[("mastrs", "1")]).unwrap_err().nearest.as_deref(), Some("masters"));
    }

    #[test]
    fn every_setting_has_its_line_in_the_manual() {
        let manual = include_str!("../../../scenarios/README.md");
        for (name, _) in SETTINGS {
            assert!(manual.contains(&format!("\n| `{name} ")), "{name} is not in scenarios/README.md");
        }
    }
}
