//! `fuzz`: any bytes for everything that reads bytes, libFuzzer choosing them.
//!
//! The readers are instrumented, so this has a target directory of its own and the flags stand in no
//! configuration file. libFuzzer is C++ and comes with a package that only `--cfg fuzzing` asks for:
//! nothing else needs a compiler for it, and no nightly toolchain is needed for any of this.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use crate::{USAGE, cargo, shell_status, simulator};

/// Options of `fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// The readers to feed; all of them, one after the other, unless one is named.
    target: Option<String>,
    /// How long each is fed.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Print the targets.
    #[arg(long, conflicts_with_all = ["target", "keep"])]
    list: bool,
    /// Feed nothing: of what earlier runs found worth trying, add to the corpus what reaches more
    /// than it does.
    #[arg(long)]
    keep: bool,
    /// More options of libFuzzer's, behind `--`.
    #[arg(last = true, value_name = "OPTION")]
    more: Vec<OsString>,
}

/// What makes the compiler count which way a run takes. The flags are LLVM's, not nightly's.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs one target or all; 1 if something was found.
pub fn run(root: &Path, args: &Args) -> i32 {
    let corpora = root.join("fuzz/corpus");
    let targets = match targets(&corpora) {
        Ok(targets) => targets,
        Err(why) => return cannot(&format!("{}: {why}", corpora.display())),
    };
    if args.list {
        targets.iter().for_each(|target| println!("{target}"));
        return 0;
    }
    let wanted: Vec<&String> =
        targets.iter().filter(|target| args.target.as_ref().is_none_or(|wanted| wanted == *target)).collect();
    if wanted.is_empty() {
        let unknown = args.target.as_deref().unwrap_or_default();
        eprintln!("fuzz: there is no target `{unknown}`; there are: {}", targets.join(", "));
        return USAGE;
    }
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let folder = folder.join("fuzz");
    let program = match build(root, &folder) {
        Ok(program) => program,
        Err(why) => return cannot(&why),
    };
    for target in wanted {
        println!("── {target}");
        match feed(root, &program, &folder, &corpora, target, args) {
            Ok(0) => {}
            Ok(status) => {
                eprintln!(
                    "fuzz: {target} broke on the file above. Once more: cargo run -p standin-fuzz -- {target} FILE\n\
                     fuzz: mended, it belongs into fuzz/corpus/{target} under a name that tells what it was"
                );
                return if status > 128 { status } else { 1 };
            }
            Err(why) => return cannot(&why),
        }
    }
    0
}

/// Every target has a corpus, and a test sees to it that there are no others.
fn targets(corpora: &Path) -> io::Result<Vec<String>> {
    let folders = fs::read_dir(corpora)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut targets = folders.collect::<io::Result<Vec<_>>>()?;
    targets.sort_unstable();
    Ok(targets)
}

/// The program with libFuzzer in it.
fn build(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let asked = Command::new(&compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        return Err(format!(
            "{} does not run: libFuzzer is C++, and needs a compiler for it once (Debian: apt-get install g++; \
             or name one in CXX)",
            compiler.display()
        ));
    }
    let host = host(root)?;
    let flags = format!("{} {FLAGS}", env::var("RUSTFLAGS").unwrap_or_default());
    let mut cargo = cargo(root);
    cargo
        .args(["build", "--quiet", "--profile", "fuzz", "--package", "standin-fuzz", "--bin", "standin-fuzz"])
        // With a target named, what runs while building is not instrumented.
        .args(["--target", &host])
        .env("RUSTFLAGS", flags.trim())
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_DIR", folder);
    match cargo.status() {
        Ok(status) if status.success() => Ok(folder.join(host).join("fuzz/standin-fuzz")),
        Ok(_) => Err("the targets do not build".into()),
        Err(why) => Err(format!("cargo did not start: {why}")),
    }
}

/// The machine this compiler builds for.
fn host(root: &Path) -> Result<String, String> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let said =
        rustc.arg("-vV").current_dir(root).output().map_err(|why| format!("rustc did not start: {why}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say what it builds for".into())
}

/// Feeds a target from its corpus, and from what earlier runs on this machine found worth trying.
fn feed(
    root: &Path,
    program: &Path,
    folder: &Path,
    corpora: &Path,
    target: &str,
    args: &Args,
) -> Result<i32, String> {
    let (corpus, tried, found) =
        (corpora.join(target), folder.join("tried").join(target), folder.join("found"));
    for folder in [&tried, &found] {
        fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    }
    let mut fuzzer = Command::new(program);
    fuzzer.env("STANDIN_FUZZ", target).current_dir(root);
    fuzzer.arg(format!("-artifact_prefix={}/{target}-", found.display()));
    fuzzer.args(["-timeout=20", "-rss_limit_mb=2048"]);
    if args.keep {
        fuzzer.arg("-merge=1").args(&args.more).args([&corpus, &tried]);
    } else {
        fuzzer.args([format!("-max_total_time={}", args.seconds), "-print_final_stats=1".into()]);
        fuzzer.args(&args.more).args([&tried, &corpus]);
    }
    fuzzer.status().map(shell_status).map_err(|why| format!("{} did not start: {why}", program.display()))
}

fn cannot(why: &str) -> i32 {
    eprintln!("fuzz: {why}");
    simulator::CANNOT_RUN
}
