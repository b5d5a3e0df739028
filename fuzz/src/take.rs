//! Deeds from bytes: numbers and lengths are taken from the front until nothing is left.

use standin_core::bytes::{DecodeError, FrameBuffer, Framing};

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    /// A byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A number of two bytes, the lower first.
    pub(crate) fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// A number of four bytes.
    pub(crate) fn word(&mut self) -> Option<u32> {
        Some(u32::from(self.short()?) | u32::from(self.short()?) << 16)
    }

    /// A number of eight bytes.
    pub(crate) fn wide(&mut self) -> Option<u64> {
        Some(u64::from(self.word()?) | u64::from(self.word()?) << 32)
    }

    /// As many bytes as a byte says, or all that are left.
    pub(crate) fn some(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?);
        Some(self.up_to(length))
    }

    /// As many bytes as two bytes say, or all that are left.
    pub(crate) fn many(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.short()?);
        Some(self.up_to(length))
    }

    fn up_to(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = usize::from(self.byte()?) % all.len();
        Some(all[at])
    }
}

/// The bytes in pieces of 0 to 15, of lengths that follow from the bytes.
pub(crate) fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = bytes.iter().fold(bytes.len() as u32, |sum, &byte| sum.rotate_left(5) ^ u32::from(byte));
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (state >> 28) as usize;
        let (piece, left) = rest.split_at(length.min(rest.len()));
        let over = rest.is_empty();
        rest = left;
        (!over).then_some(piece)
    })
}

/// The frames of a stream and how it ended: an error, or so many bytes of one more. However the
/// stream is cut, they are the same.
pub(crate) fn frames<F: Framing>(stream: &[u8]) -> (Vec<Vec<u8>>, Result<usize, DecodeError>) {
    let whole = fed::<F>(std::iter::once(stream));
    assert_eq!(whole, fed::<F>(pieces(stream)), "a stream in pieces is another stream");
    let length: usize = whole.0.iter().map(Vec::len).sum();
    if let Ok(held) = whole.1 {
        assert_eq!(length + held, stream.len(), "bytes were lost");
        assert!(held < F::CEILING, "more than a frame is kept");
    }
    assert!(stream.starts_with(&whole.0.concat()), "frames are not what came");
    whole
}

fn fed<'a, F: Framing>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<usize, DecodeError>) {
    let mut buffer = FrameBuffer::<F>::new();
    let mut frames = Vec::new();
    for mut piece in pieces {
        loop {
            match buffer.next_frame(&mut piece) {
                Ok(Some(frame)) => frames.push(frame.into_owned()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(buffer.next_frame(&mut piece), Err(error), "an error is final");
                    return (frames, Err(error));
                }
            }
        }
    }
    (frames, Ok(buffer.held()))
}
