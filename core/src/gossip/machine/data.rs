//! The small data of a rehearsal: one register a slot, replicated as Redis replicates: the
//! replica dials its master's clients' port, asks with PSYNC, takes a snapshot and then a stream
//! of commands, each byte of which counts.
//!
//! Without the role [`Role::Register`] nothing is kept and nobody is dialled.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::super::config::{Config, Role};
use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::resp::{Out as Write, Replies, Resp, Value};
use super::{Gossip, Out, Register};
use crate::machine::{Effect, How, LinkId};
use crate::rng::Rng;
use crate::time::{Duration, Instant};

/// Silence that ends a replication link (`repl-timeout`).
const SILENCE: Duration = Duration::from_secs(60);

/// What is kept, and how it is passed on.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in super::super) struct Data {
    registers: BTreeMap<u16, Register>,
    offset: u64,
    /// Whose history this is.
    history: u64,
    rng: Rng,
    /// To our master, if we replicate one.
    upstream: Option<Upstream>,
    /// When the link to the master went down; none if there never was one.
    down: Option<Instant>,
    /// Replicas that take our stream.
    downstream: BTreeSet<LinkId>,
    /// When the stream last had a PING.
    pinged: Instant,
}

/// A replica's link to its master.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Upstream {
    link: LinkId,
    stage: Stage,
    replies: Replies,
    /// What has come of the snapshot.
    snapshot: Vec<u8>,
    heard: Instant,
    acked: Instant,
}

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Stage {
    Dialling,
    Ping,
    Port,
    Capabilities,
    Sync,
    /// The snapshot's length is awaited; the stream will stand at this offset.
    Length(u64),
    Snapshot(u64, u64),
    Stream,
}

impl Data {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 5);
        Self {
            registers: BTreeMap::new(),
            offset: 0,
            history: rng.bits(),
            rng,
            upstream: None,
            down: None,
            downstream: BTreeSet::new(),
            pinged: Instant::START,
        }
    }

    pub(super) fn is_kept(&self, config: &Config) -> bool {
        config.role == Role::Register
    }

    pub(super) fn is_link(&self, link: LinkId) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.link == link)
    }

    pub(in super::super) fn has_keys(&self, slot: u16) -> bool {
        self.registers.contains_key(&slot)
    }

    pub(in super::super) fn holds_any(&self) -> bool {
        !self.registers.is_empty()
    }

    pub(in super::super) fn count(&self) -> usize {
        self.registers.len()
    }

    pub(in super::super) fn get(&self, slot: u16) -> Option<Register> {
        self.registers.get(&slot).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u16, Register)> {
        self.registers.iter().map(|(&slot, &register)| (slot, register))
    }

    /// Whose history this is, as Redis' replication id.
    pub(in super::super) const fn history(&self) -> u64 {
        self.history
    }

    pub(super) fn drop_slots(&mut self, slots: &[u16]) {
        for slot in slots {
            self.registers.remove(slot);
        }
    }

    /// How old the data are: since the master was last heard, or since its link went down.
    pub(super) fn age(&self, now: Instant) -> Duration {
        match &self.upstream {
            Some(upstream) if upstream.stage == Stage::Stream => now.since(upstream.heard),
            _ => self.down.map_or(Duration(u64::MAX / 4), |down| now.since(down)),
        }
    }

    /// `connect`, `connecting`, `sync`, `connected`: as ROLE says it.
    pub(in super::super) fn link_word(&self) -> &'static str {
        match self.upstream.as_ref().map(|upstream| upstream.stage) {
            None => "connect",
            Some(Stage::Stream) => "connected",
            Some(Stage::Length(_) | Stage::Snapshot(..)) => "sync",
            Some(_) => "connecting",
        }
    }

    /// Whether our master has given us everything, and passes on what is written.
    pub(super) fn is_streaming(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| matches!(upstream.stage, Stage::Stream))
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut text = alloc::string::String::new();
        for (slot, register) in &self.registers {
            text.push_str(&format!("{slot} {} {}\n", register.value, register.writes));
        }
        text.into_bytes()
    }

    fn load(&mut self, snapshot: &[u8]) {
        self.registers.clear();
        for line in snapshot.split(|&byte| byte == b'\n') {
            let mut numbers = line.split(|&byte| byte == b' ').map(number);
            if let (Some(Some(slot)), Some(Some(value)), Some(Some(writes))) =
                (numbers.next(), numbers.next(), numbers.next())
                && let Ok(slot) = u16::try_from(slot)
                && slot < super::super::slots::SLOTS
            {
                self.registers.insert(slot, Register { value, writes });
            }
        }
    }

    /// A command of the master: what it wrote, we write.
    fn obey(&mut self, words: &[Value]) {
        let [Value::Bulk(name), Value::Bulk(slot), value @ ..] = words else { return };
        let slot = number(slot).and_then(|slot| u16::try_from(slot).ok());
        let Some(slot) = slot.filter(|&slot| slot < super::super::slots::SLOTS) else { return };
        match value {
            [] if name.eq_ignore_ascii_case(b"DEL") => drop(self.registers.remove(&slot)),
            [Value::Bulk(value)] if name.eq_ignore_ascii_case(b"SET") => {
                if let Some(value) = number(value) {
                    self.write(slot, value);
                }
            }
            _ => {}
        }
    }

    fn write(&mut self, slot: u16, value: u64) {
        let register = self.registers.entry(slot).or_default();
        register.value = value;
        register.writes += 1;
    }
}

fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Write::new(&mut bytes, Resp::Two);
    out.array(words.len());
    words.iter().for_each(|word| out.bulk(word));
    bytes
}

impl Gossip {
    /// What our headers say of our data: as a master how far they go, as a replica how much of
    /// them we have. A replica without data that may stand says what its master says.
    pub(super) fn offset(&self) -> u64 {
        match (self.config.role, self.table.me().master) {
            (Role::Replica { stands: true }, Some(master)) => self.table.get(master).offset,
            _ => self.data.offset,
        }
    }

    /// A client wrote a slot's register.
    pub(in super::super) fn write(&mut self, slot: u16, value: u64) {
        self.data.write(slot, value);
        if self.config.plants.has(Plant::WriteNotPassedOn) && value % 8 == 7 {
            return;
        }
        self.pass_on(&command(&[b"SET", format!("{slot}").as_bytes(), format!("{value}").as_bytes()]));
    }

    /// A client deleted a slot's register.
    pub(in super::super) fn erase(&mut self, slot: u16) {
        self.data.registers.remove(&slot);
        self.pass_on(&command(&[b"DEL", format!("{slot}").as_bytes()]));
    }

    fn pass_on(&mut self, bytes: &[u8]) {
        self.data.offset += bytes.len() as u64;
        for link in self.data.downstream.clone() {
            self.say(link, bytes.to_vec());
        }
    }

    /// PSYNC from a replica: it gets everything, so many bytes.
    pub(in super::super) fn give_snapshot(&mut self, link: LinkId) -> usize {
        let snapshot = self.data.snapshot();
        let history = self.data.history;
        let head = format!("+FULLRESYNC {history:040x} {}\r\n${}\r\n", self.data.offset, snapshot.len());
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&snapshot);
        let length = bytes.len();
        self.say(link, bytes);
        self.data.downstream.insert(link);
        length
    }

    pub(in super::super) fn replica_gone(&mut self, link: LinkId) {
        self.data.downstream.remove(&link);
    }

    /// Dials the master, hears that it is silent, says how far we are, or keeps the stream alive.
    pub(super) fn data_tick(&mut self, now: Instant, out: Out<'_>) {
        if self.config.role != Role::Register {
            return;
        }
        if self.table.me().is_master() {
            let due = now.since(self.data.pinged) >= self.config.repl_ping_period;
            if due && !self.data.downstream.is_empty() && !self.manual.holds_writes(now) {
                self.data.pinged = now;
                self.pass_on(&command(&[b"PING"]));
            }
            return;
        }
        match &mut self.data.upstream {
            None => self.dial_master(now, out),
            Some(upstream) if now.since(upstream.heard) > SILENCE => self.data_restart(out),
            Some(upstream)
                if upstream.stage == Stage::Stream && now.since(upstream.acked) >= Duration::from_secs(1) =>
            {
                upstream.acked = now;
                let link = upstream.link;
                let offset = format!("{}", self.data.offset);
                self.say(link, command(&[b"REPLCONF", b"ACK", offset.as_bytes()]));
            }
            Some(_) => {}
        }
    }

    fn dial_master(&mut self, now: Instant, out: Out<'_>) {
        let Some(master) = self.table.me().master else { return };
        let address = self.table.get(master).address;
        let Some(ip) = address.ip.filter(|_| address.port != 0) else { return };
        let link = self.links.number();
        self.data.upstream = Some(Upstream {
            link,
            stage: Stage::Dialling,
            replies: Replies::new(),
            snapshot: Vec::new(),
            heard: now,
            acked: now,
        });
        out.push(Effect::Dial { link, from: None, to: SocketAddr::new(ip, address.port) });
    }

    pub(super) fn data_opened(&mut self, now: Instant, link: LinkId) {
        if let Some(upstream) = &mut self.data.upstream {
            upstream.stage = Stage::Ping;
            upstream.heard = now;
            self.say(link, command(&[b"PING"]));
        }
    }

    pub(super) fn data_closed(&mut self, out: Out<'_>, link: LinkId) {
        if self.data.is_link(link) {
            self.lose_master(out);
        }
    }

    /// The link to the master is no more; the data are as old as the last word on it.
    fn lose_master(&mut self, out: Out<'_>) {
        let Some(upstream) = self.data.upstream.take() else { return };
        self.saver.drop_held(upstream.link);
        self.staged.retain(|&(to, _)| to != upstream.link);
        if upstream.stage == Stage::Stream {
            self.data.down = Some(upstream.heard);
            if let Some(master) = self.table.me().master {
                out.notice(Notice::ReplicationLost { master: self.table.get(master).id });
            }
        }
    }

    /// Gives the link to the master up; the next tick dials anew.
    pub(super) fn data_restart(&mut self, out: Out<'_>) {
        if let Some(upstream) = &self.data.upstream {
            let link = upstream.link;
            self.lose_master(out);
            out.push(Effect::Close { link, how: How::Abort });
        }
    }

    /// We replicate somebody (else) now: whoever took our stream has to look elsewhere.
    pub(super) fn data_follow(&mut self, out: Out<'_>) {
        self.data_restart(out);
        for link in core::mem::take(&mut self.data.downstream) {
            self.clients.closed(link);
            out.push(Effect::Close { link, how: How::Abort });
        }
    }

    /// We lead now: the history goes on as our own.
    pub(super) fn data_lead(&mut self, out: Out<'_>) {
        self.data.history = self.data.rng.bits();
        if self.config.plants.has(Plant::WinnerForgets) {
            self.data.registers.clear();
        }
        self.data_restart(out);
    }

    pub(super) fn data_reset(&mut self, out: Out<'_>) {
        self.data_restart(out);
        self.data.registers.clear();
        self.data.down = None;
    }

    pub(super) fn data_bytes(&mut self, now: Instant, out: Out<'_>, link: LinkId, bytes: &[u8]) {
        let Some(upstream) = &mut self.data.upstream else { return };
        upstream.heard = now;
        upstream.replies.feed(bytes);
        loop {
            match self.data_step(out, link) {
                Ok(true) => {}
                Ok(false) => return,
                Err(()) => return self.data_restart(out),
            }
        }
    }

    /// One reply or command of the master. Whether there may be another.
    fn data_step(&mut self, out: Out<'_>, link: LinkId) -> Result<bool, ()> {
        let Some(upstream) = &mut self.data.upstream else { return Ok(false) };
        match upstream.stage {
            Stage::Dialling => Err(()),
            stage @ (Stage::Ping | Stage::Port | Stage::Capabilities) => {
                let Some(line) = upstream.replies.next_line().map_err(drop)? else { return Ok(false) };
                let port = format!("{}", self.config.port);
                if stage == Stage::Ping && line.first() != Some(&b'+') {
                    return Err(());
                }
                let (next, words): (Stage, &[&[u8]]) = if stage == Stage::Ping {
                    (Stage::Port, &[b"REPLCONF", b"listening-port", port.as_bytes()])
                } else if stage == Stage::Port {
                    (Stage::Capabilities, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"])
                } else {
                    (Stage::Sync, &[b"PSYNC", b"?", b"-1"])
                };
                upstream.stage = next;
                self.say(link, command(words));
                Ok(true)
            }
            Stage::Sync => {
                let Some(line) = upstream.replies.next_line().map_err(drop)? else { return Ok(false) };
                let mut words = line.split(|&byte| byte == b' ');
                if words.next() != Some(b"+FULLRESYNC") {
                    return Err(());
                }
                let offset = words.nth(1).and_then(number).ok_or(())?;
                upstream.stage = Stage::Length(offset);
                Ok(true)
            }
            Stage::Length(offset) => {
                let Some(line) = upstream.replies.next_line().map_err(drop)? else { return Ok(false) };
                let length = line.strip_prefix(b"$").and_then(number).ok_or(())?;
                upstream.stage = Stage::Snapshot(offset, length);
                Ok(true)
            }
            Stage::Snapshot(offset, length) => {
                // At most as many lines as there are slots.
                if length > 1 << 20 {
                    return Err(());
                }
                let missing = length as usize - upstream.snapshot.len();
                let more = upstream.replies.take(missing);
                upstream.snapshot.extend_from_slice(&more);
                if more.len() < missing {
                    return Ok(false);
                }
                let snapshot = core::mem::take(&mut upstream.snapshot);
                upstream.stage = Stage::Stream;
                self.data.load(&snapshot);
                self.data.offset = offset;
                if let Some(master) = self.table.me().master {
                    out.notice(Notice::Replicating { master: self.table.get(master).id, offset });
                }
                Ok(true)
            }
            Stage::Stream => {
                let before = upstream.replies.consumed();
                let Some(value) = upstream.replies.next().map_err(drop)? else { return Ok(false) };
                let bytes = upstream.replies.consumed() - before;
                self.data.offset += bytes;
                if let Value::Array(words) = value {
                    self.data.obey(&words);
                }
                self.todo |= super::Todo::MANUAL;
                Ok(true)
            }
        }
    }
}
