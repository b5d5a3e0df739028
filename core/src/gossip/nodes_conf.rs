//! `nodes.conf`: what a node knows of its cluster, as Redis keeps it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::slots::SlotSet;
use super::types::{Epoch, NodeFlags, NodeId};
use crate::text::Problems;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodesConf {
    /// The nodes in the order of the file; one is ourselves.
    pub nodes: Vec<Line>,
    /// The cluster's epoch.
    pub current_epoch: Epoch,
    /// The epoch we last voted in.
    pub last_vote_epoch: Epoch,
    /// Variables that only others know, with their values, kept in their order.
    pub unknown_vars: Vec<(Box<str>, Box<str>)>,
}

/// One node, as `CLUSTER NODES` tells it too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Line {
    /// Its name.
    pub id: NodeId,
    /// Its address, if known.
    pub ip: Option<IpAddr>,
    /// Where it serves clients.
    pub port: u16,
    /// Where its bus is.
    pub bus_port: u16,
    /// Its hostname, if it announces one.
    pub hostname: Option<Box<str>>,
    /// What stands behind the hostname, as later versions write it: `shard-id=…`.
    pub aux: Vec<Box<str>>,
    /// What it is; only those with a word in [`NodeFlags::WORDS`] are kept.
    pub flags: NodeFlags,
    /// Its master, if it is a replica.
    pub master: Option<NodeId>,
    /// When the ping was sent whose answer is awaited: milliseconds since 1970, 0 if none.
    pub ping_sent: u64,
    /// When it last sent a pong: milliseconds since 1970, 0 for never.
    pub pong_received: u64,
    /// The epoch of its claim; of its master's if it is a replica.
    pub epoch: Epoch,
    /// Whether there was a link to it.
    pub connected: bool,
    /// The slots it serves; a replica has none.
    pub slots: SlotSet,
    /// Slots that leave it, and where to, in order. Redis tells its own only.
    pub migrating: Vec<(u16, NodeId)>,
    /// Slots that come to it, and where from, in order. Redis tells its own only.
    pub importing: Vec<(u16, NodeId)>,
}

impl NodesConf {
    /// Reads the file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &[u8]) -> Result<Self, Problems> {
        let _ = file;
        panic!("written next")
    }

    /// The file, byte for byte as Redis writes it.
    #[must_use]
    pub fn print(&self) -> String {
        panic!("written next")
    }
}

/// The node as `CLUSTER NODES` tells it, without the line's end.
#[must_use]
pub fn print_line(line: &Line) -> String {
    let _ = line;
    panic!("written next")
}

impl fmt::Display for Line {
    /// As [`print_line`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_line(self))
    }
}
