//! Patterns, and how a client wants to be spoken to.

use alloc::format;
use alloc::string::String;

use super::super::super::config::Role;
use super::Room;
use crate::machine::{How, Input, LinkInput, Why};
use crate::time::Duration;

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
            "id=1 {ends} name= flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=client|list user=default redir=-1 resp=2\n"
        ),
        format!(
            "id=2 {ends} name=me flags=x db=0 sub=0 psub=0 ssub=0 multi=0 user=default redir=-1 resp=2\n"
        ),
        format!("id=3 {ends} name= flags=P db=0 sub=0 psub=1 ssub=0 multi=-1 user=default redir=-1 resp=2\n"),
    ];
    let told = |which: &[usize]| {
        let text: String = which.iter().map(|&at| lines[at].as_str()).collect();
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

#[test]
fn an_operator_ends_clients() {
    let mut room = Room::new(Role::Witness);
    let (one, two, three) = (room.client(), room.client(), room.client());
    room.expect(three, &[("SUBSCRIBE a", "*3¶$9¶subscribe¶$1¶a¶:1")]);
    // Each answer is redis-server's.
    room.expect(
        one,
        &[
            ("CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command"),
            ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"),
            ("CLIENT KILL ID", "-ERR No such client"),
            ("CLIENT KILL ID 999", ":0"),
            ("CLIENT KILL ID 999 TYPE", "-ERR syntax error"),
            ("CLIENT KILL ID 0 FOO 1", "-ERR client-id should be greater than 0"),
            ("CLIENT KILL ID 9223372036854775808 TYPE foo", "-ERR client-id should be greater than 0"),
            ("CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'"),
            ("CLIENT KILL USER nobody ID 1", "-ERR No such user 'nobody'"),
            ("CLIENT KILL FOO 1 ID 1", "-ERR syntax error"),
            ("CLIENT KILL SKIPME maybe ID 1", "-ERR syntax error"),
            ("CLIENT KILL ADDR 1.2.3.4:5 ID 3 SKIPME no TYPE normal", ":0"),
            ("CLIENT KILL LADDR 127.0.0.1:7000 ID 1", ":0"),
            ("CLIENT KILL TYPE master SKIPME no", ":0"),
            ("CLIENT KILL TYPE pubsub SKIPME yes", ":1"),
            ("PUBLISH a b", ":0"),
        ],
    );
    assert_eq!(room.ended, [(three, How::Orderly)]);
    room.expect(one, &[("CLIENT KILL USER default SKIPME yes", ":1"), ("PING", "+PONG")]);
    room.expect(one, &[("CLIENT KILL 127.0.0.1:50000", "+OK")]);
    assert_eq!(room.ended, [(three, How::Orderly), (two, How::Orderly), (one, How::Orderly)]);
    assert_eq!(room.ask(one, "PING"), "");
}

#[test]
fn an_operator_has_clients_wait() {
    let (mut room, one) = Room::alone(Role::Register);
    let two = room.client();
    room.expect(
        one,
        &[
            ("CLIENT PAUSE x FOO", "-ERR CLIENT PAUSE mode must be WRITE or ALL"),
            ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range"),
            ("CLIENT PAUSE 1.5 WRITE", "-ERR timeout is not an integer or out of range"),
            ("CLIENT PAUSE -1", "-ERR timeout is negative"),
            (
                "CLIENT PAUSE 1 WRITE x",
                "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
            ),
            ("CLIENT UNBLOCK x", "-ERR value is not an integer or out of range"),
            ("CLIENT UNBLOCK x FOO", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
            ("CLIENT UNBLOCK 2 ERROR", ":0"),
            ("CLIENT PAUSE 1000 WRITE", "+OK"),
            ("GET a", "$-1"),
            ("MULTI", "+OK"),
            ("GET a", "+QUEUED"),
        ],
    );
    assert_eq!(room.ask(one, "SET a 1"), "");
    assert_eq!(room.ask(two, "PUBLISH a b"), "");
    room.wait(Duration::from_millis(900));
    assert_eq!((room.told(one), room.told(two)), (String::new(), String::new()));
    room.wait(Duration::from_millis(300));
    assert_eq!((room.told(one).as_str(), room.told(two).as_str()), ("+QUEUED\r\n", ":0\r\n"));
    // A shorter one beside it that holds more: both, and as long as the longer.
    room.expect(one, &[("EXEC", "*2¶$-1¶+OK"), ("CLIENT PAUSE 1000 WRITE", "+OK")]);
    room.expect(one, &[("CLIENT PAUSE 300 ALL", "+OK"), ("PING", ""), ("FOO", "")]);
    room.expect(two, &[("CLIENT UNPAUSE", "")]);
    room.wait(Duration::from_millis(900));
    assert_eq!((room.told(one), room.told(two)), (String::new(), String::new()));
    room.wait(Duration::from_millis(300));
    assert_eq!(room.told(one), "+PONG\r\n-ERR unknown command 'FOO', with args beginning with: \r\n");
    assert_eq!(room.told(two), "+OK\r\n");
    room.expect(one, &[("CLIENT PAUSE 9223372036854775807 WRITE", "+OK"), ("SET a 2", "")]);
    room.expect(two, &[("CLIENT UNPAUSE", "+OK")]);
    room.wait(Duration::from_millis(100));
    assert_eq!(room.told(one), "+OK\r\n");
}

#[test]
fn a_replica_goes_on_while_clients_wait() {
    let (mut room, one) = Room::alone(Role::Register);
    let replica = room.client();
    assert!(room.ask(replica, "PSYNC ? -1").starts_with("+FULLRESYNC"));
    room.expect(one, &[("CLIENT PAUSE 60000", "+OK"), ("PING", "")]);
    let offset = room.node.replication_offset();
    room.expect(replica, &[("PING", "+PONG"), (&format!("REPLCONF ACK {offset}"), "")]);
}

#[test]
fn who_caches_is_agreed_with_by_a_node_without_keys() {
    let mut room = Room::new(Role::Witness);
    let (link, other) = (room.client(), room.client());
    let info = |flags: &[&str], redirect: i64, prefixes: &[&str]| {
        let list = |words: &[&str]| {
            let words: String = words.iter().map(|word| format!("¶${}¶{word}", word.len())).collect();
            words
        };
        let (flag_count, flags) = (flags.len(), list(flags));
        let (count, prefixes) = (prefixes.len(), list(prefixes));
        format!("*6¶$5¶flags¶*{flag_count}{flags}¶$8¶redirect¶:{redirect}¶$8¶prefixes¶*{count}{prefixes}")
    };
    let switch = "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                  re-enabling it with a different mode.";
    let opt = "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
               re-enabling it with a different mode.";
    let off = "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT \
               mode enabled";
    let no = "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    let overlap = |a, with, b| {
        format!(
            "-ERR Prefix '{a}' overlaps with {with} '{b}'. Prefixes for a single client must not overlap."
        )
    };
    // Each answer is redis-server's.
    let rows: &[(&str, &str)] = &[
        ("CLIENT TRACKINGINFO", &info(&["off"], -1, &[])),
        ("CLIENT GETREDIR", ":-1"),
        ("CLIENT CACHING foo", off),
        ("CLIENT TRACKING", "-ERR wrong number of arguments for 'client|tracking' command"),
        ("CLIENT TRACKING maybe PREFIX x", "-ERR syntax error"),
        ("CLIENT TRACKING off FOO", "-ERR syntax error"),
        ("CLIENT TRACKING off BCAST", "+OK"),
        ("CLIENT TRACKING on OPTIN OPTOUT PREFIX x", "-ERR PREFIX option requires BCAST mode to be enabled"),
        ("CLIENT TRACKING on OPTIN OPTOUT", "-ERR You can't specify both OPTIN mode and OPTOUT mode"),
        ("CLIENT TRACKING on BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("CLIENT TRACKING on REDIRECT 999", "-ERR The client ID you want redirect to does not exist"),
        ("CLIENT TRACKING on REDIRECT x", "-ERR value is not an integer or out of range"),
        ("CLIENT TRACKING on REDIRECT", "-ERR syntax error"),
        (
            "CLIENT TRACKING on REDIRECT 2 REDIRECT 1",
            "-ERR A client can only redirect to a single other client",
        ),
        ("CLIENT TRACKING on REDIRECT 2", "+OK"),
        ("CLIENT GETREDIR", ":2"),
        ("CLIENT TRACKINGINFO", &info(&["on"], 2, &[])),
        ("CLIENT TRACKING on REDIRECT 0", "-ERR The client ID you want redirect to does not exist"),
        ("CLIENT TRACKING on BCAST", switch),
        ("CLIENT TRACKING on OPTIN", "+OK"),
        ("CLIENT GETREDIR", ":0"),
        ("CLIENT CACHING yes", "+OK"),
        ("CLIENT TRACKINGINFO", &info(&["on", "optin", "caching-yes"], 0, &[])),
        ("PING", "+PONG"),
        ("CLIENT TRACKINGINFO", &info(&["on", "optin"], 0, &[])),
        ("CLIENT CACHING no", no),
        ("CLIENT CACHING foo", "-ERR syntax error"),
        ("CLIENT TRACKING on OPTOUT", opt),
        ("CLIENT TRACKING off", "+OK"),
        ("CLIENT TRACKING on BCAST PREFIX ab PREFIX c NOLOOP", "+OK"),
        ("CLIENT TRACKINGINFO", &info(&["on", "bcast", "noloop"], 0, &["ab", "c"])),
        ("CLIENT TRACKING on BCAST PREFIX a", &overlap("a", "an existing prefix", "ab")),
        ("CLIENT TRACKING on BCAST PREFIX d", "+OK"),
        ("CLIENT TRACKING on", switch),
        ("CLIENT TRACKING on BCAST PREFIX e PREFIX ef", &overlap("e", "another provided prefix", "ef")),
        ("CLIENT TRACKING on BCAST", "+OK"),
        ("CLIENT TRACKINGINFO", &info(&["on", "bcast"], 0, &["", "ab", "c", "d"])),
        ("RESET", "+RESET"),
        ("CLIENT TRACKINGINFO", &info(&["off"], -1, &[])),
        ("CLIENT TRACKING on BCAST PREFIX b", "+OK"),
    ];
    room.expect(link, rows);
    assert!(room.ask(other, "CLIENT LIST ID 1").contains(" flags=tB "));
    assert!(room.ask(other, "INFO clients").contains("tracking_clients:1"));
    let long = format!("CLIENT TRACKING on BCAST PREFIX {}", "x".repeat(65_000));
    assert_eq!(room.ask(other, &long), "+OK");
    assert_eq!(room.ask(other, &long), "-ERR too many prefixes for one client");
    assert!(room.ask(other, "HELLO 3").starts_with("%7"));
    assert!(
        room.ask(other, "CLIENT TRACKINGINFO").starts_with("%3¶$5¶flags¶~2¶$2¶on¶$5¶bcast¶$8¶redirect¶:0¶")
    );
    let (mut room, link) = Room::alone(Role::Register);
    let refused = "-ERR CLIENT TRACKING is not offered by a standin node that keeps registers";
    room.expect(link, &[("CLIENT TRACKING off", "+OK"), ("CLIENT TRACKING on", refused)]);
}
