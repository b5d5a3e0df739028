//! What daemons tell each other about elections, takeover runs and recoveries.

use super::super::types::{NodeFlags, Pnn, SrvId};
use super::status::TimeVal;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A vote. An inactive sender loses; else the earlier priority wins, the lower number among equals.
/// The number of connections is told, not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Election {
    /// How many nodes the sender is connected to.
    pub connected: u32,
    /// When the sender started, or was last seen inactive.
    pub priority: TimeVal,
    /// The sender.
    pub pnn: Pnn,
    /// The sender's own flags.
    pub flags: NodeFlags,
}

impl Wire for Election {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { connected, priority, pnn, flags } = self;
        out.u32_le(*connected);
        out.zeros(4);
        priority.encode(out);
        pnn.encode(out);
        flags.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let connected = from.u32_le()?;
        from.skip(4)?;
        let priority = Wire::decode(from)?;
        Ok(Self { connected, priority, pnn: Wire::decode(from)?, flags: Wire::decode(from)? })
    }
}

/// A question and where its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SrvIdMessage {
    /// The node to answer to.
    pub pnn: Pnn,
    /// The server id to answer to; 0 for no answer.
    pub srvid: SrvId,
}

impl Wire for SrvIdMessage {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { pnn, srvid } = self;
        pnn.encode(out);
        out.zeros(4);
        srvid.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pnn = Wire::decode(from)?;
        from.skip(4)?;
        Ok(Self { pnn, srvid: Wire::decode(from)? })
    }
}

/// Switches something off for a while, or on again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Disable {
    /// Where the answer goes: an i32, the answering node or a negative errno.
    pub answer_to: SrvIdMessage,
    /// For how many seconds; 0: on again.
    pub seconds: u32,
}

impl Wire for Disable {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { answer_to, seconds } = self;
        answer_to.encode(out);
        out.u32_le(*seconds);
        out.zeros(4);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let disable = Self { answer_to: Wire::decode(from)?, seconds: from.u32_le()? };
        from.skip(4)?;
        Ok(disable)
    }
}

/// The answer to [`SrvIdMessage`] or [`Disable`]: a node's number, or a negative errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Answer(pub i32);

impl Answer {
    /// Busy with that very thing (EAGAIN).
    pub const IN_PROGRESS: Self = Self(-11);

    /// The node that answered, or the leader that ran a takeover.
    #[must_use]
    pub fn pnn(self) -> Option<Pnn> {
        u32::try_from(self.0).ok().map(Pnn)
    }
}

impl Wire for Answer {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self(number) = self;
        out.i32_le(*number);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.i32_le()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn padding_is_written_as_zeros_and_not_read() {
        let disable = Disable {
            answer_to: SrvIdMessage { pnn: Pnn(2), srvid: SrvId(0xce01_abcd_0000_0001) },
            seconds: 60,
        };
        let mut bytes = [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xcd, 0xab, 0x01, 0xce, 60, 0, 0, 0, 0, 0, 0, 0];
        fixture(&disable, &bytes);
        bytes[4] = 0x55;
        bytes[23] = 0x55;
        assert_eq!(Disable::from_bytes(&bytes), Ok(disable));
        assert_eq!(Answer(-1).pnn(), None);
        assert_eq!(Answer(2).pnn(), Some(Pnn(2)));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn recovery_messages_round_trip(number: u32, wide: u64, seconds: i64, micros: i64) {
            let answer_to = SrvIdMessage { pnn: Pnn(number), srvid: SrvId(wide) };
            round_trip(&answer_to)?;
            round_trip(&Disable { answer_to, seconds: number })?;
            let flags = NodeFlags::from_bits_retain(number);
            let priority = TimeVal { seconds, micros };
            round_trip(&Election { connected: number, priority, pnn: Pnn(number), flags })?;
            round_trip(&Answer(number as i32))?;
        }

        #[test]
        fn any_bytes_are_recovery_messages_or_errors(bytes in any_bytes()) {
            survives::<Election>(&bytes)?;
            survives::<SrvIdMessage>(&bytes)?;
            survives::<Disable>(&bytes)?;
        }
    }
}
