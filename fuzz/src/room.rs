//! A room with a few machines in it, their clients, and somebody between them who changes what
//! passes. Nothing is lost here and nothing takes long but by a deed.
//!
//! Whatever is heard: no machine panics, spins or goes round in circles, each keeps its
//! invariants, and none has an own fault to report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use standin_core::host::{AddressError, Done, Fact, FileError, Job, LockNews, Placed, ScriptEnd};
use standin_core::machine::{
    Depth, Effect, Endpoint, Input, JobId, Level, LinkId, LinkInput, Machine, Noticed, Outbox, PortId, Why,
};
use standin_core::time::Instant;

/// How long bytes travel, and how long a job takes.
const LATENCY_US: u64 = 100;
const JOB_US: u64 = 1_000;
/// So many inputs at one instant are a loop.
const INPUTS_MAX: u32 = 20_000;
/// Where clients sit: beyond all hosts.
const OUTSIDE: usize = usize::MAX;
/// The time of day in the beginning.
const TODAY: i64 = 1_795_293_000_000_000;

/// A machine in a computer's words.
pub(crate) trait Resident: Machine<Job = Job, Done = Done, Fact = Fact> {}
impl<M: Machine<Job = Job, Done = Done, Fact = Fact>> Resident for M {}

/// A host's end of a link.
type End = (usize, LinkId);

/// What is done to the next bytes between two that it fits; says whether it did.
type Twist = Rc<dyn Fn(&mut Vec<u8>) -> bool>;

#[derive(Clone)]
enum Due<M: Resident> {
    Wake,
    Port(PortId, Endpoint),
    Link(LinkId, LinkInput<'static>),
    Bytes(LinkId, Vec<u8>),
    Work(JobId, Job),
    Fact(Fact),
    Order(M::Order),
}

#[derive(Clone)]
struct Host<M> {
    machine: Option<M>,
    files: BTreeMap<String, Vec<u8>>,
    kernel: BTreeSet<Placed>,
    ports: BTreeMap<PortId, Endpoint>,
}

/// The room.
#[derive(Clone)]
pub(crate) struct Room<M: Resident> {
    now: u64,
    hosts: Vec<Host<M>>,
    queue: BTreeMap<(u64, u64), (usize, Due<M>)>,
    order: u64,
    pipes: BTreeMap<End, End>,
    /// Ends that are about to learn that their link is no more.
    closing: BTreeSet<End>,
    accepted: u64,
    lock: Option<(usize, JobId)>,
    twists: Vec<(usize, usize, Twist)>,
    /// What each client was told and nobody has read yet, by its end.
    heard: BTreeMap<LinkId, Vec<u8>>,
    out: Outbox<M>,
}

/// Somebody who is no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(LinkId);

impl<M: Resident> Room<M> {
    /// Nobody is in it.
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            hosts: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            pipes: BTreeMap::new(),
            closing: BTreeSet::new(),
            accepted: 1,
            lock: None,
            twists: Vec::new(),
            heard: BTreeMap::new(),
            out: Outbox::new(),
        }
    }

    /// The address of a host.
    pub(crate) fn address(host: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, host as u8 + 1))
    }

    /// A host with these files, whose machine starts now.
    pub(crate) fn add(&mut self, machine: M, files: &[(&str, &str)]) {
        let host = self.hosts.len();
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        let (kernel, ports) = (BTreeSet::new(), BTreeMap::new());
        self.hosts.push(Host { machine: Some(machine), files, kernel, ports });
        self.post(0, host, Due::Wake);
        let up = |name: &str, index| Fact::Interface { name: name.into(), index, up: true };
        let own = Placed { interface: "eth0".into(), address: Self::address(host), prefix: 24 };
        for fact in [
            Fact::TimeOfDay { offset: TODAY },
            up("eth0", 1),
            up("eth1", 2),
            up("lo", 3),
            Fact::Appeared(own),
        ] {
            self.fact(host, fact);
        }
    }

    /// A host's machine, if it runs.
    pub(crate) fn machine(&self, host: usize) -> Option<&M> {
        self.hosts[host].machine.as_ref()
    }

    /// A host observes something.
    pub(crate) fn fact(&mut self, host: usize, fact: Fact) {
        self.post(0, host, Due::Fact(fact));
    }

    /// Somebody edits a host's file.
    pub(crate) fn edit(&mut self, host: usize, name: &str, content: &[u8]) {
        self.hosts[host].files.insert(name.to_owned(), content.to_vec());
    }

    /// The operator's side speaks.
    pub(crate) fn order(&mut self, host: usize, order: M::Order) {
        self.post(0, host, Due::Order(order));
    }

    /// Somebody connects to a port of a host.
    pub(crate) fn client(&mut self, host: usize, port: PortId) -> Client {
        let link = LinkId(self.accepted + 1);
        self.connect((OUTSIDE, link), host, port);
        Client(link)
    }

    /// Whether a client is still heard.
    pub(crate) fn is_open(&self, client: Client) -> bool {
        self.pipes.contains_key(&(OUTSIDE, client.0))
    }

    /// A client says something.
    pub(crate) fn say(&mut self, client: Client, bytes: &[u8]) {
        if let Some(&(host, link)) = self.pipes.get(&(OUTSIDE, client.0)) {
            self.post(LATENCY_US, host, Due::Bytes(link, bytes.to_vec()));
        }
    }

    /// A client goes.
    pub(crate) fn hang_up(&mut self, client: Client) {
        self.close((OUTSIDE, client.0));
    }

    /// What a client was told since the last time.
    pub(crate) fn hear(&mut self, client: Client) -> Vec<u8> {
        self.heard.remove(&client.0).unwrap_or_default()
    }

    /// Bytes that a host never sent, on every stream that it opened to another, or that the other
    /// opened to it.
    pub(crate) fn speak_as(&mut self, from: usize, to: usize, dialled: bool, bytes: &[u8]) {
        let streams = self.pipes.iter().filter(|(here, there)| here.0 == from && there.0 == to);
        let links: Vec<LinkId> = streams
            .filter(|(here, _)| here.1.0.is_multiple_of(2) == dialled)
            .map(|(_, there)| there.1)
            .collect();
        for link in links {
            self.post(LATENCY_US, to, Due::Bytes(link, bytes.to_vec()));
        }
    }

    /// Every stream between two breaks.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        let between = self.pipes.iter().filter(|(here, there)| here.0 == one && there.0 == other);
        let ends: Vec<(End, End)> = between.map(|(here, there)| (*here, *there)).collect();
        for (here, there) in ends {
            self.pipes.remove(&here);
            self.pipes.remove(&there);
            self.closed(here, Why::Reset);
            self.closed(there, Why::Reset);
        }
    }

    /// The next bytes from one to another that `twist` fits are changed by it.
    pub(crate) fn twist(&mut self, from: usize, to: usize, twist: impl Fn(&mut Vec<u8>) -> bool + 'static) {
        self.twists.push((from, to, Rc::new(twist)));
    }

    /// Goes on for so many microseconds.
    pub(crate) fn run(&mut self, us: u64) {
        let end = self.now + us;
        let (mut at, mut inputs) = (self.now, 0);
        while let Some(next) = self.next().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            inputs = if self.now == at { inputs + 1 } else { 0 };
            at = self.now;
            assert!(inputs < INPUTS_MAX, "something goes round in circles at {at} us");
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<u64> {
        let queued = self.queue.first_key_value().map(|(&(at, _), _)| at);
        let wakes = self.hosts.iter().filter_map(|host| host.machine.as_ref()?.next_deadline());
        wakes.map(|wake| wake.at.0).chain(queued).min()
    }

    /// The earliest thing happens: what is queued before what is due at the same time.
    fn step(&mut self) {
        if let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= self.now) {
            let (host, due) = first.remove();
            return self.deliver(host, due);
        }
        for host in 0..self.hosts.len() {
            let next = |room: &Self| room.machine(host).and_then(Machine::next_deadline);
            if next(self).is_some_and(|next| next.at.0 <= self.now) {
                self.feed(host, Input::Wake);
                if let Some(still) = next(self).filter(|next| next.at.0 <= self.now) {
                    panic!("host {host} spins: {}", still.why);
                }
                return;
            }
        }
    }

    fn post(&mut self, delay: u64, host: usize, due: Due<M>) {
        self.order += 1;
        self.queue.insert((self.now + delay, self.order), (host, due));
    }

    fn deliver(&mut self, host: usize, due: Due<M>) {
        if host == OUTSIDE {
            if let Due::Bytes(link, bytes) = due {
                self.heard.entry(link).or_default().extend(bytes);
            }
            return;
        }
        match due {
            Due::Wake => self.feed(host, Input::Wake),
            Due::Port(port, endpoint) => self.feed(host, Input::Port(port, Ok(endpoint))),
            Due::Fact(fact) => self.feed(host, Input::Fact(fact)),
            Due::Order(order) => self.feed(host, Input::Order(order)),
            Due::Work(job, work) => self.work(host, job, work),
            Due::Link(link, input @ LinkInput::Closed(_)) => {
                if self.closing.remove(&(host, link)) {
                    self.feed(host, Input::Link(link, input));
                }
            }
            Due::Link(link, input) if self.pipes.contains_key(&(host, link)) => {
                self.feed(host, Input::Link(link, input));
            }
            Due::Bytes(link, bytes) if self.pipes.contains_key(&(host, link)) => {
                self.feed(host, Input::Link(link, LinkInput::Bytes(&bytes)));
            }
            Due::Link(..) | Due::Bytes(..) => {}
        }
    }

    fn feed(&mut self, host: usize, input: Input<'_, M>) {
        let Some(machine) = &mut self.hosts[host].machine else { return };
        machine.handle(Instant(self.now), input, &mut self.out);
        let effects = self.out.take();
        let noticed = effects.iter().any(|effect| matches!(effect, Effect::Notice(_)));
        machine.check(if noticed { Depth::Whole } else { Depth::Quick });
        for effect in effects {
            self.carry_out(host, effect);
        }
    }

    fn carry_out(&mut self, host: usize, effect: Effect<M>) {
        match effect {
            Effect::Listen { port, on } => {
                self.hosts[host].ports.insert(port, on.clone());
                self.post(0, host, Due::Port(port, on));
            }
            Effect::Unlisten { port } => drop(self.hosts[host].ports.remove(&port)),
            Effect::Dial { link, to, .. } => self.dial((host, link), to),
            Effect::Send { link, bytes } => self.send((host, link), bytes),
            Effect::Close { link, .. } => {
                self.closing.remove(&(host, link));
                self.close((host, link));
            }
            Effect::Start { job, what } => self.post(JOB_US, host, Due::Work(job, what)),
            Effect::Cancel { job } => {
                self.lock.take_if(|held| *held == (host, job));
                let is_it = |due: &Due<M>| matches!(due, Due::Work(held, _) if *held == job);
                self.queue.retain(|_, (at, due)| !(*at == host && is_it(due)));
            }
            Effect::Notice(notice) => {
                assert!(notice.level() < Level::Error, "its own fault: {notice}");
                let _ = notice.to_string();
                notice.words(&mut |_| {});
            }
            Effect::Exit { .. } => {
                let ends: Vec<_> = self.pipes.keys().filter(|end| end.0 == host).copied().collect();
                ends.into_iter().for_each(|end| self.close(end));
                self.hosts[host].machine = None;
                self.hosts[host].ports.clear();
            }
        }
    }

    fn dial(&mut self, from: End, to: SocketAddr) {
        let there = (0..self.hosts.len()).find(|&host| Self::address(host) == to.ip());
        let port = there.and_then(|there| {
            let is_it = |on: &Endpoint| matches!(on, Endpoint::Tcp(on) if on.port() == to.port());
            let mut ports = self.hosts[there].ports.iter();
            ports.find_map(|(port, on)| is_it(on).then_some((there, *port)))
        });
        match port {
            Some((there, port)) => self.connect(from, there, port),
            None => self.closed(from, Why::Refused),
        }
    }

    /// A link from one end to a port of a host, open at both ends after its latency.
    fn connect(&mut self, from: End, to: usize, port: PortId) {
        let other = (to, LinkId(self.accepted));
        self.accepted += 2;
        self.pipes.insert(from, other);
        self.pipes.insert(other, from);
        let end = |host: usize, number| match self.hosts[to].ports.get(&port) {
            Some(Endpoint::Unix(_)) => Endpoint::Unix("".into()),
            _ if host == OUTSIDE => Endpoint::Tcp(SocketAddr::new([10, 9, 0, 1].into(), number)),
            _ => Endpoint::Tcp(SocketAddr::new(Self::address(host), number)),
        };
        let (here, there) = (end(from.0, 40_000), end(to, 4_379));
        let peer_pid = matches!(here, Endpoint::Unix(_)).then_some(4_711);
        let accepted = LinkInput::Accepted { port, from: here.clone(), local: there, peer_pid };
        self.post(LATENCY_US, from.0, Due::Link(from.1, LinkInput::Opened { local: here }));
        self.post(LATENCY_US, to, Due::Link(other.1, accepted));
    }

    fn send(&mut self, from: End, mut bytes: Vec<u8>) {
        let Some(&(to, link)) = self.pipes.get(&from) else { return };
        let fits = |&(one, other, ref twist): &(usize, usize, Twist)| {
            (one, other) == (from.0, to) && twist(&mut bytes)
        };
        if let Some(at) = self.twists.iter().position(fits) {
            self.twists.remove(at);
        }
        if !bytes.is_empty() {
            self.post(LATENCY_US, to, Due::Bytes(link, bytes));
        }
    }

    fn close(&mut self, end: End) {
        if let Some(other) = self.pipes.remove(&end) {
            self.pipes.remove(&other);
            self.closed(other, Why::Eof);
        }
    }

    fn closed(&mut self, end: End, why: Why) {
        self.closing.insert(end);
        self.post(LATENCY_US, end.0, Due::Link(end.1, LinkInput::Closed(why)));
    }

    /// A job's time is over.
    fn work(&mut self, host: usize, job: JobId, work: Job) {
        let mut fact = None;
        let at = &mut self.hosts[host];
        let unchanged = Done::Address(Err(AddressError::Unchanged));
        let done = match work {
            Job::ReadFile { name } => Done::Read(at.files.get(&name).cloned().ok_or(FileError::Missing)),
            Job::WriteFile { name, content } => {
                at.files.insert(name, content);
                Done::Wrote(Ok(()))
            }
            Job::KeepSettings { .. } => Done::Kept(Ok(())),
            Job::ListScripts { .. } => Done::Scripts(Ok(Vec::new())),
            Job::RunScript { .. } => Done::Script(ScriptEnd::Ok),
            Job::Announce { .. } | Job::Tickle { .. } => Done::Announced,
            Job::AddAddress(placed) if at.kernel.insert(placed.clone()) => {
                fact = Some(Fact::Appeared(placed));
                Done::Address(Ok(()))
            }
            Job::DropAddress(placed) if at.kernel.remove(&placed) => {
                fact = Some(Fact::Vanished(placed));
                Done::Address(Ok(()))
            }
            Job::AddAddress(_) | Job::DropAddress(_) => unchanged,
            Job::HoldLock { .. } => {
                let is_free = self.lock.is_none();
                self.lock.get_or_insert((host, job));
                Done::Lock(if is_free { LockNews::Held } else { LockNews::Busy })
            }
        };
        if let Some(fact) = fact {
            self.feed(host, Input::Fact(fact));
        }
        self.feed(host, Input::Job(job, done));
    }

    /// Looks into every machine.
    pub(crate) fn check(&self) {
        self.hosts
            .iter()
            .filter_map(|host| host.machine.as_ref())
            .for_each(|machine| machine.check(Depth::Whole));
    }
}

impl<M: Resident> fmt::Debug for Room<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a room of {} at {} us", self.hosts.len(), self.now)
    }
}
