//! Three CTDB machines that serve four addresses, and somebody who tells them anything: as a client,
//! in a node's name, by changing what nodes say, in the first's files.

use std::cell::OnceCell;

use standin_core::bytes::FrameBuffer;
use standin_core::ctdb::config::{Config, Databases, Fixes};
use standin_core::ctdb::types::{
    ClientId, ControlFlags, DbId, Generation, Opcode, Operation, Pnn, RequestId, RunState, SrvId, TunnelId,
};
use standin_core::ctdb::wire::{
    Asked, Body, ClientFraming, ControlReply, ControlRequest, Header, Keepalive, LtdbHeader, Message, Pdu,
    Record, RecordBuffer, RequestData, Text, Tunnel, encode_request,
};
use standin_core::ctdb::{Ctdb, Order};
use standin_core::host::{Fact, Placed};
use standin_core::machine::PortId;

use crate::room::{Client, Room};
use crate::take::Take;

const NODES: &str = "10.0.0.1\n10.0.0.2\n10.0.0.3\n";
const PUBLIC: &str = "10.1.0.1/24 eth1\n10.1.0.2/24 eth1\n10.1.0.3/24 eth1\n10.1.0.4/24 eth1\n";
const SOCKET: PortId = PortId(1);
/// Where clients sit.
const SEATS: [usize; 2] = [0, 2];
const SECOND: u64 = 1_000_000;
/// How long the deeds of one input may take together.
const TIME_MAX: u64 = 90 * SECOND;

/// With and without a cluster lock, as we are and as CTDB is; and the first beside two that keep
/// databases, which it recovers.
const KINDS: usize = 5;
/// The first byte from which it is the last of these.
const BESIDE_DATABASES: u8 = 0xc0;

thread_local! {
    static SETTLED: [OnceCell<(Room<Ctdb>, [Client; 2])>; KINDS] = const { [const { OnceCell::new() }; KINDS] };
}

/// Three nodes long after their start, and a client each of the first and the last.
fn settled(kind: usize) -> (Room<Ctdb>, [Client; 2]) {
    let begin = || begin(kind & 1 != 0, kind & 2 != 0, kind == KINDS - 1);
    SETTLED.with(|settled| settled[kind].get_or_init(begin).clone())
}

fn begin(locked: bool, strict: bool, data: bool) -> (Room<Ctdb>, [Client; 2]) {
    let mut room = Room::new();
    for host in 0..3 {
        let databases = match host {
            _ if !data => Databases::None,
            0 => Databases::Recovers,
            _ => Databases::Rehearses,
        };
        let config = Config {
            listen: Some(Room::<Ctdb>::address(host)),
            databases,
            database_bytes_max: 4_096,
            cluster_lock: locked.then(|| "lock".into()),
            fixes: if strict { Fixes::NONE } else { Fixes::ALL },
            ..Config::default()
        };
        room.add(Ctdb::new(config, host as u64 + 7), &[("nodes", NODES), ("public_addresses", PUBLIC)]);
    }
    room.run(45 * SECOND);
    for host in 0..3 {
        let machine = room.machine(host).expect("it runs");
        assert_eq!(machine.runstate(), RunState::Running);
        assert!(machine.public_addresses().all(|held| held.holder.is_some()), "all is served");
    }
    let clients = SEATS.map(|host| room.client(host, SOCKET));
    if data {
        keep_data(&mut room, clients[1]);
    }
    room.run(SECOND);
    (room, clients)
}

/// A program of the last node has a database of each kind, and a record in each.
fn keep_data(room: &mut Room<Ctdb>, client: Client) {
    let header = Header {
        generation: Generation::INVALID,
        destination: Pnn::CURRENT_NODE,
        source: Pnn::UNKNOWN,
        reqid: RequestId(1),
    };
    let mut ask = |data: &RequestData| {
        let asked = Asked { srvid: SrvId(0), client: ClientId(0), flags: ControlFlags::empty() };
        let mut bytes = Vec::new();
        encode_request(&header, asked, data, &mut bytes);
        room.say(client, &bytes);
    };
    ask(&RequestData::DbAttach(Text::from("vol.tdb")));
    ask(&RequestData::DbAttachPersistent(Text::from("pers.tdb")));
    ask(&RequestData::DbAttachReplicated(Text::from("repl.tdb")));
    for name in ["vol.tdb", "pers.tdb", "repl.tdb"] {
        let header = LtdbHeader { rsn: 1, dmaster: Pnn(2), reserved: 0, flags: 0 };
        let records = vec![Record::with_header(b"key", header, b"data")];
        ask(&RequestData::UpdateRecord(RecordBuffer { id: DbId::of(name), records }));
    }
}

/// Deeds from bytes, and then a while of peace.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Take(bytes);
    let Some(kind) = input.byte() else { return };
    let (room, clients) = settled(match kind {
        BESIDE_DATABASES.. => KINDS - 1,
        kind => usize::from(kind) % (KINDS - 1),
    });
    let mut story = Story { room, clients, input, left: TIME_MAX };
    while story.deed().is_some() {}
    story.room.run(5 * SECOND);
    story.room.check();
    (0..SEATS.len()).for_each(|at| story.listen(at));
}

struct Story<'a> {
    room: Room<Ctdb>,
    clients: [Client; 2],
    input: Take<'a>,
    left: u64,
}

impl Story<'_> {
    fn deed(&mut self) -> Option<()> {
        match self.input.byte()? % 16 {
            0 => {
                let us = u64::from(self.input.byte()?) * SECOND / 20;
                self.wait(us);
            }
            1 => {
                let bytes = self.input.some()?;
                self.room.say(self.clients[0], bytes);
            }
            kind @ (2 | 3) => {
                let packet = self.packet(Pnn::UNKNOWN)?;
                self.room.say(self.clients[usize::from(kind - 2)], &packet);
            }
            4 | 5 => {
                let (from, to) = self.way()?;
                let packet = self.packet(Pnn(from as u32))?;
                self.room.speak_as(from, to, true, &packet);
            }
            6 => {
                let (from, to) = self.way()?;
                let bytes = self.input.some()?;
                self.room.speak_as(from, to, true, bytes);
            }
            7 => {
                let at = usize::from(self.input.byte()? & 1);
                self.listen(at);
                self.room.hang_up(self.clients[at]);
                self.clients[at] = self.room.client(SEATS[at], SOCKET);
            }
            8 | 9 => self.reply()?,
            10 => self.bend()?,
            11 => {
                let (one, other) = self.way()?;
                self.room.cut(one, other);
            }
            12 => {
                let fact = self.fact()?;
                self.room.fact(0, fact);
            }
            13 => {
                let name = self.input.one_of(&["nodes", "public_addresses"])?;
                let content = self.input.some()?;
                self.room.edit(0, name, content);
            }
            14 => self.room.order(0, Order::Reload),
            _ => self.wait(SECOND / 100),
        }
        Some(())
    }

    fn wait(&mut self, us: u64) {
        let us = us.min(self.left);
        self.left -= us;
        self.room.run(us);
    }

    /// From whom to whom.
    fn way(&mut self) -> Option<(usize, usize)> {
        let byte = usize::from(self.input.byte()?);
        let to = byte % 3;
        Some(((to + 1 + byte / 3 % 2) % 3, to))
    }

    fn pnn(&mut self) -> Option<Pnn> {
        let special = [Pnn(0), Pnn(1), Pnn(2), Pnn::CURRENT_NODE, Pnn::BROADCAST_CONNECTED, Pnn::UNKNOWN];
        Some(match self.input.byte()? {
            byte @ 0..=239 => special[usize::from(byte) % special.len()],
            _ => Pnn(self.input.word()?),
        })
    }

    /// A server id by the first two of its bytes and the last.
    fn srvid(&mut self) -> Option<SrvId> {
        Some(SrvId(u64::from(self.input.short()?) << 48 | u64::from(self.input.byte()?)))
    }

    /// A packet that could be one.
    fn packet(&mut self, source: Pnn) -> Option<Vec<u8>> {
        let generation = match self.input.byte()? {
            0..=249 => self.room.machine(0).map_or(Generation(1), Ctdb::generation),
            other => Generation(other.into()),
        };
        let kind = self.input.byte()? % 6;
        let destination = self.pnn()?;
        let reqid = RequestId(self.input.byte()?.into());
        let header = Header { generation, destination, source, reqid };
        let body = match kind {
            0 | 1 => {
                let opcode = Opcode(self.input.byte()?.into());
                let flags = ControlFlags::from_bits_retain(u32::from(self.input.byte()? & 3));
                let srvid = self.srvid()?;
                let data = self.input.some()?;
                Body::ControlRequest(ControlRequest { opcode, srvid, client: ClientId(0), flags, data })
            }
            2 => Body::Message(Message { srvid: self.srvid()?, data: self.input.some()? }),
            3 => {
                let status = i32::from(self.input.byte()?.cast_signed());
                let (data, error) = (self.input.some()?, self.input.some()?);
                Body::ControlReply(ControlReply { status, data, error })
            }
            4 => {
                let (id, flags) = (TunnelId(self.input.byte()?.into()), self.input.byte()?.into());
                Body::Tunnel(Tunnel { id, flags, data: self.input.some()? })
            }
            _ => match self.input.byte()? {
                byte @ 0..=11 => Body::Other { operation: Operation(byte.into()), body: self.input.some()? },
                _ => Body::Keepalive(Keepalive { version: self.input.word()?, uptime: self.input.word()? }),
            },
        };
        let mut bytes = Vec::new();
        Pdu { header, body }.encode(&mut bytes);
        Some(bytes)
    }

    /// The next answer of a node to the first has another payload, or another status.
    fn reply(&mut self) -> Option<()> {
        let ((from, to), status, length) =
            (self.way()?, self.input.byte()?.cast_signed(), self.input.byte()?);
        let data = self.input.some()?.to_vec();
        // Few answers are empty; which one is meant, its length says.
        self.room.twist(from, to, move |bytes| {
            let Ok(Pdu { header, body: Body::ControlReply(reply) }) = Pdu::decode(bytes) else {
                return false;
            };
            if length != 0 && reply.data.len() != usize::from(length) {
                return false;
            }
            let body = Body::ControlReply(ControlReply { status: status.into(), data: &data, ..reply });
            let mut other = Vec::new();
            Pdu { header, body }.encode(&mut other);
            *bytes = other;
            true
        });
        Some(())
    }

    /// Some bytes of what a node says next are others; without any, it is lost, or said twice.
    fn bend(&mut self) -> Option<()> {
        let ((from, to), at) = (self.way()?, usize::from(self.input.byte()?) * 4);
        let with = self.input.some()?.to_vec();
        self.room.twist(from, to, move |bytes| {
            if with.is_empty() {
                let twice = if at.is_multiple_of(8) { bytes.clone() } else { Vec::new() };
                *bytes = [twice.clone(), twice].concat();
                return true;
            }
            let Some(place) = bytes.get_mut(at..).filter(|place| place.len() >= with.len()) else {
                return false;
            };
            place[..with.len()].copy_from_slice(&with);
            true
        });
        Some(())
    }

    fn fact(&mut self) -> Option<Fact> {
        let interface = self.input.one_of(&["eth1", "eth0", "eth2"])?;
        let address = [10, 1, 0, self.input.byte()?].into();
        let placed = Placed { interface: interface.into(), address, prefix: 24 };
        Some(match self.input.byte()? % 5 {
            0 => Fact::Appeared(placed),
            1 => Fact::Vanished(placed),
            2 => Fact::InterfaceGone { name: interface.into() },
            other => Fact::Interface { name: interface.into(), index: 2, up: other == 3 },
        })
    }

    /// What the client was told are whole packets.
    fn listen(&mut self, at: usize) {
        let told = self.room.hear(self.clients[at]);
        let (mut buffer, mut rest) = (FrameBuffer::<ClientFraming>::new(), &told[..]);
        while let Some(frame) = buffer.next_frame(&mut rest).expect("a node says packets") {
            Pdu::decode(&frame).expect("a packet");
        }
        assert_eq!(buffer.held(), 0, "a packet is not whole");
    }
}
