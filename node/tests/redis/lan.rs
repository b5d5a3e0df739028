//! Hosts on a switch: network namespaces with a cable each, gone with the test.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// A switch, in a network of the calling thread's own.
#[derive(Debug)]
pub(crate) struct Lan;

/// A computer as far as its network goes: `10.0.0.N`.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) ip: String,
    space: File,
}

/// Runs `ip`.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Lan {
    /// The calling thread, and what it starts, is at `10.0.0.254` from now on.
    pub(crate) fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("this is root");
        ip("link set lo up");
        ip("link add lan type bridge");
        ip("link set lan up");
        ip("addr add 10.0.0.254/24 dev lan");
        Self
    }

    /// A new host.
    pub(crate) fn host(&self, number: usize) -> Host {
        let space = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("this is root");
            File::open("/proc/thread-self/ns/net").expect("it has one")
        });
        let space = space.join().expect("a namespace");
        let path = format!("/proc/{}/fd/{}", std::process::id(), space.as_raw_fd());
        ip(&format!("link add port{number} type veth peer name eth0 netns {path}"));
        ip(&format!("link set port{number} master lan up"));
        let host = Host { ip: format!("10.0.0.{number}"), space };
        let address = host.ip.clone();
        host.within(move || {
            ip("link set lo up");
            ip(&format!("addr add {address}/24 dev eth0"));
            ip("link set eth0 up");
        });
        host
    }

    /// Puts hosts on a switch of their own that nobody else is on, or back on the common one: a site
    /// whose line to the others is cut.
    pub(crate) fn part(&self, numbers: &[usize], away: bool) {
        if away {
            ip("link add site type bridge");
            ip("link set site up");
        }
        for number in numbers {
            ip(&format!("link set port{number} master {}", if away { "site" } else { "lan" }));
        }
        if !away {
            ip("link del site");
        }
    }

    /// Pulls a host's cable, or plugs it in.
    pub(crate) fn cable(&self, number: usize, plugged: bool) {
        ip(&format!("link set port{number} {}", if plugged { "up" } else { "down" }));
    }
}

impl Host {
    /// Does something there.
    pub(crate) fn within<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(&self.space, CloneFlags::CLONE_NEWNET).expect("this is root");
                what()
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
