//! Socket addresses: 28 bytes, IPv4 and IPv6 alike.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// Linux' number for IPv4.
const FAMILY_V4: u16 = 2;
/// Linux' number for IPv6.
const FAMILY_V6: u16 = 10;

/// A socket address as CTDB sends it. Node addresses carry the port 4379, public addresses 0.
///
/// Flow label and scope are kept, so that what is passed on keeps its bytes. To ask whether two
/// are the same host, compare what [`ip`](Self::ip) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WireAddr(pub SocketAddr);

impl WireAddr {
    /// Bytes of one address.
    pub const SIZE: usize = 28;

    /// A public address: without a port.
    #[must_use]
    pub const fn public(address: IpAddr) -> Self {
        Self(SocketAddr::new(address, 0))
    }

    /// The address alone; IPv4 mapped into IPv6 counts as IPv4.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.0.ip().to_canonical()
    }

    /// The port; 0 for none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.0.port()
    }

    /// As it is sent, 4 bytes a number, little endian.
    #[inline]
    pub(super) fn words(&self) -> [u32; Self::SIZE / 4] {
        let head = |family: u16| u32::from(family) | u32::from(self.port().swap_bytes()) << 16;
        match self.0 {
            SocketAddr::V4(address) => {
                [head(FAMILY_V4), u32::from_le_bytes(address.ip().octets()), 0, 0, 0, 0, 0]
            }
            SocketAddr::V6(address) => {
                let octets = address.ip().octets();
                let word = |at| u32::from_le_bytes(octets.as_chunks().0[at]);
                let [flow, scope] = [address.flowinfo(), address.scope_id()];
                [head(FAMILY_V6), flow, word(0), word(1), word(2), word(3), scope]
            }
        }
    }

    /// Whether both are the same host: port, flow label and scope do not count.
    #[must_use]
    pub fn same_host(&self, other: &Self) -> bool {
        self.ip() == other.ip()
    }
}

impl From<SocketAddr> for WireAddr {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl From<WireAddr> for SocketAddr {
    fn from(address: WireAddr) -> Self {
        address.0
    }
}

impl fmt::Display for WireAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Wire for WireAddr {
    #[inline]
    fn encode(&self, out: &mut Writer<'_>) {
        out.all_u32_le(self.words());
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut from = Reader::new(from.array::<{ Self::SIZE }>()?);
        let family = from.u16_le()?;
        let port = from.u16_be()?;
        match family {
            FAMILY_V4 => {
                let address = Ipv4Addr::from_octets(*from.array()?);
                Ok(Self(SocketAddrV4::new(address, port).into()))
            }
            FAMILY_V6 => {
                let flow = from.u32_le()?;
                let address = Ipv6Addr::from_octets(*from.array()?);
                Ok(Self(SocketAddrV6::new(address, port, flow, from.u32_le()?).into()))
            }
            _ => Err(DecodeError::BadValue { field: "address family", value: family.into() }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    pub(in super::super) fn addresses() -> impl Strategy<Value = WireAddr> {
        let four = (any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(octets, port)| WireAddr((Ipv4Addr::from(octets), port).into()));
        let six = (any::<[u8; 16]>(), any::<u16>(), any::<u32>(), any::<u32>()).prop_map(
            |(octets, port, flow, scope)| {
                WireAddr(SocketAddrV6::new(octets.into(), port, flow, scope).into())
            },
        );
        prop_oneof![four, six]
    }

    #[test]
    fn both_families_fill_28_bytes() {
        let mut four = [0; 28];
        four[..8].copy_from_slice(&[2, 0, 0x11, 0x1b, 127, 0, 0, 1]);
        fixture(&WireAddr("127.0.0.1:4379".parse().unwrap()), &four);
        let mut six = [0; 28];
        six[0] = 10;
        six[8..10].copy_from_slice(&[0xfd, 0]);
        six[23] = 1;
        six[24] = 7;
        fixture(&WireAddr("[fd00::1%7]:0".parse().unwrap()), &six);
        four[0] = 0;
        let bad = DecodeError::BadValue { field: "address family", value: 0 };
        assert_eq!(WireAddr::from_bytes(&four), Err(bad));
    }

    #[test]
    fn mapped_addresses_are_the_same_host() {
        let four = WireAddr("10.0.0.1:1".parse().unwrap());
        assert!(four.same_host(&WireAddr("[::ffff:10.0.0.1]:2".parse().unwrap())));
        assert!(!four.same_host(&WireAddr("[::10.0.0.1]:1".parse().unwrap())));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn addresses_round_trip(address in addresses()) { round_trip(&address)?; }

        #[test]
        fn any_bytes_are_an_address_or_an_error(bytes in any_bytes()) { survives::<WireAddr>(&bytes)?; }
    }
}
