//! The protocol machines of Standin and the border they live behind.
//!
//! Reading order: [`time`], [`rng`], [`machine`] (the border), [`host`] (what a machine may ask
//! of a computer), [`timers`], [`bytes`] (cursor and framing), [`text`] (complaints about
//! files), [`plants`] (bugs planted on purpose), then [`ctdb`], the CTDB machine, and [`gossip`],
//! Redis Cluster's.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bytes;
pub mod ctdb;
pub mod gossip;
pub mod host;
mod kinds;
pub mod machine;
pub mod plants;
pub mod rng;
pub mod text;
pub mod time;
pub mod timers;
