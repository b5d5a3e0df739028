//! ACL: the only user is Redis' `default`, who may do everything.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::rows::{admin, sub};
use super::table::{self, Row};
use super::{Call, empty, hello};

pub(super) static ACL: &[Row] = &[
    sub("acl|cat", -2, cat),
    admin("acl|deluser", -3, deluser),
    admin("acl|dryrun", -4, dryrun),
    admin("acl|getuser", 3, getuser),
    sub("acl|help", 2, help),
    admin("acl|list", 2, list),
    admin("acl|load", 2, no_file),
    admin("acl|log", -2, log),
    admin("acl|save", 2, no_file),
    admin("acl|users", 2, users),
    sub("acl|whoami", 2, whoami),
];

const USER: &str = "default";

fn whoami(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().bulk(USER);
}

fn users(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().array(1);
    call.reply().bulk(USER);
}

/// Redis tells a digest of the password; what could be guessed from that is not told here. Whether
/// there is none.
fn tells_all(machine: &Gossip, call: &mut Call<'_>) -> bool {
    let open = machine.config.password.is_none();
    if !open {
        call.error("a standin node tells nobody a digest of its password");
    }
    open
}

fn list(machine: &mut Gossip, call: &mut Call<'_>) {
    if tells_all(machine, call) {
        call.reply().array(1);
        call.reply().bulk("user default on nopass ~* &* +@all");
    }
}

fn getuser(machine: &mut Gossip, call: &mut Call<'_>) {
    if call.word(2) != USER.as_bytes() {
        return call.reply().null();
    }
    if !tells_all(machine, call) {
        return;
    }
    let mut reply = call.reply();
    reply.map(6);
    reply.bulk("flags");
    reply.set(2);
    reply.bulk("on");
    reply.bulk("nopass");
    reply.bulk("passwords");
    reply.array(0);
    for (what, rule) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
        reply.bulk(what);
        reply.bulk(rule);
    }
    reply.bulk("selectors");
    reply.array(0);
}

/// `ACL DELUSER name …`
fn deluser(_: &mut Gossip, call: &mut Call<'_>) {
    if call.words[2..].iter().any(|name| name == USER.as_bytes()) {
        return call.error("The 'default' user cannot be removed");
    }
    call.reply().integer(0);
}

/// `ACL DRYRUN user command …`: whether the user may; the command is not run.
fn dryrun(_: &mut Gossip, call: &mut Call<'_>) {
    if call.word(2) != USER.as_bytes() {
        let user = call.text(2);
        return call.error(format_args!("User '{user}' not found"));
    }
    let words = &call.words[3..];
    match table::named(words) {
        Ok(row) if row.takes(words.len()) => call.ok(),
        Ok(row) => call.error(table::NoCommand::WordCount(row.name)),
        Err(_) => {
            let name = call.text(3);
            call.error(format_args!("Command '{name}' not found"));
        }
    }
}

/// `ACL LOG [count|RESET]`: what was refused is not kept.
fn log(_: &mut Gossip, call: &mut Call<'_>) {
    match call.words {
        [_, _] => {}
        [_, _, what] if is(what, "reset") => return call.ok(),
        [_, _, count] if number(count).is_some() => {}
        [_, _, _] => return call.not_an_integer(),
        _ => return empty::wrong_subcommand(call),
    }
    call.reply().array(0);
}

/// LOAD and SAVE.
fn no_file(_: &mut Gossip, call: &mut Call<'_>) {
    call.error(
        "This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
         SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
         order to store users in the Redis configuration.",
    );
}

/// Redis' categories; what belongs to each is not kept.
const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// `ACL CAT [category]`
fn cat(_: &mut Gossip, call: &mut Call<'_>) {
    match call.words {
        [_, _] => {
            let mut reply = call.reply();
            reply.array(CATEGORIES.len());
            CATEGORIES.iter().for_each(|name| reply.bulk(name));
        }
        [_, _, name] if CATEGORIES.iter().any(|known| is(name, known)) => {
            call.error("ACL CAT of a category is not offered by a standin node");
        }
        [_, _, _] => {
            let name = call.text(2);
            call.error(format_args!("Unknown category '{name}'"));
        }
        _ => empty::wrong_subcommand(call),
    }
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "ACL", &ACL.iter().map(Row::short).collect::<Vec<_>>());
}
