//! A daemon that writes down all it hears, and the scripts of its host.

use std::fmt;
use std::net::SocketAddr;

use standin_core::machine::{Depth, Effect, Endpoint, Input, LinkId, LinkInput, Noticed, PortId};
use standin_core::time::Instant;

use super::super::scripts::{Act, ScriptOutcome, ScriptRun, ScriptView};
use super::super::*;

/// It does what it is told and writes down what it hears.
#[derive(Clone, Debug, Default)]
pub(super) struct Scribe {
    pub(super) heard: Vec<(Instant, Heard)>,
    /// Cancels this job as soon as it hears of an address.
    cancels: Option<JobId>,
    listens: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Wake,
    Fact(Fact),
    Done(JobId, Done),
    Port,
    Bytes(Vec<u8>),
    Closed,
}

#[derive(Clone, Debug)]
pub(super) enum Order {
    Start(u64, Job),
    Cancel(u64),
    CancelOnFact(u64),
    /// Listens to whoever dials.
    Listen(SocketAddr),
    Dial(SocketAddr),
    /// On the link it has dialled.
    Say(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(super) struct Silence;

impl fmt::Display for Silence {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Noticed for Silence {
    const KINDS: &'static [&'static str] = &["silence"];
    fn kind(&self) -> usize {
        0
    }
    fn words(&self, _: &mut dyn FnMut(u64)) {}
}

pub(super) const SOCKET: &str = "/run/scribe.sock";

impl Machine for Scribe {
    type Job = Job;
    type Done = Done;
    type Fact = Fact;
    type Order = Order;
    type Notice = Silence;

    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        let heard = match input {
            Input::Wake => {
                if std::mem::replace(&mut self.listens, true) {
                    return self.heard.push((now, Heard::Wake));
                }
                out.push(Effect::Listen { port: PortId(1), on: Endpoint::Unix(SOCKET.into()) });
                Heard::Wake
            }
            Input::Fact(fact) => {
                if let Some(job) = self.cancels.filter(|_| matches!(fact, Fact::Appeared(_))) {
                    out.push(Effect::Cancel { job });
                }
                Heard::Fact(fact)
            }
            Input::Job(job, done) => Heard::Done(job, done),
            Input::Port(..) => Heard::Port,
            Input::Link(_, LinkInput::Bytes(bytes)) => Heard::Bytes(bytes.to_vec()),
            Input::Link(_, LinkInput::Closed(_)) => Heard::Closed,
            Input::Link(..) => return,
            Input::Order(Order::Start(job, what)) => {
                return out.push(Effect::Start { job: JobId(job), what });
            }
            Input::Order(Order::Cancel(job)) => return out.push(Effect::Cancel { job: JobId(job) }),
            Input::Order(Order::CancelOnFact(job)) => {
                self.cancels = Some(JobId(job));
                return;
            }
            Input::Order(Order::Listen(on)) => {
                return out.push(Effect::Listen { port: PortId(2), on: Endpoint::Tcp(on) });
            }
            Input::Order(Order::Dial(to)) => {
                return out.push(Effect::Dial { link: LinkId(2), from: None, to });
            }
            Input::Order(Order::Say(bytes)) => return out.push(Effect::Send { link: LinkId(2), bytes }),
        };
        self.heard.push((now, heard));
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    fn check(&self, _: Depth) {}
}

/// `takeip INTERFACE ADDRESS PREFIX` puts an address there and says so on the daemon's socket.
#[derive(Debug)]
pub(super) struct Hands;

impl Translator<Scribe> for Hands {
    fn boot(&self, _: HostId, _: &disk::Disk, _: u64) -> Scribe {
        Scribe::default()
    }
    fn job(&self, job: Job) -> Job {
        job
    }
    fn done(&self, done: Done) -> Done {
        done
    }
    fn fact(&self, fact: Fact) -> Option<Fact> {
        Some(fact)
    }
    fn script(&self, host: &ScriptView<'_>, run: &ScriptRun<'_>) -> ScriptOutcome {
        let [interface, address, prefix] = run.arguments else { return ScriptOutcome::default() };
        assert!(host.kernel.interface("eth1").is_some() && host.disk.names().count() == 0);
        let address = address.parse().expect("an address");
        let placed =
            Placed { interface: interface.clone(), address, prefix: prefix.parse().expect("a prefix") };
        let say = Act::Say(Endpoint::Unix(SOCKET.into()), b"taken".to_vec());
        let acts = match (run.name(), run.event) {
            ("10.wires", "takeip") => vec![Act::InterfaceUp("eth1".into()), Act::Add(placed), say],
            ("10.wires", "releaseip") => vec![Act::Drop(placed)],
            _ => Vec::new(),
        };
        ScriptOutcome { acts, ..ScriptOutcome::default() }
    }
}
