//! Which daemon a node runs.

use std::path::PathBuf;

/// What a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The stock daemon of the package `ctdb`, with its scripts 00.ctdb and 10.interface.
    Ctdbd,
    /// Our own, which handles addresses itself: with 00.ctdb alone.
    Standind {
        /// Path of the executable, not below `/run`.
        path: PathBuf,
        /// `--strict`: as ctdbd in everything, its faults included.
        strict: bool,
    },
}

impl Program {
    /// Its name, without a path.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ctdbd => "ctdbd",
            Self::Standind { .. } => "standind",
        }
    }

    pub(crate) fn scripts(&self) -> &'static [&'static str] {
        match self {
            Self::Ctdbd => &["00.ctdb", "10.interface"],
            Self::Standind { .. } => &["00.ctdb"],
        }
    }

    /// As the state file has it.
    pub(crate) fn to_line(&self) -> String {
        match self {
            Self::Ctdbd => "ctdbd".into(),
            Self::Standind { path, strict: false } => format!("standind {}", path.display()),
            Self::Standind { path, strict: true } => format!("strict {}", path.display()),
        }
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == "ctdbd" => Some(Self::Ctdbd),
            Some((kind @ ("standind" | "strict"), path)) => {
                Some(Self::Standind { path: path.into(), strict: kind == "strict" })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_back_as_it_was_written() {
        let standind = |strict| Program::Standind { path: "/a b/standind".into(), strict };
        for program in [Program::Ctdbd, standind(false), standind(true)] {
            assert_eq!(Program::from_line(&program.to_line()), Some(program));
        }
        assert_eq!(Program::from_line("samba"), None);
    }
}
