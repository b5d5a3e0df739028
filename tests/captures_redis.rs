//! Recorded packets of real Redis nodes decode to what was recorded beside them, and re-encode to
//! the same bytes; a real `nodes.conf` reads and prints as it is.

use serde_json::{Value, json};
use standin_core::bytes::FrameBuffer;
use standin_core::gossip::nodes_conf::NodesConf;
use standin_core::gossip::slots::{Bitmap, SlotSet};
use standin_core::gossip::types::{Epoch, NodeId};
use standin_core::gossip::wire::{
    Body, Bus, Entry, Kind, Packet, begin, finish, push_entries, push_fail, push_hostname, push_module,
    push_publish, push_update,
};

#[test]
fn every_recorded_packet_decodes_to_its_fields_and_encodes_to_its_bytes() {
    let captures: Value = serde_json::from_str(include_str!("captures/redis-golden.json")).unwrap();
    let mut seen = Vec::new();
    for recorded in captures["packets"].as_array().unwrap() {
        let name = recorded["name"].as_str().unwrap();
        let frame = unhex(recorded["hex"].as_str().unwrap());
        assert_eq!(recorded["length"], frame.len(), "{name}");
        let packet = Packet::read(&frame).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(fields(&packet, frame.len()), recorded["decoded"], "{name}");
        assert_eq!(hex(&encoded(&packet)), hex(&frame), "{name}");
        seen.push(packet.kind.unwrap());
    }
    assert_eq!(seen.len(), 24);
    assert!(Kind::ALL.iter().all(|kind| seen.contains(kind)), "{seen:?}");
}

#[test]
fn the_recorded_packets_are_a_stream() {
    let captures: Value = serde_json::from_str(include_str!("captures/redis-golden.json")).unwrap();
    let frames: Vec<_> =
        captures["packets"].as_array().unwrap().iter().map(|recorded| &recorded["hex"]).collect();
    let frames: Vec<_> = frames.iter().map(|hex| unhex(hex.as_str().unwrap())).collect();
    let stream = frames.concat();
    let mut buffer = FrameBuffer::<Bus>::new();
    let mut read = Vec::new();
    for mut piece in stream.chunks(1460) {
        while let Some(frame) = buffer.next_frame(&mut piece).unwrap() {
            read.push(frame.into_owned());
        }
    }
    assert_eq!((read, buffer.held()), (frames, 0));
}

#[test]
fn a_real_nodes_conf_reads_and_prints_as_it_is() {
    let master = include_str!("captures/redis-nodes.conf");
    let replica = include_str!("captures/redis-nodes-replica.conf");
    let [of_master, of_replica] = [master, replica].map(|file| {
        let conf = NodesConf::parse(file.as_bytes()).unwrap_or_else(|problems| {
            panic!("{}", problems.render("nodes.conf", file));
        });
        // The file had room for more once: Redis pads it with empty lines.
        assert_eq!(conf.print(), file.trim_end().to_owned() + "\n");
        conf
    });
    let myself = of_master.myself().unwrap();
    assert_eq!(myself.slots.to_string(), "0-5460 7000");
    let moving = |moves: &[(u16, NodeId)]| moves.iter().map(|&(slot, _)| slot).collect::<Vec<_>>();
    assert_eq!((moving(&myself.migrating), moving(&myself.importing)), (vec![99, 100, 5000], vec![7001]));
    let replica = of_replica.myself().unwrap();
    assert_eq!(replica.master, Some(myself.id));
    assert_eq!(replica.hostname.as_deref(), Some("host-c.example.org"));
    assert_eq!(
        (replica.epoch, replica.own_epoch(), of_replica.current_epoch),
        (Epoch(1), Epoch(0), Epoch(2))
    );
}

/// A packet in the words of the recording.
fn fields(packet: &Packet<'_>, length: usize) -> Value {
    let kind = packet.kind.unwrap();
    let mut fields = json!({
        "sig": "RCmb",
        "totlen": length,
        "ver": 1,
        "port": packet.port,
        "type": kind.to_wire(),
        "type_name": long_name(kind),
        "count": packet.count,
        "currentEpoch": packet.current_epoch.0,
        "configEpoch": packet.config_epoch.0,
        "offset": packet.offset,
        "sender": packet.sender.unwrap().as_str(),
        "myslots": ranges(&packet.slots),
        "slaveof": packet.replica_of.as_ref().map_or("", NodeId::as_str),
        "myip": packet.announced_ip().map_or(String::new(), |ip| ip.to_string()),
        "extensions": packet.extensions,
        "notused_all_zero": true,
        "pport": packet.plain_port,
        "cport": packet.bus_port,
        "flags": packet.flags.bits(),
        "state": u8::from(!packet.state_ok),
        "mflags": packet.mflags,
    });
    let body = match packet.body {
        Body::Gossip { entries, extensions } => json!({
            "gossip": entries.map(|entry| gossip(&entry)).collect::<Vec<_>>(),
            "ext": extensions.map(|extension| json!({
                "length": extension.data.len() + 8,
                "type": extension.kind,
                "unused": 0,
                "value": extensions.hostname().unwrap(),
            })).collect::<Vec<_>>(),
            "trailing_bytes": 0,
        }),
        Body::Fail(id) => json!({ "about": id.unwrap().as_str() }),
        Body::Publish { channel, message } => json!({
            "channel": text(channel),
            "message": text(message),
            "channel_len": channel.len(),
            "message_len": message.len(),
        }),
        Body::Update { config_epoch, id, slots } => json!({
            "upd_configEpoch": config_epoch.0,
            "upd_nodename": id.unwrap().as_str(),
            "upd_slots": ranges(&slots),
        }),
        Body::Module { module_id, kind, payload } => json!({
            "module_id_raw_hex": hex(&module_id),
            "len": payload.len(),
            "mod_type": kind,
            "payload": text(payload),
        }),
        Body::AuthRequest | Body::AuthAck | Body::MfStart => json!({}),
        Body::Unknown(number) => panic!("kind {number}"),
    };
    for (field, value) in body.as_object().unwrap() {
        fields[field] = value.clone();
    }
    fields
}

fn gossip(entry: &Entry<'_>) -> Value {
    json!({
        "nodename": entry.id().unwrap().as_str(),
        "ping_sent": entry.ping_sent(),
        "pong_received": entry.pong_received(),
        "ip": entry.ip().unwrap().to_string(),
        "port": entry.port(),
        "cport": entry.bus_port(),
        "flags": entry.flags().bits(),
        "pport": entry.plain_port(),
        "notused1": 0,
    })
}

/// The packet built again from what was read.
fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    begin(&mut out, &packet.header().unwrap(), &packet.slots.to_set());
    match packet.body {
        Body::Gossip { entries, extensions } => {
            for entry in entries {
                push_entries(&mut out, [entry.written().unwrap()]);
            }
            if let Some(hostname) = extensions.hostname() {
                push_hostname(&mut out, hostname);
            }
        }
        Body::Fail(id) => push_fail(&mut out, id.unwrap()),
        Body::Publish { channel, message } => push_publish(&mut out, channel, message),
        Body::Update { config_epoch, id, slots } => {
            push_update(&mut out, config_epoch, id.unwrap(), &slots.to_set());
        }
        Body::Module { module_id, kind, payload } => push_module(&mut out, module_id, kind, payload),
        Body::AuthRequest | Body::AuthAck | Body::MfStart | Body::Unknown(_) => {}
    }
    finish(&mut out);
    out
}

/// The recording's name of a kind.
fn long_name(kind: Kind) -> String {
    if kind == Kind::AuthRequest {
        return "FAILOVER_AUTH_REQUEST".into();
    }
    if kind == Kind::AuthAck {
        return "FAILOVER_AUTH_ACK".into();
    }
    kind.name().to_uppercase()
}

fn ranges(slots: &Bitmap<'_>) -> Value {
    let set: SlotSet = slots.to_set();
    assert!(set.same_as(slots));
    json!(set.ranges())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
