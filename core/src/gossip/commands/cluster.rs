//! CLUSTER's commands, and their help.

use super::super::machine::Gossip;
use super::super::resp::number;
use super::super::slots::{SLOTS, key_slot};
use super::Call;
use super::cluster_read as read;
use super::cluster_write as write;
use super::rows::{admin, sub};
use super::table::Row;

/// Redis 7.0's, all of them.
pub(super) static CLUSTER: &[Row] = &[
    admin("cluster|addslots", -3, write::addslots),
    admin("cluster|addslotsrange", -4, write::addslotsrange),
    admin("cluster|bumpepoch", 2, write::bumpepoch),
    admin("cluster|count-failure-reports", 3, read::count_failure_reports),
    sub("cluster|countkeysinslot", 3, countkeysinslot),
    admin("cluster|delslots", -3, write::delslots),
    admin("cluster|delslotsrange", -4, write::delslotsrange),
    admin("cluster|failover", -2, write::failover),
    admin("cluster|flushslots", 2, write::flushslots),
    admin("cluster|forget", 3, write::forget),
    sub("cluster|getkeysinslot", 4, getkeysinslot),
    sub("cluster|help", 2, help),
    sub("cluster|info", 2, read::info),
    sub("cluster|keyslot", 3, keyslot),
    sub("cluster|links", 2, read::links),
    admin("cluster|meet", -4, write::meet),
    sub("cluster|myid", 2, read::myid),
    sub("cluster|nodes", 2, read::nodes),
    admin("cluster|replicas", 3, read::replicas),
    admin("cluster|replicate", 3, write::replicate),
    admin("cluster|reset", -2, write::reset),
    admin("cluster|saveconfig", 2, write::saveconfig),
    admin("cluster|set-config-epoch", 3, write::set_config_epoch),
    admin("cluster|setslot", -4, write::setslot),
    sub("cluster|shards", 2, read::shards),
    admin("cluster|slaves", 3, read::replicas),
    sub("cluster|slots", 2, read::slots),
];

fn keyslot(_: &mut Gossip, call: &mut Call<'_>) {
    let slot = key_slot(call.word(2));
    call.reply().integer(slot.into());
}

/// A slot that is a number at all; `None` if there is no such slot.
fn slot_of(call: &mut Call<'_>, at: usize) -> Result<Option<u16>, ()> {
    match number(call.word(at)) {
        Some(slot) => Ok(u16::try_from(slot).ok().filter(|&slot| slot < SLOTS)),
        None => {
            call.not_an_integer();
            Err(())
        }
    }
}

fn countkeysinslot(machine: &mut Gossip, call: &mut Call<'_>) {
    match slot_of(call, 2) {
        Ok(Some(slot)) => call.reply().integer(machine.data.has_keys(slot).into()),
        Ok(None) => call.error("Invalid slot"),
        Err(()) => {}
    }
}

/// A register is kept under its slot, not under a key: what is told is some key of that slot.
fn getkeysinslot(machine: &mut Gossip, call: &mut Call<'_>) {
    let Ok(slot) = slot_of(call, 2) else { return };
    let Some(most) = number(call.word(3)) else { return call.not_an_integer() };
    let (Some(slot), 0..) = (slot, most) else { return call.error("Invalid slot or number of keys") };
    if most == 0 || !machine.data.has_keys(slot) {
        return call.reply().array(0);
    }
    call.reply().array(1);
    call.reply().bulk(some_key(slot));
}

/// The least number that, as a key, falls into a slot; each slot has one below 150,000.
fn some_key(slot: u16) -> alloc::string::String {
    let mut keys = (0_u32..).map(|number| alloc::format!("{number}"));
    keys.find(|key| key_slot(key.as_bytes()) == slot).unwrap_or_default()
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    let mut reply = call.reply();
    reply.array(HELP.lines().count());
    HELP.lines().for_each(|line| reply.simple(line));
}

/// Redis', word for word.
const HELP: &str = "\
CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
ADDSLOTS <slot> [<slot> ...]
    Assign slots to current node.
ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]
    Assign slots which are between <start-slot> and <end-slot> to current node.
BUMPEPOCH
    Advance the cluster config epoch.
COUNT-FAILURE-REPORTS <node-id>
    Return number of failure reports for <node-id>.
COUNTKEYSINSLOT <slot>
    Return the number of keys in <slot>.
DELSLOTS <slot> [<slot> ...]
    Delete slots information from current node.
DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]
    Delete slots information which are between <start-slot> and <end-slot> from current node.
FAILOVER [FORCE|TAKEOVER]
    Promote current replica node to being a master.
FORGET <node-id>
    Remove a node from the cluster.
GETKEYSINSLOT <slot> <count>
    Return key names stored by current node in a slot.
FLUSHSLOTS
    Delete current node own slots information.
INFO
    Return information about the cluster.
KEYSLOT <key>
    Return the hash slot for <key>.
MEET <ip> <port> [<bus-port>]
    Connect nodes into a working cluster.
MYID
    Return the node id.
NODES
    Return cluster configuration seen by node. Output format:
    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...
REPLICATE <node-id>
    Configure current node as replica to <node-id>.
RESET [HARD|SOFT]
    Reset current node (default: soft).
SET-CONFIG-EPOCH <epoch>
    Set config epoch of current node.
SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)
    Set slot state.
REPLICAS <node-id>
    Return <node-id> replicas.
SAVECONFIG
    Force saving cluster configuration on disk.
SLOTS
    Return information about slots range mappings. Each range is made of:
    start, end, master and replicas IP addresses, ports and ids
SHARDS
    Return information about slot range mappings and the nodes associated with them.
LINKS
    Return information about all network links between this node and its peers.
    Output format is an array where each array element is a map containing attributes of a link
HELP
    Prints this help.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_key_to_tell() {
        for slot in [0, 1, 8191, SLOTS - 1] {
            assert_eq!(key_slot(some_key(slot).as_bytes()), slot);
        }
        let keys = (0..150_000).map(|key| key_slot(alloc::format!("{key}").as_bytes()));
        let found: alloc::collections::BTreeSet<u16> = keys.collect();
        assert_eq!(found.len(), usize::from(SLOTS));
    }
}
