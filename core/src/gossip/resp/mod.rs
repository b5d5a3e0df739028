//! RESP, the protocol of Redis' clients and of its replication: requests and replies ↔ bytes.
//!
//! A server reads [`Requests`] and writes through [`Out`]; a replica, which is its master's
//! client first and then reads commands, reads [`Replies`]. Both readers take a stream in any
//! cut, look at each byte once, and keep no more of it than one unfinished request or reply.
//! Source: Redis 7.0.15, whose errors the errors are.

mod out;
mod replies;
mod requests;

pub use self::out::Out;
pub use self::replies::{DEPTH_MAX, REPLY_BYTES_MAX, Replies, VALUES_MAX, Value};
pub use self::requests::{ARGUMENT_COST, ARGUMENTS_MAX, LINE_BYTES_MAX, REQUEST_BYTES_MAX, Requests};

use alloc::vec::Vec;
use core::fmt;

/// Which replies a client understands; `HELLO 3` changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Resp {
    /// RESP2: what every connection begins with.
    #[default]
    Two,
    /// RESP3: with maps, a null and texts for people.
    Three,
}

/// Why a stream cannot continue. Prints as Redis' error, without the `-ERR ` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RespError {
    /// The number of arguments is none, or beyond [`ARGUMENTS_MAX`].
    MultibulkLength,
    /// The length of an argument is none, or beyond [`REQUEST_BYTES_MAX`].
    BulkLength,
    /// An argument begins with this, not with `$`.
    NoBulk {
        /// What stands there.
        got: u8,
    },
    /// A line of words is longer than [`LINE_BYTES_MAX`].
    BigInline,
    /// The number of arguments is longer than [`LINE_BYTES_MAX`], as text.
    BigMultibulkCount,
    /// The length of an argument is longer than [`LINE_BYTES_MAX`], as text.
    BigBulkCount,
    /// A quote in a line of words is not closed, or closed within a word.
    UnbalancedQuotes,
    /// A request or reply is longer than is taken. (Ours: Redis closes without a word.)
    TooLarge,
    /// A reply begins with this, which begins none.
    NoReply {
        /// What stands there.
        got: u8,
    },
    /// A number in a reply is none.
    BadNumber,
    /// More than ten arguments of a client that has still to say its password.
    StrangeMultibulk,
    /// An argument of more than 16 KiB of such a client.
    StrangeBulk,
    /// A reply has arrays in arrays beyond [`DEPTH_MAX`], or values beyond [`VALUES_MAX`].
    TooDeep,
}

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        let shown = |byte: u8| if byte.is_ascii_graphic() { char::from(byte) } else { ' ' };
        match *self {
            Self::MultibulkLength => f.write_str("invalid multibulk length"),
            Self::BulkLength => f.write_str("invalid bulk length"),
            Self::NoBulk { got } => write!(f, "expected '$', got '{}'", shown(got)),
            Self::BigInline => f.write_str("too big inline request"),
            Self::BigMultibulkCount => f.write_str("too big mbulk count string"),
            Self::BigBulkCount => f.write_str("too big bulk count string"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            Self::TooLarge => f.write_str("too big a request"),
            Self::StrangeMultibulk => f.write_str("unauthenticated multibulk length"),
            Self::StrangeBulk => f.write_str("unauthenticated bulk length"),
            Self::NoReply { got } => write!(f, "expected a reply, got '{}'", shown(got)),
            Self::BadNumber => f.write_str("invalid number in a reply"),
            Self::TooDeep => f.write_str("too many values in a reply"),
        }
    }
}

impl core::error::Error for RespError {}

/// Whether a word of a request is this one, in either case of letters.
#[must_use]
pub fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// A whole number as Redis writes it: no blanks, no `+`, no zeros before it.
#[must_use]
pub fn number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// What is held of a stream: bytes fed and not yet taken, from the front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Held {
    bytes: Vec<u8>,
    /// Bytes at the front that are taken.
    at: usize,
    /// Bytes behind those that are not what is looked for.
    searched: usize,
    /// What is looked for.
    mark: u8,
}

impl Held {
    const fn new() -> Self {
        Self { bytes: Vec::new(), at: 0, searched: 0, mark: 0 }
    }

    fn feed(&mut self, input: &[u8]) {
        self.bytes.drain(..self.at);
        if self.bytes.is_empty() && self.bytes.capacity() > LINE_BYTES_MAX {
            self.bytes = Vec::new(); // what one large request took is not kept
        }
        self.at = 0;
        self.bytes.extend_from_slice(input);
    }

    fn left(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.left().first().copied()
    }

    /// Takes `count` bytes that are there.
    fn take(&mut self, count: usize) -> &[u8] {
        let start = self.at;
        self.at += count;
        self.searched = 0;
        &self.bytes[start..self.at]
    }

    /// Bytes before the first `mark`, which is looked for where it was not before.
    fn find(&mut self, mark: u8) -> Option<usize> {
        if mark != self.mark {
            (self.mark, self.searched) = (mark, 0);
        }
        let found = self.left()[self.searched..].iter().position(|&byte| byte == mark);
        match found {
            Some(more) => {
                self.searched += more;
                Some(self.searched)
            }
            None => {
                self.searched = self.left().len();
                None
            }
        }
    }

    /// Bytes before the first `\r` that has another byte behind it, of whatever kind.
    fn find_line(&mut self) -> Option<usize> {
        let length = self.find(b'\r')?;
        (length + 2 <= self.left().len()).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn errors_are_worded_as_redis_words_them() {
        for (error, text) in [
            (RespError::MultibulkLength, "Protocol error: invalid multibulk length"),
            (RespError::NoBulk { got: b':' }, "Protocol error: expected '$', got ':'"),
            (RespError::NoBulk { got: b'\r' }, "Protocol error: expected '$', got ' '"),
            (RespError::BigBulkCount, "Protocol error: too big bulk count string"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn numbers_are_written_in_one_way() {
        for (text, value) in [("0", 0), ("7", 7), ("-1", -1), ("9223372036854775807", i64::MAX)] {
            assert_eq!(number(text.as_bytes()), Some(value));
        }
        assert_eq!(number(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "+1", "01", "-0", "-01", " 1", "1 ", "9223372036854775808", "1x"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        assert!(is(b"cLuster", "CLUSTER") && !is(b"CLUSTERS", "CLUSTER"));
    }
}
