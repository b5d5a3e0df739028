//! Seeds in, one table out. Each seed runs in a process of its own, twice: the order in which
//! `select!` polls comes from a count that a process keeps, so that only a fresh one repeats it.

use std::process::{Command, exit};
use std::thread;
use std::time::Duration;

use madsim::Config;
use madsim::runtime::Runtime;

use crate::story::{EXPECTED, Told, tell};

/// A run that takes longer than this, in virtual time, has got stuck.
const LONGEST: Duration = Duration::from_secs(3600);

pub(crate) fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let ended = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--seeds", count] => number(count).filter(|count| *count > 0).map(campaign),
        ["--seed", seed] => number(seed).map(|seed| one(seed, true)),
        ["--figures", seed] => number(seed).map(|seed| one(seed, false)),
        _ => None,
    };
    exit(ended.unwrap_or_else(|| {
        eprintln!("madsim: --seeds COUNT or --seed SEED");
        64
    }));
}

/// One seed in this process: its trace or its figures, its hash, and what was wrong.
fn one(seed: u64, trace: bool) -> i32 {
    // A thread of its own: madsim seeds the hash maps of a thread that has had none.
    let run = thread::spawn(move || {
        let mut runtime = Runtime::with_seed_and_config(seed, Config::default());
        runtime.set_time_limit(LONGEST);
        runtime.block_on(tell())
    });
    let Ok(Told { figures, trace: text, notices, hash, wrong }) = run.join() else { return 1 };
    if trace {
        print!("{text}");
    }
    for (what, took) in figures {
        println!("{:>11.6} s  {what}", took.as_secs_f64());
    }
    println!("{notices} notices, hash {hash:016x}");
    if let Some(wrong) = wrong {
        eprintln!("{wrong}");
        return 1;
    }
    0
}

/// Seeds from 0, and a table of what they took.
fn campaign(seeds: u64) -> i32 {
    let mut all = Vec::new();
    let mut failed = 0;
    for seed in 0..seeds {
        match twice(seed) {
            Ok(said) => all.push(said),
            Err(why) => {
                failed += 1;
                println!("seed {seed} FAILED: {why}\nrun it again: cargo xtask madsim --seed {seed}");
            }
        }
    }
    println!("{:<24} {:>5} {:>8} {:>8} {:>8}   expected", "situation", "times", "least", "middle", "most");
    for (what, least, most) in EXPECTED {
        let mut took: Vec<f64> = all.iter().flat_map(|said| figures(said, what)).collect();
        took.sort_by(f64::total_cmp);
        if let (Some(first), Some(middle), Some(last)) = (took.first(), took.get(took.len() / 2), took.last())
        {
            println!(
                "{what:<24} {:>5} {first:>8.3} {middle:>8.3} {last:>8.3}   {least} to {most} s",
                took.len()
            );
        }
    }
    let hash = all.iter().flat_map(|said| said.bytes()).fold(0, |hash: u64, byte| {
        (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    println!("madsim: {} of {seeds} seeds well, each run twice alike; hash {hash:016x}", seeds - failed);
    i32::from(failed > 0)
}

/// What a seed says in two processes, if both say the same and are content.
fn twice(seed: u64) -> Result<String, String> {
    let run = || {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        let output =
            command.args(["--figures", &seed.to_string()]).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    };
    let (first, second) = (run()?, run()?);
    if first == second { Ok(first) } else { Err(format!("two runs differ:\n{first}\n{second}")) }
}

/// A situation's figures in seconds.
fn figures<'a>(said: &'a str, what: &'a str) -> impl Iterator<Item = f64> + 'a {
    said.lines().filter_map(move |line| line.strip_suffix(what)?.trim().strip_suffix(" s")?.parse().ok())
}
