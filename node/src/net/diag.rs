//! TCP connections of an address ended by the kernel (`SOCK_DESTROY`, Linux 4.9, with
//! `CONFIG_INET_DIAG_DESTROY` as distributions have it).

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NLM_F_DUMP;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use nix::errno::Errno;
use nix::libc;

use super::netlink::{Message, Netlink, messages};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const INET_DIAG_REQ_BYTECODE: u16 = 1;
const INET_DIAG_BC_S_COND: u8 = 7;

/// The states of a connection with a peer, as bits: from ESTABLISHED (1) to FIN_WAIT2 (5),
/// CLOSE_WAIT (8), LAST_ACK (9), CLOSING (11) and a new SYN_RECV (12). What is closed, listens,
/// waits for stray packets (TIME_WAIT) or is only bound stays.
const STATES: u32 = 0b1_1011_0011_1110;

/// Family, state, timer and retransmissions stand before what tells a socket apart.
const ANSWER_HEADER: usize = 4;

/// Ports, addresses, interface, cookie: what tells a socket apart.
const SOCKET_BYTES: usize = 48;
type Socket = [u8; SOCKET_BYTES];

/// Destroys every TCP connection whose own end is this address; says how many.
pub(super) fn kill_connections(address: IpAddr) -> io::Result<usize> {
    let mut netlink = Netlink::open(NETLINK_SOCK_DIAG)?;
    let mut killed = 0;
    // A socket of IPv6 serves IPv4 clients too, by addresses that contain theirs.
    let families: &[i32] =
        if address.is_ipv4() { &[libc::AF_INET, libc::AF_INET6] } else { &[libc::AF_INET6] };
    for family in families {
        let family = u8::try_from(*family).expect("a small constant");
        let mut body = request(family, &[0; SOCKET_BYTES]);
        body.extend(condition(address));
        let sockets = match netlink
            .list(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body, |message| read(message, family, address))
        {
            Ok(sockets) => sockets,
            // A kernel without any IPv6.
            Err(Errno::ENOENT) if address.is_ipv4() && i32::from(family) == libc::AF_INET6 => continue,
            Err(Errno::ENOENT) => return Err(io::ErrorKind::Unsupported.into()),
            Err(error) => return Err(error.into()),
        };
        for socket in sockets {
            match netlink.ask(SOCK_DESTROY, 0, &request(family, &socket)) {
                Ok(()) => killed += 1,
                Err(Errno::ENOENT) => {} // closed meanwhile
                Err(Errno::EOPNOTSUPP) => return Err(io::ErrorKind::Unsupported.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(killed)
}

fn request(family: u8, socket: &Socket) -> Vec<u8> {
    let tcp = u8::try_from(libc::IPPROTO_TCP).expect("a small constant");
    let mut request = vec![family, tcp, 0, 0];
    request.extend(STATES.to_ne_bytes());
    request.extend(socket);
    request
}

/// A filter the kernel runs, so that it lists only sockets with this address at our end: one
/// operation, of which `yes` steps over itself and `no` beyond the end.
fn condition(address: IpAddr) -> Vec<u8> {
    let (family, prefix, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, 32, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, 128, address.octets().to_vec()),
    };
    let length = u8::try_from(12 + octets.len()).expect("a short operation");
    let mut attribute = Vec::new();
    attribute.extend((u16::from(length) + 4).to_ne_bytes());
    attribute.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    attribute.extend([INET_DIAG_BC_S_COND, length]);
    attribute.extend((u16::from(length) + 4).to_ne_bytes());
    attribute.extend([u8::try_from(family).expect("a small constant"), prefix, 0, 0]);
    attribute.extend((-1_i32).to_ne_bytes()); // any port
    attribute.extend(octets);
    attribute
}

/// How many connections a datagram of the kernel's tells of whose own end is this address.
#[must_use]
pub fn connections_in(datagram: &[u8], address: IpAddr) -> usize {
    let families =
        [libc::AF_INET, libc::AF_INET6].map(|family| u8::try_from(family).expect("a small constant"));
    let ours =
        |message: &Message<'_>| families.iter().any(|&family| read(message, family, address).is_some());
    messages(datagram).filter(ours).count()
}

/// The socket a message is about, if it is one of those meant.
fn read(message: &Message<'_>, family: u8, address: IpAddr) -> Option<Socket> {
    if message.kind != SOCK_DIAG_BY_FAMILY || *message.body.first()? != family {
        return None;
    }
    let socket: Socket = *message.body.get(ANSWER_HEADER..)?.first_chunk()?;
    let own: [u8; 16] = *socket[4..].first_chunk()?;
    let own = if i32::from(family) == libc::AF_INET {
        IpAddr::from([own[0], own[1], own[2], own[3]])
    } else {
        IpAddr::from(own).to_canonical()
    };
    (own == address.to_canonical()).then_some(socket)
}
