//! Room for streams: as many descriptors as the host lets us have, some kept from those who dial us.
//!
//! A daemon without a free descriptor saves nothing, dials nobody and hears no new peer. So clients
//! get all but a reserve, a quarter of the limit and `RESERVE_MAX` at most, and peers half of
//! that; files and dials have the rest.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::time::Instant;

/// Enough for all that a machine lets in; a host may allow a billion, and a script that goes through
/// all that it could have open would never end.
const WANTED: u64 = 65_536;
/// Descriptors that clients leave alone.
const RESERVE_MAX: u64 = 256;
/// How often the same is said.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// Who dials a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anybody who wants something.
    Client,
    /// A node of the cluster, as far as it is known before it speaks.
    Peer,
}

/// Lets this process have as many descriptors as it may, and children of it.
///
/// # Errors
/// If the system refuses.
pub fn raise() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(WANTED);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// Whether a stream that was just accepted takes what is kept from such callers.
#[must_use]
pub fn is_crowded(accepted: RawFd, caller: Caller) -> bool {
    // Somebody may have changed it since.
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    // The kernel gives the lowest that is free: all below are in use.
    u64::try_from(accepted).is_ok_and(|below| below >= allowed(limit, caller))
}

/// Descriptors that may be in use when such a caller is let in.
const fn allowed(limit: u64, caller: Caller) -> u64 {
    let reserve = if limit / 4 < RESERVE_MAX { limit / 4 } else { RESERVE_MAX };
    match caller {
        Caller::Client => limit - reserve,
        Caller::Peer => limit - reserve / 2,
    }
}

/// Counts what strangers can make happen as often as they like, and lets it be said now and then.
#[derive(Debug, Default)]
pub struct Seldom {
    said: Cell<Option<Instant>>,
    since: Cell<u64>,
}

impl Seldom {
    /// Once more. How often since it was last said, if it may be said again.
    pub fn count(&self) -> Option<u64> {
        self.since.set(self.since.get() + 1);
        let now = Instant::now();
        if self.said.get().is_some_and(|said| now.duration_since(said) < SAID_EVERY) {
            return None;
        }
        self.said.set(Some(now));
        Some(self.since.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_a_reserve_and_peers_half_of_it() {
        for (limit, clients, peers) in [(1024, 768, 896), (20_000, 19_744, 19_872), (64, 48, 56), (0, 0, 0)] {
            assert_eq!((allowed(limit, Caller::Client), allowed(limit, Caller::Peer)), (clients, peers));
        }
    }
}
