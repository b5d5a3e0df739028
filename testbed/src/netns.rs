//! Network namespaces by name.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::shell::{ip, run};
use crate::{Error, Result};

pub(crate) fn add(name: &str) -> Result<()> {
    ip(&format!("netns add {name}"))?;
    ip(&format!("-n {name} link set lo up"))?;
    Ok(())
}

pub(crate) fn delete(name: &str) -> Result<()> {
    ip(&format!("netns del {name}")).map(drop)
}

/// Runs `work` on a thread inside; a socket opened there stays there.
pub(crate) fn inside<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
    let file = File::open(path(name)).map_err(|why| Error::new(format!("namespace {name}: {why}")))?;
    thread::scope(|scope| {
        let entered = scope.spawn(|| {
            setns(&file, CloneFlags::CLONE_NEWNET)
                .map_err(|why| Error::new(format!("namespace {name} cannot be entered: {why}")))?;
            Ok(work())
        });
        entered.join().expect("work inside a namespace does not panic")
    })
}

/// Tells a namespace from a later one of the same name.
pub(crate) fn identity(name: &str) -> Option<u64> {
    path(name).metadata().ok().map(|found| found.ino())
}

/// The process that is 1 in its own pid namespace there: what dies with it is a whole node.
///
/// Counts once it is the sleeper that a node's set-up script ends as.
pub(crate) fn pid1(name: &str) -> Result<Option<u32>> {
    let pids = run(Command::new("ip").args(["netns", "pids", name]))?;
    let read = |pid: &str, file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let first = |pid: &&str| {
        let inner = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).map(str::to_owned)?;
            let numbers: Vec<&str> = line.split_whitespace().collect();
            Some(numbers.len() > 1 && numbers.ends_with(&["1"]))
        };
        read(pid, "status").and_then(inner) == Some(true)
            && read(pid, "comm").is_some_and(|comm| comm.trim() == "sleep")
    };
    Ok(pids.split_whitespace().find(first).and_then(|pid| pid.parse().ok()))
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}
