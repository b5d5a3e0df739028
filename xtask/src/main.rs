//! `cargo xtask`: one command a file, one match.

use std::ffi::OsString;
use std::process::exit;

use clap::Parser;
use xtask::{bus, ci, cluster, failover, fuzz, madsim, real, root, simulator, tidy};

/// The workspace's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_STATUS)]
enum Command {
    /// Run seeds through the simulator; everything after `sim` is the simulator's.
    #[command(disable_help_flag = true)]
    Sim(simulator::Args),
    /// Run, check or accept scenarios; everything after `scenario` is the simulator's, but
    /// `scenario run --on namespaces` plays them on real daemons.
    #[command(disable_help_flag = true)]
    Scenario(simulator::Args),
    /// Measure the simulator, built with what was seen of itself at work (`bench --untrained …` as
    /// it is otherwise); everything after that is the simulator's, but `bench failover` and `bench
    /// bus` measure real daemons in namespaces.
    #[command(disable_help_flag = true)]
    Bench(simulator::Args),
    /// Say which node would serve which public address; everything after `allocate` is the
    /// simulator's.
    #[command(disable_help_flag = true)]
    Allocate(simulator::Args),
    /// Real daemons in network namespaces: make a cluster, break it, watch it.
    Cluster(cluster::Args),
    /// The daemon's driver, links and timers in virtual time, seed by seed.
    Madsim(madsim::Args),
    /// Any bytes for everything that reads what others wrote, libFuzzer choosing them.
    Fuzz(fuzz::Args),
    /// Check what the compiler does not: layers, packages, names, lengths, snapshots.
    Tidy(tidy::Args),
    /// Every check, in order, stopping at the first that fails.
    Ci(ci::Args),
}

const EXIT_STATUS: &str = "\
Exit status:
  0   all is well
  1   tidy or fuzz found something, a step of ci or a seed of madsim failed, or cluster could not do it
  64  this command line is not understood
  70  the simulator, the daemon or the fuzzer could not be built or started
sim, scenario, bench and allocate otherwise end with the simulator's own status, cluster
ctdb and shell with that of what they ran; 128 and a signal's number when a signal ended it.";

fn main() {
    let command = parse(std::env::args_os().collect()).unwrap_or_else(|why| {
        // Nothing is left to do about a closed terminal.
        let _ = why.print();
        exit(if why.use_stderr() { xtask::USAGE } else { 0 })
    });
    let root = root();
    exit(match command {
        Command::Sim(args) => simulator::pass(&root, "sim", &args),
        Command::Scenario(args) if real::meant(&args.args) => real::run(&root, &args.args),
        Command::Scenario(args) => simulator::pass(&root, "scenario", &args),
        Command::Bench(args) if bus::meant(&args.args) => bus::run(&root, &args.args),
        Command::Bench(args) if failover::meant(&args.args) => failover::run(&root, &args.args),
        Command::Bench(args) => simulator::bench(&root, &args),
        Command::Allocate(args) => simulator::pass(&root, "allocate", &args),
        Command::Cluster(args) => cluster::run(&root, &args),
        Command::Madsim(args) => madsim::run(&root, &args),
        Command::Fuzz(args) => fuzz::run(&root, &args),
        Command::Tidy(args) => tidy::run(&root, &args),
        Command::Ci(args) => ci::run(&root, &args),
    })
}

/// Reads the command line; what is the simulator's is taken from it as it stands, because clap
/// keeps a leading `--` for itself.
fn parse(mut line: Vec<OsString>) -> Result<Command, clap::Error> {
    let mut command = Command::try_parse_from(&line)?;
    match &mut command {
        Command::Sim(args) | Command::Scenario(args) | Command::Bench(args) | Command::Allocate(args) => {
            args.args = line.split_off(2);
        }
        Command::Cluster(_) | Command::Madsim(_) | Command::Fuzz(_) | Command::Tidy(_) | Command::Ci(_) => {}
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(line: &[&str]) -> Vec<String> {
        let line = ["xtask", "sim"].iter().chain(line).map(OsString::from).collect();
        match parse(line).unwrap_or_else(|why| panic!("{why}")) {
            Command::Sim(args) => args.args.into_iter().map(|arg| arg.into_string().unwrap()).collect(),
            Command::Scenario(_)
            | Command::Bench(_)
            | Command::Allocate(_)
            | Command::Cluster(_)
            | Command::Madsim(_)
            | Command::Fuzz(_)
            | Command::Tidy(_)
            | Command::Ci(_) => {
                panic!("another command")
            }
        }
    }

    #[test]
    fn the_simulators_arguments_pass_verbatim() {
        for line in [
            &["--help"][..],
            &["-h"],
            &["--seeds", "200", "--check-determinism"],
            &["a", "--", "b"],
            &["--", "b"],
            &["--seed=7", "--version", "-V", ""],
            &[],
        ] {
            assert_eq!(passed(line), line);
        }
    }

    #[test]
    fn every_command_is_well_formed() {
        use clap::CommandFactory;
        Command::command().debug_assert();
    }
}
