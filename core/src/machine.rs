//! The border: what a protocol machine is, on one page.
//!
//! A machine is a value that turns inputs into effects. It owns no socket, clock, thread or
//! file; a driver (the simulator's world, or the daemon) does what the effects ask and
//! answers with later inputs. There is one way in ([`Machine::handle`]), one way out
//! ([`Outbox`]), one question ([`Machine::next_deadline`]) and one self-check
//! ([`Machine::check`]).
//!
//! Nothing here names a protocol: each machine brings its own job, answer, fact, order and
//! notice types. The cluster bus, a control socket and a client port are all links, told apart
//! by their [`PortId`].

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};
use core::net::{IpAddr, SocketAddr};

use crate::time::Instant;

/// What every value that crosses the border can do; implemented for all that qualify.
pub trait Plain: Clone + Debug + 'static {}
impl<T: Clone + Debug + 'static> Plain for T {}

/// A sans-IO protocol. Built by its own constructor from (configuration, seed), not by this trait.
///
/// The same inputs at the same times give the same effects, on every machine and build.
pub trait Machine: Clone + Debug + 'static {
    /// Work the driver does and answers: read a file, run a script, add an address, take the lock.
    type Job: Plain;
    /// A job's answer. A job may report progress (lock held … lost) before its last word.
    type Done: Plain;
    /// What the host observed unasked: an address appeared, an interface went down.
    type Fact: Plain;
    /// What the operator's side says outside the wire: reload, stop.
    type Order: Plain;
    /// A transition worth a trace line.
    type Notice: Noticed;

    /// Takes one input. `now` never goes back between two calls.
    ///
    /// The answer to an effect never arrives inside this call: it is a later input. The first
    /// input after birth is [`Input::Wake`].
    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>);

    /// When the machine wants its next [`Input::Wake`], and why. After a wake at that time the
    /// answer must lie later: a machine that stays due is reported as spinning.
    fn next_deadline(&self) -> Option<Deadline>;

    /// Looks for broken invariants of its own.
    ///
    /// # Panics
    /// If one is broken. What a peer sends never makes this happen.
    fn check(&self, depth: Depth) {
        let _ = depth;
    }
}

/// How thoroughly [`Machine::check`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// A few comparisons: after every input.
    Quick,
    /// Everything: after every notice.
    Whole,
}

/// A typed transition: trace line ([`Display`]), log line, counter and coverage mark at once.
pub trait Noticed: Plain + Display {
    /// The name of each kind, in the order of [`kind`](Self::kind): `node-dead`.
    const KINDS: &'static [&'static str];

    /// Which of [`KINDS`](Self::KINDS) this is.
    fn kind(&self) -> usize;

    /// How much somebody should care.
    fn level(&self) -> Level {
        Level::Info
    }

    /// The notice's content for the trace hash, as fixed-width words.
    fn words(&self, put: &mut dyn FnMut(u64));
}

/// How much somebody should care about a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Per packet.
    Trace,
    /// A deviation that is part of the protocol.
    Debug,
    /// A state change someone cares about.
    Info,
    /// Worth waking someone.
    Warn,
    /// Our own fault; fails a simulated run.
    Error,
}

/// When a machine wants to be woken, and which timer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The wake is due at this time or later, never earlier.
    pub at: Instant,
    /// The timer's name, for whoever has to explain a machine that spins.
    pub why: &'static str,
}

/// A listening port, named by the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortId(pub u32);

/// A byte stream. Machines hand out even numbers (links they dial), drivers odd ones (links
/// they accept); neither uses a number twice in one life of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkId(pub u64);

/// A job under way, numbered by the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobId(pub u64);

/// Where a port listens or a link ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Endpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix stream socket, by path. Absent for a client that bound none.
    Unix(Box<str>),
}

impl Endpoint {
    /// The IP address, if this is a TCP endpoint.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

/// Why a port could not be opened or a link is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Why {
    /// The peer closed in order.
    Eof,
    /// The peer, or its kernel, refused what we sent (RST).
    Reset,
    /// Nobody listens there.
    Refused,
    /// No answer for as long as the kernel waits.
    TimedOut,
    /// No way to that host.
    Unreachable,
    /// The local address is not on this host.
    NoAddress,
    /// The local address is taken.
    InUse,
    /// The driver's queue towards this peer is full.
    Overflow,
    /// Not allowed, or any other error of the system.
    System,
}

impl Why {
    /// One word, as trace and log lines print it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Eof => "closed",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::NoAddress => "no-local-address",
            Self::InUse => "address-in-use",
            Self::Overflow => "queue-full",
            Self::System => "system-error",
        }
    }
}

impl Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a driver tells a machine.
#[derive(Clone, Debug)]
pub enum Input<'a, M: Machine> {
    /// A deadline came; also the first input after birth. May come early or for nothing.
    Wake,
    /// The answer to [`Effect::Listen`]: where it listens, or why not.
    Port(PortId, Result<Endpoint, Why>),
    /// Something happened on a link.
    Link(LinkId, LinkInput<'a>),
    /// A job's answer.
    Job(JobId, M::Done),
    /// The host observed something.
    Fact(M::Fact),
    /// The operator's side speaks.
    Order(M::Order),
}

/// What happened on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkInput<'a> {
    /// A dialled link is up.
    Opened {
        /// Our end.
        local: Endpoint,
    },
    /// Somebody dialled one of our ports.
    Accepted {
        /// Which port.
        port: PortId,
        /// Their end.
        from: Endpoint,
        /// Our end.
        local: Endpoint,
        /// The process behind a unix socket.
        peer_pid: Option<u32>,
    },
    /// The next bytes of the stream; any cut is possible.
    Bytes(&'a [u8]),
    /// The send queue, once reported as held back, is empty again.
    Drained,
    /// The link is no more; its number will not be heard again.
    Closed(Why),
}

/// How a link is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// What is queued is still sent, then FIN.
    Orderly,
    /// At once, with RST; what is queued is dropped.
    Abort,
}

/// What a machine asks of its driver.
#[derive(Clone, Debug)]
pub enum Effect<M: Machine> {
    /// Open a listening port; answered by [`Input::Port`].
    Listen {
        /// The machine's number for it.
        port: PortId,
        /// Where.
        on: Endpoint,
    },
    /// Close a listening port; links accepted from it live on.
    Unlisten {
        /// Which.
        port: PortId,
    },
    /// Open a link; ends in `Opened` or `Closed(why)`, and may be silent for minutes: keep a timer.
    Dial {
        /// The machine's (even) number for it.
        link: LinkId,
        /// The source address to bind, if it matters.
        from: Option<IpAddr>,
        /// The peer.
        to: SocketAddr,
    },
    /// Send bytes; build them in [`Outbox::buffer`], the driver takes them back.
    Send {
        /// Which link. Bytes for a link that is not open are dropped.
        link: LinkId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Give a link up; nothing of it is heard afterwards.
    Close {
        /// Which.
        link: LinkId,
        /// How.
        how: How,
    },
    /// Begin a job.
    Start {
        /// The machine's number for it.
        job: JobId,
        /// What.
        what: M::Job,
    },
    /// End a job; nothing of it is heard afterwards.
    Cancel {
        /// Which.
        job: JobId,
    },
    /// Something worth a trace line happened.
    Notice(M::Notice),
    /// The machine has ended: the driver closes everything and stops with this exit status.
    Exit {
        /// 0 for an orderly stop.
        status: u8,
    },
}

/// Collects the effects of one input, and lends buffers to build frames in.
///
/// It belongs to the driver, because the pool does; a machine sees it only inside `handle`.
#[derive(Clone, Debug)]
pub struct Outbox<M: Machine> {
    effects: Vec<Effect<M>>,
    pool: Vec<Vec<u8>>,
    /// What the buffers of the pool take, in bytes.
    pooled: usize,
}

/// Bytes kept for reuse; more are dropped. A simulated cluster of 64 sends 4,000 packets at once.
const POOL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A buffer that grew beyond this is not kept.
const POOLED_BYTES_MAX: usize = 16 * 1024;

impl<M: Machine> Outbox<M> {
    /// An empty outbox with an empty pool.
    #[must_use]
    pub const fn new() -> Self {
        Self { effects: Vec::new(), pool: Vec::new(), pooled: 0 }
    }

    /// Asks for an effect. Effects happen in the order they were asked for.
    pub fn push(&mut self, effect: Effect<M>) {
        self.effects.push(effect);
    }

    /// Asks for bytes to be sent: [`Effect::Send`], built where it stays.
    #[inline]
    pub fn send(&mut self, link: LinkId, bytes: Vec<u8>) {
        // Could the list still grow once there is an effect, that would be built elsewhere and
        // copied, half of it before it is written.
        if self.effects.len() == self.effects.capacity() {
            self.make_room();
        }
        assert!(self.effects.len() < self.effects.capacity(), "room has been made");
        self.effects.push(Effect::Send { link, bytes });
    }

    #[cold]
    fn make_room(&mut self) {
        self.effects.reserve(1);
    }

    /// Reports a transition.
    pub fn notice(&mut self, notice: M::Notice) {
        self.push(Effect::Notice(notice));
    }

    /// An empty buffer for [`Effect::Send`].
    #[must_use]
    pub fn buffer(&mut self) -> Vec<u8> {
        let buffer = self.pool.pop().unwrap_or_default();
        self.pooled -= buffer.capacity();
        buffer
    }

    /// Driver's side: takes back a buffer it has sent.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        let takes = bytes.capacity();
        if takes <= POOLED_BYTES_MAX && self.pooled + takes <= POOL_BYTES_MAX {
            bytes.clear();
            self.pooled += takes;
            self.pool.push(bytes);
        }
    }

    /// Driver's side: the effects so far, to be executed in order. Give the (emptied) list back
    /// with [`restore`](Self::restore) to keep its memory.
    #[must_use]
    pub fn take(&mut self) -> Vec<Effect<M>> {
        core::mem::take(&mut self.effects)
    }

    /// Driver's side: gives an emptied list of effects back for reuse.
    ///
    /// # Panics
    /// If effects were asked for in between: a driver drains fully before the next input.
    pub fn restore(&mut self, emptied: Vec<Effect<M>>) {
        assert!(emptied.is_empty() && self.effects.is_empty(), "effects left undone");
        self.effects = emptied;
    }

    /// Whether nothing has been asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

impl<M: Machine> Default for Outbox<M> {
    fn default() -> Self {
        Self::new()
    }
}
