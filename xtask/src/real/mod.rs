//! `scenario run --on namespaces`: the simulator's stories, played by real daemons in a bed.
//!
//! The simulator tells a story and what came of it there; a word that no bed can carry out is
//! refused before anything starts. Reading order: `story` (what was told), `deed` and `fact`
//! (what it asks for) of `words`, `eyes` (what is known of a bed), `play` and the `fate` of it,
//! `table` (both side by side).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use standin_testbed::{Options, has_ctdb, usable};

use crate::cluster::{Daemons, complain_with};
use crate::{USAGE, build, shell_status, simulator};

mod deed;
mod eyes;
mod fact;
mod fate;
mod play;
mod story;
mod table;
mod words;

/// Play scenarios on real daemons in network namespaces, beside the simulator.
///
/// Each story has a cluster of its own, and takes as long as it says. Status: 0 all is kept, 1 an
/// expectation is broken, 2 one came too late, 64 this command line is not understood, 65 a file
/// cannot be read, or not be played on namespaces, 70 a cluster could not be made or a deed not done.
#[derive(Parser)]
#[command(name = "cargo xtask scenario run", bin_name = "cargo xtask scenario run")]
struct Args {
    /// Where it is played.
    #[arg(long, value_enum)]
    on: Place,
    #[command(flatten)]
    daemons: Daemons,
    /// So much later than written may come true what has to within a time: where real scripts take
    /// longer than the rehearsal's.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = tolerance)]
    tolerance: Duration,
    /// The cluster's name, so that several can be played side by side.
    #[arg(long, default_value = "scenario")]
    name: String,
    /// Scenario files, or folders of them.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    /// Real daemons in network namespaces.
    Namespaces,
}

fn tolerance(text: &str) -> Result<Duration, String> {
    words::span(Some(text))
}

/// Whether these arguments of `scenario` are ours.
pub fn meant(args: &[OsString]) -> bool {
    let ours = |arg: &OsString| arg == "--on" || arg.to_str().is_some_and(|arg| arg.starts_with("--on="));
    args.first().is_some_and(|first| first == "run") && args.iter().any(ours)
}

/// Plays all files; the status is that of the first that failed.
pub fn run(root: &Path, args: &[OsString]) -> i32 {
    let args = match read(args) {
        Ok(args) => args,
        Err(status) => return status,
    };
    match tell(root, &args.files) {
        Ok(told) => play_all(root, &args, &told),
        Err(status) => status,
    }
}

/// The same of what a simulator told already; the files are not read.
pub fn run_told(root: &Path, args: &[OsString], told: &str) -> i32 {
    match read(args) {
        Ok(args) => play_all(root, &args, told),
        Err(status) => status,
    }
}

fn read(args: &[OsString]) -> Result<Args, i32> {
    Args::try_parse_from(args).map_err(|why| {
        // Nothing is left to do about a closed terminal.
        let _ = why.print();
        if why.use_stderr() { USAGE } else { 0 }
    })
}

fn play_all(root: &Path, args: &Args, told: &str) -> i32 {
    let (stories, complaints) = story::read(told);
    if !complaints.is_empty() {
        complaints.iter().for_each(|why| eprintln!("{why}"));
        return BAD_FILE;
    }
    if let Err(why) = usable().and_then(|()| has_ctdb()) {
        return complain_with(&why.to_string(), simulator::CANNOT_RUN);
    }
    let mut failed = 0;
    for story in &stories {
        let programs = match args.daemons.programs(root, story.nodes, story.strict) {
            Ok(programs) => programs,
            Err((why, status)) => return complain_with(&why, status),
        };
        let options = Options {
            programs,
            public: story.simulated.addresses.len(),
            lock: story.lock,
            tunables: story.tunables.clone(),
        };
        println!("{}", table::heading(story, &options, args.tolerance));
        let status = match play::play(&args.name, story, &options, args.tolerance) {
            Ok(played) => {
                println!("{}", table::figures(story, &options, &played));
                played.status
            }
            Err(why) => complain_with(&why.to_string(), simulator::CANNOT_RUN),
        };
        if failed == 0 {
            failed = status;
        }
    }
    failed
}

/// A file cannot be read or played.
const BAD_FILE: i32 = 65;

/// What the simulator tells of these files; its status if it cannot.
fn tell(root: &Path, files: &[PathBuf]) -> Result<String, i32> {
    let simulator = build::simulator(root).map_err(|why| complain_with(&why, simulator::CANNOT_RUN))?;
    let mut command = Command::new(simulator);
    command.args(["scenario", "tell"]).args(files).current_dir(root);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|why| {
        complain_with(&format!("the simulator did not start: {why}"), simulator::CANNOT_RUN)
    })?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    match shell_status(output.status) {
        0 => Ok(told),
        status => {
            told.lines().filter(|line| !line.starts_with('{')).for_each(|line| eprintln!("{line}"));
            Err(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_the_simulators_unless_they_are_to_run_elsewhere() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(meant(&words("run --on namespaces a.scn")) && meant(&words("run a.scn --on=namespaces")));
        assert!(!meant(&words("run a.scn")) && !meant(&words("check --on namespaces")));
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
        assert!(Args::try_parse_from(["run", "--on", "mars", "a.scn"]).is_err());
        assert!(Args::try_parse_from(["run", "--on", "namespaces"]).is_err());
    }
}
