//! Scenarios on the command line. What the words do is the library's side
//! ([`standin_sim::scenario::command`]).

use std::io::{self, Write};
use std::path::PathBuf;

use standin_sim::scenario::command::{FOLDER, Show, Verb, carry_out};

use super::{BAD_FILE, PLAYED, Refusal};

/// Run, check, list or accept scenarios.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = super::EXIT_STATUS)]
pub(crate) struct Scenario {
    #[command(subcommand)]
    word: Word,
}

/// What to do with them.
#[derive(Clone, Debug, clap::Subcommand)]
enum Word {
    /// Run scenarios: expectations with the time each came true, trace, hash, verdict.
    #[command(after_help = super::EXIT_STATUS)]
    Run {
        /// Leave the trace out.
        #[arg(long)]
        no_trace: bool,
        #[command(flatten)]
        files: Files,
    },
    /// Run scenarios and compare each trace with the snapshot beside it.
    #[command(after_help = super::EXIT_STATUS)]
    Check(Files),
    /// Name scenarios with the first line of what each is about.
    List(Files),
    /// Run scenarios and make their traces the snapshots, once each has been read.
    #[command(after_help = super::EXIT_STATUS)]
    Accept {
        /// Scenario files, or folders of them.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Tell stories and what came of them as JSON lines, for whoever tries them elsewhere.
    #[command(hide = true)]
    Tell(Files),
}

/// Which scenarios.
#[derive(Clone, Debug, clap::Args)]
struct Files {
    /// Scenario files, or folders of them; without any, every one there is.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Does what `scenario` was asked for. The status is that of the first file that failed.
pub(crate) fn run(args: &Scenario) -> Result<u8, Refusal> {
    let (verb, files) = match &args.word {
        Word::Run { no_trace: false, files } => (Verb::Run(Show::Trace), &files.files),
        Word::Run { no_trace: true, files } => (Verb::Run(Show::Verdict), &files.files),
        Word::Check(files) => (Verb::Check, &files.files),
        Word::List(files) => (Verb::List, &files.files),
        Word::Accept { files } => (Verb::Accept, files),
        Word::Tell(files) => (Verb::Tell, &files.files),
    };
    let mut out: Box<dyn Write> =
        if cfg!(test) { Box::new(io::sink()) } else { Box::new(io::stdout().lock()) };
    match carry_out(verb, files, PLAYED, &mut *out) {
        Ok(status) => Ok(status),
        // Nobody reads any more: `scenario run | head`.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(why) => {
            let at = if files.is_empty() { format!("{FOLDER}: ") } else { String::new() };
            Err(Refusal { status: BAD_FILE, said: format!("{at}{why}") })
        }
    }
}
