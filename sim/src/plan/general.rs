//! The fault families of the world itself, without knowledge of any protocol.

use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::{Deed, Family, Setup};
use crate::world::fault::{Fault, Ways, Which, Who};
use crate::world::moment::{HostId, Net};
use crate::world::network::Weather;
use crate::world::scripts::Trouble;

fn host(rng: &mut Rng, setup: &Setup) -> HostId {
    HostId(rng.below(u64::from(setup.nodes)) as u32)
}

fn one(rng: &mut Rng, setup: &Setup) -> Who {
    Who::One(host(rng, setup))
}

fn two(rng: &mut Rng, setup: &Setup) -> Option<(HostId, HostId)> {
    if setup.nodes < 2 {
        return None;
    }
    let first = host(rng, setup);
    let step = rng.between(1, u64::from(setup.nodes) - 1) as u32;
    Some((first, HostId((first.0 + step) % setup.nodes)))
}

fn sides(rng: &mut Rng, setup: &Setup) -> Option<Ways> {
    if setup.nodes < 2 {
        return None;
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for host in (0..setup.nodes).map(HostId) {
        if rng.chance(500_000) { left.push(host) } else { right.push(host) }
    }
    if left.is_empty() {
        left.extend(right.pop());
    } else if right.is_empty() {
        right.extend(left.pop());
    }
    Some(Ways::Sides(vec![left, right]))
}

/// One of the watched addresses, however many there are.
fn watched(rng: &mut Rng) -> Which {
    Which::Watched(rng.below(2_520) as u32)
}

/// The families every protocol meets. Append only: a family's place is its stream.
pub(super) fn general<A>() -> Vec<Family<A>> {
    const S: fn(u64) -> Duration = Duration::from_secs;
    fn fault<A>(fault: Fault) -> Option<Deed<A>> {
        Some(Deed::Fault(fault))
    }
    vec![
        Family {
            name: "power",
            lasts: (S(1), S(180)),
            draw: |rng, setup| fault(Fault::PowerOff(one(rng, setup))),
        },
        Family {
            name: "crash",
            lasts: (S(0), S(60)),
            draw: |rng, setup| fault(Fault::Crash(one(rng, setup))),
        },
        Family {
            name: "restart",
            lasts: (S(0), S(0)),
            draw: |rng, setup| fault(Fault::Restart(one(rng, setup))),
        },
        Family {
            name: "hang",
            lasts: (S(1), S(120)),
            draw: |rng, setup| fault(Fault::Hang(one(rng, setup))),
        },
        Family {
            name: "pause",
            lasts: (S(1), S(60)),
            draw: |rng, setup| fault(Fault::Pause(one(rng, setup))),
        },
        Family {
            name: "suspend",
            lasts: (S(1), S(120)),
            draw: |rng, setup| fault(Fault::Suspend(one(rng, setup))),
        },
        Family {
            name: "slow",
            lasts: (S(5), S(120)),
            draw: |rng, setup| {
                let late = rng.span(Duration::from_millis(5), S(35));
                fault(Fault::Slow(one(rng, setup), late))
            },
        },
        Family {
            name: "clock-rate",
            lasts: (S(30), S(600)),
            draw: |rng, setup| {
                let ppm = rng.between(1, 100_000) as i32 - 50_000;
                fault(Fault::ClockRate(one(rng, setup), ppm))
            },
        },
        Family {
            name: "clock-jump",
            lasts: (S(0), S(0)),
            draw: |rng, setup| {
                let ahead = rng.span(S(1), S(90));
                fault(Fault::ClockJump(one(rng, setup), ahead))
            },
        },
        Family {
            name: "network-restart",
            lasts: (S(1), S(5)),
            draw: |rng, setup| {
                let gap = rng.span(Duration::from_millis(200), S(45));
                fault(Fault::NetworkRestart(one(rng, setup), Net::Private, gap))
            },
        },
        Family {
            name: "interface",
            lasts: (S(1), S(90)),
            draw: |rng, setup| fault(Fault::InterfaceDown(one(rng, setup), Net::Private)),
        },
        Family {
            name: "cable",
            lasts: (S(1), S(90)),
            draw: |rng, setup| fault(Fault::CablePull(one(rng, setup), Net::Private)),
        },
        Family {
            name: "partition",
            lasts: (S(1), S(180)),
            draw: |rng, setup| fault(Fault::Cut(Net::Private, sides(rng, setup)?)),
        },
        Family {
            name: "one-way",
            lasts: (S(1), S(120)),
            draw: |rng, setup| {
                let (from, to) = two(rng, setup)?;
                fault(Fault::Cut(Net::Private, Ways::OneWay(from, to)))
            },
        },
        Family {
            name: "partial",
            lasts: (S(1), S(120)),
            draw: |rng, setup| {
                let (from, to) = two(rng, setup)?;
                fault(Fault::Cut(Net::Private, Ways::Between(from, to)))
            },
        },
        Family {
            name: "flap",
            lasts: (S(10), S(180)),
            draw: |rng, setup| {
                let ways = sides(rng, setup)?;
                let (down, up) = (rng.span(Duration::from_millis(100), S(40)), rng.span(S(1), S(40)));
                fault(Fault::Flap { net: Net::Private, ways, down, up })
            },
        },
        Family {
            name: "weather",
            lasts: (S(5), S(180)),
            draw: |rng, setup| {
                let who = if rng.chance(500_000) { Who::All } else { one(rng, setup) };
                let latency = Duration::from_micros(rng.below(50_000));
                let jitter = Duration::from_micros(rng.below(100_000));
                let loss_ppm = if rng.chance(500_000) { rng.below(300_000) as u32 } else { 0 };
                fault(Fault::Weather(Net::Private, who, Weather { latency, jitter, loss_ppm }))
            },
        },
        Family {
            name: "stranger",
            lasts: (S(0), S(0)),
            draw: |rng, setup| fault(Fault::Knock(one(rng, setup))),
        },
        Family {
            name: "garbage",
            lasts: (S(0), S(0)),
            draw: |rng, setup| {
                let (from, to) = two(rng, setup)?;
                fault(Fault::Garbage(from, to))
            },
        },
        Family {
            name: "disk",
            lasts: (S(5), S(120)),
            draw: |rng, setup| fault(Fault::DiskFull(one(rng, setup))),
        },
        Family { name: "blackout", lasts: (S(1), S(120)), draw: |_, _| fault(Fault::PowerOff(Who::All)) },
        Family {
            name: "public-restart",
            lasts: (S(1), S(5)),
            draw: |rng, setup| {
                let gap = rng.span(Duration::from_millis(200), S(45));
                fault(Fault::NetworkRestart(one(rng, setup), Net::Public, gap))
            },
        },
        Family {
            name: "public-interface",
            lasts: (S(1), S(120)),
            draw: |rng, setup| fault(Fault::InterfaceDown(one(rng, setup), Net::Public)),
        },
        Family {
            name: "public-cable",
            lasts: (S(1), S(120)),
            draw: |rng, setup| fault(Fault::CablePull(one(rng, setup), Net::Public)),
        },
        Family {
            name: "address-del",
            lasts: (S(1), S(60)),
            // From whoever has it: an address that is not there is no loss.
            draw: |rng, _| fault(Fault::AddressDel(Who::All, watched(rng))),
        },
        Family {
            name: "address-add",
            lasts: (S(1), S(120)),
            draw: |rng, setup| fault(Fault::AddressAdd(one(rng, setup), Net::Public, watched(rng), None)),
        },
        Family {
            name: "scripts",
            lasts: (S(5), S(120)),
            draw: |rng, setup| {
                let trouble = match rng.below(5) {
                    0 => Trouble::Hangs,
                    1 => Trouble::Fails(1),
                    2 => Trouble::FailsLate(1),
                    _ => Trouble::Slow(rng.span(Duration::from_millis(100), S(40))),
                };
                fault(Fault::Script(one(rng, setup), None, trouble, None))
            },
        },
        Family { name: "lock-lost", lasts: (S(0), S(0)), draw: |_, _| fault(Fault::LockLost) },
        Family { name: "lock-stall", lasts: (S(1), S(90)), draw: |_, _| fault(Fault::LockStall) },
        Family {
            name: "lock-reach",
            lasts: (S(1), S(120)),
            draw: |rng, setup| fault(Fault::LockUnreachable(one(rng, setup))),
        },
    ]
}
