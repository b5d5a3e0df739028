//! Controls: a question to a daemon and its answer. Payloads are lent, not looked into.

use super::super::types::{ClientId, ControlFlags, Opcode, SrvId};
use super::reply::ReplyData;
use super::request::RequestData;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A question to a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlRequest<'a> {
    /// What is asked.
    pub opcode: Opcode,
    /// The server id to register, for the controls that do so; 0 otherwise.
    pub srvid: SrvId,
    /// Which client asks: 0 from the client itself, its daemon fills it in.
    pub client: ClientId,
    /// How it is asked.
    pub flags: ControlFlags,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> ControlRequest<'a> {
    /// A plain question: no server id, no client, no flags.
    #[must_use]
    pub const fn new(opcode: Opcode, data: &'a [u8]) -> Self {
        Self { opcode, srvid: SrvId(0), client: ClientId(0), flags: ControlFlags::empty(), data }
    }

    /// Whether the sender wants no reply.
    #[must_use]
    pub const fn wants_no_reply(&self) -> bool {
        self.flags.contains(ControlFlags::NOREPLY)
    }

    /// The payload's meaning.
    ///
    /// # Errors
    /// If the payload is not what this opcode needs: answer -1.
    pub fn decode_data(&self) -> Result<RequestData, DecodeError> {
        RequestData::decode(self.opcode, self.data)
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let Self { opcode, srvid, client, flags, data } = self;
        let length = Self::encode_head((*opcode, *srvid, *client, *flags), out);
        out.bytes(data);
        out.patch_count_le(length, data.len());
    }

    /// Writes all but the payload, its length as 0; says where that length stands.
    #[inline]
    pub(super) fn encode_head(head: (Opcode, SrvId, ClientId, ControlFlags), out: &mut Writer<'_>) -> usize {
        let (Opcode(opcode), SrvId(srvid), ClientId(client), flags) = head;
        // A server id is 8 bytes, its lower half first.
        out.all_u32_le([opcode, 0, srvid as u32, (srvid >> 32) as u32, client, flags.bits(), 0]);
        out.position() - 4
    }

    #[inline]
    pub(super) fn decode(from: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let opcode = Wire::decode(from)?;
        from.skip(4)?;
        let srvid = Wire::decode(from)?;
        let client = ClientId(from.u32_le()?);
        let flags = Wire::decode(from)?;
        let length = from.u32_le()?;
        Ok(Self { opcode, srvid, client, flags, data: from.bytes(from.room_for(length, 1)?)? })
    }
}

/// The answer to a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlReply<'a> {
    /// 0 for success mostly; some controls answer with this number, see [`ReplyData`].
    pub status: i32,
    /// The payload; to be read only if the status is 0.
    pub data: &'a [u8],
    /// What went wrong; empty mostly.
    pub error: &'a [u8],
}

impl<'a> ControlReply<'a> {
    /// An answer that is a number only.
    #[must_use]
    pub const fn status(status: i32) -> Self {
        Self { status, data: &[], error: &[] }
    }

    /// What went wrong, if there is a text and it is UTF-8.
    #[must_use]
    pub fn error_text(&self) -> Option<&'a str> {
        core::str::from_utf8(self.error).ok().filter(|text| !text.is_empty())
    }

    /// The payload's meaning in an answer to `opcode`.
    ///
    /// # Errors
    /// If the payload is not what this opcode answers.
    pub fn decode_data(&self, opcode: Opcode) -> Result<ReplyData, DecodeError> {
        ReplyData::decode(opcode, self.status, self.data)
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let Self { status, data, error } = self;
        out.i32_le(*status);
        out.count_le(data.len());
        out.count_le(error.len());
        out.bytes(data);
        out.bytes(error);
    }

    #[inline]
    pub(super) fn decode(from: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let status = from.i32_le()?;
        let [data, error] = [from.u32_le()?, from.u32_le()?];
        let data = from.bytes(from.room_for(data, 1)?)?;
        Ok(Self { status, data, error: from.bytes(from.room_for(error, 1)?)? })
    }
}
