//! Files for other programs: written aside and renamed, so that nobody reads half of one.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use super::Refusal;

/// A file that appears under its name once it is complete.
#[derive(Debug)]
pub(crate) struct Aside {
    to: PathBuf,
    /// Where it is written first; nowhere else for a device or a pipe, which cannot be replaced.
    aside: Option<PathBuf>,
    file: BufWriter<File>,
}

impl Aside {
    /// Begins one; refused now rather than after an hour's work.
    pub(crate) fn begin(to: &Path) -> Result<Self, Refusal> {
        let refuse = |why: String| Refusal::file(to, &why);
        // What a link names is replaced, not the link; a device or a pipe is written to.
        let to = &fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
        if fs::metadata(to).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            let file = File::options().write(true).open(to).map_err(|why| refuse(why.to_string()))?;
            return Ok(Self { to: to.clone(), aside: None, file: BufWriter::new(file) });
        }
        let name = to.file_name().ok_or_else(|| refuse("that names no file".to_owned()))?;
        if to.is_dir() {
            return Err(refuse("that is a directory".to_owned()));
        }
        let mut beside = name.to_os_string();
        beside.push(format!(".{}.part", process::id()));
        let aside = to.with_file_name(beside);
        let file = File::create(&aside).map_err(|why| refuse(why.to_string()))?;
        Ok(Self { to: to.clone(), aside: Some(aside), file: BufWriter::new(file) })
    }

    /// Writes, and gives the file its name.
    pub(crate) fn finish(
        mut self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), Refusal> {
        write(&mut self.file)
            .and_then(|()| self.file.flush())
            .and_then(|()| self.aside.as_ref().map_or(Ok(()), |aside| fs::rename(aside, &self.to)))
            .map_err(|why| Refusal::file(&self.to, &why.to_string()))
    }
}

/// What was not finished is not left behind.
impl Drop for Aside {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        if let Some(aside) = &self.aside {
            let _ = fs::remove_file(aside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("standin-aside-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let to = folder.join("a.json");
        let written = Aside::begin(&to).unwrap().finish(|out| out.write_all(b"{}\n"));
        assert!(written.is_ok() && fs::read(&to).unwrap() == b"{}\n");
        let failed = Aside::begin(&to).unwrap().finish(|_| Err(std::io::Error::other("full")));
        assert_eq!(failed.unwrap_err().status, 65);
        drop(Aside::begin(&to).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(fs::read(&to).unwrap(), b"{}\n");
        for wrong in [folder.join("no/such/folder.json"), folder.clone()] {
            assert_eq!(Aside::begin(&wrong).unwrap_err().status, 65, "{}", wrong.display());
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
