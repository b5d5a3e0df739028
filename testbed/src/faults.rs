//! Everything that goes wrong with a network, each undone by its counterpart.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;

use crate::bed::Bed;
use crate::shell::{ip, ip_batch};
use crate::switch::{Network, bridge, port, private_address};
use crate::{Error, Result, netns};

/// How long a restarted network is down.
const RESTART: Duration = Duration::from_secs(1);

/// Every error below means: no such node, or it has no power, or `ip` refused.
impl Bed {
    /// Pulls a node's cable at the switch, or plugs it in again: the node loses its carrier.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn cable(&self, node: usize, network: Network, plugged: bool) -> Result<()> {
        self.powered(node)?;
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {} link set {} {state}", self.space("switch"), port(network, node))).map(drop)
    }

    /// Sets a node's interface up or down, as an operator at the node would.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn interface(&self, node: usize, network: Network, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        ip(&format!("-n {} link set {} {state}", self.powered(node)?, network.interface())).map(drop)
    }

    /// What a network service does when it restarts: addresses flushed, interface down for a
    /// second, up again with the node's own address and no other.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn restart_network(&self, node: usize, network: Network) -> Result<()> {
        self.restart_network_for(node, network, RESTART)
    }

    /// The same with the interface down for so long.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn restart_network_for(&self, node: usize, network: Network, down: Duration) -> Result<()> {
        let (space, interface) = (self.powered(node)?, network.interface());
        let flush =
            [format!("address flush dev {interface} scope global"), format!("link set {interface} down")];
        ip_batch(&space, &flush)?;
        thread::sleep(down);
        let own = network.address(node);
        let back =
            [format!("link set {interface} up"), format!("address add {own} broadcast + dev {interface}")];
        ip_batch(&space, &back)
    }

    /// Deletes a public address from a node behind its daemon's back.
    ///
    /// # Errors
    ///
    /// As said above, or the node does not have it.
    pub fn address_delete(&self, node: usize, address: Ipv4Addr) -> Result<()> {
        ip(&format!("-n {} address del {address}/16 dev eth1", self.powered(node)?)).map(drop)
    }

    /// Adds a public address to a node behind its daemon's back.
    ///
    /// # Errors
    ///
    /// As said above, or the node has it.
    pub fn address_add(&self, node: usize, address: Ipv4Addr) -> Result<()> {
        ip(&format!("-n {} address add {address}/16 dev eth1", self.powered(node)?)).map(drop)
    }

    /// The public addresses that a node's kernel has, in the order of [`Bed::addresses`].
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn addresses_on(&self, node: usize) -> Result<Vec<Ipv4Addr>> {
        let shown = ip(&format!("-n {} -o -4 address show dev eth1", self.powered(node)?))?;
        let has = |address: &Ipv4Addr| shown.contains(&format!(" {address}/"));
        Ok(self.addresses().iter().copied().filter(has).collect())
    }

    /// Those of them that somebody else can reach: on the interface while it is up and has carrier;
    /// none without power. Asks the kernel itself and starts no program.
    ///
    /// # Errors
    ///
    /// No such node, or its namespace cannot be entered.
    pub fn reachable_on(&self, node: usize) -> Result<Vec<Ipv4Addr>> {
        let node = self.node(node)?;
        if !node.has_power() {
            return Ok(Vec::new());
        }
        let found = netns::inside(&node.space(), || {
            let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
            let public = |one: &InterfaceAddress| one.interface_name == "eth1" && one.flags.contains(up);
            let address = |one: InterfaceAddress| Some(one.address?.as_sockaddr_in()?.ip());
            getifaddrs().map(|all| all.filter(public).filter_map(address).collect::<Vec<_>>())
        })?;
        let found =
            found.map_err(|why| Error::new(format!("the addresses of node {}: {why}", node.number)))?;
        Ok(self.addresses().iter().copied().filter(|address| found.contains(address)).collect())
    }

    /// Parts a network: `groups[0]` stays with all who are not named (the clients, on the public
    /// one), each further group is alone. Carrier stays up everywhere. At most 4 groups.
    ///
    /// # Errors
    ///
    /// As said above, or there are more than 4 groups.
    pub fn partition(&self, network: Network, groups: &[&[usize]]) -> Result<()> {
        if groups.len() > 4 {
            return Err(Error::new("a network falls into 4 parts at most"));
        }
        let mut lines = Vec::new();
        for (part, group) in groups.iter().enumerate() {
            for &node in *group {
                self.powered(node)?;
                lines.push(format!("link set {} master {}", port(network, node), bridge(network, part)));
            }
        }
        ip_batch(&self.space("switch"), &lines)
    }

    /// One network again.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn heal(&self, network: Network) -> Result<()> {
        let powered = self.nodes.iter().filter(|node| node.has_power());
        let whole = bridge(network, 0);
        let lines: Vec<String> =
            powered.map(|node| format!("link set {} master {whole}", port(network, node.number))).collect();
        ip_batch(&self.space("switch"), &lines)
    }

    /// One-way loss: nothing that `from` sends to `to` on the private network arrives, or all
    /// does again. The other direction is left alone.
    ///
    /// # Errors
    ///
    /// As said above, or the loss was there (or gone) already.
    pub fn one_way_loss(&self, from: usize, to: usize, lost: bool) -> Result<()> {
        self.node(to)?;
        let (space, verb) = (self.powered(from)?, if lost { "add" } else { "del" });
        ip(&format!("-n {space} route {verb} blackhole {}/32", private_address(to))).map(drop)
    }

    pub(crate) fn powered(&self, node: usize) -> Result<String> {
        let node = self.node(node)?;
        if node.has_power() {
            Ok(node.space())
        } else {
            Err(Error::new(format!("node {} has no power", node.number)))
        }
    }
}
