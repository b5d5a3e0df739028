//! Doing CTDB's actions to a world: `operator` with the stock tool, `files` on disks, `forge`
//! between daemons, `databases` as programs that keep data there.

mod databases;
mod files;
mod forge;
mod operator;
#[cfg(test)]
mod tests;

use standin_core::ctdb::wire::RequestData;
use standin_core::ctdb::{Ctdb, Order};
use standin_core::machine::Endpoint;

use super::build::Cluster;
use super::tool::Packets;
use super::verbs::{Action, AddressesFile, Operator, StartAs, Whom};
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
        Action::Reload(who) => files::reload(cluster, world, *who),
        Action::WriteNodes(who, lines) => files::write_nodes(cluster, world, *who, lines),
        Action::Renodes(who, lines) => {
            files::write_nodes(cluster, world, *who, lines);
            files::reload(cluster, world, *who);
        }
        Action::Operator(whom, operator) => operator::operate(cluster, world, *whom, operator),
        Action::MoveIp { address, to, on } => operator::move_ip(cluster, world, *address, *to, *on),
        Action::WriteAddresses(who, file) => files::write_addresses(cluster, world, *who, file),
        Action::ReloadIps(who) => operator::reload_ips(cluster, world, *who),
        Action::Readdress(who, file) => {
            files::write_addresses(cluster, world, *who, file);
            operator::reload_ips(cluster, world, *who);
        }
        Action::WriteTunables(who, all) => files::write_tunables(cluster, world, *who, all),
        Action::ReloadNodes { on } => operator::reload_nodes(cluster, world, *on),
        Action::Ping(from, to) => {
            let number = world.host(*from).machine().and_then(|machine| cluster.number_of(machine, *to));
            if let Some(number) = number {
                operator::write(cluster, world, *from, Packets::new().ask(number, &RequestData::Ping));
            }
        }
        Action::StartAs(who, how) => files::start_as(cluster, world, *who, *how),
        Action::Version(who, version) => files::version(cluster, world, *who, *version),
        Action::Forge(from, to, forgery) => {
            let bytes = forge::forge(cluster, world, *from, *to, *forgery);
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
        Action::Record { host, key, number, deleted } => {
            databases::record(cluster, world, *host, *key, *number, *deleted);
        }
        Action::Transaction(host, number) => databases::transaction(cluster, world, *host, *number),
        Action::Together(all) => all.iter().for_each(|one| act(cluster, world, one)),
    }
}

/// What undoes an action, where something has to.
pub(super) fn undo(cluster: &Cluster, action: &Action) -> Option<Action> {
    match action {
        Action::Renodes(who, _) => Some(Action::Renodes(*who, cluster.nodes_lines())),
        Action::Operator(whom, operator) => {
            // By then somebody else may lead.
            let who = if let Whom::Who(who) = whom { *who } else { Who::All };
            Some(Action::Operator(Whom::Who(who), undo_of(cluster, who, operator)?))
        }
        Action::StartAs(who, StartAs::Stopped | StartAs::Disabled) => {
            Some(Action::StartAs(*who, StartAs::Normal))
        }
        Action::WriteAddresses(who, file) | Action::Readdress(who, file) => {
            (*file != AddressesFile::Original).then_some(Action::Readdress(*who, AddressesFile::Original))
        }
        Action::WriteTunables(who, all) => (!all.is_empty()).then(|| Action::WriteTunables(*who, Vec::new())),
        Action::Together(all) => {
            let mut undone: Vec<_> = all.iter().rev().filter_map(|one| undo(cluster, one)).collect();
            if undone.len() > 1 { Some(Action::Together(undone)) } else { undone.pop() }
        }
        Action::StartAs(_, StartAs::Normal)
        | Action::MoveIp { .. }
        | Action::ReloadIps(_)
        | Action::ReloadNodes { .. }
        | Action::Stop(_)
        | Action::Reload(_)
        | Action::WriteNodes(..)
        | Action::Ping(..)
        | Action::Version(..)
        | Action::Forge(..)
        | Action::Babble(_)
        | Action::Record { .. }
        | Action::Transaction(..) => None,
    }
}

fn undo_of(cluster: &Cluster, who: Who, operator: &Operator) -> Option<Operator> {
    match operator {
        Operator::Disable => Some(Operator::Enable),
        Operator::StopNode => Some(Operator::Continue),
        Operator::Ban(_) => Some(Operator::Unban),
        Operator::AddIp(entry) => Some(Operator::DelIp(entry.address)),
        Operator::DelIp(address) => {
            let entry = |host| cluster.public_of(host).find(|entry| entry.address == *address);
            let mut had = hosts(cluster, who).into_iter().map(entry);
            let first = had.next()??;
            had.all(|entry| entry.is_some()).then(|| Operator::AddIp(first.clone()))
        }
        Operator::SetIfaceLink(interface, false) => Some(Operator::SetIfaceLink(interface.clone(), true)),
        Operator::SetTunable(name, _) => {
            cluster.tunables().get(name).map(|value| Operator::SetTunable(name, value))
        }
        Operator::SetIfaceLink(_, true)
        | Operator::Enable
        | Operator::Continue
        | Operator::Unban
        | Operator::GratArp(..)
        | Operator::IpReallocate
        | Operator::Recover
        | Operator::Shutdown => None,
    }
}

/// Files as at the beginning, every fault undone, every daemon told of its files, every node as
/// configured.
pub(super) fn heal(cluster: &Cluster, world: &mut World<Ctdb>) {
    files::restore(cluster, world);
    world.befall(&Fault::Heal);
    files::reload(cluster, world, Who::All);
    operator::restore(cluster, world);
}

/// Whether a program can be run on the host, and finds its daemon.
fn able(world: &World<Ctdb>, host: HostId) -> bool {
    world.host(host).runs() && world.host(host).awake()
}
