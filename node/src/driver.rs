//! Inputs in, effects out: executes what a machine asks, and decides nothing.
//!
//! One turn: an input, then every effect it had, in order. Whatever finishes later (a link's
//! bytes, a job's answer, a fact) comes back as a later input.

use std::fmt;

use standin_core::machine::{Depth, Effect, Endpoint, Input, JobId, LinkInput, Machine, Outbox, PortId, Why};
use standin_core::time::{Duration, Instant};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::links::{Heard, Links};
use crate::streams::Connected as _;
use crate::streams::Handshake;
use crate::streams::room::Caller;

/// Work beside links and time: the machine's jobs.
pub trait Hands<M: Machine> {
    /// Begins a job; its answers are [`News::Job`].
    fn start(&mut self, job: JobId, what: M::Job);
    /// Ends a job; what it says afterwards is not heard.
    fn cancel(&mut self, job: JobId);
    /// Whether an answer counts: its job is under way. The last one ends it.
    fn counts(&mut self, job: JobId, done: &M::Done) -> bool;
    /// Something worth a line happened.
    fn noticed(&mut self, machine: &M, notice: &M::Notice);
    /// How long somebody who dialled `port` just now may be silent before our kernel asks whether he
    /// is there, who is given up after as long again; if `None`, it asks after two hours.
    fn patience(&self, machine: &M, port: PortId) -> Option<std::time::Duration> {
        let _ = (machine, port);
        None
    }
    /// Who dials a port that listens on `on`.
    fn caller(&self, port: PortId, on: &Endpoint) -> Caller {
        let _ = (port, on);
        Caller::Client
    }
    /// The TLS that a port speaks; none: none.
    fn tls_of(&self, port: PortId) -> Option<Handshake> {
        let _ = port;
        None
    }
    /// The TLS that whom we dial speaks; none: none.
    fn tls_to_dial(&self) -> Option<Handshake> {
        None
    }
    /// The effects of an input are done.
    fn turned(&mut self, machine: &M) {
        let _ = machine;
    }
    /// The machine has ended.
    fn ended(&mut self) {}
}

/// What comes from beside the links.
#[derive(Debug)]
pub enum News<M: Machine> {
    /// A job's answer.
    Job(JobId, M::Done),
    /// The operator's side speaks.
    Order(M::Order),
}

/// Facts of time, in the machine's words.
pub trait Times<M: Machine> {
    /// The time of day, as [`Clock::offset`] has it.
    fn time_of_day(&self, offset: i64) -> M::Fact;
    /// The host was suspended.
    fn woke(&self, slept: Duration) -> M::Fact;
}

/// A wake this late means that we stood still: what waits on the links comes first, so that our
/// own silence is not taken for that of our peers.
const LATE: Duration = Duration::from_millis(200);
/// How often the others may run before such a wake, and how much is heard before it.
const YIELDS: u32 = 32;
const HEARD_FIRST: u32 = 4096;
/// How often somebody looks whether the clock was set.
const CLOCK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// Drives one machine.
pub struct Driver<M: Machine, H> {
    machine: M,
    hands: H,
    clock: Clock,
    links: Links,
    heard: mpsc::Receiver<Heard>,
    facts: mpsc::UnboundedReceiver<M::Fact>,
    news: mpsc::UnboundedReceiver<News<M>>,
    out: Outbox<M>,
    now: Instant,
    status: Option<u8>,
}

impl<M: Machine, H> fmt::Debug for Driver<M, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("now", &self.now).finish_non_exhaustive()
    }
}

impl<M: Machine, H: Hands<M> + Times<M>> Driver<M, H> {
    /// A machine that has not been woken yet. Must be made and run inside a `LocalSet`, or
    /// on a node of madsim.
    #[must_use]
    pub fn new(
        machine: M,
        hands: H,
        clock: Clock,
        facts: mpsc::UnboundedReceiver<M::Fact>,
        news: mpsc::UnboundedReceiver<News<M>>,
    ) -> Self {
        let (links, heard) = Links::new();
        let now = clock.now();
        Self { machine, hands, clock, links, heard, facts, news, out: Outbox::new(), now, status: None }
    }

    /// Runs the machine to its end; its exit status.
    ///
    /// The facts that wait already are told right after its birth, before anything else. Later
    /// ones are told before any news that comes after them.
    pub async fn run(mut self) -> u8 {
        self.input(Input::Wake);
        let offset = self.clock.offset();
        self.input(Input::Fact(self.hands.time_of_day(offset)));
        self.observe();
        let mut looks = tokio::time::interval(CLOCK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while self.status.is_none() {
            let due = self.machine.next_deadline().map(|deadline| deadline.at);
            tokio::select! {
                heard = self.heard.recv() => if let Some(heard) = heard { self.hear(heard) },
                Some(fact) = self.facts.recv() => self.input(Input::Fact(fact)),
                news = self.news.recv() => if let Some(news) = news {
                    self.observe();
                    self.learn(news);
                },
                () = until(self.clock, due) => self.wake(due).await,
                _ = looks.tick() => self.look_at_the_clock(),
            }
        }
        self.hands.ended();
        self.links.close_all();
        // What was queued in order is still written.
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
        }
        self.status.unwrap_or_default()
    }

    fn observe(&mut self) {
        while self.status.is_none()
            && let Ok(fact) = self.facts.try_recv()
        {
            self.input(Input::Fact(fact));
        }
    }

    async fn wake(&mut self, due: Option<Instant>) {
        let late = due.is_some_and(|due| self.clock.now().since(due) >= LATE);
        if late {
            self.look_at_the_clock();
            let mut left = HEARD_FIRST;
            for _ in 0..YIELDS {
                tokio::task::yield_now().await;
                while left > 0
                    && self.status.is_none()
                    && let Ok(heard) = self.heard.try_recv()
                {
                    left -= 1;
                    self.hear(heard);
                }
            }
        }
        if self.status.is_none() {
            self.input(Input::Wake);
        }
    }

    fn look_at_the_clock(&mut self) {
        if let Some(slept) = self.clock.woke() {
            self.input(Input::Fact(self.hands.woke(slept)));
        }
        if let Some(offset) = self.clock.set_by_somebody() {
            self.input(Input::Fact(self.hands.time_of_day(offset)));
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Opened(link, stream) => {
                let local = stream.local();
                if self.links.opened(link, stream) {
                    self.input(Input::Link(link, LinkInput::Opened { local }));
                }
            }
            Heard::Accepted(port, stream, from) => {
                let local = stream.local();
                let peer_pid = stream.peer_pid();
                let link = self.links.accept(stream, self.hands.patience(&self.machine, port));
                self.input(Input::Link(link, LinkInput::Accepted { port, from, local, peer_pid }));
            }
            Heard::Bytes(link, bytes) => {
                if self.links.has(link) {
                    self.input(Input::Link(link, LinkInput::Bytes(&bytes)));
                }
            }
            Heard::Drained(link) => {
                if self.links.has(link) {
                    self.input(Input::Link(link, LinkInput::Drained));
                }
            }
            Heard::Closed(link, why) => {
                if self.links.has(link) {
                    self.links.ended(link);
                    self.input(Input::Link(link, LinkInput::Closed(why)));
                }
            }
        }
    }

    fn learn(&mut self, news: News<M>) {
        match news {
            News::Job(job, done) => {
                if self.hands.counts(job, &done) {
                    self.input(Input::Job(job, done));
                }
            }
            News::Order(order) => self.input(Input::Order(order)),
        }
    }

    /// One turn, and those that follow from effects that fail at once.
    fn input(&mut self, input: Input<'_, M>) {
        self.now = self.now.max(self.clock.now());
        self.machine.handle(self.now, input, &mut self.out);
        let mut later = self.effects();
        while let Some(follows) = later.pop() {
            if self.status.is_some() {
                return;
            }
            self.machine.handle(self.now, follows, &mut self.out);
            later.extend(self.effects());
        }
        self.hands.turned(&self.machine);
    }

    fn effects(&mut self) -> Vec<Input<'static, M>> {
        let mut follows = Vec::new();
        let mut noticed = false;
        let mut effects = self.out.take();
        for effect in effects.drain(..) {
            match effect {
                Effect::Listen { port, on } => {
                    let caller = self.hands.caller(port, &on);
                    follows.push(Input::Port(
                        port,
                        self.links.listen(port, &on, caller, self.hands.tls_of(port)),
                    ));
                }
                Effect::Unlisten { port } => self.links.unlisten(port),
                Effect::Dial { link, from, to } => self.links.dial(link, from, to, self.hands.tls_to_dial()),
                Effect::Send { link, bytes } => {
                    if !self.links.send(link, bytes) {
                        tracing::warn!(link = link.0, "a peer does not read: its link is given up");
                        follows.push(Input::Link(link, LinkInput::Closed(Why::Overflow)));
                    }
                }
                Effect::Close { link, how } => self.links.close(link, how),
                Effect::Start { job, what } => self.hands.start(job, what),
                Effect::Cancel { job } => self.hands.cancel(job),
                Effect::Notice(notice) => {
                    noticed = true;
                    self.hands.noticed(&self.machine, &notice);
                }
                Effect::Exit { status } => self.status = Some(status),
            }
        }
        self.out.restore(effects);
        self.machine.check(if noticed { Depth::Whole } else { Depth::Quick });
        // The last is taken first.
        follows.reverse();
        follows
    }
}

/// Sleeps until a time of the machine's; for ever without one.
async fn until(clock: Clock, due: Option<Instant>) {
    let Some(due) = due else { return std::future::pending().await };
    let left = due.since(clock.now());
    if left > Duration::ZERO {
        tokio::time::sleep(std::time::Duration::from_micros(left.as_micros())).await;
    }
}
