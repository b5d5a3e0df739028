//! Flags and states.

use bitflags::bitflags;
use core::fmt;

bitflags! {
    /// What is the matter with a node; nothing is the matter when empty. Bits nobody knows are
    /// kept, so that they can be passed on.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct NodeFlags: u32 {
        /// No connection to it.
        const DISCONNECTED = 0x01;
        /// Its monitor script failed.
        const UNHEALTHY = 0x02;
        /// Disabled by its administrator.
        const PERMANENTLY_DISABLED = 0x04;
        /// Banned for a while.
        const BANNED = 0x08;
        /// Commented out in the nodes file.
        const DELETED = 0x10;
        /// Stopped by its administrator.
        const STOPPED = 0x20;
    }
}

impl NodeFlags {
    /// Any of these: the node hosts no addresses.
    pub const DISABLED: Self = Self::UNHEALTHY.union(Self::PERMANENTLY_DISABLED);

    /// Any of these: the node takes no part in the cluster.
    pub const INACTIVE: Self =
        Self::DELETED.union(Self::DISCONNECTED).union(Self::BANNED).union(Self::STOPPED);

    /// Whether the node takes no part in the cluster.
    #[must_use]
    #[inline]
    pub const fn is_inactive(self) -> bool {
        self.intersects(Self::INACTIVE)
    }

    /// Whether the node is unhealthy or disabled by its administrator.
    #[must_use]
    #[inline]
    pub const fn is_disabled(self) -> bool {
        self.intersects(Self::DISABLED)
    }
}

/// As the stock tool's status prints it: `OK`, `UNHEALTHY|STOPPED`.
impl fmt::Display for NodeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::DISCONNECTED, "DISCONNECTED"),
            (Self::PERMANENTLY_DISABLED, "DISABLED"),
            (Self::BANNED, "BANNED"),
            (Self::UNHEALTHY, "UNHEALTHY"),
            (Self::DELETED, "DELETED"),
            (Self::STOPPED, "STOPPED"),
        ];
        let mut first = true;
        for (_, name) in names.into_iter().filter(|(flag, _)| self.contains(*flag)) {
            write!(f, "{}{name}", if first { "" } else { "|" })?;
            first = false;
        }
        if first { f.write_str("OK") } else { Ok(()) }
    }
}

bitflags! {
    /// What a node may be and can do. Bits nobody knows are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct Capabilities: u32 {
        /// May become leader.
        const LEADER = 0x1;
        /// May be the location master of records.
        const LMASTER = 0x2;
        /// Obsolete.
        const LVS = 0x4;
        /// Obsolete.
        const NATGW = 0x8;
        /// Recovers databases in parallel.
        const PARALLEL_RECOVERY = 0x0001_0000;
        /// Sends databases in pieces.
        const FRAGMENTED_CONTROLS = 0x0002_0000;
    }

    /// What a control's sender wants; the upper half means something else for each opcode.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct ControlFlags: u32 {
        /// No reply.
        const NOREPLY = 0x1;
        /// GET_PUBLIC_IPS: only those the node could host now.
        const AVAILABLE_ONLY = 0x0001_0000;
        /// DB_ATTACH and its kin: a recovery attaches.
        const ATTACH_FOR_RECOVERY = 0x0002_0000;
    }

    /// What kind of database. Bits nobody knows are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct DbFlags: u8 {
        /// Survives a restart.
        const PERSISTENT = 1;
        /// Hands out read-only copies.
        const READONLY = 2;
        /// Has sticky records.
        const STICKY = 4;
        /// The same on all nodes, gone with them.
        const REPLICATED = 8;
    }
}

impl Capabilities {
    /// What a stock node has.
    pub const STOCK: Self =
        Self::LEADER.union(Self::LMASTER).union(Self::PARALLEL_RECOVERY).union(Self::FRAGMENTED_CONTROLS);
}

/// A number that names none of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownNumber(pub u32);

impl fmt::Display for UnknownNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no state has the number {}", self.0)
    }
}

impl core::error::Error for UnknownNumber {}

/// An enum with a number and a word for each state.
macro_rules! states {
    ($(#[$about:meta])* $states:ident { $($(#[$doc:meta])* $name:ident = $number:literal $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum $states {
            $($(#[$doc])* $name = $number,)*
        }

        impl TryFrom<u32> for $states {
            type Error = UnknownNumber;

            fn try_from(number: u32) -> Result<Self, UnknownNumber> {
                match number {
                    $($number => Ok(Self::$name),)*
                    _ => Err(UnknownNumber(number)),
                }
            }
        }

        impl From<$states> for u32 {
            fn from(state: $states) -> Self {
                state as Self
            }
        }

        impl fmt::Display for $states {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $word,)*
                })
            }
        }
    };
}

states! {
    /// How far a daemon has come. Prints as the stock tool does: `FIRST_RECOVERY`.
    RunState {
        /// Not known.
        Unknown = 0 "UNKNOWN",
        /// Reading its configuration.
        Init = 1 "INIT",
        /// Running its `setup` event.
        Setup = 2 "SETUP",
        /// Waiting for its first recovery.
        FirstRecovery = 3 "FIRST_RECOVERY",
        /// Running its `startup` event.
        Startup = 4 "STARTUP",
        /// Serving.
        Running = 5 "RUNNING",
        /// On its way out.
        Shutdown = 6 "SHUTDOWN",
    }
}

states! {
    /// Whether a recovery is under way. Prints as the stock tool does: `NORMAL`.
    RecoveryMode {
        /// No recovery.
        Normal = 0 "NORMAL",
        /// A recovery is under way or due.
        Active = 1 "RECOVERY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_ctdbd() {
        assert_eq!(NodeFlags::INACTIVE.bits(), 0x39);
        assert_eq!(NodeFlags::DISABLED.bits(), 0x06);
        assert_eq!(Capabilities::STOCK.bits(), 0x0003_0003);
        assert_eq!(NodeFlags::from_bits_retain(0x41).bits(), 0x41);
    }

    #[test]
    fn states_and_numbers_go_both_ways() {
        for number in 0..7 {
            assert_eq!(RunState::try_from(number).map(u32::from), Ok(number));
        }
        assert_eq!(RunState::try_from(7), Err(UnknownNumber(7)));
        assert_eq!(RecoveryMode::try_from(1), Ok(RecoveryMode::Active));
        assert_eq!(RecoveryMode::try_from(2), Err(UnknownNumber(2)));
    }
}
