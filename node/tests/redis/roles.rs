//! The roles beside the witness.

use super::cluster::{Cluster, able};

#[test]
fn an_observer_and_a_replica_without_data_are_known_and_own_nothing() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("roles");
    let mut all = cluster.redises(3);
    cluster.create(&all, 0);
    let observer = cluster.standin("role = \"observer\"");
    let replica = cluster.standin("role = \"replica\"");
    for at in [observer, replica] {
        all.push(at);
        cluster.tell(at, &format!("CLUSTER MEET {} 6379", cluster.ip(0)));
        cluster.wait("it is in", |it| it.meshed(&all));
    }
    cluster.wait("it can be told", |it| it.seen(replica, 0).is_some_and(|line| line.count() > 0));
    cluster.tell(replica, &format!("CLUSTER REPLICATE {}", cluster.id(0)));
    cluster.wait("a replica to all", |it| {
        all.iter().all(|&by| {
            it.seen(by, replica).is_some_and(|line| line.has("slave") && line.master == Some(it.id(0)))
        })
    });
    let refused = cluster.ask(observer, &format!("CLUSTER REPLICATE {}", cluster.id(0)));
    assert!(refused.is_some_and(|said| said.starts_with("-ERR")), "an observer stays one");
    cluster.wait("the tool finds nothing wrong", |it| it.checks(0) && it.checks(observer));

    // Its master dies: it does not stand, so nobody is promoted; the master comes back.
    cluster.kill(0);
    cluster.wait("it failed", |it| it.seen(replica, 0).is_some_and(|line| line.has("fail")));
    std::thread::sleep(super::cluster::NODE_TIMEOUT * 2);
    assert!(cluster.seen(1, replica).is_some_and(|line| line.has("slave")), "{}", cluster.told());
    assert!(cluster.log(replica).contains("election-barred"), "{}", cluster.log(replica));
    cluster.start(0);
    cluster.wait_well(&all);
}

#[test]
fn a_replica_that_stands_takes_the_slots_and_serves_nothing_until_data_take_them_back() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("stands");
    let mut all = cluster.redises(3);
    cluster.create(&all, 0);
    // Keys of node 0, which has the lowest slots: `b` is in 3300.
    cluster.tell(0, "SET b kept");
    let replica = cluster.standin("role = \"replica\"\nstands = true");
    all.push(replica);
    cluster.tell(replica, &format!("CLUSTER MEET {} 6379", cluster.ip(0)));
    cluster.wait_well(&all);
    cluster.wait("it can be told", |it| it.seen(replica, 0).is_some_and(|line| line.count() > 0));
    cluster.tell(replica, &format!("CLUSTER REPLICATE {}", cluster.id(0)));
    cluster.wait("a replica to all", |it| {
        all.iter().all(|&by| it.seen(by, replica).is_some_and(|line| line.has("slave")))
    });
    cluster.cable(0, false);
    cluster.wait("it wins", |it| {
        [1, 2, replica].iter().all(|&by| {
            it.seen(by, replica).is_some_and(|line| line.has("master") && line.count() > 5000) && it.is_ok(by)
        })
    });
    let said = cluster.ask(replica, "GET b").unwrap_or_default();
    assert!(said.starts_with("-CLUSTERDOWN") && said.contains("stores no keys"), "{said}");
    // The old master comes back, follows, and still has what it had: it takes its slots again.
    cluster.cable(0, true);
    cluster.wait("it follows", |it| {
        all.iter().all(|&by| it.seen(by, 0).is_some_and(|line| line.has("slave") && line.connected))
    });
    cluster.tell(0, "CLUSTER FAILOVER TAKEOVER");
    cluster.wait("the keys are back", |it| it.ask(0, "GET b").as_deref() == Some("kept"));
    cluster.wait("it is a replica again", |it| {
        all.iter().all(|&by| it.seen(by, replica).is_some_and(|line| line.has("slave")))
    });
    cluster.wait_well(&all);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(1));
}
