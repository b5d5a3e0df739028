//! What a seed may draw of a gossip cluster's own.

use standin_core::gossip::slots::SLOTS;
use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::verbs::{Action, How, Write};
use crate::plan::{Deed, Family, Setup, Tuning};
use crate::world::fault::Who;
use crate::world::moment::HostId;

/// Whole seconds.
const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Slots that are written; those that change hands by command are others.
const WRITTEN: u64 = 8;

fn host(rng: &mut Rng, setup: &Setup) -> HostId {
    HostId(rng.below(u64::from(setup.nodes)) as u32)
}

fn two(rng: &mut Rng, setup: &Setup) -> Option<(HostId, HostId)> {
    if setup.nodes < 2 || setup.settings.iter().any(|(name, value)| name == "clusters" && value != "1") {
        return None;
    }
    let first = host(rng, setup);
    let step = rng.between(1, u64::from(setup.nodes) - 1) as u32;
    Some((first, HostId((first.0 + step) % setup.nodes)))
}

fn deed(action: Action) -> Option<Deed<Action>> {
    Some(Deed::Protocol(action))
}

/// Append only: a family's place is its stream.
pub(super) const FAMILIES: &[Family<Action>] = &[
    Family {
        name: "write",
        lasts: (s(0), s(5)),
        draw: |rng, setup| {
            let slot = (rng.below(WRITTEN) * u64::from(SLOTS) / WRITTEN) as u16;
            let (value, times, at) = (rng.below(1_000), rng.between(1, 30) as u32, host(rng, setup));
            deed(Action::Write(Write { slot, value, times, at: Some(at) }))
        },
    },
    Family {
        name: "failover",
        lasts: (s(1), s(30)),
        draw: |rng, setup| {
            let host = host(rng, setup);
            let how = [How::Default, How::Default, How::Force, How::Takeover][rng.below(4) as usize];
            deed(Action::Failover(host, how))
        },
    },
    Family {
        name: "meet",
        lasts: (s(0), s(0)),
        draw: |rng, setup| {
            let (one, other) = two(rng, setup)?;
            deed(Action::Meet(one, other))
        },
    },
    Family {
        name: "forget",
        lasts: (s(5), s(90)),
        draw: |rng, setup| {
            let everywhere = rng.chance(300_000);
            let (one, whom) = two(rng, setup)?;
            deed(Action::Forget(if everywhere { Who::All } else { Who::One(one) }, whom))
        },
    },
    Family {
        name: "retire",
        lasts: (s(5), s(90)),
        draw: |rng, setup| {
            let (host, hard) = (host(rng, setup), rng.chance(300_000));
            deed(Action::Retire(host, hard))
        },
    },
    Family {
        name: "import",
        lasts: (s(1), s(20)),
        draw: |rng, setup| {
            let (slot, to) = (rng.between(100, 120) * 111 + 3, host(rng, setup));
            deed(Action::Import(slot as u16, to))
        },
    },
    Family {
        name: "bumpepoch",
        lasts: (s(0), s(0)),
        draw: |rng, setup| deed(Action::BumpEpoch(host(rng, setup))),
    },
    Family {
        name: "clean-stop",
        lasts: (s(10), s(60)),
        draw: |rng, setup| deed(Action::Stop(Who::One(host(rng, setup)))),
    },
];

/// Node timeouts from a second to the usual fifteen, two masters to five, a witness now and
/// then, one cluster in four begun from nothing.
pub(super) fn draw_settings(rng: &mut Rng) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    let timeout = [1_000, 2_000, 2_000, 5_000, 5_000, 15_000][rng.below(6) as usize];
    set("node-timeout", timeout.to_string());
    let (masters, witness) = ([2, 3, 3, 3, 4, 5][rng.below(6) as usize], rng.chance(200_000));
    set("masters", masters.to_string());
    if witness {
        set("witnesses", "1".to_owned());
    }
    let (fresh, random, two) = (rng.chance(250_000), rng.chance(500_000), rng.chance(70_000));
    if fresh {
        set("start", "fresh".to_owned());
    }
    if random {
        set("names", "random".to_owned());
    }
    if two {
        set("clusters", "2".to_owned());
    }
    let (partial, stays, barrier) = (rng.chance(200_000), rng.chance(200_000), rng.chance(200_000));
    if partial {
        set("full-coverage", "0".to_owned());
    }
    if stays {
        set("migration", "0".to_owned());
    } else if barrier {
        set("migration-barrier", "0".to_owned());
    }
    let (ageless, ping) = (rng.chance(250_000), rng.between(1, 10));
    if ageless {
        set("validity-factor", "0".to_owned());
    }
    set("repl-ping", ping.to_string());
    settings
}

/// Options as operators have them.
pub(super) const TUNING: Tuning = &[
    ("full-coverage", &["0", "1"]),
    ("migration", &["0", "1"]),
    ("migration-barrier", &["0", "2"]),
    ("node-timeout", &["500", "3000", "30000", "60000"]),
    ("repl-ping", &["1", "30"]),
    ("validity-factor", &["0", "1", "50"]),
    ("witnesses", &["0", "1", "2"]),
];

#[cfg(test)]
mod tests {
    use standin_core::text::{Piece, lines};

    use super::super::build::Cluster;
    use super::super::{act, read};
    use super::*;

    #[test]
    fn what_is_drawn_and_what_undoes_it_is_read_back_from_its_words() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed, 7);
            let setup = Setup { seed, nodes: 6, settings: draw_settings(&mut rng), plant: None };
            let cluster = Cluster::new(&setup).unwrap_or_else(|wrong| panic!("{}", wrong.what));
            for family in FAMILIES {
                let Some(Deed::Protocol(action)) = (family.draw)(&mut rng, &setup) else { continue };
                for action in act::undo(&cluster, &action).into_iter().chain([action]) {
                    let text = action.to_string();
                    let words: Vec<_> = lines(&text).flat_map(Piece::words).collect();
                    assert_eq!(read::action(&words, 6), Ok(action), "{}: {text}", family.name);
                }
            }
        }
    }

    #[test]
    fn every_setting_takes_the_same_draws_whatever_comes_of_them() {
        let next: Vec<u64> = (0..50)
            .map(|seed| {
                let (mut drawn, mut same) = (Rng::new(seed, 1), Rng::new(seed, 1));
                draw_settings(&mut drawn);
                let after = drawn.bits();
                (0..1_000).find(|_| same.bits() == after).unwrap_or(1_000)
            })
            .collect();
        assert!(next.iter().all(|draws| *draws == next[0] && *draws < 1_000), "{next:?}");
    }
}
