//! How the bus's stream falls into packets.

use super::HEADER;
use crate::bytes::{DecodeError, Framing};

/// The longest packet that is taken: 64 MiB. (Our limit: Redis has none.)
///
/// What only grows with the cluster stays far below: 65535 gossip entries take 6.5 MiB. The rest
/// is for what clients publish, which passes through the bus once per node.
pub const PACKET_CEILING: usize = 64 << 20;

/// Packets back to back, each with its length behind its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bus;

impl Framing for Bus {
    const HEAD: usize = 8;
    const CEILING: usize = PACKET_CEILING;

    /// As Redis, which closes the link on a wrong mark or a length shorter than the header.
    #[inline]
    fn frame_length(head: &[u8]) -> Result<usize, DecodeError> {
        let Some(&[a, b, c, d, e, f, g, h]) = head.first_chunk() else {
            return Err(DecodeError::Short { wanted: Self::HEAD, left: head.len() });
        };
        if [a, b, c, d] != *b"RCmb" {
            let value = u32::from_be_bytes([a, b, c, d]);
            return Err(DecodeError::BadValue { field: "sig", value: value.into() });
        }
        let length = u32::from_be_bytes([e, f, g, h]);
        if length < HEADER as u32 {
            return Err(DecodeError::BadValue { field: "totlen", value: length.into() });
        }
        Ok(length as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::FrameBuffer;

    #[test]
    fn a_wrong_mark_or_a_length_out_of_bounds_ends_the_link() {
        let next = |head: &[u8; 8]| FrameBuffer::<Bus>::new().next_frame(&mut &head[..]).map(drop);
        assert_eq!(next(b"RCmb\x00\x00\x08\xd0"), Ok(()));
        assert_eq!(next(b"RCmb\x04\x00\x00\x00"), Ok(()));
        let bad = |field, value| Err(DecodeError::BadValue { field, value });
        assert_eq!(next(b"RCma\x00\x00\x08\xd0"), bad("sig", 0x5243_6d61));
        assert_eq!(next(b"RCmb\x00\x00\x08\xcf"), bad("totlen", 2255));
        assert_eq!(next(b"RCmb\x00\x00\x00\x00"), bad("totlen", 0));
        let long = DecodeError::TooLong { length: (64 << 20) + 1, ceiling: 64 << 20 };
        assert_eq!(next(b"RCmb\x04\x00\x00\x01"), Err(long));
    }
}
