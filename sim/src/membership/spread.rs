//! Two ways to find each other that need neither list nor leader, as small as they can be:
//! flooding over the links there are, and gossip with few of many.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;

use standin_core::machine::{
    Deadline, Effect, Endpoint, How, Input, LinkId, LinkInput, Machine, Noticed, Outbox, PortId,
};
use standin_core::rng::Rng;
use standin_core::time::{Duration, Instant};

/// What is told of a member: its number, its address, its incarnation. So much of each goes over
/// the wire, with room for IPv6.
pub const ENTRY: usize = 32;
/// A message's head: how many entries follow, and whether an answer is wanted.
const HEAD: usize = 8;

/// How members are made known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Whoever hears of a member for the first time tells it to everybody it has a link to.
    Flood,
    /// Each second a member tells so many others of so many members, and is told as many.
    Gossip {
        /// Others, drawn at random.
        peers: u32,
        /// Members told of, drawn at random; 0: all of them.
        entries: u32,
    },
}

/// A member.
#[derive(Clone, Debug)]
pub struct Spread {
    way: Way,
    me: u32,
    listen: SocketAddr,
    /// Where a member lives.
    address_of: fn(u32) -> SocketAddr,
    /// Whom it knows before it starts.
    bootstrap: Vec<u32>,
    known: BTreeSet<u32>,
    /// The same, to draw from.
    list: Vec<u32>,
    links: BTreeMap<LinkId, Buffer>,
    next: u64,
    wake: Instant,
    rng: Rng,
}

/// What came of a message that is not whole, and what waits for a link to open.
#[derive(Clone, Debug, Default)]
struct Buffer {
    held: Vec<u8>,
    waits: Vec<u8>,
    open: bool,
}

/// Nothing worth a line happens: whoever runs it looks at [`Spread::known`].
#[derive(Clone, Debug)]
pub struct Silent(Infallible);

impl fmt::Display for Silent {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl Noticed for Silent {
    const KINDS: &'static [&'static str] = &[];
    fn kind(&self) -> usize {
        match self.0 {}
    }
    fn words(&self, _: &mut dyn FnMut(u64)) {
        match self.0 {}
    }
}

const EVERY: Duration = Duration::from_secs(1);

impl Spread {
    /// A member that knows some others to begin with.
    #[must_use]
    pub fn new(way: Way, me: u32, address_of: fn(u32) -> SocketAddr, bootstrap: Vec<u32>, seed: u64) -> Self {
        Self {
            way,
            me,
            listen: address_of(me),
            address_of,
            bootstrap,
            known: BTreeSet::from([me]),
            list: vec![me],
            links: BTreeMap::new(),
            next: 0,
            wake: Instant::START,
            rng: Rng::new(seed, 1),
        }
    }

    /// How many members it knows, itself included.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known.len()
    }

    fn learn(&mut self, member: u32) -> bool {
        let new = self.known.insert(member);
        if new {
            self.list.push(member);
        }
        new
    }

    fn message(members: &[u32], answer: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + members.len() * ENTRY);
        bytes.extend_from_slice(&(members.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&u32::from(answer).to_be_bytes());
        for member in members {
            bytes.extend_from_slice(&member.to_be_bytes());
            bytes.resize(bytes.len() + ENTRY - 4, 0);
        }
        bytes
    }

    /// Dials a member and says this once the link is open.
    fn dial(&mut self, out: &mut Outbox<Self>, member: u32, says: Vec<u8>) {
        self.next += 2;
        let link = LinkId(self.next);
        self.links.insert(link, Buffer { waits: says, ..Buffer::default() });
        out.push(Effect::Dial { link, from: None, to: (self.address_of)(member) });
    }

    fn some(&mut self, entries: u32) -> Vec<u32> {
        if entries == 0 {
            return self.list.clone();
        }
        let mut some = vec![self.me];
        for _ in 1..entries {
            let at = self.rng.index(self.list.len()).unwrap_or_default();
            some.push(self.list[at]);
        }
        some
    }

    fn start(&mut self, now: Instant, out: &mut Outbox<Self>) {
        out.push(Effect::Listen { port: PortId(0), on: Endpoint::Tcp(self.listen) });
        let bootstrap = std::mem::take(&mut self.bootstrap);
        for &member in &bootstrap {
            match self.way {
                Way::Flood => self.dial(out, member, Self::message(&[self.me], false)),
                Way::Gossip { .. } => drop(self.learn(member)),
            }
        }
        // Not all in the same moment.
        self.wake = now + Duration(self.rng.below(EVERY.0) + 1);
    }

    fn round(&mut self, out: &mut Outbox<Self>, peers: u32, entries: u32) {
        for _ in 0..peers {
            let at = self.rng.index(self.list.len()).unwrap_or_default();
            let peer = self.list[at];
            if peer != self.me {
                let some = self.some(entries);
                self.dial(out, peer, Self::message(&some, true));
            }
        }
    }

    fn heard(&mut self, out: &mut Outbox<Self>, link: LinkId, bytes: &[u8]) {
        let Some(buffer) = self.links.get_mut(&link) else { return };
        buffer.held.extend_from_slice(bytes);
        loop {
            let Some(buffer) = self.links.get_mut(&link) else { return };
            let Some(&head) = buffer.held.first_chunk::<HEAD>() else { return };
            let [a, b, c, d, .., wants] = head;
            let length = HEAD + u32::from_be_bytes([a, b, c, d]) as usize * ENTRY;
            if buffer.held.len() < length {
                return;
            }
            let message: Vec<u8> = buffer.held.drain(..length).collect();
            let told = message[HEAD..].chunks(ENTRY).filter_map(<[u8]>::first_chunk);
            let told: Vec<u32> = told.map(|&number| u32::from_be_bytes(number)).collect();
            let news: Vec<u32> = told.into_iter().filter(|&member| self.learn(member)).collect();
            match self.way {
                Way::Flood => self.pass_on(out, link, &news),
                Way::Gossip { entries, .. } if wants != 0 => {
                    let some = self.some(entries);
                    out.push(Effect::Send { link, bytes: Self::message(&some, false) });
                }
                // The answer came: the exchange is over.
                Way::Gossip { .. } => {
                    self.links.remove(&link);
                    out.push(Effect::Close { link, how: How::Orderly });
                }
            }
        }
    }

    fn pass_on(&mut self, out: &mut Outbox<Self>, from: LinkId, news: &[u32]) {
        if news.is_empty() {
            return;
        }
        for (&link, _) in self.links.iter().filter(|(link, buffer)| **link != from && buffer.open) {
            out.push(Effect::Send { link, bytes: Self::message(news, false) });
        }
    }
}

impl Machine for Spread {
    type Job = Infallible;
    type Done = ();
    type Fact = ();
    type Order = ();
    type Notice = Silent;

    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match input {
            Input::Wake if self.wake == Instant::START => self.start(now, out),
            Input::Wake => {
                self.wake = now + EVERY;
                if let Way::Gossip { peers, entries } = self.way {
                    self.round(out, peers, entries);
                }
            }
            Input::Link(link, LinkInput::Accepted { .. }) => {
                self.links.insert(link, Buffer { open: true, ..Buffer::default() });
                if self.way == Way::Flood {
                    let all = Self::message(&self.list, false);
                    out.push(Effect::Send { link, bytes: all });
                }
            }
            Input::Link(link, LinkInput::Opened { .. }) => {
                if let Some(buffer) = self.links.get_mut(&link) {
                    buffer.open = true;
                    let mut bytes = std::mem::take(&mut buffer.waits);
                    if self.way == Way::Flood {
                        bytes = Self::message(&self.list, false);
                    }
                    out.push(Effect::Send { link, bytes });
                }
            }
            Input::Link(link, LinkInput::Bytes(bytes)) => self.heard(out, link, bytes),
            Input::Link(link, LinkInput::Closed(_)) => drop(self.links.remove(&link)),
            Input::Port(..) | Input::Link(..) | Input::Job(..) | Input::Fact(()) | Input::Order(()) => {}
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let idle = self.way == Way::Flood && self.wake != Instant::START;
        (!idle).then_some(Deadline { at: self.wake, why: "round" })
    }
}
