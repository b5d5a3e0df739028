//! Whose fault it was: credits that add up to a ban, and the one to blame for a takeover run.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::state::State;
use super::types::Pnn;
use crate::time::{Duration, Instant};

/// What a leader counts against each node.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Culprits {
    credits: BTreeMap<Pnn, Credits>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Credits {
    count: u32,
    last: Instant,
}

impl Culprits {
    /// Gives a node so many credits, beginning from none if the last were given longer than
    /// `grace` (`RecoveryGracePeriod`) ago. How many it has then; `None` if it gets none, because
    /// nobody knows it or we take no part ourselves.
    pub(super) fn credit(
        &mut self,
        state: &State,
        now: Instant,
        pnn: Pnn,
        how_many: u32,
        grace: Duration,
    ) -> Option<u32> {
        let inactive = state.me.and_then(|me| state.node(me)).is_none_or(|own| own.flags.is_inactive());
        if inactive || state.node(pnn).is_none() {
            return None;
        }
        let held = self.credits.entry(pnn).or_insert(Credits { count: 0, last: now });
        if now.since(held.last) > grace {
            held.count = 0;
        }
        *held = Credits { count: held.count.saturating_add(how_many), last: now };
        Some(held.count)
    }

    /// The lowest node with enough credits for a ban: two for each of `num_nodes`, deleted ones
    /// too. Once banned, [`forget`](Self::forget) it and ask again.
    pub(super) fn misbehaving(&self, num_nodes: u32) -> Option<Pnn> {
        let enough = num_nodes.saturating_mul(2);
        self.credits.iter().find(|(_, credits)| credits.count >= enough).map(|(&pnn, _)| pnn)
    }

    /// A node has no credits any more.
    pub(super) fn forget(&mut self, pnn: Pnn) {
        self.credits.remove(&pnn);
    }

    /// Nobody has: a recovery has ended well.
    pub(super) fn clear(&mut self) {
        self.credits.clear();
    }
}

/// Who made a takeover run fail: one is reported, however many did.
///
/// A failed control is one credit to its node. Of controls sent in parallel, a group, only the
/// first that fails counts. A step is one group, or one group an address.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Blame {
    credits: BTreeMap<Pnn, u32>,
    /// The groups of this step that have their culprit.
    settled: BTreeSet<Option<IpAddr>>,
}

impl Blame {
    /// The next step begins.
    pub(super) fn step(&mut self) {
        self.settled.clear();
    }

    /// A control failed. `address` is the one it was about where each address is a group of its
    /// own (RELEASE_IP, TAKEOVER_IP), `None` where the whole step is one.
    pub(super) fn failed(&mut self, pnn: Pnn, address: Option<IpAddr>) {
        if self.settled.insert(address) {
            *self.credits.entry(pnn).or_default() += 1;
        }
    }

    /// The node to report: the one with the most credits, the lowest of several.
    pub(super) fn worst(&self) -> Option<Pnn> {
        let most = self.credits.values().max()?;
        self.credits.iter().find(|(_, credits)| *credits == most).map(|(&pnn, _)| pnn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::files::nodes::Nodes;
    use crate::ctdb::types::NodeFlags;

    const GRACE: Duration = Duration::from_secs(120);

    /// n0 of three, the last of them deleted.
    fn cluster() -> State {
        let mut state = State::new();
        state.adopt(Nodes::parse(b"10.0.0.1\n10.0.0.2\n#10.0.0.3\n").expect("three nodes"));
        state.me = Some(Pnn(0));
        state.node_mut(Pnn(0)).expect("it").flags = NodeFlags::empty();
        state
    }

    fn at(secs: u64) -> Instant {
        Instant::START + Duration::from_secs(secs)
    }

    #[test]
    fn credits_add_up_until_nothing_happened_for_the_grace_period() {
        let state = cluster();
        let mut culprits = Culprits::default();
        let mut credit = |secs, how_many| culprits.credit(&state, at(secs), Pnn(1), how_many, GRACE);
        assert_eq!(credit(0, 1), Some(1));
        assert_eq!(credit(120, 3), Some(4));
        assert_eq!(credit(240, 1), Some(5));
        assert_eq!(credit(361, 1), Some(1));
        assert_eq!(credit(361, u32::MAX), Some(u32::MAX));
    }

    #[test]
    fn two_credits_for_each_node_are_a_ban() {
        let state = cluster();
        let mut culprits = Culprits::default();
        for (pnn, how_many) in [(1, 5), (2, 6), (0, 9)] {
            culprits.credit(&state, at(1), Pnn(pnn), how_many, GRACE);
        }
        assert_eq!(culprits.misbehaving(3), Some(Pnn(0)));
        culprits.forget(Pnn(0));
        assert_eq!(culprits.misbehaving(3), Some(Pnn(2)));
        culprits.forget(Pnn(2));
        assert_eq!(culprits.misbehaving(3), None);
        assert_eq!(culprits.credit(&state, at(2), Pnn(1), 1, GRACE), Some(6));
        assert_eq!(culprits.credit(&state, at(2), Pnn(2), 1, GRACE), Some(1));
        culprits.clear();
        assert_eq!(culprits.misbehaving(3), None);
    }

    #[test]
    fn nobody_unknown_is_credited_and_nobody_by_an_inactive_node() {
        let mut state = cluster();
        let mut culprits = Culprits::default();
        assert_eq!(culprits.credit(&state, at(1), Pnn(3), 9, GRACE), None);
        assert_eq!(culprits.credit(&state, at(1), Pnn::UNKNOWN, 9, GRACE), None);
        state.node_mut(Pnn(0)).expect("it").flags = NodeFlags::STOPPED;
        assert_eq!(culprits.credit(&state, at(1), Pnn(1), 9, GRACE), None);
        assert_eq!(culprits.misbehaving(3), None);
    }

    #[test]
    fn only_the_first_failing_node_of_a_group_is_blamed() {
        let mut blame = Blame::default();
        assert_eq!(blame.worst(), None);
        blame.failed(Pnn(2), None);
        blame.failed(Pnn(1), None);
        blame.failed(Pnn(1), None);
        assert_eq!(blame.worst(), Some(Pnn(2)));
        // The same group in the next step is another one.
        blame.step();
        blame.failed(Pnn(1), None);
        assert_eq!(blame.worst(), Some(Pnn(1)));
    }

    #[test]
    fn each_address_is_a_group_of_its_own() {
        let mut blame = Blame::default();
        let address = |host| Some(IpAddr::from([10, 0, 0, host]));
        for (pnn, address) in
            [(0, address(1)), (2, address(1)), (2, address(2)), (0, address(2)), (2, address(3))]
        {
            blame.failed(Pnn(pnn), address);
        }
        assert_eq!(blame.worst(), Some(Pnn(2)));
        blame.failed(Pnn(0), address(4));
        assert_eq!(blame.worst(), Some(Pnn(0)));
    }
}
