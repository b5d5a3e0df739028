//! RESP, the protocol of Redis' clients and of its replication: requests and replies ↔ bytes.

use alloc::vec::Vec;
use core::fmt;

/// Which replies a client understands; `HELLO 3` changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Resp {
    /// RESP2: what every connection begins with.
    #[default]
    Two,
    /// RESP3: maps, null and verbatim texts of their own.
    Three,
}

/// Why a stream cannot continue: its text is Redis' error, without `-ERR ` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RespError {
    /// An array of arguments has no length, or one out of bounds.
    InvalidMultibulkLength,
}

impl fmt::Display for RespError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: invalid multibulk length")
    }
}

impl core::error::Error for RespError {}

/// A client's requests, in any cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Requests {
    held: Vec<u8>,
}

impl Requests {
    /// The stream begins.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: Vec::new() }
    }

    /// The next piece of the stream.
    pub fn feed(&mut self, input: &[u8]) {
        self.held.extend_from_slice(input);
    }

    /// The next whole request, at least one argument; `None` until more is fed.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final: tell the client and close.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, RespError> {
        panic!("written next")
    }
}

/// What a server says, as a replica or a tool reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Value {
    /// `+…`
    Simple(Vec<u8>),
    /// `-…`
    Error(Vec<u8>),
    /// `:…`
    Integer(i64),
    /// `$…`
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`
    Null,
    /// `*…`
    Array(Vec<Value>),
}

/// A server's replies and a master's commands, in any cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Replies {
    held: Vec<u8>,
}

impl Replies {
    /// The stream begins.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: Vec::new() }
    }

    /// The next piece of the stream.
    pub fn feed(&mut self, input: &[u8]) {
        self.held.extend_from_slice(input);
    }

    /// The next whole value.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Value>, RespError> {
        panic!("written next")
    }

    /// The next line without its end, empty ones (a master's signs of life) left out: for the
    /// head of a transfer, `$4711` or `$EOF:…`, which no value follows.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, RespError> {
        panic!("written next")
    }

    /// Takes up to `most` bytes as they are: a transfer's.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let _ = most;
        panic!("written next")
    }

    /// Bytes handed out so far, by whichever way: what a replica's offset counts.
    #[must_use]
    pub const fn consumed(&self) -> u64 {
        0
    }
}

/// Writes replies.
#[derive(Debug)]
pub struct Out<'a> {
    out: &'a mut Vec<u8>,
    resp: Resp,
}

impl<'a> Out<'a> {
    /// A writer that appends to `out`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>, resp: Resp) -> Self {
        Self { out, resp }
    }

    /// `+OK`: a line.
    pub fn simple(&mut self, text: &str) {
        let _ = (&self.out, self.resp, text);
        panic!("written next")
    }

    /// `-ERR …`: a line; `text` without a code gets `ERR `, see [`error_code`](Self::error_code).
    pub fn error(&mut self, text: &str) {
        let _ = text;
        panic!("written next")
    }

    /// `-MOVED …`: an error whose text begins with its own code.
    pub fn error_code(&mut self, text: &str) {
        let _ = text;
        panic!("written next")
    }

    /// `:1`
    pub fn integer(&mut self, value: i64) {
        let _ = value;
        panic!("written next")
    }

    /// `$3`: bytes of any content.
    pub fn bulk(&mut self, bytes: &[u8]) {
        let _ = bytes;
        panic!("written next")
    }

    /// Nothing.
    pub fn null(&mut self) {
        panic!("written next")
    }

    /// The head of an array of `count` replies, which follow.
    pub fn array(&mut self, count: usize) {
        let _ = count;
        panic!("written next")
    }

    /// The head of a map of `pairs` replies and replies, which follow.
    pub fn map(&mut self, pairs: usize) {
        let _ = pairs;
        panic!("written next")
    }

    /// A text for people.
    pub fn verbatim(&mut self, text: &str) {
        let _ = text;
        panic!("written next")
    }
}
