//! COMMAND: what commands there are, and where their keys stand. Cluster clients ask for it.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{Out as Write, is};
use super::glob::{PATTERN_MAX, glob};
use super::rows::{TABLE, sub};
use super::table::{self, Flags, Keys, Row};
use super::{Call, hello};

pub(super) static COMMAND: &[Row] = &[
    sub("command|count", 2, count),
    sub("command|docs", -2, docs),
    sub("command|getkeys", -4, getkeys),
    sub("command|help", 2, help),
    sub("command|info", -2, info),
    sub("command|list", -2, list),
];

/// `COMMAND` without more: all of them.
pub(super) fn command(_: &mut Gossip, call: &mut Call<'_>) {
    let mut reply = call.reply();
    reply.array(TABLE.len());
    TABLE.iter().for_each(|row| describe(&mut reply, row));
}

fn count(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().integer(TABLE.len() as i64);
}

/// None are kept; redis-cli goes on without.
fn docs(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().map(0);
}

fn named(name: &[u8]) -> Option<&'static Row> {
    let mut all = TABLE.iter().chain(TABLE.iter().flat_map(|row| row.within));
    all.find(|row| is(name, row.name))
}

/// Of more than all the commands there are none are told.
fn info(_: &mut Gossip, call: &mut Call<'_>) {
    if call.words.len() == 2 {
        let mut reply = call.reply();
        reply.array(TABLE.len());
        return TABLE.iter().for_each(|row| describe(&mut reply, row));
    }
    let asked: Vec<Option<&Row>> = call.words[2..].iter().map(|name| named(name)).collect();
    if asked.len() > 2 * TABLE.len() {
        return call.error("too many commands");
    }
    let mut reply = call.reply();
    reply.array(asked.len());
    for row in asked {
        match row {
            Some(row) => describe(&mut reply, row),
            None => reply.null(),
        }
    }
}

/// `COMMAND LIST [FILTERBY PATTERN pattern]`; with a pattern, those of families too.
fn list(_: &mut Gossip, call: &mut Call<'_>) {
    let of_families = TABLE.iter().flat_map(|row| row.within);
    let found: Vec<&Row> = match call.words {
        [_, _] => TABLE.iter().collect(),
        [_, _, by, what, pattern] if is(by, "filterby") && is(what, "pattern") => {
            if pattern.len() > PATTERN_MAX {
                return call.error("too long a pattern");
            }
            let pattern = pattern.to_ascii_lowercase();
            TABLE.iter().chain(of_families).filter(|row| glob(&pattern, row.name.as_bytes())).collect()
        }
        [_, _, by, what, _] if is(by, "filterby") && (is(what, "module") || is(what, "aclcat")) => {
            return call.error("only FILTERBY PATTERN is offered by a standin node");
        }
        _ => return call.syntax_error(),
    };
    let mut reply = call.reply();
    reply.array(found.len());
    found.iter().for_each(|row| reply.bulk(row.name));
}

fn getkeys(_: &mut Gossip, call: &mut Call<'_>) {
    let words = &call.words[2..];
    let Ok(row) = table::named(words) else { return call.error("Invalid command specified") };
    if matches!(row.keys, Keys::None | Keys::Channels(..)) {
        return call.error("The command has no key arguments");
    }
    if !row.takes(words.len()) {
        return call.error("Invalid number of arguments specified for command");
    }
    let keys = row.keys(words);
    if keys.is_empty() && !row.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return call.error("Invalid arguments specified for command");
    }
    let mut reply = call.reply();
    reply.array(keys.len());
    keys.iter().for_each(|key| reply.bulk(key));
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "COMMAND", &COMMAND.iter().map(Row::short).collect::<Vec<_>>());
}

/// Name, arity, flags, first key, last key, step; then categories, hints and key specifications,
/// all left empty; then what it is the family of.
fn describe(reply: &mut Write<'_>, row: &Row) {
    let mut flags: Vec<String> = row.flags.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
    flags.retain(|name| !matches!(name.as_str(), "ends_multi" | "while_listening" | "may_replicate"));
    let (first, last, step) = match row.keys {
        Keys::None => (0, 0, 0),
        Keys::At(first, last, step) => (first, last, step),
        Keys::Channels(first, last) => (first, last, 1),
        Keys::Migrate => {
            flags.push("movablekeys".into());
            (3, 3, 1)
        }
        Keys::StoredCounted(_) | Keys::Patterned | Keys::Sort | Keys::Geo => {
            flags.push("movablekeys".into());
            (1, 1, 1)
        }
        Keys::Counted(_) | Keys::Streams => {
            flags.push("movablekeys".into());
            (0, 0, 0)
        }
    };
    reply.array(10);
    reply.bulk(row.name);
    reply.integer(row.arity.into());
    reply.array(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    reply.integer(first.into());
    reply.integer(last.into());
    reply.integer(step.into());
    (0..3).for_each(|_| reply.array(0));
    reply.array(row.within.len());
    row.within.iter().for_each(|row| describe(reply, row));
}

// A flag that is no flag of Redis' would be told to clients.
const _: () = assert!(Flags::all().bits() == 2047);
