//! Into real clusters, by Redis' own tool.

use std::fs;

use super::cluster::{Cluster, able};
use super::lan::ip;

#[test]
fn a_witness_joins_by_the_tool_gets_a_slot_and_stays_itself_over_restarts() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("joins");
    let mut all = cluster.redises(6);
    cluster.create(&all, 1);
    let witness = cluster.standin("");
    all.push(witness);
    cluster.tool(&format!("add-node {} {}", cluster.address(witness), cluster.address(0)));
    cluster.wait("connected everywhere", |it| it.meshed(&all));
    cluster.wait("it serves", |it| it.is_ok(witness));
    let giver = (0..6).find(|&at| cluster.seen(0, at).is_some_and(|line| line.count() > 0));
    let giver = giver.expect("somebody has slots");
    cluster.reshard(giver, witness, 1);
    cluster.wait("it is an owner to all", |it| {
        all.iter().all(|&by| it.seen(by, witness).is_some_and(|line| line.count() == 1))
    });
    for at in [0, 3, witness] {
        cluster.wait("the tool finds nothing wrong", |it| it.checks(at));
    }
    assert_eq!(cluster.info(witness, "cluster_size"), "4");

    let before = cluster.seen(witness, witness).expect("it knows itself");
    let epoch = cluster.info(witness, "cluster_current_epoch");
    assert_eq!(cluster.stop(witness).code(), Some(0), "{}", cluster.log(witness));
    cluster.start(witness);
    cluster.wait_well(&all);
    for _ in 0..2 {
        cluster.kill(witness);
        cluster.start(witness);
        cluster.wait_well(&all);
    }
    let after = cluster.seen(witness, witness).expect("it knows itself");
    assert_eq!((after.id, after.epoch, after.slots), (before.id, before.epoch, before.slots));
    assert_eq!(cluster.info(witness, "cluster_current_epoch"), epoch);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(witness));
    let same = |at: usize| {
        let mut lines: Vec<_> = cluster
            .nodes(at)
            .into_iter()
            .map(|line| (line.id, line.master, line.epoch, line.slots))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(same(witness), same(0), "one picture");
}

#[test]
fn a_real_node_that_knows_only_us_learns_everybody() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("learns");
    let mut all = cluster.redises(3);
    cluster.create(&all, 0);
    let witness = cluster.standin("");
    all.push(witness);
    cluster.tell(witness, &format!("CLUSTER MEET {} 6379", cluster.ip(0)));
    cluster.wait("the witness is in", |it| it.meshed(&all));
    // It meets us; and another one is met by us.
    for we_meet in [false, true] {
        let fresh = cluster.redis();
        all.push(fresh);
        let (by, of) = if we_meet { (witness, fresh) } else { (fresh, witness) };
        cluster.tell(by, &format!("CLUSTER MEET {} 6379", cluster.ip(of)));
        cluster.wait_well(&all);
    }
    cluster.wait("the tool finds nothing wrong", |it| it.checks(4));
}

#[test]
fn the_tool_makes_one_of_us_a_master_and_moves_empty_slots_both_ways() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("created");
    let mut all = cluster.redises(2);
    all.push(cluster.standin(""));
    cluster.create(&all, 0);
    cluster.wait("the tool finds nothing wrong", |it| all.iter().all(|&at| it.checks(at)));
    let slots = |at: usize, by: usize| cluster.seen(by, at).expect("it is known").count();
    let before = [slots(0, 0), slots(2, 2)];
    assert_eq!(before.iter().sum::<u32>() + slots(1, 1), 16384);
    cluster.reshard(2, 0, 20);
    cluster.wait("20 slots moved away", |it| all.iter().all(|&at| it.checks(at)));
    assert_eq!([slots(0, 1), slots(2, 1)], [before[0] + 20, before[1] - 20]);
    cluster.reshard(0, 2, 10);
    cluster.wait("10 slots moved back", |it| all.iter().all(|&at| it.checks(at)));
    assert_eq!([slots(0, 2), slots(2, 0)], [before[0] + 10, before[1] - 10]);
    // Keys of ours are nowhere; keys of theirs are where they are.
    let moved = cluster.cli(&format!("-h {} SET key value", cluster.ip(2)));
    assert!(moved.out.starts_with("MOVED") || moved.out.starts_with("CLUSTERDOWN"), "{moved:?}");
}

#[test]
fn what_we_announce_is_what_real_nodes_know_us_by() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("announce");
    let mut all = cluster.redises(3);
    cluster.create(&all, 0);
    let witness = cluster.standin("");
    all.push(witness);
    assert_eq!(cluster.stop(witness).code(), Some(0));
    // It has two addresses, a bus port of its own and a name.
    cluster.host(witness).within(|| ip("addr add 10.0.0.40/24 dev eth0"));
    let file = cluster.dir(witness).join("standin.toml");
    let more = "announce-ip = \"10.0.0.40\"\nbus-port = 7777\nannounce-hostname = \"witness.example\"\n";
    let text = fs::read_to_string(&file).expect("it was written");
    fs::write(&file, format!("{text}{more}")).expect("it is ours");
    cluster.start(witness);
    cluster.tool(&format!("add-node {} {}", cluster.address(witness), cluster.address(0)));
    let known = "10.0.0.40:6379@7777,witness.example master - ";
    cluster.wait("all know it so", |it| {
        all[..3].iter().all(|&by| {
            let text = it.ask(by, "CLUSTER NODES").unwrap_or_default();
            text.lines().any(|line| line.contains(known) && line.ends_with(" connected"))
        })
    });
    let own = cluster.ask(witness, "CLUSTER NODES").unwrap_or_default();
    assert!(own.contains("10.0.0.40:6379@7777,witness.example myself,master - "), "{own}");
}
