//! Bytes ↔ values: a bounds-checked cursor, its mirror, and framing.
//!
//! The contract of every codec of this crate, stated once:
//!
//! * [`Wire::encode`] appends exactly the bytes the real software would send, padding as zeros.
//! * [`Wire::decode`] takes what belongs to the value and leaves the rest; it ignores padding,
//!   rejects what it does not understand with a typed [`DecodeError`], and neither panics nor
//!   allocates more than a small multiple of the bytes it was given, whatever they are.
//! * What was encoded decodes to an equal value.
//!
//! The byte order is part of each method's name (`u32_le`, `u32_be`); a protocol uses one.

mod error;
mod frame;
mod reader;
mod writer;

pub use self::error::DecodeError;
pub use self::frame::{FrameBuffer, Framing};
pub use self::reader::Reader;
pub use self::writer::Writer;

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A value with one form on the wire; the contract is the module's.
pub trait Wire: Sized {
    /// Appends the value.
    fn encode(&self, out: &mut Writer<'_>);

    /// Takes the value from the front of what is left.
    ///
    /// # Errors
    /// If the bytes end too early or say something that is not allowed.
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The value that these bytes are, all of them.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and if bytes are left over.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        let value = Self::decode(&mut from)?;
        from.finish()?;
        Ok(value)
    }

    /// The value's bytes in a buffer of their own.
    #[must_use]
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut Writer::new(&mut bytes));
        bytes
    }
}

impl<T: Wire> Wire for Box<T> {
    fn encode(&self, out: &mut Writer<'_>) {
        T::encode(self, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(from).map(Self::new)
    }
}

/// What the codecs' tests share.
#[cfg(test)]
pub(crate) mod check {
    use super::Wire;
    use alloc::vec::Vec;
    use core::fmt::Debug;
    use proptest::prelude::*;

    /// Few cases: codecs are many and small.
    pub(crate) fn few() -> ProptestConfig {
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) }
    }

    /// Short byte strings of any content.
    pub(crate) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..600)
    }

    /// Bytes that mean `value`, both ways.
    #[track_caller]
    pub(crate) fn fixture<T: Wire + PartialEq + Debug>(value: &T, bytes: &[u8]) {
        assert_eq!(value.to_bytes(), bytes);
        assert_eq!(T::from_bytes(bytes).as_ref(), Ok(value));
    }

    /// What was encoded decodes to an equal value; no shorter form of it does.
    pub(crate) fn round_trip<T: Wire + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
        let bytes = value.to_bytes();
        let back = T::from_bytes(&bytes);
        prop_assert_eq!(back.as_ref(), Ok(value));
        if let Some((_, shorter)) = bytes.split_last() {
            prop_assert!(T::from_bytes(shorter).as_ref() != Ok(value), "reads without its last byte");
        }
        Ok(())
    }

    /// Any bytes are an error or a value that encodes to a fixed point.
    pub(crate) fn survives<T: Wire>(bytes: &[u8]) -> Result<(), TestCaseError> {
        if let Ok(value) = T::from_bytes(bytes) {
            let once = value.to_bytes();
            let twice = T::from_bytes(&once).map(|value| value.to_bytes());
            prop_assert_eq!(twice, Ok(once));
        }
        Ok(())
    }
}
