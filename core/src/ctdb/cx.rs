//! The first parameter of every part: what it may read, and where it may write.

use super::config::Config;
use super::machine::Ctdb;
use super::notice::Notice;
use super::types::Pnn;
use crate::machine::{Effect, Outbox};
use crate::time::Instant;
use crate::timers::{Timer, Timers};

/// What wakes the machine, in the order in which ties fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Wake {
    /// The keepalive tick.
    Keepalive,
    /// A connect has taken too long.
    DialLimit(Pnn),
    /// A node is to be dialled again.
    Redial(Pnn),
    /// The oldest question has waited too long.
    Requests,
}

impl Timer for Wake {
    fn why(&self) -> &'static str {
        match self {
            Self::Keepalive => "keepalive",
            Self::DialLimit(_) => "dial-limit",
            Self::Redial(_) => "redial",
            Self::Requests => "requests",
        }
    }
}

/// The context of one input.
pub(super) struct Cx<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) timers: &'a mut Timers<Wake>,
    pub(super) out: &'a mut Outbox<Ctdb>,
}

impl Cx<'_> {
    pub(super) fn notice(&mut self, notice: Notice) {
        self.out.notice(notice);
    }

    pub(super) fn push(&mut self, effect: Effect<Ctdb>) {
        self.out.push(effect);
    }
}

/// Borrows the context out of the machine's fields, leaving the parts free.
macro_rules! cx {
    ($self:ident, $now:expr, $out:expr) => {
        Cx { now: $now, config: &$self.config, timers: &mut $self.timers, out: &mut *$out }
    };
}
pub(super) use cx;
