//! Recoveries and takeover runs, step by step: in the right order, and each step refused once.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::room::wire::{During, Instead, Rule, Said, What};
use crate::room::{Room, SECOND};
use standin_core::ctdb::config::Config;
use standin_core::ctdb::notice::{Credit, Notice, RecoveryStep, TakeoverStep};
use standin_core::ctdb::types::{ControlFlags, DbFlags, DbId, NodeFlags, Opcode, Pnn, RecoveryMode, SrvId};
use standin_core::ctdb::wire::{
    AddrInfo, BanState, ControlRequest, DbEntry, DbMap, Disable, MessageData, ReplyData, RequestData,
    SrvIdMessage, Text, WireAddr,
};

/// A leader's way to say no; the node that refuses is always n2.
type Which = fn(&ControlRequest<'_>) -> bool;

const LEADER: Pnn = Pnn(0);
const CULPRIT: Pnn = Pnn(2);

/// Has somebody ask for a recovery, as `ctdb recover` does.
fn ask_for_recovery(room: &mut Room) {
    let client = room.client(1);
    assert_eq!(room.call(client, &RequestData::SetRecMode(RecoveryMode::Active)).status, 0);
}

/// Has somebody ask for a takeover run, without wanting to know what comes of it.
fn ask_for_run(room: &mut Room) {
    let client = room.client(1);
    let asked = SrvIdMessage { pnn: Pnn(1), srvid: SrvId(0) };
    room.say(client, Pnn::BROADCAST_CONNECTED, &MessageData::TakeoverRun(asked));
}

/// Goes on for so many seconds and looks every 10 ms whether an address is served twice.
fn run_watched(room: &mut Room, seconds: u64) {
    for _ in 0..seconds * 100 {
        room.run(SECOND / 100);
        room.assert_served_once();
    }
}

/// What the leader noticed, from a place in the list on.
fn noticed(room: &Room, from: usize) -> impl Iterator<Item = &Notice> {
    room.notices[from..].iter().filter(|(_, who, _)| *who == LEADER).map(|(_, _, notice)| notice)
}

fn recoveries_failed(room: &Room, from: usize) -> Vec<(RecoveryStep, Option<Pnn>)> {
    noticed(room, from)
        .filter_map(|notice| {
            let Notice::RecoveryFailed { step, pnn } = notice else { return None };
            Some((*step, *pnn))
        })
        .collect()
}

fn has_recovered(room: &Room, from: usize) -> bool {
    noticed(room, from).any(|notice| matches!(notice, Notice::RecoveryFinished { .. }))
}

#[test]
fn a_recovery_that_fails_at_a_step_is_tried_again_and_succeeds_once_the_step_works() {
    let opened = Room::settled(&Config::default());
    assert_eq!(opened.leader(), LEADER);
    let steps: [(Which, u32, RecoveryStep); 11] = [
        (|asked| asked.opcode == Opcode::GET_CAPABILITIES, 0, RecoveryStep::Roles),
        (|asked| asked.opcode == Opcode::MODIFY_FLAGS, 0, RecoveryStep::Flags),
        (|asked| asked.opcode == Opcode::GET_NODEMAP, 0, RecoveryStep::NodeMaps),
        (|asked| asked.opcode == Opcode::GET_CAPABILITIES, 1, RecoveryStep::Capabilities),
        (|asked| asked.opcode == Opcode::GET_DBMAP, 0, RecoveryStep::Databases),
        (is_mode::<1>, 0, RecoveryStep::Active),
        (|asked| asked.opcode == Opcode::START_RECOVERY, 0, RecoveryStep::Start),
        (|asked| asked.opcode == Opcode::SETVNNMAP, 0, RecoveryStep::VnnMap),
        (is_mode::<0>, 0, RecoveryStep::Normal),
        (|asked| asked.opcode == Opcode::END_RECOVERY, 0, RecoveryStep::End),
        // One that does not answer at all is not different, only slower.
        (|asked| asked.opcode == Opcode::START_RECOVERY, 0, RecoveryStep::Start),
    ];
    for (number, (which, pass, step)) in steps.into_iter().enumerate() {
        let mut room = opened.clone();
        let (before, from) = (room.machine(0).generation(), room.notices.len());
        let silent = number == 10;
        let instead = if silent { Instead::Silence } else { Instead::Status(-1) };
        room.rule(Rule { pass, instead, ..Rule::refuse(2, Some(During::Recovery), which) });
        ask_for_recovery(&mut room);
        run_watched(&mut room, if silent { 35 } else { 5 });
        let failed = recoveries_failed(&room, from);
        assert!(failed.iter().all(|&failed| failed == (step, Some(CULPRIT))), "{step:?}: {failed:?}");
        let attempts = if silent { 1..=1 } else { 4..=10 };
        assert!(attempts.contains(&failed.len()), "{step:?}: {} attempts", failed.len());
        assert!(!has_recovered(&room, from), "{step:?}");
        room.no_rules();
        run_watched(&mut room, if silent { 33 } else { 3 });
        assert!(has_recovered(&room, from), "{step:?}");
        room.assert_settled();
        assert_ne!(room.machine(0).generation(), before, "{step:?}");
        let masters = [Pnn(0), Pnn(1), Pnn(2)];
        assert!((0..3).all(|pnn| room.machine(pnn).vnn_map() == masters), "{step:?}");
        let lost = |notice: &Notice| matches!(notice, Notice::Banned { .. } | Notice::DroppingAll { .. });
        assert!(!room.notices[from..].iter().any(|(_, _, notice)| lost(notice)), "{step:?}");
    }
}

fn is_mode<const MODE: u8>(asked: &ControlRequest<'_>) -> bool {
    asked.opcode == Opcode::SET_RECMODE && asked.data.first() == Some(&MODE)
}

#[test]
fn who_keeps_no_data_stops_leading_where_a_node_keeps_a_database() {
    let mut room = Room::settled(&Config::default());
    let from = room.notices.len();
    let databases = vec![DbEntry { id: DbId::of("ctdb.tdb"), flags: DbFlags::PERSISTENT }];
    let instead = Instead::Data(ReplyData::DbMap(DbMap { databases }));
    room.rule(Rule { instead, ..Rule::refuse(2, None, |asked| asked.opcode == Opcode::GET_DBMAP) });
    ask_for_recovery(&mut room);
    run_watched(&mut room, 60);
    let failed = recoveries_failed(&room, from);
    assert!(failed.iter().all(|&failed| failed == (RecoveryStep::Databases, Some(CULPRIT))), "{failed:?}");
    // Each of the others tried once; then the node with the database leads, and recovers.
    assert!((1..=2).contains(&failed.len()), "{} attempts", failed.len());
    assert_eq!(room.leader(), CULPRIT);
    room.no_rules();
    run_watched(&mut room, 3);
    room.assert_settled();
}

/// What came of takeover runs.
#[derive(Default)]
struct FailedRuns {
    failed: Vec<(TakeoverStep, Option<Pnn>)>,
    /// What the culprit had after each credit.
    credits: Vec<u32>,
}

/// The takeover runs that failed among these notices; nobody but the culprit gets credits.
fn failed_runs(room: &Room, during: Range<usize>) -> FailedRuns {
    let mut runs = FailedRuns::default();
    for (_, _, notice) in room.notices[during].iter().filter(|(_, who, _)| *who == LEADER) {
        if let Notice::TakeoverFailed { step, pnn } = notice {
            runs.failed.push((*step, *pnn));
        } else if let Notice::Credited { pnn, count, credit } = notice {
            assert_eq!((*pnn, *credit), (CULPRIT, Credit::Takeover));
            runs.credits.push(*count);
        }
    }
    runs
}

/// Every ban the leader sent, from a place in the list on.
fn bans(room: &Room, from: usize) -> impl Iterator<Item = &Said> {
    let ban = RequestData::SetBanState(BanState { pnn: CULPRIT, seconds: 300 });
    room.said[from..].iter().filter(move |said| {
        let sent = matches!(said.control(), Some(RequestData::SetBanState(_)));
        assert!(!sent || (said.control() == Some(&ban) && said.to == CULPRIT && said.from == LEADER));
        sent
    })
}

const RUN_STEPS: [(Which, TakeoverStep); 5] = [
    (is_asked_for_addresses::<false>, TakeoverStep::Known),
    (is_asked_for_addresses::<true>, TakeoverStep::Available),
    (|asked| asked.opcode == Opcode::RELEASE_IP, TakeoverStep::Release),
    (|asked| asked.opcode == Opcode::TAKEOVER_IP, TakeoverStep::Take),
    (|asked| asked.opcode == Opcode::IPREALLOCATED, TakeoverStep::Reallocated),
];

fn is_asked_for_addresses<const AVAILABLE: bool>(asked: &ControlRequest<'_>) -> bool {
    asked.opcode == Opcode::GET_PUBLIC_IPS && asked.flags.contains(ControlFlags::AVAILABLE_ONLY) == AVAILABLE
}

#[test]
fn two_takeover_runs_that_fail_because_of_a_node_ban_it() {
    let opened = Room::settled(&Config::default());
    for (which, step) in RUN_STEPS {
        let mut room = opened.clone();
        let (from, said) = (room.notices.len(), room.said.len());
        room.rule(Rule::refuse(2, Some(During::Takeover), which));
        ask_for_run(&mut room);
        let banned = room.run_until(5 * SECOND, |room| bans(room, said).next().is_some());
        assert!(banned, "{step:?}");
        let sent = bans(&room, said).next().map_or(0, |ban| ban.at);
        let until = room.notices.iter().take_while(|(at, _, _)| *at <= sent).count();
        let runs = failed_runs(&room, from..until);
        assert_eq!(runs.failed, [(step, Some(CULPRIT)); 2]);
        assert_eq!(runs.credits, [3, 6], "{step:?}");
        room.run(SECOND / 10);
        assert!(room.machine(2).flags(CULPRIT).is_some_and(|flags| flags.contains(NodeFlags::BANNED)));
        assert_eq!(room.hosts[2].served().count(), 0, "{step:?}");
        assert_eq!(bans(&room, said).next().and_then(|ban| ban.answered).map(|(_, status)| status), Some(0));
        run_watched(&mut room, 15);
        room.no_rules();
        run_watched(&mut room, 3);
        let served: usize = room.hosts[..2].iter().map(|host| host.served().count()).sum();
        assert_eq!(served, 4, "{step:?}");
        let client = room.client(2);
        let unban = RequestData::SetBanState(BanState { pnn: CULPRIT, seconds: 0 });
        assert_eq!(room.call(client, &unban).status, 0);
        run_watched(&mut room, 15);
        room.assert_settled();
    }
}

#[test]
fn nobody_is_banned_for_takeover_runs_where_bans_are_off() {
    let mut config = Config::default();
    config.tunables.set("EnableBans", 0).expect("a tunable");
    let opened = Room::settled(&config);
    for (which, step) in RUN_STEPS {
        let mut room = opened.clone();
        let (from, said) = (room.notices.len(), room.said.len());
        room.rule(Rule::refuse(2, Some(During::Takeover), which));
        ask_for_run(&mut room);
        run_watched(&mut room, 10);
        let FailedRuns { failed, credits } = failed_runs(&room, from..room.notices.len());
        assert!(failed.iter().all(|&failed| failed == (step, Some(CULPRIT))), "{failed:?}");
        assert!((9..=20).contains(&failed.len()), "{step:?}: {} runs in 10 s", failed.len());
        assert_eq!((credits.len(), bans(&room, said).count()), (0, 0), "{step:?}");
        room.no_rules();
        run_watched(&mut room, 3);
        room.assert_settled();
    }
}

#[test]
fn each_take_that_fails_counts_and_the_node_with_most_of_them_is_to_blame() {
    let six: String = (1..=6).map(|last| format!("10.1.0.{last}/24 eth1\n")).collect();
    let opened = Room::settled_with(&six, &Config::default());
    // In one of the two orders the node with fewer failures is the first to fail.
    for (fewer, worst) in [(1, 2), (2, 1)] {
        let mut room = opened.clone();
        let from = room.notices.len();
        let take: Which = |asked| asked.opcode == Opcode::TAKEOVER_IP;
        room.rule(Rule { most: 1, ..Rule::refuse(fewer, Some(During::Takeover), take) });
        room.rule(Rule::refuse(worst, Some(During::Takeover), take));
        ask_for_run(&mut room);
        room.run(SECOND / 2);
        let blamed = noticed(&room, from).find_map(|notice| {
            let Notice::TakeoverFailed { step: TakeoverStep::Take, pnn } = notice else { return None };
            *pnn
        });
        assert_eq!(blamed, Some(Pnn(worst)));
    }
}

/// The controls a leader sent while it did something, in groups of one opcode and payload kind.
fn groups(said: &[Said]) -> Vec<Vec<&Said>> {
    let mut groups: Vec<Vec<&Said>> = Vec::new();
    for said in said.iter().filter(|said| said.from == LEADER) {
        let kind = |said: &Said| match &said.what {
            What::Control(data, flags) => Some((data.opcode(), *flags, is_normal(data))),
            What::Message(_) => None,
        };
        if kind(said).is_none() {
            continue;
        }
        match groups.last_mut() {
            Some(group) if kind(group[0]) == kind(said) => group.push(said),
            _ => groups.push(vec![said]),
        }
    }
    groups
}

fn is_normal(data: &RequestData) -> bool {
    *data == RequestData::SetRecMode(RecoveryMode::Normal)
}

/// Every answer of a group arrived before the next group was sent, and all were well.
fn assert_awaited(groups: &[Vec<&Said>]) {
    for pair in groups.windows(2) {
        for said in &pair[0] {
            let (order, status) = said.answered.unwrap_or_else(|| panic!("no answer to {said:?}"));
            assert_eq!(status, 0, "{said:?}");
            assert!(order < pair[1][0].order, "{said:?} was not awaited by {:?}", pair[1][0]);
        }
    }
}

fn opcodes(groups: &[Vec<&Said>]) -> Vec<(Opcode, usize)> {
    let of = |group: &Vec<&Said>| (group[0].control().expect("a control").opcode(), group.len());
    groups.iter().map(of).collect()
}

#[test]
fn a_recovery_asks_in_the_order_of_the_protocol_and_waits_for_every_answer() {
    let mut room = Room::settled(&Config::default());
    let at = |room: &Room| {
        let started = |(_, _, notice): &&(u64, Pnn, Notice)| matches!(notice, Notice::RecoveryStarted(_));
        room.notices.iter().rev().find(started).map(|&(at, _, _)| at)
    };
    let booted = at(&room);
    ask_for_recovery(&mut room);
    assert!(room.run_until(2 * SECOND, |room| at(room) != booted));
    let begun = at(&room).expect("it has begun");
    room.run(SECOND / 2);
    let ended = room.notices.iter().rev().find(|(_, _, notice)| matches!(notice, Notice::TakeoverStarted));
    let ended = ended.map(|&(at, _, _)| at).expect("a run ends it");
    let during: Vec<_> = room.said.iter().filter(|said| (begun..ended).contains(&said.at)).cloned().collect();
    let groups = groups(&during);
    assert_eq!(
        opcodes(&groups),
        [
            (Opcode::GET_CAPABILITIES, 2),
            (Opcode::MODIFY_FLAGS, 6),
            (Opcode::GET_NODEMAP, 2),
            (Opcode::GET_CAPABILITIES, 2),
            (Opcode::GET_DBMAP, 2),
            (Opcode::SET_RECMODE, 2),
            (Opcode::START_RECOVERY, 2),
            (Opcode::SETVNNMAP, 2),
            (Opcode::SET_RECMODE, 2),
            (Opcode::END_RECOVERY, 2),
        ]
    );
    assert_awaited(&groups);
}

#[test]
fn a_takeover_run_releases_everything_before_it_takes_anything() {
    let mut room = Room::settled(&Config::default());
    let client = room.client(2);
    assert_eq!(room.call(client, &RequestData::DisableNode).status, 0);
    room.run(3 * SECOND);
    let said = room.said.len();
    ask_for_run(&mut room);
    room.run(SECOND);
    let during = &room.said[said..];
    let groups = groups(during);
    let begin = groups.iter().position(|group| group[0].control() == Some(&RequestData::GetPublicIps));
    let groups = &groups[begin.expect("a run")..];
    assert_eq!(
        opcodes(&groups[..5]),
        [
            (Opcode::GET_PUBLIC_IPS, 2),
            (Opcode::GET_PUBLIC_IPS, 2),
            // Each address to both others, or to one and the leader itself.
            (Opcode::RELEASE_IP, 6),
            (Opcode::TAKEOVER_IP, 2),
            (Opcode::IPREALLOCATED, 2),
        ]
    );
    let asked = |group: &[&Said]| group.iter().map(|said| said.what.clone()).collect::<Vec<_>>();
    let get = |flags| vec![What::Control(RequestData::GetPublicIps, flags); 2];
    assert_eq!(asked(&groups[0]), get(ControlFlags::empty()));
    assert_eq!(asked(&groups[1]), get(ControlFlags::AVAILABLE_ONLY));
    assert_awaited(&groups[..5]);
    let last = groups[4].iter().map(|said| said.answered.expect("an answer").0).max();
    let switches: Vec<_> = during
        .iter()
        .filter_map(|said| {
            let MessageData::DisableTakeoverRuns(disable) = said.message()? else { return None };
            Some((said.order, said.to, *disable))
        })
        .collect();
    let nobody = SrvIdMessage { pnn: Pnn::UNKNOWN, srvid: SrvId(0) };
    let wanted: Vec<_> = [(1, 60), (2, 60), (1, 0), (2, 0)]
        .map(|(pnn, seconds)| (Pnn(pnn), Disable { answer_to: nobody, seconds }))
        .into();
    assert_eq!(switches.iter().map(|&(_, to, disable)| (to, disable)).collect::<Vec<_>>(), wanted);
    assert!(switches[1].0 < groups[0][0].order && switches[2].0 > last.expect("answers"));
}

/// The leader's own check finds an address that nobody has, in every round.
fn add_unassigned(room: &mut Room) {
    let client = room.client(0);
    let address = WireAddr::from(SocketAddr::from(([10, 1, 0, 9], 0)));
    let add = AddrInfo { address, mask: 24, interfaces: Some(Text::from("eth1")) };
    assert_eq!(room.call(client, &RequestData::AddPublicIp(add)).status, 0);
}

#[test]
fn a_leader_that_wants_a_run_itself_does_not_spin_while_runs_fail() {
    let mut config = Config::default();
    config.tunables.set("EnableBans", 0).expect("a tunable");
    let mut room = Room::settled(&config);
    let from = room.notices.len();
    room.rule(Rule::refuse(2, Some(During::Takeover), |asked| asked.opcode == Opcode::RELEASE_IP));
    add_unassigned(&mut room);
    run_watched(&mut room, 10);
    let failed = failed_runs(&room, from..room.notices.len()).failed;
    assert!((9..=12).contains(&failed.len()), "{} runs in 10 s", failed.len());
    room.no_rules();
    run_watched(&mut room, 3);
    assert!(room.hosts[0].has(IpAddr::from([10, 1, 0, 9])));
}

#[test]
fn a_leader_that_wants_a_run_itself_does_not_spin_while_recoveries_fail() {
    for which in [is_mode::<0>, |asked| asked.opcode == Opcode::END_RECOVERY] as [Which; 2] {
        let mut room = Room::settled(&Config::default());
        let from = room.notices.len();
        room.rule(Rule::refuse(2, Some(During::Recovery), which));
        add_unassigned(&mut room);
        ask_for_recovery(&mut room);
        run_watched(&mut room, 10);
        let failed = recoveries_failed(&room, from);
        assert!((8..=12).contains(&failed.len()), "{} recoveries in 10 s", failed.len());
        room.no_rules();
        run_watched(&mut room, 3);
        assert!(room.hosts[0].has(IpAddr::from([10, 1, 0, 9])));
    }
}
