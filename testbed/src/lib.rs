//! Clusters of network namespaces on one machine: real daemons, real faults, what clients see.
//!
//! A [`Bed`] is a switch, some nodes, a client and an observer, each in a network namespace of its
//! own; a node also has its own processes, mounts and host name, so that [`Bed::power_off`] can
//! end all of it at once. Nodes run ctdbd or standind ([`Program`]) over the same files. A
//! [`Client`] asks every public address all the time and knows how long each was silent; an
//! [`Observer`] knows which were answered by two nodes at once.
//!
//! Linux, root, `ip`, `unshare` and `nsenter`; [`usable`] says what is missing. Addresses are IPv4
//! and the same in every bed, which nobody notices: no bed touches the machine's own network.
//!
//! Reading order: `options` and `bed` (what there is), `node`, `program` and `daemon` (what runs),
//! `faults`, `client`, `responder`, `observer`, `monitor`; below them `switch`, `files`, `guard`,
//! `netns`, `shell`.

use std::fmt;
use std::path::Path;

mod bed;
mod client;
mod daemon;
mod faults;
mod files;
mod guard;
mod monitor;
mod netns;
mod node;
mod observer;
mod options;
mod program;
mod responder;
mod shell;
mod switch;

pub use bed::Bed;
pub use client::{Client, Gap};
pub use monitor::Monitor;
pub use observer::{Observer, Sighting};
pub use options::Options;
pub use program::Program;
pub use shell::Said;
pub use switch::Network;

/// Something could not be done; a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

/// What most of this library returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `what`.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Whether beds can be made here.
///
/// # Errors
///
/// Not root, or one of the programs a bed is made with is missing; the error names it.
pub fn usable() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new("namespaces are made by root only: run this as root"));
    }
    for tool in ["ip", "unshare", "nsenter", "timeout"] {
        if !shell::on_path(tool) {
            return Err(Error::new(format!("`{tool}` is not installed (iproute2, util-linux, coreutils)")));
        }
    }
    Ok(())
}

/// Whether the stock ctdb is installed, whose tool speaks to either program, and what its scripts
/// ask whether a link is up: Debian only recommends that, and without it a stock node is unhealthy.
///
/// # Errors
///
/// It is not; the error names the package.
pub fn has_ctdb() -> Result<()> {
    for file in ["/usr/sbin/ctdbd", "/usr/bin/ctdb", "/etc/ctdb/functions"] {
        if !Path::new(file).exists() {
            return Err(Error::new(format!("{file} is missing: install the package `ctdb`")));
        }
    }
    if !shell::on_path("ethtool") {
        return Err(Error::new(
            "`ethtool` is not installed: ctdb's scripts take every link for down without it",
        ));
    }
    Ok(())
}

/// Whether a test has what it needs, [`usable`] or [`has_ctdb`]. If not it says why, and where the
/// variable `CI` is set that is a failure: nothing is left out there.
///
/// # Panics
///
/// In CI, if something is missing.
#[must_use]
pub fn test_has(needed: Result<()>) -> bool {
    let in_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    match needed {
        Ok(()) => true,
        Err(why) if in_ci => panic!("{why}"),
        Err(why) => {
            eprintln!("NOT RUN: {why}");
            false
        }
    }
}
