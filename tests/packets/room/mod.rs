//! A room with a few machines in it: one virtual clock, links that deliver everything after
//! 100 µs, hosts whose jobs take a millisecond. Nothing fails here unless a rule says so, and all
//! that crosses a wire is written down.
//!
//! The simulator is the place for bad luck; this is the place for one exact sequence of packets.

pub(crate) mod client;
pub(crate) mod host;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::net::IpAddr;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::config::Config;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Generation, NodeFlags, Pnn, RecoveryMode, RunState};
use standin_core::host::{Done, Fact, Job, LockNews, Placed};
use standin_core::machine::{
    Depth, Effect, Endpoint, Input, JobId, LinkId, LinkInput, Machine, Outbox, PortId, Why,
};
use standin_core::time::Instant;

use self::client::Inbox;
use self::host::Host;
use self::wire::{During, Rule, Said};

/// How long bytes travel.
const LATENCY_US: u64 = 100;
/// How long a job takes.
const JOB_US: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000_000;
/// So many inputs at one instant are a loop.
const INPUTS_MAX: u32 = 10_000;

/// A host's end of a link.
type End = (usize, LinkId);

/// What an end is connected to.
#[derive(Clone, Copy)]
struct Pipe {
    other: End,
    port: PortId,
    /// This is the end that dialled.
    dialled: bool,
}

/// What is on its way to a host.
#[derive(Clone)]
enum Due {
    Wake,
    Port(PortId, Endpoint),
    Link(LinkId, LinkInput<'static>),
    Bytes(LinkId, Vec<u8>),
    Work(JobId, Job),
    Fact(Fact),
}

#[derive(Clone)]
pub(crate) struct Room {
    /// Microseconds since the room was opened; also every host's clock.
    pub(crate) now: u64,
    pub(crate) hosts: Vec<Host>,
    /// What the machines noticed: when, who, what.
    pub(crate) notices: Vec<(u64, Pnn, Notice)>,
    /// Every control and message between nodes.
    pub(crate) said: Vec<Said>,
    /// Every answer between nodes as it arrived: at whom, and its bytes.
    pub(crate) answers: Vec<(u32, Vec<u8>)>,
    /// Clients talk nonsense, which nodes pass on.
    pub(crate) nonsense: bool,
    /// How much later than the other end who dials hears that a link is open, in microseconds.
    pub(crate) opens_late: u64,
    rules: Vec<Rule>,
    during: Option<During>,
    queue: BTreeMap<(u64, u64), (usize, Due)>,
    /// Numbers events, so that those of one instant keep their order.
    order: u64,
    pipes: BTreeMap<End, Pipe>,
    accepted: u64,
    lock: Option<(usize, JobId)>,
    inbox: Inbox,
    out: Outbox<Ctdb>,
}

impl Room {
    /// A room of `machines` nodes that start now, after `scripted` ones that the test plays. Each
    /// serves `public`, lines of the public addresses file.
    pub(crate) fn open(scripted: u32, machines: u32, public: &str, config: &Config) -> Self {
        let configs = vec![config.clone(); (scripted + machines) as usize];
        Self::open_each(scripted, public, &configs)
    }

    /// The same, each node configured for itself.
    pub(crate) fn open_each(scripted: u32, public: &str, configs: &[Config]) -> Self {
        let count = configs.len() as u32;
        let nodes: String = (0..count).map(|pnn| format!("{}\n", Host::node_address(pnn))).collect();
        let mut room = Self {
            now: 0,
            hosts: Vec::new(),
            notices: Vec::new(),
            said: Vec::new(),
            answers: Vec::new(),
            nonsense: false,
            opens_late: 0,
            rules: Vec::new(),
            during: None,
            queue: BTreeMap::new(),
            order: 0,
            pipes: BTreeMap::new(),
            accepted: 1,
            lock: None,
            inbox: Inbox::default(),
            out: Outbox::new(),
        };
        for (pnn, config) in (0..count).zip(configs) {
            let config = Config { listen: Some(Host::node_address(pnn)), ..config.clone() };
            let machine = (pnn >= scripted).then(|| Box::new(Ctdb::new(config, u64::from(pnn) + 7)));
            room.hosts.push(Host::new(machine, &nodes, public));
            if pnn >= scripted {
                room.post(0, pnn as usize, Due::Wake);
                for fact in Host::facts(pnn) {
                    room.post(0, pnn as usize, Due::Fact(fact));
                }
            }
        }
        room
    }

    /// Three nodes, long enough after their start to serve four addresses.
    pub(crate) fn settled(config: &Config) -> Self {
        Self::settled_with(FOUR, config)
    }

    /// The same with other addresses.
    pub(crate) fn settled_with(public: &str, config: &Config) -> Self {
        let mut room = Self::open(0, 3, public, config);
        room.run(45 * SECOND);
        room.assert_settled();
        room
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

    /// Goes on until something holds, at most so many microseconds; says whether it does.
    pub(crate) fn run_until(&mut self, us: u64, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + us;
        while !holds(self) && self.now < end {
            self.run(SECOND / 100);
        }
        holds(self)
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
        let is_due = |host: &Host| {
            let next = host.machine.as_ref().and_then(|machine| machine.next_deadline());
            next.is_some_and(|next| next.at.0 <= self.now)
        };
        let host = self.hosts.iter().position(is_due).expect("somebody is due");
        self.feed(host, Input::Wake);
    }

    fn post(&mut self, delay: u64, host: usize, due: Due) {
        self.order += 1;
        self.queue.insert((self.now + delay, self.order), (host, due));
    }

    fn deliver(&mut self, host: usize, due: Due) {
        match due {
            Due::Wake => self.feed(host, Input::Wake),
            Due::Port(port, endpoint) => self.feed(host, Input::Port(port, Ok(endpoint))),
            Due::Fact(fact) => self.feed(host, Input::Fact(fact)),
            Due::Work(job, work) => self.work(host, job, work),
            Due::Link(link, LinkInput::Closed(why)) => {
                self.pipes.remove(&(host, link));
                self.feed(host, Input::Link(link, LinkInput::Closed(why)));
            }
            Due::Link(link, input) => self.feed(host, Input::Link(link, input)),
            Due::Bytes(link, bytes) if self.pipes.contains_key(&(host, link)) => {
                self.note_reply(host, &bytes);
                match &mut self.hosts[host].machine {
                    Some(_) => self.feed(host, Input::Link(link, LinkInput::Bytes(&bytes))),
                    None => self.hosts[host].heard.push(bytes),
                }
            }
            Due::Bytes(..) => {}
        }
    }

    fn feed(&mut self, host: usize, input: Input<'_, Ctdb>) {
        let Some(machine) = self.hosts.get_mut(host).and_then(|host| host.machine.as_mut()) else { return };
        machine.handle(Instant(self.now), input, &mut self.out);
        machine.check(Depth::Whole);
        for effect in self.out.take() {
            self.carry_out(host, effect);
        }
    }

    fn carry_out(&mut self, host: usize, effect: Effect<Ctdb>) {
        match effect {
            Effect::Listen { port, on } => self.post(0, host, Due::Port(port, on)),
            Effect::Unlisten { .. } => {}
            Effect::Dial { link, to, .. } => {
                let there =
                    self.hosts.iter().zip(0..).position(|(_, pnn)| Host::node_address(pnn) == to.ip());
                self.connect((host, link), there.expect("every node has a host"), PortId(0));
            }
            Effect::Send { link, bytes } => self.send((host, link), bytes),
            Effect::Close { link, .. } => self.close((host, link)),
            Effect::Start { job, what } => {
                let delay = self.hosts[host].delay(&what);
                self.post(delay, host, Due::Work(job, what));
            }
            Effect::Cancel { job } => {
                self.lock.take_if(|held| *held == (host, job));
                self.queue.retain(|_, (at, due)| !(*at == host && is_work(due, job)));
            }
            Effect::Notice(notice) => {
                self.note_stage(&notice);
                self.notices.push((self.now, Pnn(host as u32), notice));
            }
            Effect::Exit { .. } => {
                let ends: Vec<_> = self.pipes.keys().filter(|end| end.0 == host).copied().collect();
                ends.into_iter().for_each(|end| self.close(end));
                self.hosts[host].machine = None;
            }
        }
    }

    /// A link from one end to a port of a host, open at both ends after its latency.
    fn connect(&mut self, from: End, to: usize, port: PortId) {
        let other = (to, LinkId(self.accepted));
        self.accepted += 2;
        self.pipes.insert(from, Pipe { other, port, dialled: true });
        self.pipes.insert(other, Pipe { other: from, port, dialled: false });
        let end = |host: usize| match port {
            PortId(0) => Endpoint::Tcp((Host::node_address(host as u32), 4379).into()),
            _ => Endpoint::Unix("".into()),
        };
        let (here, there) = (end(from.0), end(to));
        let accepted =
            LinkInput::Accepted { port, from: here.clone(), local: there, peer_pid: Some(from.0 as u32 + 1) };
        let opened = Due::Link(from.1, LinkInput::Opened { local: here });
        self.post(LATENCY_US + self.opens_late, from.0, opened);
        self.post(LATENCY_US, to, Due::Link(other.1, accepted));
    }

    fn close(&mut self, end: End) {
        if let Some(pipe) = self.pipes.remove(&end) {
            let closed = Due::Link(pipe.other.1, LinkInput::Closed(Why::Eof));
            self.post(LATENCY_US, pipe.other.0, closed);
        }
    }

    /// A job's time is over.
    fn work(&mut self, host: usize, job: JobId, work: Job) {
        let done = if let Job::HoldLock { .. } = work {
            let is_free = self.lock.is_none();
            self.lock.get_or_insert((host, job));
            Done::Lock(if is_free { LockNews::Held } else { LockNews::Busy })
        } else {
            let (fact, done) = self.hosts[host].perform(work);
            if let Some(fact) = fact {
                self.feed(host, Input::Fact(fact));
            }
            done
        };
        self.feed(host, Input::Job(job, done));
    }

    /// Somebody puts an address on a host's eth1 by hand.
    pub(crate) fn put_by_hand(&mut self, pnn: u32, address: IpAddr) {
        let placed = Placed { interface: "eth1".into(), address, prefix: 24 };
        let fact = self.hosts[pnn as usize].put(placed);
        self.post(0, pnn as usize, Due::Fact(fact));
    }

    /// What a node's machine is, if it runs.
    pub(crate) fn machine(&self, pnn: u32) -> &Ctdb {
        self.hosts[pnn as usize].machine.as_ref().expect("it runs")
    }

    /// The one that all follow.
    pub(crate) fn leader(&self) -> Pnn {
        let leader = self.machine(self.hosts.len() as u32 - 1).leader();
        leader.expect("somebody leads")
    }

    /// Everybody is as well as can be: one leader, one generation, everything served once.
    pub(crate) fn assert_settled(&self) {
        let generation = self.machine(0).generation();
        assert_ne!(generation, Generation::INVALID);
        for pnn in 0..self.hosts.len() as u32 {
            let machine = self.machine(pnn);
            assert_eq!(machine.recovery_mode(), RecoveryMode::Normal, "n{pnn}");
            assert_eq!(machine.runstate(), RunState::Running, "n{pnn}");
            assert_eq!(machine.generation(), generation, "n{pnn}");
            assert_eq!(machine.leader(), Some(self.leader()), "n{pnn}");
            for other in 0..self.hosts.len() as u32 {
                assert_eq!(machine.flags(Pnn(other)), Some(NodeFlags::empty()), "n{other} as n{pnn} sees it");
            }
            for held in machine.public_addresses() {
                let holders: Vec<_> = (0..)
                    .zip(&self.hosts)
                    .filter(|(_, host)| host.has(held.address))
                    .map(|(pnn, _)| pnn)
                    .collect();
                assert_eq!(holders.len(), 1, "{} is at {holders:?}", held.address);
                assert_eq!(held.holder, Some(Pnn(holders[0])), "{} as n{pnn} sees it", held.address);
            }
        }
        self.assert_served_once();
    }

    /// No address is at two hosts.
    pub(crate) fn assert_served_once(&self) {
        let mut seen = BTreeMap::new();
        for (pnn, host) in self.hosts.iter().enumerate() {
            for address in host.served() {
                assert_eq!(seen.insert(address, pnn), None, "{address} is also at n{pnn}");
            }
        }
    }
}

/// Four public addresses.
pub(crate) const FOUR: &str = "10.1.0.1/24 eth1\n10.1.0.2/24 eth1\n10.1.0.3/24 eth1\n10.1.0.4/24 eth1\n";

fn is_work(due: &Due, job: JobId) -> bool {
    matches!(due, Due::Work(held, _) if *held == job)
}
