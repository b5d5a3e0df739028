//! Payloads that are one number.

use super::super::types::{
    Capabilities, ControlFlags, DbId, NodeFlags, Opcode, Pnn, RecoveryMode, RunState, SrvId, TunnelId,
};
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A process, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pid(pub i32);

/// How much is logged: 0 errors, 1 warnings, 3 notices, 5 information, 10 everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DebugLevel(pub i32);

impl DebugLevel {
    /// What went wrong.
    pub const ERROR: Self = Self(0);
    /// And what may.
    pub const WARNING: Self = Self(1);
    /// And what changed.
    pub const NOTICE: Self = Self(3);
    /// And what was done.
    pub const INFO: Self = Self(5);
    /// Everything.
    pub const DEBUG: Self = Self(10);
}

/// Whether the node may have a role; any number but 0 means yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoleSwitch(pub bool);

/// How long somebody waited, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Waited(pub f64);

/// A tunable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TunableValue(pub u32);

/// How many records were sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordCount(pub u32);

/// A span in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Seconds(pub u32);

/// A database's sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SeqNum(pub u64);

/// A database where 8 bytes are sent for it: the upper half is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WideDbId(pub DbId);

/// A newtype that is its number on the wire.
macro_rules! plain {
    ($($name:ident: $number:ident;)*) => {$(
        impl Wire for $name {
            #[inline]
            fn encode(&self, out: &mut Writer<'_>) {
                let Self(number) = self;
                out.$number(*number);
            }

            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self(from.$number()?))
            }
        }
    )*};
}

plain! {
    Pnn: u32_le;
    DbId: u32_le;
    SrvId: u64_le;
    TunnelId: u64_le;
    Opcode: u32_le;
    Pid: i32_le;
    DebugLevel: i32_le;
    Waited: f64_le;
    TunableValue: u32_le;
    RecordCount: u32_le;
    Seconds: u32_le;
    SeqNum: u64_le;
}

/// Flags that keep the bits nobody knows.
macro_rules! flags {
    ($($name:ident;)*) => {$(
        impl Wire for $name {
            #[inline]
            fn encode(&self, out: &mut Writer<'_>) {
                out.u32_le(self.bits());
            }

            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_bits_retain(from.u32_le()?))
            }
        }
    )*};
}

flags! {
    NodeFlags;
    Capabilities;
    ControlFlags;
}

/// States that have a number.
macro_rules! states {
    ($($name:ident: $field:literal;)*) => {$(
        impl Wire for $name {
            fn encode(&self, out: &mut Writer<'_>) {
                out.u32_le((*self).into());
            }

            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let number = from.u32_le()?;
                let bad = DecodeError::BadValue { field: $field, value: number.into() };
                Self::try_from(number).map_err(|_| bad)
            }
        }
    )*};
}

states! {
    RunState: "run state";
    RecoveryMode: "recovery mode";
}

impl Wire for RoleSwitch {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self(on) = self;
        out.u32_le((*on).into());
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.u32_le()? != 0))
    }
}

impl Wire for WideDbId {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self(database) = self;
        database.encode(out);
        out.u32_le(0);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let database = DbId::decode(from)?;
        from.skip(4)?;
        Ok(Self(database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn numbers_are_little_endian() {
        fixture(&DbId(0x6645_c6c4), &[0xc4, 0xc6, 0x45, 0x66]);
        fixture(&WideDbId(DbId(0xa870_bacf)), &[0xcf, 0xba, 0x70, 0xa8, 0, 0, 0, 0]);
        fixture(&SrvId::LEADER, &[0, 0, 0, 0, 0, 0, 1, 0xf1]);
        fixture(&RunState::Running, &[5, 0, 0, 0]);
        fixture(&NodeFlags::from_bits_retain(0x42), &[0x42, 0, 0, 0]);
        assert_eq!(RoleSwitch::from_bytes(&[2, 0, 0, 0]), Ok(RoleSwitch(true)));
        let bad = DecodeError::BadValue { field: "recovery mode", value: 2 };
        assert_eq!(RecoveryMode::from_bytes(&[2, 0, 0, 0]), Err(bad));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn numbers_round_trip(number: u32, wide: u64, waited in -1e9..1e9, on: bool) {
            round_trip(&Pid(number as i32))?;
            round_trip(&SeqNum(wide))?;
            round_trip(&Waited(waited))?;
            round_trip(&RoleSwitch(on))?;
            round_trip(&WideDbId(DbId(number)))?;
            round_trip(&Capabilities::from_bits_retain(number))?;
        }

        #[test]
        fn any_bytes_are_a_number_or_an_error(bytes in any_bytes()) {
            survives::<RunState>(&bytes)?;
            survives::<RoleSwitch>(&bytes)?;
            survives::<WideDbId>(&bytes)?;
        }
    }
}
