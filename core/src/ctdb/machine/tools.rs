//! What operators' tools ask about the daemon itself (its clients, log level, counters, memory),
//! and the tunnels between clients.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::addresses::Entry;
use super::super::controls::Answer;
use super::super::cx::Wake;
use super::super::types::{Pnn, RequestId, TunnelId};
use super::super::wire::{
    Body, Connection, Header, MessageData, Pdu, PidSrvId, ReplyData, RequestData, SrvIdMessage, Statistics,
    StatisticsList, Tunnel,
};
use super::talk::is_meant;
use super::{Ctdb, Out};
use crate::machine::{Effect, How, LinkId};
use crate::time::{Duration, Instant};

impl Ctdb {
    /// A control about the daemon itself; `None` if it is about something else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever it is, it is not about these")]
    pub(super) fn tools_asked(&mut self, now: Instant, out: Out<'_>, data: &RequestData) -> Option<Answer> {
        Some(match data {
            RequestData::GetPid => Answer::status(self.config.pid.cast_signed()),
            RequestData::ProcessExists(pid) => self.process_asked(out, pid.0),
            RequestData::CheckPidSrvId(asked) => self.process_listens(*asked),
            RequestData::GetDebug => Answer::data(ReplyData::DebugLevel(self.config.debug_level)),
            RequestData::SetDebug(level) => {
                self.config.debug_level = *level;
                Answer::OK
            }
            RequestData::Statistics => Answer::data(ReplyData::Statistics(Box::new(self.statistics(now)))),
            RequestData::StatisticsReset => {
                self.counters.reset(now, self.state.recoveries);
                Answer::OK
            }
            RequestData::GetStatHistory => {
                Answer::data(ReplyData::StatisticsList(StatisticsList { entries: self.counters.past() }))
            }
            RequestData::DumpMemory => Answer::data(ReplyData::Raw(self.memory_report().into_bytes())),
            // A recovery daemon of its own would say so; ours cannot be missing.
            RequestData::RecdPing => Answer::OK,
            RequestData::RecdReclockLatency(waited) => {
                self.counters.lock_waited(waited.0);
                Answer::OK
            }
            _ => return None,
        })
    }

    /// PROCESS_EXISTS: whether a client of ours is this process. A node that takes no part has no
    /// clients that could hold anything: such a client, the newest, is sent away.
    fn process_asked(&mut self, out: Out<'_>, pid: i32) -> Answer {
        let Some(link) = self.clients.of_process(pid).last() else { return Answer::REFUSED };
        if !self.own_flags().is_inactive() {
            return Answer::OK;
        }
        out.push(Effect::Close { link, how: How::Orderly });
        self.client_gone(out, link);
        Answer::REFUSED
    }

    fn process_listens(&self, asked: PidSrvId) -> Answer {
        let mut links = self.clients.of_process(asked.pid.0);
        let listens = links.any(|link| self.subscribers.has(link, asked.srvid));
        if listens { Answer::OK } else { Answer::REFUSED }
    }

    /// The counters, and how things are.
    fn statistics(&self, now: Instant) -> Statistics {
        Statistics {
            num_clients: self.clients.count() as u32,
            recovering: self.state.recovery_mode as u32,
            memory_used: u32::try_from(self.memory().iter().map(Room::bytes).sum::<usize>())
                .unwrap_or(u32::MAX),
            started: self.time_of_day(self.counters.since().unwrap_or(self.state.born)),
            current: self.time_of_day(now),
            ..self.counters.counts(self.state.recoveries)
        }
    }

    /// Keeps what was counted, if it is time. Every round asks, so an interval is no shorter than
    /// the rounds are apart.
    pub(super) fn remember_counts(&mut self, now: Instant) {
        let interval = self.config.tunables.stat_history_interval();
        let until = self.counters.past_until().unwrap_or(self.state.born);
        if interval > Duration::ZERO && now.since(until) >= interval {
            let (started, current) = (self.time_of_day(until), self.time_of_day(now));
            self.counters.remember(now, self.state.recoveries, started, current);
        }
    }

    /// How long a wait of at most `limit` has lasted.
    pub(super) fn waited(&self, wake: Wake, limit: Duration, now: Instant) -> Duration {
        let left = self.timers.at(wake).map_or(Duration::ZERO, |end| end.since(now));
        Duration::from_micros(limit.as_micros().saturating_sub(left.as_micros()))
    }

    /// What takes room here.
    fn memory(&self) -> [Room; 12] {
        let (srvids, words) = self.subscribers.counts();
        [
            Room::of("the machine itself", 1, size_of::<Self>()),
            Room::of("nodes", self.state.nodes.len(), 512),
            Room::of("location masters", self.state.vnn_map.len(), size_of::<Pnn>()),
            Room::of("questions under way", self.requests.count(), 64),
            Room::of("clients", self.clients.count(), 256),
            Room::of("connections of clients", self.clients.connections(), 96),
            Room::of("registered server ids", srvids, 64),
            Room::of("words left for later", words, 128),
            Room::of("tunnels", self.tunnels.count(), 32),
            Room::of("public addresses", self.addresses.iter().count(), 512),
            Room::of("connections to public addresses", self.addresses.tickle_count(), 64),
            Room::of("releases and takes that wait", self.releases.len() + self.takes.len(), 64),
        ]
    }

    /// DUMP_MEMORY: what takes room, a line each, and all together.
    fn memory_report(&self) -> String {
        let rooms = self.memory();
        let mut report = format!("{:>10}  {:>12}  what\n", "count", "bytes, about");
        for room in &rooms {
            report.push_str(&format!("{:>10}  {:>12}  {}\n", room.count, room.bytes(), room.what));
        }
        let all: usize = rooms.iter().map(Room::bytes).sum();
        report.push_str(&format!("{:>10}  {all:>12}  all of it\n", ""));
        report
    }

    /// MEM_DUMP: the report, to whoever asked.
    pub(super) fn memory_wanted(&mut self, out: Out<'_>, asked: SrvIdMessage) {
        let data = self.memory_report().into_bytes();
        self.tell(out, asked.pnn, &MessageData::Raw { srvid: asked.srvid, data });
    }

    /// A client's packet into a tunnel: to the client at its other end, here or at other nodes.
    pub(super) fn client_tunnel(&mut self, out: Out<'_>, to: Pnn, tunnel: Tunnel<'_>) {
        let Some(me) = self.state.me else { return };
        let to = if to == Pnn::CURRENT_NODE { me } else { to };
        if !to.is_broadcast() {
            return self.tunnel_to(out, me, to, tunnel);
        }
        for pnn in self.state.all() {
            if self.state.node(pnn).is_some_and(|node| is_meant(node.flags, to)) {
                self.tunnel_to(out, me, pnn, tunnel);
            }
        }
    }

    fn tunnel_to(&mut self, out: Out<'_>, me: Pnn, to: Pnn, tunnel: Tunnel<'_>) {
        if to == me {
            return self.tunnel_heard(out, me, tunnel);
        }
        let Some(link) = self.links.outgoing(to) else { return };
        let header = self.header(to, RequestId(0));
        let mut bytes = out.buffer();
        Pdu { header, body: Body::Tunnel(tunnel) }.encode(&mut bytes);
        self.send_node(out, link, bytes);
    }

    /// A tunnel's packet for a client of ours, which sees what node it is from. Nobody is told if
    /// nobody has the tunnel here.
    pub(super) fn tunnel_heard(&mut self, out: Out<'_>, from: Pnn, tunnel: Tunnel<'_>) {
        let Some(link) = self.tunnels.end(tunnel.id) else { return };
        let header = Header { source: from, ..self.header(Pnn(0), RequestId(0)) };
        let mut bytes = out.buffer();
        Pdu { header, body: Body::Tunnel(tunnel) }.encode(&mut bytes);
        self.send_client(out, link, bytes);
    }

    /// TUNNEL_REGISTER, TUNNEL_DEREGISTER: the status.
    pub(super) fn tunnel_asked(&mut self, link: LinkId, id: TunnelId, open: bool) -> i32 {
        if open { self.tunnels.register(link, id) } else { self.tunnels.deregister(link, id) }
    }

    /// A client is gone that was connected to by others: addresses still here forget those
    /// connections, of the others their new holder will hear.
    pub(super) fn forget_connections(&mut self, connections: impl IntoIterator<Item = Connection>) {
        for connection in connections {
            if self.is_held(&connection) {
                self.addresses.remove_tickle(&connection);
            }
        }
    }

    /// Whether a connection is to an address that is held here.
    pub(super) fn is_held(&self, connection: &Connection) -> bool {
        let entry = self.addresses.get(connection.server.ip());
        entry.is_some_and(Entry::is_held)
    }

    /// Sends to a client.
    pub(super) fn send_client(&mut self, out: Out<'_>, link: LinkId, bytes: Vec<u8>) {
        self.counters.sent_to_client();
        out.send(link, bytes);
    }

    /// Sends to a node.
    pub(super) fn send_node(&mut self, out: Out<'_>, link: LinkId, bytes: Vec<u8>) {
        self.counters.sent_to_node();
        out.send(link, bytes);
    }
}

/// So many of something, each of about so many bytes.
struct Room {
    what: &'static str,
    count: usize,
    each: usize,
}

impl Room {
    const fn of(what: &'static str, count: usize, each: usize) -> Self {
        Self { what, count, each }
    }

    const fn bytes(&self) -> usize {
        self.count.saturating_mul(self.each)
    }
}
