//! Beginnings and ends: signals, and a standard input that goes.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standin_testbed::Said;

use super::after::is_well;
use super::namespace::{in_namespace, ip, wait_until};
use super::site::Site;

#[test]
fn in_test_mode_a_daemon_ends_with_the_pipe_it_reads() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        // As ctdbd's own tests start it.
        let mut command = site.command(site.program("ctdbd"));
        let mut daemon = site.spawn_as(command.arg("-i").stdin(Stdio::piped()));
        daemon.wait_up();
        drop(daemon.child.stdin.take());
        assert_eq!(daemon.ended().code(), Some(0), "{}", site.log());
        assert!(!site.base().join("run/ctdbd.socket").exists());
    });
}

#[test]
fn a_hangup_reloads_the_nodes_and_keeps_them_if_they_are_wrong() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let daemon = site.start();
        site.write("nodes", "127.0.0.1\n127.0.0.2\n127.0.0.3\n127.0.0.4\n");
        daemon.signal(Signal::SIGHUP);
        wait_until("the fourth node", || site.tool("status").out.contains("pnn:3 127.0.0.4"));
        let log = site.log().len();
        site.write("nodes", "nonsense\n");
        daemon.signal(Signal::SIGHUP);
        wait_until("a complaint", || site.log().len() > log);
        assert!(site.tool("status").out.contains("pnn:3 127.0.0.4"));
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn a_hangup_takes_over_what_differs_in_addresses_and_tunables() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::alone();
        site.write("ctdb.tunables", "MonitorInterval=20\nKeepaliveLimit=6\n");
        let daemon = site.start();
        let value = |name: &str| site.tool(&format!("getvar {name}")).out;
        assert_eq!(site.tool("setvar RecoverTimeout 40").status, 0);
        site.write("ctdb.tunables", "MonitorInterval=5\nKeepaliveLimit=6x\n");
        site.write("public_addresses", "192.168.100.1/24 lo\n192.168.100.2/24 lo\n");
        daemon.signal(Signal::SIGHUP);
        wait_until("the second address", || site.tool("ip").out.contains("192.168.100.2"));
        wait_until("the new value", || value("MonitorInterval").contains("= 5\n"));
        assert!(value("RecoverTimeout").contains("= 40\n"), "an operator's own stays");
        assert!(value("KeepaliveLimit").contains("= 6\n"), "a wrong line changes nothing");
        let log = site.log();
        assert!(log.contains("ctdb.tunables:2:16"), "{log}");
        site.write("public_addresses", "192.168.100.2/24 lo\n192.168.100.3/99 lo\n");
        daemon.signal(Signal::SIGHUP);
        wait_until("a complaint", || site.log().contains("public_addresses:2:"));
        assert!(site.tool("ip").out.contains("192.168.100.1"), "a wrong file changes nothing");
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn a_hangup_opens_the_log_anew() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let said = Said::from(site.command(site.program("ctdbd")).output().unwrap());
        assert_eq!((said.status, said.err.as_str()), (0, ""));
        wait_until("it answers", || site.tool("pnn").status == 0);
        let (log, moved) = (site.base().join("log.ctdb"), site.base().join("log.ctdb.1"));
        fs::rename(&log, &moved).unwrap();
        let pid = fs::read_to_string(site.base().join("run/ctdbd.pid")).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGHUP).unwrap();
        wait_until("there is a log again", || log.exists());
        assert_eq!(site.tool("disable").status, 0);
        wait_until("it tells", || fs::read_to_string(&log).unwrap().contains("DISABLED"));
        assert!(!fs::read_to_string(&moved).unwrap().contains("DISABLED"));
        let _ = site.tool("shutdown");
        wait_until("it ends", || !site.base().join("run/ctdbd.pid").exists());
    });
}

#[test]
fn a_daemon_that_is_still_starting_ends_when_told() {
    std::thread::scope(|scope| {
        for event in ["init", "setup", "startup"] {
            scope.spawn(move || in_namespace(move || ends_during(event)));
        }
    });
}

fn ends_during(event: &str) {
    ip("link set lo up");
    let site = Site::alone();
    let mark = site.base().join("begun");
    let body = format!("[ $1 = {event} ] && touch {} && sleep 1; exit 0", mark.display());
    site.script("events/legacy/00.test.script", &body);
    let mut daemon = site.spawn();
    wait_until(event, || mark.exists());
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0), "{event}: {}", site.log());
    assert!(!site.base().join("run/ctdbd.pid").exists());
}

#[test]
fn two_orders_to_end_are_one() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let mark = site.base().join("ended");
        let body = format!("[ $1 = shutdown ] && sleep 1 && echo x >> {}; exit 0", mark.display());
        site.script("events/legacy/00.test.script", &body);
        let mut daemon = site.start();
        daemon.signal(Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(300));
        daemon.signal(Signal::SIGTERM);
        daemon.signal(Signal::SIGINT);
        assert_eq!(daemon.ended().code(), Some(0), "{}", site.log());
        assert_eq!(fs::read_to_string(mark).unwrap(), "x\n", "the event has run once, to its end");
    });
}

#[test]
fn the_log_is_as_loud_as_the_file_and_then_the_tool_say() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let conf = fs::read_to_string(site.base().join("ctdb.conf")).unwrap();
        site.write("ctdb.conf", &format!("[logging]\nlog level = WARNING\n{conf}"));
        let daemon = site.start();
        let mut nodes = String::from("127.0.0.1\n127.0.0.2\n127.0.0.3\n");
        let mut reloads = 0;
        // One more node each time: its notice is information, which is what ctdbd calls a notice.
        for (level, tells) in [("", false), ("NOTICE", true), ("ERROR", false), ("DEBUG", true)] {
            if !level.is_empty() {
                assert_eq!(site.tool(&format!("setdebug {level}")).status, 0, "{level}");
                assert!(site.tool("getdebug").out.contains(level), "{level}");
            }
            let node = nodes.lines().count();
            nodes += &format!("127.0.0.{}\n", node + 1);
            site.write("nodes", &nodes);
            daemon.signal(Signal::SIGHUP);
            wait_until("the new node", || site.tool("status").out.contains(&format!("pnn:{node} ")));
            reloads += usize::from(tells);
            let log = site.log();
            assert_eq!(log.matches("nodes-reloaded").count(), reloads, "{level}: {log}");
        }
    });
}
