//! Bugs planted on purpose, so that a campaign can prove it would find them.
//!
//! They exist only with the feature `plants`; without it [`Plants::has`] is a constant `false`
//! and a daemon's build carries none.

/// One table: each bug, its name for `--plant`, what is wrong.
macro_rules! plants {
    ($($(#[$doc:meta])* $plant:ident $name:literal,)*) => {
        /// One planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum Plant {
            $($(#[$doc])* $plant,)*
        }

        impl Plant {
            /// Every planted bug.
            pub const ALL: &'static [Self] = &[$(Self::$plant,)*];

            /// As `--plant` takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)*
                }
            }
        }
    };
}

plants! {
    /// A vote leaves before it is durable.
    VoteNotPersisted "vote-not-persisted",
    /// A second vote is given in the same epoch.
    VotesTwice "votes-twice",
    /// Failure reports never grow old.
    ReportsNeverExpire "reports-never-expire",
    /// Two masters may keep the same config epoch.
    CollisionIgnored "collision-ignored",
    /// Who claims slots with an old epoch is not told.
    UpdateNotSent "update-not-sent",
    /// Gossip from a sender we do not know is believed.
    StrangerBelieved "stranger-believed",
    /// Every replica stands for election as if it were the best.
    RankIgnored "rank-ignored",
    /// A node we cannot reach counts as failed without a majority.
    PfailCountedAsFail "pfail-counted-as-fail",
    /// An election begins without a new epoch.
    EpochNotBumped "epoch-not-bumped",
    /// A failed owner of slots that answers is well at once.
    FailClearedEarly "fail-cleared-early",
    /// Who was forgotten may come back by gossip at once.
    BlacklistIgnored "blacklist-ignored",
    /// A master that sees no majority goes on serving.
    MinorityServes "minority-serves",
    /// A claim with an older epoch takes slots too.
    StaleClaimWins "stale-claim-wins",
    /// One vote less than a majority makes a master.
    QuorumOneLess "quorum-one-less",
    /// A node whose greeting was never answered stays in the table.
    HandshakeUnending "handshake-unending",
    /// A winner takes its master's slots and keeps the old config epoch.
    WinnerKeepsEpoch "winner-keeps-epoch",
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
