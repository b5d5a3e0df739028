//! The system's log by every way `location` knows, in the forms ctdbd 4.17.12 has.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use standin_testbed::Said;

use super::namespace::{in_namespace, ip, wait_until};
use super::site::Site;

const NOTHING: Option<&str> = None;

/// Whatever was heard so far.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// Hears whatever comes from now on, to the test's end: a queue that is full loses lines.
    fn listen(mut hear: impl FnMut(&mut [u8]) -> io::Result<usize> + Send + 'static) -> Self {
        let heard = Self::default();
        let to = heard.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = hear(&mut bytes) {
                to.0.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
        });
        heard
    }

    fn has(&self, so: impl Fn(&str) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(|line| so(line))
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

/// A daemon in the background logs there; a line of it is as it should be, given its process's number.
fn logs(site: &Site, location: &str, heard: &Heard, so: impl Fn(&str, &str) -> bool) {
    let conf = "[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n";
    site.write("ctdb.conf", &format!("[logging]\nlocation = {location}\n{conf}"));
    let said = Said::from(site.command(site.program("ctdbd")).output().unwrap());
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    wait_until("it answers", || site.tool("pnn").status == 0);
    let pid = std::fs::read_to_string(site.base().join("run/ctdbd.pid")).unwrap();
    let _ = site.tool("shutdown");
    wait_until("it ends", || !site.base().join("run/ctdbd.pid").exists());
    wait_until(location, || heard.has(|line| so(line, pid.trim())));
}

/// `<29>ctdbd[PID]: text`.
fn is_short(line: &str, pid: &str) -> bool {
    line.strip_prefix(&format!("<29>ctdbd[{pid}]: ")).is_some_and(|text| !text.is_empty())
}

/// `<29>1 TIME HOST ctdbd PID - - text`.
fn is_long(line: &str, pid: &str) -> bool {
    let words: Vec<&str> = line.splitn(8, ' ').collect();
    let [version, time, _, name, process, "-", "-", text] = words[..] else { return false };
    let dated = time.len() > 20 && time.starts_with("20") && time.contains('T') && time.ends_with('Z');
    (version, name, process) == ("<29>1", "ctdbd", pid) && dated && !text.is_empty()
}

#[test]
fn the_local_log_hears_a_line_a_datagram() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        own_devices();
        let log = UnixDatagram::bind("/dev/log").unwrap();
        let heard = Heard::listen(move |bytes| log.recv(bytes));
        for location in ["syslog", "syslog:nonblocking"] {
            logs(&site, location, &heard, is_short);
        }
    });
}

#[test]
fn port_514_hears_both_formats() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let log = UdpSocket::bind(("127.0.0.1", 514)).unwrap();
        let heard = Heard::listen(move |bytes| log.recv(bytes));
        logs(&site, "syslog:udp", &heard, is_short);
        logs(&site, "syslog:udp-rfc5424", &heard, is_long);
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
