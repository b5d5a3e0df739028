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
mod write;

pub use self::body::{Body, Entries, Entry, Extension, Extensions};
pub use self::framing::{Bus, PACKET_CEILING};
pub use self::kind::Kind;
pub use self::packet::{Packet, Refused};
pub use self::write::{
    Header, NewEntry, begin, begin_from, finish, push_entry, push_fail, push_hostname, push_module,
    push_publish, push_update, set_kind, set_mflags,
};

/// Bytes of the header every packet begins with.
pub const HEADER: usize = 2256;

/// Bytes of one gossip entry.
pub const ENTRY: usize = 104;

/// Bytes of an address as text, NULs included.
const IP: usize = 46;

/// Characters of a hostname at most.
pub const HOSTNAME_MAX: usize = 255;

/// `mflags[0]`: the sender, a master, holds its clients for a manual failover.
pub const PAUSED: u8 = 1;
/// `mflags[0]`: vote though the master is up, the failover was asked for.
pub const FORCEACK: u8 = 2;
/// `mflags[0]`: extensions follow the gossip.
pub const EXT_DATA: u8 = 4;
