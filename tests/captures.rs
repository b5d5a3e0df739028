//! Recorded bytes of a real ctdbd decode to what was recorded beside them, and re-encode to the
//! same bytes, packet by packet and payload by payload. Nothing is excused: in all of them the
//! holes of the C structures are zero, as ours are.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use standin_core::bytes::{FrameBuffer, Wire};
use standin_core::ctdb::types::{ControlFlags, Opcode, Pnn};
use standin_core::ctdb::wire::eventd::{EventPacket, EventReply, EventRequest, EventStatus, ScriptStatus};
use standin_core::ctdb::wire::{
    Answer, Asked, Body, Connection, ControlReply, ControlRequest, Interface, Keepalive, Message,
    MessageData, NodeEntry, NodeFraming, Pdu, PublicIp, ReplyData, RequestData, Text, TimeVal,
    encode_message, encode_reply, encode_request,
};

#[test]
fn every_recorded_packet_decodes_to_its_fields_and_encodes_to_its_bytes() {
    let captures = captures();
    let mut packets = 0;
    let mut payloads = 0;
    for part in ["client_daemon", "node_node"] {
        let mut last_request = None;
        for entry in list(&captures[part]) {
            let name = text(&entry["name"]);
            let frame = unhex(text(&entry["hex"]));
            let pdu = Pdu::decode(&frame).unwrap_or_else(|error| panic!("{name}: {error}"));
            let asked = match pdu.body {
                Body::ControlRequest(request) => {
                    last_request = Some((pdu.header.reqid, request.opcode));
                    None
                }
                Body::ControlReply(_) if part == "node_node" => Some(opcode_named(name)),
                Body::ControlReply(_) => {
                    let (reqid, opcode) = last_request.expect("a request comes first");
                    assert_eq!(reqid, pdu.header.reqid, "{name}");
                    Some(opcode)
                }
                Body::Keepalive(_) | Body::Message(_) | Body::Tunnel(_) | Body::Other { .. } => None,
            };
            check_fields(name, &frame, &pdu, &entry["decoded"]);
            check_bytes(name, &frame, &pdu);
            let recorded = entry["decoded"].get("payload");
            check_payload(name, &frame, &pdu, asked, recorded);
            packets += 1;
            payloads += usize::from(recorded.is_some());
        }
    }
    assert_eq!((packets, payloads), (224, 25));
}

/// The header and what follows it, as numbers and bytes.
fn check_fields(name: &str, frame: &[u8], pdu: &Pdu<'_>, decoded: &Value) {
    let mut fields = json!({
        "length": frame.len(),
        "magic": "0x43544442",
        "version": 1,
        "generation": pdu.header.generation.0,
        "operation": pdu.body.operation().0,
        "operation_name": pdu.body.operation().name(),
        "destnode": pdu.header.destination.0,
        "srcnode": pdu.header.source.0,
        "reqid": pdu.header.reqid.0,
    });
    let body = match pdu.body {
        Body::Keepalive(Keepalive { version, uptime }) => {
            json!({ "keepalive_version": hex32(version), "uptime": uptime })
        }
        Body::Message(Message { srvid, data }) => json!({
            "srvid": hex64(srvid.0),
            "srvid_name": srvid.name().map(|name| format!("CTDB_SRVID_{name}")),
            "datalen": data.len(),
            "data": hex(data),
        }),
        Body::ControlRequest(ControlRequest { opcode, srvid, client, flags, data }) => json!({
            "opcode": opcode.0,
            "opcode_name": opcode.name(),
            "srvid": hex64(srvid.0),
            "client_id": client.0,
            "flags": hex32(flags.bits()),
            "datalen": data.len(),
            "data": hex(data),
        }),
        Body::ControlReply(ControlReply { status, data, error }) => {
            if !error.is_empty() {
                fields["error"] = String::from_utf8_lossy(error).into();
            }
            json!({ "status": status, "datalen": data.len(), "errorlen": error.len(), "data": hex(data) })
        }
        Body::Tunnel(_) | Body::Other { .. } => panic!("{name}: not recognised"),
    };
    for (field, value) in body.as_object().unwrap() {
        fields[field] = value.clone();
    }
    let mut recorded = decoded.clone();
    recorded.as_object_mut().unwrap().remove("payload");
    assert_eq!(fields, recorded, "{name}");
}

/// The packet as it is.
fn check_bytes(name: &str, frame: &[u8], pdu: &Pdu<'_>) {
    let mut encoded = Vec::new();
    pdu.encode(&mut encoded);
    assert_eq!(hex(&encoded), hex(frame), "{name}");
}

/// The payload by its meaning, and the packet around it once more.
fn check_payload(name: &str, frame: &[u8], pdu: &Pdu<'_>, asked: Option<Opcode>, recorded: Option<&Value>) {
    let mut encoded = Vec::new();
    let mut shape = None;
    match pdu.body {
        Body::Keepalive(keepalive) => {
            assert_eq!(keepalive.to_bytes(), &frame[32..], "{name}");
            return;
        }
        Body::Message(message) => {
            let data = message.decode_data().unwrap_or_else(|error| panic!("{name}: {error}"));
            shape = message_shape(&data);
            encode_message(&pdu.header, &data, &mut encoded);
        }
        Body::ControlRequest(request) if name == "GET_NODEMAP_bad_size.request" => {
            assert!(request.decode_data().is_err(), "{name}");
            return;
        }
        Body::ControlRequest(request) => {
            let ControlRequest { srvid, client, flags, .. } = request;
            let data = request.decode_data().unwrap_or_else(|error| panic!("{name}: {error}"));
            let raw = ["UNKNOWN_OPCODE.request", "OBSOLETE_GET_RECMASTER.request"].contains(&name);
            assert_eq!(matches!(data, RequestData::Raw { .. }), raw, "{name}");
            let asked = Asked { srvid, client, flags };
            assert_eq!(request.wants_no_reply(), flags.contains(ControlFlags::NOREPLY));
            encode_request(&pdu.header, asked, &data, &mut encoded);
        }
        Body::ControlReply(reply) => {
            let data = reply.decode_data(asked.unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!matches!(data, ReplyData::Raw(_)), "{name}");
            shape = reply_shape(&data);
            let error = reply.error_text().unwrap_or_default();
            encode_reply(&pdu.header, reply.status, &data, error, &mut encoded);
        }
        Body::Tunnel(_) | Body::Other { .. } => panic!("{name}: not recognised"),
    }
    if let Some(recorded) = recorded {
        assert_eq!(shape.as_ref(), Some(recorded), "{name}");
    }
    assert_eq!(hex(&encoded), hex(frame), "{name}");
}

/// A reply's payload in the words of the recording.
fn reply_shape(data: &ReplyData) -> Option<Value> {
    Some(match data {
        ReplyData::Empty => return None,
        ReplyData::NodeMap(map) => {
            let node = |node: &NodeEntry| json!({ "pnn": node.pnn.0, "flags": node.flags.bits(), "addr": node.address.to_string() });
            json!({ "num": map.nodes.len(), "nodes": map.nodes.iter().map(node).collect::<Vec<_>>() })
        }
        ReplyData::VnnMap(map) => {
            let masters: Vec<_> = map.map.iter().map(|Pnn(pnn)| pnn).collect();
            json!({ "generation": map.generation.0, "size": masters.len(), "map": masters })
        }
        ReplyData::RunState(state) => json!({ "runstate": u32::from(*state) }),
        ReplyData::Uptime(uptime) => {
            let mut times = json!({});
            for (name, TimeVal { seconds, micros }) in [
                ("current", uptime.now),
                ("start", uptime.started),
                ("last_recovery_started", uptime.recovery_started),
                ("last_recovery_finished", uptime.recovery_finished),
            ] {
                times[format!("{name}_sec")] = seconds.into();
                times[format!("{name}_usec")] = micros.into();
            }
            times
        }
        ReplyData::Capabilities(capabilities) => json!({ "caps": hex32(capabilities.bits()) }),
        ReplyData::DebugLevel(level) => json!({ "level": level.0 }),
        ReplyData::BanState(ban) => json!({ "pnn": ban.pnn.0, "time": ban.seconds }),
        ReplyData::Echo(echo) => json!({
            "timeout": echo.delay_ms,
            "len": echo.data.len(),
            "data": String::from_utf8_lossy(&echo.data),
        }),
        ReplyData::TunableValue(value) => json!({ "value": value.0 }),
        ReplyData::TunableNames(names) => {
            json!({ "length": names.names.as_bytes().len() + 1, "string": names.names.as_str() })
        }
        ReplyData::AllTunables(values) => TUNABLES
            .split_whitespace()
            .zip(values.0)
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect(),
        ReplyData::DbMap(map) => json!({ "num": map.databases.len() }),
        ReplyData::PublicIps(list) => {
            let ip = |ip: &PublicIp| json!({ "pnn": ip.pnn.0, "addr": ip.address.to_string() });
            json!({ "num": list.ips.len(), "ips": list.ips.iter().map(ip).collect::<Vec<_>>() })
        }
        ReplyData::PublicIpInfo(info) => json!({
            "pnn": info.ip.pnn.0,
            "addr": info.ip.address.to_string(),
            "active_idx": info.active,
            "num": info.interfaces.len(),
            "ifaces": interfaces(&info.interfaces),
        }),
        ReplyData::Interfaces(list) => {
            json!({ "num": list.interfaces.len(), "ifaces": interfaces(&list.interfaces) })
        }
        ReplyData::Tickles(list) => {
            let connection = |connection: &Connection| json!({ "src": connection.client.to_string(), "dst": connection.server.to_string() });
            json!({
                "addr": list.address.to_string(),
                "num": list.connections.len(),
                "connections": list.connections.iter().map(connection).collect::<Vec<_>>(),
            })
        }
        // Recorded without a decoded payload; their bytes are compared all the same.
        ReplyData::Statistics(_)
        | ReplyData::StatisticsList(_)
        | ReplyData::Text(_)
        | ReplyData::DbId(_)
        | ReplyData::SeqNum(_)
        | ReplyData::RecordCount(_)
        | ReplyData::Raw(_) => return None,
    })
}

/// A message's payload in the words of the recording; answers are raw until somebody waits.
fn message_shape(data: &MessageData) -> Option<Value> {
    if let MessageData::Leader(Pnn(pnn)) = data {
        Some(json!({ "pnn": pnn }))
    } else if let MessageData::Raw { data, .. } = data {
        Some(json!({ "result": Answer::from_bytes(data).unwrap().0 }))
    } else {
        None
    }
}

fn interfaces(interfaces: &[Interface]) -> Vec<Value> {
    let interface = |interface: &Interface| {
        let Interface { name, link_state, references } = interface;
        json!({ "name": name.as_str(), "link_state": link_state, "references": references })
    };
    interfaces.iter().map(interface).collect()
}

#[test]
fn recorded_packets_survive_any_cut_of_their_stream() {
    let captures = captures();
    let frames: Vec<_> =
        list(&captures["node_node"]).iter().map(|entry| unhex(text(&entry["hex"]))).collect();
    let stream = frames.concat();
    for size in [1, 7, 40, 1448, stream.len()] {
        let mut buffer = FrameBuffer::<NodeFraming>::new();
        let mut seen = Vec::new();
        for piece in stream.chunks(size) {
            let _: ControlFlow<()> = buffer
                .feed(piece, |frame| {
                    seen.push(frame.to_vec());
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
        assert_eq!(seen, frames, "cut every {size} bytes");
    }
}

#[test]
fn every_recorded_event_packet_decodes_to_its_fields_and_encodes_to_its_bytes() {
    let captures = captures();
    let packets = list(&captures["eventd"]);
    assert_eq!(packets.len(), 8);
    for entry in packets {
        let name = text(&entry["name"]);
        let bytes = unhex(text(&entry["hex"]));
        let (fields, encoded) = if name.ends_with(".request") {
            let packet = EventPacket::<EventRequest>::from_bytes(&bytes).unwrap();
            (event_request_shape(&packet), packet.to_bytes())
        } else {
            let packet = EventPacket::<EventReply>::from_bytes(&bytes).unwrap();
            let mut fields = event_reply_shape(&packet);
            fields["length"] = bytes.len().into();
            (fields, packet.to_bytes())
        };
        assert_eq!(fields, entry["decoded"], "{name}");
        assert_eq!(hex(&encoded), hex(&bytes), "{name}");
    }
}

fn event_request_shape(packet: &EventPacket<EventRequest>) -> Value {
    let EventPacket { version, reqid, body } = packet;
    let mut fields = match body {
        EventRequest::Run { component, event, arguments, timeout, flags } => json!({
            "cmd": 1, "component": words(component), "event": words(event), "args": words(arguments),
            "timeout": timeout, "flags": flags,
        }),
        EventRequest::Status { component, event } => {
            json!({ "cmd": 2, "component": words(component), "event": words(event) })
        }
        EventRequest::Script { component, script, action } => {
            json!({ "cmd": 3, "component": words(component), "script": words(script), "action": action })
        }
    };
    fields["version"] = (*version).into();
    fields["reqid"] = reqid.0.into();
    fields
}

fn event_reply_shape(packet: &EventPacket<EventReply>) -> Value {
    let EventPacket { version, reqid, body } = packet;
    let mut fields = match body {
        EventReply::Run { result } => json!({ "cmd": 1, "result": result }),
        EventReply::Status(Err(result)) => json!({ "cmd": 2, "result": result }),
        EventReply::Script { result } => json!({ "cmd": 3, "result": result }),
        EventReply::Status(Ok(EventStatus { summary, scripts })) => {
            let script = |script: &ScriptStatus| {
                let ScriptStatus { name, begin, end, result, output } = script;
                json!({
                    "name": words(name),
                    "begin_sec": begin.seconds, "begin_usec": begin.micros,
                    "end_sec": end.seconds, "end_usec": end.micros,
                    "result": result, "output": words(output),
                })
            };
            let scripts: Vec<_> = scripts.iter().map(script).collect();
            json!({ "cmd": 2, "result": 0, "summary": summary, "scripts": scripts })
        }
    };
    fields["version"] = (*version).into();
    fields["reqid"] = reqid.0.into();
    fields
}

fn words(text: &Option<Text>) -> Value {
    text.as_ref().map(ToString::to_string).into()
}

/// The opcode a reply between nodes answers: `n2n REPLY GET_IFACES two interfaces`.
fn opcode_named(name: &str) -> Opcode {
    let rest = name.strip_prefix("n2n REPLY ").expect(name);
    let end = rest.find([' ', '(']).unwrap_or(rest.len());
    (0..1000).map(Opcode).find(|opcode| opcode.name() == Some(&rest[..end])).expect(name)
}

fn captures() -> Value {
    serde_json::from_str(include_str!("captures/ctdb-golden.json")).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex32(number: u32) -> String {
    format!("0x{number:08x}")
}

fn hex64(number: u64) -> String {
    format!("0x{number:016x}")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The tunables in CTDB's order.
const TUNABLES: &str = "
    MaxRedirectCount SeqnumInterval ControlTimeout TraverseTimeout KeepaliveInterval KeepaliveLimit
    RecoverTimeout RecoverInterval ElectionTimeout TakeoverTimeout MonitorInterval TickleUpdateInterval
    EventScriptTimeout MonitorTimeoutCount EventScriptUnhealthyOnTimeout RecoveryGracePeriod
    RecoveryBanPeriod DatabaseHashSize DatabaseMaxDead RerecoveryTimeout EnableBans DeterministicIPs
    ReclockPingPeriod NoIPFailback DisableIPFailover VerboseMemoryNames RecdPingTimeout RecdFailCount
    LogLatencyMs RecLockLatencyMs RecoveryDropAllIPs VerifyRecoveryLock VacuumInterval VacuumMaxRunTime
    RepackLimit VacuumLimit MaxQueueDropMsg AllowUnhealthyDBRead StatHistoryInterval DeferredAttachTO
    VacuumFastPathCount LCP2PublicIPs AllowClientDBAttach RecoverPDBBySeqNum DeferredRebalanceOnNodeAdd
    FetchCollapse HopcountMakeSticky StickyDuration StickyPindown NoIPTakeover DBRecordCountWarn
    DBRecordSizeWarn DBSizeWarn PullDBPreallocation NoIPHostOnAllDisabled Samba3AvoidDeadlocks
    TDBMutexEnabled LockProcessesPerDB RecBufferSizeLimit QueueBufferSize IPAllocAlgorithm
    AllowMixedVersions
";
