//! What can be done to a gossip cluster, each action printing as its words. `read` is the way
//! back; the manual is `scenarios/README.md`.

use std::fmt;

use crate::world::fault::Who;
use crate::world::moment::HostId;

/// The first words of actions.
pub const VERBS: &[&str] = &[
    "meet",
    "addslots",
    "delslots",
    "replicate",
    "failover",
    "forget",
    "reset",
    "retire",
    "setslot",
    "import",
    "bumpepoch",
    "set-epoch",
    "write",
    "create",
    "enlist",
    "stop",
    "command",
];

/// What can be done to a gossip cluster. Operators sit at the first host named.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The first is told to meet the second.
    Meet(HostId, HostId),
    /// A node is given these slots.
    AddSlots(HostId, Ranges),
    /// A node's table loses these slots.
    DelSlots(HostId, Ranges),
    /// The first becomes a replica of the second.
    Replicate(HostId, HostId),
    /// A replica takes its master's place.
    Failover(HostId, How),
    /// These forget that one.
    Forget(Who, HostId),
    /// A node forgets everything; if so told, its name too.
    Reset(HostId, bool),
    /// The same, unless it owns a slot.
    Retire(HostId, bool),
    /// A slot of the node's table.
    SetSlot(HostId, u16, Slot),
    /// The second takes the slot over from whoever has it.
    Import(u16, HostId),
    /// A node takes a new config epoch.
    BumpEpoch(HostId),
    /// A node that knows nobody takes this config epoch.
    SetEpoch(HostId, u64),
    /// A client writes.
    Write(Write),
    /// The stock tool's `create` without its waiting: slots, epochs, meetings.
    Create,
    /// What `create` does once everybody knows everybody: the replicas.
    Enlist,
    /// The daemons are told to stop.
    Stop(Who),
    /// Anything.
    Command(HostId, String),
}

/// A client's writes to the register of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Whose register.
    pub slot: u16,
    /// What the first write writes; each further one writes one more.
    pub value: u64,
    /// How many.
    pub times: u32,
    /// Where the client runs; with the first daemon that runs, unless said.
    pub at: Option<HostId>,
}

/// Slots as ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(pub Vec<(u16, u16)>);

/// How a replica takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With the master's help.
    Default,
    /// Without it.
    Force,
    /// Without votes.
    Takeover,
}

/// What becomes of a slot in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It comes from there.
    Importing(HostId),
    /// It goes there.
    Migrating(HostId),
    /// It belongs there.
    Node(HostId),
    /// It neither comes nor goes.
    Stable,
}

/// Ways to take over, with their words.
pub(super) const HOWS: [(How, &str); 2] = [(How::Force, "force"), (How::Takeover, "takeover")];

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hard = |hard: &bool| if *hard { " hard" } else { "" };
        match self {
            Self::Meet(from, to) => write!(f, "meet {from} {to}"),
            Self::AddSlots(host, ranges) => write!(f, "addslots {host} {ranges}"),
            Self::DelSlots(host, ranges) => write!(f, "delslots {host} {ranges}"),
            Self::Replicate(host, of) => write!(f, "replicate {host} {of}"),
            Self::Failover(host, How::Default) => write!(f, "failover {host}"),
            Self::Failover(host, How::Force) => write!(f, "failover {host} force"),
            Self::Failover(host, How::Takeover) => write!(f, "failover {host} takeover"),
            Self::Forget(who, whom) => write!(f, "forget {who} {whom}"),
            Self::Reset(host, all) => write!(f, "reset {host}{}", hard(all)),
            Self::Retire(host, all) => write!(f, "retire {host}{}", hard(all)),
            Self::SetSlot(host, slot, what) => write!(f, "setslot {host} {slot} {what}"),
            Self::Import(slot, to) => write!(f, "import {slot} {to}"),
            Self::BumpEpoch(host) => write!(f, "bumpepoch {host}"),
            Self::SetEpoch(host, epoch) => write!(f, "set-epoch {host} {epoch}"),
            Self::Write(Write { slot, value, times, at }) => {
                write!(f, "write {slot} {value}")?;
                if *times != 1 {
                    write!(f, " times {times}")?;
                }
                at.map_or(Ok(()), |at| write!(f, " at {at}"))
            }
            Self::Create => f.write_str("create"),
            Self::Enlist => f.write_str("enlist"),
            Self::Stop(who) => write!(f, "stop {who}"),
            Self::Command(host, line) => write!(f, "command {host} {line}"),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Importing(from) => write!(f, "importing {from}"),
            Self::Migrating(to) => write!(f, "migrating {to}"),
            Self::Node(owner) => write!(f, "node {owner}"),
            Self::Stable => f.write_str("stable"),
        }
    }
}

/// `0-5460,7`.
impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let gap = if place > 0 { "," } else { "" };
            if first == last {
                write!(f, "{gap}{first}")?;
            } else {
                write!(f, "{gap}{first}-{last}")?;
            }
        }
        Ok(())
    }
}
