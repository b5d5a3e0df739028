//! Recoveries: a leader rests between two, and blames whom its trigger names.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::{Credit, Notice, Trigger};
use standin_core::ctdb::types::Pnn;

use super::super::build::Cluster;
use super::truth::Shared;
use super::view::{node, shrunk};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Recoveries {
    cluster: Rc<Cluster>,
    truth: Shared,
    /// Who has recovered, but for the takeover run that ends it.
    ending: BTreeSet<HostId>,
    /// Who rests after a recovery, since when.
    resting: BTreeMap<HostId, Moment>,
    /// Whom each last blamed for a recovery, and when.
    blamed: BTreeMap<HostId, (Moment, Pnn)>,
    looked: u64,
}

impl Recoveries {
    pub(super) const fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self {
            cluster,
            truth,
            ending: BTreeSet::new(),
            resting: BTreeMap::new(),
            blamed: BTreeMap::new(),
            looked: 0,
        }
    }

    fn started(&mut self, world: &World<Ctdb>, host: HostId, trigger: Trigger) -> Result<(), Violation> {
        self.looked += 1;
        let now = world.now();
        let pause = shrunk(self.cluster.tunables().rerecovery_timeout());
        if let Some(since) = self.resting.remove(&host)
            && now.since(since) < pause
            && self.truth.borrow().steady_since(host, since)
        {
            let what = format!("{host} began a recovery {} after the last ({trigger:?})", now.since(since));
            return Err(Violation::safety("recoveries-are-apart", what));
        }
        let own = node(world, host).map(|(_, own)| own);
        let culprit = match trigger {
            Trigger::Unfinished | Trigger::InRecovery(_) => None,
            Trigger::NoLock | Trigger::MapSize { .. } => own,
            Trigger::OtherNodes(pnn) | Trigger::NotInMap(pnn) | Trigger::OtherMap(pnn) => Some(pnn),
        };
        let blamed = self.blamed.get(&host).filter(|(at, _)| *at == now).map(|(_, pnn)| *pnn);
        if blamed.is_some() && blamed != culprit {
            let what = format!("{host} blames {blamed:?} for a recovery because of {trigger:?}");
            return Err(Violation::safety("the-culprit-is-blamed", what));
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Recoveries {
    fn name(&self) -> &'static str {
        "recoveries"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Started(host) => {
                self.ending.remove(host);
                self.resting.remove(host);
                self.blamed.remove(host);
            }
            News::Notice(host, Notice::RecoveryFinished { .. }) => {
                self.ending.insert(*host);
            }
            News::Notice(host, Notice::LeaderChanged { .. }) => {
                self.ending.remove(host);
            }
            News::Notice(host, Notice::TakeoverFinished { .. } | Notice::TakeoverFailed { .. })
                if self.ending.remove(host) =>
            {
                self.resting.insert(*host, world.now());
            }
            // An operator says that it may begin.
            News::Notice(host, Notice::RecoveriesDisabled { .. }) => {
                self.resting.remove(host);
            }
            News::Notice(host, Notice::Credited { pnn, credit: Credit::Recovery, .. }) => {
                self.blamed.insert(*host, (world.now(), *pnn));
            }
            News::Notice(host, Notice::RecoveryStarted(trigger)) => {
                return self.started(world, *host, *trigger);
            }
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
