//! `ci`: every check in order, each named and timed, stopping at the first that fails.
//!
//! The steps are the table `STEPS`; a machine's CI runs this and nothing else.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{build, cargo, madsim, shell_status, simulator, tidy};

/// Options of `ci`.
#[derive(clap::Args)]
pub struct Args {
    /// Print the steps and what each runs.
    #[arg(long, conflicts_with = "only")]
    list: bool,
    /// Run one step.
    #[arg(long, value_name = "NAME", value_parser = names())]
    only: Option<String>,
}

/// One step.
struct Step {
    name: &'static str,
    work: Work,
    /// Environment of the step alone.
    env: &'static [(&'static str, &'static str)],
    /// A cargo subcommand it cannot do without.
    tool: Option<&'static str>,
    /// A file it is about: no file, no step.
    about: Option<&'static str>,
}

enum Work {
    /// `cargo ARGS…`
    Cargo(&'static [&'static str]),
    /// cargo-nextest where it is installed, else what cargo brings.
    Tests { nextest: &'static [&'static str], plain: &'static [&'static str] },
    /// This program's own `tidy`.
    Tidy,
    /// This program's own `madsim`, over so many seeds.
    Madsim(u64),
    /// `standin-sim ARGS…`, built in profile `sim`.
    Simulator(&'static [&'static str]),
    /// `standin-sim ARGS…` from a debug build and from profile `sim`: the same campaign hash.
    BuildsAgree(&'static [&'static str]),
}

const STEP: Step = Step { name: "", work: Work::Tidy, env: &[], tool: None, about: None };

/// Cheap and telling first.
const STEPS: &[Step] = &[
    Step { name: "fmt", work: Work::Cargo(&["fmt", "--all", "--check"]), tool: Some("fmt"), ..STEP },
    Step {
        name: "clippy",
        work: Work::Cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]),
        tool: Some("clippy"),
        ..STEP
    },
    Step { name: "tidy", work: Work::Tidy, ..STEP },
    Step {
        name: "tests",
        work: Work::Tests {
            nextest: &["nextest", "run", "--workspace", "--all-features"],
            plain: &["test", "--workspace", "--all-features"],
        },
        ..STEP
    },
    Step {
        name: "doctests",
        work: Work::Cargo(&["test", "--doc", "-p", "standin-core", "-p", "standin-sim"]),
        ..STEP
    },
    Step {
        name: "doc",
        work: Work::Cargo(&["doc", "--no-deps", "--workspace"]),
        env: &[("RUSTDOCFLAGS", "-D warnings")],
        ..STEP
    },
    Step {
        name: "core-bare",
        work: Work::Cargo(&["build", "-p", "standin-core", "--no-default-features"]),
        ..STEP
    },
    Step {
        name: "node-bare",
        work: Work::Cargo(&["build", "-p", "standin-node", "--no-default-features"]),
        ..STEP
    },
    Step { name: "madsim", work: Work::Madsim(10), ..STEP },
    Step {
        name: "example",
        work: Work::Cargo(&["run", "--quiet", "--profile", "sim", "-p", "standin-sim", "--example", "lease"]),
        about: Some("sim/examples/lease.rs"),
        ..STEP
    },
    Step { name: "scenarios", work: Work::Simulator(&["scenario", "check"]), ..STEP },
    Step {
        name: "campaign",
        work: Work::Simulator(&["sim", "--seeds", "500", "--check-determinism"]),
        ..STEP
    },
    Step { name: "tuned", work: Work::Simulator(&["sim", "--seeds", "500", "--tuned"]), ..STEP },
    Step { name: "builds", work: Work::BuildsAgree(&["sim", "--seeds", "100"]), ..STEP },
];

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs the steps; 1 if one fails.
pub fn run(root: &Path, args: &Args) -> i32 {
    let wanted = |step: &&Step| args.only.as_ref().is_none_or(|only| only == step.name);
    if args.list {
        for step in STEPS {
            println!("{:<10}  {}", step.name, command_line(step));
        }
        return 0;
    }
    let mut done = Vec::new();
    for step in STEPS.iter().filter(wanted) {
        println!("── {}: {}", step.name, command_line(step));
        let start = Instant::now();
        let ended = run_step(root, step);
        if let Ended::Skipped(why) = &ended {
            println!("── {} is SKIPPED: {why}", step.name);
        }
        let stop = matches!(ended, Ended::Failed(_));
        done.push((step.name, ended, start.elapsed()));
        if stop {
            break;
        }
    }
    print!("{}", summary(&done));
    i32::from(done.iter().any(|(_, ended, _)| matches!(ended, Ended::Failed(_))))
}

fn run_step(root: &Path, step: &Step) -> Ended {
    if let Some(file) = step.about.filter(|file| !root.join(file).exists()) {
        return Ended::Skipped(format!("there is no {file}"));
    }
    if let Some(tool) = step.tool.filter(|tool| !has_tool(root, tool)) {
        return lacking(tool, in_ci(env::var("CI").ok().as_deref()));
    }
    let status = match &step.work {
        Work::Cargo(args) => run_cargo(root, step, args),
        Work::Tests { nextest, plain } => {
            if has_tool(root, "nextest") {
                run_cargo(root, step, nextest)
            } else {
                println!("── cargo-nextest is not installed: cargo {} instead", plain.join(" "));
                run_cargo(root, step, plain)
            }
        }
        Work::Tidy => tidy::run(root, &tidy::Args::default()),
        Work::Madsim(seeds) => madsim::run(root, &madsim::Args::seeds(*seeds)),
        Work::Simulator(args) => match build::simulator(root) {
            Ok(simulator) => simulator::run(root, &simulator, args.iter().map(OsString::from)),
            Err(why) => return Ended::Failed(why),
        },
        Work::BuildsAgree(args) => return builds_agree(root, args),
    };
    if status == 0 { Ended::Passed } else { Ended::Failed(format!("status {status}")) }
}

/// One seed, one trace: whatever the build.
fn builds_agree(root: &Path, args: &[&str]) -> Ended {
    let simulator = match build::simulator(root) {
        Ok(simulator) => simulator,
        Err(why) => return Ended::Failed(why),
    };
    let mut debug = cargo(root);
    debug.args(["run", "--quiet", "--package", "standin-sim", "--bin", "standin-sim", "--"]).args(args);
    let mut released = Command::new(simulator);
    released.args(args).current_dir(root);
    let hash = |command: &mut Command| -> Option<String> {
        let said = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().ok()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.lines().find(|line| line.starts_with("campaign hash ")).map(str::to_owned)
    };
    match (hash(&mut debug), hash(&mut released)) {
        (Some(one), Some(other)) if one == other => {
            println!("{one}, debug and profile sim alike");
            Ended::Passed
        }
        (one, other) => Ended::Failed(format!("debug says {one:?}, profile sim {other:?}")),
    }
}

fn run_cargo(root: &Path, step: &Step, args: &[&str]) -> i32 {
    match cargo(root).args(args).envs(step.env.iter().copied()).status() {
        Ok(status) => shell_status(status),
        Err(why) => {
            eprintln!("xtask: cargo did not start: {why}");
            simulator::CANNOT_RUN
        }
    }
}

fn has_tool(root: &Path, tool: &str) -> bool {
    let quiet: fn(&mut Command) -> &mut Command = |cargo| cargo.stdout(Stdio::null()).stderr(Stdio::null());
    quiet(cargo(root).args([tool, "--version"])).status().is_ok_and(|status| status.success())
}

/// A missing tool fails where everything is expected to be there.
fn lacking(tool: &str, in_ci: bool) -> Ended {
    let why = format!("cargo {tool} is not installed");
    if in_ci { Ended::Failed(why) } else { Ended::Skipped(why) }
}

/// What the variable `CI` says.
fn in_ci(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "" | "0" | "false"))
}

fn command_line(step: &Step) -> String {
    let mut line: String = step.env.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    line += &match &step.work {
        Work::Cargo(args) | Work::Tests { nextest: args, .. } => format!("cargo {}", args.join(" ")),
        Work::Tidy => "cargo xtask tidy".into(),
        Work::Madsim(seeds) => format!("cargo xtask madsim --seeds {seeds}"),
        Work::Simulator(args) => format!("cargo xtask {}", args.join(" ")),
        Work::BuildsAgree(args) => format!("cargo xtask {} (debug and profile sim)", args.join(" ")),
    };
    line
}

fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

/// The table at the end, and its last line.
///
/// That line does not read like a test run's own count: the last of those belongs to the tests.
fn summary(done: &[(&str, Ended, Duration)]) -> String {
    let mut text = String::from("\nstep        seconds  result\n");
    let (mut passed, mut skipped, mut failed) = (0, 0, None);
    for (name, ended, took) in done {
        let result = match ended {
            Ended::Passed => "passed".to_string(),
            Ended::Failed(why) => format!("FAILED: {why}"),
            Ended::Skipped(why) => format!("skipped: {why}"),
        };
        text += &format!("{name:<10} {:>8.1}  {result}\n", took.as_secs_f64());
        match ended {
            Ended::Passed => passed += 1,
            Ended::Skipped(_) => skipped += 1,
            Ended::Failed(_) => failed = Some(name),
        }
    }
    text += &match (failed, skipped) {
        (Some(name), _) => format!("ci: stopped at {name}\n"),
        (None, 0) => format!("ci: {passed} steps passed\n"),
        (None, _) => format!("ci: {passed} steps passed, {skipped} skipped\n"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_names_of_their_own() {
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
        assert!(
            names.iter().all(|name| (1..=10).contains(&name.len())),
            "the table has ten columns for them"
        );
    }

    #[test]
    fn a_missing_tool_fails_ci_and_is_said_aloud_elsewhere() {
        assert_eq!(lacking("fmt", true), Ended::Failed("cargo fmt is not installed".into()));
        assert_eq!(lacking("fmt", false), Ended::Skipped("cargo fmt is not installed".into()));
        assert_eq!(
            [Some("true"), Some("1"), Some("false"), Some(""), None].map(in_ci),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn the_summary_names_the_step_that_failed() {
        let second = Duration::from_secs(1);
        let passed = [("fmt", Ended::Passed, second), ("example", Ended::Skipped("no".into()), second)];
        assert!(summary(&passed).ends_with(
            "fmt             1.0  passed\nexample         1.0  skipped: no\nci: 1 steps passed, 1 skipped\n"
        ));
        assert!(summary(&passed[..1]).ends_with("\nci: 1 steps passed\n"));
        let failed = summary(&[("tidy", Ended::Failed("status 1".into()), second)]);
        assert!(failed.ends_with("FAILED: status 1\nci: stopped at tidy\n"), "{failed}");
    }
}
