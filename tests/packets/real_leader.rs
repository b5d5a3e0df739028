//! A node under a leader that keeps databases, as stock clusters do. The test plays the leader,
//! packet by packet, with the questions a real one asks.

use std::net::{IpAddr, SocketAddr};

use crate::room::{FOUR, Room, SECOND};
use standin_core::ctdb::config::{Config, VERSION};
use standin_core::ctdb::types::{
    Capabilities, ControlFlags, DbId, Generation, NodeFlags, Opcode, Pnn, RecoveryMode, RequestId, RunState,
    SrvId,
};
use standin_core::ctdb::wire::{
    Asked, Body, ControlRequest, DbMap, DbStream, DbTransaction, Header, Keepalive, MessageData, NodeEntry,
    NodeMap, Pdu, PublicIp, Record, RecordBuffer, RecordCount, ReplyData, RequestData, SeqNum, SrvIdMessage,
    Text, VnnMap, WideDbId, encode_message, encode_reply, encode_request,
};
use standin_core::host::ScriptEnd;

const GENERATION: Generation = Generation(0x2f3c_5d01);
const NODE: Pnn = Pnn(1);
const LEADER: Pnn = Pnn(0);

/// The leader, and the room with the node.
struct Leader {
    room: Room,
    /// Its cluster lock's name.
    lock: Option<&'static str>,
    asked: u32,
    read: usize,
    beat_at: u64,
    replies: Vec<(RequestId, i32, Vec<u8>)>,
    /// What the node asked, and said.
    questions: Vec<Opcode>,
    messages: Vec<MessageData>,
}

impl Leader {
    fn new() -> Self {
        let mut leader = Self::unmet();
        leader.room.run(SECOND / 10);
        leader.room.dial_as(0, 1);
        leader.run(2 * SECOND);
        leader
    }

    /// It and the node have not begun.
    fn unmet() -> Self {
        Self {
            room: Room::open(1, 1, FOUR, &Config::default()),
            lock: None,
            asked: 0,
            read: 0,
            beat_at: 0,
            replies: Vec::new(),
            questions: Vec::new(),
            messages: Vec::new(),
        }
    }

    fn header(&self, reqid: RequestId) -> Header {
        Header { generation: GENERATION, destination: NODE, source: LEADER, reqid }
    }

    fn tell(&mut self, data: &MessageData) {
        let mut bytes = Vec::new();
        encode_message(&self.header(RequestId(0)), data, &mut bytes);
        self.room.send_as(0, 1, bytes);
    }

    fn send(&mut self, data: &RequestData, flags: ControlFlags) -> RequestId {
        self.asked += 1;
        let reqid = RequestId(self.asked);
        let mut bytes = Vec::new();
        encode_request(&self.header(reqid), Asked { flags, ..Asked::default() }, data, &mut bytes);
        self.room.send_as(0, 1, bytes);
        reqid
    }

    /// Asks and waits for the one answer.
    fn ask_flagged(&mut self, data: &RequestData, flags: ControlFlags) -> (i32, ReplyData) {
        let reqid = self.send(data, flags);
        self.run(SECOND / 10);
        let replies: Vec<_> = self.replies.iter().filter(|(id, ..)| *id == reqid).cloned().collect();
        let [(_, status, payload)] = &replies[..] else { panic!("{data:?} was answered by {replies:?}") };
        (*status, ReplyData::decode(data.opcode(), *status, payload).expect("it makes sense"))
    }

    fn ask(&mut self, data: &RequestData) -> (i32, ReplyData) {
        self.ask_flagged(data, ControlFlags::empty())
    }

    fn assert_answers(&mut self, data: &RequestData, status: i32, wanted: &ReplyData) {
        assert_eq!(self.ask(data), (status, wanted.clone()), "{data:?}");
    }

    fn assert_status(&mut self, data: &RequestData, status: i32) {
        self.assert_answers(data, status, &ReplyData::Empty);
    }

    /// Goes on, answers what the node asks, says once a second who leads.
    fn run(&mut self, us: u64) {
        for _ in 0..us / 1_000 {
            if self.room.now >= self.beat_at {
                self.beat_at += SECOND;
                self.tell(&MessageData::Leader(LEADER));
                let alive = Keepalive { version: VERSION, uptime: (self.room.now / SECOND) as u32 };
                let mut bytes = Vec::new();
                Pdu { header: self.header(RequestId(0)), body: Body::Keepalive(alive) }.encode(&mut bytes);
                self.room.send_as(0, 1, bytes);
            }
            self.room.run(1_000);
            let heard = self.room.hosts[0].heard.split_off(self.read);
            heard.iter().for_each(|bytes| self.hear(bytes));
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Pdu { header, body } = Pdu::decode(bytes).expect("a packet");
        match body {
            Body::ControlReply(reply) => self.replies.push((header.reqid, reply.status, reply.data.to_vec())),
            Body::ControlRequest(request) => self.answer(header.reqid, &request),
            Body::Message(message) => self.messages.push(message.decode_data().expect("it makes sense")),
            Body::Keepalive(_) | Body::Tunnel(_) | Body::Other { .. } => {}
        }
    }

    fn answer(&mut self, reqid: RequestId, request: &ControlRequest<'_>) {
        self.questions.push(request.opcode);
        if request.wants_no_reply() {
            return;
        }
        let entry = |pnn: u32, flags| NodeEntry {
            pnn: Pnn(pnn),
            flags,
            address: SocketAddr::from(([10, 0, 0, pnn as u8 + 1], 4379)).into(),
        };
        let (status, data) = match request.opcode {
            Opcode::GET_CAPABILITIES => (0, ReplyData::Capabilities(Capabilities::STOCK)),
            Opcode::GET_RECLOCK_FILE => {
                (0, self.lock.map_or(ReplyData::Empty, |name| ReplyData::Text(Text::from(name))))
            }
            Opcode::GET_NODEMAP => {
                let nodes = vec![entry(0, NodeFlags::empty()), entry(1, NodeFlags::UNHEALTHY)];
                (0, ReplyData::NodeMap(NodeMap { nodes }))
            }
            Opcode::MODIFY_FLAGS => (0, ReplyData::Empty),
            _ => (-1, ReplyData::Empty),
        };
        let mut bytes = Vec::new();
        encode_reply(&self.header(reqid), status, &data, "", &mut bytes);
        self.room.send_as(0, 1, bytes);
    }

    /// The steps of a recovery before the databases.
    fn begin_recovery(&mut self) {
        let (status, map) = self.ask(&RequestData::GetNodemap);
        let ReplyData::NodeMap(map) = map else { panic!("{map:?}") };
        assert_eq!((status, map.nodes.len()), (0, 2));
        assert!(!map.nodes[1].flags.is_inactive());
        self.assert_answers(&RequestData::GetCapabilities, 0, &ReplyData::Capabilities(Capabilities::STOCK));
        // What is not kept is not listed.
        self.assert_answers(&RequestData::GetDbMap, 0, &ReplyData::DbMap(DbMap::default()));
        self.assert_status(&RequestData::SetRecMode(RecoveryMode::Active), 0);
        self.assert_status(&RequestData::GetRecMode, 1);
        self.questions.clear();
        self.assert_status(&RequestData::StartRecovery, 0);
        assert!(self.questions.contains(&Opcode::GET_RECLOCK_FILE));
        self.assert_status(&RequestData::EndRecovery, -1);
        self.assert_status(&RequestData::SetVnnMap(vnn_map()), 0);
        self.assert_answers(&RequestData::GetVnnMap, 0, &ReplyData::VnnMap(vnn_map()));
    }

    fn end_recovery(&mut self) {
        self.assert_status(&RequestData::SetRecMode(RecoveryMode::Normal), 0);
        self.assert_status(&RequestData::EndRecovery, 0);
        self.assert_status(&RequestData::GetRecMode, 0);
        self.assert_status(&RequestData::SetVnnMap(vnn_map()), -1);
        self.tell(&MessageData::Reconfigure);
    }
}

fn vnn_map() -> VnnMap {
    VnnMap { generation: GENERATION, map: vec![LEADER, NODE] }
}

fn stream(number: u64) -> SrvId {
    SrvId(SrvId::RECOVERY_PREFIX.0 + number)
}

/// So many records of a database, with a header in front of the data as in a recovery.
fn records(id: DbId, count: u32) -> RecordBuffer {
    let record = |number: u32| Record {
        reqid: 0,
        key: number.to_le_bytes().to_vec(),
        data: vec![0; 24 + number as usize],
    };
    RecordBuffer { id, records: (0..count).map(record).collect() }
}

fn counted(count: u32) -> ReplyData {
    ReplyData::RecordCount(RecordCount(count))
}

/// A database as a leader recovers it: attach with, collect by, and push in these two lots.
fn recover_database(
    leader: &mut Leader,
    attach: fn(Text) -> RequestData,
    name: &str,
    number: u64,
    lots: [u32; 2],
) {
    let id = DbId::of(name);
    let attach = attach(Text::from(name));
    let attached = leader.ask_flagged(&attach, ControlFlags::ATTACH_FOR_RECOVERY);
    assert_eq!(attached, (0, ReplyData::DbId(id)), "{name}");
    let change = DbTransaction { id, generation: GENERATION };
    leader.assert_status(&RequestData::DbFreeze(id), 0);
    leader.assert_status(&RequestData::DbTransactionStart(change), 0);
    if attach.opcode() == Opcode::DB_ATTACH {
        let pull = DbStream { id, lmaster: Pnn::UNKNOWN, srvid: stream(number) };
        leader.messages.clear();
        leader.assert_answers(&RequestData::DbPull(pull), 0, &counted(0));
        let sent = leader.messages.iter().any(|message| matches!(message, MessageData::Records { .. }));
        assert!(!sent, "{name}: nothing was promised");
    } else {
        leader.assert_answers(&RequestData::GetDbSeqNum(WideDbId(id)), 0, &ReplyData::SeqNum(SeqNum(0)));
    }
    leader.assert_status(&RequestData::WipeDatabase(change), 0);
    let push = DbStream { id, lmaster: Pnn(0x5a5a_5a5a), srvid: stream(number + 1) };
    leader.assert_status(&RequestData::DbPushStart(push), 0);
    for lot in lots {
        leader.tell(&MessageData::Records { srvid: push.srvid, records: records(id, lot) });
    }
    // What belongs to another stream does not count.
    leader.tell(&MessageData::Records { srvid: stream(number + 100), records: records(id, 9) });
    leader.assert_answers(&RequestData::DbPushConfirm(id), 0, &counted(lots[0] + lots[1]));
    leader.assert_status(&RequestData::DbTransactionCommit(change), 0);
    leader.assert_status(&RequestData::DbThaw(id), 0);
}

/// Seen on real hosts: who accepted our link and has one to us is ready, and asks, before we have
/// heard that ours is open. What was not answered then was missed for a minute.
#[test]
fn a_question_that_comes_before_our_own_link_is_answered_on_it() {
    let mut leader = Leader::unmet();
    leader.room.opens_late = SECOND / 10;
    leader.room.run(SECOND / 100);
    leader.room.dial_as(0, 1);
    leader.room.run(SECOND / 100);
    let asked = leader.send(&RequestData::GetCapabilities, ControlFlags::empty());
    leader.room.run(SECOND / 50);
    assert!(leader.room.hosts[0].heard.is_empty(), "there is no way yet");
    leader.run(SECOND / 2);
    let answers = leader.replies.iter().filter(|(reqid, status, _)| (*reqid, *status) == (asked, 0));
    assert_eq!(answers.count(), 1, "{:?}", leader.replies);
}

#[test]
fn a_leader_with_databases_recovers_a_node_without_and_gives_it_addresses() {
    let mut leader = Leader::new();
    leader.assert_status(&RequestData::GetRecMode, 1);
    leader.begin_recovery();
    recover_database(&mut leader, RequestData::DbAttach, "vol.tdb", 1, [40, 2]);
    recover_database(&mut leader, RequestData::DbAttachPersistent, "ctdb.tdb", 3, [1, 0]);
    recover_database(&mut leader, RequestData::DbAttachReplicated, "repl.tdb", 5, [0, 0]);
    leader.end_recovery();
    assert_eq!(leader.room.machine(1).generation(), GENERATION);
    assert_eq!(leader.room.machine(1).runstate(), RunState::Startup);

    leader.messages.clear();
    leader.questions.clear();
    leader.run(20 * SECOND);
    assert_eq!(leader.room.machine(1).flags(NODE), Some(NodeFlags::empty()));
    assert!(leader.questions.contains(&Opcode::STARTUP) && leader.questions.contains(&Opcode::MODIFY_FLAGS));
    let wants_run = MessageData::TakeoverRun(SrvIdMessage { pnn: NODE, srvid: SrvId(0) });
    assert!(leader.messages.contains(&wants_run));

    let (status, available) = leader.ask_flagged(&RequestData::GetPublicIps, ControlFlags::AVAILABLE_ONLY);
    let ReplyData::PublicIps(available) = available else { panic!("{available:?}") };
    let last: Vec<_> = available.ips.iter().map(|ip| (ip.pnn, ip.address.0.ip())).collect();
    let wanted = [4, 3, 2, 1].map(|last| (Pnn::UNKNOWN, IpAddr::from([10, 1, 0, last])));
    assert_eq!((status, last), (0, wanted.to_vec()));
    leader.assert_status(&RequestData::ReleaseIp(public(1, LEADER)), 0);
    leader.assert_status(&RequestData::TakeoverIp(public(2, NODE)), 0);
    leader.assert_status(&RequestData::IpReallocated, 0);
    assert!(leader.room.hosts[1].served().eq([IpAddr::from([10, 1, 0, 2])]));
    assert_eq!(leader.room.machine(1).holder_of(IpAddr::from([10, 1, 0, 1])), Some(LEADER));
}

fn public(last: u8, holder: Pnn) -> PublicIp {
    PublicIp { pnn: holder, address: SocketAddr::from(([10, 1, 0, last], 0)).into() }
}

#[test]
fn a_database_that_is_pushed_again_is_counted_anew_and_others_are_kept_apart() {
    let mut leader = Leader::new();
    leader.begin_recovery();
    let (one, other) = (DbId::of("one.tdb"), DbId::of("other.tdb"));
    let push = |id, number| RequestData::DbPushStart(DbStream { id, lmaster: Pnn(0), srvid: stream(number) });
    leader.assert_status(&push(one, 1), 0);
    leader.assert_status(&push(other, 2), 0);
    for (number, id, count) in [(1, one, 3), (2, other, 5), (1, one, 4)] {
        leader.tell(&MessageData::Records { srvid: stream(number), records: records(id, count) });
    }
    leader.assert_answers(&RequestData::DbPushConfirm(other), 0, &counted(5));
    // The first fails elsewhere: the leader gives it up and tries again.
    leader.assert_status(&RequestData::DbTransactionCancel(one), 0);
    leader.assert_status(&RequestData::DbPushConfirm(one), -1);
    leader.assert_status(&push(one, 3), 0);
    leader.tell(&MessageData::Records { srvid: stream(1), records: records(one, 8) });
    leader.tell(&MessageData::Records { srvid: stream(3), records: records(one, 6) });
    leader.assert_answers(&RequestData::DbPushConfirm(one), 0, &counted(6));
    leader.end_recovery();
}

#[test]
fn a_database_that_a_client_attaches_elsewhere_is_not_answered() {
    let mut leader = Leader::new();
    let reqid = leader.send(&RequestData::DbAttach(Text::from("new.tdb")), ControlFlags::NOREPLY);
    leader.run(SECOND);
    assert!(leader.replies.iter().all(|(id, ..)| *id != reqid));
}

#[test]
fn a_leader_with_another_cluster_lock_is_refused_and_the_node_goes() {
    let mut leader = Leader::new();
    leader.lock = Some("/clusterfs/lock");
    leader.assert_status(&RequestData::SetRecMode(RecoveryMode::Active), 0);
    leader.assert_status(&RequestData::StartRecovery, -1);
    assert!(leader.room.hosts[1].machine.is_none());
}

#[test]
fn a_control_that_runs_an_event_answers_how_the_event_ended() {
    let mut leader = Leader::new();
    leader.begin_recovery();
    leader.end_recovery();
    leader.run(20 * SECOND);
    let by_hand = IpAddr::from([10, 1, 0, 4]);
    let take = RequestData::TakeoverIp(public(3, NODE));
    let release = RequestData::ReleaseIp(public(3, LEADER));
    let update = RequestData::TakeoverIp(public(4, NODE));
    let reallocated = RequestData::IpReallocated;
    let fails: fn(&str) -> ScriptEnd = |event| ends(event, ScriptEnd::Failed(1));
    let hangs: fn(&str) -> ScriptEnd = |event| ends(event, ScriptEnd::TimedOut);
    let works: fn(&str) -> ScriptEnd = |_| ScriptEnd::Ok;
    // Which hangs ctdbd forgives is its secret.
    for (script, control, status) in [
        (fails, &RequestData::StartRecovery, 8),
        (hangs, &RequestData::StartRecovery, 0),
        (fails, &RequestData::EndRecovery, 8),
        (hangs, &RequestData::EndRecovery, 0),
        (fails, &reallocated, 8),
        (hangs, &reallocated, 110),
        (works, &reallocated, 0),
        (fails, &take, 8),
        (hangs, &take, 0),
        (works, &take, 0),
        (works, &take, 0),
        // It goes whatever the script says: that the kernel has it no more is what counts.
        (fails, &release, 0),
        (works, &release, 0),
        (works, &release, 0),
    ] {
        leader.room.hosts[1].script = Some(script);
        leader.assert_status(control, status);
    }
    // An address that nobody holds and the kernel has is updated, not taken.
    leader.room.put_by_hand(1, by_hand);
    leader.run(SECOND / 100);
    for (script, status) in [(fails, 8), (hangs, 110), (works, 0)] {
        leader.room.hosts[1].script = Some(script);
        leader.assert_status(&update, status);
    }
    leader.assert_status(&RequestData::TakeoverIp(public(3, LEADER)), -1);
    leader.assert_status(&RequestData::TakeoverIp(public(77, NODE)), 0);
    leader.assert_status(&RequestData::SetRecMode(RecoveryMode::Active), 0);
    // Not while a recovery goes on; releasing is allowed.
    leader.assert_status(&take, -1);
    leader.assert_status(&RequestData::EndRecovery, -1);
    leader.assert_status(&release, 0);
    leader.assert_status(&reallocated, 0);
}

/// Monitoring goes on well whatever else happens.
fn ends(event: &str, how: ScriptEnd) -> ScriptEnd {
    if event == "monitor" { ScriptEnd::Ok } else { how }
}
