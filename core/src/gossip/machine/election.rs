//! A replica stands for election; a master votes.

use alloc::vec::Vec;

use super::super::config::Role;
use super::super::notice::{Barred, EpochCause, Notice};
use super::super::plant::Plant;
use super::super::rules::{self, Ballot};
use super::super::table::Ix;
use super::super::types::{Epoch, NodeFlags};
use super::super::wire::{FORCEACK, Kind, Packet};
use super::{Gossip, Out, Todo};
use crate::time::{Duration, Instant};

/// Before a replica asks for votes, so that FAIL reaches the voters first …
const DELAY: Duration = Duration::from_millis(500);
/// … and so that two replicas do not ask at once.
const SPREAD_MILLIS: u64 = 500;
/// How much later a replica asks for each other one with more of the data.
const PER_RANK: Duration = Duration::from_secs(1);

/// An attempt to be elected.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Election {
    /// When votes are, or were, to be asked for. Kept after a success, as Redis keeps it.
    at: Option<Instant>,
    rank: u32,
    asked: bool,
    epoch: Epoch,
    voters: Vec<Ix>,
    /// What kept us from standing, once said.
    barred: Option<Barred>,
    expired: bool,
}

impl Election {
    /// A node is no longer known: its place may be another's soon.
    pub(super) fn forget(&mut self, at: Ix) {
        self.voters.retain(|&voter| voter != at);
    }
}

impl Gossip {
    /// The next step of an election, if our master failed or we were told to take its place.
    pub(super) fn election_step(&mut self, now: Instant, out: Out<'_>) {
        self.todo.remove(Todo::ELECTION);
        let manual = self.manual.may_start();
        let Some(master) = self.failed_master(manual) else {
            self.election.barred = None;
            return;
        };
        if let Some(why) = self.barred(now, manual) {
            if self.election.barred.replace(why) != Some(why) {
                out.notice(Notice::ElectionBarred { why });
            }
            return;
        }
        self.election.barred = None;
        let timeout = self.config.election_timeout();
        let age = self.election.at.map(|at| now.since(at));
        if age.is_none_or(|age| age > timeout.times(2)) {
            return self.plan_election(now, out, master, manual);
        }
        if !self.election.asked && !manual {
            self.fall_back(master);
        }
        let Some(at) = self.election.at else { return };
        if now < at {
            return;
        }
        if now.since(at) > timeout {
            if self.election.asked && !self.election.expired {
                self.election.expired = true;
                let votes = self.election.voters.len() as u32;
                let needed = self.quorum();
                out.notice(Notice::ElectionExpired { epoch: self.election.epoch, votes, needed });
            }
            return;
        }
        if !self.election.asked {
            return self.ask_for_votes(out, manual);
        }
        let needed = self.quorum() - u32::from(self.config.plants.has(Plant::QuorumOneLess));
        let votes = self.election.voters.len() as u32;
        if votes >= needed {
            self.won(now, out, votes);
        }
    }

    /// Our master, if it has slots and failed, or must not have failed.
    fn failed_master(&self, manual: bool) -> Option<Ix> {
        let me = self.table.me();
        let master = me.master.filter(|_| !me.is_master())?;
        let node = self.table.get(master);
        let failed = node.flags.contains(NodeFlags::FAIL);
        ((failed || manual) && !node.slots().is_empty()).then_some(master)
    }

    fn barred(&self, now: Instant, manual: bool) -> Option<Barred> {
        if manual {
            return None;
        }
        if self.config.no_failover {
            return Some(Barred::NotWanted);
        }
        match self.config.role {
            Role::Replica { stands: true } => {}
            Role::Witness | Role::Observer | Role::Replica { stands: false } => {
                return Some(Barred::NotWanted);
            }
            Role::Register => {
                let factor = u64::from(self.config.replica_validity_factor);
                let timeout = self.config.node_timeout;
                let age = self.data.age(now);
                let age = if age > timeout { age - timeout } else { age };
                if factor != 0 && age > self.config.repl_ping_period + timeout.times(factor) {
                    return Some(Barred::DataTooOld);
                }
            }
        }
        None
    }

    fn plan_election(&mut self, now: Instant, out: Out<'_>, master: Ix, manual: bool) {
        let rank = if manual { 0 } else { self.rank(master) };
        let spread = Duration::from_millis(self.rng.election.below(SPREAD_MILLIS));
        let after = if manual { Duration::ZERO } else { DELAY + spread + PER_RANK.times(rank.into()) };
        let barred = self.election.barred.take();
        self.election = Election { at: Some(now + after), rank, barred, ..Election::default() };
        out.notice(Notice::ElectionPlanned { after, rank, manual });
        self.pong_siblings(now);
        if manual {
            self.ask_for_votes(out, true);
        }
    }

    /// How many other replicas of our master have more of the data.
    fn rank(&self, master: Ix) -> u32 {
        if self.config.plants.has(Plant::RankIgnored) {
            return 0;
        }
        let mine = self.offset();
        self.table
            .replicas_of(master)
            .filter(|&(at, node)| {
                at != Ix::ME && !node.flags.contains(NodeFlags::NOFAILOVER) && node.offset > mine
            })
            .count() as u32
    }

    /// Another replica turns out to have more: it goes first.
    fn fall_back(&mut self, master: Ix) {
        let rank = self.rank(master);
        if rank > self.election.rank {
            let more = PER_RANK.times((rank - self.election.rank).into());
            self.election.at = self.election.at.map(|at| at + more);
            self.election.rank = rank;
        }
    }

    fn ask_for_votes(&mut self, out: Out<'_>, manual: bool) {
        let epoch = if self.config.plants.has(Plant::EpochNotBumped) {
            self.current_epoch
        } else {
            let Some(epoch) = self.next_epoch(out) else { return };
            epoch
        };
        self.election.asked = true;
        self.election.epoch = epoch;
        self.election.voters.clear();
        out.notice(Notice::ElectionStarted { epoch, needed: self.quorum() });
        let bytes = self.begin(Kind::AuthRequest, if manual { FORCEACK } else { 0 });
        self.broadcast(Kind::AuthRequest, &bytes);
        self.todo |= Todo::SYNC;
    }

    /// A vote. Only the owners of slots have one, and each has only one.
    pub(super) fn given_vote(&mut self, out: Out<'_>, sender: Ix, said_in: Epoch) {
        let election = &mut self.election;
        let counts = election.asked
            && said_in >= election.epoch
            && self.table.get(sender).is_owner()
            && !self.table.me().is_master();
        if !counts || election.voters.contains(&sender) {
            return;
        }
        election.voters.push(sender);
        let votes = election.voters.len() as u32;
        let of = self.table.get(sender).id;
        out.notice(Notice::VoteReceived { of, votes, needed: self.quorum() });
        self.todo |= Todo::ELECTION;
    }

    /// A majority voted for us. As an owner of slots we have a vote ourselves, and that of this epoch is our
    /// own: given to another, as with Redis, it could make two winners.
    fn won(&mut self, now: Instant, out: Out<'_>, votes: u32) {
        let epoch = self.election.epoch;
        self.last_vote = self.last_vote.max(epoch);
        if self.table.me().epoch < epoch && !self.config.plants.has(Plant::WinnerKeepsEpoch) {
            self.take_epoch(out, epoch, EpochCause::Election);
        }
        self.promote(now, out, votes);
    }

    /// Takes our master's place and its slots.
    pub(super) fn promote(&mut self, now: Instant, out: Out<'_>, votes: u32) {
        let Some(master) = self.table.me().master else { return };
        self.set_master(out, Ix::ME);
        self.data_lead(out);
        let slots = self.table.get(master).slots().clone();
        for slot in slots.iter() {
            self.table.bind(slot, Ix::ME);
        }
        out.notice(Notice::Promoted { epoch: self.table.me().epoch, votes });
        self.update_state(now, out);
        self.todo |= Todo::SYNC;
        self.broadcast_pong(now);
        self.manual.reset();
    }

    /// A replica asks for our vote.
    pub(super) fn asked_for_vote(&mut self, now: Instant, out: Out<'_>, by: Ix, packet: &Packet<'_>) {
        if !self.table.me().is_owner() {
            return;
        }
        let node = self.table.get(by);
        let master = node.master.filter(|_| !node.is_master());
        let plants = self.config.plants;
        let ballot = Ballot {
            asked_in: packet.current_epoch,
            current: self.current_epoch,
            last_vote: if plants.has(Plant::VotesTwice) { Epoch(0) } else { self.last_vote },
            is_replica: master.is_some(),
            master_failed: master.is_some_and(|at| self.table.get(at).flags.contains(NodeFlags::FAIL)),
            forced: packet.force_ack(),
            since_last: master
                .and_then(|at| self.table.get(at).voted)
                .filter(|_| !plants.has(Plant::VotesTwice))
                .map(|at| now.since(at)),
            node_timeout: self.config.node_timeout,
            slots_fresh: packet.slots.iter().all(|slot| {
                self.table.owner(slot).is_none_or(|owner| {
                    self.table.unclaimed.contains(slot) || self.table.get(owner).epoch <= packet.config_epoch
                })
            }),
        };
        let to = node.id;
        if let Err(why) = rules::vote(&ballot) {
            return out.notice(Notice::VoteRefused { to, why });
        }
        self.last_vote = self.current_epoch;
        if let Some(at) = master {
            self.table.get_mut(at).voted = Some(now);
        }
        out.notice(Notice::VoteGranted { to, epoch: self.current_epoch });
        if !plants.has(Plant::VoteNotPersisted) {
            self.todo |= Todo::SYNC;
        }
        self.send_bare(by, Kind::AuthAck);
    }
}
