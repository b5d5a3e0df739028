//! Commands that are done where keys are: what is known of them here is where their keys stand, and
//! what Redis says if they have none.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::rows::{N, R, SECOND, W, far, sub};
use super::table::{self, Keys, Row};
use super::{Call, hello};

pub(super) static OBJECT: &[Row] = &[
    far("object|encoding", 3, R, SECOND),
    far("object|freq", 3, R, SECOND),
    sub("object|help", 2, family_help),
    far("object|idletime", 3, R, SECOND),
    far("object|refcount", 3, R, SECOND),
];

pub(super) static MEMORY: &[Row] = &[
    far("memory|doctor", 2, N, Keys::None),
    sub("memory|help", 2, family_help),
    far("memory|malloc-stats", 2, N, Keys::None),
    far("memory|purge", 2, N, Keys::None),
    far("memory|stats", 2, N, Keys::None),
    far("memory|usage", -3, R, SECOND),
];

pub(super) static XGROUP: &[Row] = &[
    far("xgroup|create", -5, W, SECOND),
    far("xgroup|createconsumer", 5, W, SECOND),
    far("xgroup|delconsumer", 5, W, SECOND),
    far("xgroup|destroy", 4, W, SECOND),
    sub("xgroup|help", 2, family_help),
    far("xgroup|setid", -5, W, SECOND),
];

pub(super) static XINFO: &[Row] = &[
    far("xinfo|consumers", 4, R, SECOND),
    far("xinfo|groups", 3, R, SECOND),
    sub("xinfo|help", 2, family_help),
    far("xinfo|stream", -3, R, SECOND),
];

/// A command whose keys are known, so that clients are sent to where it is done.
pub(super) fn unoffered(machine: &mut Gossip, call: &mut Call<'_>) {
    let Ok(row) = table::find(call.words) else { return };
    if row.keys.of(call.words).is_empty() && without_keys(call, row) {
        return;
    }
    let name = row.name;
    if machine.keeps_data() {
        call.error(format_args!("'{name}' is not offered by a standin node: it keeps one number a slot"));
    } else {
        let role = machine.config.role.word();
        call.error(format_args!("'{name}' is not offered: this node is a standin {role} and stores no keys"));
    }
}

/// The words of Redis for a request that names no key, or not as many as it says. Whether there
/// are any.
fn without_keys(call: &mut Call<'_>, row: &Row) -> bool {
    match row.keys {
        Keys::Counted(at) | Keys::StoredCounted(at) => badly_counted(call, row.name, at),
        Keys::Streams => {
            badly_streamed(call);
            true
        }
        Keys::None
        | Keys::At(..)
        | Keys::Channels(..)
        | Keys::Patterned
        | Keys::Sort
        | Keys::Geo
        | Keys::Migrate => false,
    }
}

/// At `at` stands how many keys there are.
fn badly_counted(call: &mut Call<'_>, name: &str, at: usize) -> bool {
    let count = number(call.word(at));
    let enough = count.is_some_and(|count| count <= (call.words.len() - at - 1) as i64);
    match name {
        "fcall" | "fcall_ro" => call.error("Function not found"),
        "evalsha" | "evalsha_ro" if call.word(1).len() != 40 => no_script(call),
        "eval" | "eval_ro" | "evalsha" | "evalsha_ro" => match count {
            None => call.not_an_integer(),
            Some(_) if !enough => call.error(TOO_MANY),
            Some(..0) => call.error("Number of keys can't be negative"),
            Some(_) if name.starts_with("evalsha") => no_script(call),
            Some(_) => return false,
        },
        "lmpop" | "zmpop" | "blmpop" | "bzmpop" | "sintercard" => match count {
            None | Some(..=0) => call.error("numkeys should be greater than 0"),
            Some(_) if name == "sintercard" => call.error(TOO_MANY),
            Some(_) => call.syntax_error(),
        },
        _ => match count {
            None => call.not_an_integer(),
            Some(..=0) => {
                call.error(format_args!("at least 1 input key is needed for '{name}' command"));
            }
            Some(_) => call.syntax_error(),
        },
    }
    true
}

const TOO_MANY: &str = "Number of keys can't be greater than number of args";

fn no_script(call: &mut Call<'_>) {
    call.reply().error_code("NOSCRIPT No matching script. Please use EVAL.");
}

/// XREAD's and XREADGROUP's options up to `STREAMS`, behind which not every stream has its id.
fn badly_streamed(call: &mut Call<'_>) {
    let mut at = 1;
    while at + 1 < call.words.len() {
        let (word, value) = (call.word(at), number(call.word(at + 1)));
        if is(word, "streams") {
            return call.error(
                "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
            );
        }
        at += match word {
            _ if is(word, "count") && value.is_none() => return call.not_an_integer(),
            _ if is(word, "block") && value.is_none() => {
                return call.error("timeout is not an integer or out of range");
            }
            _ if is(word, "count") || is(word, "block") => 2,
            _ if is(word, "group") => 3,
            _ if is(word, "noack") => 1,
            _ => break,
        };
    }
    call.syntax_error();
}

/// What a family has.
fn family_help(_: &mut Gossip, call: &mut Call<'_>) {
    let families = [("OBJECT", OBJECT), ("MEMORY", MEMORY), ("XGROUP", XGROUP), ("XINFO", XINFO)];
    for (family, rows) in families {
        if is(call.word(0), family) {
            return hello::help(call, family, &rows.iter().map(Row::short).collect::<Vec<_>>());
        }
    }
}
