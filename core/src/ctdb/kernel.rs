//! What the host's kernel has, as far as it was reported: interfaces and the addresses on them.
//!
//! Reports may come twice, late or for what nobody has heard of; what they leave behind is the
//! last thing said of each interface and address.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::host::{Fact, Placed};

/// The kernel in the eyes of this daemon.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Kernel {
    interfaces: BTreeMap<String, Interface>,
    /// Where each address is, in the order of the reports; never nowhere.
    addresses: BTreeMap<IpAddr, Vec<On>>,
    /// Nobody looks: every interface is there and has a link, no address ever is.
    blind: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Interface {
    index: u32,
    up: bool,
}

/// An address is on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct On {
    interface: String,
    prefix: u8,
}

/// What a report changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<'f> {
    /// Nothing: known already, or no matter of the kernel's network.
    Nothing,
    /// An interface is new, or up or down. `lost` was on one of that name that nobody reported
    /// gone, and is nowhere now.
    InterfaceChanged { name: &'f str, up: bool, lost: Vec<IpAddr> },
    /// An interface is no more. `lost` was on it and is nowhere now.
    InterfaceGone { name: &'f str, lost: Vec<IpAddr> },
    /// An address that was on no interface is on one.
    Appeared(IpAddr),
    /// An address is on no interface any more.
    Vanished(IpAddr),
}

impl Kernel {
    /// One that is never looked at, as in test mode.
    pub(super) fn blind() -> Self {
        Self { blind: true, ..Self::default() }
    }

    /// Takes a report in.
    pub(super) fn apply<'f>(&mut self, fact: &'f Fact) -> Change<'f> {
        match fact {
            Fact::Interface { name, index, up } => self.interface(name, *index, *up),
            Fact::InterfaceGone { name } => {
                let known = self.interfaces.remove(name.as_str()).is_some();
                let lost = self.clear(name);
                if known || !lost.is_empty() { Change::InterfaceGone { name, lost } } else { Change::Nothing }
            }
            Fact::Appeared(placed) => self.appeared(placed),
            Fact::Vanished(placed) => self.vanished(placed),
            Fact::TimeOfDay { .. } | Fact::Woke { .. } => Change::Nothing,
        }
    }

    fn interface<'f>(&mut self, name: &'f str, index: u32, up: bool) -> Change<'f> {
        let before = self.interfaces.insert(name.into(), Interface { index, up });
        match before {
            Some(before) if before == (Interface { index, up }) => Change::Nothing,
            // Another interface of that name: nothing of the old one is on it.
            Some(before) if before.index != index => {
                Change::InterfaceChanged { name, up, lost: self.clear(name) }
            }
            Some(_) | None => Change::InterfaceChanged { name, up, lost: Vec::new() },
        }
    }

    /// Takes all addresses off an interface; those that are nowhere now.
    fn clear(&mut self, interface: &str) -> Vec<IpAddr> {
        let mut lost = Vec::new();
        self.addresses.retain(|&address, places| {
            places.retain(|on| on.interface != interface);
            if places.is_empty() {
                lost.push(address);
            }
            !places.is_empty()
        });
        lost
    }

    fn appeared<'f>(&mut self, placed: &Placed) -> Change<'f> {
        let places = self.addresses.entry(placed.address).or_default();
        let first = places.is_empty();
        match places.iter_mut().find(|on| on.is(placed)) {
            Some(on) => on.prefix = placed.prefix,
            None => places.push(On { interface: placed.interface.clone(), prefix: placed.prefix }),
        }
        if first { Change::Appeared(placed.address) } else { Change::Nothing }
    }

    fn vanished<'f>(&mut self, placed: &Placed) -> Change<'f> {
        let Some(places) = self.addresses.get_mut(&placed.address) else { return Change::Nothing };
        places.retain(|on| !on.is(placed));
        if !places.is_empty() {
            return Change::Nothing;
        }
        self.addresses.remove(&placed.address);
        Change::Vanished(placed.address)
    }

    /// Whether an address is on any interface: a socket could be bound to it.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.addresses.contains_key(&address)
    }

    /// A rough answer of [`holds`](Self::holds) for many addresses at once.
    pub(super) fn rough(&self) -> Rough {
        Rough(self.addresses.keys().fold(0, |bits, address| bits | bit(*address)))
    }

    /// The interface an address is on; the first reported, if on several.
    pub(super) fn interface_of(&self, address: IpAddr) -> Option<&str> {
        self.addresses.get(&address)?.first().map(|on| on.interface.as_str())
    }

    /// An address's network bits on the interface of [`interface_of`](Self::interface_of).
    pub(super) fn prefix_of(&self, address: IpAddr) -> Option<u8> {
        self.addresses.get(&address)?.first().map(|on| on.prefix)
    }

    /// Whether there is an interface of this name.
    pub(super) fn has_interface(&self, name: &str) -> bool {
        self.blind || self.interfaces.contains_key(name)
    }

    /// Whether an interface is up and has a carrier; not if there is none.
    pub(super) fn is_up(&self, name: &str) -> bool {
        self.blind || self.interfaces.get(name).is_some_and(|interface| interface.up)
    }
}

/// Which addresses may be on an interface: a bit is set for every one that is. A node knows
/// every public address of the cluster and has few, so mostly this spares it the search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rough(u64);

impl Rough {
    /// False if the address is on no interface for sure.
    pub(super) const fn may_hold(self, address: IpAddr) -> bool {
        self.0 & bit(address) != 0
    }
}

/// Neighbours have different bits.
const fn bit(address: IpAddr) -> u64 {
    let low = match address {
        IpAddr::V4(address) => address.to_bits() % 64,
        IpAddr::V6(address) => (address.to_bits() % 64) as u32,
    };
    1 << low
}

impl On {
    /// Whether a report speaks of this: IPv4 tells addresses apart by their prefix too.
    fn is(&self, placed: &Placed) -> bool {
        self.interface == placed.interface && (placed.address.is_ipv6() || self.prefix == placed.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::few;
    use crate::time::Duration;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    fn interface(name: &str, index: u32, up: bool) -> Fact {
        Fact::Interface { name: name.into(), index, up }
    }

    fn gone(name: &str) -> Fact {
        Fact::InterfaceGone { name: name.into() }
    }

    fn placed(address: &str, interface: &str, prefix: u8) -> Placed {
        Placed { interface: interface.into(), address: address.parse().unwrap(), prefix }
    }

    const A: &str = "10.0.0.1";

    #[test]
    fn an_address_has_vanished_once_no_interface_has_it() {
        let a: IpAddr = A.parse().unwrap();
        let mut kernel = Kernel::default();
        for (fact, change) in [
            (Fact::Appeared(placed(A, "eth0", 24)), Change::Appeared(a)),
            (Fact::Appeared(placed(A, "eth0", 24)), Change::Nothing),
            (Fact::Appeared(placed(A, "eth1", 24)), Change::Nothing),
            (Fact::Appeared(placed(A, "eth1", 32)), Change::Nothing),
            (Fact::Vanished(placed(A, "eth0", 16)), Change::Nothing),
            (Fact::Vanished(placed(A, "eth0", 24)), Change::Nothing),
            (Fact::Vanished(placed(A, "eth0", 24)), Change::Nothing),
            (Fact::Vanished(placed(A, "eth1", 24)), Change::Nothing),
            (Fact::Vanished(placed(A, "eth1", 32)), Change::Vanished(a)),
            (Fact::Vanished(placed(A, "eth1", 32)), Change::Nothing),
        ] {
            assert_eq!(kernel.apply(&fact), change, "{fact:?}");
        }
        assert!(!kernel.holds(a));
    }

    #[test]
    fn ipv6_tells_addresses_apart_by_address_alone() {
        let mut kernel = Kernel::default();
        let address = "fd00::1".parse().unwrap();
        kernel.apply(&Fact::Appeared(placed("fd00::1", "eth0", 64)));
        assert_eq!(kernel.apply(&Fact::Appeared(placed("fd00::1", "eth0", 128))), Change::Nothing);
        assert_eq!(kernel.prefix_of(address), Some(128));
        let fact = Fact::Vanished(placed("fd00::1", "eth0", 64));
        assert_eq!(kernel.apply(&fact), Change::Vanished(address));
    }

    #[test]
    fn the_first_reported_place_of_an_address_is_its_interface() {
        let mut kernel = Kernel::default();
        let a = A.parse().unwrap();
        assert_eq!((kernel.interface_of(a), kernel.prefix_of(a)), (None, None));
        kernel.apply(&Fact::Appeared(placed(A, "eth1", 24)));
        kernel.apply(&Fact::Appeared(placed(A, "eth0", 16)));
        assert_eq!((kernel.interface_of(a), kernel.prefix_of(a)), (Some("eth1"), Some(24)));
        kernel.apply(&Fact::Vanished(placed(A, "eth1", 24)));
        assert_eq!((kernel.interface_of(a), kernel.prefix_of(a)), (Some("eth0"), Some(16)));
    }

    #[test]
    fn an_interface_takes_its_addresses_along() {
        let a: IpAddr = A.parse().unwrap();
        let mut kernel = Kernel::default();
        let changed = |up, lost| Change::InterfaceChanged { name: "eth0", up, lost };
        for (fact, change) in [
            (interface("eth0", 2, false), changed(false, Vec::new())),
            (interface("eth0", 2, false), Change::Nothing),
            (interface("eth0", 2, true), changed(true, Vec::new())),
            (Fact::Appeared(placed(A, "eth0", 24)), Change::Appeared(a)),
            (interface("eth0", 2, false), changed(false, Vec::new())),
            // It was removed and is back: nobody told us of the removal.
            (interface("eth0", 5, true), changed(true, Vec::from([a]))),
            (Fact::Appeared(placed(A, "eth0", 24)), Change::Appeared(a)),
            (gone("eth0"), Change::InterfaceGone { name: "eth0", lost: Vec::from([a]) }),
            (gone("eth0"), Change::Nothing),
            (Fact::Vanished(placed(A, "eth0", 24)), Change::Nothing),
            (Fact::TimeOfDay { offset: 1 }, Change::Nothing),
            (Fact::Woke { slept: Duration::from_secs(1) }, Change::Nothing),
        ] {
            assert_eq!(kernel.apply(&fact), change, "{fact:?}");
            assert_eq!(kernel.has_interface("eth0"), kernel.interfaces.contains_key("eth0"));
        }
        assert!(!kernel.has_interface("eth0") && !kernel.is_up("eth0") && !kernel.holds(a));
    }

    #[test]
    fn an_interface_is_up_as_last_reported() {
        let mut kernel = Kernel::default();
        assert!(!kernel.is_up("eth0"));
        kernel.apply(&interface("eth0", 2, true));
        assert!(kernel.is_up("eth0") && kernel.has_interface("eth0"));
        kernel.apply(&interface("eth0", 2, false));
        assert!(!kernel.is_up("eth0") && kernel.has_interface("eth0"));
    }

    fn any_fact() -> impl Strategy<Value = Fact> {
        let name = prop_oneof![Just("eth0"), Just("eth1")];
        let address = prop_oneof![Just(A), Just("10.0.0.2"), Just("fd00::1")];
        let place = (address, name.clone(), prop_oneof![Just(24_u8), Just(32)]);
        let place = place.prop_map(|(address, name, prefix)| placed(address, name, prefix));
        prop_oneof![
            (name.clone(), 2_u32..4, any::<bool>()).prop_map(|(name, index, up)| interface(name, index, up)),
            name.prop_map(gone),
            place.clone().prop_map(Fact::Appeared),
            place.prop_map(Fact::Vanished),
        ]
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn the_changes_told_are_what_is_held(facts in proptest::collection::vec(any_fact(), 0..40)) {
            let mut kernel = Kernel::default();
            let mut told = BTreeSet::new();
            for fact in &facts {
                match kernel.apply(fact) {
                    Change::Nothing => {}
                    Change::Appeared(address) => prop_assert!(told.insert(address)),
                    Change::Vanished(address) => prop_assert!(told.remove(&address)),
                    Change::InterfaceChanged { lost, .. } | Change::InterfaceGone { lost, .. } => {
                        for address in lost {
                            prop_assert!(told.remove(&address));
                        }
                    }
                }
                prop_assert!(kernel.addresses.keys().eq(told.iter()));
                let again = kernel.clone();
                let facing_back = kernel.apply(fact);
                prop_assert_eq!(facing_back, Change::Nothing, "repeated: {:?}", again);
            }
        }
    }
}
