//! What a seed may draw of CTDB's own.

use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::build::Cluster;
use super::verbs::{Action, Forgery, NodesLine, Operator, StartAs};
use crate::plan::{Deed, Family, Setup};
use crate::world::fault::Who;
use crate::world::moment::HostId;

/// Whole seconds.
const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn host(rng: &mut Rng, setup: &Setup) -> HostId {
    HostId(rng.below(u64::from(setup.nodes)) as u32)
}

fn one(rng: &mut Rng, setup: &Setup) -> Who {
    Who::One(host(rng, setup))
}

fn deed(action: Action) -> Option<Deed<Action>> {
    Some(Deed::Protocol(action))
}

/// Append only: a family's place is its stream.
pub(super) const FAMILIES: &[Family<Action>] = &[
    Family {
        name: "clean-stop",
        lasts: (Duration::from_millis(500), s(90)),
        draw: |rng, setup| deed(Action::Stop(one(rng, setup))),
    },
    Family {
        name: "reload",
        lasts: (s(5), s(120)),
        draw: |rng, setup| {
            let who = if rng.chance(700_000) { Who::All } else { one(rng, setup) };
            let mut lines = Cluster::new(setup).ok()?.nodes_lines();
            let touched = host(rng, setup);
            let place = lines.iter().position(|line| *line == NodesLine::Node(touched))?;
            match rng.below(6) {
                0 => lines[place] = NodesLine::Deleted(touched),
                1 => lines.insert(place, NodesLine::Blank),
                2 => lines.push(NodesLine::Text(format!("10.0.251.{}", rng.between(1, 250)))),
                3 => lines[place] = NodesLine::Text("10.0.0.300".to_owned()),
                4 => drop(lines.pop()),
                _ => {}
            }
            deed(Action::Renodes(who, lines))
        },
    },
    Family {
        name: "operator",
        lasts: (s(2), s(60)),
        draw: |rng, setup| {
            let operator = if rng.chance(500_000) { Operator::Disable } else { Operator::StopNode };
            deed(Action::Operator(one(rng, setup), operator))
        },
    },
    Family {
        name: "ping",
        lasts: (Duration::from_millis(100), s(2)),
        draw: |rng, setup| {
            let (from, to) = (host(rng, setup), host(rng, setup));
            deed(Action::Ping(from, to))
        },
    },
    Family {
        name: "start-as",
        lasts: (s(20), s(300)),
        draw: |rng, setup| {
            let how = if rng.chance(500_000) { StartAs::Stopped } else { StartAs::Disabled };
            deed(Action::StartAs(one(rng, setup), how))
        },
    },
    Family {
        name: "forged",
        lasts: (s(0), s(0)),
        draw: |rng, setup| {
            if setup.nodes < 2 {
                return None;
            }
            let from = host(rng, setup);
            let step = rng.between(1, u64::from(setup.nodes) - 1) as u32;
            let to = HostId((from.0 + step) % setup.nodes);
            let forgeries: Vec<_> =
                Forgery::ALL.iter().filter(|(forgery, _)| *forgery != Forgery::ForeignVersion).collect();
            let (forgery, _) = forgeries[rng.below(forgeries.len() as u64) as usize];
            deed(Action::Forge(from, to, *forgery))
        },
    },
];

/// One seed in three runs with tunables of its own, some with deleted lines, some strict.
pub(super) fn draw_settings(rng: &mut Rng) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    let (tuned, interval, limit) = (rng.chance(330_000), rng.between(1, 10), rng.between(3, 8));
    if tuned {
        set("KeepaliveInterval", interval.to_string());
        set("KeepaliveLimit", limit.to_string());
    }
    let (deleted, line) = (rng.chance(250_000), rng.below(4));
    if deleted {
        set("deleted", line.to_string());
    }
    let (ipv6, strict, listen) = (rng.chance(200_000), rng.chance(150_000), rng.chance(500_000));
    if ipv6 {
        set("ipv6", "1".to_owned());
    }
    if strict {
        set("strict", "1".to_owned());
    }
    if listen {
        set("listen", "configured".to_owned());
    }
    settings
}
