//! Against real Redis (Debian's package `redis-server`, 7.0.15): its nodes are our peers, its tool
//! drives our nodes. Every host has a network namespace of its own, as far as Redis can tell a
//! computer of its own, on a switch that the test holds.

mod alone;
mod ask;
mod cluster;
mod deciding;
mod joining;
mod lan;
mod life;
mod log;
mod manual;
mod moving;
mod roles;
mod sites;
mod tls;
mod wire;
