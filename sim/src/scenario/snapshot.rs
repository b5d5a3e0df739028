//! The trace kept beside a scenario: `leader_power_off.snap` beside `leader_power_off.scn`.
//!
//! A plain file, written by `scenario accept` and read by `scenario check`. Each is reviewed by
//! itself, so accepting answers with the difference that was accepted.

use std::io;
use std::path::{Path, PathBuf};

use super::difference::difference;
use crate::outcome::Outcome;

/// Lines of a difference shown by a check.
const SHOWN_MAX: usize = 24;

/// The trace as it is kept: a comment with the hash, then a line a trace line.
#[must_use]
pub fn trace_text(outcome: &Outcome) -> String {
    let Outcome { protocol, seed, nodes, hash, simulated, lines, .. } = outcome;
    let mut text = format!("# {protocol}, nodes {nodes}, seed {seed}, {simulated}; trace hash {hash:016x}\n");
    for line in lines {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// Where the snapshot of a scenario lies.
#[must_use]
pub fn path_beside(scenario: &Path) -> PathBuf {
    scenario.with_extension("snap")
}

/// How a trace compares with the one on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// They agree.
    Same,
    /// There is none on record.
    Missing,
    /// The first lines that differ.
    Differs(String),
}

/// Compares a trace with the snapshot beside its scenario.
///
/// # Errors
/// If the snapshot cannot be read.
pub fn check(scenario: &Path, trace: &str) -> io::Result<Checked> {
    Ok(match stored(scenario)? {
        None => Checked::Missing,
        Some(stored) => difference(&stored, trace, SHOWN_MAX).map_or(Checked::Same, Checked::Differs),
    })
}

/// Puts a trace on record. Answers with the whole difference to the one before, if there is any.
///
/// # Errors
/// If the snapshot cannot be read or written.
pub fn accept(scenario: &Path, trace: &str) -> io::Result<Option<String>> {
    let before = stored(scenario)?;
    if before.as_deref() == Some(trace) {
        return Ok(None);
    }
    std::fs::write(path_beside(scenario), trace)?;
    Ok(difference(&before.unwrap_or_default(), trace, usize::MAX))
}

fn stored(scenario: &Path) -> io::Result<Option<String>> {
    match std::fs::read(path_beside(scenario)) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}
