//! Two stories played by real daemons in network namespaces: what the simulator expects of them
//! holds of standind too. `cargo xtask scenario run --on namespaces scenarios/real` plays all.
//!
//! Needs root and the package `ctdb`, whose tool is asked; without them it says so and passes, but
//! not in CI.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use standin_sim::ctdb::CtdbKit;
use standin_sim::scenario::command::{Protocol, Verb, carry_out};
use standin_testbed::{has_ctdb, test_has, usable};

/// Whether there is anything to test with.
fn able() -> bool {
    test_has(usable().and_then(|()| has_ctdb()))
}

/// The daemon beside this test, as the workspace's tests have it: there already if they were built
/// together. Asked for alone it would have fewer features and be built again, for minutes, under
/// everybody's hands.
fn standind() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A test of the daemon's own package, whichever: what it is run against comes with it.
    cargo.args(["test", "--quiet", "--no-run", "--workspace", "--all-features", "--test", "hosts"]);
    let built = cargo.current_dir(xtask::root()).status().expect("cargo starts");
    assert!(built.success(), "standind does not build");
    let here = std::env::current_exe().expect("a test knows where it lies");
    let folder = here.ancestors().nth(2).expect("tests lie in deps");
    folder.join("standind")
}

fn plays(name: &str) {
    if !able() {
        return;
    }
    let file = xtask::root().join("scenarios/real").join(name);
    let mut told = Vec::new();
    let status = carry_out(Verb::Tell, &[file], &[Protocol::of::<CtdbKit>()], &mut told);
    let told = String::from_utf8(told).expect("JSON is text");
    assert_eq!(status.expect("the story can be read"), 0, "{told}");
    let cluster = format!("story-{}", std::process::id() ^ name.len() as u32);
    let args = ["run", "--on", "namespaces", "--name", &cluster, "--path"].map(OsString::from);
    let args: Vec<OsString> = args.into_iter().chain([standind().into(), name.into()]).collect();
    assert_eq!(xtask::real::run_told(&xtask::root(), &args, &told), 0, "{name}");
}

#[test]
fn a_deleted_address_comes_back() {
    plays("address_deleted.scn");
}

#[test]
fn a_pulled_cable_moves_addresses() {
    plays("cable_pulled.scn");
}
