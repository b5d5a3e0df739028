//! Hands without a host: files, addresses and a lock in memory, scripts that succeed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::host::{AddressError, Done, Fact, FileError, Job, LockNews, Placed, Script, ScriptEnd};
use standin_core::machine::JobId;
use standin_core::time::Duration;
use standin_node::driver::{Hands, News, Times};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// What outlives a daemon, and what the daemons say; all hosts'.
#[derive(Debug)]
pub(crate) struct World {
    /// Every host's disk.
    pub(crate) files: BTreeMap<(usize, String), Vec<u8>>,
    /// Every kernel's public addresses.
    pub(crate) addresses: BTreeSet<(usize, IpAddr)>,
    /// Who holds the cluster lock.
    pub(crate) lock: Option<usize>,
    /// What was noticed, when, by whom.
    pub(crate) notices: Vec<(u64, usize, Notice)>,
    /// The machines as they were after their last turn; none of a host that is off.
    pub(crate) machines: BTreeMap<usize, Ctdb>,
    began: Instant,
}

/// The world, from any task. One thread runs them all.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// A world with these files on every disk.
    pub(crate) fn new(hosts: usize, files: &[(&str, String)]) -> Self {
        let on = |host| files.iter().map(move |(name, text)| ((host, (*name).into()), text.clone().into()));
        Self(Arc::new(Mutex::new(World {
            files: (0..hosts).flat_map(on).collect(),
            addresses: BTreeSet::new(),
            lock: None,
            notices: Vec::new(),
            machines: BTreeMap::new(),
            began: Instant::now(),
        })))
    }

    /// The world itself, not over an await.
    pub(crate) fn look(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("a run ends with its first panic")
    }
}

impl World {
    /// Microseconds since the run began.
    pub(crate) fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// What a host loses with its power.
    pub(crate) fn power_lost(&mut self, host: usize) {
        self.addresses.retain(|(on, _)| *on != host);
        self.machines.remove(&host);
        self.lock = self.lock.filter(|holder| *holder != host);
    }
}

/// One daemon's hands.
#[derive(Debug)]
pub(crate) struct Simple {
    host: usize,
    world: Shared,
    under_way: BTreeSet<JobId>,
    lock: Option<JobId>,
    facts: UnboundedSender<Fact>,
    tell: UnboundedSender<News<Ctdb>>,
}

impl Simple {
    pub(crate) const fn new(
        host: usize,
        world: Shared,
        facts: UnboundedSender<Fact>,
        tell: UnboundedSender<News<Ctdb>>,
    ) -> Self {
        Self { host, world, under_way: BTreeSet::new(), lock: None, facts, tell }
    }

    fn done(&mut self, job: JobId, what: Job) -> Done {
        let host = self.host;
        let mut world = self.world.look();
        match what {
            Job::ReadFile { name } => {
                Done::Read(world.files.get(&(host, name)).cloned().ok_or(FileError::Missing))
            }
            Job::WriteFile { name, content } => {
                world.files.insert((host, name), content);
                Done::Wrote(Ok(()))
            }
            Job::KeepSettings { .. } => Done::Kept(Ok(())),
            Job::ListScripts { .. } => {
                Done::Scripts(Ok(vec![Script { name: "50.fine.script".into(), enabled: true }]))
            }
            Job::RunScript { .. } => Done::Script(ScriptEnd::Ok),
            Job::AddAddress(placed) => {
                let new = world.addresses.insert((host, placed.address));
                self.observed(new, placed, Fact::Appeared)
            }
            Job::DropAddress(placed) => {
                let held = world.addresses.remove(&(host, placed.address));
                self.observed(held, placed, Fact::Vanished)
            }
            Job::Announce { .. } | Job::Tickle { .. } => Done::Announced,
            Job::HoldLock { .. } if world.lock.is_none() => {
                world.lock = Some(host);
                self.lock = Some(job);
                Done::Lock(LockNews::Held)
            }
            Job::HoldLock { .. } => Done::Lock(LockNews::Busy),
        }
    }

    /// The kernel reports a change before the job that caused it ends.
    fn observed(&self, changed: bool, placed: Placed, fact: fn(Placed) -> Fact) -> Done {
        if !changed {
            return Done::Address(Err(AddressError::Unchanged));
        }
        let _ = self.facts.send(fact(placed));
        Done::Address(Ok(()))
    }
}

impl Hands<Ctdb> for Simple {
    fn start(&mut self, job: JobId, what: Job) {
        self.under_way.insert(job);
        let done = self.done(job, what);
        let _ = self.tell.send(News::Job(job, done));
    }

    fn cancel(&mut self, job: JobId) {
        self.under_way.remove(&job);
        if self.lock == Some(job) {
            self.lock = None;
            self.world.look().lock = None;
        }
    }

    fn counts(&mut self, job: JobId, done: &Done) -> bool {
        let more = matches!(done, Done::Lock(LockNews::Held));
        if more { self.under_way.contains(&job) } else { self.under_way.remove(&job) }
    }

    fn noticed(&mut self, _: &Ctdb, notice: &Notice) {
        let mut world = self.world.look();
        let now = world.now();
        world.notices.push((now, self.host, notice.clone()));
    }

    fn turned(&mut self, machine: &Ctdb) {
        self.world.look().machines.insert(self.host, machine.clone());
    }
}

impl Times<Ctdb> for Simple {
    fn time_of_day(&self, offset: i64) -> Fact {
        Fact::TimeOfDay { offset }
    }

    fn woke(&self, slept: Duration) -> Fact {
        Fact::Woke { slept }
    }
}
