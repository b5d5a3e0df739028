//! LCP2: an address goes where the addresses nearest to it are not, nearness being the length of
//! the common prefix, squared.
//!
//! By its description each choice looks at every address with every node and sums over all that
//! the node holds. Here that sum, the *cost* of an address on a node, stands in a table of
//! addresses and nodes. An address that moves changes only the two columns of the nodes it
//! leaves and joins, by one row of distances, which is computed for the occasion: as many
//! distances as there are addresses for a move, none for a choice. While addresses are being
//! placed, each that waits remembers its cheapest node; costs only rise then, so what it
//! remembers is never too much, and it asks the nodes again only when it would be next and that
//! node has become dearer. While they are being evened out, a node that had nothing to move is
//! asked again only about nodes that have changed since.
//!
//! All of it is exact, for the costs are sums in wrapping 32-bit numbers and those forget
//! nothing when terms are added and taken away. Imbalances do wrap. A cost wraps only beyond
//! [`UNWRAPPED_MAX`] addresses, and then nothing is remembered. Up to there the evening out ends
//! for certain, as each move makes the sum of all costs smaller.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Problem;
use super::board::Board;
use crate::ctdb::types::Pnn;

/// As many addresses on a node cannot make a cost wrap.
const UNWRAPPED_MAX: usize = (u32::MAX / (127 * 127)) as usize;

/// Fills the gaps, then moves addresses to nodes that held nothing or are forced to take part.
pub(super) fn run(board: &mut Board, problem: &Problem) {
    board.unassign_unsuitable();
    let forced = |node: usize| problem.forced.iter().any(|&Pnn(pnn)| pnn as usize == node);
    let candidates: Vec<usize> =
        (0..board.nodes()).filter(|&node| board.coverage(node) == 0 || forced(node)).collect();
    let mut costs = Costs::of(board);
    let costs_may_wrap = board.keys().len() > UNWRAPPED_MAX;
    place(board, &mut costs, costs_may_wrap);
    if !problem.no_ip_failback {
        even_out(board, &mut costs, &candidates);
    }
}

/// An address that nobody serves, and where it costs least.
struct Waiting {
    at: usize,
    node: usize,
    cost: u32,
    /// The node has become dearer since: what it costs where it costs least is no less.
    stale: bool,
}

impl Waiting {
    /// Asks every node that can take the address.
    fn of(board: &Board, costs: &Costs, at: usize) -> Option<Self> {
        let (node, cost) =
            board.takers(at).map(|node| (node, costs.of_on(at, node))).min_by_key(|&(_, cost)| cost)?;
        Some(Self { at, node, cost, stale: false })
    }
}

/// Gives away what nobody holds, cheapest first.
fn place(board: &mut Board, costs: &mut Costs, costs_may_wrap: bool) {
    let unassigned = (0..board.keys().len()).filter(|&at| board.holder(at).is_none());
    // Whom nobody takes now, nobody will take later.
    let mut waiting: Vec<Waiting> = unassigned.filter_map(|at| Waiting::of(board, costs, at)).collect();
    while !waiting.is_empty() {
        let (mut next, mut least) = (0, None);
        for (index, this) in waiting.iter_mut().enumerate() {
            if least.is_none_or(|least| this.cost < least) {
                if this.stale {
                    *this = Waiting::of(board, costs, this.at).expect("its takers are still there");
                }
                if least.is_none_or(|least| this.cost < least) {
                    (next, least) = (index, Some(this.cost));
                }
            }
        }
        let Waiting { at, node, .. } = waiting.remove(next);
        board.give(at, Some(node));
        costs.join(board.keys(), at, node);
        for other in &mut waiting {
            if costs_may_wrap {
                (other.cost, other.stale) = (0, true);
            } else if other.node == node {
                other.stale = true;
            }
        }
    }
}

/// A move that makes the cluster more even.
struct Move {
    at: usize,
    to: usize,
    /// The two imbalances there will be.
    sum: u32,
}

/// Moves addresses to candidates while that makes a difference.
fn even_out(board: &mut Board, costs: &mut Costs, candidates: &[usize]) {
    if candidates.is_empty() {
        return;
    }
    let mut held = vec![Vec::new(); board.nodes()];
    for at in 0..board.keys().len() {
        if let Some(holder) = board.holder(at) {
            held[holder].push(at);
        }
    }
    // In numbers of moves: when a node was last changed, and when it last had nothing to move.
    let mut changed = vec![1; board.nodes()];
    let mut settled = vec![0; board.nodes()];
    let mut moves: u64 = 1;
    let mut sources: Vec<usize> = (0..board.nodes()).collect();
    let mut targets = Vec::new();
    loop {
        sources.sort_unstable_by_key(|&node| (Reverse(costs.imbalance[node]), node));
        let found = sources.iter().take_while(|&&node| costs.imbalance[node] != 0).find_map(|&from| {
            targets.clear();
            let anew = changed[from] > settled[from];
            targets.extend(candidates.iter().filter(|&&to| anew || changed[to] > settled[from]));
            let best = best_move(board, costs, from, &held[from], &targets);
            settled[from] = moves;
            best.map(|best| (from, best))
        });
        let Some((from, Move { at, to, .. })) = found else { break };
        board.give(at, Some(to));
        costs.shift(board.keys(), at, from, to);
        held[from].retain(|&other| other != at);
        let place = held[to].partition_point(|&other| other < at);
        held[to].insert(place, at);
        moves += 1;
        (changed[from], changed[to]) = (moves, moves);
    }
}

/// What a node would best give to one of the targets, if to anyone.
fn best_move(board: &Board, costs: &Costs, from: usize, held: &[usize], targets: &[usize]) -> Option<Move> {
    let before = costs.imbalance[from];
    let mut best: Option<Move> = None;
    for &at in held {
        let here = costs.of_on(at, from);
        let left = before.wrapping_sub(here);
        for &to in targets {
            let there = costs.of_on(at, to);
            let joined = costs.imbalance[to].wrapping_add(there);
            let sum = left.wrapping_add(joined);
            let allowed = joined < before && there < here && board.takes(to, at);
            if allowed && best.as_ref().is_none_or(|best| sum < best.sum) {
                best = Some(Move { at, to, sum });
            }
        }
    }
    best
}

/// What each address costs on each node, as things stand.
struct Costs {
    nodes: usize,
    /// A row of nodes for each address: its distances to what the node holds, itself excepted.
    table: Vec<u32>,
    /// By node: the distances between all it holds.
    imbalance: Vec<u32>,
    /// The squared distances to the address on the move.
    row: Vec<u32>,
}

impl Costs {
    fn of(board: &Board) -> Self {
        let (count, nodes) = (board.keys().len(), board.nodes());
        let mut costs =
            Self { nodes, table: vec![0; count * nodes], imbalance: vec![0; nodes], row: vec![0; count] };
        for at in 0..count {
            if let Some(holder) = board.holder(at) {
                costs.join(board.keys(), at, holder);
            }
        }
        costs
    }

    fn of_on(&self, at: usize, node: usize) -> u32 {
        self.table[at * self.nodes + node]
    }

    /// An address that nobody holds joins a node.
    fn join(&mut self, keys: &[u128], at: usize, node: usize) {
        self.measure(keys, at);
        self.add(at, node);
    }

    /// An address changes hands.
    fn shift(&mut self, keys: &[u128], at: usize, from: usize, to: usize) {
        self.measure(keys, at);
        self.imbalance[from] = self.imbalance[from].wrapping_sub(self.of_on(at, from));
        self.column(from, u32::wrapping_sub);
        self.add(at, to);
    }

    fn add(&mut self, at: usize, node: usize) {
        self.imbalance[node] = self.imbalance[node].wrapping_add(self.of_on(at, node));
        self.column(node, u32::wrapping_add);
    }

    fn measure(&mut self, keys: &[u128], at: usize) {
        for (distance, &other) in self.row.iter_mut().zip(keys) {
            *distance = squared_distance(keys[at], other);
        }
        self.row[at] = 0;
    }

    fn column(&mut self, node: usize, by: impl Fn(u32, u32) -> u32) {
        let column = self.table[node..].iter_mut().step_by(self.nodes);
        for (cost, &distance) in column.zip(&self.row) {
            *cost = by(*cost, distance);
        }
    }
}

/// The leading zero bits of each 32-bit word of the difference: words after the first difference
/// count again.
fn squared_distance(one: u128, other: u128) -> u32 {
    let difference = one ^ other;
    let zeros = |shift: u32| ((difference >> shift) as u32).leading_zeros();
    let distance = zeros(96) + zeros(64) + zeros(32) + zeros(0);
    distance * distance
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::super::NodeView;
    use super::*;

    #[test]
    fn what_is_remembered_changes_no_choice() {
        let addresses: Vec<IpAddr> =
            (0..60).map(|at| Ipv4Addr::from_bits(8 * at * at + at % 7).into()).collect();
        let view = |node: usize| {
            let own = |&at: &usize| !(at * 31 + node).is_multiple_of(5);
            let available = (0..addresses.len()).filter(own).map(|at| addresses[at]).collect();
            let known =
                addresses.iter().zip(0..).map(|(&address, at)| (address, Some(Pnn(at / 5)))).collect();
            NodeView { known, available }
        };
        let problem = Problem { nodes: (0..5).map(view).collect(), ..Problem::default() };
        let [remembered, asked] = [false, true].map(|costs_may_wrap| {
            let mut board = Board::of(&problem);
            board.unassign_unsuitable();
            let mut costs = Costs::of(&board);
            place(&mut board, &mut costs, costs_may_wrap);
            board.into_plan()
        });
        assert_eq!(remembered, asked);
        assert!(remembered.assignments.iter().all(|(_, holder)| holder.is_some()));
    }
}
