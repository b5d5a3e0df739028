//! Network namespaces for tests: each test has one of its own, gone with its thread.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use standin_core::host::Placed;

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Runs a test in a namespace of its own. Without the privilege that takes, it says so; where
/// `CI` is set, it fails.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(|| {
        match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => {}
            Err(Errno::EPERM) if std::env::var_os("CI").is_none() => {
                eprintln!("NOT RUN: network namespaces need privileges");
                return;
            }
            Err(error) => panic!("no network namespace: {error}"),
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` and returns what it prints.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Interfaces `left` and `right`, a cable between them, both up.
pub(crate) fn cable() {
    ip("link add name left address 02:00:00:00:02:02 type veth peer name right");
    ip("link set left up");
    ip("link set right up");
}

/// `10.0.0.1/24` on an interface.
pub(crate) fn placed(interface: &str, text: &str) -> Placed {
    let (address, prefix) = text.split_once('/').expect("an address and a prefix length");
    let (address, prefix) = (address.parse().expect("an address"), prefix.parse().expect("a number"));
    Placed { interface: interface.into(), address, prefix }
}

/// The addresses of an interface as `ip` shows them, in the kernel's order, without the
/// link-local one.
pub(crate) fn shown(interface: &str) -> Vec<String> {
    let text = ip(&format!("-o addr show dev {interface} scope global"));
    text.lines().filter_map(|line| line.split_whitespace().nth(3)).map(str::to_owned).collect()
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < LONG, "{what} did not come true");
        thread::sleep(Duration::from_millis(2));
    }
}
