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

/// What ctdbd's ids start from; never 0, which means no client.
const FIRST: u32 = 0x7fff_ff38;

impl Clients {
    /// Somebody connected.
    pub(super) fn accepted(&mut self, link: LinkId) {
        let id = ClientId(FIRST + (self.last & 0x7f));
        self.last = self.last.wrapping_add(1);
        self.clients.insert(link, Client { id, stream: FrameBuffer::new() });
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
