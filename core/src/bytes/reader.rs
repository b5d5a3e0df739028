//! A bounds-checked cursor over received bytes.

use super::DecodeError;

/// Takes values from the front of a byte slice; what it lends lives as long as the slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

/// One method per width and byte order.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $number:ty = $from:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If the bytes end too early.
        #[inline]
        pub const fn $name(&mut self) -> Result<$number, DecodeError> {
            match self.array() {
                Ok(bytes) => Ok(<$number>::$from(*bytes)),
                Err(error) => Err(error),
            }
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the front of `bytes`.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// How many bytes are left.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.left.len()
    }

    /// Whether nothing is left.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    /// If the bytes end too early.
    #[inline]
    pub const fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        match self.left.split_first_chunk() {
            Some((taken, left)) => {
                self.left = left;
                Ok(taken)
            }
            None => Err(DecodeError::Short { wanted: N, left: self.left.len() }),
        }
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// If the bytes end too early.
    #[inline]
    pub const fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.left.split_at_checked(count) {
            Some((taken, left)) => {
                self.left = left;
                Ok(taken)
            }
            None => Err(DecodeError::Short { wanted: count, left: self.left.len() }),
        }
    }

    /// Passes over `count` bytes, padding mostly.
    ///
    /// # Errors
    /// If the bytes end too early.
    #[inline]
    pub const fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        match self.bytes(count) {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes all that is left.
    #[inline]
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.left;
        self.left = &[];
        rest
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// If bytes are left over.
    #[inline]
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.left.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { left: self.left.len() }) }
    }

    /// Checks that `count` entries of at least `size` bytes each can follow, before memory is
    /// set aside for them. Gives the count back as a number to count with.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub fn room_for(&self, count: u32, size: usize) -> Result<usize, DecodeError> {
        let short = DecodeError::Short { wanted: usize::MAX, left: self.remaining() };
        let count = usize::try_from(count).map_err(|_| short)?;
        let wanted = count.checked_mul(size).ok_or(short)?;
        if wanted > self.remaining() {
            return Err(DecodeError::Short { wanted, left: self.remaining() });
        }
        Ok(count)
    }

    numbers! {
        /// Takes one byte.
        u8: u8 = from_le_bytes;
        /// Takes 2 bytes, little endian.
        u16_le: u16 = from_le_bytes;
        /// Takes 4 bytes, little endian.
        u32_le: u32 = from_le_bytes;
        /// Takes 8 bytes, little endian.
        u64_le: u64 = from_le_bytes;
        /// Takes 4 bytes, little endian, signed.
        i32_le: i32 = from_le_bytes;
        /// Takes 8 bytes, little endian, signed.
        i64_le: i64 = from_le_bytes;
        /// Takes 8 bytes, little endian, IEEE 754.
        f64_le: f64 = from_le_bytes;
        /// Takes 2 bytes, big endian.
        u16_be: u16 = from_be_bytes;
        /// Takes 4 bytes, big endian.
        u32_be: u32 = from_be_bytes;
        /// Takes 8 bytes, big endian.
        u64_be: u64 = from_be_bytes;
        /// Takes 4 bytes, big endian, signed.
        i32_be: i32 = from_be_bytes;
        /// Takes 8 bytes, big endian, signed.
        i64_be: i64 = from_be_bytes;
        /// Takes 8 bytes, big endian, IEEE 754.
        f64_be: f64 = from_be_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_width_is_read_in_the_order_it_names() {
        let mut from = Reader::new(&[1, 2, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(from.u8(), Ok(1));
        assert_eq!(from.u16_le(), Ok(2));
        assert_eq!(from.u16_be(), Ok(2));
        assert_eq!(from.u32_le(), Ok(3));
        assert_eq!(from.u32_be(), Ok(3));
        assert_eq!(from.i32_be(), Ok(-2));
        assert_eq!(from.finish(), Ok(()));
    }

    #[test]
    fn a_failed_read_takes_nothing() {
        let mut from = Reader::new(&[1, 2, 3]);
        assert_eq!(from.u32_le(), Err(DecodeError::Short { wanted: 4, left: 3 }));
        assert_eq!(from.bytes(4), Err(DecodeError::Short { wanted: 4, left: 3 }));
        assert_eq!(from.rest(), &[1, 2, 3]);
        assert!(from.is_empty());
    }

    #[test]
    fn room_is_checked_before_memory_is_set_aside() {
        let from = Reader::new(&[0; 8]);
        assert_eq!(from.room_for(2, 4), Ok(2));
        assert_eq!(from.room_for(3, 4), Err(DecodeError::Short { wanted: 12, left: 8 }));
        assert!(from.room_for(u32::MAX, usize::MAX).is_err());
    }
}
