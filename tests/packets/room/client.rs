//! Local clients: the stock tool, and whoever else talks to a control socket.

use standin_core::ctdb::types::{
    ClientId, ControlFlags, Generation, Opcode, Pnn, RequestId, SrvId, TunnelId,
};
use standin_core::ctdb::wire::{
    Asked, Body, ControlRequest, Header, MessageData, Pdu, RequestData, Tunnel, encode_message,
    encode_request,
};
use standin_core::machine::{LinkId, PortId};

use super::{Due, End, LATENCY_US, Room, SECOND};

/// Clients are at hosts of their own, beyond all nodes.
const OUTSIDE: usize = 1_000;

/// A client of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    end: (usize, LinkId),
    to: End,
}

/// The answer to a control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: i32,
    pub(crate) data: Vec<u8>,
    pub(crate) error: String,
}

/// What clients were told.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    pub(super) packets: Vec<(LinkId, Vec<u8>)>,
    pub(super) next: u32,
}

impl Room {
    /// Somebody connects to a node's control socket.
    pub(crate) fn client(&mut self, pnn: u32) -> Client {
        self.inbox.next += 1;
        let end = (OUTSIDE + pnn as usize, LinkId(u64::from(self.inbox.next) * 2));
        self.connect(end, pnn as usize, PortId(1));
        Client { end, to: self.pipes[&end].other }
    }

    pub(super) fn tell_client(&mut self, end: End, bytes: &[u8]) {
        self.inbox.packets.push((end.1, bytes.to_vec()));
    }

    /// The client goes.
    pub(crate) fn hang_up(&mut self, client: Client) {
        self.close(client.end);
    }

    /// Whether the node still talks to the client.
    pub(crate) fn is_connected(&self, client: Client) -> bool {
        self.pipes.contains_key(&client.to)
    }

    /// Writes bytes, whatever they are.
    pub(crate) fn write(&mut self, client: Client, bytes: Vec<u8>) {
        self.post(LATENCY_US, client.to.0, Due::Bytes(client.to.1, bytes));
    }

    fn header(&mut self, to: Pnn) -> Header {
        self.inbox.next += 1;
        Header {
            generation: Generation(0),
            destination: to,
            source: Pnn::UNKNOWN,
            reqid: RequestId(self.inbox.next),
        }
    }

    /// Asks; the number to look for the answer under.
    pub(crate) fn ask(
        &mut self,
        client: Client,
        to: Pnn,
        data: &RequestData,
        flags: ControlFlags,
    ) -> RequestId {
        self.ask_about(client, to, data, flags, SrvId(0))
    }

    pub(crate) fn ask_about(
        &mut self,
        client: Client,
        to: Pnn,
        data: &RequestData,
        flags: ControlFlags,
        srvid: SrvId,
    ) -> RequestId {
        let header = self.header(to);
        let mut bytes = Vec::new();
        encode_request(&header, Asked { srvid, client: ClientId(0), flags }, data, &mut bytes);
        self.write(client, bytes);
        header.reqid
    }

    /// Asks with a payload that need not make sense.
    pub(crate) fn ask_raw(&mut self, client: Client, to: Pnn, opcode: Opcode, payload: &[u8]) -> RequestId {
        let header = self.header(to);
        let mut bytes = Vec::new();
        let request = ControlRequest::new(opcode, payload);
        Pdu { header, body: Body::ControlRequest(request) }.encode(&mut bytes);
        self.write(client, bytes);
        header.reqid
    }

    /// Sends a message.
    pub(crate) fn say(&mut self, client: Client, to: Pnn, data: &MessageData) {
        let header = Header { reqid: RequestId(0), ..self.header(to) };
        let mut bytes = Vec::new();
        encode_message(&header, data, &mut bytes);
        self.write(client, bytes);
    }

    /// Sends into a tunnel.
    pub(crate) fn dig(&mut self, client: Client, to: Pnn, tunnel: Tunnel<'_>) {
        let header = self.header(to);
        let mut bytes = Vec::new();
        Pdu { header, body: Body::Tunnel(tunnel) }.encode(&mut bytes);
        self.write(client, bytes);
    }

    /// What came through tunnels so far: from whom, which tunnel, what.
    pub(crate) fn dug(&self, client: Client) -> Vec<(Pnn, TunnelId, Vec<u8>)> {
        let told = self.inbox.packets.iter().filter(|(link, _)| *link == client.end.1);
        told.filter_map(|(_, bytes)| {
            let Pdu { header, body } = Pdu::decode(bytes).expect("a packet");
            let Body::Tunnel(tunnel) = body else { return None };
            assert_eq!((header.destination, header.reqid), (Pnn(0), RequestId(0)));
            Some((header.source, tunnel.id, tunnel.data.to_vec()))
        })
        .collect()
    }

    /// Every answer to a question so far.
    pub(crate) fn replies(&self, client: Client, asked: RequestId) -> Vec<Reply> {
        let told = self.inbox.packets.iter().filter(|(link, _)| *link == client.end.1);
        told.filter_map(|(_, bytes)| match Pdu::decode(bytes).expect("a packet") {
            Pdu { header, body: Body::ControlReply(reply) } if header.reqid == asked => Some(Reply {
                status: reply.status,
                data: reply.data.to_vec(),
                error: String::from_utf8_lossy(reply.error).into_owned(),
            }),
            _ => None,
        })
        .collect()
    }

    /// Every message so far.
    pub(crate) fn messages(&self, client: Client) -> Vec<(SrvId, Vec<u8>)> {
        let told = self.inbox.packets.iter().filter(|(link, _)| *link == client.end.1);
        told.filter_map(|(_, bytes)| {
            let Body::Message(message) = Pdu::decode(bytes).expect("a packet").body else { return None };
            Some((message.srvid, message.data.to_vec()))
        })
        .collect()
    }

    /// Asks the client's own node and waits for the answer.
    pub(crate) fn call(&mut self, client: Client, data: &RequestData) -> Reply {
        let asked = self.ask(client, Pnn::CURRENT_NODE, data, ControlFlags::empty());
        let answered = self.run_until(61 * SECOND, |room| !room.replies(client, asked).is_empty());
        assert!(answered, "no answer to {data:?}");
        self.replies(client, asked).remove(0)
    }
}
