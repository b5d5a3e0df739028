//! A computer's nouns: what any of our machines may ask of the host it runs on, and be told.
//!
//! The machines take their job, answer and fact types from here, so that the simulator's world
//! and the daemon's hands each translate them in one place.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use crate::time::Duration;

/// Work for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Job {
    /// Read a whole file; answered by [`Done::Read`].
    ReadFile {
        /// A path, or a name below the daemon's base directory.
        name: String,
    },
    /// Replace a whole file so that a power loss leaves the old or the new one; answered by
    /// [`Done::Wrote`] once it would survive.
    WriteFile {
        /// A path, or a name below the daemon's base directory.
        name: String,
        /// The new content.
        content: Vec<u8>,
    },
    /// Bring the file that the daemon was started from up to date, so that a power loss leaves the old
    /// or the new one: those of these options that have changed since the start or the last such job,
    /// all else as it stands there; answered by [`Done::Kept`].
    KeepSettings {
        /// Names and values, in the words of the machine's own protocol.
        settings: Vec<(String, String)>,
    },
    /// Name the scripts of a directory; answered by [`Done::Scripts`].
    ListScripts {
        /// A path, or a name below the daemon's base directory.
        directory: String,
    },
    /// Run one script; answered by [`Done::Script`].
    RunScript {
        /// A path, or a name below the daemon's base directory.
        path: String,
        /// Its first argument: `takeip`.
        event: String,
        /// Its other arguments, in order.
        arguments: Vec<String>,
        /// When the host gives up and ends it and all it started.
        limit: Duration,
    },
    /// Put an address on an interface; answered by [`Done::Address`].
    AddAddress(Placed),
    /// Take an address off an interface; answered by [`Done::Address`].
    DropAddress(Placed),
    /// Tell the neighbours once that an address lives here (gratuitous ARP, unsolicited NA);
    /// answered by [`Done::Announced`].
    Announce {
        /// Where.
        interface: String,
        /// What.
        address: IpAddr,
    },
    /// Send one bare TCP ACK (sequence and acknowledgement 0, window 1234) as if from `from`, so
    /// that a client whose connection is no more learns of it; answered by [`Done::Announced`].
    Tickle {
        /// A public address and the service's port.
        from: SocketAddr,
        /// The client's end.
        to: SocketAddr,
    },
    /// Take the cluster lock and hold it until the job is cancelled; answered by
    /// [`Done::Lock`], first with the outcome, later perhaps with its loss.
    HoldLock {
        /// The lock's file, or `!command`.
        name: String,
    },
}

/// An address with its prefix length on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Placed {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Network bits, 0–32 or 0–128.
    pub prefix: u8,
}

/// The answer to a [`Job`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Done {
    /// The file's bytes.
    Read(Result<Vec<u8>, FileError>),
    /// The file is durable.
    Wrote(Result<(), FileError>),
    /// The file is up to date and durable, or is as it was for this reason.
    Kept(Result<(), String>),
    /// The scripts of a directory, in no order.
    Scripts(Result<Vec<Script>, FileError>),
    /// The script ended.
    Script(ScriptEnd),
    /// The address is there, or gone.
    Address(Result<(), AddressError>),
    /// The announcement, or the tickle, is on the wire.
    Announced,
    /// News of the lock.
    Lock(LockNews),
}

/// Why a file could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum FileError {
    /// There is none.
    Missing,
    /// Not allowed.
    Denied,
    /// The disk is full.
    Full,
    /// Anything else.
    Other,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no such file",
            Self::Denied => "permission denied",
            Self::Full => "disk full",
            Self::Other => "input/output error",
        })
    }
}

/// A file in a directory of scripts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Script {
    /// Its name, without the directory.
    pub name: String,
    /// Whether it may be executed.
    pub enabled: bool,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ScriptEnd {
    /// It succeeded.
    Ok,
    /// It exited with this status, or was ended by a signal (128 + signal).
    Failed(u8),
    /// The limit passed and it was ended.
    TimedOut,
    /// It could not be started.
    NotStarted,
}

/// Why an address could not be placed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AddressError {
    /// No interface of that name.
    NoInterface,
    /// It is there already (add) or not there (drop).
    Unchanged,
    /// Not allowed, or any other error.
    Other,
}

/// News of the cluster lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LockNews {
    /// Taken; held until cancelled or lost.
    Held,
    /// Somebody else holds it. The job has ended.
    Busy,
    /// The storage did not answer in time. The job has ended.
    TimedOut,
    /// It could not be tried. The job has ended.
    Failed,
    /// Held before, now no more. The job has ended.
    Lost,
}

/// What a host observes unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Fact {
    /// An interface appeared or changed.
    Interface {
        /// Its name, which outlives its index.
        name: String,
        /// The kernel's number for it; new after it was removed and came back.
        index: u32,
        /// Administratively up and with carrier.
        up: bool,
    },
    /// An interface is no more.
    InterfaceGone {
        /// Its name.
        name: String,
    },
    /// An address appeared on an interface.
    Appeared(Placed),
    /// An address vanished from an interface.
    Vanished(Placed),
    /// The time of day, as what to add to the monotonic clock: told at the start, and again
    /// whenever somebody sets the clock.
    TimeOfDay {
        /// Microseconds from the monotonic clock's zero to 1970, the other way round.
        offset: i64,
    },
    /// The monotonic clock jumped: the host was suspended for about this long.
    Woke {
        /// How long.
        slept: Duration,
    },
}
