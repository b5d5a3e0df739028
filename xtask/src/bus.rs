//! `bench bus`: what the gossip bus costs real daemons at rest, Redis' beside ours.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;

use crate::{cargo, shell_status, simulator};

/// Measure the gossip bus of real daemons at rest: six of ours and six redis-servers beside them.
///
/// Every node is on a host of its own, a network namespace; bytes are counted at its network card.
/// Takes two minutes and needs root and the package redis-server.
#[derive(Parser)]
#[command(name = "cargo xtask bench bus", bin_name = "cargo xtask bench bus")]
struct Args {}

/// Whether these arguments of `bench` are ours.
pub fn meant(args: &[OsString]) -> bool {
    args.first().is_some_and(|first| first == "bus")
}

/// Builds the daemon as it is released and measures it.
pub fn run(root: &Path, args: &[OsString]) -> i32 {
    if let Err(why) = Args::try_parse_from(args) {
        // Nothing is left to do about a closed terminal.
        let _ = why.print();
        return if why.use_stderr() { crate::USAGE } else { 0 };
    }
    let mut bench = cargo(root);
    bench.args(["bench", "--quiet", "--package", "standin-node", "--bench", "bus"]);
    match bench.status() {
        Ok(status) => shell_status(status),
        Err(why) => {
            eprintln!("xtask: cargo did not start: {why}");
            simulator::CANNOT_RUN
        }
    }
}
