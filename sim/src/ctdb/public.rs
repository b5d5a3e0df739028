//! The public addresses of a rehearsal: which there are, and which hosts may serve them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use standin_core::ctdb::files::public_addresses::{PublicAddress, PublicAddresses};
use standin_core::text::Problems;

use crate::kit::{Configured, WrongSetting};
use crate::world::fault::interface_name;
use crate::world::moment::Net;

/// Addresses a cluster may have.
pub(super) const PUBLIC_MAX: u32 = 1_000;
/// Addresses a node if nothing else is said.
pub(super) const PER_NODE: u32 = 2;
pub(super) const PER_NODE_MAX: u32 = PUBLIC_MAX / crate::plan::NODES_MAX;
/// The second interface on the public network, where there is one.
pub(super) const SECOND: &str = "eth2";

/// A public address of the cluster as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// As its line in the file of every host that has it.
    pub entry: PublicAddress,
    /// The hosts that have it in their file, by number; else all.
    pub(super) hosts: Option<Vec<u32>>,
}

/// An address and its network bits, with the hosts that have it; else all.
pub(super) type Listed = (IpAddr, u8, Option<Vec<u32>>);

/// What the settings say of public addresses.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) count: Option<u32>,
    pub(super) per_node: u32,
    /// How many of them are IPv6.
    pub(super) six: u32,
    /// They may be on two interfaces.
    pub(super) two: bool,
    /// These and no others, with the hosts that have each.
    pub(super) listed: Option<Vec<Listed>>,
    /// Hosts without a file.
    pub(super) without: Vec<u32>,
}

impl Default for Wish {
    fn default() -> Self {
        Self { count: None, per_node: PER_NODE, six: 0, two: false, listed: None, without: Vec::new() }
    }
}

impl Wish {
    /// Interfaces an address may be on.
    pub(super) fn interfaces(&self) -> Vec<String> {
        let names: &[&str] = &[interface_name(Net::Public), SECOND];
        names[..if self.two { 2 } else { 1 }].iter().map(|&name| name.to_owned()).collect()
    }

    /// The addresses of a cluster of so many nodes; none of them is `taken`.
    ///
    /// # Errors
    /// If one that was listed is.
    pub(super) fn addresses(
        &self,
        members: u32,
        taken: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Vec<Public>, WrongSetting> {
        let interfaces = self.interfaces();
        let public = |address, bits, hosts| {
            let entry = PublicAddress { address, bits, interfaces: interfaces.clone() };
            Public { entry, hosts }
        };
        if let Some(listed) = &self.listed {
            if let Some((address, ..)) = listed.iter().find(|(address, ..)| taken(*address)) {
                return Err(WrongSetting {
                    name: "public-addresses".to_owned(),
                    what: format!("{address} is a host's own address"),
                    expected: "addresses that no host has for itself".to_owned(),
                    nearest: None,
                });
            }
            return Ok(listed
                .iter()
                .map(|(address, bits, hosts)| public(*address, *bits, hosts.clone()))
                .collect());
        }
        let count = self.count.unwrap_or(members * self.per_node).min(PUBLIC_MAX);
        let six = self.six.min(count);
        let fours = (0..).map(four).filter(|address| !taken(*address)).take((count - six) as usize);
        let sixes = (0..).map(six_of).filter(|address| !taken(*address)).take(six as usize);
        Ok(fours
            .map(|address| public(address, 16, None))
            .chain(sixes.map(|address| public(address, 64, None)))
            .collect())
    }
}

/// `10.1.0.10` and those after it, 200 for each third number.
fn four(place: u16) -> IpAddr {
    Ipv4Addr::new(10, 1, (place / 200) as u8, (place % 200) as u8 + 10).into()
}

/// `fd01::10` and those after it.
fn six_of(place: u16) -> IpAddr {
    Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, place + 0x10).into()
}

/// Reads the value of `public-addresses`: `10.1.0.10/16@0+1,10.1.0.11/16`.
pub(super) fn listed(value: &str) -> Option<Vec<Listed>> {
    let mut file = String::new();
    let mut hosts = Vec::new();
    for one in value.split(',') {
        let (address, of) = one.split_once('@').map_or((one, None), |(address, of)| (address, Some(of)));
        file += &format!("{address} {SECOND}\n");
        hosts.push(match of {
            Some(of) => Some(of.split('+').map(|host| host.parse().ok()).collect::<Option<Vec<u32>>>()?),
            None => None,
        });
    }
    let read = PublicAddresses::parse(file.as_bytes()).ok()?;
    // A line that is blank or a comment is no address.
    let whole = read.entries().len() == hosts.len() && hosts.len() <= PUBLIC_MAX as usize;
    let with = |(entry, hosts): (&PublicAddress, _)| (entry.address, entry.bits, hosts);
    whole.then(|| read.entries().iter().zip(hosts).map(with).collect())
}

/// A public addresses file as settings. Interfaces are the rehearsal's own.
pub(super) fn public_addresses_file(text: &[u8]) -> Result<Configured, Problems> {
    let read = PublicAddresses::parse(text)?;
    let words: Vec<_> =
        read.entries().iter().map(|entry| format!("{}/{}", entry.address, entry.bits)).collect();
    let setting = match words.as_slice() {
        [] => ("public".to_owned(), "0".to_owned()),
        words => ("public-addresses".to_owned(), words.join(",")),
    };
    Ok(Configured { nodes: None, settings: vec![setting] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::build::Cluster;
    use crate::plan::Setup;
    use crate::world::moment::HostId;

    fn cluster(nodes: u32, settings: &[(&str, &str)]) -> Result<Cluster, WrongSetting> {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Cluster::new(&Setup { seed: 1, nodes, settings, plant: None })
    }

    fn files(nodes: u32, settings: &[(&str, &str)]) -> Vec<Option<String>> {
        let cluster = cluster(nodes, settings).unwrap_or_else(|wrong| panic!("{}", wrong.what));
        (0..nodes).map(|host| cluster.public_file(HostId(host))).collect()
    }

    #[test]
    fn every_node_serves_two_addresses_a_node() {
        let all = "10.1.0.10/16 eth1\n10.1.0.11/16 eth1\n10.1.0.12/16 eth1\n10.1.0.13/16 eth1\n";
        assert_eq!(files(2, &[]), [Some(all.to_owned()), Some(all.to_owned())]);
        let most = cluster(250, &[("public", "1000")]).unwrap();
        assert_eq!(most.public().last().unwrap().entry.to_string(), "10.1.4.209/16 eth1");
    }

    #[test]
    fn some_are_ipv6_and_some_hosts_have_no_file() {
        let settings = [("public", "2"), ("public6", "1"), ("publicless", "1"), ("public-interfaces", "2")];
        let one = "10.1.0.10/16 eth1,eth2\nfd01::10/64 eth1,eth2\n".to_owned();
        assert_eq!(files(2, &settings), [Some(one), None]);
        assert_eq!(files(1, &[("public", "0")]), [None]);
    }

    #[test]
    fn listed_addresses_say_which_hosts_have_them() {
        let settings = [("public-addresses", "10.9.0.1/24@0+2,fd02::1/64")];
        let both = "10.9.0.1/24 eth1\nfd02::1/64 eth1\n".to_owned();
        assert_eq!(files(2, &settings), [Some(both), Some("fd02::1/64 eth1\n".to_owned())]);
        let wrong = |value| cluster(2, &[("public-addresses", value)]).map(|_| ()).unwrap_err();
        for value in ["", "10.9.0.1", "10.9.0.1/24@", "10.9.0.1/24,10.9.0.1/16", "#/24", "10.9.0.1/24@x"] {
            assert_eq!(wrong(value).what, format!("public-addresses cannot be {value}"));
        }
        assert_eq!(wrong("10.0.0.2/16").what, "10.0.0.2 is a host's own address");
    }

    #[test]
    fn no_public_address_is_a_nodes_own() {
        let cluster = cluster(2, &[("addresses", "10.1.0.10,10.1.0.12"), ("public", "2")]).unwrap();
        let addresses: Vec<_> =
            cluster.public().iter().map(|public| public.entry.address.to_string()).collect();
        assert_eq!(addresses, ["10.1.0.11", "10.1.0.13"]);
    }

    #[test]
    fn a_file_becomes_a_setting() {
        let read = public_addresses_file(b"# ours\n10.9.0.1/24 bond0,eth7\nfd02::1/64 eth7\n").unwrap();
        assert_eq!(read.settings, [("public-addresses".to_owned(), "10.9.0.1/24,fd02::1/64".to_owned())]);
        let none = public_addresses_file(b"").unwrap();
        assert_eq!(none.settings, [("public".to_owned(), "0".to_owned())]);
        assert!(public_addresses_file(b"10.9.0.1 eth0").is_err());
    }

    #[test]
    fn what_a_tunables_file_asks_beyond_a_rehearsal_is_told_with_its_place() {
        let file = b"KeepaliveLimit=0\n# ours\n  monitorinterval = 9000\nfoo=1\nIPAllocAlgorithm=1\n";
        let told = crate::ctdb::build::tunables_file(file).unwrap_err().render("t", file);
        for (place, range) in [("t:1:16", "1 to 1000"), ("t:3:21", "1 to 3600"), ("t:4:1", "tunable")] {
            assert!(told.contains(place) && told.contains(range), "{place}: {told}");
        }
        assert!(!told.contains("t:5:"), "{told}");
    }
}
