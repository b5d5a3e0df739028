//! A few hundred seeds, each run twice: clean, and the same both times.

use standin_sim::campaign::check_determinism;
use standin_sim::ctdb::CtdbKit;
use standin_sim::gossip::GossipKit;
use standin_sim::kit::Kit;
use standin_sim::plan::Wishes;

fn clean_and_the_same<K: Kit>(seeds: u64) {
    for seed in 1..=seeds {
        let checked = check_determinism::<K>(seed, &Wishes::default()).expect("nothing is set");
        let outcome = checked.unwrap_or_else(|difference| panic!("seed {seed}: {difference:?}"));
        assert_eq!(outcome.verdict.exit_status(), 0, "seed {seed}: {:?}", outcome.verdict);
    }
}

#[test]
fn a_few_hundred_seeds_are_clean_and_repeat() {
    clean_and_the_same::<CtdbKit>(300);
}

#[test]
fn gossips_seeds_are_clean_and_repeat() {
    clean_and_the_same::<GossipKit>(60);
}
