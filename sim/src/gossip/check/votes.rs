//! Votes: an owner of slots gives one an epoch, and does not go back on it, whatever becomes of
//! its power: what an answer promises is on its disk before the answer leaves.

use std::collections::BTreeMap;

use standin_core::gossip::types::{Epoch, NodeId};
use standin_core::gossip::{Gossip, Notice};

use super::sight::{self, Shared};
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Votes {
    names: Shared,
    /// The epoch each candidate stands in.
    stands: BTreeMap<HostId, Epoch>,
    /// Who got whose vote of an epoch.
    given: BTreeMap<(NodeId, Epoch), HostId>,
    looked: u64,
}

impl Votes {
    pub(super) const fn new(names: Shared) -> Self {
        Self { names, stands: BTreeMap::new(), given: BTreeMap::new(), looked: 0 }
    }

    fn received(&mut self, world: &World<Gossip>, candidate: HostId, of: NodeId) -> Result<(), Violation> {
        let Some(&epoch) = self.stands.get(&candidate) else { return Ok(()) };
        self.looked += 1;
        let former = *self.given.entry((of, epoch)).or_insert(candidate);
        if former != candidate {
            let what = format!("{of:.8} voted for {former} and for {candidate} in epoch {epoch}");
            return Err(Violation::safety("one-vote-an-epoch", what));
        }
        let Some(voter) = self.names.borrow().host(&of) else { return Ok(()) };
        // Under another name now, it has nothing to hold to.
        let same = sight::saved_claim(world, voter).is_some_and(|(name, _)| name == of);
        let saved = sight::saved_vote(world, voter).unwrap_or_default();
        if same && saved < epoch {
            let what = format!(
                "{candidate} has the vote of {voter} in epoch {epoch}, but {voter}'s disk knows of epoch {saved} only"
            );
            return Err(Violation::safety("vote-is-durable", what));
        }
        Ok(())
    }
}

impl Checker<Gossip> for Votes {
    fn name(&self) -> &'static str {
        "votes"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        match news {
            News::Notice(host, Notice::ElectionStarted { epoch, .. }) => {
                self.stands.insert(*host, *epoch);
            }
            News::Notice(host, Notice::VoteReceived { of, .. }) => return self.received(world, *host, *of),
            News::Started(host) => drop(self.stands.remove(host)),
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
