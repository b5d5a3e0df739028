//! Event scripts that hang, fork, babble, are none, or are not there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::after::is_well;
use super::namespace::{in_namespace, ip, wait_until};
use super::site::Site;

const TUNABLES: &str = "MonitorInterval=1\nEventScriptTimeout=2\nMonitorTimeoutCount=1\n";
const SCRIPT: &str = "events/legacy/00.test.script";

fn with_site(test: impl FnOnce(&Site) + Send + 'static) {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::alone();
        site.write("ctdb.tunables", TUNABLES);
        test(&site);
    });
}

/// What the tool says of the monitor event holds a word.
fn monitored(site: &Site, word: &str) {
    wait_until(word, || site.tool("scriptstatus monitor").out.contains(word));
}

#[test]
fn a_start_that_a_script_refuses_is_told_however_little_is_logged() {
    with_site(|site| {
        site.write("ctdb.conf", "[logging]\nlog level = ERROR\n[cluster]\nnode address = 127.0.0.1\n");
        site.script(SCRIPT, "exit 1");
        let said = site.refusal();
        assert_eq!(said.status, 78);
        assert!(said.err.contains("ERROR start-refused the init event failed"), "{}", said.err);
    });
}

#[test]
fn what_scripts_print_is_logged_as_loud_as_ctdb_conf_says() {
    for (loud, shown) in [("", true), ("[legacy]\nscript log level = NOTICE\n", false)] {
        with_site(move |site| {
            let conf = format!("[logging]\nlog level = ERROR\n[cluster]\nnode address = 127.0.0.1\n{loud}");
            site.write("ctdb.conf", &conf);
            let marks = site.base().join("marks");
            site.script(SCRIPT, &format!("echo a word\necho . >> {}\nexit 0", marks.display()));
            let _daemon = site.start();
            let runs = || fs::read_to_string(&marks).map_or(0, |text| text.lines().count());
            wait_until("some events", || runs() > 3);
            let log = site.log();
            assert_eq!(log.contains("ERROR a word script=\"00.test\" event=\"init\""), shown, "{log}");
        });
    }
}

#[test]
fn a_script_that_hangs_is_ended_and_makes_the_node_unhealthy() {
    with_site(|site| {
        let pids = site.base().join("pids");
        site.script(SCRIPT, &format!("[ $1 = monitor ] || exit 0\necho $$ >> {}\nsleep 30", pids.display()));
        let daemon = site.start();
        monitored(site, "TIMEDOUT");
        wait_until("unhealthy", || site.tool("status").out.contains("UNHEALTHY"));
        let first = fs::read_to_string(&pids).unwrap();
        let first = first.lines().next().unwrap();
        wait_until("it is gone", || fs::metadata(format!("/proc/{first}")).is_err());
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn children_that_linger_keep_nobody_waiting() {
    with_site(|site| {
        site.script(SCRIPT, "sleep 3 &\nexit 0");
        let daemon = site.start();
        monitored(site, "OK");
        wait_until("well", || site.tool("nodestatus").status == 0);
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn a_hundred_megabytes_of_words_are_not_kept() {
    with_site(|site| {
        site.write("ctdb.tunables", "MonitorInterval=1\nEventScriptTimeout=20\n");
        let body = "[ $1 = monitor ] && head -c 100000000 /dev/zero | tr '\\0' x\nexit 0";
        site.script(SCRIPT, body);
        let daemon = site.start();
        wait_until("two of them", || site.log().matches("[99934464 bytes left out]").count() > 1);
        monitored(site, "OK");
        println!("a script that babbles: at most {} kB", daemon.memory_peak());
        assert!(daemon.memory_peak() < 64 * 1024, "{} kB", daemon.memory_peak());
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn what_is_no_script_is_left_out() {
    with_site(|site| {
        let path = site.write("events/legacy/10.none.script", "\u{7f}ELFnot really");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = site.write("events/legacy/20.off.script", "exit 1");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::create_dir(site.base().join("events/legacy/30.folder.script")).unwrap();
        let daemon = site.start();
        wait_until("well", || site.tool("nodestatus").status == 0);
        monitored(site, "DISABLED");
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn no_scripts_are_no_obstacle() {
    std::thread::scope(|scope| {
        for missing in ["events/legacy/00.test.script", "events/legacy", "events", "notify.sh"] {
            scope.spawn(move || {
                with_site(move |site| {
                    let path = site.base().join(missing);
                    let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
                    assert!(!path.exists());
                    let daemon = site.start();
                    is_well(&daemon, 64 * 1024);
                });
            });
        }
    });
}
