//! The world: hosts, networks and what can befall them. It knows no protocol.
//!
//! A discrete-event simulation: [`World::advance`] takes the next event, lets it happen, feeds
//! the machine it concerns, executes that machine's effects, and asks for its next deadline.
//! Order is (time, sequence); nothing here reads a clock, and every draw comes from the seed.

pub mod client;
pub mod disk;
pub mod fault;
pub mod host;
mod jobs;
pub mod kernel;
pub mod lan;
pub mod lock;
pub mod moment;
pub mod network;
pub mod onlooker;
pub mod puppet;
pub mod schedule;
pub mod scripts;
mod tcp;

use std::fmt::Debug;
use std::rc::Rc;

use standin_core::host::{Done, Fact, Job, LockNews};
use standin_core::machine::{Deadline, Depth, Effect, Input, JobId, LinkInput, Machine, Noticed, Outbox};
use standin_core::rng::Rng;

use self::host::{Accepted, Host, Listener, Pace, Process, Stored};
use self::moment::{HostId, Moment};
use self::network::Network;
use self::puppet::Puppet;
use self::schedule::Schedule;
use self::tcp::{ConnId, Conns, EndRef, Owner, Piece, Side};

/// What a protocol tells the world about its machine: how one is born, and what its jobs,
/// answers and facts are in a computer's nouns.
pub trait Translator<M: Machine>: Debug {
    /// A machine for a daemon that starts on `host` now, configured by what its disk holds.
    fn boot(&self, host: HostId, disk: &disk::Disk, seed: u64) -> M;
    /// A machine's job as the host understands it.
    fn job(&self, job: M::Job) -> Job;
    /// A host's answer as the machine understands it.
    fn done(&self, done: Done) -> M::Done;
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
    Step(Box<fault::Step>),
}

/// Streams of the world's seed, one a concern.
#[repr(u64)]
enum Stream {
    Latency = 1,
    Loss = 2,
    Effort = 3,
    Chance = 4,
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
    flaps: Vec<fault::Flapping>,
    outbox: Outbox<M>,
    /// Grows with every change of power, kernels or cuts; connections reckon anew then.
    topology: u64,
    next_serial: u32,
    next_port: u16,
    effort: Rng,
    chance: Rng,
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
            onlooker: onlooker::Onlooker::new(seed),
            locks: lock::Locks::new(),
            flaps: Vec::new(),
            outbox: Outbox::new(),
            topology: 0,
            next_serial: 0,
            next_port: 32_768,
            effort: stream(Stream::Effort),
            chance: stream(Stream::Chance),
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
        self.hosts.push(Host::new(kernel));
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
            self.happen(event);
        }
        true
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

    fn wake(&mut self, host: HostId, life: u32, serial: u32) {
        let there = &mut self.hosts[host.index()];
        let awake = there.awake();
        let Some(process) = &mut there.process else { return };
        if process.life != life || process.wake_serial != serial {
            return;
        }
        if awake {
            // The deadline stays noted: while its wake waits in the inbox there is no second one.
            self.deliver(host, Stored::Wake);
        } else {
            process.deadline = None;
        }
    }

    /// Brings an input to a host's daemon: now, or into its inbox if it does not keep up.
    fn deliver(&mut self, host: HostId, input: Stored<M>) {
        let there = &mut self.hosts[host.index()];
        let suspended = there.suspended.is_some();
        let Some(process) = &mut there.process else {
            if let Stored::Bytes(_, bytes) = input {
                self.outbox.recycle(bytes);
            }
            return;
        };
        if process.pace == Pace::Running && process.inbox.is_empty() && !suspended {
            return self.feed(host, input);
        }
        let ready = match process.pace {
            Pace::Running | Pace::Stopped => self.now,
            Pace::Slow(late) => {
                let ready = process.inbox.back().map_or(self.now, |&(last, _)| last).max(self.now + late);
                self.schedule.push(ready, Event::Inbox { host, life: process.life });
                ready
            }
        };
        process.inbox.push_back((ready, input));
        self.counts.waiting_max = self.counts.waiting_max.max(process.inbox.len() as u64);
    }

    /// Feeds what waits and is due.
    fn drain_inbox(&mut self, host: HostId, life: u32) {
        loop {
            let now = self.now;
            let there = &mut self.hosts[host.index()];
            let awake = there.awake();
            let Some(process) = there.process.as_mut().filter(|process| process.life == life) else { return };
            let due = process.inbox.front().is_some_and(|&(ready, _)| ready <= now);
            if !due || process.pace == Pace::Stopped || !awake {
                return;
            }
            let Some((_, input)) = process.inbox.pop_front() else { return };
            let gone = match &input {
                Stored::Bytes(link, _) | Stored::Opened { link, .. } | Stored::Closed(link, _) => {
                    !process.links.contains_key(link)
                }
                Stored::Job(job, done) => {
                    // Its entry goes when it ends; a cancelled one must not be heard.
                    **done == Done::Lock(LockNews::Held) && !process.jobs.contains_key(job)
                }
                Stored::Wake
                | Stored::Port(..)
                | Stored::Accepted(_)
                | Stored::Fact(_)
                | Stored::Order(_) => false,
            };
            if !gone {
                self.feed(host, input);
            }
        }
    }

    /// One input, its effects, and the next deadline.
    fn feed(&mut self, host: HostId, input: Stored<M>) {
        let there = &mut self.hosts[host.index()];
        let Some(process) = &mut there.process else { return };
        let now = standin_core::time::Instant(there.clock.read(self.now).since(process.born).0);
        self.counts.events += 1;
        let machine = &mut process.machine;
        let out = &mut self.outbox;
        let woken = matches!(input, Stored::Wake);
        match input {
            Stored::Bytes(link, bytes) => {
                self.counts.segments += 1;
                self.counts.bytes += bytes.len() as u64;
                machine.handle(now, Input::Link(link, LinkInput::Bytes(&bytes)), out);
                out.recycle(bytes);
            }
            Stored::Wake => {
                self.counts.wakes += 1;
                machine.handle(now, Input::Wake, out);
            }
            Stored::Port(port, answer) => machine.handle(now, Input::Port(port, answer), out),
            Stored::Opened { link, local } => {
                machine.handle(now, Input::Link(link, LinkInput::Opened { local }), out);
            }
            Stored::Accepted(accepted) => {
                let Accepted { link, port, from, local, peer_pid } = *accepted;
                machine.handle(
                    now,
                    Input::Link(link, LinkInput::Accepted { port, from, local, peer_pid }),
                    out,
                );
            }
            Stored::Closed(link, why) => {
                process.links.remove(&link);
                machine.handle(now, Input::Link(link, LinkInput::Closed(why)), out);
            }
            Stored::Job(job, done) => machine.handle(now, Input::Job(job, self.translator.done(*done)), out),
            Stored::Fact(fact) => {
                if let Some(fact) = self.translator.fact(*fact) {
                    machine.handle(now, Input::Fact(fact), out);
                }
            }
            Stored::Order(order) => machine.handle(now, Input::Order(*order), out),
        }
        machine.check(Depth::Quick);
        let next = machine.next_deadline();
        if next.map(|next| next.at) != process.deadline || woken {
            process.deadline = next.map(|next| next.at);
            process.wake_serial = process.wake_serial.wrapping_add(1);
            if let Some(next) = next {
                if woken && next.at <= now {
                    self.news.push(News::Spins(host, next));
                    return;
                }
                let local = standin_core::time::Instant(next.at.0 + process.born.0);
                let at = there.clock.when(local).max(self.now);
                let (life, serial) = (process.life, process.wake_serial);
                self.schedule.push(at, Event::Wake { host, life, serial });
            }
        }
        if !self.outbox.is_empty() {
            self.execute(host);
        }
    }

    /// Does what a machine asked for, in order.
    fn execute(&mut self, host: HostId) {
        let mut effects = self.outbox.take();
        let mut noticed = false;
        for effect in effects.drain(..) {
            let Some(process) = &mut self.hosts[host.index()].process else { continue };
            match effect {
                Effect::Send { link, bytes } => match process.links.get(&link) {
                    Some(&end) => self.tcp_send(end, bytes),
                    None => self.outbox.recycle(bytes),
                },
                Effect::Notice(notice) => {
                    noticed = true;
                    self.news.push(News::Notice(host, notice));
                }
                Effect::Dial { link, from, to } => {
                    assert!(link.0.is_multiple_of(2), "{host} dialled with the driver's number {link:?}");
                    let to = standin_core::machine::Endpoint::Tcp(to);
                    let end = self.tcp_dial(host, Owner::Machine(link), from, &to);
                    if let Some(process) = &mut self.hosts[host.index()].process {
                        process.links.insert(link, end);
                    }
                    self.counts.connections_max = self.counts.connections_max.max(self.conns.len() as u64);
                }
                Effect::Close { link, how } => {
                    if let Some(end) = process.links.remove(&link) {
                        self.tcp_close(end, how);
                    }
                }
                Effect::Listen { port, on } => self.listen(host, port, on),
                Effect::Unlisten { port } => process.listeners.retain(|listener| listener.port != port),
                Effect::Start { job, what } => {
                    let what = self.translator.job(what);
                    self.start_job(host, job, what);
                }
                Effect::Cancel { job } => self.cancel_job(host, job),
                Effect::Exit { status } => {
                    self.end_process(host);
                    self.news.push(News::Exited(host, status));
                }
            }
        }
        self.outbox.restore(effects);
        if noticed && let Some(process) = &self.hosts[host.index()].process {
            process.machine.check(Depth::Whole);
        }
    }

    fn listen(
        &mut self,
        host: HostId,
        port: standin_core::machine::PortId,
        on: standin_core::machine::Endpoint,
    ) {
        use standin_core::machine::Why;
        let there = &mut self.hosts[host.index()];
        let Some(process) = &mut there.process else { return };
        let absent = on.ip().is_some_and(|ip| !ip.is_unspecified() && !there.kernel.holds(ip));
        let taken = process.listeners.iter().any(|listener| listener.on == on);
        let answer = match (absent, taken) {
            (true, _) => Err(Why::NoAddress),
            (_, true) => Err(Why::InUse),
            _ => {
                process.listeners.push(Listener { port, on: on.clone() });
                Ok(on)
            }
        };
        self.deliver_soon(host, Stored::Port(port, answer));
    }

    /// An answer to an effect is never part of the drain it came from.
    fn deliver_soon(&mut self, host: HostId, input: Stored<M>) {
        let Some(process) = &mut self.hosts[host.index()].process else { return };
        process.inbox.push_back((self.now, input));
        let life = process.life;
        self.schedule.push(self.now, Event::Inbox { host, life });
    }

    /// Starts the host's daemon, if it has power and none runs.
    pub fn start(&mut self, host: HostId) {
        let there = &mut self.hosts[host.index()];
        if !there.powered || there.process.is_some() {
            return;
        }
        there.lives += 1;
        let seed = Rng::new(self.seed, (u64::from(host.0) << 32) | (1 << 31) | u64::from(there.lives)).bits();
        let machine = self.translator.boot(host, &there.disk, seed);
        there.process = Some(Process::new(machine, there.lives, there.clock.read(self.now)));
        self.changed();
        self.news.push(News::Started(host));
        self.deliver_soon(host, Stored::Wake);
    }

    /// Ends the host's daemon as its kernel would: sockets closed, the lock freed. What it
    /// had not read is answered with RST, the rest with FIN.
    fn end_process(&mut self, host: HostId) {
        let Some(process) = self.hosts[host.index()].process.take() else { return };
        let unread: Vec<_> = process
            .inbox
            .iter()
            .filter_map(|(_, input)| if let Stored::Bytes(link, _) = input { Some(*link) } else { None })
            .collect();
        let mut links: Vec<_> = process.links.into_iter().collect();
        links.sort_unstable();
        for (link, end) in links {
            let how = if unread.contains(&link) {
                standin_core::machine::How::Abort
            } else {
                standin_core::machine::How::Orderly
            };
            self.tcp_close(end, how);
        }
        self.locks.died(host);
        self.changed();
    }

    /// Conditions are not what they were: streams and clients reckon anew, checkers look.
    fn changed(&mut self) {
        self.topology += 1;
        self.news.push(News::Changed);
        self.onlooker_changed();
    }
}

/// A notice's kind by name.
#[must_use]
pub fn kind_name<N: Noticed>(notice: &N) -> &'static str {
    N::KINDS[notice.kind()]
}
