//! A simulated computer: power, clock, kernel, disk, and the one process that matters.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use standin_core::host::{Done, Fact};
use standin_core::machine::{Endpoint, JobId, LinkId, Machine, PortId, Why};
use standin_core::time::{Duration, Instant};

use super::disk::Disk;
use super::end::EndRef;
use super::kernel::Kernel;
use super::moment::{EPOCH, Moment};
use super::numbered::ByLink;
use super::scripts::Scripts;

/// One computer of the world.
#[derive(Clone, Debug)]
pub struct Host<M: Machine> {
    /// Whether it has power.
    pub powered: bool,
    /// Whether it sleeps: nothing runs, nothing is received, the clock will have jumped.
    pub suspended: Option<Moment>,
    /// Network interfaces and addresses.
    pub kernel: Kernel,
    /// The interfaces and addresses it configures by itself when it boots.
    pub(super) wiring: Kernel,
    /// Files.
    pub disk: Disk,
    /// Its event scripts.
    pub scripts: Scripts,
    /// Its monotonic clock.
    pub clock: Clock,
    /// How far ahead its time of day is, in microseconds; negative is behind.
    pub(super) skew: i64,
    /// The daemon, while it runs.
    pub process: Option<Process<M>>,
    /// How often the daemon was started; numbers its lives.
    pub lives: u32,
}

impl<M: Machine> Host<M> {
    pub(super) fn new(kernel: Kernel, skew: i64) -> Self {
        Self {
            powered: true,
            suspended: None,
            wiring: kernel.clone(),
            kernel,
            disk: Disk::default(),
            scripts: Scripts::default(),
            clock: Clock::default(),
            skew,
            process: None,
            lives: 0,
        }
    }

    /// The time of day it shows, in microseconds since 1970. Faults of the monotonic clock do not
    /// move it: somebody keeps it right, but for a skew of its own.
    #[must_use]
    pub const fn time_of_day(&self, now: Moment) -> i64 {
        EPOCH.saturating_add_unsigned(now.0).saturating_add(self.skew)
    }

    /// What its process adds to its own time to get the time of day; nothing if none runs.
    #[must_use]
    pub(super) fn offset(&self, now: Moment) -> Option<i64> {
        let process = self.process.as_ref()?;
        Some(self.time_of_day(now).saturating_sub_unsigned(self.clock.read(now).since(process.born).0))
    }

    /// What its daemon was told last to add to its own time to get the time of day; nothing if none
    /// runs.
    #[must_use]
    pub fn told(&self) -> Option<i64> {
        Some(self.process.as_ref()?.told)
    }

    /// The time of day as its daemon reckons it: a clock that runs fast or slow takes it along until
    /// the daemon is told anew. Nothing if none runs.
    #[must_use]
    pub fn reckoned_time_of_day(&self, now: Moment) -> Option<i64> {
        Some(self.told()?.saturating_add_unsigned(self.machine_time(now)?.0))
    }

    /// The time as its machine was last or would now be told it; nothing if none runs.
    #[must_use]
    pub fn machine_time(&self, now: Moment) -> Option<Instant> {
        let process = self.process.as_ref()?;
        Some(Instant(self.clock.read(now).since(process.born).0))
    }

    /// Whether its kernel answers the network.
    #[must_use]
    pub fn awake(&self) -> bool {
        self.powered && self.suspended.is_none()
    }

    /// Whether its daemon runs and reacts without delay.
    #[must_use]
    pub fn brisk(&self) -> bool {
        self.awake() && self.process.as_ref().is_some_and(|process| process.pace == Pace::Running)
    }

    /// Whether an input that comes now is taken now: nothing holds its daemon up.
    #[inline]
    pub(super) fn takes_at_once(&self) -> bool {
        let free = |process: &Process<M>| process.pace == Pace::Running && process.inbox.is_empty();
        self.suspended.is_none() && self.process.as_ref().is_some_and(free)
    }

    /// Whether its daemon has taken all that has reached its kernel.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.brisk() && self.process.as_ref().is_some_and(|process| process.waiting() == 0)
    }

    /// Whether its daemon has been started and not ended, even if it hangs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.powered && self.process.is_some()
    }

    /// The machine, while its daemon runs.
    #[must_use]
    pub fn machine(&self) -> Option<&M> {
        self.process.as_ref().map(|process| &process.machine)
    }
}

/// How fast a process takes its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Running,
    /// Not at all; the kernel goes on for it.
    Stopped,
    /// Each one this much late, in order.
    Slow(Duration),
}

/// A running daemon: its machine and what the kernel keeps for it.
#[derive(Clone, Debug)]
pub struct Process<M: Machine> {
    /// The protocol.
    pub machine: M,
    /// Which life of the host's daemon this is, from 1.
    pub life: u32,
    /// How fast it takes its inputs.
    pub pace: Pace,
    /// The host's clock at its start; its `Instant` counts from here.
    pub(super) born: Instant,
    pub(super) links: ByLink<EndRef>,
    pub(super) listeners: Vec<Listener>,
    pub(super) next_link: u64,
    /// What it was last told to add to its own time to get the time of day.
    pub(super) told: i64,
    /// The deadline last asked for, and the number of the one live wake event.
    pub(super) deadline: Option<Instant>,
    pub(super) wake_serial: u32,
    pub(super) jobs: BTreeMap<JobId, Running>,
    /// Inputs not yet taken, each with the time it is taken at the earliest.
    pub(super) inbox: VecDeque<(Moment, Stored<M>)>,
}

/// A listening socket.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) port: PortId,
    pub(super) on: Endpoint,
}

impl Listener {
    /// Whether who dials this address gets through to it: it listens there, or everywhere.
    pub(super) fn takes(&self, dialled: &Endpoint) -> bool {
        match (&self.on, dialled) {
            (Endpoint::Tcp(on), Endpoint::Tcp(to)) if on.ip().is_unspecified() => on.port() == to.port(),
            (on, to) => on == to,
        }
    }
}

/// A job under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// Ends by an event of its own.
    Plain,
    /// Waits for the lock of this name.
    WaitsForLock(String),
    /// Holds the lock of this name.
    HoldsLock(String),
}

impl<M: Machine> Process<M> {
    pub(super) fn new(machine: M, life: u32, born: Instant) -> Self {
        Self {
            machine,
            life,
            pace: Pace::Running,
            born,
            links: ByLink::default(),
            listeners: Vec::new(),
            next_link: 1,
            told: 0,
            deadline: None,
            wake_serial: 0,
            jobs: BTreeMap::new(),
            inbox: VecDeque::new(),
        }
    }

    /// A job that waited for a lock has it now.
    pub(super) fn holds_lock(&mut self, job: JobId) {
        if let Some(running) = self.jobs.get_mut(&job)
            && let Running::WaitsForLock(name) = running
        {
            *running = Running::HoldsLock(std::mem::take(name));
        }
    }

    /// Inputs the kernel holds for it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Connections its kernel has completed and it has not taken.
    pub(super) fn unaccepted(&self) -> usize {
        self.inbox.iter().filter(|(_, input)| matches!(input, Stored::Accepted(_))).count()
    }

    /// Links it has open or is opening.
    #[must_use]
    pub fn links_held(&self) -> usize {
        self.links.len()
    }

    /// The TCP addresses it listens on.
    pub fn listens_on(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().filter_map(|listener| match listener.on {
            Endpoint::Tcp(address) => Some(address),
            Endpoint::Unix(_) => None,
        })
    }
}

/// An input on its way to a machine, owned.
#[derive(Clone, Debug)]
pub(super) enum Stored<M: Machine> {
    Wake,
    Port(PortId, Result<Endpoint, Why>),
    Opened { link: LinkId, local: Endpoint },
    Accepted(Box<Accepted>),
    Bytes(LinkId, Vec<u8>),
    Closed(LinkId, Why),
    Job(JobId, Box<Done>),
    Fact(Box<Fact>),
    Order(Box<M::Order>),
}

/// A connection handed to a listening process.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) link: LinkId,
    pub(super) port: PortId,
    pub(super) from: Endpoint,
    pub(super) local: Endpoint,
    pub(super) peer_pid: Option<u32>,
}

/// A host's monotonic clock, which may run fast or slow and jump forward. It counts suspend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    base: Instant,
    since: Moment,
    drift_ppm: i32,
    jumps: u32,
}

const MILLION: u128 = 1_000_000;

impl Clock {
    /// What it shows.
    #[must_use]
    pub fn read(&self, now: Moment) -> Instant {
        let passed = now.since(self.since).0;
        if self.drift_ppm == 0 {
            return Instant(self.base.0 + passed);
        }
        Instant(self.base.0 + (u128::from(passed) * self.rate() / MILLION) as u64)
    }

    /// The first moment at which it shows `local` or more.
    #[must_use]
    pub fn when(&self, local: Instant) -> Moment {
        let ahead = local.since(self.base).0;
        if self.drift_ppm == 0 {
            return Moment(self.since.0.saturating_add(ahead));
        }
        let passed = (u128::from(ahead) * MILLION).div_ceil(self.rate());
        Moment(self.since.0.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// How much too fast it runs, in parts of a million; negative is slow.
    #[must_use]
    pub const fn drift_ppm(&self) -> i32 {
        self.drift_ppm
    }

    /// How often it has jumped.
    #[must_use]
    pub const fn jumps(&self) -> u32 {
        self.jumps
    }

    pub(super) fn set_drift(&mut self, now: Moment, drift_ppm: i32) {
        *self = Self { base: self.read(now), since: now, drift_ppm, jumps: self.jumps };
    }

    pub(super) fn jump(&mut self, now: Moment, ahead: Duration) {
        let jumps = self.jumps + 1;
        *self = Self { base: self.read(now) + ahead, since: now, drift_ppm: self.drift_ppm, jumps };
    }

    fn rate(&self) -> u128 {
        (MILLION as i128 + i128::from(self.drift_ppm)).max(1) as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_never_comes_early_whatever_the_drift() {
        for drift in [-200_000, -37, 0, 1, 499, 250_000] {
            let mut clock = Clock::default();
            clock.set_drift(Moment(1_000), drift);
            for local in [1_000, 1_001, 5_000_017, 86_400_000_000] {
                let at = clock.when(Instant(local));
                assert!(clock.read(at) >= Instant(local), "{drift} ppm, {local}");
                assert!(
                    at.0 <= 1_000 || clock.read(Moment(at.0 - 1)) < Instant(local),
                    "{drift} ppm, {local}"
                );
            }
        }
    }

    #[test]
    fn a_jump_moves_the_clock_and_nothing_else() {
        let mut clock = Clock::default();
        clock.jump(Moment(10), Duration(90));
        assert_eq!(clock.read(Moment(10)), Instant(100));
        assert_eq!(clock.read(Moment(15)), Instant(105));
        assert_eq!(clock.when(Instant(105)), Moment(15));
    }
}
