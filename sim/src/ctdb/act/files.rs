//! Files on the hosts' disks, and the daemons told of them.

use standin_core::ctdb::{Ctdb, Order};

use super::super::build::{CONF, Cluster, NODES, VERSION};
use super::super::verbs::{AddressesFile, AddressesLine, NodesLine, StartAs};
use super::hosts;
use crate::world::World;
use crate::world::fault::Who;
use crate::world::moment::HostId;

/// Every daemon is told to read its files.
pub(super) fn reload(cluster: &Cluster, world: &mut World<Ctdb>, who: Who) {
    hosts(cluster, who).into_iter().for_each(|host| world.order(host, Order::Reload));
}

pub(super) fn write_nodes(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, lines: &[NodesLine]) {
    edit(cluster, world, who, NODES, &cluster.file_of(lines));
}

pub(super) fn write_addresses(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, file: &AddressesFile) {
    for host in hosts(cluster, who) {
        let text = match file {
            AddressesFile::Original => cluster.public_file(host),
            AddressesFile::Gone => None,
            AddressesFile::Lines(lines) => Some(lines.iter().map(line).collect()),
        };
        let (name, disk) = (&cluster.config.public_addresses_file, world.disk(host));
        match text {
            Some(text) => disk.edit(name, text.as_bytes()),
            None => drop(disk.remove(name)),
        }
    }
}

fn line(line: &AddressesLine) -> String {
    match line {
        AddressesLine::Entry(entry) => format!("{entry}\n"),
        AddressesLine::Text(text) => format!("{text}\n"),
    }
}

pub(super) fn write_tunables(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, lines: &[String]) {
    let first = cluster.config.tunables.changed().map(|(name, value)| format!("{name}={value}"));
    let text: String = first.chain(lines.iter().cloned()).map(|line| line + "\n").collect();
    edit(cluster, world, who, &cluster.config.tunables_file, &text);
}

pub(super) fn start_as(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, how: StartAs) {
    let text = match how {
        StartAs::Normal => "",
        StartAs::Stopped => "[legacy]\nstart as stopped = true\n",
        StartAs::Disabled => "[legacy]\nstart as disabled = true\n",
    };
    edit(cluster, world, who, CONF, text);
}

pub(super) fn version(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, version: u32) {
    edit(cluster, world, who, VERSION, &version.to_string());
}

/// All files as at the beginning.
pub(super) fn restore(cluster: &Cluster, world: &mut World<Ctdb>) {
    write_nodes(cluster, world, Who::All, &cluster.nodes_lines());
    write_addresses(cluster, world, Who::All, &AddressesFile::Original);
    for host in (0..cluster.members).map(HostId) {
        let disk = world.disk(host);
        disk.remove(CONF);
        disk.remove(VERSION);
        if disk.read(&cluster.config.tunables_file).is_ok() {
            write_tunables(cluster, world, Who::One(host), &[]);
        }
    }
}

fn edit(cluster: &Cluster, world: &mut World<Ctdb>, who: Who, name: &str, text: &str) {
    hosts(cluster, who).into_iter().for_each(|host| world.disk(host).edit(name, text.as_bytes()));
}
