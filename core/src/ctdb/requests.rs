//! Questions under way to other nodes, each with who wants the answer.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::cx::{Cx, Wake};
use super::types::{Opcode, Pnn, RequestId};
use crate::machine::LinkId;
use crate::time::Instant;

/// Who asked a control, and under which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Asker {
    /// A client of ours.
    Client(LinkId, RequestId),
    /// A node.
    Node(Pnn, RequestId),
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

/// All of them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Requests {
    next: u32,
    pending: BTreeMap<RequestId, Pending>,
}

/// Where ctdbd begins to count, and after which number it begins again with 0.
const FIRST: u32 = 0x7fff_ff38;
const LAST: u32 = 0x7fff_ffff;

impl Requests {
    pub(super) const fn new() -> Self {
        Self { next: FIRST, pending: BTreeMap::new() }
    }

    /// Numbers a question that is about to be sent.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, to: Pnn, opcode: Opcode, asker: Asker) -> RequestId {
        let mut id = RequestId(self.next);
        while self.pending.contains_key(&id) {
            id = RequestId(if id.0 >= LAST { 0 } else { id.0 + 1 });
        }
        self.next = if id.0 >= LAST { 0 } else { id.0 + 1 };
        let until = cx.now + cx.config.tunables.control_timeout();
        self.pending.insert(id, Pending { to, opcode, asker, until });
        self.rearm(cx);
        id
    }

    /// An answer came from a node: whose question was it?
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, from: Pnn, id: RequestId) -> Option<Pending> {
        if self.pending.get(&id)?.to != from {
            return None;
        }
        let pending = self.pending.remove(&id);
        self.rearm(cx);
        pending
    }

    /// Takes out every question to a node.
    pub(super) fn take_to(&mut self, cx: &mut Cx<'_>, pnn: Pnn) -> Vec<Pending> {
        self.take(cx, |pending| pending.to == pnn)
    }

    /// Takes out every question that has waited too long.
    pub(super) fn take_late(&mut self, cx: &mut Cx<'_>) -> Vec<Pending> {
        let now = cx.now;
        self.take(cx, |pending| pending.until <= now)
    }

    /// Forgets what a client asked; it is gone.
    pub(super) fn forget_client(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        let _ = self.take(cx, |pending| matches!(pending.asker, Asker::Client(held, _) if held == link));
    }

    fn take(&mut self, cx: &mut Cx<'_>, which: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        let taken: Vec<_> =
            self.pending.extract_if(.., |_, pending| which(pending)).map(|(_, held)| held).collect();
        self.rearm(cx);
        taken
    }

    fn rearm(&self, cx: &mut Cx<'_>) {
        match self.pending.values().map(|pending| pending.until).min() {
            Some(until) => cx.timers.set(Wake::Requests, until),
            None => cx.timers.cancel(Wake::Requests),
        }
    }
}
