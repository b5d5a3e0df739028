//! Streams come and go: ours to each node, theirs to us, and the clients'.

use alloc::vec::Vec;

use super::super::links::{BUS, CLIENTS, TLS_CLIENTS};
use super::super::notice::Notice;
use super::super::table::Ix;
use super::super::types::NodeFlags;
use super::super::wire::Kind;
use super::{Gossip, Out};
use crate::bytes::DecodeError;
use crate::machine::{Effect, Endpoint, How, LinkId, LinkInput, Why};
use crate::time::{Duration, Instant};

/// Streams from nobody we know that are open at a time.
const STRANGERS_MAX: usize = 1_024;
/// What is kept of a packet that is not whole, of somebody we do not know. A greeting in a cluster
/// of 10,000 has a tenth of it.
const STRANGER_HELD_MAX: usize = 1024 * 1024;
/// And of all of them together, beside what a short packet of each takes.
const STRANGERS_HELD_MAX: usize = 16 * 1024 * 1024;
/// Bytes that anybody may have begun: a greeting in a cluster of a hundred.
const SHORT: usize = 4 * 1024;

impl Gossip {
    /// Dials a node. A ping that waits for its answer goes on waiting.
    pub(super) fn dial(&mut self, now: Instant, out: Out<'_>, at: Ix) {
        let Some(to) = Self::dial_address(self.table.get(at)) else { return };
        let link = self.links.number();
        self.table.get_mut(at).outbound = Some(link);
        self.links.dialled(link, at, to, now);
        out.push(Effect::Dial { link, from: None, to });
    }

    pub(super) fn link(&mut self, now: Instant, out: Out<'_>, link: LinkId, input: LinkInput<'_>) {
        match input {
            LinkInput::Opened { local } => self.opened(now, out, link, &local),
            LinkInput::Accepted { port: BUS, from, local, .. } => {
                if self.links.strangers() < STRANGERS_MAX {
                    self.links.accepted(link, &from, &local, now);
                } else {
                    out.push(Effect::Close { link, how: How::Abort });
                }
            }
            LinkInput::Accepted { port: port @ (CLIENTS | TLS_CLIENTS), from, local, .. } => {
                let known = self.config.password.is_none();
                let plain = port == CLIENTS;
                if !self.clients.accepted(link, (&from, &local), known, plain) {
                    self.refuse_client(out, link);
                }
            }
            LinkInput::Closed(why) => self.closed(now, out, link, why),
            LinkInput::Accepted { .. } | LinkInput::Bytes(_) | LinkInput::Drained => {}
        }
    }

    fn opened(&mut self, now: Instant, out: Out<'_>, link: LinkId, local: &Endpoint) {
        if self.data.is_link(link) {
            return self.data_opened(now, link);
        }
        let Some(known) = self.links.get_mut(link) else { return };
        known.open = true;
        known.local = local.ip();
        let Some(at) = known.node else { return };
        let mut node = self.table.get_mut(at);
        let waiting = node.ping_sent;
        let meet = node.flags.contains(NodeFlags::MEET);
        node.flags.remove(NodeFlags::MEET);
        let id = node.id;
        let in_handshake = node.in_handshake();
        drop(node);
        self.ping(now, at, if meet { Kind::Meet } else { Kind::Ping });
        if !waiting.is_never() {
            self.table.get_mut(at).ping_sent = waiting;
        }
        if !in_handshake {
            out.notice(Notice::Connected { id });
        }
    }

    fn closed(&mut self, now: Instant, out: Out<'_>, link: LinkId, why: Why) {
        if self.data.is_link(link) {
            return self.data_closed(out, link);
        }
        self.staged.retain(|&(to, _)| to != link);
        self.saver.drop_held(link);
        if self.clients.closed(link) {
            return self.replica_gone(link);
        }
        if why == Why::Overflow {
            self.traffic.overflowed += 1;
        }
        self.link_gone(now, out, link, Some(why));
    }

    /// A stream is no more: its node, if it has one, has no such stream any more.
    fn link_gone(&mut self, now: Instant, out: Out<'_>, link: LinkId, why: Option<Why>) {
        let Some(gone) = self.links.remove(link) else { return };
        self.staged.retain(|&(to, _)| to != link);
        self.saver.drop_held(link);
        let Some(at) = gone.node else { return };
        let no_way = !gone.open && matches!(why, Some(Why::Unreachable | Why::NoAddress | Why::System));
        let mut node = self.table.get_mut(at);
        if node.inbound == Some(link) {
            node.inbound = None;
        }
        if node.outbound == Some(link) {
            node.outbound = None;
            drop(node);
            self.look_soon(now, at);
            let mut node = self.table.get_mut(at);
            // No way there at all counts from now; that nobody listens there does not.
            if no_way && node.ping_sent.is_never() {
                node.ping_sent = now.into();
            }
            if gone.open && !node.in_handshake() {
                let id = node.id;
                out.notice(Notice::Disconnected { id, why });
            }
        }
    }

    /// Gives a stream up.
    pub(super) fn drop_link(&mut self, now: Instant, out: Out<'_>, link: LinkId) {
        if self.links.get(link).is_some() {
            self.link_gone(now, out, link, None);
            out.push(Effect::Close { link, how: How::Abort });
        }
    }

    /// Gives up our stream to a node; it is dialled anew at the next tick.
    pub(super) fn drop_outbound(&mut self, now: Instant, out: Out<'_>, at: Ix) {
        if let Some(link) = self.table.get(at).outbound {
            self.drop_link(now, out, link);
        }
    }

    /// Binds a stream that came in to the node it comes from; an older one of that node is closed.
    pub(super) fn bind_inbound(&mut self, now: Instant, out: Out<'_>, link: LinkId, at: Ix) {
        if let Some(older) = self.table.get(at).inbound.filter(|&older| older != link) {
            self.drop_link(now, out, older);
        }
        self.links.bind(link, at);
        self.table.get_mut(at).inbound = Some(link);
    }

    pub(super) fn bytes(&mut self, now: Instant, out: Out<'_>, link: LinkId, bytes: &[u8]) {
        if self.data.is_link(link) {
            return self.data_bytes(now, out, link, bytes);
        }
        if self.links.get(link).is_none() {
            return self.client_bytes(now, out, link, bytes);
        }
        self.traffic.bytes_received += bytes.len() as u64;
        if let Some(known) = self.links.get_mut(link) {
            known.heard = now;
        }
        let mut input = bytes;
        loop {
            // A packet may end its own stream.
            let Some(known) = self.links.get_mut(link) else { return };
            match known.buffer.next_frame(&mut input) {
                Ok(Some(frame)) => self.packet(now, out, link, &frame),
                Ok(None) => {
                    if known.node.is_some() {
                        return;
                    }
                    let from = known.remote;
                    let Some((held, of_all)) = self.links.count_held(link) else { return };
                    let over = held > STRANGER_HELD_MAX;
                    if over || held > SHORT && of_all > STRANGERS_HELD_MAX {
                        let (length, ceiling) =
                            if over { (held, STRANGER_HELD_MAX) } else { (of_all, STRANGERS_HELD_MAX) };
                        let (length, ceiling) = (length as u64, ceiling as u64);
                        out.notice(Notice::FrameRefused {
                            from,
                            error: DecodeError::TooLong { length, ceiling },
                        });
                        self.drop_link(now, out, link);
                    }
                    return;
                }
                Err(error) => {
                    let from = known.remote;
                    out.notice(Notice::FrameRefused { from, error });
                    return self.drop_link(now, out, link);
                }
            }
        }
    }

    /// Streams that came in from nobody we know and that nobody uses any more. Of a node we know
    /// there is one at most, and it may well be silent: gossip tells its dialler that we are well. As
    /// with Redis, TCP finds out in its own time whether that one is still there.
    pub(super) fn prune_links(&mut self, now: Instant, out: Out<'_>) {
        let patience = self.config.node_timeout.times(4).max(Duration::from_secs(10));
        // None can have been idle for that long before then.
        if now.since(self.links.quiet_since) <= patience {
            return;
        }
        let (idle, busy): (Vec<_>, Vec<_>) = self
            .links
            .sorted()
            .into_iter()
            .filter(|(_, link)| link.inbound && link.node.is_none())
            .map(|(id, link)| (id, link.heard))
            .partition(|&(_, heard)| now.since(heard) > patience);
        self.links.quiet_since = busy.iter().map(|&(_, heard)| heard).min().unwrap_or(now);
        for (link, _) in idle {
            self.drop_link(now, out, link);
        }
    }

    pub(super) fn check_links(&self) {
        for (link, known) in self.links.iter() {
            if let Some(at) = known.node {
                let node = self.table.get(at);
                let holds = if known.inbound { node.inbound } else { node.outbound };
                assert_eq!(holds, Some(link), "a stream of {} it does not know", node.id);
            }
        }
    }
}
