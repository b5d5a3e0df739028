//! TCP connections to public addresses, to be reset once the address has moved.

use alloc::vec::Vec;

use super::address::WireAddr;
use super::list::{decode_list, encode_list};
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A client's connection to a public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Connection {
    /// The client's end.
    pub client: WireAddr,
    /// Our end: a public address and the service's port.
    pub server: WireAddr,
}

impl Wire for Connection {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { client, server } = self;
        client.encode(out);
        server.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { client: Wire::decode(from)?, server: Wire::decode(from)? })
    }
}

/// The connections to one public address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TickleList {
    /// The public address.
    pub address: WireAddr,
    /// The connections to it.
    pub connections: Vec<Connection>,
}

impl Wire for TickleList {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { address, connections } = self;
        address.encode(out);
        encode_list(connections, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { address: Wire::decode(from)?, connections: decode_list(from, 56)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::tests::addresses;
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn a_connection_is_the_client_then_the_server() {
        let mut bytes = [0; 56];
        bytes[..8].copy_from_slice(&[2, 0, 0x9c, 0x40, 10, 1, 2, 3]);
        bytes[28..36].copy_from_slice(&[2, 0, 0x01, 0xbd, 192, 168, 100, 1]);
        let client = WireAddr("10.1.2.3:40000".parse().unwrap());
        let server = WireAddr("192.168.100.1:445".parse().unwrap());
        fixture(&Connection { client, server }, &bytes);
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn tickle_lists_round_trip(
            address in addresses(),
            connections in proptest::collection::vec((addresses(), addresses()), 0..5),
        ) {
            let connections =
                connections.into_iter().map(|(client, server)| Connection { client, server }).collect();
            round_trip(&TickleList { address, connections })?;
        }

        #[test]
        fn any_bytes_are_tickle_lists_or_errors(bytes in any_bytes()) {
            survives::<Connection>(&bytes)?;
            survives::<TickleList>(&bytes)?;
        }
    }
}
