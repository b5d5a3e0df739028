//! A member, or somebody who reaches the bus, means harm: what `docs/hostile-members.md` promises.

use std::net::{IpAddr, Ipv4Addr};

use standin_core::gossip::Config;
use standin_core::gossip::config::Role;
use standin_core::gossip::notice::Notice;
use standin_core::gossip::slots::SlotSet;
use standin_core::gossip::table::NODES_MAX;
use standin_core::gossip::types::{Epoch, NodeFlags, NodeId};
use standin_core::gossip::wire::{self, Header, Kind, NewEntry};
use standin_core::machine::LinkId;
use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::room::Room;

/// A name by its number.
fn name(number: u64) -> NodeId {
    NodeId::new(format!("{number:040x}").as_bytes()).unwrap()
}

fn header(kind: Kind, sender: NodeId, epoch: u64) -> Header {
    Header {
        kind,
        port: 9_001,
        plain_port: 0,
        bus_port: 19_001,
        current_epoch: Epoch(epoch),
        config_epoch: Epoch(1),
        offset: 0,
        sender,
        replica_of: None,
        announced_ip: None,
        flags: NodeFlags::MASTER,
        state_ok: true,
        mflags: [0; 3],
    }
}

fn slots(first: u16, last: u16) -> SlotSet {
    let mut slots = SlotSet::new();
    slots.insert_range(first, last);
    slots
}

/// A packet with this behind its header.
fn with(header: &Header, slots: &SlotSet, push: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::begin(&mut bytes, header, slots);
    push(&mut bytes);
    wire::finish(&mut bytes);
    bytes
}

/// A packet with these strangers in its gossip, if any.
fn packet(header: &Header, slots: &SlotSet, gossip: std::ops::Range<u64>) -> Vec<u8> {
    with(header, slots, |bytes| tell(bytes, gossip))
}

fn tell(bytes: &mut Vec<u8>, strangers: std::ops::Range<u64>) {
    for number in strangers {
        let entry = NewEntry {
            id: name(number),
            ping_sent: 0,
            pong_received: 0,
            ip: Some(Ipv4Addr::from(0x0a00_0000 + number as u32).into()),
            port: 1,
            bus_port: 2,
            plain_port: 0,
            flags: NodeFlags::MASTER,
        };
        wire::push_entries(bytes, [entry]);
    }
}

/// A node of three: itself (a replica of node 1, or a master with the last slots) and masters 1 and
/// 2, its streams to them open.
fn room(replica: bool) -> Room {
    let (myself, mine) = if replica {
        (format!("myself,slave {}", name(1)), "")
    } else {
        ("myself,master -".to_owned(), " 16000-16383")
    };
    let state = format!(
        "{} 127.0.0.1:9000@19000 {myself} 0 0 3 connected{mine}\n\
         {} 127.0.0.1:9001@19001 master - 0 1 1 connected 0-7999\n\
         {} 127.0.0.1:9002@19002 master - 0 1 2 connected 8000-15999\n\
         vars currentEpoch 3 lastVoteEpoch 0\n",
        name(0),
        name(1),
        name(2),
    );
    let config = Config {
        bus_port: 19_000,
        node_timeout: Duration::from_secs(2),
        role: if replica { Role::Replica { stands: true } } else { Role::Witness },
        ..Config::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_000)
    };
    let mut room = Room::new(config, Some(&state));
    room.pass(Duration::from_millis(100));
    room.open_all();
    room.sent.clear();
    room.notices.clear();
    room
}

/// Node 1's stream to us.
fn member(room: &mut Room) -> LinkId {
    let link = room.dialled();
    room.bytes(link, &packet(&header(Kind::Ping, name(1), 3), &slots(0, 7_999), 0..0));
    link
}

#[test]
fn a_members_flood_of_names_fills_the_table_and_no_more() {
    let mut room = room(false);
    let link = member(&mut room);
    for first in (100..20_000).step_by(1_000) {
        room.bytes(link, &packet(&header(Kind::Ping, name(1), 3), &slots(0, 7_999), first..first + 1_000));
    }
    assert_eq!(room.machine.table().len(), NODES_MAX);
    let said = room.notices.iter().filter(|notice| matches!(notice, Notice::TableFull { .. })).count();
    assert_eq!(said, 1, "it is said once");
}

#[test]
fn strangers_greetings_and_streams_are_limited() {
    let mut room = room(false);
    let mut links = Vec::new();
    for number in 0..2_000 {
        let link = room.dialled();
        let mut meet = header(Kind::Meet, name(50_000 + number), 0);
        meet.port = 10_000 + number as u16;
        meet.bus_port = 20_000 + number as u16;
        room.bytes(link, &packet(&meet, &SlotSet::new(), 0..0));
        // And the same again: one address, one handshake.
        room.bytes(link, &packet(&meet, &SlotSet::new(), 0..0));
        links.push(link);
    }
    assert_eq!(room.closed.len(), 2_000 - 1_024);
    let shaking = room.machine.table().iter().filter(|(_, node)| node.in_handshake()).count();
    assert_eq!(shaking, 1_024);
    // Nobody answers: they are forgotten, and the silent streams are closed.
    room.pass(Duration::from_secs(30));
    assert_eq!(room.machine.table().len(), 3);
    assert!(links.iter().all(|link| room.closed.contains(link)));
}

#[test]
fn half_a_packet_from_a_stranger_is_not_kept_for_ever() {
    let mut room = room(false);
    let link = room.dialled();
    let mut head = packet(&header(Kind::Publish, name(9), 0), &SlotSet::new(), 0..0);
    head[4..8].copy_from_slice(&60_000_000_u32.to_be_bytes());
    room.bytes(link, &head);
    for _ in 0..2_000 {
        room.bytes(link, &[0; 1_000]);
    }
    assert!(room.closed.contains(&link));
}

#[test]
fn what_strangers_say_is_not_believed() {
    let mut room = room(false);
    let link = room.dialled();
    let stranger = header(Kind::Ping, name(77), u64::MAX);
    room.bytes(link, &packet(&stranger, &slots(0, 16_383), 200..300));
    assert_eq!(room.machine.table().len(), 3);
    assert_eq!(room.machine.current_epoch(), Epoch(3));
    assert_eq!(room.machine.owner_of(0), Some(name(1)));
    let fail = header(Kind::Fail, name(77), 3);
    let fail = with(&fail, &SlotSet::new(), |bytes| wire::push_fail(bytes, name(2)));
    room.bytes(link, &fail);
    let table = room.machine.table();
    assert!(!table.get(table.find(&name(2)).unwrap()).is_failing());
}

#[test]
fn the_last_epoch_ends_elections_and_breaks_nothing() {
    let mut room = room(false);
    let link = member(&mut room);
    // The same config epoch as ours, of a greater name: we would have to take a later one.
    let mut last = header(Kind::Ping, name(1), u64::MAX);
    last.config_epoch = Epoch(3);
    room.bytes(link, &packet(&last, &slots(0, 7_999), 0..0));
    assert_eq!(room.machine.current_epoch(), Epoch(u64::MAX));
    assert!(room.noticed(|notice| matches!(notice, Notice::EpochsExhausted)));
    assert_eq!(room.machine.table().me().epoch, Epoch(3));
    room.pass(Duration::from_secs(5));
    assert_eq!(room.exit, None);
}

#[test]
fn a_voter_that_repeats_itself_makes_no_majority() {
    let mut room = room(true);
    let link = room.dialled();
    // Node 2 says that our master failed, and votes for us as often as it likes.
    let fail = header(Kind::Fail, name(2), 3);
    let fail = with(&fail, &slots(8_000, 15_999), |bytes| wire::push_fail(bytes, name(1)));
    room.bytes(link, &fail);
    room.pass(Duration::from_secs(2));
    assert!(room.noticed(|notice| matches!(notice, Notice::ElectionStarted { needed: 2, .. })));
    let epoch = room.machine.current_epoch().0;
    for _ in 0..5 {
        room.bytes(link, &packet(&header(Kind::AuthAck, name(2), epoch), &slots(8_000, 15_999), 0..0));
    }
    // A stranger's vote, and one for an epoch that is over, count as little.
    let other = room.dialled();
    room.bytes(other, &packet(&header(Kind::AuthAck, name(77), epoch), &slots(0, 7_999), 0..0));
    room.bytes(link, &packet(&header(Kind::AuthAck, name(1), epoch - 1), &slots(0, 7_999), 0..0));
    assert!(!room.noticed(|notice| matches!(notice, Notice::Promoted { .. })));
    assert!(!room.machine.table().me().is_master());
}

#[test]
fn packets_of_any_content_break_nothing() {
    let mut rng = Rng::new(5, 0);
    let mut room = room(false);
    for _ in 0..3_000 {
        let link = room.dialled();
        let kind = Kind::ALL[rng.below(11) as usize];
        let sender = name(rng.below(4));
        let mut header = header(kind, sender, rng.below(8));
        header.config_epoch = Epoch(rng.below(8));
        header.replica_of = (rng.below(3) == 0).then(|| name(rng.below(5)));
        header.flags = NodeFlags::from_bits_retain(rng.bits() as u16);
        let first = rng.below(16_000) as u16;
        let claim = slots(first, first + rng.below(300) as u16);
        let (about, epoch) = (name(rng.below(5)), Epoch(rng.below(9)));
        let bytes = with(&header, &claim, |bytes| match kind {
            Kind::Fail => wire::push_fail(bytes, about),
            Kind::Update => wire::push_update(bytes, epoch, about, &slots(first, 16_000)),
            Kind::Publish | Kind::PublishShard => wire::push_publish(bytes, b"news", b"text"),
            Kind::Module => wire::push_module(bytes, [7; 8], 1, b"x"),
            Kind::Ping | Kind::Pong | Kind::Meet => tell(bytes, 0..epoch.0),
            Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => {}
        });
        room.bytes(link, &bytes);
        if rng.below(20) == 0 {
            room.pass(Duration::from_millis(700));
            room.open_all();
        }
        room.sent.clear();
        room.notices.clear();
    }
    assert_eq!(room.exit, None);
}
