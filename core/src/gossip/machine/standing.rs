//! Whether the cluster is served, as far as this node can see.

use super::super::notice::{ClusterState, Notice};
use super::super::plant::Plant;
use super::super::rules::{self, Coverage};
use super::super::types::NodeFlags;
use super::{Gossip, Out, Todo};
use crate::time::{Duration, Instant};

/// How long a master that starts waits before it serves.
const WRITABLE_DELAY: Duration = Duration::from_millis(2_000);

/// What we think of the cluster.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Standing {
    pub(super) state: ClusterState,
    /// Masters with slots, at the last look.
    pub(super) size: u32,
    /// The first look.
    first: Option<Instant>,
    /// The last look that saw a minority.
    minority: Option<Instant>,
    /// The table was found full.
    pub(super) full: bool,
    /// The last epoch there is was reached.
    pub(super) exhausted: bool,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            state: ClusterState::Waiting,
            size: 0,
            first: None,
            minority: None,
            full: false,
            exhausted: false,
        }
    }
}

impl Standing {
    /// Votes, or reports, that are a majority.
    pub(super) const fn quorum(&self) -> u32 {
        self.size / 2 + 1
    }
}

impl Gossip {
    /// Votes, or reports, that are a majority. Redis counts the owners of slots once an input has been taken in;
    /// those it brought itself count here too, so that what it says is not judged by too few.
    pub(super) fn quorum(&self) -> u32 {
        self.standing.quorum().max(self.table.quorum())
    }

    pub(super) fn update_state(&mut self, now: Instant, out: Out<'_>) {
        self.todo.remove(Todo::STATE);
        let first = *self.standing.first.get_or_insert(now);
        let is_master = self.table.me().is_master();
        self.standing.size = self.table.size();
        let served = self.standing.state.is_ok();
        if is_master && !served && now.since(first) < WRITABLE_DELAY {
            return;
        }
        // Nobody pings, and so nobody suspects, a node that was not found at its address. Redis takes it for well.
        let lost = NodeFlags::PFAIL | NodeFlags::FAIL | NodeFlags::NOADDR;
        let owners = self.table.iter().filter(|(_, node)| node.is_owner());
        let failed = owners.clone().filter(|(_, node)| node.flags.contains(NodeFlags::FAIL)).count();
        let coverage = Coverage {
            full_coverage_required: self.config.require_full_coverage,
            covered: self.table.assigned() == u32::from(super::super::slots::SLOTS) && failed == 0,
            size: self.standing.size,
            reachable: owners.filter(|(_, node)| !node.flags.intersects(lost)).count() as u32,
        };
        let mut state = rules::judge(&coverage);
        if state == ClusterState::Minority {
            self.standing.minority = Some(now);
            if self.config.plants.has(Plant::MinorityServes) {
                state = ClusterState::Ok;
            }
        }
        if state.is_ok()
            && !served
            && is_master
            && let Some(minority) = self.standing.minority
            && now.since(minority) < self.config.rejoin_delay()
        {
            state = ClusterState::Waiting;
        }
        if state != self.standing.state {
            self.standing.state = state;
            if state != ClusterState::Waiting {
                out.notice(Notice::StateChanged { state });
            }
        }
    }
}
