//! Questions under way to other nodes, each with who wants the answer.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::cx::{Cx, Wake};
use super::types::{Opcode, Pnn, RequestId};
use crate::machine::LinkId;
use crate::time::{Duration, Instant};

/// Who asked a control, and under which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Asker {
    /// A client of ours.
    Client(LinkId, RequestId),
    /// A node.
    Node(Pnn, RequestId),
    /// We ourselves.
    Own(Ticket),
}

/// Which question of ours this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Ticket {
    /// Who asked.
    pub(super) task: Task,
    /// Which gathering: an answer to an earlier one is nobody's any more.
    pub(super) serial: u32,
    /// Which of several things asked of the same node.
    pub(super) part: u32,
}

/// Who asks on our behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Task {
    /// The recovery loop: a round, a recovery, a takeover run.
    Round,
    /// A forced election: everybody into recovery mode.
    Election,
    /// Our own health is to be told to everybody the leader knows.
    Health,
    /// The leader's cluster lock is compared with ours.
    LockName,
    /// A node is to say which databases it has.
    Databases,
    /// Nobody wants the answer.
    Nobody,
}

/// Ask many, collect, go on: how many answers of a gathering are still out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Gather {
    serial: u32,
    left: u32,
    /// The nodes that failed, in the order of their answers.
    pub(super) failed: Vec<Pnn>,
}

impl Gather {
    /// A gathering of so many answers.
    pub(super) const fn new(serial: u32, left: u32) -> Self {
        Self { serial, left, failed: Vec::new() }
    }

    /// Counts an answer in; false if it belongs to another gathering.
    pub(super) fn takes(&mut self, ticket: Ticket, from: Pnn, failed: bool) -> bool {
        if ticket.serial != self.serial || self.left == 0 {
            return false;
        }
        self.left -= 1;
        if failed {
            self.failed.push(from);
        }
        true
    }

    /// Whether somebody failed.
    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Whether every answer is in.
    pub(super) const fn is_complete(&self) -> bool {
        self.left == 0
    }
}

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Pending {
    pub(super) to: Pnn,
    pub(super) opcode: Opcode,
    pub(super) asker: Asker,
    until: Instant,
}

/// All of them, by number: a window that moves on as its oldest are answered.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Requests {
    /// The number of the first in the window.
    first: u32,
    window: VecDeque<Option<Pending>>,
    /// When the timer is set for; at or before the earliest end.
    armed: Option<Instant>,
}

/// Where ctdbd begins to count; after the last number it begins again with 0.
const FIRST: u32 = 0x7fff_ff38;
const LAST: u32 = 0x7fff_ffff;

/// Questions under way at a time. (Our limit.)
const WINDOW_MAX: usize = 1 << 17;

impl Requests {
    pub(super) const fn new() -> Self {
        Self { first: FIRST, window: VecDeque::new(), armed: None }
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.window.iter().flatten().count()
    }

    /// Whether another question may be asked.
    pub(super) fn has_room(&self) -> bool {
        self.window.len() < WINDOW_MAX
    }

    /// Numbers a question that is about to be sent; it fails after `patience`.
    pub(super) fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        to: Pnn,
        opcode: Opcode,
        asker: Asker,
        patience: Duration,
    ) -> RequestId {
        let id = RequestId(self.first.wrapping_add(self.window.len() as u32) & LAST);
        let until = cx.now + patience;
        self.window.push_back(Some(Pending { to, opcode, asker, until }));
        if self.armed.is_none_or(|armed| until < armed) {
            self.armed = Some(until);
            cx.timers.set(Wake::Requests, until);
        }
        id
    }

    /// An answer came from a node: whose question was it?
    pub(super) fn answered(&mut self, from: Pnn, id: RequestId) -> Option<Pending> {
        if id.0 > LAST {
            return None;
        }
        let place = (id.0.wrapping_sub(self.first) & LAST) as usize;
        let held = self.window.get_mut(place)?;
        if held.as_ref()?.to != from {
            return None;
        }
        let pending = held.take();
        self.move_on();
        pending
    }

    /// Takes out every question to a node.
    pub(super) fn take_to(&mut self, pnn: Pnn) -> Vec<Pending> {
        self.take(|pending| pending.to == pnn)
    }

    /// Takes out every question that has waited too long; the timer has fired.
    pub(super) fn take_late(&mut self, cx: &mut Cx<'_>) -> Vec<Pending> {
        let now = cx.now;
        let late = self.take(|pending| pending.until <= now);
        self.armed = self.window.iter().flatten().map(|pending| pending.until).min();
        if let Some(until) = self.armed {
            cx.timers.set(Wake::Requests, until);
        }
        late
    }

    /// All timers are gone: the next question sets its own.
    pub(super) const fn disarm(&mut self) {
        self.armed = None;
    }

    /// Forgets what a client asked; it is gone.
    pub(super) fn forget_client(&mut self, link: LinkId) {
        let _ = self.take(|pending| matches!(pending.asker, Asker::Client(held, _) if held == link));
    }

    fn take(&mut self, which: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let taken: Vec<_> =
            self.window.iter_mut().filter_map(|held| held.take_if(|pending| which(pending))).collect();
        self.move_on();
        taken
    }

    fn move_on(&mut self) {
        while let Some(None) = self.window.front() {
            self.window.pop_front();
            self.first = self.first.wrapping_add(1) & LAST;
        }
    }
}
