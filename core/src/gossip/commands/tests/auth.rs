//! Passwords: what a Redis 7.0.15 with `requirepass pw` answers, asked in this order.

use alloc::format;

use super::super::super::config::Config;
use super::super::super::password::Password;
use super::{HOME, Room};

const NOAUTH: &str = "-NOAUTH Authentication required.";
const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.";
const FIRST: &str = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                     AUTH <user> <pass> option can be used to authenticate the client and select the RESP \
                     protocol version at the same time";

fn room() -> Room {
    Room::with(Config { password: Password::new(b"pw"), ..Config::new(HOME, 7000) })
}

#[test]
fn who_has_not_said_the_password_is_not_heard() {
    let mut room = room();
    let link = room.client();
    let rows = [
        ("PING", NOAUTH),
        ("FOO x", "-ERR unknown command 'FOO', with args beginning with: 'x' "),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("CLUSTER NOPE", "-ERR unknown subcommand 'NOPE'. Try CLUSTER HELP."),
        ("MULTI", NOAUTH),
        ("EXEC", "-EXECABORT Transaction discarded because of: NOAUTH Authentication required."),
        ("SUBSCRIBE x", NOAUTH),
        ("HELLO", FIRST),
        ("HELLO 3", FIRST),
        ("HELLO 3 SETNAME me", FIRST),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
        ("HELLO 3 AUTH default no", WRONG),
        ("AUTH", "-ERR wrong number of arguments for 'auth' command"),
        ("AUTH a b c", "-ERR syntax error"),
        ("AUTH no", WRONG),
        ("AUTH default no", WRONG),
        ("AUTH other pw", WRONG),
        ("RESET", "+RESET"),
        ("GET a", NOAUTH),
        ("ASKING", NOAUTH),
        ("COMMAND", NOAUTH),
        ("CONFIG GET requirepass", NOAUTH),
        ("CLUSTER NODES", NOAUTH),
        ("PSYNC ? -1", NOAUTH),
        ("QUIT", "+OK"),
    ];
    room.expect(link, &rows);
    assert_eq!(room.ended.len(), 1);
}

#[test]
fn who_has_said_it_is_heard_until_he_resets() {
    let mut room = room();
    let link = room.client();
    let hello = room.ask(link, "HELLO 3 AUTH default pw SETNAME me");
    assert!(hello.starts_with("%7¶$6¶server¶$5¶redis¶"), "{hello}");
    let rows = [
        ("CLIENT GETNAME", "$2¶me"),
        ("PING", "+PONG"),
        ("CONFIG GET requirepass", "%1¶$11¶requirepass¶$2¶pw"),
        ("AUTH no", WRONG),
        ("PING", "+PONG"),
        ("RESET", "+RESET"),
        ("PING", NOAUTH),
        ("AUTH pw", "+OK"),
        ("PING", "+PONG"),
        ("AUTH default pw", "+OK"),
        ("MULTI", "+OK"),
        ("AUTH no", "+QUEUED"),
        ("AUTH pw", "+QUEUED"),
    ];
    room.expect(link, &rows);
    assert_eq!(room.ask(link, "EXEC"), format!("*2¶{WRONG}¶+OK"));
    let immutable =
        "-ERR CONFIG SET failed (possibly related to argument 'requirepass') - can't set immutable config";
    room.expect(link, &[("CONFIG SET requirepass x", immutable)]);
    // Each option of HELLO counts from where it stands, whatever becomes of the next.
    let link = room.client();
    let rows = [
        ("HELLO 3 SETNAME x AUTH default no", WRONG),
        ("CLIENT GETNAME", NOAUTH),
        ("AUTH pw", "+OK"),
        ("CLIENT GETNAME", "$1¶x"),
    ];
    room.expect(link, &rows);
    let link = room.client();
    let rows =
        [("HELLO 3 AUTH default pw FOO", "-ERR Syntax error in HELLO option 'FOO'"), ("PING", "+PONG")];
    room.expect(link, &rows);
    assert!(!format!("{:?}", room.node.config()).contains("pw"));
}

#[test]
fn a_stranger_may_ask_little() {
    let mut room = room();
    for (bytes, refused) in
        [(&b"*11\r\n"[..], "multibulk length"), (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "bulk length")]
    {
        let link = room.client();
        room.say(link, bytes);
        assert_eq!(room.told(link), format!("-ERR Protocol error: unauthenticated {refused}\r\n"));
        assert_eq!(room.ended.pop().map(|(ended, _)| ended), Some(link));
        let link = room.client();
        room.say(link, b"AUTH pw\r\n");
        room.say(link, bytes);
        assert_eq!(room.told(link), "+OK\r\n");
    }
}

#[test]
fn without_a_password_none_is_wrong_for_the_default_user() {
    let mut room = Room::with(Config::new(HOME, 7000));
    let link = room.client();
    let rows = [
        (
            "AUTH pw",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure \
             your configuration is correct?",
        ),
        ("AUTH default pw", "+OK"),
        ("AUTH other pw", WRONG),
        ("CONFIG GET requirepass", "*2¶$11¶requirepass¶$0¶"),
        ("RESET", "+RESET"),
        ("PING", "+PONG"),
    ];
    room.expect(link, &rows);
}
