//! The three algorithms once more, sentence by sentence as CTDB's behaviour is described: for
//! comparison. Nothing is kept that could be computed again.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Algorithm, Plan, Problem};
use crate::ctdb::types::Pnn;

/// What [`allocate`](super::allocate) has to say.
pub(super) fn allocate(problem: &Problem) -> Plan {
    let mut naive = Naive { problem, list: merged(problem) };
    match problem.algorithm {
        Algorithm::Deterministic => naive.deterministic(),
        Algorithm::NonDeterministic => naive.nondeterministic(),
        Algorithm::Lcp2 => naive.lcp2(),
    }
    let assignment = |entry: &Entry| (entry.address, entry.holder.map(|node| Pnn(node as u32)));
    Plan { assignments: naive.list.iter().map(assignment).collect() }
}

#[derive(Clone, Copy)]
struct Entry {
    address: IpAddr,
    holder: Option<usize>,
}

struct Naive<'a> {
    problem: &'a Problem,
    list: Vec<Entry>,
}

/// The address's key as 16 bytes, which compare as the number does.
fn key(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
        }
    }
}

fn merged(problem: &Problem) -> Vec<Entry> {
    let mut list: Vec<Entry> = Vec::new();
    for (node, view) in problem.nodes.iter().enumerate() {
        for &(address, owner) in &view.known {
            let found = list.iter().position(|entry| key(entry.address) == key(address));
            let at = found.unwrap_or_else(|| {
                list.push(Entry { address, holder: None });
                list.len() - 1
            });
            if owner == Some(Pnn(node as u32)) {
                list[at].holder = Some(node);
            }
        }
    }
    list.sort_by_key(|entry| key(entry.address));
    list.reverse();
    list
}

/// The sum over the four words: 32 if zero, else leading zero bits.
fn distance(one: IpAddr, other: IpAddr) -> u32 {
    let (one, other) = (key(one), key(other));
    let mut sum = 0;
    for word in 0..4 {
        for bit in word * 32..word * 32 + 32 {
            let mask = 0x80 >> (bit % 8);
            if (one[bit / 8] ^ other[bit / 8]) & mask != 0 {
                break;
            }
            sum += 1;
        }
    }
    sum
}

impl Naive<'_> {
    fn nodes(&self) -> usize {
        self.problem.nodes.len()
    }

    fn host(&self, node: usize, at: usize) -> bool {
        let address = key(self.list[at].address);
        self.problem.nodes[node].available.iter().any(|&other| key(other) == address)
    }

    fn take(&self, node: usize, at: usize) -> bool {
        self.host(node, at) && !self.problem.no_ip_takeover
    }

    fn held(&self, node: usize) -> Vec<usize> {
        (0..self.list.len()).filter(|&at| self.list[at].holder == Some(node)).collect()
    }

    fn coverage(&self, node: usize) -> usize {
        self.held(node).len()
    }

    fn unassign_unsuitable(&mut self) {
        for at in 0..self.list.len() {
            if let Some(holder) = self.list[at].holder
                && !self.host(holder, at)
            {
                self.list[at].holder = None;
            }
        }
    }

    fn best_node(&mut self, at: usize) {
        let mut best = None;
        for node in (0..self.nodes()).filter(|&node| self.take(node, at)) {
            if best.is_none_or(|best| self.coverage(node) < self.coverage(best)) {
                best = Some(node);
            }
        }
        if best.is_some() {
            self.list[at].holder = best;
        }
    }

    fn place_all(&mut self) {
        for at in 0..self.list.len() {
            if self.list[at].holder.is_none() {
                self.best_node(at);
            }
        }
    }

    fn deterministic(&mut self) {
        for at in 0..self.list.len() {
            self.list[at].holder = Some(at % self.nodes());
        }
        self.unassign_unsuitable();
        self.place_all();
    }

    fn nondeterministic(&mut self) {
        self.unassign_unsuitable();
        self.place_all();
        if self.problem.no_ip_failback {
            return;
        }
        let mut retries = 0;
        'top: loop {
            for at in 0..self.list.len() {
                if self.list[at].holder.is_none() {
                    continue;
                }
                let (mut largest, mut smallest) = (None, None);
                for node in (0..self.nodes()).filter(|&node| self.take(node, at)) {
                    if largest.is_none_or(|largest| self.coverage(node) > self.coverage(largest)) {
                        largest = Some(node);
                    }
                    if smallest.is_none_or(|smallest| self.coverage(node) < self.coverage(smallest)) {
                        smallest = Some(node);
                    }
                }
                let (Some(largest), Some(smallest)) = (largest, smallest) else { continue };
                if self.coverage(largest) > self.coverage(smallest) + 1 && retries < self.list.len() + 5 {
                    self.best_node(self.held(largest)[0]);
                    retries += 1;
                    continue 'top;
                }
            }
            return;
        }
    }

    fn cost(&self, at: usize, node: usize) -> u32 {
        let mut sum = 0_u32;
        for other in self.held(node) {
            if other != at {
                let distance = distance(self.list[at].address, self.list[other].address);
                sum = sum.wrapping_add(distance.wrapping_mul(distance));
            }
        }
        sum
    }

    fn imbalance(&self, node: usize) -> u32 {
        let held = self.held(node);
        let mut sum = 0_u32;
        for (index, &one) in held.iter().enumerate() {
            for &other in &held[index + 1..] {
                let distance = distance(self.list[one].address, self.list[other].address);
                sum = sum.wrapping_add(distance.wrapping_mul(distance));
            }
        }
        sum
    }

    fn lcp2(&mut self) {
        self.unassign_unsuitable();
        let forced = |node: usize| self.problem.forced.contains(&Pnn(node as u32));
        let candidates: Vec<usize> =
            (0..self.nodes()).filter(|&node| self.coverage(node) == 0 || forced(node)).collect();
        loop {
            let mut best = None;
            for at in (0..self.list.len()).filter(|&at| self.list[at].holder.is_none()) {
                for node in (0..self.nodes()).filter(|&node| self.take(node, at)) {
                    let cost = self.cost(at, node);
                    if best.is_none_or(|(least, _, _)| cost < least) {
                        best = Some((cost, at, node));
                    }
                }
            }
            let Some((_, at, node)) = best else { break };
            self.list[at].holder = Some(node);
        }
        if !self.problem.no_ip_failback && !candidates.is_empty() {
            while self.even_out_once(&candidates) {}
        }
    }

    fn even_out_once(&mut self, candidates: &[usize]) -> bool {
        let imbalances: Vec<u32> = (0..self.nodes()).map(|node| self.imbalance(node)).collect();
        let mut order: Vec<usize> = (0..self.nodes()).collect();
        order.sort_by(|&one, &other| imbalances[other].cmp(&imbalances[one])); // stable
        for source in order {
            if imbalances[source] == 0 {
                return false;
            }
            let mut best = None;
            for at in self.held(source) {
                let here = self.cost(at, source);
                let left = imbalances[source].wrapping_sub(here);
                for &target in candidates.iter().filter(|&&target| self.take(target, at)) {
                    let there = self.cost(at, target);
                    let joined = imbalances[target].wrapping_add(there);
                    let sum = left.wrapping_add(joined);
                    let allowed = joined < imbalances[source] && there < here;
                    if allowed && best.is_none_or(|(least, _, _)| sum < least) {
                        best = Some((sum, at, target));
                    }
                }
            }
            if let Some((_, at, target)) = best {
                self.list[at].holder = Some(target);
                return true;
            }
        }
        false
    }
}
