//! The local check of every round: does our table agree with our kernel, and with itself? It
//! never looks at other nodes, and changes nothing but what it remembers of the interfaces.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::kernel::Kernel;
use super::super::notice::AddressFault;
use super::super::types::{NodeFlags, Pnn};
use super::Addresses;

/// The interfaces as the last check saw them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in super::super) struct Snapshot(Vec<(String, bool)>);

/// A reason for a takeover run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Wrong {
    /// The interfaces are not what they were: so many have a link now, so many none.
    Interfaces { up: u32, down: u32 },
    /// Something is wrong with an address.
    Address(IpAddr, AddressFault),
}

impl Addresses {
    /// Every reason for a takeover run; none if all is well. `offers` as for
    /// [`available`](Self::available), `flags` are our own; `is_gone` says of a node
    /// that its addresses wait for somebody else.
    pub(in super::super) fn check(
        &self,
        me: Pnn,
        flags: NodeFlags,
        offers: bool,
        kernel: &Kernel,
        is_gone: impl Fn(Pnn) -> bool,
        last: &mut Option<Snapshot>,
    ) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let same =
            |last: &Snapshot| last.0.iter().map(|(name, up)| (name.as_str(), *up)).eq(self.link_states());
        if !last.as_ref().is_some_and(same) {
            let links: Vec<_> = self.link_states().map(|(name, up)| (name.into(), up)).collect();
            let up = links.iter().filter(|(_, up)| *up).count();
            wrong.push(Wrong::Interfaces { up: up as u32, down: (links.len() - up) as u32 });
            *last = Some(Snapshot(links));
        }
        let rough = kernel.rough();
        for entry in &self.list {
            let mut found = |fault| wrong.push(Wrong::Address(entry.address, fault));
            let unserved = match entry.holder {
                None => Some(AddressFault::Unassigned),
                Some(holder) => is_gone(holder).then_some(AddressFault::Abandoned),
            };
            if let Some(fault) = unserved
                && flags.is_empty()
                && offers
                && self.is_available(entry)
            {
                found(fault);
            }
            let there = rough.may_hold(entry.address) && kernel.holds(entry.address);
            match (entry.holder == Some(me), there) {
                (true, false) => found(AddressFault::Missing),
                (false, true) => found(AddressFault::Foreign),
                (true, true) | (false, false) => {}
            }
        }
        wrong
    }
}
