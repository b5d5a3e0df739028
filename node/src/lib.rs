//! `standind`: a machine on a real host. Everything impure, nothing clever.
//!
//! Reading order: [`driver`] (inputs in, effects out), [`clock`], [`links`] (streams by number),
//! [`streams`] (what the system gives), [`jobs`] (work that finishes later: files, scripts, the
//! cluster lock), [`net`] (addresses, interfaces, announcements), [`guard`] (releases addresses when
//! the daemon dies), [`ctdb`] (in ctdbd's place: its files, its environment, its event socket),
//! [`daemon`], [`log`].
//!
//! The feature `tokio` (on) is the runtime and all that stands on it; without it there is the clock.

pub mod clock;
#[cfg(feature = "tokio")]
pub mod ctdb;
#[cfg(feature = "tokio")]
pub mod daemon;
#[cfg(feature = "tokio")]
pub mod driver;
#[cfg(feature = "tokio")]
pub mod guard;
#[cfg(feature = "tokio")]
pub mod jobs;
#[cfg(feature = "tokio")]
pub mod links;
#[cfg(feature = "tokio")]
pub mod log;
#[cfg(feature = "tokio")]
pub mod net;
#[cfg(feature = "tokio")]
pub mod streams;
