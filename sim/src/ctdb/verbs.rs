//! What can be done to a CTDB cluster and what can be expected of it, each printing as its
//! words. `read` is the way back; the manual is `scenarios/README.md`.

use std::fmt;

use standin_core::ctdb::types::NodeFlags;

use crate::world::fault::Who;
use crate::world::moment::HostId;

/// The first words of actions.
pub const VERBS: &[&str] = &[
    "stop",
    "reload",
    "write-nodes",
    "renodes",
    "disable",
    "enable",
    "stop-node",
    "continue",
    "ping",
    "start-as",
    "version",
    "forge",
    "babble",
];

/// The first words of facts.
pub const FACTS: &[&str] = &["connected", "dead", "pnn", "nodes", "flags", "running", "noticed"];

/// What can be done to a CTDB cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The daemon is told to stop.
    Stop(Who),
    /// The daemon is told to read its nodes file again.
    Reload(Who),
    /// The nodes file is edited.
    WriteNodes(Who, Vec<NodesLine>),
    /// The nodes file is edited and read again.
    Renodes(Who, Vec<NodesLine>),
    /// An operator on the host changes its own flags.
    Operator(Who, Operator),
    /// An operator on the first host asks the daemon of the second for a sign of life.
    Ping(HostId, HostId),
    /// How the daemon starts from now on.
    StartAs(Who, StartAs),
    /// The version the daemon has from its next start on, major << 16 | minor.
    Version(Who, u32),
    /// The first's daemon seems to write this to the second's.
    Forge(HostId, HostId, Forgery),
    /// A program on the host speaks another language to the daemon's control socket.
    Babble(Who),
}

/// A line of a nodes file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodesLine {
    /// A member: `n0`.
    Node(HostId),
    /// A member, deleted: `-n0`.
    Deleted(HostId),
    /// Somebody else, deleted: `-10.0.0.9`.
    Gone(String),
    /// An empty line: `blank`.
    Blank,
    /// Anything else, as it is.
    Text(String),
}

/// What an operator does to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `ctdb disable`.
    Disable,
    /// `ctdb enable`.
    Enable,
    /// `ctdb stop`.
    StopNode,
    /// `ctdb continue`.
    Continue,
}

/// How a daemon starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAs {
    /// As any.
    Normal,
    /// `start as stopped`.
    Stopped,
    /// `start as disabled`.
    Disabled,
}

/// A packet nobody should send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Another protocol's magic number.
    BadMagic,
    /// A length that is no multiple of 8 (the one that kills real daemons).
    Unaligned,
    /// A length beyond every ceiling.
    Huge,
    /// A keepalive without its two numbers.
    ShortKeepalive,
    /// A keepalive that claims to come from another node.
    Liar,
    /// A keepalive of another version with a huge uptime.
    ForeignVersion,
    /// An operation nobody knows.
    UnknownOperation,
    /// A control whose payload is too short.
    ShortControl,
    /// An answer nobody asked for.
    UnaskedReply,
}

impl Forgery {
    /// Every forgery with its word.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::BadMagic, "bad-magic"),
        (Self::Unaligned, "unaligned"),
        (Self::Huge, "huge"),
        (Self::ShortKeepalive, "short-keepalive"),
        (Self::Liar, "liar"),
        (Self::ForeignVersion, "foreign-version"),
        (Self::UnknownOperation, "unknown-operation"),
        (Self::ShortControl, "short-control"),
        (Self::UnaskedReply, "unasked-reply"),
    ];
}

/// What an operator can do, with its words.
pub(super) const OPERATORS: [(Operator, &str); 4] = [
    (Operator::Disable, "disable"),
    (Operator::Enable, "enable"),
    (Operator::StopNode, "stop-node"),
    (Operator::Continue, "continue"),
];

/// Ways to start, with their words.
pub(super) const STARTS: [(StartAs, &str); 3] =
    [(StartAs::Normal, "normal"), (StartAs::Stopped, "stopped"), (StartAs::Disabled, "disabled")];

fn word_of<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|(held, _)| *held == value).map_or("", |(_, word)| word)
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |f: &mut fmt::Formatter<'_>, verb: &str, who: &Who, lines: &[NodesLine]| {
            write!(f, "{verb} {who}")?;
            lines.iter().try_for_each(|line| write!(f, " {line}"))
        };
        match self {
            Self::Stop(who) => write!(f, "stop {who}"),
            Self::Reload(who) => write!(f, "reload {who}"),
            Self::WriteNodes(who, all) => lines(f, "write-nodes", who, all),
            Self::Renodes(who, all) => lines(f, "renodes", who, all),
            Self::Operator(who, operator) => write!(f, "{} {who}", word_of(&OPERATORS, *operator)),
            Self::Ping(from, to) => write!(f, "ping {from} {to}"),
            Self::StartAs(who, how) => write!(f, "start-as {who} {}", word_of(&STARTS, *how)),
            Self::Version(who, version) => write!(f, "version {who} {}.{}", version >> 16, version & 0xffff),
            Self::Forge(from, to, forgery) => {
                write!(f, "forge {from} -> {to} {}", word_of(&Forgery::ALL, *forgery))
            }
            Self::Babble(who) => write!(f, "babble {who}"),
        }
    }
}

impl fmt::Display for NodesLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(host) => write!(f, "{host}"),
            Self::Deleted(host) => write!(f, "-{host}"),
            Self::Gone(text) => write!(f, "-{text}"),
            Self::Blank => f.write_str("blank"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What can be expected of a CTDB cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The first counts the second as connected.
    Connected(HostId, HostId),
    /// Every running daemon counts every other one as connected.
    AllConnected,
    /// Every other running daemon counts this node as disconnected.
    Dead(HostId),
    /// The node has this number.
    Number(HostId, u32),
    /// The node's nodes file has so many numbers.
    Nodes(HostId, u32),
    /// The first knows these flags of the second (DISCONNECTED and UNHEALTHY left out).
    Flags(HostId, HostId, NodeFlags),
    /// The daemon runs.
    Running(HostId),
    /// The node noticed something of this kind since the last `at`.
    Noticed(HostId, String),
}

/// Flags a scenario can name, with their words.
pub(super) const FLAG_WORDS: [(NodeFlags, &str); 5] = [
    (NodeFlags::empty(), "ok"),
    (NodeFlags::PERMANENTLY_DISABLED, "disabled"),
    (NodeFlags::STOPPED, "stopped"),
    (NodeFlags::BANNED, "banned"),
    (NodeFlags::DELETED, "deleted"),
];

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(from, to) => write!(f, "connected {from} {to}"),
            Self::AllConnected => f.write_str("connected all"),
            Self::Dead(host) => write!(f, "dead {host}"),
            Self::Number(host, number) => write!(f, "pnn {host} {number}"),
            Self::Nodes(host, count) => write!(f, "nodes {host} {count}"),
            Self::Flags(from, to, flags) => {
                write!(f, "flags {from} {to} ")?;
                let mut words =
                    FLAG_WORDS.iter().filter(|(flag, _)| !flag.is_empty() && flags.contains(*flag));
                match words.next() {
                    None => f.write_str("ok"),
                    Some((_, first)) => {
                        f.write_str(first)?;
                        words.try_for_each(|(_, word)| write!(f, "|{word}"))
                    }
                }
            }
            Self::Running(host) => write!(f, "running {host}"),
            Self::Noticed(host, kind) => write!(f, "noticed {host} {kind}"),
        }
    }
}
