//! The campaign can fail: every planted bug is found within the seeds its kit states.

use standin_sim::campaign::run_seed;
use standin_sim::ctdb::CtdbKit;
use standin_sim::gossip::GossipKit;
use standin_sim::kit::Kit;
use standin_sim::plan::Wishes;

/// Within how many seeds a campaign finds a planted bug, and with which exit status.
fn found<K: Kit>(plant: &str, within: u64) -> Option<(u64, u8)> {
    let wishes = Wishes { plant: Some(plant.to_owned()), ..Wishes::default() };
    (1..=within).find_map(|seed| {
        let outcome = run_seed::<K>(seed, &wishes, false).expect("a plant of the list is planted");
        let status = outcome.verdict.exit_status();
        (status != 0).then_some((seed, status))
    })
}

fn every_one_is_found<K: Kit>() {
    for (plant, within) in K::PLANTS {
        let Some((seed, status)) = found::<K>(plant, *within) else {
            panic!("{plant} was not found within {within} seeds");
        };
        assert!(matches!(status, 1 | 2), "{plant}: seed {seed} ended with {status}");
    }
}

#[test]
fn every_planted_bug_is_found_within_its_seeds() {
    assert_eq!(CtdbKit::PLANTS.len(), 30);
    every_one_is_found::<CtdbKit>();
}

#[test]
fn every_bug_planted_in_gossip_is_found_within_its_seeds() {
    assert_eq!(GossipKit::PLANTS.len(), 19);
    every_one_is_found::<GossipKit>();
}
