//! Into the background, with a pid file that one daemon at a time can hold; and the runtime.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;

use crate::lockfile::{self, Refused as LockRefused};
use crate::refused::{Refused, system};

/// A pid file, held until it is dropped, when it disappears. A process that is forked holds it
/// too, and its parent does not have to keep it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    held: Flock<File>,
}

impl PidFile {
    /// Takes it, and writes this process's number. A folder that is missing is made. What a dead
    /// daemon left is taken over; one that is just dying has half a second.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if another daemon holds it; any other if it cannot be written.
    pub fn take(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let how = OpenOptions::new().create(true).truncate(false).write(true).mode(0o644).clone();
        let held = lockfile::take(path, &how).map_err(|refused| match refused {
            LockRefused::Open(error) => error,
            LockRefused::Lock(errno) => errno.into(),
            LockRefused::Held => io::ErrorKind::AddrInUse.into(),
        })?;
        let mut file = Self { path: path.to_owned(), held };
        file.renew()?;
        Ok(file)
    }

    /// Writes this process's number, which a fork has changed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn renew(&mut self) -> io::Result<()> {
        // Overwritten in place: a full disk must not cost us the room we have.
        let text = format!("{}\n", std::process::id());
        self.held.seek(SeekFrom::Start(0))?;
        self.held.write_all(text.as_bytes())?;
        self.held.set_len(text.len() as u64)
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

/// Runs a daemon on this thread to its end.
///
/// # Errors
/// If there can be no runtime, and whatever the daemon ends with.
pub fn in_runtime(daemon: impl Future<Output = Result<u8, Refused>>) -> Result<u8, Refused> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(system("cannot begin"))?;
    tokio::task::LocalSet::new().block_on(&runtime, daemon)
}
