use super::types::{NodeFlags, Pnn};
use super::wire::{Election, TimeVal};
pub(super) fn candidacy(
    can: bool,
    connected: u32,
    own: TimeVal,
    now: TimeVal,
    pnn: Pnn,
    flags: NodeFlags,
) -> Election {
    Election { connected: if can { connected } else { 0 }, priority: if can { own } else { now }, pnn, flags }
}
pub(super) fn wins(can: bool, own: &Election, other: &Election) -> bool {
    let t = |e: &Election| (e.priority.seconds, e.priority.micros, e.pnn);
    can && (other.flags.is_inactive() || t(own) < t(other))
}
