//! The kernel's side of addresses: put on and taken off, watched, announced.
//!
//! Reading order: `watch` (what the kernel has, as facts), `addresses` (put on, taken off),
//! `netlink` (how the kernel is asked), `arp`, `ndp` and `tickle` (packets as bytes),
//! `packet` (sent), `diag` (connections ended), `strangers` (who else has an address of ours).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use netlink_sys::protocols::NETLINK_ROUTE;
use standin_core::host::{AddressError, Fact, Placed};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

mod addresses;
mod arp;
mod checksum;
mod diag;
#[cfg(test)]
mod golden;
mod ndp;
mod netlink;
mod packet;
mod strangers;
mod tickle;
mod watch;

pub(crate) use addresses::{any_is_here, drop_all};
pub use diag::connections_in;
pub(crate) use netlink::Netlink;
pub use strangers::sender as arp_sender;
pub use watch::facts_of;

/// A way to the kernel. Cheap to clone; every clone speaks to the same sockets. The last one
/// dropped ends the watch.
///
/// It stays in the network namespace of the thread that opened it.
#[derive(Clone, Debug)]
pub struct Net {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: Mutex<Netlink>,
    packets: packet::Packets,
    watch: AbortHandle,
    ask: UnboundedSender<oneshot::Sender<()>>,
    held: Arc<strangers::Held>,
    strangers: OnceLock<AbortHandle>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.watch.abort();
        if let Some(strangers) = self.strangers.get() {
            strangers.abort();
        }
    }
}

impl Net {
    /// Opens it. `tell` hears every interface and address there is before this returns, then
    /// every change, as facts; what is repeated is not told. What changes and changes back before
    /// it is read (64 messages at a time) is not told either. IPv6 addresses count once they are
    /// usable. If the kernel drops news, all is looked at again and the differences are told.
    ///
    /// # Errors
    /// If the kernel refuses a netlink socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub async fn open(tell: UnboundedSender<Fact>) -> io::Result<Self> {
        let requests = Mutex::new(Netlink::open(NETLINK_ROUTE)?);
        let (ask, asked) = unbounded_channel();
        let watch = tokio::spawn(watch::Watch::open(tell, asked)?.run()).abort_handle();
        let packets = packet::Packets::default();
        let (held, strangers) = (Arc::default(), OnceLock::new());
        Ok(Self { shared: Arc::new(Shared { requests, packets, watch, ask, held, strangers }) })
    }

    /// Returns once everything has been told that happened before: who has just changed an
    /// address, or waited for a script that did, need not wonder whether the news are late.
    pub async fn settle(&self) {
        let (told, when) = oneshot::channel();
        if self.shared.ask.send(told).is_ok() {
            let _ = when.await;
        }
    }

    /// Puts an address on an interface. An IPv4 address comes with its subnet's broadcast
    /// address. An IPv6 address comes without a look for duplicates; the kernel makes it usable
    /// within moments, after this returns, and then it is told.
    ///
    /// # Errors
    /// As [`AddressError`] says.
    pub async fn add(&self, placed: &Placed) -> Result<(), AddressError> {
        // Nothing below waits, and with a thousand addresses others want their turn in between.
        tokio::task::yield_now().await;
        addresses::add(&mut self.requests(), placed)
    }

    /// Takes an address off an interface; whatever else is there stays, be it a secondary address
    /// that the kernel took away too and that had to be put back.
    ///
    /// # Errors
    /// As [`AddressError`] says.
    pub async fn drop(&self, placed: &Placed) -> Result<(), AddressError> {
        tokio::task::yield_now().await;
        let mut results = drop_all(&mut self.requests(), std::slice::from_ref(placed));
        results.pop().unwrap_or(Err(AddressError::Other))
    }

    /// Tells the neighbours once that an address lives here: an ARP request and a reply, or an
    /// unsolicited neighbour advertisement. On loopback there is nobody to tell.
    ///
    /// # Errors
    /// If it cannot be sent: no such interface, not Ethernet, no privilege, link down.
    pub async fn announce(&self, interface: &str, address: IpAddr) -> io::Result<()> {
        let link = self.requests().link(interface)?;
        if link.loopback {
            return Ok(());
        }
        let mac = link.mac.ok_or(io::ErrorKind::Unsupported)?;
        match address {
            IpAddr::V4(address) => self.shared.packets.frames(link.index, &arp::frames(mac, address)),
            IpAddr::V6(address) => self.shared.packets.frames(link.index, &[ndp::frame(mac, address)]),
        }
    }

    /// Says which public addresses are ours: all of them. Who else says over ARP that it has one of
    /// the IPv4 addresses is named in the log, at most once a minute for each address. The
    /// neighbours are asked once about an address that is new.
    ///
    /// # Errors
    /// If ARP cannot be listened to: no privilege. The addresses are not watched then.
    pub fn hold(&self, all: &[Placed]) -> io::Result<()> {
        let v4 = |placed: &Placed| match placed.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        let new = self.shared.held.set(all.iter().filter_map(v4).collect());
        if new.is_empty() {
            return Ok(());
        }
        if self.shared.strangers.get().is_none() {
            let (ear, held) = (strangers::Ear::open()?, Arc::clone(&self.shared.held));
            // A socket of its own: whoever holds the shared one could wait for us.
            let links = Mutex::new(Netlink::open(NETLINK_ROUTE)?);
            let is_own = move |mac| {
                let links = links.lock().unwrap_or_else(PoisonError::into_inner).links();
                links.is_ok_and(|links| links.iter().any(|link| link.mac == Some(mac)))
            };
            let task = tokio::spawn(async move { ear.follow(&held, is_own).await });
            let _ = self.shared.strangers.set(task.abort_handle());
        }
        for placed in all {
            let Some(address) = v4(placed).filter(|address| new.contains(address)) else { continue };
            let Ok(link) = self.requests().link(&placed.interface) else { continue };
            if let Some(mac) = link.mac.filter(|_| !link.loopback) {
                // A link that is down takes nothing; then nobody hears us either.
                let _ = self.shared.packets.frames(link.index, &[arp::probe(mac, address)]);
            }
        }
        Ok(())
    }

    /// Sends one bare ACK as if from `from`, which need not be an address of this host.
    ///
    /// # Errors
    /// If it cannot be sent: no route, no privilege, or ends of two families.
    pub async fn tickle(&self, from: SocketAddr, to: SocketAddr) -> io::Result<()> {
        let packet = tickle::packet(from, to)?;
        self.shared.packets.ip(&packet, to)
    }

    /// Ends every TCP connection of this host whose own end is `address`; says how many. Our
    /// programs get an error at once, and a packet resets the clients. Only from an IPv4 address
    /// that has been [dropped](Self::drop) no packet leaves: those clients learn of it from the
    /// tickle of whoever has the address then.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if the kernel cannot (before Linux 4.9, or built without),
    /// otherwise as it says.
    pub async fn kill_connections(&self, address: IpAddr) -> io::Result<usize> {
        // A host may have a hundred thousand: they are walked beside the daemon's own thread.
        tokio::task::spawn_blocking(move || diag::kill_connections(address))
            .await
            .map_err(io::Error::other)?
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, Netlink> {
        // A request broken off by a panic leaves answers that the next one steps over.
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
