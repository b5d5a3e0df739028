//! Every story keeps what it expects and leaves the trace on record.
//!
//! One that differs on purpose: `cargo xtask scenario accept FILE`, once its lines have been read.

use std::path::PathBuf;

use standin_sim::ctdb::CtdbKit;
use standin_sim::gossip::GossipKit;
use standin_sim::scenario::command::{Protocol, Verb, carry_out};

#[test]
fn every_scenario_keeps_its_word_and_its_trace() {
    let root = xtask::root();
    let folder: PathBuf = root.join("scenarios");
    let mut said = Vec::new();
    let protocols = [Protocol::of::<CtdbKit>(), Protocol::of::<GossipKit>()];
    let status = carry_out(Verb::Check, &[folder], &protocols, &mut said).expect("scenarios can be read");
    let said = String::from_utf8_lossy(&said).replace(&format!("{}/", root.display()), "");
    let kept = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(kept > 0, "no scenario was played:\n{said}");
    let failed: Vec<_> = said.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert_eq!(status, 0, "\n{}", failed.join("\n"));
}
