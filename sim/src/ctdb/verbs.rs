//! What can be done to a CTDB cluster, each action printing as its words. `read` is the way back;
//! the manual is `scenarios/README.md`.

use std::fmt;
use std::net::IpAddr;

use standin_core::ctdb::files::public_addresses::PublicAddress;
use standin_core::time::Duration;

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
    "ban",
    "unban",
    "addip",
    "delip",
    "moveip",
    "gratarp",
    "setifacelink",
    "write-addresses",
    "reloadips",
    "renew-addresses",
    "write-tunables",
    "reloadnodes",
    "ipreallocate",
    "recover",
    "set-tunable",
    "shutdown",
    "ping",
    "start-as",
    "version",
    "forge",
    "babble",
    "record",
    "transaction",
];

/// What can be done to a CTDB cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The daemon is told to stop.
    Stop(Who),
    /// The daemon is told to read its files again.
    Reload(Who),
    /// The nodes file is edited.
    WriteNodes(Who, Vec<NodesLine>),
    /// The nodes file is edited and read again.
    Renodes(Who, Vec<NodesLine>),
    /// An operator on the host does something to its own node.
    Operator(Whom, Operator),
    /// An operator moves a public address.
    MoveIp {
        /// Which.
        address: IpAddr,
        /// To this node.
        to: HostId,
        /// Where the operator sits; on the first host that runs, unless said.
        on: Option<HostId>,
    },
    /// The public addresses file is edited.
    WriteAddresses(Who, AddressesFile),
    /// An operator has the nodes read their public addresses files again.
    ReloadIps(Who),
    /// The public addresses file is edited and read again.
    Readdress(Who, AddressesFile),
    /// The tunables file is edited: these lines, behind what all began with.
    WriteTunables(Who, Vec<String>),
    /// An operator has all nodes read their nodes files again.
    ReloadNodes {
        /// Where the operator sits; on the first host that runs, unless said.
        on: Option<HostId>,
    },
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
    /// A program on the host leaves a record of the volatile database there.
    Record {
        /// Where.
        host: HostId,
        /// Which: `k0` and so on.
        key: u32,
        /// Its sequence number; nothing happens if the copy there has a higher one. It counts from
        /// what recoveries have added, and a data master deletes under the number there is.
        number: u32,
        /// It is deleted.
        deleted: bool,
    },
    /// The host's copy of the persistent database is the one after so many transactions.
    Transaction(HostId, u32),
    /// Several at once, none of them of this kind; at least two.
    Together(Vec<Self>),
}

/// Whose node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Of these.
    Who(Who),
    /// Of whoever leads when it is done: the first host whose daemon thinks so.
    Leader,
}

/// What a public addresses file becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressesFile {
    /// What it was at the beginning: `original`.
    Original,
    /// There is none: `none`.
    Gone,
    /// These lines; at least one.
    Lines(Vec<AddressesLine>),
}

/// A line of a public addresses file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressesLine {
    /// An address: `10.1.0.10/16@eth1`.
    Entry(PublicAddress),
    /// Anything else, as it is.
    Text(String),
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

/// What an operator does to a node with the stock tool, there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `ctdb disable`.
    Disable,
    /// `ctdb enable`.
    Enable,
    /// `ctdb stop`.
    StopNode,
    /// `ctdb continue`.
    Continue,
    /// `ctdb ban`, for so many whole seconds.
    Ban(u32),
    /// `ctdb unban`.
    Unban,
    /// `ctdb addip`.
    AddIp(PublicAddress),
    /// `ctdb delip`.
    DelIp(IpAddr),
    /// `ctdb gratarp`: the address, the interface.
    GratArp(IpAddr, String),
    /// `ctdb setifacelink`: the interface, whether its link is up.
    SetIfaceLink(String, bool),
    /// `ctdb ipreallocate`.
    IpReallocate,
    /// `ctdb recover`.
    Recover,
    /// `ctdb setvar`: a tunable's name as it is printed, its value.
    SetTunable(&'static str, u32),
    /// `ctdb shutdown`.
    Shutdown,
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

/// What an operator can do that a word says all of.
pub(super) const OPERATORS: [(Operator, &str); 8] = [
    (Operator::Disable, "disable"),
    (Operator::Enable, "enable"),
    (Operator::StopNode, "stop-node"),
    (Operator::Continue, "continue"),
    (Operator::Unban, "unban"),
    (Operator::IpReallocate, "ipreallocate"),
    (Operator::Recover, "recover"),
    (Operator::Shutdown, "shutdown"),
];

/// How a link is, in words.
pub(super) const LINKS: [(bool, &str); 2] = [(true, "up"), (false, "down")];

/// Ways to start, with their words.
pub(super) const STARTS: [(StartAs, &str); 3] =
    [(StartAs::Normal, "normal"), (StartAs::Stopped, "stopped"), (StartAs::Disabled, "disabled")];

pub(super) fn word_of<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(held, _)| held == value).map_or("", |(_, word)| word)
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
            Self::Operator(whom, operator) => operator.write(f, *whom),
            Self::MoveIp { address, to, on } => {
                write!(f, "moveip {address} {to}")?;
                on.map_or(Ok(()), |on| write!(f, " on {on}"))
            }
            Self::WriteAddresses(who, file) => write!(f, "write-addresses {who} {file}"),
            Self::ReloadIps(who) => write!(f, "reloadips {who}"),
            Self::Readdress(who, file) => write!(f, "renew-addresses {who} {file}"),
            Self::WriteTunables(who, all) => {
                write!(f, "write-tunables {who}")?;
                all.iter().try_for_each(|line| write!(f, " {line}"))
            }
            Self::ReloadNodes { on: None } => f.write_str("reloadnodes"),
            Self::ReloadNodes { on: Some(on) } => write!(f, "reloadnodes on {on}"),
            Self::Ping(from, to) => write!(f, "ping {from} {to}"),
            Self::StartAs(who, how) => write!(f, "start-as {who} {}", word_of(&STARTS, how)),
            Self::Version(who, version) => write!(f, "version {who} {}.{}", version >> 16, version & 0xffff),
            Self::Forge(from, to, forgery) => {
                write!(f, "forge {from} -> {to} {}", word_of(&Forgery::ALL, forgery))
            }
            Self::Babble(who) => write!(f, "babble {who}"),
            Self::Record { host, key, number, deleted } => {
                write!(f, "record {host} k{key} {number}{}", if *deleted { " deleted" } else { "" })
            }
            Self::Transaction(host, number) => write!(f, "transaction {host} {number}"),
            Self::Together(all) => {
                let words: Vec<_> = all.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(" and "))
            }
        }
    }
}

impl Operator {
    fn write(&self, f: &mut fmt::Formatter<'_>, whom: Whom) -> fmt::Result {
        match self {
            Self::Ban(seconds) => write!(f, "ban {whom} {}", Duration::from_secs((*seconds).into())),
            Self::AddIp(PublicAddress { address, bits, interfaces }) => {
                write!(f, "addip {whom} {address}/{bits} {}", interfaces.join(","))
            }
            Self::DelIp(address) => write!(f, "delip {whom} {address}"),
            Self::GratArp(address, interface) => write!(f, "gratarp {whom} {address} {interface}"),
            Self::SetIfaceLink(interface, up) => {
                write!(f, "setifacelink {whom} {interface} {}", word_of(&LINKS, up))
            }
            Self::SetTunable(name, value) => write!(f, "set-tunable {whom} {name} {value}"),
            Self::Disable
            | Self::Enable
            | Self::StopNode
            | Self::Continue
            | Self::Unban
            | Self::IpReallocate
            | Self::Recover
            | Self::Shutdown => write!(f, "{} {whom}", word_of(&OPERATORS, self)),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Who(who) => who.fmt(f),
            Self::Leader => f.write_str("leader"),
        }
    }
}

impl fmt::Display for AddressesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Original => f.write_str("original"),
            Self::Gone => f.write_str("none"),
            Self::Lines(lines) => {
                let words: Vec<_> = lines.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(" "))
            }
        }
    }
}

impl fmt::Display for AddressesLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(PublicAddress { address, bits, interfaces }) => {
                write!(f, "{address}/{bits}@{}", interfaces.join(","))
            }
            Self::Text(text) => f.write_str(text),
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
