//! More clients than there are descriptors.

use std::fs;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;

use super::after::is_well;
use super::namespace::{in_namespace, ip, wait_until};
use super::site::Site;

#[test]
fn a_crowd_of_clients_leaves_descriptors_for_files() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let mut command = site.command("prlimit");
        command.args(["--nofile=64:128", env!("CARGO_BIN_EXE_standind"), "--foreground"]);
        let daemon = site.spawn_as(&mut command);
        daemon.wait_up();
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
        let limit = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(limit.split_whitespace().filter(|word| *word == "128").count(), 2, "{limit}");

        let socket = site.base().join("run/ctdbd.socket");
        let crowd: Vec<_> = (0..300).map(|_| UnixStream::connect(&socket).unwrap()).collect();
        wait_until("a warning", || site.log().contains("too many open files: new connections are closed"));
        // Files are read, and scripts run, as before.
        site.write("nodes", "127.0.0.1\n127.0.0.2\n127.0.0.3\n127.0.0.4\n");
        daemon.signal(Signal::SIGHUP);
        wait_until("the new nodes", || site.log().contains("nodes-reloaded"));
        assert!(!site.log().contains("cannot"), "{}", site.log());
        let said = site.log().matches("too many open files").count();
        assert!(said < 10, "a line a second at most: {said}");
        drop(crowd);
        wait_until("room", || site.tool("pnn").status == 0);
        is_well(&daemon, 64 * 1024);
    });
}
