//! What the controls that ask are told of addresses and interfaces.

use core::net::IpAddr;

use super::super::types::Pnn;
use super::super::wire::{
    Interface, InterfaceList, InterfaceName, PublicIp, PublicIpInfo, PublicIpList, WireAddr,
};
use super::{Addresses, Entry, Link};

impl Addresses {
    /// GET_PUBLIC_IPS: every address with its holder.
    pub(in super::super) fn known(&self) -> PublicIpList {
        PublicIpList { ips: self.list.iter().map(Entry::on_the_wire).collect() }
    }

    /// GET_PUBLIC_IPS for available ones: those this node could host now. `offers`: it may host
    /// any, because it is running, active and not disabled.
    pub(in super::super) fn available(&self, offers: bool) -> PublicIpList {
        let ips = self.list.iter().filter(|entry| offers && self.is_available(entry));
        PublicIpList { ips: ips.map(Entry::on_the_wire).collect() }
    }

    /// Whether an address could be served here.
    pub(super) fn is_available(&self, entry: &Entry) -> bool {
        !entry.delete_pending && entry.interfaces.iter().any(|name| self.is_up(name))
    }

    /// GET_PUBLIC_IP_INFO; `None` (status -1) if it is not one of our addresses.
    pub(in super::super) fn info(&self, address: IpAddr) -> Option<PublicIpInfo> {
        let entry = self.get(address)?;
        let links = entry.interfaces.iter().filter_map(|name| self.link(name));
        Some(PublicIpInfo {
            ip: entry.on_the_wire(),
            active: entry.on.map_or(u32::MAX, |place| place as u32),
            interfaces: links.map(|link| self.interface(link)).collect(),
        })
    }

    /// GET_IFACES.
    pub(in super::super) fn interfaces(&self) -> InterfaceList {
        InterfaceList { interfaces: self.links.iter().map(|link| self.interface(link)).collect() }
    }

    fn interface(&self, link: &Link) -> Interface {
        let name = InterfaceName::new(&link.name).expect("names are short");
        let references = self.references(&link.name) as u32;
        Interface { name, link_state: link.up.into(), references }
    }

    /// The link of an interface is up or down: whether that is news. `None` if no address of ours
    /// may be on it.
    pub(in super::super) fn set_link(&mut self, name: &str, up: bool) -> Option<bool> {
        let link = self.links.iter_mut().find(|link| link.name == name)?;
        Some(core::mem::replace(&mut link.up, up) != up)
    }

    /// SET_IFACE_LINK_STATE, as [`set_link`](Self::set_link); also `None` (status -1) if it says
    /// what it may not.
    pub(in super::super) fn set_link_asked(&mut self, asked: &Interface) -> Option<bool> {
        let Interface { name, link_state: 0 | 1, references: 0 } = asked else { return None };
        self.set_link(name.as_str()?, asked.link_state == 1)
    }

    /// The name and link of each interface.
    pub(in super::super) fn link_states(&self) -> impl Iterator<Item = (&str, bool)> {
        self.links.iter().map(|link| (link.name.as_str(), link.up))
    }
}

impl Entry {
    fn on_the_wire(&self) -> PublicIp {
        PublicIp { pnn: self.holder.unwrap_or(Pnn::UNKNOWN), address: WireAddr::public(self.address) }
    }
}
