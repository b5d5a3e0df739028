//! Streams as links need them of the system: listened for, dialled, read, written, cut off.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};

use standin_core::machine::{Endpoint, Why};
use tokio::io::{AsyncRead, AsyncWrite};

mod kernel;

pub use self::kernel::Kernel as Here;

/// A connected stream of the system this is built for.
pub type Stream = <Here as Sockets>::Stream;
/// How such a stream is cut off while its task has it.
pub type Grip = <Stream as Connected>::Grip;

/// A system's stream sockets.
pub trait Sockets {
    /// A connected one.
    type Stream: Connected;
    /// A listening one.
    type Listener: 'static;

    /// Listens, and where.
    ///
    /// # Errors
    /// As [`Why`] says; [`Why::InUse`] for a unix socket on which somebody answers.
    fn listen(on: &Endpoint) -> Result<(Self::Listener, Endpoint), Why>;

    /// Waits for the next who dials, and who it is.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, Endpoint)>>;

    /// Dials, bound to a source address if one is given.
    fn dial(from: Option<IpAddr>, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A connected stream. What is written is on its way without a flush.
pub trait Connected: AsyncRead + AsyncWrite + Debug + 'static {
    /// Holds the stream from elsewhere.
    type Grip: Cut + Debug;

    /// Our end.
    fn local(&self) -> Endpoint;
    /// The process behind a unix socket.
    fn peer_pid(&self) -> Option<u32>;
    /// Makes it a link's: nothing is held back to fill a segment, and a peer that is gone is
    /// noticed some day. What cuts it off, if it can be.
    fn settle(&self) -> Option<Self::Grip>;
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
