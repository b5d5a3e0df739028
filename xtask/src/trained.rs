//! The simulator as fast as the compiler can make it: built once to watch itself at work, run on a
//! little of that work, and built again with what was seen (profile-guided optimisation).
//!
//! What it computes is the same, trace for trace. The two builds take a few minutes and are kept; so
//! is what was seen, for as long as the simulator that was watched is the same.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::build;

/// What it is trained on: clusters at rest of the sizes that are measured, and seeds of everything.
const LESSONS: [&[&str]; 2] = [&["bench", "--hours", "1", "--nodes", "3,16,64"], &["sim", "--seeds", "20"]];

/// Builds the simulator trained on itself and says where it lies; where the toolchain lacks the
/// means, says so and builds it as `cargo xtask sim` does.
pub(crate) fn build(root: &Path) -> Result<PathBuf, String> {
    let Some(merger) = merger() else {
        eprintln!("xtask: not trained on itself: `rustup component add llvm-tools` failed here");
        return build::simulator(root);
    };
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let folder = target.join("trained");
    let raw = folder.join("raw");
    let watched = with_flag(root, &folder.join("watched"), &flag("-Cprofile-generate=", &raw))?;
    let bytes = fs::read(&watched).map_err(|why| format!("{}: {why}", watched.display()))?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    hasher.write(format!("{LESSONS:?}").as_bytes());
    let seen = folder.join(format!("{:016x}.profdata", hasher.finish()));
    if !seen.exists() {
        eprintln!("xtask: training the simulator on itself");
        watch(root, &watched, &raw)?;
        merge(&merger, &raw, &seen)?;
    }
    with_flag(root, &folder.join("built"), &flag("-Cprofile-use=", &seen))
}

/// The compiler's program that puts profiles together, fetched if the toolchain lacks it.
fn merger() -> Option<PathBuf> {
    let said = |argument: &[&str]| {
        let said = Command::new("rustc").args(argument).output().ok()?;
        String::from_utf8(said.stdout).ok()
    };
    let sysroot = said(&["--print", "sysroot"])?;
    let version = said(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
    let merger = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/llvm-profdata");
    if !merger.exists() {
        let fetch = ["component", "add", "llvm-tools"];
        let _ = Command::new("rustup").args(fetch).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    merger.exists().then_some(merger)
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}

/// Builds the simulator with one flag more, in a folder of its own.
fn with_flag(root: &Path, folder: &Path, flag: &OsString) -> Result<PathBuf, String> {
    build::with(root, "standin-sim", "standin-sim", "sim", |cargo| {
        // Flags are words between units separators: a path may have blanks in it.
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flag).env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", folder);
    })
}

/// Lets the watched simulator work; what it saw lies in the folder then.
fn watch(root: &Path, watched: &Path, raw: &Path) -> Result<(), String> {
    match fs::remove_dir_all(raw) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: {why}", raw.display()));
        }
        Ok(()) | Err(_) => {}
    }
    for lesson in LESSONS {
        let mut work = Command::new(watched);
        work.args(lesson).env("LLVM_PROFILE_FILE", raw.join("%p.profraw")).current_dir(root);
        let done = work.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let done = done.map_err(|why| format!("{}: {why}", watched.display()))?;
        if !done.success() {
            return Err(format!(
                "the simulator failed at what it was to be trained on: {}",
                lesson.join(" ")
            ));
        }
    }
    Ok(())
}

fn merge(merger: &Path, raw: &Path, seen: &Path) -> Result<(), String> {
    let merged = Command::new(merger).arg("merge").arg("-o").arg(seen).arg(raw).status();
    let merged = merged.map_err(|why| format!("{}: {why}", merger.display()))?;
    if merged.success() { Ok(()) } else { Err("what was seen cannot be put together".to_owned()) }
}
