//! When the next monitor event is due, and what the last one says about our health.

use super::events::Ended;
use super::state::State;
use super::tunables::Tunables;
use super::types::{RecoveryMode, RunState};
use crate::time::Duration;

/// The wait for the first event, and what it grows from while nothing changes.
const FIRST: Duration = Duration::from_secs(2);
/// The wait after a change, and what it grows from.
const AFTER_CHANGE: Duration = Duration::from_secs(5);
/// However short `MonitorInterval`, we do not spin.
const SHORTEST: Duration = Duration::from_secs(1);

/// What the monitor event says of our health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing new.
    Unchanged,
    /// We were well.
    BecameUnhealthy,
    /// We were not.
    BecameHealthy,
}

/// The rhythm of monitor events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Monitor {
    /// From the end of one event, or from where one was left out, to the next.
    wait: Duration,
    /// The wait after that one, if nothing changes.
    next: Duration,
    /// Events in a row that used up their time.
    timeouts: u32,
}

impl Monitor {
    /// As it is when the `startup` event has succeeded.
    pub(super) const fn new() -> Self {
        Self { wait: FIRST, next: FIRST, timeouts: 0 }
    }

    /// Begins anew: the `startup` event has succeeded.
    pub(super) const fn restart(&mut self) {
        *self = Self::new();
    }

    /// How long to wait: from the end of an event, or from where one was due and could not run.
    /// The latter leaves the rhythm as it is.
    pub(super) const fn wait(&self) -> Duration {
        self.wait
    }

    /// A monitor event ended, and we were `unhealthy` before or not.
    #[must_use]
    pub(super) fn ended(&mut self, tunables: &Tunables, ended: Ended, unhealthy: bool) -> Health {
        let bad = match ended {
            Ended::Cancelled => None,
            Ended::TimedOut => {
                self.timeouts = self.timeouts.saturating_add(1);
                (self.timeouts >= tunables.monitor_timeout_count()).then_some(true)
            }
            Ended::Ok | Ended::Failed => {
                self.timeouts = 0;
                Some(ended == Ended::Failed)
            }
        };
        let health = match bad {
            Some(true) if !unhealthy => Health::BecameUnhealthy,
            Some(false) if unhealthy => Health::BecameHealthy,
            _ => Health::Unchanged,
        };
        if health != Health::Unchanged {
            self.next = AFTER_CHANGE;
        }
        self.wait = self.next;
        self.next = self.next.times(2).min(tunables.monitor_interval()).max(SHORTEST);
        health
    }
}

/// Whether a monitor event that is due may run: not in a recovery, not while we take no part.
pub(super) fn may_run(state: &State) -> bool {
    let active = state.me.and_then(|me| state.node(me)).is_some_and(|node| !node.flags.is_inactive());
    active && state.recovery_mode == RecoveryMode::Normal && state.runstate == RunState::Running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::files::nodes::Nodes;
    use crate::ctdb::types::{NodeFlags, Pnn};
    use alloc::vec::Vec;

    /// A node that begins well or not: what each event made of its health, and the waits.
    fn run(mut unhealthy: bool, events: &[Ended]) -> (Vec<Health>, Vec<u64>) {
        let tunables = Tunables::default();
        let mut monitor = Monitor::new();
        let mut waits = [monitor.wait().as_secs()].to_vec();
        let healths = events.iter().map(|&ended| {
            let health = monitor.ended(&tunables, ended, unhealthy);
            unhealthy = match health {
                Health::Unchanged => unhealthy,
                Health::BecameUnhealthy => true,
                Health::BecameHealthy => false,
            };
            waits.push(monitor.wait().as_secs());
            health
        });
        (healths.collect(), waits)
    }

    #[test]
    fn waits_grow_while_nothing_changes_and_begin_anew_when_something_does() {
        use Ended::{Cancelled, Failed, Ok, TimedOut};
        for (unhealthy, events, waits) in [
            (false, [Ok; 6], [2, 2, 4, 8, 15, 15, 15]),
            (true, [Failed; 6], [2, 2, 4, 8, 15, 15, 15]),
            (true, [Ok; 6], [2, 5, 10, 15, 15, 15, 15]),
            (false, [Failed; 6], [2, 5, 10, 15, 15, 15, 15]),
            (true, [Ok, Ok, Ok, Failed, Failed, Failed], [2, 5, 10, 15, 5, 10, 15]),
            (true, [Ok, Failed, Ok, Failed, Ok, Ok], [2, 5, 5, 5, 5, 5, 10]),
            (true, [Cancelled, TimedOut, Cancelled, TimedOut, Ok, Ok], [2, 2, 4, 8, 15, 5, 10]),
        ] {
            assert_eq!(run(unhealthy, &events).1, waits, "{unhealthy} {events:?}");
        }
    }

    #[test]
    fn health_follows_the_event_and_a_cancelled_one_says_nothing() {
        for (ended, unhealthy, health) in [
            (Ended::Ok, false, Health::Unchanged),
            (Ended::Ok, true, Health::BecameHealthy),
            (Ended::Failed, false, Health::BecameUnhealthy),
            (Ended::Failed, true, Health::Unchanged),
            (Ended::Cancelled, false, Health::Unchanged),
            (Ended::Cancelled, true, Health::Unchanged),
            (Ended::TimedOut, false, Health::Unchanged),
            (Ended::TimedOut, true, Health::Unchanged),
        ] {
            assert_eq!(run(unhealthy, &[ended]).0, [health], "{ended:?} {unhealthy}");
        }
    }

    #[test]
    fn the_twentieth_hang_in_a_row_is_one_too_many() {
        let hangs = [Ended::TimedOut; 21];
        let (healths, _) = run(false, &hangs);
        assert!(healths[..19].iter().all(|&health| health == Health::Unchanged));
        assert_eq!(healths[19..], [Health::BecameUnhealthy, Health::Unchanged]);
        // What is cancelled between them neither counts nor begins the count anew.
        let mut mixed = hangs.to_vec();
        mixed.insert(10, Ended::Cancelled);
        assert_eq!(run(false, &mixed).0[20], Health::BecameUnhealthy);
        mixed[10] = Ended::Ok;
        assert!(run(false, &mixed).0.iter().all(|&health| health == Health::Unchanged));
    }

    #[test]
    fn a_start_begins_the_rhythm_anew() {
        let mut monitor = Monitor::new();
        assert_eq!(monitor.ended(&Tunables::default(), Ended::Ok, true), Health::BecameHealthy);
        assert_ne!(monitor, Monitor::new());
        monitor.restart();
        assert_eq!(monitor, Monitor::new());
    }

    #[test]
    fn a_short_interval_bounds_the_growth_and_never_spins() {
        for (interval, waits) in [(3, [5, 3, 3]), (0, [5, 1, 1])] {
            let mut tunables = Tunables::default();
            assert!(tunables.set("MonitorInterval", interval).is_ok());
            let mut monitor = Monitor::new();
            let mut wait = |unhealthy| {
                let _ = monitor.ended(&tunables, Ended::Ok, unhealthy);
                monitor.wait().as_secs()
            };
            assert_eq!([wait(true), wait(false), wait(false)], waits);
        }
    }

    #[test]
    fn nothing_is_monitored_in_a_recovery_or_before_the_start_is_over() {
        let mut state = State::new();
        state.adopt(Nodes::parse(b"10.0.0.1\n").expect("one node"));
        state.me = Some(Pnn(0));
        state.runstate = RunState::Running;
        state.recovery_mode = RecoveryMode::Normal;
        for (flags, may) in [
            (NodeFlags::empty(), true),
            (NodeFlags::UNHEALTHY | NodeFlags::PERMANENTLY_DISABLED, true),
            (NodeFlags::STOPPED, false),
            (NodeFlags::BANNED, false),
        ] {
            state.node_mut(Pnn(0)).expect("it").flags = flags;
            assert_eq!(may_run(&state), may, "{flags}");
        }
        state.node_mut(Pnn(0)).expect("it").flags = NodeFlags::empty();
        state.recovery_mode = RecoveryMode::Active;
        assert!(!may_run(&state));
        state.recovery_mode = RecoveryMode::Normal;
        state.runstate = RunState::Startup;
        assert!(!may_run(&state));
    }
}
