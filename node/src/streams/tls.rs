//! The kernel's streams with TLS around them, or without.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use standin_core::machine::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::Connected;
use super::kernel::{Plain, Scissors};
use super::room::Caller;

/// A connected stream.
#[derive(Debug)]
pub enum Stream {
    /// A socket.
    Plain(Plain),
    /// TLS through one.
    Tls(Box<TlsStream<Plain>>),
}

/// What each handshake begins with anew: it may be replaced while a port listens.
#[derive(Debug)]
pub struct Current<T>(Rc<RefCell<Arc<T>>>);

impl<T> Current<T> {
    /// Handshakes that begin from now on have this.
    pub fn replace(&self, next: &Self) {
        let next = next.get();
        *self.0.borrow_mut() = next;
    }

    fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }
}

impl<T> Clone for Current<T> {
    /// The same: what replaces one replaces the other.
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> From<Arc<T>> for Current<T> {
    fn from(first: Arc<T>) -> Self {
        Self(Rc::new(RefCell::new(first)))
    }
}

/// As which end of TLS we shake hands: with what we show, and whom we believe.
#[derive(Clone, Debug)]
pub enum Handshake {
    /// As who was dialled.
    Accepts(Current<ServerConfig>),
    /// As who dials.
    Dials(Current<ClientConfig>),
}

impl Handshake {
    pub(super) async fn secure(&self, stream: Stream) -> io::Result<Stream> {
        let Stream::Plain(plain) = stream else { return Ok(stream) };
        let stream = match self {
            Self::Accepts(config) => TlsStream::Server(TlsAcceptor::from(config.get()).accept(plain).await?),
            Self::Dials(config) => {
                // Whoever verifies it does not look at the name: nodes are known by their ids.
                let name = ServerName::try_from("node").map_err(io::Error::other)?;
                TlsStream::Client(TlsConnector::from(config.get()).connect(name, plain).await?)
            }
        };
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl Stream {
    pub(super) fn plain(&self) -> &Plain {
        match self {
            Self::Plain(plain) => plain,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl From<Plain> for Stream {
    fn from(plain: Plain) -> Self {
        Self::Plain(plain)
    }
}

impl Connected for Stream {
    type Grip = Scissors;

    fn local(&self) -> Endpoint {
        self.plain().local()
    }

    fn peer_pid(&self) -> Option<u32> {
        self.plain().peer_pid()
    }

    fn is_crowded(&self, caller: Caller) -> bool {
        self.plain().is_crowded(caller)
    }

    fn settle(&self, patience: Option<Duration>) -> Option<Scissors> {
        self.plain().settle(patience)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
