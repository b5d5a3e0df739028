//! A replica moves to a master that has none left.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::super::notice::FollowCause;
use super::super::table::Ix;
use super::super::types::NodeFlags;
use super::{Gossip, Out};
use crate::time::{Duration, Instant};

/// How long a master has to be without a working replica.
const ORPHANED: Duration = Duration::from_millis(5_000);

impl Gossip {
    pub(super) fn migrate_if_orphaned(&mut self, now: Instant, out: Out<'_>) {
        if !self.config.allow_replica_migration || self.table.me().is_master() {
            return;
        }
        let mut working: BTreeMap<Ix, u32> = BTreeMap::new();
        for (at, node) in self.table.iter() {
            if let Some(master) = node.master.filter(|_| !node.is_master())
                && (at == Ix::ME || !node.flags.contains(NodeFlags::FAIL))
            {
                *working.entry(master).or_default() += 1;
            }
        }
        let count = |at: Ix| working.get(&at).copied().unwrap_or_default();
        let mut most = 0;
        let mut orphan = None;
        let mut marks = Vec::new();
        for (at, node) in self.table.iter() {
            if !node.is_master() || node.flags.contains(NodeFlags::FAIL) {
                continue;
            }
            let replicas = count(at);
            most = most.max(replicas);
            let is_orphan =
                replicas == 0 && !node.slots().is_empty() && node.flags.contains(NodeFlags::MIGRATE_TO);
            let since = is_orphan.then(|| node.orphaned.unwrap_or(now));
            if since != node.orphaned {
                marks.push((at, since));
            }
            if let Some(since) = since
                && now.since(since) > ORPHANED
                && orphan.is_none()
            {
                orphan = Some(at);
            }
        }
        for (at, since) in marks {
            self.table.get_mut(at).orphaned = since;
        }
        let Some(mine) = self.table.me().master else { return };
        let Some(orphan) = orphan.filter(|&orphan| orphan != mine) else { return };
        let ours = count(mine);
        if !self.standing.state.is_ok() || most < 2 || ours != most || ours <= self.config.migration_barrier {
            return;
        }
        let me = self.table.me().id;
        let first = self
            .table
            .iter()
            .filter(|(_, node)| !node.is_master() && !node.flags.contains(NodeFlags::FAIL))
            .filter(|(_, node)| node.master.is_some_and(|master| count(master) == most))
            .map(|(_, node)| node.id)
            .min();
        if first == Some(me) {
            self.follow(out, orphan, FollowCause::Orphan);
        }
    }
}
