//! The world: hosts, networks and what can befall them. It knows no protocol.
//!
//! A discrete-event simulation: [`World::advance`] takes the next event, lets it happen, feeds
//! the machine it concerns, executes that machine's effects, and asks for its next deadline.
//! Order is (time, sequence); nothing here reads a clock, and every draw comes from the seed.

mod befall;
mod byhand;
pub mod client;
pub mod disk;
mod end;
pub mod fault;
mod feed;
pub mod host;
mod jobs;
pub mod kernel;
pub mod lan;
pub mod lock;
pub mod moment;
pub mod network;
mod numbered;
pub mod onlooker;
pub mod puppet;
pub mod schedule;
pub mod scripts;
mod tcp;

use std::fmt::Debug;
use std::net::IpAddr;
use std::rc::Rc;

use prefetch_index::prefetch_index;
use rustc_hash::FxHashMap;
use standin_core::host::{Done, Fact, Job, Placed};
use standin_core::machine::{Deadline, JobId, Machine, Outbox};
use standin_core::rng::Rng;
use standin_core::time::Duration;

use self::end::{ConnId, EndRef, Side};
use self::host::{Host, Stored};
use self::moment::{HostId, Moment};
use self::network::Network;
use self::puppet::Puppet;
use self::schedule::Schedule;
use self::tcp::{Conns, Piece};

/// What a protocol tells the world about its machine: how one is born, and what its jobs,
/// answers and facts are in a computer's nouns.
pub trait Translator<M: Machine>: Debug {
    /// A machine for a daemon that starts on `host` now, configured by what its disk holds.
    fn boot(&self, host: HostId, disk: &disk::Disk, seed: u64) -> M;
    /// A machine's job as the host understands it.
    fn job(&self, job: M::Job) -> Job;
    /// A host's answer as the machine understands it.
    fn done(&self, done: Done) -> M::Done;
    /// What an event script does on a host where nothing is wrong with it: asked when it starts,
    /// done when it ends.
    fn script(&self, host: &scripts::ScriptView<'_>, run: &scripts::ScriptRun<'_>) -> scripts::ScriptOutcome {
        let _ = (host, run);
        scripts::ScriptOutcome::default()
    }
    /// A host's observation, if the machine has a word for it.
    fn fact(&self, fact: Fact) -> Option<M::Fact> {
        let _ = fact;
        None
    }
}

/// What the world reports to whoever runs it, in order.
#[derive(Clone, Debug)]
pub enum News<M: Machine> {
    /// A machine noticed something.
    Notice(HostId, M::Notice),
    /// A daemon was started.
    Started(HostId),
    /// A daemon ended by itself with this status.
    Exited(HostId, u8),
    /// A machine broke a rule of the border: it spins.
    Spins(HostId, Deadline),
    /// Somebody's bytes were put on the stream between these two, or it was cut.
    Meddled(HostId, HostId),
    /// A power, process, clock or network condition is not what it was.
    Changed,
}

/// Counts of a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Inputs handled by machines: the *events* of every figure.
    pub events: u64,
    /// Of these, wakes.
    pub wakes: u64,
    /// Of these, bytes arriving on a link.
    pub segments: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// The most inputs that waited for one process at any time.
    pub waiting_max: u64,
    /// The most connections at any time.
    pub connections_max: u64,
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    Wake { host: HostId, life: u32, serial: u32 },
    Arrive { conn: ConnId, to: Side, piece: Piece, again: bool },
    Syn { conn: ConnId, tries: u32 },
    SynArrives { conn: ConnId },
    SynAck { conn: ConnId },
    Reset { conn: ConnId, to: Side, why: standin_core::machine::Why },
    Retransmit { end: EndRef, serial: u32 },
    Idle { end: EndRef, probes: u32 },
    Inbox { host: HostId, life: u32 },
    Job { host: HostId, life: u32, job: JobId, work: Box<jobs::Work> },
    LockTimeout,
    Onlooker,
    Step(Box<befall::Step>),
}

/// How far off a host's time of day is at most.
const SKEW_MAX: Duration = Duration::from_millis(500);

/// Streams of the world's seed, one a concern.
#[repr(u64)]
enum Stream {
    Latency = 1,
    Loss = 2,
    Effort = 3,
    Chance = 4,
    Skew = 5,
    Scripts = 6,
    Onlooker = 7,
}

/// A world of machines.
#[derive(Clone, Debug)]
pub struct World<M: Machine> {
    /// What happened since it was last looked at; whoever runs the world empties it.
    pub news: Vec<News<M>>,
    /// Counts so far.
    pub counts: Counts,
    now: Moment,
    seed: u64,
    translator: Rc<dyn Translator<M>>,
    schedule: Schedule<Event>,
    hosts: Vec<Host<M>>,
    /// The first so many hosts run daemons.
    members: u32,
    stranger: Option<HostId>,
    network: Network,
    conns: Conns,
    puppets: Vec<Puppet>,
    onlooker: onlooker::Onlooker,
    locks: lock::Locks,
    flaps: Vec<befall::Flapping>,
    /// Addresses somebody added by hand that are still there.
    strays: Vec<(HostId, Placed)>,
    outbox: Outbox<M>,
    /// Grows with every change of power, kernels or cuts; connections reckon anew then.
    topology: u64,
    /// Which host has an address, as far as somebody asked, in this topology.
    homes: (u64, FxHashMap<IpAddr, Option<usize>>),
    next_serial: u32,
    next_port: u16,
    effort: Rng,
    chance: Rng,
    skew: Rng,
    scripts: Rng,
}

impl<M: Machine> World<M> {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64, translator: Rc<dyn Translator<M>>) -> Self {
        let stream = |stream: Stream| Rng::new(seed, stream as u64);
        Self {
            news: Vec::new(),
            counts: Counts::default(),
            now: Moment::START,
            seed,
            translator,
            schedule: Schedule::new(),
            hosts: Vec::new(),
            members: 0,
            stranger: None,
            network: Network::new(stream(Stream::Latency), stream(Stream::Loss)),
            conns: Conns::default(),
            puppets: Vec::new(),
            onlooker: onlooker::Onlooker::new(stream(Stream::Onlooker).bits()),
            locks: lock::Locks::new(),
            flaps: Vec::new(),
            strays: Vec::new(),
            outbox: Outbox::new(),
            topology: 0,
            homes: (0, FxHashMap::default()),
            next_serial: 0,
            next_port: 32_768,
            effort: stream(Stream::Effort),
            chance: stream(Stream::Chance),
            skew: stream(Stream::Skew),
            scripts: stream(Stream::Scripts),
        }
    }

    /// Adds a powered computer that may run a daemon. All hosts are added before anything
    /// runs, members first.
    ///
    /// # Panics
    /// If the stranger was added before.
    pub fn add_member(&mut self, kernel: kernel::Kernel) -> HostId {
        assert!(self.stranger.is_none(), "members come first");
        self.members += 1;
        self.add_host(kernel)
    }

    /// Adds the computer that belongs to nobody, from which strangers knock.
    pub fn add_stranger(&mut self, kernel: kernel::Kernel) -> HostId {
        let host = self.add_host(kernel);
        self.stranger = Some(host);
        host
    }

    fn add_host(&mut self, kernel: kernel::Kernel) -> HostId {
        self.network.add_host();
        let skew = self.skew.below(2 * SKEW_MAX.0 + 1).cast_signed() - SKEW_MAX.0.cast_signed();
        self.hosts.push(Host::new(kernel, skew));
        self.topology += 1;
        HostId(self.hosts.len() as u32 - 1)
    }

    /// The hosts that may run a daemon.
    pub fn members(&self) -> impl Iterator<Item = HostId> + use<M> {
        (0..self.members).map(HostId)
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// A host, to look at.
    ///
    /// # Panics
    /// If there is no such host.
    #[must_use]
    pub fn host(&self, host: HostId) -> &Host<M> {
        &self.hosts[host.index()]
    }

    /// A host's disk, for the operator to edit.
    pub fn disk(&mut self, host: HostId) -> &mut disk::Disk {
        &mut self.hosts[host.index()].disk
    }

    /// A host's event scripts, for whoever installs them.
    pub fn scripts(&mut self, host: HostId) -> &mut scripts::Scripts {
        &mut self.hosts[host.index()].scripts
    }

    /// How many hosts there are.
    #[must_use]
    pub const fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// The networks, to look at.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The locks on shared storage, to look at.
    #[must_use]
    pub const fn locks(&self) -> &lock::Locks {
        &self.locks
    }

    /// Connections open, opening or half open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Gives an order to a host's daemon, if it runs.
    pub fn order(&mut self, host: HostId, order: M::Order) {
        self.deliver(host, Stored::Order(Box::new(order)));
    }

    /// Lets things happen until `until`, or until there is news. True if there is.
    ///
    /// # Panics
    /// If a machine's self-check fails.
    pub fn advance(&mut self, until: Moment) -> bool {
        while self.news.is_empty() {
            let Some((at, event)) = self.schedule.pop_until(until) else {
                self.now = until;
                return false;
            };
            self.now = at;
            self.fetch_ahead();
            self.happen(event);
        }
        true
    }

    /// Has what the next event will need fetched from memory while this one happens: a large
    /// cluster does not fit the processor's caches. No more than a hint, and no part of the run.
    #[inline]
    fn fetch_ahead(&self) {
        if let Some(Event::Arrive { conn, piece: Piece::Bytes(bytes), .. }) = self.schedule.ahead() {
            prefetch_index(bytes, 0);
            self.conns.fetch(*conn);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { conn, to, piece, again } => self.tcp_arrives(conn, to, piece, again),
            Event::Wake { host, life, serial } => self.wake(host, life, serial),
            Event::Syn { conn, tries } => self.tcp_syn(conn, tries),
            Event::SynArrives { conn } => self.tcp_syn_arrives(conn),
            Event::SynAck { conn } => self.tcp_syn_ack(conn),
            Event::Reset { conn, to, why } => self.tcp_reset(conn, to, why),
            Event::Retransmit { end, serial } => self.tcp_retransmit(end, serial),
            Event::Idle { end, probes } => self.tcp_idle(end, probes),
            Event::Inbox { host, life } => self.drain_inbox(host, life),
            Event::Job { host, life, job, work } => self.finish_job(host, life, job, *work),
            Event::LockTimeout => self.lock_timeout(),
            Event::Onlooker => self.onlooker_due(),
            Event::Step(step) => self.fault_step(*step),
        }
    }

    /// Conditions are not what they were: streams and clients reckon anew, checkers look.
    fn changed(&mut self) {
        self.topology += 1;
        self.news.push(News::Changed);
        self.onlooker_changed();
    }
}

#[cfg(test)]
mod tests;
