//! A packet as it lies in its frame.

use core::fmt;
use core::net::IpAddr;

use super::body::{Body, EXTENSION_HEAD, Entries, Extensions, ip_of, text_of};
use super::{ENTRY, EXT_DATA, FORCEACK, HEADER, Header, IP, Kind, PAUSED, VERSION, at, place};
use crate::bytes::{DecodeError, Reader};
use crate::gossip::slots::{BITMAP, Bitmap};
use crate::gossip::types::{Epoch, NodeFlags, NodeId};

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
        Kind::from_wire(u16::from_be_bytes(*frame.get(place::KIND..)?.first_chunk()?))
    }

    /// Reads one frame: the checks Redis makes, in its order.
    ///
    /// # Errors
    /// If Redis would drop it.
    pub fn read(frame: &'a [u8]) -> Result<Self, Refused> {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let totlen =
            frame.get(place::TOTLEN..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes);
        let version = frame.get(place::VERSION..).and_then(<[u8]>::first_chunk).copied();
        if totlen.is_some_and(|totlen| totlen < SENSIBLE)
            || version.is_some_and(|bytes| bytes != VERSION_BYTES)
        {
            return Err(Refused::Silent);
        }
        let totlen = totlen.unwrap_or(0);
        match frame.split_first_chunk() {
            Some((header, body)) if totlen == length => Self::of(header, body, totlen),
            _ => Err(Refused::Cut { length, totlen }),
        }
    }

    /// The header's fields, and the body by them.
    #[inline]
    fn of(header: &'a [u8; HEADER], body: &'a [u8], totlen: u32) -> Result<Self, Refused> {
        let kind = number::<{ place::KIND }>(header);
        let kind = Kind::from_wire(kind).ok_or(kind);
        let count = number::<{ place::COUNT }>(header);
        let extensions = number::<{ place::EXTENSIONS }>(header);
        let mflags = *at::<{ place::MFLAGS }, 3, HEADER>(header);
        let body = match kind {
            Ok(kind) => {
                let told = if mflags[0] & EXT_DATA == 0 { 0 } else { extensions };
                Check { kind, totlen }.body(body, count, told)?
            }
            Err(unknown) => Body::Unknown(unknown),
        };
        let sender_raw = at::<{ place::SENDER }, 40, HEADER>(header);
        let replica_of = at::<{ place::REPLICA_OF }, 40, HEADER>(header);
        Ok(Self {
            kind,
            port: number::<{ place::PORT }>(header),
            plain_port: number::<{ place::PLAIN_PORT }>(header),
            bus_port: number::<{ place::BUS_PORT }>(header),
            current_epoch: Epoch(wide::<{ place::CURRENT_EPOCH }>(header)),
            config_epoch: Epoch(wide::<{ place::CONFIG_EPOCH }>(header)),
            offset: wide::<{ place::OFFSET }>(header),
            sender: NodeId::new(sender_raw),
            sender_raw,
            slots: Bitmap(at::<{ place::SLOTS }, BITMAP, HEADER>(header)),
            replica_of: NodeId::new(replica_of),
            replica_of_set: *replica_of != [0; 40],
            flags: NodeFlags::from_bits_retain(number::<{ place::FLAGS }>(header)),
            state_ok: header[place::STATE] == 0,
            mflags,
            count,
            extensions,
            body,
            ip: at::<{ place::IP }, IP, HEADER>(header),
        })
    }

    /// The header as it would be written; none if its type or its sender is no known one.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        let [first, second, third] = self.mflags;
        Some(Header {
            kind: self.kind.ok()?,
            port: self.port,
            plain_port: self.plain_port,
            bus_port: self.bus_port,
            current_epoch: self.current_epoch,
            config_epoch: self.config_epoch,
            offset: self.offset,
            sender: self.sender?,
            replica_of: self.replica_of,
            announced_ip: self.announced_ip(),
            flags: self.flags,
            state_ok: self.state_ok,
            mflags: [first & !EXT_DATA, second, third],
        })
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

/// A shorter packet tells nothing.
const SENSIBLE: u32 = 16;

const VERSION_BYTES: [u8; 2] = VERSION.to_be_bytes();

#[inline(always)]
fn number<const AT: usize>(header: &[u8; HEADER]) -> u16 {
    u16::from_be_bytes(*at::<AT, 2, HEADER>(header))
}

#[inline(always)]
fn wide<const AT: usize>(header: &[u8; HEADER]) -> u64 {
    u64::from_be_bytes(*at::<AT, 8, HEADER>(header))
}

/// Holds a packet's length against its contents.
struct Check {
    kind: Kind,
    totlen: u32,
}

impl Check {
    /// What follows the header, if it is as long as it says.
    fn body<'a>(&self, body: &'a [u8], count: u16, extensions: u16) -> Result<Body<'a>, Refused> {
        let mut from = Reader::new(body);
        let read = match self.kind {
            Kind::Ping | Kind::Pong | Kind::Meet => {
                let Ok(entries) = from.bytes(usize::from(count) * ENTRY) else {
                    return Err(Refused::GossipBeyondEnd { kind: self.kind, count, totlen: self.totlen });
                };
                let extensions = self.extensions(&mut from, extensions)?;
                Ok(Body::Gossip { entries: Entries::new(entries), extensions })
            }
            Kind::Fail => from.array::<40>().map(|id| Body::Fail(NodeId::new(id))),
            Kind::Publish | Kind::PublishShard => publish(&mut from),
            Kind::AuthRequest => Ok(Body::AuthRequest),
            Kind::AuthAck => Ok(Body::AuthAck),
            Kind::Update => update(&mut from),
            Kind::MfStart => Ok(Body::MfStart),
            Kind::Module => module(&mut from),
        };
        match read {
            Ok(read) if from.is_empty() => Ok(read),
            _ => Err(Refused::Length {
                kind: self.kind,
                computed: self.computed(body, &from),
                totlen: self.totlen,
            }),
        }
    }

    /// The extensions, each of them as long as it says.
    fn extensions<'a>(&self, from: &mut Reader<'a>, told: u16) -> Result<Extensions<'a>, Refused> {
        let mut ahead = *from;
        for _ in 0..told {
            let left = ahead.remaining();
            let length = ahead.clone().u32_be().unwrap_or(0);
            // Redis takes a length of 0, and reads the next extension in the same place.
            let fits = length.is_multiple_of(8) && length as usize >= EXTENSION_HEAD;
            if !fits || ahead.skip(length as usize).is_err() {
                return Err(Refused::BadExtension { kind: self.kind, length, left: left as u32 });
            }
        }
        let all = from.rest();
        *from = ahead;
        Ok(Extensions::new(&all[..all.len() - ahead.remaining()]))
    }

    /// The length that follows from what is there.
    fn computed(&self, body: &[u8], behind: &Reader<'_>) -> u64 {
        let mut from = Reader::new(body);
        let length = |from: &mut Reader<'_>| u64::from(from.u32_be().unwrap_or(0));
        let body = match self.kind {
            Kind::Ping | Kind::Pong | Kind::Meet => (body.len() - behind.remaining()) as u64,
            Kind::Fail => 40,
            Kind::Publish | Kind::PublishShard => 8 + length(&mut from) + length(&mut from),
            Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => 0,
            Kind::Update => (8 + 40 + BITMAP) as u64,
            Kind::Module => {
                let _ = from.skip(8);
                13 + length(&mut from)
            }
        };
        HEADER as u64 + body
    }
}

fn publish<'a>(from: &mut Reader<'a>) -> Result<Body<'a>, DecodeError> {
    let channel = from.u32_be()? as usize;
    let message = from.u32_be()? as usize;
    Ok(Body::Publish { channel: from.bytes(channel)?, message: from.bytes(message)? })
}

fn update<'a>(from: &mut Reader<'a>) -> Result<Body<'a>, DecodeError> {
    let config_epoch = Epoch(from.u64_be()?);
    let id = NodeId::new(from.array::<40>()?);
    Ok(Body::Update { config_epoch, id, slots: Bitmap(from.array()?) })
}

fn module<'a>(from: &mut Reader<'a>) -> Result<Body<'a>, DecodeError> {
    let module_id = *from.array()?;
    let length = from.u32_be()? as usize;
    let kind = from.u8()?;
    Ok(Body::Module { module_id, kind, payload: from.bytes(length)? })
}
