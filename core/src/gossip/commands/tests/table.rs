//! The table of commands beside redis-server's own.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::super::config::Role;
use super::super::super::resp::{Replies, Value};
use super::Room;

/// What redis-server 7.0.15 said to COMMAND, a line each: name, arity, first key, last key, step,
/// `keyed` if it has key specifications, and of its flags those we tell.
const REDIS: &str = include_str!("redis-commands.txt");

/// Redis' keyless commands that are not answered here: they are about what this node does not have
/// (users of its own), or should not do for a client.
const LEFT_OUT: [&str; 13] = [
    "acl|genpass",
    "acl|setuser",
    "command|getkeysandflags",
    "debug",
    "latency|doctor",
    "latency|graph",
    "lolwut",
    "module|load",
    "module|loadex",
    "module|unload",
    "monitor",
    "pfselftest",
    "shutdown",
];

/// `COMMAND`'s rows, those of families too, in the form of [`REDIS`].
fn told(rows: &[Value], all: &mut BTreeMap<String, String>) {
    for row in rows {
        let Value::Array(row) = row else { panic!("{row:?}") };
        let [Value::Bulk(name), Value::Integer(arity), Value::Array(flags), rest @ ..] = &row[..] else {
            panic!("{row:?}")
        };
        let [
            Value::Integer(first),
            Value::Integer(last),
            Value::Integer(step),
            _,
            _,
            _,
            Value::Array(within),
        ] = rest
        else {
            panic!("{row:?}")
        };
        let mut flags: Vec<&str> = flags
            .iter()
            .map(
                |flag| if let Value::Simple(flag) = flag { core::str::from_utf8(flag).unwrap() } else { "?" },
            )
            .collect();
        flags.sort_unstable();
        let name = String::from_utf8(name.clone()).unwrap();
        all.insert(name, format!("{arity} {first} {last} {step} {}", flags.join(" ")));
        told(within, all);
    }
}

#[test]
fn every_command_is_as_redis_has_it() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.say(link, b"COMMAND\r\n");
    let mut replies = Replies::new();
    replies.feed(room.told(link).as_bytes());
    let Ok(Some(Value::Array(rows))) = replies.next() else { panic!("no array") };
    let mut ours = BTreeMap::new();
    told(&rows, &mut ours);
    let mut missing = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in REDIS.lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let mut theirs: Vec<&str> = words.collect();
        let keyed = theirs.remove(4) == "keyed";
        theirs[4..].sort_unstable();
        let theirs = format!("{} {}", theirs[..4].join(" "), theirs[4..].join(" "));
        match ours.remove(name) {
            None if keyed => wrong.push(format!("{name} has keys and is missing")),
            None => _ = missing.insert(name),
            // Its answer comes later, which a transaction's cannot.
            Some(_) if name == "config|rewrite" => {}
            Some(ours) if ours != theirs => wrong.push(format!("{name}: redis {theirs}, ours {ours}")),
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(missing, BTreeSet::from(LEFT_OUT));
    // Of a later Redis.
    assert_eq!(ours.into_keys().collect::<Vec<_>>(), ["client|setinfo"]);
}
