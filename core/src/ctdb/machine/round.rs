//! The recovery loop: a look at the cluster, once a second, from every node.
//!
//! Read from the top: [`round_due`](Ctdb::round_due) asks for capabilities, then the addresses
//! of this node are checked; the leader goes on to node maps, flags, recovery modes and VNN maps,
//! and ends in a recovery, a takeover run, or nothing. (ctdbd's recovery daemon, step by step.)

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::culprits::Culprits;
use super::super::cx::Wake;
use super::super::mail::Heard;
use super::super::notice::{BanCause, By, Credit, FlagsCause, Notice};
use super::super::requests::{Gather, Task, Ticket};
use super::super::types::{Capabilities, NodeFlags, Pnn, RecoveryMode, SrvId};
use super::super::verdict::{self, Active, Due, Seen};
use super::super::wire::{
    BanState, MessageData, NodeFlagChange, NodeMap, ReplyData, RequestData, SrvIdMessage, VnnMap,
};
use super::recovery::Recovery;
use super::takeover::{Takeover, Then};
use super::talk::is_meant;
use super::{Ctdb, Out};
use crate::time::{Duration, Instant};

/// How far apart rounds begin that somebody did not want to wait for.
const PROMPT_GAP: Duration = Duration::from_millis(20);
/// Requests for a takeover run that wait at a time. (Our limit; more would be answered the same.)
const RUNS_MAX: usize = 1024;

/// The loop's state between and within rounds.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Rounds {
    pub(super) stage: Stage,
    /// When the last round began.
    started: Instant,
    /// When the last recovery or takeover run began.
    pub(super) worked: Instant,
    /// Something happened that the next round should not wait for.
    again: bool,
    /// We took no part, as the last round saw it.
    pub(super) inactive: bool,
    /// The last recovery did not finish.
    pub(super) unfinished: bool,
    /// The last takeover run failed.
    pub(super) run_failed: bool,
    /// Nodes came or went, or the leader changed, since the last takeover run.
    pub(super) changed: bool,
    /// Who wants a takeover run.
    pub(super) runs_wanted: Vec<SrvIdMessage>,
    /// Nodes that addresses are to move to.
    pub(super) forced: BTreeSet<Pnn>,
    /// Whose fault recoveries are.
    pub(super) culprits: Culprits,
    /// The numbers of nodes files that are not as ours, as this round saw them.
    other_lines: Vec<(Pnn, Vec<Pnn>)>,
}

/// Where in a round we are.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Stage {
    #[default]
    Resting,
    Capabilities(Gather),
    /// The maps that are not as ours.
    NodeMaps(Gather, Vec<(Pnn, NodeMap)>),
    /// The first node in recovery.
    Modes(Gather, Option<Pnn>),
    /// What is known before the maps, and then with those that are not as ours.
    Maps(Gather, Box<Seen>),
    Recovery(Box<Recovery>),
    Takeover(Box<Takeover>),
}

impl Stage {
    fn gather(&mut self) -> Option<&mut Gather> {
        match self {
            Self::Resting => None,
            Self::Capabilities(gather)
            | Self::NodeMaps(gather, _)
            | Self::Modes(gather, _)
            | Self::Maps(gather, _) => Some(gather),
            Self::Recovery(recovery) => Some(&mut recovery.gather),
            Self::Takeover(takeover) => Some(&mut takeover.gather),
        }
    }

    fn is_complete(&mut self) -> bool {
        self.gather().is_some_and(|gather| gather.is_complete())
    }
}

impl Ctdb {
    /// The next round need not wait, if that fix is on.
    pub(super) fn prompt(&mut self, now: Instant) {
        if !self.config.fixes.prompt_rounds {
            return;
        }
        match (&self.rounds.stage, self.timers.at(Wake::Round)) {
            (Stage::Resting, Some(at)) => {
                let soon = (self.rounds.started + self.gap(now, true)).max(now + Duration::from_micros(1));
                self.timers.set(Wake::Round, soon.min(at));
            }
            _ => self.rounds.again = true,
        }
    }

    /// How far apart rounds begin. Recoveries and takeover runs keep their distance, whoever
    /// asks: what failed may just need its time, and is paid for in credits; what a run could not
    /// put right, the next one cannot either.
    fn gap(&self, now: Instant, soon: bool) -> Duration {
        let interval = self.config.tunables.recover_interval().max(Duration::from_secs(1));
        let calm = !self.rounds.run_failed && !self.rounds.unfinished;
        if soon && calm && now.since(self.rounds.worked) >= interval { PROMPT_GAP } else { interval }
    }

    /// An election has held the loop up, and is over: it goes on.
    pub(super) fn round_at_once(&mut self, now: Instant) {
        if matches!(self.rounds.stage, Stage::Resting) && self.timers.at(Wake::Round).is_some() {
            self.timers.set(Wake::Round, now + Duration::from_micros(1));
        }
    }

    pub(super) fn end_round(&mut self, now: Instant) {
        self.rounds.stage = Stage::Resting;
        let again = core::mem::take(&mut self.rounds.again);
        let gap = self.gap(now, again);
        // Never within this input: a driver takes a machine that stays due for one that spins.
        let next = (self.rounds.started + gap).max(now + Duration::from_micros(1));
        self.timers.set(Wake::Round, next);
    }

    pub(super) fn round_due(&mut self, now: Instant, out: Out<'_>) {
        self.rounds.started = now;
        self.remember_counts(now);
        self.rounds.inactive = self.own_flags().is_inactive();
        if self.election.on || self.election.is_forcing() {
            return self.end_round(now);
        }
        self.lead_again_if_alone(out);
        self.start_leader_timers(now);
        self.ban_misbehaving(now, out);
        if self.own_flags().is_inactive() {
            self.election.priority = self.time_of_day(now);
            if self.state.recovery_mode == RecoveryMode::Normal {
                self.set_recovery_mode(now, out, RecoveryMode::Active, true);
            }
            return self.end_round(now);
        }
        let me = self.state.own();
        let own = self.config.capabilities;
        if let Some(node) = self.state.node_mut(me) {
            node.capabilities = own;
        }
        self.look_for_databases(now, out);
        let gather = self.ask_others(now, out, Pnn::BROADCAST_ACTIVE, &RequestData::GetCapabilities);
        self.rounds.stage = Stage::Capabilities(gather);
        self.next_stage_if_complete(now, out);
    }

    /// Asks several nodes the same.
    pub(super) fn ask_each(
        &mut self,
        now: Instant,
        out: Out<'_>,
        nodes: &[Pnn],
        data: &RequestData,
        patience: Duration,
    ) -> Gather {
        let ticket = self.gathering(Task::Round);
        for &pnn in nodes {
            self.ask(now, out, pnn, data, ticket, patience);
        }
        Gather::new(ticket.serial, nodes.len() as u32)
    }

    /// Asks every other node that `whom`, a broadcast, is for. Every node does so every second.
    fn ask_others(&mut self, now: Instant, out: Out<'_>, whom: Pnn, data: &RequestData) -> Gather {
        let ticket = self.gathering(Task::Round);
        let patience = self.config.tunables.control_timeout();
        let mut asked = 0;
        for pnn in self.state.all() {
            let meant = self.state.node(pnn).is_some_and(|node| is_meant(node.flags, whom));
            if meant && !self.state.is_me(pnn) {
                self.ask(now, out, pnn, data, ticket, patience);
                asked += 1;
            }
        }
        Gather::new(ticket.serial, asked)
    }

    /// An answer to something the loop has asked.
    pub(super) fn round_answer(
        &mut self,
        now: Instant,
        out: Out<'_>,
        from: Pnn,
        ticket: Ticket,
        heard: Heard,
    ) {
        let is_mode = matches!(self.rounds.stage, Stage::Modes(..));
        let failed =
            if is_mode { RecoveryMode::try_from(heard.status as u32).is_err() } else { heard.is_failure() };
        if !self.rounds.stage.gather().is_some_and(|gather| gather.takes(ticket, from, failed)) {
            return;
        }
        match &mut self.rounds.stage {
            Stage::Resting => {}
            Stage::Capabilities(_) => self.capabilities_heard(from, &heard),
            Stage::NodeMaps(_, differing) => {
                if let ReplyData::NodeMap(map) = heard.data
                    && !self.state.agrees_with(&map)
                {
                    differing.push((from, map));
                }
            }
            Stage::Modes(_, active) => {
                if heard.status == RecoveryMode::Active as i32 {
                    active.get_or_insert(from);
                }
            }
            Stage::Maps(_, seen) => {
                if let ReplyData::VnnMap(map) = heard.data
                    && map != seen.vnn_map
                    && let Some(node) = seen.active.iter_mut().find(|node| node.pnn == from)
                {
                    node.vnn_map = Some(map);
                }
            }
            Stage::Recovery(_) => self.recovery_heard(out, from, &heard),
            Stage::Takeover(_) => self.takeover_heard(from, ticket, heard, failed),
        }
        self.next_stage_if_complete(now, out);
    }

    pub(super) fn capabilities_heard(&mut self, from: Pnn, heard: &Heard) {
        if let (ReplyData::Capabilities(capabilities), Some(node)) = (&heard.data, self.state.node_mut(from))
        {
            node.capabilities = *capabilities;
        }
    }

    #[inline]
    pub(super) fn next_stage_if_complete(&mut self, now: Instant, out: Out<'_>) {
        // After nearly every answer there are others to come.
        if self.rounds.stage.is_complete() {
            self.next_stages(now, out);
        }
    }

    #[inline(never)]
    fn next_stages(&mut self, now: Instant, out: Out<'_>) {
        while self.rounds.stage.is_complete() {
            match core::mem::take(&mut self.rounds.stage) {
                Stage::Resting => return,
                Stage::Capabilities(gather) => self.capabilities_known(now, out, &gather),
                Stage::NodeMaps(gather, differing) => self.node_maps_known(now, out, &gather, &differing),
                Stage::Modes(gather, active) => self.modes_known(now, out, &gather, active),
                Stage::Maps(gather, seen) => self.maps_known(now, out, &gather, &seen),
                Stage::Recovery(recovery) => self.recovery_step(now, out, *recovery),
                Stage::Takeover(takeover) => self.takeover_step(now, out, *takeover),
            }
        }
    }

    fn capabilities_known(&mut self, now: Instant, out: Out<'_>, gather: &Gather) {
        if gather.has_failed() {
            return self.end_round(now);
        }
        if self.state.recovery_mode == RecoveryMode::Normal {
            if !self.is_leader() {
                self.rounds.runs_wanted.clear();
                self.rounds.forced.clear();
            }
            self.check_addresses(now, out);
        }
        if !self.is_leader() {
            return self.end_round(now);
        }
        let gather = self.ask_others(now, out, Pnn::BROADCAST_CONNECTED, &RequestData::GetNodemap);
        self.rounds.stage = Stage::NodeMaps(gather, Vec::new());
    }

    fn node_maps_known(&mut self, now: Instant, out: Out<'_>, gather: &Gather, differing: &[(Pnn, NodeMap)]) {
        if gather.has_failed() {
            for &pnn in &gather.failed {
                self.credit(now, out, pnn, 1, Credit::Unreachable);
            }
            return self.end_round(now);
        }
        self.sync_flags(now, out, differing);
        let me = self.state.own();
        let numbers_differ = |map: &NodeMap| {
            map.nodes.len() != self.state.nodes.len()
                || map.nodes.iter().zip(self.state.all()).any(|(entry, pnn)| entry.pnn != pnn)
        };
        let numbers = |map: &NodeMap| map.nodes.iter().map(|entry| entry.pnn).collect();
        let others = differing.iter().filter(|(_, map)| numbers_differ(map));
        self.rounds.other_lines = others.map(|(pnn, map)| (*pnn, numbers(map))).collect();
        let gather = self.ask_others(now, out, Pnn::BROADCAST_ACTIVE, &RequestData::GetRecMode);
        let own = (self.state.recovery_mode == RecoveryMode::Active).then_some(me);
        self.rounds.stage = Stage::Modes(gather, own);
    }

    /// Every node knows its own flags best: the leader believes them and tells everybody.
    fn sync_flags(&mut self, now: Instant, out: Out<'_>, differing: &[(Pnn, NodeMap)]) {
        let silent = NodeFlags::DISCONNECTED;
        for pnn in self.state.all() {
            let place = pnn.0 as usize;
            let own =
                differing.iter().find(|(from, _)| *from == pnn).and_then(|(_, map)| map.nodes.get(place));
            let Some(node) = self.state.node(pnn).copied() else { continue };
            let mut push = false;
            let mut flags = node.flags;
            if let Some(own) = own.filter(|_| node.is_connected()) {
                flags = own.flags - silent;
                push = flags != node.flags;
            }
            push |= differing.iter().filter(|(from, _)| *from != pnn).any(|(_, map)| {
                let seen = map.nodes.get(place).map(|entry| entry.flags);
                seen.is_some_and(|seen| !seen.contains(silent) && seen != flags - silent)
            });
            if push && node.is_connected() {
                self.adopt_flags(now, out, (pnn, flags), FlagsCause::Itself);
                self.push_flags(now, out, pnn, flags);
            }
        }
    }

    fn push_flags(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, flags: NodeFlags) {
        let change = RequestData::ModifyFlags(NodeFlagChange { pnn, new: flags, old: flags });
        let to: Vec<_> = self.connected().filter(|&to| !self.state.is_me(to)).collect();
        let patience = self.config.tunables.control_timeout();
        for to in to {
            self.ask(now, out, to, &change, Ticket::UNREAD, patience);
        }
    }

    fn modes_known(&mut self, now: Instant, out: Out<'_>, gather: &Gather, in_recovery: Option<Pnn>) {
        let me = self.state.own();
        let node = |pnn: Pnn| Active {
            pnn,
            capabilities: self.state.node(pnn).map_or_else(Capabilities::empty, |node| node.capabilities),
            mode: (in_recovery == Some(pnn)).then_some(RecoveryMode::Active),
            lines: self
                .rounds
                .other_lines
                .iter()
                .find(|(from, _)| *from == pnn)
                .map(|(_, lines)| lines.clone()),
            vnn_map: None,
        };
        let seen = Seen {
            me,
            unfinished: self.rounds.unfinished,
            without_lock: self.config.cluster_lock.is_some() && !self.election.holds_lock(),
            recoveries_off: self.timers.at(Wake::RecoveriesOn).is_some(),
            lines: self.state.nodes.len() as u32,
            vnn_map: VnnMap { generation: self.state.generation, map: self.state.vnn_map.clone() },
            active: self.active().map(node).collect(),
        };
        let known = verdict::trigger(&seen).is_some();
        if gather.has_failed() && !known {
            return self.end_round(now);
        }
        if seen.recoveries_off || known {
            return self.judged(now, out, &seen);
        }
        let gather = self.ask_others(now, out, Pnn::BROADCAST_ACTIVE, &RequestData::GetVnnMap);
        self.rounds.stage = Stage::Maps(gather, Box::new(seen));
    }

    fn maps_known(&mut self, now: Instant, out: Out<'_>, gather: &Gather, seen: &Seen) {
        if gather.has_failed() && verdict::trigger(seen).is_none() {
            return self.end_round(now);
        }
        self.judged(now, out, seen);
    }

    fn judged(&mut self, now: Instant, out: Out<'_>, seen: &Seen) {
        if !self.is_leader() {
            return self.end_round(now);
        }
        if let Some((trigger, culprit)) = verdict::trigger(seen) {
            if let Some(culprit) = culprit {
                self.credit(now, out, culprit, 1, Credit::Recovery);
            }
            return self.begin_recovery(now, out, trigger);
        }
        let changed = self.rounds.changed && self.config.fixes.run_after_change;
        let due = Due {
            runs_off: self.timers.at(Wake::TakeoverRunsOn).is_some(),
            requested: changed || !self.rounds.runs_wanted.is_empty(),
            last_failed: self.rounds.run_failed,
        };
        if verdict::wants_takeover(due) {
            let asked = core::mem::take(&mut self.rounds.runs_wanted);
            return self.begin_takeover(now, out, Then::Answer(asked));
        }
        self.end_round(now);
    }

    /// Counts something against a node.
    pub(super) fn credit(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, how_many: u32, credit: Credit) {
        let grace = self.config.tunables.recovery_grace_period();
        let count = self.rounds.culprits.credit(&self.state, now, pnn, how_many, grace);
        let Some(count) = count else { return };
        out.notice(Notice::Credited { pnn, count, credit });
    }

    /// Whoever has two credits for each node is told to ban itself.
    pub(super) fn ban_misbehaving(&mut self, now: Instant, out: Out<'_>) {
        let count = self.state.nodes.len() as u32;
        let seconds = self.config.tunables.recovery_ban_period().as_secs() as u32;
        let patience = self.config.tunables.control_timeout();
        while let Some(pnn) = self.rounds.culprits.misbehaving(count) {
            self.rounds.culprits.forget(pnn);
            let ban = RequestData::SetBanState(BanState { pnn, seconds });
            if self.state.is_me(pnn) {
                self.ban(now, out, seconds, BanCause::Told(By::Node(pnn)), None);
            } else {
                self.ask(now, out, pnn, &ban, Ticket::UNREAD, patience);
            }
        }
    }

    /// Somebody wants a takeover run; only the leader acts.
    pub(super) fn takeover_wanted(&mut self, now: Instant, out: Out<'_>, asked: SrvIdMessage) {
        if !self.is_leader() {
            return;
        }
        out.notice(Notice::TakeoverRequested { by: asked.pnn });
        if self.rounds.runs_wanted.len() < RUNS_MAX && !self.rounds.runs_wanted.contains(&asked) {
            self.rounds.runs_wanted.push(asked);
        }
        self.prompt(now);
    }

    /// We lead no more: what we did as the leader ends.
    pub(super) fn give_up_leading(&mut self, now: Instant, out: Out<'_>) {
        match core::mem::take(&mut self.rounds.stage) {
            Stage::Recovery(recovery) => self.recovery_failed(now, out, recovery.step(), None),
            Stage::Takeover(takeover) => self.takeover_aborted(now, out, *takeover),
            stage @ (Stage::Resting
            | Stage::Capabilities(_)
            | Stage::NodeMaps(..)
            | Stage::Modes(..)
            | Stage::Maps(..)) => self.rounds.stage = stage,
        }
    }

    /// Asks everybody to have the leader look at the addresses.
    pub(super) fn ask_for_takeover(&mut self, out: Out<'_>) {
        let asked = SrvIdMessage { pnn: self.state.own(), srvid: SrvId(0) };
        self.tell(out, Pnn::BROADCAST_CONNECTED, &MessageData::TakeoverRun(asked));
    }
}
