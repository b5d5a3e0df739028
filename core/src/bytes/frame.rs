//! Stream → frames, with a ceiling.
//!
//! A stream arrives in any cut. Frames that lie whole in one piece of it are lent straight out
//! of that piece; only a tail that is not whole yet is copied and kept, and leaves as a frame of
//! its own. So no frame borrows the buffer it came through.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::ControlFlow;

use super::DecodeError;

/// How a stream falls into frames: a head that tells the length of the whole frame.
pub trait Framing {
    /// Bytes needed to tell the length.
    const HEAD: usize;

    /// The longest frame that is taken, in bytes; at least [`HEAD`](Self::HEAD).
    const CEILING: usize;

    /// The length of the whole frame, head included, from its first [`HEAD`](Self::HEAD) bytes.
    /// The caller rejects a length outside `HEAD..=CEILING`.
    ///
    /// # Errors
    /// If this cannot be the beginning of a frame.
    fn frame_length(head: &[u8]) -> Result<usize, DecodeError>;
}

/// What is kept of a stream between two of its pieces: at most one frame that is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameBuffer<F> {
    held: Vec<u8>,
    framing: PhantomData<F>,
}

impl<F: Framing> FrameBuffer<F> {
    /// An empty buffer: the stream begins.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: Vec::new(), framing: PhantomData }
    }

    /// Bytes kept of a frame that is not whole yet.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// The next whole frame. Takes from the front of `input`; `None` means that all of it was
    /// taken and more is needed. Whoever stops before `None` drops what is left in `input`.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final: the next call says the same.
    #[inline]
    pub fn next_frame<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Cow<'i, [u8]>>, DecodeError> {
        if !self.held.is_empty() {
            return Ok(self.complete(input)?.map(Cow::Owned));
        }
        if let Some(length) = frame_length::<F>(input)?
            && let Some((frame, rest)) = input.split_at_checked(length)
        {
            *input = rest;
            return Ok(Some(Cow::Borrowed(frame)));
        }
        self.held.extend_from_slice(input);
        *input = &[];
        Ok(None)
    }

    /// Hands each whole frame of the next piece of the stream to `each`, until it breaks.
    /// A break drops the rest of the piece: it is for a link that is being given up.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final: the next call says the same.
    pub fn feed<B>(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, DecodeError> {
        while let Some(frame) = self.next_frame(&mut input)? {
            if let ControlFlow::Break(why) = each(&frame) {
                return Ok(ControlFlow::Break(why));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Completes the frame whose beginning is held, head first.
    fn complete(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        loop {
            let length = frame_length::<F>(&self.held)?;
            let wanted = length.unwrap_or(F::HEAD);
            let (taken, rest) = input.split_at(input.len().min(wanted - self.held.len()));
            self.held.extend_from_slice(taken);
            *input = rest;
            if self.held.len() < wanted {
                return Ok(None);
            }
            if length.is_some() {
                return Ok(Some(core::mem::take(&mut self.held)));
            }
        }
    }
}

impl<F: Framing> Default for FrameBuffer<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// The length of the frame that begins here, `None` if too few bytes are there to tell.
#[inline]
fn frame_length<F: Framing>(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let Some(head) = bytes.get(..F::HEAD) else { return Ok(None) };
    let length = F::frame_length(head)?;
    if length < F::HEAD {
        return Err(DecodeError::BadValue { field: "length", value: length as u64 });
    }
    if length > F::CEILING {
        return Err(DecodeError::TooLong { length: length as u64, ceiling: F::CEILING as u64 });
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::few;
    use proptest::prelude::*;

    /// A big-endian u16 length, at most 40.
    #[derive(Clone, Debug, PartialEq)]
    struct Small;

    impl Framing for Small {
        const HEAD: usize = 2;
        const CEILING: usize = 40;
        fn frame_length(head: &[u8]) -> Result<usize, DecodeError> {
            Ok(usize::from(u16::from_be_bytes([head[0], head[1]])))
        }
    }

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend_from_slice(&(frame.len() as u16 + 2).to_be_bytes());
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    fn read(buffer: &mut FrameBuffer<Small>, input: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
        let mut frames = Vec::new();
        let _: ControlFlow<()> = buffer.feed(input, |frame| {
            frames.push(frame[2..].to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(frames)
    }

    #[test]
    fn whole_frames_are_lent_from_the_input_itself() {
        let bytes = stream(&[alloc::vec![1; 30], alloc::vec![2; 5]]);
        let mut buffer = FrameBuffer::<Small>::new();
        let mut input = &bytes[..];
        let first = buffer.next_frame(&mut input).unwrap().unwrap().as_ptr();
        assert_eq!(first, bytes.as_ptr());
        let second = buffer.next_frame(&mut input).unwrap().unwrap().as_ptr();
        assert_eq!(second, bytes[32..].as_ptr());
        assert_eq!(buffer.next_frame(&mut input), Ok(None));
        assert_eq!(buffer.held.capacity(), 0);
    }

    #[test]
    fn a_length_outside_the_bounds_is_final() {
        for (head, error) in [
            ([0, 41], DecodeError::TooLong { length: 41, ceiling: 40 }),
            ([0, 1], DecodeError::BadValue { field: "length", value: 1 }),
        ] {
            let mut whole = FrameBuffer::new();
            assert_eq!(read(&mut whole, &head), Err(error));
            let mut cut = FrameBuffer::new();
            assert_eq!(read(&mut cut, &head[..1]), Ok(alloc::vec![]));
            assert_eq!(read(&mut cut, &head[1..]), Err(error));
            assert_eq!(read(&mut cut, &[0; 100]), Err(error));
            assert!(cut.held() <= Small::CEILING);
        }
    }

    #[test]
    fn a_break_stops_at_that_frame() {
        let bytes = stream(&[alloc::vec![1], alloc::vec![2], alloc::vec![3]]);
        let mut buffer = FrameBuffer::<Small>::new();
        let mut seen = 0;
        let end = buffer.feed(&bytes, |frame| {
            seen += 1;
            if frame[2] == 2 { ControlFlow::Break("two") } else { ControlFlow::Continue(()) }
        });
        assert_eq!((end, seen), (Ok(ControlFlow::Break("two")), 2));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn any_cut_of_the_stream_gives_the_same_frames(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..=38), 0..8),
            cuts in proptest::collection::vec(1usize..20, 1..40),
        ) {
            let bytes = stream(&frames);
            let mut buffer = FrameBuffer::new();
            let mut seen = Vec::new();
            let mut left = &bytes[..];
            for cut in cuts.iter().cycle() {
                if left.is_empty() { break }
                let (piece, rest) = left.split_at(left.len().min(*cut));
                seen.extend(read(&mut buffer, piece).unwrap());
                prop_assert!(buffer.held() <= Small::CEILING);
                left = rest;
            }
            prop_assert_eq!(seen, frames);
            prop_assert_eq!(buffer.held(), 0);
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(pieces in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..30), 0..8)) {
            let mut buffer = FrameBuffer::new();
            for piece in &pieces {
                let _ = read(&mut buffer, piece);
                prop_assert!(buffer.held() <= Small::CEILING);
            }
        }
    }
}
