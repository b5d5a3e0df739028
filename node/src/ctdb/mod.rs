//! In ctdbd's place: its start, its files and paths, its event socket, and the hands of its
//! machine.

mod check;
pub mod eventd;
mod guarding;
pub mod place;
mod realtime;
pub mod settings;
pub mod start;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::wire::DebugLevel;
use standin_core::host::{Done, Fact, Job, Placed};
use standin_core::machine::{Endpoint, JobId, Level, PortId};
use standin_core::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

use self::guarding::Guarding;
use crate::driver::{Hands, News, Times};
use crate::guard::Guard;
use crate::jobs::{Jobs, Tools};
use crate::log::{self, Volume};
use crate::net::Net;
use crate::streams::room::Caller;

/// How much a debug level lets into the log. What ctdbd tells as a notice is information here.
#[must_use]
pub const fn loudness(level: DebugLevel) -> Level {
    match level {
        DebugLevel(..1) => Level::Error,
        DebugLevel(..3) => Level::Warn,
        DebugLevel(..5) => Level::Info,
        DebugLevel(..10) => Level::Debug,
        DebugLevel(_) => Level::Trace,
    }
}

/// What the machine's hands hold.
#[derive(Debug)]
pub struct CtdbHands {
    jobs: Jobs,
    /// Is told which public addresses are here, whenever that may have changed.
    guarding: Option<Guarding>,
    /// Looks whether somebody else has one of them.
    watch: Option<Net>,
    /// Follows the machine's debug level.
    volume: Option<Volume>,
    changed: bool,
}

impl CtdbHands {
    /// Hands without a job. Answers go to `tell`.
    #[must_use]
    pub fn new(tools: Tools, guard: Option<Guard>, tell: UnboundedSender<News<Ctdb>>) -> Self {
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel::<(JobId, Done)>();
        tokio::task::spawn_local(async move {
            while let Some((job, done)) = answered.recv().await {
                if tell.send(News::Job(job, done)).is_err() {
                    return;
                }
            }
        });
        let (jobs, guarding) = (Jobs::new(tools, answers), guard.map(Guarding::new));
        Self { jobs, guarding, watch: None, volume: None, changed: false }
    }

    /// Who else answers for an address of ours is looked for, and named in the log.
    #[must_use]
    pub fn watching(self, net: Option<Net>) -> Self {
        Self { watch: net, ..self }
    }

    /// As much is logged as the machine is told to.
    #[must_use]
    pub fn logging(self, volume: Volume) -> Self {
        Self { volume: Some(volume), ..self }
    }
}

impl Hands<Ctdb> for CtdbHands {
    fn start(&mut self, job: JobId, what: Job) {
        self.jobs.start(job, what);
    }

    fn cancel(&mut self, job: JobId) {
        self.jobs.cancel(job);
    }

    fn counts(&mut self, job: JobId, done: &Done) -> bool {
        self.jobs.counts(job, done)
    }

    fn noticed(&mut self, _: &Ctdb, notice: &Notice) {
        if let Notice::StartRefused(_) = notice {
            // The last thing said, however little is logged.
            log::notice_as(Level::Error, notice);
        } else {
            log::notice(notice);
        }
        if let Some(guarding) = &mut self.guarding {
            guarding.noticed(notice);
        }
        self.changed |= matches!(
            notice,
            Notice::Taking { .. }
                | Notice::Taken { .. }
                | Notice::TakeFailed { .. }
                | Notice::Released { .. }
                | Notice::ReleaseRedundant { .. }
                | Notice::Updating { .. }
                | Notice::Updated { .. }
                | Notice::AddressesReloaded { .. }
        );
    }

    /// Nodes dial by TCP, and everybody else the daemon's socket.
    fn caller(&self, _: PortId, on: &Endpoint) -> Caller {
        match on {
            Endpoint::Tcp(_) => Caller::Peer,
            Endpoint::Unix(_) => Caller::Client,
        }
    }

    fn turned(&mut self, machine: &Ctdb) {
        if let Some(volume) = &mut self.volume {
            volume.set(loudness(machine.config().debug_level));
        }
        if !std::mem::take(&mut self.changed) {
            return;
        }
        if self.guarding.is_none() && self.watch.is_none() {
            return;
        }
        let held: Vec<_> = machine
            .public_addresses()
            .filter(|public| public.holder.is_some() && public.holder == machine.pnn())
            .filter_map(|public| {
                let interface = public.interface?.into();
                Some(Placed { interface, address: public.address, prefix: public.bits })
            })
            .collect();
        if let Some(net) = &self.watch
            && let Err(error) = net.hold(&held)
        {
            tracing::warn!(%error, "cannot look for others who have our addresses");
            self.watch = None;
        }
        if let Some(guarding) = &mut self.guarding {
            guarding.hold(machine, &held);
        }
    }

    fn ended(&mut self) {
        self.jobs.cancel_all();
        if let Some(guarding) = self.guarding.take() {
            guarding.end();
        }
    }
}

impl Times<Ctdb> for CtdbHands {
    fn time_of_day(&self, offset: i64) -> Fact {
        Fact::TimeOfDay { offset }
    }

    fn woke(&self, slept: Duration) -> Fact {
        Fact::Woke { slept }
    }
}
