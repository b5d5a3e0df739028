//! What a node without storage answers when a leader recovers databases: yes to everything, and
//! how many records it was sent.
//!
//! Refusing any of it would keep the whole cluster in recovery and get this node banned.

use alloc::collections::BTreeMap;

use super::controls::Answer;
use super::types::{DbId, SrvId};
use super::wire::{DbMap, RecordCount, ReplyData, RequestData, SeqNum};

/// Databases sent to us at a time. (Our limit: clusters have dozens.)
const PUSHES_MAX: usize = 4096;

/// The databases that are being sent to us.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Databases {
    pushes: BTreeMap<DbId, Push>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Push {
    /// Where its records are sent.
    srvid: SrvId,
    /// How many came.
    count: u32,
}

impl Databases {
    /// The answer to a node's control about databases; `None` if it is about something else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not named is not about databases")]
    pub(super) fn answer(&mut self, request: &RequestData) -> Option<Answer> {
        Some(match request {
            RequestData::DbAttach(name)
            | RequestData::DbAttachPersistent(name)
            | RequestData::DbAttachReplicated(name) => {
                Answer::data(ReplyData::DbId(DbId::of(name.as_bytes())))
            }
            RequestData::GetDbMap => Answer::data(ReplyData::DbMap(DbMap::default())),
            RequestData::GetDbSeqNum(_) => Answer::data(ReplyData::SeqNum(SeqNum(0))),
            RequestData::DbPull(_) => Answer::data(ReplyData::RecordCount(RecordCount(0))),
            // Whoever commits a transaction has its records, and whoever recovers does not ask us.
            RequestData::DbFreeze(_) | RequestData::WipeDatabase(_) | RequestData::UpdateRecord(_) => {
                Answer::OK
            }
            // What an earlier attempt left behind ends here at the latest.
            RequestData::DbTransactionStart(database) | RequestData::DbTransactionCommit(database) => {
                self.forget(database.id)
            }
            RequestData::DbTransactionCancel(id) | RequestData::DbThaw(id) => self.forget(*id),
            RequestData::DbPushStart(stream) => self.begin(stream.id, stream.srvid),
            RequestData::DbPushConfirm(id) => match self.pushes.remove(id) {
                Some(push) => Answer::data(ReplyData::RecordCount(RecordCount(push.count))),
                None => Answer::REFUSED,
            },
            // Asked only of nodes that have the database.
            RequestData::GetDbName(_) | RequestData::GetDbPath(_) => Answer::REFUSED,
            _ => return None,
        })
    }

    /// A message brought `count` records. Nothing happens if nobody announced its stream.
    pub(super) fn records(&mut self, srvid: SrvId, count: u32) {
        for push in self.pushes.values_mut().filter(|push| push.srvid == srvid) {
            push.count = push.count.saturating_add(count);
        }
    }

    /// A database is about to be sent, perhaps once more.
    fn begin(&mut self, id: DbId, srvid: SrvId) -> Answer {
        if self.pushes.len() >= PUSHES_MAX && !self.pushes.contains_key(&id) {
            return Answer::REFUSED;
        }
        self.pushes.insert(id, Push { srvid, count: 0 });
        Answer::OK
    }

    fn forget(&mut self, id: DbId) -> Answer {
        self.pushes.remove(&id);
        Answer::OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::types::{Generation, Pnn};
    use crate::ctdb::wire::{DbStream, DbTransaction, Text, WideDbId};

    const ID: DbId = DbId(0x6645_c6c4);

    fn stream(number: u64) -> SrvId {
        SrvId(SrvId::RECOVERY_PREFIX.0 + number)
    }

    fn push(id: DbId, srvid: SrvId) -> RequestData {
        RequestData::DbPushStart(DbStream { id, lmaster: Pnn(0x5555), srvid })
    }

    fn change() -> DbTransaction {
        DbTransaction { id: ID, generation: Generation(7) }
    }

    fn counted(count: u32) -> Option<Answer> {
        Some(Answer::data(ReplyData::RecordCount(RecordCount(count))))
    }

    #[test]
    fn a_recovery_of_a_database_is_answered_step_by_step() {
        let mut databases = Databases::default();
        let name = Text::from("ctdb.tdb");
        let id = Answer::data(ReplyData::DbId(ID));
        for (request, wanted) in [
            (RequestData::DbAttach(name.clone()), id.clone()),
            (RequestData::DbAttachPersistent(name.clone()), id.clone()),
            (RequestData::DbAttachReplicated(name), id),
            (RequestData::GetDbMap, Answer::data(ReplyData::DbMap(DbMap::default()))),
            (RequestData::DbFreeze(ID), Answer::OK),
            (RequestData::DbTransactionStart(change()), Answer::OK),
            (RequestData::GetDbSeqNum(WideDbId(ID)), Answer::data(ReplyData::SeqNum(SeqNum(0)))),
            (
                RequestData::DbPull(DbStream { id: ID, lmaster: Pnn::UNKNOWN, srvid: stream(1) }),
                Answer::data(ReplyData::RecordCount(RecordCount(0))),
            ),
            (RequestData::WipeDatabase(change()), Answer::OK),
            (push(ID, stream(2)), Answer::OK),
            (RequestData::DbPushConfirm(ID), Answer::data(ReplyData::RecordCount(RecordCount(0)))),
            (RequestData::DbTransactionCommit(change()), Answer::OK),
            (RequestData::DbTransactionCancel(ID), Answer::OK),
            (RequestData::DbThaw(ID), Answer::OK),
            (RequestData::GetDbName(ID), Answer::REFUSED),
            (RequestData::GetDbPath(ID), Answer::REFUSED),
        ] {
            assert_eq!(databases.answer(&request), Some(wanted), "{request:?}");
        }
        assert_eq!(databases.answer(&RequestData::Ping), None);
        assert_eq!(databases.answer(&RequestData::Freeze), None);
    }

    #[test]
    fn what_was_sent_is_confirmed_for_each_database() {
        let mut databases = Databases::default();
        let other = DbId(9);
        databases.answer(&push(ID, stream(1)));
        databases.answer(&push(other, stream(2)));
        for (srvid, count) in [(stream(1), 40), (stream(2), 7), (stream(3), 100), (stream(1), 2)] {
            databases.records(srvid, count);
        }
        assert_eq!(databases.answer(&RequestData::DbPushConfirm(ID)), counted(42));
        assert_eq!(databases.answer(&RequestData::DbPushConfirm(other)), counted(7));
        assert_eq!(databases.answer(&RequestData::DbPushConfirm(other)), Some(Answer::REFUSED));
    }

    #[test]
    fn another_attempt_counts_from_nothing() {
        let mut databases = Databases::default();
        databases.answer(&push(ID, stream(1)));
        databases.records(stream(1), 5);
        databases.answer(&push(ID, stream(2)));
        databases.records(stream(1), 5);
        databases.records(stream(2), 3);
        assert_eq!(databases.answer(&RequestData::DbPushConfirm(ID)), counted(3));
    }

    #[test]
    fn an_attempt_given_up_leaves_nothing_behind() {
        for end in [
            RequestData::DbTransactionStart(change()),
            RequestData::DbTransactionCommit(change()),
            RequestData::DbTransactionCancel(ID),
            RequestData::DbThaw(ID),
        ] {
            let mut databases = Databases::default();
            databases.answer(&push(ID, stream(1)));
            databases.answer(&end);
            assert!(databases.pushes.is_empty(), "{end:?}");
        }
    }

    #[test]
    fn only_so_many_databases_are_sent_at_a_time_and_no_count_overflows() {
        let mut databases = Databases::default();
        for id in 0..PUSHES_MAX as u32 {
            assert_eq!(databases.answer(&push(DbId(id), stream(1))), Some(Answer::OK));
        }
        assert_eq!(databases.answer(&push(ID, stream(1))), Some(Answer::REFUSED));
        assert_eq!(databases.answer(&push(DbId(0), stream(1))), Some(Answer::OK));
        databases.records(stream(1), u32::MAX);
        databases.records(stream(1), 1);
        assert_eq!(databases.answer(&RequestData::DbPushConfirm(DbId(0))), counted(u32::MAX));
    }
}
