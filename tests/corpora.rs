//! What any bytes may do to a reader, tried with those that were worth keeping: every file of
//! `fuzz/corpus`, by the very function that libFuzzer feeds. A file that breaks one is named.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use standin_fuzz::{TARGETS, Target};

/// Bytes all corpora may have together.
const BYTES_MAX: u64 = 1 << 20;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort_unstable();
    files
}

/// Reads a target's corpus, and names each file that breaks it.
fn replay(target: &Target) {
    let files = files(&target.corpus());
    assert!(!files.is_empty(), "{} has no corpus: nothing was tried", target.name);
    let broken: Vec<String> = files
        .iter()
        .filter(|file| {
            let bytes = fs::read(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
            assert!(bytes.len() <= target.bytes_max, "{} is longer than any that is tried", file.display());
            catch_unwind(AssertUnwindSafe(|| (target.read)(&bytes))).is_err()
        })
        .map(|file| file.display().to_string())
        .collect();
    assert!(broken.is_empty(), "{} breaks on:\n{}", target.name, broken.join("\n"));
}

/// A test a target, named like it.
macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(standin_fuzz::find(stringify!($name)).expect("a target of this name"));
        })*

        #[test]
        fn every_target_is_replayed_and_no_other_has_a_corpus() {
            let replayed: BTreeSet<&str> = [$(stringify!($name)),*].into();
            let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(replayed, targets);
            let folder = TARGETS[0].corpus();
            let corpora = files(folder.parent().expect("corpora lie side by side"));
            let corpora: BTreeSet<&str> = corpora.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            assert_eq!(corpora, targets);
        }
    };
}

replayed! {
    ctdb_stream ctdb_payload ctdb_eventd ctdb_room
    nodes_file public_addresses_file tunables_file ctdb_conf
    allocation_problem scenario
    gossip_stream resp_requests resp_replies nodes_conf gossip_options gossip_room gossip_commands
    kernel_news
}

#[test]
fn the_corpora_are_small() {
    let all = TARGETS.iter().flat_map(|target| files(&target.corpus()));
    let bytes: u64 = all.map(|file| file.metadata().map_or(0, |there| there.len())).sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes; `cargo xtask fuzz --keep` adds what is worth it alone");
}
