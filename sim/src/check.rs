//! Checkers: what must hold while faults rage, and what must come true after healing.

pub(crate) mod backlog;

use standin_core::machine::Machine;

use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Which kind of promise.
    pub kind: Kind,
    /// The checker's name; failures are grouped by it.
    pub checker: &'static str,
    /// What happened, with hosts and times.
    pub what: String,
}

/// Safety: something happened that must never. Liveness: something did not happen in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Must never happen.
    Safety,
    /// Must happen in time.
    Liveness,
}

impl Violation {
    /// A broken safety promise.
    #[must_use]
    pub const fn safety(checker: &'static str, what: String) -> Self {
        Self { kind: Kind::Safety, checker, what }
    }

    /// A broken liveness promise.
    #[must_use]
    pub const fn liveness(checker: &'static str, what: String) -> Self {
        Self { kind: Kind::Liveness, checker, what }
    }
}

/// One family of promises about machines `M`.
pub trait Checker<M: Machine> {
    /// Its name, as the summary prints it.
    fn name(&self) -> &'static str;

    /// Something happened.
    ///
    /// # Errors
    /// The promise that broke.
    fn news(&mut self, world: &World<M>, news: &News<M>) -> Result<(), Violation>;

    /// When it wants to look by itself.
    fn due(&self) -> Option<Moment> {
        None
    }

    /// The time it asked for has come.
    ///
    /// # Errors
    /// The promise that broke.
    fn look(&mut self, world: &World<M>) -> Result<(), Violation> {
        let _ = world;
        Ok(())
    }

    /// The run is over; every fault was healed long enough ago, if `settled`.
    ///
    /// # Errors
    /// The promise that broke.
    fn end(&mut self, world: &World<M>, settled: bool) -> Result<(), Violation> {
        let _ = (world, settled);
        Ok(())
    }

    /// How many single promises it has looked at.
    fn looked(&self) -> u64 {
        0
    }

    /// Figures worth telling, as (what, samples in microseconds).
    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        Vec::new()
    }
}

/// What every machine owes its driver: it does not spin, and its queues stay bounded.
#[derive(Debug, Default)]
pub struct Manners {
    looked: u64,
}

/// Inputs that may wait for a process that does not take them.
const WAITING_MAX: usize = 1 << 16;
/// Links a process may hold for each host there is.
const LINKS_PER_HOST_MAX: usize = 32;

impl<M: Machine> Checker<M> for Manners {
    fn name(&self) -> &'static str {
        "manners"
    }

    fn news(&mut self, world: &World<M>, news: &News<M>) -> Result<(), Violation> {
        self.looked += 1;
        match news {
            News::Spins(host, next) => {
                let what = format!("{host}'s timer `{}` stays due at {} after its wake", next.why, next.at);
                Err(Violation::safety("spin", what))
            }
            News::Changed => world.members().try_for_each(|host| bounded(world, host)),
            News::Notice(..) | News::Started(_) | News::Exited(..) | News::Meddled(..) => Ok(()),
        }
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}

fn bounded<M: Machine>(world: &World<M>, host: HostId) -> Result<(), Violation> {
    let Some(process) = &world.host(host).process else { return Ok(()) };
    let links_max = LINKS_PER_HOST_MAX * world.host_count();
    if process.waiting() > WAITING_MAX {
        return Err(Violation::safety("queues", format!("{} inputs wait for {host}", process.waiting())));
    }
    if process.links_held() > links_max {
        let held = process.links_held();
        return Err(Violation::safety("queues", format!("{host} holds {held} links, more than {links_max}")));
    }
    Ok(())
}
