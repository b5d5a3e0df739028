//! What an operator changes by command. What Redis refuses is refused in its words.
//!
//! Redis answers before what it changed would survive a power loss; here the answer waits.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::super::config::Role;
use super::super::notice::{EpochCause, FollowCause, Forgot, Notice};
use super::super::slots::SlotSet;
use super::super::table::{Address, Ix, Node};
use super::super::types::{Epoch, NodeFlags, NodeId};
use super::{Gossip, Out, Todo};
use crate::time::{Duration, Instant};

/// How long gossip does not bring a forgotten node back.
const BLACKLISTED: Duration = Duration::from_secs(60);

/// Why a command is refused; prints as the text after `-ERR `. Those of an unknown node lack its
/// name, which need not be one: whoever has the request's words adds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each prints as Redis' sentence")]
pub enum Denied {
    SlotBusy(u16),
    SlotUnassigned(u16),
    SlotTwice(u16),
    RangeReversed(u16, u16),
    NotOwner(u16),
    AlreadyOwner(u16),
    UnknownNode,
    DontKnow,
    SetSlotAtReplica,
    TargetNotMaster,
    KeysLeft(u16),
    ReplicateMyself,
    ReplicateReplica,
    NotEmpty,
    ForgetMyself,
    ForgetMaster,
    EpochNotAlone,
    EpochSet,
    FailoverAtMaster,
    MasterUnknown,
    MasterDown,
    ResetWithKeys,
    /// Ours: a witness or an observer stays what it is.
    RoleFixed(&'static str),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlotBusy(slot) => write!(f, "Slot {slot} is already busy"),
            Self::SlotUnassigned(slot) => write!(f, "Slot {slot} is already unassigned"),
            Self::SlotTwice(slot) => write!(f, "Slot {slot} specified multiple times"),
            Self::RangeReversed(first, last) => {
                write!(f, "start slot number {first} is greater than end slot number {last}")
            }
            Self::NotOwner(slot) => write!(f, "I'm not the owner of hash slot {slot}"),
            Self::AlreadyOwner(slot) => write!(f, "I'm already the owner of hash slot {slot}"),
            Self::UnknownNode => f.write_str("Unknown node"),
            Self::DontKnow => f.write_str("I don't know about node"),
            Self::SetSlotAtReplica => f.write_str("Please use SETSLOT only with masters."),
            Self::TargetNotMaster => f.write_str("Target node is not a master"),
            Self::KeysLeft(slot) => {
                write!(
                    f,
                    "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
                )
            }
            Self::ReplicateMyself => f.write_str("Can't replicate myself"),
            Self::ReplicateReplica => f.write_str("I can only replicate a master, not a replica."),
            Self::NotEmpty => {
                f.write_str("To set a master the node must be empty and without assigned slots.")
            }
            Self::ForgetMyself => f.write_str("I tried hard but I can't forget myself..."),
            Self::ForgetMaster => f.write_str("Can't forget my master!"),
            Self::EpochNotAlone => f.write_str(
                "The user can assign a config epoch only when the node does not know any other node.",
            ),
            Self::EpochSet => f.write_str("Node config epoch is already non-zero"),
            Self::FailoverAtMaster => f.write_str("You should send CLUSTER FAILOVER to a replica"),
            Self::MasterUnknown => f.write_str("I'm a replica but my master is unknown to me"),
            Self::MasterDown => f.write_str("Master is down or failed, please use CLUSTER FAILOVER FORCE"),
            Self::ResetWithKeys => {
                f.write_str("CLUSTER RESET can't be called with master nodes containing keys")
            }
            Self::RoleFixed(role) => {
                write!(f, "This node is a standin {role}: it stores no keys and keeps its role")
            }
        }
    }
}

/// Who a slot is on its way to or from, or has now; none if the name is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum SetSlot {
    Migrating(Option<Ix>),
    Importing(Option<Ix>),
    Stable,
    Node(Option<Ix>),
}

impl Gossip {
    /// `CLUSTER MEET`. Nothing happens if the two are shaking hands already.
    pub(in super::super) fn meet(
        &mut self,
        now: Instant,
        out: Out<'_>,
        ip: IpAddr,
        port: u16,
        bus_port: u16,
    ) {
        let address = Address { ip: Some(ip), port, bus_port, plain_port: 0 };
        let under_way = self.table.iter().any(|(_, node)| node.in_handshake() && node.address == address);
        if !under_way {
            let flags = NodeFlags::HANDSHAKE | NodeFlags::MEET;
            self.shake_hands(now, out, address, flags, SocketAddr::new(ip, bus_port));
        }
    }

    /// Whether this node may own slots, beyond what others would say.
    pub(in super::super) fn may_own(&self) -> Result<(), Denied> {
        match self.config.role {
            Role::Witness | Role::Register => Ok(()),
            role @ (Role::Replica { .. } | Role::Observer) => Err(Denied::RoleFixed(role.word())),
        }
    }

    /// The slots of all ranges, each from its first to its last, if each is named once and is
    /// (un)assigned. No range is looked at twice as long as there are slots.
    fn slots_of(&self, ranges: &[(u16, u16)], assigned: bool) -> Result<Vec<u16>, Denied> {
        let mut seen = SlotSet::new();
        let mut slots = Vec::new();
        for &(first, last) in ranges {
            if first > last {
                return Err(Denied::RangeReversed(first, last));
            }
            for slot in first..=last {
                match (self.table.owner(slot).is_some(), assigned) {
                    (true, false) => return Err(Denied::SlotBusy(slot)),
                    (false, true) => return Err(Denied::SlotUnassigned(slot)),
                    _ if seen.contains(slot) => return Err(Denied::SlotTwice(slot)),
                    _ => seen.insert(slot),
                }
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    /// `CLUSTER ADDSLOTS[RANGE]`: all or none.
    pub(in super::super) fn add_slots(&mut self, out: Out<'_>, ranges: &[(u16, u16)]) -> Result<(), Denied> {
        self.may_own()?;
        let slots = self.slots_of(ranges, false)?;
        let had_none = self.table.me().slots().is_empty();
        for &slot in &slots {
            self.importing.remove(&slot);
            self.table.bind(slot, Ix::ME);
        }
        if had_none && self.table.iter().any(|(_, node)| node.master.is_some()) {
            self.table.me_mut().flags.insert(NodeFlags::MIGRATE_TO);
        }
        self.edited(out, slots.len(), 0);
        Ok(())
    }

    /// `CLUSTER DELSLOTS[RANGE]`: all or none, whoever owns them in our eyes.
    pub(in super::super) fn del_slots(&mut self, out: Out<'_>, ranges: &[(u16, u16)]) -> Result<(), Denied> {
        let slots = self.slots_of(ranges, true)?;
        for &slot in &slots {
            self.table.unbind(slot);
        }
        self.edited(out, 0, slots.len());
        Ok(())
    }

    /// `CLUSTER FLUSHSLOTS`; the caller has made sure that no key is held.
    pub(in super::super) fn flush_slots(&mut self, out: Out<'_>) {
        let mine = self.table.me().slots().clone();
        for slot in mine.iter() {
            self.table.unbind(slot);
        }
        self.edited(out, 0, mine.len() as usize);
    }

    fn edited(&mut self, out: Out<'_>, assigned: usize, freed: usize) {
        out.notice(Notice::SlotsEdited { assigned: assigned as u32, freed: freed as u32 });
        self.todo |= Todo::STATE | Todo::SYNC;
    }

    /// `CLUSTER SETSLOT`.
    pub(in super::super) fn set_slot(
        &mut self,
        now: Instant,
        out: Out<'_>,
        slot: u16,
        what: SetSlot,
    ) -> Result<(), Denied> {
        if !self.table.me().is_master() {
            return Err(Denied::SetSlotAtReplica);
        }
        let owner = self.table.owner(slot);
        let master = |at: Ix| {
            if self.table.get(at).is_master() { Ok(at) } else { Err(Denied::TargetNotMaster) }
        };
        match what {
            SetSlot::Migrating(to) => {
                if owner != Some(Ix::ME) {
                    return Err(Denied::NotOwner(slot));
                }
                let to = master(to.ok_or(Denied::DontKnow)?)?;
                self.migrating.insert(slot, to);
            }
            SetSlot::Importing(from) => {
                if owner == Some(Ix::ME) {
                    return Err(Denied::AlreadyOwner(slot));
                }
                let from = master(from.ok_or(Denied::DontKnow)?)?;
                self.may_own()?;
                self.importing.insert(slot, from);
            }
            SetSlot::Stable => {
                self.migrating.remove(&slot);
                self.importing.remove(&slot);
            }
            SetSlot::Node(to) => {
                let to = master(to.ok_or(Denied::UnknownNode)?)?;
                self.give_slot(now, out, slot, owner, to)?;
            }
        }
        self.todo |= Todo::STATE | Todo::SYNC;
        Ok(())
    }

    fn give_slot(
        &mut self,
        now: Instant,
        out: Out<'_>,
        slot: u16,
        owner: Option<Ix>,
        to: Ix,
    ) -> Result<(), Denied> {
        let holds = self.data.has_keys(slot);
        if owner == Some(Ix::ME) && to != Ix::ME && holds {
            return Err(Denied::KeysLeft(slot));
        }
        if to == Ix::ME {
            self.may_own()?;
        }
        if !holds {
            self.migrating.remove(&slot);
        }
        self.table.bind(slot, to);
        let gave_last = owner == Some(Ix::ME) && to != Ix::ME && self.table.me().slots().is_empty();
        if to == Ix::ME && self.importing.remove(&slot).is_some() {
            self.bump_epoch(out, EpochCause::Import);
            self.broadcast_pong(now);
        }
        self.edited(out, usize::from(to == Ix::ME), usize::from(owner == Some(Ix::ME) && to != Ix::ME));
        if gave_last {
            if self.config.role == Role::Register && self.config.allow_replica_migration {
                self.follow(out, to, FollowCause::Given);
            } else {
                out.notice(Notice::VoteLost { to: self.table.get(to).id });
            }
        }
        Ok(())
    }

    /// `CLUSTER REPLICATE`.
    pub(in super::super) fn replicate(&mut self, out: Out<'_>, at: Ix) -> Result<(), Denied> {
        if at == Ix::ME {
            return Err(Denied::ReplicateMyself);
        }
        if !self.table.get(at).is_master() {
            return Err(Denied::ReplicateReplica);
        }
        let me = self.table.me();
        if me.is_master() && (!me.slots().is_empty() || self.data.holds_any()) {
            return Err(Denied::NotEmpty);
        }
        if let role @ (Role::Witness | Role::Observer) = self.config.role {
            return Err(Denied::RoleFixed(role.word()));
        }
        self.follow(out, at, FollowCause::Command);
        self.todo |= Todo::SYNC;
        Ok(())
    }

    /// `CLUSTER FORGET`.
    pub(in super::super) fn forget(&mut self, now: Instant, out: Out<'_>, at: Ix) -> Result<(), Denied> {
        if at == Ix::ME {
            return Err(Denied::ForgetMyself);
        }
        if !self.table.me().is_master() && self.table.me().master == Some(at) {
            return Err(Denied::ForgetMaster);
        }
        let id = self.table.get(at).id;
        self.blacklist.insert(id, now + BLACKLISTED);
        self.remove(now, out, at);
        out.notice(Notice::Forgotten { id, cause: Forgot::Command });
        self.todo |= Todo::STATE | Todo::SYNC;
        Ok(())
    }

    /// `CLUSTER SET-CONFIG-EPOCH`.
    pub(in super::super) fn set_config_epoch(&mut self, out: Out<'_>, epoch: Epoch) -> Result<(), Denied> {
        if self.table.len() > 1 {
            return Err(Denied::EpochNotAlone);
        }
        if self.table.me().epoch != Epoch(0) {
            return Err(Denied::EpochSet);
        }
        self.current_epoch = self.current_epoch.max(epoch);
        self.take_epoch(out, epoch, EpochCause::Set);
        Ok(())
    }

    /// `CLUSTER RESET`: alone, a master without slots; HARD also under a new name.
    pub(in super::super) fn reset(&mut self, now: Instant, out: Out<'_>, hard: bool) -> Result<(), Denied> {
        if self.table.me().is_master() && self.data.holds_any() {
            return Err(Denied::ResetWithKeys);
        }
        self.data_reset(out);
        let former = self.table.me().clone();
        for at in self.table.places() {
            if at != Ix::ME {
                self.remove(now, out, at);
            }
        }
        let mut me =
            Node::new(former.id, NodeFlags::MYSELF | NodeFlags::MASTER, former.address, former.since);
        me.epoch = former.epoch;
        me.aux = former.aux;
        if hard {
            me.id = NodeId::random(&mut self.rng.ids);
            me.epoch = Epoch(0);
            self.current_epoch = Epoch(0);
            self.last_vote = Epoch(0);
        }
        self.table.alone(me);
        self.dress();
        self.migrating.clear();
        self.importing.clear();
        self.manual.reset();
        self.election = super::Election::default();
        out.notice(Notice::Reset { hard });
        self.todo |= Todo::STATE | Todo::SYNC;
        Ok(())
    }
}
