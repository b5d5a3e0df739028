//! A gossip machine, packet by packet: what real Redis nodes sent is what it is driven with.

mod golden;
mod room;
mod saving;
