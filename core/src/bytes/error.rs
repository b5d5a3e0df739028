//! Why bytes could not be read.

use core::fmt;

/// Why bytes could not be read. Says what, not where: the caller knows whose bytes they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum DecodeError {
    /// The bytes end too early.
    Short {
        /// Bytes the next value needs.
        wanted: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes are left over after the last value.
    Trailing {
        /// How many.
        left: usize,
    },
    /// A field holds a value that is not allowed there.
    BadValue {
        /// The field's name: `magic`.
        field: &'static str,
        /// What it holds; negative numbers as their two's complement.
        value: u64,
    },
    /// A length is beyond what this side is willing to take.
    TooLong {
        /// The length that was announced, in bytes.
        length: u64,
        /// The most that is taken, in bytes.
        ceiling: u64,
    },
    /// A text lacks its final NUL, or has one inside.
    BadText {
        /// The field's name.
        field: &'static str,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { wanted, left } => write!(f, "{wanted} more bytes wanted, {left} left"),
            Self::Trailing { left } => write!(f, "{left} bytes too many"),
            Self::BadValue { field, value } => write!(f, "{field} cannot be {value} (0x{value:x})"),
            Self::TooLong { length, ceiling } => {
                write!(f, "a length of {length} bytes, at most {ceiling} taken")
            }
            Self::BadText { field } => write!(f, "{field} is not one NUL-terminated text"),
        }
    }
}

impl core::error::Error for DecodeError {}
