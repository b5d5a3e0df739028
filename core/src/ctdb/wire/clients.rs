//! What clients tell their daemon about themselves.

use alloc::vec::Vec;

use super::super::types::SrvId;
use super::numbers::Pid;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A client's process and a server id it is registered for. Packed: 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PidSrvId {
    /// The process.
    pub pid: Pid,
    /// The server id.
    pub srvid: SrvId,
}

impl Wire for PidSrvId {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { pid, srvid } = self;
        pid.encode(out);
        srvid.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { pid: Wire::decode(from)?, srvid: Wire::decode(from)? })
    }
}

/// A message to send once the client is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Notify {
    /// Where to.
    pub srvid: SrvId,
    /// What.
    pub data: Vec<u8>,
}

impl Wire for Notify {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { srvid, data } = self;
        srvid.encode(out);
        out.count_le(data.len());
        out.bytes(data);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { srvid: Wire::decode(from)?, data: counted(from)? })
    }
}

/// Bytes to send back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Echo {
    /// How long to wait before, in milliseconds; 4.17 does not wait.
    pub delay_ms: u32,
    /// What.
    pub data: Vec<u8>,
}

impl Wire for Echo {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { delay_ms, data } = self;
        out.u32_le(*delay_ms);
        out.count_le(data.len());
        out.bytes(data);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { delay_ms: from.u32_le()?, data: counted(from)? })
    }
}

fn counted(from: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let length = from.u32_le()?;
    let length = from.room_for(length, 1)?;
    Ok(from.bytes(length)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn a_process_and_its_server_id_are_packed() {
        let client = PidSrvId { pid: Pid(0x15ac), srvid: SrvId(0xce01_abcd_0000_0001) };
        fixture(&client, &[0xac, 0x15, 0, 0, 1, 0, 0, 0, 0xcd, 0xab, 0x01, 0xce]);
        fixture(&Echo { delay_ms: 0, data: b"hello".into() }, b"\0\0\0\0\x05\0\0\0hello");
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn what_clients_say_round_trips(number: u32, wide: u64, data in any_bytes()) {
            round_trip(&PidSrvId { pid: Pid(number as i32), srvid: SrvId(wide) })?;
            round_trip(&Notify { srvid: SrvId(wide), data: data.clone() })?;
            round_trip(&Echo { delay_ms: number, data })?;
        }

        #[test]
        fn any_bytes_are_what_clients_say_or_errors(bytes in any_bytes()) {
            survives::<PidSrvId>(&bytes)?;
            survives::<Notify>(&bytes)?;
            survives::<Echo>(&bytes)?;
        }
    }
}
