//! Tunables by name, and all at once.

use super::text::Text;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A tunable to set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TunableSet {
    /// Its new value.
    pub value: u32,
    /// Its name, in any case.
    pub name: Text,
}

impl Wire for TunableSet {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { value, name } = self;
        out.u32_le(*value);
        Text::encode_counted(Some(name), out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { value: from.u32_le()?, name: Text::decode_present(from, "tunable")? })
    }
}

/// A tunable asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TunableName {
    /// Its name, in any case.
    pub name: Text,
}

impl Wire for TunableName {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { name } = self;
        Text::encode_counted(Some(name), out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: Text::decode_present(from, "tunable")? })
    }
}

/// The names of all tunables that are not obsolete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TunableNames {
    /// Each with a colon before it: `:SeqnumInterval:ControlTimeout`.
    pub names: Text,
}

impl Wire for TunableNames {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { names } = self;
        Text::encode_counted(Some(names), out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { names: Text::decode_present(from, "tunables")? })
    }
}

/// The value of every tunable, obsolete ones included, in CTDB's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllTunables(pub [u32; AllTunables::COUNT]);

impl AllTunables {
    /// How many tunables there are.
    pub const COUNT: usize = 62;
}

impl Wire for AllTunables {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self(values) = self;
        for value in values {
            out.u32_le(*value);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut values = [0; Self::COUNT];
        for value in &mut values {
            *value = from.u32_le()?;
        }
        Ok(Self(values))
    }
}

/// A sequence: serde itself knows arrays of at most 32.
#[cfg(feature = "serde")]
mod as_sequence {
    use super::AllTunables;
    use alloc::vec::Vec;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    impl Serialize for AllTunables {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            self.0.as_slice().serialize(to)
        }
    }

    impl<'de> Deserialize<'de> for AllTunables {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let values = Vec::<u32>::deserialize(from)?;
            let count = values.len();
            values.try_into().map(Self).map_err(|_| D::Error::invalid_length(count, &"62 tunables"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::texts;
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn a_tunable_is_set_by_name() {
        let set = TunableSet { value: 15, name: Text::from("Bogus") };
        fixture(&set, b"\x0f\0\0\0\x06\0\0\0Bogus\0");
        fixture(&TunableName { name: Text::from("Bogus") }, b"\x06\0\0\0Bogus\0");
        assert!(TunableName::from_bytes(&[0, 0, 0, 0]).is_err());
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn tunables_round_trip(value: u32, name in texts()) {
            round_trip(&TunableSet { value, name: name.clone() })?;
            round_trip(&TunableName { name: name.clone() })?;
            round_trip(&TunableNames { names: name })?;
            round_trip(&AllTunables(core::array::from_fn(|at| value ^ at as u32)))?;
        }

        #[test]
        fn any_bytes_are_tunables_or_errors(bytes in any_bytes()) {
            survives::<TunableSet>(&bytes)?;
            survives::<TunableName>(&bytes)?;
            survives::<AllTunables>(&bytes)?;
        }
    }
}
