//! The gossip machine: Redis Cluster's discovery, failure detection, epochs, slots and failover,
//! as Redis 7.0.15 does them. It stores no keys.
//!
//! Reading order: [`types`] and [`slots`] (words), [`wire`] (the bus), [`resp`] (the client
//! side's protocol), [`nodes_conf`] (what survives).

pub mod nodes_conf;
pub mod resp;
pub mod slots;
pub mod types;
pub mod wire;
