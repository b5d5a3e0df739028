//! Public addresses and the interfaces under them.

use alloc::vec::Vec;
use core::fmt;

use super::super::types::Pnn;
use super::address::WireAddr;
use super::list::{decode_limited, decode_list, encode_list};
use super::text::Text;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A public address and who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PublicIp {
    /// Who holds it or shall hold it; [`Pnn::UNKNOWN`] for nobody.
    pub pnn: Pnn,
    /// The address.
    pub address: WireAddr,
}

impl Wire for PublicIp {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { pnn, address } = self;
        pnn.encode(out);
        address.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { pnn: Wire::decode(from)?, address: Wire::decode(from)? })
    }
}

/// Addresses in a list; a longer one is refused. (Our limit: CTDB has none.)
pub const PUBLIC_IPS_MAX: usize = 16_384;

/// A node's public addresses, at most [`PUBLIC_IPS_MAX`]; ctdbd lists the last of its file first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PublicIpList {
    /// The addresses.
    pub ips: Vec<PublicIp>,
}

impl Wire for PublicIpList {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { ips } = self;
        encode_list(ips, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ips = decode_limited(from, 32, PUBLIC_IPS_MAX, "number of public addresses")?;
        Ok(Self { ips })
    }
}

/// An interface's name: at most 16 bytes, none of them NUL.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InterfaceName([u8; 18]);

impl InterfaceName {
    /// The name, if it fits.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let name = name.as_bytes();
        let mut bytes = [0; 18];
        bytes[..16].get_mut(..name.len()).filter(|_| !name.contains(&0))?.copy_from_slice(name);
        Some(Self(bytes))
    }

    /// The bytes before the NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The name, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()).ok()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text::from(self.as_bytes()).fmt(f)
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Wire for InterfaceName {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self(bytes) = self;
        out.bytes(bytes);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut bytes = *from.array::<18>()?;
        let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
            return Err(DecodeError::BadText { field: "interface name" });
        };
        bytes[end..].fill(0);
        Ok(Self(bytes))
    }
}

/// An interface that public addresses may be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// 1: it has a carrier; 0: it has none.
    pub link_state: u16,
    /// How many public addresses are on it; 0 when a link state is set.
    pub references: u32,
}

impl Wire for Interface {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { name, link_state, references } = self;
        name.encode(out);
        out.u16_le(*link_state);
        out.u32_le(*references);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: Wire::decode(from)?, link_state: from.u16_le()?, references: from.u32_le()? })
    }
}

/// Interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InterfaceList {
    /// The interfaces.
    pub interfaces: Vec<Interface>,
}

impl Wire for InterfaceList {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { interfaces } = self;
        encode_list(interfaces, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { interfaces: decode_list(from, 24)? })
    }
}

/// One public address and its interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PublicIpInfo {
    /// The address and who holds it.
    pub ip: PublicIp,
    /// Which of the interfaces it is on; `u32::MAX` for none.
    pub active: u32,
    /// The interfaces it may be on.
    pub interfaces: Vec<Interface>,
}

impl Wire for PublicIpInfo {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { ip, active, interfaces } = self;
        ip.encode(out);
        out.u32_le(*active);
        encode_list(interfaces, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ip: Wire::decode(from)?, active: from.u32_le()?, interfaces: decode_list(from, 24)? })
    }
}

/// A public address as the administrator writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AddrInfo {
    /// The address.
    pub address: WireAddr,
    /// Network bits; 0 to delete, anything to announce.
    pub mask: u32,
    /// Interfaces, separated by commas; none to delete.
    pub interfaces: Option<Text>,
}

impl Wire for AddrInfo {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { address, mask, interfaces } = self;
        address.encode(out);
        out.u32_le(*mask);
        Text::encode_counted(interfaces.as_ref(), out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            address: Wire::decode(from)?,
            mask: from.u32_le()?,
            interfaces: Text::decode_counted(from, "interfaces")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::tests::addresses;
    use super::super::text::tests::texts;
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn interfaces() -> impl Strategy<Value = Vec<Interface>> {
        let one =
            ("[a-z0-9]{0,16}", any::<u16>(), any::<u32>()).prop_map(|(name, link_state, references)| {
                Interface { name: InterfaceName::new(&name).unwrap(), link_state, references }
            });
        vec(one, 0..5)
    }

    #[test]
    fn an_interface_is_24_bytes() {
        let mut bytes = [0; 24];
        bytes[..2].copy_from_slice(b"lo");
        bytes[18] = 1;
        bytes[20] = 2;
        let name = InterfaceName::new("lo").unwrap();
        fixture(&Interface { name, link_state: 1, references: 2 }, &bytes);
        bytes[5] = b'x';
        assert_eq!(Interface::from_bytes(&bytes).unwrap().name, name);
        bytes[..18].fill(b'x');
        assert_eq!(Interface::from_bytes(&bytes), Err(DecodeError::BadText { field: "interface name" }));
    }

    #[test]
    fn an_interface_name_has_at_most_16_bytes() {
        assert!(InterfaceName::new("0123456789abcdef").is_some());
        assert_eq!(InterfaceName::new("0123456789abcdefg"), None);
        assert_eq!(InterfaceName::new("a\0b"), None);
    }

    #[test]
    fn a_list_has_only_so_many_addresses() {
        let ip = PublicIp { pnn: Pnn(1), address: WireAddr(([10, 0, 0, 1], 0).into()) };
        let list = PublicIpList { ips: alloc::vec![ip; PUBLIC_IPS_MAX] };
        let mut bytes = list.to_bytes();
        assert_eq!(PublicIpList::from_bytes(&bytes), Ok(list));
        let count = PUBLIC_IPS_MAX as u32 + 1;
        bytes[..4].copy_from_slice(&count.to_le_bytes());
        bytes.extend(ip.to_bytes());
        let refused = DecodeError::BadValue { field: "number of public addresses", value: count.into() };
        assert_eq!(PublicIpList::from_bytes(&bytes), Err(refused));
        // The list may also claim more than it has.
        assert!(PublicIpList::from_bytes(&u32::MAX.to_le_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn public_addresses_round_trip(
            ips in vec((any::<u32>(), addresses()), 1..6),
            active: u32,
            interfaces in interfaces(),
            text in proptest::option::of(texts()),
        ) {
            let ips: Vec<_> =
                ips.into_iter().map(|(pnn, address)| PublicIp { pnn: Pnn(pnn), address }).collect();
            let ip = ips[0];
            round_trip(&PublicIpList { ips })?;
            round_trip(&PublicIpInfo { ip, active, interfaces: interfaces.clone() })?;
            round_trip(&InterfaceList { interfaces })?;
            round_trip(&AddrInfo { address: ip.address, mask: active, interfaces: text })?;
        }

        #[test]
        fn any_bytes_are_public_addresses_or_errors(bytes in any_bytes()) {
            survives::<PublicIpList>(&bytes)?;
            survives::<PublicIpInfo>(&bytes)?;
            survives::<InterfaceList>(&bytes)?;
            survives::<AddrInfo>(&bytes)?;
        }
    }
}
