//! A host's kernel, as far as its network goes: interfaces, the addresses on them, and what it
//! reports of every change. The rules are Linux':
//!
//! - The first IPv4 address of a subnet on an interface is its primary; later ones are secondary
//!   and vanish with it, unless the kernel promotes the first of them in its stead.
//! - Setting an interface down drops its IPv6 addresses and keeps the IPv4 ones, which stay
//!   local: they can be bound, but nobody outside gets an answer.
//! - An interface that was removed and comes back has a new index and no addresses.
//! - IPv4 tells addresses apart by address and prefix, IPv6 by address alone; taking one off needs
//!   the right prefix for both.
//! - `lo` has index 1, is not listed here, and holds 127/8 and `::1`.

use std::net::IpAddr;

use standin_core::host::{AddressError, Fact, Placed};

use super::moment::Net;

/// The network side of one host's kernel. A host that boots gets a new one.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Whether a primary's first secondary takes its place (`promote_secondaries`).
    pub promote_secondaries: bool,
    /// In the order of their indexes.
    interfaces: Vec<Interface>,
    next_index: u32,
    /// Grows with whatever is done to interfaces and addresses.
    changes: u64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's number for it; never used again.
    pub index: u32,
    /// The network it is plugged into.
    pub net: Net,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Set up by the administrator.
    pub admin_up: bool,
    /// The link partner is there.
    pub carrier: bool,
    /// Its addresses: IPv4 primaries, their secondaries, IPv6, each in the order they came.
    pub addresses: Vec<Held>,
}

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub address: IpAddr,
    /// Network bits.
    pub prefix: u8,
    /// Vanishes with the primary of its subnet. Never so for IPv6.
    pub secondary: bool,
}

/// What a network restart did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// What the kernel reported, in order.
    pub facts: Vec<Fact>,
    /// What was on the interface before, for whoever puts some of it back.
    pub had: Vec<Placed>,
}

impl Kernel {
    /// A kernel that knows `lo` alone.
    #[must_use]
    pub const fn new() -> Self {
        Self { promote_secondaries: false, interfaces: Vec::new(), next_index: 2, changes: 0 }
    }

    /// With one more interface, up, with an address of the host's own: for building worlds.
    ///
    /// # Panics
    /// If there is an interface of that name, or the prefix is longer than the address.
    #[must_use]
    pub fn plugged(mut self, name: &str, net: Net, address: IpAddr, prefix: u8) -> Self {
        let last = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => {
                [address.octets()[12], address.octets()[13], address.octets()[14], address.octets()[15]]
            }
        };
        let mac = [2, net as u8, last[0], last[1], last[2], last[3]];
        self.add_interface(name, net, mac);
        let placed = Placed { interface: name.to_owned(), address, prefix };
        let wired = self.set_admin(name, true).and_then(|_| self.add_address(&placed));
        assert!(wired.is_ok(), "a fresh interface takes an address");
        self
    }

    /// The host boots: as `fresh` is, and nothing of what was.
    pub fn boot(&mut self, fresh: &Self) {
        let changes = self.changes + 1;
        *self = Self { changes, ..fresh.clone() };
    }

    /// A number that differs whenever interfaces or addresses may differ from what they were.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// A new interface: plugged in, with carrier, but down until [`set_admin`](Self::set_admin).
    ///
    /// # Panics
    /// If the name is taken.
    pub fn add_interface(&mut self, name: &str, net: Net, mac: [u8; 6]) -> Vec<Fact> {
        assert!(self.find(name).is_err(), "there are two interfaces called {name}");
        self.changes += 1;
        let index = self.next_index;
        self.next_index += 1;
        let name = name.to_owned();
        let interface =
            Interface { name, index, net, mac, admin_up: false, carrier: true, addresses: Vec::new() };
        let facts = vec![interface.fact()];
        self.interfaces.push(interface);
        facts
    }

    /// Removes an interface and all that is on it.
    ///
    /// # Errors
    /// `NoInterface`.
    pub fn remove_interface(&mut self, name: &str) -> Result<Vec<Fact>, AddressError> {
        let mut facts = self.set_admin(name, false)?;
        let interface = self.interfaces.remove(self.find(name)?);
        facts.extend(interface.addresses.iter().map(|held| Fact::Vanished(interface.placed(held))));
        facts.push(Fact::InterfaceGone { name: interface.name });
        Ok(facts)
    }

    /// The administrator sets an interface up or down.
    ///
    /// # Errors
    /// `NoInterface`.
    pub fn set_admin(&mut self, name: &str, up: bool) -> Result<Vec<Fact>, AddressError> {
        let interface = self.find_mut(name)?;
        if interface.admin_up == up {
            return Ok(Vec::new());
        }
        interface.admin_up = up;
        let mut facts = vec![interface.fact()];
        if !up {
            let (stay, go) = interface.addresses.iter().partition::<Vec<_>, _>(|held| held.address.is_ipv4());
            facts.extend(go.iter().map(|held| Fact::Vanished(interface.placed(held))));
            interface.addresses = stay;
        }
        Ok(facts)
    }

    /// The cable is pulled or plugged in. No report while the interface is set down.
    ///
    /// # Errors
    /// `NoInterface`.
    pub fn set_carrier(&mut self, name: &str, carrier: bool) -> Result<Vec<Fact>, AddressError> {
        let interface = self.find_mut(name)?;
        let seen = interface.carrier != carrier && interface.admin_up;
        interface.carrier = carrier;
        Ok(if seen { vec![interface.fact()] } else { Vec::new() })
    }

    /// Puts an address on an interface.
    ///
    /// # Errors
    /// `NoInterface`; `Unchanged` if it is there; `Other` if the prefix is longer than the address.
    pub fn add_address(&mut self, placed: &Placed) -> Result<Vec<Fact>, AddressError> {
        let &Placed { ref interface, address, prefix } = placed;
        let interface = self.find_mut(interface)?;
        if prefix > bits(address) {
            return Err(AddressError::Other);
        }
        let there = |held: &Held| held.address == address && (address.is_ipv6() || held.prefix == prefix);
        if interface.addresses.iter().any(there) {
            return Err(AddressError::Unchanged);
        }
        let mut held = Held { address, prefix, secondary: false };
        held.secondary = interface.addresses.iter().any(|other| same_subnet(other, &held));
        interface.insert(held);
        Ok(vec![Fact::Appeared(placed.clone())])
    }

    /// Takes an address off an interface, and with a primary its secondaries.
    ///
    /// # Errors
    /// `NoInterface`; `Unchanged` if it is not there with this prefix.
    pub fn drop_address(&mut self, placed: &Placed) -> Result<Vec<Fact>, AddressError> {
        let promote = self.promote_secondaries;
        let interface = self.find_mut(&placed.interface)?;
        let matches = |held: &Held| held.address == placed.address && held.prefix == placed.prefix;
        let at = interface.addresses.iter().position(matches).ok_or(AddressError::Unchanged)?;
        let gone = interface.addresses.remove(at);
        // What is left of a primary's subnet are its secondaries, and of theirs also the primary.
        let is_orphan = |held: &Held| !gone.secondary && same_subnet(held, &gone);
        let mut facts = Vec::new();
        if promote {
            facts.push(Fact::Vanished(placed.clone()));
            if let Some(at) = interface.addresses.iter().position(is_orphan) {
                let promoted = Held { secondary: false, ..interface.addresses.remove(at) };
                facts.push(Fact::Appeared(interface.placed(&promoted)));
                interface.insert(promoted);
            }
        } else {
            let (orphans, stay) =
                interface.addresses.iter().copied().partition::<Vec<_>, _>(|held| is_orphan(held));
            facts.extend(orphans.iter().map(|held| Fact::Vanished(interface.placed(held))));
            facts.push(Fact::Vanished(placed.clone()));
            interface.addresses = stay;
        }
        Ok(facts)
    }

    /// Takes every address off an interface, one after the other.
    ///
    /// # Errors
    /// `NoInterface`.
    pub fn flush(&mut self, name: &str) -> Result<Vec<Fact>, AddressError> {
        let mut facts = Vec::new();
        loop {
            let interface = &self.interfaces[self.find(name)?];
            let Some(first) = interface.addresses.first() else { return Ok(facts) };
            let first = interface.placed(first);
            facts.extend(self.drop_address(&first).expect("the first address is there"));
        }
    }

    /// A restart of the host's network: flushed, set down, removed, made again with a new index,
    /// set up. Nothing of what was on it comes back by itself.
    ///
    /// # Errors
    /// `NoInterface`.
    pub fn network_restart(&mut self, name: &str) -> Result<Restarted, AddressError> {
        let before = self.interfaces[self.find(name)?].clone();
        let had = before.addresses.iter().map(|held| before.placed(held)).collect();
        let mut facts = self.flush(name)?;
        facts.extend(self.remove_interface(name)?);
        facts.extend(self.add_interface(name, before.net, before.mac));
        facts.extend(self.set_carrier(name, before.carrier)?);
        facts.extend(self.set_admin(name, true)?);
        Ok(Restarted { facts, had })
    }

    /// Whether an address is local: a process can bind it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.interface_of(address).is_some()
    }

    /// Whether an address is on an interface that is up with carrier: others can get an answer.
    #[must_use]
    pub fn usable(&self, address: IpAddr) -> bool {
        self.with(address).any(Interface::is_up)
    }

    /// The interface an address is on; if on several, one that is up, else the oldest.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<&Interface> {
        self.with(address).find(|interface| interface.is_up()).or_else(|| self.with(address).next())
    }

    /// The network an address's interface is plugged into.
    #[must_use]
    pub fn net_of(&self, address: IpAddr) -> Option<Net> {
        self.interface_of(address).map(|interface| interface.net)
    }

    /// An interface by name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// The interfaces in the order of their indexes.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The addresses that neighbours on a network get an answer for.
    pub fn answers_on(&self, net: Net) -> impl Iterator<Item = IpAddr> {
        let on = self.interfaces.iter().filter(move |interface| interface.net == net && interface.is_up());
        on.flat_map(|interface| interface.addresses.iter().map(|held| held.address))
    }

    /// The addresses on all interfaces, interface by interface.
    pub fn addresses(&self) -> impl Iterator<Item = Placed> {
        let of = |interface: &Interface| -> Vec<Placed> {
            interface.addresses.iter().map(|held| interface.placed(held)).collect()
        };
        self.interfaces.iter().flat_map(of)
    }

    fn with(&self, address: IpAddr) -> impl Iterator<Item = &Interface> {
        let holds =
            move |interface: &&Interface| interface.addresses.iter().any(|held| held.address == address);
        self.interfaces.iter().filter(holds)
    }

    fn find(&self, name: &str) -> Result<usize, AddressError> {
        let found = self.interfaces.iter().position(|interface| interface.name == name);
        found.ok_or(AddressError::NoInterface)
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut Interface, AddressError> {
        let at = self.find(name)?;
        self.changes += 1;
        Ok(&mut self.interfaces[at])
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl Interface {
    /// Administratively up and with carrier.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.admin_up && self.carrier
    }

    /// What the kernel says of it when asked, or when it changed.
    #[must_use]
    pub fn fact(&self) -> Fact {
        Fact::Interface { name: self.name.clone(), index: self.index, up: self.is_up() }
    }

    fn placed(&self, held: &Held) -> Placed {
        Placed { interface: self.name.clone(), address: held.address, prefix: held.prefix }
    }

    /// Keeps the order: IPv4 primaries, secondaries, IPv6.
    fn insert(&mut self, held: Held) {
        let rank = |held: &Held| (held.address.is_ipv6(), held.secondary);
        let at = self.addresses.partition_point(|other| rank(other) <= rank(&held));
        self.addresses.insert(at, held);
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether two addresses share an IPv4 subnet: the same prefix length, the same network bits.
fn same_subnet(one: &Held, other: &Held) -> bool {
    let (IpAddr::V4(a), IpAddr::V4(b)) = (one.address, other.address) else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(one.prefix)).unwrap_or(0);
    one.prefix == other.prefix && (a.to_bits() ^ b.to_bits()) & mask == 0
}

#[cfg(test)]
mod tests;
