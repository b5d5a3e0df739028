//! A node in a small room: clients talk to it, everything it asks for is granted.

mod auth;
mod clients;
mod keyless;
mod limits;
mod moving;
mod settings;
mod table;
mod talk;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::config::{Config, Role};
use super::super::links::CLIENTS;
use super::super::machine::Gossip;
use super::super::slots::SlotSet;
use super::super::table::{Address, Ix, Node};
use super::super::types::{Epoch, NodeFlags, NodeId};
use super::super::wire::{self, Header, Kind};
use super::*;
use crate::host::{Done, FileError, Job};
use crate::machine::{Effect, How, Input, JobId, LinkInput, Machine, PortId};
use crate::time::Duration;

pub(super) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const OTHER: &str = "00000000000000000000000000000000000000aa";

pub(super) struct Room {
    pub(super) node: Gossip,
    out: Outbox<Gossip>,
    pub(super) now: Instant,
    /// What each client was told and has not read.
    told: BTreeMap<LinkId, Vec<u8>>,
    pub(super) ended: Vec<(LinkId, How)>,
    /// Savings that wait because the disk is slow.
    pub(super) slow_disk: bool,
    pub(super) unsaved: Vec<JobId>,
    /// Settings that are to be kept, and are not answered for.
    pub(super) keeping: Vec<(JobId, Vec<(String, String)>)>,
    next: u64,
}

impl Room {
    pub(super) fn new(role: Role) -> Self {
        Self::with(Config { role, ..Config::new(HOME, 7000) })
    }

    pub(super) fn with(config: Config) -> Self {
        let mut room = Self {
            node: Gossip::new(config, 1),
            out: Outbox::new(),
            now: Instant(1_000_000),
            told: BTreeMap::new(),
            ended: Vec::new(),
            slow_disk: false,
            unsaved: Vec::new(),
            keeping: Vec::new(),
            next: 1,
        };
        room.input(Input::Wake);
        room.wait(Duration::from_secs(3));
        assert!(room.node.is_up());
        room
    }

    pub(super) fn input(&mut self, input: Input<'_, Gossip>) {
        self.node.handle(self.now, input, &mut self.out);
        let mut effects = self.out.take();
        let mut answers: Vec<Input<'static, Gossip>> = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Start { job, what: Job::ReadFile { .. } } => {
                    answers.push(Input::Job(job, Done::Read(Err(FileError::Missing))));
                }
                Effect::Start { job, what: Job::KeepSettings { settings } } => {
                    self.keeping.push((job, settings));
                }
                Effect::Start { job, .. } if self.slow_disk => self.unsaved.push(job),
                Effect::Start { job, .. } => answers.push(Input::Job(job, Done::Wrote(Ok(())))),
                Effect::Listen { port, on } => answers.push(Input::Port(port, Ok(on))),
                Effect::Send { link, bytes } => self.told.entry(link).or_default().extend(bytes),
                Effect::Close { link, how } => self.ended.push((link, how)),
                Effect::Dial { .. } | Effect::Notice(_) => {}
                other @ (Effect::Unlisten { .. } | Effect::Cancel { .. } | Effect::Exit { .. }) => {
                    panic!("{other:?}")
                }
            }
        }
        self.out.restore(effects);
        self.node.check(crate::machine::Depth::Whole);
        answers.into_iter().for_each(|answer| self.input(answer));
    }

    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(deadline) = self.node.next_deadline().filter(|deadline| deadline.at <= end) {
            self.now = deadline.at;
            self.input(Input::Wake);
        }
        self.now = end;
    }

    /// Somebody comes to one of our ports.
    pub(super) fn dial(&mut self, port: PortId) -> LinkId {
        self.next += 2;
        let link = LinkId(self.next);
        let from = Endpoint::Tcp(SocketAddr::new(HOME, 50_000));
        let local = Endpoint::Tcp(SocketAddr::new(HOME, 7000));
        self.input(Input::Link(link, LinkInput::Accepted { port, from, local, peer_pid: None }));
        link
    }

    pub(super) fn client(&mut self) -> LinkId {
        self.dial(CLIENTS)
    }

    pub(super) fn say(&mut self, link: LinkId, bytes: &[u8]) {
        self.input(Input::Link(link, LinkInput::Bytes(bytes)));
    }

    pub(super) fn told(&mut self, link: LinkId) -> String {
        String::from_utf8_lossy(&self.told.remove(&link).unwrap_or_default()).into_owned()
    }

    /// What a line of words is answered with; `¶` for its line ends, the last one left out.
    pub(super) fn ask(&mut self, link: LinkId, line: &str) -> String {
        self.say(link, format!("{line}\r\n").as_bytes());
        let told = self.told(link);
        told.strip_suffix("\r\n").unwrap_or(&told).replace("\r\n", "¶")
    }

    #[track_caller]
    pub(super) fn expect(&mut self, link: LinkId, rows: &[(&str, &str)]) {
        for (line, answer) in rows {
            assert_eq!(self.ask(link, line), *answer, "{line}");
        }
    }

    /// A master that owns all slots and is ready to serve.
    pub(super) fn alone(role: Role) -> (Self, LinkId) {
        let mut room = Self::new(role);
        let link = room.client();
        room.expect(link, &[("CLUSTER ADDSLOTSRANGE 0 16383", "+OK")]);
        room.wait(Duration::from_secs(6));
        assert!(room.node.state().is_ok(), "{:?}", room.node.state());
        (room, link)
    }

    /// Another master in the table, with these slots.
    pub(super) fn other(&mut self, first: u16, last: u16) -> Ix {
        let address = Address { ip: Some(HOME), port: 7001, bus_port: 17001, plain_port: 0 };
        let id = NodeId::new(OTHER.as_bytes()).unwrap();
        let node = Node::new(id, NodeFlags::MASTER, address, self.now);
        let at = self.node.table.add(node).unwrap();
        self.node.table.answered(at, self.now);
        (first..=last).for_each(|slot| self.node.table.bind(slot, at));
        self.node.look_soon(self.now, at);
        at
    }
}

/// A packet of the other node's.
pub(super) fn packet(kind: Kind, flags: NodeFlags, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let header = Header {
        kind,
        port: 7001,
        plain_port: 0,
        bus_port: 17001,
        current_epoch: Epoch(0),
        config_epoch: Epoch(0),
        offset: 0,
        sender: NodeId::new(OTHER.as_bytes()).unwrap(),
        replica_of: None,
        announced_ip: None,
        flags,
        state_ok: true,
        mflags: [0; 3],
    };
    let mut bytes = Vec::new();
    wire::begin(&mut bytes, &header, &SlotSet::new());
    fill(&mut bytes);
    wire::finish(&mut bytes);
    bytes
}
