//! Packets sent as they are, past the kernel's own protocols.

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::sync::Mutex;

use nix::libc;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// Sockets opened at their first use: without privileges everything else still works. They
/// receive nothing and wait for nothing.
#[derive(Debug, Default)]
pub(super) struct Packets {
    frames: Mutex<Option<Socket>>,
    v4: Mutex<Option<Socket>>,
    v6: Mutex<Option<Socket>>,
}

impl Packets {
    /// Sends frames, each from its Ethernet header on, out of an interface.
    pub(super) fn frames(&self, index: u32, frames: &[Vec<u8>]) -> io::Result<()> {
        let to = link_address(index)?;
        with(&self.frames, Domain::PACKET, Protocol::from(0), |socket| {
            frames.iter().try_for_each(|frame| socket.send_to(frame, &to).map(drop))
        })
    }

    /// Sends an IP packet, from its header on, to wherever its target is routed.
    pub(super) fn ip(&self, packet: &[u8], mut to: SocketAddr) -> io::Result<()> {
        // The port is in the packet; a raw IPv6 socket takes any but 0 for a protocol.
        to.set_port(0);
        let (socket, domain) = if to.is_ipv4() { (&self.v4, Domain::IPV4) } else { (&self.v6, Domain::IPV6) };
        // This protocol says that the header comes with the packet, and that nothing is received.
        with(socket, domain, Protocol::from(libc::IPPROTO_RAW), |socket| {
            socket.send_to(packet, &SockAddr::from(to)).map(drop)
        })
    }
}

fn with<T>(
    socket: &Mutex<Option<Socket>>,
    domain: Domain,
    protocol: Protocol,
    send: impl FnOnce(&Socket) -> io::Result<T>,
) -> io::Result<T> {
    let mut socket = socket.lock().expect("nothing panics while it is held");
    let socket = match &mut *socket {
        Some(socket) => socket,
        none => {
            let new = Socket::new(domain, Type::RAW, Some(protocol))?;
            new.set_nonblocking(true)?;
            none.insert(new)
        }
    };
    send(socket)
}

/// Where a frame leaves the host.
fn link_address(index: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage is zeroed and large enough for any socket address, and `sockaddr_ll` is
    // one of them; all zeros are valid for it. Neither nix nor socket2 makes one safely.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("a small constant");
    address.sll_ifindex = index;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("a small size");
    // SAFETY: the storage was initialised as the `sockaddr_ll` that its family and length name.
    Ok(unsafe { SockAddr::new(storage, length) })
}
