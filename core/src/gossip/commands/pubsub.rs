//! Channels: whoever subscribed here is told what is published here, or comes by the bus.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{Out as Write, Resp};
use super::super::wire::{self, Kind};
use super::rows::sub;
use super::table::{Flags, Row};
use super::{Call, hello};
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

/// What a subscriber is told, unasked: in RESP3 it can be told apart.
fn push(bytes: &mut Vec<u8>, resp: Resp, word: &str, channel: Option<&[u8]>) {
    match resp {
        Resp::Two => Write::new(bytes, resp).array(3),
        Resp::Three => bytes.extend_from_slice(b">3\r\n"),
    }
    let mut write = Write::new(bytes, resp);
    write.bulk(word);
    match channel {
        Some(channel) => write.bulk(channel),
        None => write.null(),
    }
}

impl Gossip {
    /// Whether a client may say nothing else: RESP2 could not tell an answer from a message.
    pub(super) fn only_listens(&self, link: LinkId) -> bool {
        let client = self.clients.all.get(&link);
        client.is_some_and(|client| client.resp == Resp::Two && !client.channels.is_empty())
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
        listeners.len()
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
        let bytes: usize = names.iter().map(Vec::len).sum();
        if client.channels.len() + names.len() > CHANNELS_MAX
            || client.channel_bytes + bytes > CHANNEL_BYTES_MAX
        {
            return call.error("too many channels for one client");
        }
        let word = if sharded { "ssubscribe" } else { "subscribe" };
        for name in names {
            if client.channels.insert((sharded, name.clone())) {
                client.channel_bytes += name.len();
                self.clients.subscribers.insert((sharded, name.clone(), call.link));
            }
            push(call.bytes, call.resp, word, Some(name));
            let count = client.channels.iter().filter(|of| of.0 == sharded).count();
            Write::new(call.bytes, call.resp).integer(count as i64);
        }
    }

    /// Those named, or all.
    fn unsubscribe_named(&mut self, call: &mut Call<'_>, sharded: bool) {
        let Some(client) = self.clients.all.get_mut(&call.link) else { return };
        let word = if sharded { "sunsubscribe" } else { "unsubscribe" };
        let mut count = client.channels.iter().filter(|of| of.0 == sharded).count();
        let names: Vec<Vec<u8>> = match &call.words[1..] {
            [] => client.channels.iter().filter(|of| of.0 == sharded).map(|of| of.1.clone()).collect(),
            names => names.to_vec(),
        };
        if names.is_empty() {
            push(call.bytes, call.resp, word, None);
            Write::new(call.bytes, call.resp).integer(0);
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

    pub(super) fn unsubscribe_all(&mut self, link: LinkId) {
        let Some(client) = self.clients.all.get_mut(&link) else { return };
        client.channel_bytes = 0;
        for (sharded, channel) in core::mem::take(&mut client.channels) {
            self.clients.subscribers.remove(&(sharded, channel, link));
        }
    }

    fn tell_channels(&self, call: &mut Call<'_>, sharded: bool) {
        // A pattern other than `*` is not looked at: everything is told.
        let names: Vec<&Vec<u8>> = self.channels(sharded).collect();
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

/// Patterns are not offered.
fn numpat(_: &mut Gossip, call: &mut Call<'_>) {
    call.reply().integer(0);
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "PUBSUB", &PUBSUB.iter().map(Row::short).collect::<Vec<_>>());
}
