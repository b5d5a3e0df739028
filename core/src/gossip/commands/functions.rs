//! FUNCTION and SCRIPT. They run where keys are, so none is kept here.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::is;
use super::rows::{MAY, W, sub};
use super::table::Row;
use super::{Call, empty, hello};

pub(super) static FUNCTION: &[Row] = &[
    Row { flags: W, ..sub("function|delete", 3, delete) },
    sub("function|dump", 2, dump),
    Row { flags: W, ..sub("function|flush", -2, function_flush) },
    sub("function|help", 2, function_help),
    sub("function|kill", 2, kill),
    sub("function|list", -2, list),
    Row { flags: W, ..sub("function|load", -3, unoffered) },
    Row { flags: W, ..sub("function|restore", -3, restore) },
    sub("function|stats", 2, stats),
];

pub(super) static SCRIPT: &[Row] = &[
    sub("script|debug", 3, debug),
    sub("script|exists", -3, exists),
    Row { flags: MAY, ..sub("script|flush", -2, script_flush) },
    sub("script|help", 2, script_help),
    sub("script|kill", 2, kill),
    sub("script|load", 3, unoffered),
];

/// What is never kept is not taken.
fn unoffered(machine: &mut Gossip, call: &mut Call<'_>) {
    let role = machine.config.role.word();
    let what = call.text(0).to_ascii_uppercase();
    let how = call.text(1).to_ascii_uppercase();
    call.error(format_args!("{what} {how} is not offered: this node is a standin {role} and keeps none"));
}

/// An error: redis-cli, which asks when it adds a node, then copies none.
fn dump(machine: &mut Gossip, call: &mut Call<'_>) {
    unoffered(machine, call);
}

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
fn list(_: &mut Gossip, call: &mut Call<'_>) {
    let (mut at, mut name, mut code) = (2, false, false);
    while at < call.words.len() {
        if is(call.word(at), "withcode") && !code {
            code = true;
        } else if is(call.word(at), "libraryname") && !name {
            if at + 1 == call.words.len() {
                return call.error("library name argument was not given");
            }
            name = true;
            at += 1;
        } else {
            let word = call.text(at);
            return call.error(format_args!("Unknown argument {word}"));
        }
        at += 1;
    }
    call.reply().array(0);
}

fn delete(machine: &mut Gossip, call: &mut Call<'_>) {
    if empty::is_writable(machine, call) {
        call.error("Library not found");
    }
}

/// `SYNC`, `ASYNC`, or nothing.
fn flush(call: &mut Call<'_>, wrong: &str) {
    match call.words.get(2) {
        Some(how) if !is(how, "sync") && !is(how, "async") => call.error(wrong),
        _ => call.ok(),
    }
}

fn function_flush(machine: &mut Gossip, call: &mut Call<'_>) {
    if !empty::is_writable(machine, call) {
        return;
    }
    if call.words.len() > 3 {
        return empty::wrong_subcommand(call);
    }
    flush(call, "FUNCTION FLUSH only supports SYNC|ASYNC option");
}

fn script_flush(_: &mut Gossip, call: &mut Call<'_>) {
    let wrong = "SCRIPT FLUSH only support SYNC|ASYNC option";
    if call.words.len() > 3 { call.error(wrong) } else { flush(call, wrong) }
}

/// What is restored must be what a Redis dumped. It is taken and forgotten: redis-cli copies the
/// cluster's functions to the node it adds.
fn restore(machine: &mut Gossip, call: &mut Call<'_>) {
    if !empty::is_writable(machine, call) {
        return;
    }
    if call.words.len() > 4 {
        return empty::wrong_subcommand(call);
    }
    let policy = call.words.get(3);
    if policy.is_some_and(|word| !["flush", "append", "replace"].iter().any(|known| is(word, known))) {
        return call.error("Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
    }
    if is_dump(call.word(2)) { call.ok() } else { call.error("DUMP payload version or checksum are wrong") }
}

/// The RDB version of Redis 7.0.
const RDB_VERSION: u16 = 10;

/// Behind what is dumped stand the RDB version (2 bytes) and a checksum of all before it (8 bytes),
/// the least byte first.
fn is_dump(payload: &[u8]) -> bool {
    let Some((said, checksum)) = payload.split_last_chunk::<8>() else { return false };
    let Some((_, version)) = said.split_last_chunk::<2>() else { return false };
    u16::from_le_bytes(*version) <= RDB_VERSION && u64::from_le_bytes(*checksum) == crc64(said)
}

/// Redis' CRC-64: Jones' polynomial, bits reflected, from 0, nothing added at the end.
fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 }
        })
    })
}

fn stats(_: &mut Gossip, call: &mut Call<'_>) {
    let mut reply = call.reply();
    reply.map(2);
    reply.bulk("running_script");
    reply.null();
    reply.bulk("engines");
    reply.map(1);
    reply.bulk("LUA");
    reply.map(2);
    for counted in ["libraries_count", "functions_count"] {
        reply.bulk(counted);
        reply.integer(0);
    }
}

fn kill(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().error_code("NOTBUSY No scripts in execution right now.");
}

fn exists(_: &mut Gossip, call: &mut Call<'_>) {
    let count = call.words.len() - 2;
    let mut reply = call.reply();
    reply.array(count);
    (0..count).for_each(|_| reply.integer(0));
}

fn debug(machine: &mut Gossip, call: &mut Call<'_>) {
    match call.word(2) {
        word if is(word, "no") => call.ok(),
        word if is(word, "yes") || is(word, "sync") => unoffered(machine, call),
        _ => call.error("Use SCRIPT DEBUG YES/SYNC/NO"),
    }
}

fn function_help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "FUNCTION", &FUNCTION.iter().map(Row::short).collect::<Vec<_>>());
}

fn script_help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "SCRIPT", &SCRIPT.iter().map(Row::short).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_dumped_is_known_by_its_checksum() {
        // FUNCTION DUMP of a Redis 7.0.15 without functions.
        let mut dump = *b"\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda";
        assert!(is_dump(&dump));
        dump[9] ^= 1;
        assert!(!is_dump(&dump));
        assert!(!is_dump(b"junk") && !is_dump(&[0; 9]));
        let mut later = b"\x0b\x00".to_vec();
        later.extend_from_slice(&crc64(&later).to_le_bytes());
        assert!(!is_dump(&later));
        // The check value that Redis' own test has.
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
