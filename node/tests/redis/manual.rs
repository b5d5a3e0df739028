//! `docs/witness.md` as a reader follows it: every command as written, every line it promises.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cluster::{Cluster, LONG, able};

const MANUAL: &str = include_str!("../../../docs/witness.md");
const README: &str = include_str!("../../../README.md");

/// Commands, and what they are said to print.
struct Step<'a> {
    commands: &'a str,
    printed: Vec<&'a str>,
}

/// The blocks of a kind, in order, with what stands behind each.
fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut parts = text.split("```");
    // Text, block, text, block…
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        let (kind, body) = block.split_once('\n').expect("a block has lines");
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: body, printed: Vec::new() }),
            ("text", Some(step)) => step.printed = body.lines().collect(),
            _ => {}
        }
    }
    steps
}

/// Whether a line is as told: `…` is anything.
fn is_as_told(line: &str, told: &str) -> bool {
    let mut pieces = told.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for piece in pieces.map(|piece| piece.trim_end_matches(' ')) {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    told.ends_with('…') || rest.trim().is_empty() || told.contains('…')
}

/// A daemon that a shell left behind; it ends with the test.
struct Background(Pid);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGTERM);
        // It saves its state before it ends. A dead one that nobody has buried has no command line.
        let begin = Instant::now();
        let line = format!("/proc/{}/cmdline", self.0);
        while begin.elapsed() < LONG && fs::read(&line).is_ok_and(|line| !line.is_empty()) {
            sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_manual_is_followed_to_the_letter() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("manual");
    cluster.masters_and_replicas(2, |conf| conf.replace("cluster-node-timeout", "# cluster-node-timeout"));
    let home = cluster.folder().join("home");
    fs::create_dir_all(&home).expect("a folder");
    let host = cluster.bare_host(9);
    let programs =
        Path::new(env!("CARGO_BIN_EXE_standind")).parent().expect("it has one").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let mut daemon = None;
    for (number, step) in steps(MANUAL).iter().enumerate() {
        // The shell tells who was sent to the background. Files, as that one keeps a pipe open.
        let script = format!("{}\necho $! > {}\n", step.commands, home.join("background").display());
        let [out, err] = ["out", "err"].map(|name| home.join(format!("{number}.{name}")));
        let mut command = Command::new("timeout");
        command.arg((LONG * 2).as_secs().to_string()).args(["bash", "-e", "-c", &script]);
        command.current_dir(&home).env("PATH", &path).env("TERM", "dumb").stdin(Stdio::null());
        command.stdout(File::create(&out).expect("a file")).stderr(File::create(&err).expect("a file"));
        let status = host.within(|| command.status().expect("a shell"));
        let said = fs::read_to_string(&out).expect("text");
        let pid = fs::read_to_string(home.join("background")).unwrap_or_default();
        daemon = daemon.or_else(|| pid.trim().parse().ok().map(Pid::from_raw).map(Background));
        let told = || {
            let err = fs::read_to_string(&err).unwrap_or_default();
            format!("step {number}: {status}\n{}\n---\n{said}\n---\n{err}\n{}", step.commands, cluster.told())
        };
        assert!(status.success(), "{}", told());
        for line in &step.printed {
            assert!(said.lines().any(|out| is_as_told(out, line)), "`{line}` is missing of {}", told());
        }
    }
    let daemon = daemon.expect("the manual starts a daemon");
    kill(daemon.0, None).expect("it runs to the end");
}

#[test]
fn the_readme_says_what_the_manual_says() {
    let (_, section) =
        README.split_once("## A witness for your Redis cluster in five minutes").expect("a section");
    let section = section.split("\n## ").next().expect("it has text");
    let commands: Vec<&str> = steps(section)[0].commands.lines().collect();
    assert!(commands.len() >= 3);
    for line in commands {
        let command = line.split('#').next().unwrap_or_default().trim();
        assert!(MANUAL.contains(command), "docs/witness.md has no `{command}`");
    }
    assert!(section.contains("(docs/witness.md)"));
}
