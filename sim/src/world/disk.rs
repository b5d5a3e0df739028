//! A host's files: what a reader sees, and what would survive a loss of power.
//!
//! A plain write is seen at once but lives in the page cache until it is synced; when power is
//! lost before that, the file is as it was, or torn: it holds a prefix of what was written. A
//! durable write (aside, synced, renamed) leaves the old or the new content and nothing between.

use std::collections::BTreeMap;

use standin_core::host::FileError;
use standin_core::rng::Rng;

/// The files of one host, by name.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: BTreeMap<String, File>,
    /// Fault: nothing can be written.
    pub full: bool,
}

/// At least one of the two is there.
#[derive(Clone, Debug, Default)]
struct File {
    durable: Option<Vec<u8>>,
    /// Written since, and seen by readers.
    unsynced: Option<Vec<u8>>,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The content a process reads now.
    ///
    /// # Errors
    /// `Missing` if there is no such file.
    pub fn read(&self, name: &str) -> Result<&[u8], FileError> {
        let file = self.files.get(name).ok_or(FileError::Missing)?;
        Ok(file.unsynced.as_ref().or(file.durable.as_ref()).expect("a file has content"))
    }

    /// Replaces the content in place; a loss of power before [`sync`](Self::sync) may tear it.
    ///
    /// # Errors
    /// `Full` while the disk is full; the content stays as it was.
    pub fn write(&mut self, name: &str, content: &[u8]) -> Result<(), FileError> {
        self.room()?;
        self.files.entry(name.to_owned()).or_default().unsynced = Some(content.to_vec());
        Ok(())
    }

    /// Makes what was written durable. A full disk does not hinder it: the space is taken.
    ///
    /// # Errors
    /// `Missing` if there is no such file.
    pub fn sync(&mut self, name: &str) -> Result<(), FileError> {
        let file = self.files.get_mut(name).ok_or(FileError::Missing)?;
        if let Some(written) = file.unsynced.take() {
            file.durable = Some(written);
        }
        Ok(())
    }

    /// The last step of a durable write: the rename. Before it the old content is what survives,
    /// after it the new one; whoever takes time for the steps calls this at their end.
    ///
    /// # Errors
    /// `Full` while the disk is full; the content stays as it was.
    pub fn write_durably(&mut self, name: &str, content: &[u8]) -> Result<(), FileError> {
        self.room()?;
        self.edit(name, content);
        Ok(())
    }

    /// The operator's edit: durable at once, even on a full disk (room is made for it).
    pub fn edit(&mut self, name: &str, content: &[u8]) {
        let file = File { durable: Some(content.to_vec()), unsynced: None };
        self.files.insert(name.to_owned(), file);
    }

    /// The operator removes a file, durably. Says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.files.remove(name).is_some()
    }

    /// The names of the files a process sees, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Power is lost: of each file with unsynced content the old one is back, or a prefix of the
    /// new one (none to all of it) is what the disk got.
    pub fn power_loss(&mut self, rng: &mut Rng) {
        for file in self.files.values_mut() {
            let Some(mut written) = file.unsynced.take() else { continue };
            if rng.below(2) == 1 {
                written.truncate(rng.between(0, written.len() as u64) as usize);
                file.durable = Some(written);
            }
        }
        self.files.retain(|_, file| file.durable.is_some());
    }

    const fn room(&self) -> Result<(), FileError> {
        if self.full { Err(FileError::Full) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert_eq, proptest};

    #[test]
    fn a_write_is_seen_at_once_and_durable_once_synced() {
        let mut disk = Disk::new();
        assert_eq!(disk.read("state"), Err(FileError::Missing));
        assert_eq!(disk.sync("state"), Err(FileError::Missing));
        disk.write("state", b"one").unwrap();
        assert_eq!(disk.read("state"), Ok(&b"one"[..]));
        disk.sync("state").unwrap();
        disk.power_loss(&mut Rng::new(1, 0));
        assert_eq!(disk.read("state"), Ok(&b"one"[..]));
    }

    #[test]
    fn an_unsynced_write_is_lost_or_torn_and_both_happen() {
        let (mut lost, mut torn) = (0, 0);
        for seed in 0..100 {
            let mut disk = Disk::new();
            disk.edit("state", b"old");
            disk.write("state", b"newer").unwrap();
            disk.write("fresh", b"x").unwrap();
            disk.power_loss(&mut Rng::new(seed, 0));
            let content = disk.read("state").unwrap();
            if content == b"old" {
                lost += 1;
            } else {
                assert!(b"newer".starts_with(content));
                torn += 1;
            }
            assert!(
                disk.read("fresh").is_ok_and(|content| b"x".starts_with(content))
                    || disk.names().count() == 1
            );
        }
        assert!(lost > 20 && torn > 20, "{lost} lost, {torn} torn");
    }

    #[test]
    fn a_full_disk_refuses_and_keeps_what_it_has() {
        let mut disk = Disk::new();
        disk.write("state", b"old").unwrap();
        disk.full = true;
        assert_eq!(disk.write("state", b"new"), Err(FileError::Full));
        assert_eq!(disk.write_durably("state", b"new"), Err(FileError::Full));
        assert_eq!(disk.read("state"), Ok(&b"old"[..]));
        assert_eq!(disk.sync("state"), Ok(()));
        disk.edit("state", b"edited");
        assert_eq!(disk.read("state"), Ok(&b"edited"[..]));
        assert!(disk.remove("state") && !disk.remove("state"));
    }

    proptest! {
        #[test]
        fn a_durable_write_survives_and_ends_what_was_unsynced(seed: u64, content: Vec<u8>) {
            let mut disk = Disk::new();
            disk.write("state", b"unsynced").unwrap();
            disk.write_durably("state", &content).unwrap();
            disk.power_loss(&mut Rng::new(seed, 0));
            prop_assert_eq!(disk.read("state"), Ok(&content[..]));
        }
    }
}
