//! What a kernel could not bring over while a way was cut, and still brings over afterwards: even
//! what a daemon had said that hangs by then.

use standin_core::time::Duration;

use crate::world::moment::Moment;

/// A retransmission waits at most this long, and never longer than what went before it.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(120);

/// One way between two kernels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    cut: bool,
    /// When it was cut: first, if it was cut again before all had come.
    since: Moment,
    until: Moment,
}

impl Backlog {
    /// Conditions changed: whether segments and their acknowledgements get through now.
    pub(crate) fn observe(&mut self, open: bool, now: Moment) {
        match (open, self.cut) {
            (false, false) => {
                // What has not come yet waits longer still.
                if now >= self.until {
                    self.since = now;
                }
                self.cut = true;
            }
            (true, true) => {
                self.cut = false;
                self.until = now + now.since(self.since).min(BACKOFF_MAX);
            }
            (false, true) | (true, false) => {}
        }
    }

    /// Whether the way is cut.
    pub(crate) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Until when something may still come, unless the way is cut again.
    pub(crate) const fn until(&self) -> Moment {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_waits_as_long_again_and_a_second_cut_prolongs_the_first() {
        let second = |at: u64| Moment(at * 1_000_000);
        let mut way = Backlog::default();
        way.observe(true, second(5));
        assert!(!way.is_cut() && way.until() == Moment::START);
        way.observe(false, second(60));
        way.observe(false, second(65));
        assert!(way.is_cut());
        way.observe(true, second(74));
        assert_eq!(way.until(), second(88));
        // Before that it is cut again: what waits has waited since the first.
        way.observe(false, second(76));
        way.observe(true, second(87));
        assert_eq!(way.until(), second(114));
        // All has come; and nothing waits longer than a kernel does.
        way.observe(false, second(200));
        way.observe(true, second(1_000));
        assert_eq!(way.until(), second(1_120));
    }
}
