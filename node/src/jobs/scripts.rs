//! Scripts: run with a deadline, in a process group of their own.
//!
//! One event runs at a time, the machine's or an operator's: whoever has the turn. The machine
//! takes it by naming the scripts and has it until the last of them ended, one failed, or the
//! script under way was given up.

mod output;
mod record;

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::unistd::Pid;
use standin_core::host::{FileError, Script, ScriptEnd};
use standin_core::machine::Level;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::warn;

use self::output::{Output, Tail};
use self::record::Record;
use super::process::Process;
use crate::log;

pub use self::output::OUTPUT_MAX;
pub use self::record::{Outcome, Ran, Run};

/// What the debug script may take before it is ended too.
const DEBUG_MAX: Duration = Duration::from_secs(30);

/// Any other event ends it.
const MONITOR: &str = "monitor";

/// Runs scripts and remembers how they ended. Cheap to clone; clones share their memory.
#[derive(Clone, Debug)]
pub struct Scripts {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    setting: Setting,
    record: Mutex<Record>,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// An event waits that an operator's monitor event makes way for.
    make_way: Notify,
}

/// How scripts are run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Variables they find besides the daemon's own.
    pub environment: Vec<(String, String)>,
    /// What is run on a hang, with the script's process id and the event as arguments, before
    /// the script is ended. It may take 30 s.
    pub debug_script: Option<PathBuf>,
    /// How bad what they print is taken to be.
    pub level: Level,
}

/// As ctdbd without a `ctdb.conf`.
impl Default for Setting {
    fn default() -> Self {
        Self { environment: Vec::new(), debug_script: None, level: Level::Error }
    }
}

/// How an event ended that [`Scripts::event`] ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventEnd {
    /// No script failed.
    Ok,
    /// One failed.
    Failed,
    /// The limit passed.
    TimedOut,
    /// It had to make way for another, or did not begin because of another.
    Cancelled,
    /// The directory could not be read.
    NoScripts(FileError),
}

impl Scripts {
    /// Nothing has been run yet.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let shared = Shared { setting, record: Mutex::default(), turn, make_way: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Names the files of a directory, in no order: for the machine, which begins an event so.
    /// What it runs next out of this directory belongs to that event. Waits for an operator's
    /// event to end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn list(&self, directory: &Path) -> Result<Vec<Script>, FileError> {
        let abandoned = self.record().abandon();
        let turn = match abandoned {
            Some(turn) => turn,
            None => {
                self.shared.make_way.notify_waiters();
                Arc::clone(&self.shared.turn).lock_owned().await
            }
        };
        let scripts = names(directory).await?;
        self.record().begin(directory, &scripts, turn);
        Ok(scripts)
    }

    /// Runs one script, with standard input empty and everything it prints captured. Returns
    /// with its end, whatever it has left running, or when the limit passed: a script that hangs
    /// is looked at by the debug script and then ended with all it started, meanwhile.
    /// Dropped before its end, it ends the script and all it started.
    pub async fn run(&self, path: &Path, event: &str, arguments: &[String], limit: Duration) -> ScriptEnd {
        let plan = self.record().plan_of(path);
        let unless_dropped = Cancel { scripts: self, plan };
        let ran = self.execute(path, event, arguments, limit).await;
        std::mem::forget(unless_dropped);
        let end = ran.outcome.end();
        // The notify script is told of events and belongs to none.
        if path.file_name().and_then(OsStr::to_str).is_some_and(|name| stem(name).is_some()) {
            self.record().ran(plan, event, ran);
        }
        end
    }

    /// Runs a whole event, as an operator asks for it: the scripts in order, up to the first
    /// failure or, with `all`, all of them, within one limit. Waits for its turn, but a monitor
    /// event that would wait, or that another event waits for, is cancelled. A cancelled event
    /// is not remembered. Dropped before its end, it ends the script under way.
    pub async fn event(
        &self,
        directory: &Path,
        event: &str,
        arguments: &[String],
        limit: Duration,
        all: bool,
    ) -> EventEnd {
        let turn = Arc::clone(&self.shared.turn);
        if event != MONITOR {
            self.shared.make_way.notify_waiters();
            let _turn = turn.lock_owned().await;
            return self.event_in_turn(directory, event, arguments, limit, all).await;
        }
        let Ok(_turn) = turn.try_lock_owned() else {
            return EventEnd::Cancelled;
        };
        let make_way = self.shared.make_way.notified();
        tokio::select! {
            biased;
            () = make_way => EventEnd::Cancelled,
            end = self.event_in_turn(directory, event, arguments, limit, all) => end,
        }
    }

    /// How an event went, the last time it ran to its end; an event of which no script could be
    /// run is remembered only if an operator ran it. The 32 last events are remembered.
    #[must_use]
    pub fn last(&self, event: &str) -> Option<Run> {
        self.record().last(event)
    }

    async fn event_in_turn(
        &self,
        directory: &Path,
        event: &str,
        arguments: &[String],
        limit: Duration,
        all: bool,
    ) -> EventEnd {
        let begin = Instant::now();
        let mut found = match names(directory).await {
            Ok(found) => found,
            Err(error) => return EventEnd::NoScripts(error),
        };
        found.sort_unstable();
        let mut run = Run::default();
        let mut end = EventEnd::Ok;
        for script in &found {
            let Some(name) = stem(&script.name) else { continue };
            if !script.enabled {
                run.push(Ran::disabled(name));
                continue;
            }
            let left = limit.saturating_sub(begin.elapsed());
            let ran = self.execute(&directory.join(&script.name), event, arguments, left).await;
            let outcome = ran.outcome;
            run.push(ran);
            if outcome.is_failure() {
                end = if outcome == Outcome::TimedOut { EventEnd::TimedOut } else { EventEnd::Failed };
                if !all || end == EventEnd::TimedOut {
                    break;
                }
            }
        }
        self.record().ended(event, run);
        end
    }

    /// Runs one script, and says what it printed.
    async fn execute(&self, path: &Path, event: &str, arguments: &[String], limit: Duration) -> Ran {
        let begin = SystemTime::now();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let name = stem(name).unwrap_or(name).to_string();
        let (outcome, output) = self.carry_out(path, event, arguments, limit).await;
        for line in String::from_utf8_lossy(&output).lines() {
            log::printed(self.shared.setting.level, &name, event, line);
        }
        Ran { name, begin, end: SystemTime::now(), outcome, output }
    }

    async fn carry_out(
        &self,
        path: &Path,
        event: &str,
        arguments: &[String],
        limit: Duration,
    ) -> (Outcome, Vec<u8>) {
        let mut command = Command::new(path);
        command.arg(event).args(arguments);
        let (mut process, output) = match self.start(command).await {
            Ok(started) => started,
            Err(error) => {
                return match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EACCES | Errno::ENOEXEC) => (Outcome::Disabled, Vec::new()),
                    errno => (Outcome::NotStarted(errno.unwrap_or(Errno::EIO) as i32), Vec::new()),
                };
            }
        };
        let mut tail = Tail::default();
        let outcome = match timeout(limit, output.follow(&mut process, &mut tail)).await {
            Ok(Ok(status)) => exited(status),
            Ok(Err(error)) => Outcome::NotStarted(error.raw_os_error().unwrap_or(Errno::EIO as i32)),
            Err(_) => {
                let (scripts, event) = (self.clone(), event.to_string());
                // The pipe stays open, lest a late word end the script before it was looked at.
                tokio::spawn(async move {
                    scripts.debug(process.id(), &event).await;
                    drop((process, output));
                });
                Outcome::TimedOut
            }
        };
        (outcome, tail.finish())
    }

    /// Lets the debug script look at a script that hangs.
    async fn debug(&self, id: Pid, event: &str) {
        let Some(path) = &self.shared.setting.debug_script else { return };
        let mut command = Command::new(path);
        command.arg(id.to_string()).arg(event);
        let (mut process, output) = match self.start(command).await {
            Ok(started) => started,
            Err(error) => return warn!(script = %path.display(), "cannot run the debug script: {error}"),
        };
        let mut tail = Tail::default();
        if timeout(DEBUG_MAX, output.follow(&mut process, &mut tail)).await.is_err() {
            warn!(script = %path.display(), "the debug script hangs");
        }
        for line in String::from_utf8_lossy(&tail.finish()).lines() {
            log::printed(self.shared.setting.level, "debug", event, line);
        }
    }

    async fn start(&self, mut command: Command) -> io::Result<(Process, Output)> {
        let (reader, writer) = io::pipe()?;
        let output = Output::new(reader)?;
        command.envs(self.shared.setting.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let process = Process::start(&mut command).await?;
        Ok((process, output))
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.shared.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machine's event is over if this is dropped.
struct Cancel<'a> {
    scripts: &'a Scripts,
    plan: Option<u64>,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        self.scripts.record().cancelled(self.plan);
    }
}

fn exited(status: ExitStatus) -> Outcome {
    let narrow = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited(narrow(code)),
        (None, signal) => Outcome::Signalled(narrow(signal.unwrap_or_default())),
    }
}

/// The files of a directory whose names are UTF-8. One that cannot be looked at counts as
/// enabled, so that running it fails: a link to a script that is gone is no script that was
/// switched off.
async fn names(directory: &Path) -> Result<Vec<Script>, FileError> {
    let directory = directory.to_path_buf();
    let read = move || -> io::Result<Vec<Script>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let mode = std::fs::metadata(entry.path()).map(|file| file.permissions().mode());
            found.push(Script { name, enabled: mode.map_or(true, |mode| mode & 0o111 != 0) });
        }
        Ok(found)
    };
    let found = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    found.map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => FileError::Missing,
        Some(Errno::EACCES | Errno::EPERM) => FileError::Denied,
        Some(_) | None => FileError::Other,
    })
}

/// `10.interface.script` is `10.interface`; what is named otherwise is no event script.
#[must_use]
pub fn stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".script")?;
    match stem.as_bytes() {
        [tens, ones, b'.', ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => Some(stem),
        _ => None,
    }
}
