//! Beside stock daemons with databases. We lead, and two of them keep the databases: what their
//! programs wrote is on both after every recovery, also when one of them has died and come back.
//! Or we follow, and nobody waits for what we could not say.

use super::cluster::{Cluster, Program};

const STOCK: [usize; 2] = [1, 2];

fn generation(cluster: &Cluster) -> String {
    let status = cluster.tool(1, "status").out;
    status.lines().find(|line| line.starts_with("Generation:")).unwrap_or_default().to_owned()
}

fn is_well(cluster: &Cluster) -> bool {
    cluster.tool(1, "nodestatus all").status == 0 && !cluster.tool(1, "status").out.contains("RECOVERY")
}

/// A recovery that we lead.
fn recover(cluster: &Cluster) {
    let before = generation(cluster);
    assert_eq!(cluster.tool(1, "leader").out.trim(), "0", "we lead");
    assert_eq!(cluster.tool(2, "recover").status, 0);
    cluster.wait("another generation", |it| is_well(it) && generation(it) != before);
}

/// The keys and data of a database on a node's disk, in the order of the keys.
fn contents(cluster: &Cluster, node: usize, database: &str) -> Vec<(String, String)> {
    let dumped = cluster.tool(node, &format!("cattdb {database}")).out;
    let said = |line: &str| Some(line.split_once(" = \"")?.1.trim_end_matches('"').to_owned());
    let keys = dumped.lines().filter(|line| line.starts_with("key(")).filter_map(said);
    let data = dumped.lines().filter(|line| line.starts_with("data(")).filter_map(said);
    let mut all: Vec<_> = keys.zip(data).filter(|(_, data)| !data.is_empty()).collect();
    all.sort();
    all
}

fn assert_holds(cluster: &Cluster, database: &str, wanted: &[(&str, &str)]) {
    let wanted: Vec<_> = wanted.iter().map(|(key, data)| ((*key).to_owned(), (*data).to_owned())).collect();
    for node in STOCK {
        let mut held = contents(cluster, node, database);
        held.retain(|(key, _)| !key.starts_with("__db"));
        assert_eq!(held, wanted, "{database} on node {node}");
    }
}

fn ask(cluster: &Cluster, node: usize, line: &str) {
    let said = cluster.tool(node, line);
    assert_eq!(said.status, 0, "ctdb {line} on node {node}: {}{}", said.out, said.err);
}

#[test]
fn what_two_stock_nodes_keep_survives_recoveries_that_we_lead() {
    let programs = [Program::Ours, Program::Stock, Program::Stock];
    let cluster = Cluster::new("databases", programs).ours_with(&["--recover-databases"]);
    cluster.start(0);
    // Without a lock the oldest leads.
    cluster.wait("we are up", |it| it.tool(0, "pnn").status == 0);
    cluster.start_others();
    for node in 0..3 {
        ask(&cluster, node, "setvar RerecoveryTimeout 1");
    }
    for (node, line) in [
        (1, "attach vol.tdb"),
        (1, "attach pers.tdb persistent"),
        (2, "attach repl.tdb replicated"),
        (2, "attach alone.tdb"),
    ] {
        ask(&cluster, node, line);
    }
    // Whatever the key: somebody that can say where its record is.
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        ask(&cluster, 1, &format!("writekey vol.tdb {key} {key}1"));
    }
    for key in ["b", "c", "d"] {
        ask(&cluster, 2, &format!("writekey vol.tdb {key} {key}2"));
    }
    // Changed at its master, with no new sequence number, and deleted there.
    ask(&cluster, 2, "writekey vol.tdb b b3");
    ask(&cluster, 2, "deletekey vol.tdb d");
    ask(&cluster, 2, "writekey alone.tdb x y");
    ask(&cluster, 1, "pstore pers.tdb p one");
    ask(&cluster, 2, "pstore pers.tdb q two");
    ask(&cluster, 2, "pstore repl.tdb r three");
    let volatile =
        [("a", "a1"), ("b", "b3"), ("c", "c2"), ("e", "e1"), ("f", "f1"), ("g", "g1"), ("h", "h1")];
    for _ in 0..2 {
        recover(&cluster);
        for node in STOCK {
            let status = cluster.tool(node, "status").out;
            assert_eq!(status.matches(" OK").count(), 3, "{status}");
        }
        assert_holds(&cluster, "vol.tdb", &volatile);
        assert_holds(&cluster, "alone.tdb", &[("x", "y")]);
        assert_holds(&cluster, "pers.tdb", &[("p", "one"), ("q", "two")]);
        assert_holds(&cluster, "repl.tdb", &[("r", "three")]);
    }
    // Programs go on: records move to where they are wanted.
    ask(&cluster, 2, "writekey vol.tdb a a4");
    assert!(cluster.tool(1, "readkey vol.tdb a").out.contains("[a4]"));
    // One of them dies, the other goes on alone, and the first comes back with old data on disk.
    let before = generation(&cluster);
    cluster.kill(2);
    cluster.wait("without the dead", |it| {
        generation(it) != before && !it.tool(1, "status").out.contains("RECOVERY")
    });
    assert!(cluster.tool(1, "readkey vol.tdb c").out.contains("[c2]"));
    ask(&cluster, 1, "writekey vol.tdb c c5");
    ask(&cluster, 1, "pstore pers.tdb s four");
    cluster.start(2);
    cluster.wait("with the dead", is_well);
    let volatile =
        [("a", "a4"), ("b", "b3"), ("c", "c5"), ("e", "e1"), ("f", "f1"), ("g", "g1"), ("h", "h1")];
    assert_holds(&cluster, "vol.tdb", &volatile);
    assert_holds(&cluster, "pers.tdb", &[("p", "one"), ("q", "two"), ("s", "four")]);
    assert!(cluster.tool(2, "readkey vol.tdb c").out.contains("[c5]"));
    // We go, a stock node leads; we come back and follow. Nothing of it costs a record.
    cluster.kill(0);
    cluster.wait("a stock node leads", |it| {
        let leads = it.tool(1, "leader").out;
        ["1", "2"].contains(&leads.trim()) && !it.tool(1, "status").out.contains("RECOVERY")
    });
    assert_holds(&cluster, "vol.tdb", &volatile);
    cluster.start(0);
    cluster.wait("all are well", is_well);
    assert_holds(&cluster, "vol.tdb", &volatile);
    ask(&cluster, 1, "writekey vol.tdb h h6");
    assert!(cluster.tool(2, "readkey vol.tdb h").out.contains("[h6]"));
}

/// Who serves each address, as a node tells it, is one of these, and each of these serves some.
fn is_served_by(cluster: &Cluster, node: usize, by: &[usize]) -> bool {
    let told = cluster.tool(node, "ip all").out;
    let holders: Vec<_> = told.lines().skip(1).filter_map(|line| line.rsplit(' ').next()).collect();
    let by: Vec<_> = by.iter().map(usize::to_string).collect();
    holders.len() == 6
        && holders.iter().all(|holder| by.iter().any(|node| node == holder))
        && by.iter().all(|node| holders.contains(&node.as_str()))
}

/// Only the stock node can say where a record is.
fn locates_alone(cluster: &Cluster) -> bool {
    let status = cluster.tool(1, "status").out;
    is_well(cluster) && status.contains("Size:1\n") && status.contains("hash:0 lmaster:1")
}

#[test]
fn beside_programs_with_volatile_databases_nobody_waits_for_us() {
    let cluster = Cluster::new("stubs", [Program::Ours, Program::Stock, Program::Ours]);
    cluster.start(0);
    cluster.wait("we are up", |it| it.tool(0, "pnn").status == 0);
    cluster.start_others();
    cluster.wait("served by all", |it| is_well(it) && is_served_by(it, 1, &[0, 1, 2]));
    assert_eq!(cluster.tool(1, "leader").out.trim(), "0", "we lead while there is nothing to recover");
    ask(&cluster, 1, "attach vol.tdb");
    ask(&cluster, 1, "attach pers.tdb persistent");
    cluster.wait("the stock node leads", |it| it.tool(0, "leader").out.trim() == "1" && locates_alone(it));
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for key in keys {
        ask(&cluster, 1, &format!("writekey vol.tdb {key} {key}1"));
    }
    ask(&cluster, 1, "pstore pers.tdb p one");
    // The leader does not miss a node that is no location master; the other of ours does.
    cluster.kill(2);
    cluster.wait("served without the dead", |it| is_served_by(it, 1, &[0, 1]));
    cluster.start(2);
    cluster.wait("served by all again", |it| is_served_by(it, 1, &[0, 1, 2]));
    assert!(locates_alone(&cluster), "{}", cluster.tool(1, "status").out);
    for key in keys {
        assert!(cluster.tool(1, &format!("readkey vol.tdb {key}")).out.contains(&format!("[{key}1]")));
    }
    // Whoever could recover the databases is gone: addresses are served all the same.
    cluster.kill(1);
    cluster.wait("served by ours", |it| is_served_by(it, 0, &[0, 2]));
    cluster.start(1);
    cluster.wait("all are well", |it| locates_alone(it) && is_served_by(it, 1, &[0, 1, 2]));
    ask(&cluster, 1, "pstore pers.tdb p two");
}
