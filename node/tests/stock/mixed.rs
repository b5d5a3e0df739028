//! Beside real ctdbd: the stock tool, asked on every node, must see one healthy cluster.

use super::cluster::{Cluster, Program};

/// The addresses of a whole cluster, and who serves each, as a node tells it.
fn holders(cluster: &Cluster, node: usize) -> Vec<String> {
    cluster.tool(node, "ip all").out.lines().skip(1).map(str::to_owned).collect()
}

/// Every node says the same of everybody, all is well, and six addresses are served by `by`.
fn is_whole(cluster: &Cluster, nodes: &[usize], by: &[usize]) -> bool {
    let told: Vec<_> = nodes.iter().map(|&node| holders(cluster, node)).collect();
    let served = told[0].iter().all(|line| by.iter().any(|node| line.ends_with(&format!(" {node}"))));
    let each = by.iter().all(|node| told[0].iter().any(|line| line.ends_with(&format!(" {node}"))));
    let leaders: Vec<_> = nodes.iter().map(|&node| cluster.tool(node, "leader").out).collect();
    told[0].len() == 6
        && served
        && each
        && told.iter().all(|one| *one == told[0])
        && leaders.iter().all(|one| *one == leaders[0] && one.trim().parse::<u32>().is_ok())
}

fn lives(cluster: &Cluster, ours: &[usize]) {
    cluster.start_all();
    cluster.wait("served by all", |it| is_whole(it, &[0, 1, 2], &[0, 1, 2]));
    for node in 0..3 {
        let status = cluster.tool(node, "status").out;
        assert_eq!(status.matches(" OK").count(), 3, "{status}");
    }
    // Every leader in turn gives way, and every node takes part again.
    for _ in 0..3 {
        let leader: usize = cluster.tool(0, "leader").out.trim().parse().expect("a leader");
        assert_eq!(cluster.tool(leader, "stop").status, 0);
        let others: Vec<_> = (0..3).filter(|&node| node != leader).collect();
        cluster.wait("served by the others", |it| is_whole(it, &others, &others));
        assert_eq!(cluster.tool(leader, "continue").status, 0);
        cluster.wait("served by all again", |it| is_whole(it, &[0, 1, 2], &[0, 1, 2]));
    }
    // A ban, from a node of the other kind.
    let banned = ours[0];
    let judge = (0..3).find(|node| !ours.contains(node)).unwrap_or(2);
    assert_eq!(cluster.tool(judge, &format!("ban 60 -n {banned}")).status, 0);
    assert!(cluster.tool(judge, "status").out.contains("BANNED"));
    assert_eq!(cluster.tool(judge, &format!("unban -n {banned}")).status, 0);
    cluster.wait("served by all after the ban", |it| is_whole(it, &[0, 1, 2], &[0, 1, 2]));
    // Every daemon dies once.
    for node in 0..3 {
        cluster.kill(node);
        let others: Vec<_> = (0..3).filter(|&other| other != node).collect();
        cluster.wait("served without the dead", |it| is_whole(it, &others, &others));
        cluster.start(node);
        cluster.wait("served by all, the dead too", |it| is_whole(it, &[0, 1, 2], &[0, 1, 2]));
    }
}

#[test]
fn one_of_ours_beside_two_of_theirs() {
    let programs = [Program::Stock, Program::Ours, Program::Stock];
    lives(&Cluster::new("one", programs), &[1]);
}

#[test]
fn two_of_ours_beside_one_of_theirs() {
    let programs = [Program::Ours, Program::Stock, Program::Ours];
    lives(&Cluster::new("two", programs), &[0, 2]);
}

#[test]
fn three_of_ours() {
    lives(&Cluster::new("three", [Program::Ours; 3]), &[0, 1, 2]);
}
