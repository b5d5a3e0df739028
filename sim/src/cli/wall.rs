//! The computer's own clocks, for what is told to people: none of it reaches a run.

use std::time::Duration;

use cpu_time::{ProcessTime, ThreadTime};

#[expect(clippy::disallowed_types, reason = "wall time is only shown, or ends a campaign early")]
type Instant = std::time::Instant;

/// Wall time since it was started, and CPU time of the whole program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Option<ProcessTime>,
}

impl Stopwatch {
    /// Starts.
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: ProcessTime::try_now().ok() }
    }

    /// Wall time so far.
    pub(crate) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// CPU time so far; wall time where the system does not tell.
    pub(crate) fn cpu(&self) -> Duration {
        self.cpu.and_then(|start| start.try_elapsed().ok()).unwrap_or_else(|| self.wall())
    }
}

/// How much of this thread's CPU time something took.
pub(crate) fn cpu_of<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let wall = Instant::now();
    let cpu = ThreadTime::try_now().ok();
    let done = what();
    (done, cpu.and_then(|start| start.try_elapsed().ok()).unwrap_or_else(|| wall.elapsed()))
}

/// A number nobody chose, small enough to be typed again.
#[expect(clippy::disallowed_types, reason = "a seed nobody gave comes from somewhere, and is printed")]
pub(crate) fn seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos() as u64);
    standin_core::rng::Rng::new(nanos, 0).below(1_000_000_000)
}
