//! `standind`: a machine on a real host. Everything impure, nothing clever.
//!
//! Reading order: [`driver`] (inputs in, effects out), [`clock`], [`links`] (streams by number),
//! [`streams`] (the system's, or madsim's), [`jobs`] (work that finishes later: files, scripts, the
//! cluster lock), [`net`] (addresses, interfaces, announcements), [`guard`] (releases addresses when
//! the daemon dies), [`ctdb`] (in ctdbd's place: its start, its files, its event socket),
//! [`gossip`] (in a Redis Cluster: its file, its state file), [`lockfile`], [`daemon`], [`refused`], [`log`],
//! [`syslog`].
//!
//! Driver, links and timers also run under madsim: `--cfg madsim` without the feature `tokio`,
//! which is what only a real host has.

#[cfg(all(madsim, feature = "tokio"))]
compile_error!("madsim knows no daemon: build with --no-default-features");

pub mod clock;
#[cfg(feature = "tokio")]
pub mod ctdb;
#[cfg(feature = "tokio")]
pub mod daemon;
#[cfg(any(feature = "tokio", madsim))]
pub mod driver;
#[cfg(feature = "tokio")]
pub mod gossip;
#[cfg(feature = "tokio")]
pub mod guard;
#[cfg(feature = "tokio")]
pub mod jobs;
#[cfg(any(feature = "tokio", madsim))]
pub mod links;
#[cfg(feature = "tokio")]
pub mod lockfile;
#[cfg(feature = "tokio")]
pub mod log;
#[cfg(feature = "tokio")]
pub mod net;
#[cfg(feature = "tokio")]
pub mod refused;
#[cfg(any(feature = "tokio", madsim))]
pub mod streams;
#[cfg(feature = "tokio")]
pub mod syslog;
