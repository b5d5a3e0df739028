//! madsim's sockets: TCP between its nodes, and stand-ins for what it has not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use standin_core::machine::{Endpoint, Why};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::room::Caller;
use super::{Connected, Cut, Sockets};

/// The network of a madsim runtime, seen from the node whose task asks.
#[derive(Debug)]
pub struct Simulated;

/// A connected stream.
#[derive(Debug)]
pub struct Stream(TcpStream);

/// A port that listens, or will as soon as somebody waits for it.
#[derive(Debug)]
pub enum Listener {
    /// To be bound: madsim binds in a task only.
    Unbound(SocketAddr),
    /// TCP.
    Tcp(TcpListener),
    /// A path to which nobody ever comes.
    Unix,
}

/// TLS, which there is not here.
#[derive(Clone, Copy, Debug)]
pub enum NoTls {}

/// Nothing: madsim's streams end one way only.
#[derive(Debug)]
pub struct NoGrip;

impl Sockets for Simulated {
    type Stream = Stream;
    type Listener = Listener;
    type Handshake = NoTls;

    fn listen(on: &Endpoint) -> Result<(Listener, Endpoint), Why> {
        let listener = match on {
            Endpoint::Tcp(address) => Listener::Unbound(*address),
            Endpoint::Unix(_) => Listener::Unix,
        };
        Ok((listener, on.clone()))
    }

    async fn accept(listener: &mut Listener) -> io::Result<(Stream, Endpoint)> {
        if let Listener::Unbound(address) = listener {
            *listener = Listener::Tcp(TcpListener::bind(*address).await?);
        }
        let Listener::Tcp(listener) = listener else { return std::future::pending().await };
        let (stream, from) = listener.accept().await?;
        Ok((Stream(stream), Endpoint::Tcp(from)))
    }

    async fn dial(_: Option<IpAddr>, to: SocketAddr) -> io::Result<Stream> {
        TcpStream::connect(to).await.map(Stream)
    }

    async fn secure(_: Stream, tls: &NoTls) -> io::Result<Stream> {
        match *tls {}
    }
}

impl Connected for Stream {
    type Grip = NoGrip;

    fn local(&self) -> Endpoint {
        self.0.local_addr().map_or_else(|_| Endpoint::Unix("".into()), Endpoint::Tcp)
    }

    fn peer_pid(&self) -> Option<u32> {
        None
    }

    fn is_crowded(&self, _: Caller) -> bool {
        false
    }

    fn settle(&self, _: Option<Duration>) -> Option<NoGrip> {
        None
    }
}

impl Cut for NoGrip {
    fn abort_when_dropped(&self) {}
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    /// A kernel sends what it is given; madsim keeps it until it is flushed.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = ready!(Pin::new(&mut self.0).poll_write(cx, bytes))?;
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
