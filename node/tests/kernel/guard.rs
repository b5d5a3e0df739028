//! The guard against a real kernel: a daemon that dies, one that leaves, one that is signalled.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use super::namespace::{cable, in_namespace, ip, placed, shown, wait_until};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getsid};
use standin_node::guard::Guard;

const PROGRAM: &str = env!("CARGO_BIN_EXE_standind");

/// Set for the process that plays the daemon: what it holds, and how it ends.
const HOLDS: &str = "STANDIN_TEST_HOLDS";
const LEAVES: &str = "STANDIN_TEST_LEAVES";

/// This program once more, as a daemon with a guard. Ended on drop.
struct Daemon {
    child: Child,
    guard: Pid,
    /// Kept open: it says more than we listen to.
    _says: BufReader<ChildStdout>,
}

impl Daemon {
    /// Returns when the guard has heard what is held.
    fn start(holds: &[String], leaves: bool) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "guard::the_daemon_itself", "--nocapture"]).env(HOLDS, holds.join(" "));
        if leaves {
            command.env(LEAVES, "1");
        }
        let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut lines = says.by_ref().lines().map_while(Result::ok);
        let said = lines.find_map(|line| line.strip_prefix("guard ").map(str::to_owned));
        let guard = Pid::from_raw(said.expect("the daemon starts").parse().unwrap());
        Self { child, guard, _says: says }
    }

    fn guard_is_there(&self) -> bool {
        // A dead one whose parent is dead too is reaped by init, some time.
        let status = fs::read_to_string(format!("/proc/{}/status", self.guard));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test when it runs as one: the process the others start.
#[test]
fn the_daemon_itself() {
    let Ok(holds) = env::var(HOLDS) else { return };
    let mut guard = Guard::spawn_from(Path::new(PROGRAM)).unwrap();
    let holds: Vec<_> = holds.split_whitespace().map(|text| placed("left", text)).collect();
    // More than is held at first, so that some of it is taken back.
    let mut more = holds.clone();
    more.push(placed("left", "10.0.0.99/24"));
    guard.hold(&more).unwrap();
    guard.hold(&holds).unwrap();
    println!("\nguard {}", guard.id());
    if env::var_os(LEAVES).is_some() {
        guard.farewell().unwrap();
        return;
    }
    thread::sleep(Duration::from_secs(600));
}

fn put_on(addresses: &[String]) {
    for address in addresses {
        ip(&format!("addr add {address} nodad dev left"));
    }
}

fn some() -> Vec<String> {
    ["10.0.0.1/24", "10.0.0.2/24", "fd00::1/64"].map(str::to_owned).to_vec()
}

#[test]
fn addresses_of_a_killed_daemon_are_taken_off() {
    in_namespace(|| {
        cable();
        let daemon = Daemon::start(&some(), false);
        // The node's own stay, even as secondaries of a public one, even once held.
        put_on(&some());
        put_on(&["10.0.0.98/24", "10.0.0.99/24", "10.1.0.1/24"].map(str::to_owned));
        killpg(Pid::from_raw(daemon.child.id().cast_signed()), Signal::SIGKILL).unwrap();
        let mut left = Vec::new();
        wait_until("the release", || {
            left = shown("left");
            left.len() <= 3
        });
        left.sort();
        assert_eq!(left, ["10.0.0.98/24", "10.0.0.99/24", "10.1.0.1/24"]);
        wait_until("the guard's end", || !daemon.guard_is_there());
        assert_eq!(shown("left").len(), 3);
    });
}

#[test]
fn an_address_put_on_by_a_script_left_behind_goes_too() {
    in_namespace(|| {
        cable();
        let address = ["10.0.0.1/24".to_owned()];
        // On a busy machine we may be too late for the guard's second look; then once more.
        let in_time = || {
            let mut daemon = Daemon::start(&address, false);
            put_on(&address);
            daemon.child.kill().unwrap();
            wait_until("the first look", || shown("left").is_empty());
            put_on(&address);
            let in_time = daemon.guard_is_there();
            wait_until("the guard's end", || !daemon.guard_is_there());
            let gone = shown("left").is_empty();
            ip("addr flush dev left scope global");
            in_time && gone
        };
        assert!((0..10).any(|_| in_time()));
    });
}

#[test]
fn a_daemon_that_takes_its_leave_leaves_all_in_place() {
    in_namespace(|| {
        cable();
        put_on(&some());
        let mut daemon = Daemon::start(&some(), true);
        assert!(daemon.child.wait().unwrap().success());
        assert!(!daemon.guard_is_there(), "the daemon waits for it");
        assert_eq!(shown("left").len(), 3);
    });
}

#[test]
fn what_ends_a_daemon_does_not_end_its_guard() {
    in_namespace(|| {
        cable();
        put_on(&some());
        let mut daemon = Daemon::start(&some(), false);
        assert_eq!(getsid(Some(daemon.guard)).unwrap(), daemon.guard, "a session of its own");
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE] {
            kill(daemon.guard, signal).unwrap();
        }
        thread::sleep(Duration::from_millis(50));
        assert!(daemon.guard_is_there());
        assert_eq!(shown("left").len(), 3);
        daemon.child.kill().unwrap();
        wait_until("the release", || shown("left").is_empty());
    });
}

#[test]
fn a_guard_that_is_gone_is_noticed() {
    in_namespace(|| {
        let mut guard = Guard::spawn_from(Path::new(PROGRAM)).unwrap();
        guard.hold(&[placed("left", "10.0.0.1/24")]).unwrap();
        kill(Pid::from_raw(guard.id().cast_signed()), Signal::SIGKILL).unwrap();
        let gone = [placed("left", "10.0.0.2/24")];
        wait_until("an error", || guard.hold(&gone).is_err() || guard.hold(&[]).is_err());
        assert!(guard.farewell().is_err());
    });
}

#[test]
fn a_guard_that_hangs_does_not_keep_the_daemon() {
    let guard = Guard::spawn_from(Path::new(PROGRAM)).unwrap();
    let id = guard.id();
    kill(Pid::from_raw(id.cast_signed()), Signal::SIGSTOP).unwrap();
    guard.farewell().unwrap();
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn a_guard_that_does_not_listen_is_ended() {
    let mut guard = Guard::spawn_from(Path::new(PROGRAM)).unwrap();
    let id = guard.id();
    kill(Pid::from_raw(id.cast_signed()), Signal::SIGSTOP).unwrap();
    let some = [placed("left", "10.0.0.1/24")];
    wait_until("an error", || guard.hold(&some).is_err() || guard.hold(&[]).is_err());
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "or it would release, once it wakes");
}

#[test]
fn a_program_that_is_no_guard_is_refused() {
    assert!(Guard::spawn_from(Path::new("/bin/true")).is_err());
    assert!(Guard::spawn_from(Path::new("/nowhere")).is_err());
}
