//! `sim`, `scenario`, `bench`, `allocate`: build the simulator, hand it the command line, end as it ends.
//!
//! Built first and run second, so that a simulator that does not compile ([`CANNOT_RUN`]) is
//! never taken for one that found a bug.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{build, shell_status, trained};

/// The simulator could not be built or started.
pub const CANNOT_RUN: i32 = 70;

/// What the simulator is given, untouched: its `--help` is its own.
#[derive(clap::Args)]
pub struct Args {
    /// The simulator's arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Runs `standin-sim VERB ARGS…` at the root; the status is the simulator's own.
pub fn pass(root: &Path, verb: &str, args: &Args) -> i32 {
    pass_to(root, build::simulator(root), verb, &args.args)
}

/// The same for `bench`, by a simulator that was trained on itself unless the first
/// argument is `--untrained` or somebody only wants help.
pub fn bench(root: &Path, args: &Args) -> i32 {
    let (untrained, rest) = match args.args.split_first() {
        Some((first, rest)) if first == "--untrained" => (true, rest),
        _ => (false, &args.args[..]),
    };
    let help = rest.iter().any(|arg| arg == "--help" || arg == "-h");
    let simulator = if untrained || help { build::simulator(root) } else { trained::build(root) };
    pass_to(root, simulator, "bench", rest)
}

fn pass_to(root: &Path, simulator: Result<PathBuf, String>, verb: &str, args: &[OsString]) -> i32 {
    let simulator = match simulator {
        Ok(simulator) => simulator,
        Err(why) => {
            eprintln!("xtask: {why}");
            return CANNOT_RUN;
        }
    };
    // In our place: whoever ends us by a signal ends the simulator.
    let why =
        prepared(root, &simulator, [OsString::from(verb)].into_iter().chain(args.iter().cloned())).exec();
    not_started(&simulator, &why)
}

/// How glibc is told to ask for large pages, which spares clusters of 64 some 8 % of their time.
const LARGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

/// Runs a built simulator at the root, environment and terminal passed on.
pub(crate) fn run(root: &Path, simulator: &Path, args: impl Iterator<Item = OsString>) -> i32 {
    match prepared(root, simulator, args).status() {
        Ok(status) => shell_status(status),
        Err(why) => not_started(simulator, &why),
    }
}

fn prepared(root: &Path, simulator: &Path, args: impl Iterator<Item = OsString>) -> Command {
    let mut command = Command::new(simulator);
    command.args(args).current_dir(root);
    if std::env::var_os(LARGE_PAGES.0).is_none() {
        command.env(LARGE_PAGES.0, LARGE_PAGES.1);
    }
    command
}

fn not_started(simulator: &Path, why: &std::io::Error) -> i32 {
    eprintln!("xtask: {} did not start: {why}", simulator.display());
    CANNOT_RUN
}
