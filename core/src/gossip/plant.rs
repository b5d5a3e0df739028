//! The bugs that can be planted in a gossip machine.

use crate::plants::plants;

/// Which of them is planted, if any.
pub type Plants = crate::plants::Plants<Plant>;

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
    /// Some writes are not passed on to replicas.
    WriteNotPassedOn "write-not-passed-on",
    /// A master that loses a slot to another deletes all it has.
    LossClearsAll "loss-clears-all",
    /// Who takes a master's place has forgotten what it replicated.
    WinnerForgets "winner-forgets",
}
