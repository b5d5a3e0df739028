//! Databases in a recovery that we lead: one after the other, each collected from the nodes that
//! keep it, merged here, and sent to all that take part.
//!
//! We hold one database at a time, for as long as that takes. Whatever is said of a database on a
//! wire is of the nodes; what we hold is counted, and a database that is too large makes us give up
//! leading, so that somebody with storage does it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::super::config::Databases;
use super::super::mail::Heard;
use super::super::merge::{Kind, Lot, Merge, RECORD_BYTES_MAX, Unfit};
use super::super::notice::{DatabaseStep, Notice, RecoveryStep};
use super::super::plant::Plant;
use super::super::requests::{Gather, Task, Ticket};
use super::super::types::{ControlFlags, DbId, Pnn, SrvId};
use super::super::wire::{
    BanState, DbMap, DbStream, DbTransaction, MessageData, RecordBuffer, ReplyData, RequestData, Text,
    WideDbId,
};
use super::recovery::Recovery;
use super::round::Stage;
use super::{Ctdb, Out};
use crate::time::Instant;

/// Databases a cluster may have. (Our limit: clusters have dozens.)
const DATABASES_MAX: usize = 4096;
/// How often the recovery of a database is tried, and how many failures of one node within a
/// recovery get it banned.
const ATTEMPTS: u32 = 3;

/// The databases of a recovery.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Restoring {
    /// What is left to do, the one under way first.
    found: BTreeMap<DbId, Found>,
    step: DatabaseStep,
    attempt: u32,
    /// Failures that were somebody's fault.
    credits: BTreeMap<Pnn, u32>,
    /// Who was disconnected since this began, for whatever cause: it may have started anew, without
    /// what it told of before.
    away: BTreeSet<Pnn>,
    name: Option<Text>,
    /// Some may have committed what was merged. It stays for the next attempt then: they have
    /// forgotten what was deleted, and somebody who has not committed would bring it back.
    committed: bool,
    merge: Merge,
    /// Why they are more than we may hold, if they are.
    too_large: Option<Unfit>,
    /// The stream that a node sends us, and who is asked after it.
    pull: Option<Pull>,
    next: VecDeque<Pnn>,
    /// The highest sequence number, and who has it.
    latest: Option<(u64, Pnn)>,
    /// The stream we send, how many records and messages have gone to each node, and after which
    /// key the next begin.
    push: SrvId,
    records: u32,
    messages: u32,
    more: Option<Box<[u8]>>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Found {
    kind: Kind,
    /// Who has it.
    at: Vec<Pnn>,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Pull {
    from: Pnn,
    srvid: SrvId,
    count: u32,
    /// Some of it means nothing.
    bad: bool,
}

impl Restoring {
    /// Notes that a node has these databases; false if that cannot be so.
    pub(super) fn note(&mut self, from: Pnn, map: &DbMap) -> bool {
        map.databases.iter().all(|entry| {
            let kind = Kind::of(entry.flags);
            if self.found.len() >= DATABASES_MAX && !self.found.contains_key(&entry.id) {
                return false;
            }
            let found = self.found.entry(entry.id).or_insert(Found { kind, at: Vec::new() });
            let new = found.at.last() != Some(&from);
            if new {
                found.at.push(from);
            }
            new && found.kind == kind
        })
    }

    /// Records are collected from these nodes, beside what some have committed already.
    fn collect(&mut self, merge: Merge, from: Vec<Pnn>) {
        if !self.committed {
            self.merge = merge;
        }
        self.next = from.into();
    }

    /// What was merged is of no use any more.
    fn forget_merged(&mut self) {
        (self.merge, self.committed) = (Merge::default(), false);
    }

    /// The name of the current database.
    fn known_name(&self) -> &Text {
        self.name.as_ref().expect("nobody goes on without a name")
    }

    fn current(&self) -> Option<(DbId, &Found)> {
        self.found.first_key_value().map(|(&id, found)| (id, found))
    }

    /// An answer; whether the step can go on with it.
    fn accepts(&mut self, from: Pnn, data: &ReplyData) -> bool {
        let Some((id, found)) = self.found.first_key_value() else { return true };
        match (self.step, data) {
            // Nodes that have it have to mean the same.
            (DatabaseStep::Name, ReplyData::Text(name)) => {
                let known = self.name.get_or_insert_with(|| name.clone());
                known == name && DbId::of(name.as_bytes()) == *id
            }
            (DatabaseStep::SeqNum, ReplyData::SeqNum(number)) => {
                // Who has only just attached it has nothing to offer.
                let better =
                    self.latest.is_none_or(|(held, pnn)| number.0 > held || (number.0 == held && from < pnn));
                if found.at.contains(&from) && better {
                    self.latest = Some((number.0, from));
                }
                true
            }
            (DatabaseStep::Pull, ReplyData::RecordCount(count)) => {
                let pull = self.pull.as_ref().filter(|pull| pull.from == from);
                pull.is_some_and(|pull| pull.count == count.0 && !pull.bad) || self.too_large.is_some()
            }
            (DatabaseStep::Confirm, ReplyData::RecordCount(count)) => count.0 == self.records,
            (DatabaseStep::Name | DatabaseStep::SeqNum | DatabaseStep::Pull | DatabaseStep::Confirm, _) => {
                false
            }
            _ => true,
        }
    }

    /// Records came; nothing happens if nobody was asked for this stream.
    fn hear(&mut self, srvid: SrvId, buffer: &RecordBuffer) {
        let current = self.current().map(|(id, _)| id);
        let Some(pull) = self.pull.as_mut().filter(|pull| pull.srvid == srvid) else { return };
        pull.bad |= current != Some(buffer.id);
        pull.count = pull.count.saturating_add(buffer.records.len() as u32);
        for record in &buffer.records {
            if pull.bad || self.too_large.is_some() {
                return;
            }
            match self.merge.add(pull.from, record) {
                Ok(()) => {}
                Err(Unfit::NoHeader) => pull.bad = true,
                Err(unfit @ (Unfit::TooMuch | Unfit::TooLong)) => {
                    self.too_large = Some(unfit);
                    return self.forget_merged();
                }
            }
        }
    }
}

impl Recovery {
    /// An answer while databases are recovered; the gathering has counted it.
    pub(super) fn restoring_heard(&mut self, from: Pnn, heard: &Heard) {
        if !heard.is_failure() && !self.restoring.accepts(from, &heard.data) {
            self.gather.failed.push(from);
        }
    }
}

impl Ctdb {
    /// A node is gone, if only for a moment: it is not to blame for what it has lost.
    pub(super) fn recovery_without(&mut self, pnn: Pnn) {
        if let Stage::Recovery(recovery) = &mut self.rounds.stage {
            recovery.restoring.away.insert(pnn);
        }
    }

    /// Records came from a node, perhaps those we asked for.
    pub(super) fn records_heard(&mut self, srvid: SrvId, buffer: &RecordBuffer) {
        if let Stage::Recovery(recovery) = &mut self.rounds.stage
            && recovery.step() == RecoveryStep::Data
            && recovery.restoring.step == DatabaseStep::Pull
        {
            recovery.restoring.hear(srvid, buffer);
        }
    }

    /// Begins with the next database, from the first step; after the last the recovery goes on.
    pub(super) fn next_database(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery) {
        let data = &mut recovery.restoring;
        let Some((id, at)) = data.current().map(|(id, found)| (id, found.at.clone())) else {
            return self.data_recovered(now, out, recovery);
        };
        (data.name, data.latest) = (None, None);
        (data.pull, data.next) = (None, VecDeque::new());
        self.database_step(now, out, recovery, DatabaseStep::Name, &at, &RequestData::GetDbName(id));
    }

    /// Who is asked about databases: all that take part. We have nothing to say ourselves, except
    /// in a rehearsal.
    fn keepers(&self, recovery: &Recovery) -> Vec<Pnn> {
        let itself = self.config.databases == Databases::Rehearses;
        recovery.participants.iter().copied().filter(|&pnn| itself || !self.state.is_me(pnn)).collect()
    }

    fn database_step(
        &mut self,
        now: Instant,
        out: Out<'_>,
        mut recovery: Recovery,
        step: DatabaseStep,
        nodes: &[Pnn],
        request: &RequestData,
    ) {
        let flags = if step == DatabaseStep::Attach {
            ControlFlags::ATTACH_FOR_RECOVERY
        } else {
            ControlFlags::empty()
        };
        let patience = self.config.tunables.recover_timeout();
        let ticket = self.gathering(Task::Round);
        for &pnn in nodes {
            self.ask_flagged(now, out, pnn, request, flags, ticket, patience);
        }
        recovery.gather = Gather::new(ticket.serial, nodes.len() as u32);
        recovery.restoring.step = step;
        self.enter(RecoveryStep::Data, recovery);
    }

    /// Every answer of a step is in: the next one.
    pub(super) fn restoring_step(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery) {
        let keepers = self.keepers(&recovery);
        let generation = recovery.generation;
        let data = &mut recovery.restoring;
        let Some((id, found)) = data.current() else { return self.data_recovered(now, out, recovery) };
        if data.step == DatabaseStep::Cancel {
            return self.database_again(now, out, recovery);
        }
        if data.too_large.is_some() || !recovery.gather.failed.is_empty() {
            return self.database_failed(now, out, recovery, id);
        }
        let kind = found.kind;
        let change = DbTransaction { id, generation };
        let freeze = RequestData::DbFreeze(id);
        let (next, whom, request) = match data.step {
            DatabaseStep::Name => {
                let without: Vec<_> = keepers.iter().copied().filter(|pnn| !found.at.contains(pnn)).collect();
                if without.is_empty() {
                    (DatabaseStep::Freeze, keepers, freeze)
                } else {
                    (DatabaseStep::Attach, without, kind.attach(data.known_name().clone()))
                }
            }
            DatabaseStep::Attach => (DatabaseStep::Freeze, keepers, freeze),
            DatabaseStep::Freeze => (DatabaseStep::Begin, keepers, RequestData::DbTransactionStart(change)),
            DatabaseStep::Begin if kind == Kind::Volatile => {
                data.collect(Merge::new(kind, self.config.plants, self.config.database_bytes_max), keepers);
                return self.pull(now, out, recovery, id);
            }
            DatabaseStep::Begin => (DatabaseStep::SeqNum, keepers, RequestData::GetDbSeqNum(WideDbId(id))),
            DatabaseStep::SeqNum => {
                let (_, latest) = data.latest.expect("somebody who has it has said its number");
                let merge = Merge::new(kind, self.config.plants, self.config.database_bytes_max);
                let mixed = self.config.plants.has(Plant::PersistentMixed);
                data.collect(merge, if mixed { keepers } else { vec![latest] });
                return self.pull(now, out, recovery, id);
            }
            DatabaseStep::Pull if !data.next.is_empty() => return self.pull(now, out, recovery, id),
            DatabaseStep::Pull => (DatabaseStep::Wipe, keepers, RequestData::WipeDatabase(change)),
            DatabaseStep::Wipe => {
                (data.push, data.records, data.messages, data.more) = (self.next_stream(), 0, 0, None);
                let stream = DbStream { id, lmaster: Pnn::UNKNOWN, srvid: data.push };
                (DatabaseStep::Announce, keepers, RequestData::DbPushStart(stream))
            }
            DatabaseStep::Announce | DatabaseStep::Push => {
                return self.push(now, out, recovery, id, &keepers);
            }
            DatabaseStep::Confirm => {
                data.committed = kind == Kind::Volatile;
                (DatabaseStep::Commit, keepers, RequestData::DbTransactionCommit(change))
            }
            DatabaseStep::Commit => (DatabaseStep::Thaw, keepers, RequestData::DbThaw(id)),
            DatabaseStep::Thaw => {
                let name = data.known_name().to_string().into();
                let Restoring { records, messages, .. } = *data;
                out.notice(Notice::DatabaseRecovered { id, name, records, messages });
                data.found.remove(&id);
                data.attempt = 0;
                data.forget_merged();
                return self.next_database(now, out, recovery);
            }
            DatabaseStep::Cancel => unreachable!("what follows it was done above"),
        };
        self.database_step(now, out, recovery, next, &whom, &request);
    }

    /// A number for a stream of records. None comes twice in a life, and each life begins
    /// elsewhere: what is late is nobody's.
    fn next_stream(&mut self) -> SrvId {
        self.streams = self.streams % 0xffff_ffff + 1;
        SrvId(SrvId::RECOVERY_PREFIX.0 + self.streams)
    }

    /// Asks the next node for its records, in a stream of its own. One after the other, as ctdbd
    /// does: each has all the time that a step may take.
    fn pull(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery, id: DbId) {
        let data = &mut recovery.restoring;
        let from = data.next.pop_front().expect("somebody is left to ask");
        let srvid = self.next_stream();
        data.pull = Some(Pull { from, srvid, count: 0, bad: false });
        let stream = DbStream { id, lmaster: Pnn::UNKNOWN, srvid };
        self.database_step(now, out, recovery, DatabaseStep::Pull, &[from], &RequestData::DbPull(stream));
    }

    /// Sends a message of records to everybody, and waits until all have read it.
    fn push(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery, id: DbId, to: &[Pnn]) {
        let data = &mut recovery.restoring;
        let Lot { records, more } = data.merge.lot(data.more.as_deref());
        data.records += records.len() as u32;
        data.messages += 1;
        data.more = more;
        let message = MessageData::Records { srvid: data.push, records: RecordBuffer { id, records } };
        for &pnn in to {
            self.tell(out, pnn, &message);
        }
        let (step, request) = if data.more.is_some() {
            (DatabaseStep::Push, RequestData::GetRunState)
        } else {
            (DatabaseStep::Confirm, RequestData::DbPushConfirm(id))
        };
        self.database_step(now, out, recovery, step, to, &request);
    }

    /// Takes back what was begun.
    fn database_failed(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery, id: DbId) {
        let step = recovery.restoring.step;
        if let Some(unfit) = recovery.restoring.too_large {
            self.too_large(out, id, unfit);
        }
        let failed = core::mem::take(&mut recovery.gather.failed);
        for &pnn in &failed {
            out.notice(Notice::DatabaseFailed { id, step, pnn });
        }
        let blamed = match step {
            // (ctdbd forgives who does not say a name, and recovers for ever.)
            DatabaseStep::Name | DatabaseStep::Attach | DatabaseStep::Freeze | DatabaseStep::Pull => failed,
            DatabaseStep::SeqNum
            | DatabaseStep::Begin
            | DatabaseStep::Wipe
            | DatabaseStep::Announce
            | DatabaseStep::Push
            | DatabaseStep::Confirm
            | DatabaseStep::Commit
            | DatabaseStep::Thaw
            | DatabaseStep::Cancel => Vec::new(),
        };
        let restoring = &mut recovery.restoring;
        for pnn in blamed.into_iter().filter(|pnn| !restoring.away.contains(pnn)) {
            *restoring.credits.entry(pnn).or_default() += 1;
        }
        if !recovery.restoring.committed {
            recovery.restoring.forget_merged();
        }
        let keepers = self.keepers(&recovery);
        let cancel = RequestData::DbTransactionCancel(id);
        self.database_step(now, out, recovery, DatabaseStep::Cancel, &keepers, &cancel);
    }

    /// Somebody else leads from now on, if there is anybody; else this recovery fails, and the next
    /// one too, until there is less of it or we may hold more.
    fn too_large(&mut self, out: Out<'_>, id: DbId, unfit: Unfit) {
        let record = unfit == Unfit::TooLong;
        let bytes_max = if record { RECORD_BYTES_MAX } else { self.config.database_bytes_max } as u64;
        let another = self.leave_leading_to_others();
        out.notice(Notice::DatabaseTooLarge { id, record, bytes_max, another });
    }

    /// What was begun is taken back, as far as it could be: once more, unless it was the last time.
    fn database_again(&mut self, now: Instant, out: Out<'_>, mut recovery: Recovery) {
        recovery.restoring.attempt += 1;
        let Restoring { attempt, too_large, .. } = recovery.restoring;
        if attempt < ATTEMPTS && too_large.is_none() {
            return self.next_database(now, out, recovery);
        }
        let credits = &recovery.restoring.credits;
        let worst = credits.iter().rev().max_by_key(|(_, count)| **count).map(|(&pnn, &count)| (pnn, count));
        let worst = worst.filter(|&(_, count)| count >= ATTEMPTS).map(|(pnn, _)| pnn);
        let active = worst.filter(|&pnn| self.state.node(pnn).is_some_and(|node| !node.flags.is_inactive()));
        if let Some(pnn) = active.filter(|_| self.config.tunables.enable_bans()) {
            let seconds = self.config.tunables.recovery_ban_period().as_secs() as u32;
            let patience = self.config.tunables.control_timeout();
            let ban = RequestData::SetBanState(BanState { pnn, seconds });
            self.ask(now, out, pnn, &ban, Ticket::UNREAD, patience);
        }
        self.recovery_failed(now, out, RecoveryStep::Data, worst);
    }
}
