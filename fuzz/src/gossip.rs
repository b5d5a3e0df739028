//! Redis' bytes: the bus, requests, replies.

use standin_core::gossip::resp::{Replies, Requests, RespError, Value};
use standin_core::gossip::slots::SlotSet;
use standin_core::gossip::wire::{self, Body, Bus, Packet};

use crate::take::{Take, frames, pieces};

/// A stream of the bus.
pub(crate) fn stream(bytes: &[u8]) {
    for frame in frames::<Bus>(bytes).0 {
        packet(&frame);
    }
    packet(bytes);
}

/// A packet: all that can be asked of it, and itself again from what it says.
pub(crate) fn packet(frame: &[u8]) {
    let kind = Packet::kind_of(frame);
    let packet = match Packet::read(frame) {
        Ok(packet) => packet,
        Err(refused) => {
            let _ = refused.to_string();
            return assert!(refused.kind().is_none() || refused.kind() == kind);
        }
    };
    assert_eq!(packet.kind.ok(), kind);
    let _ = (packet.announced_ip(), packet.is_announced(), packet.announced_text(), format!("{packet:?}"));
    let slots = packet.slots.to_set();
    assert!(slots.same_as(&packet.slots));
    assert_eq!(slots.iter().collect::<Vec<_>>(), packet.slots.iter().collect::<Vec<_>>());
    let Some(header) = packet.header() else { return };
    let mut again = Vec::new();
    wire::begin(&mut again, &header, &slots);
    if !push(&mut again, &packet) {
        return;
    }
    wire::finish(&mut again);
    let back = Packet::read(&again).expect("what was written can be read");
    assert_eq!(back.header(), Some(header));
    assert!(slots.same_as(&back.slots));
    assert_eq!(format!("{:?}", plain(&packet)), format!("{:?}", plain(&back)));
}

/// The body once more; false if it says something that we would not.
fn push(out: &mut Vec<u8>, packet: &Packet<'_>) -> bool {
    match packet.body {
        Body::Gossip { entries, extensions } => {
            assert_eq!(entries.len(), usize::from(packet.count));
            for entry in entries {
                let Some(entry) = entry.written() else { return false };
                wire::push_entries(out, [entry]);
            }
            if let Some(hostname) = extensions.hostname() {
                wire::push_hostname(out, hostname);
            }
        }
        Body::Fail(Some(id)) => wire::push_fail(out, id),
        Body::Publish { channel, message } => wire::push_publish(out, channel, message),
        Body::Update { config_epoch, id: Some(id), slots } => {
            wire::push_update(out, config_epoch, id, &slots.to_set());
        }
        Body::Module { module_id, kind, payload } => wire::push_module(out, module_id, kind, payload),
        Body::AuthRequest | Body::AuthAck | Body::MfStart => {}
        Body::Fail(None) | Body::Update { id: None, .. } | Body::Unknown(_) => return false,
    }
    true
}

/// What a body means to whoever reads it, one word each.
fn plain(packet: &Packet<'_>) -> Vec<String> {
    match packet.body {
        Body::Gossip { entries, extensions } => {
            let mut all: Vec<String> = entries.map(|entry| format!("{entry:?} {:?}", entry.ip())).collect();
            all.push(format!("{:?}", extensions.hostname()));
            all
        }
        Body::Update { config_epoch, id, slots } => {
            let slots: SlotSet = slots.to_set();
            vec![format!("{config_epoch} {id:?} {slots}")]
        }
        Body::Fail(_)
        | Body::Publish { .. }
        | Body::AuthRequest
        | Body::AuthAck
        | Body::MfStart
        | Body::Module { .. }
        | Body::Unknown(_) => vec![format!("{:?}", packet.body)],
    }
}

type Read<T> = (Vec<T>, Option<RespError>);

fn all_requests<'a>(stream: impl Iterator<Item = &'a [u8]>) -> Read<Vec<Vec<u8>>> {
    let (mut requests, mut all) = (Requests::new(), Vec::new());
    for piece in stream {
        requests.feed(piece);
        loop {
            match requests.next() {
                Ok(Some(request)) => {
                    assert!(!request.is_empty(), "a request has a word");
                    all.push(request);
                }
                Ok(None) => break,
                Err(error) => {
                    requests.feed(b"PING\r\n");
                    assert_eq!(requests.next(), Err(error), "an error is final");
                    return (all, Some(error));
                }
            }
        }
    }
    (all, None)
}

/// A client's stream: the same in any cut, and the same as arrays.
pub(crate) fn requests(bytes: &[u8]) {
    let whole = all_requests(std::iter::once(bytes));
    assert_eq!(whole, all_requests(pieces(bytes)), "a stream in pieces is another stream");
    if let Some(error) = whole.1 {
        assert!(error.to_string().starts_with("Protocol error: "));
    }
    let mut again = Vec::new();
    for request in &whole.0 {
        again.extend(format!("*{}\r\n", request.len()).into_bytes());
        for word in request {
            bulk(&mut again, word);
        }
    }
    assert_eq!(all_requests(std::iter::once(&again[..])), (whole.0, None));
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(format!("${}\r\n", bytes.len()).into_bytes());
    out.extend(bytes);
    out.extend(b"\r\n");
}

/// What is to be read next of a master's stream, as its replica reads it.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Value(Value),
    Line(Vec<u8>),
}

fn all_replies<'a>(stream: impl Iterator<Item = &'a [u8]>, lines: u32) -> (Read<Heard>, u64) {
    let (mut replies, mut all) = (Replies::new(), Vec::new());
    for piece in stream {
        replies.feed(piece);
        loop {
            // Which of the first are lines, as what begins a transfer is.
            let next = if lines >> (all.len() % 32) & 1 == 1 {
                replies.next_line().map(|line| line.map(Heard::Line))
            } else {
                replies.next().map(|value| value.map(Heard::Value))
            };
            match next {
                Ok(Some(heard)) => all.push(heard),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(replies.next(), Err(error), "an error is final");
                    return ((all, Some(error)), replies.consumed());
                }
            }
        }
    }
    ((all, None), replies.consumed())
}

/// A server's stream: the same in any cut, and the same when it is written again.
pub(crate) fn replies(bytes: &[u8]) {
    let mut input = Take(bytes);
    let Some(lines) = input.byte().map(u32::from) else { return };
    let bytes = input.0;
    let (whole, consumed) = all_replies(std::iter::once(bytes), lines);
    let (in_pieces, _) = all_replies(pieces(bytes), lines);
    assert_eq!(whole, in_pieces, "a stream in pieces is another stream");
    assert!(consumed <= bytes.len() as u64 || whole.1.is_some(), "more was taken than there was");
    if let Some(error) = whole.1 {
        let _ = error.to_string();
    }
    let values: Vec<Value> = whole
        .0
        .into_iter()
        .filter_map(|heard| if let Heard::Value(value) = heard { Some(value) } else { None })
        .collect();
    let mut again = Vec::new();
    values.iter().for_each(|value| write(&mut again, value));
    let values = values.into_iter().map(Heard::Value).collect();
    assert_eq!(all_replies(std::iter::once(&again[..]), 0).0, (values, None));
}

fn write(out: &mut Vec<u8>, value: &Value) {
    let line = |out: &mut Vec<u8>, mark: u8, text: &[u8]| {
        out.push(mark);
        out.extend(text);
        out.extend(b"\r\n");
    };
    match value {
        Value::Simple(text) => line(out, b'+', text),
        Value::Error(text) => line(out, b'-', text),
        Value::Integer(number) => line(out, b':', number.to_string().as_bytes()),
        Value::Bulk(bytes) => bulk(out, bytes),
        Value::Null => line(out, b'$', b"-1"),
        Value::Array(values) => {
            line(out, b'*', values.len().to_string().as_bytes());
            values.iter().for_each(|value| write(out, value));
        }
    }
}
