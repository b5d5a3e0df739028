//! Any packet there and back, and any bytes.

use super::{packet, resized, with};
use crate::bytes::check::few;
use crate::gossip::slots::{BITMAP, SLOTS, SlotSet};
use crate::gossip::types::{Epoch, NodeFlags, NodeId};
use crate::gossip::wire::*;
use alloc::vec::Vec;
use core::net::IpAddr;
use proptest::prelude::*;

fn any_id() -> impl Strategy<Value = NodeId> {
    "[0-9a-f]{40}".prop_map(|text| NodeId::new(text.as_bytes()).unwrap())
}

fn any_slots() -> impl Strategy<Value = SlotSet> {
    proptest::collection::vec(0..SLOTS, 0..60).prop_map(SlotSet::from_iter)
}

prop_compose! {
    fn any_header()(
        kind in proptest::sample::select(&Kind::ALL[..]),
        (port, plain_port, bus_port) in any::<(u16, u16, u16)>(),
        (current, config, offset) in any::<(u64, u64, u64)>(),
        sender in any_id(),
        replica_of in proptest::option::of(any_id()),
        announced_ip in any::<Option<IpAddr>>(),
        flags in any::<u16>(),
        state_ok in any::<bool>(),
        mflags in any::<[u8; 3]>(),
    ) -> Header {
        Header {
            kind, port, plain_port, bus_port,
            current_epoch: Epoch(current), config_epoch: Epoch(config), offset,
            sender, replica_of, announced_ip,
            flags: NodeFlags::from_bits_retain(flags),
            state_ok,
            mflags: [mflags[0] & !EXT_DATA, mflags[1], mflags[2]],
        }
    }
}

prop_compose! {
    fn any_entry()(
        id in any_id(),
        (ping_sent, pong_received) in any::<(u32, u32)>(),
        ip in any::<Option<IpAddr>>(),
        (port, bus_port, plain_port, flags) in any::<(u16, u16, u16, u16)>(),
    ) -> NewEntry {
        let flags = NodeFlags::from_bits_retain(flags);
        NewEntry { id, ping_sent, pong_received, ip, port, bus_port, plain_port, flags }
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn headers_and_bodies_come_back(
        header in any_header(),
        slots in any_slots(),
        entries in proptest::collection::vec(any_entry(), 0..4),
        hostname in proptest::option::of("[A-Za-z0-9.-]{1,255}"),
        (one, two) in ("\\PC{0,30}", "\\PC{0,300}"),
        number in any::<u64>(),
    ) {
        let mut out = Vec::new();
        begin(&mut out, &header, &slots);
        match header.kind {
            kind if kind.gossips() => {
                push_entries(&mut out, entries.iter().copied());
                hostname.iter().for_each(|name| push_hostname(&mut out, name));
            }
            Kind::Fail => push_fail(&mut out, header.sender),
            Kind::Publish | Kind::PublishShard => push_publish(&mut out, one.as_bytes(), two.as_bytes()),
            Kind::Update => push_update(&mut out, Epoch(number), header.sender, &slots),
            Kind::Module => push_module(&mut out, number.to_le_bytes(), 3, two.as_bytes()),
            Kind::Ping | Kind::Pong | Kind::Meet | Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => {}
        }
        finish(&mut out);
        let packet = Packet::read(&out).unwrap();
        prop_assert_eq!(packet.header(), Some(header));
        prop_assert!(slots.same_as(&packet.slots));
        prop_assert_eq!(packet.replica_of_set, packet.replica_of.is_some());
        match packet.body {
            Body::Gossip { entries: told, extensions } => {
                let told: Vec<_> = told.map(|entry| entry.written().unwrap()).collect();
                prop_assert_eq!(told, entries);
                prop_assert_eq!(extensions.hostname(), hostname.as_deref());
            }
            Body::Publish { channel, message } => {
                prop_assert_eq!((channel, message), (one.as_bytes(), two.as_bytes()));
            }
            Body::Update { config_epoch, id, slots: told } => {
                prop_assert_eq!((config_epoch, id), (Epoch(number), Some(header.sender)));
                prop_assert!(slots.same_as(&told));
            }
            Body::Fail(id) => prop_assert_eq!(id, Some(header.sender)),
            Body::Module { module_id, kind, payload } => {
                prop_assert_eq!((module_id, kind, payload), (number.to_le_bytes(), 3, two.as_bytes()));
            }
            Body::AuthRequest | Body::AuthAck | Body::MfStart => prop_assert_eq!(out.len(), HEADER),
            Body::Unknown(number) => prop_assert!(false, "kind {}", number),
        }
    }

    #[test]
    fn no_bytes_break_the_reading(
        kind in 0..12_u16,
        (count, extensions) in (0..4_u16, 0..4_u16),
        flags in 0..8_u8,
        body in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..500),
        noise in proptest::collection::vec((0..HEADER, any::<u8>()), 0..4),
        length in 0..3000_usize,
    ) {
        let mut frame = packet(Kind::Ping, |_| {});
        frame.extend_from_slice(&body);
        let whole = frame.len();
        frame = with(resized(frame, whole), place::KIND, kind.to_be_bytes());
        frame = with(with(frame, place::COUNT, count.to_be_bytes()), place::MFLAGS, [flags]);
        frame = with(frame, place::EXTENSIONS, extensions.to_be_bytes());
        look(&frame);
        noise.iter().for_each(|&(place, byte)| frame[place] = byte);
        look(&frame);
        look(&frame[..length.min(whole)]);
        look(&body);
        look(&resized(frame, length.max(BITMAP)));
    }
}

/// Reads a frame and all that can be asked of it.
fn look(frame: &[u8]) {
    let _ = Packet::kind_of(frame);
    let Ok(packet) = Packet::read(frame) else { return };
    assert!(!alloc::format!("{packet:?}").is_empty());
    if let Body::Gossip { entries, extensions } = packet.body {
        let length = HEADER + entries.len() * ENTRY + extensions.map(|one| one.data.len() + 8).sum::<usize>();
        assert_eq!(length, frame.len());
        let _ = (extensions.hostname(), extensions.unknown(), packet.announced_ip());
    }
}
