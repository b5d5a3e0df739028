//! Who is alive: any packet counts, silence is counted in ticks.

use alloc::vec::Vec;

use super::config::Config;
use super::plant::{Plant, Plants};
use super::types::Pnn;

/// Signs of life by node number.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Keepalive {
    nodes: Vec<Counter>,
}

#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Counter {
    /// Something came since the last tick.
    heard: bool,
    /// Ticks in a row before which nothing came: ctdbd's dead count.
    missed: u32,
}

/// What a tick means for one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// It lives.
    Alive,
    /// Nothing came, for so many ticks.
    Missed(u32),
    /// Nothing came for as many ticks as are allowed.
    Dead,
}

impl Keepalive {
    /// Makes room for so many nodes.
    pub(super) fn resize(&mut self, count: usize) {
        self.nodes.resize(count, Counter::default());
    }

    /// A packet came.
    #[inline]
    pub(super) fn heard(&mut self, pnn: Pnn) {
        if let Some(counter) = self.nodes.get_mut(pnn.0 as usize) {
            counter.heard = true;
        }
    }

    /// A node starts anew: connected, lost or replaced.
    pub(super) fn forget(&mut self, pnn: Pnn) {
        if let Some(counter) = self.nodes.get_mut(pnn.0 as usize) {
            *counter = Counter::default();
        }
    }

    /// Whether something came from a node since the last tick; counts anew.
    pub(super) fn take_heard(&mut self, pnn: Pnn) -> bool {
        self.nodes.get_mut(pnn.0 as usize).is_some_and(|counter| core::mem::take(&mut counter.heard))
    }

    /// How many intervals of silence are a death.
    #[must_use]
    pub(super) fn limit(config: &Config) -> u32 {
        let plants = config.plants;
        let limit = config.tunables.keepalive_limit();
        match (plants.has(Plant::LimitOneLess), plants.has(Plant::LimitOneMore)) {
            (true, _) => limit.saturating_sub(1),
            (_, true) => limit + 1,
            _ => limit,
        }
    }

    /// A tick passes for a connected node, of which [`limit`](Self::limit) may pass in silence.
    #[must_use]
    pub(super) fn tick(&mut self, plants: Plants, limit: u32, pnn: Pnn) -> Tick {
        let Some(counter) = self.nodes.get_mut(pnn.0 as usize) else { return Tick::Alive };
        if core::mem::take(&mut counter.heard) {
            if !plants.has(Plant::DeadCountNotReset) {
                counter.missed = 0;
            }
        } else {
            counter.missed += 1;
        }
        match counter.missed {
            missed if missed >= limit => Tick::Dead,
            0 => Tick::Alive,
            missed => Tick::Missed(missed),
        }
    }
}
