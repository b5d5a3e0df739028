//! The words of the gossip machine: ids, flags, epochs.

use core::fmt;

use crate::rng::Rng;

/// A node's name for life: 40 characters, lowercase letters and digits.
///
/// Redis makes them of 40 random hexadecimal digits and compares them as bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; Self::LENGTH]);

impl NodeId {
    /// Bytes in an id, on the wire and in text.
    pub const LENGTH: usize = 40;

    /// The id these bytes are, if they are 40 of `[a-z0-9]`.
    #[must_use]
    #[inline]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let id: [u8; Self::LENGTH] = bytes.try_into().ok()?;
        id.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).then_some(Self(id))
    }

    /// A new one, 160 random bits as hexadecimal digits.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let mut id = [0; Self::LENGTH];
        for sixteen in id.chunks_mut(16) {
            let bits = rng.bits();
            for (place, digit) in sixteen.iter_mut().enumerate() {
                *digit = b"0123456789abcdef"[(bits >> (4 * place) & 15) as usize];
            }
        }
        Self(id)
    }

    /// The 40 bytes.
    #[must_use]
    #[inline]
    pub const fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The 40 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The first eight characters as a number: for trace hashes and shuffles, not for identity.
    #[must_use]
    #[inline]
    pub const fn word(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for NodeId {
    /// All of it, or with a precision its beginning: `{id:.8}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for NodeId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for NodeId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        Self::new(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("not a node id"))
    }
}

bitflags::bitflags! {
    /// What a node is and how it fares, as it is sent raw in headers and gossip.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct NodeFlags: u16 {
        /// A master.
        const MASTER = 1;
        /// A replica (Redis' older word is slave).
        const REPLICA = 2;
        /// Possibly failed: it has not answered us for the node timeout. Prints as `fail?`.
        const PFAIL = 4;
        /// Failed: a majority of masters agreed.
        const FAIL = 8;
        /// The sender itself.
        const MYSELF = 16;
        /// Known by address only; its id is made up until it answers.
        const HANDSHAKE = 32;
        /// Its address is not known.
        const NOADDR = 64;
        /// Greet it with MEET on connecting.
        const MEET = 128;
        /// Replicas may migrate to this master.
        const MIGRATE_TO = 256;
        /// It will not stand for election.
        const NOFAILOVER = 512;
    }
}

impl NodeFlags {
    /// PFAIL or FAIL.
    #[must_use]
    #[inline]
    pub const fn failing(self) -> bool {
        self.intersects(Self::PFAIL.union(Self::FAIL))
    }

    /// The flags with a word in `CLUSTER NODES`, in its order.
    pub const WORDS: [(Self, &'static str); 8] = [
        (Self::MYSELF, "myself"),
        (Self::MASTER, "master"),
        (Self::REPLICA, "slave"),
        (Self::PFAIL, "fail?"),
        (Self::FAIL, "fail"),
        (Self::HANDSHAKE, "handshake"),
        (Self::NOADDR, "noaddr"),
        (Self::NOFAILOVER, "nofailover"),
    ];
}

impl fmt::Display for NodeFlags {
    /// As `CLUSTER NODES` prints them: `myself,master`, `noflags`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (flag, word) in Self::WORDS {
            if self.contains(flag) {
                if !first {
                    f.write_str(",")?;
                }
                first = false;
                f.write_str(word)?;
            }
        }
        if first { f.write_str("noflags") } else { Ok(()) }
    }
}

/// A logical time: the cluster's, or that of a master's claim to its slots. 0: never assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next one; the last there is has none. A peer may send any number.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_is_forty_lowercase_characters() {
        let id = NodeId::random(&mut Rng::new(1, 0));
        assert_eq!(NodeId::new(id.bytes()), Some(id));
        assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(alloc::format!("{id:.8}").len(), 8);
        assert_eq!(NodeId::new(&[b'a'; 39]), None);
        assert_eq!(NodeId::new(&[b'A'; 40]), None);
        assert_eq!(NodeId::new(&[0; 40]), None);
    }

    #[test]
    fn flags_print_as_redis_lists_them() {
        let flags = NodeFlags::from_bits_retain(273);
        assert_eq!(flags.to_string(), "myself,master");
        assert_eq!((NodeFlags::REPLICA | NodeFlags::FAIL | NodeFlags::PFAIL).to_string(), "slave,fail?,fail");
        assert_eq!(NodeFlags::MEET.to_string(), "noflags");
    }
}
