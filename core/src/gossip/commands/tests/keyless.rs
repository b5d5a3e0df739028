//! What is said to requests that name no key, or not as many as they say.

use alloc::format;
use alloc::vec::Vec;

use super::super::super::config::Role;
use super::{OTHER, Room};
use crate::time::Duration;

/// Each row is redis-server's at a master that owns all slots and has no keys.
const ROWS: &[(&str, &str)] = &[
    ("EVAL x y a", "-ERR value is not an integer or out of range"),
    ("EVAL x 5 a", "-ERR Number of keys can't be greater than number of args"),
    ("EVAL x -1 a", "-ERR Number of keys can't be negative"),
    ("EVAL_RO x 5 a", "-ERR Number of keys can't be greater than number of args"),
    ("EVALSHA x y", "-NOSCRIPT No matching script. Please use EVAL."),
    ("EVALSHA x 0", "-NOSCRIPT No matching script. Please use EVAL."),
    ("EVALSHA 0123456789012345678901234567890123456789 y", "-ERR value is not an integer or out of range"),
    ("EVALSHA 0123456789012345678901234567890123456789 0", "-NOSCRIPT No matching script. Please use EVAL."),
    (
        "EVALSHA 0123456789012345678901234567890123456789 7",
        "-ERR Number of keys can't be greater than number of args",
    ),
    ("FCALL f 0", "-ERR Function not found"),
    ("FCALL f x", "-ERR Function not found"),
    ("FCALL_RO f 7", "-ERR Function not found"),
    ("FCALL f -1 a", "-ERR Function not found"),
    ("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"),
    ("ZUNION x a", "-ERR value is not an integer or out of range"),
    ("ZUNION -1 a", "-ERR at least 1 input key is needed for 'zunion' command"),
    ("ZUNION 3 a", "-ERR syntax error"),
    ("ZINTER 3 a", "-ERR syntax error"),
    ("ZDIFF 0 a", "-ERR at least 1 input key is needed for 'zdiff' command"),
    ("ZDIFF 3 a", "-ERR syntax error"),
    ("ZINTERCARD 0 a", "-ERR at least 1 input key is needed for 'zintercard' command"),
    ("ZINTERCARD x a", "-ERR value is not an integer or out of range"),
    ("ZINTERCARD 4 a", "-ERR syntax error"),
    ("SINTERCARD 0 a", "-ERR numkeys should be greater than 0"),
    ("SINTERCARD x a", "-ERR numkeys should be greater than 0"),
    ("SINTERCARD -1 a", "-ERR numkeys should be greater than 0"),
    ("SINTERCARD 4 a", "-ERR Number of keys can't be greater than number of args"),
    ("SINTERCARD 99999999999999999999 a", "-ERR numkeys should be greater than 0"),
    ("LMPOP 0 a LEFT", "-ERR numkeys should be greater than 0"),
    ("LMPOP x a LEFT", "-ERR numkeys should be greater than 0"),
    ("LMPOP 2 a LEFT", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("LMPOP 5 a LEFT", "-ERR syntax error"),
    ("ZMPOP 0 a MIN", "-ERR numkeys should be greater than 0"),
    ("ZMPOP x a MIN", "-ERR numkeys should be greater than 0"),
    ("ZMPOP 5 a MIN", "-ERR syntax error"),
    ("BLMPOP 1 0 a LEFT", "-ERR numkeys should be greater than 0"),
    ("BLMPOP x 0 a LEFT", "-ERR numkeys should be greater than 0"),
    ("BLMPOP 1 x a LEFT", "-ERR numkeys should be greater than 0"),
    ("BLMPOP 1 7 a LEFT", "-ERR syntax error"),
    ("BLMPOP -1 7 a LEFT", "-ERR syntax error"),
    ("BZMPOP 1 0 a MIN", "-ERR numkeys should be greater than 0"),
    ("BZMPOP 1 7 a MIN", "-ERR syntax error"),
    (
        "XREAD STREAMS a 0 b",
        "-ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
    ),
    ("XREAD COUNT 1 STREAMS", "-ERR syntax error"),
    ("XREAD BLOCK 0 a b", "-ERR syntax error"),
    ("XREAD COUNT x STREAMS a 0 1", "-ERR value is not an integer or out of range"),
    ("XREAD FOO STREAMS a 0", "-ERR syntax error"),
    (
        "XREADGROUP GROUP g c STREAMS a 0 b",
        "-ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
    ),
    ("XREADGROUP GROUP g c COUNT 1 STREAMS", "-ERR syntax error"),
    ("XREADGROUP a b c STREAMS a 0", "-ERR syntax error"),
    ("ZUNIONSTORE d 0 a", "-ERR at least 1 input key is needed for 'zunionstore' command"),
    ("ZUNIONSTORE d x a", "-ERR value is not an integer or out of range"),
    ("ZUNIONSTORE d 3 a", "-ERR syntax error"),
    ("ZUNIONSTORE a 1 b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("SORT a STORE b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("SORT a STORE {a} STORE b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("GEORADIUS a 1 2 3 km STORE b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("GEORADIUS a 1 2 3 km STOREDIST b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("GEORADIUSBYMEMBER a x 3 km STORE b", "-CROSSSLOT Keys in request don't hash to the same slot"),
    ("ACL LIST", "*1¶$34¶user default on nopass ~* &* +@all"),
    ("ACL LIST x", "-ERR wrong number of arguments for 'acl|list' command"),
    (
        "ACL GETUSER default",
        "*12¶$5¶flags¶*2¶$2¶on¶$6¶nopass¶$9¶passwords¶*0¶$8¶commands¶$5¶+@all¶$4¶keys¶$2¶~*¶$8¶channels¶$2¶&*¶\
         $9¶selectors¶*0",
    ),
    ("ACL GETUSER foo", "$-1"),
    ("ACL DELUSER foo default", "-ERR The 'default' user cannot be removed"),
    ("ACL DELUSER foo bar", ":0"),
    ("ACL DRYRUN foo GET x", "-ERR User 'foo' not found"),
    ("ACL DRYRUN default GET x", "+OK"),
    ("ACL DRYRUN default GET", "-ERR wrong number of arguments for 'get' command"),
    ("ACL DRYRUN default CLUSTER NODES", "+OK"),
    ("ACL DRYRUN default CLUSTER FOO", "-ERR Command 'CLUSTER' not found"),
    ("ACL LOG", "*0"),
    ("ACL LOG -1", "*0"),
    ("ACL LOG x", "-ERR value is not an integer or out of range"),
    ("ACL LOG RESET", "+OK"),
    ("ACL LOG FOO BAR", "-ERR unknown subcommand or wrong number of arguments for 'LOG'. Try ACL HELP."),
    ("COMMAND GETKEYS SORT a STORE b", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS SORT a BY store STORE b", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS SORT a STORE b STORE c", "*2¶$1¶a¶$1¶c"),
    ("COMMAND GETKEYS SORT a STORE", "*1¶$1¶a"),
    ("COMMAND GETKEYS SORT a LIMIT 1 2 STORE b", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS ZUNIONSTORE d 2 a b", "*3¶$1¶d¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS ZUNIONSTORE d 0 a b", "-ERR Invalid arguments specified for command"),
    ("COMMAND GETKEYS ZUNIONSTORE d 5 a b", "-ERR Invalid arguments specified for command"),
    ("COMMAND GETKEYS GEORADIUS a 1 2 3 km STORE b", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS GEORADIUS a 1 2 3 km", "*1¶$1¶a"),
    ("COMMAND GETKEYS GEORADIUSBYMEMBER a x 3 km STORE", "*1¶$1¶a"),
    ("COMMAND GETKEYS EVAL x 0", "*0"),
    ("COMMAND GETKEYS EVAL x 5 a", "*0"),
    ("COMMAND GETKEYS FCALL x 0", "*0"),
    ("COMMAND GETKEYS EVAL x 1z a", "*1¶$1¶a"),
    ("COMMAND GETKEYS ZUNION 0 a", "-ERR Invalid arguments specified for command"),
    ("COMMAND GETKEYS ZUNION 5 a", "-ERR Invalid arguments specified for command"),
    ("COMMAND GETKEYS LMPOP 2 a b LEFT", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS LMPOP 5 a b LEFT", "-ERR Invalid arguments specified for command"),
    ("COMMAND GETKEYS XREADGROUP GROUP streams c STREAMS a 0", "*1¶$1¶a"),
    ("COMMAND GETKEYS OBJECT ENCODING a", "*1¶$1¶a"),
    ("COMMAND GETKEYS MEMORY USAGE a", "*1¶$1¶a"),
    ("COMMAND GETKEYS XGROUP CREATE a g $", "*1¶$1¶a"),
    ("COMMAND GETKEYS XINFO STREAM a", "*1¶$1¶a"),
    ("COMMAND GETKEYS PFDEBUG ENCODING a", "*1¶$1¶a"),
    ("COMMAND GETKEYS MSET a 1 b", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS MIGRATE h 1 \"\" 0 100", "*1¶$0¶"),
    ("COMMAND GETKEYS PFCOUNT a", "*1¶$1¶a"),
    ("COMMAND GETKEYS SSUBSCRIBE a b", "-ERR The command has no key arguments"),
    ("COMMAND GETKEYS SUNSUBSCRIBE", "-ERR wrong number of arguments for 'command|getkeys' command"),
    ("COMMAND GETKEYS SUNSUBSCRIBE a", "-ERR The command has no key arguments"),
    ("COMMAND GETKEYS SINTERCARD 1", "-ERR Invalid number of arguments specified for command"),
    ("COMMAND GETKEYS COPY a b", "*2¶$1¶a¶$1¶b"),
    ("COMMAND GETKEYS OBJECT HELP a", "-ERR The command has no key arguments"),
    ("COMMAND GETKEYS XINFO HELP", "-ERR The command has no key arguments"),
    ("OBJECT HELP x", "-ERR wrong number of arguments for 'object|help' command"),
    ("OBJECT FOO a", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP."),
    ("OBJECT", "-ERR wrong number of arguments for 'object' command"),
    ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command"),
    ("FUNCTION RESTORE junk", "-ERR DUMP payload version or checksum are wrong"),
    ("FUNCTION RESTORE junk FLUSH", "-ERR DUMP payload version or checksum are wrong"),
    (
        "FUNCTION RESTORE junk FOO",
        "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
    ),
    ("FUNCTION LIST FOO", "-ERR Unknown argument FOO"),
    ("FUNCTION LIST WITHCODE", "*0"),
    ("FUNCTION LIST LIBRARYNAME x", "*0"),
    ("FUNCTION LIST WITHCODE WITHCODE", "-ERR Unknown argument WITHCODE"),
    ("FUNCTION FLUSH", "+OK"),
    ("FUNCTION FLUSH ASYNC", "+OK"),
    ("FUNCTION FLUSH FOO", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
    (
        "FUNCTION FLUSH SYNC x",
        "-ERR unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP.",
    ),
    (
        "FUNCTION STATS",
        "*4¶$14¶running_script¶$-1¶$7¶engines¶*2¶$3¶LUA¶*4¶$15¶libraries_count¶:0¶$15¶functions_count¶:0",
    ),
    ("FUNCTION DELETE x", "-ERR Library not found"),
    ("FUNCTION KILL", "-NOTBUSY No scripts in execution right now."),
    ("SCRIPT EXISTS a b", "*2¶:0¶:0"),
    ("SCRIPT FLUSH", "+OK"),
    ("SCRIPT FLUSH ASYNC", "+OK"),
    ("SCRIPT FLUSH FOO", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
    ("SCRIPT FLUSH SYNC x", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
    ("SCRIPT KILL", "-NOTBUSY No scripts in execution right now."),
    ("SCRIPT DEBUG NO", "+OK"),
    ("SCRIPT DEBUG FOO", "-ERR Use SCRIPT DEBUG YES/SYNC/NO"),
    ("SCAN 0", "*2¶$1¶0¶*0"),
    ("SCAN 0 MATCH * COUNT 10", "*2¶$1¶0¶*0"),
    ("SCAN 0 COUNT 0", "-ERR syntax error"),
    ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
    ("SCAN 0 TYPE string", "*2¶$1¶0¶*0"),
    ("SCAN 0 FOO", "-ERR syntax error"),
    ("SCAN 0 FOO 1", "-ERR syntax error"),
    ("SCAN 0 MATCH", "-ERR syntax error"),
    ("SCAN x", "-ERR invalid cursor"),
    ("SCAN -1", "*2¶$1¶0¶*0"),
    ("SCAN 99999999999999999999", "-ERR invalid cursor"),
    ("KEYS *", "*0"),
    ("RANDOMKEY", "$-1"),
    ("DBSIZE", ":0"),
    ("FLUSHALL", "+OK"),
    ("FLUSHALL ASYNC", "+OK"),
    ("FLUSHALL SYNC", "+OK"),
    ("FLUSHALL FOO", "-ERR syntax error"),
    ("FLUSHDB SYNC x", "-ERR syntax error"),
    ("SLOWLOG GET", "*0"),
    ("SLOWLOG GET 5", "*0"),
    ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"),
    ("SLOWLOG GET x", "-ERR count should be greater than or equal to -1"),
    ("SLOWLOG GET 1 2", "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."),
    ("SLOWLOG LEN", ":0"),
    ("SLOWLOG RESET", "+OK"),
    ("ACL WHOAMI", "$7¶default"),
    (
        "ACL CAT",
        "*21¶$8¶keyspace¶$4¶read¶$5¶write¶$3¶set¶$9¶sortedset¶$4¶list¶$4¶hash¶$6¶string¶$6¶bitmap¶$11¶hyperloglog¶$3¶geo¶$6¶stream¶$6¶pubsub¶$5¶admin¶$4¶fast¶$4¶slow¶$8¶blocking¶$9¶dangerous¶$10¶connection¶$11¶transaction¶$9¶scripting",
    ),
    ("ACL CAT foo", "-ERR Unknown category 'foo'"),
    ("CLIENT REPLY ON", "+OK"),
    ("CLIENT REPLY FOO", "-ERR syntax error"),
    ("LATENCY LATEST", "*0"),
    ("LATENCY RESET", ":0"),
    ("LATENCY RESET foo", ":0"),
    ("LATENCY HISTORY foo", "*0"),
    ("LATENCY HISTOGRAM nothing", "*0"),
    ("MODULE LIST", "*0"),
    ("SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode"),
    ("SWAPDB 0 0", "-ERR SWAPDB is not allowed in cluster mode"),
    ("CONFIG GET t[g-k]meout", "*2¶$7¶timeout¶$1¶0"),
    ("CONFIG GET t[^a]meout", "*2¶$7¶timeout¶$1¶0"),
    ("CONFIG GET t\\imeout", "*0"),
    ("PSUBSCRIBE", "-ERR wrong number of arguments for 'psubscribe' command"),
    ("PUBSUB CHANNELS a*", "*0"),
    ("PUBSUB NUMPAT", ":0"),
    ("COMMAND LIST FOO", "-ERR syntax error"),
    ("MULTI", "+OK"),
    ("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
    ("EXEC", "-ERR EXEC without MULTI"),
    ("MULTI", "+OK"),
    ("DISCARD x", "-ERR wrong number of arguments for 'discard' command"),
    ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
    ("MULTI", "+OK"),
    ("EXEC", "*0"),
    ("XINFO FOO a", "-ERR unknown subcommand 'FOO'. Try XINFO HELP."),
    ("SUBSTR a 0", "-ERR wrong number of arguments for 'substr' command"),
    ("OBJECT FREQ", "-ERR wrong number of arguments for 'object|freq' command"),
    ("SCAN", "-ERR wrong number of arguments for 'scan' command"),
    ("KEYS", "-ERR wrong number of arguments for 'keys' command"),
    ("COMMAND GETKEYS XREAD STREAMS a b 0 1", "*2¶$1¶a¶$1¶b"),
    ("CONFIG GET n[o-p]tify-*", "*2¶$22¶notify-keyspace-events¶$0¶"),
    ("CLIENT LIST ID 99999", "$0¶"),
    ("MULTI", "+OK"),
    ("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
    ("EXEC", "-ERR EXEC without MULTI"),
    ("EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
    ("MULTI", "+OK"),
    ("EXEC", "*0"),
];

#[test]
fn an_empty_redis_says_the_same() {
    for role in [Role::Witness, Role::Register] {
        let (mut room, link) = Room::alone(role);
        let ours: Vec<_> = ROWS.iter().map(|(line, _)| (*line, room.ask(link, line))).collect();
        let wrong = ours.iter().zip(ROWS).filter(|((_, ours), (_, theirs))| ours != theirs);
        assert_eq!(wrong.collect::<Vec<_>>(), []);
    }
}

#[test]
fn every_command_about_keys_is_sent_to_where_they_are() {
    let mut room = Room::new(Role::Witness);
    let link = room.client();
    room.other(0, 16_383);
    room.wait(Duration::from_secs(6));
    let moved = "-MOVED 15495 127.0.0.1:7001";
    for line in [
        "ZUNIONSTORE a 1 {a}",
        "ZINTERCARD 1 a",
        "ZMPOP 1 a MIN",
        "GEORADIUS a 1 2 3 km STORE {a}",
        "SUBSTR a 0 1",
        "MOVE a 1",
        "XAUTOCLAIM a g c 0 0",
        "XSETID a 1-1",
        "PFDEBUG ENCODING a",
        "OBJECT ENCODING a",
        "MEMORY USAGE a",
        "XGROUP CREATE a g $",
        "XINFO STREAM a",
        "SORT a STORE {a}",
        "XREAD COUNT streams STREAMS a 0",
    ] {
        assert_eq!(room.ask(link, line), moved, "{line}");
    }
    assert!(room.ask(link, "XGROUP HELP").starts_with("*7¶+XGROUP <subcommand>"));
    room.expect(
        link,
        &[(
            "MEMORY PURGE",
            "-ERR 'memory|purge' is not offered: this node is a standin witness and stores no keys",
        )],
    );
}

#[test]
fn what_would_promise_something_says_why_not() {
    let (mut room, link) = Room::alone(Role::Witness);
    room.expect(
        link,
        &[
            (
                "SCRIPT LOAD x",
                "-ERR SCRIPT LOAD is not offered: this node is a standin witness and keeps none",
            ),
            (
                "FUNCTION LOAD x",
                "-ERR FUNCTION LOAD is not offered: this node is a standin witness and keeps none",
            ),
            (
                "BGSAVE SCHEDULE",
                "-ERR BGSAVE is not offered: this node is a standin witness and saves no keys",
            ),
        ],
    );
}

#[test]
fn registers_are_neither_listed_nor_flushed() {
    let (mut room, link) = Room::alone(Role::Register);
    room.expect(link, &[("SET a 7", "+OK")]);
    for line in ["KEYS *", "SCAN 0", "RANDOMKEY", "FLUSHALL", "FLUSHDB ASYNC"] {
        let name = line.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        let refused = format!("-ERR '{name}' is not offered by a standin node that keeps registers");
        assert_eq!(room.ask(link, line), refused, "{line}");
    }
    room.expect(link, &[("GET a", "$1¶7")]);
}

#[test]
fn a_replica_takes_no_write_that_names_no_key() {
    let mut room = Room::new(Role::Register);
    let link = room.client();
    let at = room.other(0, 16_383);
    room.node.look_soon(room.now, at);
    room.expect(link, &[(&format!("CLUSTER REPLICATE {OTHER}"), "+OK")]);
    let refused = "-READONLY You can't write against a read only replica.";
    room.expect(link, &[("FLUSHALL", refused), ("FUNCTION FLUSH", refused), ("SCRIPT FLUSH", "+OK")]);
}
