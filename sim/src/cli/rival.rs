//! The rival that cannot be beaten: the same traffic as a bare event loop.
//!
//! Every node wakes each keepalive interval and sends to every other one; a message counts
//! where it arrives. No protocol, no codec, no TCP, no faults, no checks, no hash: what is left
//! is a queue. The distance to it is what all of these cost together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use standin_core::rng::Rng;
use standin_core::time::Duration;

/// As the wire of the simulated networks: this much, and up to this much more.
const WIRE: u64 = 60;
const JITTER: u64 = 120;
const INTERVAL: u64 = 5_000_000;

/// Runs the traffic of `nodes` nodes for `span` of simulated time; how many events it was, and
/// a number that depends on all of them.
pub(crate) fn bare_loop(nodes: u32, span: Duration) -> (u64, u64) {
    let mut delays = Rng::new(1, 1);
    let mut heard = vec![0_u64; (nodes * nodes) as usize];
    let mut queue = BinaryHeap::new();
    let mut sequence = 0_u64;
    let mut events = 0_u64;
    for node in 0..nodes {
        queue.push(Reverse((INTERVAL + delays.below(1_000), u64::from(node), node, node)));
    }
    while let Some(Reverse((at, _, from, to))) = queue.pop() {
        if at > span.as_micros() {
            break;
        }
        events += 1;
        if from != to {
            heard[(to * nodes + from) as usize] += 1;
            continue;
        }
        for other in (0..nodes).filter(|other| *other != from) {
            sequence += 1;
            queue.push(Reverse((at + WIRE + delays.below(JITTER), sequence, from, other)));
        }
        sequence += 1;
        queue.push(Reverse((at + INTERVAL, sequence, from, from)));
    }
    (events, heard.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_arrives() {
        let (events, heard) = bare_loop(3, Duration::from_secs(60));
        assert_eq!(heard, 11 * 3 * 2, "eleven ticks of three nodes fit into a minute");
        assert_eq!(events, heard + 11 * 3);
    }
}
