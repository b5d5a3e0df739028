//! Databases and their records, as recoveries move them.

use alloc::vec::Vec;

use super::super::types::{DbFlags, DbId, Generation, Pnn, SrvId};
use super::list::{decode_entries, decode_list, encode_list};
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// One attached database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DbEntry {
    /// Which.
    pub id: DbId,
    /// What kind.
    pub flags: DbFlags,
}

impl Wire for DbEntry {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { id, flags } = self;
        id.encode(out);
        out.u8(flags.bits());
        out.zeros(3);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let entry = Self { id: Wire::decode(from)?, flags: DbFlags::from_bits_retain(from.u8()?) };
        from.skip(3)?;
        Ok(entry)
    }
}

/// All attached databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DbMap {
    /// The databases.
    pub databases: Vec<DbEntry>,
}

impl Wire for DbMap {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { databases } = self;
        encode_list(databases, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { databases: decode_list(from, 8)? })
    }
}

/// A database and the stream its records travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DbStream {
    /// Which.
    pub id: DbId,
    /// Only records with this location master; [`Pnn::UNKNOWN`] for any. Garbage in a push.
    pub lmaster: Pnn,
    /// Where the messages with the records go.
    pub srvid: SrvId,
}

impl Wire for DbStream {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { id, lmaster, srvid } = self;
        id.encode(out);
        lmaster.encode(out);
        srvid.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: Wire::decode(from)?, lmaster: Wire::decode(from)?, srvid: Wire::decode(from)? })
    }
}

/// A database and the recovery that changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DbTransaction {
    /// Which.
    pub id: DbId,
    /// The recovery's generation.
    pub generation: Generation,
}

impl Wire for DbTransaction {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { id, generation: Generation(generation) } = self;
        id.encode(out);
        out.u32_le(*generation);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: Wire::decode(from)?, generation: Generation(from.u32_le()?) })
    }
}

/// What CTDB keeps in front of a record's own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LtdbHeader {
    /// Grows with each change of hands.
    pub rsn: u64,
    /// Who may change the record.
    pub dmaster: Pnn,
    /// Kept as it is.
    pub reserved: u32,
    /// Flags of the record.
    pub flags: u32,
}

impl Wire for LtdbHeader {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { rsn, dmaster, reserved, flags } = self;
        out.u64_le(*rsn);
        dmaster.encode(out);
        out.u32_le(*reserved);
        out.u32_le(*flags);
        out.zeros(4);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = Self {
            rsn: from.u64_le()?,
            dmaster: Wire::decode(from)?,
            reserved: from.u32_le()?,
            flags: from.u32_le()?,
        };
        from.skip(4)?;
        Ok(header)
    }
}

/// One record in transit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Record {
    /// 0 in a recovery.
    pub reqid: u32,
    /// The key.
    pub key: Vec<u8>,
    /// The data; in a recovery a [`LtdbHeader`] comes first.
    pub data: Vec<u8>,
}

/// Length, reqid and the lengths of key and data.
const RECORD_HEAD: usize = 16;

impl Record {
    /// A record as recoveries move it: its data begins with the header.
    #[must_use]
    pub fn with_header(key: &[u8], header: LtdbHeader, data: &[u8]) -> Self {
        let mut whole = Vec::new();
        let mut out = Writer::new(&mut whole);
        header.encode(&mut out);
        out.bytes(data);
        Self { reqid: 0, key: key.into(), data: whole }
    }

    /// The data's header and what follows it.
    ///
    /// # Errors
    /// If the data is shorter than a header.
    pub fn split_header(&self) -> Result<(LtdbHeader, &[u8]), DecodeError> {
        let mut from = Reader::new(&self.data);
        let header = LtdbHeader::decode(&mut from)?;
        Ok((header, from.rest()))
    }
}

impl Wire for Record {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { reqid, key, data } = self;
        out.count_le(RECORD_HEAD + key.len() + data.len());
        out.u32_le(*reqid);
        out.count_le(key.len());
        out.count_le(data.len());
        out.bytes(key);
        out.bytes(data);
    }

    /// Goes on behind the record's own length, which may say more than its parts.
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = from.u32_le()?;
        let bad = DecodeError::BadValue { field: "record length", value: length.into() };
        let rest = usize::try_from(length).ok().and_then(|length| length.checked_sub(4)).ok_or(bad)?;
        let mut from = Reader::new(from.bytes(rest)?);
        let reqid = from.u32_le()?;
        let [key, data] = [from.u32_le()?, from.u32_le()?];
        let key = from.room_for(key, 1)?;
        let data = from.room_for(data, 1)?;
        Ok(Self { reqid, key: from.bytes(key)?.to_vec(), data: from.bytes(data)?.to_vec() })
    }
}

/// Records of one database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordBuffer {
    /// Which database.
    pub id: DbId,
    /// The records.
    pub records: Vec<Record>,
}

impl Wire for RecordBuffer {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { id, records } = self;
        id.encode(out);
        encode_list(records, out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = Wire::decode(from)?;
        let count = from.u32_le()?;
        let count = from.room_for(count, RECORD_HEAD)?;
        Ok(Self { id, records: decode_entries(from, count)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn a_record_steps_by_its_own_length() {
        let record = Record { reqid: 0, key: b"k".into(), data: b"dd".into() };
        let mut bytes = b"\x13\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0kdd".to_vec();
        fixture(&record, &bytes);
        bytes[0] += 2;
        bytes.extend_from_slice(b"xx");
        assert_eq!(Record::from_bytes(&bytes), Ok(record.clone()));
        bytes[0] = 3;
        assert!(matches!(Record::from_bytes(&bytes), Err(DecodeError::BadValue { value: 3, .. })));
        assert!(record.split_header().is_err());
    }

    #[test]
    fn a_database_entry_is_padded_to_8_bytes() {
        let entry = DbEntry { id: DbId(0x4d2a_432b), flags: DbFlags::REPLICATED };
        fixture(&entry, &[0x2b, 0x43, 0x2a, 0x4d, 8, 0, 0, 0]);
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn databases_round_trip(
            number: u32,
            wide: u64,
            kinds in vec(any::<u8>(), 0..6),
            records in vec((vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..40)), 0..5),
        ) {
            let id = DbId(number);
            let databases = kinds.into_iter()
                .map(|kind| DbEntry { id, flags: DbFlags::from_bits_retain(kind) })
                .collect();
            round_trip(&DbMap { databases })?;
            round_trip(&DbStream { id, lmaster: Pnn(number), srvid: SrvId(wide) })?;
            round_trip(&DbTransaction { id, generation: Generation(number) })?;
            let header = LtdbHeader { rsn: wide, dmaster: Pnn(number), reserved: 0, flags: number };
            round_trip(&header)?;
            let records: Vec<_> =
                records.into_iter().map(|(key, data)| Record { reqid: number, key, data }).collect();
            let buffer = RecordBuffer { id, records };
            round_trip(&buffer)?;
        }

        #[test]
        fn any_bytes_are_databases_or_errors(bytes in any_bytes()) {
            survives::<DbMap>(&bytes)?;
            survives::<DbStream>(&bytes)?;
            survives::<LtdbHeader>(&bytes)?;
            survives::<Record>(&bytes)?;
            survives::<RecordBuffer>(&bytes)?;
        }
    }
}
