//! `scenario run`, `check`, `list` and `accept`: files in, text and a status out.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use standin_core::text::{Piece, Problems};

use super::parse::{SIZE_MAX, parse, protocol, title};
use super::run::{Kept, play};
use super::snapshot::{self, Checked, trace_text};
use super::told::tell;
use crate::kit::Kit;
use crate::outcome::{Outcome, Verdict};

/// Where scenarios lie if no file is named.
pub const FOLDER: &str = "scenarios";
/// The status if a trace is not the one on record, or none is: that of a broken safety promise.
pub const DIFFERS: u8 = 1;
/// The status if a file cannot be read, understood or written.
pub const REFUSED: u8 = 65;

/// What to do with scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Play and show.
    Run(Show),
    /// Play and compare with the trace on record.
    Check,
    /// Tell names and titles.
    List,
    /// Put the trace on record.
    Accept,
    /// Tell the story and what came of it as JSON lines ([`super::told`]); complaints too, as text.
    Tell,
}

/// How much of a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Expectations and verdict.
    Verdict,
    /// The trace too.
    Trace,
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario's title.
    pub title: Option<String>,
    /// Its expectations that came true.
    pub kept: Vec<Kept>,
    /// Its run.
    pub outcome: Outcome,
}

/// A protocol whose scenarios can be played.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    name: &'static str,
    play: fn(&str, Show) -> Result<Report, Problems>,
    tell: fn(&str, &str) -> Result<String, Problems>,
}

impl Protocol {
    /// The protocol of a kit.
    #[must_use]
    pub const fn of<K: Kit>() -> Self {
        Self { name: K::NAME, play: run_text::<K>, tell: tell::<K> }
    }
}

/// Plays a scenario's text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn run_text<K: Kit>(text: &str, show: Show) -> Result<Report, Problems> {
    let scenario = parse::<K>(text)?;
    let kit = K::new(&scenario.setup)
        .map_err(|wrong| Piece { text: "", line: 1, column: 1 }.problem(wrong.what, wrong.expected))?;
    let played = play(kit, &scenario, show == Show::Trace);
    Ok(Report { title: scenario.title, kept: played.kept, outcome: played.outcome })
}

/// Does one thing with every file, and with every scenario below each that is a folder; with
/// all below [`FOLDER`] if there are none. Answers with the status of the first that failed: that
/// of its [`Verdict`], [`DIFFERS`] or [`REFUSED`].
///
/// # Errors
/// If a folder cannot be read or `out` takes no more.
pub fn carry_out(
    verb: Verb,
    files: &[PathBuf],
    protocols: &[Protocol],
    out: &mut dyn Write,
) -> io::Result<u8> {
    let given = if files.is_empty() { &[PathBuf::from(FOLDER)][..] } else { files };
    let files = scenarios(given)?;
    if files.is_empty() {
        writeln!(out, "no scenario lies here")?;
        return Ok(REFUSED);
    }
    let mut failed: Vec<u8> = Vec::new();
    for (place, file) in files.iter().enumerate() {
        if place > 0 && matches!(verb, Verb::Run(_)) {
            writeln!(out)?;
        }
        let (status, text) = one(verb, file, protocols);
        out.write_all(text.as_bytes())?;
        failed.extend((status != 0).then_some(status));
    }
    if verb == Verb::Check {
        writeln!(out, "{} checked, {} failed", files.len(), failed.len())?;
    }
    Ok(failed.first().copied().unwrap_or_default())
}

/// The files, and the scenarios below the folders among them, sorted and each once.
fn scenarios(given: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let (mut folders, mut found): (Vec<PathBuf>, Vec<_>) =
        given.iter().cloned().partition(|path| path.is_dir());
    // The default folder may not be there yet; a file that was named has to be.
    found.retain(|path| path != Path::new(FOLDER));
    while let Some(folder) = folders.pop() {
        let name = |why: io::Error| io::Error::new(why.kind(), format!("{}: {why}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(name)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "scn") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// One file: its status, and what is said about it.
fn one(verb: Verb, file: &Path, protocols: &[Protocol]) -> (u8, String) {
    let shown = file.display();
    let text = match read(file) {
        Ok(text) => text,
        Err(why) => return (REFUSED, format!("{shown}: {why}\n")),
    };
    if verb == Verb::List {
        return (0, format!("{shown}  {}\n", title(&text).unwrap_or_default()));
    }
    let Some(protocol) = protocol_of(file, &text, protocols) else {
        let names: Vec<_> = protocols.iter().map(|one| one.name).collect();
        return (REFUSED, format!("{shown}: its protocol is none of these: {}\n", names.join(", ")));
    };
    if verb == Verb::Tell {
        let told = (protocol.tell)(&shown.to_string(), &text);
        return told
            .map_or_else(|problems| (REFUSED, problems.render(&shown.to_string(), &text)), |told| (0, told));
    }
    let show = if let Verb::Run(show) = verb { show } else { Show::Trace };
    let report = match (protocol.play)(&text, show) {
        Ok(report) => report,
        Err(problems) => return (REFUSED, problems.render(&shown.to_string(), &text)),
    };
    match verb {
        Verb::Run(_) => {
            let heading = report.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
            let status = report.outcome.verdict.exit_status();
            (status, format!("{shown}{heading}\n{report}"))
        }
        Verb::Check => checked(file, &report),
        Verb::Accept => accepted(file, &report),
        Verb::List | Verb::Tell => (0, String::new()),
    }
}

fn checked(file: &Path, report: &Report) -> (u8, String) {
    let shown = file.display();
    let verdict = &report.outcome.verdict;
    if *verdict != Verdict::Passed {
        return (verdict.exit_status(), format!("FAILED  {shown}\n  {}\n", ended(verdict)));
    }
    match snapshot::check(file, &trace_text(&report.outcome)) {
        Ok(Checked::Same) => (0, format!("ok      {shown}\n")),
        Ok(Checked::Missing) => {
            let next = format!("scenario run {shown}, read it, then scenario accept {shown}");
            (DIFFERS, format!("FAILED  {shown}\n  no trace is on record: {next}\n"))
        }
        Ok(Checked::Differs(lines)) => {
            let next = format!("if it is meant to: scenario accept {shown}");
            (
                DIFFERS,
                format!("FAILED  {shown}\n  the trace (+) is not the one on record (-); {next}\n{lines}"),
            )
        }
        Err(why) => {
            (REFUSED, format!("FAILED  {shown}\n  {}: {why}\n", snapshot::path_beside(file).display()))
        }
    }
}

fn accepted(file: &Path, report: &Report) -> (u8, String) {
    let shown = file.display();
    let verdict = &report.outcome.verdict;
    if *verdict != Verdict::Passed {
        let why = ended(verdict);
        return (verdict.exit_status(), format!("{shown}: not accepted, it fails\n  {why}\n"));
    }
    match snapshot::accept(file, &trace_text(&report.outcome)) {
        Ok(None) => (0, format!("{shown}: as on record\n")),
        Ok(Some(lines)) => (0, format!("{shown}: accepted\n{lines}")),
        Err(why) => (REFUSED, format!("{}: {why}\n", snapshot::path_beside(file).display())),
    }
}

/// The protocol a scenario names in its head, else the one a folder of the file is named for, else
/// the first.
fn protocol_of(file: &Path, text: &str, protocols: &[Protocol]) -> Option<Protocol> {
    let called = |name: &OsStr| protocols.iter().find(|protocol| name == protocol.name).copied();
    if let Some(name) = protocol(text) {
        return called(OsStr::new(name));
    }
    let named = |folder: &Path| called(folder.file_name()?);
    file.ancestors().skip(1).find_map(named).or_else(|| protocols.first().copied())
}

/// A file's text, up to just over what a scenario may have. Bytes that are not UTF-8 are replaced.
fn read(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a run ended, in a line.
fn ended(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Broken(_) => format!("{}: {}", verdict.signature(), verdict.what()),
        Verdict::Crash(said) => format!("crash: {said}"),
    }
}

/// Expectations with their times, the trace if it was kept, a line an address that a client
/// asked, the hash, the verdict.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Kept { text, after, .. } in &self.kept {
            let mut time = String::new();
            write!(time, "+{}.{:03}s", after.0 / 1_000_000, after.0 / 1_000 % 1_000)?;
            writeln!(f, "kept  {time:>12}  {text}")?;
        }
        for line in &self.outcome.lines {
            writeln!(f, "{line}")?;
        }
        for address in &self.outcome.addresses {
            writeln!(f, "{address}")?;
        }
        writeln!(f, "trace hash {:016x}", self.outcome.hash)?;
        writeln!(f, "{}", ended(&self.outcome.verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ticker::Clockwork;
    use super::*;
    use std::slice::from_ref;

    #[test]
    fn a_report_tells_expectations_trace_and_hash() {
        let text = "# Poked.\nnodes 2\nat 1.5s poke n1\nexpect noticed n1 poked\nexpect within 1s ticked n0 2\nend 2.6s";
        let report = run_text::<Clockwork>(text, Show::Trace).unwrap_or_else(|problems| panic!("{problems}"));
        let hash = report.outcome.hash;
        let trace = "      1.000000  n0   ..  tick 1
      1.000000  n1   ..  tick 1
      1.500000  --   ..  poke n1
      1.500000  n1   ..  poked
      2.000000  n0   ..  tick 2
      2.000000  n1   ..  tick 2
";
        assert_eq!(
            report.to_string(),
            format!(
                "kept       +0.000s  expect noticed n1 poked\nkept       +0.500s  expect within 1s ticked n0 2\n\
                 {trace}trace hash {hash:016x}\npassed\n"
            )
        );
        let kept = format!("# ticker, nodes 2, seed 1, 2.6s; trace hash {hash:016x}\n{trace}");
        assert_eq!(trace_text(&report.outcome), kept);
        assert_eq!(report.title.as_deref(), Some("Poked."));
    }

    #[test]
    fn what_was_accepted_is_checked() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("standin-scenario-{}", std::process::id()));
        fs::create_dir_all(folder.join("ticker"))?;
        let file = folder.join("ticker/tick.scn");
        let protocols = [Protocol::of::<Clockwork>()];
        let folders = [folder.clone()];
        let said = |verb: Verb, files: &[PathBuf]| -> io::Result<(u8, String)> {
            let mut out = Vec::new();
            let status = carry_out(verb, files, &protocols, &mut out)?;
            Ok((status, String::from_utf8_lossy(&out).replace(&*folder.to_string_lossy(), "…")))
        };

        fs::write(&file, "# Two ticks.\nnodes 1\nexpect within 3s ticked n0 2\nend 3.5s\n")?;
        assert_eq!(said(Verb::List, &folders)?, (0, "…/ticker/tick.scn  Two ticks.\n".to_owned()));
        let (status, text) = said(Verb::Check, &folders)?;
        assert!(status == DIFFERS && text.contains("no trace is on record"), "{text}");
        let (status, text) = said(Verb::Accept, from_ref(&file))?;
        assert!(status == 0 && text.contains("  +       1.000000  n0   .  tick 1\n"), "{text}");
        assert_eq!(said(Verb::Accept, from_ref(&file))?, (0, "…/ticker/tick.scn: as on record\n".to_owned()));
        let all = (0, "ok      …/ticker/tick.scn\n1 checked, 0 failed\n".to_owned());
        assert_eq!(said(Verb::Check, &folders)?, all);

        fs::write(&file, "nodes 1\nset Every 2\nexpect within 5s ticked n0 2\nend 5s\n")?;
        let (status, text) = said(Verb::Check, &folders)?;
        assert!(status == DIFFERS && text.contains("  -       1.000000  n0   .  tick 1\n"), "{text}");
        fs::write(&file, "nodes 1\nexpect within 1.5s ticked n0 2\n")?;
        let (status, text) = said(Verb::Accept, &folders)?;
        assert!(status == 2 && text.contains("not accepted, it fails\n  liveness: expect: line 2"), "{text}");
        fs::write(&file, "nodes 1\nexpect\n")?;
        let (status, text) = said(Verb::Run(Show::Verdict), &folders)?;
        assert!(
            status == REFUSED && text.contains("…/ticker/tick.scn:2:7: a word is missing here"),
            "{text}"
        );
        fs::remove_dir_all(&folder)
    }
}
