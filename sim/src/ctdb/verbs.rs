//! CTDB's words in scenarios: what can be done, what can be expected. Manual:
//! `scenarios/README.md`.

use std::fmt;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::types::{NodeFlags, Pnn};
use standin_core::machine::Noticed;
use standin_core::text::{Piece, Problem, nearest};

use super::build::Cluster;
use crate::world::World;
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

const OPERATORS: [(Operator, &str); 4] = [
    (Operator::Disable, "disable"),
    (Operator::Enable, "enable"),
    (Operator::StopNode, "stop-node"),
    (Operator::Continue, "continue"),
];

const STARTS: [(StartAs, &str); 3] =
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

const FLAG_WORDS: [(NodeFlags, &str); 5] = [
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

/// A number a host goes by in the eyes of another: the line of its address there.
fn number_at(cluster: &Cluster, world: &World<Ctdb>, at: HostId, of: HostId) -> Option<Pnn> {
    cluster.number_of(world.host(at).machine()?, of)
}

/// Whether a daemon counts another host as connected.
pub(super) fn counts_connected(cluster: &Cluster, world: &World<Ctdb>, at: HostId, of: HostId) -> bool {
    let machine = world.host(at).machine();
    let number = number_at(cluster, world, at, of);
    number.is_some_and(|pnn| machine.is_some_and(|machine| machine.is_connected(pnn)))
}

pub(super) fn holds(
    cluster: &Cluster,
    world: &World<Ctdb>,
    fact: &Fact,
    seen: &dyn Fn(HostId, &str) -> bool,
) -> bool {
    let runs = |host: HostId| world.host(host).runs();
    let running = || (0..cluster.members).map(HostId).filter(|&host| runs(host));
    match fact {
        Fact::Connected(from, to) => counts_connected(cluster, world, *from, *to),
        Fact::AllConnected => {
            running().count() > 0
                && running().all(|one| running().all(|other| counts_connected(cluster, world, one, other)))
        }
        Fact::Dead(host) => {
            let mut others = running().filter(|other| other != host).peekable();
            others.peek().is_some() && others.all(|other| !counts_connected(cluster, world, other, *host))
        }
        Fact::Number(host, number) => {
            world.host(*host).machine().and_then(Ctdb::pnn).is_some_and(|pnn| pnn.0 == *number)
        }
        Fact::Nodes(host, count) => {
            world.host(*host).machine().is_some_and(|machine| machine.node_count() == *count)
        }
        Fact::Flags(from, to, flags) => {
            let machine = world.host(*from).machine();
            let known = machine
                .zip(number_at(cluster, world, *from, *to))
                .and_then(|(machine, pnn)| machine.flags(pnn));
            known.is_some_and(|known| known - NodeFlags::DISCONNECTED - NodeFlags::UNHEALTHY == *flags)
        }
        Fact::Running(host) => runs(*host),
        Fact::Noticed(host, kind) => seen(*host, kind),
    }
}

/// Takes words one after the other, naming what was expected where one is missing or wrong.
struct Words<'a> {
    words: &'a [Piece<'a>],
    hosts: u32,
}

impl<'a> Words<'a> {
    fn next(&mut self, expected: &str) -> Result<Piece<'a>, Problem> {
        let (first, rest) = self.words.split_first().ok_or_else(|| self.end_problem(expected))?;
        self.words = rest;
        Ok(*first)
    }

    fn end_problem(&self, expected: &str) -> Problem {
        Piece { text: "", line: 1, column: 1 }.problem("a word is missing", expected)
    }

    fn host_of(&self, word: Piece<'_>, text: &str) -> Result<HostId, Problem> {
        let number = text.strip_prefix('n').and_then(|digits| digits.parse().ok());
        match number.filter(|number| *number < self.hosts) {
            Some(number) => Ok(HostId(number)),
            None => Err(word.problem(format!("there is no host {}", word.quoted()), hosts_text(self.hosts))),
        }
    }

    fn host(&mut self) -> Result<HostId, Problem> {
        let word = self.next(&hosts_text(self.hosts))?;
        self.host_of(word, word.text)
    }

    fn who(&mut self) -> Result<Who, Problem> {
        let word = self.next(&format!("{} or all", hosts_text(self.hosts)))?;
        if word.text == "all" { Ok(Who::All) } else { self.host_of(word, word.text).map(Who::One) }
    }

    fn of<T: Copy>(&mut self, table: &[(T, &'static str)], what: &str) -> Result<T, Problem> {
        let names: Vec<_> = table.iter().map(|(_, name)| *name).collect();
        let word = self.next(&format!("{what}: {}", names.join(", ")))?;
        choose(word, word.text, table, what)
    }

    fn number(&mut self, what: &str) -> Result<u32, Problem> {
        let word = self.next(what)?;
        word.text.parse().map_err(|_| word.problem(format!("{} is no number", word.quoted()), what))
    }

    fn lines(&mut self) -> Result<Vec<NodesLine>, Problem> {
        let mut lines = Vec::new();
        while let Some((word, rest)) = self.words.split_first() {
            self.words = rest;
            lines.push(match word.text {
                "blank" => NodesLine::Blank,
                text if text.strip_prefix('-').is_some_and(is_host_word) => {
                    NodesLine::Deleted(self.host_of(*word, &text[1..])?)
                }
                text if text.starts_with('-') => NodesLine::Gone(text[1..].to_owned()),
                text if is_host_word(text) => NodesLine::Node(self.host_of(*word, text)?),
                text => NodesLine::Text(text.to_owned()),
            });
        }
        Ok(lines)
    }

    fn end(&self) -> Result<(), Problem> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => {
                Err(word.problem(format!("{} is one word too many", word.quoted()), "the end of the line"))
            }
        }
    }
}

fn is_host_word(text: &str) -> bool {
    text.strip_prefix('n')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn hosts_text(hosts: u32) -> String {
    if hosts == 1 { "n0".to_owned() } else { format!("a host from n0 to n{}", hosts - 1) }
}

fn choose<T: Copy>(
    word: Piece<'_>,
    text: &str,
    table: &[(T, &'static str)],
    what: &str,
) -> Result<T, Problem> {
    let found = table.iter().find(|(_, name)| *name == text);
    found.map(|(value, _)| *value).ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(_, name)| *name).collect();
        let problem = word.problem(format!("{} is no {what}", word.quoted()), names.join(", "));
        problem.or_nearest(nearest(text, names.iter().copied()))
    })
}

/// Where an error at the end of the line is shown: behind the last word.
fn at_end(words: &[Piece<'_>], problem: Problem) -> Problem {
    match words.last() {
        Some(last) if problem.what == "a word is missing" => {
            let end = last.end();
            Problem { line: end.line, column: end.column, ..problem }
        }
        _ => problem,
    }
}

pub(super) fn parse_action(words: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
    action(words, hosts).map_err(|problem| at_end(words, problem))
}

fn action(all: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
    let mut words = Words { words: all, hosts };
    let verb = words.next("a verb")?;
    let action = match verb.text {
        "stop" => Action::Stop(words.who()?),
        "reload" => Action::Reload(words.who()?),
        "write-nodes" => Action::WriteNodes(words.who()?, words.lines()?),
        "renodes" => Action::Renodes(words.who()?, words.lines()?),
        "ping" => Action::Ping(words.host()?, words.host()?),
        "start-as" => Action::StartAs(words.who()?, words.of(&STARTS, "way to start")?),
        "version" => {
            let who = words.who()?;
            let word = words.next("a version like 4.18")?;
            let parts = word.text.split_once('.').and_then(|(major, minor)| {
                Some((u32::from(major.parse::<u16>().ok()?) << 16) | u32::from(minor.parse::<u16>().ok()?))
            });
            let wrong = || word.problem(format!("{} is no version", word.quoted()), "a version like 4.18");
            Action::Version(who, parts.ok_or_else(wrong)?)
        }
        "forge" => {
            let from = words.host()?;
            let arrow = words.next("->")?;
            if arrow.text != "->" {
                return Err(arrow.problem(format!("{} stands where -> belongs", arrow.quoted()), "n0 -> n1"));
            }
            Action::Forge(from, words.host()?, words.of(&Forgery::ALL, "forgery")?)
        }
        text => {
            let operator = choose(verb, text, &OPERATORS, "verb")?;
            Action::Operator(words.who()?, operator)
        }
    };
    words.end()?;
    Ok(action)
}

pub(super) fn parse_fact(words: &[Piece<'_>], hosts: u32) -> Result<Fact, Problem> {
    fact(words, hosts).map_err(|problem| at_end(words, problem))
}

fn fact(all: &[Piece<'_>], hosts: u32) -> Result<Fact, Problem> {
    let mut words = Words { words: all, hosts };
    let first = words.next("a fact")?;
    let fact = match first.text {
        "connected" => match words.who()? {
            Who::All => Fact::AllConnected,
            Who::One(from) => Fact::Connected(from, words.host()?),
        },
        "dead" => Fact::Dead(words.host()?),
        "pnn" => Fact::Number(words.host()?, words.number("a node number")?),
        "nodes" => Fact::Nodes(words.host()?, words.number("how many numbers the nodes file has")?),
        "running" => Fact::Running(words.host()?),
        "flags" => {
            let (from, to) = (words.host()?, words.host()?);
            let word = words.next("flags like ok or stopped|disabled")?;
            let mut flags = NodeFlags::empty();
            for text in word.text.split('|') {
                flags |= choose(word, text, &FLAG_WORDS, "flag")?;
            }
            Fact::Flags(from, to, flags)
        }
        "noticed" => {
            let host = words.host()?;
            let kinds = <Ctdb as standin_core::machine::Machine>::Notice::KINDS;
            let table: Vec<_> = kinds.iter().map(|kind| (*kind, *kind)).collect();
            Fact::Noticed(host, words.of(&table, "kind of notice")?.to_owned())
        }
        text => {
            let problem = first.problem(format!("{} is no fact", first.quoted()), FACTS.join(", "));
            return Err(problem.or_nearest(nearest(text, FACTS.iter().copied())));
        }
    };
    words.end()?;
    Ok(fact)
}
