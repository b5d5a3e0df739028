//! A few hundred seeds, each run twice: clean, and the same both times.

use standin_sim::campaign::check_determinism;
use standin_sim::ctdb::CtdbKit;
use standin_sim::plan::Wishes;

#[test]
fn a_few_hundred_seeds_are_clean_and_repeat() {
    for seed in 1..=300 {
        let checked = check_determinism::<CtdbKit>(seed, &Wishes::default()).expect("nothing is set");
        let outcome = checked.unwrap_or_else(|difference| panic!("seed {seed}: {difference:?}"));
        assert_eq!(outcome.verdict.exit_status(), 0, "seed {seed}: {:?}", outcome.verdict);
    }
}
