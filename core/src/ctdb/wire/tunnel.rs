//! Packets between clients that talk through their daemons. Payloads are lent, not looked into.

use super::super::types::TunnelId;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A packet of a tunnel: from a client of one node to whichever client of another has registered
/// the tunnel there. The header's source is the node it is from, its request id always 0: the clients
/// have their own in the payload.
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

#[cfg(test)]
mod tests {
    use super::super::super::types::{Generation, Pnn, RequestId};
    use super::super::{Body, Header, Pdu};
    use super::*;

    /// As a ctdbd 4.17.12 handed it to a client.
    #[test]
    fn a_packet_is_what_ctdbd_makes_of_it() {
        let mut recorded = [0; 56];
        let words = [56, 0x4354_4442, 1, 1, 10, 0, 1, 0, 7, 0xae00_0000, 1, 6_u32];
        for (place, word) in recorded.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        recorded[48..54].copy_from_slice(b"hello?");
        let (generation, destination, source) = (Generation(1), Pnn(0), Pnn(1));
        let header = Header { generation, destination, source, reqid: RequestId(0) };
        let tunnel = Tunnel { id: TunnelId(0xae00_0000_0000_0007), flags: 1, data: b"hello?" };
        let pdu = Pdu { header, body: Body::Tunnel(tunnel) };
        assert_eq!(Pdu::decode(&recorded), Ok(pdu));
        let mut bytes = alloc::vec::Vec::new();
        pdu.encode(&mut bytes);
        assert_eq!(bytes, recorded);
    }
}
