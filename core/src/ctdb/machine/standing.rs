//! Whether this node takes part: recovery mode, bans, stops, and what they do to its addresses.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::controls::Answer;
use super::super::cx::{Cx, Wake, cx};
use super::super::jobs::Purpose;
use super::super::notice::{BanCause, By, DropCause, FlagsCause, Notice};
use super::super::plant::Plant;
use super::super::requests::Asker;
use super::super::types::{Generation, NodeFlags, Pnn, RecoveryMode, RunState};
use super::super::wire::{BanState, VnnMap};
use super::{Ctdb, Out};
use crate::host::{Job, LockNews};
use crate::machine::JobId;
use crate::time::{Duration, Instant};

/// How long a node that is told to end its recovery waits for news of the lock.
const LOCK_CHECK_LIMIT: Duration = Duration::from_secs(5);

/// What keeps this node from taking part, and what is being done about it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Standing {
    /// The length of the ban in force; 0 for none.
    pub(super) ban_seconds: u32,
    dropping: Option<Dropping>,
    /// A recovery lasts too long: what is under way here goes as soon as it has come.
    pub(super) gave_up: bool,
    /// Somebody who wants normal mode waits for news of the lock.
    lock_check: Option<(JobId, Vec<Asker>)>,
}

/// All addresses are being given up, one after the other.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Dropping {
    cause: DropCause,
    left: VecDeque<IpAddr>,
    /// Who waits for the end.
    askers: Vec<Asker>,
}

impl Standing {
    /// Whether addresses are being given up just now.
    pub(super) const fn is_dropping(&self) -> bool {
        self.dropping.is_some()
    }
}

impl Ctdb {
    /// Our own flags, as we know them.
    pub(super) fn own_flags(&self) -> NodeFlags {
        let own = self.state.me.and_then(|me| self.state.node(me));
        own.map_or(NodeFlags::empty(), |node| node.flags)
    }

    pub(super) fn set_own_flags(
        &mut self,
        out: Out<'_>,
        set: NodeFlags,
        clear: NodeFlags,
        cause: FlagsCause,
    ) {
        let own = self.state.own();
        self.set_flags(out, (own, (self.own_flags() | set) - clear), cause);
    }

    pub(super) fn set_recovery_mode(&mut self, now: Instant, out: Out<'_>, to: RecoveryMode, timed: bool) {
        if to == RecoveryMode::Normal {
            self.timers.cancel(Wake::DropAll);
            self.standing.gave_up = false;
        }
        if core::mem::replace(&mut self.state.recovery_mode, to) == to {
            return;
        }
        out.notice(Notice::RecoveryModeChanged { to });
        let timed = timed && !self.config.plants.has(Plant::DropAllForgotten);
        if to == RecoveryMode::Active && timed {
            self.timers.set(Wake::DropAll, now + self.config.tunables.recovery_drop_all_ips());
        }
    }

    /// SET_RECMODE; answered late if the cluster lock has to be looked at.
    pub(super) fn recovery_mode_asked(
        &mut self,
        now: Instant,
        out: Out<'_>,
        to: RecoveryMode,
        asker: Option<Asker>,
    ) -> Option<Answer> {
        if to == RecoveryMode::Active {
            self.set_recovery_mode(now, out, to, true);
            return Some(Answer::OK);
        }
        if !self.store.is_of(self.state.generation) {
            return Some(Answer::failed("not all databases are recovered"));
        }
        let Some(name) = self.config.cluster_lock.as_deref() else {
            self.set_recovery_mode(now, out, to, false);
            return Some(Answer::OK);
        };
        self.timers.cancel(Wake::DropAll);
        if let Some((_, askers)) = &mut self.standing.lock_check {
            askers.extend(asker);
            return None;
        }
        let what = Job::HoldLock { name: name.into() };
        let job = cx!(self, now, out).start(Purpose::LockCheck, what);
        self.standing.lock_check = Some((job, asker.into_iter().collect()));
        self.timers.set(Wake::LockCheck, now + LOCK_CHECK_LIMIT);
        None
    }

    /// Whether anybody holds the cluster lock is known, or will not be.
    pub(super) fn lock_checked(&mut self, now: Instant, out: Out<'_>, news: LockNews) {
        let Some((job, askers)) = self.standing.lock_check.take() else { return };
        let waited = self.waited(Wake::LockCheck, LOCK_CHECK_LIMIT, now);
        self.counters.lock_checked(waited);
        self.timers.cancel(Wake::LockCheck);
        if news == LockNews::Held || news == LockNews::TimedOut {
            cx!(self, now, out).cancel(job);
        }
        self.jobs.ended(job);
        let answer = match news {
            LockNews::Busy | LockNews::TimedOut => {
                self.set_recovery_mode(now, out, RecoveryMode::Normal, false);
                Answer::OK
            }
            LockNews::Held | LockNews::Lost => {
                Answer::failed("the cluster lock could be taken: it is broken")
            }
            LockNews::Failed => Answer::failed("the cluster lock cannot be tried"),
        };
        askers.into_iter().for_each(|asker| self.reply(out, asker, &answer));
    }

    /// SETVNNMAP: only in recovery.
    pub(super) fn vnn_map_asked(&mut self, out: Out<'_>, map: &VnnMap) -> Answer {
        let stale = self.config.plants.has(Plant::MapInNormalMode);
        if self.state.recovery_mode != RecoveryMode::Active && !stale {
            return Answer::failed("not in recovery mode");
        }
        self.state.generation = map.generation;
        self.state.vnn_map.clone_from(&map.map);
        out.notice(Notice::VnnMapSet { generation: map.generation, size: map.map.len() as u32 });
        Answer::OK
    }

    /// SET_BAN_STATE; answered late if addresses have to go first.
    pub(super) fn ban_asked(
        &mut self,
        now: Instant,
        out: Out<'_>,
        ban: BanState,
        (asker, by): (Option<Asker>, By),
    ) -> Option<Answer> {
        if !self.state.is_me(ban.pnn) {
            return Some(Answer::failed("that is another node's ban"));
        }
        if ban.seconds == 0 {
            self.unban(out, FlagsCause::Told(by));
            return Some(Answer::OK);
        }
        if !self.config.tunables.enable_bans() {
            return Some(Answer::OK);
        }
        let was = self.own_flags().contains(NodeFlags::BANNED);
        self.ban(now, out, ban.seconds, BanCause::Told(by), asker);
        was.then_some(Answer::OK)
    }

    pub(super) fn ban_self(&mut self, now: Instant, out: Out<'_>, cause: BanCause) {
        let seconds = self.config.tunables.recovery_ban_period().as_secs() as u32;
        self.ban(now, out, seconds, cause, None);
    }

    /// Bans this node, or begins its ban anew. `asker` is answered once the addresses are gone,
    /// unless it was banned before.
    pub(super) fn ban(
        &mut self,
        now: Instant,
        out: Out<'_>,
        seconds: u32,
        cause: BanCause,
        asker: Option<Asker>,
    ) {
        if !self.config.tunables.enable_bans() {
            return self.reply_if(out, asker, &Answer::OK);
        }
        let was = self.own_flags().contains(NodeFlags::BANNED);
        out.notice(Notice::Banned { seconds, cause });
        self.standing.ban_seconds = seconds;
        if !self.config.plants.has(Plant::BanUnending) {
            self.timers.set(Wake::BanEnd, now + Duration::from_secs(seconds.into()));
        }
        self.set_own_flags(out, NodeFlags::BANNED, NodeFlags::empty(), FlagsCause::Ban);
        if !was {
            self.become_inactive(now, out, asker);
        }
    }

    /// The ban is over: by its timer, or by an operator.
    pub(super) fn unban(&mut self, out: Out<'_>, cause: FlagsCause) {
        self.timers.cancel(Wake::BanEnd);
        self.standing.ban_seconds = 0;
        if self.own_flags().contains(NodeFlags::BANNED) {
            out.notice(Notice::Unbanned);
            self.set_own_flags(out, NodeFlags::empty(), NodeFlags::BANNED, cause);
        }
    }

    /// STOP_NODE; answered when the addresses are gone.
    pub(super) fn stop_asked(
        &mut self,
        now: Instant,
        out: Out<'_>,
        (asker, by): (Option<Asker>, By),
    ) -> Option<Answer> {
        if self.own_flags().contains(NodeFlags::STOPPED) {
            return Some(Answer::OK);
        }
        self.set_own_flags(out, NodeFlags::STOPPED, NodeFlags::empty(), FlagsCause::Told(by));
        self.become_inactive(now, out, asker);
        None
    }

    fn become_inactive(&mut self, now: Instant, out: Out<'_>, asker: Option<Asker>) {
        self.state.generation = Generation::INVALID;
        self.set_recovery_mode(now, out, RecoveryMode::Active, false);
        if self.config.plants.has(Plant::KeptWhenInactive) {
            return self.reply_if(out, asker, &Answer::OK);
        }
        self.drop_all(now, out, DropCause::Inactive, asker);
        self.prompt(now);
    }

    /// Gives up every public address, one after the other.
    pub(super) fn drop_all(&mut self, now: Instant, out: Out<'_>, cause: DropCause, asker: Option<Asker>) {
        // The `shutdown` event does so itself.
        if self.config.failover_disabled || self.state.runstate == RunState::Shutdown {
            return self.reply_if(out, asker, &Answer::OK);
        }
        out.notice(Notice::DroppingAll { cause, held: self.addresses.held() });
        self.standing.gave_up |= cause == DropCause::RecoveryTooLong;
        let left = self.addresses.to_drop().into();
        match &mut self.standing.dropping {
            Some(dropping) => dropping.askers.extend(asker),
            None => {
                self.standing.dropping = Some(Dropping { cause, left, askers: asker.into_iter().collect() });
                self.drop_next(now, out);
            }
        }
    }

    /// The next address to give up; when there is none, whoever waits is told.
    pub(super) fn drop_next(&mut self, now: Instant, out: Out<'_>) {
        let active = !self.own_flags().is_inactive();
        let normal = self.state.recovery_mode == RecoveryMode::Normal;
        while let Some(dropping) = &mut self.standing.dropping {
            let over = match dropping.cause {
                DropCause::Inactive => active,
                DropCause::RecoveryTooLong => normal,
            };
            if over {
                dropping.left.clear();
            }
            let Some(address) = dropping.left.pop_front() else {
                let askers = core::mem::take(&mut dropping.askers);
                self.standing.dropping = None;
                askers.into_iter().for_each(|asker| self.reply(out, asker, &Answer::OK));
                return self.answer_conflicts(out);
            };
            if self.begin_drop(now, out, address) {
                return;
            }
        }
    }

    /// How long this node is banned for, as GET_BAN_STATE tells it.
    pub(super) fn ban_state(&self) -> BanState {
        BanState { pnn: self.state.me.unwrap_or(Pnn::UNKNOWN), seconds: self.standing.ban_seconds }
    }
}
