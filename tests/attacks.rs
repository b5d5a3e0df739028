//! What a client or an operator may say at a bad moment: each was once a hang, a panic or a lie.

use standin_core::ctdb::config::Config;
use standin_core::ctdb::types::{ControlFlags, Generation, Opcode, Pnn, RequestId};
use standin_core::ctdb::wire::{Asked, Header, RequestData, encode_request};
use standin_core::ctdb::{Ctdb, Order};
use standin_core::host::{Done, FileError, Job};
use standin_core::machine::{Effect, Endpoint, Input, JobId, LinkId, LinkInput, Machine, Outbox, PortId};
use standin_core::time::Instant;

const TWO: &[u8] = b"10.0.0.1\n10.0.0.2\n";
const THREE: &[u8] = b"10.0.0.1\n10.0.0.2\n10.0.0.3\n";
const CLIENT: LinkId = LinkId(1);

/// A machine and what it has asked for.
struct Rig {
    machine: Ctdb,
    out: Outbox<Ctdb>,
    now: u64,
}

impl Rig {
    /// A node that has read its nodes file and waits to listen.
    fn trying() -> Self {
        let mut rig = Self { machine: Ctdb::new(Config::default(), 1), out: Outbox::new(), now: 0 };
        let asked = rig.feed(Input::Wake);
        let asked = rig.no_scripts(&asked);
        rig.file(to_read(&asked), TWO);
        rig
    }

    /// A node that listens, with a client.
    fn up() -> Self {
        let mut rig = Self::trying();
        let bus = Endpoint::Tcp(([10, 0, 0, 1], 4379).into());
        let asked = rig.feed(Input::Port(PortId(0), Ok(bus)));
        let asked = rig.feed(Input::Job(to_read(&asked), Done::Read(Err(FileError::Missing))));
        // The setup event; the loop begins.
        rig.no_scripts(&asked);
        let (from, local) = (Endpoint::Unix("".into()), Endpoint::Unix("ctdbd.socket".into()));
        let accepted = LinkInput::Accepted { port: PortId(1), from, local, peer_pid: None };
        rig.feed(Input::Link(CLIENT, accepted));
        rig
    }

    fn feed(&mut self, input: Input<'_, Ctdb>) -> Vec<Effect<Ctdb>> {
        self.now += 1;
        self.machine.handle(Instant(self.now), input, &mut self.out);
        self.out.take()
    }

    /// The events directory is empty.
    fn no_scripts(&mut self, asked: &[Effect<Ctdb>]) -> Vec<Effect<Ctdb>> {
        let list = job(asked, |job| matches!(job, Job::ListScripts { .. }));
        self.feed(Input::Job(list, Done::Scripts(Ok(Vec::new()))))
    }

    fn file(&mut self, job: JobId, text: &[u8]) -> Vec<Effect<Ctdb>> {
        self.feed(Input::Job(job, Done::Read(Ok(text.to_vec()))))
    }

    fn ask(&mut self, data: &RequestData, flags: ControlFlags) -> Vec<Effect<Ctdb>> {
        let reqid = RequestId(9);
        let header = Header { generation: Generation(0), destination: Pnn(0), source: Pnn(0), reqid };
        let mut bytes = Vec::new();
        encode_request(&header, Asked { flags, ..Asked::default() }, data, &mut bytes);
        self.feed(Input::Link(CLIENT, LinkInput::Bytes(&bytes)))
    }
}

/// The first job of a kind that a machine started.
fn job(effects: &[Effect<Ctdb>], kind: fn(&Job) -> bool) -> JobId {
    let started = effects.iter().find_map(|effect| {
        let Effect::Start { job, what } = effect else { return None };
        kind(what).then_some(*job)
    });
    started.expect("a job of that kind")
}

/// The file a machine wants to read.
fn to_read(effects: &[Effect<Ctdb>]) -> JobId {
    job(effects, |job| matches!(job, Job::ReadFile { .. }))
}

#[test]
fn an_interval_of_zero_does_not_hang_the_node() {
    let mut rig = Rig::up();
    let mut wanted = 0_u32.to_le_bytes().to_vec();
    wanted.extend(18_u32.to_le_bytes());
    wanted.extend(b"KeepaliveInterval\0");
    let set = RequestData::decode(Opcode::SET_TUNABLE, &wanted).expect("a tunable to set");
    rig.ask(&set, ControlFlags::empty());
    for _ in 0..5 {
        let at = rig.machine.next_deadline().expect("the keepalive tick").at;
        rig.machine.handle(at, Input::Wake, &mut rig.out);
        assert!(rig.machine.next_deadline().expect("the next tick").at > at);
    }
}

#[test]
fn a_reload_while_the_node_starts_is_not_needed() {
    let mut rig = Rig::trying();
    assert!(rig.feed(Input::Order(Order::Reload)).is_empty());
    let mut rig = Rig::up();
    let asked = rig.feed(Input::Order(Order::Reload));
    rig.file(to_read(&asked), THREE);
    assert_eq!(rig.machine.node_count(), 3);
}

#[test]
fn who_wants_no_reply_to_a_reload_gets_none() {
    let sends = |effects: &[Effect<Ctdb>]| {
        let to_client =
            |effect: &&Effect<Ctdb>| matches!(effect, Effect::Send { link, .. } if *link == CLIENT);
        effects.iter().filter(to_client).count()
    };
    for (flags, replies) in [(ControlFlags::NOREPLY, 0), (ControlFlags::empty(), 1)] {
        let mut rig = Rig::up();
        let asked = rig.ask(&RequestData::ReloadNodesFile, flags);
        assert_eq!(sends(&rig.file(to_read(&asked), THREE)), replies, "{flags:?}");
    }
}
