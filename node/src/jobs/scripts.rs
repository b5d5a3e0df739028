//! Scripts: run with a deadline, in a process group of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use standin_core::host::{FileError, Script, ScriptEnd};

/// Runs scripts and remembers how they ended. Cheap to clone; clones share their memory.
#[derive(Clone, Debug)]
pub struct Scripts {}

/// How scripts are run.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Variables they find besides the daemon's own.
    pub environment: Vec<(String, String)>,
    /// What is run on a hang, with the script's process id as argument.
    pub debug_script: Option<PathBuf>,
}

impl Scripts {
    /// Nothing has been run yet.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let _ = setting;
        Self {}
    }

    /// Names the scripts of a directory.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn list(&self, directory: &Path) -> Result<Vec<Script>, FileError> {
        let _ = directory;
        Ok(Vec::new())
    }

    /// Runs one script. Dropped before its end, it ends the script and all it started.
    pub async fn run(&self, path: &Path, event: &str, arguments: &[String], limit: Duration) -> ScriptEnd {
        let _ = (path, event, arguments, limit);
        ScriptEnd::NotStarted
    }
}
