//! The machine as a server: controls of nodes and clients, answers passed on.

use alloc::vec::Vec;

use super::super::controls::{self, Answer, Then};
use super::super::cx::{Cx, cx};
use super::super::events::Event;
use super::super::jobs::{Purpose, Reloader};
use super::super::mail::{Heard, Letter};
use super::super::notice::{By, FlagsCause, Notice, Oddity, Stop, Unanswered};
use super::super::requests::{Asker, Pending};
use super::super::types::{
    Capabilities, ControlFlags, Generation, NodeFlags, Pnn, RecoveryMode, RequestId, RunState, TunnelId,
};
use super::super::wire::{
    self, Body, ControlReply, ControlRequest, MessageData, Pdu, ReplyData, RequestData, TimeVal, Uptime,
};
use super::hosting::Reaction;
use super::life::After;
use super::talk::is_meant;
use super::{Ctdb, Out};
use crate::bytes::DecodeError;
use crate::machine::{Effect, How, LinkId};
use crate::time::Instant;

impl Ctdb {
    pub(super) fn unanswered(&mut self, out: Out<'_>, pending: Pending, why: Unanswered) {
        let Pending { to, opcode, asker, .. } = pending;
        if why == Unanswered::TimedOut {
            self.counters.control_timed_out();
        }
        out.notice(Notice::RequestFailed { pnn: to, opcode, why });
        if let Asker::Own(ticket) = asker {
            return self.mail.push_back(Letter::Answer(ticket, to, Heard::NOTHING));
        }
        let error = match why {
            Unanswered::Died => "node is disconnected",
            Unanswered::TimedOut => "ctdb_control timed out",
        };
        self.reply(out, asker, &Answer::failed(error));
    }

    /// Answers, unless nobody wants an answer.
    pub(super) fn reply_if(&mut self, out: Out<'_>, asker: Option<Asker>, answer: &Answer) {
        if let Some(asker) = asker {
            self.reply(out, asker, answer);
        }
    }

    /// Who asks, in a notice's words.
    fn by(&self, asker: Asker) -> By {
        match asker {
            Asker::Client(..) => By::Client,
            Asker::Node(pnn, _) => By::Node(pnn),
            Asker::Own(_) => By::Node(self.state.own()),
        }
    }

    pub(super) fn reply(&mut self, out: Out<'_>, asker: Asker, answer: &Answer) {
        let header = match asker {
            Asker::Client(link, reqid) if self.clients.has(link) => self.header(Pnn(0), reqid),
            Asker::Client(..) => return,
            Asker::Node(pnn, reqid) => self.header(pnn, reqid),
            Asker::Own(ticket) => {
                let heard = Heard { status: answer.status, data: answer.data.clone() };
                return self.mail.push_back(Letter::Answer(ticket, self.state.own(), heard));
            }
        };
        let mut bytes = out.buffer();
        wire::encode_reply(&header, answer.status, &answer.data, answer.error, &mut bytes);
        match asker {
            Asker::Client(link, _) => self.send_client(out, link, bytes),
            Asker::Node(pnn, _) => match self.links.outgoing(pnn) {
                Some(link) => self.send_node(out, link, bytes),
                None => self.send_later(out, pnn, bytes),
            },
            Asker::Own(_) => {}
        }
    }

    /// An answer to a node that our link does not reach yet. ctdbd loses it, and the asker waits for
    /// a minute.
    #[cold]
    fn send_later(&mut self, out: Out<'_>, pnn: Pnn, bytes: Vec<u8>) {
        let lost = if self.config.fixes.both_links { self.links.hold(pnn, bytes) } else { Some(bytes) };
        match lost {
            Some(bytes) => out.recycle(bytes),
            None => self.counters.sent_to_node(),
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        out: Out<'_>,
        pnn: Pnn,
        id: RequestId,
        reply: &ControlReply<'_>,
    ) {
        let Some(pending) = self.requests.answered(pnn, id) else {
            return out.notice(Notice::PacketRefused { pnn, why: Oddity::Unasked });
        };
        let (link, reqid) = match pending.asker {
            Asker::Client(link, reqid) => (link, reqid),
            Asker::Own(ticket) => {
                let heard = match reply.decode_data(pending.opcode) {
                    Ok(data) => Heard { status: reply.status, data },
                    Err(_) => {
                        let why = Oddity::Payload { opcode: pending.opcode };
                        out.notice(Notice::PacketRefused { pnn, why });
                        Heard::NOTHING
                    }
                };
                return self.own_answer(now, out, pnn, ticket, heard);
            }
            Asker::Node(..) => return,
        };
        if self.clients.has(link) {
            let header = self.header(Pnn(0), reqid);
            let mut bytes = out.buffer();
            Pdu { header, body: Body::ControlReply(*reply) }.encode(&mut bytes);
            self.send_client(out, link, bytes);
        }
    }

    /// A control addressed to us, in bytes.
    pub(super) fn control(&mut self, now: Instant, out: Out<'_>, asker: Asker, request: &ControlRequest<'_>) {
        // Looked at where it is: what was just written is slow to move.
        let read = request.decode_data();
        let Ok(data) = &read else {
            if let Asker::Node(pnn, _) = asker {
                out.notice(Notice::PacketRefused { pnn, why: Oddity::Payload { opcode: request.opcode } });
            }
            if !request.wants_no_reply() {
                self.reply(out, asker, &Answer::REFUSED);
            }
            return;
        };
        if let Some(answer) = self.registration(asker, request, data) {
            let wanting = (!request.wants_no_reply()).then_some(asker);
            return self.reply_if(out, wanting, &answer);
        }
        self.asked(now, out, asker, request.flags, data);
    }

    /// Server ids and tunnels are registered by clients only, and named beside the payload.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else registers")]
    fn registration(
        &mut self,
        asker: Asker,
        request: &ControlRequest<'_>,
        data: &RequestData,
    ) -> Option<Answer> {
        let Asker::Client(link, _) = asker else { return None };
        Some(Answer::status(match data {
            RequestData::RegisterSrvId => self.subscribers.register(link, request.srvid),
            RequestData::DeregisterSrvId => self.subscribers.deregister(link, request.srvid),
            RequestData::RegisterNotify(notify) => self.subscribers.register_notify(link, notify.clone()),
            RequestData::DeregisterNotify(srvid) => self.subscribers.deregister_notify(link, *srvid),
            RequestData::TunnelRegister => self.tunnel_asked(link, TunnelId(request.srvid.0), true),
            RequestData::TunnelDeregister => self.tunnel_asked(link, TunnelId(request.srvid.0), false),
            RequestData::TcpClient(connection) => {
                // The rest of it is no matter of who asked.
                if self.is_held(connection) {
                    self.clients.serves(link, *connection);
                }
                return None;
            }
            _ => return None,
        }))
    }

    /// A control addressed to us.
    pub(super) fn asked(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Asker,
        flags: ControlFlags,
        data: &RequestData,
    ) {
        let in_silence = flags.contains(ControlFlags::NOREPLY);
        if let Some(answer) = &controls::polled(&self.config, &self.state, data) {
            if !in_silence {
                self.reply(out, asker, answer);
            }
            return;
        }
        let wanting = (!in_silence).then_some(asker);
        let by = self.by(asker);
        if let Some(answer) = self.done_or_later(now, out, (wanting, by), flags, data) {
            self.reply_if(out, wanting, &answer);
        }
    }

    /// Does what a control asks for; `None` if the answer comes later, or never.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is about addresses, or pure")]
    fn done_or_later(
        &mut self,
        now: Instant,
        out: Out<'_>,
        (asker, by): (Option<Asker>, By),
        flags: ControlFlags,
        data: &RequestData,
    ) -> Option<Answer> {
        if let Some(answer) = self.databases_asked(out, asker, data) {
            return Some(answer);
        }
        if let Some(answer) = self.tools_asked(now, out, data) {
            return Some(answer);
        }
        match data {
            RequestData::SetRecMode(mode) => self.recovery_mode_asked(now, out, *mode, asker),
            RequestData::SetVnnMap(map) => Some(self.vnn_map_asked(out, map)),
            RequestData::StartRecovery => {
                self.start_recovery_asked(now, out, asker);
                None
            }
            RequestData::EndRecovery => {
                if !self.may_run(Event::Recovered) {
                    return Some(Answer::REFUSED);
                }
                self.run_event(now, out, Event::Recovered, After::Recovered(asker));
                None
            }
            RequestData::SetBanState(ban) => self.ban_asked(now, out, *ban, (asker, by)),
            RequestData::GetBanState => Some(Answer::data(ReplyData::BanState(self.ban_state()))),
            RequestData::StopNode => self.stop_asked(now, out, (asker, by)),
            RequestData::Startup => {
                self.tell_all_tickles(now, out);
                Some(Answer::OK)
            }
            RequestData::Uptime => Some(Answer::data(ReplyData::Uptime(self.uptime(now)))),
            RequestData::SetLmasterRole(role) => Some(self.set_role(Capabilities::LMASTER, role.0)),
            RequestData::SetLeaderRole(role) => Some(self.set_role(Capabilities::LEADER, role.0)),
            _ => match self.hosting_asked(now, out, asker, flags, data) {
                Reaction::NotMine => self.judged_control(now, out, (asker, by), data),
                Reaction::Answer(answer) => Some(answer),
                Reaction::Later => None,
            },
        }
    }

    fn uptime(&self, now: Instant) -> Uptime {
        let at = |at: Option<Instant>| at.map_or_else(TimeVal::default, |at| self.time_of_day(at));
        Uptime {
            now: self.time_of_day(now),
            started: self.time_of_day(self.state.born),
            recovery_started: at(self.state.recovery_started),
            recovery_finished: at(self.state.recovery_finished),
        }
    }

    fn judged_control(
        &mut self,
        now: Instant,
        out: Out<'_>,
        (asker, by): (Option<Asker>, By),
        data: &RequestData,
    ) -> Option<Answer> {
        let then = controls::judge(&cx!(self, now, out), &self.state, data, self.clients.count());
        Some(match then {
            Then::Answer(answer) => answer,
            Then::Shutdown => {
                self.stop(now, out, Stop::Asked(by));
                return None;
            }
            Then::Reload => {
                self.read_nodes(out, Purpose::Reload(Reloader::Control(asker)));
                return None;
            }
            Then::ShowNodes => {
                self.read_nodes(out, Purpose::ShowNodes(asker));
                return None;
            }
            Then::OwnFlags { set, clear } => {
                self.set_own_flags(out, set, clear, FlagsCause::Told(by));
                self.prompt(now);
                Answer::OK
            }
            Then::Flags(pnn, flags) => {
                self.adopt_flags(now, out, (pnn, flags), FlagsCause::Told(by));
                Answer::OK
            }
            Then::Tunable(name, value, answer) => {
                self.set_tunable(out, name, value);
                answer
            }
        })
    }

    /// Another node's flags are these. A node that becomes well while we start forces a recovery.
    pub(super) fn adopt_flags(
        &mut self,
        now: Instant,
        out: Out<'_>,
        (pnn, flags): (Pnn, NodeFlags),
        cause: FlagsCause,
    ) {
        if self.state.node(pnn).is_none_or(|node| node.flags == flags) {
            return;
        }
        self.set_flags(out, (pnn, flags), cause);
        let recovered = self.config.fixes.calm_start && self.state.generation != Generation::INVALID;
        if flags.is_empty() && self.state.runstate <= RunState::Startup && !recovered {
            self.set_recovery_mode(now, out, RecoveryMode::Active, false);
        }
        self.prompt(now);
    }

    pub(super) fn set_flags(&mut self, out: Out<'_>, (pnn, to): (Pnn, NodeFlags), cause: FlagsCause) {
        let Some(node) = self.state.node_mut(pnn) else { return };
        let from = core::mem::replace(&mut node.flags, to);
        if from != to {
            out.notice(Notice::FlagsChanged { pnn, from, to, cause });
        }
    }

    #[inline(never)]
    pub(super) fn client_bytes(&mut self, now: Instant, out: Out<'_>, link: LinkId, mut bytes: &[u8]) {
        while !self.over
            && let Some(stream) = self.clients.stream(link)
        {
            match stream.next_frame(&mut bytes) {
                // A frame that is no packet is ignored and the client kept, as in ctdbd.
                Ok(Some(frame)) => {
                    if let Ok(pdu) = Pdu::decode(&frame) {
                        self.counters.client_heard(&pdu.body);
                        self.client_packet(now, out, link, &pdu);
                    }
                }
                Ok(None) => return,
                Err(error) => return self.client_refused(out, link, error),
            }
        }
    }

    fn client_refused(&mut self, out: Out<'_>, link: LinkId, error: DecodeError) {
        out.notice(Notice::ClientRefused { error });
        out.push(Effect::Close { link, how: How::Orderly });
        self.client_gone(out, link);
    }

    pub(super) fn client_gone(&mut self, out: Out<'_>, link: LinkId) -> bool {
        let Some(served) = self.clients.gone(link) else { return false };
        self.forget_connections(served);
        self.requests.forget_client(link);
        self.tunnels.gone(link);
        for notify in self.subscribers.gone(link) {
            let data = MessageData::Raw { srvid: notify.srvid, data: notify.data };
            self.tell(out, Pnn::BROADCAST_CONNECTED, &data);
        }
        true
    }

    /// A client's packet: ours to answer, or another node's.
    fn client_packet(&mut self, now: Instant, out: Out<'_>, link: LinkId, pdu: &Pdu<'_>) {
        if let Body::Message(message) = &pdu.body {
            return self.client_message(out, pdu.header.destination, message);
        }
        if let Body::Tunnel(tunnel) = &pdu.body {
            return self.client_tunnel(out, pdu.header.destination, *tunnel);
        }
        let Body::ControlRequest(request) = &pdu.body else { return };
        let asker = Asker::Client(link, pdu.header.reqid);
        let to = pdu.header.destination;
        if self.state.me.is_none() {
            return;
        }
        if to == Pnn::CURRENT_NODE || self.state.is_me(to) {
            return self.control(now, out, asker, request);
        }
        if to.is_broadcast() {
            return self.client_broadcast(now, out, asker, to, request);
        }
        if !self.is_connected(to) {
            let wanting = (!request.wants_no_reply()).then_some(asker);
            return self.reply_if(out, wanting, &Answer::failed("ctdb_control to disconnected node"));
        }
        self.forward(now, out, asker, to, request);
    }

    /// A client's message: read here, or sent on, to whichever nodes it is for.
    fn client_message(&mut self, out: Out<'_>, to: Pnn, message: &wire::Message<'_>) {
        let Ok(data) = message.decode_data() else { return };
        let to = if to == Pnn::CURRENT_NODE { self.state.me } else { Some(to) };
        if let Some(to) = to.filter(|_| self.state.me.is_some()) {
            self.tell(out, to, &data);
        }
    }

    /// A control for many: without NOREPLY it is dropped and never answered, as in ctdbd.
    fn client_broadcast(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Asker,
        to: Pnn,
        request: &ControlRequest<'_>,
    ) {
        if !request.wants_no_reply() {
            return;
        }
        for pnn in self.state.all() {
            let Some(node) = self.state.node(pnn) else { continue };
            if !is_meant(node.flags, to) || self.over {
                continue;
            }
            if self.state.is_me(pnn) {
                self.control(now, out, asker, request);
            } else {
                self.forward(now, out, asker, pnn, request);
            }
        }
    }

    fn forward(&mut self, now: Instant, out: Out<'_>, asker: Asker, to: Pnn, request: &ControlRequest<'_>) {
        let Asker::Client(client, _) = asker else { return };
        if !request.wants_no_reply() && !self.requests.has_room() {
            return self.reply(out, asker, &Answer::failed("too many questions under way"));
        }
        let reqid = if request.wants_no_reply() {
            RequestId(0)
        } else {
            let patience = self.config.tunables.control_timeout();
            self.requests.ask(&mut cx!(self, now, out), to, request.opcode, asker, patience)
        };
        // Without a link to write on it is lost, as in ctdbd; whoever asked hears of it in time.
        let Some(link) = self.links.outgoing(to) else { return };
        let header = self.header(to, reqid);
        let client = self.clients.id(client).unwrap_or_default();
        let mut bytes = out.buffer();
        Pdu { header, body: Body::ControlRequest(ControlRequest { client, ..*request }) }.encode(&mut bytes);
        self.send_node(out, link, bytes);
    }
}
