//! The workspace's own commands, as a library so that a test can run [`tidy`] too.
//!
//! Reading order: [`simulator`] (build it, hand it the command line), [`cluster`] (real daemons in
//! namespaces, by hand), [`failover`] (the same, measured), [`bus`] (Redis' and ours, measured),
//! [`real`] (the simulator's stories, played by them), [`madsim`] (the driver in virtual time),
//! [`fuzz`] (any bytes for every reader), [`tidy`] (what the compiler does not check), [`ci`] (every
//! check in order).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

mod build;
pub mod bus;
pub mod ci;
pub mod cluster;
pub mod failover;
pub mod fuzz;
pub mod madsim;
pub mod real;
pub mod simulator;
pub mod tidy;
mod trained;

/// A command line is not understood: what clap calls 2, which is a status of the simulator's.
pub const USAGE: i32 = 64;

/// The root of the workspace this was built from.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the workspace").to_path_buf()
}

/// The cargo that runs us, or the one on the path; at the root.
fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

/// A child's end as a shell would put it: its status, or 128 and the signal's number.
fn shell_status(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_childs_end_reads_as_in_a_shell() {
        for (script, status) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -6 $$", 134)] {
            let ended = Command::new("sh").args(["-c", script]).status().unwrap();
            assert_eq!(shell_status(ended), status, "{script}");
        }
    }
}
