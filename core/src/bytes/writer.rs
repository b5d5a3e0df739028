//! The cursor's mirror: appends to a buffer that may come from a pool.

use alloc::vec::Vec;

/// Appends values to a buffer. Positions count from where this writer began, so that several
/// frames can be built one behind the other.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

/// One method per width and byte order.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $number:ty = $to:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(&mut self, value: $number) {
            self.out.extend_from_slice(&value.$to());
        }
    )*};
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`; what is there already stays.
    #[must_use]
    #[inline]
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Bytes written so far.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> usize {
        self.out.len() - self.start
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends `count` zeros.
    #[inline(never)]
    pub fn zeros(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, 0);
    }

    /// Appends zeros until the position is a multiple of `alignment`.
    #[inline(always)]
    pub fn pad_to(&mut self, alignment: usize) {
        match alignment - self.position() % alignment {
            missing if missing == alignment => {}
            // What most packets lack, and it takes no call.
            4 => self.u32_le(0),
            missing => self.zeros(missing),
        }
    }

    /// Appends numbers of 4 bytes each, little endian.
    #[inline]
    pub fn all_u32_le<const N: usize>(&mut self, values: [u32; N]) {
        // Stored where they stay: put together elsewhere first they are there too late to be
        // copied at full speed.
        self.out.extend_from_slice([[0; 4]; N].as_flattened());
        let (_, places) = self.out.as_rchunks_mut();
        *places.last_chunk_mut().expect("they were appended") = values.map(u32::to_le_bytes);
    }

    /// Appends a count or a length as 4 bytes, little endian.
    ///
    /// # Panics
    /// If it does not fit: nothing we build is that long.
    #[inline]
    pub fn count_le(&mut self, count: usize) {
        self.u32_le(narrow(count));
    }

    /// Appends a count or a length as 4 bytes, big endian.
    ///
    /// # Panics
    /// If it does not fit: nothing we build is that long.
    #[inline]
    pub fn count_be(&mut self, count: usize) {
        self.u32_be(narrow(count));
    }

    /// Overwrites the 4 bytes at position `at` with a count, little endian.
    ///
    /// # Panics
    /// If those bytes were not written yet, or the count does not fit.
    #[inline]
    pub fn patch_count_le(&mut self, at: usize, count: usize) {
        self.patch(at, narrow(count).to_le_bytes());
    }

    /// Overwrites the 4 bytes at position `at` with a count, big endian.
    ///
    /// # Panics
    /// If those bytes were not written yet, or the count does not fit.
    #[inline]
    pub fn patch_count_be(&mut self, at: usize, count: usize) {
        self.patch(at, narrow(count).to_be_bytes());
    }

    #[inline]
    fn patch(&mut self, at: usize, bytes: [u8; 4]) {
        let place = self.out[self.start + at..].first_chunk_mut();
        *place.expect("patched bytes are written before") = bytes;
    }

    numbers! {
        /// Appends one byte.
        u8: u8 = to_le_bytes;
        /// Appends 2 bytes, little endian.
        u16_le: u16 = to_le_bytes;
        /// Appends 4 bytes, little endian.
        u32_le: u32 = to_le_bytes;
        /// Appends 8 bytes, little endian.
        u64_le: u64 = to_le_bytes;
        /// Appends 4 bytes, little endian, signed.
        i32_le: i32 = to_le_bytes;
        /// Appends 8 bytes, little endian, signed.
        i64_le: i64 = to_le_bytes;
        /// Appends 8 bytes, little endian, IEEE 754.
        f64_le: f64 = to_le_bytes;
        /// Appends 2 bytes, big endian.
        u16_be: u16 = to_be_bytes;
        /// Appends 4 bytes, big endian.
        u32_be: u32 = to_be_bytes;
        /// Appends 8 bytes, big endian.
        u64_be: u64 = to_be_bytes;
        /// Appends 4 bytes, big endian, signed.
        i32_be: i32 = to_be_bytes;
        /// Appends 8 bytes, big endian, signed.
        i64_be: i64 = to_be_bytes;
        /// Appends 8 bytes, big endian, IEEE 754.
        f64_be: f64 = to_be_bytes;
    }
}

#[inline]
fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("a count or length that fits 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_where_the_writer_began() {
        let mut buffer = alloc::vec![9, 9, 9];
        let mut out = Writer::new(&mut buffer);
        out.u32_le(0);
        out.u8(7);
        out.pad_to(8);
        out.pad_to(8);
        out.patch_count_le(0, out.position());
        assert_eq!(buffer, [9, 9, 9, 8, 0, 0, 0, 7, 0, 0, 0]);
    }

    #[test]
    fn each_width_is_written_in_the_order_it_names() {
        let mut buffer = Vec::new();
        let mut out = Writer::new(&mut buffer);
        out.u16_le(1);
        out.u16_be(1);
        out.count_be(2);
        out.count_le(2);
        out.patch_count_be(4, 3);
        out.i32_le(-2);
        out.all_u32_le([1, 2]);
        let words = [0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(buffer[..12], [1, 0, 0, 1, 0, 0, 0, 3, 2, 0, 0, 0]);
        assert_eq!(buffer[12..], words);
    }
}
