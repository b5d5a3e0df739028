//! One database in a recovery: which copy of each record survives, and the lots it is sent in.
//!
//! Each node keeps copies of a volatile database's records, most of them old. The one with the
//! highest record sequence number survives. A record changes hands with a new number, and changes
//! its data at its data master without one; so of equal numbers the copy that its own data master
//! sent counts. A record without data was deleted: if that is the copy that survives, no other
//! may come back in its place, and nothing is sent.
//!
//! Survivors get a data master that keeps data: whoever sent the copy. (A stock leader takes them
//! all upon itself, which a node without storage must not do: nobody would get them from it.) If
//! that was somebody else's record, it gets a number that the old data master's own copy will not
//! reach: it may come back with that copy, which others have changed meanwhile.
//!
//! Of a persistent or replicated database one node's copy counts as a whole, less what was deleted
//! in it. (Seen: a stock leader sends the headers of a persistent one as they are, and those of a
//! replicated one as those of a volatile one.)

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Bound;

use super::config::DATABASE_BYTES_MAX;
use super::plant::{Plant, Plants};
use super::types::{DbFlags, Pnn};
use super::wire::{LtdbHeader, Record, RequestData, Text};

/// About how many bytes of records a message carries: ctdbd's `RecBufferSizeLimit`. A record that
/// is longer has a message of its own.
const LOT_BYTES: usize = 1_000_000;

/// The longest record, key and data: it has to fit into one message, and a few messages into what a
/// driver keeps for a link. (Our limit: records have kilobytes.)
pub(super) const RECORD_BYTES_MAX: usize = 16 << 20;

/// What a copy that changes hands without its data master gains in number: so much that whatever
/// that node did with its own copy since is older. (A stock leader, who takes all copies, relies
/// on others moving a record before they change it.)
const ADOPTED: u64 = 1 << 20;

/// What a record costs beside its key and data, roughly: its header, two allocations, its place.
const RECORD_BYTES: usize = 160;

/// A record that was changed somewhere has been moved with its data. (Seen in what stock leaders
/// push.)
const MIGRATED_WITH_DATA: u32 = 0x0001_0000;

/// What kind of database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Kind {
    /// Each record is somewhere; the copies differ.
    #[default]
    Volatile,
    /// The same on all nodes, on disk.
    Persistent,
    /// The same on all nodes, gone with them.
    Replicated,
}

impl Kind {
    /// The kind these flags say; persistent counts.
    pub(super) const fn of(flags: DbFlags) -> Self {
        if flags.contains(DbFlags::PERSISTENT) {
            Self::Persistent
        } else if flags.contains(DbFlags::REPLICATED) {
            Self::Replicated
        } else {
            Self::Volatile
        }
    }

    /// The control that creates such a database.
    pub(super) const fn attach(self, name: Text) -> RequestData {
        match self {
            Self::Volatile => RequestData::DbAttach(name),
            Self::Persistent => RequestData::DbAttachPersistent(name),
            Self::Replicated => RequestData::DbAttachReplicated(name),
        }
    }
}

/// The copies that survive so far.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Merge {
    kind: Kind,
    plants: Plants,
    records: BTreeMap<Box<[u8]>, Held>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Held {
    from: Pnn,
    header: LtdbHeader,
    data: Box<[u8]>,
}

impl Held {
    /// The greater survives, in whatever order they come.
    fn rank(&self) -> (u64, bool, bool, Reverse<Pnn>) {
        let own = self.header.dmaster == self.from;
        (self.header.rsn, own, !self.data.is_empty(), Reverse(self.from))
    }

    fn cost(&self, key: &[u8]) -> usize {
        key.len() + self.data.len() + RECORD_BYTES
    }
}

/// Why a record cannot be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Unfit {
    /// It is shorter than its header.
    NoHeader,
    /// All of them together are more than may be held.
    TooMuch,
    /// It is longer than one may be by itself.
    TooLong,
}

/// Records to be sent in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lot {
    pub(super) records: Vec<Record>,
    /// The key after which the next lot begins, if there is another.
    pub(super) more: Option<Box<[u8]>>,
}

impl Default for Merge {
    fn default() -> Self {
        Self::new(Kind::default(), Plants::default(), DATABASE_BYTES_MAX)
    }
}

impl Merge {
    /// None yet, and at most so many bytes of them.
    pub(super) const fn new(kind: Kind, plants: Plants, bytes_max: usize) -> Self {
        Self { kind, plants, records: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// Takes a node's copy in, if it is better than the one held.
    pub(super) fn add(&mut self, from: Pnn, record: &Record) -> Result<(), Unfit> {
        let (header, data) = record.split_header().map_err(|_| Unfit::NoHeader)?;
        let copy = Held { from, header, data: data.into() };
        if record.key.len() + record.data.len() > RECORD_BYTES_MAX {
            return Err(Unfit::TooLong);
        }
        let held = self.records.get(&record.key[..]);
        let worse = held.is_some_and(|held| {
            let worse = if self.plants.has(Plant::MastersCopyIgnored) {
                copy.header.rsn <= held.header.rsn
            } else {
                copy.rank() <= held.rank()
            };
            if self.plants.has(Plant::OlderCopyWins) { !worse } else { worse }
        });
        if worse {
            return Ok(());
        }
        let freed = held.map_or(0, |held| held.cost(&record.key));
        let bytes = self.bytes - freed + copy.cost(&record.key);
        if bytes > self.bytes_max {
            return Err(Unfit::TooMuch);
        }
        self.bytes = bytes;
        self.records.insert(record.key[..].into(), copy);
        Ok(())
    }

    /// The next records to be sent, by key. Together the lots are every survivor once.
    pub(super) fn lot(&self, after: Option<&[u8]>) -> Lot {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.records.range::<[u8], _>((from, Bound::Unbounded));
        let mut lot = Lot { records: Vec::new(), more: None };
        let (mut bytes, mut last) = (0, None);
        for (key, held) in range.filter(|(_, held)| !held.data.is_empty()) {
            if bytes >= LOT_BYTES {
                lot.more = last;
                break;
            }
            bytes += held.cost(key);
            lot.records.push(self.survivor(key, held));
            last = Some(key.clone());
        }
        lot
    }

    fn survivor(&self, key: &[u8], held: &Held) -> Record {
        let header = match self.kind {
            // All copies are alike now: whatever else was said of one is over.
            Kind::Volatile => {
                let adopted = held.header.dmaster != held.from;
                let rsn = held.header.rsn.saturating_add(if adopted { ADOPTED } else { 0 });
                LtdbHeader { rsn, dmaster: held.from, flags: MIGRATED_WITH_DATA, ..held.header }
            }
            Kind::Replicated => LtdbHeader { dmaster: held.from, flags: MIGRATED_WITH_DATA, ..held.header },
            Kind::Persistent => held.header,
        };
        Record::with_header(key, header, &held.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    fn copy(key: &str, rsn: u64, dmaster: u32, data: &str) -> Record {
        let header = LtdbHeader { rsn, dmaster: Pnn(dmaster), reserved: 0, flags: 0x0100_0000 };
        Record::with_header(key.as_bytes(), header, data.as_bytes())
    }

    fn merge(kind: Kind) -> Merge {
        Merge::new(kind, Plants::default(), 10_000)
    }

    fn merged(kind: Kind, copies: &[(u32, Record)]) -> Vec<(String, LtdbHeader, String)> {
        let mut merge = merge(kind);
        copies.iter().for_each(|(from, copy)| assert_eq!(merge.add(Pnn(*from), copy), Ok(())));
        let lot = merge.lot(None);
        assert_eq!(lot.more, None);
        let text = |bytes: &[u8]| core::str::from_utf8(bytes).expect("it was").to_string();
        let told = |record: &Record| {
            let (header, data) = record.split_header().expect("it has one");
            (text(&record.key), header, text(data))
        };
        lot.records.iter().map(told).collect()
    }

    /// What two real nodes and their leader held, and what the leader made of it.
    #[test]
    fn copies_of_a_real_cluster_become_what_a_real_leader_made_of_them() {
        let copies = [
            (0, copy("a", 3, 0, "one")),
            (1, copy("c", 5, 1, "four")),
            (1, copy("a", 1, 0, "")),
            (1, copy("b", 3, 1, "two")),
            (1, copy("d", 2, 1, "")),
            (2, copy("c", 3, 1, "three")),
            (2, copy("b", 1, 1, "")),
        ];
        let made = merged(Kind::Volatile, &copies);
        let told: Vec<_> = made.iter().map(|(key, header, data)| (&key[..], header.rsn, &data[..])).collect();
        assert_eq!(told, [("a", 3, "one"), ("b", 3, "two"), ("c", 5, "four")]);
        // But for whose they are: the leader's there, whoever had them here.
        let masters: Vec<_> = made.iter().map(|(_, header, _)| (header.dmaster.0, header.flags)).collect();
        assert_eq!(masters, [(0, 0x10000), (1, 0x10000), (1, 0x10000)]);
    }

    #[test]
    fn of_equal_numbers_the_data_masters_own_copy_counts() {
        let new = (2, copy("k", 6, 2, "newer"));
        let old = [(0, copy("k", 6, 2, "new")), (1, copy("k", 6, 2, "new"))];
        for copies in [[&old[0], &old[1], &new], [&new, &old[0], &old[1]], [&old[0], &new, &old[1]]] {
            let made = merged(Kind::Volatile, &copies.map(Clone::clone));
            assert_eq!(made[0].2, "newer");
        }
        // Without it data counts more than none, and a lower node more than a higher one.
        let left = [(1, copy("k", 6, 2, "x")), (0, copy("k", 6, 2, "")), (3, copy("k", 6, 2, "y"))];
        assert_eq!(merged(Kind::Volatile, &left)[0].2, "x");
    }

    /// Its data master is cut off with a later copy; who goes on with an older one changes it
    /// without a new number.
    #[test]
    fn a_data_master_that_comes_back_has_an_older_copy_than_who_went_on_without_it() {
        let made = merged(Kind::Volatile, &[(2, copy("k", 3, 1, "old"))]);
        let (_, went_on, _) = made[0];
        assert_eq!((went_on.rsn, went_on.dmaster), (3 + ADOPTED, Pnn(2)));
        let changed = Record::with_header(b"k", went_on, b"new");
        let made = merged(Kind::Volatile, &[(1, copy("k", 900, 1, "lost")), (2, changed)]);
        assert_eq!((made[0].2.as_str(), made[0].1.rsn), ("new", 3 + ADOPTED), "nothing is added twice");
    }

    #[test]
    fn what_was_deleted_last_does_not_come_back() {
        let copies = [(0, copy("k", 4, 0, "old")), (1, copy("k", 5, 1, ""))];
        assert_eq!(merged(Kind::Volatile, &copies), []);
        let copies = [(0, copy("k", 6, 0, "new")), (1, copy("k", 5, 1, ""))];
        assert_eq!(merged(Kind::Volatile, &copies)[0].2, "new");
    }

    #[test]
    fn of_a_whole_copy_only_what_was_deleted_is_left_out() {
        let copies = [(1, copy("k", 4, 7, "data")), (1, copy("none", 2, 9, ""))];
        for (kind, dmaster, flags) in [(Kind::Persistent, 7, 0x0100_0000), (Kind::Replicated, 1, 0x1_0000)] {
            let made = merged(kind, &copies);
            let headers: Vec<_> =
                made.iter().map(|(_, header, _)| (header.rsn, header.dmaster.0, header.flags)).collect();
            assert_eq!(headers, [(4, dmaster, flags)]);
        }
    }

    #[test]
    fn no_more_is_held_than_said_and_a_headless_record_is_refused() {
        let mut merge = merge(Kind::Volatile);
        let big = "x".repeat(6_000);
        assert_eq!(merge.add(Pnn(0), &copy("a", 1, 0, &big)), Ok(()));
        assert_eq!(merge.add(Pnn(0), &copy("b", 1, 0, &big)), Err(Unfit::TooMuch));
        // A better copy takes the place of the one held.
        assert_eq!(merge.add(Pnn(1), &copy("a", 2, 1, &big)), Ok(()));
        assert_eq!(merge.add(Pnn(2), &copy("a", 1, 2, &big)), Ok(()));
        assert_eq!(merge.lot(None).records.len(), 1);
        let mut roomy = Merge::new(Kind::Volatile, Plants::default(), usize::MAX);
        let long = "x".repeat(RECORD_BYTES_MAX);
        assert_eq!(roomy.add(Pnn(0), &copy("a", 1, 0, &long)), Err(Unfit::TooLong));
        let headless = Record { reqid: 0, key: b"k".into(), data: [0; 23].into() };
        assert_eq!(merge.add(Pnn(0), &headless), Err(Unfit::NoHeader));
    }

    #[test]
    fn lots_are_every_survivor_once() {
        let mut merge = Merge::new(Kind::Volatile, Plants::default(), usize::MAX);
        for number in 0..50_u32 {
            let data = if number % 7 == 0 { String::new() } else { "x".repeat(90_000) };
            let key = alloc::format!("{number:03}");
            assert_eq!(merge.add(Pnn(0), &copy(&key, 1, 0, &data)), Ok(()));
        }
        let (mut lots, mut seen, mut after) = (0, Vec::new(), None);
        loop {
            let lot = merge.lot(after.as_deref());
            let bytes: usize = lot.records.iter().map(|record| record.data.len()).sum();
            assert!(bytes < LOT_BYTES + 100_000);
            seen.extend(lot.records.into_iter().map(|record| record.key));
            lots += 1;
            let Some(more) = lot.more else { break };
            after = Some(more);
        }
        let wanted: Vec<_> =
            (0..50).filter(|number| number % 7 != 0).map(|n| alloc::format!("{n:03}").into_bytes()).collect();
        assert_eq!((seen, lots), (wanted, 4));
        assert_eq!(Merge::default().lot(None), Lot { records: Vec::new(), more: None });
    }

    proptest! {
        #[test]
        fn no_order_of_arrival_changes_what_survives(
            copies in proptest::collection::vec((0_u32..4, 0_u64..4, 0_u32..4, 0_usize..3), 0..12),
            turn in 0_usize..12,
        ) {
            // A node has one copy of a record.
            let copies: BTreeMap<_, _> = copies.into_iter().map(|(from, rsn, dmaster, length)| {
                (from, copy("k", rsn, dmaster, &"x".repeat(length)))
            }).collect();
            let mut copies: Vec<_> = copies.into_iter().collect();
            let made = merged(Kind::Volatile, &copies);
            let by = if copies.is_empty() { 0 } else { turn % copies.len() };
            copies.rotate_left(by);
            prop_assert_eq!(&merged(Kind::Volatile, &copies), &made);
            copies.reverse();
            prop_assert_eq!(merged(Kind::Volatile, &copies), made);
        }
    }
}
