//! The bus, bytes ↔ values.
//!
//! A stream falls into frames ([`Bus`]); a frame is a [`Packet`], a view that copies nothing but
//! the header's numbers. Everything behind it, gossip, bitmaps and texts, is read where it lies
//! when it is asked for. Packets are written in place, a piece at a time, see [`begin`].
//!
//! All numbers are big endian; a text is padded with NULs. Source: Redis 7.0.15.

mod body;
mod framing;
mod kind;
mod packet;
#[cfg(test)]
mod tests;
mod write;

pub use self::body::{Body, Entries, Entry, Extension, Extensions};
pub use self::framing::{Bus, PACKET_CEILING};
pub use self::kind::Kind;
pub use self::packet::{Packet, Refused};
pub use self::write::{
    Header, NewEntry, begin, begin_from, finish, push_entries, push_fail, push_hostname, push_module,
    push_publish, push_update, set_kind, set_mflags,
};

/// Bytes of the header every packet begins with.
pub const HEADER: usize = 2256;

/// Bytes of one gossip entry.
pub const ENTRY: usize = 104;

/// Bytes of an address as text, NULs included.
const IP: usize = 46;

/// The version of the protocol.
const VERSION: u16 = 1;

/// Where the fields of the header are; reserved are 30 bytes behind the extensions.
mod place {
    pub(super) const TOTLEN: usize = 4;
    pub(super) const VERSION: usize = 8;
    pub(super) const PORT: usize = 10;
    pub(super) const KIND: usize = 12;
    pub(super) const COUNT: usize = 14;
    pub(super) const CURRENT_EPOCH: usize = 16;
    pub(super) const CONFIG_EPOCH: usize = 24;
    pub(super) const OFFSET: usize = 32;
    pub(super) const SENDER: usize = 40;
    pub(super) const SLOTS: usize = 80;
    pub(super) const REPLICA_OF: usize = 2128;
    pub(super) const IP: usize = 2168;
    pub(super) const EXTENSIONS: usize = 2214;
    pub(super) const PLAIN_PORT: usize = 2246;
    pub(super) const BUS_PORT: usize = 2248;
    pub(super) const FLAGS: usize = 2250;
    pub(super) const STATE: usize = 2252;
    pub(super) const MFLAGS: usize = 2253;
}

/// The `N` bytes at `AT` of something whose length is known.
#[inline(always)]
fn at<const AT: usize, const N: usize, const LENGTH: usize>(bytes: &[u8; LENGTH]) -> &[u8; N] {
    const { assert!(AT + N <= LENGTH) };
    bytes[AT..].first_chunk().expect("within the bytes, as the compiler checked")
}

/// Characters of a hostname at most.
pub const HOSTNAME_MAX: usize = 255;

/// `mflags[0]`: the sender, a master, holds its clients for a manual failover.
pub const PAUSED: u8 = 1;
/// `mflags[0]`: vote though the master is up, the failover was asked for.
pub const FORCEACK: u8 = 2;
/// `mflags[0]`: extensions follow the gossip.
pub const EXT_DATA: u8 = 4;
