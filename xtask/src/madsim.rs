//! `madsim`: the driver's own code in virtual time.
//!
//! `--cfg madsim` changes every package that is built with it, so it has a target directory of its
//! own and stands in no configuration file.

use std::env;
use std::path::Path;

use crate::{cargo, shell_status, simulator};

/// Options of `madsim`.
#[derive(clap::Args)]
pub struct Args {
    /// How many seeds, from 0.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// One seed instead, with all that was noticed.
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    seed: Option<u64>,
}

impl Args {
    /// So many seeds.
    pub(crate) const fn seeds(seeds: u64) -> Self {
        Self { seeds, seed: None }
    }
}

/// Builds the rehearsal of `standin-node` and runs it; 1 if a seed fails or it does not build.
pub fn run(root: &Path, args: &Args) -> i32 {
    let targets = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let flags = format!("{} --cfg madsim", env::var("RUSTFLAGS").unwrap_or_default());
    let (option, value) = args.seed.map_or(("--seeds", args.seeds), |seed| ("--seed", seed));
    let mut cargo = cargo(root);
    cargo
        .args(["test", "--quiet", "--package", "standin-node", "--no-default-features"])
        .args(["--test", "madsim", "--", option, &value.to_string()])
        .env("RUSTFLAGS", flags.trim())
        // It would be heard instead.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_DIR", targets.join("madsim"));
    match cargo.status() {
        Ok(status) if status.success() => 0,
        Ok(status) if status.code().is_some() => 1,
        Ok(status) => shell_status(status),
        Err(why) => {
            eprintln!("xtask: cargo did not start: {why}");
            simulator::CANNOT_RUN
        }
    }
}
