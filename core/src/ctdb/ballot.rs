//! Who wins an election, and what a vote says.

use super::types::{NodeFlags, Pnn};
use super::wire::{Election, TimeVal};

/// What speaks for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Candidate {
    /// Who we are.
    pub(super) pnn: Pnn,
    /// Our own flags.
    pub(super) flags: NodeFlags,
    /// We are configured to lead if we can.
    pub(super) capable: bool,
    /// When we started, or last saw ourselves inactive: a time of day.
    pub(super) priority: TimeVal,
    /// How many nodes we are connected to.
    pub(super) connected: u32,
}

impl Candidate {
    /// Whether we may lead at all.
    pub(super) const fn can_lead(&self) -> bool {
        self.capable && !self.flags.is_inactive()
    }

    /// Our vote. Who cannot lead says so by the latest priority there is.
    pub(super) const fn vote(&self, now: TimeVal) -> Election {
        let (connected, priority) = if self.can_lead() { (self.connected, self.priority) } else { (0, now) };
        Election { connected, priority, pnn: self.pnn, flags: self.flags }
    }
}

/// Whether we win against another node's vote. How many nodes it is connected to does not count.
pub(super) fn wins(own: &Candidate, other: &Election) -> bool {
    let rank = |priority: TimeVal, pnn| (priority.seconds, priority.micros, pnn);
    own.can_lead()
        && (other.flags.is_inactive() || rank(own.priority, own.pnn) < rank(other.priority, other.pnn))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn time(seconds: i64, micros: i64) -> TimeVal {
        TimeVal { seconds, micros }
    }

    const OWN: Candidate = Candidate {
        pnn: Pnn(1),
        flags: NodeFlags::UNHEALTHY,
        capable: true,
        priority: time(100, 500),
        connected: 3,
    };

    fn vote(pnn: u32, priority: TimeVal, flags: NodeFlags) -> Election {
        Election { connected: 9, priority, pnn: Pnn(pnn), flags }
    }

    #[test]
    fn the_earlier_priority_wins_and_the_lower_number_among_equals() {
        for (pnn, priority, wanted) in [
            (2, time(100, 501), true),
            (0, time(100, 501), true),
            (2, time(101, 0), true),
            (2, time(100, 499), false),
            (2, time(99, 999_999), false),
            (2, time(100, 500), true),
            (0, time(100, 500), false),
            (1, time(100, 500), false),
        ] {
            let other = vote(pnn, priority, NodeFlags::empty());
            assert_eq!(wins(&OWN, &other), wanted, "n{pnn} {priority:?}");
        }
    }

    #[test]
    fn an_inactive_node_loses_whatever_its_priority() {
        for (flags, wanted) in [
            (NodeFlags::STOPPED, true),
            (NodeFlags::BANNED | NodeFlags::UNHEALTHY, true),
            (NodeFlags::DISCONNECTED, true),
            (NodeFlags::UNHEALTHY | NodeFlags::PERMANENTLY_DISABLED, false),
        ] {
            assert_eq!(wins(&OWN, &vote(0, time(0, 0), flags)), wanted, "{flags}");
        }
    }

    #[test]
    fn who_cannot_lead_never_wins() {
        let latest = vote(2, time(i64::MAX, 0), NodeFlags::STOPPED);
        assert!(wins(&OWN, &latest));
        assert!(!wins(&Candidate { capable: false, ..OWN }, &latest));
        assert!(!wins(&Candidate { flags: NodeFlags::BANNED, ..OWN }, &latest));
    }

    #[test]
    fn a_vote_of_one_who_cannot_lead_has_no_weight() {
        let now = time(900, 7);
        let plain = Election { connected: 3, priority: OWN.priority, pnn: Pnn(1), flags: OWN.flags };
        assert_eq!(OWN.vote(now), plain);
        let weak = Election { connected: 0, priority: now, ..plain };
        assert_eq!(Candidate { capable: false, ..OWN }.vote(now), weak);
        let stopped = Candidate { flags: NodeFlags::STOPPED, ..OWN }.vote(now);
        assert_eq!(stopped, Election { flags: NodeFlags::STOPPED, ..weak });
    }
}
