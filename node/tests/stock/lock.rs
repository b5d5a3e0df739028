//! With a cluster lock: who holds it leads, through stops of its process and the loss of the lock.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::cluster::{Cluster, Program};

fn leader(cluster: &Cluster, asked: usize) -> Option<usize> {
    cluster.tool(asked, "leader").out.trim().parse().ok()
}

fn generation(cluster: &Cluster, asked: usize) -> String {
    let status = cluster.tool(asked, "status").out;
    status.lines().find(|line| line.starts_with("Generation:")).unwrap_or_default().to_owned()
}

fn is_well(cluster: &Cluster) -> bool {
    cluster.tool(0, "nodestatus all").status == 0 && !cluster.tool(0, "status").out.contains("RECOVERY")
}

#[test]
fn a_leader_that_stood_still_leads_on() {
    let cluster = Cluster::new("still", [Program::Ours; 3]);
    let lock = cluster.file("lock");
    cluster.lock(&lock.display().to_string());
    cluster.start_all();
    let before = leader(&cluster, 0).expect("somebody leads");
    let other = (before + 1) % 3;
    let first = generation(&cluster, other);
    cluster.signal(before, Signal::SIGSTOP);
    // Twice the leader timeout: the others miss it, and cannot have the lock.
    sleep(Duration::from_secs(11));
    assert_eq!(leader(&cluster, other), None, "nobody leads without the lock");
    cluster.signal(before, Signal::SIGCONT);
    cluster.wait("well again", |it| is_well(it) && generation(it, other) != first);
    assert_eq!(leader(&cluster, other), Some(before), "the lock was held all the time");
}

#[test]
fn a_lock_that_vanishes_is_given_up() {
    let cluster = Cluster::new("vanish", [Program::Ours, Program::Stock, Program::Ours]);
    let lock = cluster.file("lock");
    cluster.lock(&lock.display().to_string());
    cluster.start_all();
    let first = generation(&cluster, 0);
    fs::remove_file(&lock).expect("it was there");
    cluster.wait("a new generation", |it| is_well(it) && generation(it, 0) != first);
    assert!(lock.exists(), "somebody holds it anew");
}

#[test]
fn a_command_can_be_the_lock() {
    let cluster = Cluster::new("command", [Program::Ours; 3]);
    let lock = cluster.file("lock");
    cluster.lock(&format!("!/usr/libexec/ctdb/ctdb_mutex_fcntl_helper {}", lock.display()));
    cluster.start_all();
    assert!(leader(&cluster, 0).is_some());
    assert_eq!(cluster.tool(0, "getreclock").status, 0);
}
