//! Every transition worth a line: trace, log, counter and coverage mark at once.

mod display;
mod words;

use core::net::{IpAddr, SocketAddr};

use super::config::Role;
use super::types::{Epoch, NodeId};
use crate::bytes::DecodeError;
use crate::host::FileError;
use crate::kinds::kinds;
use crate::machine::Why;
use crate::time::Duration;

/// Something a gossip machine noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum Notice {
    /// The node is up under this name.
    Listening { id: NodeId, address: SocketAddr },
    /// The node cannot start and ends.
    StartRefused(StartRefusal),
    /// The node stops.
    Stopping,
    /// The address others see was learnt from a socket.
    AddressLearnt { ip: IpAddr },
    /// A handshake with an address began: ours if we were told to meet it, else theirs.
    Handshake { address: SocketAddr, ours: bool },
    /// Nobody answered at that address in time.
    HandshakeExpired { address: SocketAddr },
    /// A handshake ended well.
    Met { id: NodeId, address: SocketAddr },
    /// Somebody's gossip told of a node.
    Heard { id: NodeId, of: NodeId },
    /// A node is no longer known.
    Forgotten { id: NodeId, cause: Forgot },
    /// The link to a node is up.
    Connected { id: NodeId },
    /// The link to a node is down.
    Disconnected { id: NodeId, why: Option<Why> },
    /// A node lives elsewhere now.
    AddressChanged { id: NodeId, ip: IpAddr, bus_port: u16 },
    /// Another answers at a node's address.
    WrongNode { expected: NodeId, answered: NodeId },
    /// A node has not answered for the node timeout.
    Pfail { id: NodeId, silent: Duration },
    /// It answers again.
    PfailCleared { id: NodeId },
    /// A node failed: so many masters of those needed say so, or one of us was told.
    Fail { id: NodeId, reports: u32, quorum: u32, told_by: Option<NodeId> },
    /// It is well again.
    FailCleared { id: NodeId },
    /// A node is a master now, or replicates another.
    RoleChanged { id: NodeId, master: Option<NodeId> },
    /// The cluster's epoch is a later one, as somebody said.
    EpochLearnt { epoch: Epoch, of: NodeId },
    /// Our claim to our slots has a new version.
    EpochTaken { epoch: Epoch, cause: EpochCause },
    /// There is no later epoch: nothing that needs one can be done. A peer sent the last there is.
    EpochsExhausted,
    /// Slots changed hands, in our table.
    SlotsMoved { to: NodeId, count: u32, epoch: Epoch },
    /// Slots were assigned or freed here by command.
    SlotsEdited { assigned: u32, freed: u32 },
    /// Keys were deleted because their slots went to another.
    SlotsDirty { count: u32 },
    /// Somebody claims what another owns by a later epoch, and was told.
    StaleClaim { by: NodeId, owner: NodeId },
    /// The cluster is served again, or no more.
    StateChanged { state: ClusterState },
    /// We will stand for election.
    ElectionPlanned { after: Duration, rank: u32, manual: bool },
    /// We stand for election.
    ElectionStarted { epoch: Epoch, needed: u32 },
    /// We were given a vote.
    VoteReceived { of: NodeId, votes: u32, needed: u32 },
    /// Too few votes came in time.
    ElectionExpired { epoch: Epoch, votes: u32, needed: u32 },
    /// We do not stand although our master failed.
    ElectionBarred { why: Barred },
    /// We gave our vote.
    VoteGranted { to: NodeId, epoch: Epoch },
    /// We did not.
    VoteRefused { to: NodeId, why: NoVote },
    /// We are a master now, with our master's slots.
    Promoted { epoch: Epoch, votes: u32 },
    /// We replicate a master now.
    Follows { master: NodeId, cause: FollowCause },
    /// We own no slot any more, and so have no vote.
    VoteLost { to: NodeId },
    /// A manual failover began here.
    ManualStarted { how: Manual },
    /// Our replica takes over: clients' writes wait.
    ManualPaused { replica: NodeId },
    /// A manual failover was not done in time.
    ManualExpired,
    /// The state file could not be written; nothing leaves until it can.
    SaveFailed { error: FileError },
    /// The state file can be written again.
    SaveRecovered,
    /// A stream on the bus cannot be read; it is closed.
    FrameRefused { from: Option<IpAddr>, error: DecodeError },
    /// A packet says something it may not; it is dropped.
    PacketRefused { of: Option<NodeId>, why: Oddity },
    /// No more nodes are taken in.
    TableFull { nodes: u32 },
    /// A client's stream cannot be read; it is closed.
    ClientRefused,
    /// Replication from our master began.
    Replicating { master: NodeId, offset: u64 },
    /// Replication from our master ended.
    ReplicationLost { master: NodeId },
    /// The node was reset by command.
    Reset { hard: bool },
    /// The clock jumped: the host slept.
    Woke { slept: Duration },
}

/// Why a node cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartRefusal {
    /// The state file says something it cannot; the line, from 1.
    BadState {
        /// Where.
        line: u32,
        /// What is wrong there.
        what: alloc::boxed::Box<str>,
    },
    /// The state file cannot be read.
    NoState(FileError),
    /// The state file's node is what one of this role must not be.
    OtherRole {
        /// The role it is to have.
        role: Role,
        /// What it is.
        was: Was,
    },
    /// A port cannot be opened.
    CannotListen {
        /// Which.
        port: u16,
        /// Why.
        why: Why,
    },
}

/// What the node of a state file is on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// A replica.
    Replica,
    /// A master that owns slots.
    Master {
        /// How many.
        slots: u16,
    },
}

/// Why a node is no longer known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgot {
    /// `CLUSTER FORGET`.
    Command,
    /// `CLUSTER RESET`.
    Reset,
    /// It was known already under its own name.
    Twin,
}

/// Why our claim has a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochCause {
    /// Another master has the same, and the greater name.
    Collision,
    /// We won an election.
    Election,
    /// `CLUSTER FAILOVER TAKEOVER`.
    Takeover,
    /// A slot was imported.
    Import,
    /// `CLUSTER BUMPEPOCH`.
    Bump,
    /// `CLUSTER SET-CONFIG-EPOCH`.
    Set,
}

/// Why a replica does not stand for election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Barred {
    /// Its data are too old.
    DataTooOld,
    /// It was told not to (`cluster-replica-no-failover`), or has no data and was not told to.
    NotWanted,
}

/// Why a vote was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVote {
    /// It was asked for in an epoch that is over.
    OldEpoch,
    /// We gave our vote in this epoch.
    Voted,
    /// The one who asked is no replica of a master we know.
    NoReplica,
    /// Its master has not failed.
    MasterWell,
    /// Another replica of its master got our vote less than two node timeouts ago.
    TooSoon,
    /// It claims a slot that another owns by a later epoch.
    StaleSlots,
}

/// Why we replicate a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowCause {
    /// Told so.
    Command,
    /// It took our last slots, or our master's.
    SlotsTaken,
    /// Our master replicates it.
    Chain,
    /// It had no replica left.
    Orphan,
    /// Our last slot was given to it by command.
    Given,
}

/// Which manual failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manual {
    /// The master waits until we have all of its data.
    Default,
    /// Without the master.
    Force,
    /// Without votes.
    Takeover,
}

/// Whether the cluster is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ClusterState {
    /// It is.
    Ok,
    /// Slots have no owner, or one that failed.
    Uncovered,
    /// Too few owners of slots can be reached.
    Minority,
    /// It could be, and a delay is kept.
    Waiting,
}

impl ClusterState {
    /// Whether clients are served.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// What a packet may not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Another protocol version, or a length below a header's beginning.
    Version,
    /// Its length is not what its type and counts make.
    Length,
    /// Its extensions do not fit.
    Extension,
    /// A type nobody knows.
    Type(u16),
    /// It claims to come from us.
    FromMyself,
    /// It names itself as its own master.
    OwnMaster,
}

kinds! {
    "listening" Info Self::Listening { .. },
    "start-refused" Warn Self::StartRefused(_),
    "stopping" Info Self::Stopping,
    "address-learnt" Info Self::AddressLearnt { .. },
    "handshake" Info Self::Handshake { .. },
    "handshake-expired" Info Self::HandshakeExpired { .. },
    "met" Info Self::Met { .. },
    "heard" Info Self::Heard { .. },
    "forgotten" Info Self::Forgotten { .. },
    "connected" Debug Self::Connected { .. },
    "disconnected" Debug Self::Disconnected { .. },
    "address-changed" Info Self::AddressChanged { .. },
    "wrong-node" Warn Self::WrongNode { .. },
    "pfail" Info Self::Pfail { .. },
    "pfail-cleared" Info Self::PfailCleared { .. },
    "fail" Warn Self::Fail { .. },
    "fail-cleared" Info Self::FailCleared { .. },
    "role" Info Self::RoleChanged { .. },
    "epoch-learnt" Debug Self::EpochLearnt { .. },
    "epoch-taken" Info Self::EpochTaken { .. },
    "epochs-exhausted" Warn Self::EpochsExhausted,
    "slots-moved" Info Self::SlotsMoved { .. },
    "slots-edited" Info Self::SlotsEdited { .. },
    "slots-dirty" Warn Self::SlotsDirty { .. },
    "stale-claim" Info Self::StaleClaim { .. },
    "state" Warn Self::StateChanged { .. },
    "election-planned" Info Self::ElectionPlanned { .. },
    "election" Info Self::ElectionStarted { .. },
    "vote-received" Info Self::VoteReceived { .. },
    "election-expired" Warn Self::ElectionExpired { .. },
    "election-barred" Info Self::ElectionBarred { .. },
    "vote" Info Self::VoteGranted { .. },
    "vote-refused" Info Self::VoteRefused { .. },
    "promoted" Info Self::Promoted { .. },
    "follows" Info Self::Follows { .. },
    "vote-lost" Warn Self::VoteLost { .. },
    "manual" Info Self::ManualStarted { .. },
    "manual-paused" Info Self::ManualPaused { .. },
    "manual-expired" Warn Self::ManualExpired,
    "save-failed" Warn Self::SaveFailed { .. },
    "save-recovered" Info Self::SaveRecovered,
    "frame-refused" Warn Self::FrameRefused { .. },
    "packet-refused" Debug Self::PacketRefused { .. },
    "table-full" Warn Self::TableFull { .. },
    "client-refused" Info Self::ClientRefused,
    "replicating" Info Self::Replicating { .. },
    "replication-lost" Info Self::ReplicationLost { .. },
    "reset" Info Self::Reset { .. },
    "woke" Info Self::Woke { .. },
}
