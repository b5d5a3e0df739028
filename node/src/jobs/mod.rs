//! Work that finishes later: files, scripts, addresses, announcements, the cluster lock.
//!
//! Each job is a task of its own; ending it ends the task, and what the task holds lets go:
//! a script's process group, the lock's helper.

pub mod files;
pub mod lock;
mod process;
pub mod scripts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use standin_core::host::{Done, Job, LockNews};
use standin_core::machine::JobId;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, spawn_local};

use self::scripts::Scripts;
use crate::net::Net;

/// What jobs need.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Names that are no whole paths are below this.
    pub base: PathBuf,
    /// Runs scripts.
    pub scripts: Scripts,
    /// The kernel's addresses; none in test mode, where every address job succeeds.
    pub net: Option<Net>,
    /// The stock helper that holds lock files, if that is to be used.
    pub lock_helper: Option<PathBuf>,
}

/// The jobs under way.
#[derive(Debug)]
pub struct Jobs {
    tools: Tools,
    under_way: BTreeMap<JobId, AbortHandle>,
    tell: UnboundedSender<(JobId, Done)>,
}

impl Jobs {
    /// None yet; answers go to `tell`.
    #[must_use]
    pub const fn new(tools: Tools, tell: UnboundedSender<(JobId, Done)>) -> Self {
        Self { tools, under_way: BTreeMap::new(), tell }
    }

    /// Begins a job.
    pub fn start(&mut self, job: JobId, what: Job) {
        let (tools, tell) = (self.tools.clone(), self.tell.clone());
        let task = spawn_local(async move {
            if let Job::HoldLock { name } = what {
                return hold_lock(&tools, name, job, tell).await;
            }
            let changes = matches!(what, Job::RunScript { .. } | Job::AddAddress(_) | Job::DropAddress(_));
            let done = run(&tools, what).await;
            // What it changed in the kernel is told before its end.
            if let Some(net) = tools.net.as_ref().filter(|_| changes) {
                net.settle().await;
            }
            let _ = tell.send((job, done));
        });
        self.under_way.insert(job, task.abort_handle());
    }

    /// Ends a job.
    pub fn cancel(&mut self, job: JobId) {
        if let Some(task) = self.under_way.remove(&job) {
            task.abort();
        }
    }

    /// Whether an answer counts. The last one ends its job.
    pub fn counts(&mut self, job: JobId, done: &Done) -> bool {
        let more = matches!(done, Done::Lock(LockNews::Held));
        if more { self.under_way.contains_key(&job) } else { self.under_way.remove(&job).is_some() }
    }

    /// Ends all jobs.
    pub fn cancel_all(&mut self) {
        for (_, task) in std::mem::take(&mut self.under_way) {
            task.abort();
        }
    }
}

async fn hold_lock(tools: &Tools, name: String, job: JobId, tell: UnboundedSender<(JobId, Done)>) {
    let (news, mut told) = unbounded_channel();
    let pass_on = async {
        while let Some(news) = told.recv().await {
            let _ = tell.send((job, Done::Lock(news)));
        }
    };
    tokio::join!(lock::hold(&name, tools.lock_helper.as_deref(), news), pass_on);
}

async fn run(tools: &Tools, what: Job) -> Done {
    let path = |name: &str| tools.base.join(Path::new(name));
    match what {
        Job::ReadFile { name } => Done::Read(files::read(&path(&name)).await),
        Job::WriteFile { name, content } => Done::Wrote(files::write(&path(&name), &content).await),
        // Only the gossip daemon's can be changed while it runs.
        Job::KeepSettings { .. } => Done::Kept(Err("not ours to write".into())),
        Job::ListScripts { directory } => Done::Scripts(tools.scripts.list(&path(&directory)).await),
        Job::RunScript { path: name, event, arguments, limit } => {
            let limit = Duration::from_micros(limit.as_micros());
            Done::Script(tools.scripts.run(&path(&name), &event, &arguments, limit).await)
        }
        Job::AddAddress(placed) => Done::Address(match &tools.net {
            Some(net) => net.add(&placed).await,
            None => Ok(()),
        }),
        Job::DropAddress(placed) => Done::Address(match &tools.net {
            Some(net) => {
                let dropped = net.drop(&placed).await;
                // Who served on it shall not wait for answers that cannot come.
                if dropped.is_ok()
                    && let Err(error) = net.kill_connections(placed.address).await
                {
                    tracing::warn!(address = %placed.address, %error, "cannot end its connections");
                }
                dropped
            }
            None => Ok(()),
        }),
        Job::Announce { interface, address } => {
            if let Some(net) = &tools.net
                && let Err(error) = net.announce(&interface, address).await
            {
                tracing::warn!(%address, interface, %error, "cannot announce an address");
            }
            Done::Announced
        }
        Job::Tickle { from, to } => {
            if let Some(net) = &tools.net
                && let Err(error) = net.tickle(from, to).await
            {
                tracing::warn!(%from, %to, %error, "cannot tickle a connection");
            }
            Done::Announced
        }
        Job::HoldLock { .. } => Done::Lock(LockNews::Failed),
    }
}
