//! The same seed is the same run: twice, from its own text, on every machine and in every build.

use std::collections::BTreeMap;

use standin_sim::campaign::{prepare, run_seed};
use standin_sim::ctdb::CtdbKit;
use standin_sim::gossip::GossipKit;
use standin_sim::kit::Kit;
use standin_sim::plan::Wishes;
use standin_sim::scenario::command::{Show, run_text};

/// Two seeds and their hashes. They may change with a commit that changes what happens in a run: the
/// machine, the world, a plan's draws. Its message says why. Never with one that only makes a
/// run faster or names things anew, and never between debug and release or two machines.
const KNOWN: [(u64, u64); 2] = [(42, 0x23aa_fd05_7111_52ac), (1_000_003, 0x8e86_11d9_3b16_80c5)];

/// The same of the other protocol.
const KNOWN_GOSSIP: [(u64, u64); 2] = [(42, 0xf3e4_e6c6_fc92_5638), (1_000_004, 0x54ce_1473_fee4_fb07)];

fn hash_of<K: Kit>(seed: u64) -> u64 {
    run_seed::<K>(seed, &Wishes::default(), false).expect("a seed draws settings that can be").hash
}

fn hash(seed: u64) -> u64 {
    hash_of::<CtdbKit>(seed)
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in [0, 1, 7, 42, 4711, u64::MAX] {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
        let gossip = hash_of::<GossipKit>;
        assert_eq!(gossip(seed), gossip(seed), "gossip's seed {seed}");
    }
}

#[test]
fn different_seeds_leave_different_traces() {
    let mut seen = BTreeMap::new();
    for seed in 0..200 {
        if let Some(other) = seen.insert(hash(seed), seed) {
            panic!("seeds {other} and {seed} have the same hash");
        }
    }
}

#[test]
fn known_seeds_leave_known_traces() {
    let found = KNOWN.map(|(seed, _)| (seed, hash(seed)));
    assert_eq!(found, KNOWN, "\nfound {found:#018x?}\nknown {KNOWN:#018x?}");
    let found = KNOWN_GOSSIP.map(|(seed, _)| (seed, hash_of::<GossipKit>(seed)));
    assert_eq!(found, KNOWN_GOSSIP, "\nfound {found:#018x?}\nknown {KNOWN_GOSSIP:#018x?}");
}

#[test]
fn keeping_the_trace_changes_nothing() {
    let kept = run_seed::<CtdbKit>(42, &Wishes::default(), true).expect("as before");
    assert_eq!((kept.hash, kept.notices), (hash(42), kept.lines.len() as u64));
}

fn read_back<K: Kit>(seeds: u64) {
    for seed in 0..seeds {
        let (_, plan) = prepare::<K>(seed, &Wishes::default()).expect("as before");
        let text = plan.to_string();
        let report = run_text::<K>(&text, Show::Verdict)
            .unwrap_or_else(|problems| panic!("seed {seed}: {}", problems.render("its text", &text)));
        assert_eq!(report.outcome.hash, hash_of::<K>(seed), "seed {seed}");
    }
}

#[test]
fn a_seed_read_back_from_its_own_text_leaves_the_same_trace() {
    read_back::<CtdbKit>(20);
    read_back::<GossipKit>(10);
}

#[test]
fn the_readme_shows_what_seed_42_prints() {
    let readme = include_str!("../README.md");
    let line = format!("trace hash {:016x}", hash(42));
    assert!(readme.contains(&line), "README.md has another hash than `{line}`");
}
