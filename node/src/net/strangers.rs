//! Who else answers for an address of ours: neighbours' ARP, looked at as it passes by.
//!
//! An address is asked for once when it becomes ours (an ARP probe, which changes no neighbour's
//! mind); whoever answers, or says later that it has the address, is named in the log. IPv6 is
//! not watched.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// An address is complained about this often at most.
const QUIET: Duration = Duration::from_secs(60);

/// Packets looked at before others have their turn.
const BATCH: usize = 64;

/// Bytes of an ARP packet for IPv4 over Ethernet, and how it begins.
const PACKET: usize = 28;
const KIND: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// The addresses that are ours.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<BTreeSet<Ipv4Addr>>);

impl Held {
    /// Replaces them; returns those that are new.
    pub(super) fn set(&self, all: BTreeSet<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = all.difference(&held).copied().collect();
        *held = all;
        new
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }
}

/// Somebody says that it has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) mac: [u8; 6],
    pub(super) address: Ipv4Addr,
    /// The interface it came in by.
    pub(super) index: usize,
}

/// Sees every ARP packet that comes in by any interface.
#[derive(Debug)]
pub(super) struct Ear(AsyncFd<Socket>);

impl Ear {
    pub(super) fn open() -> io::Result<Self> {
        let arp = u16::try_from(libc::ETH_P_ARP).expect("a small constant").to_be();
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(i32::from(arp))))?;
        socket.set_nonblocking(true)?;
        // SAFETY: the socket owns its descriptor, gives out no other, and is closed only when
        // dropped, which `AsyncFd` does itself.
        Ok(Self(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? }))
    }

    /// Follows for ever. `is_own` says whether a hardware address is this host's.
    pub(super) async fn follow(self, held: &Held, is_own: impl Fn([u8; 6]) -> bool) {
        let mut warned: BTreeMap<Ipv4Addr, Instant> = BTreeMap::new();
        loop {
            let Ok(mut ready) = self.0.readable().await else { return };
            for _ in 0..BATCH {
                let mut packet = [0; 64];
                match recvfrom::<LinkAddr>(self.0.get_ref().as_raw_fd(), &mut packet) {
                    Ok((length, from)) => {
                        let Some(claim) = from.and_then(|from| claim(&packet[..length], &from)) else {
                            continue;
                        };
                        let quiet = warned.get(&claim.address).is_some_and(|then| then.elapsed() < QUIET);
                        if !quiet && held.has(claim.address) && !is_own(claim.mac) {
                            warned.retain(|_, then| then.elapsed() < QUIET);
                            warned.insert(claim.address, Instant::now());
                            warn(claim);
                        }
                    }
                    Err(Errno::EINTR) => {}
                    Err(_) => {
                        ready.clear_ready();
                        break;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

fn claim(packet: &[u8], from: &LinkAddr) -> Option<Claim> {
    // What we send ourselves passes by too.
    if from.pkttype() == libc::PACKET_OUTGOING {
        return None;
    }
    let (mac, address) = sender(packet)?;
    Some(Claim { mac, address, index: from.ifindex() })
}

/// Who an ARP packet says it comes from. A probe's address is 0.0.0.0, which is nobody's.
#[must_use]
pub fn sender(packet: &[u8]) -> Option<([u8; 6], Ipv4Addr)> {
    let packet: &[u8; PACKET] = packet.first_chunk()?;
    if packet[..6] != KIND {
        return None;
    }
    let mac = *packet[8..].first_chunk::<6>()?;
    let address = Ipv4Addr::from(*packet[14..].first_chunk::<4>()?);
    Some((mac, address))
}

fn warn(claim: Claim) {
    let Claim { mac: [a, b, c, d, e, f], address, index } = claim;
    let interface = nix::net::if_::if_indextoname(u32::try_from(index).unwrap_or(0));
    let interface = interface.as_ref().ok().and_then(|name| name.to_str().ok()).unwrap_or("?");
    tracing::warn!(
        "ANOTHER HOST ANSWERS for {address}, which is ours: {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} on \
         {interface}; clients may reach either until one of them gives it up"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::arp;

    #[test]
    fn a_packet_says_who_has_an_address_and_a_probe_that_nobody_has() {
        let (mac, address) = ([2, 0, 0, 0, 2, 2], Ipv4Addr::new(10, 0, 0, 1));
        for frame in arp::frames(mac, address) {
            assert_eq!(sender(&frame[14..]), Some((mac, address)));
        }
        assert_eq!(sender(&arp::probe(mac, address)[14..]), Some((mac, Ipv4Addr::UNSPECIFIED)));
        assert_eq!(sender(&[0; PACKET]), None);
        assert_eq!(sender(&arp::probe(mac, address)[14..14 + PACKET - 1]), None);
    }

    #[test]
    fn what_is_new_is_what_was_not_held() {
        let [a, b] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let held = Held::default();
        assert_eq!(held.set([a].into()), [a].into());
        assert_eq!(held.set([a, b].into()), [b].into());
        assert!(held.has(a) && held.has(b));
        assert_eq!(held.set([b].into()), [].into());
        assert!(!held.has(a));
    }
}
