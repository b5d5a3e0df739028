//! A recovery, as the leader runs it: one step after the other, every node of the step at once.
//!
//! We keep no databases. Unless told that it shall recover those of others (`restoring`), a leader
//! that finds one at another node gives the recovery up, and leading as well, while such a node takes
//! part: what it cannot recover it must not declare recovered.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::config::Databases;
use super::super::cx::Wake;
use super::super::mail::Heard;
use super::super::notice::{BanCause, Notice, RecoveryStep, Trigger};
use super::super::plant::Plant;
use super::super::requests::{Gather, Task};
use super::super::types::{Capabilities, Generation, Pnn, RecoveryMode};
use super::super::wire::{MessageData, NodeFlagChange, ReplyData, RequestData, VnnMap};
use super::restoring::Restoring;
use super::round::Stage;
use super::takeover::Then;
use super::{Ctdb, Out};
use crate::time::{Duration, Instant};

/// A recovery under way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Recovery {
    pub(super) gather: Gather,
    step: RecoveryStep,
    /// Who takes part: whoever says of itself that it is active.
    pub(super) participants: Vec<Pnn>,
    /// The nodes that have a database, in the order of their answers.
    keepers: Vec<Pnn>,
    pub(super) generation: Generation,
    pub(super) restoring: Restoring,
}

impl Recovery {
    pub(super) const fn step(&self) -> RecoveryStep {
        self.step
    }
}

impl Ctdb {
    pub(super) fn begin_recovery(&mut self, now: Instant, out: Out<'_>, trigger: Trigger) {
        self.rounds.unfinished = true;
        if self.timers.at(Wake::RecoveriesOn).is_some() || self.election.on {
            return self.end_round(now);
        }
        self.ban_misbehaving(now, out);
        if self.own_flags().is_inactive() {
            return self.end_round(now);
        }
        out.notice(Notice::RecoveryStarted(trigger));
        self.rounds.worked = now;
        if self.config.cluster_lock.is_some() && !self.election.holds_lock() {
            out.notice(Notice::RecoveryFailed { step: RecoveryStep::Begin, pnn: None });
            self.ban_self(now, out, BanCause::RecoveryLock);
            // Where bans are off it would lead without the lock for ever, and the cluster not recover.
            if self.config.fixes.holder_leads && !self.own_flags().is_inactive() {
                self.force_election(now, out);
            }
            return self.end_round(now);
        }
        let me = self.state.own();
        let others: Vec<_> = self.active().filter(|&pnn| pnn != me).collect();
        let patience = self.config.tunables.control_timeout();
        let gather = self.ask_each(now, out, &others, &RequestData::GetCapabilities, patience);
        self.enter(
            RecoveryStep::Roles,
            Recovery {
                gather,
                step: RecoveryStep::Roles,
                participants: Vec::new(),
                keepers: Vec::new(),
                generation: Generation::INVALID,
                restoring: Restoring::default(),
            },
        );
    }

    pub(super) fn enter(&mut self, step: RecoveryStep, recovery: Recovery) {
        self.rounds.stage = Stage::Recovery(Box::new(Recovery { step, ..recovery }));
    }

    /// An answer within a recovery; the gathering has counted it.
    pub(super) fn recovery_heard(&mut self, out: Out<'_>, from: Pnn, heard: &Heard) {
        let Stage::Recovery(recovery) = &mut self.rounds.stage else { return };
        match (recovery.step, &heard.data) {
            (RecoveryStep::Roles | RecoveryStep::Capabilities, ReplyData::Capabilities(_)) => {
                self.capabilities_heard(from, heard);
            }
            (RecoveryStep::NodeMaps, ReplyData::NodeMap(map)) => {
                let own = map.nodes.get(from.0 as usize);
                if own.is_some_and(|own| !own.flags.is_inactive()) {
                    recovery.participants.push(from);
                }
            }
            (RecoveryStep::Databases, ReplyData::DbMap(map)) if !map.databases.is_empty() => {
                recovery.keepers.push(from);
                if self.config.databases != Databases::None && !recovery.restoring.note(from, map) {
                    recovery.gather.failed.push(from);
                }
                self.databases_heard(out, from, heard);
            }
            (RecoveryStep::Data, _) => recovery.restoring_heard(from, heard),
            _ => {}
        }
    }

    /// Every answer of a step is in: the next one.
    pub(super) fn recovery_step(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery) {
        if recovery.step == RecoveryStep::Data {
            return self.restoring_step(now, out, recovery);
        }
        let forgiven = |pnn: &Pnn| {
            recovery.step == RecoveryStep::Flags
                && self.state.node(*pnn).is_some_and(|node| node.flags.is_inactive())
        };
        if let Some(&pnn) = recovery.gather.failed.iter().find(|pnn| !forgiven(pnn)) {
            return self.recovery_failed(now, out, recovery.step, Some(pnn));
        }
        let patience = self.config.tunables.recover_timeout();
        let everybody = recovery.participants.clone();
        match recovery.step {
            RecoveryStep::Begin | RecoveryStep::Roles => {
                recovery.gather = self.flags_to_all(now, out);
                self.enter(RecoveryStep::Flags, recovery);
            }
            RecoveryStep::Flags => {
                let me = self.state.own();
                recovery.participants.push(me);
                let others: Vec<_> = self.connected().filter(|&pnn| pnn != me).collect();
                recovery.gather = self.ask_each(now, out, &others, &RequestData::GetNodemap, patience);
                self.enter(RecoveryStep::NodeMaps, recovery);
            }
            RecoveryStep::NodeMaps => {
                recovery.participants.sort_unstable();
                recovery.gather =
                    self.ask_each(now, out, &recovery.participants, &RequestData::GetCapabilities, patience);
                self.enter(RecoveryStep::Capabilities, recovery);
            }
            RecoveryStep::Capabilities => {
                recovery.gather = self.ask_each(now, out, &everybody, &RequestData::GetDbMap, patience);
                self.enter(RecoveryStep::Databases, recovery);
            }
            RecoveryStep::Databases => {
                if let Some(&pnn) = recovery.keepers.first()
                    && self.config.databases == Databases::None
                {
                    self.leave_leading_to(&recovery.keepers);
                    return self.recovery_failed(now, out, RecoveryStep::Databases, Some(pnn));
                }
                let active = RequestData::SetRecMode(RecoveryMode::Active);
                recovery.gather = self.ask_each(now, out, &everybody, &active, patience);
                self.enter(RecoveryStep::Active, recovery);
            }
            RecoveryStep::Active => {
                recovery.gather = self.ask_each(now, out, &everybody, &RequestData::StartRecovery, patience);
                self.enter(RecoveryStep::Start, recovery);
            }
            RecoveryStep::Start => {
                recovery.generation = self.new_generation();
                let map = self.new_vnn_map(&recovery);
                recovery.gather = self.ask_each(now, out, &everybody, &RequestData::SetVnnMap(map), patience);
                self.enter(RecoveryStep::VnnMap, recovery);
            }
            RecoveryStep::VnnMap | RecoveryStep::Data => self.next_database(now, out, recovery),
            RecoveryStep::Normal => {
                recovery.gather = self.ask_each(now, out, &everybody, &RequestData::EndRecovery, patience);
                self.enter(RecoveryStep::End, recovery);
            }
            RecoveryStep::End => {
                let Recovery { generation, participants, .. } = recovery;
                out.notice(Notice::RecoveryFinished { generation, nodes: participants.len() as u32 });
                self.begin_takeover(now, out, Then::EndRecovery);
            }
        }
    }

    /// The leader's view of every connected node's flags, to every connected node.
    fn flags_to_all(&mut self, now: Instant, out: Out<'_>) -> Gather {
        let me = self.state.own();
        let nodes: Vec<_> = self.connected().collect();
        let others: Vec<_> = nodes.iter().copied().filter(|&pnn| pnn != me).collect();
        let patience = self.config.tunables.control_timeout();
        let ticket = self.gathering(Task::Round);
        for &pnn in &nodes {
            let flags = self.state.node(pnn).map_or_else(Default::default, |node| node.flags);
            let change = RequestData::ModifyFlags(NodeFlagChange { pnn, new: flags, old: flags });
            for &to in &others {
                self.ask(now, out, to, &change, ticket, patience);
            }
        }
        Gather::new(ticket.serial, (nodes.len() * others.len()) as u32)
    }

    /// Random, but neither invalid nor the present one.
    fn new_generation(&mut self) -> Generation {
        loop {
            let drawn = Generation(self.rng.bits() as u32);
            if drawn != Generation::INVALID && drawn != self.state.generation && drawn.0 != 0 {
                return drawn;
            }
        }
    }

    /// Every database is recovered.
    pub(super) fn data_recovered(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery) {
        let patience = self.config.tunables.recover_timeout();
        let normal = RequestData::SetRecMode(RecoveryMode::Normal);
        recovery.gather = self.ask_each(now, out, &recovery.participants, &normal, patience);
        self.enter(RecoveryStep::Normal, recovery);
    }

    /// Where nobody is a location master, somebody who keeps data stands in, else we.
    fn new_vnn_map(&self, recovery: &Recovery) -> VnnMap {
        let Recovery { participants, generation, keepers, .. } = recovery;
        let is_master = |pnn: &Pnn| {
            self.state.node(*pnn).is_some_and(|node| node.capabilities.contains(Capabilities::LMASTER))
        };
        let mut map: Vec<_> = participants.iter().copied().filter(is_master).collect();
        if map.is_empty() {
            map.push(keepers.first().copied().unwrap_or(self.state.own()));
        }
        VnnMap { generation: *generation, map }
    }

    /// The takeover run after a recovery is over, well or not.
    pub(super) fn end_recovery(&mut self, now: Instant, out: Out<'_>) {
        self.tell(out, Pnn::BROADCAST_CONNECTED, &MessageData::Reconfigure);
        self.rounds.unfinished = false;
        self.rounds.culprits.clear();
        let pause = self.config.tunables.rerecovery_timeout();
        if pause > Duration::ZERO && !self.config.plants.has(Plant::NoRerecoveryPause) {
            self.timers.set(Wake::RecoveriesOn, now + pause);
        }
        self.end_round(now);
    }

    pub(super) fn recovery_failed(
        &mut self,
        now: Instant,
        out: Out<'_>,
        step: RecoveryStep,
        pnn: Option<Pnn>,
    ) {
        out.notice(Notice::RecoveryFailed { step, pnn });
        self.end_round(now);
    }
}
