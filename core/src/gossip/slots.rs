//! Slots: which of them a key falls into, sets of them, and the bitmap they are sent as.

use alloc::vec::Vec;
use core::fmt;

/// Slots of a cluster. They count from 0.
pub const SLOTS: u16 = 16384;

/// Bytes of a [`Bitmap`]: a bit a slot.
pub const BITMAP: usize = 2048;

/// The slot a key falls into: CRC16/XMODEM of the key, or of what stands between its first `{`
/// and the next `}` if anything does.
#[must_use]
pub fn key_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// What is hashed of a key with a hash tag.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let tag = &key[open + 1..];
    let close = tag.iter().position(|&byte| byte == b'}')?;
    (close > 0).then_some(&tag[..close])
}

/// CRC16/XMODEM: polynomial 0x1021, begins at 0, not reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ CRC_TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC_TABLE: [u16; 256] = {
    let mut table = [0_u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// A set of slots as ranges: a few bytes for a set as operators make them, 32 KiB for the worst.
///
/// Every slot is below [`SLOTS`]. Equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct SlotSet(
    /// First and last of each range; sorted, with a gap between neighbours.
    Vec<(u16, u16)>,
);

impl SlotSet {
    /// No slot.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there is no slot in it.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many slots are in it.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|&(first, last)| u32::from(last - first) + 1).sum()
    }

    /// Whether the slot is in it.
    #[must_use]
    pub fn contains(&self, slot: u16) -> bool {
        let at = self.0.partition_point(|&(_, last)| last < slot);
        self.0.get(at).is_some_and(|&(first, _)| first <= slot)
    }

    /// Adds a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn insert(&mut self, slot: u16) {
        self.insert_range(slot, slot);
    }

    /// Adds the slots from `first` to `last`, both included.
    ///
    /// # Panics
    /// If `first` is greater than `last`, or there are no such slots.
    pub fn insert_range(&mut self, first: u16, last: u16) {
        assert!(first <= last && last < SLOTS, "no range of slots: {first}-{last}");
        // Those that overlap or touch become one with it.
        let start = self.0.partition_point(|range| range.1 + 1 < first);
        let end = self.0.partition_point(|range| range.0 <= last + 1);
        if start == end {
            self.0.insert(start, (first, last));
            return;
        }
        self.0[start] = (first.min(self.0[start].0), last.max(self.0[end - 1].1));
        self.0.drain(start + 1..end);
    }

    /// Takes a slot out; whether it was in.
    pub fn remove(&mut self, slot: u16) -> bool {
        let at = self.0.partition_point(|&(_, last)| last < slot);
        let Some(&(first, last)) = self.0.get(at).filter(|range| range.0 <= slot) else { return false };
        match (first == slot, last == slot) {
            (true, true) => drop(self.0.remove(at)),
            (true, false) => self.0[at].0 += 1,
            (false, true) => self.0[at].1 -= 1,
            (false, false) => {
                self.0[at].1 = slot - 1;
                self.0.insert(at + 1, (slot + 1, last));
            }
        }
        true
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// First and last of each range, in order, with a gap between neighbours.
    #[must_use]
    #[inline]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// The slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// The slots whose bits are set.
    #[must_use]
    pub fn from_bitmap(bitmap: &[u8; BITMAP]) -> Self {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (at, word) in (0..SLOTS).step_by(64).zip(words(bitmap)) {
            let mut left = word;
            while left != 0 {
                let start = left.trailing_zeros();
                let length = (left >> start).trailing_ones();
                let first = at + start as u16;
                let last = first + (length - 1) as u16;
                match ranges.last_mut() {
                    Some(before) if before.1 + 1 == first => before.1 = last,
                    _ => ranges.push((first, last)),
                }
                left = if start + length == 64 { 0 } else { left >> (start + length) << (start + length) };
            }
        }
        Self(ranges)
    }

    /// Sets the bits of these slots; the others stay.
    ///
    /// # Panics
    /// If `bitmap` is not [`BITMAP`] bytes long.
    pub fn write_bitmap(&self, bitmap: &mut [u8]) {
        assert_eq!(bitmap.len(), BITMAP, "a bit for each slot");
        for &(first, last) in &self.0 {
            let (start, end) = (usize::from(first) / 8, usize::from(last) / 8);
            let head = 0xff << (first % 8);
            let tail = 0xff >> (7 - last % 8);
            if start == end {
                bitmap[start] |= head & tail;
            } else {
                bitmap[start] |= head;
                bitmap[start + 1..end].fill(0xff);
                bitmap[end] |= tail;
            }
        }
    }

    /// Whether the bits that are set are these slots'. Reads the bitmap once until it differs, 64
    /// bytes a step where none is expected, else eight.
    #[must_use]
    pub fn same_as(&self, bitmap: &Bitmap<'_>) -> bool {
        let mut ranges = self.0.iter().copied();
        let mut range = ranges.next();
        let (blocks, _) = bitmap.0.as_chunks::<64>();
        (0..SLOTS).step_by(512).zip(blocks).all(|(start, block)| {
            if range.is_none_or(|(first, _)| first >= start + 512) {
                return block.iter().fold(0, |any, byte| any | byte) == 0;
            }
            (start..start + 512).step_by(64).zip(words(block)).all(|(at, word)| {
                let mut expected = 0_u64;
                while let Some((first, last)) = range
                    && first < at + 64
                {
                    let head = u64::MAX << first.saturating_sub(at);
                    let tail = u64::MAX >> (at + 63).saturating_sub(last);
                    expected |= head & tail;
                    if last >= at + 64 {
                        break;
                    }
                    range = ranges.next();
                }
                word == expected
            })
        })
    }
}

impl fmt::Display for SlotSet {
    /// As `CLUSTER NODES` prints them: `0-5460 7`; nothing if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, &(first, last)) in self.0.iter().enumerate() {
            let gap = if place > 0 { " " } else { "" };
            write!(f, "{gap}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<T: IntoIterator<Item = u16>>(slots: T) -> Self {
        let mut set = Self::new();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for SlotSet {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut set = Self::new();
        for (first, last) in Vec::<(u16, u16)>::deserialize(from)? {
            if first > last || last >= SLOTS {
                return Err(serde::de::Error::custom("not a range of slots"));
            }
            set.insert_range(first, last);
        }
        Ok(set)
    }
}

/// A set of slots as it stands in a packet: slot `k` is bit `k % 8` of byte `k / 8`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bitmap<'a>(pub &'a [u8; BITMAP]);

impl<'a> Bitmap<'a> {
    /// Whether the slot's bit is set; there are none from [`SLOTS`] on.
    #[must_use]
    #[inline]
    pub fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 8)).is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
    }

    /// The slots whose bits are set, in order. Empty stretches cost a step per 64 slots.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        (0..SLOTS).step_by(64).zip(words(self.0)).flat_map(|(at, word)| Bits { at, left: word })
    }

    /// Whether no bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        words(self.0).all(|word| word == 0)
    }

    /// The same set, kept.
    #[must_use]
    pub fn to_set(&self) -> SlotSet {
        SlotSet::from_bitmap(self.0)
    }
}

impl fmt::Debug for Bitmap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitmap({})", self.to_set())
    }
}

/// The bits of a word that are set, as slots.
struct Bits {
    at: u16,
    left: u64,
}

impl Iterator for Bits {
    type Item = u16;

    #[inline]
    fn next(&mut self) -> Option<u16> {
        let bit = self.left.trailing_zeros();
        if bit == 64 {
            return None;
        }
        self.left &= self.left - 1;
        Some(self.at + bit as u16)
    }
}

/// The bitmap 64 slots at a time, the lowest in the lowest bit.
#[inline]
fn words(bitmap: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (words, _) = bitmap.as_chunks();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::few;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn keys_fall_where_redis_puts_them() {
        for (key, slot) in [
            ("123456789", 0x31c3),
            ("foo", 12182),
            ("{a}b", 15495),
            ("a", 15495),
            ("", 0),
            ("{user1000}.following", key_slot(b"user1000")),
            ("foo{{bar}}zap", key_slot(b"{bar")),
            ("foo{bar}{zap}", key_slot(b"bar")),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
        for untagged in ["foo{}{bar}", "foo}{bar", "foo{bar"] {
            assert_eq!(key_slot(untagged.as_bytes()), crc16(untagged.as_bytes()) % SLOTS, "{untagged}");
        }
    }

    #[test]
    fn ranges_join_split_and_print() {
        let mut set = SlotSet::new();
        assert_eq!((set.to_string().as_str(), set.len(), set.is_empty()), ("", 0, true));
        set.insert_range(0, 5460);
        set.insert(7000);
        set.insert(5462);
        assert_eq!(set.to_string(), "0-5460 5462 7000");
        set.insert(5461);
        assert_eq!(set.ranges(), [(0, 5462), (7000, 7000)]);
        set.insert_range(100, 16383);
        assert_eq!((set.ranges(), set.len()), (&[(0, 16383)][..], 16384));
        assert!(set.remove(0) && set.remove(16383) && set.remove(9) && !set.remove(9));
        assert_eq!(set.to_string(), "1-8 10-16382");
        assert!(!set.contains(16384) && !set.remove(16384));
        set.clear();
        assert_eq!(set, SlotSet::new());
    }

    fn bytes_of(set: &SlotSet) -> [u8; BITMAP] {
        let mut bytes = [0; BITMAP];
        set.write_bitmap(&mut bytes);
        bytes
    }

    #[test]
    fn all_and_none_and_each_slot_alone_are_bitmaps() {
        let all: SlotSet = (0..SLOTS).collect();
        assert_eq!(bytes_of(&all), [0xff; BITMAP]);
        assert_eq!(SlotSet::from_bitmap(&[0xff; BITMAP]), all);
        assert!(Bitmap(&[0; BITMAP]).is_empty() && !Bitmap(&[0xff; BITMAP]).is_empty());
        assert!(SlotSet::new().same_as(&Bitmap(&[0; BITMAP])) && !all.same_as(&Bitmap(&[0; BITMAP])));
        for slot in 0..SLOTS {
            let bytes = bytes_of(&SlotSet::from_iter([slot]));
            assert_eq!(bytes[usize::from(slot / 8)], 1 << (slot % 8));
            assert!(Bitmap(&bytes).iter().eq([slot]));
        }
    }

    /// Ranges and single slots, often neighbours.
    fn changes() -> impl Strategy<Value = Vec<(bool, u16, u16)>> {
        let slot = prop_oneof![0..80_u16, 16300..SLOTS, 0..SLOTS];
        let change = (any::<bool>(), slot, 0..130_u16);
        proptest::collection::vec(change, 0..40)
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn a_set_is_a_set_of_numbers(changes in changes()) {
            let mut set = SlotSet::new();
            let mut model = BTreeSet::new();
            for (add, first, more) in changes {
                if add {
                    let last = (first + more).min(SLOTS - 1);
                    set.insert_range(first, last);
                    model.extend(first..=last);
                } else {
                    prop_assert_eq!(set.remove(first), model.remove(&first));
                }
                prop_assert!(set.ranges().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{}", set);
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.len() as usize, model.len());
            prop_assert_eq!(&model.iter().copied().collect::<SlotSet>(), &set);

            let bytes = bytes_of(&set);
            let bitmap = Bitmap(&bytes);
            prop_assert!(bitmap.iter().eq(model.iter().copied()));
            prop_assert!((0..=SLOTS).all(|slot| bitmap.contains(slot) == set.contains(slot)));
            prop_assert_eq!(bitmap.is_empty(), set.is_empty());
            prop_assert_eq!(&bitmap.to_set(), &set);
            prop_assert!(set.same_as(&bitmap));
        }

        #[test]
        fn one_bit_makes_another_set(changes in changes(), other in 0..SLOTS) {
            let mut set = SlotSet::new();
            changes.iter().for_each(|&(_, first, more)| set.insert_range(first, (first + more).min(SLOTS - 1)));
            let mut bytes = bytes_of(&set);
            bytes[usize::from(other / 8)] ^= 1 << (other % 8);
            prop_assert!(!set.same_as(&Bitmap(&bytes)));
            prop_assert_ne!(Bitmap(&bytes).to_set(), set);
        }
    }
}
