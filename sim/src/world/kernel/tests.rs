use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn placed(interface: &str, address: &str) -> Placed {
    let (address, prefix) = address.split_once('/').unwrap();
    Placed { interface: interface.into(), address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// `eth1` on the public network, up, with these addresses.
fn kernel(addresses: &[&str]) -> Kernel {
    let mut kernel = Kernel::new();
    kernel.add_interface("eth1", Net::Public, [2, 0, 0, 0, 0, 1]);
    kernel.set_admin("eth1", true).unwrap();
    for address in addresses {
        let appeared = Fact::Appeared(placed("eth1", address));
        assert_eq!(kernel.add_address(&placed("eth1", address)), Ok(vec![appeared]));
    }
    kernel
}

fn vanished(addresses: &[&str]) -> Vec<Fact> {
    addresses.iter().map(|address| Fact::Vanished(placed("eth1", address))).collect()
}

fn link(index: u32, up: bool) -> Fact {
    Fact::Interface { name: "eth1".into(), index, up }
}

#[test]
fn secondaries_vanish_with_their_primary_and_are_reported_first() {
    let mut kernel = kernel(&["10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "10.0.0.3/24", "10.0.0.4/32"]);
    let secondary: Vec<_> = kernel.interfaces()[0].addresses.iter().map(|held| held.secondary).collect();
    assert_eq!(secondary, [false, false, false, true, true]);
    let facts = kernel.drop_address(&placed("eth1", "10.0.0.1/24"));
    assert_eq!(facts, Ok(vanished(&["10.0.0.2/24", "10.0.0.3/24", "10.0.0.1/24"])));
    let left: Vec<_> = kernel.addresses().map(|placed| placed.address).collect();
    assert_eq!(left, [ip("10.0.1.1"), ip("10.0.0.4")]);
}

#[test]
fn a_kernel_that_promotes_keeps_them() {
    let mut kernel = kernel(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]);
    kernel.promote_secondaries = true;
    let facts = kernel.drop_address(&placed("eth1", "10.0.0.1/24")).unwrap();
    let promoted = Fact::Appeared(placed("eth1", "10.0.0.2/24"));
    assert_eq!(facts, [vanished(&["10.0.0.1/24"]), vec![promoted]].concat());
    assert!(kernel.holds(ip("10.0.0.3")));
    assert!(!kernel.interfaces()[0].addresses[0].secondary);
}

#[test]
fn the_end_of_a_secondary_takes_nothing_with_it() {
    let mut kernel = kernel(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]);
    let facts = kernel.drop_address(&placed("eth1", "10.0.0.2/24"));
    assert_eq!(facts, Ok(vanished(&["10.0.0.2/24"])));
    assert!(kernel.holds(ip("10.0.0.1")) && kernel.holds(ip("10.0.0.3")));
}

#[test]
fn an_interface_set_down_keeps_ipv4_and_drops_ipv6() {
    let mut kernel = kernel(&["fd00::1/64", "10.0.0.1/24"]);
    let facts = kernel.set_admin("eth1", false).unwrap();
    assert_eq!(facts, [vec![link(2, false)], vanished(&["fd00::1/64"])].concat());
    assert!(kernel.holds(ip("10.0.0.1")) && !kernel.usable(ip("10.0.0.1")));
    assert_eq!(kernel.set_admin("eth1", false), Ok(vec![]));
    assert_eq!(kernel.set_carrier("eth1", false), Ok(vec![]), "a link that is down reports no carrier");
    assert_eq!(kernel.set_admin("eth1", true), Ok(vec![link(2, false)]), "up, but without carrier");
    assert_eq!(kernel.set_carrier("eth1", true), Ok(vec![link(2, true)]));
    assert!(kernel.usable(ip("10.0.0.1")));
}

#[test]
fn a_network_restart_brings_a_new_index_and_no_addresses() {
    let mut kernel = kernel(&["10.0.0.1/24", "10.0.0.2/24"]);
    let Restarted { facts, had } = kernel.network_restart("eth1").unwrap();
    let gone = Fact::InterfaceGone { name: "eth1".into() };
    let links = vec![link(2, false), gone, link(3, false), link(3, true)];
    assert_eq!(facts, [vanished(&["10.0.0.2/24", "10.0.0.1/24"]), links].concat());
    assert_eq!(had, [placed("eth1", "10.0.0.1/24"), placed("eth1", "10.0.0.2/24")]);
    assert_eq!(kernel.addresses().count(), 0);
    assert_eq!(kernel.interface("eth1").map(|interface| interface.index), Some(3));
}

#[test]
fn a_cable_pulled_stays_pulled_over_a_restart() {
    let mut kernel = kernel(&[]);
    kernel.set_carrier("eth1", false).unwrap();
    let facts = kernel.network_restart("eth1").unwrap().facts;
    assert_eq!(facts.last(), Some(&link(3, false)));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let mut kernel = kernel(&["10.0.0.1/24", "fd00::1/64"]);
    for (address, error) in [("10.0.0.1/24", AddressError::Unchanged), ("10.0.0.9/33", AddressError::Other)] {
        assert_eq!(kernel.add_address(&placed("eth1", address)), Err(error));
    }
    assert_eq!(kernel.add_address(&placed("eth1", "fd00::1/128")), Err(AddressError::Unchanged));
    assert!(kernel.add_address(&placed("eth1", "10.0.0.1/32")).is_ok(), "IPv4 tells by the prefix too");
    assert_eq!(kernel.drop_address(&placed("eth1", "10.0.0.1/16")), Err(AddressError::Unchanged));
    assert_eq!(kernel.drop_address(&placed("eth7", "10.0.0.1/24")), Err(AddressError::NoInterface));
    assert_eq!(kernel.flush("eth7"), Err(AddressError::NoInterface));
}

#[test]
fn local_is_what_is_on_an_interface_and_loopback() {
    let mut kernel = kernel(&["10.0.0.1/24"]);
    kernel.add_interface("eth2", Net::Private, [2, 0, 0, 0, 0, 2]);
    kernel.add_address(&placed("eth2", "10.1.0.1/24")).unwrap();
    kernel.add_address(&placed("eth2", "10.0.0.1/32")).unwrap();
    for (address, holds, usable, net) in [
        ("127.0.0.9", true, false, None),
        ("::1", true, false, None),
        ("10.0.0.1", true, true, Some(Net::Public)),
        ("10.1.0.1", true, false, Some(Net::Private)),
        ("10.0.0.2", false, false, None),
    ] {
        let address = ip(address);
        let found = (kernel.holds(address), kernel.usable(address), kernel.net_of(address));
        assert_eq!(found, (holds, usable, net), "{address}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Placed),
    Drop(Placed),
    Admin(bool),
    Carrier(bool),
    Promote(bool),
    Flush,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let address = prop_oneof![
        (0u8..2, 1u8..5, prop_oneof![Just(24u8), Just(32)])
            .prop_map(|(net, host, prefix)| (IpAddr::from([10, 0, net, host]), prefix)),
        (1u16..4).prop_map(|host| (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, host]), 64)),
    ];
    let placed = address.prop_map(|(address, prefix)| Placed { interface: "eth1".into(), address, prefix });
    let step = prop_oneof![
        8 => placed.clone().prop_map(Step::Add),
        5 => placed.prop_map(Step::Drop),
        1 => any::<bool>().prop_map(Step::Admin),
        1 => any::<bool>().prop_map(Step::Carrier),
        1 => any::<bool>().prop_map(Step::Promote),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// Whoever keeps a table by the facts alone knows what is there.
    #[test]
    fn the_facts_tell_everything(steps in steps()) {
        let mut kernel = kernel(&[]);
        let mut table = BTreeSet::new();
        let mut seen = (2, true);
        for step in steps {
            let facts = match step {
                Step::Add(placed) => kernel.add_address(&placed),
                Step::Drop(placed) => kernel.drop_address(&placed),
                Step::Admin(up) => kernel.set_admin("eth1", up),
                Step::Carrier(carrier) => kernel.set_carrier("eth1", carrier),
                Step::Promote(promote) => { kernel.promote_secondaries = promote; Ok(vec![]) }
                Step::Flush => kernel.flush("eth1"),
                Step::Restart => kernel.network_restart("eth1").map(|restarted| restarted.facts),
            };
            for fact in facts.unwrap_or_default() {
                match fact {
                    Fact::Appeared(placed) => prop_assert!(table.insert(placed) || kernel.promote_secondaries),
                    Fact::Vanished(placed) => prop_assert!(table.remove(&placed)),
                    Fact::Interface { index, up, .. } => seen = (index, up),
                    Fact::InterfaceGone { .. } => prop_assert!(table.is_empty()),
                    Fact::Woke { .. } | Fact::TimeOfDay { .. } => unreachable!("a kernel does not report a suspend"),
                }
            }
            prop_assert_eq!(&kernel.addresses().collect::<BTreeSet<_>>(), &table);
            let interface = &kernel.interfaces()[0];
            prop_assert_eq!(seen, (interface.index, interface.is_up()));
            for (at, held) in interface.addresses.iter().enumerate() {
                let first = interface.addresses.iter().position(|other| same_subnet(other, held));
                prop_assert_eq!(held.secondary, first.is_some_and(|first| first != at));
            }
        }
    }
}
