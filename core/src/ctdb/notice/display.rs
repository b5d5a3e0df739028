//! How a notice reads: the words after its kind.

use core::fmt;

use super::super::types::Pnn;
use super::{
    AddRefused, AddressFault, BadFile, BanCause, By, Cause, Credit, DatabaseStep, DropCause, FileFault,
    FlagsCause, LockDenied, Notice, Oddity, RecoveryStep, StartRefusal, Stop, TakeoverStep, Trigger,
    Unanswered,
};
use crate::host::ScriptEnd;

/// The words after the kind: `n2 silence`.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { pnn, address } => write!(f, "as {pnn} on {address}"),
            Self::StartRefused(refusal) => write!(f, "{refusal}"),
            Self::NodeConnected { pnn } | Self::DuplicateRefused { pnn } => write!(f, "{pnn}"),
            Self::NodeDead { pnn, cause } => write!(f, "{pnn} {cause}"),
            Self::KeepaliveMissed { pnn, missed, limit } => write!(f, "{pnn} {missed}/{limit}"),
            Self::DialFailed { pnn, why } => write!(f, "{pnn} {why}"),
            Self::StrangerRefused { from } => write!(f, "{from}"),
            Self::FrameRefused { pnn, error } => write!(f, "{pnn} {error}"),
            Self::PacketRefused { pnn, why: Oddity::Liar { claims } } => {
                write!(f, "{pnn} claims to be {claims}")
            }
            Self::PacketRefused { pnn, why: Oddity::Payload { opcode } } => {
                write!(f, "{pnn} payload of {opcode} means nothing")
            }
            Self::PacketRefused { pnn, why: Oddity::Message { srvid } } => {
                write!(f, "{pnn} message to {srvid} means nothing")
            }
            Self::PacketRefused { pnn, why: Oddity::Unasked } => write!(f, "{pnn} answers nothing we asked"),
            Self::VersionClash { pnn, version, uptime } => {
                write!(f, "{pnn} runs {}.{} for {uptime}s", version >> 16, version & 0xffff)
            }
            Self::Stopping(stop) => f.write_str(match stop {
                Stop::Ordered => "ordered",
                Stop::Asked(by) => return write!(f, "asked by {by}"),
                Stop::Version => "as the younger of two versions",
                Stop::NodesFile => "the nodes file means nothing",
                Stop::OtherLock => "the leader has another cluster lock",
            }),
            Self::FlagsChanged { pnn, from, to, cause } => write!(f, "{pnn} {from} to {to}, {cause}"),
            Self::NodesReloaded { count, added, deleted, undeleted, changed, removed } => {
                write!(f, "{count} nodes:")?;
                let parts = [
                    (added, "added"),
                    (deleted, "deleted"),
                    (undeleted, "undeleted"),
                    (changed, "changed"),
                    (removed, "removed"),
                ];
                let mut none = true;
                for (number, what) in parts.into_iter().filter(|(number, _)| **number > 0) {
                    none = false;
                    write!(f, " {number} {what}")?;
                }
                if none { f.write_str(" no change") } else { Ok(()) }
            }
            Self::ReloadRefused(refusal) => write!(f, "{refusal}"),
            Self::ReloadFailed(file) | Self::AddressesRefused(file) | Self::TunablesRefused(file) => {
                write!(f, "{file}")
            }
            Self::RequestFailed { pnn, opcode, why } => {
                let why = match why {
                    Unanswered::Died => "died",
                    Unanswered::TimedOut => "timed-out",
                };
                write!(f, "{opcode} to {pnn} {why}")
            }
            Self::Woke { slept } => write!(f, "after {slept}"),
            Self::ClientRefused { error } => write!(f, "{error}"),
            Self::RunStateReached { to } => write!(f, "{to}"),
            Self::ScriptFailed { event, script, end } => match end {
                ScriptEnd::Failed(status) => write!(f, "{event}: {script} exited with {status}"),
                ScriptEnd::TimedOut => write!(f, "{event}: {script} hung"),
                ScriptEnd::Ok | ScriptEnd::NotStarted => write!(f, "{event}: {script} cannot be run"),
            },
            Self::ScriptHung { event, script, limit } => write!(f, "{event}: {script} used up {limit}"),
            Self::LeaderMissed { last } => write!(f, "nothing heard of {}", Maybe(*last)),
            Self::ElectionStarted | Self::LockTaken | Self::LockLost | Self::LockReleased => Ok(()),
            Self::TakeoverStarted | Self::Unbanned => Ok(()),
            Self::LeaderChanged { from, to } => write!(f, "{}, was {}", Maybe(*to), Maybe(*from)),
            Self::LockDenied(why) => f.write_str(match why {
                LockDenied::Busy => "somebody else holds it",
                LockDenied::TimedOut => "the storage does not answer",
                LockDenied::Failed => "it cannot be tried",
            }),
            Self::RecoveryModeChanged { to } => write!(f, "{to}"),
            Self::RecoveryStarted(trigger) => write!(f, "{trigger}"),
            Self::RecoveryFinished { generation, nodes } => {
                write!(f, "generation {generation}, {nodes} nodes")
            }
            Self::RecoveryFailed { step, pnn } => match pnn {
                Some(pnn) => write!(f, "{step} at {pnn}"),
                None => write!(f, "{step}"),
            },
            Self::VnnMapSet { generation, size } => write!(f, "generation {generation}, {size} masters"),
            Self::AddressWrong { address, fault } => {
                let fault = match fault {
                    AddressFault::Missing => "is missing",
                    AddressFault::Foreign => "is not ours",
                    AddressFault::Unassigned => "is nobody's",
                    AddressFault::Abandoned => "stays with a dead node",
                };
                write!(f, "{address} {fault}")
            }
            Self::InterfacesChanged { up, down } => write!(f, "{up} up, {down} down"),
            Self::TakeoverRequested { by } => write!(f, "by {by}"),
            Self::AddressPlanned { address, from, to } => {
                write!(f, "{address} {} to {}", Maybe(*from), Maybe(*to))
            }
            Self::TakeoverFinished { moved, unassigned } => {
                write!(f, "{moved} moved")?;
                if *unassigned > 0 { write!(f, ", {unassigned} served by nobody") } else { Ok(()) }
            }
            Self::TakeoverFailed { step, pnn } => match pnn {
                Some(pnn) => write!(f, "{step} at {pnn}"),
                None => write!(f, "{step}"),
            },
            Self::ReleaseRedundant { address, holder } | Self::Released { address, holder } => {
                write!(f, "{address} for {}", Maybe(*holder))
            }
            Self::Releasing { address }
            | Self::ReleaseFailed { address }
            | Self::TakeRedundant { address }
            | Self::Announcing { address } => write!(f, "{address}"),
            Self::Taking { address, interface } | Self::Taken { address, interface } => {
                write!(f, "{address} on {interface}")
            }
            Self::Updating { address, from, to } => {
                write!(f, "{address} {} to {to}", from.as_deref().unwrap_or("somewhere"))
            }
            Self::Updated { address, to } => write!(f, "{address} on {to}"),
            Self::TakeFailed { address, status } => write!(f, "{address} status {status}"),
            Self::AddressConflict { address, holder } => write!(f, "{address} is here, and {holder}'s"),
            Self::DroppingAll { cause, held } => {
                let cause = match cause {
                    DropCause::Inactive => "taking no part",
                    DropCause::RecoveryTooLong => "in recovery for too long",
                };
                write!(f, "{held} held, {cause}")
            }
            Self::Credited { pnn, count, credit } => {
                let credit = match credit {
                    Credit::Recovery => "a recovery",
                    Credit::Unreachable => "no answer",
                    Credit::Takeover => "a failed takeover",
                };
                write!(f, "{pnn} has {count}, for {credit}")
            }
            Self::Banned { seconds, cause } => {
                let cause = match cause {
                    BanCause::Told(by) => return write!(f, "for {seconds}s, told by {by}"),
                    BanCause::Conflict => "an address of ours is another's",
                    BanCause::ElectionLock => "no lock after an election",
                    BanCause::RecoveryLock => "no lock in a recovery",
                };
                write!(f, "for {seconds}s, {cause}")
            }
            Self::TakeoverRunsDisabled { seconds } | Self::RecoveriesDisabled { seconds } => {
                if *seconds == 0 { f.write_str("on again") } else { write!(f, "for {seconds}s") }
            }
            Self::AddressesReloaded { added, removed } => write!(f, "{added} added, {removed} removed"),
            Self::DatabaseRecovered { id, name, records, messages } => {
                let name = name.escape_debug();
                write!(f, "{name} ({id}): {records} records in {messages} messages")
            }
            Self::DatabaseFailed { id, step, pnn } => write!(f, "{id}: {step} at {pnn}"),
            Self::DatabaseTooLarge { id, record, bytes_max, another } => {
                let what = if *record { "a record of more" } else { "more" };
                let hope = match (another, record) {
                    (true, _) => "another node has to lead",
                    (false, true) => "and no other node may lead: let one",
                    (false, false) => "and no other node may lead: let one, or this one hold more",
                };
                write!(f, "{id} has {what} than {bytes_max} bytes: {hope}")
            }
            Self::MayLeadAgain => f.write_str("nobody is left who has to, or could"),
            Self::NoLocationMaster { id } => {
                write!(f, "others keep records in {id}, and we could not say where they are")
            }
            Self::TunableSet { name, from, to } => write!(f, "{name} {from} to {to}"),
        }
    }
}

/// `1 mistake`, `2 mistakes`.
fn mistakes(count: u32) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{count} mistake{}", if count == 1 { "" } else { "s" }))
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("a client here"),
            Self::Node(pnn) => write!(f, "{pnn}"),
        }
    }
}

impl fmt::Display for FlagsCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monitor => f.write_str("by its monitor event"),
            Self::Ban => f.write_str("by its ban"),
            Self::BanEnd => f.write_str("its ban is over"),
            Self::Itself => f.write_str("as it says itself"),
            Self::Told(by) => write!(f, "told by {by}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("silence"),
            Self::LinkOut(why) => write!(f, "our link {why}"),
            Self::LinkIn(why) => write!(f, "its link {why}"),
            Self::WroteOnOurLink => f.write_str("wrote on our link"),
            Self::BadFrame => f.write_str("bad frame"),
        }
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, fault } = self;
        let more = match fault {
            FileFault::Unreadable(error) => {
                write!(f, "{name}: {error}")?;
                0
            }
            FileFault::Wrong(problems) => {
                if let Some(first) = problems.iter().next() {
                    write!(f, "{name}:{first}")?;
                }
                self.problems().saturating_sub(1)
            }
            FileFault::Unfit { address, why, more } => {
                write!(f, "{name}: {address} {why}")?;
                *more
            }
        };
        if more > 0 { write!(f, ", and {} more", mistakes(more)) } else { Ok(()) }
    }
}

impl fmt::Display for AddRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "is in the list already, and stays as it is: take it out first",
            Self::NoInterface => "names an interface this host has not",
            Self::Malformed => "is said in a way no line of the file could say it",
            Self::TooMany => "is one more than a node may have",
        })
    }
}

impl fmt::Display for StartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodesFile => f.write_str("the nodes file cannot be read"),
            Self::BadNodesFile { problems, line } => {
                write!(f, "the nodes file has {}, the first in line {line}", mistakes(*problems))
            }
            Self::NotANode { address } => write!(f, "{address} is not in the nodes file"),
            Self::CannotListen { address, why } => write!(f, "cannot listen on {address}: {why}"),
            Self::NoOwnAddress => f.write_str("no address of the nodes file is on this host"),
            Self::NoAddressesFile => f.write_str("the public addresses file cannot be read"),
            Self::BadAddressesFile { problems, line } => {
                write!(f, "the public addresses file has {}, the first in line {line}", mistakes(*problems))
            }
            Self::NoInterface { address } => write!(f, "{address} names an interface this host has not"),
            Self::Event { name } => write!(f, "the {name} event failed"),
        }
    }
}

/// A node, or `nobody`.
struct Maybe(Option<Pnn>);

impl fmt::Display for Maybe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pnn) => write!(f, "{pnn}"),
            None => f.write_str("nobody"),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished => f.write_str("the last one did not finish"),
            Self::InRecovery(pnn) => write!(f, "{pnn} is in recovery"),
            Self::NoLock => f.write_str("the cluster lock is not held"),
            Self::OtherNodes(pnn) => write!(f, "{pnn} knows other nodes"),
            Self::MapSize { map, masters } => write!(f, "{map} in the map, {masters} masters"),
            Self::NotInMap(pnn) => write!(f, "{pnn} is not in the map"),
            Self::OtherMap(pnn) => write!(f, "{pnn} has another map"),
        }
    }
}

impl fmt::Display for RecoveryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "could not begin",
            Self::Roles => "asking for roles",
            Self::Flags => "passing flags on",
            Self::NodeMaps => "asking for node maps",
            Self::Capabilities => "asking for capabilities",
            Self::Active => "setting recovery mode",
            Self::Start => "starting",
            Self::VnnMap => "setting the map",
            Self::Databases => "a database nobody here can recover",
            Self::Normal => "setting normal mode",
            Self::End => "ending",
            Self::Data => "a database",
        })
    }
}

impl fmt::Display for DatabaseStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "asking for its name",
            Self::Attach => "attaching",
            Self::Freeze => "freezing",
            Self::Begin => "beginning to change it",
            Self::SeqNum => "asking for its number",
            Self::Pull => "collecting records",
            Self::Wipe => "emptying",
            Self::Announce => "announcing records",
            Self::Push => "sending records",
            Self::Confirm => "counting records",
            Self::Commit => "committing",
            Self::Thaw => "thawing",
            Self::Cancel => "taking back",
        })
    }
}

impl fmt::Display for TakeoverStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "could not begin",
            Self::Known => "asking for addresses",
            Self::Available => "asking for available addresses",
            Self::Release => "releasing",
            Self::Take => "taking",
            Self::Reallocated => "telling everybody",
        })
    }
}
