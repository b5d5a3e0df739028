//! The state file, held for life: whoever has locked the file of that name is the node.
//!
//! The lock is Redis' own (`flock` of the whole file), so that a `redis-server` of the same file
//! keeps out too. We replace the file where Redis overwrites it: the new one is locked before it
//! has the name, and the old one let go after.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use standin_core::host::FileError;
use tokio::sync::Mutex;

use crate::jobs::files;
use crate::lockfile::{self, Refused};

/// A state file in our hands.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    held: Mutex<Flock<File>>,
}

impl StateFile {
    /// Takes it. A missing one is made, empty.
    ///
    /// # Errors
    /// What keeps us from it, for a person to read.
    pub fn take(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let how = OpenOptions::new().read(true).append(true).create(true).mode(0o644).clone();
        let held = lockfile::take(path, &how).map_err(|refused| match refused {
            Refused::Open(error) => format!("cannot open the state file {shown}: {error}"),
            Refused::Lock(errno) => format!("cannot lock the state file {shown}: {errno}"),
            Refused::Held => {
                let who =
                    holder(path).map_or_else(|| "another process".into(), |pid| format!("process {pid}"));
                format!(
                    "{who} holds the state file {shown}: another standind or redis-server is this node \
                     (expected a state-file of its own for each)"
                )
            }
        })?;
        Ok(Self { path: path.into(), held: Mutex::new(held) })
    }

    /// What it holds; an empty one was never written, as with Redis.
    ///
    /// # Errors
    /// As [`files::read`] says.
    pub async fn read(&self) -> Result<Vec<u8>, FileError> {
        let content = files::read(&self.path).await?;
        if content.is_empty() { Err(FileError::Missing) } else { Ok(content) }
    }

    /// Replaces it, and holds the new one: as soon as that has the name, durable or not.
    ///
    /// # Errors
    /// As [`files::write`] says.
    pub async fn write(&self, content: &[u8]) -> Result<(), FileError> {
        let mut held = self.held.lock().await;
        let lock = |file: &tokio::fs::File| {
            lockfile::lock(file.as_fd().try_clone_to_owned()?.into()).map_err(io::Error::from)
        };
        files::replace(&self.path, content, lock, |new| *held = new).await
    }
}

/// The process that has locked a file, where the kernel says so.
fn holder(path: &Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino();
    holder_in(&fs::read_to_string("/proc/locks").ok()?, inode)
}

/// The process that has locked a file with this number, as `/proc/locks` tells it.
#[must_use]
pub fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    let inode = format!(":{inode}");
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (kind, pid, file) = (words.get(1)?, words.get(4)?, words.get(5)?);
        (*kind == "FLOCK" && file.ends_with(&inode)).then(|| pid.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_a_state_file_however_often_it_is_replaced() {
        let folder = std::env::temp_dir().join(format!("standin-state-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("nodes.conf");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let first = StateFile::take(&path).unwrap();
        assert_eq!(runtime.block_on(first.read()), Err(FileError::Missing));
        for round in 0..3 {
            let refused = StateFile::take(&path).unwrap_err();
            let ours = format!("process {} holds the state file", std::process::id());
            assert!(refused.starts_with(&ours), "{round}: {refused}");
            runtime.block_on(first.write(format!("round {round}").as_bytes())).unwrap();
        }
        assert_eq!(runtime.block_on(first.read()), Ok(b"round 2".to_vec()));
        drop(first);
        let second = StateFile::take(&path).unwrap();
        assert_eq!(runtime.block_on(second.read()), Ok(b"round 2".to_vec()));
        assert!(StateFile::take(&folder.join("none/nodes.conf")).unwrap_err().contains("No such file"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
