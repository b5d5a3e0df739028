//! Every transition worth a line: trace, log, counter and coverage mark at once.

use core::fmt;
use core::net::IpAddr;

use super::files::nodes::Refusal;
use super::types::{NodeFlags, Opcode, Pnn};
use crate::bytes::DecodeError;
use crate::machine::{Level, Noticed, Why};
use crate::time::Duration;

/// Something a CTDB machine noticed.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum Notice {
    /// The node knows its number and takes part.
    Listening { pnn: Pnn, address: IpAddr },
    /// The node cannot start and ends.
    StartRefused(StartRefusal),
    /// Both links to a node are up.
    NodeConnected { pnn: Pnn },
    /// A node is lost.
    NodeDead { pnn: Pnn, cause: Cause },
    /// Nothing came from a node for this many intervals.
    KeepaliveMissed { pnn: Pnn, missed: u32, limit: u32 },
    /// A node could not be reached; said once until it could.
    DialFailed { pnn: Pnn, why: Why },
    /// Somebody who is no node wanted in.
    StrangerRefused { from: IpAddr },
    /// A node that has a link to us opened another.
    DuplicateRefused { pnn: Pnn },
    /// A node's stream cannot be read; its links are closed.
    FrameRefused { pnn: Pnn, error: DecodeError },
    /// A node's packet says something it may not; it is dropped.
    PacketRefused { pnn: Pnn, why: Oddity },
    /// A node runs another version, and one of us has to go.
    VersionClash { pnn: Pnn, version: u32, uptime: u32 },
    /// The node stops.
    Stopping(Stop),
    /// A node's flags are not what they were.
    FlagsChanged { pnn: Pnn, from: NodeFlags, to: NodeFlags },
    /// A new nodes file is in force.
    NodesReloaded { count: u32, added: u32, deleted: u32, undeleted: u32, changed: u32, removed: u32 },
    /// A new nodes file is refused for this reason (one notice a reason).
    ReloadRefused(Refusal),
    /// A new nodes file could not be read, or means nothing.
    ReloadFailed { problems: u32 },
    /// A question to a node was not answered.
    RequestFailed { pnn: Pnn, opcode: Opcode, why: Unanswered },
    /// The clock jumped: the host slept.
    Woke { slept: Duration },
    /// A local client's stream cannot be read; it is closed.
    ClientRefused { error: DecodeError },
}

/// Why a node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing came for `KeepaliveLimit` intervals.
    Silence,
    /// The link we opened is no more.
    LinkOut(Why),
    /// The link it opened is no more.
    LinkIn(Why),
    /// It wrote on the link that is ours to write on.
    WroteOnOurLink,
    /// Its stream cannot be read.
    BadFrame,
}

/// Why a node cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum StartRefusal {
    /// The nodes file could not be read.
    NoNodesFile,
    /// The nodes file has this many mistakes, the first in this line.
    BadNodesFile { problems: u32, line: u32 },
    /// The configured node address is not in the nodes file.
    NotANode { address: IpAddr },
    /// The configured node address cannot be listened on.
    CannotListen { address: IpAddr, why: Why },
    /// No address of the nodes file is ours.
    NoOwnAddress,
}

/// What is odd about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum Oddity {
    /// It claims to come from another node.
    Liar { claims: Pnn },
    /// Its payload does not fit its opcode.
    Payload { opcode: Opcode },
    /// It answers nothing we asked.
    Unasked,
}

/// Why the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The operator's side said so.
    Ordered,
    /// A control said so.
    Asked,
    /// Another version is in the cluster and we are the younger.
    Version,
    /// The nodes file means nothing any more.
    NodesFile,
}

/// Why a question was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The node died before it answered.
    Died,
    /// `ControlTimeout` passed.
    TimedOut,
}

impl Noticed for Notice {
    const KINDS: &'static [&'static str] = &[
        "listening",
        "start-refused",
        "node-connected",
        "node-dead",
        "keepalive-missed",
        "dial-failed",
        "stranger-refused",
        "duplicate-refused",
        "frame-refused",
        "packet-refused",
        "version-clash",
        "stopping",
        "flags-changed",
        "nodes-reloaded",
        "reload-refused",
        "reload-failed",
        "request-failed",
        "woke",
        "client-refused",
    ];

    fn kind(&self) -> usize {
        match self {
            Self::Listening { .. } => 0,
            Self::StartRefused(_) => 1,
            Self::NodeConnected { .. } => 2,
            Self::NodeDead { .. } => 3,
            Self::KeepaliveMissed { .. } => 4,
            Self::DialFailed { .. } => 5,
            Self::StrangerRefused { .. } => 6,
            Self::DuplicateRefused { .. } => 7,
            Self::FrameRefused { .. } => 8,
            Self::PacketRefused { .. } => 9,
            Self::VersionClash { .. } => 10,
            Self::Stopping(_) => 11,
            Self::FlagsChanged { .. } => 12,
            Self::NodesReloaded { .. } => 13,
            Self::ReloadRefused(_) => 14,
            Self::ReloadFailed { .. } => 15,
            Self::RequestFailed { .. } => 16,
            Self::Woke { .. } => 17,
            Self::ClientRefused { .. } => 18,
        }
    }

    fn level(&self) -> Level {
        match self {
            Self::KeepaliveMissed { .. } | Self::DialFailed { .. } | Self::PacketRefused { .. } => {
                Level::Debug
            }
            Self::NodeDead { .. }
            | Self::StartRefused(_)
            | Self::StrangerRefused { .. }
            | Self::FrameRefused { .. }
            | Self::VersionClash { .. }
            | Self::ReloadRefused(_)
            | Self::ReloadFailed { .. } => Level::Warn,
            Self::Listening { .. }
            | Self::NodeConnected { .. }
            | Self::DuplicateRefused { .. }
            | Self::Stopping(_)
            | Self::FlagsChanged { .. }
            | Self::NodesReloaded { .. }
            | Self::RequestFailed { .. }
            | Self::Woke { .. }
            | Self::ClientRefused { .. } => Level::Info,
        }
    }

    fn words(&self, put: &mut dyn FnMut(u64)) {
        let mut all = |words: &[u64]| words.iter().for_each(|&word| put(word));
        match self {
            Self::Listening { pnn, address } => all(&[pnn.0.into(), address_word(*address)]),
            Self::StartRefused(refusal) => all(&refusal.words()),
            Self::NodeConnected { pnn } | Self::DuplicateRefused { pnn } => all(&[pnn.0.into()]),
            Self::FrameRefused { pnn, error } => all(&[pnn.0.into(), error_word(*error)]),
            Self::NodeDead { pnn, cause } => all(&[pnn.0.into(), cause.word()]),
            Self::KeepaliveMissed { pnn, missed, .. } => all(&[pnn.0.into(), (*missed).into()]),
            Self::DialFailed { pnn, why } => all(&[pnn.0.into(), *why as u64]),
            Self::StrangerRefused { from } => all(&[address_word(*from)]),
            Self::PacketRefused { pnn, why } => all(&[pnn.0.into(), why.word()]),
            Self::VersionClash { pnn, version, uptime } => {
                all(&[pnn.0.into(), (*version).into(), (*uptime).into()]);
            }
            Self::Stopping(stop) => all(&[*stop as u64]),
            Self::FlagsChanged { pnn, from, to } => {
                all(&[pnn.0.into(), from.bits().into(), to.bits().into()]);
            }
            Self::NodesReloaded { count, added, deleted, undeleted, changed, removed } => {
                let numbers = [count, added, deleted, undeleted, changed, removed];
                all(&numbers.map(|&number| number.into()));
            }
            Self::ReloadRefused(refusal) => {
                let kind = match refusal {
                    Refusal::Missing { .. } => 0,
                    Refusal::AddressChanged { .. } => 1,
                    Refusal::DeletedButConnected { .. } => 2,
                };
                all(&[refusal.pnn().into(), kind]);
            }
            Self::ReloadFailed { problems } => all(&[(*problems).into()]),
            Self::RequestFailed { pnn, opcode, why } => all(&[pnn.0.into(), opcode.0.into(), *why as u64]),
            Self::Woke { slept } => all(&[slept.0]),
            Self::ClientRefused { error } => all(&[error_word(*error)]),
        }
    }
}

fn error_word(error: DecodeError) -> u64 {
    match error {
        DecodeError::Short { wanted, left } => 0x1_0000_0000 | (wanted as u64) << 8 | left as u64 & 0xff,
        DecodeError::Trailing { left } => 0x2_0000_0000 | left as u64,
        DecodeError::BadValue { value, .. } => 0x3_0000_0000 ^ value,
        DecodeError::TooLong { length, .. } => 0x4_0000_0000 ^ length,
        DecodeError::BadText { .. } => 0x5_0000_0000,
    }
}

fn address_word(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64 ^ u128::from(address) as u64,
    }
}

impl Cause {
    fn word(self) -> u64 {
        match self {
            Self::Silence => 0,
            Self::WroteOnOurLink => 1,
            Self::BadFrame => 2,
            Self::LinkOut(why) => 0x100 | why as u64,
            Self::LinkIn(why) => 0x200 | why as u64,
        }
    }
}

impl StartRefusal {
    fn words(self) -> [u64; 3] {
        match self {
            Self::NoNodesFile => [0, 0, 0],
            Self::BadNodesFile { problems, line } => [1, problems.into(), line.into()],
            Self::NotANode { address } => [2, address_word(address), 0],
            Self::CannotListen { address, why } => [3, address_word(address), why as u64],
            Self::NoOwnAddress => [4, 0, 0],
        }
    }
}

impl Oddity {
    fn word(self) -> u64 {
        match self {
            Self::Liar { claims } => 0x1_0000_0000 | u64::from(claims.0),
            Self::Payload { opcode } => 0x2_0000_0000 | u64::from(opcode.0),
            Self::Unasked => 0,
        }
    }
}

/// The words after the kind: `n2 silence`.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { pnn, address } => write!(f, "as {pnn} on {address}"),
            Self::StartRefused(refusal) => write!(f, "{refusal}"),
            Self::NodeConnected { pnn } | Self::DuplicateRefused { pnn } => write!(f, "{pnn}"),
            Self::NodeDead { pnn, cause } => write!(f, "{pnn} {cause}"),
            Self::KeepaliveMissed { pnn, missed, limit } => write!(f, "{pnn} {missed}/{limit}"),
            Self::DialFailed { pnn, why } => write!(f, "{pnn} {why}"),
            Self::StrangerRefused { from } => write!(f, "{from}"),
            Self::FrameRefused { pnn, error } => write!(f, "{pnn} {error}"),
            Self::PacketRefused { pnn, why: Oddity::Liar { claims } } => {
                write!(f, "{pnn} claims to be {claims}")
            }
            Self::PacketRefused { pnn, why: Oddity::Payload { opcode } } => {
                write!(f, "{pnn} payload of {opcode} means nothing")
            }
            Self::PacketRefused { pnn, why: Oddity::Unasked } => write!(f, "{pnn} answers nothing we asked"),
            Self::VersionClash { pnn, version, uptime } => {
                write!(f, "{pnn} runs {}.{} for {uptime}s", version >> 16, version & 0xffff)
            }
            Self::Stopping(stop) => f.write_str(match stop {
                Stop::Ordered => "ordered",
                Stop::Asked => "asked by a control",
                Stop::Version => "as the younger of two versions",
                Stop::NodesFile => "the nodes file means nothing",
            }),
            Self::FlagsChanged { pnn, from, to } => write!(f, "{pnn} {from} to {to}"),
            Self::NodesReloaded { count, added, deleted, undeleted, changed, removed } => {
                write!(f, "{count} nodes:")?;
                let parts = [
                    (added, "added"),
                    (deleted, "deleted"),
                    (undeleted, "undeleted"),
                    (changed, "changed"),
                    (removed, "removed"),
                ];
                let mut none = true;
                for (number, what) in parts.into_iter().filter(|(number, _)| **number > 0) {
                    none = false;
                    write!(f, " {number} {what}")?;
                }
                if none { f.write_str(" no change") } else { Ok(()) }
            }
            Self::ReloadRefused(refusal) => write!(f, "{refusal}"),
            Self::ReloadFailed { problems } => write!(f, "the nodes file has {}", mistakes(*problems)),
            Self::RequestFailed { pnn, opcode, why } => {
                let why = match why {
                    Unanswered::Died => "died",
                    Unanswered::TimedOut => "timed-out",
                };
                write!(f, "{opcode} to {pnn} {why}")
            }
            Self::Woke { slept } => write!(f, "after {slept}"),
            Self::ClientRefused { error } => write!(f, "{error}"),
        }
    }
}

/// `1 mistake`, `2 mistakes`.
fn mistakes(count: u32) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{count} mistake{}", if count == 1 { "" } else { "s" }))
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("silence"),
            Self::LinkOut(why) => write!(f, "our link {why}"),
            Self::LinkIn(why) => write!(f, "its link {why}"),
            Self::WroteOnOurLink => f.write_str("wrote on our link"),
            Self::BadFrame => f.write_str("bad frame"),
        }
    }
}

impl fmt::Display for StartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodesFile => f.write_str("the nodes file cannot be read"),
            Self::BadNodesFile { problems, line } => {
                write!(f, "the nodes file has {}, the first in line {line}", mistakes(*problems))
            }
            Self::NotANode { address } => write!(f, "{address} is not in the nodes file"),
            Self::CannotListen { address, why } => write!(f, "cannot listen on {address}: {why}"),
            Self::NoOwnAddress => f.write_str("no address of the nodes file is on this host"),
        }
    }
}
