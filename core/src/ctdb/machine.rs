//! The machine itself: routes inputs to parts and decides what their small facts mean.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::addresses::{Addresses, Snapshot};
use super::boot::{self, Boot};
use super::clients::{Clients, SOCKET};
use super::config::Config;
use super::controls::{self, Answer};
use super::cx::{Cx, Wake, cx};
use super::databases::Databases;
use super::election::Election;
use super::events::{Event, Events, Wanted};
use super::files::nodes::Nodes;
use super::hosting::Shout;
use super::jobs::{Jobs, Purpose, Reloader};
use super::keepalive::{Keepalive, Tick};
use super::kernel::Kernel;
use super::life::After;
use super::links::{self, BUS, Links, Whose};
use super::mail::Mail;
use super::monitor::Monitor;
use super::notice::{Cause, DropCause, Notice, Oddity, StartRefusal, Stop, Unanswered};
use super::plant::Plant;
use super::requests::{Asker, Requests};
use super::round::Rounds;
use super::standing::Standing;
use super::state::State;
use super::subscribers::Subscribers;
use super::types::{Generation, NodeFlags, Pnn, RequestId, RunState};
use super::versions::{Running, we_must_go};
use super::wire::{self, Body, Header, Pdu};
use crate::bytes::DecodeError;
use crate::host::{Done, Fact, FileError, Job, LockNews};
use crate::machine::{
    Deadline, Depth, Effect, Endpoint, How, Input, JobId, LinkId, LinkInput, Machine, Outbox, PortId, Why,
};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::timers::Timers;

/// A node of a CTDB cluster.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ctdb {
    pub(super) config: Config,
    pub(super) state: State,
    pub(super) boot: Boot,
    pub(super) links: Links,
    pub(super) keepalive: Keepalive,
    pub(super) requests: Requests,
    pub(super) clients: Clients,
    pub(super) subscribers: Subscribers,
    pub(super) databases: Databases,
    pub(super) kernel: Kernel,
    pub(super) addresses: Addresses,
    pub(super) events: Events<After>,
    pub(super) monitor: Monitor,
    pub(super) standing: Standing,
    pub(super) election: Election,
    pub(super) rounds: Rounds,
    /// Whose START_RECOVERY waits for the name of the leader's cluster lock, by question.
    pub(super) lock_names: Vec<(u32, Option<Asker>)>,
    /// The interfaces as the last local check saw them.
    pub(super) interfaces_seen: Option<Snapshot>,
    /// Whose TAKEOVER_IP made us ban ourselves: answered once the addresses are gone.
    pub(super) conflicts: Vec<Asker>,
    /// Who waits for a take that was under way.
    pub(super) takes: Vec<(IpAddr, Asker)>,
    /// Who waits for a release that was under way: the address, who, and whose it will be.
    pub(super) releases: Vec<(IpAddr, Asker, Option<Pnn>)>,
    /// Announcements that operators asked for.
    pub(super) shouts: VecDeque<Shout>,
    /// The generation whose addresses were last announced as kept.
    pub(super) announced: Generation,
    /// What we say to ourselves.
    pub(super) mail: Mail,
    /// Numbers the gatherings.
    pub(super) serial: u32,
    /// Draws generations.
    pub(super) rng: Rng,
    pub(super) timers: Timers<Wake>,
    pub(super) jobs: Jobs,
    /// The machine has asked to end; nothing is heard any more.
    pub(super) over: bool,
}

/// What the operator's side can say outside the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Order {
    /// Stop in order (SIGTERM).
    Stop,
    /// Read the nodes file again and take it over, if the questions `ctdb reloadnodes` asks of
    /// one node allow it (SIGHUP).
    Reload,
}

/// The exit status of a wrong configuration (`EX_CONFIG`).
pub(super) const EXIT_CONFIG: u8 = 78;
/// The exit status of a node that another version, or its nodes file, drives out.
pub(super) const EXIT_FATAL: u8 = 1;
/// The stream of random numbers that generations are drawn from.
const GENERATIONS: u64 = 1;

pub(super) type Out<'a> = &'a mut Outbox<Ctdb>;

impl Ctdb {
    /// A node that has not started yet. From the seed it draws the generations of its recoveries.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            state: State::new(),
            boot: Boot::Unborn,
            links: Links::default(),
            keepalive: Keepalive::default(),
            requests: Requests::new(),
            clients: Clients::default(),
            subscribers: Subscribers::default(),
            databases: Databases::default(),
            kernel: Kernel::default(),
            addresses: Addresses::default(),
            events: Events::default(),
            monitor: Monitor::new(),
            standing: Standing::default(),
            election: Election::default(),
            rounds: Rounds::default(),
            lock_names: Vec::new(),
            interfaces_seen: None,
            conflicts: Vec::new(),
            takes: Vec::new(),
            releases: Vec::new(),
            shouts: VecDeque::new(),
            announced: Generation::INVALID,
            mail: Mail::new(),
            serial: 0,
            rng: Rng::new(seed, GENERATIONS),
            timers: Timers::new(),
            jobs: Jobs::default(),
            over: false,
        }
    }

    pub(super) fn read_nodes(&mut self, out: Out<'_>, purpose: Purpose) {
        let name = self.config.nodes_file.as_ref().into();
        self.jobs.start(out, purpose, Job::ReadFile { name });
    }

    pub(super) fn exit(&mut self, out: Out<'_>, status: u8) {
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
            // A node that is still starting reads the file anyway.
            Input::Order(Order::Reload) if self.boot != Boot::Done => {}
            Input::Order(Order::Reload) => self.read_nodes(out, Purpose::Reload(Reloader::Beside)),
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
        if let Err(refusal) = boot::load_addresses(read, &self.kernel, &mut self.addresses) {
            out.notice(Notice::StartRefused(refusal));
            return self.exit(out, EXIT_CONFIG);
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
                Wake::BanEnd => self.unban(out),
                Wake::Round => self.round_due(now, out),
                Wake::Broadcast => self.broadcast_due(now, out),
                Wake::LeaderTimeout => self.leader_missed(now, out),
                Wake::Election => self.election_over(now, out),
                Wake::Vote => self.vote(now, out),
                Wake::LockCheck => self.lock_checked(now, out, LockNews::TimedOut),
                // Their absence is what counts.
                Wake::TakeoverRunsOn | Wake::RecoveriesOn => {}
            }
        }
    }

    /// `KeepaliveInterval`, at least a second: an operator who sets 0 must not make us spin.
    pub(super) fn tick_interval(&self) -> Duration {
        self.config.tunables.keepalive_interval().max(Duration::from_secs(1))
    }

    fn keepalive_tick(&mut self, now: Instant, out: Out<'_>) {
        self.timers.set(Wake::Keepalive, now + self.tick_interval());
        let itself = self.config.plants.has(Plant::KeepaliveToSelf);
        let Running { version, uptime } = self.running(now);
        let body = Body::Keepalive(wire::Keepalive { version, uptime });
        let limit = Keepalive::limit(&self.config);
        for pnn in self.state.all() {
            let peer = self.state.is_peer(pnn) || (itself && self.state.is_me(pnn));
            if !peer {
                continue;
            }
            if !self.is_connected(pnn) {
                let heard = self.keepalive.take_heard(pnn);
                if heard && !self.config.fixes.both_links {
                    self.node_connected(out, pnn);
                }
                let tunables = &self.config.tunables;
                let patience = tunables.keepalive_interval().times(tunables.keepalive_limit().into());
                if self.config.fixes.redial_unanswered && self.links.is_unanswered(pnn, now, patience) {
                    self.node_dead(now, out, pnn, Cause::Silence);
                }
                continue;
            }
            match self.keepalive.tick(self.config.plants, limit, pnn) {
                Tick::Dead => {
                    self.node_dead(now, out, pnn, Cause::Silence);
                    continue;
                }
                // One silent interval is only two clocks' phase.
                Tick::Missed(missed) if missed > 1 => {
                    let limit = self.config.tunables.keepalive_limit();
                    out.notice(Notice::KeepaliveMissed { pnn, missed, limit });
                }
                Tick::Missed(_) | Tick::Alive => {}
            }
            if let Some(link) = self.links.outgoing(pnn) {
                let header = self.header(pnn, RequestId(0));
                let mut bytes = out.buffer();
                Pdu { header, body }.encode(&mut bytes);
                out.push(Effect::Send { link, bytes });
            }
        }
    }

    pub(super) fn header(&self, destination: Pnn, reqid: RequestId) -> Header {
        Header { generation: self.state.generation, destination, source: self.state.own(), reqid }
    }

    pub(super) fn running(&self, now: Instant) -> Running {
        let uptime = now.since(self.state.born).as_secs();
        Running { version: self.config.version, uptime: u32::try_from(uptime).unwrap_or(u32::MAX) }
    }

    fn link_event(&mut self, now: Instant, out: Out<'_>, event: links::Event) {
        match event {
            links::Event::Nothing => {}
            links::Event::Both(pnn) => self.node_connected(out, pnn),
            links::Event::LostOut(pnn, why) => self.node_dead(now, out, pnn, Cause::LinkOut(why)),
            links::Event::LostIn(pnn, why) => self.node_dead(now, out, pnn, Cause::LinkIn(why)),
            links::Event::Stranger(from) => out.notice(Notice::StrangerRefused { from }),
            links::Event::Duplicate(pnn) => out.notice(Notice::DuplicateRefused { pnn }),
            links::Event::Unreachable(pnn, why) => out.notice(Notice::DialFailed { pnn, why }),
        }
    }

    fn node_connected(&mut self, out: Out<'_>, pnn: Pnn) {
        let Some(node) = self.state.node_mut(pnn) else { return };
        if !node.is_connected() {
            node.flags.remove(NodeFlags::DISCONNECTED);
            self.keepalive.forget(pnn);
            out.notice(Notice::NodeConnected { pnn });
            self.rounds.changed = true;
        }
    }

    /// A node's links are given up and dialled anew; if it counted as connected, it is dead.
    #[cold]
    pub(super) fn node_dead(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, cause: Cause) {
        self.links.drop_peer(&mut cx!(self, now, out), pnn);
        let me = self.state.is_me(pnn);
        let Some(node) = self.state.node_mut(pnn) else { return };
        if node.is_connected() && !me {
            node.flags |= NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY;
            self.keepalive.forget(pnn);
            out.notice(Notice::NodeDead { pnn, cause });
            if !self.config.plants.has(Plant::PendingNotFailed) {
                for lost in self.requests.take_to(pnn) {
                    self.unanswered(out, lost, Unanswered::Died);
                }
            }
            self.rounds.changed = true;
            self.prompt(now);
        }
        self.links.dial_again(&mut cx!(self, now, out), &self.state, pnn);
    }

    /// Bytes of any link.
    fn bytes(&mut self, now: Instant, out: Out<'_>, link: LinkId, bytes: &[u8]) {
        match self.links.whose(link) {
            Whose::In(pnn) => self.node_bytes(now, out, pnn, link, bytes),
            Whose::Out(pnn) => self.node_dead(now, out, pnn, Cause::WroteOnOurLink),
            Whose::Gone if self.clients.has(link) => self.client_bytes(now, out, link, bytes),
            Whose::Gone => {}
        }
    }

    fn node_bytes(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, link: LinkId, mut bytes: &[u8]) {
        // A packet may cost its sender the link, and us our life.
        while !bytes.is_empty()
            && !self.over
            && let Some(stream) = self.links.stream(&self.config, pnn, link)
        {
            let frame = match stream.next_frame(&mut bytes) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => return self.frame_refused(now, out, pnn, error),
            };
            match Pdu::decode(&frame) {
                Ok(pdu) => self.route(now, out, pnn, &pdu),
                Err(error) => return self.frame_refused(now, out, pnn, error),
            }
        }
    }

    #[cold]
    fn frame_refused(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, error: DecodeError) {
        out.notice(Notice::FrameRefused { pnn, error });
        self.node_dead(now, out, pnn, Cause::BadFrame);
    }

    /// A packet of a node: any is a sign of life, then it goes to its part.
    fn route(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, pdu: &Pdu<'_>) {
        let claims = pdu.header.source;
        if claims != pnn && (self.config.fixes.check_source || !self.state.is_peer(claims)) {
            return liar(out, pnn, claims);
        }
        let pnn = claims;
        self.keepalive.heard(pnn);
        if let Body::Keepalive(keepalive) = &pdu.body {
            self.versions_met(now, out, pnn, *keepalive);
        } else {
            self.route_rare(now, out, pnn, pdu);
        }
    }

    /// Every packet but a sign of life.
    #[inline(never)]
    fn route_rare(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, pdu: &Pdu<'_>) {
        match &pdu.body {
            Body::ControlRequest(request) => {
                let asker = Asker::Node(pnn, pdu.header.reqid);
                self.control(now, out, asker, request);
            }
            Body::ControlReply(reply) => self.answered(now, out, pnn, pdu.header.reqid, reply),
            Body::Message(message) => {
                if let Ok(data) = message.decode_data() {
                    self.message_heard(now, out, &data);
                } else {
                    out.notice(Notice::PacketRefused { pnn, why: Oddity::Message { srvid: message.srvid } });
                }
            }
            Body::Keepalive(_) | Body::Other { .. } => {}
        }
    }

    #[inline]
    fn versions_met(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, theirs: wire::Keepalive) {
        if theirs.version != self.config.version {
            self.versions_clash(now, out, pnn, theirs);
        }
    }

    #[cold]
    fn versions_clash(&mut self, now: Instant, out: Out<'_>, pnn: Pnn, theirs: wire::Keepalive) {
        let wire::Keepalive { version, uptime } = theirs;
        let mixing = self.config.tunables.allow_mixed_versions();
        if we_must_go(self.running(now), Running { version, uptime }, mixing) {
            out.notice(Notice::VersionClash { pnn, version, uptime });
            self.stop(now, out, Stop::Version);
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
            (Purpose::Reload(reloader), Done::Read(read)) => self.reloaded(now, out, reloader, &read),
            (Purpose::ShowNodes(asker), Done::Read(read)) => {
                let file = read.ok().and_then(|text| Nodes::parse(&text).ok());
                let answer = file.map_or(Answer::REFUSED, |file| controls::shown(&file, self.config.port));
                self.reply_if(out, asker, &answer);
            }
            (Purpose::Addresses, Done::Read(read)) => self.addresses_read(now, out, &read),
            (Purpose::ReloadAddresses(asker), Done::Read(read)) => {
                self.addresses_reloaded(out, asker, &read);
            }
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

    fn link(&mut self, now: Instant, out: Out<'_>, link: LinkId, input: LinkInput<'_>) {
        let event = match input {
            LinkInput::Bytes(bytes) => return self.bytes(now, out, link, bytes),
            LinkInput::Opened { .. } => self.links.opened(&mut cx!(self, now, out), link),
            LinkInput::Accepted { port: BUS, from, .. } => match from.ip() {
                Some(from) => self.links.accepted(&mut cx!(self, now, out), &self.state, link, from),
                None => links::Event::Nothing,
            },
            LinkInput::Accepted { .. } => {
                if !self.clients.accepted(link) {
                    out.push(Effect::Close { link, how: How::Orderly });
                }
                links::Event::Nothing
            }
            LinkInput::Drained => links::Event::Nothing,
            LinkInput::Closed(why) => {
                if self.client_gone(now, out, link) {
                    return;
                }
                self.links.closed(&mut cx!(self, now, out), link, why)
            }
        };
        self.link_event(now, out, event);
    }

    #[inline(never)]
    fn check_parts(&self) {
        self.links.check();
        self.addresses.check_invariants(self.state.me);
        let loose = !self.config.fixes.both_links || self.config.plants.has(Plant::OneDirectionEnough);
        for pnn in self.state.all().filter(|&pnn| !loose && self.state.is_peer(pnn)) {
            let links = self.links.has_both(pnn);
            assert!(links || !self.is_connected(pnn), "{pnn} counts as connected without both links");
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

/// A node's packet claims to be another's.
#[cold]
fn liar(out: Out<'_>, pnn: Pnn, claims: Pnn) {
    out.notice(Notice::PacketRefused { pnn, why: Oddity::Liar { claims } });
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
