//! One exact sequence of packets after the other: what a node asks, answers and refuses.

mod commands;
mod databases;
mod real_leader;
mod recorded;
mod room;
mod steps;
mod tools;
