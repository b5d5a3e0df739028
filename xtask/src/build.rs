//! Building a program of the workspace and finding where cargo put it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;

/// Builds the simulator in profile `sim` and says where it lies.
pub(crate) fn simulator(root: &Path) -> Result<PathBuf, String> {
    program(root, "standin-sim", "standin-sim", "sim")
}

/// Builds `bin` of `package` in a profile and says where it lies.
pub(crate) fn program(root: &Path, package: &str, bin: &str, profile: &str) -> Result<PathBuf, String> {
    with(root, package, bin, profile, |_| {})
}

/// The same, with something more said to cargo.
pub(crate) fn with(
    root: &Path,
    package: &str,
    bin: &str,
    profile: &str,
    also: impl FnOnce(&mut Command),
) -> Result<PathBuf, String> {
    let mut cargo = cargo(root);
    also(&mut cargo);
    cargo.args(["build", "--profile", profile, "--package", package, "--bin", bin]);
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
        return Err(format!("{bin} does not build"));
    }
    executable(&String::from_utf8_lossy(&built.stdout), bin)
        .ok_or_else(|| format!("cargo did not say where {bin} lies"))
}

/// Finds the program among cargo's messages, wherever the target directory is.
fn executable(messages: &str, bin: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let ours = message["target"]["name"] == bin && message["reason"] == "compiler-artifact";
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
        assert_eq!(executable(messages, "standin-sim"), Some("/t/sim/standin-sim".into()));
        assert_eq!(executable(messages, "standind"), None);
    }

    #[test]
    fn no_program_is_made_up() {
        let messages = "not json\n{\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages, "standin-sim"), None);
    }
}
