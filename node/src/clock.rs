//! The only clock: boot time, which counts suspend, as the core's [`Instant`].

use nix::time::{ClockId, clock_gettime};
use standin_core::time::{Duration, Instant};

/// Time since the driver began, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Boot time at the beginning.
    began: u64,
    /// How far boot time was ahead of the time awake when last looked at.
    slept: u64,
    /// From [`Instant`] to 1970, when last looked at.
    offset: i64,
}

/// A time of day that moved by less than this has drifted, and was not set.
const SET_MIN: u64 = 1_000;

/// A suspend shorter than this is none.
const SLEEP_MIN: u64 = 100_000;

fn read(clock: ClockId) -> u64 {
    // These clocks exist on every kernel we run on; a failure would be a kernel without time.
    let now = clock_gettime(clock).expect("the kernel has this clock");
    now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1_000
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        let began = read(ClockId::CLOCK_BOOTTIME);
        let mut clock = Self { began, slept: 0, offset: 0 };
        clock.slept = began.saturating_sub(read(ClockId::CLOCK_MONOTONIC));
        clock.offset = clock.offset_now();
        clock
    }

    /// How long it has run.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(read(ClockId::CLOCK_BOOTTIME) - self.began)
    }

    fn offset_now(&self) -> i64 {
        read(ClockId::CLOCK_REALTIME) as i64 - self.now().0 as i64
    }

    /// What to add to an [`Instant`] for microseconds since 1970.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.offset
    }

    /// The new [`offset`](Self::offset), if somebody set the clock since this was last asked.
    pub fn set_by_somebody(&mut self) -> Option<i64> {
        let offset = self.offset_now();
        let moved = offset.abs_diff(self.offset) >= SET_MIN;
        self.offset = offset;
        moved.then_some(offset)
    }

    /// How long the host was suspended since this was last asked, if it was.
    pub fn woke(&mut self) -> Option<Duration> {
        let asleep = read(ClockId::CLOCK_BOOTTIME).saturating_sub(read(ClockId::CLOCK_MONOTONIC));
        let slept = asleep.saturating_sub(self.slept);
        self.slept = asleep;
        (slept >= SLEEP_MIN).then_some(Duration::from_micros(slept))
    }
}
