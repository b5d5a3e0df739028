//! `standind` on real hosts, as far as namespaces are: real kernels' addresses, ARP, cables and
//! power. A client asks every address every 20 ms; client, kernels and the stock tool must agree.
//!
//! Limits are several times what is usual: a busy machine is no failure. The figures are the
//! bench's (`cargo xtask bench failover`).

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use standin_testbed::{Bed, Client, Network, Observer, Options, Program, has_ctdb, test_has, usable};

const NODES: usize = 3;

fn ours() -> Program {
    Program::Standind { path: PathBuf::from(env!("CARGO_BIN_EXE_standind")), strict: false }
}

/// A healthy cluster and who watches it.
struct Hosts {
    bed: Bed,
    client: Client,
    observer: Observer,
}

/// Whether there is anything to test with; in CI there has to be.
fn able() -> bool {
    test_has(usable().and_then(|()| has_ctdb()))
}

impl Hosts {
    fn up(name: &str, lock: bool) -> Self {
        let mut options = Options::new(NODES, &ours());
        options.lock = lock;
        Self::of(name, &options)
    }

    fn of(name: &str, options: &Options) -> Self {
        let bed = Bed::up(&format!("{name}-{}", std::process::id() % 100_000), options).unwrap();
        let (client, observer) = (Client::start(&bed).unwrap(), Observer::start(&bed).unwrap());
        bed.start_all().unwrap();
        let hosts = Self { bed, client, observer };
        hosts.all_by(&[0, 1, 2], 90);
        hosts
    }

    /// Waits until every address answers from one of these nodes, each of which serves, and the
    /// kernels and the tool say the same.
    fn all_by(&self, nodes: &[usize], seconds: u64) {
        let limit = Duration::from_secs(seconds);
        let fine = |all: &[(Ipv4Addr, Option<usize>)]| {
            all.iter().all(|(_, who)| who.is_some_and(|who| nodes.contains(&who)))
                && nodes.iter().all(|node| all.iter().any(|(_, who)| *who == Some(*node)))
        };
        self.client.wait(Instant::now(), limit, fine).unwrap();
        self.bed.wait_healthy(nodes.len(), limit).unwrap();
        for &node in nodes {
            // The client may have heard of a move that is just over.
            let agreed = || self.bed.addresses_on(node).unwrap() == self.client.of(node);
            wait_for(&format!("kernel and client agree on node {node}"), agreed);
        }
        let told = self.bed.tool(nodes[0], &["ip", "all"]).unwrap();
        for (address, who) in self.client.all() {
            let line = format!("{address} {}", who.unwrap_or(NODES));
            assert!(told.out.contains(&line), "{line} in\n{}", told.out);
        }
    }

    fn follower(&self) -> usize {
        let leader = self.bed.leader(0).unwrap();
        (0..NODES).rev().find(|node| *node != leader).unwrap()
    }

    /// The longest silence of what a node served, from a fault on.
    fn silence(&self, of: &[Ipv4Addr], since: Instant) -> Duration {
        sleep(Duration::from_millis(500));
        self.client.worst_gap(of, since, Instant::now()).map_or(Duration::ZERO, |(_, gap)| gap.length())
    }
}

fn wait_for(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(90), "in vain: {what}");
        sleep(Duration::from_millis(100));
    }
}

fn others(node: usize) -> Vec<usize> {
    (0..NODES).filter(|other| *other != node).collect()
}

#[test]
fn what_happens_to_a_daemon_and_its_addresses() {
    if !able() {
        return;
    }
    let hosts = Hosts::up("day", false);
    let node = hosts.follower();

    // An address is deleted by hand: it is put back.
    let served = hosts.client.of(node);
    let fault = Instant::now();
    hosts.bed.address_delete(node, served[0]).unwrap();
    wait_for("the address is back", || hosts.bed.addresses_on(node).unwrap() == served);
    assert!(hosts.silence(&served, fault) < Duration::from_secs(5));

    // The interface goes down and the public network restarts: whatever was there is served.
    for restart in [false, true] {
        hosts.bed.wait_healthy(NODES, Duration::from_secs(60)).unwrap();
        if restart {
            hosts.bed.restart_network(node, Network::Public).unwrap();
        } else {
            hosts.bed.interface(node, Network::Public, false).unwrap();
            hosts
                .client
                .wait(Instant::now(), Duration::from_secs(20), |all| {
                    all.iter().all(|(_, who)| who.is_some_and(|who| who != node))
                })
                .unwrap();
            hosts.bed.interface(node, Network::Public, true).unwrap();
        }
        hosts.all_by(&[0, 1, 2], 60);
    }

    // The cable is pulled: the others serve, and the addresses come back with it.
    let served = hosts.client.of(node);
    let fault = Instant::now();
    hosts.bed.cable(node, Network::Public, false).unwrap();
    hosts
        .client
        .wait(fault, Duration::from_secs(20), |all| {
            all.iter().all(|(_, who)| who.is_some_and(|who| who != node))
        })
        .unwrap();
    assert!(hosts.silence(&served, fault) < Duration::from_secs(10));
    hosts.bed.cable(node, Network::Public, true).unwrap();
    hosts.all_by(&[0, 1, 2], 60);

    // The daemon is stopped in order: clients hardly notice.
    let served = hosts.client.of(node);
    let fault = Instant::now();
    hosts.bed.stop(node).unwrap();
    hosts.all_by(&others(node), 20);
    assert!(hosts.silence(&served, fault) < Duration::from_secs(8));
    hosts.bed.start(node).unwrap();
    hosts.all_by(&[0, 1, 2], 90);

    // The daemon is killed: its guard releases what it had.
    let fault = Instant::now();
    hosts.bed.kill(node).unwrap();
    wait_for("the guard has released all", || hosts.bed.addresses_on(node).unwrap().is_empty());
    hosts.all_by(&others(node), 30);
    assert!(fault.elapsed() < Duration::from_secs(40));
    hosts.bed.start(node).unwrap();
    hosts.all_by(&[0, 1, 2], 90);
    assert!(hosts.observer.twice().is_empty(), "nothing is hosted twice");
}

#[test]
fn power_is_lost() {
    if !able() {
        return;
    }
    let mut hosts = Hosts::up("power", false);
    for lost in [hosts.follower(), hosts.bed.leader(0).unwrap()] {
        hosts.bed.power_off(lost).unwrap();
        hosts.all_by(&others(lost), 90);
        hosts.bed.power_on(lost).unwrap();
        hosts.bed.start(lost).unwrap();
        hosts.all_by(&[0, 1, 2], 90);
    }
}

#[test]
fn a_follower_is_cut_off_and_heals() {
    if !able() {
        return;
    }
    let hosts = Hosts::up("cut", false);
    let node = hosts.follower();
    hosts.bed.partition(Network::Private, &[&[], &[node]]).unwrap();
    wait_for("both sides serve", || hosts.observer.twice().len() == hosts.bed.addresses().len());
    // A recovery follows the last one after RerecoveryTimeout, 10 s, and not before.
    sleep(Duration::from_secs(15));
    hosts.bed.heal(Network::Private).unwrap();
    let healed = Instant::now();
    hosts.all_by(&[0, 1, 2], 60);
    wait_for("nothing is hosted twice", || hosts.observer.twice().is_empty());
    assert!(hosts.silence(hosts.bed.addresses(), healed) < Duration::from_secs(15));
}

#[test]
fn with_a_lock_only_its_holders_side_serves_more() {
    if !able() {
        return;
    }
    let hosts = Hosts::up("lock", true);
    let node = hosts.bed.leader(0).unwrap();
    let had = |node: usize| hosts.bed.addresses_on(node).unwrap();
    let before: Vec<_> = others(node).into_iter().map(had).collect();
    hosts.bed.partition(Network::Private, &[&[], &[node]]).unwrap();
    sleep(Duration::from_secs(40));
    // The leader kept the lock: its side goes on, the others cannot recover.
    assert_eq!(had(node), hosts.bed.addresses());
    let after: Vec<_> = others(node).into_iter().map(had).collect();
    assert_eq!(after, before, "nobody recovers without the lock");
    hosts.bed.heal(Network::Private).unwrap();
    hosts.all_by(&[0, 1, 2], 90);
}

#[test]
fn one_way_only_is_no_way() {
    if !able() {
        return;
    }
    let hosts = Hosts::up("oneway", false);
    let node = hosts.follower();
    let leader = hosts.bed.leader(0).unwrap();
    hosts.bed.one_way_loss(node, leader, true).unwrap();
    let dead =
        || !hosts.bed.tool(leader, &["nodestatus", "-n", &node.to_string()]).unwrap().out.contains("OK");
    let began = Instant::now();
    while !dead() {
        assert!(began.elapsed() < Duration::from_secs(60), "the leader counts a silent node as connected");
        sleep(Duration::from_millis(500));
    }
    hosts.bed.one_way_loss(node, leader, false).unwrap();
    hosts.all_by(&[0, 1, 2], 90);
}

/// The stock scripts give every stock node a database. A leader of ours that is not told to
/// recover it lets the stock node lead; when that dies, the survivors serve what it served.
#[test]
fn beside_a_stock_node_and_its_database() {
    if !able() {
        return;
    }
    let mut options = Options::new(NODES, &ours());
    options.programs[0] = Program::Ctdbd;
    let mut hosts = Hosts::of("mixed", &options);
    hosts.bed.kill(1).unwrap();
    hosts.all_by(&[0, 2], 60);
    hosts.bed.start(1).unwrap();
    hosts.all_by(&[0, 1, 2], 90);
    assert_eq!(hosts.bed.leader(1).unwrap(), 0, "who can recover databases leads");
    hosts.bed.power_off(0).unwrap();
    hosts.all_by(&[1, 2], 90);
}
