//! What clients saw of the public addresses in a whole campaign: the worst, and where.

use std::net::IpAddr;

use serde::Serialize;
use standin_core::time::Duration;

use crate::outcome::AddressOutcome;
use crate::world::moment::{Moment, micros};

/// The worst that happened to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// How long it lasted.
    #[serde(rename = "longest_us", serialize_with = "micros")]
    pub longest: Duration,
    /// When it began.
    #[serde(rename = "at_us")]
    pub at: Moment,
    /// Which address.
    pub address: IpAddr,
    /// In which run.
    pub seed: u64,
}

/// What clients saw of the addresses they asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// How many there were, all runs together.
    pub watched: u64,
    /// How many of these nobody ever served.
    pub never_served: u64,
    /// The longest outage; of several the first.
    pub worst_out: Option<Worst>,
    /// The longest that an address was served twice; of several the first.
    pub worst_twice: Option<Worst>,
}

impl Addresses {
    pub(super) fn add(&mut self, seed: u64, one: &AddressOutcome) {
        self.watched += 1;
        self.never_served += u64::from(one.served_after.is_none());
        for (worst, spans) in [(&mut self.worst_out, one.out), (&mut self.worst_twice, one.twice)] {
            let before = worst.map_or(Duration::ZERO, |worst| worst.longest);
            if let Some(at) = spans.longest_at.filter(|_| spans.longest > before) {
                *worst = Some(Worst { longest: spans.longest, at, address: one.address, seed });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::client::Spans;

    #[test]
    fn the_worst_outage_of_a_campaign_has_its_seed() {
        let spans = |longest: u64| Spans {
            total: Duration(longest),
            longest: Duration(longest),
            longest_at: (longest > 0).then_some(Moment(7)),
            ..Spans::default()
        };
        let saw = |seed, last, after: u64, out, twice| {
            let (address, served_after) = (IpAddr::from([10, 0, 1, last]), Some(Duration(after)));
            let stale = Spans::default();
            let one = AddressOutcome { address, served_after, out: spans(out), stale, twice: spans(twice) };
            (seed, one)
        };
        let mut all = Addresses::default();
        for (seed, one) in [saw(1, 1, 9, 30, 0), saw(2, 2, 0, 40, 0), saw(3, 3, 0, 40, 2)] {
            all.add(seed, &one);
        }
        let address = |last| IpAddr::from([10, 0, 1, last]);
        let worst = |longest, last, seed| {
            Some(Worst { longest: Duration(longest), at: Moment(7), address: address(last), seed })
        };
        let Addresses { watched, never_served, worst_out, worst_twice } = all;
        assert_eq!((watched, never_served), (3, 0));
        assert_eq!((worst_out, worst_twice), (worst(40, 2, 2), worst(2, 3, 3)));
    }
}
