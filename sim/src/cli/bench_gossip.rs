//! Redis Cluster's gossip by numbers: what the bus carries at rest, how long a death takes, what
//! a packet costs, and a thousand nodes. Beside them what was measured of Redis 7.0.15.

use std::path::Path;

use serde::Serialize;
use standin_core::gossip::table::Node;
use standin_core::gossip::types::NodeFlags;
use standin_core::gossip::wire::{self, Header, Kind as Message, NewEntry};
use standin_core::gossip::{Gossip, Notice};
use standin_core::machine::{Input, LinkInput, Machine as _, Outbox};
use standin_core::time::{Duration, Instant};
use standin_sim::gossip::GossipKit;
use standin_sim::kit::Kit;
use standin_sim::plan::Setup;
use standin_sim::world::fault::{Fault, Who};
use standin_sim::world::moment::{HostId, Moment};
use standin_sim::world::{News, World};

use super::file::Aside;
use super::show::{Paint, columns, grouped, section, spinner};
use super::{Refusal, print, wall};

/// A load as it was measured on real nodes: nodes, node timeout in seconds, messages a second sent
/// by a node, bytes a message, kB a second on the wire.
const LOADS: [(u32, u64, &str, &str, &str); 5] = [
    (6, 15, "1.96", "2568", "5.38"),
    (30, 15, "5.14", "2568", "14.2"),
    (30, 2, "49.8", "2568", "138.2"),
    (100, 15, "10.5", "3269", "38.1"),
    (200, 15, "14.0", "4335", "66.1"),
];

/// A death as it was measured: node timeout in seconds; until FAIL at all five, until promoted, as
/// min / median / max.
const DEATHS: [(u64, &str, &str); 3] = [
    (2, "2.82 / 3.04 / 3.23", "3.54 / 3.85 / 4.04"),
    (5, "5.61 / 6.94 / 7.29", "6.48 / 7.74 / 8.19"),
    (15, "16.83 / 17.62 / 17.90", "17.69 / 18.33 / 18.50"),
];

/// Headers of Ethernet, IP and TCP with time stamps, for each segment and each ACK.
const SEGMENT: u64 = 66;
/// Payload of a segment.
const MSS: u64 = 1_448;

#[derive(Serialize)]
struct Load {
    nodes: u32,
    node_timeout_s: u64,
    messages_a_second: f64,
    bytes_a_message: f64,
    wire_kb_a_second: f64,
}

#[derive(Serialize)]
struct Death {
    node_timeout_s: u64,
    fail_us: Vec<u64>,
    promoted_us: Vec<u64>,
}

#[derive(Serialize)]
struct Thousand {
    nodes: u32,
    simulated_s: u64,
    cpu_s: f64,
    events: u64,
    messages: u64,
    bytes_a_second: u64,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// The bus at rest.
    Rest,
    /// How long a master's death takes.
    Deaths,
    /// What a packet costs.
    Packets,
    /// A thousand nodes for ten minutes.
    Thousand,
}

/// Measures what was asked for and prints the tables.
pub(super) fn run(machine: &str, parts: &[Part], seeds: u64, json: Option<&Path>) -> Result<u8, Refusal> {
    let json = json.map(Aside::begin).transpose()?;
    let paint = Paint::stdout();
    print(&format!("{}\n{machine}\n", paint.bold("gossip bench")));
    let wanted = |part| parts.contains(&part);
    let mut all = serde_json::json!({ "machine": machine });
    if wanted(Part::Rest) {
        let busy = spinner("clusters at rest".to_owned());
        let loads: Vec<Load> = LOADS.iter().map(|&(nodes, timeout, ..)| load(nodes, timeout)).collect();
        busy.finish_and_clear();
        let title = "the bus at rest, sent by a node; Redis as measured";
        print(&section(paint, title, &columns(&load_rows(&loads))));
        print(&claim(&loads));
        all["loads"] = serde_json::json!(loads);
    }
    if wanted(Part::Deaths) {
        let busy = spinner("masters die".to_owned());
        let deaths: Vec<Death> = DEATHS.iter().map(|&(timeout, ..)| death(timeout, seeds)).collect();
        busy.finish_and_clear();
        let title =
            format!("a master is killed, 3 masters with a replica each, {seeds} seeds: min / median / max");
        print(&section(paint, &title, &columns(&death_rows(&deaths))));
        all["deaths"] = serde_json::json!(deaths);
    }
    if wanted(Part::Packets) {
        let packets: Vec<(usize, f64)> = [6, 100, 200].into_iter().map(packet).collect();
        print(&section(paint, "a PONG: decoded and handled", &columns(&packet_rows(&packets))));
        all["packets"] = serde_json::json!(packets);
    }
    if wanted(Part::Thousand) {
        let busy = spinner("a thousand nodes".to_owned());
        let thousand = thousand(1_000, 600);
        busy.finish_and_clear();
        print(&section(paint, "a thousand nodes, ten minutes", &thousand_rows(&thousand)));
        all["thousand"] = serde_json::json!(thousand);
    }
    if let Some(json) = json {
        json.finish(|out| writeln!(out, "{all:#}"))?;
    }
    Ok(0)
}

/// A formed cluster, every daemon started.
fn cluster(seed: u64, masters: u32, replicas: u32, timeout: u64) -> World<Gossip> {
    let mut world = unstarted(seed, masters, replicas, timeout);
    let members: Vec<HostId> = world.members().collect();
    members.into_iter().for_each(|host| world.start(host));
    world
}

/// A formed cluster, no daemon started.
fn unstarted(seed: u64, masters: u32, replicas: u32, timeout: u64) -> World<Gossip> {
    let settings = [
        ("masters", masters.to_string()),
        ("replicas", replicas.to_string()),
        ("node-timeout", (timeout * 1_000).to_string()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let setup = Setup { seed, nodes: masters * (replicas + 1), settings, plant: None };
    let kit = GossipKit::new(&setup).expect("the settings are right");
    kit.build(&setup)
}

/// Lets time pass; what happens is told to `each`.
fn pass(world: &mut World<Gossip>, span: Duration, mut each: impl FnMut(Moment, &News<Gossip>)) {
    let until = world.now() + span;
    while world.advance(until) {
        let now = world.now();
        world.news.drain(..).for_each(|news| each(now, &news));
    }
}

fn traffic(world: &World<Gossip>) -> (u64, u64) {
    let machines = world.members().filter_map(|host| world.host(host).machine());
    machines.fold((0, 0), |(messages, bytes), machine| {
        let traffic = machine.traffic();
        (messages + traffic.sent.iter().sum::<u64>(), bytes + traffic.bytes_sent)
    })
}

fn load(nodes: u32, timeout: u64) -> Load {
    let mut world = cluster(1, nodes, 0, timeout);
    // A cluster needs some node timeouts to settle.
    pass(&mut world, Duration::from_secs(120), |_, _| {});
    let before = traffic(&world);
    let span = 90;
    pass(&mut world, Duration::from_secs(span), |_, _| {});
    let after = traffic(&world);
    let (messages, bytes) = (after.0 - before.0, after.1 - before.1);
    let each = |total: u64| total as f64 / f64::from(nodes) / span as f64;
    let length = bytes / messages.max(1);
    // An ACK for every second segment, and at least one a message.
    let segments = length.div_ceil(MSS);
    let packets = segments + segments.div_ceil(2);
    Load {
        nodes,
        node_timeout_s: timeout,
        messages_a_second: each(messages),
        bytes_a_message: bytes as f64 / messages.max(1) as f64,
        wire_kb_a_second: (each(bytes) + each(messages) * (packets * SEGMENT) as f64) / 1e3,
    }
}

fn load_rows(loads: &[Load]) -> Vec<Vec<String>> {
    let head =
        ["nodes", "node timeout", "messages/s", "Redis", "bytes each", "Redis", "kB/s on the wire", "Redis"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (load, (.., messages, bytes, wire)) in loads.iter().zip(LOADS) {
        rows.push(vec![
            load.nodes.to_string(),
            format!("{} s", load.node_timeout_s),
            format!("{:.2}", load.messages_a_second),
            messages.to_owned(),
            format!("{:.0}", load.bytes_a_message),
            bytes.to_owned(),
            format!("{:.1}", load.wire_kb_a_second),
            wire.to_owned(),
        ]);
    }
    rows
}

/// The claim that the project began with, unit by unit.
fn claim(loads: &[Load]) -> String {
    let Some(big) = loads.iter().find(|load| load.nodes == 200) else { return String::new() };
    let node = big.messages_a_second * big.bytes_a_message;
    let bound = (1.0 + 199.0 / 7.5) * 2.0 * big.bytes_a_message;
    let row = |what: &str, times: f64, unit: &str| {
        let figure = |bytes: f64| match unit {
            "Mbit/s" => format!("{:.2} {unit}", bytes * 8.0 * times / 1e6),
            _ => format!("{:.1} {unit}", bytes * times / 1e6),
        };
        vec![what.to_owned(), figure(node), figure(bound)]
    };
    let rows = vec![
        vec!["reading".to_owned(), "simulated".to_owned(), "upper bound of the ping rule".to_owned()],
        row("a node, sent", 1.0, "Mbit/s"),
        row("a machine of ten nodes, one direction", 10.0, "Mbit/s"),
        row("a machine of ten nodes, both directions", 20.0, "Mbit/s"),
        row("the cluster, counted once", 200.0, "MB/s"),
        row("the cluster, sent and received", 400.0, "MB/s"),
    ];
    section(
        Paint::stdout(),
        "\"200 nodes on 20 machines, 15 s heartbeat: about 25 M\", payload",
        &columns(&rows),
    )
}

fn death(timeout: u64, seeds: u64) -> Death {
    let mut fails = Vec::new();
    let mut promotions = Vec::new();
    for seed in 1..=seeds {
        let mut world = cluster(seed, 3, 1, timeout);
        let phase = Duration::from_millis(20_000 + seed * 7_919 % 10_000 + timeout * 2_000);
        pass(&mut world, phase, |_, _| {});
        let victim = world.host(HostId(0)).machine().map(Gossip::id);
        world.befall(&Fault::Crash(Who::One(HostId(0))));
        let died = world.now();
        let (mut failed, mut last, mut promoted) = (0, None, None);
        pass(&mut world, Duration::from_secs(timeout * 4 + 10), |now, news| {
            let News::Notice(_, notice) = news else { return };
            if matches!(notice, Notice::Fail { id, .. } if Some(*id) == victim) {
                failed += 1;
                last = (failed == 5).then_some(now).or(last);
            }
            if matches!(notice, Notice::Promoted { .. }) {
                promoted = promoted.or(Some(now));
            }
        });
        fails.extend(last.map(|at| at.since(died).as_micros()));
        promotions.extend(promoted.map(|at| at.since(died).as_micros()));
    }
    fails.sort_unstable();
    promotions.sort_unstable();
    Death { node_timeout_s: timeout, fail_us: fails, promoted_us: promotions }
}

fn death_rows(deaths: &[Death]) -> Vec<Vec<String>> {
    let head = ["node timeout", "FAIL at all five", "Redis", "promoted", "Redis", "of"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let spread = |all: &[u64]| {
        let at = |place: usize| {
            all.get(place).map_or_else(|| "-".to_owned(), |us| format!("{:.2}", *us as f64 / 1e6))
        };
        format!("{} / {} / {}", at(0), at(all.len() / 2), at(all.len().wrapping_sub(1)))
    };
    for (death, (_, fail, promoted)) in deaths.iter().zip(DEATHS) {
        rows.push(vec![
            format!("{} s", death.node_timeout_s),
            spread(&death.fail_us),
            fail.to_owned(),
            spread(&death.promoted_us),
            promoted.to_owned(),
            death.promoted_us.len().to_string(),
        ]);
    }
    rows
}

/// What a PONG costs the one who hears it, in nanoseconds, in a cluster of so many.
fn packet(nodes: usize) -> (usize, f64) {
    let mut world = cluster(1, nodes as u32, 0, 15);
    pass(&mut world, Duration::from_secs(5), |_, _| {});
    let mut machine = world.host(HostId(0)).machine().expect("it runs").clone();
    let table = machine.table();
    let sender = world.host(HostId(1)).machine().map(Gossip::id).expect("it runs");
    let node = table.get(table.find(&sender).expect("they know each other"));
    let link = node.link().expect("they are connected");
    let mut bytes = Vec::new();
    let header = Header {
        kind: Message::Pong,
        port: node.address.port,
        plain_port: 0,
        bus_port: node.address.bus_port,
        current_epoch: machine.current_epoch(),
        config_epoch: node.epoch,
        offset: 0,
        sender,
        replica_of: None,
        announced_ip: None,
        flags: NodeFlags::MASTER | NodeFlags::MYSELF,
        state_ok: true,
        mflags: [0; 3],
    };
    wire::begin(&mut bytes, &header, node.slots());
    let told = table.iter().skip(2).take((nodes / 10).max(3).min(nodes - 2));
    let entry = |other: &Node| NewEntry {
        id: other.id,
        ping_sent: 0,
        pong_received: 0,
        ip: other.address.ip,
        port: other.address.port,
        bus_port: other.address.bus_port,
        plain_port: 0,
        flags: NodeFlags::MASTER,
    };
    let told: Vec<NewEntry> = told.map(|(_, other)| entry(other)).collect();
    wire::push_entries(&mut bytes, told);
    wire::finish(&mut bytes);
    let mut out = Outbox::new();
    let now = Instant(60_000_000);
    let rounds = 20_000;
    let ((), took) = wall::cpu_of(|| {
        for _ in 0..rounds {
            machine.handle(now, Input::Link(link, LinkInput::Bytes(&bytes)), &mut out);
            drop(out.take());
        }
    });
    (nodes, took.as_nanos() as f64 / f64::from(rounds))
}

fn packet_rows(packets: &[(usize, f64)]) -> Vec<Vec<String>> {
    let mut rows = vec![["nodes", "gossip entries", "ns"].map(str::to_owned).to_vec()];
    for (nodes, ns) in packets {
        let entries = (nodes / 10).max(3).min(nodes - 2);
        rows.push(vec![nodes.to_string(), entries.to_string(), format!("{ns:.0}")]);
    }
    rows
}

fn thousand(nodes: u32, seconds: u64) -> Thousand {
    let mut world = unstarted(1, nodes, 0, 15);
    let end = world.now() + Duration::from_secs(seconds);
    // Their ticks are spread over the tenth of a second between two of them.
    let apart = Duration(100_000 / u64::from(nodes));
    let members: Vec<HostId> = world.members().collect();
    let ((), took) = wall::cpu_of(|| {
        for host in members {
            world.start(host);
            pass(&mut world, apart, |_, _| {});
        }
        let left = end.since(world.now());
        pass(&mut world, left, |_, _| {});
    });
    let (messages, bytes) = traffic(&world);
    Thousand {
        nodes,
        simulated_s: seconds,
        cpu_s: took.as_secs_f64(),
        events: world.counts.events,
        messages,
        bytes_a_second: bytes / seconds / u64::from(nodes),
    }
}

fn thousand_rows(row: &Thousand) -> String {
    format!(
        "{} nodes x {} s in {:.1} s of one core: {} events, {} messages, {} kB/s of payload a node\n",
        row.nodes,
        row.simulated_s,
        row.cpu_s,
        grouped(row.events),
        grouped(row.messages),
        row.bytes_a_second / 1_000,
    )
}
