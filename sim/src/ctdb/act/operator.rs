//! What operators do with the stock tool: the packets it writes to the daemon of the host they
//! sit on. The tool waits between its steps until they have shown an effect; here they follow
//! each other at once.

use std::net::IpAddr;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::files::public_addresses::PublicAddress;
use standin_core::ctdb::types::{Pnn, RecoveryMode, SrvId};
use standin_core::ctdb::wire::{
    AddrInfo, BanState, Disable, Interface, InterfaceName, MessageData, PublicIp, RequestData, Seconds,
    SrvIdMessage, Text, TunableSet, WireAddr,
};
use standin_core::machine::Endpoint;

use super::super::build::Cluster;
use super::super::facts::leads;
use super::super::tool::Packets;
use super::super::verbs::{Operator, Whom};
use super::{able, hosts};
use crate::world::World;
use crate::world::fault::{Fault, Who};
use crate::world::moment::HostId;

/// How long the tool has takeover runs and recoveries off.
const OFF: u32 = 20;

/// An operator's tool on `host` writes this to its daemon, if it can.
pub(super) fn write(cluster: &Cluster, world: &mut World<Ctdb>, host: HostId, packets: Packets) {
    let bytes = packets.into_bytes();
    if able(world, host) && !bytes.is_empty() {
        world.puppet_dial(host, None, &Endpoint::Unix(cluster.config.socket.clone()), bytes);
    }
}

/// Operators on these hosts do something to their own nodes.
pub(super) fn operate(cluster: &Cluster, world: &mut World<Ctdb>, whom: Whom, operator: &Operator) {
    let on = match whom {
        Whom::Who(who) => hosts(cluster, who),
        Whom::Leader => leads(world).into_iter().collect(),
    };
    for host in on {
        let machine = world.host(host).machine();
        let packets = own(operator, machine.and_then(Ctdb::pnn));
        write(cluster, world, host, packets);
    }
}

/// What the tool writes on the node it is about, whose number is `own` once it is known.
fn own(operator: &Operator, own: Option<Pnn>) -> Packets {
    let ask = |data: &RequestData| Packets::new().ask(Pnn::CURRENT_NODE, data);
    match operator {
        Operator::Disable => then_reallocate(ask(&RequestData::DisableNode), own),
        Operator::Enable => then_reallocate(ask(&RequestData::EnableNode), own),
        Operator::StopNode => then_reallocate(ask(&RequestData::StopNode), own),
        Operator::Continue => then_reallocate(ask(&RequestData::ContinueNode), own),
        Operator::Ban(seconds) => then_reallocate(ban(Packets::new(), own, *seconds), own),
        Operator::Unban => then_reallocate(ban(Packets::new(), own, 0), own),
        Operator::AddIp(entry) => {
            let added = ask(&RequestData::AddPublicIp(info(entry)));
            match own {
                Some(own) => added.say(Pnn::BROADCAST_CONNECTED, &MessageData::RebalanceNode(own)),
                None => added,
            }
        }
        Operator::DelIp(address) => ask(&RequestData::DelPublicIp(bare(*address, None))),
        Operator::GratArp(address, interface) => {
            ask(&RequestData::SendGratuitousArp(bare(*address, Some(interface.as_str()))))
        }
        Operator::SetIfaceLink(interface, up) => link(Packets::new(), interface, *up),
        Operator::IpReallocate => then_reallocate(Packets::new(), own),
        Operator::Recover => ask(&RequestData::SetRecMode(RecoveryMode::Active)),
        Operator::SetTunable(name, value) => {
            ask(&RequestData::SetTunable(TunableSet { value: *value, name: Text::from(*name) }))
        }
        Operator::Shutdown => ask(&RequestData::Shutdown),
    }
}

/// The tool's last step after most changes: the leader is asked to look where addresses belong.
fn then_reallocate(packets: Packets, own: Option<Pnn>) -> Packets {
    let Some(pnn) = own else { return packets };
    let question = SrvIdMessage { pnn, srvid: SrvId(0) };
    packets.say(Pnn::BROADCAST_CONNECTED, &MessageData::TakeoverRun(question))
}

fn ban(packets: Packets, own: Option<Pnn>, seconds: u32) -> Packets {
    let Some(pnn) = own else { return packets };
    packets.ask(Pnn::CURRENT_NODE, &RequestData::SetBanState(BanState { pnn, seconds }))
}

fn link(packets: Packets, interface: &str, up: bool) -> Packets {
    let Some(name) = InterfaceName::new(interface) else { return packets };
    let interface = Interface { name, link_state: up.into(), references: 0 };
    packets.ask(Pnn::CURRENT_NODE, &RequestData::SetIfaceLinkState(interface))
}

fn info(PublicAddress { address, bits, interfaces }: &PublicAddress) -> AddrInfo {
    let interfaces = Some(Text::from(interfaces.join(",").as_str()));
    AddrInfo { address: WireAddr::public(*address), mask: (*bits).into(), interfaces }
}

fn bare(address: IpAddr, interface: Option<&str>) -> AddrInfo {
    AddrInfo { address: WireAddr::public(address), mask: 0, interfaces: interface.map(Text::from) }
}

/// Where an operator sits who may sit anywhere: the first host with a daemon that knows its number.
fn seat(cluster: &Cluster, world: &World<Ctdb>, on: Option<HostId>) -> Option<HostId> {
    let fit = |host: &HostId| {
        able(world, *host) && world.host(*host).machine().is_some_and(|machine| machine.pnn().is_some())
    };
    on.filter(fit).or_else(|| hosts(cluster, Who::All).into_iter().find(fit).filter(|_| on.is_none()))
}

/// The nodes a machine counts as connected, itself among them.
fn connected(machine: &Ctdb) -> impl Iterator<Item = Pnn> {
    (0..machine.node_count()).map(Pnn).filter(|pnn| machine.is_connected(*pnn))
}

/// Those of them that take part.
fn active(machine: &Ctdb) -> impl Iterator<Item = Pnn> {
    connected(machine).filter(|pnn| machine.flags(*pnn).is_some_and(|flags| !flags.is_inactive()))
}

/// `ctdb moveip`.
pub(super) fn move_ip(
    cluster: &Cluster,
    world: &mut World<Ctdb>,
    address: IpAddr,
    to: HostId,
    on: Option<HostId>,
) {
    let Some(host) = seat(cluster, world, on) else { return };
    let Some(machine) = world.host(host).machine() else { return };
    let Some(pnn) = cluster.number_of(machine, to) else { return };
    let ip = PublicIp { pnn, address: WireAddr::public(address) };
    let mut packets =
        Packets::new().say(Pnn::BROADCAST_CONNECTED, &MessageData::DisableIpCheck(Seconds(OFF)));
    for other in active(machine).filter(|other| *other != pnn) {
        packets = packets.ask(other, &RequestData::ReleaseIp(ip));
    }
    write(cluster, world, host, packets.ask(pnn, &RequestData::TakeoverIp(ip)));
}

/// `ctdb reloadips` for these nodes: on the node itself, or anywhere for all.
pub(super) fn reload_ips(cluster: &Cluster, world: &mut World<Ctdb>, who: Who) {
    let on = if let Who::One(host) = who { Some(host) } else { None };
    let Some(host) = seat(cluster, world, on) else { return };
    let Some(machine) = world.host(host).machine() else { return };
    let Some(own) = machine.pnn() else { return };
    let chosen: Vec<Pnn> = active(machine).filter(|pnn| who == Who::All || *pnn == own).collect();
    let mut packets = disable(Packets::new(), machine, own, MessageData::DisableTakeoverRuns, OFF);
    for pnn in chosen {
        packets = packets.ask(pnn, &RequestData::ReloadPublicIps);
    }
    let packets = disable(packets, machine, own, MessageData::DisableTakeoverRuns, 0);
    write(cluster, world, host, then_reallocate(packets, Some(own)));
}

/// `ctdb reloadnodes`.
pub(super) fn reload_nodes(cluster: &Cluster, world: &mut World<Ctdb>, on: Option<HostId>) {
    let Some(host) = seat(cluster, world, on) else { return };
    let Some(machine) = world.host(host).machine() else { return };
    let Some(own) = machine.pnn() else { return };
    let mut packets = disable(Packets::new(), machine, own, MessageData::DisableRecoveries, OFF);
    for pnn in connected(machine) {
        packets = packets.ask(pnn, &RequestData::ReloadNodesFile);
    }
    let packets = disable(packets, machine, own, MessageData::DisableRecoveries, 0);
    write(cluster, world, host, packets);
}

/// Has every connected node leave something off for a while, or (0) do it again.
fn disable(
    mut packets: Packets,
    machine: &Ctdb,
    own: Pnn,
    what: fn(Disable) -> MessageData,
    seconds: u32,
) -> Packets {
    let answer_to = SrvIdMessage { pnn: own, srvid: SrvId(0) };
    for pnn in connected(machine) {
        packets = packets.say(pnn, &what(Disable { answer_to, seconds }));
    }
    packets
}

/// Every node is as configured again: its flags, its links, its tunables, its addresses.
pub(super) fn restore(cluster: &Cluster, world: &mut World<Ctdb>) {
    let mut asks = true;
    for host in hosts(cluster, Who::All) {
        let Some(machine) = world.host(host).machine() else { continue };
        let Some(own) = machine.pnn() else {
            // It has just started, and hears nobody yet: what it was told to start as stays told,
            // unless it starts anew.
            let config = machine.config();
            if config.start_as_stopped || config.start_as_disabled {
                world.befall(&Fault::Restart(Who::One(host)));
            }
            continue;
        };
        // Even if a flag is not set: the operator who sets it may be on the way.
        let mut packets = ban(Packets::new(), Some(own), 0)
            .ask(Pnn::CURRENT_NODE, &RequestData::ContinueNode)
            .ask(Pnn::CURRENT_NODE, &RequestData::EnableNode)
            // Without the tool's questions: a number that was added has to go too.
            .ask(Pnn::CURRENT_NODE, &RequestData::ReloadNodesFile);
        let (now, configured) = (&machine.config().tunables, cluster.tunables());
        for tunable in &standin_core::ctdb::tunables::TUNABLES {
            let value = configured.get(tunable.name).filter(|value| now.get(tunable.name) != Some(*value));
            if let Some(value) = value {
                let set = TunableSet { value, name: Text::from(tunable.name) };
                packets = packets.ask(Pnn::CURRENT_NODE, &RequestData::SetTunable(set));
            }
        }
        if cluster.public_file(host).is_some() {
            for interface in cluster.wish.interfaces() {
                packets = link(packets, &interface, true);
            }
        }
        packets = packets.ask(Pnn::CURRENT_NODE, &RequestData::ReloadPublicIps);
        if asks && able(world, host) {
            asks = false;
            packets = then_reallocate(packets, Some(own));
        }
        write(cluster, world, host, packets);
    }
}
