//! Packets, written in place.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::Kind;
use crate::gossip::slots::SlotSet;
use crate::gossip::types::{Epoch, NodeFlags, NodeId};

/// What a packet's header says, but for the slots and what [`finish`] finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the packet is.
    pub kind: Kind,
    /// Where we serve clients, by TLS if the cluster uses it.
    pub port: u16,
    /// Where we serve clients without TLS if `port` is for TLS; 0 otherwise.
    pub plain_port: u16,
    /// Where our bus is.
    pub bus_port: u16,
    /// The cluster's epoch.
    pub current_epoch: Epoch,
    /// The epoch of our claim, of our master's if we are a replica.
    pub config_epoch: Epoch,
    /// Bytes of the replication stream we have.
    pub offset: u64,
    /// Who we are.
    pub sender: NodeId,
    /// Our master, if we are a replica.
    pub replica_of: Option<NodeId>,
    /// Our address, if it is to be another one than the socket's.
    pub announced_ip: Option<IpAddr>,
    /// What we are.
    pub flags: NodeFlags,
    /// Whether the cluster is well.
    pub state_ok: bool,
    /// The message's flags; EXT_DATA is seen to.
    pub mflags: [u8; 3],
}

/// What a gossip entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Of whom.
    pub id: NodeId,
    /// When we sent the ping we await the answer of: seconds since 1970, 0 if none.
    pub ping_sent: u32,
    /// When we last got a pong: seconds since 1970, 0 for never.
    pub pong_received: u32,
    /// Its address, if known.
    pub ip: Option<IpAddr>,
    /// Where it serves clients, by TLS if the cluster uses it.
    pub port: u16,
    /// Where its bus is.
    pub bus_port: u16,
    /// Where it serves clients without TLS if `port` is for TLS; 0 otherwise.
    pub plain_port: u16,
    /// What we think of it.
    pub flags: NodeFlags,
}

/// Begins a packet: appends its header. `out` holds packets only.
pub fn begin(out: &mut Vec<u8>, header: &Header, slots: &SlotSet) {
    let _ = (out, header, slots);
    panic!("written next")
}

/// Begins a packet with a header made by [`begin`] before.
pub fn begin_from(out: &mut Vec<u8>, template: &[u8]) {
    let _ = (out, template);
    panic!("written next")
}

/// Makes the packet begun another one.
pub fn set_kind(out: &mut [u8], kind: Kind) {
    let _ = (out, kind);
    panic!("written next")
}

/// Gives the packet begun other flags.
pub fn set_mflags(out: &mut [u8], mflags: [u8; 3]) {
    let _ = (out, mflags);
    panic!("written next")
}

/// Appends a gossip entry.
pub fn push_entry(out: &mut Vec<u8>, entry: &NewEntry) {
    let _ = (out, entry);
    panic!("written next")
}

/// Appends our hostname, behind all gossip.
pub fn push_hostname(out: &mut Vec<u8>, hostname: &str) {
    let _ = (out, hostname);
    panic!("written next")
}

/// Appends who has failed.
pub fn push_fail(out: &mut Vec<u8>, id: NodeId) {
    let _ = (out, id);
    panic!("written next")
}

/// Appends what is published.
pub fn push_publish(out: &mut Vec<u8>, channel: &[u8], message: &[u8]) {
    let _ = (out, channel, message);
    panic!("written next")
}

/// Appends whose slots those are.
pub fn push_update(out: &mut Vec<u8>, epoch: Epoch, id: NodeId, slots: &SlotSet) {
    let _ = (out, epoch, id, slots);
    panic!("written next")
}

/// Appends what a module says.
pub fn push_module(out: &mut Vec<u8>, module_id: [u8; 8], kind: u8, payload: &[u8]) {
    let _ = (out, module_id, kind, payload);
    panic!("written next")
}

/// Ends the packet: its length is known now.
pub fn finish(out: &mut Vec<u8>) {
    let _ = out;
    panic!("written next")
}
