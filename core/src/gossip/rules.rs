//! The decisions that need no state: who may have a vote, whether the cluster is served.

use super::notice::{ClusterState, NoVote};
use super::types::Epoch;
use crate::time::Duration;

/// What a voter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The epoch the vote is asked for in.
    pub asked_in: Epoch,
    /// The cluster's epoch as the voter knows it.
    pub current: Epoch,
    /// The epoch the voter last voted in.
    pub last_vote: Epoch,
    /// Who asks is a replica of a master the voter knows.
    pub is_replica: bool,
    /// That master failed, in the voter's eyes.
    pub master_failed: bool,
    /// It is a manual failover: the master need not have failed.
    pub forced: bool,
    /// How long ago the voter last voted for a replica of that master.
    pub since_last: Option<Duration>,
    /// The node timeout.
    pub node_timeout: Duration,
    /// Every slot asked for is free, or its owner's epoch is not later than the claim's.
    pub slots_fresh: bool,
}

/// Whether a voter gives its vote, by the rules in Redis' order. The caller has made sure that
/// it is a master with a slot.
///
/// # Errors
/// The first rule that says no.
pub fn vote(ballot: &Ballot) -> Result<(), NoVote> {
    if ballot.asked_in < ballot.current {
        return Err(NoVote::OldEpoch);
    }
    if ballot.last_vote == ballot.current {
        return Err(NoVote::Voted);
    }
    if !ballot.is_replica {
        return Err(NoVote::NoReplica);
    }
    if !ballot.master_failed && !ballot.forced {
        return Err(NoVote::MasterWell);
    }
    if ballot.since_last.is_some_and(|since| since < ballot.node_timeout.times(2)) {
        return Err(NoVote::TooSoon);
    }
    if !ballot.slots_fresh {
        return Err(NoVote::StaleSlots);
    }
    Ok(())
}

/// What the state of the cluster is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Every slot must have an owner that has not failed.
    pub full_coverage_required: bool,
    /// Every slot has.
    pub covered: bool,
    /// Masters with slots.
    pub size: u32,
    /// Those of them that neither failed nor are suspected, and have an address.
    pub reachable: u32,
}

/// Whether the cluster can be served.
#[must_use]
pub const fn judge(coverage: &Coverage) -> ClusterState {
    if coverage.reachable < coverage.size / 2 + 1 {
        ClusterState::Minority
    } else if coverage.full_coverage_required && !coverage.covered {
        ClusterState::Uncovered
    } else {
        ClusterState::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Ballot = Ballot {
        asked_in: Epoch(7),
        current: Epoch(7),
        last_vote: Epoch(6),
        is_replica: true,
        master_failed: true,
        forced: false,
        since_last: None,
        node_timeout: Duration::from_secs(2),
        slots_fresh: true,
    };

    #[test]
    fn each_rule_of_a_vote_says_no_by_itself() {
        assert_eq!(vote(&YES), Ok(()));
        type Row = (&'static str, fn(&mut Ballot), Result<(), NoVote>);
        let rows: [Row; 9] = [
            ("an old epoch", |it| it.asked_in = Epoch(6), Err(NoVote::OldEpoch)),
            ("voted in it", |it| it.last_vote = Epoch(7), Err(NoVote::Voted)),
            // Rule 3 compares for equality: a later vote does not count.
            ("voted later", |it| it.last_vote = Epoch(9), Ok(())),
            ("a stranger", |it| it.is_replica = false, Err(NoVote::NoReplica)),
            ("its master is well", |it| it.master_failed = false, Err(NoVote::MasterWell)),
            (
                "by hand",
                |it| {
                    it.master_failed = false;
                    it.forced = true;
                },
                Ok(()),
            ),
            ("just now", |it| it.since_last = Some(Duration(3_999_999)), Err(NoVote::TooSoon)),
            ("two timeouts ago", |it| it.since_last = Some(Duration::from_secs(4)), Ok(())),
            ("stale slots", |it| it.slots_fresh = false, Err(NoVote::StaleSlots)),
        ];
        for (name, change, expected) in rows {
            let mut ballot = YES;
            change(&mut ballot);
            assert_eq!(vote(&ballot), expected, "{name}");
        }
    }

    #[test]
    fn a_cluster_needs_its_slots_and_a_majority_of_their_owners() {
        let all = Coverage { full_coverage_required: true, covered: true, size: 4, reachable: 4 };
        assert_eq!(judge(&all), ClusterState::Ok);
        assert_eq!(judge(&Coverage { reachable: 3, ..all }), ClusterState::Ok);
        assert_eq!(judge(&Coverage { reachable: 2, ..all }), ClusterState::Minority);
        assert_eq!(judge(&Coverage { covered: false, ..all }), ClusterState::Uncovered);
        let lax = Coverage { full_coverage_required: false, covered: false, ..all };
        assert_eq!(judge(&lax), ClusterState::Ok);
        let fresh = Coverage { size: 0, reachable: 0, covered: false, full_coverage_required: false };
        assert_eq!(judge(&fresh), ClusterState::Minority);
    }
}
