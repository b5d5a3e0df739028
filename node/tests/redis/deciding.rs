//! Where our report and our vote decide.

use std::thread::sleep;

use nix::sys::signal::Signal;

use super::cluster::{Cluster, NODE_TIMEOUT, able};
use super::log::{now, said_at};

/// Two masters with a replica each: 0 and 1, replicated by 2 and 3.
fn two_and_two(cluster: &mut Cluster) -> Vec<usize> {
    cluster.masters_and_replicas(2, |conf| conf)
}

/// A witness joins them and gets one slot.
fn joined(cluster: &mut Cluster, all: &mut Vec<usize>) -> usize {
    let witness = cluster.standin("");
    all.push(witness);
    cluster.tool(&format!("add-node {} {}", cluster.address(witness), cluster.address(0)));
    cluster.wait_well(all);
    cluster.reshard(0, witness, 1);
    witness
}

#[test]
fn two_masters_alone_lose_half_of_the_keys() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("control");
    two_and_two(&mut cluster);
    cluster.kill(0);
    cluster.wait("silent", |it| it.seen(1, 0).is_some_and(|line| line.has("fail?")));
    sleep(NODE_TIMEOUT * 5);
    assert!(!cluster.seen(1, 0).is_some_and(|line| line.has("fail")), "there is no majority");
    assert!(cluster.seen(2, 2).is_some_and(|line| line.has("slave")), "nobody is promoted");
}

#[test]
fn a_witness_s_vote_decides() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("decides");
    let mut all = two_and_two(&mut cluster);
    let witness = joined(&mut cluster, &mut all);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(0) && it.checks(witness));
    assert_eq!(cluster.info(2, "cluster_size"), "3");
    assert_eq!(cluster.ask(1, "SET {b}key value").map(|said| said.len() > 1), Some(true));

    // While the witness stands still there is no majority: two of three owners are silent.
    cluster.signal(witness, Signal::SIGSTOP);
    cluster.kill(0);
    sleep(NODE_TIMEOUT * 4);
    assert!(cluster.seen(2, 2).is_some_and(|line| line.has("slave")), "not without us\n{}", cluster.told());
    cluster.signal(witness, Signal::SIGCONT);
    cluster.wait("a replica is promoted", |it| {
        [1, 2, 3, witness]
            .iter()
            .all(|&by| it.seen(by, 2).is_some_and(|line| line.has("master") && line.count() == 8191))
    });
    cluster.wait("the cluster is served", |it| [1, 2, 3, witness].iter().all(|&at| it.is_ok(at)));
    let voted = format!("votes for {}", &cluster.id(2)[..8]);
    assert!(cluster.log(witness).contains(&voted), "{}", cluster.log(witness));
    // The old master comes back as a replica of the new one.
    cluster.start(0);
    cluster.wait_well(&all);
    cluster.wait("it follows", |it| it.seen(witness, 0).is_some_and(|line| line.master == Some(it.id(2))));

    // And the next one falls with the witness well: nothing is waited for but Redis' own delays.
    cluster.kill(1);
    cluster.wait("the other replica is promoted", |it| {
        it.seen(witness, 3).is_some_and(|line| line.has("master") && line.count() == 8192)
    });
    cluster.wait("the cluster is served", |it| [0, 2, 3, witness].iter().all(|&at| it.is_ok(at)));
}

#[test]
fn we_see_a_master_fail_and_vote_when_real_nodes_do() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("beside");
    let mut all = cluster.redises(6);
    cluster.create(&all, 1);
    let witness = joined(&mut cluster, &mut all);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(witness) && it.is_ok(witness));
    let (victim, id) = (0, cluster.id(0));
    let heir =
        (1..6).find(|&at| cluster.seen(at, at).is_some_and(|line| line.master.as_deref() == Some(&id)));
    let heir = heir.expect("it has a replica");
    // Not in the seconds in which a day ends.
    if now() > 86_300.0 {
        sleep(std::time::Duration::from_secs(120));
    }
    let killed = now();
    cluster.kill(victim);
    cluster.wait("promoted", |it| {
        all.iter()
            .skip(1)
            .all(|&by| it.seen(by, heir).is_some_and(|line| line.has("master") && line.count() > 0))
    });
    cluster.wait("the cluster is served", |it| all.iter().skip(1).all(|&at| it.is_ok(at)));
    let after = |at: usize, words: &[String]| {
        let log = cluster.log(at);
        words.iter().filter_map(|words| said_at(&log, words, killed)).map(|at| at - killed).reduce(f64::min)
    };
    let theirs =
        [format!("Marking node {id} as failing (quorum reached)"), "FAIL message received from".to_owned()];
    let ours = [format!("fail FAIL {}", &id[..8])];
    let granted = ["Failover auth granted to".to_owned()];
    let voted = [format!("vote votes for {}", &cluster.id(heir)[..8])];
    let real: Vec<usize> = (1..6).collect();
    let fails: Vec<f64> = real.iter().filter_map(|&at| after(at, &theirs)).collect();
    let votes: Vec<f64> = real.iter().filter_map(|&at| after(at, &granted)).collect();
    let fail = after(witness, &ours).unwrap_or_else(|| panic!("we noticed\n{}", cluster.told()));
    let vote = after(witness, &voted).unwrap_or_else(|| panic!("we voted\n{}", cluster.told()));
    println!("seconds after the kill: FAIL at real nodes {fails:.3?}, at the witness {fail:.3}");
    println!("seconds after the kill: votes of real masters {votes:.3?}, of the witness {vote:.3}");
    assert!(!fails.is_empty() && !votes.is_empty(), "{}", cluster.told());
    // FAIL is told to everybody by whoever finds it first; a request for votes goes to all at once.
    let near = |ours: f64, theirs: &[f64]| theirs.iter().any(|at| (at - ours).abs() < 1.0);
    assert!(near(fail, &fails), "{fail} and {fails:?}");
    assert!(near(vote, &votes), "{vote} and {votes:?}");
    assert!(fail >= NODE_TIMEOUT.as_secs_f64() * 0.9, "a node is not dead before the node timeout: {fail}");
}

#[test]
fn a_partition_is_seen_from_both_sides_and_heals() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("parted");
    let mut all = two_and_two(&mut cluster);
    let witness = joined(&mut cluster, &mut all);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(witness));
    // The witness loses its cable: it is in a minority and says so.
    cluster.cable(witness, false);
    cluster.wait("the others see it fail", |it| {
        (0..4).all(|by| it.seen(by, witness).is_some_and(|line| line.has("fail")))
    });
    let state = |it: &Cluster| it.ask_there(witness, "CLUSTER INFO");
    cluster.wait("it knows that it is in a minority", |it| state(it).contains("cluster_state:fail"));
    // Its slot is nobody's then, and full coverage is Redis' default.
    cluster.wait("nothing is served", |it| (0..4).all(|at| !it.is_ok(at)));
    cluster.cable(witness, true);
    cluster.wait_well(&all);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(witness));
}
