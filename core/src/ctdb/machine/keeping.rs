//! Being asked about databases: as a node without any, or as one that rehearses.

use super::super::config::Databases;
use super::super::controls::Answer;
use super::super::requests::Asker;
use super::super::store::Told;
use super::super::types::{DbFlags, DbId, Generation, Pnn, RecoveryMode};
use super::super::wire::{LtdbHeader, MessageData, RecordCount, ReplyData, RequestData, Text};
use super::{Ctdb, Out};

/// A database of a rehearsal.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseView<'a> {
    /// Its name.
    pub name: &'a Text,
    /// Its kind.
    pub flags: DbFlags,
    /// The number that tells which copy of it is the latest, unless it is volatile; 0 if it has
    /// none.
    pub sequence_number: u64,
    /// Of the recovery that last wrote it, or that it was attached after.
    pub generation: Generation,
    kept: &'a super::super::store::Kept,
}

/// This node's copy of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its sequence number.
    pub number: u64,
    /// Who may change it.
    pub master: Pnn,
    /// Its data; none if it was deleted.
    pub data: &'a [u8],
}

impl<'a> DatabaseView<'a> {
    /// The records by key.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'a>> + use<'a> {
        let view = |(key, header, data): (_, LtdbHeader, _)| RecordView {
            key,
            number: header.rsn,
            master: header.dmaster,
            data,
        };
        self.kept.records().map(view)
    }
}

impl Ctdb {
    /// The databases this node rehearses with.
    pub fn databases(&self) -> impl Iterator<Item = DatabaseView<'_>> {
        self.store.iter().map(|kept| DatabaseView {
            name: &kept.name,
            flags: kept.flags,
            sequence_number: kept.sequence_number(),
            generation: kept.generation,
            kept,
        })
    }

    /// The answer to a control about databases; `None` if it is about something else.
    pub(super) fn databases_asked(
        &mut self,
        out: Out<'_>,
        asker: Option<Asker>,
        data: &RequestData,
    ) -> Option<Answer> {
        if self.config.databases != Databases::Rehearses {
            match (asker, data) {
                (Some(Asker::Client(..)), RequestData::UpdateRecord(_)) => {
                    return Some(Answer::failed("this node keeps no databases"));
                }
                (Some(Asker::Node(..)) | None, RequestData::DbAttach(name)) => {
                    self.volatile_met(out, DbId::of(name.as_bytes()));
                }
                _ => {}
            }
            return self.databases.answer(data);
        }
        // ctdbd lets a program wait that attaches amid a recovery, which is not to find a database
        // that only one node has. A rehearsal's program is refused.
        let waits = matches!(
            data,
            RequestData::DbAttach(_)
                | RequestData::DbAttachPersistent(_)
                | RequestData::DbAttachReplicated(_)
        );
        if waits
            && matches!(asker, Some(Asker::Client(..)))
            && self.state.recovery_mode == RecoveryMode::Active
        {
            return Some(Answer::REFUSED);
        }
        Some(match self.store.told(data, self.state.generation, self.state.recovery_mode)? {
            Told::Answer(answer) => answer,
            Told::Send(srvid, records) => {
                let to = match asker {
                    Some(Asker::Node(pnn, _)) => pnn,
                    Some(Asker::Own(_) | Asker::Client(..)) | None => self.state.own(),
                };
                let count = records.records.len() as u32;
                self.tell(out, to, &MessageData::Records { srvid, records });
                Answer::data(ReplyData::RecordCount(RecordCount(count)))
            }
        })
    }
}
