//! CTDB's bytes: frames, packets, payloads.

use standin_core::bytes::{Wire, Writer};
use standin_core::ctdb::types::{Generation, Opcode, Pnn, RequestId, SrvId};
use standin_core::ctdb::wire::eventd::{EventPacket, EventReply, EventRequest};
use standin_core::ctdb::wire::{
    Asked, Body, ClientFraming, EventFraming, Header, MessageData, NodeFraming, Pdu, ReplyData, RequestData,
    encode_message, encode_reply, encode_request,
};

use crate::take::{Take, frames};

/// A stream as a node hears it from another, and as it hears it from a client.
pub(crate) fn stream(bytes: &[u8]) {
    let (between_nodes, _) = frames::<NodeFraming>(bytes);
    let (of_a_client, _) = frames::<ClientFraming>(bytes);
    for frame in between_nodes.iter().chain(&of_a_client) {
        packet(frame);
    }
}

/// A packet, and what it carries, there and back.
pub(crate) fn packet(frame: &[u8]) {
    let Ok(pdu) = Pdu::decode(frame) else { return };
    let mut again = Vec::new();
    pdu.encode(&mut again);
    assert!(again.len().is_multiple_of(8), "packets are padded");
    let back = Pdu::decode(&again).expect("what was written can be read");
    match (pdu.body, back.body) {
        // Padding becomes a part of what nobody knows.
        (Body::Other { operation, body }, Body::Other { operation: same, body: padded }) => {
            assert_eq!((pdu.header, operation), (back.header, same));
            assert!(padded.starts_with(body) && padded.len() < body.len() + 8);
        }
        _ => assert_eq!(pdu, back),
    }
    match pdu.body {
        Body::Message(message) => said(message.srvid, message.data),
        Body::ControlRequest(request) => asked(request.opcode, request.data),
        // Which control it answers, the packet does not say.
        Body::ControlReply(reply) => {
            let _ = reply.error_text();
            answered(Opcode::GET_NODEMAP, reply.status, reply.data);
        }
        Body::Keepalive(_) | Body::Tunnel(_) | Body::Other { .. } => {}
    }
}

/// A payload, read as that of a control, of its answer and of a message.
pub(crate) fn payload(bytes: &[u8]) {
    let mut input = Take(bytes);
    let Some(kind) = input.byte() else { return };
    match kind % 3 {
        0 => {
            let Some(opcode) = input.short() else { return };
            asked(Opcode(opcode.into()), input.0);
        }
        1 => {
            let (Some(opcode), Some(status)) = (input.short(), input.byte()) else { return };
            answered(Opcode(opcode.into()), i32::from(status.cast_signed()), input.0);
        }
        _ => {
            let Some(srvid) = input.wide() else { return };
            said(SrvId(srvid), input.0);
        }
    }
}

const HEADER: Header =
    Header { generation: Generation(1), destination: Pnn(0), source: Pnn(1), reqid: RequestId(2) };

fn asked(opcode: Opcode, data: &[u8]) {
    let Ok(read) = RequestData::decode(opcode, data) else { return };
    assert_eq!(read.opcode(), opcode);
    let once = written(|out| read.encode(out));
    let again = RequestData::decode(opcode, &once).expect("what was written can be read");
    assert_eq!(once, written(|out| again.encode(out)));
    let mut packet = Vec::new();
    encode_request(&HEADER, Asked::default(), &read, &mut packet);
    let Pdu { header, body: Body::ControlRequest(request) } = Pdu::decode(&packet).expect("a packet") else {
        panic!("a question is a question")
    };
    assert_eq!((header, request.opcode, request.data), (HEADER, opcode, &once[..]));
}

fn answered(opcode: Opcode, status: i32, data: &[u8]) {
    let Ok(read) = ReplyData::decode(opcode, status, data) else { return };
    let once = written(|out| read.encode(out));
    let again = ReplyData::decode(opcode, status, &once).expect("what was written can be read");
    assert_eq!(once, written(|out| again.encode(out)));
    let mut packet = Vec::new();
    encode_reply(&HEADER, status, &read, "no", &mut packet);
    let Body::ControlReply(reply) = Pdu::decode(&packet).expect("a packet").body else {
        panic!("an answer is an answer")
    };
    assert_eq!((reply.status, reply.data, reply.error_text()), (status, &once[..], Some("no")));
}

fn said(srvid: SrvId, data: &[u8]) {
    let Ok(read) = MessageData::decode(srvid, data) else { return };
    assert_eq!(read.srvid(), srvid);
    if let MessageData::Records { records, .. } | MessageData::VacuumFetch(records) = &read {
        for record in &records.records {
            assert!(record.split_header().map_or(0, |(_, rest)| rest.len()) <= record.data.len());
        }
    }
    let once = written(|out| read.encode(out));
    let again = MessageData::decode(srvid, &once).expect("what was written can be read");
    assert_eq!(once, written(|out| again.encode(out)));
    let mut packet = Vec::new();
    encode_message(&HEADER, &read, &mut packet);
    let Body::Message(message) = Pdu::decode(&packet).expect("a packet").body else {
        panic!("a message is a message")
    };
    assert_eq!((message.srvid, message.data), (srvid, &once[..]));
}

fn written(encode: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut Writer::new(&mut bytes));
    bytes
}

/// A stream to or from the event daemon.
pub(crate) fn eventd(bytes: &[u8]) {
    for frame in frames::<EventFraming>(bytes).0 {
        there_and_back::<EventPacket<EventRequest>>(&frame);
        there_and_back::<EventPacket<EventReply>>(&frame);
    }
}

fn there_and_back<T: Wire + PartialEq + std::fmt::Debug>(frame: &[u8]) {
    if let Ok(read) = T::from_bytes(frame) {
        let once = read.to_bytes();
        assert_eq!(T::from_bytes(&once).as_ref(), Ok(&read));
    }
}
