//! The switch: a bridge for each network and a port for each cable.

use crate::shell::ip_batch;
use crate::{Result, netns};

/// One of the two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// Between the nodes alone: 10.77.0.0/24, `eth0`.
    Private,
    /// Where the clients are: 10.78.0.0/16, `eth1`.
    Public,
}

impl Network {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Private, Self::Public];

    /// The interface at a node.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Private => "eth0",
            Self::Public => "eth1",
        }
    }

    /// A node's own address there, with its mask.
    pub fn address(self, node: usize) -> String {
        match self {
            Self::Private => format!("{}/24", private_address(node)),
            Self::Public => format!("10.78.0.{}/16", node + 1),
        }
    }

    /// Its name, as people type it and as its bridge is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// What stands in `nodes`.
pub(crate) fn private_address(node: usize) -> String {
    format!("10.77.0.{}", node + 1)
}

/// A client's and the observer's place on the public network.
const CLIENT: &str = "10.78.255.1/16";

/// How many bridges each network has: the parts a network can fall into.
const PARTS: usize = 4;

/// The bridge of a part; part 0 is the network while it is whole.
pub(crate) fn bridge(network: Network, part: usize) -> String {
    let name = network.name();
    if part == 0 { name.into() } else { format!("{name}-{}", part % PARTS) }
}

/// The switch's end of a node's cable.
pub(crate) fn port(network: Network, node: usize) -> String {
    format!("n{node}-{}", network.interface())
}

/// The switch itself, with nothing plugged in.
pub(crate) fn make(space: &str) -> Result<()> {
    netns::add(space)?;
    let mut lines = Vec::new();
    for network in Network::ALL {
        for part in 0..PARTS {
            let bridge = bridge(network, part);
            // No snooping: groups would be learnt, slowly, for nothing.
            let quick = "stp_state 0 forward_delay 0 mcast_snooping 0";
            lines.push(format!("link add {bridge} type bridge {quick}"));
            lines.push(format!("link set {bridge} up"));
        }
    }
    ip_batch(space, &lines)
}

/// Plugs a node in; its interfaces come up with the node's own addresses.
pub(crate) fn plug_node(switch: &str, space: &str, node: usize) -> Result<()> {
    let mut at_switch = Vec::new();
    let mut at_node = Vec::new();
    for network in Network::ALL {
        let (interface, mac) = (network.interface(), mac(network, node));
        plug(&mut at_switch, &port(network, node), network, interface, space, &mac);
        let address = network.address(node);
        at_node.push(format!("address add {address} broadcast + dev {interface}"));
        at_node.push(format!("link set {interface} up"));
    }
    ip_batch(switch, &at_switch)?;
    ip_batch(space, &at_node)
}

/// Pulls a node's cables out for good: what is at either end is gone.
pub(crate) fn unplug_node(switch: &str, node: usize) -> Result<()> {
    ip_batch(switch, &Network::ALL.map(|network| format!("link del {}", port(network, node))))
}

/// The client and the observer, who has no address.
pub(crate) fn plug_watchers(switch: &str, client: &str, observer: &str) -> Result<()> {
    let mut lines = Vec::new();
    plug(&mut lines, "client", Network::Public, "eth1", client, "02:77:00:00:02:01");
    plug(&mut lines, "observer", Network::Public, "eth1", observer, "02:77:00:00:02:02");
    ip_batch(switch, &lines)?;
    ip_batch(client, &[format!("address add {CLIENT} broadcast + dev eth1"), "link set eth1 up".into()])?;
    ip_batch(observer, &["link set eth1 up".into()])
}

/// A cable is a veth pair, both ends made where they belong.
fn plug(lines: &mut Vec<String>, port: &str, network: Network, interface: &str, space: &str, mac: &str) {
    lines.push(format!("link add {port} type veth peer name {interface} netns {space} address {mac}"));
    lines.push(format!("link set {port} master {}", network.name()));
    lines.push(format!("link set {port} up"));
}

/// A node keeps its hardware address over a power loss, as hardware does.
fn mac(network: Network, node: usize) -> String {
    let network = match network {
        Network::Private => 0,
        Network::Public => 1,
    };
    format!("02:77:00:00:{network:02x}:{node:02x}")
}

/// Whose a hardware address on the public network is.
pub(crate) fn node_of(mac: [u8; 6]) -> Option<usize> {
    matches!(mac, [2, 0x77, 0, 0, 1, _]).then_some(mac[5].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_tells_the_node() {
        assert_eq!(mac(Network::Public, 10), "02:77:00:00:01:0a");
        assert_eq!(node_of([2, 0x77, 0, 0, 1, 10]), Some(10));
        assert_eq!(node_of([2, 0x77, 0, 0, 0, 10]), None);
    }

    #[test]
    fn names_fit_into_an_interfaces_sixteen_bytes() {
        for network in Network::ALL {
            for part in 0..PARTS {
                assert!(bridge(network, part).len() < 16);
            }
            assert!(port(network, 99).len() < 16);
        }
    }
}
