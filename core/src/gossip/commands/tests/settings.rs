//! CONFIG: options seen, changed, and kept.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString};

use super::super::super::config::{Config, Role};
use super::super::super::types::NodeFlags;
use super::{HOME, Room};
use crate::host::Done;
use crate::machine::{Input, LinkId, LinkInput, Why};
use crate::time::Duration;

fn with_file() -> (Room, LinkId) {
    let mut room = Room::with(Config { has_file: true, ..Config::new(HOME, 7000) });
    let link = room.client();
    (room, link)
}

fn kept(room: &mut Room, kept: Result<(), &str>) {
    let (job, _) = room.keeping.remove(0);
    room.input(Input::Job(job, Done::Kept(kept.map_err(ToString::to_string))));
}

#[test]
fn what_can_be_changed_is_kept_and_who_wants_it_waits_for_that() {
    let (mut room, link) = with_file();
    let other = room.client();
    room.expect(link, &[("CONFIG SET cluster-node-timeout 5000", "+OK"), ("CONFIG REWRITE", "")]);
    let told: String = room.keeping[0].1.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    assert_eq!(
        told,
        "cluster-node-timeout=5000 cluster-replica-validity-factor=10 cluster-migration-barrier=1 \
         repl-ping-replica-period=10 cluster-require-full-coverage=yes cluster-allow-reads-when-down=no \
         cluster-allow-replica-migration=yes cluster-replica-no-failover=no \
         cluster-preferred-endpoint-type=ip cluster-announce-hostname= cluster-announce-ip= \
         cluster-announce-port=0 cluster-announce-bus-port=0 "
    );
    // What he asks meanwhile is answered behind it; others are served, and may want the same.
    room.expect(link, &[("PING", "")]);
    room.expect(other, &[("PING", "+PONG"), ("HELLO 3", &hello(2)), ("CONFIG REWRITE", "")]);
    kept(&mut room, Ok(()));
    assert_eq!((room.told(link).as_str(), room.told(other).as_str()), ("+OK\r\n+PONG\r\n", ""));
    kept(&mut room, Err("permission denied"));
    assert_eq!(room.told(other), "-ERR Rewriting config file: permission denied\r\n");
    room.expect(other, &[("PING", "+PONG")]);
}

fn hello(id: u64) -> String {
    format!(
        "%7¶$6¶server¶$5¶redis¶$7¶version¶$6¶7.0.15¶$5¶proto¶:3¶$2¶id¶:{id}¶$4¶mode¶$7¶cluster¶$4¶role¶\
         $6¶master¶$7¶modules¶*0"
    )
}

#[test]
fn who_leaves_before_it_is_kept_is_not_answered_nor_another() {
    let (mut room, link) = with_file();
    room.expect(link, &[("CONFIG REWRITE", "")]);
    room.input(Input::Link(link, LinkInput::Closed(Why::Eof)));
    let other = room.client();
    kept(&mut room, Ok(()));
    assert_eq!(room.told(other), "");
    room.expect(
        other,
        &[
            ("MULTI", "+OK"),
            ("CONFIG REWRITE", "-ERR Command not allowed inside a transaction"),
            ("DISCARD", "+OK"),
        ],
    );
    assert!(room.keeping.is_empty());
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.expect(link, &[("CONFIG REWRITE", "-ERR The server is running without a config file")]);
}

#[test]
fn settings_are_changed_all_or_none() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    let told =
        |room: &mut Room, link, name: &str| -> String { room.ask(link, &format!("CONFIG GET {name}")) };
    room.expect(link, &[("CONFIG SET cluster-node-timeout 5000 cluster-slave-no-failover yes", "+OK")]);
    assert_eq!(room.node.config().node_timeout, Duration::from_secs(5));
    assert!(room.node.table().me().flags.contains(NodeFlags::NOFAILOVER));
    let wrong = "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config";
    room.expect(link, &[("CONFIG SET cluster-node-timeout 7000 port 1", wrong)]);
    assert_eq!(told(&mut room, link, "*node-timeout"), "*2¶$20¶cluster-node-timeout¶$4¶5000");
    room.expect(link, &[("CONFIG SET cluster-node-timeout 9223372036854775807", "+OK")]);
    room.wait(Duration::from_secs(20));
    room.expect(link, &[("CONFIG SET cluster-node-timeout 0", "+OK")]);
    room.wait(Duration::from_secs(20));
}

#[test]
fn where_others_find_us_is_changed_at_once_and_learnt_again_once_it_is_not_said() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    let mine = |room: &mut Room| {
        let told = room.ask(link, "CLUSTER NODES");
        told.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let before = mine(&mut room);
    room.expect(link, &[("CONFIG SET cluster-announce-ip 192.0.2.9 cluster-announce-bus-port 80", "+OK")]);
    room.expect(link, &[("CONFIG SET cluster-announce-port 70", "+OK")]);
    assert_eq!(mine(&mut room), "192.0.2.9:70@80");
    let failed = "-ERR CONFIG SET failed (possibly related to argument 'cluster-announce";
    let range = format!("{failed}-port') - argument must be between 0 and 65535 inclusive");
    let no_ip = format!("{failed}-ip') - argument must be an IP address that other nodes reach");
    room.expect(
        link,
        &[
            ("CONFIG SET cluster-announce-port 65536", &range),
            ("CONFIG SET cluster-announce-ip node-7", &no_ip),
            ("CONFIG SET cluster-announce-port 0 cluster-announce-bus-port 0", "+OK"),
        ],
    );
    assert_eq!(mine(&mut room).rsplit(':').next(), before.rsplit(':').next());
}
