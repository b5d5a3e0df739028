//! The packets of a real cluster drive the machine that stands where their receiver stood: a
//! master with one slot, the 16,383rd, among three masters and their replicas.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use standin_core::gossip::config::{Config, Role};
use standin_core::gossip::notice::{Notice, Oddity};
use standin_core::gossip::types::{Epoch, NodeFlags, NodeId};
use standin_core::gossip::wire::{Body, Kind, PAUSED, Packet};
use standin_core::machine::LinkId;
use standin_core::time::Duration;

use super::room::Room;

/// The cluster at epoch 20, as its receiver would have saved it.
const STATE: &str = "\
cd171e0000000000000000000000000000000000 127.0.0.1:9999@19999 myself,master - 0 0 20 connected 16383
f0d0edfe0e31b43567273f845fec1fd8a799a4bc 127.0.0.1:9001@19001 master - 0 1 1 connected 0-5460
8ab4a63dff76ec927d1691736f388e1c79c46d84 127.0.0.1:9002@19002 master - 0 1 2 connected 5461-10922
9d8a98297dcb9951a572235745039dd6df52272f 127.0.0.1:9003@19003 master - 0 1 3 connected 10923-16382
0080cb 127.0.0.1:9004@19004 slave f0d0edfe0e31b43567273f845fec1fd8a799a4bc 0 1 1 connected
b192a0 127.0.0.1:9005@19005 slave 8ab4a63dff76ec927d1691736f388e1c79c46d84 0 1 2 connected
b072bc 127.0.0.1:9006@19006 slave 9d8a98297dcb9951a572235745039dd6df52272f 0 1 3 connected
vars currentEpoch 20 lastVoteEpoch 0
";

struct Golden(Vec<Value>);

impl Golden {
    fn load() -> Self {
        let file: Value = serde_json::from_str(include_str!("../captures/redis-golden.json")).unwrap();
        Self(file["packets"].as_array().unwrap().clone())
    }

    /// A packet by its number.
    fn bytes(&self, number: u64) -> Vec<u8> {
        let packet = self.0.iter().find(|packet| packet["n"] == number).unwrap();
        let hex = packet["hex"].as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The whole name that begins like this.
    fn id(&self, beginning: &str) -> NodeId {
        let senders = self.0.iter().map(|packet| packet["decoded"]["sender"].as_str().unwrap());
        let gossip = self.0.iter().filter_map(|packet| packet["decoded"]["gossip"].as_array()).flatten();
        let told = gossip.map(|entry| entry["nodename"].as_str().unwrap());
        let id = senders.chain(told).find(|id| id.starts_with(beginning)).unwrap();
        NodeId::new(id.as_bytes()).unwrap()
    }

    /// The receiver among its cluster, its streams to all of them open.
    fn room(&self) -> Room {
        let mut state = STATE.to_owned();
        for short in ["0080cb", "b192a0", "b072bc"] {
            state = state.replace(&format!("\n{short} "), &format!("\n{} ", self.id(short)));
        }
        let me = self.id("cd171e").to_string();
        state = state.replace("cd171e0000000000000000000000000000000000", &me);
        let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let config = Config {
            bus_port: 19_999,
            node_timeout: Duration::from_secs(2),
            role: Role::Witness,
            ..Config::new(listen, 9_999)
        };
        let mut room = Room::new(config, Some(&state));
        room.pass(Duration::from_millis(100));
        assert_eq!(room.dials.len(), 6);
        room.open_all();
        room.sent.clear();
        room.notices.clear();
        room
    }
}

fn kinds(packets: &[Vec<u8>]) -> Vec<Kind> {
    packets.iter().map(|packet| Packet::read(packet).unwrap().kind.unwrap()).collect()
}

/// What the machine said to a node on its own stream to it.
fn told(room: &mut Room, id: NodeId) -> Vec<Vec<u8>> {
    let sent = std::mem::take(&mut room.sent);
    let table = room.machine.table();
    let link = table.get(table.find(&id).unwrap()).link().unwrap();
    let (those, others) = sent.into_iter().partition(|sent| sent.link == link);
    room.sent = others;
    let those: Vec<super::room::Sent> = those;
    those.into_iter().map(|sent| sent.bytes).collect()
}

fn flags(room: &Room, id: NodeId) -> NodeFlags {
    let table = room.machine.table();
    table.get(table.find(&id).unwrap()).flags
}

fn plays(room: &mut Room, golden: &Golden, number: u64) -> LinkId {
    let link = room.dialled();
    room.bytes(link, &golden.bytes(number));
    link
}

#[test]
fn a_ping_is_answered_on_its_own_stream_in_any_cut() {
    let golden = Golden::load();
    for number in [2, 3, 5, 8, 10, 11] {
        let mut room = golden.room();
        let link = room.dialled();
        for piece in golden.bytes(number).chunks(700) {
            room.bytes(link, piece);
        }
        let said = room.said(link);
        assert_eq!(kinds(&said), [Kind::Pong], "packet {number}");
        let pong = Packet::read(&said[0]).unwrap();
        assert_eq!(pong.sender, Some(golden.id("cd171e")));
        assert_eq!(pong.slots.iter().collect::<Vec<_>>(), [16_383]);
        assert_eq!((pong.port, pong.bus_port, pong.config_epoch), (9_999, 19_999, Epoch(20)));
        assert!(matches!(pong.body, Body::Gossip { entries, .. } if entries.len() == 3));
        assert!(room.closed.is_empty());
    }
}

#[test]
fn a_hostname_is_learnt_and_forgotten() {
    let golden = Golden::load();
    let mut room = golden.room();
    let id = golden.id("8ab4a6");
    let hostname = |room: &Room| {
        let table = room.machine.table();
        table.get(table.find(&id).unwrap()).hostname.clone()
    };
    let link = plays(&mut room, &golden, 8);
    assert_eq!(hostname(&room).as_deref(), Some("host-b.example.org"));
    // The same PING without its extension.
    let mut bare = golden.bytes(8);
    bare.truncate(2_568);
    bare[4..8].copy_from_slice(&2_568_u32.to_be_bytes());
    bare[2_214..2_216].fill(0);
    bare[2_253] = 0;
    room.bytes(link, &bare);
    assert_eq!(hostname(&room), None);
}

#[test]
fn a_stranger_that_meets_us_is_answered_and_dialled() {
    let golden = Golden::load();
    let mut room = golden.room();
    let link = plays(&mut room, &golden, 7);
    assert_eq!(kinds(&room.said(link)), [Kind::Pong]);
    assert!(room.noticed(|notice| matches!(notice, Notice::Handshake { ours: false, .. })));
    room.pass(Duration::from_millis(100));
    assert!(room.dials.iter().any(|(_, to)| to.port() == 19_007));
    assert_eq!(room.machine.table().find(&golden.id("3ed090")), None, "its name is not believed yet");
}

#[test]
fn suspicion_of_replicas_does_not_count_and_a_members_word_does() {
    let golden = Golden::load();
    let mut room = golden.room();
    let victim = golden.id("9d8a98");
    plays(&mut room, &golden, 10);
    plays(&mut room, &golden, 11);
    let table = room.machine.table();
    assert_eq!(room.machine.reports_on(room.now, table.find(&victim).unwrap()), 0);
    plays(&mut room, &golden, 13);
    assert!(flags(&room, victim).contains(NodeFlags::FAIL));
    let by = Some(golden.id("b072bc"));
    assert!(room.noticed(|notice| matches!(notice, Notice::Fail { told_by, .. } if *told_by == by)));
}

#[test]
fn a_replica_whose_master_failed_gets_one_vote_and_then_its_slots() {
    let golden = Golden::load();
    let mut room = golden.room();
    let (replica, master) = (golden.id("b072bc"), golden.id("9d8a98"));
    let link = plays(&mut room, &golden, 17);
    assert!(room.noticed(|notice| matches!(notice, Notice::VoteRefused { .. })), "its master is well");
    room.bytes(link, &golden.bytes(13));
    assert!(flags(&room, master).contains(NodeFlags::FAIL));
    room.sent.clear();
    room.bytes(link, &golden.bytes(17));
    assert_eq!(kinds(&told(&mut room, replica)), [Kind::AuthAck]);
    assert_eq!(room.machine.last_vote_epoch(), Epoch(21));
    let saved = String::from_utf8(room.file.clone().unwrap()).unwrap();
    assert!(saved.ends_with("vars currentEpoch 21 lastVoteEpoch 21\n"), "{saved}");
    // Asked again in the same epoch, it has none left.
    room.bytes(link, &golden.bytes(17));
    assert!(told(&mut room, replica).is_empty());
    // The winner's PONG takes the slots.
    room.bytes(link, &golden.bytes(24));
    assert_eq!(room.machine.owner_of(10_923), Some(replica));
    assert_eq!(room.machine.owner_of(16_382), Some(replica));
    assert_eq!(room.machine.owner_of(16_383), Some(golden.id("cd171e")));
}

#[test]
fn the_old_claim_of_a_replaced_master_is_answered_by_update() {
    let golden = Golden::load();
    let mut room = golden.room();
    let (heir, old) = (golden.id("b072bc"), golden.id("9d8a98"));
    plays(&mut room, &golden, 24);
    assert_eq!(room.machine.owner_of(10_923), Some(heir));
    room.sent.clear();
    // The old master comes back and claims what was its own, by the epoch it had.
    let winner = golden.bytes(24);
    let mut claim = golden.bytes(5);
    claim[24..32].copy_from_slice(&3_u64.to_be_bytes());
    claim[40..80].copy_from_slice(old.bytes());
    claim[80..2_128].copy_from_slice(&winner[80..2_128]);
    claim[10..12].copy_from_slice(&9_003_u16.to_be_bytes());
    claim[2_248..2_250].copy_from_slice(&19_003_u16.to_be_bytes());
    let link = room.dialled();
    room.bytes(link, &claim);
    let said = told(&mut room, old);
    assert_eq!(kinds(&said), [Kind::Update]);
    let update = Packet::read(&said[0]).unwrap();
    assert!(matches!(update.body, Body::Update { config_epoch: Epoch(21), id: Some(id), slots }
            if id == heir && slots.contains(10_923) && !slots.contains(0)));
    assert_eq!(room.machine.owner_of(10_923), Some(heir), "an older claim takes nothing");
}

#[test]
fn an_update_moves_slots_only_by_a_later_epoch() {
    let golden = Golden::load();
    let mut room = golden.room();
    let (about, loser) = (golden.id("f0d0ed"), golden.id("8ab4a6"));
    let link = plays(&mut room, &golden, 21);
    assert!(!room.noticed(|notice| matches!(notice, Notice::SlotsMoved { .. })), "epoch 1 is known");
    // The same by a later epoch, and with one slot more: its epoch stands behind the header, then
    // the name, then the slots.
    let mut later = golden.bytes(21);
    later[2_256..2_264].copy_from_slice(&30_u64.to_be_bytes());
    later[2_304 + 5_461 / 8] |= 1 << (5_461 % 8);
    room.bytes(link, &later);
    assert_eq!(room.machine.owner_of(5_461), Some(about));
    assert_eq!(room.machine.owner_of(5_462), Some(loser));
}

#[test]
fn messages_of_users_and_modules_change_nothing() {
    let golden = Golden::load();
    let mut room = golden.room();
    let before = room.machine.table().len();
    for number in [15, 16, 23] {
        let link = plays(&mut room, &golden, number);
        assert!(room.said(link).is_empty());
        assert!(!room.closed.contains(&link));
    }
    // The three came from one node, and a node has one stream to us.
    assert_eq!(room.closed.len(), 2);
    assert_eq!(room.machine.table().len(), before);
    let received = room.machine.traffic().received;
    assert_eq!((received[4], received[9], received[10]), (1, 1, 1));
}

#[test]
fn a_replica_of_ours_pauses_us_and_gets_the_vote_of_others_by_force() {
    let golden = Golden::load();
    let mut room = golden.room();
    let replica = golden.id("3ed090");
    // It joins: it meets us, is dialled, and answers under its name as a replica of ours.
    plays(&mut room, &golden, 7);
    room.pass(Duration::from_millis(100));
    let (link, _) = *room.dials.iter().find(|(_, to)| to.port() == 19_007).unwrap();
    room.open_all();
    let mut pong = golden.bytes(7);
    pong[12..14].copy_from_slice(&Kind::Pong.to_wire().to_be_bytes());
    room.bytes(link, &pong);
    assert!(room.noticed(|notice| matches!(notice, Notice::Met { id, .. } if *id == replica)));
    let mut ping = golden.bytes(22);
    ping[12..14].copy_from_slice(&Kind::Ping.to_wire().to_be_bytes());
    let inbound = room.dialled();
    room.bytes(inbound, &ping);
    assert_eq!(kinds(&room.said(inbound)), [Kind::Pong]);
    room.bytes(inbound, &golden.bytes(22));
    let said = room.said(inbound);
    assert_eq!(kinds(&said), [Kind::Ping]);
    assert_eq!(Packet::read(&said[0]).unwrap().mflags[0] & PAUSED, PAUSED);
    assert!(room.machine.holds_writes(room.now));
    room.sent.clear();
    room.bytes(inbound, &golden.bytes(18));
    assert_eq!(kinds(&told(&mut room, replica)), [Kind::AuthAck]);
}

#[test]
fn malformed_packets_are_dropped_and_only_a_broken_stream_is_closed() {
    let golden = Golden::load();
    let ping = golden.bytes(5);
    let change = |at: usize, to: &[u8]| {
        let mut bytes = ping.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    let rows: [(&str, Vec<u8>, bool, Option<Oddity>); 5] = [
        ("another signature", change(0, b"RCmx"), true, None),
        ("shorter than a header", change(4, &2_000_u32.to_be_bytes()), true, None),
        ("another version", change(8, &[0, 2]), false, Some(Oddity::Version)),
        ("more gossip than there is", change(14, &[0, 9]), false, Some(Oddity::Length)),
        ("a type of the future", change(12, &[0, 99]), false, Some(Oddity::Type(99))),
    ];
    for (name, bytes, closes, odd) in rows {
        let mut room = golden.room();
        let link = room.dialled();
        room.bytes(link, &bytes);
        assert_eq!(room.closed.contains(&link), closes, "{name}");
        assert!(room.said(link).is_empty(), "{name}");
        if odd.is_some() {
            assert!(
                room.noticed(
                    |notice| matches!(notice, Notice::PacketRefused { why, .. } if Some(*why) == odd)
                ),
                "{name}"
            );
        }
    }
}

#[test]
fn no_packet_cut_or_changed_anywhere_breaks_the_machine() {
    let golden = Golden::load();
    for number in 1..=24 {
        let whole = golden.bytes(number);
        let mut room = golden.room();
        for at in (0..2_256).step_by(7).chain(2_256..whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let link = room.dialled();
            room.bytes(link, &bytes);
            room.bytes(link, &whole[..at]);
            room.ended(link);
            room.sent.clear();
        }
    }
}
