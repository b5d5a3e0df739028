//! One gossip machine in an empty room: its files are kept, its streams are ours to play.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use standin_core::gossip::{BUS, CLIENTS, Config, Gossip, Notice};
use standin_core::host::{Done, Fact, FileError, Job};
use standin_core::machine::{
    Depth, Effect, Endpoint, Input, JobId, LinkId, LinkInput, Machine as _, Outbox, PortId, Why,
};
use standin_core::time::{Duration, Instant};

/// What the machine did on its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) link: LinkId,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Room {
    pub(crate) machine: Gossip,
    out: Outbox<Gossip>,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<Sent>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) dials: Vec<(LinkId, SocketAddr)>,
    pub(crate) closed: Vec<LinkId>,
    /// The state file.
    pub(crate) file: Option<Vec<u8>>,
    /// Savings that are not answered yet, if they are to wait.
    pub(crate) saving: Option<Vec<JobId>>,
    pub(crate) exit: Option<u8>,
    next: u64,
}

/// The time of day at the start: the day of the captures.
const WALL: i64 = 1_795_293_000_000_000;

impl Room {
    /// A machine with this state file, listening; dials nobody yet.
    pub(crate) fn new(config: Config, file: Option<&str>) -> Self {
        let mut room = Self {
            machine: Gossip::new(config, 1),
            out: Outbox::new(),
            now: Instant::START,
            sent: Vec::new(),
            notices: Vec::new(),
            dials: Vec::new(),
            closed: Vec::new(),
            file: file.map(|text| text.as_bytes().to_vec()),
            saving: None,
            exit: None,
            next: 1,
        };
        room.input(Input::Wake);
        room.input(Input::Fact(Fact::TimeOfDay { offset: WALL }));
        room
    }

    pub(crate) fn input(&mut self, input: Input<'_, Gossip>) {
        self.machine.handle(self.now, input, &mut self.out);
        let mut later: Vec<Input<'static, Gossip>> = Vec::new();
        for effect in self.out.take() {
            match effect {
                Effect::Listen { port, .. } => {
                    let at = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
                    later.push(Input::Port(port, Ok(Endpoint::Tcp(at))));
                }
                Effect::Dial { link, to, .. } => self.dials.push((link, to)),
                Effect::Send { link, bytes } => self.sent.push(Sent { link, bytes }),
                Effect::Close { link, .. } => self.closed.push(link),
                Effect::Start { job, what: Job::ReadFile { .. } } => {
                    let read = self.file.clone().ok_or(FileError::Missing);
                    later.push(Input::Job(job, Done::Read(read)));
                }
                Effect::Start { job, what: Job::WriteFile { content, .. } } => {
                    self.file = Some(content);
                    match &mut self.saving {
                        Some(waiting) => waiting.push(job),
                        None => later.push(Input::Job(job, Done::Wrote(Ok(())))),
                    }
                }
                Effect::Notice(notice) => self.notices.push(notice),
                Effect::Exit { status } => self.exit = Some(status),
                Effect::Unlisten { .. } | Effect::Start { .. } | Effect::Cancel { .. } => {}
            }
        }
        self.machine.check(Depth::Whole);
        for input in later {
            self.input(input);
        }
    }

    /// Time passes, and every deadline is kept.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.machine.next_deadline().filter(|next| next.at <= end) {
            self.now = self.now.max(next.at);
            self.input(Input::Wake);
        }
        self.now = end;
    }

    fn accepted(&mut self, port: PortId) -> LinkId {
        let link = LinkId(self.next);
        self.next += 2;
        let at = |port| Endpoint::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let (from, local) = (at(50_000), at(19_999));
        self.input(Input::Link(link, LinkInput::Accepted { port, from, local, peer_pid: None }));
        link
    }

    /// Somebody dials the bus.
    pub(crate) fn dialled(&mut self) -> LinkId {
        self.accepted(BUS)
    }

    /// A client connects.
    pub(crate) fn client(&mut self) -> LinkId {
        self.accepted(CLIENTS)
    }

    /// Every dial so far succeeds.
    pub(crate) fn open_all(&mut self) {
        for (link, _) in std::mem::take(&mut self.dials) {
            let local = Endpoint::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000));
            self.input(Input::Link(link, LinkInput::Opened { local }));
        }
    }

    /// Bytes come in on a stream.
    pub(crate) fn bytes(&mut self, link: LinkId, bytes: &[u8]) {
        self.input(Input::Link(link, LinkInput::Bytes(bytes)));
    }

    /// What a stream had to say since the last time.
    pub(crate) fn said(&mut self, link: LinkId) -> Vec<Vec<u8>> {
        let (those, others) = std::mem::take(&mut self.sent).into_iter().partition(|sent| sent.link == link);
        self.sent = others;
        let those: Vec<Sent> = those;
        those.into_iter().map(|sent| sent.bytes).collect()
    }

    /// A command on a client's stream, in one line; the reply as text.
    pub(crate) fn command(&mut self, link: LinkId, line: &str) -> String {
        self.bytes(link, format!("{line}\r\n").as_bytes());
        self.said(link).into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }

    /// Whether something like it was noticed since the last time; forgets what was noticed.
    pub(crate) fn noticed(&mut self, like: impl Fn(&Notice) -> bool) -> bool {
        std::mem::take(&mut self.notices).iter().any(like)
    }

    /// A stream of ours ends.
    pub(crate) fn ended(&mut self, link: LinkId) {
        self.input(Input::Link(link, LinkInput::Closed(Why::Reset)));
    }
}
