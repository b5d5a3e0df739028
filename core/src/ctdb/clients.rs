//! Local clients: who is connected to our control socket.

use alloc::collections::BTreeMap;

use super::types::ClientId;
use super::wire::ClientFraming;
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
}

/// Ids count up to here and begin again with 1: 0 means no client.
const LAST: u32 = 0x7fff_ffff;

/// Clients at a time. (Our limit: a host has no more programs that need its cluster.)
const CLIENTS_MAX: usize = 4096;

impl Clients {
    /// Somebody connected. False if there are too many already.
    pub(super) fn accepted(&mut self, link: LinkId) -> bool {
        if self.clients.len() >= CLIENTS_MAX {
            return false;
        }
        let mut id = ClientId(self.last);
        while id.0 == 0 || self.clients.values().any(|client| client.id == id) {
            id = ClientId(if id.0 >= LAST { 1 } else { id.0 + 1 });
        }
        self.last = if id.0 >= LAST { 1 } else { id.0 + 1 };
        self.clients.insert(link, Client { id, stream: FrameBuffer::new() });
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

    /// A client is gone. False if it was none.
    pub(super) fn gone(&mut self, link: LinkId) -> bool {
        self.clients.remove(&link).is_some()
    }
}
