//! Outside of test mode: what becomes of public addresses when the daemon ends, or its guard.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::namespace::{cable, in_namespace, ip, shown, wait_until};
use super::site::{Daemon, Site};

/// A site whose addresses are its scripts' alone, as with the stock ones; `more` is said in it.
fn for_real(more: &str) -> Site {
    ip("link set lo up");
    cable();
    let mut site = Site::alone();
    site.test_mode = false;
    site.write("public_addresses", "10.0.0.9/24 left,right\n");
    site.write("ctdb.tunables", "MonitorInterval=1\nRerecoveryTimeout=1\nElectionTimeout=1\n");
    let body = "case $1 in\ntakeip) ip addr add $3/$4 dev $2 ;;\nreleaseip) ip addr del $3/$4 dev $2 ;;";
    site.script("events/legacy/10.interface.script", &format!("{body}\n{more}\nesac\nexit 0"));
    fs::remove_file(site.base().join("events/legacy/00.test.script")).unwrap();
    site
}

fn all_shown() -> Vec<String> {
    [shown("left"), shown("right")].concat()
}

fn holds(site: &Site) {
    wait_until("it takes the address", || all_shown() == ["10.0.0.9/24"]);
    wait_until("and knows", || site.tool("ip").out.contains("10.0.0.9 0"));
}

fn guard_of(daemon: &Daemon<'_>) -> Option<Pid> {
    let pid = daemon.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let is_guard = |child: &&str| {
        let line = fs::read(PathBuf::from(format!("/proc/{child}/cmdline"))).unwrap_or_default();
        line.starts_with(b"standind-guard")
    };
    children.split_whitespace().find(is_guard).and_then(|pid| pid.parse().ok()).map(Pid::from_raw)
}

/// A guard that has just begun knows by then what is held.
fn ready() {
    std::thread::sleep(std::time::Duration::from_millis(500));
}

/// Its daemon ends in order with such a `shutdown` script, and takes no address with it; what the
/// log says then.
fn ended_without(shutdown: &str) -> String {
    let site = for_real(&format!("shutdown) {shutdown} ;;"));
    let mut daemon = site.start();
    holds(&site);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0), "{}", site.log());
    wait_until("the release", || all_shown().is_empty());
    site.log()
}

#[test]
fn an_address_that_a_failing_shutdown_script_leaves_the_daemon_takes_off() {
    in_namespace(|| {
        let log = ended_without("exit 1");
        assert!(!log.contains("the guard"), "{log}");
    });
}

#[test]
fn an_address_that_a_lying_shutdown_script_leaves_goes_with_the_daemon() {
    in_namespace(|| {
        let log = ended_without("exit 0");
        assert!(log.contains("the guard takes them off"), "{log}");
    });
}

#[test]
fn a_guard_is_dismissed_when_nothing_is_left() {
    in_namespace(|| {
        let site =
            for_real("shutdown) ip addr del 10.0.0.9/24 dev left || ip addr del 10.0.0.9/24 dev right ;;");
        let mut daemon = site.start();
        holds(&site);
        let guard = guard_of(&daemon).unwrap();
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.ended().code(), Some(0), "{}", site.log());
        assert!(!PathBuf::from(format!("/proc/{guard}")).exists());
        assert!(!site.log().contains("the guard"), "{}", site.log());
    });
}

#[test]
fn a_daemon_killed_while_an_address_moves_leaves_it_at_neither_end() {
    in_namespace(|| {
        let site = for_real("updateip) ip addr add $4/$5 dev $3; sleep 15 ;;");
        let mut daemon = site.start();
        holds(&site);
        let from = if shown("left").is_empty() { "right" } else { "left" };
        assert_eq!(site.tool(&format!("setifacelink {from} down")).status, 0, "{}", site.log());
        // Answered once it has moved, for which nobody waits here.
        let mut asks = site.command("ctdb").arg("ipreallocate").spawn().unwrap();
        wait_until("it is at both ends", || all_shown().len() == 2);
        kill(daemon.pid(), Signal::SIGKILL).unwrap();
        daemon.ended();
        let _ = asks.kill();
        let _ = asks.wait();
        wait_until("the release", || all_shown().is_empty());
    });
}

#[test]
fn a_guard_that_dies_is_replaced_at_once_and_then_now_and_then() {
    in_namespace(|| {
        let site = for_real("");
        let mut daemon = site.start();
        holds(&site);
        let first = guard_of(&daemon).unwrap();
        kill(first, Signal::SIGKILL).unwrap();
        wait_until("another", || guard_of(&daemon).is_some_and(|guard| guard != first));
        wait_until("a word of it", || site.log().contains("the guard has died"));
        let second = guard_of(&daemon).unwrap();
        ready();
        kill(second, Signal::SIGKILL).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(guard_of(&daemon).is_none_or(|guard| guard == second), "{}", site.log());
        wait_until("a third", || guard_of(&daemon).is_some_and(|guard| guard != second));
        assert_eq!(site.log().matches("the guard has died").count(), 2, "{}", site.log());
        ready();
        kill(daemon.pid(), Signal::SIGKILL).unwrap();
        daemon.ended();
        wait_until("the release", || all_shown().is_empty());
    });
}

/// A process's scheduling policy: 0 as any other, 1 real-time (`SCHED_FIFO`).
fn policy(stat: &str) -> &str {
    let behind_the_name = stat.rsplit_once(')').unwrap().1;
    behind_the_name.split_whitespace().nth(38).unwrap()
}

#[test]
fn the_daemon_is_real_time_unless_told_otherwise_and_what_it_starts_is_not() {
    for (conf, expected) in [("", "1"), ("[legacy]\nrealtime scheduling = false\n", "0")] {
        in_namespace(move || {
            let site = for_real("");
            let stat = site.base().join("stat");
            let body = format!("cat /proc/self/stat > {0}.new && mv {0}.new {0}", stat.display());
            site.script("events/legacy/20.stat.script", &body);
            let common = "[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n";
            site.write("ctdb.conf", &format!("{common}{conf}"));
            let daemon = site.start();
            let of = |pid: Pid| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            wait_until("a script has run", || stat.exists());
            assert_eq!(policy(&of(daemon.pid())), expected, "{}", site.log());
            assert_eq!(policy(&of(guard_of(&daemon).unwrap())), "0");
            assert_eq!(policy(&fs::read_to_string(&stat).unwrap()), "0");
            drop(daemon);
            // Without the right to it, the log says what that means, and the node goes on.
            let mut command = site.command("setpriv");
            command.args(["--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]);
            command.args([env!("CARGO_BIN_EXE_standind"), "--foreground"]);
            let daemon = site.spawn_as(&mut command);
            daemon.wait_up();
            let told = site.log().contains("`realtime scheduling = false` under [legacy]");
            assert_eq!((policy(&of(daemon.pid())), told), ("0", expected == "1"), "{}", site.log());
        });
    }
}
