//! Notices and our own words as log lines: text on a terminal or in a file, fields in systemd's
//! journal, bare text in the system's log, JSON by flag.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use nix::sys::stat::fstat;
use standin_core::machine::{Level, Noticed};
use tracing_subscriber::fmt::{self, MakeWriter, format::debug_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::syslog::Syslog;

/// Where lines go.
#[derive(Debug)]
pub enum To {
    /// Standard error.
    Stderr,
    /// The end of a file. What cannot be written to it, the disk being full, is lost.
    File(LogFile),
    /// systemd's journal, with fields.
    Journal,
    /// The system's log, which knows by itself when a line came and how bad it is.
    Syslog(Syslog),
}

impl To {
    /// The end of a file, which is made if it is missing.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn file(path: &Path) -> io::Result<Self> {
        LogFile::open(path).map(Self::File)
    }

    /// Standard error, or where it leads.
    #[must_use]
    pub fn terminal(form: Form) -> Self {
        if is_journal() && form == Form::Text { Self::Journal } else { Self::Stderr }
    }
}

/// A file that lines go to the end of, until it is opened anew: what rotates logs moves it away
/// under our hands.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
    held: Arc<Mutex<File>>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        // Found again from wherever we are by then.
        let path = std::path::absolute(path)?;
        let held = Arc::new(Mutex::new(Self::at(&path)?));
        Ok(Self { path, held })
    }

    fn at(path: &Path) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(path)
    }

    /// Opens what is at its path by now, or makes it. Where that cannot be, lines go where they
    /// went, and say so.
    pub fn reopen(&self) {
        match Self::at(&self.path) {
            Ok(file) => *self.held.lock().unwrap_or_else(PoisonError::into_inner) = file,
            Err(error) => {
                tracing::error!(%error, "{}: cannot be opened anew; the old file is used", self.path.display());
            }
        }
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A readable line each
    #[default]
    Text,
    /// A JSON object each
    Json,
}

/// How much is logged: changed while the daemon runs.
#[derive(Debug)]
pub struct Volume {
    filter: Handle<EnvFilter, Registry>,
    level: Level,
    file: Option<LogFile>,
}

impl Volume {
    /// The file that lines go to, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<LogFile> {
        self.file.clone()
    }

    /// Logs as much as this level wants, from now on. What is logged already stays as it is, so
    /// that `STANDIN_LOG` holds until somebody asks for another level.
    pub fn set(&mut self, level: Level) {
        if std::mem::replace(&mut self.level, level) == level {
            return;
        }
        if let Err(error) = self.filter.reload(EnvFilter::new(word(level))) {
            tracing::warn!(%error, "the log level stays");
        }
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Begins to log; `STANDIN_LOG`, in tracing's words, overrules the level.
#[must_use]
pub fn begin(to: To, form: Form, level: Level) -> Volume {
    let filter = EnvFilter::try_from_env("STANDIN_LOG").unwrap_or_else(|_| EnvFilter::new(word(level)));
    let (filter, handle) = reload::Layer::new(filter);
    let file = if let To::File(file) = &to { Some(file.clone()) } else { None };
    let lines = match to {
        To::Stderr => to_stderr(form),
        // A journal that cannot be reached reads standard error.
        To::Journal => tracing_journald::layer().map_or_else(|_| to_stderr(form), |journal| journal.boxed()),
        To::File(file) => lines(form, Dress::Plain, Arc::new(file)),
        To::Syslog(log) => lines(form, Dress::Bare, log),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    Volume { filter: handle, level, file }
}

/// What writes lines, behind the filter.
type Lines = Box<dyn Layer<Layered<reload::Layer<EnvFilter, Registry>, Registry>> + Send + Sync>;

fn to_stderr(form: Form) -> Lines {
    let dress = if io::stderr().is_terminal() { Dress::Coloured } else { Dress::Plain };
    lines(form, dress, io::stderr)
}

/// What a readable line has beside its words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dress {
    /// When, and how bad, in colours.
    Coloured,
    /// The same without colours.
    Plain,
    /// Nothing: whoever keeps it knows.
    Bare,
}

fn lines(form: Form, dress: Dress, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> Lines {
    // The words are in the line already.
    let words = debug_fn(|line, field, value| match field.name() {
        "message" => write!(line, "{value:?}"),
        "kind" => Ok(()),
        name => write!(line, " {name}={value:?}"),
    });
    // A complaint about the log would go to standard error, and where that cannot be written
    // either, panic.
    let layer = fmt::layer().with_target(false).log_internal_errors(false).with_writer(writer);
    match form {
        Form::Text if dress == Dress::Bare => {
            layer.fmt_fields(words).with_ansi(false).without_time().with_level(false).boxed()
        }
        Form::Text => layer.fmt_fields(words).with_ansi(dress == Dress::Coloured).boxed(),
        Form::Json => layer.json().with_ansi(false).boxed(),
    }
}

/// Whether standard error is the journal's: systemd names its device and inode.
#[must_use]
pub fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|stream| named == format!("{}:{}", stream.st_dev, stream.st_ino))
}

/// An event of a level that is known at run time only.
macro_rules! at {
    ($level:expr, $($event:tt)+) => {
        match $level {
            Level::Trace => tracing::trace!($($event)+),
            Level::Debug => tracing::debug!($($event)+),
            Level::Info => tracing::info!($($event)+),
            Level::Warn => tracing::warn!($($event)+),
            Level::Error => tracing::error!($($event)+),
        }
    };
}

/// One notice, one line.
pub fn notice<N: Noticed>(notice: &N) {
    notice_as(notice.level(), notice);
}

/// One notice, one line of another level than its own.
pub fn notice_as<N: Noticed>(level: Level, notice: &N) {
    let kind = N::KINDS.get(notice.kind()).copied().unwrap_or("?");
    at!(level, kind, "{kind} {notice}");
}

/// A line that a script printed.
pub fn printed(level: Level, script: &str, event: &str, line: &str) {
    at!(level, script, event, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_moved_away_gets_no_more_lines_once_it_is_opened_anew() {
        let folder = std::env::temp_dir().join(format!("standin-log-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let (path, moved) = (folder.join("log"), folder.join("log.1"));
        let log = LogFile::open(&path).unwrap();
        (&log).write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        (&log).write_all(b"two\n").unwrap();
        log.reopen();
        (&log).write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        // Where it cannot be opened, the old one is better than none.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        log.reopen();
        (&log).write_all(b"four\n").unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
