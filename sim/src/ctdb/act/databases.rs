//! Programs that keep data: what they leave on the host they run on. A real one asks its daemon
//! for a record and then changes it in place; here the daemon is told.

use std::collections::BTreeMap;

use standin_core::ctdb::types::{DbId, Pnn};
use standin_core::ctdb::wire::{LtdbHeader, Record, RecordBuffer, RequestData, Text};
use standin_core::ctdb::{Ctdb, RecordView};

use super::super::build::Cluster;
use super::super::tool::Packets;
use super::operator::write;
use crate::world::World;
use crate::world::moment::HostId;

/// The volatile database.
const VOLATILE: &str = "locks.tdb";
/// The persistent one.
const PERSISTENT: &str = "secrets.tdb";
/// The record with the number of a persistent database's last transaction.
const SEQUENCE_NUMBER: &[u8] = b"__db_sequence_number__\0";

/// A record of the volatile database becomes this, there.
pub(super) fn record(
    cluster: &Cluster,
    world: &mut World<Ctdb>,
    host: HostId,
    key: u32,
    number: u32,
    deleted: bool,
) {
    let data = if deleted { String::new() } else { format!("{host} {number}") };
    let records = vec![(format!("k{key}").into_bytes(), data.into_bytes())];
    let attach = RequestData::DbAttach(Text::from(VOLATILE));
    leave(cluster, world, host, number, &attach, VOLATILE, records);
}

/// The copy of the persistent database becomes this, there: each transaction is about one of three
/// records.
pub(super) fn transaction(cluster: &Cluster, world: &mut World<Ctdb>, host: HostId, number: u32) {
    let count = u64::from(number).to_le_bytes().to_vec();
    let records = vec![
        (SEQUENCE_NUMBER.to_vec(), count),
        (format!("k{}", number % 3).into_bytes(), format!("{host} {number}").into_bytes()),
    ];
    let attach = RequestData::DbAttachPersistent(Text::from(PERSISTENT));
    leave(cluster, world, host, number, &attach, PERSISTENT, records);
}

fn leave(
    cluster: &Cluster,
    world: &mut World<Ctdb>,
    host: HostId,
    number: u32,
    attach: &RequestData,
    database: &str,
    records: Vec<(Vec<u8>, Vec<u8>)>,
) {
    let Some(dmaster) = world.host(host).machine().and_then(Ctdb::pnn) else { return };
    // Numbers of the story begin anew above what a recovery may have added; who masters a record
    // deletes it under the number it has.
    let held = world.host(host).machine().into_iter().flat_map(Ctdb::databases);
    let held = held.filter(|held| *held.name == *database).flat_map(|held| {
        let known = |record: RecordView<'_>| (record.key.to_vec(), (record.number, record.master));
        held.records().map(known).collect::<Vec<_>>()
    });
    let held: BTreeMap<_, _> = held.collect();
    let header = |key: &Vec<u8>, data: &[u8]| {
        let rsn = match held.get(key) {
            Some((held, master)) if data.is_empty() && *master == dmaster => *held,
            Some((held, _)) => (held >> 20 << 20) + u64::from(number),
            None => number.into(),
        };
        LtdbHeader { rsn, dmaster, reserved: 0, flags: 0 }
    };
    let record = |(key, data): &(Vec<u8>, Vec<u8>)| Record::with_header(key, header(key, data), data);
    let records = records.iter().map(record).collect();
    let update = RequestData::UpdateRecord(RecordBuffer { id: DbId::of(database), records });
    let packets = Packets::new().ask(Pnn::CURRENT_NODE, attach).ask(Pnn::CURRENT_NODE, &update);
    write(cluster, world, host, packets);
}
