//! The file, read.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{FILE_BYTES_MAX, Line, NodesConf};
use crate::gossip::slots::{SLOTS, SlotSet};
use crate::gossip::types::{Epoch, NodeFlags, NodeId};
use crate::text::{Piece, Problem, Problems, lines, nearest};

const FIELDS: usize = 8;
const EXPECTED_FIELDS: &str = "id, address, flags, master or `-`, ping sent, pong received, epoch, `connected` or `disconnected`, then slots";
const EXPECTED_ID: &str = "40 characters, lowercase letters and digits";
const EXPECTED_ADDRESS: &str = "`10.0.0.1:7000@17000`, perhaps with `,` and a hostname";
const EXPECTED_SLOTS: &str = "`7`, `0-5460`, `[7->-ID]` or `[7-<-ID]`, slots from 0 to 16383";

pub(super) fn read(file: &[u8]) -> Result<NodesConf, Problems> {
    if file.len() > FILE_BYTES_MAX {
        let what = format!("the file has {} bytes", file.len());
        return Err(start().problem(what, format!("at most {FILE_BYTES_MAX} bytes")).into());
    }
    let text = String::from_utf8_lossy(file);
    let mut problems = Problems::new();
    let mut conf = NodesConf::default();
    let mut seen = Seen::new();
    for line in lines(&text).map(Piece::trim).filter(|line| !line.text.is_empty()) {
        let words: Vec<_> = line.words().collect();
        let read = if words.first().is_some_and(|word| word.text.eq_ignore_ascii_case("vars")) {
            vars(&words[1..], &mut conf)
        } else {
            node(line, &words, &mut seen).map(|node| conf.nodes.push(node))
        };
        if let Err(problem) = read {
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        missing(&seen, &mut problems);
    }
    problems.into_result(conf)
}

/// What the file should say somewhere and does not; a line that is wrong might have.
fn missing(seen: &Seen<'_>, problems: &mut Problems) {
    if seen.myself.is_none() {
        problems.push(start().problem("no node is `myself`", "one line with the flag `myself`"));
    }
    for id in &seen.named {
        if NodeId::new(id.text.as_bytes()).is_none_or(|id| !seen.ids.contains_key(&id)) {
            let what = format!("{} has no line", id.quoted());
            problems.push(id.problem(what, "the id of a node in this file"));
        }
    }
}

const fn start() -> Piece<'static> {
    Piece { text: "", line: 1, column: 1 }
}

/// What was said in the lines above.
struct Seen<'a> {
    /// Nodes by id, with their lines.
    ids: BTreeMap<NodeId, usize>,
    /// Ids of nodes that need a line.
    named: Vec<Piece<'a>>,
    /// The line of ourselves.
    myself: Option<usize>,
    /// Lines by slot, 0 for none.
    owners: Vec<usize>,
}

impl Seen<'_> {
    fn new() -> Self {
        Self { ids: BTreeMap::new(), named: Vec::new(), myself: None, owners: vec![0; SLOTS.into()] }
    }
}

/// `currentEpoch 6 lastVoteEpoch 5`
fn vars(words: &[Piece<'_>], conf: &mut NodesConf) -> Result<(), Problem> {
    for pair in words.chunks(2) {
        let &[name, value] = pair else {
            let name = pair[0];
            return Err(name
                .end()
                .problem(format!("{} has no value", name.quoted()), "a value behind each name"));
        };
        if name.text.eq_ignore_ascii_case("currentEpoch") {
            conf.current_epoch = Epoch(number(value, "an epoch")?);
        } else if name.text.eq_ignore_ascii_case("lastVoteEpoch") {
            conf.last_vote_epoch = Epoch(number(value, "an epoch")?);
        } else {
            conf.unknown_vars.push((name.text.into(), value.text.into()));
        }
    }
    Ok(())
}

fn node<'a>(line: Piece<'a>, words: &[Piece<'a>], seen: &mut Seen<'a>) -> Result<Line, Problem> {
    let Some((&[id, address, flags, master, ping, pong, epoch, link], slots)) = words.split_first_chunk()
    else {
        let what = format!("{} fields of {FIELDS} are there", words.len());
        return Err(line.end().problem(what, EXPECTED_FIELDS));
    };
    let mut node = Line {
        id: id_of(id)?,
        ip: None,
        port: 0,
        bus_port: 0,
        hostname: None,
        aux: Vec::new(),
        flags: NodeFlags::empty(),
        master: None,
        ping_sent: 0,
        pong_received: 0,
        epoch: Epoch(0),
        connected: false,
        slots: SlotSet::new(),
        migrating: Vec::new(),
        importing: Vec::new(),
    };
    // A line that is wrong further on is still the node's.
    if let Some(&first) = seen.ids.get(&node.id) {
        let what = format!("this is the node of line {first} already");
        return Err(id.problem(what, "an id of its own for each node"));
    }
    seen.ids.insert(node.id, line.line);
    place(address, &mut node)?;
    node.flags = flags_of(flags, seen)?;
    if master.text != "-" {
        let other = id_of(master)?;
        if other == node.id {
            return Err(master.problem("the node is its own master", "another's id"));
        }
        seen.named.push(master);
        node.master = Some(other);
    }
    node.ping_sent = number(ping, "milliseconds since 1970, or 0")?;
    node.pong_received = number(pong, "milliseconds since 1970, or 0")?;
    node.epoch = Epoch(number(epoch, "an epoch")?);
    node.connected = match link.text {
        "connected" => true,
        "disconnected" => false,
        _ => {
            let words = ["connected", "disconnected"];
            let problem =
                link.problem(format!("{} is no state of a link", link.quoted()), words.join(" or "));
            return Err(problem.or_nearest(nearest(link.text, words)));
        }
    };
    slots.iter().try_for_each(|&word| slots_of(word, &mut node, seen))?;
    node.migrating.sort_unstable_by_key(|&(slot, _)| slot);
    node.importing.sort_unstable_by_key(|&(slot, _)| slot);
    Ok(node)
}

/// `10.0.0.1:7000@17000,host-b,shard-id=…`
fn place(word: Piece<'_>, node: &mut Line) -> Result<(), Problem> {
    let (address, behind) = word.split_once(',').map_or((word, None), |(a, b)| (a, Some(b)));
    let Some(colon) = address.text.rfind(':') else {
        return Err(address.problem(format!("{} has no port", address.quoted()), EXPECTED_ADDRESS));
    };
    let (ip, ports) = (address.part(0, colon), address.part(colon + 1, address.text.len()));
    if !ip.text.is_empty() {
        let parsed: Option<IpAddr> = ip.text.parse().ok();
        let problem = || ip.problem(format!("{} is not an IP address", ip.quoted()), EXPECTED_ADDRESS);
        node.ip = Some(parsed.ok_or_else(problem)?);
    }
    match ports.split_once('@') {
        Some((port, bus_port)) => (node.port, node.bus_port) = (port_of(port)?, port_of(bus_port)?),
        None => {
            node.port = port_of(ports)?;
            // As old files leave it out.
            let bus_port = node.port.checked_add(10_000);
            node.bus_port = bus_port.ok_or_else(|| {
                let what = format!("the bus of {} would be beyond 65535", ports.quoted());
                ports.problem(what, "a port up to 55535, or `@` and the bus's")
            })?;
        }
    }
    let mut behind = behind.into_iter().flat_map(|behind| behind.split(','));
    if let Some(name) = behind.next().filter(|name| !name.text.is_empty()) {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if name.text.len() > 255 || !name.text.bytes().all(known) {
            let what = format!("{} is not a hostname", name.quoted());
            return Err(name.problem(what, "up to 255 letters, digits, points and dashes"));
        }
        node.hostname = Some(name.text.into());
    }
    node.aux = behind.map(|aux| Box::from(aux.text)).collect();
    Ok(())
}

/// `myself,master`
fn flags_of(word: Piece<'_>, seen: &mut Seen<'_>) -> Result<NodeFlags, Problem> {
    let mut flags = NodeFlags::empty();
    for name in word.split(',') {
        let known = NodeFlags::WORDS.iter().find(|(_, word)| word.eq_ignore_ascii_case(name.text));
        match known {
            Some(&(flag, _)) => flags |= flag,
            None if name.text.eq_ignore_ascii_case("noflags") => {}
            None => {
                let words = NodeFlags::WORDS.iter().map(|&(_, word)| word).chain(["noflags"]);
                let expected = words.clone().collect::<Vec<_>>().join(", ");
                let problem = name.problem(format!("{} is not a flag", name.quoted()), expected);
                return Err(problem.or_nearest(nearest(name.text, words)));
            }
        }
    }
    let roles = flags & (NodeFlags::MASTER | NodeFlags::REPLICA);
    let own = flags.contains(NodeFlags::MYSELF);
    if roles == NodeFlags::MASTER | NodeFlags::REPLICA || own && roles.is_empty() {
        let what = format!("{} is not one of the two roles", word.quoted());
        return Err(word.problem(what, "either `master` or `slave`"));
    }
    if own {
        if let Some(first) = seen.myself {
            let what = format!("the node of line {first} is `myself` already");
            return Err(word.problem(what, "one line with the flag `myself`"));
        }
        seen.myself = Some(word.line);
    }
    Ok(flags)
}

/// `7`, `0-5460`, `[7->-ID]` or `[7-<-ID]`
fn slots_of<'a>(word: Piece<'a>, node: &mut Line, seen: &mut Seen<'a>) -> Result<(), Problem> {
    let wrong = || word.problem(format!("{} is not slots", word.quoted()), EXPECTED_SLOTS);
    if word.text.starts_with('[') {
        let end = word.text.strip_suffix(']').ok_or_else(wrong)?.len();
        let (slot, behind) = word.part(1, end).split_once('-').ok_or_else(wrong)?;
        let (way, other) = behind.split_once('-').ok_or_else(wrong)?;
        let moves = match way.text {
            ">" => &mut node.migrating,
            "<" => &mut node.importing,
            _ => return Err(wrong()),
        };
        let (number, id) = (slot_of(slot)?, id_of(other)?);
        if moves.iter().any(|&(held, _)| held == number) {
            return Err(slot.problem(format!("slot {number} moves twice"), "each slot once"));
        }
        seen.named.push(other);
        moves.push((number, id));
        return Ok(());
    }
    let (first, last) = match word.split_once('-') {
        Some((first, last)) => (slot_of(first)?, slot_of(last)?),
        None => (slot_of(word)?, slot_of(word)?),
    };
    if first > last {
        let what = format!("{first} is greater than {last}");
        return Err(word.problem(what, "the lower slot first"));
    }
    for slot in first..=last {
        let owner = &mut seen.owners[usize::from(slot)];
        if *owner != 0 {
            let what = format!("slot {slot} is served by the node of line {owner} already");
            return Err(word.problem(what, "one owner for each slot"));
        }
        *owner = word.line;
    }
    node.slots.insert_range(first, last);
    Ok(())
}

fn slot_of(word: Piece<'_>) -> Result<u16, Problem> {
    let slot = number(word, EXPECTED_SLOTS)?;
    let slot = u16::try_from(slot).ok().filter(|&slot| slot < SLOTS);
    slot.ok_or_else(|| word.problem(format!("there is no slot {}", word.quoted()), EXPECTED_SLOTS))
}

fn port_of(word: Piece<'_>) -> Result<u16, Problem> {
    let port = number(word, EXPECTED_ADDRESS)?;
    u16::try_from(port).map_err(|_| word.problem(format!("{} is not a port", word.quoted()), "up to 65535"))
}

fn id_of(word: Piece<'_>) -> Result<NodeId, Problem> {
    NodeId::new(word.text.as_bytes())
        .ok_or_else(|| word.problem(format!("{} is not a node's id", word.quoted()), EXPECTED_ID))
}

/// Digits, and nothing else.
fn number(word: Piece<'_>, expected: &str) -> Result<u64, Problem> {
    let plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.text.parse().ok().filter(|_| plain);
    number.ok_or_else(|| word.problem(format!("{} is not a number", word.quoted()), expected))
}
