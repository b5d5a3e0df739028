//! What a Redis without keys and without a slow log says. At a node that holds registers the
//! commands about all keys are refused: a register has no name to be listed under, and is deleted
//! by its slot.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::rows::{admin, sub};
use super::table::Row;
use super::{Call, hello};

pub(super) static LATENCY: &[Row] = &[
    sub("latency|help", 2, help),
    admin("latency|histogram", -2, latency_histogram),
    admin("latency|history", 3, nothing),
    admin("latency|latest", 2, nothing),
    admin("latency|reset", -2, latency_reset),
];

pub(super) static MODULE: &[Row] = &[sub("module|help", 2, help), admin("module|list", 2, nothing)];

pub(super) static SLOWLOG: &[Row] = &[
    admin("slowlog|get", -2, slowlog_get),
    sub("slowlog|help", 2, help),
    admin("slowlog|len", 2, slowlog_len),
    admin("slowlog|reset", 2, slowlog_reset),
];

/// A master: at a replica Redis refuses writes that name no key.
pub(super) fn is_writable(machine: &Gossip, call: &mut Call<'_>) -> bool {
    let master = machine.table.me().is_master();
    if !master {
        call.reply().error_code("READONLY You can't write against a read only replica.");
    }
    master
}

/// As Redis refuses more words than a command of a family takes.
pub(super) fn wrong_subcommand(call: &mut Call<'_>) {
    let (what, family) = (call.text(1), call.text(0).to_ascii_uppercase());
    call.error(format_args!(
        "unknown subcommand or wrong number of arguments for '{what}'. Try {family} HELP."
    ));
}

/// Whether there is nothing to tell, as an empty Redis would; else it is refused.
fn is_empty(machine: &Gossip, call: &mut Call<'_>) -> bool {
    let empty = !machine.data.holds_any();
    if !empty {
        let name = call.text(0).to_ascii_lowercase();
        call.error(format_args!("'{name}' is not offered by a standin node that keeps registers"));
    }
    empty
}

/// `KEYS pattern`
pub(super) fn keys(machine: &mut Gossip, call: &mut Call<'_>) {
    if is_empty(machine, call) {
        call.reply().array(0);
    }
}

pub(super) fn randomkey(machine: &mut Gossip, call: &mut Call<'_>) {
    if is_empty(machine, call) {
        call.reply().null();
    }
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`: a list of none, and the cursor 0, which
/// ends the walk.
pub(super) fn scan(machine: &mut Gossip, call: &mut Call<'_>) {
    if !is_cursor(call.word(1)) {
        return call.error("invalid cursor");
    }
    for at in (2..call.words.len()).step_by(2) {
        let (option, value) = (call.word(at), call.words.get(at + 1));
        match value {
            Some(value) if is(option, "count") => match number(value) {
                None => return call.not_an_integer(),
                Some(..=0) => return call.syntax_error(),
                Some(_) => {}
            },
            Some(_) if is(option, "match") || is(option, "type") => {}
            _ => return call.syntax_error(),
        }
    }
    if is_empty(machine, call) {
        let mut reply = call.reply();
        reply.array(2);
        reply.bulk("0");
        reply.array(0);
    }
}

/// As C's `strtoul`, but no blank before it.
fn is_cursor(word: &[u8]) -> bool {
    let word = core::str::from_utf8(word).unwrap_or_default();
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    word.is_empty() || digits.parse::<u64>().is_ok() && !digits.starts_with('+')
}

/// `FLUSHALL [SYNC|ASYNC]`, and FLUSHDB: nothing is there.
pub(super) fn flush(machine: &mut Gossip, call: &mut Call<'_>) {
    if !is_writable(machine, call) {
        return;
    }
    match call.words {
        [_] => {}
        [_, how] if is(how, "sync") || is(how, "async") => {}
        _ => return call.syntax_error(),
    }
    if is_empty(machine, call) {
        call.ok();
    }
}

pub(super) fn swapdb(_: &mut Gossip, call: &mut Call<'_>) {
    call.error("SWAPDB is not allowed in cluster mode");
}

/// BGSAVE, SAVE, BGREWRITEAOF: there would be no file afterwards.
pub(super) fn no_saving(machine: &mut Gossip, call: &mut Call<'_>) {
    let role = machine.config.role.word();
    let name = call.text(0).to_ascii_uppercase();
    call.error(format_args!("{name} is not offered: this node is a standin {role} and saves no keys"));
}

fn nothing(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().array(0);
}

/// `SLOWLOG GET [count]`
fn slowlog_get(_: &mut Gossip, call: &mut Call<'_>) {
    match call.words {
        [_, _] => {}
        [_, _, count] => {
            if number(count).is_none_or(|count| count < -1) {
                return call.error("count should be greater than or equal to -1");
            }
        }
        _ => return wrong_subcommand(call),
    }
    call.reply().array(0);
}

fn slowlog_len(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().integer(0);
}

fn slowlog_reset(_: &mut Gossip, call: &mut Call<'_>) {
    call.ok();
}

fn latency_reset(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().integer(0);
}

fn latency_histogram(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().map(0);
}

/// What a family has.
fn help(_: &mut Gossip, call: &mut Call<'_>) {
    let families = [("LATENCY", LATENCY), ("MODULE", MODULE), ("SLOWLOG", SLOWLOG)];
    for (family, rows) in families {
        if is(call.word(0), family) {
            return hello::help(call, family, &rows.iter().map(Row::short).collect::<Vec<_>>());
        }
    }
}
