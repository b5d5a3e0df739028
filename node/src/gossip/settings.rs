//! The gossip daemon's file: read once at the start, with everything wrong told in one go, each
//! in its line.

use std::fs;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use standin_core::gossip::Config;
use standin_core::gossip::config::{BUS_ABOVE, PORT, Role, TlsPort};
use standin_core::text::{Problem, Problems};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::options::{self, Draft, TlsDraft};
use super::tls::{self, AUTHORITY, Auth, CERTIFICATE, Files, KEY};
use super::value::{Value, Wrong};

/// What a daemon goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The machine's part.
    pub config: Config,
    /// The folder that the state file's name is below.
    pub dir: PathBuf,
    /// Where a port speaks TLS: with what.
    pub tls: Option<Files>,
}

impl Settings {
    /// The state file.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.dir.join(self.config.state_file.as_ref())
    }
}

/// Reads the file.
///
/// # Errors
/// Everything that keeps a daemon from starting, for a person to read.
pub fn read(file: &Path) -> Result<Settings, String> {
    let shown = file.display().to_string();
    let bytes = fs::read(file).map_err(|error| {
        format!("{shown}: {error}\n`standind --gossip-template` prints a file to begin with")
    })?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let text = String::from_utf8_lossy(&bytes);
    if let Err(error) = std::str::from_utf8(&bytes) {
        let at = error.valid_up_to();
        let what = "these bytes are no text";
        let problem = problem(&text, at..at + 1, what, "UTF-8, as TOML is written in");
        return Err(Problems::from(problem).render(&shown, masked(&text)));
    }
    parse(&text, folder).map_err(|problems| problems.render(&shown, masked(&text)))
}

/// Reads a file's text; its folder is what relative names are below.
///
/// # Errors
/// All that is wrong with it, in the order of its lines.
pub fn parse(text: &str, folder: &Path) -> Result<Settings, Problems> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut found: Vec<Problem> = errors.iter().map(|error| misspelt(text, error)).collect();
    let torn: Vec<usize> = found.iter().map(|problem| problem.line).collect();
    let config = Config::new(IpAddr::from([0, 0, 0, 0]), PORT);
    let mut draft =
        Draft { config, bus_port: None, stands: false, dir: PathBuf::new(), tls: TlsDraft::default() };
    let mut odd: Vec<Problem> = table
        .get_ref()
        .iter()
        .filter_map(|(name, value)| take(text, name, value, &mut draft).err())
        .collect();
    agree(text, table.get_ref(), &draft, folder, &mut odd);
    // What could not be read there has been told.
    odd.retain(|problem| !torn.contains(&problem.line));
    found.append(&mut odd);
    found.sort_by_key(|problem| (problem.line, problem.column));
    let mut problems = Problems::new();
    found.into_iter().for_each(|problem| problems.push(problem));
    problems.into_result(finish(draft, folder))
}

/// The text with `*` for each letter of what may be a password, its names misspelt too: what is wrong
/// is told with its line.
fn masked(text: &str) -> String {
    let (table, _) = DeTable::parse_recoverable(text);
    let value = table.get_ref().get("requirepass").map_or(0..0, Spanned::span);
    let mut masked = String::with_capacity(text.len());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (name, rest) = line.split_once('=').unwrap_or((line, ""));
        let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        let secret = ["pass", "auth"].iter().any(|part| name.contains(part));
        let secret = secret || options::meant(&name) == Some("requirepass");
        let from = if secret { start + line.len() - rest.len() } else { usize::MAX };
        masked.extend(line.char_indices().map(|(at, letter)| {
            let at = start + at;
            if (at >= from || value.contains(&at)) && !letter.is_whitespace() { '*' } else { letter }
        }));
        start += line.len();
    }
    masked
}

fn finish(draft: Draft, folder: &Path) -> Settings {
    let files = files(&draft.tls, folder);
    let Draft { mut config, bus_port, stands, dir, tls } = draft;
    config.tls =
        tls.port.map(|port| TlsPort { port, announce_port: tls.announce_port, cluster: tls.cluster });
    let (_, below) = below_bus(&config, &tls);
    config.bus_port = bus_port.unwrap_or_else(|| below.saturating_add(BUS_ABOVE));
    if let Role::Replica { stands: it } = &mut config.role {
        *it = stands;
    }
    Settings { config, dir: folder.join(dir), tls: files }
}

/// The files of TLS, if they are named.
fn files(draft: &TlsDraft, folder: &Path) -> Option<Files> {
    let (certificate, key) = draft.certificate.as_ref().zip(draft.key.as_ref())?;
    Some(Files {
        certificate: folder.join(certificate),
        key: folder.join(key),
        authority: draft.authority.as_ref().map(|path| folder.join(path)),
        clients: draft.clients,
    })
}

/// The client port that the bus port is above unless it is said, and its option.
fn below_bus(config: &Config, tls: &TlsDraft) -> (&'static str, u16) {
    tls.port.filter(|_| tls.cluster).map_or(("port", config.port), |port| ("tls-port", port))
}

fn take(
    text: &str,
    name: &Spanned<std::borrow::Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    draft: &mut Draft,
) -> Result<(), Problem> {
    let Some(choice) = options::find(name.get_ref()) else {
        let piece = standin_core::text::Piece { text: name.get_ref(), line: 1, column: 1 };
        let what = if value.get_ref().is_table() {
            format!("there are no sections, and no {}", piece.quoted())
        } else {
            format!("{} is no option", piece.quoted())
        };
        let problem = problem(text, name.span(), what, "one that `standind --gossip-template` lists");
        return Err(problem.or_nearest(options::meant(name.get_ref())));
    };
    let span = value.span();
    let written = &text[span.clone()];
    let found = Value { value: value.get_ref(), written };
    (choice.read)(&found, draft).map_err(|Wrong { what, nearest, part }| {
        // Within the quotes, unless something there is not written as itself.
        let plain = found.value.as_str().is_some_and(|inner| inner.len() + 2 == written.len());
        let span = match part {
            Some(part) if plain => span.start + 1 + part.start..span.start + 1 + part.end,
            _ => span,
        };
        problem(text, span, what, choice.takes).or_nearest(nearest)
    })
}

/// What is right by itself and wrong together.
fn agree(text: &str, table: &DeTable<'_>, draft: &Draft, folder: &Path, found: &mut Vec<Problem>) {
    let span = |name: &str| table.get(name).map_or(0..0, Spanned::span);
    let Draft { config, bus_port, stands, dir, tls } = draft;
    let line = |problem: &Problem| text.lines().nth(problem.line - 1).unwrap_or_default();
    let tls_is_torn = found.iter().any(|problem| line(problem).trim_start().starts_with("tls"));
    let mut wrong = |name: &str, what: String, expected: &str| {
        found.push(problem(text, span(name), what, expected));
    };
    let (name, port) = below_bus(config, tls);
    let others = [Some(config.port), tls.port];
    match bus_port {
        None if port > u16::MAX - BUS_ABOVE => {
            let what = format!("the bus port of {port} would be {}", u32::from(port) + 10_000);
            wrong(name, what, "a port up to 55535, or a bus-port beside it");
        }
        None if others.contains(&Some(port + BUS_ABOVE)) => {
            wrong(name, format!("the bus has {}", port + BUS_ABOVE), "a bus-port beside it");
        }
        Some(bus) if others.contains(&Some(*bus)) => {
            wrong("bus-port", format!("{bus} is the client port"), "another port than the clients'");
        }
        _ => {}
    }
    if !tls_is_torn {
        agree_on_tls(tls, config.port, folder, &mut wrong);
    }
    if *stands && !matches!(config.role, Role::Replica { .. }) {
        let what = format!("a {} does not stand for election", config.role.word());
        found.push(problem(text, span("stands"), what, "role = \"replica\" beside it, or false"));
    }
    let whole = folder.join(dir);
    if !whole.is_dir() {
        let what = format!("{} is no folder", whole.display());
        found.push(problem(text, span("dir"), what, "a folder that is there"));
    } else if whole.join(config.state_file.as_ref()).is_dir() {
        let what = format!("{} is a folder", whole.join(config.state_file.as_ref()).display());
        found.push(problem(text, span("state-file"), what, "a file, or nothing there yet"));
    }
}

/// As [`agree`], of what has to do with TLS.
fn agree_on_tls(
    draft: &TlsDraft,
    port: u16,
    folder: &Path,
    wrong: &mut impl FnMut(&'static str, String, &'static str),
) {
    let TlsDraft { port: tls_port, cluster, clients, .. } = draft;
    match tls_port {
        None if *cluster => {
            wrong("tls-cluster", "others are told the port that speaks TLS".into(), "tls-port beside it");
        }
        None if port == 0 => wrong("port", "no client could come".into(), "a port, or tls-port beside it"),
        Some(tls_port) if *tls_port == port => {
            wrong("tls-port", format!("{port} is the port without TLS"), "another port, or port = 0");
        }
        _ => {}
    }
    let named = [(CERTIFICATE, &draft.certificate), (KEY, &draft.key)];
    let asked = if *cluster { "tls-cluster" } else { "tls-port" };
    match (tls_port, files(draft, folder)) {
        (None, _) => {
            let unused = named.iter().find(|(_, path)| path.is_some() && !cluster);
            if let Some((name, _)) = unused {
                wrong(name, "nothing speaks TLS".into(), "tls-port beside it, or no certificate");
            }
        }
        (Some(_), None) => {
            let missing: Vec<&str> =
                named.iter().filter(|(_, path)| path.is_none()).map(|(name, _)| *name).collect();
            wrong(
                asked,
                format!("there is no {}", missing.join(" and no ")),
                "a certificate and its key beside it",
            );
        }
        (Some(_), Some(files)) if files.authority.is_none() && (*cluster || *clients != Auth::No) => {
            wrong(
                asked,
                format!("there is no {AUTHORITY}: nobody could be believed"),
                "tls-ca-cert-file beside it",
            );
        }
        (Some(_), Some(files)) => {
            if let Err(unfit) = tls::load(&files) {
                wrong(unfit.option, unfit.what, unfit.expected);
            }
        }
    }
}

/// A place that is no TOML. What should stand there is known if its line names an option.
fn misspelt(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let what = error.message().split_once(", expected ").map_or(error.message(), |(what, _)| what);
    let expected = "`name = value` in a line, text in quotes";
    let mut problem = problem(text, span, what, expected);
    let line = text.lines().nth(problem.line - 1).unwrap_or_default();
    if let Some((name, _)) = line.split_once('=')
        && let Some(choice) = options::find(name.trim())
        && error.message() != "duplicate key"
    {
        problem.expected = choice.takes.into();
    }
    problem
}

/// A problem with these bytes of the text, or with those of them in the first line.
fn problem(text: &str, span: Range<usize>, what: impl Into<String>, expected: impl Into<String>) -> Problem {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    // Between the two bytes of a line's end is behind the line.
    let line = text[line_start..].lines().next().unwrap_or_default();
    let start = start.min(line_start + line.len());
    let width = text[start..end].lines().next().unwrap_or_default().chars().count();
    Problem {
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        width: width.max(1),
        what: what.into(),
        expected: expected.into(),
        nearest: None,
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
