//! CLUSTER's commands that tell: NODES, INFO, SLOTS, SHARDS, LINKS.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::config::Preferred;
use super::super::machine::Gossip;
use super::super::nodes_conf::{Line, print_line};
use super::super::resp::Out as Write;
use super::super::slots::SLOTS;
use super::super::table::{Address, Ix, Node};
use super::super::types::{NodeFlags, NodeId};
use super::super::wire::Kind;
use super::Call;
use super::keys::ip;

pub(super) fn myid(machine: &mut Gossip, call: &mut Call<'_>) {
    call.reply().bulk(machine.id().bytes());
}

pub(super) fn nodes(machine: &mut Gossip, call: &mut Call<'_>) {
    let mut text = String::new();
    let plainly = machine.tells_plainly(call);
    for (at, node) in machine.table.iter() {
        text.push_str(&line(machine, plainly, at, node));
        text.push('\n');
    }
    call.reply().verbatim(&text);
}

/// A node's line, as this client is told it.
fn line(machine: &Gossip, plainly: bool, at: Ix, node: &Node) -> String {
    print_line(&Line { port: node.address.port_for(plainly), ..machine.describe(at, node) })
}

/// The node that a word of the request names.
pub(super) fn node_named(machine: &Gossip, call: &Call<'_>, at: usize) -> Option<Ix> {
    machine.table.find(&NodeId::new(call.word(at))?)
}

pub(super) fn unknown_node(call: &mut Call<'_>, at: usize) {
    let id = call.text(at);
    call.error(format_args!("Unknown node {id}"));
}

pub(super) fn replicas(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(master) = node_named(machine, call, 2) else { return unknown_node(call, 2) };
    if !machine.table.get(master).is_master() {
        return call.error("The specified node is not a master");
    }
    let plainly = machine.tells_plainly(call);
    let lines: Vec<String> =
        machine.table.replicas_of(master).map(|(at, node)| line(machine, plainly, at, node)).collect();
    let mut reply = call.reply();
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.bulk(line));
}

pub(super) fn count_failure_reports(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(at) = node_named(machine, call, 2) else { return unknown_node(call, 2) };
    let reports = machine.reports_on(call.now, at);
    call.reply().integer(reports.into());
}

pub(super) fn info(machine: &mut Gossip, call: &mut Call<'_>) {
    let table = &machine.table;
    let (mut pfail, mut fail) = (0, 0);
    for (_, node) in table.iter() {
        if node.flags.contains(NodeFlags::FAIL) {
            fail += node.slots().len();
        } else if node.flags.contains(NodeFlags::PFAIL) {
            pfail += node.slots().len();
        }
    }
    let me = table.me();
    let master = me.master.filter(|_| !me.is_master());
    let my_epoch = table.get(master.unwrap_or(Ix::ME)).epoch;
    let mut text = format!(
        "cluster_state:{}\r\ncluster_slots_assigned:{}\r\ncluster_slots_ok:{}\r\ncluster_slots_pfail:{pfail}\r\n\
         cluster_slots_fail:{fail}\r\ncluster_known_nodes:{}\r\ncluster_size:{}\r\n\
         cluster_current_epoch:{}\r\ncluster_my_epoch:{my_epoch}\r\n",
        if machine.state().is_ok() { "ok" } else { "fail" },
        table.assigned(),
        table.assigned() - pfail - fail,
        table.len(),
        machine.size(),
        machine.current_epoch(),
    );
    let traffic = machine.traffic();
    for (way, counts) in [("sent", &traffic.sent), ("received", &traffic.received)] {
        for (kind, &count) in Kind::NAMES.iter().zip(counts) {
            if count > 0 {
                text.push_str(&format!("cluster_stats_messages_{kind}_{way}:{count}\r\n"));
            }
        }
        let all: u64 = counts.iter().sum();
        text.push_str(&format!("cluster_stats_messages_{way}:{all}\r\n"));
    }
    let overflowed = traffic.overflowed;
    text.push_str(&format!("total_cluster_links_buffer_limit_exceeded:{overflowed}\r\n"));
    call.reply().verbatim(&text);
}

/// A row for each range of slots: first, last, the owner, its replicas that have data and did not
/// fail.
pub(super) fn slots(machine: &mut Gossip, call: &mut Call<'_>) {
    let rows = ranges(machine);
    let plainly = machine.tells_plainly(call);
    let mut reply = call.reply();
    reply.array(rows.len());
    for (first, last, owner) in rows {
        let replicas: Vec<Ix> = machine
            .table
            .replicas_of(owner)
            .filter(|(at, node)| !node.flags.contains(NodeFlags::FAIL) && offset(machine, *at, node) != 0)
            .map(|(at, _)| at)
            .collect();
        reply.array(3 + replicas.len());
        reply.integer(first.into());
        reply.integer(last.into());
        for at in core::iter::once(owner).chain(replicas) {
            slot_node(machine, &mut reply, machine.table.get(at), plainly);
        }
    }
}

/// Ranges of slots with one owner, in order.
fn ranges(machine: &Gossip) -> Vec<(u16, u16, Ix)> {
    let mut rows: Vec<(u16, u16, Ix)> = Vec::new();
    for slot in 0..SLOTS {
        let Some(owner) = machine.table.owner(slot) else { continue };
        match rows.last_mut() {
            Some((_, last, of)) if *of == owner && *last + 1 == slot => *last = slot,
            _ => rows.push((slot, slot, owner)),
        }
    }
    rows
}

/// Endpoint, port, name, and by what else the node is known.
fn slot_node(machine: &Gossip, reply: &mut Write<'_>, node: &Node, plainly: bool) {
    let preferred = machine.config.preferred_endpoint;
    reply.array(4);
    match machine.endpoint(node) {
        Some(endpoint) => reply.bulk(endpoint),
        None => reply.null(),
    }
    reply.integer(node.address.port_for(plainly).into());
    reply.bulk(node.id.bytes());
    let hostname = node.hostname.as_deref().filter(|_| preferred != Preferred::Hostname);
    let other_ip = preferred != Preferred::Ip;
    reply.map(usize::from(other_ip) + usize::from(hostname.is_some()));
    if other_ip {
        reply.bulk("ip");
        reply.bulk(ip(node));
    }
    if let Some(hostname) = hostname {
        reply.bulk("hostname");
        reply.bulk(hostname);
    }
}

fn offset(machine: &Gossip, at: Ix, node: &Node) -> u64 {
    if at == Ix::ME { machine.replication_offset() } else { node.offset }
}

/// A map for each master: its slots, and who serves them.
pub(super) fn shards(machine: &mut Gossip, call: &mut Call<'_>) {
    let masters: Vec<(Ix, &Node)> =
        machine.table.iter().filter(|(_, node)| !node.flags.contains(NodeFlags::REPLICA)).collect();
    let mut reply = call.reply();
    reply.array(masters.len());
    for (at, master) in masters {
        reply.map(2);
        reply.bulk("slots");
        reply.array(2 * master.slots().ranges().len());
        for &(first, last) in master.slots().ranges() {
            reply.integer(first.into());
            reply.integer(last.into());
        }
        let replicas: Vec<(Ix, &Node)> = machine.table.replicas_of(at).collect();
        reply.bulk("nodes");
        reply.array(1 + replicas.len());
        shard_node(machine, &mut reply, at, master);
        replicas.iter().for_each(|&(at, node)| shard_node(machine, &mut reply, at, node));
    }
}

fn shard_node(machine: &Gossip, reply: &mut Write<'_>, at: Ix, node: &Node) {
    let is_replica = node.flags.contains(NodeFlags::REPLICA);
    let offset = offset(machine, at, node);
    let health = if node.flags.contains(NodeFlags::FAIL) {
        "fail"
    } else if is_replica && offset == 0 {
        "loading"
    } else {
        "online"
    };
    let Address { port, plain_port, .. } = node.address;
    let ports = if machine.config.is_tls_cluster() {
        [("port", plain_port), ("tls-port", port)]
    } else {
        [("port", port), ("tls-port", 0)]
    };
    let ports = ports.into_iter().filter(|&(_, port)| port != 0);
    reply.map(6 + ports.clone().count() + usize::from(node.hostname.is_some()));
    reply.bulk("id");
    reply.bulk(node.id.bytes());
    for (name, port) in ports {
        reply.bulk(name);
        reply.integer(port.into());
    }
    reply.bulk("ip");
    reply.bulk(ip(node));
    reply.bulk("endpoint");
    reply.bulk(machine.endpoint(node).unwrap_or_default());
    if let Some(hostname) = &node.hostname {
        reply.bulk("hostname");
        reply.bulk(hostname.as_bytes());
    }
    reply.bulk("role");
    reply.bulk(if is_replica { "replica" } else { "master" });
    reply.bulk("replication-offset");
    reply.integer(i64::try_from(offset).unwrap_or(i64::MAX));
    reply.bulk("health");
    reply.bulk(health);
}

/// A map for each stream of the bus whose node is known. How much waits in it, only the driver
/// knows: nothing is told.
pub(super) fn links(machine: &mut Gossip, call: &mut Call<'_>) {
    let known: Vec<_> = machine
        .links
        .sorted()
        .into_iter()
        .filter_map(|(_, link)| link.node.map(|node| (link, node)))
        .collect();
    let mut reply = call.reply();
    reply.array(known.len());
    for (link, node) in known {
        reply.map(6);
        reply.bulk("direction");
        reply.bulk(if link.inbound { "from" } else { "to" });
        reply.bulk("node");
        reply.bulk(machine.table.get(node).id.bytes());
        reply.bulk("create-time");
        reply.integer(i64::try_from(machine.wall_ms(link.since)).unwrap_or_default());
        reply.bulk("events");
        reply.bulk("r");
        reply.bulk("send-buffer-allocated");
        reply.integer(0);
        reply.bulk("send-buffer-used");
        reply.integer(0);
    }
}
