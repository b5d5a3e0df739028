//! The machine as a server: controls of nodes and clients, answers passed on.

use super::controls::{self, Answer, Then};
use super::cx::{Cx, Wake, cx};
use super::jobs::{Purpose, Reloader};
use super::machine::{Ctdb, Out};
use super::notice::{Notice, Oddity, Stop, Unanswered};
use super::reload::{self, Refused};
use super::requests::{Asker, Pending};
use super::types::{NodeFlags, Pnn, RequestId};
use super::wire::{self, Body, ControlReply, ControlRequest, Header, Pdu};
use crate::bytes::DecodeError;
use crate::host::FileError;
use crate::machine::{Effect, How, LinkId};
use crate::time::Instant;

impl Ctdb {
    pub(super) fn unanswered(&mut self, out: Out<'_>, pending: Pending, why: Unanswered) {
        let Pending { to, opcode, asker, .. } = pending;
        out.notice(Notice::RequestFailed { pnn: to, opcode, why });
        let error = match why {
            Unanswered::Died => "node is disconnected",
            Unanswered::TimedOut => "ctdb_control timed out",
        };
        self.reply(out, asker, &Answer::failed(error));
    }

    pub(super) fn reply(&mut self, out: Out<'_>, asker: Asker, answer: &Answer) {
        let (link, header) = match asker {
            Asker::Client(link, reqid) if self.clients.has(link) => {
                (Some(link), Header { destination: Pnn(0), ..self.header(Pnn(0), reqid) })
            }
            Asker::Client(..) => return,
            Asker::Node(pnn, reqid) => (self.links.outgoing(pnn), self.header(pnn, reqid)),
        };
        let Some(link) = link else { return };
        let mut bytes = out.buffer();
        wire::encode_reply(&header, answer.status, &answer.data, answer.error, &mut bytes);
        out.push(Effect::Send { link, bytes });
    }

    pub(super) fn answered(
        &mut self,
        now: Instant,
        out: Out<'_>,
        pnn: Pnn,
        id: RequestId,
        reply: &ControlReply<'_>,
    ) {
        let Some(pending) = self.requests.answered(&mut cx!(self, now, out), pnn, id) else {
            return out.notice(Notice::PacketRefused { pnn, why: Oddity::Unasked });
        };
        let Asker::Client(link, reqid) = pending.asker else { return };
        if self.clients.has(link) {
            let header = Header { destination: Pnn(0), ..self.header(Pnn(0), reqid) };
            let mut bytes = out.buffer();
            Pdu { header, body: Body::ControlReply(*reply) }.encode(&mut bytes);
            out.push(Effect::Send { link, bytes });
        }
    }

    /// A control addressed to us.
    pub(super) fn control(&mut self, now: Instant, out: Out<'_>, asker: Asker, request: &ControlRequest<'_>) {
        let silent = request.wants_no_reply();
        let Ok(asked) = request.decode_data() else {
            if let Asker::Node(pnn, _) = asker {
                out.notice(Notice::PacketRefused { pnn, why: Oddity::Payload { opcode: request.opcode } });
            }
            if !silent {
                self.reply(out, asker, &Answer::REFUSED);
            }
            return;
        };
        let then = controls::judge(&cx!(self, now, out), &self.state, &asked, self.clients.count());
        let answer = match then {
            Then::Answer(answer) => answer,
            Then::Shutdown => return self.stop(out, Stop::Asked),
            Then::Reload => {
                let reloader = Reloader::Control((!silent).then_some(asker));
                return self.read_nodes(out, Purpose::Reload(reloader));
            }
            Then::ShowNodes => return self.read_nodes(out, Purpose::ShowNodes((!silent).then_some(asker))),
            Then::OwnFlags { set, clear } => {
                let own = self.state.own();
                let flags = self.state.node(own).map_or(NodeFlags::empty(), |node| node.flags);
                self.set_flags(out, own, (flags | set) - clear);
                Answer::OK
            }
            Then::Flags(pnn, flags) => {
                self.set_flags(out, pnn, flags);
                Answer::OK
            }
            Then::Tunable(name, value, answer) => {
                let set = self.config.tunables.set(&name, value);
                debug_assert!(set.is_ok(), "{name} was looked up before");
                answer
            }
        };
        if !silent {
            self.reply(out, asker, &answer);
        }
    }

    fn set_flags(&mut self, out: Out<'_>, pnn: Pnn, to: NodeFlags) {
        let Some(node) = self.state.node_mut(pnn) else { return };
        let from = core::mem::replace(&mut node.flags, to);
        if from != to {
            out.notice(Notice::FlagsChanged { pnn, from, to });
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
                        self.client_packet(now, out, link, &pdu);
                    }
                }
                Ok(None) => return,
                Err(error) => return self.client_refused(now, out, link, error),
            }
        }
    }

    fn client_refused(&mut self, now: Instant, out: Out<'_>, link: LinkId, error: DecodeError) {
        out.notice(Notice::ClientRefused { error });
        out.push(Effect::Close { link, how: How::Orderly });
        self.client_gone(now, out, link);
    }

    pub(super) fn client_gone(&mut self, now: Instant, out: Out<'_>, link: LinkId) -> bool {
        let was = self.clients.gone(link);
        if was {
            self.requests.forget_client(&mut cx!(self, now, out), link);
        }
        was
    }

    /// A client's packet: ours to answer, or another node's.
    fn client_packet(&mut self, now: Instant, out: Out<'_>, link: LinkId, pdu: &Pdu<'_>) {
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
            return self.reply(out, asker, &Answer::failed("ctdb_control to disconnected node"));
        }
        self.forward(now, out, asker, to, request);
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
            let meant = match to {
                Pnn::BROADCAST_ACTIVE => !node.flags.is_inactive(),
                Pnn::BROADCAST_CONNECTED => !node.flags.contains(NodeFlags::DELETED) && node.is_connected(),
                _ => !node.flags.contains(NodeFlags::DELETED),
            };
            if !meant || self.over {
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
        let reqid = if request.wants_no_reply() {
            RequestId(0)
        } else {
            self.requests.ask(&mut cx!(self, now, out), to, request.opcode, asker)
        };
        // Without a link to write on it is lost, as in ctdbd; whoever asked hears of it in time.
        let Some(link) = self.links.outgoing(to) else { return };
        let header = self.header(to, reqid);
        let client = self.clients.id(client).unwrap_or_default();
        let mut bytes = out.buffer();
        Pdu { header, body: Body::ControlRequest(ControlRequest { client, ..*request }) }.encode(&mut bytes);
        out.push(Effect::Send { link, bytes });
    }

    pub(super) fn reloaded(
        &mut self,
        now: Instant,
        out: Out<'_>,
        reloader: Reloader,
        read: &Result<alloc::vec::Vec<u8>, FileError>,
    ) {
        let asked_beside = reloader == Reloader::Beside;
        let taken = reload::take_over(&mut cx!(self, now, out), &mut self.state, read, asked_beside);
        let answer = match taken {
            Ok(applied) => {
                for pnn in applied.drop {
                    self.links.drop_peer(&mut cx!(self, now, out), pnn);
                    self.timers.cancel(Wake::Redial(pnn));
                    self.keepalive.forget(pnn);
                    for lost in self.requests.take_to(&mut cx!(self, now, out), pnn) {
                        self.unanswered(out, lost, Unanswered::Died);
                    }
                }
                self.links.resize(self.state.nodes.len());
                self.keepalive.resize(self.state.nodes.len());
                for pnn in applied.dial {
                    self.links.dial(&mut cx!(self, now, out), &self.state, pnn);
                }
                Answer::OK
            }
            Err(Refused::Unreadable) if !self.config.fixes.keep_nodes => {
                return self.stop(out, Stop::NodesFile);
            }
            Err(Refused::Unreadable | Refused::Refused) => Answer::REFUSED,
        };
        if let Reloader::Control(Some(asker)) = reloader {
            self.reply(out, asker, &answer);
        }
    }
}
