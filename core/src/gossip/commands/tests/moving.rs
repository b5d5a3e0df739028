//! Slots on their way, and their keys: MIGRATE, and what it sends.

use super::super::super::config::Role;
use super::{OTHER, Room};
use crate::time::Duration;

const SYNTAX: &str = "-ERR syntax error";
const INTEGER: &str = "-ERR value is not an integer or out of range";
const BOTH: &str = "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";
const NOT_SERVED: &str = "-CLUSTERDOWN Hash slot not served";

/// Each row is redis-server's at a master that owns all slots but 0 and has no keys.
const ROWS: &[(&str, &str)] = &[
    ("MIGRATE h 1 a 0 100", "+NOKEY"),
    ("MIGRATE h x a 0 100", "+NOKEY"),
    ("MIGRATE h 1 a -5 -7", "+NOKEY"),
    ("MIGRATE h 1 a x 100", INTEGER),
    ("MIGRATE h 1 a 0 x", INTEGER),
    ("MIGRATE h 1 a 0 99999999999999999999", INTEGER),
    ("MIGRATE h 1 a 0 100 foo", SYNTAX),
    ("MIGRATE h 1 a 0 100 copy foo KEYS b", SYNTAX),
    ("MIGRATE h 1 a x 100 foo", SYNTAX),
    ("MIGRATE h 1 a 0 100 AUTH", SYNTAX),
    ("MIGRATE h 1 a 0 100 AUTH x COPY replace", "+NOKEY"),
    ("MIGRATE h 1 a 0 100 AUTH2 x", SYNTAX),
    ("MIGRATE h 1 a 0 100 AUTH2 x y", "+NOKEY"),
    ("MIGRATE h 1 a 0 100 KEYS", BOTH),
    ("MIGRATE h 1 a 0 100 KEYS b", BOTH),
    ("MIGRATE h 1 \"\" 0 100 KEYS", "+NOKEY"),
    ("MIGRATE h 1 \"\" 0 100 copy copy KEYS a {a}b", "+NOKEY"),
    ("MIGRATE h 1 \"\" 0 x KEYS a {a}b", INTEGER),
    ("MIGRATE h 1 \"\" 0 100 KEYS a b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("MIGRATE h 1 \"\" 0 100 AUTH keys KEYS a", "+NOKEY"),
    ("MIGRATE h 1 \"\" 0 100 AUTH2 x y KEYS a", "+NOKEY"),
    ("MIGRATE h 1 \"\" 0 100", NOT_SERVED),
    ("MIGRATE h 1 \"\" 0 100 AUTH keys", NOT_SERVED),
    ("MIGRATE h 1 \"\" 0 100 AUTH2 x KEYS a", NOT_SERVED),
    ("COMMAND GETKEYS MIGRATE h 1 a 0 100", "*1¶$1¶a"),
    ("COMMAND GETKEYS MIGRATE h 1 \"\" 0 100 AUTH keys KEYS a", "*1¶$1¶a"),
    ("COMMAND GETKEYS MIGRATE h 1 \"\" 0 100 KEYS keys a", "*2¶$4¶keys¶$1¶a"),
    ("COMMAND GETKEYS MIGRATE h 1 a 0 100 KEYS b", "-ERR Invalid arguments specified for command"),
];

#[test]
fn keys_that_are_nowhere_are_not_moved_in_redis_words() {
    for role in [Role::Witness, Role::Register] {
        let (mut room, link) = Room::alone(role);
        room.expect(link, &[("CONFIG SET cluster-require-full-coverage no", "+OK")]);
        room.expect(link, &[("CLUSTER DELSLOTS 0", "+OK")]);
        room.expect(link, ROWS);
    }
}

#[test]
fn a_slot_on_its_way_has_no_keys_at_a_node_without_data() {
    let (mut room, link) = Room::alone(Role::Witness);
    room.expect(link, &[("CLUSTER DELSLOTSRANGE 15000 16383", "+OK")]);
    room.other(15000, 16383);
    room.wait(Duration::from_secs(6));
    let [away, here] =
        [("SETSLOT 3300 MIGRATING", "b"), ("SETSLOT 15495 IMPORTING", "a")].map(|(what, key)| {
            room.expect(link, &[(&alloc::format!("CLUSTER {what} {OTHER}"), "+OK")]);
            alloc::format!("MIGRATE h 1 {key} 0 100")
        });
    let moved = "-MOVED 15494 127.0.0.1:7001";
    room.expect(link, &[(&away, "+NOKEY"), (&here, "+NOKEY"), ("MIGRATE h 1 1619 0 100", moved)]);
    // What a real node sends when it moves a key here: refused, so that it keeps the key.
    let ours = "-CLUSTERDOWN Hash slot not served: this node is a standin witness and stores no keys";
    room.expect(link, &[("RESTORE-ASKING a 0 x", ours), ("RESTORE a 0 x", "-MOVED 15495 127.0.0.1:7001")]);
    room.expect(link, &[("CLUSTER SETSLOT 15495 STABLE", "+OK"), (&here, "-MOVED 15495 127.0.0.1:7001")]);
}

#[test]
fn a_register_stays_where_it_is() {
    let (mut room, link) = Room::alone(Role::Register);
    let stays = "-ERR a standin node's register stays where it is: delete it before the slot moves";
    room.expect(link, &[("SET a 7", "+OK")]);
    room.expect(link, &[("MIGRATE h 1 \"\" 0 100 KEYS a {a}b", stays), ("MIGRATE h 1 a 0 100", stays)]);
    room.expect(link, &[("GET a", "$1¶7"), ("DEL a", ":1"), ("MIGRATE h 1 a 0 100", "+NOKEY")]);
}
