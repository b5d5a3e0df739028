//! Two sites of real nodes, and one of ours at a third: `docs/witness.md` as a picture, with real cables.

use std::thread::sleep;

use super::ask::ask_all;
use super::cluster::{Cluster, NODE_TIMEOUT, able};

/// In slots 0 and 9842: of the first master's, and of the second's.
const KEYS: [&str; 2] = ["3560", "1"];

/// Each site has a master and the replica of the other's: nodes 0 and 3, and nodes 1 and 2.
const CUT: [usize; 2] = [0, 3];
const WELL: [usize; 2] = [1, 2];

/// Two such sites whose masters have a key each.
fn sites(name: &str) -> (Cluster, Vec<usize>) {
    let mut cluster = Cluster::new(name);
    let all = cluster.masters_and_replicas(2, |conf| conf);
    for (at, key) in KEYS.iter().enumerate() {
        cluster.tell(at, &format!("SET {key} before"));
        cluster.wait("it is copied", |it| has(it, at + 2, key, "before"));
    }
    (cluster, all)
}

/// Whether a node, replica or not, has this.
fn has(cluster: &Cluster, at: usize, key: &str, value: &str) -> bool {
    let both = [String::from("READONLY"), format!("GET {key}")];
    ask_all(&cluster.address(at), &both).is_some_and(|said| said == ["OK", value])
}

#[test]
fn a_site_that_is_cut_off_loses_and_the_other_goes_on_with_the_witness() {
    if !able() {
        return;
    }
    let (mut cluster, mut all) = sites("sites");
    let witness = cluster.standin("");
    all.push(witness);
    cluster.tool(&format!("add-node {} {}", cluster.address(witness), cluster.address(0)));
    cluster.wait_well(&all);
    // Its slot is the last, which has no key.
    let (from, to) = (cluster.id(1), cluster.id(witness));
    cluster.tell(witness, &format!("CLUSTER SETSLOT 16383 IMPORTING {from}"));
    for at in [witness, 1, 0] {
        cluster.tell(at, &format!("CLUSTER SETSLOT 16383 NODE {to}"));
    }
    cluster.wait("the tool finds nothing wrong", |it| it.checks(0) && it.checks(witness));
    assert_eq!(cluster.info(2, "cluster_size"), "3");

    cluster.part(&CUT, true);
    cluster.wait("the other site goes on", |it| {
        [1, 2, witness].iter().all(|&by| {
            it.is_ok(by)
                && it.seen(by, 2).is_some_and(|line| line.has("master") && line.count() == 8192)
                && CUT.iter().all(|&of| it.seen(by, of).is_some_and(|line| line.has("fail")))
        })
    });
    assert!(cluster.log(witness).contains(&format!("votes for {}", &cluster.id(2)[..8])));
    cluster.wait("the cut site knows that it is alone", |it| {
        CUT.iter().all(|&at| it.ask_there(at, "CLUSTER INFO").contains("cluster_state:fail"))
    });
    for (at, key) in [(2, KEYS[0]), (1, KEYS[1])] {
        assert_eq!(cluster.ask(at, &format!("GET {key}")).as_deref(), Some("before"));
        cluster.tell(at, &format!("SET {key} meanwhile"));
    }
    // It has a master, a replica of the other one, and no majority, however long it waits.
    sleep(NODE_TIMEOUT * 4);
    let refused = cluster.ask_there(0, &format!("SET {} alone", KEYS[0]));
    assert!(refused.starts_with("-CLUSTERDOWN"), "{refused}");
    assert!(cluster.ask_there(3, "ROLE").starts_with("slave"), "no vote, no master");

    cluster.part(&CUT, false);
    cluster.wait_well(&all);
    cluster.wait("the lost master follows", |it| {
        all.iter().all(|&by| it.seen(by, 0).is_some_and(|line| line.master == Some(it.id(2))))
    });
    for (master, replica, key) in [(2, 0, KEYS[0]), (1, 3, KEYS[1])] {
        assert_eq!(cluster.ask(master, &format!("GET {key}")).as_deref(), Some("meanwhile"));
        cluster.wait("what was written meanwhile is copied", |it| has(it, replica, key, "meanwhile"));
    }
    cluster.wait("the tool finds nothing wrong", |it| it.checks(witness));
}

#[test]
fn without_a_witness_both_sites_lose() {
    if !able() {
        return;
    }
    let (cluster, all) = sites("tied");
    cluster.part(&CUT, true);
    cluster.wait("nobody is served", |it| {
        WELL.iter().all(|&at| !it.is_ok(at))
            && CUT.iter().all(|&at| it.ask_there(at, "CLUSTER INFO").contains("cluster_state:fail"))
    });
    sleep(NODE_TIMEOUT * 4);
    assert!(
        cluster.ask(2, "ROLE").is_some_and(|said| said.starts_with("slave")),
        "one of two is no majority"
    );
    assert!(cluster.ask_there(3, "ROLE").starts_with("slave"), "nor is the other");
    cluster.part(&CUT, false);
    cluster.wait_well(&all);
    cluster.tell(0, &format!("SET {} after", KEYS[0]));
}
