//! The rehearsal room: a discrete-event world that drives any [`Machine`](standin_core::machine::Machine).

pub mod world;
