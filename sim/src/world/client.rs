//! A client of the public addresses that keeps asking each of them, without an event a question.
//!
//! Whether it gets an answer changes only when the holders of an address change, the way to a
//! host, or its neighbour table (see [`super::lan`] for the table's rules). So the client is told
//! of the first two and of announcements, works out the third by itself, and keeps the books:
//!
//! - **served** while the host it believes in holds the address and both ways are open;
//! - **out** otherwise, from the first time it was served: until then the cluster is starting
//!   cold, which is told apart;
//! - **stale** while it is out although somebody would answer: the client believes in the wrong
//!   host;
//! - **served twice** while two or more hosts would answer it, whichever it believes in.
//!
//! It is exact to the microsecond, as if it asked all the time. What fell due since it was last
//! called it makes up for with what was true then, so a late call changes no figure; a call at
//! [`Client::next_deadline`] only makes the change known in time. It has a deadline only while an
//! address is out that somebody could serve: a healthy cluster costs no events.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use standin_core::time::Duration;

use super::lan::{Lan, Neighbour, ReachableTime};
use super::moment::{HostId, Moment, micros};

/// A client on the public network.
#[derive(Clone, Debug)]
pub struct Client {
    reachable: ReachableTime,
    /// Where the way is not open.
    paths: BTreeMap<HostId, Path>,
    distances: BTreeMap<HostId, Duration>,
    watched: BTreeMap<IpAddr, Watched>,
}

/// Whether packets pass between a client and a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// From the client to the host.
    pub there: bool,
    /// From the host to the client.
    pub back: bool,
}

impl Path {
    /// Both ways.
    pub const OPEN: Self = Self { there: true, back: true };
    /// Neither.
    pub const CUT: Self = Self { there: false, back: false };
}

/// Another host serves an address now, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Since when.
    pub at: Moment,
    /// Which address.
    pub address: IpAddr,
    /// Who served it before.
    pub from: Option<HostId>,
    /// Who serves it now.
    pub to: Option<HostId>,
}

/// Stretches of time in which something was so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Spans {
    /// All of them together.
    #[serde(rename = "total_us", serialize_with = "micros")]
    pub total: Duration,
    /// The longest one; of several the first.
    #[serde(rename = "longest_us", serialize_with = "micros")]
    pub longest: Duration,
    /// When that began.
    #[serde(rename = "longest_at_us")]
    pub longest_at: Option<Moment>,
    /// How many there were.
    pub count: u32,
    /// Since when it is so at present.
    #[serde(rename = "since_us")]
    pub since: Option<Moment>,
}

/// What a client saw of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How long the client had to ask until it was served for the first time, if it ever was.
    pub served_after: Option<Duration>,
    /// Who serves it at present.
    pub served_by: Option<HostId>,
    /// No answer, since it was first served; at present if `since` is set.
    pub out: Spans,
    /// Of that: somebody would answer, but the client asks another host.
    pub stale: Spans,
    /// Two or more hosts would have answered.
    pub twice: Spans,
    /// The hosts that ever were among two or more.
    pub twice_hosts: BTreeSet<HostId>,
}

#[derive(Clone, Debug)]
struct Watched {
    entry: Neighbour,
    /// Those who would answer, the nearest first, since the last change.
    answering: Vec<HostId>,
    /// When the client began to ask.
    since: Moment,
    seen: Summary,
}

impl Client {
    /// A client that watches nothing yet. The seed is for its neighbour table alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            reachable: ReachableTime::new(seed),
            paths: BTreeMap::new(),
            distances: BTreeMap::new(),
            watched: BTreeMap::new(),
        }
    }

    /// Begins to ask an address. Does nothing if it does so already.
    pub fn watch(&mut self, now: Moment, address: IpAddr, lan: &Lan) -> Vec<Change> {
        self.watched.entry(address).or_insert_with(|| Watched::new(now));
        self.holders_changed(now, address, lan)
    }

    /// Whether it asks an address.
    #[must_use]
    pub fn watches(&self, address: IpAddr) -> bool {
        self.watched.contains_key(&address)
    }

    /// Tells the client that `lan` has other holders of an address.
    pub fn holders_changed(&mut self, now: Moment, address: IpAddr, lan: &Lan) -> Vec<Change> {
        let answering = self.answering(address, lan);
        let Some(watched) = self.watched.get_mut(&address) else { return Vec::new() };
        let mut changes = watched.catch_up(address, now, &mut self.reachable);
        watched.answering = answering;
        changes.extend(watched.look(address, now, &mut self.reachable));
        changes
    }

    /// Opens or cuts the way to a host.
    pub fn set_path(&mut self, now: Moment, host: HostId, path: Path, lan: &Lan) -> Vec<Change> {
        self.paths.insert(host, path);
        let addresses: Vec<IpAddr> = self.watched.keys().copied().collect();
        let changes = addresses.into_iter().flat_map(|address| self.holders_changed(now, address, lan));
        changes.collect()
    }

    /// Says how far a host is; of several that answer, the nearest is believed, then the lowest
    /// number. Counts from the next change on.
    pub fn set_distance(&mut self, host: HostId, distance: Duration) {
        self.distances.insert(host, distance);
    }

    /// A host announces an address; the client hears it if the way back is open.
    pub fn announced(&mut self, now: Moment, host: HostId, address: IpAddr) -> Vec<Change> {
        let heard = self.path(host).back;
        let Some(watched) = self.watched.get_mut(&address).filter(|_| heard) else { return Vec::new() };
        let mut changes = watched.catch_up(address, now, &mut self.reachable);
        watched.entry = watched.entry.announced(host, now);
        changes.extend(watched.look(address, now, &mut self.reachable));
        changes
    }

    /// Does what is due in the neighbour table before or at `now`.
    pub fn wake(&mut self, now: Moment) -> Vec<Change> {
        let mut changes = Vec::new();
        for (&address, watched) in &mut self.watched {
            changes.extend(watched.catch_up(address, now, &mut self.reachable));
        }
        changes.sort_by_key(|change| change.at);
        changes
    }

    /// When [`wake`](Self::wake) may have something to report, if nobody calls before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let waiting = self.watched.values().filter(|watched| watched.could_change());
        waiting.map(|watched| watched.entry.due()).min()
    }

    /// The neighbour table's entry for an address, as of the last call.
    #[must_use]
    pub fn entry(&self, address: IpAddr) -> Option<Neighbour> {
        self.watched.get(&address).map(|watched| watched.entry)
    }

    /// Who serves an address, as of the last call.
    #[must_use]
    pub fn served_by(&self, address: IpAddr) -> Option<HostId> {
        self.watched.get(&address).and_then(|watched| watched.seen.served_by)
    }

    /// What was seen of each address up to `now`, what is still going on included.
    #[must_use]
    pub fn summary(&self, now: Moment) -> Vec<(IpAddr, Summary)> {
        let mut client = self.clone();
        client.wake(now);
        let until_now = |(address, watched): (IpAddr, Watched)| {
            let Summary { out, stale, twice, .. } = watched.seen;
            let (out, stale, twice) = (out.until(now), stale.until(now), twice.until(now));
            (address, Summary { out, stale, twice, ..watched.seen })
        };
        client.watched.into_iter().map(until_now).collect()
    }

    /// Who would answer a question to everybody, the nearest first.
    fn answering(&self, address: IpAddr, lan: &Lan) -> Vec<HostId> {
        let mut hosts: Vec<HostId> =
            lan.holders(address).filter(|&host| self.path(host) == Path::OPEN).collect();
        hosts.sort_by_key(|host| (self.distances.get(host).copied().unwrap_or_default(), *host));
        hosts
    }

    fn path(&self, host: HostId) -> Path {
        self.paths.get(&host).copied().unwrap_or(Path::OPEN)
    }
}

impl Watched {
    /// Not served so far: it asks everybody at once.
    fn new(now: Moment) -> Self {
        let seen = Summary {
            served_after: None,
            served_by: None,
            out: Spans::default(),
            stale: Spans::default(),
            twice: Spans::default(),
            twice_hosts: BTreeSet::new(),
        };
        Self { entry: Neighbour::Unknown { asks: now }, answering: Vec::new(), since: now, seen }
    }

    /// Whether time alone may change who serves the address.
    fn could_change(&self) -> bool {
        self.seen.served_by.is_none() && !self.answering.is_empty()
    }

    /// Makes up for what fell due before `now`, and at `now` if that could change something.
    /// Nobody's answering changed in between, or the client would have been called.
    fn catch_up(&mut self, address: IpAddr, now: Moment, reachable: &mut ReachableTime) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.entry.due() < now || (self.entry.due() == now && self.could_change()) {
            let at = self.entry.due();
            self.entry = self.entry.next(&self.answering, reachable);
            changes.extend(self.account(address, at));
        }
        changes
    }

    /// Takes a change at `now` in: a question that is due now already sees it.
    fn look(&mut self, address: IpAddr, now: Moment, reachable: &mut ReachableTime) -> Vec<Change> {
        let first = self.account(address, now);
        let mut changes: Vec<Change> = first.into_iter().collect();
        changes.extend(self.catch_up(address, now, reachable));
        changes
    }

    /// Enters into the books what is so from `now` on.
    fn account(&mut self, address: IpAddr, now: Moment) -> Option<Change> {
        let twice = self.answering.len() > 1;
        if twice {
            self.seen.twice_hosts.extend(&self.answering);
        }
        self.seen.twice.set(now, twice);
        let to = self.entry.host().filter(|host| self.answering.contains(host));
        if to.is_some() {
            self.seen.served_after.get_or_insert(now.since(self.since));
        }
        let out = to.is_none() && self.seen.served_after.is_some();
        self.seen.out.set(now, out);
        self.seen.stale.set(now, out && !self.answering.is_empty());
        let from = std::mem::replace(&mut self.seen.served_by, to);
        (from != to).then_some(Change { at: now, address, from, to })
    }
}

impl Spans {
    /// From `now` on it is so, or is not.
    fn set(&mut self, now: Moment, so: bool) {
        if so && self.since.is_none() {
            self.since = Some(now);
            self.count += 1;
        } else if !so {
            *self = self.until(now);
            self.since = None;
        }
    }

    /// With the stretch that is not over yet counted up to `now`.
    fn until(self, now: Moment) -> Self {
        let Some(since) = self.since else { return self };
        let span = now.since(since);
        let mut until = Self { total: self.total + span, ..self };
        if span > self.longest {
            (until.longest, until.longest_at) = (span, Some(since));
        }
        until
    }
}

#[cfg(test)]
mod tests;
