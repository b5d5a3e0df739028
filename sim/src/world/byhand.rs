//! What somebody does to addresses by hand, behind the daemons' backs.

use std::net::IpAddr;

use standin_core::host::{Fact, Placed};
use standin_core::machine::Machine;

use super::World;
use super::fault::{Which, Who, interface_name};
use super::moment::{HostId, Net};

impl<M: Machine> World<M> {
    pub(super) fn address_del(&mut self, who: Who, which: Which) {
        let Some(address) = self.which(which) else { return };
        self.each_awake(who, |world, host| {
            let kernel = &mut world.hosts[host.index()].kernel;
            let there: Vec<Placed> = kernel.addresses().filter(|placed| placed.address == address).collect();
            let mut facts = Vec::new();
            for placed in there {
                facts.extend(kernel.drop_address(&placed).unwrap_or_default());
            }
            if !facts.is_empty() {
                world.rewired(host, facts);
            }
        });
    }

    pub(super) fn address_add(&mut self, who: Who, net: Net, which: Which, bits: Option<u8>) {
        let Some(address) = self.which(which) else { return };
        let prefix = bits.unwrap_or_else(|| self.usual_bits(address));
        let placed = Placed { interface: interface_name(net).to_owned(), address, prefix };
        self.each_awake(who, |world, host| {
            if let Ok(facts) = world.hosts[host.index()].kernel.add_address(&placed) {
                world.strays.push((host, placed.clone()));
                world.rewired(host, facts);
            }
        });
    }

    fn which(&self, which: Which) -> Option<IpAddr> {
        match which {
            Which::Given(address) => Some(address),
            Which::Watched(number) => {
                let watched = self.watched();
                let at = (number as usize).checked_rem(watched.len())?;
                Some(watched[at])
            }
        }
    }

    /// The network bits an address has on some host, else those most networks have.
    fn usual_bits(&self, address: IpAddr) -> u8 {
        let everywhere = self.hosts.iter().flat_map(|host| host.kernel.addresses());
        let elsewhere = everywhere.filter(|placed| placed.address == address).map(|placed| placed.prefix);
        elsewhere.min().unwrap_or(if address.is_ipv4() { 24 } else { 64 })
    }

    /// What was added by hand and has vanished since is nobody's stray any more: if it comes
    /// back, somebody meant it.
    pub(super) fn forget_strays(&mut self, host: HostId, facts: &[Fact]) {
        if !self.strays.is_empty() {
            let gone = |placed: &Placed| {
                facts.iter().any(|fact| matches!(fact, Fact::Vanished(vanished) if vanished == placed))
            };
            self.strays.retain(|(stray, placed)| *stray != host || !gone(placed));
        }
    }

    /// Takes away what was added by hand, and nothing with it.
    pub(super) fn drop_strays(&mut self) {
        for (host, placed) in std::mem::take(&mut self.strays) {
            let kernel = &mut self.hosts[host.index()].kernel;
            let promotes = std::mem::replace(&mut kernel.promote_secondaries, true);
            let dropped = kernel.drop_address(&placed);
            kernel.promote_secondaries = promotes;
            if let Ok(facts) = dropped {
                self.rewired(host, facts);
            }
        }
    }
}
