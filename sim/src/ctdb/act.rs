//! Doing CTDB's actions to a world.

use standin_core::ctdb::types::{ClientId, Generation, Opcode, Pnn, RequestId};
use standin_core::ctdb::wire::{self, Asked, Body, ControlReply, Header, Keepalive, Pdu, RequestData};
use standin_core::ctdb::{Ctdb, Order};
use standin_core::machine::Endpoint;

use super::build::{CONF, Cluster, NODES, VERSION};
use super::verbs::{Action, Forgery, NodesLine, Operator, StartAs};
use crate::world::World;
use crate::world::fault::{Fault, Who};
use crate::world::moment::HostId;

fn hosts(cluster: &Cluster, who: Who) -> Vec<HostId> {
    match who {
        Who::One(host) => vec![host],
        Who::All => (0..cluster.members).map(HostId).collect(),
    }
}

pub(super) fn act(cluster: &Cluster, world: &mut World<Ctdb>, action: &Action) {
    match action {
        Action::Stop(who) => hosts(cluster, *who).into_iter().for_each(|host| world.order(host, Order::Stop)),
        Action::Reload(who) => reload(cluster, world, *who),
        Action::WriteNodes(who, lines) => write_nodes(cluster, world, *who, lines),
        Action::Renodes(who, lines) => {
            write_nodes(cluster, world, *who, lines);
            reload(cluster, world, *who);
        }
        Action::Operator(who, operator) => {
            let data = match operator {
                Operator::Disable => RequestData::DisableNode,
                Operator::Enable => RequestData::EnableNode,
                Operator::StopNode => RequestData::StopNode,
                Operator::Continue => RequestData::ContinueNode,
            };
            for host in hosts(cluster, *who) {
                ask(cluster, world, host, Pnn::CURRENT_NODE, &data);
            }
        }
        Action::Ping(from, to) => {
            let number = world.host(*from).machine().and_then(|machine| cluster.number_of(machine, *to));
            if let Some(number) = number {
                ask(cluster, world, *from, number, &RequestData::Ping);
            }
        }
        Action::StartAs(who, how) => {
            let text: &[u8] = match how {
                StartAs::Normal => b"",
                StartAs::Stopped => b"[legacy]\nstart as stopped = true\n",
                StartAs::Disabled => b"[legacy]\nstart as disabled = true\n",
            };
            hosts(cluster, *who).into_iter().for_each(|host| world.disk(host).edit(CONF, text));
        }
        Action::Version(who, version) => {
            let text = version.to_string();
            hosts(cluster, *who).into_iter().for_each(|host| world.disk(host).edit(VERSION, text.as_bytes()));
        }
        Action::Forge(from, to, forgery) => {
            let bytes = forge(cluster, world, *from, *to, *forgery);
            world.speak_as(*from, *to, &bytes);
        }
        Action::Babble(who) => {
            let socket = Endpoint::Unix(cluster.config.socket.clone());
            for host in hosts(cluster, *who) {
                if able(world, host) {
                    world.puppet_dial(host, None, &socket, b"GET / HTTP/1.1\r\n\r\n".to_vec());
                }
            }
        }
    }
}

/// What undoes an action, where something has to.
pub(super) fn undo(cluster: &Cluster, action: &Action) -> Option<Action> {
    match action {
        Action::Renodes(who, _) => Some(Action::Renodes(*who, cluster.nodes_lines())),
        Action::Operator(who, Operator::Disable) => Some(Action::Operator(*who, Operator::Enable)),
        Action::Operator(who, Operator::StopNode) => Some(Action::Operator(*who, Operator::Continue)),
        Action::StartAs(who, StartAs::Stopped | StartAs::Disabled) => {
            Some(Action::StartAs(*who, StartAs::Normal))
        }
        Action::StartAs(_, StartAs::Normal)
        | Action::Operator(_, Operator::Enable | Operator::Continue)
        | Action::Stop(_)
        | Action::Reload(_)
        | Action::WriteNodes(..)
        | Action::Ping(..)
        | Action::Version(..)
        | Action::Forge(..)
        | Action::Babble(_) => None,
    }
}

/// Files as at the beginning, every fault undone, every daemon told of its files.
pub(super) fn heal(cluster: &Cluster, world: &mut World<Ctdb>) {
    let file = cluster.file_of(&cluster.nodes_lines());
    for host in (0..cluster.members).map(HostId) {
        let disk = world.disk(host);
        disk.edit(NODES, file.as_bytes());
        disk.remove(CONF);
        disk.remove(VERSION);
    }
    world.befall(&Fault::Heal);
    reload(cluster, world, Who::All);
}

fn reload(cluster: &Cluster, world: &mut World<Ctdb>, who: Who) {
    hosts(cluster, who).into_iter().for_each(|host| world.order(host, Order::Reload));
}

fn write_nodes(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, lines: &[NodesLine]) {
    let text = cluster.file_of(lines);
    for host in hosts(cluster, who) {
        world.disk(host).edit(NODES, text.as_bytes());
    }
}

/// Whether a program can be run on the host, and finds its daemon.
fn able(world: &World<Ctdb>, host: HostId) -> bool {
    world.host(host).runs() && world.host(host).awake()
}

/// An operator's tool on `host` asks a control.
fn ask(cluster: &Cluster, world: &mut World<Ctdb>, host: HostId, to: Pnn, data: &RequestData) {
    if !able(world, host) {
        return;
    }
    let header = Header {
        generation: Generation(0),
        destination: to,
        source: Pnn::UNKNOWN,
        reqid: RequestId(host.0 + 1),
    };
    let mut bytes = Vec::new();
    wire::encode_request(&header, Asked::default(), data, &mut bytes);
    let socket = Endpoint::Unix(cluster.config.socket.clone());
    world.puppet_dial(host, None, &socket, bytes);
}

/// The bytes of a packet nobody should send.
fn forge(cluster: &Cluster, world: &World<Ctdb>, from: HostId, to: HostId, forgery: Forgery) -> Vec<u8> {
    let number = |of| world.host(to).machine().and_then(|machine| cluster.number_of(machine, of));
    let (source, destination) = (number(from).unwrap_or(Pnn(0)), number(to).unwrap_or(Pnn(0)));
    let header = Header { generation: Generation::INVALID, destination, source, reqid: RequestId(0) };
    let packet = |header: Header, body: Body<'_>| {
        let mut bytes = Vec::new();
        Pdu { header, body }.encode(&mut bytes);
        bytes
    };
    let keepalive = |version, uptime| Body::Keepalive(Keepalive { version, uptime });
    let own = cluster.config.version;
    let mut honest = packet(header, keepalive(own, 1));
    match forgery {
        Forgery::BadMagic => honest[4..8].copy_from_slice(b"HTTP"),
        Forgery::Unaligned => {
            honest[..4].copy_from_slice(&44u32.to_le_bytes());
            honest.extend_from_slice(&[0; 4]);
        }
        Forgery::Huge => honest[..4].copy_from_slice(&0xffff_fff8u32.to_le_bytes()),
        Forgery::ShortKeepalive => {
            honest[..4].copy_from_slice(&32u32.to_le_bytes());
            honest.truncate(32);
        }
        Forgery::Liar => return packet(Header { source: destination, ..header }, keepalive(own, 1)),
        Forgery::ForeignVersion => return packet(header, keepalive(0x0004_0012, 1_000_000)),
        Forgery::UnknownOperation => honest[16..20].copy_from_slice(&99u32.to_le_bytes()),
        Forgery::ShortControl => {
            let request = wire::ControlRequest {
                client: ClientId(1),
                ..wire::ControlRequest::new(Opcode::MODIFY_FLAGS, &[1, 2, 3])
            };
            return packet(header, Body::ControlRequest(request));
        }
        Forgery::UnaskedReply => {
            return packet(
                Header { reqid: RequestId(77), ..header },
                Body::ControlReply(ControlReply::status(0)),
            );
        }
    }
    honest
}
