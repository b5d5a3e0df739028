//! A gossip machine, packet by packet: what real Redis nodes sent is what it is driven with, and
//! what none of them would send.

mod golden;
mod hostile;
mod room;
mod saving;
