//! Lists: a count (u32), then the entries back to back.

use alloc::vec::Vec;

use crate::bytes::{DecodeError, Reader, Wire, Writer};

pub(super) fn encode_list<T: Wire>(entries: &[T], out: &mut Writer<'_>) {
    out.count_le(entries.len());
    for entry in entries {
        entry.encode(out);
    }
}

/// `size` is what an entry takes at least, in bytes.
pub(super) fn decode_list<T: Wire>(from: &mut Reader<'_>, size: usize) -> Result<Vec<T>, DecodeError> {
    let count = from.u32_le()?;
    let count = from.room_for(count, size)?;
    decode_entries(from, count)
}

/// As [`decode_list`], of at most `most` entries.
pub(super) fn decode_limited<T: Wire>(
    from: &mut Reader<'_>,
    size: usize,
    most: usize,
    field: &'static str,
) -> Result<Vec<T>, DecodeError> {
    let count = from.u32_le()?;
    let entries = from.room_for(count, size)?;
    if entries > most {
        return Err(DecodeError::BadValue { field, value: count.into() });
    }
    decode_entries(from, entries)
}

/// As many entries as there is room for.
pub(super) fn decode_entries<T: Wire>(from: &mut Reader<'_>, count: usize) -> Result<Vec<T>, DecodeError> {
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(T::decode(from)?);
    }
    Ok(entries)
}
