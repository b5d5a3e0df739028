//! Streams by number: dialled, accepted, read, written, given up.
//!
//! Each link has a task that reads and writes. What it reads goes to the driver through a short
//! queue, so that a peer that floods us is slowed down by its own stream; what it is to write
//! waits in a queue with a limit in bytes, beyond which the link is given up: a peer that does
//! not read costs us that much and no more.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use standin_core::machine::{Endpoint, How, LinkId, PortId, Why};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, spawn_local};

use crate::streams::room::{Caller, Seldom};
use crate::streams::{Connected as _, Cut as _, Grip, Handshake, Here, Sockets as _, Stream, why};

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
/// How long a link that was closed in order, or by a peer that may still read, may write.
const LINGER: Duration = Duration::from_secs(10);
/// How long nothing is accepted after the kernel could not give us another socket.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// How long who dials a port that speaks TLS may take to show who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many may be doing so at one port; each costs us some tens of kilobytes.
const HANDSHAKES_MAX: usize = 512;

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

/// What the driver wants written.
type Orders = mpsc::UnboundedSender<Vec<u8>>;

#[derive(Debug)]
struct Link {
    task: AbortHandle,
    /// None while it is dialled, and once it is closed in order.
    orders: Option<Orders>,
    queued: Arc<AtomicUsize>,
    /// Cuts the stream off when it is to be given up at once.
    grip: Option<Grip>,
}

/// All links and ports of one machine.
#[derive(Debug)]
pub struct Links {
    links: BTreeMap<LinkId, Link>,
    ports: BTreeMap<PortId, AbortHandle>,
    tell: mpsc::Sender<Heard>,
    accepted: u64,
    turned_away: Rc<Seldom>,
    /// Who could not be believed, or did not believe us.
    strange: Rc<Seldom>,
}

impl Links {
    /// None yet, and where to hear of them.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let (links, ports) = (BTreeMap::new(), BTreeMap::new());
        let (turned_away, strange) = (Rc::default(), Rc::default());
        (Self { links, ports, tell, accepted: 0, turned_away, strange }, heard)
    }

    /// Opens a port, which speaks TLS if it is given. Who dials it is turned away while descriptors are
    /// kept from such callers.
    ///
    /// # Errors
    /// As [`Why`] says; [`Why::InUse`] for a unix socket on which somebody answers.
    pub fn listen(
        &mut self,
        port: PortId,
        on: &Endpoint,
        caller: Caller,
        tls: Option<Handshake>,
    ) -> Result<Endpoint, Why> {
        let (mut listener, at) = Here::listen(on)?;
        let tell = self.tell.clone();
        let (turned_away, strange) = (Rc::clone(&self.turned_away), Rc::clone(&self.strange));
        let task = spawn_local(async move {
            let failed = Seldom::default();
            let unshown = Arc::new(Semaphore::new(HANDSHAKES_MAX));
            loop {
                match Here::accept(&mut listener).await {
                    Ok((stream, _)) if stream.is_crowded(caller) => {
                        if let Some(closed) = turned_away.count() {
                            tracing::warn!(closed, "too many open files: new connections are closed at once");
                        }
                    }
                    Ok((stream, from)) => match &tls {
                        Some(tls) => {
                            let Ok(room) = Arc::clone(&unshown).try_acquire_owned() else {
                                if let Some(closed) = turned_away.count() {
                                    tracing::warn!(
                                        closed,
                                        "too many TLS handshakes at once: the last is closed"
                                    );
                                }
                                continue;
                            };
                            let shown = introduce(port, stream, from, tls.clone(), Rc::clone(&strange));
                            let tell = tell.clone();
                            spawn_local(async move {
                                let heard = shown.await;
                                drop(room);
                                if let Some(heard) = heard {
                                    let _ = tell.send(heard).await;
                                }
                            });
                        }
                        None => {
                            if tell.send(Heard::Accepted(port, stream, from)).await.is_err() {
                                return;
                            }
                        }
                    },
                    Err(error) => accept_failed(&error, &failed).await,
                }
            }
        });
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

    /// Opens a link, which speaks TLS if it is given. [`Heard::Opened`] or [`Heard::Closed`] follows.
    pub fn dial(&mut self, link: LinkId, from: Option<IpAddr>, to: SocketAddr, tls: Option<Handshake>) {
        let (tell, strange) = (self.tell.clone(), Rc::clone(&self.strange));
        let task = spawn_local(async move {
            let heard = match dial(from, to, tls, &strange).await {
                Ok(stream) => Heard::Opened(link, stream),
                Err(error) => Heard::Closed(link, why(&error)),
            };
            let _ = tell.send(heard).await;
        });
        let queued = Arc::new(AtomicUsize::new(0));
        self.links.insert(link, Link { task: task.abort_handle(), orders: None, queued, grip: None });
    }

    /// A number for an accepted stream, which is read and written from now on. Whoever is silent for
    /// as long as `patience` is asked whether he is there, and given up after as long again.
    pub fn accept(&mut self, stream: Stream, patience: Option<Duration>) -> LinkId {
        let link = LinkId(self.accepted * 2 + 1);
        self.accepted += 1;
        self.run(link, stream, patience);
        link
    }

    /// A dialled link is up: it is read and written from now on. False if it was given up before.
    pub fn opened(&mut self, link: LinkId, stream: Stream) -> bool {
        let wanted = self.links.contains_key(&link);
        if wanted {
            self.run(link, stream, None);
        }
        wanted
    }

    fn run(&mut self, link: LinkId, stream: Stream, patience: Option<Duration>) {
        let (orders, wanted) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let grip = stream.settle(patience);
        let task = self.pump(link, stream, wanted, &queued);
        self.links.insert(link, Link { task, orders: Some(orders), queued, grip });
    }

    fn pump(
        &self,
        link: LinkId,
        stream: Stream,
        wanted: mpsc::UnboundedReceiver<Vec<u8>>,
        queued: &Arc<AtomicUsize>,
    ) -> AbortHandle {
        let (tell, queued, strange) = (self.tell.clone(), Arc::clone(queued), Rc::clone(&self.strange));
        spawn_local(async move {
            let (from, to) = tokio::io::split(stream);
            let mut writing = pin!(write(link, to, wanted, &queued, &tell));
            let why = tokio::select! {
                why = read(link, from, &tell, &strange) => why,
                failed = &mut writing => {
                    if let Some(why) = failed {
                        let _ = tell.send(Heard::Closed(link, why)).await;
                    }
                    return;
                }
            };
            if tell.send(Heard::Closed(link, why)).await.is_ok() && why == Why::Eof {
                // They may only have said their last word: what was heard before it is answered.
                // `ended` closes the queue behind the answers.
                let _ = tokio::time::timeout(LINGER, writing).await;
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
                if let Some(grip) = &held.grip {
                    grip.abort_when_dropped();
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

    /// A link has ended. What was queued for a peer that may still read is written, unless it is
    /// more than anybody should hold whom nobody counts any more.
    pub fn ended(&mut self, link: LinkId) {
        let Some(held) = self.links.remove(&link) else { return };
        if held.queued.load(Ordering::Relaxed) > SLOW {
            held.task.abort();
        }
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

/// Waits until who has dialled us has shown who it is.
async fn introduce(
    port: PortId,
    stream: Stream,
    from: Endpoint,
    tls: Handshake,
    strange: Rc<Seldom>,
) -> Option<Heard> {
    let secured = tokio::time::timeout(HANDSHAKE, Here::secure(stream, &tls)).await;
    match secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => Some(Heard::Accepted(port, stream, from)),
        Err(error) => {
            if let (Some(times), Endpoint::Tcp(from)) = (strange.count(), from) {
                tracing::warn!(times, "no TLS with {from}, who dialled us: {error}");
            }
            None
        }
    }
}

async fn dial(
    from: Option<IpAddr>,
    to: SocketAddr,
    tls: Option<Handshake>,
    strange: &Seldom,
) -> io::Result<Stream> {
    let stream = Here::dial(from, to).await?;
    let Some(tls) = tls else { return Ok(stream) };
    let secured = Here::secure(stream, &tls).await;
    if let Err(error) = &secured
        && let Some(times) = strange.count()
    {
        tracing::warn!(times, "no TLS with {to}, whom we dialled: {error}");
    }
    secured
}

async fn accept_failed(error: &io::Error, failed: &Seldom) {
    if let Some(times) = failed.count() {
        tracing::warn!(%error, times, "cannot accept a connection");
    }
    tokio::time::sleep(ACCEPT_AGAIN).await;
}

async fn read(
    link: LinkId,
    mut from: impl AsyncRead + Unpin,
    tell: &mpsc::Sender<Heard>,
    strange: &Seldom,
) -> Why {
    let mut buffer = Vec::new();
    loop {
        buffer.reserve(4096);
        // Grows only while whole pieces come.
        match from.read_buf(&mut buffer).await {
            Ok(0) => return Why::Eof,
            Ok(_) => {}
            Err(error) => {
                // Of TLS: whom we dialled may look at our certificate after we have gone on.
                if error.kind() == io::ErrorKind::InvalidData
                    && let Some(times) = strange.count()
                {
                    tracing::warn!(times, link = link.0, "TLS breaks off: {error}");
                }
                return why(&error);
            }
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
        let all = async {
            to.write_all(&bytes).await?;
            to.flush().await
        };
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

#[cfg(all(test, not(madsim)))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpStream};

    use tokio::task::LocalSet;

    use super::*;

    /// A peer that says `text` and then no more, heard only after all of that has come; `answer` is
    /// what it gets then. What the peer reads.
    fn half_closed(text: &[u8], answer: &[u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (mut links, mut heard) = Links::new();
            let on = Endpoint::Tcp(([127, 0, 0, 1], 0).into());
            let Endpoint::Tcp(at) = links.listen(PortId(1), &on, Caller::Client, None).unwrap() else {
                unreachable!("TCP")
            };
            let mut peer = TcpStream::connect(at).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            peer.write_all(text).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            let Some(Heard::Accepted(_, stream, _)) = heard.recv().await else { panic!("somebody dials") };
            let link = links.accept(stream, None);
            // The driver is late: the link's task has seen the end by then.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(
                matches!(heard.recv().await, Some(Heard::Bytes(of, bytes)) if of == link && bytes == text)
            );
            assert!(links.send(link, answer.to_vec()));
            assert!(matches!(heard.recv().await, Some(Heard::Closed(of, Why::Eof)) if of == link));
            links.ended(link);
            assert!(!links.has(link));
            let read = tokio::task::spawn_blocking(move || {
                let mut all = Vec::new();
                let _ = peer.read_to_end(&mut all);
                all
            });
            read.await.unwrap()
        })
    }

    #[test]
    fn who_has_said_his_last_word_is_answered() {
        assert_eq!(half_closed(b"PING\r\n", b"+PONG\r\n"), b"+PONG\r\n");
    }

    #[test]
    fn nobody_holds_much_whom_nobody_counts() {
        assert!(half_closed(b"much", &vec![0; 64 * SLOW]).len() < 64 * SLOW);
    }
}
