//! The clients' side: what they ask for, in Redis' commands and words.
//!
//! A request is looked up ([`table`]), refused or sent elsewhere ([`keys`]), queued
//! ([`transactions`]) or run. What is refused is refused in the words of Redis 7.0.15.
//!
//! A client waits, its further requests unread, while a promise of ours is being saved, while a
//! manual failover holds its write, while an operator has it wait, while the settings it wants kept
//! are being written, and once it was told more than [`SPENT_MAX`] in one go.

mod acl;
mod call;
mod clients;
mod cluster;
mod cluster_read;
mod cluster_write;
mod empty;
mod far;
mod functions;
mod glob;
mod hello;
mod info;
mod keys;
mod kill;
mod list;
mod pause;
mod pubsub;
mod registers;
mod replication;
mod rows;
mod settings;
mod table;
mod tracking;
mod transactions;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use self::call::{Call, shown};
use self::clients::Answers;
use self::pause::{Pause, Postponed};
use self::replication::Replica;
use self::table::{Flags, Row};
use self::tracking::Tracking;
use self::transactions::Transaction;
use super::machine::Gossip;
use super::notice::Notice;
use super::resp::{ARGUMENT_COST, Out as Write, Requests, Resp, is};
use crate::machine::{Endpoint, JobId, LinkId, Outbox};
use crate::time::Instant;

/// Clients at a time; Redis' default (`maxclients`).
pub(super) const CLIENTS_MAX: usize = 10_000;
/// Bytes said on behalf of clients in one input; who wants more waits for the next one.
const SPENT_MAX: usize = 8 << 20;
/// Bytes a waiting client may have unread.
const UNREAD_MAX: usize = 2 << 20;
/// Bytes kept for all clients together …
const KEPT_MAX: usize = 64 << 20;
/// … from where on nobody may keep more than this.
const KEPT_EACH: usize = 4 << 10;

/// A client.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Client {
    /// Counts from 1, as Redis' `CLIENT ID`.
    id: u64,
    requests: Requests,
    resp: Resp,
    name: Vec<u8>,
    /// It has said the password, or there is none.
    known: bool,
    /// It speaks no TLS.
    plain: bool,
    /// Their end and ours.
    remote: Endpoint,
    local: Endpoint,
    /// `READONLY`: a replica's data are good enough.
    readonly: bool,
    /// `ASKING`: the next request may use a slot that is on its way here.
    asking: bool,
    transaction: Option<Transaction>,
    /// Registers that must not have changed until `EXEC`.
    watched: Vec<(u16, u64)>,
    /// A request that waits until a manual failover is over, or CLIENT PAUSE.
    postponed: Option<Postponed>,
    /// The job whose end is its answer.
    awaits: Option<JobId>,
    /// Channels; true: of a shard.
    channels: BTreeSet<(bool, Vec<u8>)>,
    patterns: BTreeSet<Vec<u8>>,
    channel_bytes: usize,
    /// Whether it wants answers.
    answers: Answers,
    /// Whether it caches what it reads.
    tracking: Option<Tracking>,
    /// It replicates us, or is about to.
    replica: Replica,
    /// Bytes kept for it when last looked at.
    kept: usize,
}

/// What a request takes in memory, roughly.
fn cost(words: &[Vec<u8>]) -> usize {
    words.iter().map(|word| word.len() + ARGUMENT_COST).sum()
}

impl Client {
    fn weigh(&self) -> usize {
        let postponed = self.postponed.as_ref().map_or(0, |it| cost(&it.words));
        let queued = self.transaction.as_ref().map_or(0, Transaction::bytes);
        let watched = 16 * self.watched.len();
        let followed = self.channel_bytes + self.tracking.as_ref().map_or(0, Tracking::bytes);
        self.requests.weight() + postponed + queued + watched + self.name.len() + followed
    }
}

/// Everybody on the clients' port.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Clients {
    all: BTreeMap<LinkId, Client>,
    /// Who subscribed to what; true: a channel of a shard.
    subscribers: BTreeSet<(bool, Vec<u8>, LinkId)>,
    /// Who subscribed to which pattern.
    patterns: BTreeSet<(Vec<u8>, LinkId)>,
    /// Who has requests left that could not be served yet.
    waiting: BTreeSet<LinkId>,
    /// Whose requests an operator has wait.
    pause: Option<Pause>,
    /// Whose stream ends behind the answer that is being made: it said QUIT, or killed itself.
    leaving: Option<LinkId>,
    /// Bytes said in this input.
    spent: usize,
    /// Bytes kept for all of them.
    kept: usize,
    /// Clients, and requests, so far.
    accepted: u64,
    refused: u64,
    requests: u64,
}

impl Clients {
    /// Whether there is room for it.
    pub(super) fn accepted(
        &mut self,
        link: LinkId,
        (from, local): (&Endpoint, &Endpoint),
        known: bool,
        plain: bool,
    ) -> bool {
        if self.all.len() >= CLIENTS_MAX {
            self.refused += 1;
            return false;
        }
        self.accepted += 1;
        let client = Client {
            id: self.accepted,
            requests: Requests::new(),
            resp: Resp::Two,
            name: Vec::new(),
            known,
            plain,
            remote: from.clone(),
            local: local.clone(),
            readonly: false,
            asking: false,
            transaction: None,
            watched: Vec::new(),
            postponed: None,
            awaits: None,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            channel_bytes: 0,
            answers: Answers::default(),
            tracking: None,
            replica: Replica::default(),
            kept: 0,
        };
        self.all.insert(link, client);
        true
    }

    /// Whether it was a client's.
    pub(super) fn closed(&mut self, link: LinkId) -> bool {
        let Some(client) = self.all.remove(&link) else { return false };
        self.kept -= client.kept;
        self.waiting.remove(&link);
        for (sharded, channel) in client.channels {
            self.subscribers.remove(&(sharded, channel, link));
        }
        for pattern in client.patterns {
            self.patterns.remove(&(pattern, link));
        }
        true
    }

    /// A client is answered when this job is done, and not served before.
    fn wait_for(&mut self, link: LinkId, job: JobId) {
        if let Some(client) = self.all.get_mut(&link) {
            client.awaits = Some(job);
        }
    }

    /// Who waited for a job, if he is there still.
    fn waited_for(&mut self, job: JobId) -> Option<(LinkId, Resp)> {
        let (link, client) = self.all.iter_mut().find(|(_, client)| client.awaits == Some(job))?;
        client.awaits = None;
        Some((*link, client.resp))
    }

    /// Another input begins.
    pub(super) const fn begin(&mut self) {
        self.spent = 0;
    }
}

impl Gossip {
    /// There is no room for another client.
    pub(super) fn refuse_client(&mut self, out: &mut Outbox<Self>, link: LinkId) {
        let mut reply = Vec::new();
        Write::new(&mut reply, Resp::Two).error("max number of clients reached");
        self.say(link, reply);
        out.notice(Notice::ClientRefused);
        self.hang_up(link);
    }

    pub(super) fn client_bytes(&mut self, now: Instant, out: &mut Outbox<Self>, link: LinkId, bytes: &[u8]) {
        let Some(client) = self.clients.all.get_mut(&link) else { return };
        client.requests.feed(bytes);
        self.serve(now, out, link);
    }

    /// Serves those who had to wait, if they need to no longer.
    pub(super) fn resume_clients(&mut self, now: Instant, out: &mut Outbox<Self>) {
        if self.clients.waiting.is_empty() || self.is_saving() {
            return;
        }
        for link in core::mem::take(&mut self.clients.waiting) {
            let postponed = self.clients.all.get(&link).and_then(|client| client.postponed.as_ref());
            if postponed.is_some_and(|it| self.is_held(now, link, it.writes)) {
                self.clients.waiting.insert(link);
            } else {
                self.serve(now, out, link);
            }
        }
    }

    /// Serves what a client asked, as far as it may be served now.
    fn serve(&mut self, now: Instant, out: &mut Outbox<Self>, link: LinkId) {
        self.clients.waiting.remove(&link);
        let waits = loop {
            if self.is_saving() || self.clients.spent > SPENT_MAX {
                break true;
            }
            let Some(client) = self.clients.all.get_mut(&link) else { return };
            if client.awaits.is_some() {
                break true;
            }
            client.requests.strange(!client.known);
            let words =
                match client.postponed.take().map_or_else(|| client.requests.next(), |it| Ok(Some(it.words)))
                {
                    Ok(Some(words)) => words,
                    Ok(None) => break false,
                    Err(error) => {
                        let mut reply = Vec::new();
                        Write::new(&mut reply, Resp::Two).error(error);
                        self.answer(link, reply);
                        return self.give_up(out, link);
                    }
                };
            // A browser that was made to speak to us: nothing of what follows is run.
            if words.first().is_some_and(|word| is(word, "post") || is(word, "host:")) {
                return self.give_up(out, link);
            }
            if let Some(postponed) = self.request(now, out, link, words)
                && let Some(client) = self.clients.all.get_mut(&link)
            {
                client.postponed = Some(postponed);
                break true;
            }
        };
        let clients = &mut self.clients;
        let Some(client) = clients.all.get_mut(&link) else { return };
        let kept = client.weigh();
        clients.kept = clients.kept - client.kept + kept;
        client.kept = kept;
        if waits {
            // What is unread may be nothing: looked at again, that is found out.
            clients.waiting.insert(link);
        }
        if kept > UNREAD_MAX || clients.kept > KEPT_MAX && kept > KEPT_EACH {
            self.give_up(out, link);
        }
    }

    /// A client cannot be served any longer.
    fn give_up(&mut self, out: &mut Outbox<Self>, link: LinkId) {
        out.notice(Notice::ClientRefused);
        self.end_client(link);
    }

    /// Ends a client's stream behind what it is told.
    fn end_client(&mut self, link: LinkId) {
        self.clients.closed(link);
        self.replica_gone(link);
        self.hang_up(link);
    }

    fn answer(&mut self, link: LinkId, bytes: Vec<u8>) {
        self.clients.spent += bytes.len();
        self.say(link, bytes);
    }

    /// One request; it comes back if it has to wait.
    fn request(
        &mut self,
        now: Instant,
        out: &mut Outbox<Self>,
        link: LinkId,
        words: Vec<Vec<u8>>,
    ) -> Option<Postponed> {
        let client = self.clients.all.get(&link)?;
        let resp = client.resp;
        let queues = client.transaction.is_some();
        let said = |name| words.first().is_some_and(|word| is(word, name));
        let (asks, about_itself) = (said("asking"), said("client"));
        self.clients.requests += 1;
        let mut bytes = Vec::new();
        let mut call = Call { now, out, link, words: &words, bytes: &mut bytes, resp };
        match self.admit(&mut call, queues) {
            Admitted::Refused => self.spoil(link),
            Admitted::Postponed { writes } => return Some(Postponed { words, writes }),
            Admitted::Queue => {
                call.reply().simple("QUEUED");
                self.queue(link, words);
            }
            Admitted::Run(row) => self.run(&mut call, row),
        }
        // ASKING is good for one request, or for the transaction that follows; so is CLIENT CACHING.
        if let Some(client) = self.clients.all.get_mut(&link)
            && client.transaction.is_none()
        {
            client.asking &= asks;
            client.tracking.iter_mut().filter(|_| !about_itself).for_each(Tracking::passed);
        }
        if self.wants_answer(link) {
            self.answer(link, bytes);
        }
        if self.clients.leaving.take() == Some(link) {
            self.end_client(link);
        }
        None
    }

    /// What becomes of a request, in Redis' order of questions.
    fn admit(&mut self, call: &mut Call<'_>, queues: bool) -> Admitted {
        let row = match table::find(call.words) {
            Ok(row) => row,
            Err(table::NoCommand::WordCount("exec")) => {
                self.discard(call.link);
                call.reply().error_code(
                    "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
                );
                return Admitted::Refused;
            }
            Err(why) => {
                call.reply().error(why);
                return Admitted::Refused;
            }
        };
        if !self.hears(call, row) {
            return Admitted::Refused;
        }
        if queues && row.flags.contains(Flags::NO_MULTI) {
            call.reply().error("Command not allowed inside a transaction");
            return Admitted::Refused;
        }
        let elsewhere = if row.is_exec() { self.redirect_queued(call) } else { self.redirect(call, row) };
        if let Some(error) = elsewhere {
            call.reply().error_code(error);
            if row.is_exec() {
                self.discard(call.link);
            }
            return Admitted::Refused;
        }
        if self.only_listens(call.link) && !row.flags.contains(Flags::WHILE_LISTENING) {
            let name = row.name;
            call.reply().error(format_args!(
                "Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                 allowed in this context"
            ));
            return Admitted::Refused;
        }
        let writes = if row.is_exec() { self.queued_writes(call.link) } else { row.flags.writes() };
        if self.is_held(call.now, call.link, writes) {
            return Admitted::Postponed { writes };
        }
        if queues && !row.flags.contains(Flags::ENDS_MULTI) {
            if !self.may_queue(call) {
                return Admitted::Refused;
            }
            return Admitted::Queue;
        }
        Admitted::Run(row)
    }

    fn run(&mut self, call: &mut Call<'_>, row: &'static Row) {
        (row.run)(self, call);
    }
}

/// What becomes of a request.
enum Admitted {
    /// It was answered with an error.
    Refused,
    /// It waits.
    Postponed {
        writes: bool,
    },
    /// It waits for `EXEC`.
    Queue,
    Run(&'static Row),
}

#[cfg(test)]
mod tests;
