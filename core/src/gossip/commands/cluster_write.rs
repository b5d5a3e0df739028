//! CLUSTER's commands that change something.

use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::config::BUS_ABOVE;
use super::super::machine::{Denied, Gossip, SetSlot};
use super::super::notice::{EpochCause, Manual};
use super::super::resp::{is, number};
use super::super::slots::SLOTS;
use super::super::types::Epoch;
use super::Call;
use super::cluster_read::{node_named, unknown_node};

fn done(call: &mut Call<'_>, did: Result<(), Denied>) {
    match did {
        Ok(()) => call.ok(),
        Err(denied) => call.error(denied),
    }
}

/// As Redis says it of words that are too many.
fn misused(call: &mut Call<'_>) {
    let what = call.text(1);
    call.error(format_args!(
        "unknown subcommand or wrong number of arguments for '{what}'. Try CLUSTER HELP."
    ));
}

pub(super) fn meet(machine: &mut Gossip, call: &mut Call<'_>) {
    if call.words.len() > 5 {
        return misused(call);
    }
    let (ip, said_port) = (call.text(2), call.text(3));
    let Some(port) = number(call.word(3)) else {
        return call.error(format_args!("Invalid TCP base port specified: {said_port}"));
    };
    let mut bus_port = port.saturating_add(BUS_ABOVE.into());
    if call.words.len() == 5 {
        let Some(said) = number(call.word(4)) else {
            let said = call.text(4);
            return call.error(format_args!("Invalid TCP bus port specified: {said}"));
        };
        bus_port = said;
    }
    let port_of = |number| u16::try_from(number).ok().filter(|&port| port != 0);
    match (ip.parse::<IpAddr>(), port_of(port), port_of(bus_port)) {
        (Ok(ip), Some(port), Some(bus_port)) => {
            machine.meet(call.now, call.out, ip, port, bus_port);
            call.ok();
        }
        _ => call.error(format_args!("Invalid node address specified: {ip}:{said_port}")),
    }
}

/// The slots a request names from its third word on.
fn slots_named(call: &mut Call<'_>) -> Option<Vec<u16>> {
    let slots: Option<Vec<u16>> = call.words[2..].iter().map(|word| slot_named(word)).collect();
    if slots.is_none() {
        call.error(NO_SLOT);
    }
    slots
}

fn slot_named(word: &[u8]) -> Option<u16> {
    number(word).and_then(|slot| u16::try_from(slot).ok()).filter(|&slot| slot < SLOTS)
}

const NO_SLOT: &str = "Invalid or out of range slot";

fn single(slots: Vec<u16>) -> Vec<(u16, u16)> {
    slots.into_iter().map(|slot| (slot, slot)).collect()
}

pub(super) fn addslots(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(slots) = slots_named(call) else { return };
    let did = machine.add_slots(call.out, &single(slots));
    done(call, did);
}

pub(super) fn delslots(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(slots) = slots_named(call) else { return };
    let did = machine.del_slots(call.out, &single(slots));
    done(call, did);
}

/// Pairs of first and last slot.
fn ranges_named(call: &mut Call<'_>) -> Option<Vec<(u16, u16)>> {
    if call.words.len() % 2 == 1 {
        let name = call.text(1).to_ascii_lowercase();
        call.error(format_args!("wrong number of arguments for 'cluster|{name}' command"));
        return None;
    }
    let slots = slots_named(call)?;
    Some(slots.chunks(2).map(|pair| (pair[0], pair[1])).collect())
}

pub(super) fn addslotsrange(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(ranges) = ranges_named(call) else { return };
    let did = machine.add_slots(call.out, &ranges);
    done(call, did);
}

pub(super) fn delslotsrange(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(ranges) = ranges_named(call) else { return };
    let did = machine.del_slots(call.out, &ranges);
    done(call, did);
}

pub(super) fn flushslots(machine: &mut Gossip, call: &mut Call<'_>) {
    if machine.data.holds_any() {
        return call.error("DB must be empty to perform CLUSTER FLUSHSLOTS.");
    }
    machine.flush_slots(call.out);
    call.ok();
}

pub(super) fn setslot(machine: &mut Gossip, call: &mut Call<'_>) {
    if !machine.table.me().is_master() {
        return call.error(Denied::SetSlotAtReplica);
    }
    let Some(slot) = slot_named(call.word(2)) else { return call.error(NO_SLOT) };
    let with_node = call.words.len() == 5;
    let node = || node_named(machine, call, 4);
    let what = match call.word(3) {
        word if with_node && is(word, "migrating") => SetSlot::Migrating(node()),
        word if with_node && is(word, "importing") => SetSlot::Importing(node()),
        word if with_node && is(word, "node") => SetSlot::Node(node()),
        word if call.words.len() == 4 && is(word, "stable") => SetSlot::Stable,
        _ => {
            return call.error("Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP");
        }
    };
    match machine.set_slot(call.now, call.out, slot, what) {
        Err(denied @ (Denied::DontKnow | Denied::UnknownNode)) => {
            let id = call.text(4);
            call.error(format!("{denied} {id}"));
        }
        did => done(call, did),
    }
}

pub(super) fn set_config_epoch(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(epoch) = number(call.word(2)) else { return call.not_an_integer() };
    let Ok(said) = u64::try_from(epoch) else {
        return call.error(format_args!("Invalid config epoch specified: {epoch}"));
    };
    let did = machine.set_config_epoch(call.out, Epoch(said));
    done(call, did);
}

pub(super) fn bumpepoch(machine: &mut Gossip, call: &mut Call<'_>) {
    let word = if machine.bump_epoch(call.out, EpochCause::Bump).is_some() { "BUMPED" } else { "STILL" };
    let epoch = machine.table.me().epoch;
    call.reply().simple(&format!("{word} {epoch}"));
}

pub(super) fn replicate(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(at) = node_named(machine, call, 2) else { return unknown_node(call, 2) };
    let did = machine.replicate(call.out, at);
    done(call, did);
}

pub(super) fn failover(machine: &mut Gossip, call: &mut Call<'_>) {
    let how = match call.word(2) {
        _ if call.words.len() > 3 => return misused(call),
        _ if call.words.len() == 2 => Manual::Default,
        word if is(word, "force") => Manual::Force,
        word if is(word, "takeover") => Manual::Takeover,
        _ => return call.syntax_error(),
    };
    let did = machine.fail_over(call.now, call.out, how);
    done(call, did);
}

pub(super) fn forget(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(at) = node_named(machine, call, 2) else { return unknown_node(call, 2) };
    let did = machine.forget(call.now, call.out, at);
    done(call, did);
}

pub(super) fn reset(machine: &mut Gossip, call: &mut Call<'_>) {
    let hard = match call.word(2) {
        _ if call.words.len() > 3 => return misused(call),
        _ if call.words.len() == 2 => false,
        word if is(word, "hard") => true,
        word if is(word, "soft") => false,
        _ => return call.syntax_error(),
    };
    let did = machine.reset(call.now, call.out, hard);
    done(call, did);
}

/// Answered once the state would survive.
pub(super) fn saveconfig(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.save_now();
    call.ok();
}
