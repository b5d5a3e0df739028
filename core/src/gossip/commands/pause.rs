//! CLIENT PAUSE: clients wait for a while, all of them or those that write.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::Call;
use super::empty::wrong_subcommand;
use crate::machine::LinkId;
use crate::time::{Duration, Instant};

/// Who waits, and until when.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Pause {
    until: Instant,
    /// Everybody; else those that write.
    all: bool,
}

/// A request that waits.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Postponed {
    pub(super) words: Vec<Vec<u8>>,
    /// Whether it writes, or may.
    pub(super) writes: bool,
}

impl Gossip {
    /// Whether a client has to wait with what it asks: while CLIENT PAUSE lasts, or a manual failover holds
    /// writes. Replicas never wait.
    pub(super) fn is_held(&self, now: Instant, link: LinkId, writes: bool) -> bool {
        if self.clients.all.get(&link).is_none_or(|client| client.replica.takes_stream()) {
            return false;
        }
        match self.pause(now) {
            Some(pause) => pause.all || writes,
            None => writes && self.holds_writes(now),
        }
    }

    fn pause(&self, now: Instant) -> Option<Pause> {
        self.clients.pause.filter(|pause| now < pause.until)
    }
}

/// `CLIENT PAUSE timeout [WRITE|ALL]`, in milliseconds. Beside another that lasts still it only
/// holds more, and longer.
pub(super) fn pause(machine: &mut Gossip, call: &mut Call<'_>) {
    let all = match &call.words[3..] {
        [] => true,
        [mode] if is(mode, "all") => true,
        [mode] if is(mode, "write") => false,
        [_] => return call.error("CLIENT PAUSE mode must be WRITE or ALL"),
        _ => return wrong_subcommand(call),
    };
    let span = match number(call.word(2)).map(u64::try_from) {
        Some(Ok(span)) => Duration::from_millis(1).times(span),
        Some(Err(_)) => return call.error("timeout is negative"),
        None => return call.error("timeout is not an integer or out of range"),
    };
    let asked = Pause { until: call.now + span, all };
    let known = machine.pause(call.now).unwrap_or(asked);
    machine.clients.pause = Some(Pause { until: known.until.max(asked.until), all: known.all || all });
    call.ok();
}

pub(super) fn unpause(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.clients.pause = None;
    call.ok();
}

/// `CLIENT UNBLOCK id [TIMEOUT|ERROR]`: no command that is served here waits for anything that
/// could be given up.
pub(super) fn unblock(_: &mut Gossip, call: &mut Call<'_>) {
    match &call.words[3..] {
        [] => {}
        [how] if is(how, "timeout") || is(how, "error") => {}
        [_] => return call.error("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        _ => return wrong_subcommand(call),
    }
    match number(call.word(2)) {
        Some(_) => call.reply().integer(0),
        None => call.not_an_integer(),
    }
}
