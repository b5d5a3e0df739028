//! The rehearsal room: a discrete-event world that drives any
//! [`Machine`](standin_core::machine::Machine) through faults, and judges what it does.
//!
//! Reading order: [`world`] (what exists and what befalls it; knows no protocol), [`kit`] (what
//! a protocol brings), [`check`] (what must hold), [`plan`] (what a seed expands to), [`run`]
//! (one run), [`trace`], [`outcome`], [`scenario`] (a plan written by a person), [`campaign`]
//! (many seeds), then the kits: [`ctdb`], [`gossip`].

pub mod campaign;
pub mod check;
pub mod ctdb;
pub mod gossip;
pub mod kit;
pub mod membership;
pub mod outcome;
pub mod plan;
pub mod run;
pub mod scenario;
pub mod trace;
pub mod world;

/// So that a file of tests can be shared with the program, which knows this library by name.
#[cfg(test)]
extern crate self as standin_sim;
