//! Leaders amid a recovery or a takeover run: their next round, and with it all that a round
//! does, is some time away.

use std::collections::BTreeSet;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;

use crate::world::News;
use crate::world::moment::HostId;

/// Those leaders.
#[derive(Debug, Default)]
pub(super) struct Busy {
    leaders: BTreeSet<HostId>,
}

impl Busy {
    /// Takes in what happened.
    pub(super) fn watch(&mut self, news: &News<Ctdb>) {
        match news {
            News::Notice(host, Notice::RecoveryStarted(_) | Notice::TakeoverStarted) => {
                self.leaders.insert(*host);
            }
            News::Started(host)
            | News::Exited(host, _)
            | News::Notice(
                host,
                Notice::RecoveryFailed { .. }
                | Notice::TakeoverFailed { .. }
                | Notice::TakeoverFinished { .. }
                | Notice::LeaderChanged { .. },
            ) => {
                self.leaders.remove(host);
            }
            _ => {}
        }
    }

    /// Whether a host is one.
    pub(super) fn is(&self, host: HostId) -> bool {
        self.leaders.contains(&host)
    }
}
