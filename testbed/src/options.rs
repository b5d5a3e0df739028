//! What can be wished of a bed.

use std::net::Ipv4Addr;

use crate::program::Program;

/// What a bed is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What each node runs; as many nodes as programs, 1 to 32.
    pub programs: Vec<Program>,
    /// Public addresses, 0 to 250: 10.78.1.1/16 and up, each offered by every node.
    pub public: usize,
    /// Whether there is a cluster lock, on a file that every node can always reach.
    pub lock: bool,
    /// Lines of `ctdb.tunables`.
    pub tunables: Vec<(String, u32)>,
}

impl Options {
    /// `nodes` nodes of one kind, two public addresses for each, no lock, all defaults.
    pub fn new(nodes: usize, program: &Program) -> Self {
        let programs = vec![program.clone(); nodes];
        Self { programs, public: 2 * nodes, lock: false, tunables: Vec::new() }
    }

    /// The public addresses.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        (1..=self.public).map(|at| Ipv4Addr::new(10, 78, 1, at.try_into().unwrap_or(u8::MAX))).collect()
    }
}
