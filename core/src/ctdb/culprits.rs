use super::types::Pnn;
use crate::time::{Duration, Instant};
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Culprits(alloc::collections::BTreeMap<Pnn, (u32, Instant)>);
impl Culprits {
    pub(super) fn credit(&mut self, now: Instant, pnn: Pnn, how_many: u32, grace: Duration) -> u32 {
        let e = self.0.entry(pnn).or_insert((0, now));
        if now.since(e.1) > grace {
            e.0 = 0;
        }
        e.0 += how_many;
        e.1 = now;
        e.0
    }
    pub(super) fn misbehaving(&self, nodes: u32) -> Option<Pnn> {
        self.0.iter().find(|(_, c)| c.0 >= 2 * nodes).map(|(p, _)| *p)
    }
    pub(super) fn forget(&mut self, pnn: Pnn) {
        self.0.remove(&pnn);
    }
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Blame(alloc::collections::BTreeMap<u32, Pnn>);
impl Blame {
    pub(super) fn failed(&mut self, part: u32, pnn: Pnn) {
        self.0.entry(part).or_insert(pnn);
    }
    pub(super) fn worst(&self) -> Option<Pnn> {
        self.0.values().next().copied()
    }
}
