//! The kernel's sockets: TCP and unix.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use standin_core::machine::{Endpoint, Why};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::room::{self, Caller};
use super::tls::{Handshake, Stream};
use super::{Connected, Cut, Sockets, why};

/// Connections the kernel accepts ahead of us.
const BACKLOG: u32 = 1024;

/// The kernel of this host.
#[derive(Debug)]
pub struct Kernel;

/// A connected socket.
#[derive(Debug)]
pub struct Plain {
    socket: Socket,
    cut: Scissors,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Says of a stream how it ends, without a descriptor of its own.
#[derive(Clone, Debug, Default)]
pub struct Scissors(Rc<Cell<bool>>);

impl From<Socket> for Plain {
    fn from(socket: Socket) -> Self {
        Self { socket, cut: Scissors::default() }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        if let (Socket::Tcp(stream), true) = (&self.socket, self.cut.0.get()) {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

impl Sockets for Kernel {
    type Stream = Stream;
    type Listener = Listener;
    type Handshake = Handshake;

    fn listen(on: &Endpoint) -> Result<(Listener, Endpoint), Why> {
        match on {
            Endpoint::Tcp(address) => {
                let listener = listen_tcp(*address).map_err(|error| why(&error))?;
                let at = listener.local_addr().unwrap_or(*address);
                Ok((Listener::Tcp(listener), Endpoint::Tcp(at)))
            }
            Endpoint::Unix(path) => Ok((Listener::Unix(listen_unix(path)?), on.clone())),
        }
    }

    async fn accept(listener: &mut Listener) -> io::Result<(Stream, Endpoint)> {
        Ok(match listener {
            Listener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                (Plain::from(Socket::Tcp(stream)).into(), Endpoint::Tcp(from))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                (Plain::from(Socket::Unix(stream)).into(), Endpoint::Unix("".into()))
            }
        })
    }

    async fn dial(from: Option<IpAddr>, to: SocketAddr) -> io::Result<Stream> {
        let socket = tcp_socket(to.ip())?;
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        Ok(Plain::from(Socket::Tcp(socket.connect(to).await?)).into())
    }

    async fn secure(stream: Stream, tls: &Handshake) -> io::Result<Stream> {
        tls.secure(stream).await
    }
}

fn tcp_socket(for_address: IpAddr) -> io::Result<TcpSocket> {
    if for_address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

fn listen_tcp(on: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp_socket(on.ip())?;
    socket.set_reuseaddr(true)?;
    socket.bind(on)?;
    socket.listen(BACKLOG)
}

fn listen_unix(path: &str) -> Result<UnixListener, Why> {
    // What a dead daemon left is taken away; a living one answers.
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(Why::InUse);
    }
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).map_err(|error| why(&error))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(|error| why(&error))?;
    Ok(listener)
}

impl Connected for Plain {
    type Grip = Scissors;

    fn local(&self) -> Endpoint {
        match &self.socket {
            Socket::Tcp(stream) => {
                stream.local_addr().map_or_else(|_| Endpoint::Unix("".into()), Endpoint::Tcp)
            }
            Socket::Unix(stream) => {
                let path = stream.local_addr().ok();
                let path =
                    path.as_ref().and_then(|address| address.as_pathname()).and_then(|path| path.to_str());
                Endpoint::Unix(path.unwrap_or_default().into())
            }
        }
    }

    fn peer_pid(&self) -> Option<u32> {
        match &self.socket {
            Socket::Tcp(_) => None,
            Socket::Unix(stream) => {
                stream.peer_cred().ok().and_then(|who| who.pid()).and_then(|pid| pid.try_into().ok())
            }
        }
    }

    fn is_crowded(&self, caller: Caller) -> bool {
        let descriptor = match &self.socket {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Unix(stream) => stream.as_raw_fd(),
        };
        room::is_crowded(descriptor, caller)
    }

    fn settle(&self, patience: Option<Duration>) -> Option<Scissors> {
        match &self.socket {
            Socket::Tcp(stream) => {
                let _ = stream.set_nodelay(true);
                let _ = SockRef::from(stream).set_tcp_keepalive(&probing(patience));
                Some(self.cut.clone())
            }
            Socket::Unix(_) => None,
        }
    }
}

/// Times a silent peer is asked whether it is there.
const PROBES: u32 = 3;

/// When a silent peer is asked whether it is there: after `patience`, then thrice within as long
/// again, as Redis has it; or when the kernel thinks so.
fn probing(patience: Option<Duration>) -> TcpKeepalive {
    let Some(patience) = patience else { return TcpKeepalive::new() };
    let least = |span: Duration| span.max(Duration::from_secs(1));
    TcpKeepalive::new()
        .with_time(least(patience))
        .with_interval(least(patience / PROBES))
        .with_retries(PROBES)
}

impl Cut for Scissors {
    fn abort_when_dropped(&self) {
        self.0.set(true);
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_peer_is_asked_when_it_is_said_and_given_up_after_as_long_again() {
        let (mut listener, at) = Kernel::listen(&Endpoint::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        let Endpoint::Tcp(at) = at else { unreachable!("we listen on TCP") };
        let _dialled = Kernel::dial(None, at).await.unwrap();
        let (stream, _) = Kernel::accept(&mut listener).await.unwrap();
        let asked = |patience| {
            stream.settle(patience).unwrap();
            let Socket::Tcp(stream) = &stream.plain().socket else { unreachable!("we listen on TCP") };
            let socket = SockRef::from(stream);
            let on = socket.keepalive().unwrap();
            (
                on,
                socket.tcp_keepalive_time().unwrap().as_secs(),
                socket.tcp_keepalive_interval().unwrap().as_secs(),
            )
        };
        assert!(asked(None).0);
        assert_eq!(asked(Some(Duration::from_secs(30))), (true, 30, 10));
        assert_eq!(asked(Some(Duration::from_millis(200))), (true, 1, 1), "the kernel counts seconds");
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_off_resets_its_peer_and_another_ends_in_order() {
        let (mut listener, at) = Kernel::listen(&Endpoint::Tcp(([127, 0, 0, 1], 0).into())).unwrap();
        let Endpoint::Tcp(at) = at else { unreachable!("we listen on TCP") };
        for (cut, ends) in [(true, Err(Why::Reset)), (false, Ok(0))] {
            let mut dialled = Kernel::dial(None, at).await.unwrap();
            let (stream, _) = Kernel::accept(&mut listener).await.unwrap();
            let grip = stream.settle(None).unwrap();
            if cut {
                grip.abort_when_dropped();
            }
            drop(stream);
            let read = tokio::io::AsyncReadExt::read(&mut dialled, &mut [0]).await;
            assert_eq!(read.map_err(|error| why(&error)), ends);
        }
    }
}
