//! The CTDB machine, first half: nodes file, links, keepalive, death and return.
//!
//! A packet's way: bytes → `links` (whose link is it?) → frame → [`wire`] → `route` in
//! `machine.rs` → a part → a small fact → `machine.rs` decides what it means → outbox. Parts
//! never call each other; `machine.rs` and `serve.rs` are the only files that see them all.
//!
//! Reading order: [`types`], [`wire`] (bytes ↔ packets), [`tunables`] and [`files`] (text ↔
//! values), [`config`], [`notice`], `state`, `cx`, then the parts: `boot`, `links`, `keepalive`,
//! `versions`, `requests`, `clients`, `controls`, `reload`; last `machine` with its other half `serve`, and `view`.
//! [`ipalloc`] stands apart: it knows numbers and addresses, no machine.

mod addresses;
mod ballot;
mod boot;
mod clients;
pub mod config;
mod controls;
mod culprits;
mod cx;
mod databases;
mod election;
mod events;
pub mod files;
mod hosting;
pub mod ipalloc;
mod jobs;
mod keepalive;
mod kernel;
mod life;
mod links;
mod machine;
mod mail;
mod monitor;
pub mod notice;
pub mod plant;
mod recovery;
mod reload;
mod requests;
mod round;
mod serve;
mod standing;
mod state;
mod subscribers;
mod takeover;
mod talk;
pub mod tunables;
pub mod types;
mod verdict;
mod versions;
mod view;
mod watching;
pub mod wire;

pub use self::machine::{Ctdb, Order};
pub use self::view::PublicView;
