//! Who owns which slot, and by which epoch.

use alloc::vec::Vec;

use super::super::config::Role;
use super::super::notice::{EpochCause, FollowCause, Notice};
use super::super::plant::Plant;
use super::super::slots::{Bitmap, SLOTS};
use super::super::table::Ix;
use super::super::types::{Epoch, NodeFlags};
use super::super::wire::Packet;
use super::{Gossip, Out, Todo};

impl Gossip {
    /// A known sender's header claims slots.
    pub(super) fn claimed(&mut self, out: Out<'_>, at: Ix, packet: &Packet<'_>) {
        let node = self.table.get(at);
        let line = if node.is_master() { Some(at) } else { node.master };
        let Some(line) = line else { return };
        if self.table.get(line).slots().same_as(&packet.slots) {
            return;
        }
        if self.table.get(at).is_master() {
            self.claim(out, at, packet.config_epoch, packet.slots);
        }
        self.correct(out, at, packet);
    }

    /// A master claims slots by an epoch: free ones, ones their owner stopped claiming, and those
    /// owned by an older epoch become its own. What it claims no more is only marked.
    fn claim(&mut self, out: Out<'_>, to: Ix, epoch: Epoch, claimed: Bitmap<'_>) {
        if to == Ix::ME {
            return;
        }
        let line = self.speaks_for();
        let (mut count, mut taken_of_ours, mut moved) = (0, 0, 0);
        let mut dirty = Vec::new();
        let stale_wins = self.config.plants.has(Plant::StaleClaimWins);
        for slot in claimed.iter() {
            count += 1;
            let owner = self.table.owner(slot);
            if owner == Some(to) {
                self.table.unclaimed.remove(slot);
                continue;
            }
            if self.importing.contains_key(&slot) {
                continue;
            }
            let free = owner.is_none_or(|owner| {
                self.table.unclaimed.contains(slot) || self.table.get(owner).epoch < epoch || stale_wins
            });
            if !free {
                continue;
            }
            if owner == Some(Ix::ME) && self.data.has_keys(slot) {
                dirty.push(slot);
            }
            taken_of_ours += u32::from(owner == Some(line));
            moved += 1;
            self.table.bind(slot, to);
            self.migrating.remove(&slot);
        }
        for slot in self.table.get(to).slots().clone().iter() {
            if !claimed.contains(slot) {
                self.table.unclaimed.insert(slot);
            }
        }
        if moved > 0 {
            let to = self.table.get(to).id;
            out.notice(Notice::SlotsMoved { to, count: moved, epoch });
            self.todo |= Todo::STATE | Todo::SAVE;
        }
        self.after_loss(out, to, count, taken_of_ours, line, dirty);
    }

    fn after_loss(&mut self, out: Out<'_>, to: Ix, claimed: u32, taken: u32, line: Ix, dirty: Vec<u16>) {
        if taken > 0 && self.config.plants.has(Plant::LossClearsAll) {
            self.data.drop_slots(&(0..SLOTS).collect::<Vec<_>>());
        }
        let all_gone = taken > 0 && self.table.get(line).slots().is_empty();
        let follows = self.config.allow_replica_migration || claimed == taken;
        if all_gone && follows && self.becomes_replica() {
            return self.follow(out, to, FollowCause::SlotsTaken);
        }
        if all_gone && line == Ix::ME {
            let to = self.table.get(to).id;
            out.notice(Notice::VoteLost { to });
        }
        let master = self.table.me().master;
        let grand = master.and_then(|master| self.table.get(master).master).filter(|&of| of != Ix::ME);
        if let Some(grand) = grand
            && !self.table.me().is_master()
        {
            self.follow(out, grand, FollowCause::Chain);
        } else if !dirty.is_empty() {
            out.notice(Notice::SlotsDirty { count: dirty.len() as u32 });
            self.data.drop_slots(&dirty);
        }
    }

    /// Whether this node may turn into a replica by itself: a witness and an observer stay what
    /// they are.
    fn becomes_replica(&self) -> bool {
        matches!(self.config.role, Role::Replica { .. } | Role::Register)
    }

    /// The first slot a sender claims by an epoch older than its owner's: it is told the owner.
    fn correct(&mut self, out: Out<'_>, at: Ix, packet: &Packet<'_>) {
        if self.config.plants.has(Plant::UpdateNotSent) {
            return;
        }
        let stale = packet.slots.iter().find_map(|slot| {
            let owner = self.table.owner(slot).filter(|&owner| owner != at)?;
            let claims = !self.table.unclaimed.contains(slot);
            (claims && self.table.get(owner).epoch > packet.config_epoch).then_some(owner)
        });
        if let Some(owner) = stale {
            let by = self.table.get(at).id;
            if self.table.get(at).has_link() {
                out.notice(Notice::StaleClaim { by, owner: self.table.get(owner).id });
            }
            self.send_update(at, owner);
        }
    }

    /// UPDATE: somebody tells who owns slots now.
    pub(super) fn told_of_owner(&mut self, out: Out<'_>, about: Ix, epoch: Epoch, slots: Bitmap<'_>) {
        if about == Ix::ME || self.table.get(about).epoch >= epoch {
            return;
        }
        self.set_master(out, about);
        self.table.get_mut(about).epoch = epoch;
        self.todo |= Todo::SYNC;
        self.claim(out, about, epoch, slots);
    }

    /// Two masters with the same config epoch: the one with the smaller name takes a new one.
    pub(super) fn collide(&mut self, out: Out<'_>, at: Ix, packet: &Packet<'_>) {
        let me = self.table.me();
        let other = self.table.get(at);
        if !me.is_master() || !other.is_master() || packet.config_epoch != me.epoch || other.id <= me.id {
            return;
        }
        if self.config.plants.has(Plant::CollisionIgnored) {
            return;
        }
        if let Some(next) = self.next_epoch(out) {
            self.take_epoch(out, next, EpochCause::Collision);
        }
    }

    /// Raises the cluster's epoch, as far as we know it; none if there is no later one.
    pub(super) fn next_epoch(&mut self, out: Out<'_>) -> Option<Epoch> {
        match self.current_epoch.next() {
            Some(next) => {
                self.current_epoch = next;
                Some(next)
            }
            None => {
                if !core::mem::replace(&mut self.standing.exhausted, true) {
                    out.notice(Notice::EpochsExhausted);
                }
                None
            }
        }
    }

    pub(super) fn take_epoch(&mut self, out: Out<'_>, epoch: Epoch, cause: EpochCause) {
        self.table.me_mut().epoch = epoch;
        out.notice(Notice::EpochTaken { epoch, cause });
        self.todo |= Todo::SYNC;
    }

    /// Takes a new epoch without asking anybody, unless ours is the greatest already. The new one.
    pub(in super::super) fn bump_epoch(&mut self, out: Out<'_>, cause: EpochCause) -> Option<Epoch> {
        let greatest = self.table.iter().map(|(_, node)| node.epoch).max().unwrap_or_default();
        let greatest = greatest.max(self.current_epoch);
        let mine = self.table.me().epoch;
        if mine != Epoch(0) && mine == greatest {
            return None;
        }
        let next = self.next_epoch(out)?;
        self.take_epoch(out, next, cause);
        Some(next)
    }

    /// Nobody replicates a replica for long. Redis looks only when slots change hands: roles that change
    /// later leave it at the end of a chain, where its data stop.
    pub(super) fn leave_chain(&mut self, out: Out<'_>) {
        let master = self.table.me().master.filter(|&at| !self.table.get(at).is_master());
        let grand = master.and_then(|at| self.table.get(at).master).filter(|&of| of != Ix::ME);
        if let Some(grand) = grand.filter(|&of| self.table.get(of).is_master()) {
            self.follow(out, grand, FollowCause::Chain);
        }
    }

    /// Becomes a replica of a master.
    pub(super) fn follow(&mut self, out: Out<'_>, master: Ix, cause: FollowCause) {
        let mut me = self.table.me_mut();
        let former = me.master.take();
        me.flags.remove(NodeFlags::MASTER | NodeFlags::MIGRATE_TO);
        me.flags.insert(NodeFlags::REPLICA);
        me.master = Some(master);
        drop(me);
        for slot in self.table.me().slots().clone().iter() {
            self.table.unbind(slot);
        }
        self.migrating.clear();
        self.importing.clear();
        self.count_replicas(former);
        self.table.get_mut(master).flags.insert(NodeFlags::MIGRATE_TO);
        self.manual.reset();
        self.data_follow(out);
        let master = self.table.get(master).id;
        out.notice(Notice::Follows { master, cause });
        self.todo |= Todo::STATE | Todo::SAVE;
    }
}
