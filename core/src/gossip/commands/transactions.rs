//! MULTI, EXEC, DISCARD, WATCH: several requests as one.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::Resp;
use super::super::slots::key_slot;
use super::table::{self, Row};
use super::{Call, cost};
use crate::machine::LinkId;

/// Requests that may be queued.
const QUEUED_MAX: usize = 1_024;
/// Bytes of memory they may take together; ADDSLOTS of all slots takes nearly all of it.
const QUEUED_BYTES_MAX: usize = 1 << 20;
/// Bytes of answers from which on nothing more is done.
const ANSWER_MAX: usize = 16 << 20;

/// What was queued since MULTI.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Transaction {
    requests: Vec<Vec<Vec<u8>>>,
    bytes: usize,
    /// Something could not be queued: EXEC will do nothing.
    spoilt: bool,
}

impl Transaction {
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn requests(&self) -> &[Vec<Vec<u8>>] {
        &self.requests
    }
}

impl Gossip {
    fn transaction(&mut self, link: LinkId) -> Option<&mut Transaction> {
        self.clients.all.get_mut(&link)?.transaction.as_mut()
    }

    /// A request of a transaction was refused.
    pub(super) fn spoil(&mut self, link: LinkId) {
        if let Some(transaction) = self.transaction(link) {
            transaction.spoilt = true;
        }
    }

    /// Whether there is room; ours, Redis queues until its memory ends.
    pub(super) fn may_queue(&mut self, call: &mut Call<'_>) -> bool {
        let bytes = cost(call.words);
        let room = self.transaction(call.link).is_some_and(|transaction| {
            transaction.requests.len() < QUEUED_MAX && transaction.bytes + bytes <= QUEUED_BYTES_MAX
        });
        if !room {
            call.reply().error("too much for one transaction");
        }
        room
    }

    pub(super) fn queue(&mut self, link: LinkId, words: Vec<Vec<u8>>) {
        if let Some(transaction) = self.transaction(link) {
            transaction.bytes += cost(&words);
            transaction.requests.push(words);
        }
    }

    pub(super) fn queued_writes(&self, link: LinkId) -> bool {
        let queued = self.clients.all.get(&link).and_then(|client| client.transaction.as_ref());
        queued.is_some_and(|queued| {
            queued.requests.iter().any(|words| table::find(words).is_ok_and(|row| row.flags.writes()))
        })
    }

    pub(super) fn discard(&mut self, link: LinkId) {
        if let Some(client) = self.clients.all.get_mut(&link) {
            client.transaction = None;
            client.watched.clear();
        }
    }

    /// How often a slot's register was written, 0 if there is none.
    fn writes(&self, slot: u16) -> u64 {
        self.data.get(slot).map_or(0, |register| register.writes)
    }
}

pub(super) fn multi(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    if client.transaction.is_some() {
        return call.reply().error("MULTI calls can not be nested");
    }
    client.transaction = Some(Transaction::default());
    call.ok();
}

pub(super) fn discard(machine: &mut Gossip, call: &mut Call<'_>) {
    if machine.transaction(call.link).is_none() {
        return call.reply().error("DISCARD without MULTI");
    }
    machine.discard(call.link);
    call.ok();
}

pub(super) fn exec(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    let Some(transaction) = client.transaction.take() else {
        return call.reply().error("EXEC without MULTI");
    };
    let watched = core::mem::take(&mut client.watched);
    if transaction.spoilt {
        return call.reply().error_code("EXECABORT Transaction discarded because of previous errors.");
    }
    if watched.iter().any(|&(slot, writes)| machine.writes(slot) != writes) {
        return match call.resp {
            Resp::Two => call.bytes.extend_from_slice(b"*-1\r\n"),
            Resp::Three => call.reply().null(),
        };
    }
    call.reply().array(transaction.requests.len());
    for words in &transaction.requests {
        let mut bytes = Vec::new();
        let row: Option<&'static Row> = table::find(words).ok();
        let resp = machine.clients.all.get(&call.link).map_or(Resp::Two, |client| client.resp);
        let mut inner =
            Call { now: call.now, out: &mut *call.out, link: call.link, words, bytes: &mut bytes, resp };
        match row {
            Some(row) if call.bytes.len() < ANSWER_MAX => machine.run(&mut inner, row),
            _ => inner.reply().error("the answers to this transaction are too long"),
        }
        call.bytes.extend_from_slice(&bytes);
    }
}

/// The registers of these keys must not change until EXEC.
pub(super) fn watch(machine: &mut Gossip, call: &mut Call<'_>) {
    if machine.transaction(call.link).is_some() {
        return call.error("WATCH inside MULTI is not allowed");
    }
    // All in one slot, or the request would not have come here.
    let slot = key_slot(call.word(1));
    let writes = machine.writes(slot);
    if let Some(client) = machine.clients.all.get_mut(&call.link)
        && !client.watched.iter().any(|&(known, _)| known == slot)
    {
        client.watched.push((slot, writes));
    }
    call.ok();
}

pub(super) fn unwatch(machine: &mut Gossip, call: &mut Call<'_>) {
    if let Some(client) = machine.clients.all.get_mut(&call.link) {
        client.watched.clear();
    }
    call.ok();
}
