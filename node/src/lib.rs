//! `standind`: a machine on a real host. Everything impure, nothing clever.
//!
//! Reading order: [`driver`] (inputs in, effects out), [`clock`], [`links`] (streams), [`jobs`]
//! (work that finishes later: files, scripts, the cluster lock), [`net`] (addresses, interfaces,
//! announcements), [`guard`] (releases addresses when the daemon dies), [`ctdb`] (in ctdbd's
//! place: its files, its environment, its event socket), [`gossip`] (in a Redis Cluster: its file,
//! its state file), [`daemon`], [`log`].

pub mod clock;
pub mod ctdb;
pub mod daemon;
pub mod driver;
pub mod gossip;
pub mod guard;
pub mod jobs;
pub mod links;
pub mod log;
pub mod net;
