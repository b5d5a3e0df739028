//! Who is there: links opened and lost, bytes in, packets to their parts, keepalive, death and
//! return.

use super::super::cx::Wake;
use super::super::cx::{Cx, cx};
use super::super::keepalive::{Keepalive, Tick};
use super::super::links::{self, BUS, Whose};
use super::super::notice::{Cause, Notice, Oddity, Stop, Unanswered};
use super::super::plant::Plant;
use super::super::requests::Asker;
use super::super::types::{NodeFlags, Pnn, RequestId};
use super::super::versions::{Running, we_must_go};
use super::super::wire::{self, Body, Header, Pdu};
use super::{Ctdb, Out};
use crate::bytes::DecodeError;
use crate::machine::{Effect, How, LinkId, LinkInput};
use crate::time::{Duration, Instant};

impl Ctdb {
    /// `KeepaliveInterval`, at least a second: an operator who sets 0 must not make us spin.
    pub(super) fn tick_interval(&self) -> Duration {
        self.config.tunables.keepalive_interval().max(Duration::from_secs(1))
    }

    pub(super) fn keepalive_tick(&mut self, now: Instant, out: Out<'_>) {
        self.timers.set(Wake::Keepalive, now + self.tick_interval());
        let itself = self.config.plants.has(Plant::KeepaliveToSelf);
        let Running { version, uptime } = self.running(now);
        let body = Body::Keepalive(wire::Keepalive { version, uptime });
        let limit = Keepalive::limit(&self.config);
        for pnn in self.state.all() {
            let peer = self.state.is_peer(pnn) || (itself && self.state.is_me(pnn));
            if !peer {
                continue;
            }
            if !self.is_connected(pnn) {
                let heard = self.keepalive.take_heard(pnn);
                if heard && !self.config.fixes.both_links {
                    self.node_connected(now, out, pnn);
                }
                let tunables = &self.config.tunables;
                let patience = tunables.keepalive_interval().times(tunables.keepalive_limit().into());
                if self.config.fixes.redial_unanswered && self.links.is_unanswered(pnn, now, patience) {
                    self.node_dead(now, out, pnn, Cause::Silence);
                }
                continue;
            }
            match self.keepalive.tick(self.config.plants, limit, pnn) {
                Tick::Dead => {
                    self.node_dead(now, out, pnn, Cause::Silence);
                    continue;
                }
                // One silent interval is only two clocks' phase.
                Tick::Missed(missed) if missed > 1 => {
                    let limit = self.config.tunables.keepalive_limit();
                    out.notice(Notice::KeepaliveMissed { pnn, missed, limit });
                }
                Tick::Missed(_) | Tick::Alive => {}
            }
            if let Some(link) = self.links.outgoing(pnn) {
                let header = self.header(pnn, RequestId(0));
                let mut bytes = out.buffer();
                Pdu { header, body }.encode(&mut bytes);
                self.counters.keepalive_sent();
                out.send(link, bytes);
            }
        }
    }

    pub(super) fn header(&self, destination: Pnn, reqid: RequestId) -> Header {
        Header { generation: self.state.generation, destination, source: self.state.own(), reqid }
    }

    pub(super) fn running(&self, now: Instant) -> Running {
        let uptime = now.since(self.state.born).as_secs();
        Running { version: self.config.version, uptime: u32::try_from(uptime).unwrap_or(u32::MAX) }
    }

    pub(super) fn link_event(&mut self, now: Instant, out: Out<'_>, event: links::Event) {
        match event {
            links::Event::Nothing => {}
            links::Event::Both(pnn) => self.node_connected(now, out, pnn),
            links::Event::LostOut(pnn, why) => self.node_dead(now, out, pnn, Cause::LinkOut(why)),
            links::Event::LostIn(pnn, why) => self.node_dead(now, out, pnn, Cause::LinkIn(why)),
            links::Event::Stranger(from) => out.notice(Notice::StrangerRefused { from }),
            links::Event::Duplicate(pnn) => out.notice(Notice::DuplicateRefused { pnn }),
            links::Event::Unreachable(pnn, why) => out.notice(Notice::DialFailed { pnn, why }),
        }
    }

    pub(super) fn node_connected(&mut self, now: Instant, out: Out<'_>, pnn: Pnn) {
        let Some(node) = self.state.node_mut(pnn) else { return };
        if !node.is_connected() {
            node.flags.remove(NodeFlags::DISCONNECTED);
            node.lost = None;
            self.keepalive.forget(pnn);
            out.notice(Notice::NodeConnected { pnn });
            self.rounds.changed = true;
            self.prompt(now);
            self.look_for_databases(now, out);
        }
    }

    /// A node's links are given up and dialled anew; if it counted as connected, it is dead.
    #[cold]
    pub(super) fn node_dead(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, cause: Cause) {
        self.links.drop_peer(&mut cx!(self, now, out), pnn);
        let me = self.state.is_me(pnn);
        let Some(node) = self.state.node_mut(pnn) else { return };
        if node.is_connected() && !me {
            node.flags |= NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY;
            node.lost = Some(now);
            self.keeper_lost(pnn);
            self.recovery_without(pnn);
            self.keepalive.forget(pnn);
            out.notice(Notice::NodeDead { pnn, cause });
            if !self.config.plants.has(Plant::PendingNotFailed) {
                for lost in self.requests.take_to(pnn) {
                    self.unanswered(out, lost, Unanswered::Died);
                }
            }
            self.rounds.changed = true;
            self.prompt(now);
        }
        self.links.dial_again(&mut cx!(self, now, out), &self.state, pnn);
    }

    /// Bytes of any link.
    pub(super) fn bytes(&mut self, now: Instant, out: Out<'_>, link: LinkId, bytes: &[u8]) {
        match self.links.whose(link) {
            Whose::In(pnn) => self.node_bytes(now, out, pnn, link, bytes),
            Whose::Out(pnn) => self.node_dead(now, out, pnn, Cause::WroteOnOurLink),
            Whose::Gone if self.clients.has(link) => self.client_bytes(now, out, link, bytes),
            Whose::Gone => {}
        }
    }

    fn node_bytes(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, link: LinkId, mut bytes: &[u8]) {
        // A packet may cost its sender the link, and us our life.
        while !bytes.is_empty()
            && !self.over
            && let Some(stream) = self.links.stream(&self.config, pnn, link)
        {
            let frame = match stream.next_frame(&mut bytes) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => return self.frame_refused(now, out, pnn, error),
            };
            match Pdu::decode(&frame) {
                Ok(pdu) => self.route(now, out, pnn, &pdu),
                Err(error) => return self.frame_refused(now, out, pnn, error),
            }
        }
    }

    #[cold]
    fn frame_refused(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, error: DecodeError) {
        out.notice(Notice::FrameRefused { pnn, error });
        self.node_dead(now, out, pnn, Cause::BadFrame);
    }

    /// A packet of a node: any is a sign of life, then it goes to its part.
    fn route(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, pdu: &Pdu<'_>) {
        let claims = pdu.header.source;
        if claims != pnn && (self.config.fixes.check_source || !self.state.is_peer(claims)) {
            return liar(out, pnn, claims);
        }
        let pnn = claims;
        self.keepalive.heard(pnn);
        if let Body::Keepalive(keepalive) = &pdu.body {
            self.counters.keepalive_heard();
            self.versions_met(now, out, pnn, *keepalive);
        } else {
            self.route_rare(now, out, pnn, pdu);
        }
    }

    /// Every packet but a sign of life.
    #[inline(never)]
    fn route_rare(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, pdu: &Pdu<'_>) {
        self.counters.node_heard(&pdu.body);
        match &pdu.body {
            Body::ControlRequest(request) => {
                let asker = Asker::Node(pnn, pdu.header.reqid);
                self.control(now, out, asker, request);
            }
            Body::ControlReply(reply) => self.answered(now, out, pnn, pdu.header.reqid, reply),
            Body::Message(message) => {
                if let Ok(data) = message.decode_data() {
                    self.message_heard(now, out, &data);
                } else {
                    out.notice(Notice::PacketRefused { pnn, why: Oddity::Message { srvid: message.srvid } });
                }
            }
            Body::Tunnel(tunnel) => self.tunnel_heard(out, pnn, *tunnel),
            Body::Keepalive(_) | Body::Other { .. } => {}
        }
    }

    #[inline]
    fn versions_met(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, theirs: wire::Keepalive) {
        if theirs.version != self.config.version {
            self.versions_clash(now, out, pnn, theirs);
        }
    }

    #[cold]
    fn versions_clash(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, theirs: wire::Keepalive) {
        let wire::Keepalive { version, uptime } = theirs;
        let mixing = self.config.tunables.allow_mixed_versions();
        if we_must_go(self.running(now), Running { version, uptime }, mixing) {
            out.notice(Notice::VersionClash { pnn, version, uptime });
            self.stop(now, out, Stop::Version);
        }
    }

    pub(super) fn link(&mut self, now: Instant, out: Out<'_>, link: LinkId, input: LinkInput<'_>) {
        let event = match input {
            LinkInput::Bytes(bytes) => return self.bytes(now, out, link, bytes),
            LinkInput::Opened { .. } => self.links.opened(&mut cx!(self, now, out), link),
            LinkInput::Accepted { port: BUS, from, .. } => match from.ip() {
                Some(from) => self.links.accepted(&mut cx!(self, now, out), &self.state, link, from),
                None => links::Event::Nothing,
            },
            LinkInput::Accepted { peer_pid, .. } => {
                if !self.clients.accepted(link, peer_pid) {
                    out.push(Effect::Close { link, how: How::Orderly });
                }
                links::Event::Nothing
            }
            LinkInput::Drained => links::Event::Nothing,
            LinkInput::Closed(why) => {
                if self.client_gone(out, link) {
                    return;
                }
                self.links.closed(&mut cx!(self, now, out), link, why)
            }
        };
        self.link_event(now, out, event);
    }

    #[inline(never)]
    pub(super) fn check_parts(&self) {
        self.links.check();
        self.addresses.check_invariants(self.state.me);
        let loose = !self.config.fixes.both_links || self.config.plants.has(Plant::OneDirectionEnough);
        for pnn in self.state.all().filter(|&pnn| !loose && self.state.is_peer(pnn)) {
            let links = self.links.has_both(pnn);
            assert!(links || !self.is_connected(pnn), "{pnn} counts as connected without both links");
        }
    }
}

/// A node's packet claims to be another's.
#[cold]
fn liar(out: Out<'_>, pnn: Pnn, claims: Pnn) {
    out.notice(Notice::PacketRefused { pnn, why: Oddity::Liar { claims } });
}
