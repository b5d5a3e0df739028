//! How the three streams fall into packets.

use super::header::{ALIGNMENT, HEADER_SIZE, check_magic};
use crate::bytes::{DecodeError, Framing, Reader};

/// The longest packet that is taken, in bytes. ctdbd knows no limit of its own; it sends
/// databases in packets of about 1 MB (`RecBufferSizeLimit`), and one record is never cut.
pub const PACKET_CEILING: usize = 64 * 1024 * 1024;

/// Streams between nodes. A wrong magic or version, or a length that is shorter than a header
/// or not a multiple of 8, ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFraming;

impl Framing for NodeFraming {
    /// Length, magic and version.
    const HEAD: usize = 12;
    const CEILING: usize = PACKET_CEILING;

    #[inline]
    fn frame_length(head: &[u8]) -> Result<usize, DecodeError> {
        let mut from = Reader::new(head);
        let length = from.u32_le()?;
        check_magic(from.u32_le()?, from.u32_le()?)?;
        let size = length_of(length)?;
        if size < HEADER_SIZE || !size.is_multiple_of(ALIGNMENT) {
            return Err(DecodeError::BadValue { field: "length", value: length.into() });
        }
        Ok(size)
    }
}

/// Streams between a client and its daemon. Only the length is looked at, and need not be a
/// multiple of 8: a packet with a wrong magic is ignored and the connection kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFraming;

impl Framing for ClientFraming {
    /// The length.
    const HEAD: usize = 4;
    const CEILING: usize = PACKET_CEILING;

    #[inline]
    fn frame_length(head: &[u8]) -> Result<usize, DecodeError> {
        length_of(Reader::new(head).u32_le()?)
    }
}

/// Streams to and from the event daemon: a length, no padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFraming;

impl Framing for EventFraming {
    /// The length.
    const HEAD: usize = 4;
    const CEILING: usize = PACKET_CEILING;

    fn frame_length(head: &[u8]) -> Result<usize, DecodeError> {
        length_of(Reader::new(head).u32_le()?)
    }
}

#[inline]
fn length_of(length: u32) -> Result<usize, DecodeError> {
    let ceiling = PACKET_CEILING as u64;
    usize::try_from(length).map_err(|_| DecodeError::TooLong { length: length.into(), ceiling })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::FrameBuffer;

    fn head(length: u32, magic: u32, version: u32) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&magic.to_le_bytes());
        bytes[8..].copy_from_slice(&version.to_le_bytes());
        bytes
    }

    #[test]
    fn a_node_stream_ends_at_the_first_malformed_header() {
        use super::super::header::{MAGIC, VERSION};
        assert_eq!(NodeFraming::frame_length(&head(40, MAGIC, VERSION)), Ok(40));
        for (bytes, field, value) in [
            (head(44, MAGIC, VERSION), "length", 44),
            (head(24, MAGIC, VERSION), "length", 24),
            (head(0, MAGIC, VERSION), "length", 0),
            (head(40, 7, VERSION), "magic", 7),
            (head(40, MAGIC, 2), "version", 2),
        ] {
            let mut input = &bytes[..];
            let end = FrameBuffer::<NodeFraming>::new().next_frame(&mut input).map(|_| ());
            assert_eq!(end, Err(DecodeError::BadValue { field, value }));
        }
        let huge = head(PACKET_CEILING as u32 + 8, MAGIC, VERSION);
        let end = FrameBuffer::<NodeFraming>::new().next_frame(&mut &huge[..]).map(|_| ());
        assert!(matches!(end, Err(DecodeError::TooLong { .. })));
    }

    #[test]
    fn a_client_may_send_any_length_but_none() {
        let mut buffer = FrameBuffer::<ClientFraming>::new();
        let mut input = &[5, 0, 0, 0, 9, 0, 0, 0, 0][..];
        assert_eq!(buffer.next_frame(&mut input).unwrap().as_deref(), Some(&[5, 0, 0, 0, 9][..]));
        assert_eq!(buffer.next_frame(&mut input), Err(DecodeError::BadValue { field: "length", value: 0 }));
    }
}
