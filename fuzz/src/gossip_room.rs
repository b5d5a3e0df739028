//! Three masters and a replica of the first, and somebody who tells the first and its replica
//! anything: as a client, as a stranger on the bus, in a member's name, by changing what members say.

use std::cell::OnceCell;

use standin_core::gossip::config::Role;
use standin_core::gossip::resp::{Replies, RespError};
use standin_core::gossip::slots::SlotSet;
use standin_core::gossip::types::{Epoch, NodeFlags, NodeId};
use standin_core::gossip::wire::{self, Header, Kind, NewEntry, Packet};
use standin_core::gossip::{BUS, CLIENTS, Config, Gossip};
use standin_core::time::Duration;

use crate::room::{Client, Room};
use crate::take::Take;

const SECOND: u64 = 1_000_000;
const NODES: usize = 4;
/// How long the deeds of one input may take together.
const TIME_MAX: u64 = 20 * SECOND;

thread_local! {
    static SETTLED: [OnceCell<(Room<Gossip>, [Client; 2])>; 2] = const { [const { OnceCell::new() }; 2] };
}

/// Four nodes a while after their start, and a client each of the first and the last: these two
/// with registers, or as the daemon is, without data.
fn settled(bare: bool) -> (Room<Gossip>, [Client; 2]) {
    SETTLED.with(|settled| settled[usize::from(bare)].get_or_init(|| begin(bare)).clone())
}

fn name(number: usize) -> NodeId {
    NodeId::new(format!("{number:040x}").as_bytes()).expect("a name")
}

fn begin(bare: bool) -> (Room<Gossip>, [Client; 2]) {
    let mut room = Room::new();
    let kinds = ["master - 0 1 1 connected 0-5460", "master - 0 1 2 connected 5461-10922"];
    let replica = format!("slave {} 0 1 1 connected", name(0));
    let kinds = [kinds[0], kinds[1], "master - 0 1 3 connected 10923-16383", &replica];
    for host in 0..NODES {
        let mut file = String::new();
        for (other, kind) in kinds.iter().enumerate() {
            let myself = if other == host { "myself," } else { "" };
            let address = Room::<Gossip>::address(other);
            file += &format!("{} {address}:6379@16379 {myself}{kind}\n", name(other));
        }
        file += "vars currentEpoch 3 lastVoteEpoch 0\n";
        let address = Room::<Gossip>::address(host);
        let role = match host {
            0 if bare => Role::Witness,
            3 if bare => Role::Replica { stands: true },
            _ => Role::Register,
        };
        let config = Config { node_timeout: Duration::from_secs(2), role, ..Config::new(address, 6379) };
        room.add(Gossip::new(config, host as u64 + 1), &[("nodes.conf", &file)]);
    }
    room.run(10 * SECOND);
    for host in 0..NODES {
        let machine = room.machine(host).expect("it runs");
        assert_eq!((machine.size(), machine.table().len()), (3, NODES));
        assert_eq!(machine.master().is_some(), host == 3);
    }
    let clients = [0, 3].map(|host| room.client(host, CLIENTS));
    room.run(SECOND);
    (room, clients)
}

/// Deeds from bytes, and then a while of peace.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Take(bytes);
    let Some(kind) = input.byte() else { return };
    let mut story = Story::begin(kind & 1 != 0, input);
    while story.deed().is_some() {}
    story.room.run(3 * SECOND);
    story.room.check();
    story.clients.into_iter().for_each(|client| story.listen(client));
}

/// Commands from bytes, in lines as a person types them: `>` in front makes one the replica's
/// client's, `!` is a client that goes and another that comes, a line of blanks is a while. `#` at the
/// beginning: to nodes without data.
pub(crate) fn commands(bytes: &[u8]) {
    let (bytes, bare) = bytes.strip_prefix(b"#").map_or((bytes, false), |bytes| (bytes, true));
    let mut story = Story::begin(bare, Take(&[]));
    for line in bytes.split(|&byte| byte == b'\n') {
        match line {
            [] => story.wait(SECOND / 10),
            [b' ', rest @ ..] => story.wait((rest.len() as u64 + 1) * SECOND / 2),
            [b'!', rest @ ..] => {
                let at = usize::from(rest.first().is_some_and(|&byte| byte == b'!'));
                story.again(at);
            }
            [b'>', command @ ..] => story.command(1, command),
            command => story.command(0, command),
        }
    }
    story.room.run(3 * SECOND);
    story.room.check();
    story.clients.into_iter().for_each(|client| story.listen(client));
}

struct Story<'a> {
    room: Room<Gossip>,
    clients: [Client; 2],
    stranger: Option<Client>,
    /// Clients that may have become replicas, whose streams are other ones.
    replicas: Vec<Client>,
    input: Take<'a>,
    left: u64,
}

impl<'a> Story<'a> {
    fn begin(bare: bool, input: Take<'a>) -> Self {
        let (room, clients) = settled(bare);
        Self { room, clients, stranger: None, replicas: Vec::new(), input, left: TIME_MAX }
    }

    fn deed(&mut self) -> Option<()> {
        match self.input.byte()? % 12 {
            0 => {
                let us = u64::from(self.input.byte()?) * SECOND / 20;
                self.wait(us);
            }
            1 => {
                let at = usize::from(self.input.byte()? & 1);
                let bytes = self.input.some()?;
                // In pieces it might be anything.
                if bytes.iter().any(|byte| matches!(byte, b'y' | b'Y' | b'\\')) {
                    self.replicas.push(self.clients[at]);
                }
                self.room.say(self.clients[at], bytes);
            }
            2..=4 => {
                let packet = self.packet()?;
                let (from, to, dialled) = self.way()?;
                self.room.speak_as(from, to, dialled, &packet);
            }
            5 => {
                let bytes = self.input.many()?;
                let (from, to, dialled) = self.way()?;
                self.room.speak_as(from, to, dialled, bytes);
            }
            6 => {
                let packet = self.packet()?;
                let stranger = self.stranger();
                self.room.say(stranger, &packet);
            }
            7 => {
                let bytes = self.input.many()?;
                let stranger = self.stranger();
                self.room.say(stranger, bytes);
            }
            8 => {
                let at = usize::from(self.input.byte()? & 1);
                self.again(at);
            }
            9 => self.bend()?,
            10 => {
                let (from, to, _) = self.way()?;
                self.room.cut(from, to);
            }
            _ => {
                let at = usize::from(self.input.byte()? & 1);
                let line = self.input.some()?;
                self.command(at, line);
            }
        }
        Some(())
    }

    fn wait(&mut self, us: u64) {
        let us = us.min(self.left);
        self.left -= us;
        self.room.run(us);
    }

    /// From whom, to whom, on a stream that the speaker dialled or the listener.
    fn way(&mut self) -> Option<(usize, usize, bool)> {
        let byte = usize::from(self.input.byte()?);
        let to = [0, 3][byte & 1];
        let from = [1, 2, 3 - to][(byte >> 1) % 3];
        Some((from, to, byte & 8 == 0))
    }

    /// Somebody nobody knows, on the bus of the first.
    fn stranger(&mut self) -> Client {
        let still = self.stranger.filter(|stranger| self.room.is_open(*stranger));
        let stranger = still.unwrap_or_else(|| self.room.client(0, BUS));
        self.stranger = Some(stranger);
        stranger
    }

    /// A client goes, and another comes.
    fn again(&mut self, at: usize) {
        self.listen(self.clients[at]);
        self.room.hang_up(self.clients[at]);
        self.clients[at] = self.room.client([0, 3][at], CLIENTS);
    }

    /// A name: one of ours, a stranger's, or none.
    fn id(&mut self) -> Option<NodeId> {
        Some(name(usize::from(self.input.byte()?) % 8))
    }

    fn epoch(&mut self) -> Option<Epoch> {
        Some(match self.input.byte()? {
            byte @ 0..=239 => Epoch(u64::from(byte) % 16),
            _ => Epoch(self.input.wide()?),
        })
    }

    fn slots(&mut self) -> Option<SlotSet> {
        let mut slots = SlotSet::new();
        for _ in 0..self.input.byte()? % 4 {
            let (first, more) = (self.input.short()? % 16_384, self.input.short()? % 8_192);
            slots.insert_range(first, first.saturating_add(more).min(16_383));
        }
        Some(slots)
    }

    /// A packet that could be one.
    fn packet(&mut self) -> Option<Vec<u8>> {
        let kind = self.input.one_of(&Kind::ALL)?;
        let flags = NodeFlags::from_bits_retain(self.input.short()?);
        let replica = flags.contains(NodeFlags::REPLICA);
        let odd = self.input.byte()?;
        let header = Header {
            kind,
            port: if odd & 1 == 0 { 6_379 } else { 0 },
            plain_port: 0,
            bus_port: if odd & 2 == 0 { 16_379 } else { 7 },
            current_epoch: self.epoch()?,
            config_epoch: self.epoch()?,
            offset: if odd & 4 == 0 { 0 } else { self.input.wide()? },
            sender: self.id()?,
            replica_of: if replica { Some(self.id()?) } else { None },
            announced_ip: (odd & 8 != 0).then_some(Room::<Gossip>::address(usize::from(odd >> 6))),
            flags,
            state_ok: odd & 16 == 0,
            mflags: [if odd & 32 == 0 { 0 } else { self.input.byte()? & !wire::EXT_DATA }, 0, 0],
        };
        let slots = self.slots()?;
        let mut bytes = Vec::new();
        wire::begin(&mut bytes, &header, &slots);
        match kind {
            Kind::Ping | Kind::Pong | Kind::Meet => {
                for _ in 0..self.input.byte()? % 6 {
                    let entry = self.entry()?;
                    wire::push_entries(&mut bytes, [entry]);
                }
                if let Some(letter) = self.input.byte().filter(u8::is_ascii_lowercase) {
                    wire::push_hostname(&mut bytes, &char::from(letter).to_string());
                }
            }
            Kind::Fail => wire::push_fail(&mut bytes, self.id()?),
            Kind::Publish | Kind::PublishShard => {
                wire::push_publish(&mut bytes, self.input.some()?, self.input.some()?);
            }
            Kind::Update => {
                let (epoch, id, slots) = (self.epoch()?, self.id()?, self.slots()?);
                wire::push_update(&mut bytes, epoch, id, &slots);
            }
            Kind::Module => wire::push_module(&mut bytes, [0; 8], 1, self.input.some()?),
            Kind::AuthRequest | Kind::AuthAck | Kind::MfStart => {}
        }
        wire::finish(&mut bytes);
        Packet::read(&bytes).expect("what was written can be read");
        Some(bytes)
    }

    fn entry(&mut self) -> Option<NewEntry> {
        let odd = self.input.byte()?;
        Some(NewEntry {
            id: self.id()?,
            ping_sent: 0,
            pong_received: self.input.short()?.into(),
            ip: (odd & 1 == 0).then_some(Room::<Gossip>::address(usize::from(odd >> 5))),
            port: 6_379,
            bus_port: if odd & 2 == 0 { 16_379 } else { 0 },
            plain_port: 0,
            flags: NodeFlags::from_bits_retain(self.input.short()?),
        })
    }

    /// Some bytes of what a node says next are others; without any, it is lost, or said twice.
    fn bend(&mut self) -> Option<()> {
        let (from, to, _) = self.way()?;
        let at = usize::from(self.input.short()?);
        let with = self.input.some()?.to_vec();
        self.room.twist(from, to, move |bytes| {
            if with.is_empty() {
                let twice = if at.is_multiple_of(2) { bytes.clone() } else { Vec::new() };
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

    fn command(&mut self, at: usize, line: &[u8]) {
        if line.contains(&b'\\') || line.windows(4).any(|word| word.eq_ignore_ascii_case(b"sync")) {
            self.replicas.push(self.clients[at]);
        }
        self.room.say(self.clients[at], &[line, b"\r\n"].concat());
        self.wait(SECOND / 1_000);
    }

    /// What a client was told are whole replies, unless it is a replica.
    fn listen(&mut self, client: Client) {
        let told = self.room.hear(client);
        if self.replicas.contains(&client) {
            return;
        }
        let mut replies = Replies::new();
        replies.feed(&told);
        loop {
            match replies.next() {
                Ok(Some(_)) => {}
                Ok(None) => break assert_eq!(replies.held(), 0, "a reply is not whole"),
                // What RESP3's clients are told unasked is nothing a replica hears.
                Err(RespError::NoReply { got: b'>' }) => break,
                Err(error) => panic!("no reply: {error}: {:?}", String::from_utf8_lossy(&told)),
            }
        }
    }
}
