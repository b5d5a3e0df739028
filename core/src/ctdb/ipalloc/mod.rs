//! Who shall serve which public address: CTDB's three allocation algorithms, as pure functions.
//!
//! A [`Problem`] is what the leader has gathered: each node's own list of addresses with the
//! owners it sees, and which of them it could serve now. [`allocate`] answers a [`Plan`] that is
//! CTDB's own, address for address, ties and 32-bit wrap-around included: which node leads, and
//! which program it runs, never moves an address.
//!
//! What all three share (merging, order, "unsuitable", "best node") is in `board`; each
//! algorithm has its file. Only LCP2 is hard to do fast; `lcp2` tells how. `naive` is all of it
//! once more for the tests, word for word as the behaviour is described and slow.

mod board;
mod deterministic;
mod lcp2;
#[cfg(test)]
mod naive;
mod nondeterministic;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;

use self::board::Board;
use super::types::Pnn;

/// How addresses are spread: the tunable `IPAllocAlgorithm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Algorithm {
    /// Each address has a home node, whoever holds it now.
    Deterministic,
    /// Equal numbers of addresses.
    NonDeterministic,
    /// Addresses of a network far from each other; what is served stays where it is.
    #[default]
    Lcp2,
}

impl Algorithm {
    /// The algorithm a value of the tunable stands for; values nobody knows stand for LCP2.
    #[must_use]
    pub const fn from_tunable(value: u32) -> Self {
        match value {
            0 => Self::Deterministic,
            1 => Self::NonDeterministic,
            _ => Self::Lcp2,
        }
    }
}

/// What one node says about the public addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeView {
    /// The addresses it knows, each with the owner it sees. Only what it says of itself counts.
    pub known: Vec<(IpAddr, Option<Pnn>)>,
    /// The addresses it could serve now.
    pub available: Vec<IpAddr>,
}

/// All that decides where addresses go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Problem {
    /// `IPAllocAlgorithm`.
    pub algorithm: Algorithm,
    /// `NoIPTakeover`: addresses are taken from nodes that cannot serve them, and none is given.
    pub no_ip_takeover: bool,
    /// `NoIPFailback`: what is served does not move (LCP2 and non-deterministic).
    pub no_ip_failback: bool,
    /// Nodes that may receive served addresses although they hold some (LCP2).
    pub forced: Vec<Pnn>,
    /// The nodes by number: every line of the nodes file, deleted ones and dead ones too.
    pub nodes: Vec<NodeView>,
}

/// Where every address that any node knows shall be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Plan {
    /// In CTDB's order, IPv6 before IPv4 and high before low; nobody where nobody can.
    pub assignments: Vec<(IpAddr, Option<Pnn>)>,
}

/// Says who shall serve which address.
#[must_use]
pub fn allocate(problem: &Problem) -> Plan {
    let mut board = Board::of(problem);
    match problem.algorithm {
        Algorithm::Deterministic => deterministic::run(&mut board),
        Algorithm::NonDeterministic => nondeterministic::run(&mut board, problem.no_ip_failback),
        Algorithm::Lcp2 => lcp2::run(&mut board, problem),
    }
    board.into_plan()
}
