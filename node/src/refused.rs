//! Why a daemon does not start.

use std::io;

/// A status and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the process exits with.
    pub status: Status,
    /// What is wrong; a line each.
    pub what: String,
}

/// What a process exits with that does not start (`sysexits.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The system refuses what a daemon needs.
    System = 71,
    /// A capability is missing.
    Denied = 77,
    /// A file is wrong.
    Config = 78,
}

impl Refused {
    /// A file is wrong.
    #[must_use]
    pub const fn config(what: String) -> Self {
        Self { status: Status::Config, what }
    }
}

/// An error of the system in our words.
pub fn system(what: &str) -> impl Fn(io::Error) -> Refused {
    move |error| Refused { status: Status::System, what: format!("{what}: {error}") }
}
