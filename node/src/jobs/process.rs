//! A child process with a group of its own. It ends with its owner.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

/// What a process gets to tidy up in, between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// While somebody writes to a script it cannot be run; that is over in a moment.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// A running process. Dropped before its end was seen, its whole group gets SIGTERM and, 2 s
/// later or with the daemon, SIGKILL.
#[derive(Debug)]
pub(super) struct Process {
    id: Pid,
    child: Option<Child>,
}

impl Process {
    /// Starts it in a process group of its own.
    pub(super) async fn start(command: &mut Command) -> io::Result<Self> {
        command.process_group(0);
        let mut tries = 0;
        let child = loop {
            match command.spawn() {
                Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) && tries < BUSY_TRIES => {
                    tries += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                result => break result?,
            }
        };
        let id = child.id().and_then(|id| id.try_into().ok()).expect("a process just started has an id");
        Ok(Self { id: Pid::from_raw(id), child: Some(child) })
    }

    /// Its id, which is its group's too.
    pub(super) const fn id(&self) -> Pid {
        self.id
    }

    /// The pipe it was given as standard output, once.
    pub(super) fn take_stdout(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.as_mut()?.stdout.take()
    }

    /// Waits for its end. What it has started lives on. May be given up and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let child = self.child.as_mut().ok_or_else(|| io::Error::other("its end was seen before"))?;
        let status = child.wait().await?;
        // Its id may be another's from now on: no more signals.
        self.child = None;
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        let _ = killpg(self.id, Signal::SIGTERM);
        let ending = Ending { id: self.id, child };
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(ending.end()));
        }
    }
}

/// A process that has been asked to end. Dropped, it is made to.
struct Ending {
    id: Pid,
    child: Child,
}

impl Ending {
    /// Nobody waits for the process before its group has got the last signal, so the id stays
    /// its own; members of the group may outlive their leader.
    async fn end(self) {
        tokio::time::sleep(GRACE).await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = killpg(self.id, Signal::SIGKILL);
        // The rest is the runtime's: it collects what was dropped alive.
        let _ = self.child.start_kill();
    }
}
