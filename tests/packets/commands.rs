//! What operators and clients say that makes no sense is answered as ctdbd answers it, once, and
//! harms nobody.

use std::net::SocketAddr;

use crate::room::client::{Client, Reply};
use crate::room::{Room, SECOND};
use standin_core::ctdb::config::Config;
use standin_core::ctdb::types::{
    ControlFlags, DbId, Generation, NodeFlags, Opcode, Pnn, RecoveryMode, SrvId,
};
use standin_core::ctdb::wire::{
    AddrInfo, BanState, Connection, Echo, Interface, InterfaceName, MessageData, NodeFlagChange, Notify, Pid,
    PidSrvId, PublicIp, ReplyData, RequestData, SrvIdMessage, Text, TickleList, TimeVal, TunableName,
    TunableSet, VnnMap, WireAddr,
};

/// As long as a control may take, and a little.
const PATIENCE: u64 = 61 * SECOND;
const HERE: Pnn = Pnn(1);
const NONE: ControlFlags = ControlFlags::empty();

/// What n1 answers to a question in a room of its own, and that room afterwards.
fn asked_raw(opened: &Room, opcode: Opcode, payload: &[u8]) -> (Vec<Reply>, Room, Client) {
    let mut room = opened.clone();
    let client = room.client(HERE.0);
    let asked = room.ask_raw(client, Pnn::CURRENT_NODE, opcode, payload);
    room.run(PATIENCE);
    (room.replies(client, asked), room, client)
}

/// The same for a question that is well formed.
fn asked(opened: &Room, data: &RequestData) -> (Vec<Reply>, Room) {
    let mut room = opened.clone();
    let client = room.client(HERE.0);
    let asked = room.ask(client, Pnn::CURRENT_NODE, data, NONE);
    room.run(PATIENCE);
    (room.replies(client, asked), room)
}

fn status(replies: &[Reply]) -> i32 {
    let [reply] = replies else { panic!("not one answer but {replies:?}") };
    reply.status
}

/// Answered with status 0 where nothing more is said.
const WELL: [Opcode; 34] = [
    Opcode::GETVNNMAP,
    Opcode::GET_DBMAP,
    Opcode::GET_RECMODE,
    Opcode::REGISTER_SRVID,
    Opcode::FREEZE,
    Opcode::STARTUP,
    Opcode::LIST_TUNABLES,
    Opcode::GET_ALL_TUNABLES,
    Opcode::UPTIME,
    Opcode::START_RECOVERY,
    Opcode::END_RECOVERY,
    Opcode::RELOAD_NODES_FILE,
    Opcode::GET_CAPABILITIES,
    Opcode::GET_PUBLIC_IPS,
    Opcode::GET_NODEMAP,
    Opcode::GET_RECLOCK_FILE,
    Opcode::STOP_NODE,
    Opcode::CONTINUE_NODE,
    Opcode::GET_BAN_STATE,
    Opcode::GET_IFACES,
    Opcode::RELOAD_PUBLIC_IPS,
    Opcode::IPREALLOCATED,
    Opcode::GET_RUNSTATE,
    Opcode::GET_NODES_FILE,
    Opcode::DISABLE_NODE,
    Opcode::ENABLE_NODE,
    Opcode::GET_DEBUG,
    Opcode::GET_PID,
    Opcode::STATISTICS,
    Opcode::STATISTICS_RESET,
    Opcode::GET_STAT_HISTORY,
    Opcode::DUMP_MEMORY,
    Opcode::RECD_PING,
    Opcode::TUNNEL_REGISTER,
];

/// As ctdbd 4.17.12 was seen to answer `ctdb stats`: newest first, a second each.
#[test]
fn the_past_of_the_statistics_is_kept_second_by_second() {
    let mut room = Room::settled(&Config::default());
    room.run(5 * SECOND);
    let (replies, _) = asked(&room, &RequestData::GetStatHistory);
    let told = ReplyData::decode(Opcode::GET_STAT_HISTORY, status(&replies), &replies[0].data);
    let Ok(ReplyData::StatisticsList(past)) = told else { panic!("no list: {told:?}") };
    assert!(past.entries.len() > 3, "{}", past.entries.len());
    let micros = |at: &TimeVal| at.seconds * 1_000_000 + at.micros;
    for (newer, older) in past.entries.iter().zip(&past.entries[1..]) {
        assert_eq!(newer.started, older.current);
        let span = micros(&newer.current) - micros(&newer.started);
        assert!((1_000_000..2_000_000).contains(&span), "{span}");
    }
    // In a second, not since its start.
    let last = past.entries[0].node_packets_sent;
    assert!((1..100).contains(&last), "{last}");
}

#[test]
fn every_control_without_a_payload_is_answered_once() {
    let opened = Room::settled(&Config::default());
    for opcode in (0..170).map(Opcode) {
        let (replies, room, client) = asked_raw(&opened, opcode, b"");
        if opcode == Opcode::SHUTDOWN {
            assert!(replies.is_empty() && !room.is_connected(client));
            assert!(room.hosts[1].machine.is_none());
            continue;
        }
        let status = status(&replies);
        let wanted = match opcode {
            Opcode::PING => 1,
            Opcode::GET_PNN => 1,
            // Nothing was registered.
            Opcode::DEREGISTER_SRVID => 2,
            _ if WELL.contains(&opcode) => 0,
            _ => -1,
        };
        assert_eq!(status, wanted, "{opcode}");
        if status == -1 {
            room.assert_settled();
        }
    }
}

#[test]
fn every_control_with_rubbish_is_refused_and_changes_nothing() {
    let opened = Room::settled(&Config::default());
    for opcode in (0..170).map(Opcode) {
        let (replies, room, client) = asked_raw(&opened, opcode, b"\xff\x01\xfe");
        assert_eq!(replies, [refused("")], "{opcode}");
        assert!(room.is_connected(client), "{opcode}");
        room.assert_settled();
    }
}

fn refused(error: &str) -> Reply {
    Reply { status: -1, data: Vec::new(), error: error.into() }
}

fn address(last: u8) -> WireAddr {
    SocketAddr::from(([10, 1, 0, last], 0)).into()
}

fn interface(name: &str, link_state: u16, references: u32) -> RequestData {
    let name = InterfaceName::new(name).expect("it is short");
    RequestData::SetIfaceLinkState(Interface { name, link_state, references })
}

fn address_info(last: u8, mask: u32, interfaces: Option<&str>) -> AddrInfo {
    AddrInfo { address: address(last), mask, interfaces: interfaces.map(Text::from) }
}

fn flags(pnn: u32) -> RequestData {
    let (new, old) = (NodeFlags::BANNED, NodeFlags::empty());
    RequestData::ModifyFlags(NodeFlagChange { pnn: Pnn(pnn), new, old })
}

fn ban(pnn: u32, seconds: u32) -> RequestData {
    RequestData::SetBanState(BanState { pnn: Pnn(pnn), seconds })
}

fn public(pnn: Pnn, last: u8) -> PublicIp {
    PublicIp { pnn, address: address(last) }
}

/// Questions about what there is not, and their statuses; nothing comes of any of them.
fn senseless() -> Vec<(RequestData, i32)> {
    let unknown = DbId(0x0bad_0bad);
    let nobody = SrvId(0xbe00_0000_0000_0009);
    let tunable = |name: &str| TunableName { name: Text::from(name) };
    let set = |name: &str| TunableSet { value: u32::MAX, name: Text::from(name) };
    let client = WireAddr::from(SocketAddr::from(([192, 168, 7, 7], 40_000)));
    let connection = Connection { client, server: address(99) };
    let map = VnnMap { generation: Generation(77), map: vec![Pnn(9)] };
    vec![
        (RequestData::ProcessExists(Pid(i32::MAX)), -1),
        (RequestData::ProcessExists(Pid(-1)), -1),
        (RequestData::CheckPidSrvId(PidSrvId { pid: Pid(i32::MAX), srvid: nobody }), -1),
        (RequestData::DeregisterNotify(nobody), -1),
        (flags(77), -1),
        (flags(u32::MAX), -1),
        // About itself a node believes nobody.
        (flags(HERE.0), 0),
        (ban(2, 300), -1),
        (ban(77, u32::MAX), -1),
        (ban(Pnn::CURRENT_NODE.0, 300), -1),
        // Not banned, unbanned.
        (ban(HERE.0, 0), 0),
        (RequestData::GetTunable(tunable("NoSuchThing")), -22),
        (RequestData::GetTunable(tunable("")), -22),
        (RequestData::SetTunable(set("NoSuchThing")), -1),
        (RequestData::SetTunable(set("lcp2publicips")), 1),
        (RequestData::SetVnnMap(map), -1),
        (RequestData::GetDbName(unknown), -1),
        (RequestData::GetDbPath(unknown), -1),
        (RequestData::DbPushConfirm(unknown), -1),
        (RequestData::GetPublicIpInfo(address(99)), -1),
        (interface("eth9", 1, 0), -1),
        (interface("eth1", 2, 0), -1),
        (interface("eth1", 1, 1), -1),
        (interface("", 0, 0), -1),
        (RequestData::AddPublicIp(address_info(1, 24, Some("eth1"))), -1),
        (RequestData::AddPublicIp(address_info(99, 24, Some("eth9"))), -1),
        (RequestData::AddPublicIp(address_info(99, 24, Some("eth1\n10.1.0.98/24 eth1"))), -1),
        (RequestData::AddPublicIp(address_info(99, 24, None)), -1),
        (RequestData::AddPublicIp(address_info(99, 33, Some("eth1"))), -1),
        (RequestData::DelPublicIp(address_info(99, 0, None)), -1),
        (RequestData::ReleaseIp(public(Pnn::UNKNOWN, 99)), 0),
        (RequestData::ReleaseIp(public(Pnn(77), 99)), 0),
        (RequestData::TakeoverIp(public(Pnn(2), 1)), -1),
        (RequestData::TakeoverIp(public(Pnn::UNKNOWN, 99)), -1),
        (RequestData::TakeoverIp(public(HERE, 99)), 0),
        (RequestData::SendGratuitousArp(address_info(99, u32::MAX, Some("eth9"))), 0),
        (RequestData::SendGratuitousArp(address_info(99, 0, None)), 0),
        (RequestData::TcpClient(connection), -1),
        (RequestData::TcpAddDelayedUpdate(connection), 0),
        (RequestData::TcpRemove(connection), 0),
        (RequestData::GetTcpTickleList(address(99)), 1),
        (
            RequestData::SetTcpTickleList(TickleList { address: address(99), connections: vec![connection] }),
            0,
        ),
        (RequestData::TcpClientDisconnected(connection), -1),
        (RequestData::TcpClientPassed(connection), -1),
        (RequestData::StartIpReallocate, -1),
    ]
}

#[test]
fn what_there_is_not_is_answered_as_ctdbd_answers_it() {
    let opened = Room::settled(&Config::default());
    for (data, wanted) in senseless() {
        let (replies, room) = asked(&opened, &data);
        assert_eq!(status(&replies), wanted, "{data:?}");
        room.assert_settled();
    }
}

#[test]
fn a_number_that_is_no_state_is_refused() {
    let opened = Room::settled(&Config::default());
    for mode in [2, 7, u32::MAX] {
        let (replies, room, _) = asked_raw(&opened, Opcode::SET_RECMODE, &mode.to_le_bytes());
        assert_eq!(replies, [refused("")]);
        room.assert_settled();
    }
}

#[test]
fn a_ban_as_long_as_can_be_said_is_a_ban_that_can_be_ended() {
    let (replies, mut room) = asked(&Room::settled(&Config::default()), &ban(HERE.0, u32::MAX));
    assert_eq!(status(&replies), 0);
    assert_eq!(room.hosts[1].served().count(), 0);
    let client = room.client(HERE.0);
    let told = room.call(client, &RequestData::GetBanState);
    let told = ReplyData::decode(Opcode::GET_BAN_STATE, told.status, &told.data).expect("a ban");
    assert_eq!(told, ReplyData::BanState(BanState { pnn: HERE, seconds: u32::MAX }));
    assert_eq!(room.call(client, &ban(HERE.0, 0)).status, 0);
    room.run(15 * SECOND);
    room.assert_settled();
}

#[test]
fn a_control_to_nobody_in_particular_is_refused_at_once_and_one_to_many_is_not_answered() {
    let mut room = Room::settled(&Config::default());
    let client = room.client(HERE.0);
    let others = [Pnn(3), Pnn(0x00ff_ffff), Pnn(0xefff_ffff), Pnn::MULTICAST, Pnn::UNKNOWN];
    let asked = others.map(|to| room.ask(client, to, &RequestData::Ping, NONE));
    let all = [Pnn::BROADCAST_ALL, Pnn::BROADCAST_ACTIVE, Pnn::BROADCAST_CONNECTED];
    let dropped = all.map(|to| room.ask(client, to, &RequestData::StopNode, NONE));
    room.run(SECOND / 100);
    for asked in asked {
        assert_eq!(room.replies(client, asked), [refused("ctdb_control to disconnected node")]);
    }
    room.run(PATIENCE);
    assert!(dropped.iter().all(|&asked| room.replies(client, asked).is_empty()));
    for to in others {
        room.say(client, to, &MessageData::Leader(Pnn(77)));
    }
    room.run(SECOND);
    room.assert_settled();
}

#[test]
fn a_control_that_wants_no_reply_gets_none_whatever_it_asks() {
    let opened = Room::settled(&Config::default());
    let notify = Notify { srvid: SrvId(5), data: b"gone".to_vec() };
    let questions = senseless().into_iter().map(|(data, _)| data).chain([
        RequestData::Ping,
        RequestData::RegisterSrvId,
        RequestData::DeregisterSrvId,
        RequestData::RegisterNotify(notify),
        RequestData::DeregisterNotify(SrvId(5)),
        RequestData::GetNodesFile,
        RequestData::ReloadNodesFile,
        RequestData::ReloadPublicIps,
        RequestData::StartRecovery,
        RequestData::EndRecovery,
        RequestData::IpReallocated,
        RequestData::StopNode,
        ban(HERE.0, 5),
        RequestData::SetRecMode(RecoveryMode::Normal),
        RequestData::DbAttach(Text::from("a.tdb")),
    ]);
    for data in questions {
        for to in [Pnn::CURRENT_NODE, Pnn(2), Pnn::BROADCAST_CONNECTED] {
            let mut room = opened.clone();
            let client = room.client(HERE.0);
            let asked = room.ask(client, to, &data, ControlFlags::NOREPLY);
            room.run(3 * SECOND);
            assert!(room.replies(client, asked).is_empty(), "{data:?} to {to}");
        }
    }
}

#[test]
fn a_message_reaches_whoever_is_registered_for_it_and_nobody_else() {
    const TOOL: SrvId = SrvId(0xce01_1234_0000_0001);
    let mut room = Room::settled(&Config::default());
    let (wants, other, far) = (room.client(1), room.client(1), room.client(0));
    let say = |room: &mut Room, word: &[u8]| {
        room.say(far, HERE, &MessageData::Raw { srvid: TOOL, data: word.to_vec() });
        room.run(SECOND / 10);
    };
    say(&mut room, b"nobody listens");
    let registered = room.ask_about(wants, Pnn::CURRENT_NODE, &RequestData::RegisterSrvId, NONE, TOOL);
    room.run(SECOND / 10);
    assert_eq!(status(&room.replies(wants, registered)), 0);
    say(&mut room, b"heard");
    for wanted in [0, 2] {
        let gone = room.ask_about(wants, Pnn::CURRENT_NODE, &RequestData::DeregisterSrvId, NONE, TOOL);
        room.run(SECOND / 10);
        assert_eq!(status(&room.replies(wants, gone)), wanted);
    }
    say(&mut room, b"too late");
    assert_eq!(room.messages(wants), [(TOOL, b"heard".to_vec())]);
    assert_eq!(room.messages(other), []);
}

#[test]
fn what_a_client_leaves_is_said_once_it_is_gone() {
    let mut room = Room::settled(&Config::default());
    let (leaves, hears) = (room.client(1), room.client(2));
    let word = Notify { srvid: SrvId(0xfe00_0000_0000_0007), data: b"gone".to_vec() };
    room.ask_about(hears, Pnn::CURRENT_NODE, &RequestData::RegisterSrvId, NONE, word.srvid);
    assert_eq!(room.call(leaves, &RequestData::RegisterNotify(word.clone())).status, 0);
    assert_eq!(room.call(leaves, &RequestData::RegisterNotify(word.clone())).status, -1);
    assert_eq!(room.messages(hears), []);
    room.hang_up(leaves);
    room.run(SECOND);
    assert_eq!(room.messages(hears), [(word.srvid, word.data)]);
}

#[test]
fn bytes_come_back_as_they_were() {
    let mut room = Room::settled(&Config::default());
    let client = room.client(1);
    let echo = Echo { delay_ms: u32::MAX, data: (0..=255).collect() };
    let reply = room.call(client, &RequestData::EchoData(echo.clone()));
    assert_eq!(ReplyData::decode(Opcode::ECHO_DATA, reply.status, &reply.data), Ok(ReplyData::Echo(echo)));
}

#[test]
fn a_client_that_asks_for_something_slow_and_goes_harms_nobody() {
    let opened = Room::settled(&Config::default());
    let held = opened.hosts[1].served().next().expect("n1 serves something");
    let held = PublicIp { pnn: Pnn(0), address: WireAddr::from(SocketAddr::new(held, 0)) };
    for (from, data) in [
        (1, RequestData::StopNode),
        (0, RequestData::StopNode),
        (1, ban(HERE.0, 20)),
        (0, ban(HERE.0, 20)),
        (1, RequestData::ReleaseIp(held)),
        (1, RequestData::ReloadPublicIps),
        (1, RequestData::IpReallocated),
    ] {
        let mut room = opened.clone();
        room.hosts[1].address_us = SECOND;
        let client = room.client(from);
        let asked = room.ask(client, HERE, &data, NONE);
        room.run(SECOND / 2_000);
        room.hang_up(client);
        // Somebody else comes meanwhile, and must not get that answer.
        let next = room.client(from);
        for _ in 0..1_000 {
            room.run(SECOND / 100);
            room.assert_served_once();
        }
        assert!(room.replies(client, asked).is_empty() && room.replies(next, asked).is_empty(), "{data:?}");
        assert_eq!(room.call(next, &RequestData::Ping).status, 1, "{data:?}");
        let client = room.client(1);
        for undo in [RequestData::ContinueNode, ban(HERE.0, 0)] {
            assert_eq!(room.call(client, &undo).status, 0, "{data:?}");
        }
        // An address that was given away by hand is nobody's until a run.
        let asked = SrvIdMessage { pnn: HERE, srvid: SrvId(0) };
        room.say(client, Pnn::BROADCAST_CONNECTED, &MessageData::TakeoverRun(asked));
        room.run(20 * SECOND);
        room.assert_settled();
    }
}
