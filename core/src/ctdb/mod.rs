//! The CTDB machine: nodes file, links, keepalive, death and return.
//!
//! Reading order: [`types`], [`wire`] (bytes ↔ packets), [`tunables`] and [`files`] (text ↔
//! values).

pub mod files;
pub mod tunables;
pub mod types;
pub mod wire;
