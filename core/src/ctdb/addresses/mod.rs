//! The public addresses of this node: where each may be, who holds it in our eyes, and what is
//! being done to it.
//!
//! A leader says TAKEOVER_IP and RELEASE_IP; `take` and `release` say what that means here, the
//! router runs the event and comes back with its end. `announce` tells the neighbours, `tickles`
//! keeps the clients to be shaken off, `list` answers questions, `change` is for addresses that
//! come and go while we run, and `check` compares the table with the kernel.
//!
//! Whether the kernel has an address is the caller's to know (`have`): never, where failover is
//! switched off.
//!
//! Two things of ctdbd's are built otherwise, and cannot be seen outside. References of an
//! interface are counted when asked for, not kept. And an address is ours exactly while it has an
//! interface here: what loses its interface has no holder, or another one.

mod announce;
mod change;
mod check;
mod list;
mod release;
mod take;
#[cfg(test)]
mod tests;
mod tickles;

pub(super) use self::change::Deleted;
pub(super) use self::check::{Snapshot, Wrong};
pub(super) use self::release::{Release, Released};
pub(super) use self::take::{Refused, Takeover, Took, Updated};

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use self::announce::{Announcing, ROUNDS};
use self::tickles::{TICKLES_MAX, Tickles};
use super::files::public_addresses::{PublicAddress, PublicAddresses};
use super::types::Pnn;

/// The addresses and the interfaces they may be on.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Addresses {
    /// The newest first, as ctdbd lists them.
    list: Vec<Entry>,
    /// Every interface that an entry names, the newest first.
    links: Vec<Link>,
}

/// A public address.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Entry {
    address: IpAddr,
    bits: u8,
    /// Where it may be, in the order of the file.
    interfaces: Vec<String>,
    holder: Option<Pnn>,
    /// Which of `interfaces` it is assigned to; exactly if the holder is this node.
    on: Option<usize>,
    changing: Option<Changing>,
    /// It is to go once it is released, and not offered till then.
    delete_pending: bool,
    announcing: Option<Announcing>,
    tickles: Tickles,
}

/// An interface as CTDB counts it: its link is up until the monitor script says otherwise.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Link {
    name: String,
    up: bool,
}

/// The event that is running for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Changing {
    Take,
    /// Where it was assigned before, if it was.
    Update {
        from: Option<usize>,
    },
    Release,
}

impl Addresses {
    /// The addresses of a file, held by nobody. The caller has seen that its interfaces exist.
    pub(super) fn load(file: &PublicAddresses) -> Self {
        let mut fresh = Self::default();
        file.entries().iter().for_each(|entry| fresh.insert(entry));
        fresh
    }

    /// Puts an address before the others, and so its interfaces.
    fn insert(&mut self, new: &PublicAddress) {
        let PublicAddress { address, bits, interfaces } = new;
        for name in interfaces {
            if self.link(name).is_none() {
                self.links.insert(0, Link { name: name.clone(), up: true });
            }
        }
        let entry = Entry {
            address: *address,
            bits: *bits,
            interfaces: interfaces.clone(),
            holder: None,
            on: None,
            changing: None,
            delete_pending: false,
            announcing: None,
            tickles: Tickles::default(),
        };
        self.list.insert(0, entry);
    }

    /// Takes an address out, and the interfaces that no other names.
    fn remove(&mut self, at: usize) {
        self.list.remove(at);
        let list = &self.list;
        self.links.retain(|link| list.iter().any(|entry| entry.interfaces.contains(&link.name)));
    }

    /// All addresses, in CTDB's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    /// An address, if it is one of ours.
    pub(super) fn get(&self, address: IpAddr) -> Option<&Entry> {
        self.list.iter().find(|entry| entry.address == address)
    }

    /// Whether an address may be on an interface.
    pub(super) fn names(&self, interface: &str) -> bool {
        self.link(interface).is_some()
    }

    /// Every interface that an address may be on.
    pub(super) fn links(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(|link| link.name.as_str())
    }

    /// How many addresses are assigned here.
    pub(super) fn held(&self) -> u32 {
        self.list.iter().filter(|entry| entry.is_held()).count() as u32
    }

    fn place(&self, address: IpAddr) -> Option<usize> {
        self.list.iter().position(|entry| entry.address == address)
    }

    fn get_mut(&mut self, address: IpAddr) -> Option<&mut Entry> {
        self.list.iter_mut().find(|entry| entry.address == address)
    }

    /// An address whose event has ended: it cannot have left the list meanwhile.
    fn ended(&mut self, address: IpAddr) -> (usize, Changing) {
        let at = self.place(address).expect("an address under change stays in the list");
        (at, self.list[at].changing.take().expect("what has ended had begun"))
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    fn is_up(&self, name: &str) -> bool {
        self.link(name).is_some_and(|link| link.up)
    }

    /// How many addresses are assigned to an interface.
    fn references(&self, name: &str) -> usize {
        self.list.iter().filter(|entry| entry.interface() == Some(name)).count()
    }

    /// The interface an address should be on: of those with a link the one with the fewest
    /// addresses, its own counted; the first on ties.
    fn best(&self, entry: &Entry) -> Option<usize> {
        let usable = entry.interfaces.iter().enumerate().filter(|(_, name)| self.is_up(name));
        usable.min_by_key(|(_, name)| self.references(name)).map(|(place, _)| place)
    }

    /// Looks for broken invariants.
    ///
    /// # Panics
    /// If one is broken. No message of a peer makes this happen.
    pub(super) fn check_invariants(&self, me: Option<Pnn>) {
        // Files are in order mostly, and this is asked after every notice.
        let mut seen = BTreeSet::new();
        let in_order = self.list.is_sorted_by(|one, next| one.address > next.address);
        for entry in &self.list {
            let address = entry.address;
            assert!(in_order || seen.insert(address), "{address} is listed twice");
            assert!(!entry.interfaces.is_empty(), "{address} can be nowhere");
            for name in &entry.interfaces {
                assert!(self.link(name).is_some(), "{name} is listed, because {address} may be on it");
            }
            let held = me.is_some() && entry.holder == me;
            assert_eq!(entry.is_held(), held, "{address} is held here exactly if it is assigned");
            let from = match entry.changing {
                Some(Changing::Update { from }) => from,
                Some(Changing::Take | Changing::Release) | None => None,
            };
            for place in entry.on.into_iter().chain(from) {
                assert!(place < entry.interfaces.len(), "{address} is on one of its own interfaces");
            }
            if let Some(announcing) = &entry.announcing {
                assert!((1..ROUNDS).contains(&announcing.left), "{address} has rounds left");
            }
            assert!(entry.tickles.count() <= TICKLES_MAX, "{address} has few tickles");
        }
        for (at, Link { name, .. }) in self.links.iter().enumerate() {
            assert!(self.links[..at].iter().all(|other| other.name != *name), "{name} is listed twice");
            let named = self.list.iter().any(|entry| entry.interfaces.contains(name));
            assert!(named, "{name} is listed, and an address names it");
        }
    }
}

impl Entry {
    /// The address.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    /// Network bits.
    pub(super) const fn bits(&self) -> u8 {
        self.bits
    }

    /// Who holds it in our eyes.
    pub(super) const fn holder(&self) -> Option<Pnn> {
        self.holder
    }

    /// The interface it is assigned to, if it is held here.
    pub(super) fn interface(&self) -> Option<&str> {
        self.on.map(|place| self.name(place))
    }

    /// Whether it is assigned here; the kernel may think otherwise.
    pub(super) const fn is_held(&self) -> bool {
        self.on.is_some()
    }

    /// Whether an event is running for it.
    pub(super) const fn is_changing(&self) -> bool {
        self.changing.is_some()
    }

    fn name(&self, place: usize) -> &str {
        &self.interfaces[place]
    }

    /// It is ours, on this interface.
    const fn assign(&mut self, me: Pnn, place: usize) {
        self.holder = Some(me);
        self.on = Some(place);
    }

    /// It has no interface here any more, and if it was ours, no holder.
    const fn forget(&mut self) {
        if self.on.take().is_some() {
            self.holder = None;
        }
    }

    /// Somebody else holds it, or nobody. That we do is not for others to say.
    fn give(&mut self, me: Pnn, holder: Option<Pnn>) {
        self.on = None;
        self.holder = holder.filter(|&holder| holder != me);
    }
}
