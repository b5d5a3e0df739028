//! Replicas at our door: REPLCONF, PSYNC, WAIT; and what Redis refuses in a cluster.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::Call;
use crate::time::{Duration, Instant};

/// What a client said of itself as a replica.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Replica {
    port: u16,
    /// How far it says it is, and when it did; once it takes our stream.
    acked: Option<(u64, Instant)>,
}

impl Replica {
    pub(super) const fn takes_stream(&self) -> bool {
        self.acked.is_some()
    }
}

/// A replica that takes our stream.
pub(super) struct Stream {
    pub(super) ip: String,
    pub(super) port: u16,
    pub(super) offset: u64,
    /// Since it last said how far it is.
    pub(super) lag: Duration,
}

impl Gossip {
    pub(super) fn streams(&self, now: Instant) -> Vec<Stream> {
        let all = self.clients.all.values().filter_map(|client| {
            let (offset, at) = client.replica.acked?;
            let ip = client.remote.ip().map_or(String::new(), |ip| ip.to_string());
            Some(Stream { ip, port: client.replica.port, offset, lag: now.since(at) })
        });
        all.collect()
    }
}

/// `REPLCONF option value …`; ACK is not answered.
pub(super) fn replconf(machine: &mut Gossip, call: &mut Call<'_>) {
    if call.words.len().is_multiple_of(2) {
        return call.syntax_error();
    }
    let now = call.now;
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    let replica = &mut client.replica;
    for pair in call.words[1..].chunks(2) {
        let (option, value) = (&pair[0], number(&pair[1]));
        if is(option, "listening-port") {
            let Some(Ok(port)) = value.map(u16::try_from) else { return call.not_an_integer() };
            replica.port = port;
        } else if is(option, "ack") {
            if let (Some(Ok(offset)), Some(acked)) = (value.map(u64::try_from), &mut replica.acked) {
                *acked = (offset.max(acked.0), now);
            }
            return;
        } else if is(option, "getack") {
            // A master says it to its replicas, on the other stream.
            return;
        } else if !["ip-address", "capa", "rdb-only", "rdb-filter-only"].iter().any(|it| is(option, it)) {
            let option = super::shown(option).into_owned();
            return call.error(format_args!("Unrecognized REPLCONF option: {option}"));
        }
    }
    call.ok();
}

/// PSYNC and SYNC: the replica gets everything, whatever it has.
///
/// Whoever gets nothing is told `NOMASTERLINK`. At that a Redis replica comes back a second later;
/// at any other error it says SYNC, and refused again it comes back at once, for ever.
pub(super) fn psync(machine: &mut Gossip, call: &mut Call<'_>) {
    if !machine.keeps_data() {
        let role = machine.config.role.word();
        let why = format_args!("NOMASTERLINK this node is a standin {role}: it has no data to replicate");
        return call.reply().error_code(why);
    }
    if is(call.word(0), "sync") {
        return call.reply().error_code("NOMASTERLINK SYNC is not offered, only PSYNC");
    }
    if number(call.word(2)).is_none() {
        return call.not_an_integer();
    }
    if !machine.table.me().is_master() {
        return call.reply().error_code("NOMASTERLINK Can't SYNC while not connected with my master");
    }
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    if client.replica.acked.is_some() {
        return; // As Redis: who takes the stream already is not heard.
    }
    client.replica.acked = Some((0, call.now));
    machine.clients.spent += machine.give_snapshot(call.link);
}

/// `WAIT replicas timeout`. Answered at once, with how many replicas have everything by now:
/// nobody is made to wait.
pub(super) fn wait(machine: &mut Gossip, call: &mut Call<'_>) {
    if !machine.table.me().is_master() {
        return call.error(
            "WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica \
             is configured to be writable (which is not the default) writes to replicas are just local and \
             are not propagated.",
        );
    }
    if number(call.word(1)).is_none() {
        return call.not_an_integer();
    }
    match number(call.word(2)) {
        None => return call.error("timeout is not an integer or out of range"),
        Some(..0) => return call.error("timeout is negative"),
        Some(_) => {}
    }
    let offset = machine.replication_offset();
    let count = machine.streams(call.now).iter().filter(|stream| stream.offset >= offset).count();
    call.reply().integer(count as i64);
}

pub(super) fn replicaof(_: &mut Gossip, call: &mut Call<'_>) {
    call.error("REPLICAOF not allowed in cluster mode.");
}

pub(super) fn failover(_: &mut Gossip, call: &mut Call<'_>) {
    call.error("FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.");
}
