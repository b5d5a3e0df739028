//! Requests about keys, at a node with registers: one number a slot, whatever the key.

use alloc::format;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::super::slots::key_slot;
use super::Call;
use super::table::Keys;

/// A value as it is kept: a whole number from 0, in decimal digits.
fn value(word: &[u8]) -> Option<u64> {
    let digits = word.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

fn no_value(call: &mut Call<'_>) {
    call.error("a register's value is a number from 0 to 18446744073709551615");
}

fn tell(machine: &Gossip, call: &mut Call<'_>, key: usize) {
    match machine.data.get(key_slot(call.word(key))) {
        Some(register) => call.reply().bulk(format!("{}", register.value)),
        None => call.reply().null(),
    }
}

pub(super) fn get(machine: &mut Gossip, call: &mut Call<'_>) {
    tell(machine, call, 1);
}

pub(super) fn mget(machine: &mut Gossip, call: &mut Call<'_>) {
    let count = call.words.len();
    call.reply().array(count - 1);
    (1..count).for_each(|key| tell(machine, call, key));
}

pub(super) fn set(machine: &mut Gossip, call: &mut Call<'_>) {
    if call.words.len() > 3 {
        return call.syntax_error();
    }
    let Some(value) = value(call.word(2)) else { return no_value(call) };
    machine.write(key_slot(call.word(1)), value);
    call.ok();
}

pub(super) fn mset(machine: &mut Gossip, call: &mut Call<'_>) {
    if call.words.len().is_multiple_of(2) {
        return call.error("wrong number of arguments for 'mset' command");
    }
    let pairs = call.words[1..].chunks(2);
    if pairs.clone().any(|pair| value(&pair[1]).is_none()) {
        return no_value(call);
    }
    for pair in pairs {
        machine.write(key_slot(&pair[0]), value(&pair[1]).unwrap_or_default());
    }
    call.ok();
}

pub(super) fn incr(machine: &mut Gossip, call: &mut Call<'_>) {
    let by = if call.words.len() == 3 { value(call.word(2)) } else { Some(1) };
    let Some(by) = by else { return call.not_an_integer() };
    let slot = key_slot(call.word(1));
    let before = machine.data.get(slot).map_or(0, |register| register.value);
    // Redis' integers have a sign.
    let after = before.checked_add(by).and_then(|after| i64::try_from(after).ok());
    let Some(after) = after else { return call.error("increment or decrement would overflow") };
    machine.write(slot, after as u64);
    call.reply().integer(after);
}

/// How many of the keys were there: the first one named takes the register with it.
pub(super) fn del(machine: &mut Gossip, call: &mut Call<'_>) {
    let slot = key_slot(call.word(1));
    let held = machine.data.has_keys(slot);
    if held {
        machine.erase(slot);
    }
    call.reply().integer(held.into());
}

/// A key counts as often as it is named.
pub(super) fn exists(machine: &mut Gossip, call: &mut Call<'_>) {
    let held = machine.data.has_keys(key_slot(call.word(1)));
    let keys = call.words.len() as i64 - 1;
    call.reply().integer(if held { keys } else { 0 });
}

pub(super) fn kind(machine: &mut Gossip, call: &mut Call<'_>) {
    let held = machine.data.has_keys(key_slot(call.word(1)));
    call.reply().simple(if held { "string" } else { "none" });
}

/// What is not here cannot be moved, which is no error: a slot that moves is asked for its keys.
/// A register is not moved: its slot has to be emptied by DEL before.
pub(super) fn migrate(machine: &mut Gossip, call: &mut Call<'_>) {
    let mut at = 6;
    while at < call.words.len() {
        let word = call.word(at);
        let values = if is(word, "copy") || is(word, "replace") {
            0
        } else if is(word, "auth") {
            1
        } else if is(word, "auth2") {
            2
        } else if is(word, "keys") {
            if !call.word(3).is_empty() {
                return call.error(
                    "When using MIGRATE KEYS option, the key argument must be set to the empty string",
                );
            }
            break;
        } else {
            return call.syntax_error();
        };
        at += 1 + values;
        if at > call.words.len() {
            return call.syntax_error();
        }
    }
    // The time it may take, and the number of the database there.
    if number(call.word(5)).is_none() || number(call.word(4)).is_none() {
        return call.not_an_integer();
    }
    if Keys::Migrate.of(call.words).iter().any(|key| machine.data.has_keys(key_slot(key))) {
        return call.error("a standin node's register stays where it is: delete it before the slot moves");
    }
    call.reply().simple("NOKEY");
}
