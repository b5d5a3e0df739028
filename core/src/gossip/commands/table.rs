//! What a command is: its name, how many words it takes, where its keys stand, who does it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::super::machine::Gossip;
use super::super::resp::is;
use super::rows::TABLE;
use super::{Call, shown};

bitflags::bitflags! {
    /// What a command is like.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Flags: u16 {
        const WRITE = 1;
        const READONLY = 2;
        const FAST = 4;
        const ADMIN = 8;
        const PUBSUB = 16;
        /// Waits while a manual failover holds writes, as those do.
        const MAY_REPLICATE = 32;
        /// Not within a transaction.
        const NO_MULTI = 64;
        /// Within a transaction it is done at once.
        const ENDS_MULTI = 128;
        /// A subscriber may say it.
        const WHILE_LISTENING = 256;
        /// As if ASKING had been said before.
        const ASKING = 512;
        /// It may do without keys.
        const NO_MANDATORY_KEYS = 1_024;
    }
}

impl Flags {
    pub(super) const fn writes(self) -> bool {
        self.intersects(Self::WRITE.union(Self::MAY_REPLICATE))
    }
}

/// Where a command's keys stand among its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// The first, the last (negative: from the end, -1 the last word), and how far apart.
    At(i32, i32, i32),
    /// The same, but they are a shard's channels.
    Channels(i32, i32),
    /// A number at this place says how many follow.
    Counted(usize),
    /// The same, and the first word is a key as well.
    StoredCounted(usize),
    /// The first; which others a pattern names is not known.
    Patterned,
    /// The first, and the one behind the last `STORE`.
    Sort,
    /// The first, and from the fifth word on the one behind the last `STORE` or `STOREDIST`.
    Geo,
    /// XREAD's: behind the option `STREAMS`, the first half of what is left.
    Streams,
    /// MIGRATE's: the fourth word, or if that is empty all behind the option `KEYS`.
    Migrate,
}

/// A command, or one of a command's commands: `cluster|meet`.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Words, the name included; negative: at least so many.
    pub(super) arity: i32,
    pub(super) flags: Flags,
    pub(super) keys: Keys,
    pub(super) run: fn(&mut Gossip, &mut Call<'_>),
    /// What it is the family of.
    pub(super) within: &'static [Self],
}

impl Row {
    pub(super) fn is_exec(&self) -> bool {
        self.name == "exec"
    }

    /// The name within its family.
    pub(super) fn short(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, short)| short)
    }

    pub(super) fn takes(&self, words: usize) -> bool {
        let words = i32::try_from(words).unwrap_or(i32::MAX);
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    pub(super) fn keys<'a>(&self, words: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
        self.keys.of(words)
    }
}

impl Keys {
    /// The keys of a request that has words enough. None if it has other keys than it says, or is
    /// otherwise wrong: whoever runs it tells.
    pub(super) fn of(self, words: &[Vec<u8>]) -> Vec<&[u8]> {
        let count = words.len() as i32;
        let (first, last, step) = match self {
            Self::None => return Vec::new(),
            Self::At(first, last, step) => (first, last, step),
            Self::Channels(first, last) => (first, last, 1),
            Self::Patterned => (1, 1, 1),
            Self::Counted(at) => counted(words, at),
            Self::StoredCounted(at) => {
                let (first, last, _) = counted(words, at);
                let stored = if first > last { &[] } else { &words[1..2] };
                let named = words.iter().skip(first as usize).take((last - first + 1).max(0) as usize);
                return stored.iter().chain(named).map(Vec::as_slice).collect();
            }
            Self::Sort => return with_stored(words, sort_stored(words)),
            Self::Geo => return with_stored(words, geo_stored(words)),
            Self::Migrate => migrate_keys(words),
            Self::Streams => streams(words),
        };
        let last = if last < 0 { count + last } else { last.min(count - 1) };
        if first > last {
            return Vec::new();
        }
        words[first as usize..=last as usize].iter().step_by(step as usize).map(Vec::as_slice).collect()
    }
}

/// First, last, step; the first behind the last: none.
type Span = (i32, i32, i32);

const NOWHERE: Span = (1, 0, 1);

/// As C's `atoi`, with which Redis looks for keys: what a word has of digits at its begin.
fn leading_number(word: &[u8]) -> usize {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum: usize, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
}

fn counted(words: &[Vec<u8>], at: usize) -> Span {
    let said = words.get(at).map_or(0, |word| leading_number(word));
    if said > words.len().saturating_sub(at + 1) {
        return NOWHERE;
    }
    (at as i32 + 1, (at + said) as i32, 1)
}

/// Nothing but options before `STREAMS`, and an id for every key behind it.
fn streams(words: &[Vec<u8>]) -> Span {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += match word {
            _ if is(word, "streams") => {
                let left = words.len() - at - 1;
                let whole = left > 0 && left.is_multiple_of(2);
                return if whole { (at as i32 + 1, (at + left / 2) as i32, 1) } else { NOWHERE };
            }
            _ if is(word, "count") || is(word, "block") => 2,
            _ if is(word, "group") => 3,
            _ if is(word, "noack") => 1,
            _ => break,
        };
    }
    NOWHERE
}

/// The first word, and the one at this place.
fn with_stored(words: &[Vec<u8>], stored: Option<usize>) -> Vec<&[u8]> {
    let places = [Some(1), stored];
    places.into_iter().flatten().filter_map(|at| words.get(at)).map(Vec::as_slice).collect()
}

fn sort_stored(words: &[Vec<u8>]) -> Option<usize> {
    let (mut at, mut stored) = (2, None);
    while let Some(word) = words.get(at) {
        // What an option's value is, is no option; STORE's own may be, in Redis' eyes.
        at += match word {
            _ if is(word, "limit") => 2,
            _ if is(word, "get") || is(word, "by") => 1,
            _ => 0,
        };
        if is(word, "store") && at + 1 < words.len() {
            stored = Some(at + 1);
        }
        at += 1;
    }
    stored
}

fn geo_stored(words: &[Vec<u8>]) -> Option<usize> {
    let (mut at, mut stored) = (5, None);
    while at + 1 < words.len() {
        if is(&words[at], "store") || is(&words[at], "storedist") {
            at += 1;
            stored = Some(at);
        }
        at += 1;
    }
    stored
}

/// MIGRATE's keys; none if it names them both ways, which it is told of when it runs.
fn migrate_keys(words: &[Vec<u8>]) -> Span {
    let mut at = 6;
    while let Some(word) = words.get(at) {
        if is(word, "keys") {
            let named = words.get(3).is_some_and(|key| !key.is_empty());
            return if named { (1, 0, 1) } else { (at as i32 + 1, -1, 1) };
        }
        // What a password is, is no option.
        at += if is(word, "auth2") { 3 } else { 1 + usize::from(is(word, "auth")) };
    }
    (3, 3, 1)
}

/// Why a request is no command.
pub(super) enum NoCommand {
    Unknown(String),
    UnknownWithin(&'static str, String),
    WordCount(&'static str),
}

impl fmt::Display for NoCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => f.write_str(text),
            Self::UnknownWithin(family, what) => {
                write!(f, "unknown subcommand '{what}'. Try {} HELP.", family.to_ascii_uppercase())
            }
            Self::WordCount(name) => write!(f, "wrong number of arguments for '{name}' command"),
        }
    }
}

/// The command that is asked for, with as many words as it takes.
pub(super) fn find(words: &[Vec<u8>]) -> Result<&'static Row, NoCommand> {
    let row = named(words)?;
    if row.takes(words.len()) { Ok(row) } else { Err(NoCommand::WordCount(row.name)) }
}

/// The command that is asked for.
pub(super) fn named(words: &[Vec<u8>]) -> Result<&'static Row, NoCommand> {
    let name = words.first().map_or(&[][..], Vec::as_slice);
    let Some(row) = TABLE.iter().find(|row| is(name, row.name)) else {
        return Err(NoCommand::Unknown(unknown(words)));
    };
    match words.get(1) {
        Some(word) if !row.within.is_empty() => {
            let found = row.within.iter().find(|row| is(word, row.short()));
            found.ok_or_else(|| NoCommand::UnknownWithin(row.name, shown(word).into_owned()))
        }
        _ => Ok(row),
    }
}

/// As Redis tells it, with the first 128 bytes or so of the arguments.
fn unknown(words: &[Vec<u8>]) -> String {
    let name = words.first().map_or(&[][..], Vec::as_slice);
    let mut text = alloc::format!("unknown command '{}', with args beginning with: ", shown(name));
    let mut told = 0;
    for word in words.iter().skip(1) {
        if told >= 128 {
            break;
        }
        let word = &word[..word.len().min(128 - told)];
        told += word.len() + 3;
        text.push_str(&alloc::format!("'{}' ", shown(word)));
    }
    text
}
