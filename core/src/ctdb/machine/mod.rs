//! The machine itself: routes inputs to parts and decides what their small facts mean.

mod election;
mod hosting;
mod keeping;
mod life;
mod liveness;
mod recovery;
mod reloading;
mod restoring;
mod roles;
mod round;
mod serve;
mod standing;
mod takeover;
mod talk;
mod tools;
mod view;
mod watching;

pub use self::keeping::{DatabaseView, RecordView};
pub use self::view::PublicView;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use self::election::Election;
use self::hosting::Shout;
use self::life::After;
use self::reloading::AsRead;
use self::roles::Roles;
use self::round::Rounds;
use self::standing::Standing;
use super::addresses::{Addresses, Snapshot};
use super::boot::{self, Boot};
use super::clients::{Clients, SOCKET};
use super::config::{self, Config};
use super::controls::{self, Answer};
use super::cx::{Cx, Wake, cx};
use super::databases::Databases;
use super::events::{Event, Events, Wanted};
use super::files::nodes::Nodes;
use super::jobs::{Jobs, Purpose};
use super::keepalive::Keepalive;
use super::kernel::Kernel;
use super::links::{BUS, Links};
use super::mail::Mail;
use super::monitor::Monitor;
use super::notice::{DropCause, FlagsCause, Notice, StartRefusal, Stop, Unanswered};
use super::requests::{Asker, Requests};
use super::state::State;
use super::statistics::Counters;
use super::store::Store;
use super::subscribers::Subscribers;
use super::tunnels::Tunnels;
use super::types::{Capabilities, Generation, NodeFlags, Pnn, RunState};
use crate::host::{Done, Fact, FileError, Job, LockNews};
use crate::machine::{
    Deadline, Depth, Effect, Endpoint, Input, JobId, LinkInput, Machine, Outbox, PortId, Why,
};
use crate::rng::Rng;
use crate::time::Instant;
use crate::timers::Timers;

/// A node of a CTDB cluster.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ctdb {
    config: Config,
    state: State,
    boot: Boot,
    links: Links,
    keepalive: Keepalive,
    requests: Requests,
    clients: Clients,
    subscribers: Subscribers,
    tunnels: Tunnels,
    counters: Counters,
    databases: Databases,
    roles: Roles,
    store: Store,
    kernel: Kernel,
    addresses: Addresses,
    as_read: AsRead,
    events: Events<After>,
    monitor: Monitor,
    standing: Standing,
    election: Election,
    rounds: Rounds,
    /// Whose START_RECOVERY waits for the name of the leader's cluster lock, by question.
    lock_names: Vec<(u32, Option<Asker>)>,
    /// The interfaces as the last local check saw them.
    interfaces_seen: Option<Snapshot>,
    /// Whose TAKEOVER_IP made us ban ourselves: answered once the addresses are gone.
    conflicts: Vec<Asker>,
    /// When the next monitor event has to be, though one is under way.
    hurried: Option<Instant>,
    /// An interface lost its link, and no monitor event has looked since.
    link_lost: bool,
    /// When we last asked for a run because of a node that we lost.
    missed: BTreeMap<Pnn, Instant>,
    /// When each address was last put back.
    put_back: BTreeMap<IpAddr, Instant>,
    /// Who waits for a take that was under way.
    takes: Vec<(IpAddr, Asker)>,
    /// Releases that wait for a change that was under way: the address, who asked, and whose it
    /// will be.
    releases: Vec<(IpAddr, Option<Asker>, Option<Pnn>)>,
    /// Announcements that operators asked for.
    shouts: VecDeque<Shout>,
    /// The generation whose addresses were last announced as kept.
    announced: Generation,
    /// The exit status, while the last event waits for another to end.
    stopping: Option<u8>,
    /// What we say to ourselves.
    mail: Mail,
    /// Numbers the gatherings.
    serial: u32,
    /// Numbers the streams of records.
    streams: u64,
    /// Draws generations.
    rng: Rng,
    timers: Timers<Wake>,
    jobs: Jobs,
    /// The machine has asked to end; nothing is heard any more.
    over: bool,
}

/// What the operator's side can say outside the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Order {
    /// Stop in order (SIGTERM).
    Stop,
    /// Read the nodes, the public addresses and the tunables file again, and take over how each
    /// differs from what it was (SIGHUP).
    Reload,
}

/// The exit status of a wrong configuration (`EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;
/// The exit status of a node that another version, or its nodes file, drives out.
const EXIT_FATAL: u8 = 1;
/// The streams of random numbers that generations are drawn from, and where the numbers of record
/// streams begin.
const GENERATIONS: u64 = 1;
const STREAMS: u64 = 2;

pub(super) type Out<'a> = &'a mut Outbox<Ctdb>;

impl Ctdb {
    /// A node that has not started yet. From the seed it draws the generations of its recoveries.
    #[must_use]
    pub fn new(mut config: Config, seed: u64) -> Self {
        if config.databases == config::Databases::Recovers {
            config.capabilities.remove(Capabilities::LMASTER);
        }
        let kernel = if config.test_mode { Kernel::blind() } else { Kernel::default() };
        let as_read = AsRead::born(config.tunables.clone());
        Self {
            config,
            state: State::new(),
            boot: Boot::Unborn,
            links: Links::default(),
            keepalive: Keepalive::default(),
            requests: Requests::new(),
            clients: Clients::default(),
            subscribers: Subscribers::default(),
            tunnels: Tunnels::default(),
            counters: Counters::default(),
            databases: Databases::default(),
            roles: Roles::default(),
            store: Store::default(),
            kernel,
            addresses: Addresses::default(),
            as_read,
            events: Events::default(),
            monitor: Monitor::new(),
            standing: Standing::default(),
            election: Election::default(),
            rounds: Rounds::default(),
            lock_names: Vec::new(),
            interfaces_seen: None,
            conflicts: Vec::new(),
            hurried: None,
            link_lost: false,
            missed: BTreeMap::new(),
            put_back: BTreeMap::new(),
            takes: Vec::new(),
            releases: Vec::new(),
            shouts: VecDeque::new(),
            announced: Generation::INVALID,
            stopping: None,
            mail: Mail::new(),
            serial: 0,
            streams: Rng::new(seed, STREAMS).below(0xffff_ffff),
            rng: Rng::new(seed, GENERATIONS),
            timers: Timers::new(),
            jobs: Jobs::default(),
            over: false,
        }
    }

    fn read_nodes(&mut self, out: Out<'_>, purpose: Purpose) {
        let name = self.config.nodes_file.as_ref().into();
        self.jobs.start(out, purpose, Job::ReadFile { name });
    }

    fn exit(&mut self, out: Out<'_>, status: u8) {
        self.over = true;
        out.push(Effect::Exit { status });
    }

    /// Every input but bytes; apart from them, because they come a hundred times as often.
    #[inline(never)]
    fn handle_rare(&mut self, now: Instant, input: Input<'_, Self>, out: Out<'_>) {
        match input {
            Input::Link(link, input) => self.link(now, out, link, input),
            Input::Wake => self.woken(now, out),
            Input::Port(port, answer) => self.port(now, out, port, answer),
            Input::Job(job, done) => self.job_done(now, out, job, done),
            Input::Fact(fact) => self.fact(now, out, &fact),
            Input::Order(Order::Stop) => self.stop(now, out, Stop::Ordered),
            // A node that is still starting reads the files anyway.
            Input::Order(Order::Reload) if self.boot != Boot::Done => {}
            Input::Order(Order::Reload) => self.reload(out),
        }
    }

    fn boot_step(&mut self, out: Out<'_>, step: boot::Step) {
        match step {
            boot::Step::Wait => {}
            boot::Step::Refused(refusal) => {
                out.notice(Notice::StartRefused(refusal));
                self.exit(out, EXIT_CONFIG);
            }
            boot::Step::Up(pnn, address) => {
                self.state.me = Some(pnn);
                self.links.resize(self.state.nodes.len());
                self.keepalive.resize(self.state.nodes.len());
                let mut own = NodeFlags::UNHEALTHY;
                own.set(NodeFlags::STOPPED, self.config.start_as_stopped);
                own.set(NodeFlags::PERMANENTLY_DISABLED, self.config.start_as_disabled);
                if let Some(node) = self.state.node_mut(pnn) {
                    node.flags = own;
                }
                out.notice(Notice::Listening { pnn, address });
                let name = self.config.public_addresses_file.as_ref().into();
                self.jobs.start(out, Purpose::Addresses, Job::ReadFile { name });
            }
        }
    }

    /// The public addresses are known: hear clients, dial the nodes, run `setup`.
    fn addresses_read(&mut self, now: Instant, out: Out<'_>, read: &Result<Vec<u8>, FileError>) {
        match boot::read_addresses(read, &self.kernel) {
            Ok(file) => {
                self.addresses = Addresses::load(&file);
                self.as_read.addresses = file;
            }
            Err(refusal) => {
                out.notice(Notice::StartRefused(refusal));
                return self.exit(out, EXIT_CONFIG);
            }
        }
        out.push(Effect::Listen { port: SOCKET, on: Endpoint::Unix(self.config.socket.clone()) });
        for peer in self.state.all() {
            self.links.dial(&mut cx!(self, now, out), &self.state, peer);
        }
        self.reach(out, RunState::Setup);
        let wanted = Wanted::dropping(Event::Setup, self.left_behind(), After::Setup);
        self.want(now, out, wanted);
    }

    fn woken(&mut self, now: Instant, out: Out<'_>) {
        if self.boot == Boot::Unborn {
            self.state.born = now;
            self.boot = Boot::Reading;
            return self.run_event(now, out, Event::Init, After::Init);
        }
        while let Some(wake) = self.timers.pop_due(now) {
            match wake {
                Wake::Keepalive => self.keepalive_tick(now, out),
                Wake::DialLimit(pnn) => {
                    let event = self.links.dial_limit(&mut cx!(self, now, out), &self.state, pnn);
                    self.link_event(now, out, event);
                }
                Wake::Redial(pnn) => self.links.dial(&mut cx!(self, now, out), &self.state, pnn),
                Wake::Requests => {
                    for late in self.requests.take_late(&mut cx!(self, now, out)) {
                        self.unanswered(out, late, Unanswered::TimedOut);
                    }
                }
                Wake::Monitor => self.monitor_due(now, out),
                Wake::Startup => self.startup_due(now, out),
                Wake::Announce(address) => self.addresses.announce_due(&mut cx!(self, now, out), address),
                Wake::Shout => self.shouts_due(now, out),
                Wake::Tickles => self.tickles_due(now, out),
                Wake::DropAll => self.drop_all(now, out, DropCause::RecoveryTooLong, None),
                Wake::BanEnd => self.unban(out, FlagsCause::BanEnd),
                Wake::Round => self.round_due(now, out),
                Wake::Broadcast => self.broadcast_due(now, out),
                Wake::LeaderTimeout => self.leader_missed(now, out),
                Wake::Election => self.election_over(now, out),
                Wake::Vote => self.vote(now, out),
                Wake::LockTry => self.lock_late(now, out),
                Wake::LockCheck => self.lock_checked(now, out, LockNews::TimedOut),
                // Their absence is what counts.
                Wake::TakeoverRunsOn | Wake::RecoveriesOn => {}
            }
        }
    }

    fn job_done(&mut self, now: Instant, out: Out<'_>, job: JobId, done: Done) {
        let Some(purpose) = self.jobs.purpose(job).cloned() else { return };
        match (&purpose, &done) {
            (Purpose::Lock, Done::Lock(news)) => return self.lock_news(now, out, job, *news),
            (Purpose::LockCheck, Done::Lock(news)) => return self.lock_checked(now, out, *news),
            _ => drop(self.jobs.ended(job)),
        }
        match (purpose, done) {
            (Purpose::Boot, Done::Read(read)) => {
                let mut cx = cx!(self, now, out);
                let step = boot::nodes_read(&mut self.boot, &mut cx, &mut self.state, &read);
                self.boot_step(out, step);
            }
            (Purpose::Reload(reloader), Done::Read(read)) => self.nodes_reloaded(now, out, reloader, &read),
            (Purpose::ShowNodes(asker), Done::Read(read)) => {
                let file = read.ok().and_then(|text| Nodes::parse(&text).ok());
                let answer = file.map_or(Answer::REFUSED, |file| controls::shown(&file, self.config.port));
                self.reply_if(out, asker, &answer);
            }
            (Purpose::Addresses, Done::Read(read)) => self.addresses_read(now, out, &read),
            (Purpose::ReloadAddresses(reloader), Done::Read(read)) => {
                self.addresses_reloaded(out, reloader, &read);
            }
            (Purpose::ReloadTunables, Done::Read(read)) => self.tunables_reloaded(out, read),
            (Purpose::Event, done) => {
                if let Some((event, after, ended)) = self.events.done(&mut cx!(self, now, out), job, done) {
                    self.event_ended(now, out, event, after, ended);
                }
            }
            _ => {}
        }
    }

    /// The host observed something.
    fn fact(&mut self, now: Instant, out: Out<'_>, fact: &Fact) {
        match fact {
            Fact::Woke { slept } => out.notice(Notice::Woke { slept: *slept }),
            Fact::TimeOfDay { offset } => self.state.time_of_day = *offset,
            Fact::Interface { .. } | Fact::InterfaceGone { .. } | Fact::Appeared(_) | Fact::Vanished(_) => {
                let change = self.kernel.apply(fact);
                self.kernel_changed(now, out, &change);
            }
        }
    }

    fn port(&mut self, now: Instant, out: Out<'_>, port: PortId, answer: Result<Endpoint, Why>) {
        if port == BUS {
            let answer = answer.map(|_| ());
            let step = boot::port_answer(&mut self.boot, &mut cx!(self, now, out), &self.state, answer);
            self.boot_step(out, step);
        } else if let (Err(why), Some(address)) =
            (answer, self.state.node(self.state.own()).and_then(|own| own.address))
        {
            out.notice(Notice::StartRefused(StartRefusal::CannotListen { address, why }));
            self.exit(out, EXIT_CONFIG);
        }
    }
}

impl Machine for Ctdb {
    type Job = Job;
    type Done = Done;
    type Fact = Fact;
    type Order = Order;
    type Notice = Notice;

    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        if self.over {
            return;
        }
        if let Input::Link(link, LinkInput::Bytes(bytes)) = input {
            // Bytes are lent: to find out that nothing is to be dropped would take a call.
            core::mem::forget(input);
            self.bytes(now, out, link, bytes);
        } else {
            self.handle_rare(now, input, out);
        }
        if !self.mail.is_empty() {
            self.read_mail(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        if self.over { None } else { self.timers.next() }
    }

    #[inline]
    fn check(&self, depth: Depth) {
        if let Some(me) = self.state.me {
            assert!(self.is_connected(me), "{me} counts itself as disconnected");
        }
        if depth == Depth::Whole && !self.over {
            self.check_parts();
        }
    }
}
