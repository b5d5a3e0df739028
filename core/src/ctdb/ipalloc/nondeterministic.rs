//! Non-deterministic: what is served stays, as long as the numbers of addresses are even.

use super::board::Board;

/// Moves beyond one for each address.
const MORE_MOVES: usize = 5;

/// Fills the gaps, then evens out.
pub(super) fn run(board: &mut Board, no_failback: bool) {
    board.unassign_unsuitable();
    board.give_unassigned_to_best();
    if no_failback {
        return;
    }
    let count = board.keys().len();
    for _ in 0..count + MORE_MOVES {
        let Some(fullest) = (0..count).find_map(|at| lopsided(board, at)) else { break };
        if let Some(first) = (0..count).find(|&at| board.holder(at) == Some(fullest)) {
            board.give_to_best(first); // which may be where it is: that counts as a move too
        }
    }
}

/// The fullest of the nodes that could take an address, if the emptiest of them holds fewer by
/// two or more.
fn lopsided(board: &Board, at: usize) -> Option<usize> {
    board.holder(at)?;
    let mut takers = board.takers(at);
    let first = takers.next()?;
    let (mut most, mut least) = (first, first);
    for node in takers {
        if board.coverage(node) > board.coverage(most) {
            most = node;
        }
        if board.coverage(node) < board.coverage(least) {
            least = node;
        }
    }
    (board.coverage(most) > board.coverage(least) + 1).then_some(most)
}
