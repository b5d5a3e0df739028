//! Numbers with names: who, what, and in which state.
//!
//! Values are those of CTDB 4.17; what only 4.24 knows is marked so.

mod opcode;
mod srvid;
mod state;

pub use self::opcode::{Opcode, Operation};
pub use self::srvid::SrvId;
pub use self::state::{
    Capabilities, ControlFlags, DbFlags, NodeFlags, RecoveryMode, RunState, UnknownNumber,
};

use core::fmt;

/// A node: its line in the nodes file, counted from 0. Prints as `n3`.
///
/// The numbers from [`CURRENT_NODE`](Self::CURRENT_NODE) on are no nodes but directions to a
/// daemon; between daemons only real nodes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pnn(pub u32);

impl Pnn {
    /// The daemon this client is connected to.
    pub const CURRENT_NODE: Self = Self(0xf000_0001);
    /// Every node that is not deleted, the sender and disconnected ones included.
    pub const BROADCAST_ALL: Self = Self(0xf000_0002);
    /// Every node without an inactive flag.
    pub const BROADCAST_ACTIVE: Self = Self(0xf000_0003);
    /// Every node that is neither deleted nor disconnected, the sender included.
    pub const BROADCAST_CONNECTED: Self = Self(0xf000_0004);
    /// Internal to the stock client library; never on the wire.
    pub const MULTICAST: Self = Self(0xf000_0005);
    /// No node, or not known which.
    pub const UNKNOWN: Self = Self(u32::MAX);

    /// Whether this is a direction or "no node", and never a line of the nodes file.
    #[must_use]
    #[inline]
    pub const fn is_special(self) -> bool {
        self.0 >= Self::CURRENT_NODE.0
    }

    /// Whether this asks a daemon to send to many nodes.
    #[must_use]
    #[inline]
    pub const fn is_broadcast(self) -> bool {
        matches!(self, Self::BROADCAST_ALL | Self::BROADCAST_ACTIVE | Self::BROADCAST_CONNECTED)
    }

    /// The node, unless this says "no node".
    #[must_use]
    #[inline]
    pub const fn known(self) -> Option<Self> {
        if self.0 == Self::UNKNOWN.0 { None } else { Some(self) }
    }
}

impl fmt::Display for Pnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CURRENT_NODE => f.write_str("here"),
            Self::BROADCAST_ALL => f.write_str("all"),
            Self::BROADCAST_ACTIVE => f.write_str("active"),
            Self::BROADCAST_CONNECTED => f.write_str("connected"),
            Self::MULTICAST => f.write_str("multicast"),
            Self::UNKNOWN => f.write_str("nobody"),
            Self(line) => write!(f, "n{line}"),
        }
    }
}

/// A tunnel between clients, by the number they agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TunnelId(pub u64);

/// Which recovery a node has been through: a random number drawn by the leader for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Generation(pub u32);

impl Generation {
    /// Before the first recovery.
    pub const INVALID: Self = Self(1);
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Ties a reply to its request; a space of its own per link and sender. 0 is a legal number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RequestId(pub u32);

/// A daemon's number for one of its clients. 0 means no client: from another daemon, or not
/// filled in yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClientId(pub u32);

/// A database: the hash of its name, see [`DbId::of`]. Prints as `0x6645c6c4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DbId(pub u32);

impl DbId {
    /// The number that belongs to a name: Bob Jenkins' lookup3 (`hashlittle`, initial value 0)
    /// over the name, any bytes, and its final NUL.
    #[must_use]
    pub fn of(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let length = name.len() + 1;
        let byte = |at: usize| u32::from(name.get(at).copied().unwrap_or(0));
        let word = |at: usize| byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
        // lookup3 counts in 32 bits; names are far shorter.
        let [mut a, mut b, mut c] = [0xdead_beef_u32.wrapping_add(length as u32); 3];
        let mut at = 0;
        while length - at > 12 {
            a = a.wrapping_add(word(at));
            b = b.wrapping_add(word(at + 4));
            c = c.wrapping_add(word(at + 8));
            [a, b, c] = mix(a, b, c);
            at += 12;
        }
        // The tail is never empty: there is always the NUL. Beyond the end bytes count as zero.
        a = a.wrapping_add(word(at));
        b = b.wrapping_add(word(at + 4));
        c = c.wrapping_add(word(at + 8));
        Self(last_mix(a, b, c))
    }
}

impl fmt::Display for DbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

/// One round of lookup3.
const fn mix(mut a: u32, mut b: u32, mut c: u32) -> [u32; 3] {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    [a, b, c]
}

/// The end of lookup3.
const fn last_mix(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_database_is_numbered_as_ctdbd_numbers_it() {
        for (name, id) in [
            ("vol.tdb", 0x900f_773e),
            ("pers.tdb", 0x3880_c3f1),
            ("g_lock.tdb", 0x4d2a_432b),
            ("ctdb.tdb", 0x6645_c6c4),
        ] {
            assert_eq!(DbId::of(name), DbId(id), "{name}");
        }
    }

    #[test]
    fn nodes_and_directions_print_apart() {
        assert_eq!(Pnn(3).to_string(), "n3");
        assert_eq!(Pnn::BROADCAST_ALL.to_string(), "all");
        assert!(!Pnn(0xefff_ffff).is_special() && Pnn::UNKNOWN.is_special());
        assert_eq!(Pnn::UNKNOWN.known(), None);
    }
}
