//! What the kernel has, told as facts: all there is, then every change.
//!
//! The news are read in batches into a picture of the kernel, and what is told is the difference
//! to the picture told last. So a thing is told once however often the kernel repeats it, an
//! address that went and came back within a batch is not news at all, and a lost batch needs
//! nothing but a new picture.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use netlink_packet_route::address::{AddressFlags, AddressMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use standin_core::host::{Fact, Placed};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::addresses::{Key, key};
use super::netlink::{ANSWER_BYTES, Link, Message, Netlink, flags, messages, read_address};

/// Datagrams read before what they say is told and others have their turn.
const BATCH: usize = 64;

/// Room for news not yet read, in bytes: some thousand changes.
const BACKLOG_BYTES: usize = 4 * 1024 * 1024;

/// Batches read away before a new picture. More come only in a storm.
const BACKLOG_READS: usize = 200;

/// When a picture that could not be had is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// The kernel's news.
#[derive(Debug)]
pub(super) struct Watch {
    news: AsyncFd<netlink_sys::Socket>,
    requests: Netlink,
    picture: Picture,
    told: Seen,
    tell: UnboundedSender<Fact>,
    /// Who wants everything told that the kernel has said so far.
    asked: UnboundedReceiver<oneshot::Sender<()>>,
    datagram: Vec<u8>,
}

/// What reading the news came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Nothing is left.
    All,
    /// There may be more.
    Some,
    /// News were lost.
    Lost,
}

impl Watch {
    /// Subscribes, takes the first picture, and tells it.
    pub(super) fn open(
        tell: UnboundedSender<Fact>,
        asked: UnboundedReceiver<oneshot::Sender<()>>,
    ) -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
        // More than the system's limit needs a privilege; with less, pictures are taken more often.
        if setsockopt(&socket, sockopt::RcvBufForce, &BACKLOG_BYTES).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BACKLOG_BYTES)?;
        }
        socket.set_non_blocking(true)?;
        socket.bind_auto()?;
        for group in [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR] {
            socket.add_membership(group)?;
        }
        let mut requests = Netlink::open(NETLINK_ROUTE)?;
        // The subscription stands: what changes during this is read from it afterwards.
        let picture = Picture::take(&mut requests)?;
        let datagram = vec![0; ANSWER_BYTES];
        // SAFETY: the socket owns its descriptor, gives out no other, and is closed only when
        // dropped, which `AsyncFd` does itself.
        let news = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? };
        let mut watch = Self { news, requests, picture, told: Seen::default(), tell, asked, datagram };
        watch.tell_changes();
        Ok(watch)
    }

    /// Follows until nobody listens any more.
    pub(super) async fn run(mut self) {
        let listener = self.tell.clone();
        tokio::select! {
            () = listener.closed() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let mut waits = None;
            let (socket, heard) = tokio::select! {
                ready = self.news.readable_mut() => {
                    let Ok(mut ready) = ready else { return };
                    let socket = ready.get_inner().as_raw_fd();
                    let heard = hear(socket, &mut self.datagram, &mut self.picture);
                    if heard == Heard::All {
                        ready.clear_ready();
                    }
                    (socket, heard)
                }
                asked = self.asked.recv() => {
                    let Some(asked) = asked else { return };
                    waits = Some(asked);
                    let socket = self.news.get_ref().as_raw_fd();
                    let mut read = || hear(socket, &mut self.datagram, &mut self.picture);
                    let heard = (0..BACKLOG_READS).map(|_| read()).find(|heard| *heard != Heard::Some);
                    (socket, heard.unwrap_or(Heard::Some))
                }
            };
            if heard == Heard::Lost {
                tracing::warn!("news of interfaces and addresses were lost: looking at all of them");
                self.look_again(socket).await;
            }
            self.tell_changes();
            if let Some(asker) = waits {
                let _ = asker.send(());
            }
            // A storm of news must not starve the rest of the daemon.
            tokio::task::yield_now().await;
        }
    }

    /// A new picture, taken until it succeeds.
    async fn look_again(&mut self, socket: i32) {
        loop {
            // What waits is older than the picture to come and would spoil it.
            let mut ignored = Picture::default();
            let mut read = || hear(socket, &mut self.datagram, &mut ignored) == Heard::All;
            if (0..BACKLOG_READS).any(|_| read()) {
                match Picture::take(&mut self.requests) {
                    Ok(picture) => {
                        self.picture = picture;
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "interfaces and addresses could not be listed"),
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn tell_changes(&mut self) {
        let seen = self.picture.seen();
        for fact in changes(&self.told, &seen) {
            // Nobody listens: the task is about to end.
            let _ = self.tell.send(fact);
        }
        self.told = seen;
    }
}

/// Reads a batch of news into a picture.
fn hear(socket: i32, datagram: &mut [u8], picture: &mut Picture) -> Heard {
    for _ in 0..BATCH {
        match recv(socket, datagram, MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT) {
            Ok(length) => match datagram.get(..length) {
                Some(datagram) => messages(datagram).for_each(|message| picture.read(&message)),
                None => return Heard::Lost,
            },
            Err(Errno::EAGAIN) => return Heard::All,
            Err(Errno::EINTR) => {}
            Err(_) => return Heard::Lost,
        }
    }
    Heard::Some
}

/// What datagrams of routing news, one behind the other, mean to whoever knew of nothing before.
#[must_use]
pub fn facts_of(datagrams: &[&[u8]]) -> Vec<Fact> {
    let mut picture = Picture::default();
    datagrams.iter().flat_map(|datagram| messages(datagram)).for_each(|message| picture.read(&message));
    changes(&Seen::default(), &picture.seen())
}

/// What the kernel has, by its own numbers.
#[derive(Debug, Default)]
struct Picture {
    links: BTreeMap<u32, Link>,
    addresses: BTreeSet<Key>,
}

impl Picture {
    fn take(requests: &mut Netlink) -> io::Result<Self> {
        let mut picture = Self::default();
        for link in requests.links()? {
            picture.links.insert(link.index, link);
        }
        for message in requests.addresses()? {
            picture.appeared(&message);
        }
        Ok(picture)
    }

    fn read(&mut self, message: &Message<'_>) {
        if let Some(link) = Link::read(message) {
            if message.kind == libc::RTM_NEWLINK {
                self.links.insert(link.index, link);
            } else {
                self.links.remove(&link.index);
                self.addresses.retain(|(index, ..)| *index != link.index);
            }
        } else if let Some(address) = read_address(message) {
            if message.kind == libc::RTM_NEWADDR {
                self.appeared(&address);
            } else if let Some(key) = key(&address) {
                self.addresses.remove(&key);
            }
        }
    }

    /// An address that is still being checked for duplicates, or failed that, does not answer.
    fn appeared(&mut self, message: &AddressMessage) {
        let Some(key) = key(message) else { return };
        let flags = flags(message);
        let checked = !flags.contains(AddressFlags::Tentative) || flags.contains(AddressFlags::Optimistic);
        if checked && !flags.contains(AddressFlags::Dadfailed) {
            self.addresses.insert(key);
        } else {
            self.addresses.remove(&key);
        }
    }

    /// The same by names.
    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for link in self.links.values() {
            seen.links.insert(link.name.clone(), (link.index, link.up));
        }
        for (index, address, prefix) in &self.addresses {
            if let Some(link) = self.links.get(index) {
                let placed = Placed { interface: link.name.clone(), address: *address, prefix: *prefix };
                seen.addresses.insert(placed);
            }
        }
        seen
    }
}

/// What has been told, or is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Index and state by name.
    links: BTreeMap<String, (u32, bool)>,
    addresses: BTreeSet<Placed>,
}

/// The facts that lead from one to the other: what goes before what comes, and an interface's
/// addresses after and before it. A name with a new index is another interface: its addresses go
/// and come too.
fn changes(old: &Seen, new: &Seen) -> Vec<Fact> {
    let index = |seen: &Seen, name: &str| seen.links.get(name).map(|(index, _)| *index);
    let same = |name: &str| index(old, name) == index(new, name);
    let mut facts = Vec::new();
    let vanished = |placed: &&Placed| !new.addresses.contains(*placed) || !same(&placed.interface);
    facts.extend(old.addresses.iter().filter(vanished).cloned().map(Fact::Vanished));
    for name in old.links.keys().filter(|name| !same(name)) {
        facts.push(Fact::InterfaceGone { name: name.clone() });
    }
    for (name, (index, up)) in &new.links {
        if old.links.get(name) != Some(&(*index, *up)) {
            facts.push(Fact::Interface { name: name.clone(), index: *index, up: *up });
        }
    }
    let appeared = |placed: &&Placed| !old.addresses.contains(*placed) || !same(&placed.interface);
    facts.extend(new.addresses.iter().filter(appeared).cloned().map(Fact::Appeared));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(interface: &str, address: &str) -> Placed {
        Placed { interface: interface.into(), address: address.parse().unwrap(), prefix: 24 }
    }

    fn seen(links: &[(&str, u32, bool)], addresses: &[Placed]) -> Seen {
        Seen {
            links: links.iter().map(|(name, index, up)| ((*name).to_owned(), (*index, *up))).collect(),
            addresses: addresses.iter().cloned().collect(),
        }
    }

    #[test]
    fn nothing_new_is_no_news() {
        let some = seen(&[("eth0", 2, true)], &[placed("eth0", "10.0.0.1")]);
        assert_eq!(changes(&some, &some), []);
    }

    #[test]
    fn a_link_goes_down_and_its_address_with_it() {
        let old = seen(&[("eth0", 2, true)], &[placed("eth0", "10.0.0.1")]);
        let new = seen(&[("eth0", 2, false)], &[]);
        let down = Fact::Interface { name: "eth0".into(), index: 2, up: false };
        assert_eq!(changes(&old, &new), [Fact::Vanished(placed("eth0", "10.0.0.1")), down]);
    }

    #[test]
    fn a_name_with_a_new_index_is_another_interface() {
        let address = placed("eth0", "10.0.0.1");
        let old = seen(&[("eth0", 2, true)], std::slice::from_ref(&address));
        let new = seen(&[("eth0", 7, true)], std::slice::from_ref(&address));
        let gone = Fact::InterfaceGone { name: "eth0".into() };
        let come = Fact::Interface { name: "eth0".into(), index: 7, up: true };
        assert_eq!(
            changes(&old, &new),
            [Fact::Vanished(address.clone()), gone, come, Fact::Appeared(address)]
        );
    }

    #[test]
    fn a_new_name_takes_the_addresses_along() {
        let old = seen(&[("eth0", 2, true)], &[placed("eth0", "10.0.0.1")]);
        let new = seen(&[("lan", 2, true)], &[placed("lan", "10.0.0.1")]);
        let gone = Fact::InterfaceGone { name: "eth0".into() };
        let come = Fact::Interface { name: "lan".into(), index: 2, up: true };
        let [went, came] = [placed("eth0", "10.0.0.1"), placed("lan", "10.0.0.1")];
        assert_eq!(changes(&old, &new), [Fact::Vanished(went), gone, come, Fact::Appeared(came)]);
    }
}
