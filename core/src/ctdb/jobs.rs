//! Work the host does for us, and what each piece is for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::net::IpAddr;

use super::machine::Ctdb;
use super::requests::Asker;
use crate::host::Job;
use crate::machine::{Effect, JobId, Outbox};

/// What a job is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Purpose {
    /// The nodes file, to find out who we are.
    Boot,
    /// The nodes file, to take over.
    Reload(Reloader),
    /// The nodes file, to show; `None` if nobody wants the answer.
    ShowNodes(Option<Asker>),
    /// The public addresses file, at the start.
    Addresses,
    /// The public addresses file, to take over.
    ReloadAddresses(Reloader),
    /// The tunables file, to take over.
    ReloadTunables,
    /// A step of an event: the list of scripts, a script, an address placed or taken off.
    Event,
    /// The notify script.
    Notify,
    /// An announcement of an address on an interface.
    Announce(IpAddr, String),
    /// The cluster lock, to hold.
    Lock,
    /// The cluster lock, to see whether somebody holds it.
    LockCheck,
}

/// Who wants a file read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Reloader {
    /// The operator's side: nobody has asked the tool's questions yet.
    Beside,
    /// A control, whose sender may want no answer.
    Control(Option<Asker>),
}

/// The jobs under way.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Jobs {
    under_way: BTreeMap<JobId, Purpose>,
    next: u64,
}

impl Jobs {
    /// Begins a job.
    pub(super) fn start(&mut self, out: &mut Outbox<Ctdb>, purpose: Purpose, what: Job) -> JobId {
        let job = JobId(self.next);
        self.next += 1;
        self.under_way.insert(job, purpose);
        out.push(Effect::Start { job, what });
        job
    }

    /// What a job is for; it stays under way.
    pub(super) fn purpose(&self, job: JobId) -> Option<&Purpose> {
        self.under_way.get(&job)
    }

    /// A job has ended: what was it for?
    pub(super) fn ended(&mut self, job: JobId) -> Option<Purpose> {
        self.under_way.remove(&job)
    }

    /// Ends a job before its time.
    pub(super) fn cancel(&mut self, out: &mut Outbox<Ctdb>, job: JobId) {
        if self.under_way.remove(&job).is_some() {
            out.push(Effect::Cancel { job });
        }
    }
}
