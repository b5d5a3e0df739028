//! The program's side of the rehearsal room: command lines in, reports and exit statuses out.
//!
//! Reading order: [`options`] (what can be asked for), [`sim`] (whose work it is), [`one`] (a seed),
//! [`many`] (a campaign), [`bench`], [`figures`], [`scenario`], [`allocate`]; [`show`], [`values`],
//! [`file`] and [`wall`] serve them.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use standin_core::text::nearest;
use standin_sim::ctdb::CtdbKit;
use standin_sim::gossip::GossipKit;
use standin_sim::kit::{Kit, WrongSetting};
use standin_sim::scenario::command::{Protocol, REFUSED};

pub(crate) mod allocate;
pub(crate) mod bench;
mod bench_allocation;
mod bench_gossip;
mod bench_membership;
pub(crate) mod figures;
pub(crate) mod file;
pub(crate) mod many;
pub(crate) mod one;
pub(crate) mod options;
pub(crate) mod rival;
pub(crate) mod scenario;
pub(crate) mod show;
pub(crate) mod sim;
#[cfg(test)]
pub(crate) mod toy;
pub(crate) mod values;
pub(crate) mod wall;

/// A command line that is not understood: what clap calls 2, which is a liveness failure here.
pub(crate) const USAGE: u8 = 64;
/// A file that cannot be read, understood or written.
pub(crate) const BAD_FILE: u8 = REFUSED;

/// Something crashed that had no verdict to say so.
pub(crate) const CRASH: u8 = 3;

/// What every command's help ends with.
pub(crate) const EXIT_STATUS: &str = "\
Exit status:
  0   passed
  1   a safety promise broke: something happened that must never; or a trace is not the one
      on record
  2   a liveness promise broke: something did not happen in time
  3   a machine crashed: its own invariant broke
  64  this command line is not understood
  65  a file cannot be read, understood or written
Of a campaign's failures the worst counts: 3, then 1, then 2; of scenarios the first.";

/// Work for a protocol's kit, whichever it is.
pub(crate) trait Errand {
    /// Does it; the answer is the exit status.
    fn run<K: Kit>(self) -> Result<u8, Refusal>;
}

/// The protocols that [`dispatch`] knows, the default first.
pub(crate) const PROTOCOLS: &[&str] = &[CtdbKit::NAME, GossipKit::NAME];

/// As `--protocol` takes it: a campaign of all protocols.
pub(crate) const BOTH: &str = "both";

/// The protocols whose scenarios can be played: those of [`PROTOCOLS`].
pub(crate) const PLAYED: &[Protocol] = &[Protocol::of::<CtdbKit>(), Protocol::of::<GossipKit>()];

/// Hands an errand to the kit of a protocol. The one place that knows them all.
pub(crate) fn dispatch(protocol: &str, errand: impl Errand) -> Result<u8, Refusal> {
    match protocol {
        #[cfg(test)]
        toy::Toy::NAME => errand.run::<toy::Toy>(),
        CtdbKit::NAME => errand.run::<CtdbKit>(),
        GossipKit::NAME => errand.run::<GossipKit>(),
        _ => Err(Refusal::unknown("--protocol", protocol, "protocol", PROTOCOLS)),
    }
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The exit status.
    pub(crate) status: u8,
    /// What is wrong.
    pub(crate) said: String,
}

impl Refusal {
    /// Something is wrong with the command line.
    pub(crate) fn usage(said: String) -> Self {
        Self { status: USAGE, said }
    }

    /// Something is wrong with a file.
    pub(crate) fn file(file: &Path, why: &str) -> Self {
        Self { status: BAD_FILE, said: format!("{}: {why}", file.display()) }
    }

    /// An option names something that does not exist.
    pub(crate) fn unknown(option: &str, name: &str, kind: &str, names: &[&str]) -> Self {
        let hint = match (nearest(name, names.iter().copied()), names) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => format!("there is no {kind} at all"),
            (None, _) => format!("expected one of: {}", names.join(", ")),
        };
        Self::usage(format!("{option}: there is no {kind} `{name}`\n  {hint}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.said)
    }
}

impl From<WrongSetting> for Refusal {
    fn from(wrong: WrongSetting) -> Self {
        let WrongSetting { name, what, expected, nearest } = wrong;
        let hint = nearest.map_or_else(String::new, |near| format!("\n  did you mean `{near}`?"));
        Self::usage(format!("--set {name}: {what}\n  expected {expected}{hint}"))
    }
}

/// Prints to standard output. A reader that has gone away wants no more: not our failure.
pub(crate) fn print(text: &str) {
    if cfg!(test) {
        return print!("{text}"); // where the test harness catches it
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // Whoever closed a pipe has seen enough; anything else is a report that nobody gets.
    if let Err(why) = written
        && why.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("error: standard output: {why}");
        std::process::exit(i32::from(BAD_FILE));
    }
}
