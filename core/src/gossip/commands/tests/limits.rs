//! What clients cannot do.

use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::super::super::config::Role;
use super::super::super::links::BUS;
use super::super::rows::TABLE;
use super::super::*;
use super::Room;
use crate::bytes::check::{any_bytes, few};
use crate::host::{Done, FileError};
use crate::machine::{How, Input};
use crate::time::Duration;

#[test]
fn while_a_promise_is_saved_clients_wait() {
    let mut room = Room::new(Role::Register);
    let (one, two) = (room.client(), room.client());
    room.slow_disk = true;
    room.expect(one, &[("CLUSTER BUMPEPOCH", ""), ("PING", "")]);
    room.expect(two, &[("PING", ""), ("QUIT", "")]);
    assert!(room.ended.is_empty());
    let job = room.unsaved.remove(0);
    room.input(Input::Job(job, Done::Wrote(Err(FileError::Denied))));
    assert_eq!(room.told(one), "");
    room.wait(Duration::from_secs(1));
    let job = room.unsaved.remove(0);
    room.input(Input::Job(job, Done::Wrote(Ok(()))));
    assert_eq!(
        (room.told(one).as_str(), room.told(two).as_str()),
        ("+BUMPED 1\r\n+PONG\r\n", "+PONG\r\n+OK\r\n")
    );
    assert_eq!(room.ended, [(two, How::Orderly)]);
}

#[test]
fn a_client_that_waits_may_not_say_for_ever() {
    let mut room = Room::new(Role::Witness);
    let (one, two) = (room.client(), room.client());
    room.slow_disk = true;
    room.expect(one, &[("CLUSTER BUMPEPOCH", "")]);
    let pings = b"PING\r\n".repeat(UNREAD_MAX / 6);
    room.say(two, &pings);
    assert_eq!((room.node.clients.all.len(), room.node.clients.kept), (2, pings.len()));
    room.say(two, b"PING\r\nPING\r\n");
    assert_eq!((room.node.clients.all.len(), room.node.clients.kept), (1, 0));
}

#[test]
fn all_clients_together_keep_only_so_much() {
    let mut room = Room::new(Role::Witness);
    let begun = format!("*2\r\n$4\r\nECHO\r\n$1000000\r\n{}", "x".repeat(900_000));
    let all = KEPT_MAX / begun.len() + 1;
    for _ in 0..all {
        let link = room.client();
        room.say(link, begun.as_bytes());
    }
    assert_eq!(room.ended.len(), 1);
    let link = room.client();
    room.expect(link, &[("PING", "+PONG")]);
    let others: Vec<LinkId> = room.node.clients.all.keys().copied().collect();
    for link in others {
        room.input(Input::Link(link, crate::machine::LinkInput::Closed(crate::machine::Why::Eof)));
    }
    assert_eq!(room.node.clients.kept, 0);
}

#[test]
fn what_is_kept_counts_as_what_it_takes() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.say(link, format!("*150000\r\n{}", "$0\r\n\r\n".repeat(20_000)).as_bytes());
    assert!(room.node.clients.kept >= 20_000 * ARGUMENT_COST, "{}", room.node.clients.kept);
    // And in a transaction.
    let link = room.client();
    room.expect(link, &[("MULTI", "+OK")]);
    let slots = |count: usize| format!("CLUSTER ADDSLOTS {}", "\"\" ".repeat(count));
    room.expect(link, &[(&slots(10_000), "+QUEUED")]);
    room.expect(link, &[(&slots(20_000), "-ERR too much for one transaction")]);
}

#[test]
fn strangers_on_the_bus_keep_only_so_much() {
    let mut room = Room::new(Role::Witness);
    let mut begun = b"RCmb".to_vec();
    begun.extend(60_000_000_u32.to_be_bytes());
    begun.resize(1 << 20, 0);
    let links: Vec<LinkId> = (0..20).map(|_| room.dial(BUS)).collect();
    links.iter().for_each(|&link| room.say(link, &begun));
    // Sixteen have all there is; who has begun a short one may go on.
    assert_eq!(room.ended.len(), 4);
    let short = room.dial(BUS);
    room.say(short, &begun[..4_000]);
    assert_eq!(room.ended.len(), 4);
    room.say(short, &begun[..1_000]);
    assert_eq!(room.ended.len(), 5);
    // Who goes makes room.
    room.input(Input::Link(links[0], crate::machine::LinkInput::Closed(crate::machine::Why::Eof)));
    let next = room.dial(BUS);
    room.say(next, &begun[..10_000]);
    assert_eq!(room.ended.len(), 5);
}

#[test]
fn who_wants_more_than_fits_one_input_waits_for_the_next() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.say(link, &b"COMMAND\r\n".repeat(2_000));
    let first = room.told(link).len();
    assert!(first > SPENT_MAX && first < 2 * SPENT_MAX, "{first}");
    room.wait(Duration::from_millis(100));
    assert!(room.told(link).len() > SPENT_MAX);
    room.wait(Duration::from_secs(2));
    room.told(link);
    room.expect(link, &[("PING", "+PONG")]);
}

#[test]
fn there_is_room_for_so_many_clients() {
    let mut room = Room::new(Role::Witness);
    let clients: Vec<LinkId> = (0..CLIENTS_MAX).map(|_| room.client()).collect();
    let last = room.client();
    assert_eq!(room.told(last), "-ERR max number of clients reached\r\n");
    assert_eq!(room.ended, [(last, How::Orderly)]);
    room.expect(clients[0], &[("PING", "+PONG")]);
}

#[test]
fn a_transaction_and_a_subscription_have_ends() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.expect(link, &[("MULTI", "+OK")]);
    (0..1_024).for_each(|_| assert_eq!(room.ask(link, "PING"), "+QUEUED"));
    let spoilt = "-EXECABORT Transaction discarded because of previous errors.";
    room.expect(link, &[("PING", "-ERR too much for one transaction"), ("EXEC", spoilt), ("PING", "+PONG")]);
    let names: Vec<_> = (0..1_025).map(|name| format!("{name}")).collect();
    let names = names.join(" ");
    room.expect(
        link,
        &[(&format!("SUBSCRIBE {names}"), "-ERR too many channels for one client"), ("PING", "+PONG")],
    );
}

#[test]
fn a_stream_that_cannot_continue_ends_behind_its_error() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    assert_eq!(
        room.ask(link, "PING\r\n*1\r\n:3\r\nPING"),
        "+PONG¶-ERR Protocol error: expected '$', got ':'"
    );
    assert_eq!(room.ended, [(link, How::Orderly)]);
}

/// Requests as a confused or hostile client makes them: real commands with odd words.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<&'static str> = TABLE
        .iter()
        .flat_map(|row| core::iter::once(row.name).chain(row.within.iter().map(|row| row.name)))
        .collect();
    let word = prop_oneof![
        3 => "(a|b|[{]a[}]x|0|1|15495|16383|16384|-1|99999999999999999999|)",
        1 => "(NODE|STABLE|MIGRATING|IMPORTING|FORCE|TAKEOVER|HARD|SOFT|on|yes|127.0.0.1|7000|[*]|streams)",
        1 => "(0{38}aa|cluster-node-timeout|ACK|listening-port)",
        1 => "\\PC{0,8}",
    ];
    let request = (proptest::sample::select(names), proptest::collection::vec(word, 0..6));
    proptest::collection::vec(request, 0..40).prop_map(|all| {
        let mut bytes = Vec::new();
        for (name, words) in all {
            let words = name.split('|').chain(words.iter().map(|word| &**word));
            let words: Vec<&str> = words.collect();
            bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            words.iter().for_each(|word| {
                bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
            });
        }
        bytes
    })
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn any_requests_are_survived(
        role in prop_oneof![
            Just(Role::Witness),
            Just(Role::Register),
            Just(Role::Observer),
            Just(Role::Replica { stands: true }),
        ],
        said in proptest::collection::vec(prop_oneof![4 => requests(), 1 => any_bytes()], 1..6),
        others in any::<bool>(),
    ) {
        let mut room = Room::new(role);
        if others {
            room.other(10_000, 16_000);
        }
        room.wait(Duration::from_secs(5));
        for bytes in said {
            let link = room.client();
            room.say(link, &bytes);
            room.wait(Duration::from_millis(300));
        }
    }
}
