//! A file that one process at a time holds, by `flock` of the whole of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// While its holder is dying a lock is not free yet.
const DYING: Duration = Duration::from_millis(500);
const AGAIN: Duration = Duration::from_millis(20);

/// Why a file is not ours.
#[derive(Debug)]
pub enum Refused {
    /// It cannot be opened.
    Open(io::Error),
    /// It cannot be locked.
    Lock(Errno),
    /// Another process has it.
    Held,
}

/// Opens a file and locks it: the one that has this name once it is locked. A holder that is just
/// dying has half a second.
///
/// # Errors
/// As [`Refused`] says.
pub fn take(path: &Path, how: &OpenOptions) -> Result<Flock<File>, Refused> {
    let begin = Instant::now();
    loop {
        match lock(how.open(path).map_err(Refused::Open)?) {
            // Its last holder may have removed or replaced it between our two steps.
            Ok(held) if is(&held, path) => return Ok(held),
            Ok(_) => {}
            Err(Errno::EWOULDBLOCK) if begin.elapsed() < DYING => sleep(AGAIN),
            Err(Errno::EWOULDBLOCK) => return Err(Refused::Held),
            Err(errno) => return Err(Refused::Lock(errno)),
        }
    }
}

/// Locks an open file.
///
/// # Errors
/// As the system says; [`Errno::EWOULDBLOCK`] if another process has it.
pub fn lock(file: File) -> Result<Flock<File>, Errno> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)
}

fn is(held: &File, path: &Path) -> bool {
    match (held.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
