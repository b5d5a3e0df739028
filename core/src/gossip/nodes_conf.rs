//! `nodes.conf`: what a node knows of its cluster, as Redis keeps it.
//!
//! A line a node, as `CLUSTER NODES` tells it, and one with variables, where the epochs are:
//!
//! ```text
//! 07c37df… 127.0.0.1:7001@17001,host-b myself,master - 0 1795334984000 2 connected 0-5460 7000
//! 67ed2db… 127.0.0.1:7002@17002 slave 07c37df… 0 1795334985696 2 connected
//! vars currentEpoch 6 lastVoteEpoch 5
//! ```
//!
//! Empty lines count for nothing: Redis pads the file with them while it overwrites it. What a
//! later version adds behind the hostname and among the variables is kept.
//!
//! Stricter than Redis, which never writes a file like these: an id twice, a slot with two
//! owners, a master or a migration's other side that has no line (Redis makes up a node), a
//! slot that leaves or comes twice, a node that is its own master, an address that is a name.

mod read;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::slots::SlotSet;
use super::types::{Epoch, NodeFlags, NodeId};
use crate::text::Problems;

/// A larger file is none of ours, whatever is in it: 16 MiB. (Our limit: Redis has none.) A
/// thousand nodes take 200 KiB, with slots scattered as badly as can be 300.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodesConf {
    /// The nodes in the order of the file; one of them is [`NodeFlags::MYSELF`].
    pub nodes: Vec<Line>,
    /// The cluster's epoch; 0 if the file does not tell. Redis takes the nodes' highest if that
    /// is higher.
    pub current_epoch: Epoch,
    /// The epoch we last voted in; 0 if the file does not tell.
    pub last_vote_epoch: Epoch,
    /// Variables that Redis 7.0 does not know, with their values, in their order.
    pub unknown_vars: Vec<(Box<str>, Box<str>)>,
}

/// One node, as `CLUSTER NODES` tells it too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Line {
    /// Its name.
    pub id: NodeId,
    /// Its address, if known: one's own is not until somebody tells.
    pub ip: Option<IpAddr>,
    /// Where it serves clients.
    pub port: u16,
    /// Where its bus is.
    pub bus_port: u16,
    /// Its hostname, if it announces one: at most 255 of `[A-Za-z0-9.-]`.
    pub hostname: Option<Box<str>>,
    /// What stands behind the hostname in files of later versions: `shard-id=…`.
    pub aux: Vec<Box<str>>,
    /// What it is; only flags with a word in [`NodeFlags::WORDS`] are written.
    pub flags: NodeFlags,
    /// Its master, if it is a replica and has one.
    pub master: Option<NodeId>,
    /// When the ping was sent whose answer is awaited: milliseconds since 1970, 0 if none. From
    /// a file, Redis takes of it only whether there was one.
    pub ping_sent: u64,
    /// When it last sent a pong: milliseconds since 1970, 0 for never. From a file, Redis takes
    /// of it only whether there was one.
    pub pong_received: u64,
    /// The epoch of its claim, of its master's if it is a replica; see
    /// [`own_epoch`](Self::own_epoch).
    pub epoch: Epoch,
    /// Whether there is a link to it. From a file it means nothing.
    pub connected: bool,
    /// The slots it serves; a replica's are its master's, and not told.
    pub slots: SlotSet,
    /// Slots that leave it, and where to, in order, each once. Told of oneself only.
    pub migrating: Vec<(u16, NodeId)>,
    /// Slots that come to it, and where from, in order, each once. Told of oneself only.
    pub importing: Vec<(u16, NodeId)>,
}

impl NodesConf {
    /// Reads the file. A file without a byte is as good as none, which is for the caller to say.
    ///
    /// # Errors
    /// What is wrong with it, one problem a line.
    pub fn parse(file: &[u8]) -> Result<Self, Problems> {
        read::read(file)
    }

    /// The node that is ourselves.
    #[must_use]
    pub fn myself(&self) -> Option<&Line> {
        self.nodes.iter().find(|node| node.flags.contains(NodeFlags::MYSELF))
    }

    /// The file, byte for byte as Redis writes it.
    #[must_use]
    pub fn print(&self) -> String {
        format!("{self}")
    }
}

impl fmt::Display for NodesConf {
    /// As the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, current_epoch, last_vote_epoch, unknown_vars } = self;
        nodes.iter().try_for_each(|node| writeln!(f, "{node}"))?;
        write!(f, "vars currentEpoch {current_epoch} lastVoteEpoch {last_vote_epoch}")?;
        unknown_vars.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))?;
        f.write_str("\n")
    }
}

impl Line {
    /// The epoch of its own claim: a replica has none.
    #[must_use]
    pub const fn own_epoch(&self) -> Epoch {
        if self.flags.contains(NodeFlags::REPLICA) { Epoch(0) } else { self.epoch }
    }
}

/// The node as `CLUSTER NODES` and the file tell it, without the line's end.
#[must_use]
pub fn print_line(line: &Line) -> String {
    format!("{line}")
}

impl fmt::Display for Line {
    /// As [`print_line`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, ip, port, bus_port, hostname, aux, flags, master, .. } = self;
        write!(f, "{id} ")?;
        if let Some(ip) = ip {
            write!(f, "{ip}")?;
        }
        write!(f, ":{port}@{bus_port}")?;
        if hostname.is_some() || !aux.is_empty() {
            write!(f, ",{}", hostname.as_deref().unwrap_or_default())?;
        }
        aux.iter().try_for_each(|aux| write!(f, ",{aux}"))?;
        write!(f, " {flags} ")?;
        match master {
            Some(master) => write!(f, "{master}")?,
            None => f.write_str("-")?,
        }
        let Self { ping_sent, pong_received, epoch, connected, slots, migrating, importing, .. } = self;
        let link = if *connected { "connected" } else { "disconnected" };
        write!(f, " {ping_sent} {pong_received} {epoch} {link}")?;
        if !slots.is_empty() {
            write!(f, " {slots}")?;
        }
        // By slot, whichever way it goes.
        let (mut leaving, mut coming) = (migrating.iter().peekable(), importing.iter().peekable());
        loop {
            let next = match (leaving.peek(), coming.peek()) {
                (Some(one), Some(other)) if other.0 < one.0 => (coming.next(), "<"),
                (Some(_), _) => (leaving.next(), ">"),
                (None, _) => (coming.next(), "<"),
            };
            let (Some((slot, other)), way) = next else { return Ok(()) };
            write!(f, " [{slot}-{way}-{other}]")?;
        }
    }
}

#[cfg(test)]
mod tests;
