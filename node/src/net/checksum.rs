//! The checksum of the Internet's protocols.

/// The complement of the sum of all 16-bit words in all parts, each part padded with a zero.
/// Headers of a protocol above IP come with the parts of their pseudo header.
pub(super) fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum = words.map(|word| u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from)).sum();
    let folded = std::iter::successors(Some(sum), |sum: &u32| {
        (*sum > 0xffff).then_some((*sum & 0xffff) + (*sum >> 16))
    });
    let last = folded.last().unwrap_or_default();
    !u16::try_from(last).expect("folded to 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_wrap_around_and_parts_are_padded() {
        assert_eq!(checksum(&[]), 0xffff);
        assert_eq!(checksum(&[&[0xff, 0xff], &[0x00, 0x01]]), !1);
        assert_eq!(checksum(&[&[0x12], &[0x00, 0x34]]), !0x1234);
        // The worked example of RFC 1071, section 3.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
    }
}
