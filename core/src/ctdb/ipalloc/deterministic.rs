//! Deterministic: each address has a home by its place in the list, whoever held it before.

use super::board::Board;

/// Every address goes home; where nobody is at home, to the node that holds the fewest.
pub(super) fn run(board: &mut Board) {
    let nodes = board.nodes();
    for at in 0..board.keys().len() {
        // Deleted and dead nodes are homes too: numbers must not shift.
        board.give(at, Some(at % nodes));
    }
    board.unassign_unsuitable();
    board.give_unassigned_to_best();
}
