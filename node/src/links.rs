//! TCP and unix streams by number: dialled, accepted, read, written, given up.
//!
//! Each link has a task that reads and writes. What it reads goes to the driver through a short
//! queue, so that a peer that floods us is slowed down by its own stream; what it is to write
//! waits in a queue with a limit in bytes, beyond which the link is given up: a peer that does
//! not read costs us that much and no more.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use standin_core::machine::{Endpoint, How, LinkId, PortId, Why};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};

/// Bytes that may wait to be written to one peer.
pub const QUEUED_MAX: usize = 64 * 1024 * 1024;
/// Bytes that may wait to be written to all peers together, once one of them is slow: then those
/// go for whom more than `SLOW` waits.
pub const QUEUED_TOTAL_MAX: usize = 2 * QUEUED_MAX;
/// Bytes that may wait in any case.
const SLOW: usize = 1024 * 1024;
/// Pieces read and not yet taken by the driver, of all links.
const HEARD_MAX: usize = 64;
/// The largest piece.
const PIECE: usize = 64 * 1024;
/// Connections the kernel accepts ahead of us.
const BACKLOG: u32 = 1024;
/// How long a link that was closed in order may still write.
const LINGER: Duration = Duration::from_secs(10);
/// How long nothing is accepted after the kernel could not give us another socket.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// What a link's or a port's task tells the driver.
#[derive(Debug)]
pub enum Heard {
    /// A dialled link is up.
    Opened(LinkId, Stream),
    /// Somebody dialled a port.
    Accepted(PortId, Stream, Endpoint),
    /// The next bytes.
    Bytes(LinkId, Vec<u8>),
    /// All that was queued is written.
    Drained(LinkId),
    /// It is no more.
    Closed(LinkId, Why),
}

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

/// What the driver wants written.
type Orders = mpsc::UnboundedSender<Vec<u8>>;

#[derive(Debug)]
struct Link {
    task: AbortHandle,
    /// None while it is dialled, and once it is closed in order.
    orders: Option<Orders>,
    queued: Arc<AtomicUsize>,
    /// The socket once more, to give it up at once.
    socket: Option<OwnedFd>,
}

/// All links and ports of one machine.
#[derive(Debug)]
pub struct Links {
    links: BTreeMap<LinkId, Link>,
    ports: BTreeMap<PortId, AbortHandle>,
    tell: mpsc::Sender<Heard>,
    accepted: u64,
}

impl Links {
    /// None yet, and where to hear of them.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        (Self { links: BTreeMap::new(), ports: BTreeMap::new(), tell, accepted: 0 }, heard)
    }

    /// Opens a port.
    ///
    /// # Errors
    /// As [`Why`] says; [`Why::InUse`] for a unix socket on which somebody answers.
    pub fn listen(&mut self, port: PortId, on: &Endpoint) -> Result<Endpoint, Why> {
        let (task, at) = match on {
            Endpoint::Tcp(address) => {
                let socket = tcp_socket(address.ip()).map_err(|error| why(&error))?;
                socket.set_reuseaddr(true).map_err(|error| why(&error))?;
                socket.bind(*address).map_err(|error| why(&error))?;
                let listener = socket.listen(BACKLOG).map_err(|error| why(&error))?;
                let at = listener.local_addr().unwrap_or(*address);
                let tell = self.tell.clone();
                let task = spawn_local(async move {
                    loop {
                        match listener.accept().await {
                            Ok((stream, from)) => {
                                let heard = Heard::Accepted(port, Stream::Tcp(stream), Endpoint::Tcp(from));
                                if tell.send(heard).await.is_err() {
                                    return;
                                }
                            }
                            Err(error) => accept_failed(&error).await,
                        }
                    }
                });
                (task, Endpoint::Tcp(at))
            }
            Endpoint::Unix(path) => {
                let listener = listen_unix(path)?;
                let tell = self.tell.clone();
                let task = spawn_local(async move {
                    loop {
                        match listener.accept().await {
                            Ok((stream, _)) => {
                                let from = Endpoint::Unix("".into());
                                if tell.send(Heard::Accepted(port, Stream::Unix(stream), from)).await.is_err()
                                {
                                    return;
                                }
                            }
                            Err(error) => accept_failed(&error).await,
                        }
                    }
                });
                (task, on.clone())
            }
        };
        if let Some(before) = self.ports.insert(port, task.abort_handle()) {
            before.abort();
        }
        Ok(at)
    }

    /// Closes a port.
    pub fn unlisten(&mut self, port: PortId) {
        if let Some(task) = self.ports.remove(&port) {
            task.abort();
        }
    }

    /// Opens a link. [`Heard::Opened`] or [`Heard::Closed`] follows.
    pub fn dial(&mut self, link: LinkId, from: Option<IpAddr>, to: SocketAddr) {
        let tell = self.tell.clone();
        let task = spawn_local(async move {
            let heard = match connect(from, to).await {
                Ok(stream) => Heard::Opened(link, Stream::Tcp(stream)),
                Err(error) => Heard::Closed(link, why(&error)),
            };
            let _ = tell.send(heard).await;
        });
        let queued = Arc::new(AtomicUsize::new(0));
        self.links.insert(link, Link { task: task.abort_handle(), orders: None, queued, socket: None });
    }

    /// A number for an accepted stream, which is read and written from now on.
    pub fn accept(&mut self, stream: Stream) -> LinkId {
        let link = LinkId(self.accepted * 2 + 1);
        self.accepted += 1;
        self.run(link, stream);
        link
    }

    /// A dialled link is up: it is read and written from now on. False if it was given up before.
    pub fn opened(&mut self, link: LinkId, stream: Stream) -> bool {
        let wanted = self.links.contains_key(&link);
        if wanted {
            self.run(link, stream);
        }
        wanted
    }

    fn run(&mut self, link: LinkId, stream: Stream) {
        let (orders, wanted) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let (socket, task) = match stream {
            Stream::Tcp(stream) => {
                let _ = stream.set_nodelay(true);
                let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new());
                let socket = stream.as_fd().try_clone_to_owned().ok();
                (socket, self.pump(link, stream, wanted, &queued))
            }
            Stream::Unix(stream) => (None, self.pump(link, stream, wanted, &queued)),
        };
        self.links.insert(link, Link { task, orders: Some(orders), queued, socket });
    }

    fn pump<S: AsyncRead + AsyncWrite + 'static>(
        &self,
        link: LinkId,
        stream: S,
        wanted: mpsc::UnboundedReceiver<Vec<u8>>,
        queued: &Arc<AtomicUsize>,
    ) -> AbortHandle {
        let (tell, queued) = (self.tell.clone(), Arc::clone(queued));
        spawn_local(async move {
            let (from, to) = tokio::io::split(stream);
            tokio::select! {
                why = read(link, from, &tell) => {
                    let _ = tell.send(Heard::Closed(link, why)).await;
                }
                failed = write(link, to, wanted, &queued, &tell) => {
                    if let Some(why) = failed {
                        let _ = tell.send(Heard::Closed(link, why)).await;
                    }
                }
            }
        })
        .abort_handle()
    }

    /// Queues bytes. The link is given up, and false returned, if too many wait already.
    pub fn send(&mut self, link: LinkId, bytes: Vec<u8>) -> bool {
        let Some(held) = self.links.get(&link) else { return true };
        let Some(orders) = &held.orders else { return true };
        // What a buffer costs, not what is in it.
        let waits = held.queued.fetch_add(bytes.capacity(), Ordering::Relaxed) + bytes.capacity();
        let all = || self.links.values().map(|link| link.queued.load(Ordering::Relaxed)).sum::<usize>();
        if waits > QUEUED_MAX || waits > SLOW && all() > QUEUED_TOTAL_MAX {
            self.close(link, How::Abort);
            spawn_local(give_memory_back());
            return false;
        }
        // A task that has ended says so itself.
        let _ = orders.send(bytes);
        true
    }

    /// Gives a link up: nothing of it is heard any more.
    pub fn close(&mut self, link: LinkId, how: How) {
        let Some(mut held) = self.links.remove(&link) else { return };
        match how {
            // The task writes what is queued and ends.
            How::Orderly if held.orders.is_some() => drop(held.orders.take()),
            How::Orderly | How::Abort => {
                if let Some(socket) = &held.socket {
                    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
                }
                held.task.abort();
            }
        }
    }

    /// Whether a link is known still.
    #[must_use]
    pub fn has(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// A link has ended.
    pub fn ended(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Gives everything up, in order: what is queued is still written.
    pub fn close_all(&mut self) {
        for (_, port) in std::mem::take(&mut self.ports) {
            port.abort();
        }
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(link, How::Orderly);
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.close_all();
    }
}

/// A long queue has gone, or is about to: its room goes back to the system. The allocator would
/// keep it, since many small buffers leave holes.
async fn give_memory_back() {
    tokio::time::sleep(Duration::from_millis(100)).await;
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, by any thread; it only gives free pages back.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_AGAIN).await;
}

fn tcp_socket(for_address: IpAddr) -> io::Result<TcpSocket> {
    if for_address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

async fn connect(from: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(to.ip())?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(to).await
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

async fn read(link: LinkId, mut from: impl AsyncRead + Unpin, tell: &mpsc::Sender<Heard>) -> Why {
    let mut buffer = Vec::new();
    loop {
        buffer.reserve(4096);
        // Grows only while whole pieces come.
        match from.read_buf(&mut buffer).await {
            Ok(0) => return Why::Eof,
            Ok(_) => {}
            Err(error) => return why(&error),
        }
        let next = Vec::with_capacity(if buffer.len() == buffer.capacity() { PIECE } else { 4096 });
        if tell.send(Heard::Bytes(link, std::mem::replace(&mut buffer, next))).await.is_err() {
            return Why::System;
        }
    }
}

/// Ends with nothing when the link was closed in order.
async fn write(
    link: LinkId,
    mut to: impl AsyncWrite + Unpin,
    mut wanted: mpsc::UnboundedReceiver<Vec<u8>>,
    queued: &AtomicUsize,
    tell: &mpsc::Sender<Heard>,
) -> Option<Why> {
    let mut held_back = false;
    while let Some(bytes) = wanted.recv().await {
        let all = to.write_all(&bytes);
        let written = if wanted.is_closed() {
            match tokio::time::timeout(LINGER, all).await {
                Ok(written) => written,
                Err(_) => return None,
            }
        } else {
            all.await
        };
        if let Err(error) = written {
            return Some(why(&error));
        }
        let left = queued.fetch_sub(bytes.capacity(), Ordering::Relaxed) - bytes.capacity();
        held_back |= left > PIECE;
        if held_back && left == 0 {
            held_back = false;
            let _ = tell.send(Heard::Drained(link)).await;
        }
    }
    let _ = to.shutdown().await;
    None
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
