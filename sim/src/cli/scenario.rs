//! Scenarios on the command line. What the words do is the library's side ([`Stage`]).

use std::path::PathBuf;

use super::Refusal;

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
    /// Run scenarios and print their traces.
    Run(Files),
    /// Run scenarios and compare each trace with the snapshot beside it.
    Check(Files),
    /// Name scenarios with the first line of what each is about.
    List(Files),
    /// Run scenarios and make their traces the snapshots.
    Accept(Files),
}

/// Which scenarios.
#[derive(Clone, Debug, clap::Args)]
struct Files {
    /// Scenario files, or folders of them; without any, every one there is.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The library's side of the four words; each answers the exit status.
pub(crate) trait Stage {
    /// Runs and prints.
    fn run(&self, files: &[PathBuf]) -> Result<u8, Refusal>;
    /// Runs and compares.
    fn check(&self, files: &[PathBuf]) -> Result<u8, Refusal>;
    /// Names.
    fn list(&self, files: &[PathBuf]) -> Result<u8, Refusal>;
    /// Runs and keeps.
    fn accept(&self, files: &[PathBuf]) -> Result<u8, Refusal>;
}

/// Does what `scenario` was asked for.
pub(crate) fn run(args: &Scenario, stage: &dyn Stage) -> Result<u8, Refusal> {
    match &args.word {
        Word::Run(Files { files }) => stage.run(files),
        Word::Check(Files { files }) => stage.check(files),
        Word::List(Files { files }) => stage.list(files),
        Word::Accept(Files { files }) => stage.accept(files),
    }
}

/// The stage of a build whose library knows no scenarios.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare;

impl Bare {
    fn refuse() -> Result<u8, Refusal> {
        Err(Refusal::usage("this build plays no scenarios".to_owned()))
    }
}

impl Stage for Bare {
    fn run(&self, _: &[PathBuf]) -> Result<u8, Refusal> {
        Self::refuse()
    }
    fn check(&self, _: &[PathBuf]) -> Result<u8, Refusal> {
        Self::refuse()
    }
    fn list(&self, _: &[PathBuf]) -> Result<u8, Refusal> {
        Self::refuse()
    }
    fn accept(&self, _: &[PathBuf]) -> Result<u8, Refusal> {
        Self::refuse()
    }
}
