//! Packets, written in place.

use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr};

use super::body::{EXTENSION_HEAD, HOSTNAME};
use super::{ENTRY, EXT_DATA, HEADER, HOSTNAME_MAX, IP, Kind, VERSION, place};
use crate::bytes::Writer;
use crate::gossip::slots::{BITMAP, SlotSet};
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

/// Begins a packet: appends its header, which says neither length nor gossip yet. What belongs
/// behind it is pushed, in order, then [`finish`] ends the packet.
///
/// `out` is empty or holds whole packets, nothing else: that is how the pushes find this one's
/// beginning.
pub fn begin(out: &mut Vec<u8>, header: &Header, slots: &SlotSet) {
    let Header {
        kind,
        port,
        plain_port,
        bus_port,
        current_epoch,
        config_epoch,
        offset,
        sender,
        replica_of,
        announced_ip,
        flags,
        state_ok,
        mflags,
    } = *header;
    let start = out.len();
    let mut to = Writer::new(out);
    to.bytes(b"RCmb");
    to.u32_be(0);
    to.u16_be(VERSION);
    to.u16_be(port);
    to.u16_be(kind.to_wire());
    to.u16_be(0);
    to.u64_be(current_epoch.0);
    to.u64_be(config_epoch.0);
    to.u64_be(offset);
    to.bytes(sender.bytes());
    to.zeros(BITMAP);
    to.bytes(&replica_of.map_or([0; NodeId::LENGTH], |id| *id.bytes()));
    to.bytes(&ip_field(announced_ip));
    // No extensions yet, and what is reserved.
    to.zeros(place::PLAIN_PORT - place::EXTENSIONS);
    to.u16_be(plain_port);
    to.u16_be(bus_port);
    to.u16_be(flags.bits());
    to.u8(u8::from(!state_ok));
    to.bytes(&[mflags[0] & !EXT_DATA, mflags[1], mflags[2]]);
    assert_eq!(to.position(), HEADER, "the header's layout");
    slots.write_bitmap(&mut out[start + place::SLOTS..][..BITMAP]);
}

/// Begins a packet with a header that [`begin`] made, be its packet finished or not: what was
/// pushed behind it then is forgotten.
///
/// # Panics
/// If `template` is shorter than [`HEADER`].
pub fn begin_from(out: &mut Vec<u8>, template: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&template[..HEADER]);
    let header = &mut out[start..];
    put(header, place::TOTLEN, [0; 4]);
    put(header, place::COUNT, [0; 2]);
    put(header, place::EXTENSIONS, [0; 2]);
    header[place::MFLAGS] &= !EXT_DATA;
}

/// Makes the packet begun one of another kind, which nothing that was pushed may belie.
pub fn set_kind(out: &mut [u8], kind: Kind) {
    put(begun(out), place::KIND, kind.to_wire().to_be_bytes());
}

/// Gives the packet begun other flags; [`EXT_DATA`] stays as it is.
pub fn set_mflags(out: &mut [u8], mflags: [u8; 3]) {
    let packet = begun(out);
    let first = (mflags[0] & !EXT_DATA) | (packet[place::MFLAGS] & EXT_DATA);
    put(packet, place::MFLAGS, [first, mflags[1], mflags[2]]);
}

/// Appends gossip entries and counts them.
///
/// # Panics
/// If they are more than 65535 with those that are there already, or if no packet was begun.
pub fn push_entries(
    out: &mut Vec<u8>,
    entries: impl IntoIterator<Item = NewEntry, IntoIter: ExactSizeIterator>,
) {
    let entries = entries.into_iter();
    let (start, count) = (out.len(), entries.len());
    // In place: what is put together of small parts and copied at once makes the copy wait.
    out.resize(start + count * ENTRY, 0);
    let (places, _) = out[start..].as_chunks_mut::<ENTRY>();
    for (bytes, entry) in places.iter_mut().zip(entries) {
        let NewEntry { id, ping_sent, pong_received, ip, port, bus_port, plain_port, flags } = entry;
        put(bytes, 0, *id.bytes());
        put(bytes, 40, ping_sent.to_be_bytes());
        put(bytes, 44, pong_received.to_be_bytes());
        if let Some(field) = bytes[48..].first_chunk_mut() {
            write_ip(field, ip);
        }
        put(bytes, 94, port.to_be_bytes());
        put(bytes, 96, bus_port.to_be_bytes());
        put(bytes, 98, flags.bits().to_be_bytes());
        put(bytes, 100, plain_port.to_be_bytes());
    }
    count_more(begun(out), place::COUNT, count);
}

/// Appends our hostname as an extension, behind all gossip, and counts it.
///
/// # Panics
/// If the name is empty or longer than [`HOSTNAME_MAX`], or has a NUL inside.
pub fn push_hostname(out: &mut Vec<u8>, hostname: &str) {
    let length = hostname.len();
    assert!((1..=HOSTNAME_MAX).contains(&length), "a hostname of {length} bytes");
    assert!(!hostname.contains('\0'), "no text: {hostname:?}");
    let packet = begun(out);
    count_more(packet, place::EXTENSIONS, 1);
    packet[place::MFLAGS] |= EXT_DATA;
    let padded = (length + 1).next_multiple_of(8);
    let mut to = Writer::new(out);
    to.count_be(EXTENSION_HEAD + padded);
    to.u16_be(HOSTNAME);
    to.u16_be(0);
    to.bytes(hostname.as_bytes());
    to.zeros(padded - length);
}

/// Appends who has failed.
pub fn push_fail(out: &mut Vec<u8>, id: NodeId) {
    out.extend_from_slice(id.bytes());
}

/// Appends what is published.
pub fn push_publish(out: &mut Vec<u8>, channel: &[u8], message: &[u8]) {
    let mut to = Writer::new(out);
    to.count_be(channel.len());
    to.count_be(message.len());
    to.bytes(channel);
    to.bytes(message);
}

/// Appends whose slots those are.
pub fn push_update(out: &mut Vec<u8>, epoch: Epoch, id: NodeId, slots: &SlotSet) {
    let mut to = Writer::new(out);
    to.u64_be(epoch.0);
    to.bytes(id.bytes());
    to.zeros(BITMAP);
    let bitmap = out.len() - BITMAP;
    slots.write_bitmap(&mut out[bitmap..]);
}

/// Appends what a module says.
pub fn push_module(out: &mut Vec<u8>, module_id: [u8; 8], kind: u8, payload: &[u8]) {
    let mut to = Writer::new(out);
    to.bytes(&module_id);
    to.count_be(payload.len());
    to.u8(kind);
    to.bytes(payload);
}

/// Ends the packet: writes its length.
///
/// # Panics
/// If no packet was begun.
pub fn finish(out: &mut [u8]) {
    let packet = begun(out);
    let length = u32::try_from(packet.len()).expect("nothing we build is that long");
    put(packet, place::TOTLEN, length.to_be_bytes());
}

/// The packet that has no length yet, behind those that have.
fn begun(out: &mut [u8]) -> &mut [u8] {
    let mut start = 0;
    loop {
        let length = out.get(start + place::TOTLEN..).and_then(<[u8]>::first_chunk);
        match length.copied().map(u32::from_be_bytes).expect("a packet that was begun") {
            0 => return &mut out[start..],
            length => start += length as usize,
        }
    }
}

fn count_more(packet: &mut [u8], place: usize, more: usize) {
    let count = packet[place..].first_chunk().copied().map_or(0, u16::from_be_bytes);
    let count = u16::try_from(usize::from(count) + more).expect("a count of 16 bits");
    put(packet, place, count.to_be_bytes());
}

#[inline]
fn put<const N: usize>(packet: &mut [u8], place: usize, bytes: [u8; N]) {
    packet[place..place + N].copy_from_slice(&bytes);
}

/// Each octet as text, and its length.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut all = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < all.len() {
        let digits = [b'0' + (octet / 100) as u8, b'0' + (octet / 10 % 10) as u8, b'0' + (octet % 10) as u8];
        all[octet] = match octet {
            0..10 => ([digits[2], b'.', 0, 0], 1),
            10..100 => ([digits[1], digits[2], b'.', 0], 2),
            _ => ([digits[0], digits[1], digits[2], b'.'], 3),
        };
        octet += 1;
    }
    all
};

/// An IPv4 address as text: a hundred of them in a packet of a large cluster.
#[inline]
fn dotted(field: &mut [u8; IP], ip: Ipv4Addr) {
    let mut at = 0;
    for octet in ip.octets() {
        let (text, length) = OCTETS[usize::from(octet)];
        put(field, at, text);
        at += usize::from(length) + 1;
    }
    // A dot too many.
    field[at - 1] = 0;
}

/// An address as text, padded; all zero for none.
fn ip_field(ip: Option<IpAddr>) -> [u8; IP] {
    let mut field = [0; IP];
    write_ip(&mut field, ip);
    field
}

/// Writes an address as text over zeros; nothing for none.
#[inline]
fn write_ip(field: &mut [u8; IP], ip: Option<IpAddr>) {
    match ip {
        None => {}
        Some(IpAddr::V4(ip)) => dotted(field, ip),
        Some(IpAddr::V6(ip)) => {
            let mut text = Field(field, 0);
            write!(text, "{ip}").expect("no address is that long");
        }
    }
}

struct Field<'a>(&'a mut [u8; IP], usize);

impl core::fmt::Write for Field<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.1 + text.len();
        self.0.get_mut(self.1..end).ok_or(core::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.1 = end;
        Ok(())
    }
}
