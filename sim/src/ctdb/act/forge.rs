//! Packets nobody should send.

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::types::{ClientId, Generation, Opcode, Pnn, RequestId};
use standin_core::ctdb::wire::{Body, ControlReply, ControlRequest, Header, Keepalive, Pdu};

use super::super::build::Cluster;
use super::super::verbs::Forgery;
use crate::world::World;
use crate::world::moment::HostId;

/// Its bytes, as `from`'s daemon would write them to `to`'s.
pub(super) fn forge(
    cluster: &Cluster,
    world: &World<Ctdb>,
    from: HostId,
    to: HostId,
    forgery: Forgery,
) -> Vec<u8> {
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
            let request = ControlRequest {
                client: ClientId(1),
                ..ControlRequest::new(Opcode::MODIFY_FLAGS, &[1, 2, 3])
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
