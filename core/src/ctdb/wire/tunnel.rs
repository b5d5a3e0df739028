//! Packets between clients that talk through their daemons. Payloads are lent, not looked into.

use super::super::types::TunnelId;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A packet of a tunnel: from a client of one node to whichever client of another has registered
/// the tunnel there. The header's request id and source belong to the clients; a daemon keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel<'a> {
    /// Which tunnel.
    pub id: TunnelId,
    /// The clients' own: question or answer, and whether an answer is wanted.
    pub flags: u32,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> Tunnel<'a> {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let Self { id, flags, data } = self;
        id.encode(out);
        out.u32_le(*flags);
        out.count_le(data.len());
        out.bytes(data);
    }

    pub(super) fn decode(from: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let id = Wire::decode(from)?;
        let flags = from.u32_le()?;
        let length = from.u32_le()?;
        Ok(Self { id, flags, data: from.bytes(from.room_for(length, 1)?)? })
    }
}
