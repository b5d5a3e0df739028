//! The system's log by every way `location` knows, as ctdbd 4.17.12 spoke on each.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use standin_testbed::Said;

use super::namespace::{in_namespace, ip, wait_until};
use super::site::Site;

const NOTHING: Option<&str> = None;
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// Whatever hears the log.
trait Log {
    fn hear(&self) -> String;
}

fn text(heard: std::io::Result<usize>, bytes: &[u8]) -> String {
    String::from_utf8(bytes[..heard.expect("a line in time")].to_vec()).unwrap()
}

impl Log for UnixDatagram {
    fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        text(self.recv(&mut bytes), &bytes)
    }
}

impl Log for UdpSocket {
    fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        text(self.recv(&mut bytes), &bytes)
    }
}

/// This thread's own `/dev`, which has the few devices anybody asks for.
fn own_devices() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING).unwrap();
    mount(Some("none"), "/dev", Some("tmpfs"), MsFlags::empty(), NOTHING).unwrap();
    for (name, minor) in [("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)] {
        let all = Mode::from_bits_truncate(0o666);
        mknod(&Path::new("/dev").join(name), SFlag::S_IFCHR, all, makedev(1, minor)).unwrap();
    }
}

/// A daemon in the background logs there until it is told to end; its line about itself.
fn first_line(site: &Site, location: &str, log: &impl Log) -> String {
    let conf = "[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n";
    site.write("ctdb.conf", &format!("[logging]\nlocation = {location}\n{conf}"));
    let said = Said::from(site.command(site.program("ctdbd")).output().unwrap());
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    wait_until("it answers", || site.tool("pnn").status == 0);
    let first = log.hear();
    let pid = std::fs::read_to_string(site.base().join("run/ctdbd.pid")).unwrap();
    let _ = site.tool("shutdown");
    wait_until("it ends", || !site.base().join("run/ctdbd.pid").exists());
    while !log.hear().contains("stopping") {}
    first.replace(pid.trim(), "PID")
}

#[test]
fn the_local_log_hears_a_line_a_datagram() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        own_devices();
        let log = UnixDatagram::bind("/dev/log").unwrap();
        log.set_read_timeout(PATIENCE).unwrap();
        for location in ["syslog", "syslog:nonblocking"] {
            let first = first_line(&site, location, &log);
            assert!(first.starts_with("<29>ctdbd[PID]: "), "{first}");
        }
    });
}

#[test]
fn port_514_hears_both_formats() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let log = UdpSocket::bind(("127.0.0.1", 514)).unwrap();
        log.set_read_timeout(PATIENCE).unwrap();
        let first = first_line(&site, "syslog:udp", &log);
        assert!(first.starts_with("<29>ctdbd[PID]: "), "{first}");
        let first = first_line(&site, "syslog:udp-rfc5424", &log);
        let words: Vec<&str> = first.splitn(8, ' ').collect();
        let [version, time, _host, name, pid, "-", "-", _] = words[..] else { panic!("{first}") };
        assert_eq!((version, name, pid), ("<29>1", "ctdbd", "PID"), "{first}");
        assert!(time.starts_with("20") && time.contains('T') && time.ends_with('Z'), "{first}");
    });
}

#[test]
fn without_anybody_who_listens_it_serves_all_the_same() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let conf =
            "[logging]\nlocation = syslog:udp\n[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n";
        site.write("ctdb.conf", conf);
        let said = Said::from(site.command(site.program("ctdbd")).output().unwrap());
        assert_eq!((said.status, said.err.as_str()), (0, ""));
        wait_until("it answers", || site.tool("pnn").status == 0);
        let _ = site.tool("shutdown");
        wait_until("it ends", || !site.base().join("run/ctdbd.pid").exists());
    });
}
