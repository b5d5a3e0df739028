//! Lists, additions, deletions and the local check.

use super::super::super::notice::AddressFault;
use super::super::super::types::NodeFlags;
use super::super::super::wire::{AddrInfo, Interface, InterfaceName, PublicIpList, Text};
use super::*;

fn ips(list: PublicIpList) -> Vec<(IpAddr, Option<Pnn>)> {
    list.ips.iter().map(|held| (held.address.ip(), held.pnn.known())).collect()
}

fn links(interfaces: &[Interface]) -> Vec<(&str, u16, u32)> {
    let told = |link: &Interface| (link.link_state, link.references);
    let names = interfaces.iter().map(|link| link.name.as_str().unwrap());
    names.zip(interfaces.iter().map(told)).map(|(name, (up, count))| (name, up, count)).collect()
}

#[test]
fn the_newest_address_and_interface_come_first() {
    let bench = Bench::new();
    let all = [D, C, B, A].map(|address| (ip(address), None));
    assert_eq!(ips(bench.table.known()), all);
    assert_eq!(links(&bench.table.interfaces().interfaces), [("eth1", 1, 0), ("eth0", 1, 0)]);
    let listed: Vec<_> = bench.table.iter().map(|entry| (entry.address(), entry.bits())).collect();
    assert_eq!(listed, [(ip(D), 64), (ip(C), 25), (ip(B), 25), (ip(A), 24)]);
}

#[test]
fn available_is_what_could_be_served_now() {
    let mut bench = Bench::new();
    assert!(bench.table.available(false).ips.is_empty());
    assert_eq!(bench.table.available(true), bench.table.known());
    bench.table.set_link("eth0", false);
    assert_eq!(ips(bench.table.available(true)), [(ip(D), None), (ip(A), None)]);
    bench.hold(D);
    bench.table.delete(ip(D));
    assert_eq!(ips(bench.table.available(true)), [(ip(A), None)]);
    assert_eq!(ips(bench.table.known())[0], (ip(D), Some(ME)));
}

#[test]
fn an_address_is_described_with_its_interfaces_in_the_files_order() {
    let mut bench = Bench::new();
    bench.hold(B);
    bench.hold(A);
    let info = bench.table.info(ip(A)).unwrap();
    assert_eq!((info.ip.pnn, info.ip.address, info.active), (ME, WireAddr::public(ip(A)), 1));
    assert_eq!(links(&info.interfaces), [("eth0", 1, 1), ("eth1", 1, 1)]);
    let info = bench.table.info(ip(C)).unwrap();
    assert_eq!((info.ip.pnn, info.active), (Pnn::UNKNOWN, u32::MAX));
    assert_eq!(bench.table.info(ip("10.0.0.9")), None);
}

#[test]
fn a_links_state_is_set_as_ctdbd_allows() {
    let mut bench = Bench::new();
    let link = |name: &str, link_state, references| Interface {
        name: InterfaceName::new(name).unwrap(),
        link_state,
        references,
    };
    for (asked, answer) in [
        (link("eth0", 1, 0), Some(false)),
        (link("eth0", 0, 0), Some(true)),
        (link("eth0", 0, 0), Some(false)),
        (link("eth0", 1, 1), None),
        (link("eth0", 2, 0), None),
        (link("eth9", 1, 0), None),
        (link("eth0", 1, 0), Some(true)),
    ] {
        assert_eq!(bench.table.set_link_asked(&asked), answer, "{asked:?}");
    }
}

#[test]
fn an_address_is_added_if_the_file_could_say_so() {
    let mut bench = Bench::new();
    let asked = |address: &str, mask, interfaces: Option<&str>| AddrInfo {
        address: WireAddr::public(ip(address)),
        mask,
        interfaces: interfaces.map(Text::from),
    };
    for (asked, answer) in [
        (asked("10.0.0.9", 24, Some("lo,eth0")), Ok(())),
        (asked("10.0.0.9", 24, Some("eth0")), Err(AddRefused::Duplicate)),
        (asked("::ffff:10.0.0.1", 24, Some("eth0")), Err(AddRefused::Duplicate)),
        (asked("10.0.0.8", 24, Some("eth0,eth9")), Err(AddRefused::NoInterface)),
        (asked("10.0.0.8", 24, None), Err(AddRefused::Malformed)),
        (asked("10.0.0.8", 24, Some("")), Err(AddRefused::Malformed)),
        (asked("10.0.0.8", 24, Some("eth0\n10.0.0.7/24 eth0")), Err(AddRefused::Malformed)),
        (asked("10.0.0.8", 24, Some("a_very_long_interface")), Err(AddRefused::Malformed)),
        (asked("10.0.0.8", 33, Some("eth0")), Err(AddRefused::Malformed)),
        (asked("10.0.0.8", u32::MAX, Some("eth0")), Err(AddRefused::Malformed)),
        (asked("0.0.0.0", 24, Some("eth0")), Err(AddRefused::Malformed)),
        (asked("fd00::9", 64, Some("eth1")), Ok(())),
    ] {
        assert_eq!(bench.table.add_asked(&asked, &bench.kernel), answer, "{asked:?}");
        bench.table.check_invariants(Some(ME));
    }
    let first: Vec<_> = ips(bench.table.known()).into_iter().take(2).collect();
    assert_eq!(first, [(ip("fd00::9"), None), (ip("10.0.0.9"), None)]);
    let names: Vec<_> = bench.table.link_states().map(|(name, _)| name).collect();
    assert_eq!(names, ["lo", "eth1", "eth0"]);
}

#[test]
fn an_address_is_deleted_at_once_unless_it_is_held_or_changing() {
    let mut bench = Bench::new();
    assert_eq!(bench.table.delete(ip("10.0.0.9")), Deleted::Unknown);
    bench.hold(B);
    assert_eq!(bench.table.delete(ip(B)), Deleted::Marked);
    assert_eq!(bench.table.delete(ip(B)), Deleted::Marked);
    bench.elsewhere(C);
    assert_eq!(bench.table.delete(ip(C)), Deleted::AtOnce);
    // In the kernel by mistake, and on its way out.
    bench.release(A, Some(OTHER), true);
    assert_eq!(bench.table.delete(ip(A)), Deleted::Marked);
    assert_eq!(bench.release_ended(A, Some(OTHER), false), Released::Done { deleted: true });
    assert_eq!(bench.table.delete(ip(D)), Deleted::AtOnce);
    let links: Vec<_> = bench.table.link_states().collect();
    assert_eq!(links, [("eth0", true)], "no other address names eth1");
}

#[test]
fn a_new_file_differs_by_its_addresses_alone() {
    let bench = Bench::new();
    let new = file("10.0.0.9/24 eth1\n10.0.0.2/16 eth1\n10.0.0.1/24 eth0\n10.0.0.8/24 eth0\n");
    let Reloaded { delete, add } = bench.table.reload(&new);
    assert_eq!(delete, [D, C].map(ip));
    let added: Vec<_> = add.iter().map(|entry| entry.address).collect();
    assert_eq!(added, ["10.0.0.9", "10.0.0.8"].map(ip));
    assert_eq!(bench.table.reload(&file(FILE)), Reloaded::default());
}

#[test]
fn the_local_check_tells_every_reason_for_a_run() {
    let mut bench = Bench::new();
    let mut last = None;
    let well = NodeFlags::empty();
    let found = |bench: &Bench, last: &mut _, flags, offers| {
        bench.table.check(ME, flags, offers, &bench.kernel, |_| false, last)
    };
    let unassigned = |address: &str| Wrong::Address(ip(address), AddressFault::Unassigned);
    let all: Vec<_> = [D, C, B, A].map(unassigned).into();
    let first = found(&bench, &mut last, well, true);
    assert_eq!((first[0], &first[1..]), (Wrong::Interfaces { up: 2, down: 0 }, &all[..]));
    assert_eq!(found(&bench, &mut last, well, true), all);
    assert_eq!(found(&bench, &mut last, well, false), []);
    assert_eq!(found(&bench, &mut last, NodeFlags::from_bits_retain(0x100), true), []);

    bench.elsewhere(C);
    bench.elsewhere(D);
    bench.hold(A);
    bench.place(B, "eth0");
    bench.place(C, "eth0");
    let address = |address: &str, fault| Wrong::Address(ip(address), fault);
    assert_eq!(
        found(&bench, &mut last, well, true),
        [
            address(C, AddressFault::Foreign),
            address(B, AddressFault::Unassigned),
            address(B, AddressFault::Foreign),
            address(A, AddressFault::Missing),
        ]
    );
    let faults = found(&bench, &mut last, NodeFlags::BANNED, false);
    assert_eq!(faults.len(), 3, "a banned node looks at its kernel too");

    let mut bench = Bench::new();
    for held in [A, B, C, D] {
        bench.hold(held);
        bench.place(held, "eth0");
    }
    assert_eq!(found(&bench, &mut last, well, true), []);
    let mut elsewhere = Bench::new();
    for address in [A, B, C] {
        elsewhere.elsewhere(address);
    }
    let after_death = |bench: &Bench, offers| {
        let is_gone = |holder| holder == OTHER;
        let mut wrong = bench.table.check(ME, well, offers, &bench.kernel, is_gone, &mut None);
        wrong.remove(0);
        wrong
    };
    assert_eq!(after_death(&elsewhere, false), []);
    assert_eq!(after_death(&elsewhere, true).len(), 4);
    assert_eq!(after_death(&elsewhere, true)[0], unassigned(D));
    assert_eq!(after_death(&elsewhere, true)[1], address(C, AddressFault::Abandoned));
    bench.table.set_link("eth1", false);
    assert_eq!(found(&bench, &mut last, well, true), [Wrong::Interfaces { up: 1, down: 1 }]);
    assert_eq!(found(&bench, &mut last, well, true), []);
    bench.table = Addresses::default();
    assert_eq!(found(&bench, &mut last, well, true), [Wrong::Interfaces { up: 0, down: 0 }]);
    assert_eq!(found(&bench, &mut None, well, true), [Wrong::Interfaces { up: 0, down: 0 }]);
}
