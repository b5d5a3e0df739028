//! `ctdb.conf`: sections of `name = value`.
//!
//! As ctdbd 4.17 reads it: a section's name counts in any case, an option's as it is written;
//! blanks within names and values count as one; a line that ends with `\` goes on in the next; a
//! line that begins with `#` or `;` is a comment, and nothing else is. Of an option given twice the
//! last counts.
//!
//! A value that cannot be is [fatal](Reading::fatal). What ctdbd passes over in silence, a section or
//! an option it does not know above all, is a [warning](Reading::warnings) here; `ctdb-config
//! validate` refuses the two just named. Whether directories and scripts exist is the driver's to
//! find out.

mod value;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use self::value::Value;
use super::text_of;
use crate::text::{Piece, Problem, Problems, lines, nearest};

const EXPECTED_SECTION: &str =
    "`[logging]`, `[cluster]`, `[database]`, `[event]`, `[failover]` or `[legacy]`";

/// What a file says; `None` where it says nothing and the default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CtdbConf {
    /// `[logging] location`; by default a file of the installation.
    pub log_location: Option<LogLocation>,
    /// `[logging] log level`; `NOTICE` by default.
    pub log_level: Option<LogLevel>,
    /// `[cluster] transport`; there is one.
    pub transport: Option<Transport>,
    /// `[cluster] node address`.
    pub node_address: Option<IpAddr>,
    /// `[cluster] cluster lock`: a file, or `!` and a command.
    pub cluster_lock: Option<String>,
    /// `[cluster] recovery lock`, the lock's old name.
    pub recovery_lock: Option<String>,
    /// `[cluster] leader timeout` in seconds, at least 1, which is a warning; 5 by default.
    pub leader_timeout_s: Option<u32>,
    /// `[cluster] leader capability`; true by default.
    pub leader_capability: Option<bool>,
    /// `[database] volatile database directory`.
    pub volatile_database_directory: Option<String>,
    /// `[database] persistent database directory`.
    pub persistent_database_directory: Option<String>,
    /// `[database] state database directory`.
    pub state_database_directory: Option<String>,
    /// `[database] lock debug script`: a file's name in the configuration's directory.
    pub lock_debug_script: Option<String>,
    /// `[database] tdb mutexes`; true by default.
    pub tdb_mutexes: Option<bool>,
    /// `[event] debug script`: a file's name in the configuration's directory.
    pub event_debug_script: Option<String>,
    /// `[failover] disabled`; false by default.
    pub failover_disabled: Option<bool>,
    /// `[legacy] realtime scheduling`; true by default.
    pub realtime_scheduling: Option<bool>,
    /// `[legacy] lmaster capability`; true by default.
    pub lmaster_capability: Option<bool>,
    /// `[legacy] start as stopped`; false by default.
    pub start_as_stopped: Option<bool>,
    /// `[legacy] start as disabled`; false by default.
    pub start_as_disabled: Option<bool>,
    /// `[legacy] script log level`; `ERROR` by default.
    pub script_log_level: Option<LogLevel>,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LogLocation {
    /// To this file.
    File(String),
    /// To syslog.
    Syslog(Syslog),
}

/// How syslog is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Syslog {
    /// Through `/dev/log` as the C library does, in ctdbd; there it may block.
    Plain,
    /// Through `/dev/log`, never blocking.
    Nonblocking,
    /// By UDP to port 514 of this host.
    Udp,
    /// The same in the format of RFC 5424.
    UdpRfc5424,
}

/// How nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Transport {
    /// By TCP.
    Tcp,
}

/// How much is logged, 0 to 10: 0 errors, 1 warnings, 3 notices, 5 information, 10 everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogLevel(pub u8);

/// A file as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What could be read.
    pub conf: CtdbConf,
    /// What keeps a daemon from starting.
    pub fatal: Problems,
    /// What means nothing, or hardly what was meant.
    pub warnings: Problems,
}

impl Reading {
    /// What a daemon goes by; the warnings are for its log.
    ///
    /// # Errors
    /// Everything that keeps it from starting.
    pub fn into_conf(self) -> Result<CtdbConf, Problems> {
        self.fatal.into_result(self.conf)
    }
}

impl CtdbConf {
    /// The cluster lock by its name, else by its old name.
    #[must_use]
    pub fn lock(&self) -> Option<&str> {
        self.cluster_lock.as_deref().or(self.recovery_lock.as_deref())
    }
}

/// Reads a file; an empty one says nothing.
#[must_use]
pub fn read(file: &[u8]) -> Reading {
    let mut reading = Reading::default();
    match text_of(file) {
        Ok(text) => read_text(&text, &mut reading),
        Err(problem) => reading.fatal.push(problem),
    }
    reading
}

fn read_text(text: &str, reading: &mut Reading) {
    let mut section = Section::None;
    let mut lines = lines(text).map(Piece::trim);
    while let Some(first) = lines.next() {
        if first.text.is_empty() || first.text.starts_with(['#', ';']) {
            continue;
        }
        let line = Line::gather(first, &mut lines);
        if first.text.starts_with('[') {
            section = section_of(&line, &mut reading.warnings);
        } else {
            assign(&line, section, reading);
        }
    }
}

/// A line with those it goes on in.
struct Line<'a> {
    pieces: Vec<Piece<'a>>,
    /// All of them together, blanks made one.
    text: String,
}

impl<'a> Line<'a> {
    fn gather(first: Piece<'a>, lines: &mut impl Iterator<Item = Piece<'a>>) -> Self {
        let (mut pieces, mut next, mut whole) = (Vec::new(), Some(first), String::new());
        while let Some(piece) = next.take() {
            let end = piece.text.strip_suffix('\\');
            let piece = end.map_or(piece, |text| piece.part(0, text.len()));
            // A line that is indented goes on with a blank.
            if piece.column > 1 {
                whole.push(' ');
            }
            whole.push_str(piece.text);
            pieces.push(piece);
            if end.is_some() {
                next = lines.next();
            }
        }
        let text = whole.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        Self { pieces, text }
    }

    /// Where the name stands, and where the value begins.
    fn places(&self) -> (Piece<'a>, Piece<'a>) {
        let first = self.pieces[0];
        let Some((name, value)) = first.split_once('=') else { return (first, first) };
        let value = value.trim();
        let later = self.pieces[1..].iter().copied().find(|piece| !piece.text.is_empty());
        let value = if value.text.is_empty() { later.unwrap_or_else(|| first.end()) } else { value };
        (name.trim(), value)
    }
}

/// In which section a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// Before the first.
    None,
    /// In one that means nothing, which was said.
    Unknown,
    Known(&'static str),
}

fn section_of(line: &Line<'_>, warnings: &mut Problems) -> Section {
    let first = line.pieces[0];
    let Some((name, _)) = line.text[1..].split_once(']') else {
        let name = nearest(&line.text[1..], sections()).map(|name| format!("[{name}]"));
        let problem =
            first.problem("the `]` is missing, and the options below count for nothing", EXPECTED_SECTION);
        warnings.push(problem.or_nearest(name));
        return Section::Unknown;
    };
    if let Some(known) = sections().find(|known| known.eq_ignore_ascii_case(name)) {
        return Section::Known(known);
    }
    let meant = sections().find(|known| known.eq_ignore_ascii_case(name.trim()));
    let piece = first.split_once(']').map_or(first, |(before, _)| first.part(0, before.text.len() + 1));
    let what = format!("{} is not a section, and the options below count for nothing", piece.quoted());
    let problem = piece.problem(what, EXPECTED_SECTION);
    let meant = meant.or_else(|| nearest(name, sections()));
    warnings.push(problem.or_nearest(meant.map(|name| format!("[{name}]"))));
    Section::Unknown
}

fn sections() -> impl Iterator<Item = &'static str> {
    OPTIONS.chunk_by(|one, next| one.section == next.section).map(|options| options[0].section)
}

fn assign(line: &Line<'_>, section: Section, reading: &mut Reading) {
    let (name_place, value_place) = line.places();
    let Some((name, value)) = line.text.split_once('=') else {
        let problem =
            name_place.problem("the `=` is missing, and the line counts for nothing", "`name = value`");
        return reading.warnings.push(problem);
    };
    let (name, value) = (name.trim_end(), value.trim_start());
    let section = match section {
        Section::Known(section) => section,
        Section::Unknown => return,
        Section::None => {
            let what = format!("{} stands before any section and counts for nothing", name_place.quoted());
            let home = OPTIONS.iter().find(|option| option.name == name).map(|option| option.section);
            let expected = home.map_or(EXPECTED_SECTION.into(), |home| format!("`[{home}]` above it"));
            return reading.warnings.push(name_place.problem(what, expected));
        }
    };
    let Some(option) = OPTIONS.iter().find(|option| option.section == section && option.name == name) else {
        return reading.warnings.push(unknown(name, name_place, section));
    };
    if value.is_empty() {
        let what = format!("the value of {} is missing", name_place.quoted());
        return reading.fatal.push(value_place.problem(what, "a value, or no such line"));
    }
    let value = Value { text: value, place: value_place, name: name_place };
    if let Err(problem) = (option.set)(&mut reading.conf, &value, &mut reading.warnings) {
        reading.fatal.push(problem);
    }
}

/// An option that is none, or none of this section.
fn unknown(name: &str, place: Piece<'_>, section: &str) -> Problem {
    let what = format!("{} is not an option of `[{section}]` and counts for nothing", place.quoted());
    if let Some(other) = OPTIONS.iter().find(|option| option.name == name) {
        return place.problem(what, format!("it in section `[{}]`", other.section));
    }
    let here = OPTIONS.iter().filter(|option| option.section == section).map(|option| option.name);
    let names: Vec<_> = here.clone().map(|name| format!("`{name}`")).collect();
    let all = OPTIONS.iter().map(|option| option.name);
    let meant = nearest(name, here).or_else(|| nearest(name, all));
    place.problem(what, names.join(", ")).or_nearest(meant)
}

/// An option, and what its value sets.
struct Known {
    section: &'static str,
    name: &'static str,
    set: fn(&mut CtdbConf, &Value<'_>, &mut Problems) -> Result<(), Problem>,
}

/// The table, from a section's name, an option's, the field it sets and how its value is read.
macro_rules! options {
    ($($section:literal { $($name:literal => $field:ident: $read:ident,)* })*) => {
        /// Every option, section by section.
        const OPTIONS: &[Known] = &[$($(Known {
            section: $section,
            name: $name,
            set: |conf, value, warnings| {
                conf.$field = Some(value.$read(warnings)?);
                Ok(())
            },
        },)*)*];
    };
}

options! {
    "logging" {
        "location" => log_location: location,
        "log level" => log_level: level,
    }
    "cluster" {
        "cluster lock" => cluster_lock: text,
        "recovery lock" => recovery_lock: old_lock,
        "node address" => node_address: address,
        "leader timeout" => leader_timeout_s: leader_timeout,
        "leader capability" => leader_capability: boolean,
        "transport" => transport: transport,
    }
    "database" {
        "volatile database directory" => volatile_database_directory: text,
        "persistent database directory" => persistent_database_directory: text,
        "state database directory" => state_database_directory: text,
        "lock debug script" => lock_debug_script: script,
        "tdb mutexes" => tdb_mutexes: boolean,
    }
    "event" {
        "debug script" => event_debug_script: script,
    }
    "failover" {
        "disabled" => failover_disabled: boolean,
    }
    "legacy" {
        "realtime scheduling" => realtime_scheduling: boolean,
        "lmaster capability" => lmaster_capability: boolean,
        "start as stopped" => start_as_stopped: boolean,
        "start as disabled" => start_as_disabled: boolean,
        "script log level" => script_log_level: level,
    }
}

#[cfg(test)]
mod tests;
