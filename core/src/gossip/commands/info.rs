//! INFO and its kin: what this node is, in figures.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::super::machine::Gossip;
use super::super::resp::is;
use super::hello::VERSION;
use super::keys::ip;
use super::{CLIENTS_MAX, Call};

/// A part of INFO: its name, and what it says.
type Section = (&'static str, fn(&Gossip, &Call<'_>, &mut String));

/// In Redis' order. What we have no figures of is left out.
const SECTIONS: [Section; 6] = [
    ("Server", server),
    ("Clients", clients),
    ("Stats", stats),
    ("Replication", replication),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
];

/// `INFO [section …]`.
pub(super) fn info(machine: &mut Gossip, call: &mut Call<'_>) {
    let asked = &call.words[1..];
    let all = asked.is_empty()
        || asked.iter().any(|word| is(word, "all") || is(word, "default") || is(word, "everything"));
    let mut text = String::new();
    for (name, tell) in SECTIONS {
        if all || asked.iter().any(|word| is(word, name)) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {name}\r\n"));
            tell(machine, call, &mut text);
        }
    }
    call.reply().verbatim(&text);
}

/// A line of INFO. A string takes what is written to it.
macro_rules! line {
    ($text:expr, $($what:tt)*) => {
        let _ = write!($text, $($what)*);
        $text.push_str("\r\n");
    };
}

fn server(machine: &Gossip, call: &Call<'_>, text: &mut String) {
    let uptime = call.now.0 / 1_000_000;
    line!(text, "redis_version:{VERSION}");
    line!(text, "redis_mode:cluster");
    line!(text, "standin_version:{}", env!("CARGO_PKG_VERSION"));
    line!(text, "standin_role:{}", machine.config.role.word());
    line!(text, "arch_bits:64");
    line!(text, "run_id:{}", machine.id());
    let tls_port = machine.config.tls.map_or(0, |tls| tls.port);
    line!(text, "tcp_port:{}", if machine.config.port == 0 { tls_port } else { machine.config.port });
    line!(text, "server_time_usec:{}", machine.wall_ms(call.now) * 1_000);
    line!(text, "uptime_in_seconds:{uptime}");
    line!(text, "uptime_in_days:{}", uptime / 86_400);
}

fn clients(machine: &Gossip, _: &Call<'_>, text: &mut String) {
    line!(text, "connected_clients:{}", machine.clients.all.len());
    line!(text, "cluster_connections:{}", machine.links.len());
    line!(text, "maxclients:{CLIENTS_MAX}");
    line!(text, "blocked_clients:{}", machine.clients.waiting.len());
    let tracking = machine.clients.all.values().filter(|client| client.tracking.is_some());
    line!(text, "tracking_clients:{}", tracking.count());
}

fn stats(machine: &Gossip, _: &Call<'_>, text: &mut String) {
    let traffic = machine.traffic();
    line!(text, "total_connections_received:{}", machine.clients.accepted);
    line!(text, "total_commands_processed:{}", machine.clients.requests);
    line!(text, "rejected_connections:{}", machine.clients.refused);
    line!(text, "pubsub_channels:{}", machine.channels(false).count());
    line!(text, "pubsub_patterns:{}", machine.patterns());
    line!(text, "pubsubshard_channels:{}", machine.channels(true).count());
    line!(text, "standin_bus_bytes_sent:{}", traffic.bytes_sent);
    line!(text, "standin_bus_bytes_received:{}", traffic.bytes_received);
}

fn replication(machine: &Gossip, call: &Call<'_>, text: &mut String) {
    let me = machine.table.me();
    let offset = machine.replication_offset();
    if me.is_master() {
        line!(text, "role:master");
    } else {
        let up = machine.data.link_word() == "connected";
        line!(text, "role:slave");
        if let Some(master) = me.master {
            let master = machine.table.get(master);
            line!(text, "master_host:{}", ip(master));
            line!(text, "master_port:{}", master.address.port);
        }
        line!(text, "master_link_status:{}", if up { "up" } else { "down" });
        line!(text, "master_sync_in_progress:{}", u8::from(machine.data.link_word() == "sync"));
        line!(text, "slave_repl_offset:{offset}");
        line!(text, "slave_read_only:1");
    }
    let replicas = machine.streams(call.now);
    line!(text, "connected_slaves:{}", replicas.len());
    for (number, replica) in replicas.iter().enumerate() {
        let lag = replica.lag.as_secs();
        line!(
            text,
            "slave{number}:ip={},port={},state=online,offset={},lag={lag}",
            replica.ip,
            replica.port,
            replica.offset
        );
    }
    line!(text, "master_failover_state:no-failover");
    line!(text, "master_replid:{:040x}", machine.data.history());
    line!(text, "master_repl_offset:{offset}");
}

fn cluster(_: &Gossip, _: &Call<'_>, text: &mut String) {
    line!(text, "cluster_enabled:1");
}

/// Redis tells of a database only if it holds a key; redis-cli looks for just that.
fn keyspace(machine: &Gossip, _: &Call<'_>, text: &mut String) {
    if machine.data.holds_any() {
        line!(text, "db0:keys={},expires=0,avg_ttl=0", machine.data.count());
    }
}

pub(super) fn dbsize(machine: &mut Gossip, call: &mut Call<'_>) {
    call.reply().integer(machine.data.count() as i64);
}

/// Seconds since 1970, and microseconds.
pub(super) fn time(machine: &mut Gossip, call: &mut Call<'_>) {
    let millis = machine.wall_ms(call.now);
    let micros = millis % 1_000 * 1_000 + call.now.0 % 1_000;
    call.reply().array(2);
    call.reply().bulk(format!("{}", millis / 1_000));
    call.reply().bulk(format!("{micros}"));
}

/// Nothing is ever saved but the cluster's state: when we started.
pub(super) fn lastsave(machine: &mut Gossip, call: &mut Call<'_>) {
    let seconds = machine.wall_ms(crate::time::Instant::START) / 1_000;
    call.reply().integer(seconds as i64);
}

pub(super) fn role(machine: &mut Gossip, call: &mut Call<'_>) {
    let me = machine.table.me();
    let offset = i64::try_from(machine.replication_offset()).unwrap_or(i64::MAX);
    if let Some(master) = me.master.filter(|_| !me.is_master()) {
        let master = machine.table.get(master);
        let mut reply = call.reply();
        reply.array(5);
        reply.bulk("slave");
        reply.bulk(ip(master));
        reply.integer(master.address.port.into());
        reply.bulk(machine.data.link_word());
        return reply.integer(offset);
    }
    let replicas: Vec<_> = machine.streams(call.now);
    let mut reply = call.reply();
    reply.array(3);
    reply.bulk("master");
    reply.integer(offset);
    reply.array(replicas.len());
    for replica in &replicas {
        reply.array(3);
        reply.bulk(&replica.ip);
        reply.bulk(format!("{}", replica.port));
        reply.bulk(format!("{}", replica.offset));
    }
}
