//! What is asked, and what is answered.

use alloc::format;

use super::super::super::config::{Config, Preferred, Role, TlsPort};
use super::super::super::links::{BUS, CLIENTS, TLS_CLIENTS};
use super::super::super::resp::{Replies, Value};
use super::super::super::table::Ix;
use super::super::super::types::NodeFlags;
use super::super::super::wire::{self, Kind};
use super::super::rows::TABLE;
use super::super::*;
use super::{HOME, OTHER, Room, packet};
use crate::machine::{How, Input, LinkInput, Why};
use crate::time::Duration;

#[test]
fn a_fresh_node_says_what_redis_says() {
    let mut room = Room::new(Role::Register);
    let link = room.client();
    let id = room.node.id();
    let line = format!("{id} :7000@17000 myself,master - 0 0 0 connected 1-3\n");
    let rows: &[(&str, &str)] = &[
        ("PING", "+PONG"),
        ("ping hi", "$2¶hi"),
        ("CLUSTER MYID", &format!("$40¶{id}")),
        ("CLUSTER ADDSLOTS 1 2 3", "+OK"),
        ("CLUSTER NODES", &format!("${}¶{line}", line.len())),
        ("CLUSTER SLOTS", &format!("*1¶*3¶:1¶:3¶*4¶$0¶¶:7000¶$40¶{id}¶*0")),
        (
            "HELLO 3 AUTH default x SETNAME me",
            "%7¶$6¶server¶$5¶redis¶$7¶version¶$6¶7.0.15¶$5¶proto¶:3¶$2¶id¶:1¶$4¶mode¶$7¶cluster¶$4¶role¶\
             $6¶master¶$7¶modules¶*0",
        ),
        ("CLIENT GETNAME", "$2¶me"),
        ("CLUSTER NODES", &format!("={}¶txt:{line}", line.len() + 4)),
        (
            "CLIENT SETNAME \"a b\"",
            "-ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        ("CLIENT ID", ":1"),
        ("TIME", "*2¶$1¶4¶$1¶0"),
        ("CLUSTER SAVECONFIG", "+OK"),
        ("RESET", "+RESET"),
        ("CLIENT GETNAME", "$-1"),
    ];
    room.expect(link, rows);
    let info = room.ask(link, "CLIENT INFO");
    assert!(info.contains("id=1 addr=127.0.0.1:50000 laddr=127.0.0.1:7000 name= flags=N db=0"), "{info}");
}

#[test]
fn a_node_without_keys_says_so_and_knows_where_they_are() {
    let (mut room, link) = Room::alone(Role::Witness);
    let ours = "-CLUSTERDOWN Hash slot not served: this node is a standin witness and stores no keys";
    room.expect(link, &[("GET a", ours), ("LPUSH a 1", ours), ("EVAL x 1 a", ours), ("PING", "+PONG")]);
    room.expect(
        link,
        &[("EVAL x 0", "-ERR 'eval' is not offered: this node is a standin witness and stores no keys")],
    );
    room.expect(link, &[("CLUSTER DELSLOTSRANGE 15000 16383", "+OK")]);
    room.other(15000, 16383);
    room.wait(Duration::from_secs(6));
    let moved = "-MOVED 15495 127.0.0.1:7001";
    room.expect(link, &[("GET a", moved), ("SET a x", moved), ("XREAD STREAMS a 0", moved)]);
    room.expect(link, &[("READONLY", "+OK"), ("GET a", moved)]);
    room.expect(link, &[("SPUBLISH a x", moved), ("SPUBLISH b x", ":0")]);
    let later = "-NOMASTERLINK this node is a standin witness: it has no data to replicate";
    room.expect(link, &[("PSYNC ? -1", later), ("SYNC", later)]);
    let fixed = "-ERR This node is a standin witness: it stores no keys and keeps its role";
    room.expect(
        link,
        &[("CLUSTER DELSLOTSRANGE 0 14999", "+OK"), (&format!("CLUSTER REPLICATE {OTHER}"), fixed)],
    );
}

#[test]
fn an_endpoint_is_what_the_operator_prefers() {
    for (preferred, moved, slot) in [
        (Preferred::Ip, "127.0.0.1:7001", "$9¶127.0.0.1¶:7001"),
        (Preferred::Hostname, "?:7001", "$1¶?¶:7001"),
        (Preferred::Unknown, ":7001", "$-1¶:7001"),
    ] {
        let mut room = Room::with(Config { preferred_endpoint: preferred, ..Config::new(HOME, 7000) });
        room.other(0, 16383);
        room.wait(Duration::from_secs(6));
        let link = room.client();
        assert_eq!(room.ask(link, "GET a"), format!("-MOVED 15495 {moved}"));
        let slots = room.ask(link, "CLUSTER SLOTS");
        assert!(slots.starts_with(&format!("*1¶*3¶:0¶:16383¶*4¶{slot}¶$40¶{OTHER}¶*")), "{slots}");
    }
}

#[test]
fn a_replica_is_given_everything_and_then_every_write() {
    let (mut room, link) = Room::alone(Role::Register);
    room.expect(link, &[("SET a 7", "+OK"), ("WAIT 1 0", ":0")]);
    let replica = room.client();
    room.expect(
        replica,
        &[("REPLCONF listening-port 7005", "+OK"), ("REPLCONF capa eof capa psync2", "+OK")],
    );
    let begun = room.ask(replica, "PSYNC ? -1");
    let offset = room.node.replication_offset();
    assert!(begun.starts_with("+FULLRESYNC 0000"), "{begun}");
    assert!(begun.ends_with(&format!(" {offset}¶$10¶15495 7 1\n")), "{begun}");
    assert_eq!(room.ask(replica, "PSYNC ? -1"), "");
    assert_eq!(room.ask(link, "DEL a"), ":1");
    assert_eq!(room.told(replica), "*2\r\n$3\r\nDEL\r\n$5\r\n15495\r\n");
    let offset = room.node.replication_offset();
    assert_eq!(room.ask(replica, &format!("REPLCONF ACK {offset}")), "");
    room.expect(
        link,
        &[
            ("WAIT 1 0", ":1"),
            ("ROLE", &format!("*3¶$6¶master¶:{offset}¶*1¶*3¶$9¶127.0.0.1¶$4¶7005¶${}¶{offset}", 2)),
        ],
    );
    let info = room.ask(link, "INFO replication server");
    for line in [
        "role:master¶",
        "connected_slaves:1¶slave0:ip=127.0.0.1,port=7005,state=online,",
        "redis_mode:cluster¶",
    ] {
        assert!(info.contains(line), "{info}");
    }
    room.input(Input::Link(replica, LinkInput::Closed(Why::Eof)));
    room.expect(link, &[("SET a 1", "+OK"), ("WAIT 1 0", ":0")]);
    assert_eq!(room.told(replica), "");
}

#[test]
fn a_manual_failover_holds_writes_until_it_is_over() {
    let (mut room, link) = Room::alone(Role::Register);
    let at = room.other(0, 0);
    room.node.table.unbind(0);
    room.node.table.bind(0, Ix::ME);
    let mut node = room.node.table.get_mut(at);
    node.flags = NodeFlags::REPLICA;
    node.master = Some(Ix::ME);
    drop(node);
    let bus = room.dial(BUS);
    room.say(bus, &packet(Kind::MfStart, NodeFlags::REPLICA, |_| ()));
    assert!(room.node.holds_writes(room.now));
    // What comes behind the write waits with it; others may read.
    assert_eq!(room.ask(link, "GET a\r\nSET a 1\r\nGET a"), "$-1");
    let other = room.client();
    room.expect(other, &[("GET a", "$-1"), ("PUBLISH x y", ""), ("MULTI", "")]);
    room.wait(Duration::from_secs(6));
    assert!(!room.node.holds_writes(room.now));
    assert_eq!(
        (room.told(link).as_str(), room.told(other).as_str()),
        ("+OK\r\n$1\r\n1\r\n", ":0\r\n+OK\r\n")
    );
}

#[test]
fn what_is_published_reaches_those_who_listen_here_and_the_bus() {
    let (mut room, one) = Room::alone(Role::Witness);
    let (two, three) = (room.client(), room.client());
    room.expect(one, &[("SUBSCRIBE x", "*3¶$9¶subscribe¶$1¶x¶:1")]);
    assert!(room.ask(two, "HELLO 3").starts_with("%7"));
    room.expect(
        two,
        &[("SUBSCRIBE x", ">3¶$9¶subscribe¶$1¶x¶:1"), ("SSUBSCRIBE x", ">3¶$10¶ssubscribe¶$1¶x¶:1")],
    );
    room.expect(three, &[("PUBLISH x hi", ":2"), ("PUBSUB CHANNELS", "*1¶$1¶x"), ("SPUBLISH x ho", ":1")]);
    assert_eq!(room.told(one), "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$2\r\nhi\r\n");
    let both =
        ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$2\r\nhi\r\n>3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n$2\r\nho\r\n";
    assert_eq!(room.told(two), both);
    room.other(0, 0);
    let bus = room.dial(BUS);
    room.say(bus, &packet(Kind::Publish, NodeFlags::MASTER, |out| wire::push_publish(out, b"x", b"yo")));
    assert!(room.told(one).ends_with("$2\r\nyo\r\n"));
    room.input(Input::Link(one, LinkInput::Closed(Why::Eof)));
    room.expect(
        three,
        &[("PUBSUB NUMSUB x y", "*4¶$1¶x¶:1¶$1¶y¶:0"), ("PUBSUB SHARDNUMSUB x", "*2¶$1¶x¶:1")],
    );
    assert!(room.told(two).ends_with("$2\r\nyo\r\n"));
    room.expect(two, &[("RESET", "+RESET"), ("PING", "+PONG")]);
    room.expect(three, &[("PUBSUB CHANNELS", "*0")]);
}

#[test]
fn a_published_message_goes_to_every_node() {
    let (mut room, link) = Room::alone(Role::Witness);
    let at = room.other(0, 0);
    room.wait(Duration::from_millis(100));
    let dialled = room.node.table.get(at).outbound.expect("it is dialled at the next tick");
    let local = Endpoint::Tcp(core::net::SocketAddr::new(HOME, 50_001));
    room.input(Input::Link(dialled, LinkInput::Opened { local }));
    room.expect(link, &[("PUBLISH x hi", ":0"), ("SPUBLISH b ho", ":0")]);
    let sent = room.node.traffic().sent;
    // The other is of another shard.
    assert_eq!((sent[4], sent[10]), (1, 0));
}

#[test]
fn every_command_is_told_with_its_keys() {
    let mut room = Room::new(Role::Observer);
    let link = room.client();
    room.say(link, b"COMMAND\r\n");
    let mut replies = Replies::new();
    replies.feed(room.told(link).as_bytes());
    let Ok(Some(Value::Array(rows))) = replies.next() else { panic!("no array") };
    assert_eq!(rows.len(), TABLE.len());
    for row in rows {
        let Value::Array(row) = row else { panic!("{row:?}") };
        assert_eq!(row.len(), 10, "{row:?}");
    }
    let mut names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!((names.len(), names.iter().all(|name| *name == name.to_ascii_lowercase())), (all, true));
    assert_eq!(room.ask(link, "COMMAND COUNT"), format!(":{all}"));
    let get = "*10¶$3¶get¶:2¶*2¶+readonly¶+fast¶:1¶:1¶:1¶*0¶*0¶*0¶*0";
    assert_eq!(room.ask(link, "COMMAND INFO get nothing"), format!("*2¶{get}¶$-1"));
    assert_eq!(room.ask(link, "COMMAND DOCS"), "*0");
}

#[test]
fn a_client_that_quits_hears_so_first() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    assert_eq!(room.ask(link, "QUIT\r\nPING"), "+OK");
    assert_eq!(room.ended, [(link, How::Orderly)]);
    assert_eq!(room.ask(link, "PING"), "");
}

#[test]
fn a_node_has_its_hostname_from_its_first_start_on() {
    let mut room = Room::with(Config {
        hostname: Some("w.example.org".into()),
        preferred_endpoint: Preferred::Hostname,
        ..Config::new(HOME, 7000)
    });
    let link = room.client();
    let nodes = room.ask(link, "CLUSTER NODES");
    assert!(nodes.contains(" :7000@17000,w.example.org myself,master"), "{nodes}");
    room.expect(link, &[("CLUSTER ADDSLOTS 1", "+OK")]);
    let slots = room.ask(link, "CLUSTER SLOTS");
    assert!(slots.starts_with("*1¶*3¶:1¶:1¶*4¶$13¶w.example.org¶:7000¶"), "{slots}");
    let shards = room.ask(link, "CLUSTER SHARDS");
    assert!(shards.contains("$8¶endpoint¶$13¶w.example.org¶"), "{shards}");
}

#[test]
fn in_a_tls_cluster_each_is_told_the_ports_it_can_speak_to() {
    let tls = TlsPort { port: 7443, announce_port: None, cluster: true };
    for (port, plain) in [(7000, 7000), (0, 7443)] {
        let mut room = Room::with(Config { tls: Some(tls), bus_port: 17443, ..Config::new(HOME, port) });
        for (on, told) in [(CLIENTS, plain), (TLS_CLIENTS, 7443)] {
            let link = room.dial(on);
            let nodes = room.ask(link, "CLUSTER NODES");
            assert!(nodes.contains(&format!(" :{told}@17443 myself,master")), "{nodes}");
            let shards = room.ask(link, "CLUSTER SHARDS");
            assert_eq!(shards.contains("¶$4¶port¶:7000¶"), port != 0, "{shards}");
            assert!(shards.contains("¶$8¶tls-port¶:7443¶"), "{shards}");
        }
    }
    // Where only clients speak it, nobody is told.
    let tls = TlsPort { cluster: false, ..tls };
    let mut room = Room::with(Config { tls: Some(tls), ..Config::new(HOME, 7000) });
    let link = room.dial(TLS_CLIENTS);
    assert!(room.ask(link, "CLUSTER NODES").contains(" :7000@17000 myself,master"));
    assert!(!room.ask(link, "CLUSTER SHARDS").contains("tls-port"));
}
