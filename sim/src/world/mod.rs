//! The world: hosts, networks and what can befall them. It knows no protocol.

pub mod client;
pub mod disk;
pub mod kernel;
pub mod lan;
pub mod lock;
pub mod moment;
pub mod schedule;
pub mod scripts;
