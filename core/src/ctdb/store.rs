//! The databases of a rehearsal: what a node with storage does in recoveries, in memory.
//!
//! They let a simulated cluster have something to lose. Nothing here serves a program: who may
//! change a record is not asked, a rehearsal says what is where.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::controls::Answer;
use super::types::{DbFlags, DbId, Generation, RecoveryMode, SrvId};
use super::wire::{
    DbEntry, DbMap, DbStream, DbTransaction, LtdbHeader, Record, RecordBuffer, RecordCount, ReplyData,
    RequestData, SeqNum, Text,
};

/// Under this key a persistent or replicated database keeps its sequence number, 8 bytes.
const SEQUENCE_NUMBER: &[u8] = b"__db_sequence_number__\0";

/// The databases.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Store {
    kept: BTreeMap<DbId, Kept>,
}

/// One of them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Kept {
    pub(super) name: Text,
    pub(super) flags: DbFlags,
    records: Records,
    /// Of the recovery that last changed it, or that it was attached after.
    pub(super) generation: Generation,
    frozen: bool,
    change: Option<Change>,
}

type Records = BTreeMap<Vec<u8>, Record>;

/// What a recovery is about to make of a database.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Change {
    generation: Generation,
    records: Records,
    /// The stream that is sent to us, and how many records came.
    push: Option<(SrvId, u32)>,
}

/// What becomes of a control.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// It is answered.
    Answer(Answer),
    /// These are sent in this stream first, and their number is the answer.
    Send(SrvId, RecordBuffer),
}

impl Kept {
    /// A record's header and data, by key.
    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], LtdbHeader, &[u8])> {
        self.records.iter().filter_map(|(key, record)| {
            let (header, data) = record.split_header().ok()?;
            Some((&key[..], header, data))
        })
    }

    /// 0 if there is none.
    pub(super) fn sequence_number(&self) -> u64 {
        let record = self.records.get(SEQUENCE_NUMBER);
        let data = record.and_then(|record| record.split_header().ok()).map(|(_, data)| data);
        data.and_then(|data| data.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    fn change_of(&mut self, generation: Generation) -> Option<&mut Change> {
        self.change.as_mut().filter(|change| change.generation == generation)
    }
}

impl Store {
    /// Every database.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }

    /// Whether all of them were part of this recovery.
    pub(super) fn is_of(&self, generation: Generation) -> bool {
        self.kept.values().all(|kept| kept.generation == generation)
    }

    /// What becomes of a control about databases; `None` if it is about something else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not named is not about databases")]
    pub(super) fn told(
        &mut self,
        request: &RequestData,
        now: Generation,
        mode: RecoveryMode,
    ) -> Option<Told> {
        let answer = match request {
            RequestData::DbAttach(name) => self.attach(name, DbFlags::empty(), now),
            RequestData::DbAttachPersistent(name) => self.attach(name, DbFlags::PERSISTENT, now),
            RequestData::DbAttachReplicated(name) => self.attach(name, DbFlags::REPLICATED, now),
            RequestData::GetDbMap => {
                let databases =
                    self.kept.iter().map(|(&id, kept)| DbEntry { id, flags: kept.flags }).collect();
                Answer::data(ReplyData::DbMap(DbMap { databases }))
            }
            RequestData::UpdateRecord(_) if mode == RecoveryMode::Active => Answer::REFUSED,
            RequestData::UpdateRecord(buffer) => self.update(buffer),
            RequestData::DbPull(stream) => match self.kept.get(&stream.id) {
                Some(kept) => return Some(kept.pulled(stream)),
                None => Answer::REFUSED,
            },
            RequestData::GetDbName(id) => {
                self.with(*id, |kept| Answer::data(ReplyData::Text(kept.name.clone())))
            }
            RequestData::GetDbSeqNum(id) => {
                self.with(id.0, |kept| Answer::data(ReplyData::SeqNum(SeqNum(kept.sequence_number()))))
            }
            RequestData::DbFreeze(id) => self.with(*id, |kept| {
                kept.frozen = true;
                Answer::OK
            }),
            RequestData::DbThaw(id) => self.with(*id, |kept| {
                kept.frozen = false;
                Answer::OK
            }),
            RequestData::DbTransactionStart(change) => self.begin(*change),
            RequestData::WipeDatabase(DbTransaction { id, generation }) => {
                self.with(*id, |kept| done(kept.change_of(*generation).map(|change| change.records.clear())))
            }
            RequestData::DbPushStart(stream) => self.with(stream.id, |kept| {
                done(kept.change.as_mut().map(|change| change.push = Some((stream.srvid, 0))))
            }),
            RequestData::DbPushConfirm(id) => self.with(*id, |kept| {
                let push = kept.change.as_mut().and_then(|change| change.push.take());
                push.map_or(Answer::REFUSED, |(_, count)| {
                    Answer::data(ReplyData::RecordCount(RecordCount(count)))
                })
            }),
            RequestData::DbTransactionCommit(DbTransaction { id, generation }) => self.with(*id, |kept| {
                let change = kept.change.take_if(|change| change.generation == *generation);
                done(change.map(|change| {
                    (kept.records, kept.generation) = (change.records, change.generation);
                }))
            }),
            RequestData::DbTransactionCancel(id) => self.with(*id, |kept| {
                kept.change = None;
                Answer::OK
            }),
            _ => return None,
        };
        Some(Told::Answer(answer))
    }

    /// Records came in a stream, perhaps one that was announced.
    pub(super) fn records(&mut self, srvid: SrvId, buffer: &RecordBuffer) {
        let Some(change) = self.kept.get_mut(&buffer.id).and_then(|kept| kept.change.as_mut()) else {
            return;
        };
        let Some((_, count)) = change.push.as_mut().filter(|(held, _)| *held == srvid) else { return };
        *count += buffer.records.len() as u32;
        for record in &buffer.records {
            change.records.insert(record.key.clone(), record.clone());
        }
    }

    fn with(&mut self, id: DbId, answer: impl FnOnce(&mut Kept) -> Answer) -> Answer {
        self.kept.get_mut(&id).map_or(Answer::REFUSED, answer)
    }

    fn attach(&mut self, name: &Text, flags: DbFlags, generation: Generation) -> Answer {
        let id = DbId::of(name.as_bytes());
        self.kept.entry(id).or_insert_with(|| Kept {
            name: name.clone(),
            flags,
            records: Records::new(),
            generation,
            frozen: false,
            change: None,
        });
        Answer::data(ReplyData::DbId(id))
    }

    fn begin(&mut self, begun: DbTransaction) -> Answer {
        self.with(begun.id, |kept| {
            if !kept.frozen {
                return Answer::REFUSED;
            }
            let (generation, records) = (begun.generation, kept.records.clone());
            kept.change = Some(Change { generation, records, push: None });
            Answer::OK
        })
    }

    /// A program here has changed records; what is older than what is held is left. At the data
    /// master a record changes without a new number.
    fn update(&mut self, buffer: &RecordBuffer) -> Answer {
        self.with(buffer.id, |kept| {
            if kept.frozen || buffer.records.iter().any(|record| record.split_header().is_err()) {
                return Answer::REFUSED;
            }
            let header = |record: &Record| record.split_header().ok().map(|(header, _)| header);
            for record in &buffer.records {
                let older = |held: &Record| {
                    let (Some(held), Some(new)) = (header(held), header(record)) else { return true };
                    held.rsn < new.rsn || (held.rsn == new.rsn && held.dmaster == new.dmaster)
                };
                if kept.records.get(&record.key).is_none_or(older) {
                    kept.records.insert(record.key.clone(), record.clone());
                }
            }
            Answer::OK
        })
    }
}

impl Kept {
    fn pulled(&self, stream: &DbStream) -> Told {
        let records = self.records.values().cloned().collect();
        Told::Send(stream.srvid, RecordBuffer { id: stream.id, records })
    }
}

const fn done(what: Option<()>) -> Answer {
    if what.is_some() { Answer::OK } else { Answer::REFUSED }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::types::Pnn;
    use crate::ctdb::wire::WideDbId;

    const G: Generation = Generation(7);

    fn ask(store: &mut Store, request: &RequestData) -> Answer {
        match store.told(request, G, RecoveryMode::Normal) {
            Some(Told::Answer(answer)) => answer,
            other => panic!("{request:?} came to {other:?}"),
        }
    }

    fn buffer(id: DbId, key: &str, rsn: u64) -> RecordBuffer {
        let header = LtdbHeader { rsn, dmaster: Pnn(0), reserved: 0, flags: 0 };
        RecordBuffer { id, records: [Record::with_header(key.as_bytes(), header, b"data")].into() }
    }

    fn numbers(store: &Store) -> Vec<u64> {
        store.iter().flat_map(|kept| kept.records().map(|(_, header, _)| header.rsn)).collect()
    }

    #[test]
    fn a_recovery_changes_all_or_nothing() {
        let mut store = Store::default();
        let id = DbId::of("a.tdb");
        ask(&mut store, &RequestData::DbAttach(Text::from("a.tdb")));
        assert_eq!(ask(&mut store, &RequestData::UpdateRecord(buffer(id, "k", 3))), Answer::OK);
        assert_eq!(ask(&mut store, &RequestData::UpdateRecord(buffer(id, "k", 2))), Answer::OK);
        assert_eq!(numbers(&store), [3]);
        let change = DbTransaction { id, generation: Generation(8) };
        let stream = DbStream { id, lmaster: Pnn::UNKNOWN, srvid: SrvId(5) };
        let start = RequestData::DbTransactionStart(change);
        assert_eq!(ask(&mut store, &start), Answer::REFUSED, "it is not frozen");
        for request in [RequestData::DbFreeze(id), start, RequestData::WipeDatabase(change)] {
            assert_eq!(ask(&mut store, &request), Answer::OK, "{request:?}");
        }
        assert_eq!(ask(&mut store, &RequestData::DbPushStart(stream)), Answer::OK);
        assert_eq!(ask(&mut store, &RequestData::UpdateRecord(buffer(id, "k", 9))), Answer::REFUSED);
        store.records(SrvId(5), &buffer(id, "l", 4));
        store.records(SrvId(6), &buffer(id, "m", 5));
        assert_eq!(numbers(&store), [3]);
        let counted = ReplyData::RecordCount(RecordCount(1));
        assert_eq!(ask(&mut store, &RequestData::DbPushConfirm(id)), Answer::data(counted));
        let other = DbTransaction { id, generation: Generation(9) };
        assert_eq!(ask(&mut store, &RequestData::DbTransactionCommit(other)), Answer::REFUSED);
        let (mut left, mut made) = (store.clone(), store);
        assert_eq!(ask(&mut left, &RequestData::DbTransactionCancel(id)), Answer::OK);
        assert_eq!((numbers(&left), left.is_of(G)), ([3].into(), true));
        assert_eq!(ask(&mut made, &RequestData::DbTransactionCommit(change)), Answer::OK);
        assert_eq!((numbers(&made), made.is_of(Generation(8))), ([4].into(), true));
    }

    #[test]
    fn a_database_tells_its_name_its_number_and_its_records() {
        let mut store = Store::default();
        let id = DbId::of("a.tdb");
        assert_eq!(ask(&mut store, &RequestData::GetDbName(id)), Answer::REFUSED);
        ask(&mut store, &RequestData::DbAttachPersistent(Text::from("a.tdb")));
        let name = ReplyData::Text(Text::from("a.tdb"));
        assert_eq!(ask(&mut store, &RequestData::GetDbName(id)), Answer::data(name));
        let header = LtdbHeader { rsn: 1, dmaster: Pnn(0), reserved: 0, flags: 0 };
        let number = Record::with_header(SEQUENCE_NUMBER, header, &42_u64.to_le_bytes());
        let buffer = RecordBuffer { id, records: [number].into() };
        ask(&mut store, &RequestData::UpdateRecord(buffer.clone()));
        let number = ReplyData::SeqNum(SeqNum(42));
        assert_eq!(ask(&mut store, &RequestData::GetDbSeqNum(WideDbId(id))), Answer::data(number));
        let pull = RequestData::DbPull(DbStream { id, lmaster: Pnn::UNKNOWN, srvid: SrvId(3) });
        let told = store.told(&pull, G, RecoveryMode::Active);
        assert_eq!(told, Some(Told::Send(SrvId(3), buffer)));
        let entries = [DbEntry { id, flags: DbFlags::PERSISTENT }].into();
        let map = ReplyData::DbMap(DbMap { databases: entries });
        assert_eq!(ask(&mut store, &RequestData::GetDbMap), Answer::data(map));
    }
}
