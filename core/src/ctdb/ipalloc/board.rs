//! The addresses in their order, who could serve each and who does.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;

use super::{Plan, Problem};
use crate::ctdb::types::Pnn;

/// Addresses and nodes are indices here: an address's into the list, a node's its number.
#[derive(Debug)]
pub(super) struct Board {
    /// By key, descending.
    keys: Vec<u128>,
    addresses: Vec<IpAddr>,
    holders: Vec<Option<usize>>,
    /// Addresses held, by node.
    coverage: Vec<usize>,
    /// Whether a node could serve an address: a row of nodes for each address.
    can: Vec<bool>,
    /// Whether addresses are given at all.
    giving: bool,
}

/// An address as CTDB compares it: IPv4 in the low 32 bits.
pub(super) fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Board {
    /// Merges what the nodes say: an address is held by the last node that claims it for itself.
    pub(super) fn of(problem: &Problem) -> Self {
        let nodes = problem.nodes.len();
        let known = problem.nodes.iter().flat_map(|node| &node.known);
        let mut list: Vec<(u128, IpAddr)> = known.map(|&(address, _)| (key(address), address)).collect();
        list.sort_by_key(|&(key, _)| Reverse(key));
        list.dedup_by_key(|&mut (key, _)| key);
        let (keys, addresses): (Vec<u128>, Vec<IpAddr>) = list.into_iter().unzip();
        let mut board = Self {
            holders: vec![None; keys.len()],
            coverage: vec![0; nodes],
            can: vec![false; keys.len() * nodes],
            giving: !problem.no_ip_takeover,
            keys,
            addresses,
        };
        for (node, view) in problem.nodes.iter().enumerate() {
            for &(address, owner) in &view.known {
                if owner.is_some_and(|Pnn(pnn)| pnn as usize == node)
                    && let Some(at) = board.find(address)
                {
                    board.give(at, Some(node));
                }
            }
            for &address in &view.available {
                if let Some(at) = board.find(address) {
                    board.can[at * nodes + node] = true;
                }
            }
        }
        board
    }

    fn find(&self, address: IpAddr) -> Option<usize> {
        self.keys.binary_search_by_key(&Reverse(key(address)), |&key| Reverse(key)).ok()
    }

    /// The addresses' keys, descending.
    pub(super) fn keys(&self) -> &[u128] {
        &self.keys
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.coverage.len()
    }

    /// Who holds an address.
    pub(super) fn holder(&self, at: usize) -> Option<usize> {
        self.holders[at]
    }

    /// How many addresses a node holds.
    pub(super) fn coverage(&self, node: usize) -> usize {
        self.coverage[node]
    }

    /// Whether each node could be given an address.
    pub(super) fn takers(&self, at: usize) -> impl Iterator<Item = usize> {
        let row = &self.can[at * self.nodes()..][..self.nodes()];
        row.iter().enumerate().filter(|&(_, &can)| can && self.giving).map(|(node, _)| node)
    }

    /// Whether a node could be given an address.
    pub(super) fn takes(&self, node: usize, at: usize) -> bool {
        self.giving && self.can[at * self.nodes() + node]
    }

    /// Changes who holds an address.
    pub(super) fn give(&mut self, at: usize, node: Option<usize>) {
        if let Some(before) = self.holders[at] {
            self.coverage[before] -= 1;
        }
        if let Some(after) = node {
            self.coverage[after] += 1;
        }
        self.holders[at] = node;
    }

    /// Takes addresses from holders that cannot serve them.
    pub(super) fn unassign_unsuitable(&mut self) {
        for at in 0..self.keys.len() {
            if self.holders[at].is_some_and(|holder| !self.can[at * self.nodes() + holder]) {
                self.give(at, None);
            }
        }
    }

    /// Gives an address to the node that holds the fewest of those that can take it.
    pub(super) fn give_to_best(&mut self, at: usize) {
        if let Some(best) = self.takers(at).min_by_key(|&node| self.coverage[node]) {
            self.give(at, Some(best));
        }
    }

    /// Gives each address that nobody holds to its best node.
    pub(super) fn give_unassigned_to_best(&mut self) {
        for at in 0..self.keys.len() {
            if self.holders[at].is_none() {
                self.give_to_best(at);
            }
        }
    }

    /// The end of it.
    pub(super) fn into_plan(self) -> Plan {
        // Node numbers came from 32 bits or index a list of nodes.
        let pnn = |holder: Option<usize>| holder.map(|node| Pnn(node as u32));
        Plan { assignments: self.addresses.into_iter().zip(self.holders.into_iter().map(pnn)).collect() }
    }
}
