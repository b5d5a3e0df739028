//! A bed without daemons: every fault does what it says, and can be undone.
//!
//! Needs root; without it, says so and passes, but not in CI.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use standin_testbed::{Bed, Client, Network, Observer, Options, Program, test_has, usable};

const ONE: Ipv4Addr = Ipv4Addr::new(10, 78, 1, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(10, 78, 1, 2);

/// A name of this run's own: the same test may run from another tree at the same time.
fn named(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A bed of three nodes and two public addresses, the first on node 0, the second on node 1.
fn bed(name: &str) -> Option<Bed> {
    if !test_has(usable()) {
        return None;
    }
    let bed = Bed::up(&named(name), &Options { public: 2, ..Options::new(3, &Program::Ctdbd) }).unwrap();
    bed.address_add(0, ONE).unwrap();
    bed.address_add(1, TWO).unwrap();
    Some(bed)
}

/// Whether a node reaches another on the private network.
fn reaches(bed: &Bed, from: usize, to: usize) -> bool {
    let script = format!("echo > /dev/udp/10.77.0.{}/9 && ip neigh get 10.77.0.{0} dev eth0", to + 1);
    // The second datagram: by then the neighbour is known, or known not to answer.
    let mut said = String::new();
    for _ in 0..20 {
        let output = bed.command(from, "bash").unwrap().args(["-c", &script]).output().unwrap();
        said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains("lladdr") || !output.status.success() {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    said.contains("lladdr")
}

fn forget_neighbours(bed: &Bed) {
    for node in 0..bed.len() {
        let output = bed.command(node, "ip").unwrap().args(["neigh", "flush", "all"]).output().unwrap();
        assert!(output.status.success());
    }
}

fn soon(what: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if what() {
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn a_client_hears_who_has_an_address_and_an_observer_all_of_them() {
    let Some(bed) = bed("watch") else { return };
    let (client, observer) = (Client::start(&bed).unwrap(), Observer::start(&bed).unwrap());
    assert!(soon(|| client.all() == [(ONE, Some(0)), (TWO, Some(1))]));
    assert!(soon(|| observer.hosts(ONE) == [0].into() && observer.hosts(TWO) == [1].into()));
    assert_eq!(bed.addresses_on(1).unwrap(), [TWO]);

    let from = Instant::now();
    bed.address_add(2, ONE).unwrap();
    assert!(soon(|| observer.twice() == [ONE]));
    bed.address_delete(2, ONE).unwrap();
    assert!(soon(|| observer.twice().is_empty()));
    let twice = observer.twice_for(ONE, from, Instant::now());
    assert!(twice >= Duration::from_millis(50) && twice < Duration::from_secs(3), "{twice:?}");
    assert_eq!(observer.twice_for(TWO, from, Instant::now()), Duration::ZERO);
}

#[test]
fn a_cable_and_an_interface_go_down_and_up() {
    let Some(bed) = bed("cable") else { return };
    let client = Client::start(&bed).unwrap();
    let carrier = || {
        let output = bed.command(0, "cat").unwrap().arg("/sys/class/net/eth1/carrier").output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert!(soon(|| client.answers(ONE) == Some(0)));
    assert_eq!(carrier(), "1");
    let pulled = Instant::now();
    bed.cable(0, Network::Public, false).unwrap();
    assert!(soon(|| client.answers(ONE).is_none()));
    assert_eq!((carrier().as_str(), client.answers(TWO)), ("0", Some(1)));
    bed.cable(0, Network::Public, true).unwrap();
    assert!(soon(|| client.answers(ONE) == Some(0)));
    assert_eq!(carrier(), "1");
    let now = Instant::now();
    let (address, gap) = client.worst_gap(&[ONE, TWO], pulled, now).unwrap();
    assert!(
        address == ONE && gap.length() >= Duration::from_millis(200) && gap.to <= now,
        "{address} {gap:?}"
    );

    bed.interface(1, Network::Public, false).unwrap();
    assert!(soon(|| client.answers(TWO).is_none()));
    bed.interface(1, Network::Public, true).unwrap();
    assert!(soon(|| client.answers(TWO) == Some(1)), "an interface that was down keeps its addresses");
    bed.restart_network(1, Network::Public).unwrap();
    assert!(bed.addresses_on(1).unwrap().is_empty(), "a restarted network has none but its own");
    assert!(soon(|| client.answers(TWO).is_none()));
}

#[test]
fn a_network_falls_apart_with_its_carrier_up() {
    let Some(bed) = bed("parts") else { return };
    let both_ways = |one, other| (reaches(&bed, one, other), reaches(&bed, other, one));
    assert_eq!(both_ways(0, 1), (true, true));
    bed.partition(Network::Private, &[&[0], &[1, 2]]).unwrap();
    forget_neighbours(&bed);
    assert_eq!((both_ways(0, 1), both_ways(1, 2)), ((false, false), (true, true)));
    bed.heal(Network::Private).unwrap();
    forget_neighbours(&bed);
    assert_eq!(both_ways(0, 1), (true, true));

    bed.one_way_loss(0, 1, true).unwrap();
    forget_neighbours(&bed);
    assert!(!reaches(&bed, 0, 1) && reaches(&bed, 0, 2));
    bed.one_way_loss(0, 1, false).unwrap();
    assert_eq!(both_ways(0, 1), (true, true));
}

#[test]
fn a_node_comes_back_from_a_power_loss_with_its_files_and_nothing_else() {
    let Some(mut bed) = bed("power") else { return };
    let client = Client::start(&bed).unwrap();
    assert!(soon(|| client.answers(ONE) == Some(0)));
    let sh = |bed: &Bed, script: &str| {
        let output = bed.command(0, "sh").unwrap().args(["-c", script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    sh(&bed, "echo kept >/var/lib/ctdb/file; echo lost >/run/ctdb/file; sleep 600 >/dev/null 2>&1 &");
    assert_eq!(sh(&bed, "hostname; pgrep -c sleep"), "n0\n2");
    bed.power_off(0).unwrap();
    assert!(bed.command(0, "true").is_err() && bed.cable(0, Network::Public, false).is_err());
    assert!(soon(|| client.answers(ONE).is_none()));
    bed.power_off(0).expect("off is off");

    bed.power_on(0).unwrap();
    assert_eq!(sh(&bed, "cat /var/lib/ctdb/file; ls /run/ctdb; pgrep -c sleep"), "kept\n1");
    assert!(bed.addresses_on(0).unwrap().is_empty());
    bed.address_add(0, ONE).unwrap();
    assert!(soon(|| client.answers(ONE) == Some(0)), "a responder finds its node again");
}

#[test]
fn a_bed_can_be_left_and_found_and_removed() {
    let Some(left) = bed("left") else { return };
    let name = &named("left");
    left.leave();
    assert!(Bed::exists(name) && Bed::names().contains(name));
    let found = Bed::find(name).unwrap();
    assert_eq!((found.len(), found.addresses()), (3, &[ONE, TWO][..]));
    assert_eq!(found.addresses_on(0).unwrap(), [ONE]);
    drop(found);
    assert!(Bed::exists(name), "found is not made");
    Bed::remove(name).unwrap();
    assert!(!Bed::exists(name));
    let why = Bed::find(name).unwrap_err().to_string();
    assert_eq!(why, format!("there is no cluster named {name}"));
}
