//! What this node says to itself: questions, answers and messages that never leave it.
//!
//! ctdbd's recovery daemon is a client of its main daemon. Here they are one machine, and what
//! passes between them is read when the input that caused it has been dealt with.

use alloc::collections::VecDeque;

use super::requests::{Task, Ticket};
use super::types::{ControlFlags, Pnn};
use super::wire::{MessageData, ReplyData, RequestData};

/// Something to be read by ourselves.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Letter {
    /// A control to ourselves.
    Control(Ticket, ControlFlags, RequestData),
    /// The answer to a control of ours.
    Answer(Ticket, Pnn, Heard),
    /// A message to ourselves.
    Message(MessageData),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Heard {
    /// The status; -1 also if there was no answer, or one that means nothing.
    pub(super) status: i32,
    /// The payload.
    pub(super) data: ReplyData,
}

impl Heard {
    /// No answer.
    pub(super) const NOTHING: Self = Self { status: -1, data: ReplyData::Empty };

    /// Whether it is no success.
    pub(super) const fn is_failure(&self) -> bool {
        self.status != 0
    }
}

/// The letters not read yet.
pub(super) type Mail = VecDeque<Letter>;

impl Ticket {
    /// A question whose answer nobody reads.
    pub(super) const UNREAD: Self = Self { task: Task::Nobody, serial: 0, part: 0 };
}
