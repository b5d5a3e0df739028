//! Text as C writes it: bytes up to a NUL.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A text without NUL. UTF-8 in all but the output of scripts and hostile names, so not required.
///
/// As a [`Wire`] value it is the rest of a payload: the text and its final NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Text(Box<[u8]>);

impl Text {
    /// The bytes before the NUL.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }

    /// Takes the length (u32, the NUL included, 0 for no text) and the text.
    pub(super) fn decode_counted(
        from: &mut Reader<'_>,
        field: &'static str,
    ) -> Result<Option<Self>, DecodeError> {
        let length = from.u32_le()?;
        let length = from.room_for(length, 1)?;
        if length == 0 {
            return Ok(None);
        }
        Self::terminated(from.bytes(length)?, field).map(Some)
    }

    /// As [`decode_counted`](Self::decode_counted), where no text is an error.
    pub(super) fn decode_present(from: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        Self::decode_counted(from, field)?.ok_or(DecodeError::BadText { field })
    }

    /// Appends the length (u32, the NUL included, 0 for no text) and the text.
    pub(super) fn encode_counted(text: Option<&Self>, out: &mut Writer<'_>) {
        match text {
            Some(text) => {
                out.count_le(text.0.len() + 1);
                text.encode(out);
            }
            None => out.u32_le(0),
        }
    }

    fn terminated(bytes: &[u8], field: &'static str) -> Result<Self, DecodeError> {
        match bytes.split_last() {
            Some((0, text)) if !text.contains(&0) => Ok(Self(text.into())),
            _ => Err(DecodeError::BadText { field }),
        }
    }
}

impl Wire for Text {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self(text) = self;
        out.bytes(text);
        out.u8(0);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::terminated(from.rest(), "text")
    }
}

/// Ends at the first NUL, as C would.
impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.split(|byte| *byte == 0).next().unwrap_or_default().into())
    }
}

/// Ends at the first NUL, as C would.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

/// What is not UTF-8 prints as replacement characters.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    pub(in super::super) fn texts() -> impl Strategy<Value = Text> {
        proptest::collection::vec(1u8.., 0..20).prop_map(|bytes| Text::from(&bytes[..]))
    }

    #[test]
    fn a_text_ends_with_its_one_nul() {
        fixture(&Text::from("lo"), b"lo\0");
        fixture(&Text::from(""), b"\0");
        for bad in [&b""[..], b"lo", b"l\0o\0"] {
            assert_eq!(Text::from_bytes(bad), Err(DecodeError::BadText { field: "text" }));
        }
        assert_eq!(&Text::from("eth0\0eth1"), "eth0");
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn texts_round_trip(text in texts()) { round_trip(&text)?; }

        #[test]
        fn any_bytes_are_a_text_or_an_error(bytes in any_bytes()) { survives::<Text>(&bytes)?; }
    }
}
