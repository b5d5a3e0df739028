//! Values as ctdbd reads them: a boolean is a word, a number is as long as it is one, a log level
//! may be cut short.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::net::IpAddr;

use super::super::address_of;
use super::{LogLevel, LogLocation, Syslog, Transport};
use crate::text::{Piece, Problem, Problems, nearest};

const EXPECTED_BOOLEAN: &str = "`true` or `false`, or `yes` or `no`";
const EXPECTED_LEVEL: &str = "`ERROR`, `WARNING`, `NOTICE`, `INFO` or `DEBUG`, or a number from 0 to 10";
const EXPECTED_SECONDS: &str = "a number of seconds from 1 to 2147483647";
const EXPECTED_LEADER_TIMEOUT: &str = "2 or more: a leader speaks once a second";
/// The least that is longer than the wait between two words of a leader.
const LEADER_TIMEOUT_MIN: u32 = 2;
const EXPECTED_LOCATION: &str =
    "`file:` and a path, or `syslog`, alone or with `:nonblocking`, `:udp` or `:udp-rfc5424`";

/// A value and where it stands.
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) place: Piece<'a>,
    /// Where the option's name stands.
    pub(super) name: Piece<'a>,
}

/// What ctdbd takes for yes and for no, in any case of letters.
const BOOLEANS: [(&str, bool); 4] = [("true", true), ("false", false), ("yes", true), ("no", false)];
/// What others take for them.
const NEARLY_BOOLEANS: [(&str, &str); 8] = [
    ("1", "true"),
    ("0", "false"),
    ("on", "true"),
    ("off", "false"),
    ("enabled", "true"),
    ("disabled", "false"),
    ("y", "yes"),
    ("n", "no"),
];

/// The names of log levels; each may be cut short.
const LEVELS: [(&str, u8); 5] = [("ERROR", 0), ("WARNING", 1), ("NOTICE", 3), ("INFO", 5), ("DEBUG", 10)];
const LEVEL_MAX: u8 = 10;

impl Value<'_> {
    fn problem(&self, what: &str, expected: &str) -> Problem {
        self.place.problem(format!("{} {what}", self.place.quoted()), expected)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as every reader of a value")]
    pub(super) fn text(&self, _: &mut Problems) -> Result<String, Problem> {
        Ok(self.text.to_string())
    }

    pub(super) fn old_lock(&self, warnings: &mut Problems) -> Result<String, Problem> {
        let what = format!("{} is the option's old name", self.name.quoted());
        warnings.push(self.name.problem(what, "`cluster lock`"));
        self.text(warnings)
    }

    pub(super) fn boolean(&self, _: &mut Problems) -> Result<bool, Problem> {
        let same = |word: &str| word.eq_ignore_ascii_case(self.text);
        if let Some(&(_, value)) = BOOLEANS.iter().find(|(word, _)| same(word)) {
            return Ok(value);
        }
        let nearly = NEARLY_BOOLEANS.iter().find(|(word, _)| same(word)).map(|&(_, meant)| meant);
        let first = self.text.split(' ').next().unwrap_or_default();
        let meant = nearly.or_else(|| nearest(first, BOOLEANS.iter().map(|&(word, _)| word)));
        Err(self.problem("is neither true nor false", EXPECTED_BOOLEAN).or_nearest(meant))
    }

    /// A number in C notation, as far as there is one; what follows it is a warning, as ctdbd
    /// does not look at it.
    fn number(&self, expected: &str, warnings: &mut Problems) -> Result<u32, Problem> {
        let text = self.text.strip_prefix('+').unwrap_or(self.text);
        if text.starts_with('-') {
            return Err(self.problem("is negative", expected));
        }
        let bytes = text.as_bytes();
        let (skipped, radix) = match bytes {
            [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (2, 16),
            [b'0', ..] => (0, 8),
            _ => (0, 10),
        };
        let digits = &text[skipped..];
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let (digits, rest) = digits.split_at(end);
        if digits.is_empty() {
            return Err(self.problem("is not a number", expected));
        }
        let value = u32::from_str_radix(digits, radix).ok().filter(|&value| i32::try_from(value).is_ok());
        let value = value.ok_or_else(|| self.problem("is too large", expected))?;
        if !rest.is_empty() {
            let what = format!("{} is read as {value}", self.place.quoted());
            warnings.push(self.place.problem(what, "the number alone"));
        }
        Ok(value)
    }

    fn seconds(&self, warnings: &mut Problems) -> Result<u32, Problem> {
        let seconds = self.number(EXPECTED_SECONDS, warnings)?;
        if seconds == 0 { Err(self.problem("is no time at all", EXPECTED_SECONDS)) } else { Ok(seconds) }
    }

    /// ctdbd takes a second too, and elects and recovers for ever: its leader says once a second
    /// that it leads, and even to itself that comes too late every other time.
    pub(super) fn leader_timeout(&self, warnings: &mut Problems) -> Result<u32, Problem> {
        let seconds = self.seconds(warnings)?;
        if seconds < LEADER_TIMEOUT_MIN {
            let what = "is no longer than a leader's silence: every second leaders are deposed";
            warnings.push(self.problem(what, EXPECTED_LEADER_TIMEOUT));
        }
        Ok(seconds)
    }

    pub(super) fn level(&self, warnings: &mut Problems) -> Result<LogLevel, Problem> {
        if self.text.starts_with(|c: char| c.is_ascii_digit()) {
            let level = self.number(EXPECTED_LEVEL, warnings)?;
            let level = u8::try_from(level).ok().filter(|&level| level <= LEVEL_MAX);
            return level.map(LogLevel).ok_or_else(|| self.problem("is not a log level", EXPECTED_LEVEL));
        }
        let begins = |name: &str| {
            name.get(..self.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(self.text))
        };
        if let Some(&(_, level)) = LEVELS.iter().find(|(name, _)| begins(name)) {
            return Ok(LogLevel(level));
        }
        let meant = nearest(self.text, LEVELS.iter().map(|&(name, _)| name));
        Err(self.problem("is not a log level", EXPECTED_LEVEL).or_nearest(meant))
    }

    pub(super) fn address(&self, _: &mut Problems) -> Result<IpAddr, Problem> {
        let found = address_of(Piece { text: self.text, ..self.place });
        found.map(|address| address.to_canonical()).map_err(|problem| {
            if self.place.text == self.text {
                return problem;
            }
            // Put together of several lines it does not stand anywhere; its first part does.
            self.place.problem(problem.what, problem.expected).or_nearest(problem.nearest)
        })
    }

    /// A script is looked for in the configuration's directory, whatever directory is named.
    pub(super) fn script(&self, warnings: &mut Problems) -> Result<String, Problem> {
        let name = self.text.rsplit('/').next().unwrap_or_default();
        if name.is_empty() {
            return Err(self.problem("names no file", "the name of a file beside ctdb.conf"));
        }
        if name != self.text {
            let what = format!("{} is looked for beside ctdb.conf", self.place.quoted());
            let expected = "the file's name alone: its directory counts for nothing";
            warnings.push(self.place.problem(what, expected).or_nearest(Some(name)));
        }
        Ok(name.to_string())
    }

    pub(super) fn transport(&self, _: &mut Problems) -> Result<Transport, Problem> {
        if self.text == "tcp" {
            return Ok(Transport::Tcp);
        }
        let meant = nearest(self.text, ["tcp"]);
        Err(self.problem("is not a transport", "`tcp`: there is no other").or_nearest(meant))
    }

    pub(super) fn location(&self, _: &mut Problems) -> Result<LogLocation, Problem> {
        let (kind, how) = self.text.split_once(':').unwrap_or((self.text, ""));
        match (kind, how) {
            ("file", "") => Err(self.problem("names no file", EXPECTED_LOCATION)),
            ("file", path) => Ok(LogLocation::File(path.to_string())),
            ("syslog", "") => Ok(LogLocation::Syslog(Syslog::Plain)),
            ("syslog", "nonblocking") => Ok(LogLocation::Syslog(Syslog::Nonblocking)),
            ("syslog", "udp") => Ok(LogLocation::Syslog(Syslog::Udp)),
            ("syslog", "udp-rfc5424") => Ok(LogLocation::Syslog(Syslog::UdpRfc5424)),
            ("syslog", _) => {
                let ways = ["syslog:nonblocking", "syslog:udp", "syslog:udp-rfc5424"];
                let meant = nearest(self.text, ways);
                Err(self.problem("is no way to speak to syslog", EXPECTED_LOCATION).or_nearest(meant))
            }
            _ => {
                let meant = if self.text.starts_with('/') {
                    Some(format!("file:{}", self.text))
                } else {
                    nearest(kind, ["file", "syslog"]).map(|kind| format!("{kind}:{how}"))
                };
                Err(self.problem("is no place for a log", EXPECTED_LOCATION).or_nearest(meant))
            }
        }
    }
}
