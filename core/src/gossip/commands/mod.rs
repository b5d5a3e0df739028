//! The clients' side: what they ask for, in Redis' commands and words.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::machine::Gossip;
use super::notice::Notice;
use super::resp::{Out as Write, Requests, Resp};
use crate::machine::{Effect, Endpoint, How, LinkId, Outbox};
use crate::time::Instant;

/// A client.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Client {
    requests: Requests,
    resp: Resp,
    /// Our end, as it sees it.
    local: Option<IpAddr>,
    readonly: bool,
    asking: bool,
}

/// Everybody on the clients' port.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Clients {
    all: BTreeMap<LinkId, Client>,
}

impl Clients {
    pub(super) fn accepted(&mut self, link: LinkId, _from: &Endpoint, local: &Endpoint) {
        let client = Client {
            requests: Requests::new(),
            resp: Resp::Two,
            local: local.ip(),
            readonly: false,
            asking: false,
        };
        self.all.insert(link, client);
    }

    /// Whether it was a client's.
    pub(super) fn closed(&mut self, link: LinkId) -> bool {
        self.all.remove(&link).is_some()
    }
}

impl Gossip {
    pub(super) fn client_bytes(&mut self, now: Instant, out: &mut Outbox<Self>, link: LinkId, bytes: &[u8]) {
        let Some(client) = self.clients.all.get_mut(&link) else { return };
        client.requests.feed(bytes);
        loop {
            let Some(client) = self.clients.all.get_mut(&link) else { return };
            match client.requests.next() {
                Ok(Some(words)) => self.command(now, out, link, &words),
                Ok(None) => return,
                Err(error) => {
                    let mut reply = Vec::new();
                    Write::new(&mut reply, Resp::Two).error(&alloc::format!("{error}"));
                    self.say(link, reply);
                    self.clients.closed(link);
                    out.notice(Notice::ClientRefused);
                    return out.push(Effect::Close { link, how: How::Orderly });
                }
            }
        }
    }

    fn command(&mut self, _now: Instant, _out: &mut Outbox<Self>, link: LinkId, words: &[Vec<u8>]) {
        let mut reply = Vec::new();
        let mut write = Write::new(&mut reply, Resp::Two);
        match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
            Some(b"ping") => write.simple("PONG"),
            _ => write.error("unknown command"),
        }
        self.say(link, reply);
    }

    /// PUBLISH on the bus: to those who subscribed here.
    pub(super) fn publish(&mut self, _sharded: bool, _channel: &[u8], _message: &[u8]) {}
}
