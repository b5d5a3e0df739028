//! The ends of connections, by name, and who holds them.

use standin_core::machine::LinkId;

use super::moment::PuppetId;

/// A connection of the world; the serial number tells later users of a slot apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConnId {
    pub(super) slot: u32,
    pub(super) serial: u32,
}

/// Which of a connection's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// One end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EndRef {
    pub(super) conn: ConnId,
    pub(super) side: Side,
}

/// Who holds an end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The kernel knows no such connection (any more).
    Nobody,
    /// Closed by its process; the kernel still has FIN, and what precedes it, to bring over.
    Kernel,
    /// SYN received, not yet handed to a process.
    Embryo,
    /// The host's daemon.
    Machine(LinkId),
    /// A hand of the rehearsal's own.
    Puppet(PuppetId),
}
