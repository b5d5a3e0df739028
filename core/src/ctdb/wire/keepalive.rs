//! The sign of life between nodes.

use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A sign of life. A node whose version differs from its peer's may shut itself down over it, so
/// both numbers have to be honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Keepalive {
    /// Major version × 65536 + minor: 0x00040011 for 4.17.
    pub version: u32,
    /// Whole seconds since the daemon started.
    pub uptime: u32,
}

impl Wire for Keepalive {
    #[inline]
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { version, uptime } = self;
        out.all_u32_le([*version, *uptime]);
    }

    #[inline]
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { version: from.u32_le()?, uptime: from.u32_le()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn a_keepalive_is_version_and_uptime() {
        fixture(&Keepalive { version: 0x0004_0011, uptime: 5 }, &[0x11, 0, 4, 0, 5, 0, 0, 0]);
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn keepalives_round_trip(version: u32, uptime: u32) {
            round_trip(&Keepalive { version, uptime })?;
        }

        #[test]
        fn any_bytes_are_a_keepalive_or_an_error(bytes in any_bytes()) { survives::<Keepalive>(&bytes)?; }
    }
}
