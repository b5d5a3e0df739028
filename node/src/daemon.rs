//! Into the background, with a pid file that one daemon at a time can hold.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A pid file, held until it is dropped, when it disappears.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _held: Flock<File>,
}

impl PidFile {
    /// Writes this process's number; whoever forks does so before.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if another daemon holds it; any other if it cannot be written.
    pub fn write(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o644).open(path)?;
        let mut held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => held,
            Err((_, Errno::EWOULDBLOCK)) => return Err(io::ErrorKind::AddrInUse.into()),
            Err((_, errno)) => return Err(errno.into()),
        };
        held.set_len(0)?;
        writeln!(held, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), _held: held })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Goes to the background: the caller's parent goes on at once. Standard input and output are
/// `/dev/null` from now on.
///
/// # Errors
/// If the system cannot fork.
pub fn to_background() -> io::Result<()> {
    nix::unistd::daemon(true, false).map_err(io::Error::from)
}
