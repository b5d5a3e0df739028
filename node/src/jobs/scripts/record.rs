//! How events went, the last time they ran.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use standin_core::host::{Script, ScriptEnd};
use tokio::sync::OwnedMutexGuard;

/// Events that are remembered; operators may make up any.
const EVENTS_MAX: usize = 32;

/// Bytes of output that are remembered of one event, all its scripts together.
const EVENT_OUTPUT_MAX: usize = 512 * 1024;

/// How a script went, in more detail than [`ScriptEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signalled(u8),
    /// The limit passed.
    TimedOut,
    /// It may not be executed, or is no program.
    Disabled,
    /// It could not be started: an errno.
    NotStarted(i32),
}

impl Outcome {
    /// 0, an exit status, or a negative errno, as the event daemon tells it.
    #[must_use]
    pub const fn result(self) -> i32 {
        match self {
            Self::Exited(status) => status as i32,
            Self::Signalled(_) => -(Errno::EINTR as i32),
            Self::TimedOut => -(Errno::ETIMEDOUT as i32),
            Self::Disabled => -(Errno::ENOEXEC as i32),
            Self::NotStarted(errno) => -errno,
        }
    }

    /// What the machine is told. A script that is disabled is none that failed.
    #[must_use]
    pub const fn end(self) -> ScriptEnd {
        match self {
            Self::Exited(0) | Self::Disabled => ScriptEnd::Ok,
            Self::Exited(status) => ScriptEnd::Failed(status),
            Self::Signalled(signal) => ScriptEnd::Failed(signal.saturating_add(128)),
            Self::TimedOut => ScriptEnd::TimedOut,
            Self::NotStarted(_) => ScriptEnd::NotStarted,
        }
    }

    pub(super) const fn is_failure(self) -> bool {
        !matches!(self, Self::Exited(0) | Self::Disabled)
    }
}

/// How a script went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its name, without `.script`.
    pub name: String,
    /// When it began.
    pub begin: SystemTime,
    /// When it ended, or was no longer waited for.
    pub end: SystemTime,
    /// How.
    pub outcome: Outcome,
    /// What it printed: at most [`OUTPUT_MAX`](super::OUTPUT_MAX) bytes and a line that counts
    /// what is missing.
    pub output: Vec<u8>,
}

impl Ran {
    pub(super) fn disabled(name: &str) -> Self {
        let now = SystemTime::now();
        Self { name: name.into(), begin: now, end: now, outcome: Outcome::Disabled, output: Vec::new() }
    }
}

/// How an event went: its scripts in the order they ran, up to the first failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The scripts that ran or are disabled.
    pub scripts: Vec<Ran>,
}

impl Run {
    /// The result of the last script that failed; 0 if none did.
    #[must_use]
    pub fn summary(&self) -> i32 {
        let last = self.scripts.iter().rev().find(|ran| ran.outcome.is_failure());
        last.map_or(0, |ran| ran.outcome.result())
    }

    pub(super) fn push(&mut self, mut ran: Ran) {
        let used: usize = self.scripts.iter().map(|ran| ran.output.len()).sum();
        ran.output.truncate(EVENT_OUTPUT_MAX.saturating_sub(used));
        self.scripts.push(ran);
    }
}

/// What is remembered, and the event under way.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The event that was recorded first comes first.
    ended: VecDeque<(String, Run)>,
    plan: Option<Plan>,
    plans: u64,
}

/// An event of the machine's, which runs script by script.
#[derive(Debug)]
struct Plan {
    number: u64,
    directory: PathBuf,
    /// Scripts to come, in order.
    ahead: VecDeque<Script>,
    run: Run,
    /// Nobody else's event may run.
    turn: OwnedMutexGuard<()>,
}

impl Record {
    /// The turn of an event that somebody has given up.
    pub(super) fn abandon(&mut self) -> Option<OwnedMutexGuard<()>> {
        self.plan.take().map(|plan| plan.turn)
    }

    /// The scripts were named for an event, whose name comes with the first that runs. With
    /// none to run it stays unknown, and the event is over.
    pub(super) fn begin(&mut self, directory: &Path, scripts: &[Script], turn: OwnedMutexGuard<()>) {
        let mut ahead: Vec<_> =
            scripts.iter().filter(|script| super::stem(&script.name).is_some()).cloned().collect();
        ahead.sort_unstable();
        if ahead.iter().any(|script| script.enabled) {
            self.plans += 1;
            let (number, directory) = (self.plans, directory.into());
            self.plan = Some(Plan { number, directory, ahead: ahead.into(), run: Run::default(), turn });
        }
    }

    /// The number of the plan that a script belongs to.
    pub(super) fn plan_of(&self, path: &Path) -> Option<u64> {
        let plan = self.plan.as_ref().filter(|plan| path.parent() == Some(&plan.directory))?;
        let name = path.file_name()?;
        plan.ahead.iter().any(|script| script.enabled && name == script.name.as_str()).then_some(plan.number)
    }

    /// A script was given up, and with it the event.
    pub(super) fn cancelled(&mut self, number: Option<u64>) {
        self.plan.take_if(|plan| Some(plan.number) == number);
    }

    /// A script ended. Without a plan it is an event by itself.
    pub(super) fn ran(&mut self, number: Option<u64>, event: &str, ran: Ran) {
        let Some(mut plan) = self.plan.take_if(|plan| Some(plan.number) == number) else {
            let mut run = Run::default();
            run.push(ran);
            return self.ended(event, run);
        };
        let failed = ran.outcome.is_failure();
        while let Some(script) = plan.ahead.pop_front() {
            let name = super::stem(&script.name).unwrap_or_default();
            if name == ran.name {
                break;
            }
            if !script.enabled {
                plan.run.push(Ran::disabled(name));
            }
        }
        plan.run.push(ran);
        if !failed && plan.ahead.iter().any(|script| script.enabled) {
            self.plan = Some(plan);
            return;
        }
        if !failed {
            for script in &plan.ahead {
                plan.run.push(Ran::disabled(super::stem(&script.name).unwrap_or_default()));
            }
        }
        self.ended(event, plan.run);
    }

    /// An event ended, all of it.
    pub(super) fn ended(&mut self, event: &str, run: Run) {
        if let Some((_, last)) = self.ended.iter_mut().find(|(name, _)| name == event) {
            *last = run;
            return;
        }
        if self.ended.len() >= EVENTS_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back((event.into(), run));
    }

    /// How an event went, the last time it ran to its end.
    pub(super) fn last(&self, event: &str) -> Option<Run> {
        self.ended.iter().find(|(name, _)| name == event).map(|(_, run)| run.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(name: &str, outcome: Outcome) -> Ran {
        Ran { outcome, ..Ran::disabled(name) }
    }

    #[test]
    fn the_events_remembered_and_their_output_are_bounded() {
        let mut record = Record::default();
        for event in 0..100 {
            let mut run = Run::default();
            for _ in 0..100 {
                run.push(Ran {
                    output: vec![b'x'; super::super::OUTPUT_MAX],
                    ..ran("00.a", Outcome::Exited(0))
                });
            }
            assert!(run.scripts.iter().map(|ran| ran.output.len()).sum::<usize>() <= EVENT_OUTPUT_MAX);
            record.ended(&event.to_string(), Run::default());
        }
        assert_eq!(record.ended.len(), EVENTS_MAX);
        assert!(record.last("0").is_none() && record.last("99").is_some());
    }

    #[test]
    fn the_last_failure_is_the_summary() {
        let mut run = Run::default();
        for outcome in [Outcome::Exited(3), Outcome::TimedOut, Outcome::Exited(0), Outcome::Disabled] {
            run.push(ran("00.a", outcome));
        }
        assert_eq!(run.summary(), -110);
    }
}
