//! What checkers may know of connections.

use standin_core::machine::Machine;

use super::conn::{Conn, open_ways};
use crate::world::World;
use crate::world::end::{EndRef, Owner, Side};
use crate::world::moment::{HostId, Moment};

impl<M: Machine> World<M> {
    /// Whether a daemon holds the other end of a connection and segments pass both ways.
    pub(in crate::world) fn is_heard(&self, end: EndRef) -> bool {
        let Some((conn, origins)) = self.conns.peek(end.conn) else { return false };
        let held = matches!(conn.owner(end.side.other()), Owner::Machine(_));
        held && open_ways(&self.hosts, &self.network, conn, origins) == [true; 2]
    }

    /// When the first host last received data on connections that the second dialled, among
    /// those its kernel still knows. `None` if there is none, or one has been opened since.
    #[must_use]
    pub fn last_heard(&self, host: HostId, from: HostId) -> Option<Moment> {
        let open = |conn: &Conn| conn.is_between(from, host) && conn.way(Side::Acceptor).established;
        let theirs = self.conns.live().filter(|(conn, _)| open(conn));
        let heard = |conn: &Conn| conn.way(Side::Dialler).heard;
        let theirs: Vec<_> = theirs.map(|(conn, origins)| (heard(conn), origins[1].opened)).collect();
        let heard = theirs.iter().map(|&(heard, _)| heard).max()?;
        theirs.iter().all(|&(_, opened)| opened < heard).then_some(heard)
    }

    /// Every connection between daemons that the second has accepted: (who dialled, who accepted).
    pub fn links_accepted(&self) -> impl Iterator<Item = (HostId, HostId)> {
        let accepted = self.conns.live().filter(|(conn, origins)| {
            let (dialled, accepted) = (conn.owner(Side::Dialler), conn.owner(Side::Acceptor));
            let daemons = !matches!(dialled, Owner::Puppet(_)) && origins[1].address.ip().is_some();
            daemons && matches!(accepted, Owner::Machine(_))
        });
        accepted.map(|(conn, _)| (conn.host(Side::Dialler), conn.host(Side::Acceptor)))
    }

    /// Whether a daemon holds an open link that it has dialled to another host.
    #[must_use]
    pub fn holds_link_to(&self, host: HostId, to: HostId) -> bool {
        self.holds_link(host, Side::Dialler, to)
    }

    /// Whether a daemon holds an open link that another host has dialled.
    #[must_use]
    pub fn holds_link_from(&self, host: HostId, from: HostId) -> bool {
        self.holds_link(host, Side::Acceptor, from)
    }

    fn holds_link(&self, host: HostId, side: Side, far: HostId) -> bool {
        let Some(process) = &self.hosts[host.index()].process else { return false };
        let mut links = process.links.values().filter(|end| end.side == side);
        links.any(|end| {
            self.conns.peek(end.conn).is_some_and(|(conn, origins)| {
                let open = conn.way(side).established && matches!(conn.owner(side), Owner::Machine(_));
                open && conn.host(side.other()) == far && origins[1].address.ip().is_some()
            })
        })
    }
}
