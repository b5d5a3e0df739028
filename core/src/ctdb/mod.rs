//! The CTDB machine: nodes file, links, keepalive, death and return; leader, recovery, public
//! addresses.
//!
//! A packet's way: bytes → `links` (whose link is it?) → frame → [`wire`] → `route` → a part → a
//! small fact → the machine decides what it means → outbox. Parts call no other part, or few and
//! simpler ones (`cargo xtask tidy` has the list); they meet in `machine/`, whose files are rooms of
//! one value.
//!
//! Reading order: [`types`], [`wire`] (bytes ↔ packets), [`tunables`] and [`files`] (text ↔
//! values), [`config`], [`plant`], [`notice`], `state`, `cx`, `jobs`, `requests`, `mail` (what this
//! node says to itself), then the parts: `boot`, `links`, `keepalive`, `versions`, `clients`,
//! `subscribers`, `tunnels`, `statistics`, `controls`, `reload`, `kernel`, `addresses`, `events`,
//! `monitor`, `databases`, `store`, and the pure ones: `ballot`, `verdict`, `culprits`, `merge`,
//! [`ipalloc`]; last `machine`, room by room: `liveness`, `talk`, `serve`, `life`, `standing`,
//! `election`, `round`, `roles`, `recovery`, `restoring`, `keeping`, `takeover`, `hosting`,
//! `watching`, `tools`, `view`.

mod addresses;
mod ballot;
mod boot;
mod clients;
pub mod config;
mod controls;
mod culprits;
mod cx;
mod databases;
mod events;
pub mod files;
pub mod ipalloc;
mod jobs;
mod keepalive;
mod kernel;
mod links;
mod machine;
mod mail;
mod merge;
mod monitor;
pub mod notice;
pub mod plant;
mod reload;
mod requests;
mod state;
mod statistics;
mod store;
mod subscribers;
pub mod tunables;
mod tunnels;
pub mod types;
mod verdict;
mod versions;
pub mod wire;

pub use self::events::EVENTS;
pub use self::machine::{Ctdb, DatabaseView, Order, PublicView, RecordView};
