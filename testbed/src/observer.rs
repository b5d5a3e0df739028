//! An observer without an address: asks by ARP who has each public address and hears all who say
//! so. A client hears only the one its neighbour table names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::bed::Bed;
use crate::switch::node_of;
use crate::{Error, Result, netns};

/// How often each address is asked for.
const EVERY: Duration = Duration::from_millis(100);

/// Broadcasts a question an address every 100 ms from sender 0.0.0.0, which changes nobody's
/// neighbour table, and keeps who answered.
#[derive(Debug)]
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Who was seen with an address, from when on, until the next sighting of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The public address.
    pub address: Ipv4Addr,
    /// When the question was asked.
    pub at: Instant,
    /// All who answered it: none, one, or two and more when it is hosted twice.
    pub nodes: BTreeSet<usize>,
}

/// Changes only, in order of time.
type Seen = BTreeMap<Ipv4Addr, Vec<Sighting>>;

impl Observer {
    /// Begins to look.
    ///
    /// # Errors
    ///
    /// The observer's namespace cannot be entered, or its packet socket does not open.
    pub fn start(bed: &Bed) -> Result<Self> {
        let opened = netns::inside(&bed.space("observer"), open)?;
        let (socket, mac) =
            opened.map_err(|why| Error::new(format!("the observer's packet socket: {why}")))?;
        let seen: Seen = bed.addresses().iter().map(|&address| (address, Vec::new())).collect();
        let (seen, stop) = (Arc::new(Mutex::new(seen)), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let addresses = bed.addresses().to_vec();
        let thread = thread::spawn(move || look(&socket, mac, &addresses, &shared, &stopped));
        Ok(Self { seen, stop, thread: Some(thread) })
    }

    /// All who had an address when it was last asked for.
    pub fn hosts(&self, address: Ipv4Addr) -> BTreeSet<usize> {
        let seen = self.seen.lock().expect("nobody panics while looking");
        let last = seen.get(&address).and_then(|changes| changes.last());
        last.map(|last| last.nodes.clone()).unwrap_or_default()
    }

    /// The addresses that two nodes or more answer for now.
    pub fn twice(&self) -> Vec<Ipv4Addr> {
        let seen = self.seen.lock().expect("nobody panics while looking");
        let twice =
            seen.iter().filter(|(_, changes)| changes.last().is_some_and(|last| last.nodes.len() > 1));
        twice.map(|(address, _)| *address).collect()
    }

    /// How long an address was hosted twice between two times, all such spells together.
    pub fn twice_for(&self, address: Ipv4Addr, from: Instant, to: Instant) -> Duration {
        let seen = self.seen.lock().expect("nobody panics while looking");
        let changes = seen.get(&address).map(Vec::as_slice).unwrap_or_default();
        let mut total = Duration::ZERO;
        for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.nodes.len() > 1) {
            let end = changes.get(at + 1).map_or(to, |next| next.at).min(to);
            total += end.saturating_duration_since(change.at.max(from));
        }
        total
    }

    /// Every change that was seen, in order of time.
    pub fn sightings(&self) -> Vec<Sighting> {
        let seen = self.seen.lock().expect("nobody panics while looking");
        let mut all: Vec<Sighting> = seen.values().flatten().cloned().collect();
        all.sort_by_key(|sighting| sighting.at);
        all
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A packet socket on `eth1` of the namespace this thread is in, and its hardware address.
fn open() -> nix::Result<(OwnedFd, [u8; 6])> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    let link = |name: &str| -> nix::Result<Option<LinkAddr>> {
        let mut all = getifaddrs()?.filter(|found| found.interface_name == name);
        Ok(all.find_map(|found| found.address?.as_link_addr().copied()))
    };
    let link = link("eth1")?.ok_or(nix::errno::Errno::ENODEV)?;
    bind(socket.as_raw_fd(), &link)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(10))?;
    Ok((socket, link.addr().unwrap_or_default()))
}

fn look(socket: &OwnedFd, mac: [u8; 6], addresses: &[Ipv4Addr], seen: &Mutex<Seen>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        for &address in addresses {
            // One question more or less: the next is 100 ms away.
            let _ = send(socket.as_raw_fd(), &question(mac, address), MsgFlags::empty());
        }
        let mut round: BTreeMap<Ipv4Addr, BTreeSet<usize>> = BTreeMap::new();
        while asked.elapsed() < EVERY {
            let mut bytes = [0; 128];
            let got = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty());
            if let Some((address, node)) = got.ok().and_then(|length| answer(&bytes[..length], mac)) {
                round.entry(address).or_default().insert(node);
            }
        }
        for (&address, changes) in &mut *seen.lock().expect("nobody panics while looking") {
            let nodes = round.remove(&address).unwrap_or_default();
            if changes.last().is_none_or(|last| last.nodes != nodes) {
                changes.push(Sighting { address, at: asked, nodes });
            }
        }
    }
}

/// Ethernet, IPv4, six and four bytes of address: how every ARP packet here begins.
const ARP: [u8; 8] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4];

fn question(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let nobody = Ipv4Addr::UNSPECIFIED.octets();
    [&[0xff; 6][..], &mac, &ARP, &[0, 1], &mac, &nobody, &[0; 6], &address.octets()].concat()
}

/// Which node says that it has which address, to us: an announcement is for everybody, and no
/// answer to the question.
fn answer(frame: &[u8], mac: [u8; 6]) -> Option<(Ipv4Addr, usize)> {
    let arp = frame.get(12..42)?;
    if frame[..6] != mac || !arp.starts_with(&ARP) || arp[8..10] != [0, 2] {
        return None;
    }
    let mac: [u8; 6] = arp[10..16].try_into().ok()?;
    let address: [u8; 4] = arp[16..20].try_into().ok()?;
    Some((address.into(), node_of(mac)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 78, 1, 3);

    const US: [u8; 6] = [2, 0x77, 0, 0, 2, 2];

    #[test]
    fn a_question_is_a_probe_from_nobody() {
        let asked = question(US, ADDRESS);
        assert_eq!(asked.len(), 42);
        assert_eq!(asked[28..32], [0; 4]);
        assert_eq!(asked[38..], ADDRESS.octets());
        assert_eq!(answer(&asked, US), None);
    }

    #[test]
    fn an_answer_tells_the_node_by_its_hardware_address() {
        let mut said = question([2, 0x77, 0, 0, 1, 4], ADDRESS);
        said[..6].copy_from_slice(&US);
        said[21] = 2;
        said[28..32].copy_from_slice(&ADDRESS.octets());
        assert_eq!(answer(&said, US), Some((ADDRESS, 4)));
        assert_eq!(answer(&said[..41], US), None);
        let mut announced = said.clone();
        announced[..6].fill(0xff);
        assert_eq!(answer(&announced, US), None);
        said[26] = 0;
        assert_eq!(answer(&said, US), None);
    }
}
