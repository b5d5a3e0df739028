//! The campaign can fail: every planted bug is found within the seeds its kit states.

use standin_sim::campaign::run_seed;
use standin_sim::ctdb::CtdbKit;
use standin_sim::kit::Kit;
use standin_sim::plan::Wishes;

/// Within how many seeds a campaign finds a planted bug, and with which exit status.
fn found(plant: &str, within: u64) -> Option<(u64, u8)> {
    let wishes = Wishes { plant: Some(plant.to_owned()), ..Wishes::default() };
    (1..=within).find_map(|seed| {
        let outcome = run_seed::<CtdbKit>(seed, &wishes, false).expect("a plant of the list is planted");
        let status = outcome.verdict.exit_status();
        (status != 0).then_some((seed, status))
    })
}

#[test]
fn every_planted_bug_is_found_within_its_seeds() {
    assert!(CtdbKit::PLANTS.len() >= 22);
    for (plant, within) in CtdbKit::PLANTS {
        let Some((seed, status)) = found(plant, *within) else {
            panic!("{plant} was not found within {within} seeds");
        };
        assert!(matches!(status, 1 | 2), "{plant}: seed {seed} ended with {status}");
    }
}
