//! What we say on the bus.

use alloc::vec::Vec;

use super::super::table::Ix;
use super::super::types::{NodeFlags, NodeId};
use super::super::wire::{self, Header, Kind, PAUSED};
use super::Gossip;
use crate::machine::LinkId;
use crate::time::Instant;

impl Gossip {
    /// The node whose slots and epoch we tell: our master if we have one, else ourselves.
    pub(super) fn speaks_for(&self) -> Ix {
        self.table.me().master.filter(|_| !self.table.me().is_master()).unwrap_or(Ix::ME)
    }

    pub(in super::super) fn begin(&self, kind: Kind, flags: u8) -> Vec<u8> {
        let me = self.table.me();
        let claim = self.table.get(self.speaks_for());
        let replica_of = me.master.map(|master| self.table.get(master).id);
        let paused = if self.manual.pauses() { PAUSED } else { 0 };
        let header = Header {
            kind,
            port: self.config.announced_port(),
            plain_port: self.config.announced_plain_port(),
            bus_port: self.config.announced_bus_port(),
            current_epoch: self.current_epoch,
            config_epoch: claim.epoch,
            offset: self.offset(),
            sender: me.id,
            replica_of,
            announced_ip: self.config.announce_ip,
            flags: me.flags,
            state_ok: self.standing.state.is_ok(),
            mflags: [flags | paused, 0, 0],
        };
        let gossip = (self.table.len() / 10).max(4) + self.suspects_seen;
        let mut out = Vec::with_capacity(wire::HEADER + gossip * wire::ENTRY + 64);
        wire::begin(&mut out, &header, claim.slots());
        out
    }

    /// Sends a message on a stream, once this input is over. Nothing goes on one that is not open.
    pub(super) fn send(&mut self, link: LinkId, kind: Kind, mut bytes: Vec<u8>) {
        if self.links.get(link).is_some_and(|link| link.open) {
            wire::finish(&mut bytes);
            self.traffic.count_sent(kind, bytes.len());
            self.staged.push((link, bytes));
        }
    }

    /// Bytes for a stream that is not of the bus.
    pub(in super::super) fn say(&mut self, link: LinkId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.staged.push((link, bytes));
        }
    }

    /// Ends a stream that is not of the bus, behind what was said on it.
    pub(in super::super) fn hang_up(&mut self, link: LinkId) {
        self.staged.push((link, Vec::new()));
    }

    /// Sends to a node on our stream to it; silently nothing if there is none.
    pub(super) fn send_to(&mut self, at: Ix, kind: Kind, bytes: Vec<u8>) {
        if let Some(link) = self.table.get(at).outbound {
            self.send(link, kind, bytes);
        }
    }

    /// PING, MEET or an unasked PONG to a node. A ping begins to wait for its answer, even where
    /// the stream is not open yet.
    pub(super) fn ping(&mut self, now: Instant, at: Ix, kind: Kind) {
        let Some(link) = self.table.get(at).outbound else { return };
        if kind == Kind::Ping {
            self.table.get_mut(at).ping_sent = now.into();
        }
        if self.links.get(link).is_some_and(|link| link.open) {
            let bytes = self.gossip_message(kind);
            self.send(link, kind, bytes);
        }
    }

    /// Everybody with a stream of ours but those in handshake.
    fn audience(&self) -> Vec<Ix> {
        self.table
            .iter()
            .filter(|&(at, node)| at != Ix::ME && node.has_link() && !node.in_handshake())
            .map(|(at, _)| at)
            .collect()
    }

    /// Sends the same to everybody; how many they are.
    pub(in super::super) fn broadcast(&mut self, kind: Kind, bytes: &[u8]) -> usize {
        let audience = self.audience();
        for &at in &audience {
            self.send_to(at, kind, bytes.to_vec());
        }
        audience.len()
    }

    /// Sends the same to our master and its other replicas, or to our replicas.
    pub(in super::super) fn tell_shard(&mut self, kind: Kind, bytes: &[u8]) -> usize {
        let head = self.speaks_for();
        let mut audience = self.audience();
        audience.retain(|&at| at == head || self.table.get(at).master == Some(head));
        for &at in &audience {
            self.send_to(at, kind, bytes.to_vec());
        }
        audience.len()
    }

    /// An unasked PONG to everybody, each with gossip of its own.
    pub(super) fn broadcast_pong(&mut self, now: Instant) {
        for at in self.audience() {
            self.ping(now, at, Kind::Pong);
        }
    }

    /// An unasked PONG to the other replicas of our master.
    pub(super) fn pong_siblings(&mut self, now: Instant) {
        let Some(master) = self.table.me().master else { return };
        for at in self.audience() {
            if self.table.get(at).master == Some(master) {
                self.ping(now, at, Kind::Pong);
            }
        }
    }

    pub(super) fn broadcast_fail(&mut self, id: NodeId) {
        let mut bytes = self.begin(Kind::Fail, 0);
        wire::push_fail(&mut bytes, id);
        self.broadcast(Kind::Fail, &bytes);
    }

    /// Tells a node who owns what it claims.
    pub(super) fn send_update(&mut self, to: Ix, about: Ix) {
        let mut bytes = self.begin(Kind::Update, 0);
        let owner = self.table.get(about);
        let mut slots = owner.slots().clone();
        for slot in self.table.unclaimed.iter() {
            slots.remove(slot);
        }
        wire::push_update(&mut bytes, owner.epoch, owner.id, &slots);
        self.send_to(to, Kind::Update, bytes);
    }

    /// A message without a body to a node.
    pub(super) fn send_bare(&mut self, to: Ix, kind: Kind) {
        let bytes = self.begin(kind, 0);
        self.send_to(to, kind, bytes);
    }

    /// Whether a node may be named to others.
    pub(super) fn is_gossipable(&self, at: Ix) -> bool {
        let node = self.table.get(at);
        !node.flags.intersects(NodeFlags::HANDSHAKE | NodeFlags::NOADDR)
    }
}
