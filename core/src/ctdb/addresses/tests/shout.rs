//! Announcements and tickles.

use super::super::super::wire::TickleList;
use super::*;

const APART: Duration = Duration::from_millis(1_100);

fn announce(address: &str, interface: &str) -> Job {
    Job::Announce { interface: interface.into(), address: ip(address) }
}

fn tickle(from: &str, to: &str) -> Job {
    Job::Tickle { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

/// Takes an address, announced from now on.
fn take(bench: &mut Bench, address: &str) {
    bench.takeover(address, false);
    bench.take_ended(address, true);
}

#[test]
fn what_is_taken_is_announced_three_times_with_its_tickles() {
    let mut bench = Bench::new();
    assert!(bench.table.add_tickle(connection("10.9.0.1:1000", "10.0.0.1:445"), false));
    assert!(bench.table.add_tickle(connection("10.9.0.2:1001", "[::ffff:10.0.0.1]:445"), false));
    take(&mut bench, A);
    let round = || {
        let one = tickle("10.0.0.1:445", "10.9.0.1:1000");
        let two = tickle("10.0.0.1:445", "10.9.0.2:1001");
        Vec::from([announce(A, "eth0"), one, two])
    };
    assert_eq!(bench.asked(), round());
    for _ in 1..ROUNDS {
        bench.woken_after(APART);
        assert_eq!(bench.asked(), round());
    }
    assert_eq!(bench.timers.next(), None);
    let emptied = TickleList { address: WireAddr::public(ip(A)), connections: Vec::new() };
    assert_eq!(bench.table.take_changed(), [emptied]);
}

#[test]
fn a_release_stops_the_announcement() {
    for have in [true, false] {
        for all in [true, false] {
            let mut bench = Bench::new();
            take(&mut bench, A);
            bench.woken_after(APART);
            match all {
                true => bench.with(|table, cx| table.drop_one(cx, ip(A), have)),
                false => bench.release(A, Some(OTHER), have),
            };
            assert_eq!(bench.timers.next(), None);
        }
    }
}

#[test]
fn an_announcement_follows_its_address_and_ends_without_it() {
    let mut bench = Bench::new();
    take(&mut bench, A);
    bench.table.set_link("eth0", false);
    bench.takeover(A, true);
    bench.is_quiet();
    bench.woken_after(APART);
    assert_eq!(bench.asked(), [announce(A, "eth1")]);
    bench.table.get_mut(ip(A)).unwrap().forget();
    bench.woken_after(APART);
    assert_eq!((bench.asked(), bench.timers.next()), (Vec::new(), None));
    bench.with(|table, cx| table.announce_due(cx, ip("10.0.0.9")));
    assert!(bench.asked().is_empty());
}

#[test]
fn nothing_is_announced_on_loopback() {
    let mut bench = Bench::new();
    bench.table = Addresses::load(&file("10.0.0.1/32 lo\n"));
    take(&mut bench, A);
    assert!(bench.is_quiet() && bench.timers.next().is_none());
}

#[test]
fn a_take_amid_an_announcement_begins_it_anew_and_forgets_no_client() {
    let mut bench = Bench::new();
    bench.table.add_tickle(connection("10.9.0.1:1000", "10.0.0.1:445"), false);
    take(&mut bench, A);
    bench.now += Duration::from_millis(600);
    bench.table.add_tickle(connection("10.9.0.1:1000", "10.0.0.1:445"), false);
    bench.is_quiet();
    take(&mut bench, A);
    let round = [announce(A, "eth0"), tickle("10.0.0.1:445", "10.9.0.1:1000")];
    assert_eq!(bench.asked(), round);
    bench.woken_after(APART);
    assert_eq!(bench.asked(), round);
}

#[test]
fn what_was_kept_is_announced_where_it_is_and_shakes_nobody_off() {
    let mut bench = Bench::new();
    for address in [A, B, C, D] {
        bench.hold(address);
        bench.timers.cancel(Wake::Announce(ip(address)));
        bench.table.get_mut(ip(address)).unwrap().announcing = None;
    }
    bench.table.add_tickle(connection("10.9.0.1:1000", "10.0.0.2:445"), false);
    // A is being released, C is not in the kernel, D is elsewhere.
    bench.release(A, None, true);
    bench.elsewhere(D);
    bench.with(|table, cx| table.announce_all_held(cx, |address| address != ip(C)));
    assert_eq!(bench.asked(), [announce(B, "eth0")]);
    bench.woken_after(APART);
    assert_eq!(bench.asked(), [announce(B, "eth0")]);
    assert_eq!(bench.table.tickles(WireAddr::public(ip(B))).unwrap().connections.len(), 1);
}

#[test]
fn a_list_holds_each_connection_once_and_has_an_end() {
    let mut bench = Bench::new();
    let list = |bench: &Bench, address: &str| bench.table.tickles(WireAddr(address.parse().unwrap()));
    let one = connection("10.9.0.1:1000", "10.0.0.1:445");
    let two = connection("10.9.0.1:1000", "10.0.0.1:2049");
    assert!(bench.table.add_tickle(one, false) && bench.table.add_tickle(one, false));
    assert!(bench.table.add_tickle(two, false));
    assert!(bench.table.add_tickle(connection("[fd00::9]:1000", "10.0.0.1:445"), false), "of no use");
    assert!(!bench.table.add_tickle(connection("10.9.0.1:1000", "10.0.0.9:445"), false));
    assert_eq!(list(&bench, "10.0.0.1:0").unwrap().connections, [one, two]);
    assert_eq!(list(&bench, "10.0.0.1:445").unwrap().connections, [one]);
    assert_eq!(list(&bench, "10.0.0.1:22").unwrap().connections, []);
    assert_eq!(list(&bench, "10.0.0.9:0"), None);
    assert!(bench.table.remove_tickle(&one));
    assert!(!bench.table.remove_tickle(&connection("10.9.0.1:1000", "10.0.0.9:445")));
    assert_eq!(list(&bench, "10.0.0.1:0").unwrap().connections, [two]);
    for client in 0..=TICKLES_MAX as u32 {
        let client = WireAddr((core::net::Ipv4Addr::from(client), 1).into());
        assert!(bench.table.add_tickle(Connection { client, server: one.server }, false));
    }
    assert_eq!(list(&bench, "10.0.0.1:0").unwrap().connections.len(), TICKLES_MAX);
}

#[test]
fn the_others_are_told_of_what_changed_where_it_is_held() {
    let mut bench = Bench::new();
    bench.hold(A);
    let lists = |lists: Vec<TickleList>| -> Vec<_> {
        lists.iter().map(|list| (list.address.ip(), list.connections.len())).collect()
    };
    assert_eq!(lists(bench.table.take_changed()), [(ip(A), 0)]);
    assert!(bench.table.take_changed().is_empty());
    let one = connection("10.9.0.1:1000", "10.0.0.1:445");
    bench.table.add_tickle(one, false);
    assert!(bench.table.take_changed().is_empty(), "all were told of it at once");
    bench.table.add_tickle(connection("10.9.0.1:1000", "10.0.0.2:445"), true);
    assert!(bench.table.take_changed().is_empty(), "it is not ours to tell");
    bench.table.add_tickle(connection("10.9.0.1:1001", "10.0.0.1:445"), true);
    assert_eq!(lists(bench.table.take_changed()), [(ip(A), 2)]);
    bench.table.remove_tickle(&one);
    assert_eq!(lists(bench.table.take_changed()), [(ip(A), 1)]);
    bench.table.remove_tickle(&one);
    assert!(bench.table.take_changed().is_empty());
    assert_eq!(lists(bench.table.held_tickles()), [(ip(A), 1)]);
}

#[test]
fn the_holders_list_replaces_ours_unless_we_hold_the_address() {
    let mut bench = Bench::new();
    let one = connection("10.9.0.1:1000", "10.0.0.1:445");
    let foreign = connection("10.9.0.1:1000", "10.0.0.2:445");
    let list = |address: &str, connections: &[Connection]| TickleList {
        address: WireAddr::public(ip(address)),
        connections: connections.to_vec(),
    };
    assert!(bench.table.set_tickles(&list(A, &[one, foreign, one])));
    assert_eq!(bench.table.tickles(WireAddr::public(ip(A))).unwrap().connections, [one]);
    assert!(bench.table.set_tickles(&list(A, &[])));
    assert!(bench.table.tickles(WireAddr::public(ip(A))).unwrap().connections.is_empty());
    bench.hold(A);
    assert!(!bench.table.set_tickles(&list(A, &[one])));
    assert!(!bench.table.set_tickles(&list("10.0.0.9", &[])));
    assert!(bench.table.tickles(WireAddr::public(ip(A))).unwrap().connections.is_empty());
}
