//! Why things are noticed.

use alloc::boxed::Box;
use core::net::IpAddr;

use super::super::types::{Opcode, Pnn, SrvId};
use crate::host::{FileError, LockNews};
use crate::machine::Why;
use crate::text::Problems;

/// Who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A client of ours: as a rule the tool.
    Client,
    /// A node: of its own accord, or for a client of its own.
    Node(Pnn),
}

/// Why a node's flags are not what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagsCause {
    /// Our monitor event says so.
    Monitor,
    /// Our ban begins.
    Ban,
    /// Our ban is over.
    BanEnd,
    /// We, the leader, saw it in the node's own map.
    Itself,
    /// We were told.
    Told(By),
}

/// Why a node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing came for `KeepaliveLimit` intervals.
    Silence,
    /// The link we opened is no more.
    LinkOut(Why),
    /// The link it opened is no more.
    LinkIn(Why),
    /// It wrote on the link that is ours to write on.
    WroteOnOurLink,
    /// Its stream cannot be read.
    BadFrame,
}

/// Why a node cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum StartRefusal {
    /// The nodes file could not be read.
    NoNodesFile,
    /// The nodes file has this many mistakes, the first in this line.
    BadNodesFile { problems: u32, line: u32 },
    /// The configured node address is not in the nodes file.
    NotANode { address: IpAddr },
    /// The configured node address cannot be listened on.
    CannotListen { address: IpAddr, why: Why },
    /// No address of the nodes file is ours.
    NoOwnAddress,
    /// The public addresses file could not be read, though there is one.
    NoAddressesFile,
    /// The public addresses file has this many mistakes, the first in this line.
    BadAddressesFile { problems: u32, line: u32 },
    /// A public address names an interface this host does not have: its place in the file.
    NoInterface { address: IpAddr },
    /// The scripts of this event ended badly.
    Event { name: &'static str },
}

/// Why a public address is not added: status -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddRefused {
    /// It is in the list, be it to be deleted.
    Duplicate,
    /// This host has no such interface.
    NoInterface,
    /// A line of the public addresses file could not say this.
    Malformed,
    /// There are as many as a node may have.
    TooMany,
}

/// A file that cannot be taken over, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its name.
    pub name: Box<str>,
    /// What is wrong with it.
    pub fault: FileFault,
}

impl BadFile {
    /// How many things are wrong with it.
    pub(super) fn problems(&self) -> u32 {
        match &self.fault {
            FileFault::Unreadable(_) => 1,
            FileFault::Wrong(problems) => problems.len() as u32,
            FileFault::Unfit { more, .. } => more + 1,
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum FileFault {
    /// It could not be read.
    Unreadable(FileError),
    /// It has lines that mean nothing.
    Wrong(Problems),
    /// This address of it cannot be had, for this reason, nor so many more.
    Unfit { address: IpAddr, why: AddRefused, more: u32 },
}

/// What is odd about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum Oddity {
    /// It claims to come from another node.
    Liar { claims: Pnn },
    /// Its payload does not fit its opcode.
    Payload { opcode: Opcode },
    /// It answers nothing we asked.
    Unasked,
    /// A message's payload does not fit its server id.
    Message { srvid: SrvId },
}

/// Why the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The operator's side said so.
    Ordered,
    /// A control said so.
    Asked(By),
    /// Another version is in the cluster and we are the younger.
    Version,
    /// The nodes file means nothing any more.
    NodesFile,
    /// The leader's cluster lock is not ours.
    OtherLock,
}

/// Why a question was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The node died before it answered.
    Died,
    /// `ControlTimeout` passed.
    TimedOut,
}

/// Why the cluster lock is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockDenied {
    /// Somebody else holds it.
    Busy,
    /// The storage did not answer.
    TimedOut,
    /// It could not be tried.
    Failed,
}

impl LockDenied {
    /// As the host says it; none if the lock was got.
    #[must_use]
    pub const fn of(news: LockNews) -> Option<Self> {
        match news {
            LockNews::Busy => Some(Self::Busy),
            LockNews::TimedOut => Some(Self::TimedOut),
            LockNews::Failed => Some(Self::Failed),
            LockNews::Held | LockNews::Lost => None,
        }
    }
}

/// What makes a leader begin a recovery (ctdbd's table of triggers), and whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Trigger {
    /// The last recovery did not finish.
    Unfinished,
    /// A node says it is in recovery.
    InRecovery(Pnn),
    /// The cluster lock is configured and not held.
    NoLock,
    /// A node's nodes file has another length, or other numbers.
    OtherNodes(Pnn),
    /// The map has another size than there are location masters.
    MapSize {
        /// Entries in the map.
        map: u32,
        /// Active nodes with the capability.
        masters: u32,
    },
    /// A location master is not in the map.
    NotInMap(Pnn),
    /// A node has another generation or map.
    OtherMap(Pnn),
}

/// A step of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecoveryStep {
    /// Nothing was asked yet: not leader, off, or an election.
    Begin,
    /// GET_CAPABILITIES, first of all.
    Roles,
    /// MODIFY_FLAGS to everybody.
    Flags,
    /// GET_NODEMAP.
    NodeMaps,
    /// GET_CAPABILITIES and GET_DBMAP.
    Capabilities,
    /// SET_RECMODE to active.
    Active,
    /// START_RECOVERY.
    Start,
    /// SETVNNMAP.
    VnnMap,
    /// A node has a database, and we keep none.
    Databases,
    /// SET_RECMODE to normal.
    Normal,
    /// END_RECOVERY.
    End,
    /// The databases, one after the other; [`DatabaseStep`] says more.
    Data,
}

/// A step of the recovery of one database, asked of every node that takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DatabaseStep {
    /// GET_DBNAME, of those that have it.
    #[default]
    Name,
    /// DB_ATTACH or its kin, of those that do not.
    Attach,
    /// DB_FREEZE.
    Freeze,
    /// DB_TRANSACTION_START.
    Begin,
    /// GET_DB_SEQNUM, unless it is volatile.
    SeqNum,
    /// DB_PULL: of all if it is volatile, else of the one with the highest sequence number.
    Pull,
    /// WIPE_DATABASE.
    Wipe,
    /// DB_PUSH_START.
    Announce,
    /// The records, and GET_RUNSTATE between two messages of them: no node has more than one to read.
    Push,
    /// DB_PUSH_CONFIRM.
    Confirm,
    /// DB_TRANSACTION_COMMIT.
    Commit,
    /// DB_THAW.
    Thaw,
    /// DB_TRANSACTION_CANCEL: this attempt came to nothing.
    Cancel,
}

/// A step of a takeover run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TakeoverStep {
    /// Nothing was asked yet: it is switched off, or another is under way.
    Begin,
    /// GET_PUBLIC_IPS.
    Known,
    /// GET_PUBLIC_IPS, available ones.
    Available,
    /// RELEASE_IP.
    Release,
    /// TAKEOVER_IP.
    Take,
    /// IPREALLOCATED.
    Reallocated,
}

/// What is wrong with an address in the eyes of the local check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// We hold it and our kernel does not.
    Missing,
    /// Our kernel has it and we do not hold it.
    Foreign,
    /// Nobody holds it and we could.
    Unassigned,
    /// We lost its holder, the leader has had time to give it to somebody, and we could serve it.
    /// (Ours: ctdbd does not look.)
    Abandoned,
}

/// Why all addresses are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DropCause {
    /// The node takes no part any more.
    Inactive,
    /// The recovery has gone on for `RecoveryDropAllIPs`.
    RecoveryTooLong,
}

/// Why a node is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanCause {
    /// A leader or an operator said so.
    Told(By),
    /// An address of ours is another node's.
    Conflict,
    /// We won an election and could not have the lock.
    ElectionLock,
    /// We began a recovery without the lock.
    RecoveryLock,
}

/// What a node gets a credit towards its ban for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// It caused a recovery.
    Recovery,
    /// It does not answer.
    Unreachable,
    /// It made takeover runs fail.
    Takeover,
}
