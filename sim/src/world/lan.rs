//! The public network as clients see it: who holds an address, and who a client believes does.
//!
//! A client's belief is an entry of its neighbour table (ARP, and NDP alike). The rules are those
//! of Linux for a client that asks all the time and whose upper layers confirm nothing (UDP):
//!
//! - **Unknown**: the client asks everybody once a second. The nearest holder that hears it and
//!   can answer wins; later answers are ignored.
//! - **Reachable** for 15 to 45 s from the last answer (half to one and a half times 30 s, drawn
//!   anew every 300 s): nothing is asked.
//! - **Delay**: 5 s more. The entry is used all the while, but no longer trusted.
//! - **Probing**: the believed host is asked alone, up to three times, a second apart. An answer
//!   makes the entry reachable; a second after the third silence it is unknown.
//! - An **announcement** (gratuitous ARP) from another host replaces any entry and leaves it
//!   untrusted, in delay. From the host believed in already it changes nothing. The table does
//!   not ask whether the announcer holds the address.
//!
//! So a client whose host stopped holding the address, without an announcement from the next one,
//! asks in vain until 23 to 53 s after the last confirmation: 3 to 53 s of outage, and up to a
//! second more if its question to all just missed the new holder. (In a testbed of real hosts up
//! to 27.7 s were seen.)

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::moment::{HostId, Moment};

/// Linux' `base_reachable_time`.
const REACHABLE_BASE: Duration = Duration::from_secs(30);
/// Linux draws a new reachable time this often.
const REACHABLE_REDRAWN: Duration = Duration::from_secs(300);
/// Linux' `delay_first_probe_time`.
const DELAY: Duration = Duration::from_secs(5);
/// Linux' `retrans_time`.
const RETRANS: Duration = Duration::from_secs(1);
/// Linux' `ucast_solicit`.
const PROBES: u8 = 3;

/// Which hosts hold which address on the public network.
#[derive(Clone, Debug, Default)]
pub struct Lan {
    /// No empty sets.
    holders: BTreeMap<IpAddr, BTreeSet<HostId>>,
}

impl Lan {
    /// Nobody holds anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a host's running kernel has an address usable on the public network, from now on.
    /// Says whether that is a change.
    pub fn set_held(&mut self, address: IpAddr, host: HostId, held: bool) -> bool {
        if held {
            return self.holders.entry(address).or_default().insert(host);
        }
        let Some(holders) = self.holders.get_mut(&address) else { return false };
        let changed = holders.remove(&host);
        if holders.is_empty() {
            self.holders.remove(&address);
        }
        changed
    }

    /// A host holds nothing any more: power off, cable out. Returns what it held, in order.
    pub fn drop_host(&mut self, host: HostId) -> Vec<IpAddr> {
        let held = self.holders.iter().filter(|(_, hosts)| hosts.contains(&host));
        let held: Vec<IpAddr> = held.map(|(&address, _)| address).collect();
        for &address in &held {
            self.set_held(address, host, false);
        }
        held
    }

    /// Who holds an address.
    pub fn holders(&self, address: IpAddr) -> impl Iterator<Item = HostId> {
        self.holders.get(&address).into_iter().flatten().copied()
    }

    /// The addresses that anybody holds, with their holders.
    pub fn held(&self) -> impl Iterator<Item = (IpAddr, &BTreeSet<HostId>)> {
        self.holders.iter().map(|(&address, hosts)| (address, hosts))
    }

    /// The addresses that two or more hosts hold, whether or not a client can tell.
    pub fn held_twice(&self) -> impl Iterator<Item = (IpAddr, &BTreeSet<HostId>)> {
        self.held().filter(|(_, hosts)| hosts.len() > 1)
    }
}

/// An entry of a client's neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// No host is believed in.
    Unknown {
        /// When everybody is asked next.
        asks: Moment,
    },
    /// Confirmed not long ago.
    Reachable {
        /// The host believed in.
        host: HostId,
        /// How long that is trusted.
        until: Moment,
    },
    /// Used, but no longer trusted.
    Delay {
        /// The host believed in.
        host: HostId,
        /// When it is asked.
        until: Moment,
    },
    /// Used, asked, not answered so far.
    Probing {
        /// The host believed in.
        host: HostId,
        /// How often it was asked.
        asked: u8,
        /// When it is asked again, or given up.
        next: Moment,
    },
}

impl Neighbour {
    /// The host the client sends to.
    #[must_use]
    pub const fn host(self) -> Option<HostId> {
        match self {
            Self::Unknown { .. } => None,
            Self::Reachable { host, .. } | Self::Delay { host, .. } | Self::Probing { host, .. } => {
                Some(host)
            }
        }
    }

    /// When the entry next does something.
    #[must_use]
    pub const fn due(self) -> Moment {
        match self {
            Self::Unknown { asks } => asks,
            Self::Reachable { until, .. } | Self::Delay { until, .. } => until,
            Self::Probing { next, .. } => next,
        }
    }

    /// What it is after it did what is [`due`](Self::due), if `answering` are those who would
    /// answer then, the nearest first.
    #[must_use]
    pub fn next(self, answering: &[HostId], reachable: &mut ReachableTime) -> Self {
        let now = self.due();
        let mut ask = |host, asked| {
            if answering.contains(&host) {
                Self::Reachable { host, until: now + reachable.at(now) }
            } else {
                Self::Probing { host, asked, next: now + RETRANS }
            }
        };
        match self {
            Self::Reachable { host, .. } => Self::Delay { host, until: now + DELAY },
            Self::Delay { host, .. } => ask(host, 1),
            Self::Probing { host, asked, .. } if asked < PROBES => ask(host, asked + 1),
            Self::Probing { .. } | Self::Unknown { .. } => match answering.first() {
                Some(&host) => ask(host, 0),
                None => Self::Unknown { asks: now + RETRANS },
            },
        }
    }

    /// What it is after it heard `host` announce the address.
    #[must_use]
    pub fn announced(self, host: HostId, now: Moment) -> Self {
        if self.host() == Some(host) { self } else { Self::Delay { host, until: now + DELAY } }
    }
}

/// How long a client trusts an answer: a function of the time alone, so that nobody's asking
/// changes what anybody else is told.
#[derive(Clone, Copy, Debug)]
pub struct ReachableTime {
    seed: u64,
    /// The last one drawn, and for which period.
    drawn: Option<(u64, Duration)>,
}

impl ReachableTime {
    /// A client's reachable times; each of its periods is a stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: None }
    }

    /// The reachable time in force.
    pub fn at(&mut self, now: Moment) -> Duration {
        let period = now.0 / REACHABLE_REDRAWN.0;
        match self.drawn {
            Some((of, span)) if of == period => span,
            _ => {
                let half = REACHABLE_BASE.0 / 2;
                let span = Rng::new(self.seed, period).span(Duration(half), Duration(3 * half));
                self.drawn = Some((period, span));
                span
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);

    /// The entry at `until`, while the same hosts answer all along.
    fn later(mut entry: Neighbour, until: u64, answering: &[HostId]) -> Neighbour {
        while entry.due() <= Moment(until * 1_000_000) {
            entry = entry.next(answering, &mut ReachableTime::new(1));
        }
        entry
    }

    #[test]
    fn a_host_that_answers_is_believed_for_ever() {
        let unknown = Neighbour::Unknown { asks: Moment::START };
        assert_eq!(later(unknown, 0, &[B, A]).host(), Some(B), "the nearest");
        assert_eq!(later(unknown, 3_600, &[A]).host(), Some(A));
    }

    #[test]
    fn a_silent_host_is_asked_thrice_and_then_everybody_is() {
        let entry = Neighbour::Reachable { host: A, until: Moment::START };
        for (seconds, expected) in [
            (0, Neighbour::Delay { host: A, until: Moment(5_000_000) }),
            (5, Neighbour::Probing { host: A, asked: 1, next: Moment(6_000_000) }),
            (6, Neighbour::Probing { host: A, asked: 2, next: Moment(7_000_000) }),
            (7, Neighbour::Probing { host: A, asked: 3, next: Moment(8_000_000) }),
            (8, Neighbour::Unknown { asks: Moment(9_000_000) }),
            (9, Neighbour::Unknown { asks: Moment(10_000_000) }),
        ] {
            assert_eq!(later(entry, seconds, &[]), expected);
        }
        assert_eq!(later(entry, 7, &[B]).host(), Some(A));
        assert_eq!(later(entry, 8, &[B]).host(), Some(B));
        let back = Neighbour::Probing { host: A, asked: 2, next: Moment(7_000_000) };
        assert!(matches!(later(back, 7, &[B, A]), Neighbour::Reachable { host: A, .. }));
    }

    #[test]
    fn an_announcement_replaces_another_host_and_is_not_trusted() {
        let entry = Neighbour::Reachable { host: A, until: Moment(9) };
        assert_eq!(entry.announced(A, Moment(4)), entry);
        assert_eq!(entry.announced(B, Moment(4)), Neighbour::Delay { host: B, until: Moment(5_000_004) });
    }

    #[test]
    fn reachable_times_last_half_to_one_and_a_half_times_30_s_and_change_every_300_s() {
        let mut reachable = ReachableTime::new(7);
        let spans: Vec<_> = (0..600).map(|minute| reachable.at(Moment(minute * 60_000_000))).collect();
        assert!(spans.iter().all(|span| (15_000_000..=45_000_000).contains(&span.0)));
        assert!(spans.chunks(5).all(|period| period.iter().all(|span| span == &period[0])));
        assert_eq!(spans.iter().collect::<BTreeSet<_>>().len(), 120);
    }

    #[test]
    fn an_address_may_have_several_holders_or_none() {
        let (mut lan, one, two) = (Lan::new(), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!(lan.set_held(one, B, true) && lan.set_held(one, A, true) && lan.set_held(two, B, true));
        assert!(!lan.set_held(one, A, true) && !lan.set_held(two, A, false));
        assert_eq!(lan.holders(one).collect::<Vec<_>>(), [A, B]);
        assert_eq!(lan.held_twice().map(|(address, _)| address).collect::<Vec<_>>(), [one]);
        assert_eq!(lan.drop_host(B), [one, two]);
        assert_eq!(lan.held().map(|(address, _)| address).collect::<Vec<_>>(), [one]);
    }
}
