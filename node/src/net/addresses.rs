//! Addresses put on and taken off, in plain calls: the daemon and the guard share them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use standin_core::host::{AddressError, Placed};

use super::netlink::{Netlink, address_message, flags, local};

/// What tells addresses apart: the interface's index, the address and its prefix length.
pub(super) type Key = (u32, IpAddr, u8);

pub(super) fn key(message: &AddressMessage) -> Option<Key> {
    Some((message.header.index, local(message)?, message.header.prefix_len))
}

/// Puts an address on an interface.
pub(super) fn add(netlink: &mut Netlink, placed: &Placed) -> Result<(), AddressError> {
    let index = index_of(&placed.interface)?;
    netlink.add_address(&address_message(index, placed)).map_err(address_error)
}

/// Takes addresses off, each answered in its turn; whatever else is there stays.
///
/// The kernel takes a primary IPv4 address's secondaries with it, unless told otherwise. It is
/// told, where that is allowed; what went all the same is put back before this returns.
pub(crate) fn drop_all(netlink: &mut Netlink, all: &[Placed]) -> Vec<Result<(), AddressError>> {
    let before = if all.iter().any(|placed| placed.address.is_ipv4()) {
        netlink.addresses().unwrap_or_default()
    } else {
        Vec::new()
    };
    let keys: Vec<_> = all
        .iter()
        .map(|placed| index_of(&placed.interface).map(|index| (index, placed.address, placed.prefix)))
        .collect();
    let going: BTreeSet<Key> = keys.iter().flatten().copied().collect();
    // Secondaries that shall stay, on interfaces where a primary goes.
    let primaries: BTreeSet<u32> = before
        .iter()
        .filter(|message| !is_secondary(message) && key(message).is_some_and(|key| going.contains(&key)))
        .map(|message| message.header.index)
        .collect();
    let staying: Vec<&AddressMessage> = before
        .iter()
        .filter(|message| is_secondary(message) && primaries.contains(&message.header.index))
        .filter(|message| key(message).is_some_and(|key| !going.contains(&key)))
        .collect();
    let touched: BTreeSet<u32> = staying.iter().map(|message| message.header.index).collect();
    for (placed, key) in all.iter().zip(&keys) {
        if key.is_ok_and(|(index, ..)| touched.contains(&index)) {
            promote_secondaries(&placed.interface);
        }
    }
    let place: BTreeMap<Key, usize> =
        before.iter().enumerate().filter_map(|(place, message)| Some((key(message)?, place))).collect();
    let place_of = |at: usize| keys[at].ok().and_then(|key| place.get(&key));
    // The last first, a primary after its secondaries: each primary that goes makes the kernel
    // walk through all that follow.
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|at| Reverse(place_of(*at)));
    let mut results = vec![Ok(()); all.len()];
    for at in order {
        results[at] = keys[at].and_then(|(index, ..)| {
            netlink.drop_address(&address_message(index, &all[at])).map_err(address_error)
        });
        // Gone along with a primary that we took off just now.
        if results[at] == Err(AddressError::Unchanged) && place_of(at).is_some() {
            results[at] = Ok(());
        }
    }
    put_back(netlink, &staying);
    results
}

/// Whether the kernel has any of these.
///
/// # Errors
/// If it does not say.
pub(crate) fn any_is_here(all: &BTreeSet<Placed>) -> io::Result<bool> {
    if all.is_empty() {
        return Ok(false);
    }
    let here: BTreeSet<Key> =
        Netlink::open(NETLINK_ROUTE)?.addresses().map_err(io::Error::from)?.iter().filter_map(key).collect();
    let is_here = |placed: &Placed| {
        index_of(&placed.interface).is_ok_and(|index| here.contains(&(index, placed.address, placed.prefix)))
    };
    Ok(all.iter().any(is_here))
}

/// Adds again what is no longer there, as it was.
fn put_back(netlink: &mut Netlink, staying: &[&AddressMessage]) {
    if staying.is_empty() {
        return;
    }
    // If the kernel does not say, all are added again; those still there do not mind.
    let after: BTreeSet<Key> = netlink.addresses().unwrap_or_default().iter().filter_map(key).collect();
    for message in staying {
        if key(message).is_some_and(|key| !after.contains(&key)) {
            let mut message = (*message).clone();
            make_plain(&mut message);
            // This fails only if the interface has gone, or somebody was faster.
            let _ = netlink.add_address(&message);
        }
    }
}

fn is_secondary(message: &AddressMessage) -> bool {
    message.header.family == AddressFamily::Inet && flags(message).contains(AddressFlags::Secondary)
}

/// Whether an address is a secondary one is for the kernel to say anew.
fn make_plain(message: &mut AddressMessage) {
    message.header.flags.remove(AddressHeaderFlags::Secondary);
    for attribute in &mut message.attributes {
        if let AddressAttribute::Flags(flags) = attribute {
            flags.remove(AddressFlags::Secondary);
        }
    }
}

/// Has the kernel keep secondary addresses when their primary goes. That may be refused, in a
/// container for one; then they are put back.
fn promote_secondaries(interface: &str) {
    let path = Path::new("/proc/sys/net/ipv4/conf").join(interface).join("promote_secondaries");
    if fs::read(&path).is_ok_and(|value| value.trim_ascii() == b"0") {
        let _ = fs::write(&path, b"1");
    }
}

fn index_of(interface: &str) -> Result<u32, AddressError> {
    if_nametoindex(interface).map_err(|_| AddressError::NoInterface)
}

/// The kernel's word for it in ours.
fn address_error(errno: Errno) -> AddressError {
    if matches!(errno, Errno::EEXIST | Errno::EADDRNOTAVAIL) {
        AddressError::Unchanged
    } else if errno == Errno::ENODEV {
        AddressError::NoInterface
    } else {
        AddressError::Other
    }
}
