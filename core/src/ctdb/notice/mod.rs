//! Every transition worth a line: trace, log, counter and coverage mark at once.
//!
//! Here is what there is to notice; `why` has the causes, `words` the numbers for the hash,
//! `display` the text.

mod display;
mod why;
mod words;

use alloc::boxed::Box;
use core::net::IpAddr;

pub use self::why::{
    AddRefused, AddressFault, BadFile, BanCause, By, Cause, Credit, DatabaseStep, DropCause, FileFault,
    FlagsCause, LockDenied, Oddity, RecoveryStep, StartRefusal, Stop, TakeoverStep, Trigger, Unanswered,
};
use super::files::nodes::Refusal;
use super::types::{DbId, Generation, NodeFlags, Opcode, Pnn, RecoveryMode, RunState};
use crate::bytes::DecodeError;
use crate::host::ScriptEnd;
use crate::kinds::kinds;
use crate::machine::Why;
use crate::time::Duration;

/// Something a CTDB machine noticed.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's sentence says what its fields are")]
pub enum Notice {
    /// The node knows its number and takes part.
    Listening { pnn: Pnn, address: IpAddr },
    /// The node cannot start and ends.
    StartRefused(StartRefusal),
    /// Both links to a node are up.
    NodeConnected { pnn: Pnn },
    /// A node is lost.
    NodeDead { pnn: Pnn, cause: Cause },
    /// Nothing came from a node for this many intervals.
    KeepaliveMissed { pnn: Pnn, missed: u32, limit: u32 },
    /// A node could not be reached; said once until it could.
    DialFailed { pnn: Pnn, why: Why },
    /// Somebody who is no node wanted in.
    StrangerRefused { from: IpAddr },
    /// A node that has a link to us opened another.
    DuplicateRefused { pnn: Pnn },
    /// A node's stream cannot be read; its links are closed.
    FrameRefused { pnn: Pnn, error: DecodeError },
    /// A node's packet says something it may not; it is dropped.
    PacketRefused { pnn: Pnn, why: Oddity },
    /// A node runs another version, and one of us has to go.
    VersionClash { pnn: Pnn, version: u32, uptime: u32 },
    /// The node stops.
    Stopping(Stop),
    /// A node's flags are not what they were.
    FlagsChanged { pnn: Pnn, from: NodeFlags, to: NodeFlags, cause: FlagsCause },
    /// A new nodes file is in force.
    NodesReloaded { count: u32, added: u32, deleted: u32, undeleted: u32, changed: u32, removed: u32 },
    /// A new nodes file is refused for this reason (one notice a reason).
    ReloadRefused(Refusal),
    /// A new nodes file could not be read, or means nothing.
    ReloadFailed(Box<BadFile>),
    /// A question to a node was not answered.
    RequestFailed { pnn: Pnn, opcode: Opcode, why: Unanswered },
    /// The clock jumped: the host slept.
    Woke { slept: Duration },
    /// A local client's stream cannot be read; it is closed.
    ClientRefused { error: DecodeError },
    /// The daemon has come this far.
    RunStateReached { to: RunState },
    /// A script ended an event badly; the event ends with it.
    ScriptFailed { event: &'static str, script: Box<str>, end: ScriptEnd },
    /// A script used up the time of its event (ctdbd: `EventScriptTimeout`).
    ScriptHung { event: &'static str, script: Box<str>, limit: Duration },
    /// Nobody has called itself leader for the leader timeout.
    LeaderMissed { last: Option<Pnn> },
    /// An election has begun: forced by us, or told by another.
    ElectionStarted,
    /// We follow somebody else now, or nobody.
    LeaderChanged { from: Option<Pnn>, to: Option<Pnn> },
    /// The cluster lock is ours.
    LockTaken,
    /// The cluster lock is not ours.
    LockDenied(LockDenied),
    /// The cluster lock was ours and is no more.
    LockLost,
    /// We gave the cluster lock up.
    LockReleased,
    /// The recovery mode of this node is another one.
    RecoveryModeChanged { to: RecoveryMode },
    /// We, the leader, begin a recovery.
    RecoveryStarted(Trigger),
    /// It is over; these many nodes have this generation.
    RecoveryFinished { generation: Generation, nodes: u32 },
    /// It came to nothing.
    RecoveryFailed { step: RecoveryStep, pnn: Option<Pnn> },
    /// A leader gave this node a generation and a list of location masters.
    VnnMapSet { generation: Generation, size: u32 },
    /// The local check found something wrong with an address.
    AddressWrong { address: IpAddr, fault: AddressFault },
    /// The local check found interfaces that are not what they were.
    InterfacesChanged { up: u32, down: u32 },
    /// Somebody asked us, the leader, for a takeover run.
    TakeoverRequested { by: Pnn },
    /// We, the leader, begin a takeover run.
    TakeoverStarted,
    /// An address is to move.
    AddressPlanned { address: IpAddr, from: Option<Pnn>, to: Option<Pnn> },
    /// The takeover run is over; so many addresses were to move.
    TakeoverFinished { moved: u32, unassigned: u32 },
    /// It came to nothing.
    TakeoverFailed { step: TakeoverStep, pnn: Option<Pnn> },
    /// We were told to release an address we do not have.
    ReleaseRedundant { address: IpAddr, holder: Option<Pnn> },
    /// We release an address.
    Releasing { address: IpAddr },
    /// An address is released.
    Released { address: IpAddr, holder: Option<Pnn> },
    /// An address stays although it was to be released.
    ReleaseFailed { address: IpAddr },
    /// We were told to take an address we hold already.
    TakeRedundant { address: IpAddr },
    /// We take an address.
    Taking { address: IpAddr, interface: Box<str> },
    /// We hold an address.
    Taken { address: IpAddr, interface: Box<str> },
    /// An address moves between our interfaces.
    Updating { address: IpAddr, from: Option<Box<str>>, to: Box<str> },
    /// It has moved.
    Updated { address: IpAddr, to: Box<str> },
    /// An address could not be taken or moved: the status answered.
    TakeFailed { address: IpAddr, status: i32 },
    /// An address that another node should hold was in our kernel when we were told to take it.
    AddressConflict { address: IpAddr, holder: Pnn },
    /// An address is announced to the neighbours, three times.
    Announcing { address: IpAddr },
    /// Every public address is given up.
    DroppingAll { cause: DropCause, held: u32 },
    /// The leader counts something against a node.
    Credited { pnn: Pnn, count: u32, credit: Credit },
    /// We take no part for so many seconds.
    Banned { seconds: u32, cause: BanCause },
    /// Our ban is over.
    Unbanned,
    /// Takeover runs are off for so many seconds; 0: on again.
    TakeoverRunsDisabled { seconds: u32 },
    /// Recoveries are off for so many seconds; 0: on again.
    RecoveriesDisabled { seconds: u32 },
    /// The list of public addresses is another one.
    AddressesReloaded { added: u32, removed: u32 },
    /// The public addresses file could not be read, means nothing, or wants what cannot be.
    AddressesRefused(Box<BadFile>),
    /// A tunable has another value.
    TunableSet { name: &'static str, from: u32, to: u32 },
    /// The tunables file could not be read, or has lines that mean nothing.
    TunablesRefused(Box<BadFile>),
    /// We, the leader, have recovered a database: every node has these records, sent in so many
    /// messages to each.
    DatabaseRecovered { id: DbId, name: Box<str>, records: u32, messages: u32 },
    /// An attempt to recover a database failed at this node: one for each where it did.
    DatabaseFailed { id: DbId, step: DatabaseStep, pnn: Pnn },
    /// A database, or a record of it, has more bytes than we may hold: we give up leading, if there is
    /// another node that may lead.
    DatabaseTooLarge { id: DbId, record: bool, bytes_max: u64, another: bool },
    /// Another node has this volatile database: we, without storage, are no location master for
    /// the rest of our life.
    NoLocationMaster { id: DbId },
    /// Whoever we left leading to is gone: we may lead again.
    MayLeadAgain,
}

kinds! {
    "listening" Info Self::Listening { .. },
    "start-refused" Warn Self::StartRefused(_),
    "node-connected" Info Self::NodeConnected { .. },
    "node-dead" Warn Self::NodeDead { .. },
    "keepalive-missed" Debug Self::KeepaliveMissed { .. },
    "dial-failed" Debug Self::DialFailed { .. },
    "stranger-refused" Warn Self::StrangerRefused { .. },
    "duplicate-refused" Info Self::DuplicateRefused { .. },
    "frame-refused" Warn Self::FrameRefused { .. },
    "packet-refused" Debug Self::PacketRefused { .. },
    "version-clash" Warn Self::VersionClash { .. },
    "stopping" Info Self::Stopping(_),
    "flags-changed" Info Self::FlagsChanged { .. },
    "nodes-reloaded" Info Self::NodesReloaded { .. },
    "reload-refused" Warn Self::ReloadRefused(_),
    "reload-failed" Warn Self::ReloadFailed(_),
    "request-failed" Info Self::RequestFailed { .. },
    "woke" Info Self::Woke { .. },
    "client-refused" Info Self::ClientRefused { .. },
    "runstate" Info Self::RunStateReached { .. },
    "script-failed" Warn Self::ScriptFailed { .. },
    "script-hung" Warn Self::ScriptHung { .. },
    "leader-missed" Warn Self::LeaderMissed { .. },
    "election" Info Self::ElectionStarted,
    "leader" Info Self::LeaderChanged { .. },
    "lock-taken" Info Self::LockTaken,
    "lock-denied" Info Self::LockDenied(_),
    "lock-lost" Warn Self::LockLost,
    "lock-released" Info Self::LockReleased,
    "recovery-mode" Info Self::RecoveryModeChanged { .. },
    "recovery" Info Self::RecoveryStarted(_),
    "recovered" Info Self::RecoveryFinished { .. },
    "recovery-failed" Warn Self::RecoveryFailed { .. },
    "vnn-map" Debug Self::VnnMapSet { .. },
    "address-wrong" Warn Self::AddressWrong { .. },
    "interfaces" Info Self::InterfacesChanged { .. },
    "takeover-asked" Info Self::TakeoverRequested { .. },
    "takeover" Info Self::TakeoverStarted,
    "planned" Info Self::AddressPlanned { .. },
    "taken-over" Info Self::TakeoverFinished { .. },
    "takeover-failed" Warn Self::TakeoverFailed { .. },
    "release-redundant" Debug Self::ReleaseRedundant { .. },
    "releasing" Info Self::Releasing { .. },
    "released" Info Self::Released { .. },
    "release-failed" Warn Self::ReleaseFailed { .. },
    "take-redundant" Debug Self::TakeRedundant { .. },
    "taking" Info Self::Taking { .. },
    "taken" Info Self::Taken { .. },
    "updating" Info Self::Updating { .. },
    "updated" Info Self::Updated { .. },
    "take-failed" Warn Self::TakeFailed { .. },
    "address-conflict" Warn Self::AddressConflict { .. },
    "announcing" Debug Self::Announcing { .. },
    "dropping-all" Warn Self::DroppingAll { .. },
    "credit" Info Self::Credited { .. },
    "banned" Warn Self::Banned { .. },
    "unbanned" Info Self::Unbanned,
    "takeover-runs-off" Info Self::TakeoverRunsDisabled { .. },
    "recoveries-off" Info Self::RecoveriesDisabled { .. },
    "addresses-reloaded" Info Self::AddressesReloaded { .. },
    "addresses-refused" Warn Self::AddressesRefused(_),
    "database" Info Self::DatabaseRecovered { .. },
    "database-failed" Warn Self::DatabaseFailed { .. },
    "database-too-large" Warn Self::DatabaseTooLarge { .. },
    "no-lmaster" Info Self::NoLocationMaster { .. },
    "may-lead" Info Self::MayLeadAgain,
    "tunable-set" Info Self::TunableSet { .. },
    "tunables-refused" Warn Self::TunablesRefused(_),
}
