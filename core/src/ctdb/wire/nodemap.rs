//! Nodes: the node map, the VNN map, flags and bans.

use alloc::vec::Vec;

use super::super::types::{Generation, NodeFlags, Pnn};
use super::address::WireAddr;
use super::list::{decode_list, encode_list};
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// One node of a node map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeEntry {
    /// Its number.
    pub pnn: Pnn,
    /// What the answering node thinks of it.
    pub flags: NodeFlags,
    /// Its node address; 0.0.0.0 for a deleted node.
    pub address: WireAddr,
}

impl NodeEntry {
    /// Bytes of one entry.
    const SIZE: usize = 8 + WireAddr::SIZE;
}

impl Wire for NodeEntry {
    #[inline]
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { pnn, flags, address } = self;
        let [head, rest @ ..] = address.words();
        let [a, b, c, d, e, f] = rest;
        out.all_u32_le([pnn.0, flags.bits(), head, a, b, c, d, e, f]);
    }

    #[inline]
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // Taken whole: one look whether it is there, instead of one a field.
        let mut from = Reader::new(from.array::<{ Self::SIZE }>()?);
        let from = &mut from;
        Ok(Self { pnn: Wire::decode(from)?, flags: Wire::decode(from)?, address: Wire::decode(from)? })
    }
}

/// All nodes, deleted ones included, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeMap {
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
}

impl Wire for NodeMap {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { nodes } = self;
        encode_list(nodes, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { nodes: decode_list(from, NodeEntry::SIZE)? })
    }
}

/// The generation and which nodes are location masters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VnnMap {
    /// The recovery that made it.
    pub generation: Generation,
    /// The location masters; a record's hash modulo their number picks one.
    pub map: Vec<Pnn>,
}

impl Wire for VnnMap {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { generation: Generation(generation), map } = self;
        out.u32_le(*generation);
        encode_list(map, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { generation: Generation(from.u32_le()?), map: decode_list(from, 4)? })
    }
}

/// A node's flags before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeFlagChange {
    /// Which node.
    pub pnn: Pnn,
    /// After.
    pub new: NodeFlags,
    /// Before; a leader that pushes flags writes the new ones here too.
    pub old: NodeFlags,
}

impl Wire for NodeFlagChange {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { pnn, new, old } = self;
        pnn.encode(out);
        new.encode(out);
        old.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { pnn: Wire::decode(from)?, new: Wire::decode(from)?, old: Wire::decode(from)? })
    }
}

/// A ban, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BanState {
    /// Who.
    pub pnn: Pnn,
    /// For how many seconds from the start of the ban; 0: unban, not banned.
    pub seconds: u32,
}

impl Wire for BanState {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { pnn, seconds } = self;
        pnn.encode(out);
        out.u32_le(*seconds);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { pnn: Wire::decode(from)?, seconds: from.u32_le()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::tests::addresses;
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn a_vnn_map_is_its_generation_and_its_masters() {
        let map = VnnMap { generation: Generation(0x3c1a_2a1a), map: [Pnn(0), Pnn(2)].into() };
        fixture(&map, &[0x1a, 0x2a, 0x1a, 0x3c, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn a_count_beyond_the_bytes_is_an_error() {
        let mut bytes = [0; 40];
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(NodeMap::from_bytes(&bytes), Err(DecodeError::Short { left: 36, .. })));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn node_structures_round_trip(
            nodes in vec((0u32..9, any::<u32>(), addresses()), 0..6),
            generation: u32,
            map in vec(0u32..99, 0..9),
        ) {
            let nodes: Vec<_> = nodes.into_iter().map(|(pnn, flags, address)| NodeEntry {
                pnn: Pnn(pnn), flags: NodeFlags::from_bits_retain(flags), address,
            }).collect();
            for node in &nodes {
                round_trip(&NodeFlagChange { pnn: node.pnn, new: node.flags, old: NodeFlags::BANNED })?;
                round_trip(&BanState { pnn: node.pnn, seconds: generation })?;
            }
            round_trip(&NodeMap { nodes })?;
            let map = map.into_iter().map(Pnn).collect();
            round_trip(&VnnMap { generation: Generation(generation), map })?;
        }

        #[test]
        fn any_bytes_are_node_structures_or_errors(bytes in any_bytes()) {
            survives::<NodeMap>(&bytes)?;
            survives::<VnnMap>(&bytes)?;
            survives::<NodeFlagChange>(&bytes)?;
            survives::<BanState>(&bytes)?;
        }
    }
}
