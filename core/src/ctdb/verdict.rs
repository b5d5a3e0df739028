//! What a leader makes of a round's answers: a recovery, a takeover run, or nothing.

use alloc::vec::Vec;

use super::notice::Trigger;
use super::types::{Capabilities, Pnn, RecoveryMode};
use super::wire::VnnMap;

/// What a leader's round has gathered so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Seen {
    /// The leader.
    pub(super) me: Pnn,
    /// The last recovery it began did not finish.
    pub(super) unfinished: bool,
    /// The cluster lock is configured and not held.
    pub(super) without_lock: bool,
    /// Recoveries are off for now.
    pub(super) recoveries_off: bool,
    /// How many lines its own nodes file has, deleted ones too.
    pub(super) lines: u32,
    /// Its own generation and location masters.
    pub(super) vnn_map: VnnMap,
    /// The active nodes, itself among them, by number.
    pub(super) active: Vec<Active>,
}

/// What an active node says. What it has not been asked yet speaks for no recovery; where it
/// gave no answer the round ends without a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Active {
    pub(super) pnn: Pnn,
    pub(super) capabilities: Capabilities,
    /// GET_RECMODE.
    pub(super) mode: Option<RecoveryMode>,
    /// The numbers in GET_NODEMAP, in its order.
    pub(super) lines: Option<Vec<Pnn>>,
    /// GETVNNMAP.
    pub(super) vnn_map: Option<VnnMap>,
}

impl Active {
    fn is_master(&self) -> bool {
        self.capabilities.contains(Capabilities::LMASTER)
    }
}

/// Why a recovery has to begin, and who gets a credit for it. ctdbd's order: the first reason
/// counts, and the last four wait while recoveries are off.
pub(super) fn trigger(seen: &Seen) -> Option<(Trigger, Option<Pnn>)> {
    if seen.unfinished {
        return Some((Trigger::Unfinished, None));
    }
    let in_recovery = |node: &&Active| node.mode.is_some_and(|mode| mode != RecoveryMode::Normal);
    if let Some(node) = seen.active.iter().find(in_recovery) {
        return Some((Trigger::InRecovery(node.pnn), None));
    }
    if seen.without_lock {
        return Some((Trigger::NoLock, Some(seen.me)));
    }
    if seen.recoveries_off {
        return None;
    }
    other_nodes(seen).or_else(|| map_size(seen)).or_else(|| not_in_map(seen)).or_else(|| other_map(seen))
}

fn other_nodes(seen: &Seen) -> Option<(Trigger, Option<Pnn>)> {
    let differs = |lines: &Vec<Pnn>| !lines.iter().copied().eq((0..seen.lines).map(Pnn));
    let node = seen.active.iter().find(|node| node.lines.as_ref().is_some_and(differs))?;
    Some((Trigger::OtherNodes(node.pnn), Some(node.pnn)))
}

/// Where no active node may be a location master somebody stands in: a map of one, who is active.
fn map_size(seen: &Seen) -> Option<(Trigger, Option<Pnn>)> {
    let map = seen.vnn_map.map.len() as u32;
    let masters = seen.active.iter().filter(|node| node.is_master()).count() as u32;
    let is_active = |pnn: &Pnn| seen.active.iter().any(|node| node.pnn == *pnn);
    let missing = masters == 0 && !seen.vnn_map.map.iter().all(is_active);
    (map != masters.max(1) || missing).then_some((Trigger::MapSize { map, masters }, Some(seen.me)))
}

fn not_in_map(seen: &Seen) -> Option<(Trigger, Option<Pnn>)> {
    let missing = |node: &&Active| node.is_master() && !seen.vnn_map.map.contains(&node.pnn);
    let node = seen.active.iter().find(missing)?;
    Some((Trigger::NotInMap(node.pnn), Some(node.pnn)))
}

fn other_map(seen: &Seen) -> Option<(Trigger, Option<Pnn>)> {
    let differs = |map: &VnnMap| *map != seen.vnn_map;
    let node = seen.active.iter().find(|node| node.vnn_map.as_ref().is_some_and(differs))?;
    Some((Trigger::OtherMap(node.pnn), Some(node.pnn)))
}

/// What speaks for and against a takeover run, at the end of a round without a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Due {
    /// Takeover runs are off for now, here.
    pub(super) runs_off: bool,
    /// Somebody asked for one.
    pub(super) requested: bool,
    /// The last one came to nothing.
    pub(super) last_failed: bool,
}

/// Whether a takeover run has to begin.
pub(super) const fn wants_takeover(due: Due) -> bool {
    !due.runs_off && (due.requested || due.last_failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::types::Generation;

    const CHIEF: Pnn = Pnn(1);

    fn map(generation: u32, masters: &[u32]) -> VnnMap {
        let map = masters.iter().copied().map(Pnn).collect();
        VnnMap { generation: Generation(generation), map }
    }

    /// Three nodes in agreement, n1 leading.
    fn agreed() -> Seen {
        let active = [0, 1, 2].map(|pnn| Active {
            pnn: Pnn(pnn),
            capabilities: Capabilities::STOCK,
            mode: Some(RecoveryMode::Normal),
            lines: Some([0, 1, 2].map(Pnn).into()),
            vnn_map: Some(map(7, &[0, 1, 2])),
        });
        Seen {
            me: CHIEF,
            unfinished: false,
            without_lock: false,
            recoveries_off: false,
            lines: 3,
            vnn_map: map(7, &[0, 1, 2]),
            active: active.into(),
        }
    }

    fn after(change: impl Fn(&mut Seen)) -> Option<(Trigger, Option<Pnn>)> {
        let mut seen = agreed();
        change(&mut seen);
        trigger(&seen)
    }

    /// One cause of each reason, in the order of the reasons. None hides another.
    const CAUSES: [fn(&mut Seen); 7] = [
        |seen| seen.unfinished = true,
        |seen| seen.active[2].mode = Some(RecoveryMode::Active),
        |seen| seen.without_lock = true,
        |seen| seen.active[2].lines = Some([0, 2, 1].map(Pnn).into()),
        |seen| seen.vnn_map.map.push(Pnn(2)),
        |seen| seen.vnn_map.map[0] = Pnn(2),
        |seen| seen.active[0].vnn_map = Some(map(6, &[0, 1, 2])),
    ];

    fn reasons() -> [(Trigger, Option<Pnn>); 7] {
        let own = Some(CHIEF);
        [
            (Trigger::Unfinished, None),
            (Trigger::InRecovery(Pnn(2)), None),
            (Trigger::NoLock, own),
            (Trigger::OtherNodes(Pnn(2)), Some(Pnn(2))),
            (Trigger::MapSize { map: 4, masters: 3 }, own),
            (Trigger::NotInMap(Pnn(0)), Some(Pnn(0))),
            (Trigger::OtherMap(Pnn(0)), Some(Pnn(0))),
        ]
    }

    #[test]
    fn nodes_in_agreement_need_no_recovery() {
        assert_eq!(trigger(&agreed()), None);
    }

    #[test]
    fn each_reason_begins_a_recovery_and_names_its_culprit() {
        for (cause, reason) in CAUSES.into_iter().zip(reasons()) {
            assert_eq!(after(cause), Some(reason));
        }
    }

    #[test]
    fn the_first_reason_counts() {
        for first in 0..CAUSES.len() {
            let all_from_here = after(|seen| CAUSES[first..].iter().for_each(|cause| cause(seen)));
            assert_eq!(all_from_here, Some(reasons()[first]));
        }
    }

    #[test]
    fn some_reasons_wait_while_recoveries_are_off() {
        for (at, (cause, reason)) in CAUSES.into_iter().zip(reasons()).enumerate() {
            let found = after(|seen| {
                cause(seen);
                seen.recoveries_off = true;
            });
            assert_eq!(found, (at < 3).then_some(reason));
        }
    }

    #[test]
    fn another_nodes_file_is_longer_shorter_or_in_another_order() {
        for lines in [&[0, 1, 2, 3][..], &[0, 1], &[], &[1, 0, 2]] {
            let lines: Vec<_> = lines.iter().copied().map(Pnn).collect();
            let found = after(|seen| seen.active[0].lines = Some(lines.clone()));
            assert_eq!(found, Some((Trigger::OtherNodes(Pnn(0)), Some(Pnn(0)))), "{lines:?}");
        }
    }

    #[test]
    fn another_map_has_other_masters_or_another_generation() {
        for other in [map(7, &[0, 1]), map(7, &[0, 2, 1]), map(8, &[0, 1, 2])] {
            let found = after(|seen| seen.active[2].vnn_map = Some(other.clone()));
            assert_eq!(found, Some((Trigger::OtherMap(Pnn(2)), Some(Pnn(2)))), "{other:?}");
        }
    }

    #[test]
    fn the_lower_of_two_nodes_is_named() {
        let both = after(|seen| {
            for node in &mut seen.active[1..] {
                node.mode = Some(RecoveryMode::Active);
            }
        });
        assert_eq!(both, Some((Trigger::InRecovery(Pnn(1)), None)));
    }

    #[test]
    fn a_lost_master_makes_the_map_too_large_and_any_other_lost_node_nothing() {
        let lost = after(|seen| drop(seen.active.pop()));
        assert_eq!(lost, Some((Trigger::MapSize { map: 3, masters: 2 }, Some(CHIEF))));
        let plain = after(|seen| {
            seen.vnn_map = map(7, &[0, 1]);
            seen.active.pop();
            for node in &mut seen.active {
                node.vnn_map = Some(map(7, &[0, 1]));
            }
        });
        assert_eq!(plain, None);
    }

    #[test]
    fn without_masters_a_map_of_one_will_do() {
        let alone = |seen: &mut Seen| {
            seen.vnn_map = map(7, &[1]);
            for node in &mut seen.active {
                node.capabilities = Capabilities::LEADER;
                node.vnn_map = Some(map(7, &[1]));
            }
        };
        assert_eq!(after(alone), None);
        let empty = after(|seen| {
            alone(seen);
            seen.vnn_map.map.clear();
        });
        assert_eq!(empty, Some((Trigger::MapSize { map: 0, masters: 0 }, Some(CHIEF))));
        // Whoever stood in is gone.
        let lost = after(|seen| {
            alone(seen);
            seen.vnn_map = map(7, &[5]);
            seen.active.iter_mut().for_each(|node| node.vnn_map = Some(map(7, &[5])));
        });
        assert_eq!(lost, Some((Trigger::MapSize { map: 1, masters: 0 }, Some(CHIEF))));
    }

    #[test]
    fn what_was_not_asked_speaks_for_no_recovery() {
        let silent = after(|seen| {
            for node in &mut seen.active {
                (node.mode, node.lines, node.vnn_map) = (None, None, None);
            }
        });
        assert_eq!(silent, None);
    }

    #[test]
    fn a_takeover_run_is_asked_for_or_retried_unless_runs_are_off() {
        for bits in 0..8 {
            let [runs_off, requested, last_failed] = [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0];
            let wanted = wants_takeover(Due { runs_off, requested, last_failed });
            assert_eq!(wanted, matches!(bits, 2 | 4 | 6), "{bits:03b}");
        }
    }
}
