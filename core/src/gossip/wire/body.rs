//! What follows the header.

use core::net::IpAddr;

use super::{ENTRY, HOSTNAME_MAX, IP, NewEntry, at};
use crate::bytes::Reader;
use crate::gossip::slots::Bitmap;
use crate::gossip::types::{Epoch, NodeFlags, NodeId};

/// What follows the header; its length has been checked.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// Of a ping, pong or meet.
    Gossip {
        /// What the sender tells of others.
        entries: Entries<'a>,
        /// What it tells of itself beyond the header.
        extensions: Extensions<'a>,
    },
    /// The node that has failed; `None` if that is no id.
    Fail(Option<NodeId>),
    /// Of both kinds of publishing.
    Publish {
        /// Where.
        channel: &'a [u8],
        /// What.
        message: &'a [u8],
    },
    /// Nothing: the header asks.
    AuthRequest,
    /// Nothing: the header is the vote.
    AuthAck,
    /// Whose the slots are.
    Update {
        /// The owner's epoch.
        config_epoch: Epoch,
        /// The owner; `None` if that is no id.
        id: Option<NodeId>,
        /// All that it owns.
        slots: Bitmap<'a>,
    },
    /// Nothing: the header asks.
    MfStart,
    /// Something between modules.
    Module {
        /// Which module, in the sender's byte order.
        module_id: [u8; 8],
        /// The module's own number for it.
        kind: u8,
        /// What.
        payload: &'a [u8],
    },
    /// A kind Redis 7.0 does not know; nothing of it was looked at.
    Unknown(u16),
}

/// Gossip: an iterator over its entries.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a>(&'a [[u8; ENTRY]]);

impl<'a> Entries<'a> {
    /// The entries in these bytes, of which there are a multiple of [`ENTRY`].
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    /// The same again from here.
    #[must_use]
    pub const fn iter(&self) -> Self {
        *self
    }

    /// Takes the first so many, or all if there are fewer.
    #[must_use]
    pub fn split(&mut self, count: usize) -> Self {
        let (some, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        Self(some)
    }

    /// Whether none is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Entry(first))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// What a packet tells of one node, read where it lies.
#[derive(Clone, Copy)]
pub struct Entry<'a>(&'a [u8; ENTRY]);

impl<'a> Entry<'a> {
    /// The node; `None` if that is no id.
    #[must_use]
    #[inline]
    pub fn id(&self) -> Option<NodeId> {
        NodeId::new(self.raw_id())
    }

    /// The entry as it would be written; none if its id is none.
    #[must_use]
    pub fn written(&self) -> Option<NewEntry> {
        Some(NewEntry {
            id: self.id()?,
            ping_sent: self.ping_sent(),
            pong_received: self.pong_received(),
            ip: self.ip(),
            port: self.port(),
            bus_port: self.bus_port(),
            plain_port: self.plain_port(),
            flags: self.flags(),
        })
    }

    /// The node's id as it came.
    #[must_use]
    #[inline]
    pub fn raw_id(&self) -> &'a [u8; 40] {
        at::<0, 40, ENTRY>(self.0)
    }

    /// When the sender sent the ping that it awaits the answer of: seconds since 1970, 0 if it
    /// awaits none.
    #[must_use]
    #[inline]
    pub fn ping_sent(&self) -> u32 {
        u32::from_be_bytes(*at::<40, 4, ENTRY>(self.0))
    }

    /// When the sender last got a pong: seconds since 1970, 0 for never.
    #[must_use]
    #[inline]
    pub fn pong_received(&self) -> u32 {
        u32::from_be_bytes(*at::<44, 4, ENTRY>(self.0))
    }

    /// The node's address; `None` if the text is none.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of(at::<48, IP, ENTRY>(self.0))
    }

    /// Where the node serves clients, by TLS if the cluster uses it.
    #[must_use]
    #[inline]
    pub fn port(&self) -> u16 {
        u16::from_be_bytes(*at::<94, 2, ENTRY>(self.0))
    }

    /// Where the node's bus is.
    #[must_use]
    #[inline]
    pub fn bus_port(&self) -> u16 {
        u16::from_be_bytes(*at::<96, 2, ENTRY>(self.0))
    }

    /// What the sender thinks of the node.
    #[must_use]
    #[inline]
    pub fn flags(&self) -> NodeFlags {
        NodeFlags::from_bits_retain(u16::from_be_bytes(*at::<98, 2, ENTRY>(self.0)))
    }

    /// Where the node serves clients without TLS, if [`port`](Self::port) is for TLS; 0 otherwise.
    #[must_use]
    #[inline]
    pub fn plain_port(&self) -> u16 {
        u16::from_be_bytes(*at::<100, 2, ENTRY>(self.0))
    }
}

impl core::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id())
            .field("ping_sent", &self.ping_sent())
            .field("pong_received", &self.pong_received())
            .field("ip", &self.ip())
            .field("port", &self.port())
            .field("bus_port", &self.bus_port())
            .field("plain_port", &self.plain_port())
            .field("flags", &self.flags())
            .finish()
    }
}

/// What a sender tells of itself beyond the header: an iterator over the extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions<'a>(&'a [u8]);

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// What it is: 0 for a hostname; Redis 7.0 knows no other.
    pub kind: u16,
    /// What it says, padding included.
    pub data: &'a [u8],
}

/// The number of the extension that tells a hostname.
pub(super) const HOSTNAME: u16 = 0;

/// Bytes before an extension's data.
pub(super) const EXTENSION_HEAD: usize = 8;

impl<'a> Extensions<'a> {
    /// The extensions in these bytes, whose lengths have been checked.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The sender's hostname: 1 to [`HOSTNAME_MAX`] of `[A-Za-z0-9.-]`. The last one if there
    /// are several, as in Redis, which however believes any text.
    #[must_use]
    pub fn hostname(&self) -> Option<&'a str> {
        let last = self.filter(|extension| extension.kind == HOSTNAME).last()?;
        let name = last.data.split(|&byte| byte == 0).next()?;
        let known = |&byte: &u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        if name.is_empty() || name.len() > HOSTNAME_MAX || !name.iter().all(known) {
            return None;
        }
        core::str::from_utf8(name).ok()
    }

    /// How many are of a kind Redis 7.0 does not know.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.filter(|extension| extension.kind != HOSTNAME).count()
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        let mut from = Reader::new(self.0);
        let length = from.u32_be().ok()? as usize;
        let kind = from.u16_be().ok()?;
        from.skip(2).ok()?;
        let data = from.bytes(length.checked_sub(EXTENSION_HEAD)?).ok()?;
        self.0 = from.rest();
        Some(Extension { kind, data })
    }
}

/// The address in a field of text padded with NULs.
pub(super) fn ip_of(field: &[u8; IP]) -> Option<IpAddr> {
    core::str::from_utf8(text_of(field)).ok()?.parse().ok()
}

/// A field's text, without the NULs.
pub(super) fn text_of(field: &[u8; IP]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(IP);
    &field[..end]
}
