//! Local clients: who is connected to our control socket.

use alloc::collections::{BTreeMap, BTreeSet};

use super::types::ClientId;
use super::wire::{ClientFraming, Connection};
use crate::bytes::FrameBuffer;
use crate::machine::{LinkId, PortId};

/// The control socket.
pub(super) const SOCKET: PortId = PortId(1);

/// Everybody connected.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Clients {
    clients: BTreeMap<LinkId, Client>,
    last: u32,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Client {
    id: ClientId,
    stream: FrameBuffer<ClientFraming>,
    /// Its process, if the host knows.
    pid: Option<u32>,
    /// The connections to public addresses it serves (TCP_CLIENT).
    connections: BTreeSet<Connection>,
}

/// Ids count up to here and begin again with 1: 0 means no client.
const LAST: u32 = 0x7fff_ffff;

/// Clients at a time. (Our limit: a host has no more programs that need its cluster.)
const CLIENTS_MAX: usize = 4096;
/// Connections remembered for one client; further ones are not. (Our limit.)
const CONNECTIONS_MAX: usize = 4096;

impl Clients {
    /// Somebody connected. False if there are too many already.
    pub(super) fn accepted(&mut self, link: LinkId, pid: Option<u32>) -> bool {
        if self.clients.len() >= CLIENTS_MAX {
            return false;
        }
        let mut id = ClientId(self.last);
        while id.0 == 0 || self.clients.values().any(|client| client.id == id) {
            id = ClientId(if id.0 >= LAST { 1 } else { id.0 + 1 });
        }
        self.last = if id.0 >= LAST { 1 } else { id.0 + 1 };
        self.clients
            .insert(link, Client { id, stream: FrameBuffer::new(), pid, connections: BTreeSet::new() });
        true
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.clients.len()
    }

    /// A client's id, while it is connected.
    pub(super) fn id(&self, link: LinkId) -> Option<ClientId> {
        self.clients.get(&link).map(|client| client.id)
    }

    /// Whether a link is a client's.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.clients.contains_key(&link)
    }

    /// A client's stream, while it is connected.
    pub(super) fn stream(&mut self, link: LinkId) -> Option<&mut FrameBuffer<ClientFraming>> {
        self.clients.get_mut(&link).map(|client| &mut client.stream)
    }

    /// The clients that are this process.
    pub(super) fn of_process(&self, pid: i32) -> impl Iterator<Item = LinkId> + '_ {
        let pid = u32::try_from(pid).ok();
        let held = self.clients.iter().filter(move |(_, client)| pid.is_some() && client.pid == pid);
        held.map(|(&link, _)| link)
    }

    /// TCP_CLIENT: a client serves a connection, until it goes.
    pub(super) fn serves(&mut self, link: LinkId, connection: Connection) {
        if let Some(Client { connections, .. }) = self.clients.get_mut(&link)
            && connections.len() < CONNECTIONS_MAX
        {
            connections.insert(connection);
        }
    }

    /// How many connections all clients serve.
    pub(super) fn connections(&self) -> usize {
        self.clients.values().map(|client| client.connections.len()).sum()
    }

    /// A client is gone, and served these connections; `None` if it was none.
    pub(super) fn gone(&mut self, link: LinkId) -> Option<BTreeSet<Connection>> {
        self.clients.remove(&link).map(|client| client.connections)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::WireAddr;
    use super::*;

    const ONE: LinkId = LinkId(1);

    #[test]
    fn a_process_exists_while_one_of_its_connections_does() {
        let mut clients = Clients::default();
        for (link, pid) in [(ONE, Some(77)), (LinkId(3), Some(77)), (LinkId(5), None)] {
            assert!(clients.accepted(link, pid));
        }
        assert!(clients.of_process(77).eq([ONE, LinkId(3)]));
        assert!(clients.gone(ONE).is_some() && clients.gone(ONE).is_none());
        assert!(clients.of_process(77).eq([LinkId(3)]));
        for nobody in [0, -1, 78, i32::MIN] {
            assert_eq!(clients.of_process(nobody).count(), 0, "{nobody}");
        }
    }

    #[test]
    fn a_client_serves_only_so_many_connections_and_each_once() {
        let mut clients = Clients::default();
        let connection = |port: u16| Connection {
            client: WireAddr(([192, 168, 7, 7], port).into()),
            server: WireAddr(([10, 1, 0, 1], 445).into()),
        };
        clients.serves(ONE, connection(1));
        assert_eq!(clients.gone(ONE), None);
        assert!(clients.accepted(ONE, None));
        for port in 0..=CONNECTIONS_MAX as u16 {
            clients.serves(ONE, connection(port));
            clients.serves(ONE, connection(port));
        }
        assert_eq!(clients.connections(), CONNECTIONS_MAX);
        let served = clients.gone(ONE).unwrap_or_default();
        assert!(served.contains(&connection(0)) && served.len() == CONNECTIONS_MAX);
    }
}
