//! Bugs planted on purpose, so that a campaign can prove it would find them.
//!
//! They exist only with the feature `plants`; without it [`Plants::has`] is a constant `false`
//! and a daemon's build carries none.

use super::files::nodes::Nodes;

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Plant {
    /// A sign of life does not reset the dead count.
    DeadCountNotReset,
    /// A node is dead one silent interval too early.
    LimitOneLess,
    /// A node is dead one silent interval too late.
    LimitOneMore,
    /// A node counts as connected once it has dialled us.
    OneDirectionEnough,
    /// A deleted line of the nodes file takes no number.
    DeletedLineNotCounted,
    /// A link that its peer closed in order is not dialled again.
    ReconnectForgotten,
    /// Anybody may connect.
    SourceUnchecked,
    /// The node takes itself for a peer.
    KeepaliveToSelf,
    /// A second link of a node is kept, and its bytes count as life.
    StaleLinkCounted,
    /// Questions to a node that died wait for their time-out.
    PendingNotFailed,
    /// The younger of two candidates wins an election.
    YoungerWins,
    /// The cluster lock is kept when leadership is lost.
    LockKept,
    /// Addresses are taken before their releases are answered.
    TakeBeforeReleased,
    /// The credit for a failed takeover goes to the leader itself.
    WrongCulprit,
    /// A generation is accepted in normal mode.
    MapInNormalMode,
    /// There is no pause between two recoveries.
    NoRerecoveryPause,
    /// Addresses are taken in recovery mode too.
    NormalModeUnchecked,
    /// An address that was taken is announced to nobody.
    AnnouncedNever,
    /// A node that takes no part any more keeps its addresses.
    KeptWhenInactive,
    /// An unhealthy node goes on offering addresses.
    UnhealthyOffers,
    /// A node that can lead no more goes on saying that it does.
    LeadsInactive,
    /// The local check finds nothing.
    CheckSkipped,
    /// What the monitor event finds wrong does not count.
    MonitorIgnored,
    /// A ban has no end.
    BanUnending,
    /// However long a recovery takes, no address is given up.
    DropAllForgotten,
    /// A release that cannot be begun is answered as one that was done.
    BusyReleaseForgiven,
}

impl Plant {
    /// Every planted bug.
    pub const ALL: [Self; 26] = [
        Self::DeadCountNotReset,
        Self::LimitOneLess,
        Self::LimitOneMore,
        Self::OneDirectionEnough,
        Self::DeletedLineNotCounted,
        Self::ReconnectForgotten,
        Self::SourceUnchecked,
        Self::KeepaliveToSelf,
        Self::StaleLinkCounted,
        Self::PendingNotFailed,
        Self::YoungerWins,
        Self::LockKept,
        Self::TakeBeforeReleased,
        Self::WrongCulprit,
        Self::MapInNormalMode,
        Self::NoRerecoveryPause,
        Self::NormalModeUnchecked,
        Self::AnnouncedNever,
        Self::KeptWhenInactive,
        Self::UnhealthyOffers,
        Self::LeadsInactive,
        Self::CheckSkipped,
        Self::MonitorIgnored,
        Self::BanUnending,
        Self::DropAllForgotten,
        Self::BusyReleaseForgiven,
    ];

    /// As `--plant` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeadCountNotReset => "dead-count-not-reset",
            Self::LimitOneLess => "limit-one-less",
            Self::LimitOneMore => "limit-one-more",
            Self::OneDirectionEnough => "one-direction-enough",
            Self::DeletedLineNotCounted => "deleted-line-not-counted",
            Self::ReconnectForgotten => "reconnect-forgotten",
            Self::SourceUnchecked => "source-unchecked",
            Self::KeepaliveToSelf => "keepalive-to-self",
            Self::StaleLinkCounted => "stale-link-counted",
            Self::PendingNotFailed => "pending-not-failed",
            Self::YoungerWins => "younger-wins",
            Self::LockKept => "lock-kept",
            Self::TakeBeforeReleased => "take-before-released",
            Self::WrongCulprit => "wrong-culprit",
            Self::MapInNormalMode => "map-in-normal-mode",
            Self::NoRerecoveryPause => "no-rerecovery-pause",
            Self::NormalModeUnchecked => "normal-mode-unchecked",
            Self::AnnouncedNever => "announced-never",
            Self::KeptWhenInactive => "kept-when-inactive",
            Self::UnhealthyOffers => "unhealthy-offers",
            Self::LeadsInactive => "leads-inactive",
            Self::CheckSkipped => "check-skipped",
            Self::MonitorIgnored => "monitor-ignored",
            Self::BanUnending => "ban-unending",
            Self::DropAllForgotten => "drop-all-forgotten",
            Self::BusyReleaseForgiven => "busy-release-forgiven",
        }
    }
}

/// Which bug is planted, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Plants {
    #[cfg(feature = "plants")]
    planted: Option<Plant>,
}

impl Plants {
    /// Plants one bug.
    #[cfg(feature = "plants")]
    #[must_use]
    pub const fn with(plant: Plant) -> Self {
        Self { planted: Some(plant) }
    }

    /// A nodes file as the planted bug reads it.
    pub(super) fn read(self, file: Nodes) -> Nodes {
        if self.has(Plant::DeletedLineNotCounted) {
            return Nodes::of(file.iter().map(|(_, address)| address).filter(Option::is_some));
        }
        file
    }

    /// Whether this bug is planted.
    #[must_use]
    #[inline]
    pub fn has(self, plant: Plant) -> bool {
        #[cfg(feature = "plants")]
        return self.planted == Some(plant);
        #[cfg(not(feature = "plants"))]
        {
            let _ = plant;
            false
        }
    }
}
