//! The rival that cannot be beaten: the same traffic as a bare event loop.
//!
//! Every node polls every other one once a second and is answered, the one that leads three times
//! more, and says so; every five seconds each tells all others that it lives. No protocol, no
//! codec, no TCP, no faults, no checks, no hash: what is left is a queue. The distance to it is
//! what all of these cost together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use standin_core::rng::Rng;
use standin_core::time::Duration;

/// As the wire of the simulated networks: this much, and up to this much more.
const WIRE: u64 = 60;
const JITTER: u64 = 120;
/// How often every node polls every other one.
const ROUND: u64 = 1_000_000;
/// How often it says that it lives.
const TICK: u64 = 5_000_000;
/// The node that leads, and how often it polls in a round.
const LEADER: u32 = 0;
const LEADERS_POLLS: u32 = 4;

/// What comes to a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Round,
    Tick,
    Question,
    Answer,
    Word,
}

/// Runs the traffic of `nodes` nodes for `span` of simulated time; how many events it was, and
/// a number that depends on all of them.
pub(crate) fn bare_loop(nodes: u32, span: Duration) -> (u64, u64) {
    let mut delays = Rng::new(1, 1);
    let mut heard = vec![0_u64; (nodes * nodes) as usize];
    // Of each node: polls left in this round, answers left of this poll.
    let mut left = vec![(0, 0); nodes as usize];
    let mut queue = BinaryHeap::new();
    let (mut sequence, mut events) = (0_u64, 0_u64);
    for node in 0..nodes {
        let start = delays.below(1_000);
        queue.push(Reverse((ROUND + start, sequence, node, node, What::Round)));
        queue.push(Reverse((TICK + start, sequence + 1, node, node, What::Tick)));
        sequence += 2;
    }
    while let Some(Reverse((at, _, from, to, what))) = queue.pop() {
        if at > span.as_micros() {
            break;
        }
        events += 1;
        heard[(to * nodes + from) as usize] += u64::from(from != to);
        let mut send = |at, from, to, what| {
            queue.push(Reverse((at, sequence, from, to, what)));
            sequence += 1;
        };
        let mut say = |to, other, what| send(at + WIRE + delays.below(JITTER), to, other, what);
        let mut say_all =
            |what| (0..nodes).filter(|&other| other != to).for_each(|other| say(to, other, what));
        let (polls, answers) = &mut left[to as usize];
        match what {
            What::Word => {}
            What::Question => say(to, from, What::Answer),
            What::Answer => {
                *answers -= 1;
                if *answers == 0 && *polls > 0 {
                    (*polls, *answers) = (*polls - 1, nodes - 1);
                    say_all(What::Question);
                }
            }
            What::Round => {
                (*polls, *answers) = (0, nodes - 1);
                say_all(What::Question);
                if to == LEADER {
                    *polls = LEADERS_POLLS - 1;
                    say_all(What::Word);
                }
                send(at + ROUND, to, to, what);
            }
            What::Tick => {
                say_all(What::Word);
                send(at + TICK, to, to, what);
            }
        }
    }
    (events, heard.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_arrives() {
        let (events, heard) = bare_loop(3, Duration::from_secs(60));
        let (rounds, ticks) = (59, 11);
        // Two polls of two others and their answers; three more of the leader's, and its word.
        assert_eq!(heard, rounds * (3 * 4 + 3 * 4 + 2) + ticks * 3 * 2, "the last of each comes too late");
        assert_eq!(events, heard + (rounds + ticks) * 3);
    }
}
