//! The trace: one fixed-column line a notice or fault, a running hash, JSON on request.
//!
//! The hash covers fixed-width little-endian words of what happened, never text, so that it is
//! the same on every machine and build.

pub mod diff;

use std::fmt;
use std::hash::Hasher;

use serde::Serialize;
use siphasher::sip::SipHasher13;
use standin_core::machine::Noticed;

use crate::world::moment::{HostId, Moment};

/// One line: when, who, how everybody stands, what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Microseconds since the run began.
    pub at: Moment,
    /// The host that noticed; none for what befell the world.
    pub host: Option<HostId>,
    /// One character a member.
    pub columns: String,
    /// The notice's kind, or the verb of what befell.
    pub kind: String,
    /// The words after the kind.
    pub text: String,
    /// The running hash after this line.
    pub hash: u64,
}

/// ` 27.100000  n1  .#.  node-dead n0 keepalive`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_string();
        let host = self.host.map_or_else(|| "--".to_owned(), |host| host.to_string());
        write!(f, "{at:>14}  {host:<3}  {}  {}", self.columns, self.kind)?;
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        Ok(())
    }
}

/// The lines so far (if wanted) and the hash (always).
#[derive(Clone, Debug)]
pub struct Trace {
    lines: Option<Vec<Line>>,
    hasher: SipHasher13,
    count: u64,
}

impl Trace {
    /// An empty trace; lines are kept only if somebody wants them.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self {
            lines: keep.then(Vec::new),
            hasher: SipHasher13::new_with_keys(0x7374_616e, 0x6469_6e21),
            count: 0,
        }
    }

    /// Whether lines are kept.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.lines.is_some()
    }

    /// Something befell the world.
    pub fn befell(&mut self, at: Moment, verb: &str, text: &str, columns: impl FnOnce() -> String) {
        self.word(at.0);
        self.word(u64::MAX);
        for byte in verb.bytes().chain(text.bytes()) {
            self.hasher.write_u8(byte);
        }
        self.line(at, None, verb, || text.to_owned(), columns);
    }

    /// A machine noticed something.
    pub fn noticed<N: Noticed>(
        &mut self,
        at: Moment,
        host: HostId,
        notice: &N,
        columns: impl FnOnce() -> String,
    ) {
        self.word(at.0);
        self.word(u64::from(host.0));
        self.word(notice.kind() as u64);
        notice.words(&mut |word| self.hasher.write(&word.to_le_bytes()));
        self.line(at, Some(host), N::KINDS[notice.kind()], || notice.to_string(), columns);
    }

    fn line(
        &mut self,
        at: Moment,
        host: Option<HostId>,
        kind: &str,
        text: impl FnOnce() -> String,
        columns: impl FnOnce() -> String,
    ) {
        self.count += 1;
        let hash = self.hash();
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, host, columns: columns(), kind: kind.to_owned(), text: text(), hash });
        }
    }

    /// Adds a word to the hash without a line.
    pub fn word(&mut self, word: u64) {
        self.hasher.write(&word.to_le_bytes());
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// Lines so far, kept or not.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The kept lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<Line> {
        self.lines.unwrap_or_default()
    }

    /// The kept lines, to look at.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }
}
