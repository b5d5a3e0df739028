//! The 32 bytes in front of every packet.

use super::super::types::{Generation, Operation, Pnn, RequestId};
use crate::bytes::{DecodeError, Reader, Writer};

/// `CTDB`, as a little-endian number.
pub const MAGIC: u32 = 0x4354_4442;

/// The only version of the protocol there is.
pub const VERSION: u32 = 1;

/// Bytes of the header.
pub const HEADER_SIZE: usize = 32;

/// Packets are padded to a multiple of this many bytes.
pub const ALIGNMENT: usize = 8;

/// Who says something to whom. Length and operation follow from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Header {
    /// The sender's generation. Only calls on records are checked against it; the stock tool
    /// sends 0.
    pub generation: Generation,
    /// Who shall have it: a node, or from a client a direction such as
    /// [`Pnn::BROADCAST_CONNECTED`].
    pub destination: Pnn,
    /// Who sent it; clients may write anything.
    pub source: Pnn,
    /// Repeated in the reply; 0 for messages and keepalives.
    pub reqid: RequestId,
}

impl Header {
    /// Writes the header with a length of 0, for [`finish`](Self::finish) to fill in.
    #[inline]
    pub(super) fn begin(&self, operation: Operation, out: &mut Writer<'_>) {
        let Self { generation, destination, source, reqid } = self;
        let words = [0, MAGIC, VERSION, generation.0, operation.0, destination.0, source.0, reqid.0];
        out.all_u32_le(words);
    }

    /// Pads the packet and fills in its length.
    #[inline(always)]
    pub(super) fn finish(out: &mut Writer<'_>) {
        out.pad_to(ALIGNMENT);
        out.patch_count_le(0, out.position());
    }

    /// Takes the header of a packet of `length` bytes.
    #[inline]
    pub(super) fn decode(from: &mut Reader<'_>, length: usize) -> Result<(Self, Operation), DecodeError> {
        let mut words = [0; HEADER_SIZE / 4];
        for (word, bytes) in words.iter_mut().zip(from.array::<HEADER_SIZE>()?.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [said, magic, version, generation, operation, destination, source, reqid] = words;
        check_magic(magic, version)?;
        if usize::try_from(said) != Ok(length) {
            return Err(DecodeError::BadValue { field: "length", value: said.into() });
        }
        let header = Self {
            generation: Generation(generation),
            destination: Pnn(destination),
            source: Pnn(source),
            reqid: RequestId(reqid),
        };
        Ok((header, Operation(operation)))
    }
}

#[inline]
pub(super) fn check_magic(magic: u32, version: u32) -> Result<(), DecodeError> {
    if magic != MAGIC {
        return Err(DecodeError::BadValue { field: "magic", value: magic.into() });
    }
    if version != VERSION {
        return Err(DecodeError::BadValue { field: "version", value: version.into() });
    }
    Ok(())
}
