//! Who leads: the leader's word once a second, its absence, elections with and without the
//! cluster lock.
//!
//! The leader is believed unchecked, as in ctdbd. With a cluster lock an election is a race for
//! it; without, the node whose recovery daemon is the oldest wins.

use alloc::vec::Vec;

use super::super::ballot::{self, Candidate};
use super::super::config::Config;
use super::super::cx::{Cx, Wake, cx};
use super::super::jobs::Purpose;
use super::super::mail::Heard;
use super::super::notice::{BanCause, LockDenied, Notice};
use super::super::plant::Plant;
use super::super::requests::{Gather, Task, Ticket};
use super::super::types::{Capabilities, NodeFlags, Pnn, RecoveryMode};
use super::super::wire::{self, MessageData, RequestData, TimeVal};
use super::{Ctdb, Out};
use crate::host::{Job, LockNews};
use crate::machine::JobId;
use crate::time::{Duration, Instant};

/// How often the leader says so.
const BROADCAST_EVERY: Duration = Duration::from_secs(1);
/// How long the cluster lock may go unanswered.
const LOCK_LIMIT: Duration = Duration::from_secs(120);
/// How long we wait before we contradict a candidate.
const VOTE_AFTER: Duration = Duration::from_millis(500);

/// How long the first election lasts in test mode.
const FIRST_TESTED: Duration = Duration::from_millis(500);

/// What we know of the election.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Election {
    /// One goes on, as far as we know.
    pub(super) on: bool,
    /// Since when we could lead: the oldest wins.
    pub(super) priority: TimeVal,
    lock: Lock,
    /// An election has been waited for already.
    practised: bool,
    /// Everybody is being put into recovery mode before an election of ours.
    forced: Option<Gather>,
}

/// The cluster lock and we.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Lock {
    #[default]
    Free,
    Trying(JobId, Attempt),
    Held(JobId),
}

/// What an attempt to take the lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Attempt {
    /// Whoever gets it leads.
    Race,
    /// We have won an election by votes.
    Won,
}

impl Election {
    /// Whether the cluster lock is ours, as far as we know.
    pub(super) const fn holds_lock(&self) -> bool {
        matches!(self.lock, Lock::Held(_))
    }

    /// Whether an election of ours waits for everybody's recovery mode.
    pub(super) const fn is_forcing(&self) -> bool {
        self.forced.is_some()
    }
}

impl Ctdb {
    pub(super) fn time_of_day(&self, now: Instant) -> TimeVal {
        let micros = (now.0 as i64).saturating_add(self.state.time_of_day);
        TimeVal { seconds: micros.div_euclid(1_000_000), micros: micros.rem_euclid(1_000_000) }
    }

    pub(super) fn can_lead(&self) -> bool {
        self.config.capabilities.contains(Capabilities::LEADER) && !self.own_flags().is_inactive()
    }

    pub(super) fn is_leader(&self) -> bool {
        self.state.leader.is_some() && self.state.leader == self.state.me
    }

    /// The round has found these timers idle, perhaps.
    pub(super) fn start_leader_timers(&mut self, now: Instant) {
        if self.timers.at(Wake::Broadcast).is_none() {
            self.timers.set(Wake::Broadcast, now + BROADCAST_EVERY);
        }
        if self.timers.at(Wake::LeaderTimeout).is_none() {
            self.timers.set(Wake::LeaderTimeout, now + leader_timeout(&self.config));
        }
    }

    pub(super) fn broadcast_due(&mut self, now: Instant, out: Out<'_>) {
        self.timers.set(Wake::Broadcast, now + BROADCAST_EVERY);
        // In ctdbd what has changed since the last round is not known here.
        let stale = !self.config.fixes.prompt_rounds;
        let inactive = if stale { self.rounds.inactive } else { self.own_flags().is_inactive() };
        let able = self.config.capabilities.contains(Capabilities::LEADER) && !inactive;
        if !able && !self.config.plants.has(Plant::LeadsInactive) {
            if self.is_leader() {
                self.follow(now, out, None);
            }
            self.release_lock(now, out);
        } else if self.is_leader() && !self.election.on {
            self.tell(out, Pnn::BROADCAST_CONNECTED, &MessageData::Leader(self.state.own()));
        }
    }

    /// Somebody says who leads, or that an election has begun.
    pub(super) fn leader_heard(&mut self, now: Instant, out: Out<'_>, said: Pnn) {
        self.timers.cancel(Wake::LeaderTimeout);
        let leader = said.known();
        if leader.is_none() && self.state.leader.is_some() {
            let began = !core::mem::replace(&mut self.election.on, true);
            if began {
                out.notice(Notice::ElectionStarted);
                if self.config.cluster_lock.is_some() {
                    self.race_for_lock(now, out);
                }
            }
            return;
        }
        self.follow(now, out, leader);
        self.timers.set(Wake::LeaderTimeout, now + leader_timeout(&self.config));
    }

    /// We follow somebody else, or nobody; what we did as the leader ends.
    pub(super) fn follow(&mut self, now: Instant, out: Out<'_>, leader: Option<Pnn>) {
        let from = core::mem::replace(&mut self.state.leader, leader);
        if from == leader {
            return;
        }
        out.notice(Notice::LeaderChanged { from, to: leader });
        self.rounds.changed = true;
        if !self.is_leader() {
            self.give_up_leading(now, out);
        }
    }

    pub(super) fn leader_missed(&mut self, now: Instant, out: Out<'_>) {
        out.notice(Notice::LeaderMissed { last: self.state.leader });
        self.force_election(now, out);
    }

    /// Puts every active node into recovery mode; the election follows once all have answered.
    pub(super) fn force_election(&mut self, now: Instant, out: Out<'_>) {
        if self.election.forced.is_some() {
            return;
        }
        let to: Vec<_> = self.active().collect();
        if to.is_empty() {
            // Nobody takes part, not even we: nobody is to be asked.
            return self.elect(now, out);
        }
        let ticket = self.gathering(Task::Election);
        self.election.forced = Some(Gather::new(ticket.serial, to.len() as u32));
        let patience = self.config.tunables.control_timeout();
        for pnn in to {
            self.ask(now, out, pnn, &RequestData::SetRecMode(RecoveryMode::Active), ticket, patience);
        }
    }

    /// A node has answered whether it is in recovery mode.
    pub(super) fn election_answer(
        &mut self,
        now: Instant,
        out: Out<'_>,
        from: Pnn,
        ticket: Ticket,
        heard: &Heard,
    ) {
        let Some(gather) = &mut self.election.forced else { return };
        if !gather.takes(ticket, from, heard.is_failure()) || !gather.is_complete() {
            return;
        }
        let failed = gather.has_failed();
        self.election.forced = None;
        if failed {
            self.timers.set(Wake::LeaderTimeout, now + leader_timeout(&self.config));
            self.round_at_once(now);
        } else {
            self.elect(now, out);
        }
    }

    fn elect(&mut self, now: Instant, out: Out<'_>) {
        if !core::mem::replace(&mut self.election.on, true) {
            out.notice(Notice::ElectionStarted);
        }
        self.tell(out, Pnn::BROADCAST_CONNECTED, &MessageData::Leader(Pnn::UNKNOWN));
        if self.config.cluster_lock.is_some() {
            return self.race_for_lock(now, out);
        }
        self.wait_for_election(now);
        self.vote(now, out);
    }

    fn wait_for_election(&mut self, now: Instant) {
        // The first is short in test mode.
        let first = !core::mem::replace(&mut self.election.practised, true);
        let timeout =
            if first && self.config.test_mode { FIRST_TESTED } else { election_timeout(&self.config) };
        self.timers.set(Wake::Election, now + timeout);
    }

    /// Says that we would lead.
    pub(super) fn vote(&mut self, now: Instant, out: Out<'_>) {
        let vote = self.candidate().vote(self.time_of_day(now));
        self.follow(now, out, self.state.me);
        self.tell(out, Pnn::BROADCAST_ALL, &MessageData::Election(vote));
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            pnn: self.state.own(),
            flags: self.own_flags(),
            capable: self.config.capabilities.contains(Capabilities::LEADER),
            priority: self.election.priority,
            connected: self.state.all().filter(|&pnn| self.is_connected(pnn)).count() as u32,
        }
    }

    /// Somebody says that it would lead.
    pub(super) fn election_heard(&mut self, now: Instant, out: Out<'_>, other: &wire::Election) {
        if self.state.is_me(other.pnn) || self.state.node(other.pnn).is_none() {
            return;
        }
        self.wait_for_election(now);
        if !core::mem::replace(&mut self.election.on, true) {
            out.notice(Notice::ElectionStarted);
        }
        let mut wins = ballot::wins(&self.candidate(), other);
        if self.config.plants.has(Plant::YoungerWins) && self.can_lead() {
            wins = !wins;
        }
        if wins {
            if self.timers.at(Wake::Vote).is_none() {
                self.timers.set(Wake::Vote, now + VOTE_AFTER);
            }
            return;
        }
        self.timers.cancel(Wake::Vote);
        self.release_lock(now, out);
        self.follow(now, out, Some(other.pnn));
    }

    pub(super) fn election_over(&mut self, now: Instant, out: Out<'_>) {
        self.election.on = false;
        if self.is_leader() && self.config.cluster_lock.is_some() && !self.election.holds_lock() {
            self.try_lock(now, out, Attempt::Won);
        }
        self.round_at_once(now);
    }

    fn race_for_lock(&mut self, now: Instant, out: Out<'_>) {
        if !self.can_lead() {
            self.release_lock(now, out);
            self.election.on = false;
        } else if self.election.holds_lock() {
            self.election.on = false;
            if self.config.fixes.holder_leads {
                self.follow(now, out, self.state.me);
            }
        } else {
            self.follow(now, out, None);
            self.try_lock(now, out, Attempt::Race);
        }
    }

    fn try_lock(&mut self, now: Instant, out: Out<'_>, attempt: Attempt) {
        let Some(name) = self.config.cluster_lock.as_deref() else { return };
        if self.election.lock == Lock::Free {
            let what = Job::HoldLock { name: name.into() };
            self.election.lock = Lock::Trying(cx!(self, now, out).start(Purpose::Lock, what), attempt);
            self.timers.set(Wake::LockTry, now + LOCK_LIMIT);
        }
    }

    /// News of the lock we hold or want.
    pub(super) fn lock_news(&mut self, now: Instant, out: Out<'_>, job: JobId, news: LockNews) {
        if news != LockNews::Held {
            self.jobs.ended(job);
        }
        match self.election.lock {
            Lock::Trying(held, attempt) if held == job => self.lock_answered(now, out, job, attempt, news),
            Lock::Held(held) if held == job && news == LockNews::Lost => {
                self.election.lock = Lock::Free;
                out.notice(Notice::LockLost);
                if self.can_lead() {
                    self.force_election(now, out);
                }
            }
            Lock::Free | Lock::Trying(..) | Lock::Held(_) => {}
        }
    }

    /// The lock has not been answered for as long as a leader waits.
    pub(super) fn lock_late(&mut self, now: Instant, out: Out<'_>) {
        if let Lock::Trying(job, attempt) = self.election.lock {
            cx!(self, now, out).cancel(job);
            self.lock_answered(now, out, job, attempt, LockNews::TimedOut);
        }
    }

    fn lock_answered(&mut self, now: Instant, out: Out<'_>, job: JobId, attempt: Attempt, news: LockNews) {
        let waited = self.waited(Wake::LockTry, LOCK_LIMIT, now);
        self.timers.cancel(Wake::LockTry);
        self.election.on = false;
        self.election.lock = Lock::Free;
        if news == LockNews::Held {
            self.election.lock = Lock::Held(job);
            self.counters.lock_taken(waited);
            out.notice(Notice::LockTaken);
            if self.can_lead() {
                self.follow(now, out, self.state.me);
            } else {
                self.release_lock(now, out);
            }
        } else {
            out.notice(Notice::LockDenied(LockDenied::of(news).unwrap_or(LockDenied::Failed)));
            if attempt == Attempt::Won {
                self.ban_self(now, out, BanCause::ElectionLock);
            }
        }
        self.round_at_once(now);
    }

    /// Gives the lock up, or the attempt to take it.
    pub(super) fn release_lock(&mut self, now: Instant, out: Out<'_>) {
        match self.election.lock {
            Lock::Free => return,
            Lock::Held(_) if self.config.plants.has(Plant::LockKept) => return,
            Lock::Trying(job, _) => {
                self.election.on = false;
                cx!(self, now, out).cancel(job);
            }
            Lock::Held(job) => {
                cx!(self, now, out).cancel(job);
                out.notice(Notice::LockReleased);
            }
        }
        self.election.lock = Lock::Free;
    }

    /// Every node without an inactive flag, as we see it.
    pub(super) fn active(&self) -> impl Iterator<Item = Pnn> + '_ {
        self.state.all().filter(|&pnn| self.state.node(pnn).is_some_and(|node| !node.flags.is_inactive()))
    }

    /// Every node that is neither deleted nor disconnected, ourselves included.
    pub(super) fn connected(&self) -> impl Iterator<Item = Pnn> + '_ {
        let gone = NodeFlags::DELETED | NodeFlags::DISCONNECTED;
        self.state
            .all()
            .filter(move |&pnn| self.state.node(pnn).is_some_and(|node| !node.flags.intersects(gone)))
    }
}

/// `ElectionTimeout`, at least a second.
fn election_timeout(config: &Config) -> Duration {
    config.tunables.election_timeout().max(Duration::from_secs(1))
}

/// `leader timeout`, at least a second.
fn leader_timeout(config: &Config) -> Duration {
    config.leader_timeout.max(Duration::from_secs(1))
}
