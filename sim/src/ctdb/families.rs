//! What a seed may draw of CTDB's own.

use standin_core::ctdb::files::public_addresses::PublicAddress;
use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::build::Cluster;
use super::verbs::{Action, AddressesFile, AddressesLine, Forgery, NodesLine, Operator, StartAs, Whom};
use crate::plan::{Deed, Family, Setup, Tuning};
use crate::world::fault::{Who, interface_name};
use crate::world::moment::{HostId, Net};

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

fn at(whom: Whom, operator: Operator) -> Action {
    Action::Operator(whom, operator)
}

fn on_one(rng: &mut Rng, setup: &Setup, operator: Operator) -> Option<Deed<Action>> {
    deed(at(Whom::Who(one(rng, setup)), operator))
}

/// One of the public addresses the cluster begins with.
fn public(rng: &mut Rng, cluster: &Cluster) -> Option<PublicAddress> {
    let at = rng.bits().checked_rem(cluster.public().len() as u64)?;
    Some(cluster.public()[at as usize].entry.clone())
}

/// An address the cluster does not begin with.
fn fresh(rng: &mut Rng) -> PublicAddress {
    let address = [10, 1, 250, rng.between(1, 20) as u8].into();
    PublicAddress { address, bits: 16, interfaces: vec![interface_name(Net::Public).to_owned()] }
}

/// A ban: mostly a minute or so, sometimes over before anybody has noticed.
fn ban(rng: &mut Rng) -> Operator {
    let (long, short, brief) = (rng.between(20, 120) as u32, rng.between(1, 3) as u32, rng.chance(200_000));
    Operator::Ban(if brief { short } else { long })
}

fn move_ip(rng: &mut Rng, setup: &Setup) -> Option<Action> {
    let address = public(rng, &Cluster::new(setup).ok()?);
    let (to, on, said) = (host(rng, setup), host(rng, setup), rng.chance(500_000));
    Some(Action::MoveIp { address: address?.address, to, on: said.then_some(on) })
}

/// Something an operator does at a bad moment: to any node, or to the leader's.
fn hasty(rng: &mut Rng, setup: &Setup) -> Option<Action> {
    let (leader, who, ban) = (rng.chance(500_000), one(rng, setup), ban(rng));
    let whom = if leader { Whom::Leader } else { Whom::Who(who) };
    let moved = move_ip(rng, setup);
    match rng.below(8) {
        0 | 1 => Some(at(whom, Operator::StopNode)),
        2 => Some(at(whom, Operator::Disable)),
        3 => Some(at(whom, ban)),
        4 => Some(at(whom, Operator::Recover)),
        5 => Some(at(whom, Operator::IpReallocate)),
        6 => Some(Action::ReloadIps(who)),
        _ => moved,
    }
}

/// A public addresses file as somebody may have left it.
fn edited(rng: &mut Rng, cluster: &Cluster) -> AddressesFile {
    let mut entries: Vec<_> = cluster.public().iter().map(|public| public.entry.clone()).collect();
    let (place, added) = (rng.bits(), fresh(rng));
    let gone = place.checked_rem(entries.len() as u64).map(|at| at as usize);
    let mut wrong = None;
    match rng.below(16) {
        0..6 => drop(gone.map(|at| entries.remove(at))),
        6..11 => entries.push(added),
        11 | 12 => {
            gone.map(|at| entries.remove(at));
            entries.push(added);
        }
        13 => entries.reverse(),
        14 => entries.clear(),
        _ => wrong = Some(AddressesLine::Text("10.1.0.300/16".to_owned())),
    }
    let lines: Vec<_> = entries.into_iter().map(AddressesLine::Entry).chain(wrong).collect();
    if lines.is_empty() { AddressesFile::Gone } else { AddressesFile::Lines(lines) }
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
            on_one(rng, setup, operator)
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
    Family {
        name: "ban",
        lasts: (s(2), s(150)),
        draw: |rng, setup| {
            let ban = ban(rng);
            on_one(rng, setup, ban)
        },
    },
    Family { name: "moveip", lasts: (s(0), s(0)), draw: |rng, setup| move_ip(rng, setup).and_then(deed) },
    Family {
        name: "addip",
        lasts: (s(5), s(120)),
        draw: |rng, setup| {
            let added = fresh(rng);
            let everywhere = rng.chance(600_000);
            let who = one(rng, setup);
            deed(at(Whom::Who(if everywhere { Who::All } else { who }), Operator::AddIp(added)))
        },
    },
    Family {
        name: "delip",
        lasts: (s(5), s(120)),
        draw: |rng, setup| {
            let gone = public(rng, &Cluster::new(setup).ok()?);
            let everywhere = rng.chance(400_000);
            let who = one(rng, setup);
            let whom = Whom::Who(if everywhere { Who::All } else { who });
            deed(at(whom, Operator::DelIp(gone?.address)))
        },
    },
    Family {
        name: "reloadips",
        lasts: (s(5), s(180)),
        draw: |rng, setup| {
            let file = edited(rng, &Cluster::new(setup).ok()?);
            let everywhere = rng.chance(600_000);
            let who = one(rng, setup);
            deed(Action::Readdress(if everywhere { Who::All } else { who }, file))
        },
    },
    Family {
        name: "ipreallocate",
        lasts: (s(0), s(0)),
        draw: |rng, setup| on_one(rng, setup, Operator::IpReallocate),
    },
    Family { name: "recover", lasts: (s(0), s(0)), draw: |rng, setup| on_one(rng, setup, Operator::Recover) },
    Family {
        name: "setifacelink",
        lasts: (s(1), s(90)),
        draw: |rng, setup| {
            let down = Operator::SetIfaceLink(interface_name(Net::Public).to_owned(), false);
            on_one(rng, setup, down)
        },
    },
    // The node stays away until something starts it.
    Family {
        name: "shutdown",
        lasts: (s(120), s(600)),
        draw: |rng, setup| on_one(rng, setup, Operator::Shutdown),
    },
    Family {
        name: "bad-moment",
        lasts: (Duration::from_millis(50), s(20)),
        draw: |rng, setup| {
            let (first, second) = (hasty(rng, setup), hasty(rng, setup));
            match (first, second) {
                (Some(first), Some(second)) => deed(Action::Together(vec![first, second])),
                (first, second) => first.or(second).and_then(deed),
            }
        },
    },
    Family {
        name: "records",
        lasts: (s(0), s(0)),
        draw: |rng, setup| {
            // Copies of different age, on hosts that may be the same.
            let mut all: Vec<_> = (0..6).map(|_| copy(rng, setup)).collect();
            let recovered = rng.chance(500_000);
            if Cluster::new(setup).ok()?.databases.is_empty() {
                return None;
            }
            // Mostly nothing else makes the cluster look at them.
            all.extend(recovered.then(|| at(Whom::Leader, Operator::Recover)));
            deed(Action::Together(all))
        },
    },
];

/// What a program leaves on a host: mostly a record of the volatile database.
fn copy(rng: &mut Rng, setup: &Setup) -> Action {
    let (host, key, number) = (host(rng, setup), rng.below(3) as u32, rng.between(1, 30) as u32);
    let (deleted, whole) = (rng.chance(300_000), rng.chance(250_000));
    if whole { Action::Transaction(host, number) } else { Action::Record { host, key, number, deleted } }
}

/// One seed in three runs with tunables of its own, some with deleted lines, some strict; most
/// serve addresses, and four in ten have a lock.
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
    // Hardly ever none: addresses are what it is all about.
    let (lock, each, mixed, six) =
        (rng.chance(400_000), rng.below(20).div_ceil(6), rng.chance(200_000), rng.between(1, 4));
    if lock {
        set("lock", "1".to_owned());
    }
    set("public-per-node", each.to_string());
    if mixed {
        set("public6", six.to_string());
    }
    let (two, without, host) = (rng.chance(150_000), rng.chance(100_000), rng.below(4));
    if two {
        set("public-interfaces", "2".to_owned());
    }
    if without {
        set("publicless", host.to_string());
    }
    let (no_leader, host, no_lmaster, other) =
        (rng.chance(100_000), rng.below(4), rng.chance(100_000), rng.below(4));
    if no_leader {
        set("no-leader", host.to_string());
    }
    if no_lmaster {
        set("no-lmaster", other.to_string());
    }
    let (partial, builtin) = (rng.chance(150_000), rng.chance(200_000));
    if partial {
        set("partial", "1".to_owned());
    }
    if builtin {
        set("scripts", "builtin".to_owned());
    }
    let (stay, never) = (rng.chance(100_000), rng.chance(30_000));
    if stay {
        set("NoIPFailback", "1".to_owned());
    }
    if never {
        set("NoIPTakeover", "1".to_owned());
    }
    // A ban of the usual five minutes would outlast most runs.
    let (other_algorithm, algorithm, short) = (rng.chance(300_000), rng.below(2), rng.chance(900_000));
    if other_algorithm {
        set("IPAllocAlgorithm", algorithm.to_string());
    }
    if short {
        set("RecoveryBanPeriod", "30".to_owned());
    }
    settings
}

/// One seed in seven has data to lose, on all of the first four hosts or all but one, who may neither
/// keep nor recover any.
pub(super) fn draw_later_settings(rng: &mut Rng) -> Vec<(String, String)> {
    let (databases, every, without) = (rng.chance(150_000), rng.chance(400_000), rng.below(4));
    let keeps = (0..4).filter(|host| every || *host != without).map(|host| host.to_string());
    let value = || keeps.collect::<Vec<_>>().join(",");
    let mut settings = Vec::new();
    if databases {
        settings.push(("databases".to_owned(), value()));
        if !every && rng.chance(600_000) {
            settings.push(("stub".to_owned(), without.to_string()));
        }
    }
    settings
}

/// Tunables as operators have them: each end of what can be lived with, and something between. What
/// breaks a cluster by itself is not among them: `KeepaliveLimit` 1, a `leader-timeout` of a second,
/// scripts cut short before an IPv6 address is ready; and no bans, with which a lost lock stops a `strict`
/// cluster for ever.
pub(super) const TUNING: Tuning = &[
    ("ControlTimeout", &["1", "2", "5", "120", "300"]),
    ("ElectionTimeout", &["1", "3", "20"]),
    ("EventScriptTimeout", &["5", "60", "120"]),
    ("IPAllocAlgorithm", &["0", "1"]),
    ("KeepaliveInterval", &["1", "2", "10", "20"]),
    ("KeepaliveLimit", &["2", "3", "8"]),
    ("MonitorInterval", &["2", "5", "45"]),
    ("MonitorTimeoutCount", &["1", "5"]),
    ("NoIPFailback", &["1"]),
    ("NoIPTakeover", &["1"]),
    ("RecoverInterval", &["2", "4", "10", "30"]),
    ("RecoverTimeout", &["1", "5", "60"]),
    ("RecoveryBanPeriod", &["1", "5", "60", "600"]),
    ("RecoveryDropAllIPs", &["2", "10"]),
    ("RecoveryGracePeriod", &["1", "30", "300"]),
    ("RerecoveryTimeout", &["1", "3", "30"]),
    ("TakeoverTimeout", &["1", "5", "30"]),
    ("TickleUpdateInterval", &["1", "60"]),
    ("leader-timeout", &["2", "10", "30"]),
];

#[cfg(test)]
mod tests {
    use standin_core::text::{Piece, lines};

    use super::super::{act, read};
    use super::*;

    #[test]
    fn what_is_drawn_and_what_undoes_it_is_read_back_from_its_words() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed, 7);
            let mut settings = draw_settings(&mut rng);
            settings.extend(draw_later_settings(&mut rng));
            let setup = Setup { seed, nodes: 3, settings, plant: None };
            let cluster = Cluster::new(&setup).unwrap_or_else(|wrong| panic!("{}", wrong.what));
            let mut drawn = 0;
            for family in FAMILIES {
                let Some(Deed::Protocol(action)) = (family.draw)(&mut rng, &setup) else { continue };
                drawn += 1;
                for action in act::undo(&cluster, &action).into_iter().chain([action]) {
                    let text = action.to_string();
                    let words: Vec<_> = lines(&text).flat_map(Piece::words).collect();
                    assert_eq!(read::action(&words, 3), Ok(action), "{}: {text}", family.name);
                }
            }
            // Without public addresses, or databases, a few families may have nothing to do.
            assert!(drawn >= FAMILIES.len() - 4, "seed {seed}: {drawn}");
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
