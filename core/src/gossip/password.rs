//! A password: compared in a time that tells nothing of it, and never shown.

use alloc::boxed::Box;
use core::fmt;
use core::hint::black_box;

/// The longest one, in bytes. (Our limit: Redis takes what fits a line of its file.)
pub const PASSWORD_MAX: usize = 512;

/// What clients have to say before they are heard (`requirepass`): 1 to [`PASSWORD_MAX`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<[u8]>);

impl Password {
    /// `None` if it is empty or too long.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=PASSWORD_MAX).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// Whether it is this one. Takes as long whatever was said, and however long either is.
    #[must_use]
    pub fn is(&self, said: &[u8]) -> bool {
        let byte = |of: &[u8], at: usize| of.get(at).copied().unwrap_or_default();
        let differing =
            (0..PASSWORD_MAX).fold(0, |bits, at| black_box(bits | (byte(&self.0, at) ^ byte(said, at))));
        black_box(differing) == 0 && self.0.len() == said.len()
    }

    /// For those who may see it: CONFIG GET tells it to clients that have said it.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn it_is_itself_only_and_is_not_shown() {
        let password = Password::new(b"s3cret").unwrap();
        assert!(password.is(b"s3cret"));
        for other in [&b""[..], b"s3cre", b"s3creT", b"s3cret\0", b"s3cret1", &[b's'; 600]] {
            assert!(!password.is(other), "{other:?}");
        }
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert!(Password::new(b"").is_none() && Password::new(&[0; 513]).is_none());
        let zeros = Password::new(&[0; 512]).unwrap();
        assert!(zeros.is(&[0; 512]) && !zeros.is(&[0; 513]) && !zeros.is(b""));
    }
}
