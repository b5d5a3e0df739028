//! A cluster of ours alone, under Redis' own tool.

use super::cluster::{Cluster, able};

fn three(name: &str) -> (Cluster, Vec<usize>) {
    let mut cluster = Cluster::new(name);
    let all: Vec<usize> = (0..3).map(|_| cluster.standin("")).collect();
    cluster.create(&all, 0);
    cluster.wait("the tool finds nothing wrong", |it| all.iter().all(|&at| it.checks(at)));
    (cluster, all)
}

#[test]
fn the_tool_makes_a_cluster_of_us_and_asks_about_it() {
    if !able() {
        return;
    }
    let (cluster, all) = three("alone");
    let info = cluster.tool(&format!("info {}", cluster.address(0)));
    for at in &all {
        assert!(info.contains(&cluster.address(*at)), "{info}");
    }
    assert!(info.contains("0 keys in 3 masters"), "{info}");
    let called = cluster.tool(&format!("call {} CLUSTER MYID", cluster.address(1)));
    for at in &all {
        assert!(called.contains(&cluster.id(*at)), "{called}");
    }
    let fixed = cluster.tool(&format!("fix {}", cluster.address(2)));
    assert!(fixed.contains("[OK] All 16384 slots covered."), "{fixed}");
    for section in ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER LINKS", "COMMAND", "INFO", "ROLE", "DBSIZE"] {
        let said = cluster.ask(0, section).unwrap_or_else(|| panic!("{section}: no answer"));
        assert!(!said.starts_with('-'), "{section}: {said}");
    }
    assert_eq!(cluster.ask(0, "CLUSTER KEYSLOT {a}b").as_deref(), Some("15495"));
}

#[test]
fn nodes_are_added_and_deleted_by_the_tool() {
    if !able() {
        return;
    }
    let (mut cluster, mut all) = three("added");
    let fresh = cluster.standin("");
    all.push(fresh);
    cluster.tool(&format!("add-node {} {}", cluster.address(fresh), cluster.address(0)));
    cluster.wait_well(&all);
    cluster.reshard(0, fresh, 100);
    cluster.wait("the tool finds nothing wrong", |it| all.iter().all(|&at| it.checks(at)));
    // One with slots is not deleted.
    let id = cluster.id(fresh);
    let refused = cluster.cli(&format!("--cluster del-node {} {id}", cluster.address(0)));
    assert!(refused.out.contains("is not empty"), "{refused:?}");
    cluster.reshard(fresh, 1, 100);
    cluster.wait("the tool finds nothing wrong", |it| all.iter().all(|&at| it.checks(at)));
    cluster.tool(&format!("del-node {} {id}", cluster.address(0)));
    cluster.wait_well(&all[..3]);
    cluster.wait("it is alone", |it| it.nodes(fresh).len() == 1);
    assert_eq!(cluster.id(fresh), id, "a soft reset keeps the name");
    assert!(cluster.checks(0));
}

#[test]
fn the_tool_balances_slots_among_us() {
    if !able() {
        return;
    }
    let (mut cluster, mut all) = three("balance");
    let fresh = cluster.standin("");
    all.push(fresh);
    cluster.tool(&format!("add-node {} {}", cluster.address(fresh), cluster.address(0)));
    cluster.wait_well(&all);
    // A few hundred slots, and not thousands: each is six commands.
    let weights = format!("{}=0.02", cluster.id(fresh));
    cluster.tool(&format!(
        "rebalance {} --cluster-use-empty-masters --cluster-weight {weights}",
        cluster.address(0)
    ));
    cluster.wait("the tool finds nothing wrong", |it| all.iter().all(|&at| it.checks(at)));
    let slots = cluster.seen(0, fresh).expect("it is known").count();
    assert!((50..=200).contains(&slots), "{slots}");
}

#[test]
fn one_of_us_that_dies_is_failed_by_the_others_and_comes_back() {
    if !able() {
        return;
    }
    let (mut cluster, all) = three("dies");
    cluster.kill(1);
    cluster.wait("it failed", |it| {
        [0, 2].iter().all(|&by| it.seen(by, 1).is_some_and(|line| line.has("fail")) && !it.is_ok(by))
    });
    let check = cluster.cli(&format!("--cluster check {}", cluster.address(0)));
    assert!(
        check.status != 0 || check.out.contains("[ERR]") || check.err.contains("Could not connect"),
        "{check:?}"
    );
    cluster.start(1);
    cluster.wait_well(&all);
    cluster.wait("the tool finds nothing wrong", |it| all.iter().all(|&at| it.checks(at)));
}
