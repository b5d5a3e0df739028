//! The bugs that can be planted in a CTDB machine.

use super::files::nodes::Nodes;
use crate::plants::plants;

/// Which of them is planted, if any.
pub type Plants = crate::plants::Plants<Plant>;

plants! {
    /// A sign of life does not reset the dead count.
    DeadCountNotReset "dead-count-not-reset",
    /// A node is dead one silent interval too early.
    LimitOneLess "limit-one-less",
    /// A node is dead one silent interval too late.
    LimitOneMore "limit-one-more",
    /// A node counts as connected once it has dialled us.
    OneDirectionEnough "one-direction-enough",
    /// A deleted line of the nodes file takes no number.
    DeletedLineNotCounted "deleted-line-not-counted",
    /// A link that its peer closed in order is not dialled again.
    ReconnectForgotten "reconnect-forgotten",
    /// Anybody may connect.
    SourceUnchecked "source-unchecked",
    /// The node takes itself for a peer.
    KeepaliveToSelf "keepalive-to-self",
    /// A second link of a node is kept, and its bytes count as life.
    StaleLinkCounted "stale-link-counted",
    /// Questions to a node that died wait for their time-out.
    PendingNotFailed "pending-not-failed",
    /// The younger of two candidates wins an election.
    YoungerWins "younger-wins",
    /// The cluster lock is kept when leadership is lost.
    LockKept "lock-kept",
    /// Addresses are taken before their releases are answered.
    TakeBeforeReleased "take-before-released",
    /// The credit for a failed takeover goes to the leader itself.
    WrongCulprit "wrong-culprit",
    /// A generation is accepted in normal mode.
    MapInNormalMode "map-in-normal-mode",
    /// There is no pause between two recoveries.
    NoRerecoveryPause "no-rerecovery-pause",
    /// Addresses are taken in recovery mode too.
    NormalModeUnchecked "normal-mode-unchecked",
    /// An address that was taken is announced to nobody.
    AnnouncedNever "announced-never",
    /// A node that takes no part any more keeps its addresses.
    KeptWhenInactive "kept-when-inactive",
    /// An unhealthy node goes on offering addresses.
    UnhealthyOffers "unhealthy-offers",
    /// A node that can lead no more goes on saying that it does.
    LeadsInactive "leads-inactive",
    /// The local check finds nothing.
    CheckSkipped "check-skipped",
    /// What the monitor event finds wrong does not count.
    MonitorIgnored "monitor-ignored",
    /// A ban has no end.
    BanUnending "ban-unending",
    /// However long a recovery takes, no address is given up.
    DropAllForgotten "drop-all-forgotten",
    /// A release that cannot be begun is answered as one that was done.
    BusyReleaseForgiven "busy-release-forgiven",
    /// Of two copies of a record the older survives a recovery.
    OlderCopyWins "older-copy-wins",
    /// Of copies with the same number any survives, not the data master's own.
    MastersCopyIgnored "masters-copy-ignored",
    /// A persistent database is put together from all its copies.
    PersistentMixed "persistent-mixed",
    /// A node without storage stays a location master beside volatile databases.
    StubStaysMaster "stub-stays-master",
}

/// A nodes file as a planted bug may read it.
pub(super) fn read(plants: Plants, file: Nodes) -> Nodes {
    if plants.has(Plant::DeletedLineNotCounted) {
        return Nodes::of(file.iter().map(|(_, address)| address).filter(Option::is_some));
    }
    file
}
