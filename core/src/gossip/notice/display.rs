//! What of a notice a person reads. Names are cut to eight characters.

use core::fmt;

use super::{
    Barred, ClusterState, EpochCause, FollowCause, Forgot, Manual, NoVote, Notice, Oddity, StartRefusal, Was,
};

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { id, address } => write!(f, "{id:.8} listens on {address}"),
            Self::StartRefused(why) => write!(f, "cannot start: {why}"),
            Self::Stopping => f.write_str("stops"),
            Self::AddressLearnt { ip } => write!(f, "others reach this node at {ip}"),
            Self::Handshake { address, ours: true } => write!(f, "meets {address}"),
            Self::Handshake { address, ours: false } => write!(f, "is met by {address}"),
            Self::HandshakeExpired { address } => write!(f, "nobody to meet at {address}"),
            Self::Met { id, address } => write!(f, "met {id:.8} at {address}"),
            Self::Heard { id, of } => write!(f, "heard of {id:.8} from {of:.8}"),
            Self::Forgotten { id, cause } => write!(f, "forgot {id:.8}: {cause}"),
            Self::Connected { id } => write!(f, "connected to {id:.8}"),
            Self::Disconnected { id, why: Some(why) } => write!(f, "lost the link to {id:.8}: {why}"),
            Self::Disconnected { id, why: None } => write!(f, "gave up the link to {id:.8}"),
            Self::AddressChanged { id, ip, bus_port } => write!(f, "{id:.8} is now at {ip}@{bus_port}"),
            Self::WrongNode { expected, answered } => {
                write!(f, "{answered:.8} answers at the address of {expected:.8}")
            }
            Self::Pfail { id, silent } => write!(f, "PFAIL {id:.8}: silent for {silent}"),
            Self::PfailCleared { id } => write!(f, "{id:.8} answers again"),
            Self::Fail { id, told_by: Some(by), .. } => write!(f, "FAIL {id:.8}, told by {by:.8}"),
            Self::Fail { id, reports, quorum, told_by: None } => {
                write!(f, "FAIL {id:.8}: {reports} say so, {quorum} needed")
            }
            Self::FailCleared { id } => write!(f, "{id:.8} is well again"),
            Self::RoleChanged { id, master: None } => write!(f, "{id:.8} is a master"),
            Self::RoleChanged { id, master: Some(of) } => write!(f, "{id:.8} replicates {of:.8}"),
            Self::EpochLearnt { epoch, of } => write!(f, "epoch {epoch}, says {of:.8}"),
            Self::EpochTaken { epoch, cause } => write!(f, "takes config epoch {epoch}: {cause}"),
            Self::EpochsExhausted => f.write_str("there is no later epoch"),
            Self::SlotsMoved { to, count, epoch } => {
                write!(f, "{count} slots go to {to:.8} by epoch {epoch}")
            }
            Self::SlotsEdited { assigned, freed } => write!(f, "slots: {assigned} assigned, {freed} freed"),
            Self::SlotsDirty { count } => write!(f, "deletes what {count} lost slots held"),
            Self::StaleClaim { by, owner } => write!(f, "tells {by:.8} that its slots are {owner:.8}'s"),
            Self::StateChanged { state } => write!(f, "cluster {state}"),
            Self::ElectionPlanned { manual: true, .. } => f.write_str("stands for election at once"),
            Self::ElectionPlanned { after, rank, manual: false } => {
                write!(f, "stands for election in {after}, rank {rank}")
            }
            Self::ElectionStarted { epoch, needed } => write!(f, "asks for {needed} votes in epoch {epoch}"),
            Self::VoteReceived { of, votes, needed } => {
                write!(f, "{of:.8} votes for us: {votes} of {needed}")
            }
            Self::ElectionExpired { epoch, votes, needed } => {
                write!(f, "lost epoch {epoch}: {votes} of {needed} votes")
            }
            Self::ElectionBarred { why } => write!(f, "does not stand for election: {why}"),
            Self::VoteGranted { to, epoch } => write!(f, "votes for {to:.8} in epoch {epoch}"),
            Self::VoteRefused { to, why } => write!(f, "no vote for {to:.8}: {why}"),
            Self::Promoted { epoch, votes } => write!(f, "is master by epoch {epoch} with {votes} votes"),
            Self::Follows { master, cause } => write!(f, "replicates {master:.8}: {cause}"),
            Self::VoteLost { to } => write!(f, "has no slot and no vote any more: {to:.8} took the last"),
            Self::ManualStarted { how } => write!(f, "manual failover ({how})"),
            Self::ManualPaused { replica } => write!(f, "holds writes for {replica:.8} to take over"),
            Self::ManualExpired => f.write_str("manual failover not done in time"),
            Self::SaveFailed { error } => write!(f, "cannot save its state: {error}; is silent until it can"),
            Self::SaveRecovered => f.write_str("saves its state again"),
            Self::FrameRefused { from: Some(from), error } => {
                write!(f, "unreadable stream from {from}: {error}")
            }
            Self::FrameRefused { from: None, error } => write!(f, "unreadable stream: {error}"),
            Self::PacketRefused { of: Some(of), why } => write!(f, "packet of {of:.8} dropped: {why}"),
            Self::PacketRefused { of: None, why } => write!(f, "packet dropped: {why}"),
            Self::TableFull { nodes } => write!(f, "knows {nodes} nodes and takes no more"),
            Self::ClientRefused => f.write_str("a client's stream cannot be read"),
            Self::Replicating { master, offset } => write!(f, "replicates {master:.8} from offset {offset}"),
            Self::ReplicationLost { master } => write!(f, "lost the replication link to {master:.8}"),
            Self::Reset { hard: true } => f.write_str("reset: a new node"),
            Self::Reset { hard: false } => f.write_str("reset: alone"),
            Self::Woke { slept } => write!(f, "the host slept for {slept}"),
        }
    }
}

/// One sentence's end for each.
macro_rules! texts {
    ($($what:ident { $($case:ident $text:literal,)* })*) => {$(
        impl fmt::Display for $what {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$case => $text,)*
                })
            }
        }
    )*};
}

texts! {
    Forgot {
        Command "told so",
        Reset "reset",
        Twin "known by its own name",
    }
    EpochCause {
        Collision "another master has the same",
        Election "elected",
        Takeover "takeover",
        Import "slot imported",
        Bump "told so",
        Set "told so",
    }
    Barred {
        DataTooOld "its data are too old",
        NotWanted "it is not to",
    }
    NoVote {
        OldEpoch "asked for in an old epoch",
        Voted "given in this epoch",
        NoReplica "no replica of a known master",
        MasterWell "its master has not failed",
        TooSoon "another of that master's replicas had it just now",
        StaleSlots "it claims a slot owned by a later epoch",
    }
    FollowCause {
        Command "told so",
        SlotsTaken "it took the last slots",
        Chain "our master does",
        Orphan "it had no replica",
        Given "our last slot was given to it",
    }
    Manual {
        Default "with the master",
        Force "without the master",
        Takeover "without votes",
    }
    ClusterState {
        Ok "ok",
        Uncovered "fail: slots without an owner that works",
        Minority "fail: in a minority",
        Waiting "fail: waits before it serves again",
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("another version"),
            Self::Length => f.write_str("a length that is not its own"),
            Self::Extension => f.write_str("extensions that do not fit"),
            Self::Type(number) => write!(f, "type {number}"),
            Self::FromMyself => f.write_str("it claims to be ours"),
            Self::OwnMaster => f.write_str("it is its own master"),
        }
    }
}

impl fmt::Display for StartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadState { line, what } => write!(f, "state file, line {line}: {what}"),
            Self::NoState(error) => write!(f, "state file: {error}"),
            Self::OtherRole { role, was } => {
                let a = if role.word().starts_with('o') { "an" } else { "a" };
                write!(f, "state file: its node {was}, which {a} {} is not: ", role.word())?;
                let or = match was {
                    Was::Replica => "",
                    Was::Master { .. } => "; or move its slots to another master before the role is changed",
                };
                write!(
                    f,
                    "set `role` back; or let all others forget the node (CLUSTER FORGET) and start with an \
                     empty `dir`{or}"
                )
            }
            Self::CannotListen { port, why } => write!(f, "port {port}: {why}"),
        }
    }
}

impl fmt::Display for Was {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica => f.write_str("is a replica"),
            Self::Master { slots } => write!(f, "is a master with slots ({slots})"),
        }
    }
}
