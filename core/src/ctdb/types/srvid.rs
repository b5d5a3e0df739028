//! Where messages go.

use core::fmt;

/// A message's address within a node: clients register for it, and every daemon knows a few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SrvId(pub u64);

/// The constants and their names, in one list.
macro_rules! srvids {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl SrvId {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name of a number that has one: `LEADER`.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

srvids! {
    /// An election message; only without a cluster lock.
    ELECTION = 0xf100_0000_0000_0000;
    /// The leader, once a second, or "an election has begun".
    LEADER = 0xf101_0000_0000_0000;
    /// Asks the leader to run a takeover.
    TAKEOVER_RUN = 0xfb00_0000_0000_0000;
    /// Asks the leader to move addresses towards a node.
    REBALANCE_NODE = 0xfb01_0000_0000_0000;
    /// Takeover runs are off for a while, or on again.
    DISABLE_TAKEOVER_RUNS = 0xfb03_0000_0000_0000;
    /// Recoveries are off for a while, or on again.
    DISABLE_RECOVERIES = 0xfb04_0000_0000_0000;
    /// As disabling takeover runs, without an answer.
    DISABLE_IP_CHECK = 0xfc00_0000_0000_0000;
    /// A node's flags changed.
    PUSH_NODE_FLAGS = 0xf900_0000_0000_0000;
    /// A node deserves banning credits.
    BANNING = 0xf002_0000_0000_0000;
    /// The nodes file was read again.
    RELOAD_NODES = 0xfa00_0000_0000_0000;
    /// A recovery has ended.
    RECONFIGURE = 0xf200_0000_0000_0000;
    /// An address was released here.
    RELEASE_IP = 0xf300_0000_0000_0000;
    /// An address was taken here.
    TAKE_IP = 0xf301_0000_0000_0000;
    /// Addresses were moved (4.24).
    IPREALLOCATED = 0xf302_0000_0000_0000;
    /// Addresses are about to be moved (4.24).
    START_IPREALLOCATE = 0xf303_0000_0000_0000;
    /// Obsolete; ignored.
    SET_NODE_FLAGS = 0xf400_0000_0000_0000;
    /// Unused in 4.17.
    RECD_UPDATE_IP = 0xf500_0000_0000_0000;
    /// Records for the vacuum.
    VACUUM_FETCH = 0xf700_0000_0000_0000;
    /// A database is being detached.
    DETACH_DATABASE = 0xf701_0000_0000_0000;
    /// Asks for a picture of the memory.
    MEM_DUMP = 0xf800_0000_0000_0000;
    /// Unused.
    GETLOG = 0xf801_0000_0000_0000;
    /// Unused.
    CLEARLOG = 0xf802_0000_0000_0000;
    /// Registered by a client that wants every message.
    ALL = 0xffff_ffff_ffff_ffff;
}

impl SrvId {
    /// The prefix of database streams during recovery; a counter from 1 follows.
    pub const RECOVERY_PREFIX: Self = Self(0xf001_0000_0000_0000);

    /// The stock tool's range, where its replies go.
    pub const TOOL_PREFIX: Self = Self(0xce01_0000_0000_0000);

    /// Whether this is a database stream during recovery.
    #[must_use]
    #[inline]
    pub const fn is_recovery_stream(self) -> bool {
        self.0 >> 48 == Self::RECOVERY_PREFIX.0 >> 48
    }
}

impl fmt::Display for SrvId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:016x}", self.0),
        }
    }
}
