//! CTDB packets, bytes ↔ values.
//!
//! A stream falls into frames ([`NodeFraming`], [`ClientFraming`]); a frame is a [`Pdu`], whose
//! payload is lent from the frame; a payload becomes a value by its opcode ([`RequestData`],
//! [`ReplyData`]) or server id ([`MessageData`]). Each step can be stopped at: a payload that is
//! only passed on is never looked into.
//!
//! All numbers are little endian (CTDB sends its host's order), except port and address inside
//! a socket address. The event daemon's protocol ([`eventd`]) is a stranger to the rest.
//! The contract of the codecs is that of [`bytes`](crate::bytes).

mod address;
mod clients;
mod control;
mod database;
pub mod eventd;
mod framing;
mod header;
mod keepalive;
mod list;
mod message;
mod nodemap;
mod numbers;
mod public_ips;
mod recovery;
mod reply;
mod request;
mod status;
mod text;
mod tickle;
mod tunables;
mod tunnel;

pub use self::address::WireAddr;
pub use self::clients::{Echo, Notify, PidSrvId};
pub use self::control::{ControlReply, ControlRequest};
pub use self::database::{DbEntry, DbMap, DbStream, DbTransaction, LtdbHeader, Record, RecordBuffer};
pub use self::framing::{ClientFraming, EventFraming, NodeFraming, PACKET_CEILING};
pub use self::header::{ALIGNMENT, HEADER_SIZE, Header, MAGIC, VERSION};
pub use self::keepalive::Keepalive;
pub use self::message::{Message, MessageData};
pub use self::nodemap::{BanState, NodeEntry, NodeFlagChange, NodeMap, VnnMap};
pub use self::numbers::{
    DebugLevel, Pid, RecordCount, RoleSwitch, Seconds, SeqNum, TunableValue, Waited, WideDbId,
};
pub use self::public_ips::{
    AddrInfo, Interface, InterfaceList, InterfaceName, PUBLIC_IPS_MAX, PublicIp, PublicIpInfo, PublicIpList,
};
pub use self::recovery::{Answer, Disable, Election, SrvIdMessage};
pub use self::reply::ReplyData;
pub use self::request::RequestData;
pub use self::status::{
    ClientPackets, Latency, Locks, NodePackets, Statistics, StatisticsList, TimeVal, Timeouts, Uptime,
};
pub use self::text::Text;
pub use self::tickle::{Connection, TickleList};
pub use self::tunables::{AllTunables, TunableName, TunableNames, TunableSet};
pub use self::tunnel::Tunnel;

use alloc::vec::Vec;

use super::types::{ClientId, ControlFlags, Operation, SrvId};
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// One packet; its payload lies in the frame it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pdu<'a> {
    /// Who says it to whom.
    pub header: Header,
    /// What.
    pub body: Body<'a>,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body<'a> {
    /// A sign of life.
    Keepalive(Keepalive),
    /// A message.
    Message(Message<'a>),
    /// A question.
    ControlRequest(ControlRequest<'a>),
    /// Its answer.
    ControlReply(ControlReply<'a>),
    /// Something between clients.
    Tunnel(Tunnel<'a>),
    /// A call on a record, or nothing anybody knows.
    Other {
        /// Which.
        operation: Operation,
        /// All that follows the header, padding included.
        body: &'a [u8],
    },
}

impl Body<'_> {
    /// Which operation the header names.
    #[must_use]
    #[inline]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Keepalive(_) => Operation::REQ_KEEPALIVE,
            Self::Message(_) => Operation::REQ_MESSAGE,
            Self::ControlRequest(_) => Operation::REQ_CONTROL,
            Self::ControlReply(_) => Operation::REPLY_CONTROL,
            Self::Tunnel(_) => Operation::REQ_TUNNEL,
            Self::Other { operation, .. } => *operation,
        }
    }
}

impl<'a> Pdu<'a> {
    /// Reads one frame. What follows a payload, padding mostly, is ignored.
    ///
    /// # Errors
    /// If this is not a packet of this protocol, or shorter than it says.
    #[inline(always)]
    pub fn decode(frame: &'a [u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(frame);
        let (header, operation) = Header::decode(&mut from, frame.len())?;
        let body = match operation {
            Operation::REQ_KEEPALIVE => Body::Keepalive(Keepalive::decode(&mut from)?),
            Operation::REQ_MESSAGE => Body::Message(Message::decode(&mut from)?),
            Operation::REQ_CONTROL => Body::ControlRequest(ControlRequest::decode(&mut from)?),
            Operation::REPLY_CONTROL => Body::ControlReply(ControlReply::decode(&mut from)?),
            Operation::REQ_TUNNEL => Body::Tunnel(Tunnel::decode(&mut from)?),
            _ => Body::Other { operation, body: from.rest() },
        };
        Ok(Self { header, body })
    }

    /// Appends the packet, padded to a multiple of 8 bytes.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { header, body } = self;
        write(header, body.operation(), out, |out| match body {
            Body::Keepalive(keepalive) => keepalive.encode(out),
            Body::Message(message) => message.encode(out),
            Body::ControlRequest(request) => request.encode(out),
            Body::ControlReply(reply) => reply.encode(out),
            Body::Tunnel(tunnel) => tunnel.encode(out),
            Body::Other { body, .. } => out.bytes(body),
        });
    }
}

/// Appends a message whose payload is written in place.
pub fn encode_message(header: &Header, data: &MessageData, out: &mut Vec<u8>) {
    write(header, Operation::REQ_MESSAGE, out, |out| {
        data.srvid().encode(out);
        out.u32_le(0);
        counted(out.position() - 4, out, |out| data.encode(out));
    });
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Asked {
    /// The server id to register, for the controls that do so; 0 otherwise.
    pub srvid: SrvId,
    /// Which client asks; 0 for none.
    pub client: ClientId,
    /// How.
    pub flags: ControlFlags,
}

/// Appends a question whose payload is written in place.
#[inline]
pub fn encode_request(header: &Header, asked: Asked, data: &RequestData, out: &mut Vec<u8>) {
    let Asked { srvid, client, flags } = asked;
    write(header, Operation::REQ_CONTROL, out, |out| {
        let length = ControlRequest::encode_head((data.opcode(), srvid, client, flags), out);
        counted(length, out, |out| data.encode(out));
    });
}

/// Appends an answer whose payload is written in place; `error` is a text, empty mostly.
#[inline]
pub fn encode_reply(header: &Header, status: i32, data: &ReplyData, error: &str, out: &mut Vec<u8>) {
    write(header, Operation::REPLY_CONTROL, out, |out| {
        // The status, and two lengths.
        out.all_u32_le([status.cast_unsigned(), 0, 0]);
        let lengths = out.position() - 8;
        counted(lengths, out, |out| data.encode(out));
        counted(lengths + 4, out, |out| out.bytes(error.as_bytes()));
    });
}

/// A packet around what `body` writes.
#[inline]
fn write(header: &Header, operation: Operation, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer<'_>)) {
    let mut out = Writer::new(out);
    header.begin(operation, &mut out);
    body(&mut out);
    Header::finish(&mut out);
}

/// What `data` writes, and its length at `place`, where a 0 stands.
#[inline]
fn counted(place: usize, out: &mut Writer<'_>, data: impl FnOnce(&mut Writer<'_>)) {
    let start = out.position();
    data(out);
    let length = out.position() - start;
    if length > 0 {
        out.patch_count_le(place, length);
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::{Generation, Opcode, Pnn, RecoveryMode, RequestId, TunnelId};
    use super::*;
    use crate::bytes::check::{any_bytes, few};
    use proptest::prelude::*;

    const HEADER: Header = Header {
        generation: Generation(0x3c1a_2a1a),
        destination: Pnn(1),
        source: Pnn(2),
        reqid: RequestId(0x7fff_ff38),
    };

    fn bytes_of(pdu: &Pdu<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        pdu.encode(&mut bytes);
        bytes
    }

    #[test]
    fn packets_are_never_shorter_than_ctdbd_makes_them() {
        let keepalive = Body::Keepalive(Keepalive { version: 0x0004_0011, uptime: 5 });
        let message = Body::Message(Message { srvid: SrvId::RECONFIGURE, data: &[] });
        let request = Body::ControlRequest(ControlRequest::new(Opcode::PING, &[]));
        let reply = Body::ControlReply(ControlReply::status(0));
        for (body, length) in [(keepalive, 40), (message, 48), (request, 64), (reply, 48)] {
            let bytes = bytes_of(&Pdu { header: HEADER, body });
            assert_eq!(bytes.len(), length, "{body:?}");
            assert_eq!(Pdu::decode(&bytes), Ok(Pdu { header: HEADER, body }));
        }
    }

    #[test]
    fn a_malformed_packet_is_a_typed_error() {
        let keepalive = Body::Keepalive(Keepalive { version: 1, uptime: 5 });
        let whole = bytes_of(&Pdu { header: HEADER, body: keepalive });
        for (at, field, value) in [(0, "length", 0), (4, "magic", 0x4354_4400), (8, "version", 0)] {
            let mut bytes = whole.clone();
            bytes[at] = 0;
            assert_eq!(Pdu::decode(&bytes), Err(DecodeError::BadValue { field, value }));
        }
        let mut short = whole[..32].to_vec();
        short[0] = 32;
        assert_eq!(Pdu::decode(&short), Err(DecodeError::Short { wanted: 4, left: 0 }));
        let message = Body::Message(Message { srvid: SrvId(1), data: b"1234" });
        let mut bytes = bytes_of(&Pdu { header: HEADER, body: message });
        bytes[40] = 5;
        assert_eq!(Pdu::decode(&bytes), Err(DecodeError::Short { wanted: 5, left: 4 }));
    }

    #[test]
    fn a_payload_written_in_place_is_the_same_packet() {
        let mut in_place = b"before".to_vec();
        let data = RequestData::SetRecMode(RecoveryMode::Active);
        let asked = Asked { client: ClientId(7), ..Asked::default() };
        encode_request(&HEADER, asked, &data, &mut in_place);
        let request =
            ControlRequest { client: ClientId(7), ..ControlRequest::new(Opcode::SET_RECMODE, &[1, 0, 0, 0]) };
        assert_eq!(in_place[6..], bytes_of(&Pdu { header: HEADER, body: Body::ControlRequest(request) }));
        assert_eq!(request.decode_data(), Ok(data));

        let mut in_place = Vec::new();
        let data = ReplyData::TunableValue(TunableValue(5));
        encode_reply(&HEADER, 0, &data, "no", &mut in_place);
        let reply = ControlReply { status: 0, data: &[5, 0, 0, 0], error: b"no" };
        assert_eq!(in_place, bytes_of(&Pdu { header: HEADER, body: Body::ControlReply(reply) }));
        assert_eq!((reply.decode_data(Opcode::GET_TUNABLE), reply.error_text()), (Ok(data), Some("no")));

        let mut in_place = Vec::new();
        encode_message(&HEADER, &MessageData::Leader(Pnn(2)), &mut in_place);
        let message = Message { srvid: SrvId::LEADER, data: &[2, 0, 0, 0] };
        assert_eq!(in_place, bytes_of(&Pdu { header: HEADER, body: Body::Message(message) }));
        assert_eq!(message.decode_data(), Ok(MessageData::Leader(Pnn(2))));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn packets_round_trip(
            words: [u32; 4], opcode: u32, srvid: u64, status: i32,
            data in any_bytes(), error in any_bytes(), unknown in 11u32..,
        ) {
            let [generation, destination, source, reqid] = words;
            let header = Header {
                generation: Generation(generation),
                destination: Pnn(destination),
                source: Pnn(source),
                reqid: RequestId(reqid),
            };
            let request = ControlRequest {
                opcode: Opcode(opcode), srvid: SrvId(srvid), client: ClientId(reqid),
                flags: ControlFlags::from_bits_retain(generation), data: &data,
            };
            let aligned = &data[..data.len() / ALIGNMENT * ALIGNMENT];
            for body in [
                Body::Keepalive(Keepalive { version: opcode, uptime: reqid }),
                Body::Message(Message { srvid: SrvId(srvid), data: &data }),
                Body::ControlRequest(request),
                Body::ControlReply(ControlReply { status, data: &data, error: &error }),
                Body::Tunnel(Tunnel { id: TunnelId(srvid), flags: opcode, data: &data }),
                Body::Other { operation: Operation(unknown), body: aligned },
            ] {
                let pdu = Pdu { header, body };
                let bytes = bytes_of(&pdu);
                prop_assert!(bytes.len().is_multiple_of(ALIGNMENT));
                prop_assert_eq!(Pdu::decode(&bytes), Ok(pdu));
            }
        }

        #[test]
        fn any_bytes_are_a_packet_or_an_error(mut bytes in any_bytes(), operation in 0u8..12) {
            let _ = Pdu::decode(&bytes);
            let length = bytes.len() as u32;
            if let Some(head) = bytes.first_chunk_mut::<20>() {
                head[..4].copy_from_slice(&length.to_le_bytes());
                head[4..8].copy_from_slice(&MAGIC.to_le_bytes());
                head[8..12].copy_from_slice(&VERSION.to_le_bytes());
                head[16..].copy_from_slice(&[operation, 0, 0, 0]);
            }
            if let Ok(pdu) = Pdu::decode(&bytes) {
                let again = bytes_of(&pdu);
                if !matches!(pdu.body, Body::Other { .. }) {
                    prop_assert_eq!(Pdu::decode(&again), Ok(pdu));
                }
            }
        }
    }
}
