//! A request on its way, and what it is answered with.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::super::machine::Gossip;
use super::super::resp::{Out as Write, Resp};
use crate::machine::{LinkId, Outbox};
use crate::time::Instant;

/// A request on its way.
pub(super) struct Call<'a> {
    pub(super) now: Instant,
    pub(super) out: &'a mut Outbox<Gossip>,
    pub(super) link: LinkId,
    pub(super) words: &'a [Vec<u8>],
    /// Where the answer goes.
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) resp: Resp,
}

impl Call<'_> {
    pub(super) const fn reply(&mut self) -> Write<'_> {
        Write::new(self.bytes, self.resp)
    }

    pub(super) fn error(&mut self, text: impl fmt::Display) {
        self.reply().error(text);
    }

    /// A word of the request, empty if there is none.
    pub(super) fn word(&self, at: usize) -> &[u8] {
        self.words.get(at).map_or(&[], Vec::as_slice)
    }

    /// A word as an error repeats it.
    pub(super) fn text(&self, at: usize) -> String {
        shown(self.word(at)).into_owned()
    }

    pub(super) fn ok(&mut self) {
        self.reply().simple("OK");
    }

    pub(super) fn not_an_integer(&mut self) {
        self.reply().error("value is not an integer or out of range");
    }

    pub(super) fn syntax_error(&mut self) {
        self.reply().error("syntax error");
    }
}

/// A word as an error repeats it: not more than 128 bytes of it.
pub(super) fn shown(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&word[..word.len().min(128)])
}
