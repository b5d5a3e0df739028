//! A leader that recovers the databases of others: n0 keeps none, n1 and n2 rehearse with some.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what concerns it")]

use crate::room::wire::{During, Instead, Rule, What};
use crate::room::{FOUR, Room, SECOND};
use standin_core::ctdb::config::{Config, Databases};
use standin_core::ctdb::notice::{DatabaseStep, Notice, RecoveryStep};
use standin_core::ctdb::types::{Capabilities, ControlFlags, DbFlags, DbId, Opcode, Pnn, RecoveryMode};
use standin_core::ctdb::wire::{
    ControlRequest, DbEntry, DbMap, LtdbHeader, MessageData, Record, RecordBuffer, RecordCount, ReplyData,
    RequestData, RoleSwitch, Text,
};

/// Which controls a rule is about.
type Which = fn(&ControlRequest<'_>) -> bool;

const LEADER: Pnn = Pnn(0);
const VOLATILE: &str = "vol.tdb";
const PERSISTENT: &str = "pers.tdb";

/// Three nodes that are well; whoever keeps databases has one of each kind.
fn room_of(roles: [Databases; 3], bytes_max: usize) -> Room {
    let config = |databases| Config { databases, database_bytes_max: bytes_max, ..Config::default() };
    let mut room = Room::open_each(0, FOUR, &roles.map(config));
    room.run(45 * SECOND);
    room.assert_settled();
    for (pnn, role) in (0..).zip(roles) {
        if role == Databases::Rehearses {
            let client = room.client(pnn);
            for attach in [
                RequestData::DbAttach(Text::from(VOLATILE)),
                RequestData::DbAttachPersistent(Text::from(PERSISTENT)),
            ] {
                assert_eq!(room.call(client, &attach).status, 0);
            }
        }
    }
    room
}

fn room() -> Room {
    room_of([Databases::Recovers, Databases::Rehearses, Databases::Rehearses], usize::MAX)
}

/// A node's copy of a record; without data it is one that was deleted.
fn write(room: &mut Room, pnn: u32, database: &str, key: &[u8], (rsn, dmaster): (u64, u32), data: &[u8]) {
    let header = LtdbHeader { rsn, dmaster: Pnn(dmaster), reserved: 0, flags: 0 };
    let records = vec![Record::with_header(key, header, data)];
    let client = room.client(pnn);
    let update = RequestData::UpdateRecord(RecordBuffer { id: DbId::of(database), records });
    assert_eq!(room.call(client, &update).status, 0);
}

fn number(room: &mut Room, pnn: u32, number: u64) {
    write(room, pnn, PERSISTENT, b"__db_sequence_number__\0", (number, pnn), &number.to_le_bytes());
}

/// A database as a node has it: each key with sequence number, data master and data.
fn copies(room: &Room, pnn: u32, database: &str) -> Vec<(String, u64, u32, Vec<u8>)> {
    let held = room.machine(pnn).databases().find(|held| held.name == database);
    let held = held.unwrap_or_else(|| panic!("n{pnn} has no {database}"));
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    held.records()
        .map(|record| (text(record.key), record.number, record.master.0, record.data.to_vec()))
        .collect()
}

fn recover(room: &mut Room, seconds: u64) -> usize {
    let from = room.notices.len();
    let client = room.client(1);
    assert_eq!(room.call(client, &RequestData::SetRecMode(RecoveryMode::Active)).status, 0);
    room.run(seconds * SECOND);
    from
}

fn noticed(room: &Room, from: usize) -> impl Iterator<Item = &Notice> {
    room.notices[from..].iter().filter(|(_, who, _)| *who == LEADER).map(|(_, _, notice)| notice)
}

fn failures(room: &Room, from: usize) -> Vec<(DatabaseStep, Pnn)> {
    let failed = noticed(room, from).filter_map(|notice| {
        if let Notice::DatabaseFailed { step, pnn, .. } = notice { Some((*step, *pnn)) } else { None }
    });
    failed.collect()
}

fn has_recovered(room: &Room, from: usize) -> bool {
    noticed(room, from).any(|notice| matches!(notice, Notice::RecoveryFinished { .. }))
}

#[test]
fn every_node_has_the_latest_of_each_record_and_of_each_database() {
    let mut room = room();
    assert_eq!(room.leader(), LEADER);
    for (pnn, key, header, data) in [
        (1, "a", (3, 1), "of n1"),
        (2, "a", (2, 1), "old"),
        (2, "b", (5, 2), "of n2"),
        (1, "b", (5, 2), "what n2 had before"),
        (1, "c", (1, 1), "deleted later"),
        (2, "c", (2, 2), ""),
        // Its data master is gone.
        (2, "d", (9, 7), "left behind"),
    ] {
        write(&mut room, pnn, VOLATILE, key.as_bytes(), header, data.as_bytes());
    }
    for (pnn, latest, data) in [(1, 4, "newer"), (2, 3, "older")] {
        number(&mut room, pnn, latest);
        write(&mut room, pnn, PERSISTENT, b"k", (10 - latest, pnn), data.as_bytes());
    }
    // A database that one node has alone.
    let client = room.client(2);
    assert_eq!(room.call(client, &RequestData::DbAttachReplicated(Text::from("repl.tdb"))).status, 0);
    write(&mut room, 2, "repl.tdb", b"r", (1, 2), b"seen");
    let from = recover(&mut room, 5);
    assert!(has_recovered(&room, from) && failures(&room, from).is_empty());
    room.assert_settled();
    for pnn in [1, 2] {
        let volatile = [("a", 3, 1, "of n1"), ("b", 5, 2, "of n2"), ("d", 9 + (1 << 20), 2, "left behind")];
        let volatile =
            volatile.map(|(key, rsn, dm, data)| (key.to_owned(), rsn, dm, data.as_bytes().to_vec()));
        assert_eq!(copies(&room, pnn, VOLATILE), volatile, "n{pnn}");
        let persistent = copies(&room, pnn, PERSISTENT);
        assert_eq!(persistent[1], ("k".to_owned(), 6, 1, b"newer".to_vec()), "n{pnn}");
        assert_eq!(persistent[0].1, 4, "n{pnn}");
        assert_eq!(copies(&room, pnn, "repl.tdb"), [("r".to_owned(), 1, 2, b"seen".to_vec())], "n{pnn}");
    }
    // Who keeps none says so, and is nobody's master.
    assert_eq!(room.machine(0).databases().count(), 0);
    assert_eq!(room.machine(1).vnn_map(), [Pnn(1), Pnn(2)]);
    let master = RequestData::SetLmasterRole(RoleSwitch(true));
    let client = room.client(0);
    assert_eq!(room.call(client, &master).status, -1);
}

#[test]
fn a_database_is_recovered_step_by_step_as_a_stock_leader_does() {
    let mut room = room();
    write(&mut room, 1, VOLATILE, b"a", (3, 1), b"one");
    number(&mut room, 2, 3);
    let from = room.said.len();
    recover(&mut room, 5);
    let steps = |database: &str| -> Vec<(Opcode, u32)> {
        let id = DbId::of(database);
        let about = |data: &RequestData| -> Option<DbId> {
            Some(match data {
                RequestData::GetDbName(id)
                | RequestData::DbFreeze(id)
                | RequestData::DbThaw(id)
                | RequestData::DbPushConfirm(id)
                | RequestData::DbTransactionCancel(id) => *id,
                RequestData::DbTransactionStart(change)
                | RequestData::DbTransactionCommit(change)
                | RequestData::WipeDatabase(change) => change.id,
                RequestData::GetDbSeqNum(id) => id.0,
                RequestData::DbPull(stream) | RequestData::DbPushStart(stream) => stream.id,
                _ => return None,
            })
        };
        let asked = room.said[from..].iter().filter(|said| said.from == LEADER);
        asked
            .filter_map(|said| {
                let data = said.control().filter(|data| about(data) == Some(id))?;
                Some((data.opcode(), said.to.0))
            })
            .collect()
    };
    let both = |opcode| [(opcode, 1), (opcode, 2)];
    let before = [Opcode::GET_DBNAME, Opcode::DB_FREEZE, Opcode::DB_TRANSACTION_START];
    let after = [
        Opcode::WIPE_DATABASE,
        Opcode::DB_PUSH_START,
        Opcode::DB_PUSH_CONFIRM,
        Opcode::DB_TRANSACTION_COMMIT,
        Opcode::DB_THAW,
    ];
    let volatile = before.into_iter().chain([Opcode::DB_PULL]).chain(after).flat_map(both);
    assert_eq!(steps(VOLATILE), volatile.collect::<Vec<_>>());
    let mut persistent: Vec<_> = before.into_iter().chain([Opcode::GET_DB_SEQNUM]).flat_map(both).collect();
    persistent.push((Opcode::DB_PULL, 2));
    persistent.extend(after.into_iter().flat_map(both));
    assert_eq!(steps(PERSISTENT), persistent);
    // No step begins before the one before is answered, and a stream has a number of its own.
    let mut streams: Vec<_> = room.said[from..]
        .iter()
        .filter_map(|said| match said.control()? {
            RequestData::DbPull(stream) => Some(stream.srvid.0),
            _ => None,
        })
        .collect();
    let asked = streams.len();
    streams.dedup();
    assert_eq!((streams.len(), asked), (3, 3));
}

#[test]
fn a_node_that_lacks_a_database_attaches_it_for_the_recovery() {
    let mut room = room_of([Databases::Recovers, Databases::Rehearses, Databases::None], usize::MAX);
    write(&mut room, 1, VOLATILE, b"a", (3, 1), b"one");
    let from = (room.said.len(), recover(&mut room, 5));
    assert!(has_recovered(&room, from.1));
    let attached: Vec<_> = room.said[from.0..]
        .iter()
        .filter_map(|said| match &said.what {
            What::Control(data @ (RequestData::DbAttach(_) | RequestData::DbAttachPersistent(_)), flags) => {
                Some((data.opcode(), said.to.0, *flags))
            }
            _ => None,
        })
        .collect();
    let flag = ControlFlags::ATTACH_FOR_RECOVERY;
    assert_eq!(
        attached,
        [(Opcode::DB_ATTACH_PERSISTENT, 2, flag), (Opcode::DB_ATTACH, 2, flag)],
        "by number"
    );
    assert_eq!(copies(&room, 1, VOLATILE).len(), 1);
}

#[test]
fn a_step_that_is_refused_is_tried_again_and_nothing_is_lost() {
    let opened = {
        let mut room = room();
        write(&mut room, 1, VOLATILE, b"a", (3, 1), b"one");
        write(&mut room, 2, VOLATILE, b"b", (4, 2), b"two");
        number(&mut room, 2, 3);
        room
    };
    let steps: [(Which, DatabaseStep, bool); 10] = [
        (|asked| asked.opcode == Opcode::GET_DBNAME, DatabaseStep::Name, true),
        (|asked| asked.opcode == Opcode::DB_FREEZE, DatabaseStep::Freeze, true),
        (|asked| asked.opcode == Opcode::DB_TRANSACTION_START, DatabaseStep::Begin, false),
        (|asked| asked.opcode == Opcode::GET_DB_SEQNUM, DatabaseStep::SeqNum, false),
        (|asked| asked.opcode == Opcode::DB_PULL, DatabaseStep::Pull, true),
        (|asked| asked.opcode == Opcode::WIPE_DATABASE, DatabaseStep::Wipe, false),
        (|asked| asked.opcode == Opcode::DB_PUSH_START, DatabaseStep::Announce, false),
        (|asked| asked.opcode == Opcode::DB_PUSH_CONFIRM, DatabaseStep::Confirm, false),
        (|asked| asked.opcode == Opcode::DB_TRANSACTION_COMMIT, DatabaseStep::Commit, false),
        (|asked| asked.opcode == Opcode::DB_THAW, DatabaseStep::Thaw, false),
    ];
    for (which, step, blamed) in steps {
        // Once: the second attempt succeeds.
        let mut room = opened.clone();
        room.rule(Rule { most: 1, ..Rule::refuse(2, Some(During::Recovery), which) });
        let from = recover(&mut room, 5);
        assert_eq!(failures(&room, from), [(step, Pnn(2))], "{step:?}");
        assert!(has_recovered(&room, from), "{step:?}");
        room.assert_settled();
        assert_eq!(copies(&room, 1, VOLATILE).len(), 2, "{step:?}");
        assert_eq!(copies(&room, 1, VOLATILE), copies(&room, 2, VOLATILE), "{step:?}");
        // Always: three times, and whoever is to blame is banned.
        let mut room = opened.clone();
        room.rule(Rule::refuse(2, Some(During::Recovery), which));
        let from = recover(&mut room, 3);
        let failed = failures(&room, from);
        assert!(failed.len() >= 3 && failed.iter().all(|&failed| failed == (step, Pnn(2))), "{failed:?}");
        let banned = room.notices[from..]
            .iter()
            .any(|(_, who, notice)| *who == Pnn(2) && matches!(notice, Notice::Banned { .. }));
        assert_eq!(banned, blamed, "{step:?}");
        assert_eq!(has_recovered(&room, from), blamed, "the others go on without the banned: {step:?}");
        room.no_rules();
        room.run(3 * SECOND);
        assert!(has_recovered(&room, from), "{step:?}");
        assert_eq!(copies(&room, 1, VOLATILE)[0].0, "a", "{step:?}");
    }
}

#[test]
fn answers_that_cannot_be_so_are_failures() {
    let opened = room();
    let entry = |name: &str, flags| DbEntry { id: DbId::of(name), flags };
    let counted = |count| Instead::Data(ReplyData::RecordCount(RecordCount(count)));
    let answers: [(Opcode, Instead, Option<DatabaseStep>); 7] = [
        (Opcode::GET_DBNAME, Instead::Data(ReplyData::Text(Text::from("other"))), Some(DatabaseStep::Name)),
        (Opcode::DB_PULL, counted(9), Some(DatabaseStep::Pull)),
        (Opcode::DB_PUSH_CONFIRM, counted(9), Some(DatabaseStep::Confirm)),
        (Opcode::GET_DB_SEQNUM, Instead::Status(0), Some(DatabaseStep::SeqNum)),
        (Opcode::DB_PULL, Instead::Silence, Some(DatabaseStep::Pull)),
        // Another kind than the same database has elsewhere, and one twice.
        (
            Opcode::GET_DBMAP,
            Instead::Data(ReplyData::DbMap(DbMap { databases: vec![entry(VOLATILE, DbFlags::PERSISTENT)] })),
            None,
        ),
        (
            Opcode::GET_DBMAP,
            Instead::Data(ReplyData::DbMap(DbMap { databases: vec![entry("x", DbFlags::empty()); 2] })),
            None,
        ),
    ];
    // A rule's test has no captures.
    let whiches: [Which; 7] = [
        |asked| asked.opcode == Opcode::GET_DBNAME,
        |asked| asked.opcode == Opcode::DB_PULL,
        |asked| asked.opcode == Opcode::DB_PUSH_CONFIRM,
        |asked| asked.opcode == Opcode::GET_DB_SEQNUM,
        |asked| asked.opcode == Opcode::DB_PULL,
        |asked| asked.opcode == Opcode::GET_DBMAP,
        |asked| asked.opcode == Opcode::GET_DBMAP,
    ];
    for ((opcode, instead, step), which) in answers.into_iter().zip(whiches) {
        let mut room = opened.clone();
        room.rule(Rule { instead, most: 1, ..Rule::refuse(2, Some(During::Recovery), which) });
        let from = recover(&mut room, 40);
        match step {
            Some(step) => assert_eq!(failures(&room, from)[0], (step, Pnn(2)), "{opcode}"),
            None => {
                // Which of the two lies nobody can know.
                let failed = |notice: &Notice| {
                    matches!(notice, Notice::RecoveryFailed { step: RecoveryStep::Databases, .. })
                };
                assert!(noticed(&room, from).any(failed), "{opcode}");
            }
        }
        room.no_rules();
        room.run(5 * SECOND);
        assert!(has_recovered(&room, from), "{opcode}");
    }
}

#[test]
fn a_large_database_goes_in_messages_that_are_awaited_one_by_one() {
    let mut room = room();
    for number in 0..12_u8 {
        write(&mut room, 1 + u32::from(number % 2), VOLATILE, &[number], (1, 1), &vec![number; 300_000]);
    }
    let from = (room.said.len(), recover(&mut room, 5));
    assert!(has_recovered(&room, from.1));
    for pnn in [1, 2] {
        assert!(copies(&room, pnn, VOLATILE).iter().map(|copy| copy.3.len()).eq([300_000; 12]));
    }
    let sent: Vec<_> = room.said[from.0..]
        .iter()
        .filter(|said| said.from == LEADER && said.to == Pnn(2))
        .filter_map(|said| match &said.what {
            What::Message(MessageData::Records { records, .. }) => Some(records.records.len()),
            What::Control(RequestData::GetRunState, _) => Some(0),
            _ => None,
        })
        .collect();
    // The last is the persistent one's, which has no records.
    assert_eq!(sent, [0, 4, 0, 4, 0, 4], "between two messages all are asked whether they have read it");
    let told = noticed(&room, from.1).find(|notice| {
        matches!(notice, Notice::DatabaseRecovered { name, records: 12, messages: 3, .. } if **name == *VOLATILE)
    });
    assert!(told.is_some());
}

#[test]
fn who_may_not_hold_as_much_as_there_is_leaves_leading_to_others() {
    let roles = [Databases::Recovers, Databases::Rehearses, Databases::Rehearses];
    let mut room = room_of(roles, 1_000);
    write(&mut room, 1, VOLATILE, b"a", (1, 1), &[7; 1_000]);
    assert_eq!(room.leader(), LEADER);
    let from = recover(&mut room, 3);
    let told =
        Notice::DatabaseTooLarge { id: DbId::of(VOLATILE), record: false, bytes_max: 1_000, another: true };
    assert_eq!(noticed(&room, from).filter(|notice| **notice == told).count(), 1);
    assert!(!has_recovered(&room, from), "what cannot be recovered is not declared recovered");
    assert_eq!(copies(&room, 1, VOLATILE).len(), 1, "and nothing of it is lost");
    assert!(!room.machine(0).config().capabilities.contains(Capabilities::LEADER));
}

#[test]
fn where_nobody_is_a_location_master_somebody_with_data_stands_in() {
    let roles = [Databases::Recovers, Databases::Rehearses, Databases::Recovers];
    let mut room = room_of(roles, usize::MAX);
    let client = room.client(1);
    let master = RequestData::SetLmasterRole(RoleSwitch(false));
    assert_eq!(room.call(client, &master).status, 0);
    let from = recover(&mut room, 5);
    assert!(has_recovered(&room, from));
    assert!((0..3).all(|pnn| room.machine(pnn).vnn_map() == [Pnn(1)]));
}
