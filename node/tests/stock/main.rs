//! Against the stock programs (Debian's package `ctdb`, 4.17.12), in test mode: its tool drives
//! our nodes, its daemons are our peers.

mod cluster;
mod databases;
mod lock;
mod mixed;
mod tool;
