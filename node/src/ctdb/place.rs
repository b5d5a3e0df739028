//! Where everything is: paths as a stock daemon of the same environment would have them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Debian's compiled-in folders.
const BASE: &str = "/etc/ctdb";
const RUN: &str = "/var/run/ctdb";
const LOG: &str = "/var/log/ctdb/log.ctdb";

/// The folders and files of one daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Configuration: `ctdb.conf`, `nodes`, `public_addresses`, `ctdb.tunables`, scripts.
    pub base: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The event socket.
    pub event_socket: PathBuf,
    /// The pid file.
    pub pid_file: PathBuf,
    /// Where a daemon in the background logs unless `ctdb.conf` says otherwise.
    pub log_file: PathBuf,
    /// `CTDB_TEST_MODE`: no address is ever looked for in the kernel, or put there.
    pub test_mode: bool,
}

/// A variable that is set and not empty.
fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

impl Place {
    /// By environment (`CTDB_BASE`, `CTDB_TEST_MODE`, `CTDB_SOCKET`) and the `--base` flag, which
    /// wins. With another base than the compiled-in one, or in test mode, what runs is below
    /// `BASE/run`.
    #[must_use]
    pub fn find(flag: Option<PathBuf>) -> Self {
        let base = flag.or_else(|| set("CTDB_BASE").map(PathBuf::from)).unwrap_or_else(|| BASE.into());
        let test_mode = set("CTDB_TEST_MODE").is_some();
        let own = test_mode || base != Path::new(BASE);
        let run = if own { base.join("run") } else { RUN.into() };
        let socket = set("CTDB_SOCKET").map_or_else(|| run.join("ctdbd.socket"), PathBuf::from);
        Self {
            socket,
            event_socket: run.join("eventd.socket"),
            pid_file: run.join("ctdbd.pid"),
            log_file: if own { base.join("log.ctdb") } else { LOG.into() },
            base,
            test_mode,
        }
    }
}
