//! The connections to each public address: whoever takes it tickles their clients, so that they
//! find out at once that the other end is gone.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::wire::{Connection, TickleList, WireAddr};
use super::{Addresses, Entry};

/// Connections kept for one address; further ones are not noted. ctdbd has no limit.
pub(super) const TICKLES_MAX: usize = 4096;

/// The connections to one address.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Tickles {
    /// Each once, in the order they came.
    connections: Vec<Connection>,
    /// The others are to be told.
    changed: bool,
}

impl Tickles {
    pub(super) const fn count(&self) -> usize {
        self.connections.len()
    }

    /// Empties the list, of which the others are to be told, empty before or not.
    pub(super) fn take_all(&mut self) -> Vec<Connection> {
        self.changed = true;
        core::mem::take(&mut self.connections)
    }
}

impl Addresses {
    /// TCP_ADD, or with `tell_others` TCP_ADD_DELAYED_UPDATE: a client is connected. False if it
    /// is to no address of ours.
    pub(in super::super) fn add_tickle(&mut self, connection: Connection, tell_others: bool) -> bool {
        let Some(entry) = self.get_mut(connection.server.ip()) else { return false };
        let Tickles { connections, changed } = &mut entry.tickles;
        if fits(&connection) && connections.len() < TICKLES_MAX && !connections.contains(&connection) {
            connections.push(connection);
            *changed |= tell_others;
        }
        true
    }

    /// TCP_REMOVE: a client is connected no more. False if it was to no address of ours.
    pub(in super::super) fn remove_tickle(&mut self, connection: &Connection) -> bool {
        let Some(entry) = self.get_mut(connection.server.ip()) else { return false };
        let Tickles { connections, changed } = &mut entry.tickles;
        if let Some(at) = connections.iter().position(|held| held == connection) {
            connections.remove(at);
            *changed = true;
        }
        true
    }

    /// GET_TCP_TICKLE_LIST: the connections to an address, with a port only those to that port.
    /// `None` (status 1) if it is not one of ours.
    pub(in super::super) fn tickles(&self, address: WireAddr) -> Option<TickleList> {
        let entry = self.get(address.ip())?;
        let wanted = |held: &&Connection| address.port() == 0 || held.server.port() == address.port();
        let connections = entry.tickles.connections.iter().filter(wanted).copied().collect();
        Some(TickleList { address, connections })
    }

    /// SET_TCP_TICKLE_LIST: the holder's list of an address. False if it is not one of ours, or
    /// if we hold it and know better.
    pub(in super::super) fn set_tickles(&mut self, list: &TickleList) -> bool {
        let TickleList { address, connections } = list;
        let entry = self.get_mut(address.ip()).filter(|entry| !entry.is_held());
        let Some(entry) = entry else { return false };
        let mut seen = BTreeSet::new();
        let ours = |held: &&Connection| held.server.same_host(address) && fits(held) && seen.insert(**held);
        entry.tickles.connections = connections.iter().filter(ours).take(TICKLES_MAX).copied().collect();
        true
    }

    /// The lists of addresses held here that have changed since they were last asked for: to be
    /// sent to all others as SET_TCP_TICKLE_LIST.
    pub(in super::super) fn take_changed(&mut self) -> Vec<TickleList> {
        let held = self.list.iter_mut().filter(|entry| entry.is_held());
        let changed = held.filter_map(|entry| core::mem::take(&mut entry.tickles.changed).then_some(&*entry));
        changed.map(Entry::tickle_list).collect()
    }

    /// How many connections are noted, of all addresses.
    pub(in super::super) fn tickle_count(&self) -> usize {
        self.list.iter().map(|entry| entry.tickles.count()).sum()
    }

    /// The lists of all addresses held here, for a node that has just come.
    pub(in super::super) fn held_tickles(&self) -> Vec<TickleList> {
        self.list.iter().filter(|entry| entry.is_held()).map(Entry::tickle_list).collect()
    }
}

/// Whether both ends speak the same language: no segment could be sent otherwise.
const fn fits(connection: &Connection) -> bool {
    connection.client.ip().is_ipv4() == connection.server.ip().is_ipv4()
}

impl Entry {
    fn tickle_list(&self) -> TickleList {
        let connections = self.tickles.connections.clone();
        TickleList { address: WireAddr::public(self.address), connections }
    }
}
