//! A replica takes over because an operator wants it.

use super::super::notice::{EpochCause, Manual, Notice};
use super::super::table::Ix;
use super::super::wire::{Kind, Packet};
use super::operate::Denied;
use super::{Gossip, Out, Todo};
use crate::machine::LinkId;
use crate::time::{Duration, Instant};

/// How long it may take.
const LIMIT: Duration = Duration::from_millis(5_000);
/// How long clients' writes wait at most.
const PAUSE: Duration = Duration::from_millis(10_000);

/// A manual failover under way, at the replica or at its master.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct ManualFailover {
    /// When it is given up.
    deadline: Option<Instant>,
    /// At the replica: the election may begin.
    may_start: bool,
    /// At the replica: how far the master's data go.
    target: Option<u64>,
    /// At the master: who takes over.
    replica: Option<Ix>,
    /// At the master: until when writes wait.
    paused_until: Option<Instant>,
}

impl ManualFailover {
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn may_start(&self) -> bool {
        self.deadline.is_some() && self.may_start
    }

    /// Whether our headers say that writes wait.
    pub(super) const fn pauses(&self) -> bool {
        self.deadline.is_some() && self.replica.is_some()
    }

    pub(super) fn is_replica(&self, at: Ix) -> bool {
        self.deadline.is_some() && self.replica == Some(at)
    }

    pub(super) fn holds_writes(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    pub(super) fn forget(&mut self, at: Ix) {
        if self.replica == Some(at) {
            self.reset();
        }
    }
}

impl Gossip {
    /// `CLUSTER FAILOVER [FORCE|TAKEOVER]`, at the replica.
    ///
    /// # Errors
    /// As Redis says no.
    pub(in super::super) fn fail_over(
        &mut self,
        now: Instant,
        out: Out<'_>,
        how: Manual,
    ) -> Result<(), Denied> {
        let me = self.table.me();
        if me.is_master() {
            return Err(Denied::FailoverAtMaster);
        }
        let Some(master) = me.master else { return Err(Denied::MasterUnknown) };
        let node = self.table.get(master);
        let failed = node.flags.contains(super::NodeFlags::FAIL);
        if how == Manual::Default && (failed || !node.has_link()) {
            return Err(Denied::MasterDown);
        }
        self.manual = ManualFailover { deadline: Some(now + LIMIT), ..ManualFailover::default() };
        out.notice(Notice::ManualStarted { how });
        match how {
            Manual::Default => self.send_bare(master, Kind::MfStart),
            Manual::Force => {
                self.manual.may_start = true;
                // Not held back by an attempt that failed before.
                self.election = super::Election::default();
                self.todo |= Todo::ELECTION;
            }
            Manual::Takeover => {
                self.bump_epoch(out, EpochCause::Takeover);
                self.promote(now, out, 0);
            }
        }
        Ok(())
    }

    /// MFSTART, at the master.
    pub(super) fn asked_to_pause(&mut self, now: Instant, out: Out<'_>, link: LinkId, by: Ix) {
        if !self.table.me().is_master() || self.table.get(by).master != Some(Ix::ME) {
            return;
        }
        self.manual = ManualFailover {
            deadline: Some(now + LIMIT),
            replica: Some(by),
            paused_until: Some(now + PAUSE),
            ..ManualFailover::default()
        };
        // It is told with every tick that we wait.
        self.look_soon(now, by);
        let replica = self.table.get(by).id;
        out.notice(Notice::ManualPaused { replica });
        let ping = self.gossip_message(Kind::Ping);
        self.send(link, Kind::Ping, ping);
    }

    /// Our master says how far its data go, now that its writes wait.
    pub(super) fn learn_manual_offset(&mut self, at: Ix, packet: &Packet<'_>) {
        let waits = self.manual.deadline.is_some() && !self.manual.may_start && self.manual.target.is_none();
        if waits && packet.paused() && self.table.me().master == Some(at) {
            self.manual.target = Some(packet.offset);
            self.todo |= Todo::MANUAL;
        }
    }

    /// Once we have all of the master's data, the election begins.
    pub(super) fn manual_step(&mut self) {
        self.todo.remove(Todo::MANUAL);
        if self.manual.deadline.is_none() || self.manual.may_start {
            return;
        }
        // Without data there is nothing to wait for: the operator chose it.
        if self
            .manual
            .target
            .is_some_and(|target| !self.data.is_kept(&self.config) || target == self.offset())
        {
            self.manual.may_start = true;
            self.election = super::Election::default();
            self.todo |= Todo::ELECTION;
        }
    }

    pub(super) fn manual_deadline(&mut self, now: Instant, out: Out<'_>) {
        if self.manual.deadline.is_some_and(|deadline| now > deadline) {
            self.manual.reset();
            out.notice(Notice::ManualExpired);
        }
    }
}
