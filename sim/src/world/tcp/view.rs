//! What checkers may know of connections.

use standin_core::machine::Machine;

use super::conn::{End, EndRef, Owner, open_ways};
use crate::world::World;
use crate::world::moment::{HostId, Moment};

impl<M: Machine> World<M> {
    /// Whether a daemon holds the other end of a connection and segments pass both ways.
    pub(in crate::world) fn is_heard(&self, end: EndRef) -> bool {
        let Some(conn) = self.conns.peek(end.conn) else { return false };
        let held = matches!(conn.ends[end.side.other() as usize].owner, Owner::Machine(_));
        held && open_ways(&self.hosts, &self.network, conn) == [true; 2]
    }

    /// When the first host last received data on connections that the second dialled, among
    /// those its kernel still knows. `None` if there is none, or one has been opened since.
    #[must_use]
    pub fn last_heard(&self, host: HostId, from: HostId) -> Option<Moment> {
        let live = self.conns.slots.iter().filter_map(|(_, conn)| conn.as_ref());
        let theirs = live.filter(|conn| conn.ends[0].host == from && conn.ends[1].host == host);
        let theirs: Vec<_> = theirs.map(|conn| &conn.ends[1]).filter(|end| end.established).collect();
        let heard = theirs.iter().map(|end| end.heard).max()?;
        theirs.iter().all(|end| end.opened < heard).then_some(heard)
    }

    /// Every connection between daemons that the second has accepted: (who dialled, who accepted).
    #[must_use]
    pub fn links_accepted(&self) -> Vec<(HostId, HostId)> {
        let live = self.conns.slots.iter().filter_map(|(_, conn)| conn.as_ref());
        let accepted = live.filter(|conn| {
            let [dialled, accepted] = &conn.ends;
            let daemons = !matches!(dialled.owner, Owner::Puppet(_)) && accepted.address.ip().is_some();
            daemons && matches!(accepted.owner, Owner::Machine(_))
        });
        accepted.map(|conn| (conn.ends[0].host, conn.ends[1].host)).collect()
    }

    /// Connections the first daemon dialled and the second holds, as kernels see them:
    /// (the dialler's end is up, the acceptor's end is up) of each.
    #[must_use]
    pub fn links_between(&self, from: HostId, to: HostId) -> Vec<(bool, bool)> {
        let held = |end: &End| end.established && matches!(end.owner, Owner::Machine(_));
        let live = self.conns.slots.iter().filter_map(|(_, conn)| conn.as_ref());
        let theirs = live.filter(|conn| conn.ends[0].host == from && conn.ends[1].host == to);
        theirs
            .filter(|conn| conn.ends[1].address.ip().is_some())
            .map(|conn| (held(&conn.ends[0]), held(&conn.ends[1])))
            .filter(|&(one, other)| one || other)
            .collect()
    }
}
