//! The machine itself: every input's way in, and what an input leaves to be done before it ends.

mod boot;
mod claims;
mod cron;
mod data;
mod election;
mod failing;
mod gossiping;
mod manual;
mod migration;
mod operate;
mod receive;
mod saving;
mod standing;
mod streams;
mod tell;
mod view;

pub use self::operate::Denied;
pub(super) use self::operate::SetSlot;
pub use self::view::Register;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use self::boot::Boot;
use self::cron::Agenda;
use self::data::Data;
use self::election::Election;
use self::manual::ManualFailover;
use self::saving::Saver;
use self::standing::Standing;
use super::commands::Clients;
use super::config::Config;
use super::links::Links;
use super::notice::Notice;
use super::table::{Address, Ix, Node, Table};
use super::traffic::Traffic;
use super::types::{Epoch, NodeFlags, NodeId};
use super::wire::Kind;
use crate::host::{Done, Fact, Job};
use crate::machine::{Deadline, Depth, Effect, Input, LinkId, LinkInput, Machine, Outbox};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::timers::{Timer, Timers};

/// A member of a Redis Cluster.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Gossip {
    pub(super) config: Config,
    pub(super) table: Table,
    pub(super) current_epoch: Epoch,
    pub(super) last_vote: Epoch,
    boot: Boot,
    /// What to add to an [`Instant`] to have the time since 1970, in microseconds.
    wall: i64,
    pub(super) links: Links,
    pub(super) clients: Clients,
    pub(super) traffic: Traffic,
    /// What this input leaves to be done before it ends.
    todo: Todo,
    saver: Saver,
    /// What is sent once this input is over, or once the state is saved.
    staged: Vec<(LinkId, Vec<u8>)>,
    standing: Standing,
    election: Election,
    manual: ManualFailover,
    pub(super) data: Data,
    /// Slots on their way to another, and on their way to us.
    pub(super) migrating: BTreeMap<u16, Ix>,
    pub(super) importing: BTreeMap<u16, Ix>,
    /// Who was forgotten, and until when gossip does not bring it back.
    blacklist: BTreeMap<NodeId, Instant>,
    /// Ticks so far.
    ticks: u64,
    agenda: Agenda,
    /// Nodes in PFAIL at the last tick, and those suspected since.
    suspects: Vec<Ix>,
    /// How many of them there were at the last tick.
    suspects_seen: usize,
    /// Who has a place in the message being made: a bit for each place of the table.
    #[cfg_attr(feature = "serde", serde(skip))]
    named: Vec<u64>,
    /// Whom it tells of: kept for its room alone.
    #[cfg_attr(feature = "serde", serde(skip))]
    chosen: Vec<Ix>,
    rng: Streams,
    timers: Timers<Wake>,
    /// The machine has asked to end; nothing is heard any more.
    over: bool,
}

/// One stream of numbers a concern.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Streams {
    ids: Rng,
    gossip: Rng,
    pings: Rng,
    election: Rng,
}

bitflags::bitflags! {
    /// What an input leaves to be done before it ends.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub(super) struct Todo: u8 {
        /// Look whether the cluster is served.
        const STATE = 1;
        /// Take the next step of an election.
        const ELECTION = 2;
        /// Save the state within a second.
        const SAVE = 4;
        /// Save the state before anything more is said.
        const SYNC = 8;
        /// Take the next step of a manual failover.
        const MANUAL = 16;
    }
}

/// What wakes the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Wake {
    /// The tick, ten a second.
    Cron,
    /// What is not urgent is saved.
    Save,
}

impl Timer for Wake {
    fn why(&self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Save => "save",
        }
    }
}

/// What the operator's side can say outside the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Order {
    /// Stop in order (SIGTERM): the state is saved first.
    Stop,
}

/// Where others are told that we are.
pub(super) fn announced(config: &Config) -> Address {
    Address {
        ip: config.announce_ip,
        port: config.announced_port(),
        bus_port: config.announced_bus_port(),
        plain_port: config.announced_plain_port(),
    }
}

/// The exit status of a wrong configuration or state file (`EX_CONFIG`).
pub const EXIT_CONFIG: u8 = 78;
/// The tick.
pub(super) const TICK: Duration = Duration::from_millis(100);

pub(super) type Out<'a> = &'a mut Outbox<Gossip>;

impl Gossip {
    /// A node that has not started yet. From the seed it draws its name, should it need one, whom
    /// to ping and gossip about, and its election delays.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let mut ids = Rng::new(seed, 1);
        let address = announced(&config);
        let flags = NodeFlags::MYSELF | NodeFlags::MASTER;
        let me = Node::new(NodeId::random(&mut ids), flags, address, Instant::START);
        Self {
            table: Table::new(me, Rng::new(seed, 6).bits()),
            current_epoch: Epoch(0),
            last_vote: Epoch(0),
            boot: Boot::Unborn,
            wall: 0,
            links: Links::new(),
            clients: Clients::default(),
            traffic: Traffic::default(),
            todo: Todo::empty(),
            saver: Saver::default(),
            staged: Vec::new(),
            standing: Standing::default(),
            election: Election::default(),
            manual: ManualFailover::default(),
            data: Data::new(seed),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            blacklist: BTreeMap::new(),
            ticks: 0,
            agenda: Agenda::default(),
            suspects: Vec::new(),
            suspects_seen: 0,
            named: Vec::new(),
            chosen: Vec::new(),
            rng: Streams {
                ids,
                gossip: Rng::new(seed, 2),
                pings: Rng::new(seed, 3),
                election: Rng::new(seed, 4),
            },
            timers: Timers::new(),
            over: false,
            config,
        }
    }

    fn input(&mut self, now: Instant, out: Out<'_>, input: Input<'_, Self>) {
        match input {
            Input::Link(link, LinkInput::Bytes(bytes)) => self.bytes(now, out, link, bytes),
            Input::Link(link, input) => self.link(now, out, link, input),
            Input::Wake => self.woken(now, out),
            Input::Port(port, answer) => self.port(now, out, port, answer.err()),
            Input::Job(job, done) => self.job_done(now, out, job, done),
            Input::Fact(Fact::TimeOfDay { offset }) => self.wall = offset,
            Input::Fact(Fact::Woke { slept }) => out.notice(Notice::Woke { slept }),
            Input::Fact(_) => {}
            Input::Order(Order::Stop) => self.stop(out),
        }
    }

    fn woken(&mut self, now: Instant, out: Out<'_>) {
        if self.boot == Boot::Unborn {
            return self.read_state(out);
        }
        while let Some(wake) = self.timers.pop_due(now) {
            match wake {
                Wake::Cron => self.tick(now, out),
                Wake::Save => self.saver.due = true,
            }
        }
    }

    /// What Redis does before it sleeps: everything an input left, then the saving, then the
    /// sending.
    fn settle(&mut self, now: Instant, out: Out<'_>) {
        if self.boot != Boot::Done {
            return self.flush(now, out);
        }
        self.resume_clients(now, out);
        if self.todo.contains(Todo::MANUAL) {
            self.manual_step();
        }
        if self.todo.contains(Todo::ELECTION) {
            self.election_step(now, out);
        }
        if self.todo.contains(Todo::STATE) {
            self.update_state(now, out);
        }
        self.flush(now, out);
    }

    fn stop(&mut self, out: Out<'_>) {
        out.notice(Notice::Stopping);
        self.saver.stopping = true;
        if self.boot == Boot::Done { self.todo |= Todo::SYNC } else { self.exit(out, 0) }
    }

    fn exit(&mut self, out: Out<'_>, status: u8) {
        self.over = true;
        out.push(Effect::Exit { status });
    }

    /// The time of day, in milliseconds since 1970.
    pub(super) fn wall_ms(&self, at: Instant) -> u64 {
        u64::try_from((at.0 as i64).saturating_add(self.wall) / 1_000).unwrap_or_default()
    }

    /// The time of day, in seconds since 1970, as far as 32 bits hold them.
    #[inline]
    fn wall_seconds(&self, at: Instant) -> u32 {
        (u64::try_from((at.0 as i64).saturating_add(self.wall)).unwrap_or_default() / 1_000_000) as u32
    }

    /// A time of day as our clock has it; `None` if it was before our clock began.
    fn clock(&self, seconds: u32) -> Option<Instant> {
        let micros = i64::from(seconds) * 1_000_000 - self.wall;
        u64::try_from(micros).ok().map(Instant)
    }

    fn dial_address(node: &Node) -> Option<SocketAddr> {
        let ip = node.address.ip?;
        (node.address.bus_port != 0).then(|| SocketAddr::new(ip, node.address.bus_port))
    }
}

impl Machine for Gossip {
    type Job = Job;
    type Done = Done;
    type Fact = Fact;
    type Order = Order;
    type Notice = Notice;

    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        if self.over {
            return;
        }
        self.clients.begin();
        self.input(now, out, input);
        if !self.over {
            self.settle(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        if self.over { None } else { self.timers.next() }
    }

    fn check(&self, depth: Depth) {
        let me = self.table.me();
        assert!(me.flags.contains(NodeFlags::MYSELF), "this node lost itself");
        // Of a large table only now and then: it is walked as a whole.
        let pongs = self.traffic.received[usize::from(Kind::Pong.to_wire())];
        let now_and_then = self.table.len() <= 64 || pongs % 1_024 == 1_023;
        if depth == Depth::Whole && now_and_then && !self.over {
            self.table.check();
            self.check_links();
            assert!(self.last_vote <= self.current_epoch, "a vote in an epoch to come");
            assert!(me.is_master() != me.flags.contains(NodeFlags::REPLICA), "master and replica at once");
        }
    }
}
