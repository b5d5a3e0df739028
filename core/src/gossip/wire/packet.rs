//! A packet as it lies in its frame.

use core::fmt;
use core::net::IpAddr;

use super::body::{Body, EXTENSION_HEAD, Entries, Extensions, ip_of, text_of};
use super::{ENTRY, EXT_DATA, FORCEACK, HEADER, IP, Kind, PAUSED};
use crate::bytes::{DecodeError, Reader};
use crate::gossip::slots::{BITMAP, Bitmap};
use crate::gossip::types::{Epoch, NodeFlags, NodeId};

/// The version of the protocol.
pub(super) const VERSION: u16 = 1;

/// One packet; what is long in it lies in the frame it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What it is, or the number of something Redis 7.0 does not know: then the header counts
    /// all the same.
    pub kind: Result<Kind, u16>,
    /// Where the sender serves clients, by TLS if the cluster uses it.
    pub port: u16,
    /// Where it serves clients without TLS if [`port`](Self::port) is for TLS; 0 otherwise.
    pub plain_port: u16,
    /// Where its bus is.
    pub bus_port: u16,
    /// The cluster's epoch as the sender knows it.
    pub current_epoch: Epoch,
    /// The epoch of the sender's claim, of its master's if it is a replica.
    pub config_epoch: Epoch,
    /// Bytes of the replication stream it has.
    pub offset: u64,
    /// Who sends it; `None` if that is no id.
    pub sender: Option<NodeId>,
    /// Who sends it, as it came.
    pub sender_raw: &'a [u8; 40],
    /// The sender's slots, its **master's** if it is a replica.
    pub slots: Bitmap<'a>,
    /// The sender's master; `None` if that is no id.
    pub replica_of: Option<NodeId>,
    /// Whether anything stands where the master's id would.
    pub replica_of_set: bool,
    /// What the sender says it is, raw.
    pub flags: NodeFlags,
    /// Whether the cluster is well as the sender sees it.
    pub state_ok: bool,
    /// [`PAUSED`], [`FORCEACK`] and [`EXT_DATA`] in the first byte; nothing in the others.
    pub mflags: [u8; 3],
    /// Gossip entries, as told; checked for the kinds that gossip only.
    pub count: u16,
    /// Extensions, as told; there are none without [`EXT_DATA`] whatever this says.
    pub extensions: u16,
    /// What follows the header.
    pub body: Body<'a>,
    ip: &'a [u8; IP],
}

/// Why a packet is dropped. The link lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refused {
    /// Too short to tell anything, or of another version: nobody speaks of it.
    Silent,
    /// The frame is not as long as the packet in it, or shorter than a header: it did not come
    /// through [`Bus`](super::Bus).
    Cut {
        /// Bytes of the frame.
        length: u32,
        /// Bytes as the packet tells them; 0 if it does not get that far.
        totlen: u32,
    },
    /// More gossip is told of than there are bytes.
    GossipBeyondEnd {
        /// What it would have been.
        kind: Kind,
        /// Entries told of.
        count: u16,
        /// Bytes of the packet.
        totlen: u32,
    },
    /// An extension's length is no multiple of 8, less than its head, or more than what is left.
    BadExtension {
        /// What it would have been.
        kind: Kind,
        /// The extension's length, its head included; 0 if not even that is there.
        length: u32,
        /// Bytes left for it.
        left: u32,
    },
    /// The length follows from the contents, and is another one.
    Length {
        /// What it would have been.
        kind: Kind,
        /// Bytes that follow from the contents, as far as those are there.
        computed: u64,
        /// Bytes as told.
        totlen: u32,
    },
}

impl Refused {
    /// What the packet would have been, where that was looked at.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match *self {
            Self::Silent | Self::Cut { .. } => None,
            Self::GossipBeyondEnd { kind, .. }
            | Self::BadExtension { kind, .. }
            | Self::Length { kind, .. } => Some(kind),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("no packet of this version"),
            Self::Cut { length, totlen } => {
                write!(f, "a frame of {length} bytes, a packet of {totlen}")
            }
            Self::GossipBeyondEnd { kind, count, totlen } => {
                write!(f, "{kind} of {totlen} bytes cannot hold {count} gossip entries")
            }
            Self::BadExtension { kind, length, left } => {
                write!(f, "{kind} with an extension of {length} bytes where {left} are left")
            }
            Self::Length { kind, computed, totlen } => {
                write!(f, "{kind} of {totlen} bytes that should have {computed}")
            }
        }
    }
}

impl core::error::Error for Refused {}

impl<'a> Packet<'a> {
    /// Which kind a frame says it is: counted as received before it is read. `None` for kinds
    /// Redis 7.0 does not know, and frames too short to say.
    #[must_use]
    pub fn kind_of(frame: &[u8]) -> Option<Kind> {
        Kind::from_wire(u16::from_be_bytes(*frame.get(12..)?.first_chunk()?))
    }

    /// Reads one frame: the checks Redis makes, in its order.
    ///
    /// # Errors
    /// If Redis would drop it.
    pub fn read(frame: &'a [u8]) -> Result<Self, Refused> {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let totlen =
            frame.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |&bytes| u32::from_be_bytes(bytes));
        let version = frame.get(8..).and_then(<[u8]>::first_chunk).map(|&bytes| u16::from_be_bytes(bytes));
        if (frame.len() >= 8 && totlen < 16) || version.is_some_and(|version| version != VERSION) {
            return Err(Refused::Silent);
        }
        if totlen != length {
            return Err(Refused::Cut { length, totlen });
        }
        let Some((header, body)) = frame.split_at_checked(HEADER) else {
            return Err(Refused::Cut { length, totlen });
        };
        Self::header(header, body, totlen)?.map_err(|_| Refused::Cut { length, totlen })
    }

    /// The header's fields, in their order, then the body by them.
    fn header(header: &'a [u8], body: &'a [u8], totlen: u32) -> Result<Result<Self, DecodeError>, Refused> {
        let _ = (header, body, totlen, Reader::new(header));
        panic!("written next")
    }

    /// The address the sender announces; `None` if it announces none (then the socket's is its
    /// address) or the text is no address.
    #[must_use]
    pub fn announced_ip(&self) -> Option<IpAddr> {
        ip_of(self.ip)
    }

    /// Whether the sender announces an address, be it a good one.
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        self.ip[0] != 0
    }

    /// The address the sender announces, as it came.
    #[must_use]
    pub fn announced_text(&self) -> &'a [u8] {
        text_of(self.ip)
    }

    /// Whether the sender holds its clients for a manual failover.
    #[must_use]
    pub const fn paused(&self) -> bool {
        self.mflags[0] & PAUSED != 0
    }

    /// Whether a vote is wanted though the master is up.
    #[must_use]
    pub const fn force_ack(&self) -> bool {
        self.mflags[0] & FORCEACK != 0
    }
}
