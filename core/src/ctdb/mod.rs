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

#[allow(dead_code)]
mod ballot;
mod boot;
mod clients;
pub mod config;
mod controls;
#[allow(dead_code)]
mod culprits;
mod cx;
#[allow(dead_code)]
mod databases;
#[allow(dead_code)]
mod events;
pub mod files;
pub mod ipalloc;
mod jobs;
mod keepalive;
mod links;
mod machine;
#[allow(dead_code)]
mod monitor;
pub mod notice;
pub mod plant;
mod reload;
mod requests;
mod serve;
mod state;
#[allow(dead_code)]
mod subscribers;
pub mod tunables;
pub mod types;
#[allow(dead_code)]
mod verdict;
mod versions;
mod view;
pub mod wire;

pub use self::machine::{Ctdb, Order};
pub use self::view::PublicView;
