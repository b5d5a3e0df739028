//! Channels: whoever subscribed here is told what is published here, or comes by the bus.

use alloc::format;
use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{Out as Write, Resp};
use super::super::wire::{self, Kind};
use super::glob::glob;
use super::rows::sub;
use super::table::{Flags, Row};
use super::{Call, Client, empty, hello};
use crate::machine::LinkId;

/// Channels one client may subscribe to, and the bytes of their names.
const CHANNELS_MAX: usize = 1_024;
const CHANNEL_BYTES_MAX: usize = 64 << 10;

pub(super) static PUBSUB: &[Row] = &[
    Row { flags: Flags::PUBSUB, ..sub("pubsub|channels", -2, channels) },
    sub("pubsub|help", 2, help),
    Row { flags: Flags::PUBSUB, ..sub("pubsub|numpat", 2, numpat) },
    Row { flags: Flags::PUBSUB, ..sub("pubsub|numsub", -2, numsub) },
    Row { flags: Flags::PUBSUB, ..sub("pubsub|shardchannels", -2, shardchannels) },
    Row { flags: Flags::PUBSUB, ..sub("pubsub|shardnumsub", -2, shardnumsub) },
];

/// Bytes of all clients' patterns together, and of a channel's name that they are looked at with:
/// each message is held against every pattern.
const PATTERN_BYTES_MAX: usize = 64 << 10;
const NAME_MAX: usize = 1 << 10;
/// The same for PUBSUB CHANNELS: letters of the pattern times those of all channels.
const COMPARED_MAX: usize = 64 << 20;

/// What a subscriber is told, unasked: in RESP3 it can be told apart.
fn push(bytes: &mut Vec<u8>, resp: Resp, word: &str, channel: Option<&[u8]>) {
    begin_push(bytes, resp, 3, word);
    let mut write = Write::new(bytes, resp);
    match channel {
        Some(channel) => write.bulk(channel),
        None => write.null(),
    }
}

fn begin_push(bytes: &mut Vec<u8>, resp: Resp, count: usize, word: &str) {
    match resp {
        Resp::Two => Write::new(bytes, resp).array(count),
        Resp::Three => bytes.extend_from_slice(format!(">{count}\r\n").as_bytes()),
    }
    Write::new(bytes, resp).bulk(word);
}

impl Client {
    /// To how much it has subscribed; true: of its shard. Patterns count as channels.
    pub(super) fn subscriptions(&self, sharded: bool) -> usize {
        let patterns = if sharded { 0 } else { self.patterns.len() };
        self.channels.iter().filter(|of| of.0 == sharded).count() + patterns
    }

    pub(super) fn listens(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty()
    }

    fn has_room(&self, names: &[Vec<u8>]) -> bool {
        let bytes: usize = names.iter().map(Vec::len).sum();
        self.channels.len() + self.patterns.len() + names.len() <= CHANNELS_MAX
            && self.channel_bytes + bytes <= CHANNEL_BYTES_MAX
    }
}

impl Gossip {
    /// Whether a client may say nothing else: RESP2 could not tell an answer from a message.
    pub(super) fn only_listens(&self, link: LinkId) -> bool {
        let client = self.clients.all.get(&link);
        client.is_some_and(|client| client.resp == Resp::Two && client.listens())
    }

    /// Who subscribed to a channel.
    fn listeners(&self, sharded: bool, channel: &[u8]) -> Vec<LinkId> {
        let from = (sharded, channel.to_vec(), LinkId(0));
        let same = |of: &&(bool, Vec<u8>, LinkId)| of.0 == sharded && of.1 == channel;
        self.clients.subscribers.range(from..).take_while(same).map(|&(_, _, link)| link).collect()
    }

    /// Channels somebody subscribed to.
    pub(super) fn channels(&self, sharded: bool) -> impl Iterator<Item = &Vec<u8>> {
        let mut last = None;
        let of_kind = self.clients.subscribers.iter().filter(move |of| of.0 == sharded);
        of_kind.map(|(_, channel, _)| channel).filter(move |&channel| last.replace(channel) != Some(channel))
    }

    /// How many patterns somebody subscribed to.
    pub(super) fn patterns(&self) -> usize {
        let mut all: Vec<&Vec<u8>> = self.clients.patterns.iter().map(|(pattern, _)| pattern).collect();
        all.dedup();
        all.len()
    }

    /// PUBLISH on the bus, or here: to those who subscribed here. How many they are.
    pub(in super::super) fn publish(&mut self, sharded: bool, channel: &[u8], message: &[u8]) -> usize {
        let listeners = self.listeners(sharded, channel);
        for &link in &listeners {
            let Some(client) = self.clients.all.get(&link) else { continue };
            let mut bytes = Vec::with_capacity(channel.len() + message.len() + 64);
            push(&mut bytes, client.resp, if sharded { "smessage" } else { "message" }, Some(channel));
            Write::new(&mut bytes, client.resp).bulk(message);
            self.answer(link, bytes);
        }
        let by_pattern = if sharded { 0 } else { self.publish_by_pattern(channel, message) };
        listeners.len() + by_pattern
    }

    /// Whoever has several patterns that match is told several times.
    fn publish_by_pattern(&mut self, channel: &[u8], message: &[u8]) -> usize {
        if channel.len() > NAME_MAX {
            return 0;
        }
        let matching = self.clients.patterns.iter().filter(|(pattern, _)| glob(pattern, channel));
        let matching: Vec<(Vec<u8>, LinkId)> = matching.cloned().collect();
        for (pattern, link) in &matching {
            let Some(client) = self.clients.all.get(link) else { continue };
            let mut bytes = Vec::with_capacity(pattern.len() + channel.len() + message.len() + 64);
            begin_push(&mut bytes, client.resp, 4, "pmessage");
            let mut write = Write::new(&mut bytes, client.resp);
            write.bulk(pattern);
            write.bulk(channel);
            write.bulk(message);
            self.answer(*link, bytes);
        }
        matching.len()
    }

    fn publish_everywhere(&mut self, call: &mut Call<'_>, sharded: bool) {
        let (channel, message) = (call.word(1), call.word(2));
        let here = self.publish(sharded, channel, message);
        let kind = if sharded { Kind::PublishShard } else { Kind::Publish };
        let mut bytes = self.begin(kind, 0);
        wire::push_publish(&mut bytes, channel, message);
        let told = if sharded { self.tell_shard(kind, &bytes) } else { self.broadcast(kind, &bytes) };
        self.clients.spent += told * bytes.len();
        call.reply().integer(here as i64);
    }

    fn subscribe_all(&mut self, call: &mut Call<'_>, sharded: bool) {
        let names = &call.words[1..];
        let Some(client) = self.clients.all.get_mut(&call.link) else { return };
        if !client.has_room(names) {
            return call.error("too many channels for one client");
        }
        let word = if sharded { "ssubscribe" } else { "subscribe" };
        for name in names {
            if client.channels.insert((sharded, name.clone())) {
                client.channel_bytes += name.len();
                self.clients.subscribers.insert((sharded, name.clone(), call.link));
            }
            push(call.bytes, call.resp, word, Some(name));
            let count = client.subscriptions(sharded);
            Write::new(call.bytes, call.resp).integer(count as i64);
        }
    }

    /// Those named, or all.
    fn unsubscribe_named(&mut self, call: &mut Call<'_>, sharded: bool) {
        let Some(client) = self.clients.all.get_mut(&call.link) else { return };
        let word = if sharded { "sunsubscribe" } else { "unsubscribe" };
        let mut count = client.subscriptions(sharded);
        let names: Vec<Vec<u8>> = match &call.words[1..] {
            [] => client.channels.iter().filter(|of| of.0 == sharded).map(|of| of.1.clone()).collect(),
            names => names.to_vec(),
        };
        if names.is_empty() {
            push(call.bytes, call.resp, word, None);
            Write::new(call.bytes, call.resp).integer(count as i64);
        }
        for name in names {
            if client.channels.remove(&(sharded, name.clone())) {
                client.channel_bytes -= name.len();
                count -= 1;
            }
            push(call.bytes, call.resp, word, Some(&name));
            Write::new(call.bytes, call.resp).integer(count as i64);
            self.clients.subscribers.remove(&(sharded, name, call.link));
        }
    }

    fn subscribe_patterns(&mut self, call: &mut Call<'_>) {
        let names = &call.words[1..];
        let all: usize = self.clients.patterns.iter().map(|(pattern, _)| pattern.len()).sum();
        let more: usize = names.iter().map(Vec::len).sum();
        let Some(client) = self.clients.all.get_mut(&call.link) else { return };
        if !client.has_room(names) {
            return call.error("too many channels for one client");
        }
        if all + more > PATTERN_BYTES_MAX {
            return call.error("too many patterns of all clients");
        }
        for name in names {
            if client.patterns.insert(name.clone()) {
                client.channel_bytes += name.len();
                self.clients.patterns.insert((name.clone(), call.link));
            }
            push(call.bytes, call.resp, "psubscribe", Some(name));
            Write::new(call.bytes, call.resp).integer(client.subscriptions(false) as i64);
        }
    }

    /// Those named, or all.
    fn unsubscribe_patterns(&mut self, call: &mut Call<'_>) {
        let Some(client) = self.clients.all.get_mut(&call.link) else { return };
        let names: Vec<Vec<u8>> = match &call.words[1..] {
            [] => client.patterns.iter().cloned().collect(),
            names => names.to_vec(),
        };
        let mut count = client.subscriptions(false);
        if names.is_empty() {
            push(call.bytes, call.resp, "punsubscribe", None);
            Write::new(call.bytes, call.resp).integer(count as i64);
        }
        for name in names {
            if client.patterns.remove(&name) {
                client.channel_bytes -= name.len();
                count -= 1;
            }
            push(call.bytes, call.resp, "punsubscribe", Some(&name));
            Write::new(call.bytes, call.resp).integer(count as i64);
            self.clients.patterns.remove(&(name, call.link));
        }
    }

    pub(super) fn unsubscribe_all(&mut self, link: LinkId) {
        let Some(client) = self.clients.all.get_mut(&link) else { return };
        client.channel_bytes = 0;
        for (sharded, channel) in core::mem::take(&mut client.channels) {
            self.clients.subscribers.remove(&(sharded, channel, link));
        }
        for pattern in core::mem::take(&mut client.patterns) {
            self.clients.patterns.remove(&(pattern, link));
        }
    }

    fn tell_channels(&self, call: &mut Call<'_>, sharded: bool) {
        let mut names: Vec<&Vec<u8>> = self.channels(sharded).collect();
        match call.words {
            [_, _] => {}
            [_, _, pattern] => {
                let letters: usize = names.iter().map(|name| name.len()).sum();
                if pattern.len().saturating_mul(letters) > COMPARED_MAX {
                    return call.error("too long a pattern for so many channels");
                }
                names.retain(|name| glob(pattern, name));
            }
            _ => return empty::wrong_subcommand(call),
        }
        let mut reply = call.reply();
        reply.array(names.len());
        names.iter().for_each(|name| reply.bulk(name));
    }

    fn count_listeners(&self, call: &mut Call<'_>, sharded: bool) {
        let counts: Vec<_> =
            call.words[2..].iter().map(|name| (name, self.listeners(sharded, name).len())).collect();
        let mut reply = call.reply();
        reply.array(2 * counts.len());
        for (name, count) in counts {
            reply.bulk(name);
            reply.integer(count as i64);
        }
    }
}

pub(super) fn subscribe(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.subscribe_all(call, false);
}

pub(super) fn ssubscribe(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.subscribe_all(call, true);
}

pub(super) fn unsubscribe(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.unsubscribe_named(call, false);
}

pub(super) fn sunsubscribe(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.unsubscribe_named(call, true);
}

pub(super) fn psubscribe(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.subscribe_patterns(call);
}

pub(super) fn punsubscribe(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.unsubscribe_patterns(call);
}

pub(super) fn publish(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.publish_everywhere(call, false);
}

pub(super) fn spublish(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.publish_everywhere(call, true);
}

fn channels(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.tell_channels(call, false);
}

fn shardchannels(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.tell_channels(call, true);
}

fn numsub(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.count_listeners(call, false);
}

fn shardnumsub(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.count_listeners(call, true);
}

fn numpat(machine: &mut Gossip, call: &mut Call<'_>) {
    call.reply().integer(machine.patterns() as i64);
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "PUBSUB", &PUBSUB.iter().map(Row::short).collect::<Vec<_>>());
}
