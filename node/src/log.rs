//! Notices and our own words as log lines: text on a terminal or in a file, fields in systemd's
//! journal, JSON by flag.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Mutex;

use nix::sys::stat::fstat;
use standin_core::machine::{Level, Noticed};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{self, format::debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where lines go.
#[derive(Debug)]
pub enum To {
    /// Standard error.
    Stderr,
    /// The end of a file. What cannot be written to it, the disk being full, is lost.
    File(File),
    /// systemd's journal, with fields.
    Journal,
}

impl To {
    /// The end of a file, which is made if it is missing.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn file(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self::File)
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Begins to log; `level` is a word of tracing's, and `STANDIN_LOG` overrules it.
pub fn begin(to: To, form: Form, level: &str) {
    let filter = EnvFilter::try_from_env("STANDIN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // A journal that cannot be reached reads standard error.
    if matches!(to, To::Journal)
        && let Ok(journal) = tracing_journald::layer()
    {
        tracing_subscriber::registry().with(filter).with(journal).init();
        return;
    }
    // A complaint about the log would go to standard error, and where that cannot be written
    // either, panic.
    let filtered = fmt::fmt().with_env_filter(filter).with_target(false).log_internal_errors(false);
    // The words are in the line already.
    let words = debug_fn(|line, field, value| match field.name() {
        "message" => write!(line, "{value:?}"),
        "kind" => Ok(()),
        name => write!(line, " {name}={value:?}"),
    });
    match to {
        To::Stderr | To::Journal => {
            let lines = filtered.with_writer(io::stderr);
            match form {
                Form::Text => lines.fmt_fields(words).with_ansi(io::stderr().is_terminal()).init(),
                Form::Json => lines.json().init(),
            }
        }
        To::File(file) => {
            let lines = filtered.with_ansi(false).with_writer(Mutex::new(file));
            match form {
                Form::Text => lines.fmt_fields(words).init(),
                Form::Json => lines.json().init(),
            }
        }
    }
}

/// Whether standard error is the journal's: systemd names its device and inode.
#[must_use]
pub fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr()).is_ok_and(|stream| named == format!("{}:{}", stream.st_dev, stream.st_ino))
}

/// One notice, one line.
pub fn notice<N: Noticed>(notice: &N) {
    let kind = N::KINDS.get(notice.kind()).copied().unwrap_or("?");
    match notice.level() {
        Level::Trace => tracing::trace!(kind, "{kind} {notice}"),
        Level::Debug => tracing::debug!(kind, "{kind} {notice}"),
        Level::Info => tracing::info!(kind, "{kind} {notice}"),
        Level::Warn => tracing::warn!(kind, "{kind} {notice}"),
        Level::Error => tracing::error!(kind, "{kind} {notice}"),
    }
}
