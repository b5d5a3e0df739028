//! The gossip machine: Redis Cluster's discovery, failure detection, epochs, slots and failover,
//! as Redis 7.0.15 does them. It stores no keys.
//!
//! Reading order: [`types`] and [`slots`] (words), [`wire`] (the bus), [`resp`] (the client
//! side's protocol), [`nodes_conf`] (what survives), [`config`], [`notice`], [`table`] (this
//! node's picture of the cluster), [`rules`] (decisions that need no state), then [`machine`],
//! where they meet, and `commands`, what clients ask for.

pub(crate) mod commands;
pub mod config;
mod index;
pub(crate) mod links;
pub mod machine;
pub mod nodes_conf;
pub mod notice;
pub mod password;
pub mod plant;
pub mod resp;
pub mod rules;
pub mod slots;
pub mod table;
pub mod traffic;
pub mod types;
pub mod wire;

pub use self::config::Config;
pub use self::links::{BUS, CLIENTS, TLS_CLIENTS};
pub use self::machine::{Gossip, Order};
pub use self::notice::Notice;
