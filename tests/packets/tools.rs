//! What tools ask about a daemon itself, and what clients of different nodes say to each other.

use std::net::SocketAddr;

use crate::room::client::Client;
use crate::room::{Room, SECOND};
use standin_core::ctdb::config::Config;
use standin_core::ctdb::types::{ControlFlags, Opcode, Pnn, SrvId, TunnelId};
use standin_core::ctdb::wire::{
    Connection, DebugLevel, MessageData, Pid, PidSrvId, ReplyData, RequestData, SrvIdMessage, Statistics,
    Tunnel, Waited, WireAddr,
};

const TOOL: SrvId = SrvId(0xce01_1234_0000_0001);
/// The process of every client of n1, see `Room::connect`.
const PROCESS: Pid = Pid(1_002);
const STOPPED: [RequestData; 2] = [RequestData::StopNode, RequestData::ContinueNode];

fn statistics(room: &mut Room, client: Client) -> Statistics {
    let reply = room.call(client, &RequestData::Statistics);
    let read = ReplyData::decode(Opcode::STATISTICS, reply.status, &reply.data);
    let Ok(ReplyData::Statistics(statistics)) = read else { panic!("no statistics but {read:?}") };
    *statistics
}

/// Asks with a server id; the status.
fn register(room: &mut Room, client: Client, data: &RequestData, srvid: SrvId) -> i32 {
    let asked = room.ask_about(client, Pnn::CURRENT_NODE, data, ControlFlags::empty(), srvid);
    room.run(SECOND / 100);
    room.replies(client, asked)[0].status
}

fn words(room: &Room, client: Client) -> Vec<Vec<u8>> {
    room.messages(client).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn the_process_is_what_the_driver_said() {
    let mut room = Room::settled(&Config { pid: 4711, ..Config::default() });
    let client = room.client(1);
    assert_eq!(room.call(client, &RequestData::GetPid).status, 4711);
    assert_eq!(room.call(client, &RequestData::ProcessExists(Pid(4711))).status, -1);
}

#[test]
fn a_process_exists_while_it_is_connected_and_the_node_takes_part() {
    let mut room = Room::settled(&Config::default());
    let (asker, other) = (room.client(0), room.client(1));
    room.run(SECOND / 100);
    let ask = |room: &mut Room, data: &RequestData| {
        let asked = room.ask(asker, Pnn(1), data, ControlFlags::empty());
        room.run(SECOND / 100);
        room.replies(asker, asked)[0].status
    };
    let exists = RequestData::ProcessExists(PROCESS);
    let listens = RequestData::CheckPidSrvId(PidSrvId { pid: PROCESS, srvid: TOOL });
    assert_eq!((ask(&mut room, &exists), ask(&mut room, &listens)), (0, -1));
    assert_eq!(register(&mut room, other, &RequestData::RegisterSrvId, TOOL), 0);
    assert_eq!((ask(&mut room, &exists), ask(&mut room, &listens)), (0, 0));
    room.hang_up(other);
    room.run(SECOND / 100);
    assert_eq!((ask(&mut room, &exists), ask(&mut room, &listens)), (-1, -1));
    let another = room.client(1);
    let [stop, go_on] = STOPPED.map(|data| room.ask(asker, Pnn(1), &data, ControlFlags::empty()));
    room.run(SECOND);
    assert_eq!([stop, go_on].map(|asked| room.replies(asker, asked)[0].status), [0, 0]);
    assert_eq!((ask(&mut room, &exists), room.is_connected(another)), (0, true));
    let stop = room.ask(asker, Pnn(1), &RequestData::StopNode, ControlFlags::empty());
    room.run(SECOND);
    assert_eq!(room.replies(asker, stop)[0].status, 0);
    assert_eq!((ask(&mut room, &exists), room.is_connected(another)), (-1, false));
}

#[test]
fn packets_are_counted_and_a_reset_begins_anew() {
    let mut room = Room::settled(&Config::default());
    let (client, other) = (room.client(1), room.client(1));
    room.run(SECOND / 100);
    let before = statistics(&mut room, client);
    assert_eq!((before.num_clients, before.recovering, before.frozen), (2, 0, 0));
    assert!(before.keepalive_packets_sent >= 16 && before.keepalive_packets_recv >= 16, "{before:?}");
    assert!(before.node_packets_sent > before.keepalive_packets_sent, "{before:?}");
    let by_kind = before.node.req_message + before.node.req_control + before.node.reply_control;
    assert_eq!(before.node_packets_recv, before.keepalive_packets_recv + by_kind);
    assert_eq!(
        (before.client_packets_recv, before.client_packets_sent, before.client.req_control),
        (1, 0, 1)
    );
    assert!(before.num_recoveries >= 1 && before.memory_used > 1000);
    assert_eq!(room.call(other, &RequestData::RecdReclockLatency(Waited(0.5))).status, 0);
    assert_eq!(statistics(&mut room, client).reclock_recd.max, 0.5);
    assert_eq!(room.call(other, &RequestData::StatisticsReset).status, 0);
    let after = statistics(&mut room, client);
    assert!(after.node_packets_recv < before.node_packets_recv);
    assert_eq!((after.client_packets_recv, after.client_packets_sent, after.num_recoveries), (1, 1, 0));
    assert_eq!((after.num_clients, after.keepalive_packets_sent, after.reclock_recd.count), (2, 0, 0));
    assert!(after.started > before.started && after.current >= after.started);
}

#[test]
fn a_question_nobody_answers_counts_as_a_timeout() {
    let mut room = Room::settled(&Config::default());
    let client = room.client(1);
    let before = statistics(&mut room, client).timeouts.control;
    room.rule(crate::room::wire::Rule {
        instead: crate::room::wire::Instead::Silence,
        ..crate::room::wire::Rule::refuse(2, None, |asked| asked.opcode == Opcode::PING)
    });
    let asked = room.ask(client, Pnn(2), &RequestData::Ping, ControlFlags::empty());
    room.run(61 * SECOND);
    assert_eq!(room.replies(client, asked)[0].error, "ctdb_control timed out");
    assert_eq!(statistics(&mut room, client).timeouts.control, before + 1);
}

#[test]
fn the_log_level_is_what_was_last_set() {
    let mut room = Room::settled(&Config::default());
    let client = room.client(1);
    let level = |room: &mut Room| {
        let reply = room.call(client, &RequestData::GetDebug);
        ReplyData::decode(Opcode::GET_DEBUG, reply.status, &reply.data)
    };
    assert_eq!(level(&mut room), Ok(ReplyData::DebugLevel(DebugLevel::NOTICE)));
    assert_eq!(room.call(client, &RequestData::SetDebug(DebugLevel::DEBUG)).status, 0);
    assert_eq!(level(&mut room), Ok(ReplyData::DebugLevel(DebugLevel::DEBUG)));
    assert_eq!(room.machine(1).config().debug_level, DebugLevel::DEBUG);
    assert_eq!(room.machine(0).config().debug_level, DebugLevel::NOTICE);
}

#[test]
fn memory_is_reported_to_who_asks_and_to_where_somebody_asks_for_it() {
    let mut room = Room::settled(&Config::default());
    let client = room.client(1);
    let is_report = |report: &[u8]| {
        let text = std::str::from_utf8(report).expect("text");
        text.lines().count() >= 10 && text.lines().all(|line| !line.contains('\0') && !line.is_empty())
    };
    let reply = room.call(client, &RequestData::DumpMemory);
    assert_eq!(reply.status, 0);
    assert!(is_report(&reply.data), "{reply:?}");
    assert_eq!(register(&mut room, client, &RequestData::RegisterSrvId, TOOL), 0);
    for to in [1, 0] {
        let asked = SrvIdMessage { pnn: Pnn(1), srvid: TOOL };
        room.say(client, Pnn(to), &MessageData::MemDump(asked));
        room.run(SECOND / 100);
    }
    let reports = words(&room, client);
    assert!(reports.len() == 2 && reports.iter().all(|report| is_report(report)), "{reports:?}");
}

#[test]
fn a_message_goes_to_whoever_listens_at_the_nodes_it_is_for() {
    let mut room = Room::settled(&Config::default());
    let clients = [0, 1, 2].map(|pnn| room.client(pnn));
    let everything = room.client(2);
    for client in clients {
        // 0 is a server id as any other.
        assert_eq!(register(&mut room, client, &RequestData::RegisterSrvId, SrvId(0)), 0);
        assert_eq!(register(&mut room, client, &RequestData::RegisterSrvId, TOOL), 0);
    }
    assert_eq!(register(&mut room, everything, &RequestData::RegisterSrvId, SrvId::ALL), 0);
    let say = |room: &mut Room, to, srvid: SrvId, word: &[u8]| {
        room.say(clients[0], to, &MessageData::Raw { srvid, data: word.to_vec() });
        room.run(SECOND / 1000);
    };
    say(&mut room, Pnn(2), TOOL, b"to n2");
    say(&mut room, Pnn::CURRENT_NODE, SrvId(0), b"here");
    say(&mut room, Pnn::BROADCAST_CONNECTED, SrvId(0), b"to all connected");
    say(&mut room, Pnn::BROADCAST_ALL, TOOL, b"to all");
    say(&mut room, Pnn::BROADCAST_ACTIVE, TOOL, b"to all active");
    say(&mut room, Pnn(7), TOOL, b"to nobody");
    let to_all: [&[u8]; 3] = [b"to all connected", b"to all", b"to all active"];
    assert_eq!(words(&room, clients[0]), [&[&b"here"[..]], &to_all[..]].concat());
    assert_eq!(words(&room, clients[1]), to_all);
    assert_eq!(words(&room, clients[2]), [&[&b"to n2"[..]], &to_all[..]].concat());
    let mut heard = words(&room, everything);
    heard.retain(|word| word.starts_with(b"to "));
    assert_eq!(heard, [&[&b"to n2"[..]], &to_all[..]].concat());
}

#[test]
fn hundreds_of_messages_a_second_pass_both_ways_in_order() {
    let mut room = Room::settled(&Config::default());
    let ends = [room.client(0), room.client(2)];
    for client in ends {
        assert_eq!(register(&mut room, client, &RequestData::RegisterSrvId, TOOL), 0);
    }
    let sent: Vec<Vec<u8>> = (0..500_u32).map(|number| number.to_le_bytes().to_vec()).collect();
    for data in &sent {
        for (client, to) in [(ends[0], Pnn(2)), (ends[1], Pnn(0))] {
            room.say(client, to, &MessageData::Raw { srvid: TOOL, data: data.clone() });
        }
        room.run(SECOND / 500);
    }
    room.run(SECOND / 100);
    assert!(ends.iter().all(|&client| words(&room, client) == sent));
}

#[test]
fn a_tunnel_leads_to_the_one_client_that_has_it_and_back() {
    const ID: TunnelId = TunnelId(0xae00_0000_0000_0007);
    let mut room = Room::settled(&Config::default());
    let (here, far) = (room.client(0), room.client(2));
    let open = |room: &mut Room, client, id: TunnelId| {
        register(room, client, &RequestData::TunnelRegister, SrvId(id.0))
    };
    assert_eq!([open(&mut room, here, ID), open(&mut room, far, ID)], [0, 0]);
    let second = room.client(2);
    assert_eq!(open(&mut room, second, ID), -1);
    let ask = Tunnel { id: ID, flags: 1, data: b"hello?" };
    room.dig(here, Pnn(2), ask);
    room.run(SECOND / 100);
    assert_eq!(room.dug(far), [(Pnn(0), ID, b"hello?".to_vec())]);
    room.dig(far, Pnn(0), Tunnel { flags: 2, data: b"hello!", ..ask });
    room.run(SECOND / 100);
    assert_eq!(room.dug(here), [(Pnn(2), ID, b"hello!".to_vec())]);
    // To all, to oneself, to no tunnel, to no node.
    let dig = |room: &mut Room, to, id, data| room.dig(here, to, Tunnel { id, flags: 0, data });
    dig(&mut room, Pnn::BROADCAST_CONNECTED, ID, b"all");
    dig(&mut room, Pnn::CURRENT_NODE, ID, b"me");
    dig(&mut room, Pnn(1), ID, b"n1");
    dig(&mut room, Pnn(77), ID, b"nobody");
    dig(&mut room, Pnn(2), TunnelId(1), b"nowhere");
    room.run(SECOND / 100);
    let heard = |room: &Room, client| {
        room.dug(client).into_iter().skip(1).map(|(from, _, data)| (from, data)).collect::<Vec<_>>()
    };
    assert_eq!(heard(&room, here), [(Pnn(0), b"all".to_vec()), (Pnn(0), b"me".to_vec())]);
    assert_eq!(heard(&room, far), [(Pnn(0), b"all".to_vec())]);
    room.hang_up(far);
    room.run(SECOND / 100);
    dig(&mut room, Pnn(2), ID, b"late");
    room.run(SECOND / 100);
    assert_eq!(open(&mut room, second, ID), 0);
    dig(&mut room, Pnn(2), ID, b"late");
    room.run(SECOND / 100);
    assert_eq!(room.dug(second).len(), 1);
    assert_eq!(register(&mut room, here, &RequestData::TunnelDeregister, SrvId(ID.0)), 0);
    assert_eq!(register(&mut room, here, &RequestData::TunnelDeregister, SrvId(ID.0)), -1);
}

#[test]
fn a_clients_connections_are_forgotten_with_it_where_the_address_is() {
    let mut room = Room::settled(&Config::default());
    let held = room.hosts[1].served().next().expect("n1 serves something");
    let server = WireAddr(SocketAddr::new(held, 445));
    let connection =
        |port| Connection { client: WireAddr(SocketAddr::from(([192, 168, 7, 7], port))), server };
    let known = |room: &mut Room, pnn| {
        let client = room.client(pnn);
        let reply = room.call(client, &RequestData::GetTcpTickleList(server));
        let Ok(ReplyData::Tickles(list)) = ReplyData::decode(Opcode::GET_TCP_TICKLE_LIST, 0, &reply.data)
        else {
            panic!("no list")
        };
        list.connections
    };
    let (samba, other) = (room.client(1), room.client(1));
    room.ask(samba, Pnn::CURRENT_NODE, &RequestData::TcpClient(connection(1)), ControlFlags::NOREPLY);
    assert_eq!(room.call(other, &RequestData::TcpClient(connection(2))).status, 0);
    for pnn in 0..3 {
        assert_eq!(known(&mut room, pnn), [connection(1), connection(2)], "n{pnn}");
    }
    room.hang_up(samba);
    room.run(SECOND / 100);
    assert_eq!(known(&mut room, 1), [connection(2)]);
    room.run(21 * SECOND);
    assert_eq!(known(&mut room, 0), [connection(2)]);
}
