//! LCP2: an address goes where the addresses nearest to it are not, nearness being the length of
//! the common prefix, squared.
//!
//! By its description each choice looks at every address with every node and sums over all that
//! the node holds. Here that sum, the *cost* of an address on a node, stands in a table of
//! addresses and nodes. An address that moves changes only the two columns of the nodes it
//! leaves and joins, by one row of distances, which is computed for the occasion: as many
//! distances as there are addresses for a move, none for a choice. While addresses are being
//! placed, each that waits also keeps its cheapest node; only when that node has just become
//! dearer are the others asked again. While they are being evened out, a node that had nothing
//! to move is asked again only about nodes that have changed since.
//!
//! All of it is exact, for the costs are sums in wrapping 32-bit numbers and those forget
//! nothing when terms are added and taken away. The evening out ends: each move makes the sum of
//! all imbalances smaller as long as a cost itself does not wrap, which takes a quarter of a
//! million addresses on one node.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Problem;
use super::board::Board;
use crate::ctdb::types::Pnn;

/// Fills the gaps, then moves addresses to nodes that held nothing or are forced to take part.
pub(super) fn run(board: &mut Board, problem: &Problem) {
    board.unassign_unsuitable();
    let forced = |node: usize| problem.forced.iter().any(|&Pnn(pnn)| pnn as usize == node);
    let candidates: Vec<usize> =
        (0..board.nodes()).filter(|&node| board.coverage(node) == 0 || forced(node)).collect();
    let mut costs = Costs::of(board);
    place(board, &mut costs);
    if !problem.no_ip_failback {
        even_out(board, &mut costs, &candidates);
    }
}

/// An address that nobody serves, and where it would cost least.
struct Waiting {
    at: usize,
    cost: u32,
    node: usize,
}

/// Gives away what nobody holds, cheapest first.
fn place(board: &mut Board, costs: &mut Costs) {
    let cheapest = |board: &Board, costs: &Costs, at: usize| {
        let node = board.takers(at).min_by_key(|&node| costs.of_on(at, node))?;
        Some(Waiting { at, cost: costs.of_on(at, node), node })
    };
    let unassigned = (0..board.keys().len()).filter(|&at| board.holder(at).is_none());
    // Whom nobody takes now, nobody will take later.
    let mut waiting: Vec<Waiting> = unassigned.filter_map(|at| cheapest(board, costs, at)).collect();
    while let Some(next) = (0..waiting.len()).min_by_key(|&next| waiting[next].cost) {
        let Waiting { at, node, .. } = waiting.remove(next);
        board.give(at, Some(node));
        costs.join(board.keys(), at, node);
        for other in &mut waiting {
            let cost = costs.of_on(other.at, node);
            if node == other.node && cost > other.cost {
                *other = cheapest(board, costs, other.at).expect("its takers are still there");
            } else if (cost, node) < (other.cost, other.node) && board.takes(node, other.at) {
                (other.cost, other.node) = (cost, node);
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
