//! `sim`, `scenario`, `bench`, `allocate`: build the simulator, hand it the command line, end as it ends.
//!
//! Built first and run second, so that a simulator that does not compile ([`CANNOT_RUN`]) is
//! never taken for one that found a bug.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{cargo, shell_status};

/// The simulator could not be built or started.
pub const CANNOT_RUN: i32 = 70;

/// What the simulator is given, untouched: its `--help` is its own.
#[derive(clap::Args)]
pub struct Args {
    /// The simulator's arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Runs `standin-sim VERB ARGS…` at the root; the status is the simulator's own.
pub fn pass(root: &Path, verb: &str, args: &Args) -> i32 {
    let simulator = match build(root) {
        Ok(simulator) => simulator,
        Err(why) => {
            eprintln!("xtask: {why}");
            return CANNOT_RUN;
        }
    };
    run(root, &simulator, [OsString::from(verb)].into_iter().chain(args.args.iter().cloned()))
}

/// Runs a built simulator at the root, environment and terminal passed on.
pub(crate) fn run(root: &Path, simulator: &Path, args: impl Iterator<Item = OsString>) -> i32 {
    match Command::new(simulator).args(args).current_dir(root).status() {
        Ok(status) => shell_status(status),
        Err(why) => {
            eprintln!("xtask: {} did not start: {why}", simulator.display());
            CANNOT_RUN
        }
    }
}

/// Builds the simulator in profile `sim` and says where it lies.
pub(crate) fn build(root: &Path) -> Result<PathBuf, String> {
    let mut cargo = cargo(root);
    cargo.args(["build", "--profile", "sim", "--package", "standin-sim", "--bin", "standin-sim"]);
    cargo.arg("--message-format=json-render-diagnostics");
    if !std::io::stderr().is_terminal() {
        cargo.arg("--quiet"); // progress is for people
    }
    let built = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("cargo did not start: {why}"))?;
    if !built.status.success() {
        return Err("the simulator does not build".into());
    }
    executable(&String::from_utf8_lossy(&built.stdout))
        .ok_or_else(|| "cargo did not say where the simulator lies".into())
}

/// Finds the program among cargo's messages, wherever the target directory is.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let ours = message["target"]["name"] == "standin-sim" && message["reason"] == "compiler-artifact";
        if !ours {
            return None;
        }
        message["executable"].as_str().map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"standin_sim"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"standin-sim"},"executable":"/t/sim/standin-sim"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages), Some("/t/sim/standin-sim".into()));
    }

    #[test]
    fn no_program_is_made_up() {
        assert_eq!(executable("not json\n{\"reason\":\"build-finished\",\"success\":true}\n"), None);
    }
}
