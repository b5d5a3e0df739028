//! Scenarios: a story a person writes, line by line, and the trace it leaves.
//!
//! [`words`] takes the words of a line, [`faults`] makes faults of them.

pub mod faults;
pub mod words;
