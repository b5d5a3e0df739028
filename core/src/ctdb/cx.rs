//! The first parameter of every part: what it may read, and where it may write.

use core::net::IpAddr;

use super::config::Config;
use super::jobs::{Jobs, Purpose};
use super::machine::Ctdb;
use super::notice::Notice;
use super::types::Pnn;
use crate::host::Job;
use crate::machine::{Effect, JobId, Outbox};
use crate::time::Instant;
use crate::timers::{Timer, Timers};

/// What wakes the machine, in the order in which ties fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Wake {
    /// The keepalive tick.
    Keepalive,
    /// A connect has taken too long.
    DialLimit(Pnn),
    /// A node is to be dialled again.
    Redial(Pnn),
    /// The oldest question has waited too long.
    Requests,
    /// The next monitor event.
    Monitor,
    /// The next look whether the `startup` event may run.
    Startup,
    /// The next round of announcements of this address.
    Announce(IpAddr),
    /// The next announcement that an operator asked for.
    Shout,
    /// Changed tickle lists go out.
    Tickles,
    /// The recovery has gone on for too long: drop all addresses.
    DropAll,
    /// Our ban ends.
    BanEnd,
    /// The next round of the recovery loop.
    Round,
    /// The leader says so.
    Broadcast,
    /// Nobody has said so for too long.
    LeaderTimeout,
    /// The election ends.
    Election,
    /// Our answer in the election.
    Vote,
    /// Takeover runs are on again.
    TakeoverRunsOn,
    /// Recoveries are on again.
    RecoveriesOn,
    /// The cluster lock we want has not been answered.
    LockTry,
    /// Whether the cluster lock is free has not been answered.
    LockCheck,
}

impl Timer for Wake {
    fn why(&self) -> &'static str {
        match self {
            Self::Keepalive => "keepalive",
            Self::DialLimit(_) => "dial-limit",
            Self::Redial(_) => "redial",
            Self::Requests => "requests",
            Self::Monitor => "monitor",
            Self::Startup => "startup",
            Self::Announce(_) => "announce",
            Self::Shout => "shout",
            Self::Tickles => "tickles",
            Self::DropAll => "drop-all",
            Self::BanEnd => "ban-end",
            Self::Round => "round",
            Self::Broadcast => "broadcast",
            Self::LeaderTimeout => "leader-timeout",
            Self::Election => "election",
            Self::Vote => "vote",
            Self::TakeoverRunsOn => "takeover-runs-on",
            Self::RecoveriesOn => "recoveries-on",
            Self::LockTry => "lock-try",
            Self::LockCheck => "lock-check",
        }
    }
}

/// What a part's tests make a context of.
#[cfg(test)]
pub(super) type Out = Outbox<Ctdb>;

/// The context of one input.
pub(super) struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) timers: &'a mut Timers<Wake>,
    pub(super) jobs: &'a mut Jobs,
    pub(super) out: &'a mut Outbox<Ctdb>,
}

impl Cx<'_> {
    pub(super) fn notice(&mut self, notice: Notice) {
        self.out.notice(notice);
    }

    /// Begins a job.
    pub(super) fn start(&mut self, purpose: Purpose, what: Job) -> JobId {
        self.jobs.start(self.out, purpose, what)
    }

    /// Ends a job before its time.
    pub(super) fn cancel(&mut self, job: JobId) {
        self.jobs.cancel(self.out, job);
    }

    pub(super) fn push(&mut self, effect: Effect<Ctdb>) {
        self.out.push(effect);
    }
}

/// Borrows the context out of the machine's fields, leaving the parts free.
macro_rules! cx {
    ($self:ident, $now:expr, $out:expr) => {
        Cx {
            now: $now,
            config: &$self.config,
            timers: &mut $self.timers,
            jobs: &mut $self.jobs,
            out: &mut *$out,
        }
    };
}
pub(super) use cx;
