//! CLIENT: who else is here, and how each wants to be spoken to.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{Resp, is, number};
use super::hello::{self, bad_name, is_name, set};
use super::rows::{admin, sub};
use super::table::Row;
use super::{Call, Client, kill, pause, tracking};
use crate::machine::{Endpoint, LinkId};

pub(super) static CLIENT: &[Row] = &[
    sub("client|caching", 3, tracking::caching),
    sub("client|getname", 2, getname),
    sub("client|getredir", 2, tracking::getredir),
    sub("client|help", 2, help),
    sub("client|id", 2, id),
    sub("client|info", 2, info),
    admin("client|kill", -3, kill::kill),
    admin("client|list", -2, list),
    admin("client|no-evict", 3, no_evict),
    admin("client|pause", -3, pause::pause),
    sub("client|reply", 3, reply),
    sub("client|setinfo", 4, setinfo),
    sub("client|setname", 3, setname),
    sub("client|tracking", -3, tracking::tracking),
    sub("client|trackinginfo", 2, tracking::trackinginfo),
    admin("client|unblock", -3, pause::unblock),
    admin("client|unpause", 2, pause::unpause),
];

fn getname(machine: &mut Gossip, call: &mut Call<'_>) {
    let name = machine.clients.all.get(&call.link).map_or(&[][..], |client| &client.name);
    if name.is_empty() { call.reply().null() } else { call.reply().bulk(name) }
}

fn setname(machine: &mut Gossip, call: &mut Call<'_>) {
    let name = call.word(2).to_vec();
    if is_name(&name) { set(machine, call, |client| client.name = name) } else { bad_name(call) }
}

/// Later clients say which library they are. Redis 7.0 does not know the command.
fn setinfo(_: &mut Gossip, call: &mut Call<'_>) {
    call.ok();
}

/// Nobody is evicted.
fn no_evict(_: &mut Gossip, call: &mut Call<'_>) {
    let known = is(call.word(2), "on") || is(call.word(2), "off");
    if known { call.ok() } else { call.syntax_error() }
}

fn id(machine: &mut Gossip, call: &mut Call<'_>) {
    let id = machine.clients.all.get(&call.link).map_or(0, |client| client.id);
    call.reply().integer(id as i64);
}

/// An end of a client's stream.
pub(super) fn end_text(end: &Endpoint) -> String {
    match end {
        Endpoint::Tcp(address) => format!("{address}"),
        Endpoint::Unix(path) => format!("{path}:0"),
    }
}

/// What kind of client one is. (Our own master is nobody's client.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Master,
    Replica,
    Listener,
}

impl Kind {
    pub(super) fn read(word: &[u8]) -> Option<Self> {
        let kinds = [
            ("normal", Self::Normal),
            ("master", Self::Master),
            ("replica", Self::Replica),
            ("slave", Self::Replica),
            ("pubsub", Self::Listener),
        ];
        kinds.into_iter().find(|(name, _)| is(word, name)).map(|(_, kind)| kind)
    }

    pub(super) fn unknown(call: &mut Call<'_>, word: &[u8]) {
        let word = super::shown(word);
        call.error(format_args!("Unknown client type '{word}'"));
    }

    pub(super) fn is(self, client: &Client) -> bool {
        let kind = if client.replica.takes_stream() {
            Self::Replica
        } else if client.listens() {
            Self::Listener
        } else {
            Self::Normal
        };
        self == kind
    }
}

/// Our view of a client, in Redis' words and order. What it asked last is known of the one who asks
/// now; what Redis tells of its buffers, of nobody.
fn describe(client: &Client, asks: Option<&str>) -> String {
    let channels = |sharded| client.channels.iter().filter(|of| of.0 == sharded).count();
    let mut flags = String::new();
    if client.replica.takes_stream() {
        flags.push('S');
    }
    if client.listens() {
        flags.push('P');
    }
    if client.transaction.is_some() {
        flags.push('x');
    }
    if client.readonly {
        flags.push('r');
    }
    if let Some(tracking) = &client.tracking {
        flags.push_str(tracking.letters());
    }
    if flags.is_empty() {
        flags.push('N');
    }
    format!(
        "id={} addr={} laddr={} name={} flags={flags} db=0 sub={} psub={} ssub={} multi={}{} user=default \
         redir={} resp={}\n",
        client.id,
        end_text(&client.remote),
        end_text(&client.local),
        String::from_utf8_lossy(&client.name),
        channels(false),
        client.patterns.len(),
        channels(true),
        client.transaction.as_ref().map_or(-1, |queued| queued.requests().len() as i64),
        asks.map_or(String::new(), |command| format!(" cmd={command}")),
        client.tracking.as_ref().map_or(-1, |tracking| tracking.redirect() as i64),
        if client.resp == Resp::Three { 3 } else { 2 },
    )
}

fn info(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(client) = machine.clients.all.get(&call.link) else { return };
    let text = describe(client, Some("client|info"));
    call.reply().verbatim(&text);
}

/// `CLIENT LIST [TYPE normal|master|replica|pubsub] [ID id …]`
fn list(machine: &mut Gossip, call: &mut Call<'_>) {
    let (mut kind, mut among) = (None, None);
    match call.words {
        [_, _] => {}
        [_, _, option, word] if is(option, "type") => {
            kind = Kind::read(word);
            if kind.is_none() {
                return Kind::unknown(call, word);
            }
        }
        [_, _, option, ids @ ..] if is(option, "id") && !ids.is_empty() => {
            let ids: Option<BTreeSet<u64>> =
                ids.iter().map(|id| number(id).and_then(|id| u64::try_from(id).ok())).collect();
            let Some(ids) = ids else { return call.error("Invalid client ID") };
            among = Some(ids);
        }
        _ => return call.syntax_error(),
    }
    let wanted = |client: &Client| {
        kind.is_none_or(|kind| kind.is(client)) && among.as_ref().is_none_or(|ids| ids.contains(&client.id))
    };
    let mut text = String::new();
    for (&link, client) in machine.clients.all.iter().filter(|(_, client)| wanted(client)) {
        text.push_str(&describe(client, (link == call.link).then_some("client|list")));
    }
    call.reply().verbatim(&text);
}

/// Whether a client wants answers: `CLIENT REPLY`. What is published it hears anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Answers {
    #[default]
    On,
    Off,
    /// Neither to `CLIENT REPLY SKIP`,
    SkipThis,
    /// nor to what follows.
    SkipNext,
}

impl Gossip {
    /// A request was run: whether its client is told what came of it.
    pub(super) fn wants_answer(&mut self, link: LinkId) -> bool {
        let Some(client) = self.clients.all.get_mut(&link) else { return false };
        let now = client.answers;
        client.answers = match now {
            Answers::SkipThis => Answers::SkipNext,
            Answers::SkipNext => Answers::On,
            Answers::On | Answers::Off => now,
        };
        now == Answers::On
    }
}

fn reply(machine: &mut Gossip, call: &mut Call<'_>) {
    let answers = match call.word(2) {
        word if is(word, "on") => Answers::On,
        word if is(word, "off") => Answers::Off,
        word if is(word, "skip") => Answers::SkipThis,
        _ => return call.syntax_error(),
    };
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    // Who is told nothing at all needs to skip nothing.
    if answers == Answers::SkipThis && client.answers == Answers::Off {
        return;
    }
    client.answers = answers;
    call.ok();
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "CLIENT", &CLIENT.iter().map(Row::short).collect::<Vec<_>>());
}
