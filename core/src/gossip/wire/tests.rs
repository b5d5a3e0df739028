//! Packets there and back; what is refused, and as what.

mod any;

use super::*;
use crate::bytes::FrameBuffer;
use crate::gossip::slots::SlotSet;
use crate::gossip::types::{Epoch, NodeFlags, NodeId};
use alloc::vec::Vec;

fn id(letter: u8) -> NodeId {
    NodeId::new(&[letter; 40]).unwrap()
}

fn header(kind: Kind) -> Header {
    Header {
        kind,
        port: 7000,
        plain_port: 0,
        bus_port: 17000,
        current_epoch: Epoch(9),
        config_epoch: Epoch(7),
        offset: 1 << 40,
        sender: id(b'a'),
        replica_of: None,
        announced_ip: None,
        flags: NodeFlags::MASTER | NodeFlags::MYSELF,
        state_ok: true,
        mflags: [0; 3],
    }
}

fn entry(letter: u8) -> NewEntry {
    NewEntry {
        id: id(letter),
        ping_sent: 0,
        pong_received: 1_795_293_124,
        ip: Some("10.0.0.9".parse().unwrap()),
        port: 7001,
        bus_port: 17001,
        plain_port: 0,
        flags: NodeFlags::REPLICA,
    }
}

/// A packet with what `push` puts behind its header.
fn packet(kind: Kind, push: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    begin(&mut out, &header(kind), &SlotSet::from_iter([0, 1, 2, 9]));
    push(&mut out);
    finish(&mut out);
    out
}

fn gossip(entries: usize, hostname: &str) -> Vec<u8> {
    packet(Kind::Ping, |out| {
        push_entries(out, core::iter::repeat_n(entry(b'b'), entries));
        push_hostname(out, hostname);
    })
}

/// The same packet with other bytes somewhere.
fn with<const N: usize>(mut packet: Vec<u8>, place: usize, bytes: [u8; N]) -> Vec<u8> {
    packet[place..place + N].copy_from_slice(&bytes);
    packet
}

/// The packet cut or grown to `length`, its own length telling so.
fn resized(mut packet: Vec<u8>, length: usize) -> Vec<u8> {
    packet.resize(length, 0);
    with(packet, place::TOTLEN, (length as u32).to_be_bytes())
}

fn refused(frame: &[u8]) -> Refused {
    Packet::read(frame).unwrap_err()
}

/// One of each kind.
fn each() -> [Vec<u8>; 11] {
    let slots = SlotSet::from_iter([3]);
    Kind::ALL.map(|kind| {
        packet(kind, |out| match kind {
            Kind::Ping | Kind::Pong | Kind::Meet => {
                push_entries(out, [entry(b'b'), NewEntry { ip: None, ..entry(b'c') }]);
                push_hostname(out, "host-b.example.org");
            }
            Kind::Fail => push_fail(out, id(b'd')),
            Kind::Publish | Kind::PublishShard => push_publish(out, b"news", b"hello bus"),
            Kind::Update => push_update(out, Epoch(5), id(b'e'), &slots),
            Kind::Module => push_module(out, *b"timeouts", 1, b"Hey"),
            Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => {}
        })
    })
}

#[test]
fn each_kind_has_the_length_redis_gives_it() {
    let lengths = each().map(|packet| packet.len());
    assert_eq!(lengths, [2496, 2496, 2496, 2296, 2277, 2256, 2256, 4352, 2256, 2272, 2277]);
}

#[test]
fn bodies_read_as_written() {
    for frame in each() {
        let packet = Packet::read(&frame).unwrap();
        assert_eq!(packet.kind.ok(), Packet::kind_of(&frame));
        match packet.body {
            Body::Gossip { entries, extensions } => {
                assert!(packet.kind.unwrap().gossips());
                assert_eq!((packet.count, packet.extensions, packet.mflags), (2, 1, [EXT_DATA, 0, 0]));
                assert_eq!((entries.len(), extensions.count(), extensions.unknown()), (2, 1, 0));
                assert_eq!(extensions.hostname(), Some("host-b.example.org"));
                let ids: Vec<_> = entries.map(|entry| (entry.id(), entry.ip())).collect();
                let address = "10.0.0.9".parse().unwrap();
                assert_eq!(ids, [(Some(id(b'b')), Some(address)), (Some(id(b'c')), None)]);
                assert!(!entries.is_empty() && entries.iter().all(|entry| entry.bus_port() == 17001));
            }
            Body::Fail(failed) => assert_eq!(failed, Some(id(b'd'))),
            Body::Publish { channel, message } => {
                assert_eq!((channel, message), (&b"news"[..], &b"hello bus"[..]));
            }
            Body::Update { config_epoch, id: owner, slots } => {
                assert_eq!((config_epoch, owner), (Epoch(5), Some(id(b'e'))));
                assert!(slots.iter().eq([3]));
            }
            Body::Module { module_id, kind, payload } => {
                assert_eq!((&module_id, kind, payload), (b"timeouts", 1, &b"Hey"[..]));
            }
            Body::AuthRequest | Body::AuthAck | Body::MfStart => assert_eq!(frame.len(), HEADER),
            Body::Unknown(_) => panic!("{:?}", packet.kind),
        }
    }
}

#[test]
fn packets_stand_behind_each_other_and_headers_are_used_again() {
    let mut out = Vec::new();
    begin(&mut out, &header(Kind::Ping), &SlotSet::new());
    let template = out.clone();
    push_entries(&mut out, [entry(b'b')]);
    push_hostname(&mut out, "a");
    finish(&mut out);
    let first = out.len();
    begin_from(&mut out, &template);
    set_kind(&mut out, Kind::Pong);
    set_mflags(&mut out, [PAUSED | EXT_DATA, 0, 0]);
    push_entries(&mut out, [entry(b'c')]);
    finish(&mut out);
    let mut again = Vec::new();
    begin_from(&mut again, &out[..first]);
    assert_eq!(again, template);

    let mut buffer = FrameBuffer::<Bus>::new();
    let mut input = &out[..];
    let frame = buffer.next_frame(&mut input).unwrap().unwrap();
    let ping = Packet::read(&frame).unwrap();
    assert_eq!((ping.kind, ping.count, ping.extensions), (Ok(Kind::Ping), 1, 1));
    let frame = buffer.next_frame(&mut input).unwrap().unwrap();
    let pong = Packet::read(&frame).unwrap();
    assert_eq!((pong.kind, pong.count, pong.extensions), (Ok(Kind::Pong), 1, 0));
    assert!(pong.paused() && !pong.force_ack() && pong.mflags[0] == PAUSED);
    assert_eq!(buffer.next_frame(&mut input), Ok(None));
}

#[test]
fn another_version_is_dropped_in_silence() {
    let frame = packet(Kind::Ping, |_| {});
    assert_eq!(refused(&with(frame.clone(), place::VERSION, [0, 2])), Refused::Silent);
    assert_eq!(refused(&with(frame.clone(), place::VERSION, [0, 0])), Refused::Silent);
    for totlen in 0..16_u8 {
        assert_eq!(refused(&with(frame.clone(), place::TOTLEN, [0, 0, 0, totlen])), Refused::Silent);
    }
    // Before the length is held against the contents.
    let both = with(with(frame, place::VERSION, [1, 1]), place::COUNT, [9, 9]);
    assert_eq!(refused(&both), Refused::Silent);
}

#[test]
fn a_frame_is_as_long_as_its_packet() {
    let frame = packet(Kind::Ping, |_| {});
    for length in 0..frame.len() {
        let cut = match length {
            0..8 => Refused::Cut { length: length as u32, totlen: 0 },
            _ => Refused::Cut { length: length as u32, totlen: 2256 },
        };
        assert_eq!(refused(&frame[..length]), cut);
    }
    let length = Refused::Cut { length: 2255, totlen: 2255 };
    assert_eq!(refused(&resized(frame, 2255)), length);
}

#[test]
fn a_length_that_does_not_follow_from_the_contents_is_refused() {
    for (frame, kind) in each().into_iter().zip(Kind::ALL) {
        let right = frame.len();
        let more = Refused::Length { kind, computed: right as u64, totlen: right as u32 + 1 };
        assert_eq!(refused(&resized(frame.clone(), right + 1)), more);
        if right > HEADER {
            let totlen = right as u32 - 1;
            let less = match kind {
                Kind::Ping | Kind::Pong | Kind::Meet => Refused::BadExtension { kind, length: 32, left: 31 },
                Kind::Fail
                | Kind::Publish
                | Kind::AuthRequest
                | Kind::AuthAck
                | Kind::Update
                | Kind::MfStart
                | Kind::Module
                | Kind::PublishShard => Refused::Length { kind, computed: right as u64, totlen },
            };
            assert_eq!(refused(&resized(frame, right - 1)), less);
        }
    }
}

#[test]
fn lengths_inside_a_body_are_not_added_up_in_32_bits() {
    let publish = packet(Kind::Publish, |out| push_publish(out, b"news", b"hello"));
    // With Redis' 32 bits the two would come to 9.
    let frame = with(publish, HEADER, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 10]);
    let computed = 2264 + 0xffff_ffff + 10;
    assert_eq!(refused(&frame), Refused::Length { kind: Kind::Publish, computed, totlen: 2273 });
    let module = packet(Kind::Module, |out| push_module(out, [0; 8], 1, b"Hey"));
    let frame = with(module, HEADER + 8, [0xff; 4]);
    let computed = 2269 + 0xffff_ffff;
    assert_eq!(refused(&frame), Refused::Length { kind: Kind::Module, computed, totlen: 2272 });
    let short = resized(packet(Kind::Publish, |_| {}), 2260);
    assert_eq!(refused(&short), Refused::Length { kind: Kind::Publish, computed: 2264, totlen: 2260 });
}

#[test]
fn more_gossip_than_bytes_is_refused_as_such() {
    let frame = packet(Kind::Pong, |out| push_entries(out, [entry(b'b')]));
    let beyond = |count, totlen| Refused::GossipBeyondEnd { kind: Kind::Pong, count, totlen };
    assert_eq!(refused(&with(frame.clone(), place::COUNT, [0, 2])), beyond(2, 2360));
    assert_eq!(refused(&with(frame.clone(), place::COUNT, [0xff, 0xff])), beyond(65535, 2360));
    assert_eq!(refused(&resized(frame.clone(), 2359)), beyond(1, 2359));
    let fewer = Refused::Length { kind: Kind::Pong, computed: 2256, totlen: 2360 };
    assert_eq!(refused(&with(frame, place::COUNT, [0, 0])), fewer);
}

#[test]
fn extensions_are_as_long_as_they_say() {
    let frame = gossip(1, "host-b.example.org");
    let place = HEADER + ENTRY;
    let bad = |length, left| Refused::BadExtension { kind: Kind::Ping, length, left };
    for (length, left) in [(0, 32), (31, 32), (33, 32), (40, 32), (0xffff_fff8, 32), (4, 32)] {
        assert_eq!(refused(&with(frame.clone(), place, u32::to_be_bytes(length))), bad(length, left));
    }
    assert_eq!(refused(&with(frame.clone(), place::EXTENSIONS, [0, 2])), bad(0, 0));
    let wrong = |computed| Refused::Length { kind: Kind::Ping, computed, totlen: 2392 };
    assert_eq!(refused(&with(frame.clone(), place, 24_u32.to_be_bytes())), wrong(2384));
    assert_eq!(refused(&with(frame.clone(), place::EXTENSIONS, [0, 0])), wrong(2360));
    // What is told without the flag is not there.
    assert_eq!(refused(&with(frame, place::MFLAGS, [0])), wrong(2360));
    let told = with(packet(Kind::Ping, |_| {}), place::EXTENSIONS, [0, 7]);
    let Body::Gossip { mut extensions, .. } = Packet::read(&told).unwrap().body else { panic!() };
    assert_eq!((extensions.next(), extensions.hostname()), (None, None));
}

#[test]
fn a_hostname_is_believed_if_it_could_be_one() {
    let told = |frame: &[u8]| {
        let Body::Gossip { extensions, .. } = Packet::read(frame).unwrap().body else { panic!() };
        (extensions.hostname().map(Vec::from), extensions.unknown())
    };
    for name in ["a", "host-b.example.org", "ABCDEFG", "ABCDEFGH", &"x".repeat(255)] {
        assert_eq!(told(&gossip(2, name)), (Some(name.into()), 0));
    }
    for name in ["a b", "caf\u{e9}", "a\n", "a_b"] {
        assert_eq!(told(&gossip(0, name)), (None, 0), "{name}");
    }
    let empty = with(gossip(0, "a"), HEADER + 8, [0]);
    assert_eq!(told(&empty), (None, 0));
    let other = with(gossip(0, "a"), HEADER + 4, [0, 3]);
    assert_eq!(told(&other), (None, 1));
    let unending = with(gossip(0, "abcdefg"), HEADER + 15, [b'h']);
    assert_eq!(told(&unending), (Some(b"abcdefgh".into()), 0));
}

#[test]
fn an_unknown_kind_keeps_its_header() {
    let frame = resized(with(gossip(1, "a"), place::KIND, [0x80, 4]), 2300);
    let packet = Packet::read(&frame).unwrap();
    assert!(matches!(packet.body, Body::Unknown(0x8004)));
    assert_eq!((packet.kind, packet.current_epoch, packet.sender), (Err(0x8004), Epoch(9), Some(id(b'a'))));
    assert_eq!(packet.slots.to_set(), SlotSet::from_iter([0, 1, 2, 9]));
}

#[test]
fn ids_and_addresses_that_are_none_read_as_none() {
    let frame = with(packet(Kind::Fail, |out| push_fail(out, id(b'd'))), HEADER, [b'Z']);
    let frame = with(with(frame, place::SENDER, [0]), place::REPLICA_OF + 39, [b'a']);
    let packet = Packet::read(&frame).unwrap();
    assert!(matches!(packet.body, Body::Fail(None)));
    assert_eq!((packet.sender, packet.sender_raw[1]), (None, b'a'));
    assert_eq!((packet.replica_of, packet.replica_of_set), (None, true));
    assert_eq!((packet.announced_ip(), packet.is_announced()), (None, false));
    for (text, ip) in [("10.0.0.1", Some("10.0.0.1")), ("fd00::1", Some("fd00::1")), ("node-1", None)] {
        let mut field = [0; IP];
        field[..text.len()].copy_from_slice(text.as_bytes());
        let frame = with(frame.clone(), place::IP, field);
        let packet = Packet::read(&frame).unwrap();
        assert_eq!(packet.announced_ip(), ip.map(|ip| ip.parse().unwrap()));
        assert_eq!((packet.is_announced(), packet.announced_text()), (true, text.as_bytes()));
    }
    let full = with(frame, place::IP, [b'1'; IP]);
    assert_eq!(Packet::read(&full).unwrap().announced_ip(), None);
}
