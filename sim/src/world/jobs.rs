//! What a host does for its daemon: files, scripts, addresses, announcements, the lock.

use standin_core::host::{Done, Fact, Job, LockNews, ScriptEnd};
use standin_core::machine::{JobId, Machine};
use standin_core::time::Duration;

use super::fault::Who;
use super::host::{Running, Stored};
use super::lock::{self, Taken};
use super::moment::{HostId, Net};
use super::scripts::{Act, ScriptRun, ScriptView};
use super::{Event, World};

/// How long a small file takes to read, and to write durably.
const READ: (Duration, Duration) = (Duration(50), Duration(400));
const WRITE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(12));
/// How long one netlink request takes.
const NETLINK: (Duration, Duration) = (Duration(100), Duration(900));
/// How often a job looks whether its host has woken.
const ASLEEP: Duration = Duration::from_millis(500);
/// How long the lock's helper takes to start and try.
const LOCK: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(15));

impl<M: Machine> World<M> {
    pub(super) fn start_job(&mut self, host: HostId, job: JobId, what: Job) {
        let mut running = Running::Plain;
        let (low, high) = match &what {
            Job::ReadFile { .. } | Job::ListScripts { .. } => READ,
            Job::WriteFile { .. } | Job::KeepSettings { .. } => WRITE,
            Job::HoldLock { name } => {
                running = Running::WaitsForLock(name.clone());
                LOCK
            }
            Job::RunScript { .. } => (Duration::ZERO, Duration::ZERO),
            Job::AddAddress(_) | Job::DropAddress(_) | Job::Announce { .. } | Job::Tickle { .. } => NETLINK,
        };
        let (takes, work) = match what {
            Job::RunScript { path, event, arguments, limit } => {
                let run = ScriptRun { path: &path, event: &event, arguments: &arguments };
                self.plan_script(host, &run, limit)
            }
            other @ (Job::ReadFile { .. }
            | Job::WriteFile { .. }
            | Job::KeepSettings { .. }
            | Job::ListScripts { .. }
            | Job::AddAddress(_)
            | Job::DropAddress(_)
            | Job::Announce { .. }
            | Job::Tickle { .. }
            | Job::HoldLock { .. }) => (self.effort.span(low, high), Work::Do(other)),
        };
        let Some(process) = self.hosts[host.index()].process.as_mut() else { return };
        process.jobs.insert(job, running);
        let life = process.life;
        self.schedule.push(self.now + takes, Event::Job { host, life, job, work: Box::new(work) });
    }

    /// The time a job takes has passed: its effect and its answer happen together.
    pub(super) fn finish_job(&mut self, host: HostId, life: u32, job: JobId, work: Work) {
        let alive = self.hosts[host.index()]
            .process
            .as_ref()
            .is_some_and(|process| process.life == life && process.jobs.contains_key(&job));
        if !alive {
            return;
        }
        if self.hosts[host.index()].suspended.is_some() {
            // It sleeps with its host, and ends when that wakes.
            let work = Box::new(work);
            self.schedule.push(self.now + ASLEEP, Event::Job { host, life, job, work });
            return;
        }
        let done = match work {
            Work::Script(acts, end) => Some(Done::Script(self.script_ends(host, acts, end))),
            Work::Do(what) => self.perform(host, what),
        };
        let Some(done) = done else { return };
        // The daemon may have heard of the effect before the answer, and cancelled it or ended.
        let process = self.hosts[host.index()].process.as_mut().filter(|process| process.life == life);
        let Some(process) = process.filter(|process| process.jobs.contains_key(&job)) else { return };
        if done == Done::Lock(LockNews::Held) {
            process.holds_lock(job);
        } else {
            process.jobs.remove(&job);
        }
        self.deliver(host, Stored::Job(job, Box::new(done)));
    }

    /// Asks the protocol what a script does, and the host what becomes of that.
    fn plan_script(&mut self, host: HostId, run: &ScriptRun<'_>, limit: Duration) -> (Duration, Work) {
        let there = &self.hosts[host.index()];
        let view = ScriptView { host, now: self.now, kernel: &there.kernel, disk: &there.disk };
        let outcome = self.translator.script(&view, run);
        let planned = there.scripts.plan(run, &outcome, limit, &mut self.scripts);
        let acts = if planned.acts { outcome.acts } else { Vec::new() };
        (planned.takes, Work::Script(acts, planned.end))
    }

    /// A script does what it has to do, and ends.
    fn script_ends(&mut self, host: HostId, acts: Vec<Act>, end: ScriptEnd) -> ScriptEnd {
        for act in acts {
            let kernel = &mut self.hosts[host.index()].kernel;
            let done = match act {
                Act::Add(placed) => kernel.add_address(&placed),
                Act::Drop(placed) => kernel.drop_address(&placed),
                Act::InterfaceUp(name) => kernel.set_admin(&name, true),
                Act::Say(to, bytes) => {
                    self.puppet_tell(host, &to, bytes);
                    Ok(Vec::new())
                }
            };
            match done {
                Ok(facts) if facts.is_empty() => {}
                Ok(facts) => self.rewired(host, facts),
                Err(_) if end == ScriptEnd::Ok => return ScriptEnd::Failed(1),
                Err(_) => return end,
            }
        }
        end
    }

    fn perform(&mut self, host: HostId, what: Job) -> Option<Done> {
        let now = self.now;
        let there = &mut self.hosts[host.index()];
        Some(match what {
            Job::ReadFile { name } => Done::Read(there.disk.read(&name).map(<[u8]>::to_vec)),
            Job::WriteFile { name, content } => Done::Wrote(there.disk.write_durably(&name, &content)),
            // No daemon of the world was started from one.
            Job::KeepSettings { .. } => Done::Kept(Err("no such file".into())),
            Job::AddAddress(placed) => {
                let facts = there.kernel.add_address(&placed);
                Done::Address(facts.map(|facts| self.rewired(host, facts)))
            }
            Job::DropAddress(placed) => {
                let facts = there.kernel.drop_address(&placed);
                Done::Address(facts.map(|facts| self.rewired(host, facts)))
            }
            Job::Announce { interface, address } => {
                let on = there.kernel.interface(&interface);
                if on.is_some_and(|interface| interface.net == Net::Public && interface.is_up()) {
                    self.onlooker_hears(host, address);
                }
                Done::Announced
            }
            Job::HoldLock { name } => match self.locks.take(&name, host, now) {
                Taken::Held => Done::Lock(LockNews::Held),
                Taken::Busy => Done::Lock(LockNews::Busy),
                Taken::Failed => Done::Lock(LockNews::Failed),
                Taken::Stalled(until) => {
                    self.schedule.push(until, Event::LockTimeout);
                    return None;
                }
            },
            Job::ListScripts { .. } => Done::Scripts(Ok(there.scripts.installed().to_vec())),
            // Nobody in the world listens for it.
            Job::Tickle { .. } => Done::Announced,
            Job::RunScript { .. } => unreachable!("a script is planned when it starts"),
        })
    }

    /// Tells the daemon, the clients and the streams what changed in a kernel.
    pub(super) fn rewired(&mut self, host: HostId, facts: Vec<Fact>) {
        self.forget_strays(host, &facts);
        self.changed();
        for fact in facts {
            self.deliver(host, Stored::Fact(Box::new(fact)));
        }
    }

    /// News of a lock for whoever waits for it or holds it.
    pub(super) fn tell_locks(&mut self, news: Vec<lock::News>) {
        for lock::News { host, name, news } in news {
            let Some(process) = self.hosts[host.index()].process.as_mut() else { continue };
            // A process may hold a lock and try it at the same time, or try it twice.
            let concerned = match news {
                LockNews::Lost => Running::HoldsLock(name),
                LockNews::Held | LockNews::Busy | LockNews::TimedOut | LockNews::Failed => {
                    Running::WaitsForLock(name)
                }
            };
            let jobs = process.jobs.iter().filter(|(_, running)| **running == concerned);
            let jobs: Vec<_> = jobs.map(|(&job, _)| job).collect();
            for (place, job) in jobs.into_iter().enumerate() {
                let news = if news == LockNews::Held && place > 0 { LockNews::Busy } else { news };
                let Some(process) = self.hosts[host.index()].process.as_mut() else { break };
                if news == LockNews::Held {
                    process.holds_lock(job);
                } else {
                    process.jobs.remove(&job);
                }
                self.deliver(host, Stored::Job(job, Box::new(Done::Lock(news))));
            }
        }
    }

    pub(super) fn lock_timeout(&mut self) {
        let over = self.locks.give_up(self.now);
        self.tell_locks(over);
    }

    pub(super) fn storage(&mut self, who: Who, storage: lock::Storage) {
        self.each(who, |world, host| {
            let news = world.locks.set_storage(host, storage);
            world.tell_locks(news);
        });
    }

    pub(super) fn heal_locks(&mut self) {
        let mut news = self.locks.set_stalled(false);
        for host in self.members() {
            news.extend(self.locks.set_storage(host, lock::Storage::Fine));
        }
        self.tell_locks(news);
    }

    pub(super) fn cancel_job(&mut self, host: HostId, job: JobId) {
        let Some(process) = self.hosts[host.index()].process.as_mut() else { return };
        match process.jobs.remove(&job) {
            Some(Running::HoldsLock(name)) => self.locks.release(&name, host),
            Some(waited @ Running::WaitsForLock(_)) if process.jobs.values().any(|it| *it == waited) => {}
            Some(Running::WaitsForLock(name)) => self.locks.withdraw(&name, host),
            Some(Running::Plain) | None => {}
        }
    }
}

/// What is left to do when a job's time has passed.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// What a script does at its end, and how it ends.
    Script(Vec<Act>, ScriptEnd),
    /// To do it, then answer.
    Do(Job),
}
