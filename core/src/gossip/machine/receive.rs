//! One packet, in Redis' order: liveness, epochs, greeting, handshake, role, slots, gossip.

use core::net::SocketAddr;

use super::super::notice::{Forgot, Notice, Oddity};
use super::super::plant::Plant;
use super::super::table::{Address, Ix, Node, When};
use super::super::types::{NodeFlags, NodeId};
use super::super::wire::{Body, Kind, Packet, Refused};
use super::{Gossip, Out, Todo};
use crate::machine::LinkId;
use crate::time::Instant;

/// Handshakes that strangers can have under way with us at a time.
const STRANGERS_MAX: usize = 1_024;

/// Where a packet came in.
#[derive(Clone, Copy, Debug)]
struct Way {
    link: LinkId,
    inbound: bool,
    /// The node the stream is bound to.
    bound: Option<Ix>,
}

impl Gossip {
    pub(super) fn packet(&mut self, now: Instant, out: Out<'_>, link: LinkId, frame: &[u8]) {
        if let Some(kind) = Packet::kind_of(frame) {
            self.traffic.count_received(kind);
        }
        let packet = match Packet::read(frame) {
            Ok(packet) => packet,
            Err(refused) => return self.refused(out, link, &refused),
        };
        let Some(known) = self.links.get(link) else { return };
        let way = Way { link, inbound: known.inbound, bound: known.node };
        let sender = match way.bound.filter(|&at| !self.table.get(at).in_handshake()) {
            Some(at) => Some(at),
            None => packet.sender.and_then(|id| self.table.find(&id)),
        };
        if sender == Some(Ix::ME) && !self.is_greeting(way) {
            let of = packet.sender;
            if way.inbound && matches!(packet.kind, Ok(Kind::Ping | Kind::Meet)) {
                // We were told to meet ourselves: the answer ends it.
                let pong = self.gossip_message(Kind::Pong);
                self.send(way.link, Kind::Pong, pong);
                return;
            }
            return out.notice(Notice::PacketRefused { of, why: Oddity::FromMyself });
        }
        if let Some(at) = sender
            && at != Ix::ME
        {
            if way.inbound && way.bound.is_none() {
                self.bind_inbound(now, out, link, at);
            }
            self.table.get_mut(at).data_received = now.into();
            if !self.table.get(at).in_handshake() {
                self.learn(out, at, &packet);
            }
        }
        match packet.body {
            Body::Gossip { .. } => self.heartbeat(now, out, way, sender, &packet),
            Body::Unknown(number) => {
                out.notice(Notice::PacketRefused { of: packet.sender, why: Oddity::Type(number) });
            }
            Body::Fail(_)
            | Body::Publish { .. }
            | Body::AuthRequest
            | Body::AuthAck
            | Body::Update { .. }
            | Body::MfStart
            | Body::Module { .. } => {
                if let Some(at) = sender.filter(|&at| at != Ix::ME) {
                    self.one_way(now, out, way, at, &packet);
                }
            }
        }
    }

    fn refused(&self, out: Out<'_>, link: LinkId, refused: &Refused) {
        let of = self.links.get(link).and_then(|link| link.node).map(|at| self.table.get(at).id);
        let why = match refused {
            Refused::Silent => Oddity::Version,
            Refused::BadExtension { .. } => Oddity::Extension,
            Refused::Cut { .. } | Refused::GossipBeyondEnd { .. } | Refused::Length { .. } => Oddity::Length,
        };
        out.notice(Notice::PacketRefused { of, why });
    }

    /// Whether a stream of ours still waits for the name of who answers on it.
    fn is_greeting(&self, way: Way) -> bool {
        !way.inbound && way.bound.is_some_and(|at| self.table.get(at).in_handshake())
    }

    /// What any packet of a known sender tells: epochs and its offset.
    fn learn(&mut self, out: Out<'_>, at: Ix, packet: &Packet<'_>) {
        let of = self.table.get(at).id;
        if packet.current_epoch > self.current_epoch {
            self.current_epoch = packet.current_epoch;
            out.notice(Notice::EpochLearnt { epoch: packet.current_epoch, of });
        }
        let mut node = self.table.get_mut(at);
        if packet.config_epoch > node.epoch {
            node.epoch = packet.config_epoch;
            self.todo |= Todo::SYNC;
        }
        node.offset = packet.offset;
        drop(node);
        self.learn_manual_offset(at, packet);
    }

    /// PING, PONG or MEET.
    fn heartbeat(&mut self, now: Instant, out: Out<'_>, way: Way, sender: Option<Ix>, packet: &Packet<'_>) {
        let Body::Gossip { entries, extensions } = packet.body else { return };
        let kind = packet.kind.unwrap_or(Kind::Ping);
        if kind != Kind::Pong {
            self.learn_own_address(out, way, kind);
            if kind == Kind::Meet && sender.is_none() {
                self.greeted(now, out, way, packet);
            }
            let pong = self.gossip_message(Kind::Pong);
            self.send(way.link, Kind::Pong, pong);
        }
        if !way.inbound
            && let Some(at) = way.bound
            && !self.recognise(now, out, at, sender, packet)
        {
            return;
        }
        // Whoever was recognised just now speaks as a stranger until the next packet.
        let Some(at) = sender.filter(|&at| at != Ix::ME) else {
            if self.config.plants.has(Plant::StrangerBelieved) {
                entries.iter().for_each(|entry| self.hear_of_stranger(now, out, Ix::ME, &entry));
            }
            return;
        };
        let no_failover = packet.flags.contains(NodeFlags::NOFAILOVER);
        self.table.get_mut(at).flags.set(NodeFlags::NOFAILOVER, no_failover);
        if kind == Kind::Ping && way.inbound && !self.table.get(at).in_handshake() {
            self.follow_address(now, out, way, at, packet);
        }
        if kind == Kind::Pong && !way.inbound {
            self.answered(now, out, at);
        }
        self.learn_role(out, at, packet);
        self.claimed(out, at, packet);
        self.collide(out, at, packet);
        self.hear_gossip(now, out, at, entries);
        let hostname = extensions.hostname();
        let mut node = self.table.get_mut(at);
        if node.hostname.as_deref() != hostname {
            node.hostname = hostname.map(Into::into);
            self.todo |= Todo::SAVE;
        }
    }

    /// Without an address of our own to announce, it is the one a greeting came in by.
    fn learn_own_address(&mut self, out: Out<'_>, way: Way, kind: Kind) {
        let unknown = self.table.me().address.ip.is_none();
        if self.config.announce_ip.is_some() || !(kind == Kind::Meet || unknown) {
            return;
        }
        let Some(local) = self.links.get(way.link).and_then(|link| link.local) else { return };
        if !local.is_unspecified() && self.table.me().address.ip != Some(local) {
            self.table.me_mut().address.ip = Some(local);
            out.notice(Notice::AddressLearnt { ip: local });
            self.todo |= Todo::SAVE;
        }
    }

    /// Where a packet says its sender lives.
    fn said_address(&self, way: Way, packet: &Packet<'_>) -> Address {
        let socket = || self.links.get(way.link).and_then(|link| link.remote);
        let ip = if packet.is_announced() { packet.announced_ip() } else { socket() };
        Address { ip, port: packet.port, bus_port: packet.bus_port, plain_port: packet.plain_port }
    }

    /// A stranger meets us: it is known by its address until it answers.
    fn greeted(&mut self, now: Instant, out: Out<'_>, way: Way, packet: &Packet<'_>) {
        let address = self.said_address(way, packet);
        let Some(ip) = address.ip else { return };
        let strangers = self.table.iter().filter(|(_, node)| node.in_handshake());
        if strangers.clone().any(|(_, node)| node.address == address) || strangers.count() >= STRANGERS_MAX {
            return;
        }
        self.shake_hands(now, out, address, NodeFlags::HANDSHAKE, SocketAddr::new(ip, address.bus_port));
    }

    /// A node known by its address only; the next tick dials it.
    pub(super) fn shake_hands(
        &mut self,
        now: Instant,
        out: Out<'_>,
        address: Address,
        flags: NodeFlags,
        at: SocketAddr,
    ) {
        let id = NodeId::random(&mut self.rng.ids);
        match self.table.add(Node::new(id, flags, address, now)) {
            Some(place) => {
                self.look_soon(now, place);
                out.notice(Notice::Handshake { address: at, ours: flags.contains(NodeFlags::MEET) });
            }
            None => self.table_full(out),
        }
    }

    /// Somebody answers on a stream of ours. Whether it is who we dialled.
    fn recognise(
        &mut self,
        now: Instant,
        out: Out<'_>,
        at: Ix,
        sender: Option<Ix>,
        packet: &Packet<'_>,
    ) -> bool {
        let Some(answered) = packet.sender else { return sender.is_some() };
        if self.table.get(at).in_handshake() {
            if let Some(twin) = sender {
                self.meet_twin(now, out, at, twin);
                return false;
            }
            self.table.rename(at, answered);
            self.table.answered(at, now);
            let mut node = self.table.get_mut(at);
            node.flags.remove(NodeFlags::HANDSHAKE);
            node.flags |= packet.flags & (NodeFlags::MASTER | NodeFlags::REPLICA);
            if node.flags.contains(NodeFlags::MASTER) {
                node.flags.remove(NodeFlags::REPLICA);
            }
            node.ping_sent = When::NEVER;
            let address = Self::dial_address(&node);
            drop(node);
            if let Some(address) = address {
                out.notice(Notice::Met { id: answered, address });
            }
            self.blacklist.remove(&answered);
            self.todo |= Todo::SAVE;
            return true;
        }
        let expected = self.table.get(at).id;
        if expected == answered {
            return true;
        }
        out.notice(Notice::WrongNode { expected, answered });
        let mut node = self.table.get_mut(at);
        node.flags.insert(NodeFlags::NOADDR);
        node.address.ip = None;
        node.address.port = 0;
        node.address.bus_port = 0;
        node.address.plain_port = 0;
        drop(node);
        self.drop_outbound(now, out, at);
        self.todo |= Todo::STATE | Todo::SAVE;
        false
    }

    /// Who answers is known already: its address is taken over, the made-up node goes.
    fn meet_twin(&mut self, now: Instant, out: Out<'_>, at: Ix, twin: Ix) {
        let address = self.table.get(at).address;
        if twin != Ix::ME && self.table.get(twin).address != address {
            self.table.get_mut(twin).flags.remove(NodeFlags::NOADDR);
            self.move_node(now, out, twin, address);
        }
        let id = self.table.get(at).id;
        self.remove(now, out, at);
        out.notice(Notice::Forgotten { id, cause: Forgot::Twin });
    }

    /// A node pings us from elsewhere than we thought it lives.
    fn follow_address(&mut self, now: Instant, out: Out<'_>, way: Way, at: Ix, packet: &Packet<'_>) {
        let said = self.said_address(way, packet);
        if said.ip.is_none() || self.table.get(at).address == said {
            return;
        }
        self.table.get_mut(at).flags.remove(NodeFlags::NOADDR);
        self.move_node(now, out, at, said);
        if self.table.me().master == Some(at) {
            self.data_restart(out);
        }
    }

    /// A sender says whether it is a master, and whom it replicates.
    fn learn_role(&mut self, out: Out<'_>, at: Ix, packet: &Packet<'_>) {
        if !packet.replica_of_set {
            return self.set_master(out, at);
        }
        let id = self.table.get(at).id;
        if packet.replica_of == Some(id) {
            return out.notice(Notice::PacketRefused { of: Some(id), why: Oddity::OwnMaster });
        }
        if self.table.get(at).is_master() {
            for slot in self.table.get(at).slots().clone().iter() {
                self.table.unbind(slot);
            }
            let mut node = self.table.get_mut(at);
            node.flags.remove(NodeFlags::MASTER | NodeFlags::MIGRATE_TO);
            node.flags.insert(NodeFlags::REPLICA);
            let master = packet.replica_of;
            out.notice(Notice::RoleChanged { id, master });
            self.todo |= Todo::STATE | Todo::SAVE;
        }
        self.table.get_mut(at).flags.insert(NodeFlags::REPLICA);
        let master = packet.replica_of.and_then(|id| self.table.find(&id));
        if let Some(of) = master
            && self.table.get(at).master != master
        {
            let former = self.table.get_mut(at).master.replace(of);
            self.count_replicas(former);
            self.table.get_mut(of).flags.insert(NodeFlags::MIGRATE_TO);
            self.todo |= Todo::SAVE;
        }
    }

    /// A node is a master, if it was not.
    pub(super) fn set_master(&mut self, out: Out<'_>, at: Ix) {
        let mut node = self.table.get_mut(at);
        if node.is_master() {
            return;
        }
        let id = node.id;
        let former = node.master.take();
        node.flags.remove(NodeFlags::REPLICA);
        node.flags.insert(NodeFlags::MASTER);
        if former.is_some() && at != Ix::ME {
            node.flags.insert(NodeFlags::MIGRATE_TO);
        }
        drop(node);
        self.count_replicas(former);
        out.notice(Notice::RoleChanged { id, master: None });
        self.todo |= Todo::STATE | Todo::SAVE;
    }

    /// A master lost a replica: without any left, none may migrate to it.
    pub(super) fn count_replicas(&mut self, master: Option<Ix>) {
        if let Some(at) = master
            && self.table.replicas_of(at).next().is_none()
        {
            self.table.get_mut(at).flags.remove(NodeFlags::MIGRATE_TO);
        }
    }

    /// Everything that is not answered.
    fn one_way(&mut self, now: Instant, out: Out<'_>, way: Way, sender: Ix, packet: &Packet<'_>) {
        match packet.body {
            Body::Fail(Some(id)) => {
                if let Some(about) = self.table.find(&id) {
                    self.told_of_failure(now, out, about, sender);
                }
            }
            Body::Publish { channel, message } => {
                let sharded = packet.kind == Ok(Kind::PublishShard);
                self.publish(sharded, channel, message);
            }
            Body::AuthRequest => self.asked_for_vote(now, out, sender, packet),
            Body::AuthAck => self.given_vote(out, sender, packet.current_epoch),
            Body::Update { config_epoch, id: Some(id), slots } => {
                if let Some(about) = self.table.find(&id) {
                    self.told_of_owner(out, about, config_epoch, slots);
                }
            }
            Body::MfStart => self.asked_to_pause(now, out, way.link, sender),
            // Modules live in real nodes only.
            Body::Module { .. } | Body::Fail(None) | Body::Update { id: None, .. } => {}
            Body::Gossip { .. } | Body::Unknown(_) => {}
        }
    }
}
