//! Patterns, and how a client wants to be spoken to.

use alloc::format;

use super::super::super::config::Role;
use super::Room;
use crate::machine::{How, Input, LinkInput, Why};

#[test]
fn patterns_are_told_what_is_published_on_channels_like_them() {
    let (mut room, one) = Room::alone(Role::Witness);
    let (two, three) = (room.client(), room.client());
    room.expect(
        one,
        &[
            ("PUNSUBSCRIBE", "*3¶$12¶punsubscribe¶$-1¶:0"),
            ("PSUBSCRIBE n* n?ws", "*3¶$10¶psubscribe¶$2¶n*¶:1¶*3¶$10¶psubscribe¶$4¶n?ws¶:2"),
            ("PSUBSCRIBE n*", "*3¶$10¶psubscribe¶$2¶n*¶:2"),
            ("SUBSCRIBE news", "*3¶$9¶subscribe¶$4¶news¶:3"),
            ("PING", "*2¶$4¶pong¶$0¶"),
        ],
    );
    assert!(room.ask(two, "HELLO 3").starts_with("%7"));
    room.expect(two, &[("PSUBSCRIBE n*", ">3¶$10¶psubscribe¶$2¶n*¶:1"), ("PUBSUB NUMPAT", ":2")]);
    // Patterns are no channels, and know nothing of a shard's.
    room.expect(
        three,
        &[
            ("PUBLISH news hi", ":4"),
            ("SPUBLISH news ho", ":0"),
            ("PUBSUB CHANNELS", "*1¶$4¶news"),
            ("PUBSUB CHANNELS x*", "*0"),
            ("PUBSUB CHANNELS *[v-x]s", "*1¶$4¶news"),
        ],
    );
    let name = "$4\r\nnews\r\n$2\r\nhi\r\n";
    assert_eq!(
        room.told(one),
        format!(
            "*3\r\n$7\r\nmessage\r\n{name}*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n{name}\
             *4\r\n$8\r\npmessage\r\n$4\r\nn?ws\r\n{name}"
        )
    );
    assert_eq!(room.told(two), format!(">4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n{name}"));
    room.expect(
        one,
        &[
            ("UNSUBSCRIBE", "*3¶$11¶unsubscribe¶$4¶news¶:2"),
            ("PUNSUBSCRIBE x", "*3¶$12¶punsubscribe¶$1¶x¶:2"),
            ("PUNSUBSCRIBE", "*3¶$12¶punsubscribe¶$2¶n*¶:1¶*3¶$12¶punsubscribe¶$4¶n?ws¶:0"),
            ("PING", "+PONG"),
        ],
    );
    room.input(Input::Link(two, LinkInput::Closed(Why::Eof)));
    room.expect(three, &[("PUBLISH news hi", ":0"), ("PUBSUB NUMPAT", ":0")]);
}

#[test]
fn patterns_of_all_clients_have_an_end() {
    let mut room = Room::new(Role::Witness);
    let (one, two) = (room.client(), room.client());
    let long = format!("PSUBSCRIBE {}", "x".repeat(50_000));
    assert!(room.ask(one, &long).starts_with("*3¶$10¶psubscribe"));
    assert_eq!(room.ask(two, &long), "-ERR too many patterns of all clients");
    room.expect(one, &[("RESET", "+RESET")]);
    assert!(room.ask(two, &long).starts_with("*3¶$10¶psubscribe"));
}

#[test]
fn a_browser_is_sent_away_before_its_next_line() {
    for first in ["POST / HTTP/1.1", "Host: x", "host:"] {
        let (mut room, link) = Room::alone(Role::Register);
        assert_eq!(room.ask(link, &format!("{first}\r\nSET a 7")), "");
        assert_eq!(room.ended, [(link, How::Orderly)]);
        let other = room.client();
        room.expect(other, &[("GET a", "$-1")]);
    }
}

#[test]
fn clients_are_listed() {
    let mut room = Room::new(Role::Witness);
    let (one, two, three) = (room.client(), room.client(), room.client());
    room.expect(two, &[("CLIENT SETNAME me", "+OK"), ("MULTI", "+OK")]);
    room.expect(three, &[("PSUBSCRIBE a", "*3¶$10¶psubscribe¶$1¶a¶:1")]);
    let ends = "addr=127.0.0.1:50000 laddr=127.0.0.1:7000";
    let lines = [
        format!(
            "id=1 {ends} name= flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=client|list user=default resp=2\n"
        ),
        format!("id=2 {ends} name=me flags=x db=0 sub=0 psub=0 ssub=0 multi=0 user=default resp=2\n"),
        format!("id=3 {ends} name= flags=P db=0 sub=0 psub=1 ssub=0 multi=-1 user=default resp=2\n"),
    ];
    let told = |which: &[usize]| {
        let text: alloc::string::String = which.iter().map(|&at| lines[at].as_str()).collect();
        format!("${}¶{text}", text.len())
    };
    room.expect(
        one,
        &[
            ("CLIENT LIST", &told(&[0, 1, 2])),
            ("CLIENT LIST TYPE normal", &told(&[0, 1])),
            ("CLIENT LIST TYPE pubsub", &told(&[2])),
            ("CLIENT LIST TYPE replica", "$0¶"),
            ("CLIENT LIST ID 2 9", &told(&[1])),
            ("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"),
            ("CLIENT LIST ID x", "-ERR Invalid client ID"),
            ("CLIENT LIST ID", "-ERR syntax error"),
        ],
    );
}

#[test]
fn who_wants_no_answer_gets_none() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.expect(
        link,
        &[
            ("CLIENT REPLY SKIP", ""),
            ("ECHO a", ""),
            ("ECHO b", "$1¶b"),
            ("CLIENT REPLY OFF", ""),
            ("ECHO a", ""),
            ("CLIENT REPLY SKIP", ""),
            ("ECHO a", ""),
            ("CLIENT REPLY ON", "+OK"),
            ("ECHO a", "$1¶a"),
        ],
    );
}
