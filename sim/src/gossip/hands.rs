//! What operators and clients did, for those who judge the nodes by it.

use std::collections::BTreeSet;

use crate::world::moment::HostId;
use crate::world::puppet::PuppetId;

/// All of a run.
#[derive(Debug, Default)]
pub(super) struct Hands {
    /// Writes, in order.
    pub(super) writes: Vec<Written>,
    /// Slots an operator gave to somebody, or took away.
    pub(super) touched: BTreeSet<u16>,
    /// Of whose cluster nobody ran when all was healed, who could meet anybody: who knew nobody is alone.
    pub(super) unmet: BTreeSet<HostId>,
    /// Who was told to forget its slots, or to take some.
    pub(super) emptied: BTreeSet<HostId>,
    /// Nodes of two clusters were told to meet: from then on the later epoch has any slot.
    pub(super) merged: bool,
}

/// Writes of a client to a slot's register, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Whose connection.
    pub(super) puppet: PuppetId,
    /// Which register.
    pub(super) slot: u16,
    /// How many.
    pub(super) times: u32,
    /// Who was asked, and how often the register had been written there.
    pub(super) asked: Option<(HostId, u64)>,
}
