//! Recorded bytes of a real ctdbd drive the machine, not only the codec: every question is answered
//! as it was, nothing well-formed costs a link, and nothing at all costs a node its life.
//!
//! A question between nodes arrives on the link of the node that asked it, unchanged, in a room of
//! its own; those of clients come one after the other from one client, as they were recorded.

use std::mem::discriminant;

use crate::room::client::Client;
use crate::room::{Room, SECOND};
use serde_json::Value;
use standin_core::ctdb::config::Config;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{ControlFlags, Opcode, Pnn, SrvId};
use standin_core::ctdb::wire::{Body, ControlReply, ControlRequest, Pdu};
use standin_core::host::ScriptEnd;

/// As long as a control may take, and a little.
const PATIENCE: u64 = 61 * SECOND;
/// The public addresses of the recording.
const PUBLIC: &str = "192.168.100.1/24 lo\n192.168.200.1/24 lo\n192.168.100.2/24 lo\n\
                      192.168.200.2/24 lo\n192.168.100.3/24 lo\n192.168.200.3/24 lo\n";
/// And its daemon's process.
const PID: u32 = 11_334;

/// Whose answer here is not the recorded one, and why.
const OTHERWISE: [(&str, &str); 16] = [
    ("PING.request", "so many clients it had"),
    ("PROCESS_EXISTS.request", "another process was its client"),
    ("CHECK_PID_SRVID.request", "another process was its client"),
    ("GET_DBMAP_with_dbs.request", "it keeps databases"),
    ("GET_NODEMAP_ipv6.request", "it had two nodes"),
    ("GET_PUBLIC_IPS_ipv6.request", "it had two addresses"),
    ("GET_PUBLIC_IP_INFO_ipv6.request", "it had an IPv6 address"),
    ("GET_TCP_TICKLE_LIST_ipv6.request", "it had an IPv6 address"),
    ("n2n CTL GET_DBNAME", "it keeps databases"),
    ("n2n CTL SET_BAN_STATE", "a script answered, which knew no bans"),
    ("n2n CTL DB_PUSH_CONFIRM", "it keeps databases"),
    ("n2n CTL GET_IFACES two interfaces", "it had two"),
    ("n2n CTL ADD_PUBLIC_IP", "it had another interface"),
    ("n2n CTL DEL_PUBLIC_IP", "it had another address"),
    ("n2n CTL GET_NODEMAP ipv6 nodes", "it had two nodes"),
    ("n2n CTL GET_PUBLIC_IPS mixed", "it had two addresses"),
];
/// What was recorded in a recovery.
const IN_RECOVERY: [&str; 3] = ["n2n CTL GET_RECMODE", "n2n CTL SETVNNMAP", "n2n CTL GET_PUBLIC_IPS(avail)"];

/// One recorded packet.
struct Packet {
    name: String,
    /// `client->daemon`, `node2->node0`.
    direction: String,
    bytes: Vec<u8>,
}

impl Packet {
    fn pdu(&self) -> Pdu<'_> {
        Pdu::decode(&self.bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The control, if this is one.
    fn request(&self) -> Option<ControlRequest<'_>> {
        if let Body::ControlRequest(request) = self.pdu().body { Some(request) } else { None }
    }

    fn reply(&self) -> ControlReply<'_> {
        let Body::ControlReply(reply) = self.pdu().body else { panic!("{} is no reply", self.name) };
        reply
    }

    /// Puts it on its way in a room: on its node's link, or from this client.
    fn send(&self, room: &mut Room, client: Option<Client>, bytes: Vec<u8>) {
        let header = self.pdu().header;
        match client {
            Some(client) => room.write(client, bytes),
            None => room.send_as(header.source.0, header.destination.0, bytes),
        }
    }
}

/// The recorded packets of one part.
fn recorded(part: &str) -> Vec<Packet> {
    let captures: Value = serde_json::from_str(include_str!("../captures/ctdb-golden.json")).unwrap();
    let packet = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
        let digits = text("hex").into_bytes();
        let bytes = digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        Packet { name: text("name"), direction: text("direction"), bytes }
    };
    captures[part].as_array().unwrap().iter().map(packet).collect()
}

/// Three nodes that serve the recording's addresses.
fn settled() -> Room {
    let mut room = Room::settled_with(PUBLIC, &Config { pid: PID, ..Config::default() });
    room.answers.clear();
    room.said.clear();
    room.notices.clear();
    room
}

/// Nobody lost a link for it, and the node that got it, if one did, refused nothing.
fn assert_welcome(room: &Room, name: &str, at: Option<Pnn>) {
    for (_, who, notice) in &room.notices {
        let lost = matches!(notice, Notice::NodeDead { .. } | Notice::FrameRefused { .. });
        let refused = matches!(notice, Notice::ClientRefused { .. } | Notice::PacketRefused { .. });
        assert!(!(lost || refused && at == Some(*who)), "{name}: {who} noticed {notice}");
    }
    assert!(room.hosts.iter().all(|host| host.machine.is_some()), "{name}: a node has ended");
}

/// An answer is as the recorded one: status, length and kind; or has a reason not to be.
fn compare(name: &str, opcode: Opcode, recorded: Option<&ControlReply<'_>>, found: &ControlReply<'_>) {
    let data = found.decode_data(opcode).unwrap_or_else(|error| panic!("{name}: {error}"));
    let Some(recorded) = recorded else { return };
    let kind = discriminant(&recorded.decode_data(opcode).unwrap());
    let wanted = (recorded.status, recorded.data.len(), kind);
    let same = (found.status, found.data.len(), discriminant(&data)) == wanted;
    let excuse = OTHERWISE.iter().find(|(other, _)| *other == name).map(|(_, why)| why);
    match excuse {
        Some(why) => assert!(!same, "{name}: it is as recorded, although {why}"),
        None => assert!(same, "{name}: {wanted:?} recorded, found {found:?}"),
    }
}

#[test]
fn every_recorded_question_of_a_client_is_answered_as_it_was() {
    let packets = recorded("client_daemon");
    let mut room = settled();
    let client = room.client(0);
    let mut answered = 0;
    for (at, packet) in packets.iter().enumerate() {
        if packet.direction != "client->daemon" {
            continue;
        }
        let name = &packet.name;
        packet.send(&mut room, Some(client), packet.bytes.clone());
        let Some(request) = packet.request() else { continue };
        let reqid = packet.pdu().header.reqid;
        let before = room.replies(client, reqid).len();
        assert!(room.run_until(PATIENCE, |room| room.replies(client, reqid).len() > before), "{name}");
        let found = room.replies(client, reqid).pop().unwrap();
        let found = ControlReply { status: found.status, data: &found.data, error: found.error.as_bytes() };
        compare(name, request.opcode, Some(&packets[at + 1].reply()), &found);
        assert!(room.is_connected(client), "{name}");
        answered += 1;
    }
    assert_eq!(answered, 54);
    // What it said to servers was answered too, whenever; the takeover run by the leader.
    room.run(2 * SECOND);
    let leader = room.leader().0.to_le_bytes().to_vec();
    let told = |packet: &Packet| match packet.pdu().body {
        Body::Message(message) if packet.name == "MESSAGE_takeover_run.answer0" => {
            Some((message.srvid, leader.clone()))
        }
        Body::Message(message) if packet.name.ends_with(".answer0") => {
            Some((message.srvid, message.data.to_vec()))
        }
        Body::Keepalive(_) | Body::ControlRequest(_) | Body::ControlReply(_) => None,
        Body::Message(_) | Body::Tunnel(_) | Body::Other { .. } => None,
    };
    let mut wanted: Vec<_> = packets.iter().filter_map(told).collect();
    let mut heard = room.messages(client);
    heard.retain(|(srvid, _)| *srvid != SrvId::LEADER);
    wanted.sort();
    heard.sort();
    assert_eq!(heard, wanted);
    assert_welcome(&room, "all of them", None);
}

#[test]
fn every_recorded_question_between_nodes_is_answered_as_it_was() {
    let packets = recorded("node_node");
    let by_name = |name: &str| packets.iter().find(|packet| packet.name == name);
    let fresh = settled();
    let mut answered = 0;
    for packet in &packets {
        let name = packet.name.as_str();
        let header = packet.pdu().header;
        let (asker, asked) = (header.source, header.destination);
        let mut room = fresh.clone();
        if IN_RECOVERY.contains(&name) {
            let mut mode = by_name("n2n CTL SET_RECMODE").unwrap().bytes.clone();
            // Another number, so that its answer is not taken for the one that is waited for.
            mode[28] ^= 1;
            room.send_as(2, 0, mode);
        }
        if name.ends_with("failing script") {
            room.hosts[asked.0 as usize].script = Some(|_| ScriptEnd::Failed(1));
        }
        packet.send(&mut room, None, packet.bytes.clone());
        let Some(request) = packet.request() else {
            room.run(SECOND);
            if !matches!(packet.pdu().body, Body::ControlReply(_)) {
                assert_welcome(&room, name, Some(asked));
            }
            continue;
        };
        let answers = |room: &Room| -> Vec<Vec<u8>> {
            let ours = |bytes: &[u8]| {
                let found = Pdu::decode(bytes).unwrap().header;
                (found.source, found.destination, found.reqid) == (asked, asker, header.reqid)
            };
            let arrived = room.answers.iter().filter(|(at, bytes)| *at == asker.0 && ours(bytes));
            arrived.map(|(_, bytes)| bytes.clone()).collect()
        };
        let silent = request.flags.contains(ControlFlags::NOREPLY);
        room.run_until(if silent { SECOND } else { PATIENCE }, |room| !answers(room).is_empty());
        room.run(SECOND / 10);
        assert_welcome(&room, name, Some(asked));
        let found = answers(&room);
        assert_eq!(found.len(), usize::from(!silent), "{name}");
        if let [found] = found.as_slice() {
            let Body::ControlReply(found) = Pdu::decode(found).unwrap().body else { panic!("{name}") };
            let recorded = by_name(&name.replace(" CTL ", " REPLY "));
            compare(name, request.opcode, recorded.map(Packet::reply).as_ref(), &found);
            answered += 1;
        }
    }
    assert_eq!(answered, 42);
}

/// Every packet cut short at every length, once with a length that fits, once with itself behind;
/// and with every byte of its headers another.
fn spoilt(packet: &Packet) -> Vec<Vec<u8>> {
    let whole = &packet.bytes;
    let mut all = Vec::new();
    for length in 0..whole.len() {
        let cut = &whole[..length];
        all.push([cut, whole].concat());
        if length >= 4 {
            let mut short = cut.to_vec();
            short[..4].copy_from_slice(&(length as u32).to_le_bytes());
            all.push(short);
        }
    }
    for at in 0..whole.len().min(64) {
        for flip in [0x01, 0x80, 0xff] {
            let mut other = whole.clone();
            other[at] ^= flip;
            all.push(other);
        }
    }
    all
}

#[test]
fn no_recorded_packet_spoilt_anywhere_breaks_a_machine() {
    let mut fresh = settled();
    fresh.nonsense = true;
    for part in ["node_node", "client_daemon"] {
        for packet in recorded(part) {
            if packet.direction == "daemon->client" {
                continue;
            }
            for bytes in spoilt(&packet) {
                let mut room = fresh.clone();
                let client = (part == "client_daemon").then(|| room.client(0));
                packet.send(&mut room, client, bytes);
                room.run(SECOND / 100);
            }
        }
    }
}
