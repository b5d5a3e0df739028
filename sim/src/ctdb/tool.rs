//! What the stock tool writes to a daemon's control socket.

use standin_core::ctdb::types::{Generation, Pnn, RequestId};
use standin_core::ctdb::wire::{self, Asked, Header, MessageData, RequestData};

/// Packets of one client, written one behind the other without waiting for answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Packets {
    bytes: Vec<u8>,
    last: u32,
}

impl Packets {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), last: 0 }
    }

    /// Then a control.
    pub(super) fn ask(mut self, to: Pnn, data: &RequestData) -> Self {
        let header = self.header(to);
        wire::encode_request(&header, Asked::default(), data, &mut self.bytes);
        self
    }

    /// Then a message.
    pub(super) fn say(mut self, to: Pnn, data: &MessageData) -> Self {
        let header = self.header(to);
        wire::encode_message(&header, data, &mut self.bytes);
        self
    }

    /// All of them.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    const fn header(&mut self, destination: Pnn) -> Header {
        self.last += 1;
        let (generation, source, reqid) = (Generation(0), Pnn::UNKNOWN, RequestId(self.last));
        Header { generation, destination, source, reqid }
    }
}
