//! Files: read whole, and written so that a power loss leaves the old or the new one.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use standin_core::host::FileError;
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A configuration file larger than this is none.
const SIZE_MAX: u64 = 16 * 1024 * 1024;

/// Reads a whole file.
///
/// # Errors
/// As [`FileError`] says; one larger than 16 MiB is [`FileError::Other`].
pub async fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = fs::File::open(path).await.map_err(|error| told(path, &error))?;
    let mut content = Vec::new();
    let read = file.take(SIZE_MAX + 1).read_to_end(&mut content).await;
    let size = read.map_err(|error| told(path, &error))?;
    if size as u64 > SIZE_MAX {
        tracing::warn!(path = %path.display(), "larger than 16 MiB: not read");
        return Err(FileError::Other);
    }
    Ok(content)
}

/// Replaces a whole file; returns once it would survive a power loss.
///
/// # Errors
/// As [`FileError`] says; the old content is there then, or the new one where a power loss may
/// undo that.
pub async fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace(path, content, |_| Ok(()), drop).await
}

/// As [`write()`]; what `mark` makes of the new file is there before its content and its name, and
/// `keep` has it as soon as the file has its name, whatever comes then.
///
/// # Errors
/// As [`write()`], an error of `mark` included.
pub async fn replace<T>(
    path: &Path,
    content: &[u8],
    mark: impl FnOnce(&fs::File) -> io::Result<T>,
    keep: impl FnOnce(T),
) -> Result<(), FileError> {
    let mut aside = OsString::from(path);
    // No name that anybody else would give a file of theirs.
    aside.push(".standind-new");
    let aside = Path::new(&aside);
    let replace = async {
        // Opened while there is nothing to be undone yet.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = fs::File::open(directory.unwrap_or(Path::new("."))).await?;
        let mut file = fs::File::create(aside).await?;
        let marked = mark(&file)?;
        file.write_all(content).await?;
        // What a write beside us could not do is told here; syncing would keep it to itself.
        file.flush().await?;
        file.sync_all().await?;
        fs::rename(aside, path).await?;
        keep(marked);
        // The name is durable once its directory is.
        directory.sync_all().await
    };
    let done: io::Result<()> = replace.await;
    if done.is_err() {
        let _ = fs::remove_file(aside).await;
    }
    done.map_err(|error| told(path, &error))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "errors of the system are many")]
fn told(path: &Path, error: &io::Error) -> FileError {
    let told = match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FileError::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileError::Full,
        _ => FileError::Other,
    };
    if told != FileError::Missing {
        tracing::warn!(path = %path.display(), %error, "a file cannot be read or written");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_leaves_the_old_content() {
        let folder = std::env::temp_dir().join(format!("standin-full-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state");
        write(&path, b"old").await.unwrap();
        // The new file is one that takes nothing.
        std::os::unix::fs::symlink("/dev/full", folder.join("state.standind-new")).unwrap();
        assert_eq!(write(&path, b"new").await, Err(FileError::Full));
        assert_eq!(read(&path).await.unwrap(), b"old");
        write(&path, b"new").await.unwrap();
        assert_eq!(read(&path).await.unwrap(), b"new");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_mark_is_handed_over_once_its_file_has_the_name() {
        let folder = std::env::temp_dir().join(format!("standin-files-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let there = || std::fs::read_to_string(&path).unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut seen = String::new();
        let mark = |_: &fs::File| Ok(there());
        let done = replace(&path, b"new", mark, |before| seen = format!("{before} then {}", there()));
        assert_eq!(runtime.block_on(done), Ok(()));
        assert_eq!(seen, " then new");
        // An error before that costs the mark and nothing else.
        let fails = |_: &fs::File| Err::<(), _>(io::ErrorKind::StorageFull.into());
        let done = replace(&path, b"newer", fails, |()| seen.clear());
        assert_eq!(runtime.block_on(done), Err(FileError::Full));
        assert_eq!((there().as_str(), seen.as_str()), ("new", " then new"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
