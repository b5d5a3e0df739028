//! Streams as links need them of the system: listened for, dialled, read, written, cut off.
//!
//! There are two faces of [`Sockets`]. The one the daemon has is the kernel's. The other is
//! madsim's (`--cfg madsim`, `cargo xtask madsim`), under which driver, links and timers run in
//! virtual time, seed by seed. What madsim cannot do, and what its face does instead:
//!
//! - *source-bound dialling*: a node has one address, and dials from it whatever is asked;
//! - *TLS*: there is none;
//! - *unix sockets*: one can be listened on, and nobody ever comes;
//! - *half-open TCP*: a stream whose other end is dropped ends at once, through a partition too.
//!   A silent loss of power is out of reach; bytes do wait for the end of a partition, and so
//!   does an end behind them. There is no RST, and a dial into a partition is refused at once
//!   instead of being left without an answer;
//! - *receive buffers*: what came while a node stood still is read a millisecond apart, so that it
//!   is not there yet when the driver, late, wants to hear it before it wakes the machine;
//! - *listening at once*: an address is bound a moment after it was said to be, so that one that
//!   is taken, or another node's, is a warning in the log and not the machine's to know.
//!
//! Netlink, processes, files and the lock's helper are behind [`Hands`](crate::driver::Hands),
//! whose real ones are part of the feature `tokio` and unknown to madsim.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use standin_core::machine::{Endpoint, Why};
use tokio::io::{AsyncRead, AsyncWrite};

use self::room::Caller;

#[cfg(not(madsim))]
mod kernel;
pub mod room;
#[cfg(madsim)]
mod simulated;
#[cfg(not(madsim))]
mod tls;

#[cfg(not(madsim))]
pub use self::kernel::Kernel as Here;
#[cfg(madsim)]
pub use self::simulated::Simulated as Here;
#[cfg(not(madsim))]
pub use self::tls::Current;

/// A connected stream of the system this is built for.
pub type Stream = <Here as Sockets>::Stream;
/// How such a stream is cut off while its task has it.
pub type Grip = <Stream as Connected>::Grip;

/// As which end of TLS we shake hands.
pub type Handshake = <Here as Sockets>::Handshake;

/// A system's stream sockets.
pub trait Sockets {
    /// A connected one.
    type Stream: Connected;
    /// A listening one.
    type Listener: 'static;
    /// As which end of TLS we shake hands.
    type Handshake: Clone + Debug + 'static;

    /// Listens, and where.
    ///
    /// # Errors
    /// As [`Why`] says; [`Why::InUse`] for a unix socket on which somebody answers.
    fn listen(on: &Endpoint) -> Result<(Self::Listener, Endpoint), Why>;

    /// Waits for the next who dials, and who it is.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, Endpoint)>>;

    /// Dials, bound to a source address if one is given.
    fn dial(from: Option<IpAddr>, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Makes a stream speak TLS, once both ends have shown who they are.
    fn secure(stream: Self::Stream, tls: &Self::Handshake) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A connected stream. What is written is on its way once it is flushed.
pub trait Connected: AsyncRead + AsyncWrite + Debug + 'static {
    /// Holds the stream from elsewhere.
    type Grip: Cut + Debug;

    /// Our end.
    fn local(&self) -> Endpoint;
    /// The process behind a unix socket.
    fn peer_pid(&self) -> Option<u32>;
    /// Whether it takes a descriptor that is kept from such callers; madsim has as many as it likes.
    fn is_crowded(&self, caller: Caller) -> bool;
    /// Makes it a link's: nothing is held back to fill a segment, and a peer that is gone is
    /// noticed some day, or after about twice `patience`; while bytes of ours wait to be
    /// acknowledged, TCP's own retries decide (Redis has the same). What cuts it off, if it can be.
    fn settle(&self, patience: Option<Duration>) -> Option<Self::Grip>;
}

/// Cuts a stream off.
pub trait Cut {
    /// When the stream is dropped the peer gets an RST, and what was queued is lost.
    fn abort_when_dropped(&self);
}

/// An error of the system in the machine's words.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "errors of the system are many")]
pub fn why(error: &io::Error) -> Why {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => Why::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Why::Reset,
        ErrorKind::TimedOut => Why::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Why::Unreachable,
        ErrorKind::AddrInUse => Why::InUse,
        ErrorKind::AddrNotAvailable => Why::NoAddress,
        ErrorKind::UnexpectedEof => Why::Eof,
        _ => Why::System,
    }
}
