//! The gossip section: whom we tell of, and what we make of what we are told.

use alloc::vec::Vec;

use super::super::config::Role;
use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::table::{AT_ONCE, Address, Glance, Ix, Marks, Node, When};
use super::super::types::{NodeFlags, NodeId};
use super::super::wire::{self, Entries, Entry, Kind, NewEntry};
use super::{Gossip, Out, Todo};
use crate::time::{Duration, Instant};

/// Whom a message tells of at least, if there are as many.
const LEAST: usize = 3;
/// A clock may be this far ahead of ours before what it says is not believed.
const AHEAD: Duration = Duration::from_millis(500);

impl Gossip {
    /// A PING, PONG or MEET: a tenth of the nodes drawn at random, at least three, and all those
    /// in PFAIL.
    pub(super) fn gossip_message(&mut self, kind: Kind) -> Vec<u8> {
        let mut chosen = core::mem::take(&mut self.chosen);
        self.choose(&mut chosen);
        let mut bytes = self.begin(kind, 0);
        for some in chosen.chunks(AT_ONCE) {
            let ids = self.table.names(some);
            wire::push_entries(&mut bytes, some.iter().zip(&ids).map(|(&at, &id)| self.entry(at, id)));
        }
        self.chosen = chosen;
        if let Some(hostname) = &self.config.hostname {
            wire::push_hostname(&mut bytes, hostname);
        }
        bytes
    }

    /// Whom the next message tells of.
    fn choose(&mut self, chosen: &mut Vec<Ix>) {
        chosen.clear();
        self.named.clear();
        self.named.resize(self.table.places_ever().div_ceil(64), 0);
        let known = self.table.len();
        let mut fresh = known.saturating_sub(2);
        let mut left = LEAST.max(known / 10).min(fresh);
        let mut draws = 3 * left;
        let mut drawn = [(Ix::ME, Glance::NOBODY); AT_ONCE];
        while draws > 0 && fresh > 0 && left > 0 {
            // No more than are needed in any case: each draw fills a place at most.
            let some = &mut drawn[..left.min(fresh).min(draws).min(AT_ONCE)];
            self.table.draw_each(&mut self.rng.gossip, some);
            draws -= some.len();
            for &(at, glance) in some.iter() {
                let (flags, linked) = (glance.flags(), glance.marks().contains(Marks::LINKED));
                if at == Ix::ME || flags.contains(NodeFlags::PFAIL) {
                    continue;
                }
                let unknown = flags.intersects(NodeFlags::HANDSHAKE | NodeFlags::NOADDR);
                if unknown || !linked && self.table.get(at).slots().is_empty() {
                    fresh -= 1;
                    continue;
                }
                if self.first_named(at) {
                    chosen.push(at);
                    fresh -= 1;
                    left -= 1;
                }
            }
        }
        // An observer tells nobody whom it cannot reach: only members report failures.
        if self.config.role != Role::Observer {
            let suspected =
                |at: &Ix| self.table.get(*at).flags.contains(NodeFlags::PFAIL) && self.is_gossipable(*at);
            let told = self.suspects.iter().filter(|at| suspected(at)).take(self.suspects_seen);
            chosen.extend(told);
        }
    }

    #[inline]
    fn entry(&self, at: Ix, id: NodeId) -> NewEntry {
        let (node, glance) = (self.table.get(at), self.table.glance(at));
        let mut flags = glance.flags();
        if self.config.role == Role::Observer {
            flags.remove(NodeFlags::PFAIL | NodeFlags::FAIL);
        }
        let pinged = glance.marks().contains(Marks::PINGED);
        let seconds = |at: When| at.get().map_or(0, |at| self.wall_seconds(at));
        NewEntry {
            id,
            ping_sent: if pinged { seconds(node.ping_sent) } else { 0 },
            pong_received: seconds(glance.pong_received()),
            ip: node.address.ip,
            port: node.address.port,
            bus_port: node.address.bus_port,
            plain_port: node.address.plain_port,
            flags,
        }
    }

    /// Whether a node had no place in the message yet; it has now.
    fn first_named(&mut self, at: Ix) -> bool {
        let (word, bit) = (at.number() / 64, 1 << (at.number() % 64));
        let had = self.named[word] & bit != 0;
        self.named[word] |= bit;
        !had
    }

    /// What a known sender tells of others.
    pub(super) fn hear_gossip(&mut self, now: Instant, out: Out<'_>, sender: Ix, mut entries: Entries<'_>) {
        while !entries.is_empty() {
            let some = entries.split(AT_ONCE);
            let guesses = self.table.guess_each(some.map(|entry| entry.raw_id()));
            for (entry, guess) in some.zip(guesses) {
                if guess.is_some_and(|at| self.hear_of_well(now, at, &entry)) {
                    continue;
                }
                match self.table.find_raw(entry.raw_id()) {
                    Some(at) => self.hear_of_known(now, out, sender, at, &entry),
                    None => self.hear_of_stranger(now, out, sender, &entry),
                }
            }
        }
    }

    /// What is told of a node that is well, by us and by who tells it: at most that it answered
    /// somebody since. Whether that is what it was; else it is to be heard as a whole.
    ///
    /// The node is a guess. Before anything is changed its name is looked at. Where nothing is, a
    /// wrong guess, one in 2^48, costs whom it was meant of this one mention.
    #[inline]
    fn hear_of_well(&mut self, now: Instant, at: Ix, entry: &Entry<'_>) -> bool {
        let glance = self.table.glance(at);
        let well = !glance.flags().failing() && !glance.marks().contains(Marks::REPORTED);
        if at == Ix::ME || !well || entry.flags().failing() {
            return false;
        }
        let heard = self.clock(entry.pong_received());
        let known = glance.pong_received().get();
        match heard.filter(|&heard| known.is_none_or(|known| heard > known) && heard <= now + AHEAD) {
            Some(heard) if !glance.marks().contains(Marks::PINGED) => {
                let is_meant = self.table.is_named(at, entry.raw_id());
                if is_meant {
                    self.table.answered(at, heard);
                }
                is_meant
            }
            _ => true,
        }
    }

    fn hear_of_known(&mut self, now: Instant, out: Out<'_>, sender: Ix, at: Ix, entry: &Entry<'_>) {
        if at == Ix::ME {
            return;
        }
        let said = entry.flags();
        if self.table.get(sender).is_master() {
            if said.failing() {
                self.table.get_mut(at).report(sender, now);
                self.fail_if_agreed(now, out, at);
            } else {
                self.table.get_mut(at).keep_reports(|by, _| by != sender);
            }
        }
        let heard = self.clock(entry.pong_received());
        if self.table.get(at).is_reported() {
            // Those that are too old count no more.
            self.reports(now, at);
        }
        let known = self.table.pong_received(at).get();
        let node = self.table.get(at);
        if !said.failing()
            && let Some(heard) = heard
            && known.is_none_or(|known| heard > known)
            && heard <= now + AHEAD
            && !node.is_reported()
            && node.ping_sent.is_never()
        {
            self.table.answered(at, heard);
        }
        let mut node = self.table.get_mut(at);
        if node.is_failing() && !said.intersects(NodeFlags::NOADDR | NodeFlags::PFAIL | NodeFlags::FAIL) {
            let address = Self::address_of(entry);
            if address.ip.is_some() && Self::differs(&node.address, &address) {
                node.flags.remove(NodeFlags::NOADDR);
                drop(node);
                self.move_node(now, out, at, address);
            }
        }
    }

    /// Ports and IP, as far as a gossip entry is compared; the plaintext port is not.
    fn differs(known: &Address, said: &Address) -> bool {
        known.ip != said.ip || known.port != said.port || known.bus_port != said.bus_port
    }

    fn address_of(entry: &Entry<'_>) -> Address {
        Address {
            ip: entry.ip(),
            port: entry.port(),
            bus_port: entry.bus_port(),
            plain_port: entry.plain_port(),
        }
    }

    /// A node lives elsewhere: our stream to it is given up.
    pub(super) fn move_node(&mut self, now: Instant, out: Out<'_>, at: Ix, address: Address) {
        let mut node = self.table.get_mut(at);
        node.address = address;
        let id = node.id;
        drop(node);
        if let Some(ip) = address.ip {
            out.notice(Notice::AddressChanged { id, ip, bus_port: address.bus_port });
        }
        self.drop_outbound(now, out, at);
        self.todo |= Todo::SAVE;
    }

    /// A node nobody told us of: taken in with the name, address and flags as told.
    pub(super) fn hear_of_stranger(&mut self, now: Instant, out: Out<'_>, sender: Ix, entry: &Entry<'_>) {
        let Some(id) = entry.id() else { return };
        let said = entry.flags();
        let address = Self::address_of(entry);
        if said.intersects(NodeFlags::NOADDR | NodeFlags::HANDSHAKE)
            || address.ip.is_none()
            || address.bus_port == 0
            || self.is_blacklisted(now, &id)
        {
            return;
        }
        // Redis takes the flags as they are told; what is the teller's own business is left out.
        let mut flags = said.difference(NodeFlags::MYSELF | NodeFlags::MEET);
        if flags.contains(NodeFlags::MASTER) {
            flags.remove(NodeFlags::REPLICA);
        }
        let mut node = Node::new(id, flags, address, now);
        node.failed = flags.contains(NodeFlags::FAIL).then_some(now);
        match self.table.add(node) {
            Some(at) => {
                self.look_soon(now, at);
                if flags.contains(NodeFlags::PFAIL) {
                    self.suspects.push(at);
                }
                let of = self.table.get(sender).id;
                out.notice(Notice::Heard { id, of });
                self.todo |= Todo::SAVE;
            }
            None => self.table_full(out),
        }
    }

    pub(super) fn table_full(&mut self, out: Out<'_>) {
        if !self.standing.full {
            self.standing.full = true;
            out.notice(Notice::TableFull { nodes: self.table.len() as u32 });
        }
    }

    pub(super) fn is_blacklisted(&mut self, now: Instant, id: &NodeId) -> bool {
        self.blacklist.retain(|_, until| *until > now);
        self.blacklist.contains_key(id) && !self.config.plants.has(Plant::BlacklistIgnored)
    }
}
