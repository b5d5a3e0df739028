//! The cluster lock: a byte of a file, locked by us or by a helper process for as long as it
//! lives.
//!
//! Our own lock belongs to the open file, not to the process, so that trying it a second time
//! finds it taken; it excludes the stock helper's, and is kept while the daemon is stopped.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use standin_core::host::LockNews;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::warn;

use super::process::Process;

/// How often the holder looks whether the name still is the file that it has locked.
pub const CHECK: Duration = Duration::from_secs(5);

/// How long storage and helpers have for their first answer.
pub const ANSWER_MAX: Duration = Duration::from_secs(120);

/// Tries the lock, a file or `!command arguments` (parted by spaces), tells the outcome, and if
/// it is held stays until it is lost, which it tells too. Dropped before that, it lets the lock
/// go. `helper` is the program that locks files, called with the file's name; without one they
/// are locked here, and looked at every 5 s. There is an outcome within 120 s.
///
/// A helper's first byte says: `0` held, `1` busy, `2` timed out, anything else failed. It holds
/// the lock until its output ends; SIGTERM, and 2 s later SIGKILL, tells it to let go.
pub async fn hold(name: &str, helper: Option<&Path>, tell: UnboundedSender<LockNews>) {
    let news = if let Some(command) = name.strip_prefix('!') {
        let mut words = command.split_whitespace();
        match words.next() {
            Some(program) => by_helper(Command::new(program).args(words), &tell).await,
            None => LockNews::Failed,
        }
    } else if let Some(helper) = helper {
        by_helper(Command::new(helper).arg(name), &tell).await
    } else {
        by_ourselves(name.into(), &tell).await
    };
    let _ = tell.send(news);
}

/// How it ended.
async fn by_helper(command: &mut Command, tell: &UnboundedSender<LockNews>) -> LockNews {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = match Process::start(command).await {
        Ok(process) => process,
        Err(error) => {
            warn!("cannot start the cluster lock's helper: {error}");
            return LockNews::Failed;
        }
    };
    let Some(mut said) = process.take_stdout() else { return LockNews::Failed };
    let Ok(first) = timeout(ANSWER_MAX, said.read_u8()).await else {
        return LockNews::TimedOut;
    };
    match first {
        Ok(b'0') => {}
        Ok(b'1') => return LockNews::Busy,
        Ok(b'2') => return LockNews::TimedOut,
        Ok(_) | Err(_) => return LockNews::Failed,
    }
    let _ = tell.send(LockNews::Held);
    let mut more = [0; 64];
    tokio::select! {
        () = async { while said.read(&mut more).await.is_ok_and(|length| length > 0) {} } => {}
        // Its output may be in the hands of a child that holds nothing.
        _ = process.wait() => {}
    }
    LockNews::Lost
}

async fn by_ourselves(path: PathBuf, tell: &UnboundedSender<LockNews>) -> LockNews {
    let file = {
        let path = path.clone();
        timeout(ANSWER_MAX, aside(move || lock(&path))).await
    };
    let held = match file {
        Err(_) => return LockNews::TimedOut,
        Ok(Ok(Some(file))) => Held(Some(file)),
        Ok(Ok(None)) => return LockNews::Busy,
        Ok(Err(error)) => {
            warn!(file = %path.display(), "cannot try the cluster lock: {error}");
            return LockNews::Failed;
        }
    };
    let Some(ours) = held.0.as_ref().and_then(|file| file.metadata().ok()) else {
        return LockNews::Failed;
    };
    let _ = tell.send(LockNews::Held);
    loop {
        tokio::time::sleep(CHECK).await;
        let path = path.clone();
        // Storage that does not answer may still keep our lock: as the stock helper does, we wait.
        match aside(move || std::fs::metadata(path)).await {
            Ok(found) if found.ino() == ours.ino() && found.dev() == ours.dev() => {}
            Ok(_) => {
                warn!("the cluster lock is lost: its file was replaced");
                break;
            }
            Err(error) => {
                warn!("the cluster lock is lost: its file cannot be found: {error}");
                break;
            }
        }
    }
    drop(held);
    LockNews::Lost
}

/// A file whose first byte we have locked; the lock goes with it.
struct Held(Option<File>);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing may hang with the storage. If there is no thread to be had, so be it.
        let file = self.0.take();
        let _ = std::thread::Builder::new().spawn(move || drop(file));
    }
}

/// Locks the first byte of a file, which is made if there is none; nothing if somebody else has
/// it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let first_byte = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&first_byte)) {
        Ok(_) => Ok(Some(file)),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Does what may hang with the storage on a thread of its own, which nobody waits for at the end
/// of the daemon, and gives its result back unless nobody wants it any more.
async fn aside<T: Send + 'static>(what: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("lock".into()).spawn(move || {
        let _ = tell.send(what());
    })?;
    told.await.unwrap_or_else(|_| Err(io::Error::other("the thread that asked the storage is gone")))
}
