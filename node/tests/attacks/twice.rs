//! Two daemons on a host, and places that cannot be written.

use std::fs;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use standin_testbed::Said;

use super::after::is_well;
use super::namespace::{in_namespace, ip, wait_until};
use super::site::Site;

const NOTHING: Option<&str> = None;

/// A small file system of memory, gone with this thread.
fn small_disk(at: &std::path::Path) {
    fs::create_dir_all(at).unwrap();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING).unwrap();
    mount(Some("none"), at, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
}

fn fill(at: &std::path::Path) {
    assert!(fs::write(at.join("full"), vec![0; 1024 * 1024]).is_err(), "a megabyte does not fit");
}

#[test]
fn a_second_daemon_says_whose_place_it_is() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let daemon = site.start();
        for name in ["standind", "ctdbd"] {
            let said = Said::from(site.command(site.program(name)).output().unwrap());
            let file = site.base().join("run/ctdbd.pid");
            let wanted = format!(
                "standind: another daemon runs here: process {} holds {}\n",
                daemon.pid(),
                file.display()
            );
            assert_eq!((said.status, said.err), (78, wanted));
        }
        let other = Site::new();
        let said = other.refusal();
        let wanted = "standind: another daemon runs here: it listens on 127.0.0.1:4379\n";
        assert_eq!((said.status, said.err.as_str()), (78, wanted));
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn what_a_dead_daemon_left_is_taken_over_at_once() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let mut daemon = site.start();
        for _ in 0..3 {
            daemon.signal(Signal::SIGKILL);
            let next = site.spawn();
            let _ = daemon.ended();
            daemon = next;
            wait_until("its number is in the file", || {
                let pid = fs::read_to_string(site.base().join("run/ctdbd.pid")).unwrap_or_default();
                pid.trim() == daemon.pid().to_string()
            });
            daemon.wait_up();
        }
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn a_run_folder_that_is_full_or_read_only_is_said() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let run = site.base().join("run");
        small_disk(&run);
        fill(&run);
        let said = site.refusal();
        let file = run.join("ctdbd.pid");
        let file = file.display();
        let wanted = format!("standind: cannot write {file}: No space left on device (os error 28)\n");
        assert_eq!((said.status, said.err), (71, wanted));
        mount(NOTHING, &run, NOTHING, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, NOTHING).unwrap();
        let said = site.refusal();
        let wanted = format!("standind: cannot write {file}: Read-only file system (os error 30)\n");
        assert_eq!((said.status, said.err), (71, wanted));
    });
}

#[test]
fn a_daemon_goes_on_when_its_log_is_full() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let disk = site.base().join("logs");
        small_disk(&disk);
        let log = disk.join("log");
        site.write(
            "ctdb.conf",
            &format!(
                "[logging]\nlocation = file:{}\n[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n",
                log.display()
            ),
        );
        // In the background, so that it writes this file; its parent is whoever collects it.
        let said = Said::from(site.command(site.program("ctdbd")).output().unwrap());
        assert_eq!(said.status, 0, "{}", said.err);
        wait_until("it answers", || site.tool("pnn").status == 0);
        fill(&disk);
        for _ in 0..3 {
            assert_eq!(site.tool("disable").status, 0);
            assert_eq!(site.tool("enable").status, 0);
        }
        assert!(site.tool("status").out.contains("pnn:0 127.0.0.1"));
        let _ = site.tool("shutdown");
        wait_until("it ends", || !site.base().join("run/ctdbd.pid").exists());
    });
}

#[test]
fn a_daemon_goes_on_when_standard_error_takes_nothing() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let mut command = site.command("sh");
        command.args(["-c", "exec \"$0\" --foreground 2> /dev/full", env!("CARGO_BIN_EXE_standind")]);
        let mut daemon = site.spawn_as(&mut command);
        daemon.wait_up();
        assert_eq!(site.tool("disable").status, 0);
        is_well(&daemon, 64 * 1024);
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.ended().code(), Some(0));
    });
}

#[test]
fn without_the_capabilities_it_takes_nothing_starts() {
    in_namespace(|| {
        ip("link set lo up");
        let mut site = Site::new();
        site.test_mode = false;
        for missing in ["-net_admin", "-net_raw"] {
            let mut command: Command = site.command("setpriv");
            command.args(["--bounding-set", missing, env!("CARGO_BIN_EXE_standind"), "--foreground"]);
            let said = Said::from(command.output().unwrap());
            assert_eq!(said.status, 77, "{}", said.err);
            assert!(said.err.contains("CAP_NET_ADMIN and CAP_NET_RAW"), "{}", said.err);
            assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        }
    });
}
