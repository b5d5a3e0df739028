//! Requests to the kernel over netlink, and what it says of links and addresses.
//!
//! A request is answered before its `send` returns: the kernel does the work in that call. So
//! requests wait here, in plain calls without a runtime, and the guard shares them.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NlasIterator, Parseable,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use nix::sys::time::TimeVal;
use standin_core::host::Placed;

/// Longest answer the kernel gives in one piece.
pub(super) const ANSWER_BYTES: usize = 64 * 1024;

/// Seconds until an answer counts as lost. None ever is; a daemon must not hang on that.
const PATIENCE: i64 = 2;

/// How often a dump is asked again when changes ran through it.
const DUMPS_MAX: usize = 5;

const HEADER: usize = 16;
const LINK_HEADER: usize = 16;

/// A socket for requests, one at a time.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: netlink_sys::Socket,
    sequence: u32,
    answer: Vec<u8>,
}

impl Netlink {
    /// For links and addresses (`NETLINK_ROUTE`) or sockets (`NETLINK_SOCK_DIAG`).
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE, 0))?;
        Ok(Self { socket, sequence: 0, answer: vec![0; ANSWER_BYTES] })
    }

    /// Asks for one thing to be done and waits until it is.
    pub(super) fn ask(&mut self, kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
        self.exchange(kind, flags | NLM_F_ACK, body, &mut |_| ()).map(drop)
    }

    /// Asks for one thing, or with `NLM_F_DUMP` for all of a kind, each read by `take`.
    pub(super) fn list<T>(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        take: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Errno> {
        let mut tries = 0;
        loop {
            let mut found = Vec::new();
            let whole = self.exchange(kind, flags, body, &mut |message| found.extend(take(message)))?;
            tries += 1;
            if whole || tries == DUMPS_MAX {
                return Ok(found);
            }
        }
    }

    /// All links.
    pub(super) fn links(&mut self) -> Result<Vec<Link>, Errno> {
        let take = |message: &Message<'_>| Link::read(message);
        self.list(libc::RTM_GETLINK, NLM_F_DUMP, &[0; LINK_HEADER], take)
    }

    /// One link, by name.
    pub(super) fn link(&mut self, name: &str) -> Result<Link, Errno> {
        // A longer name would be cut or refused; either way there is none.
        if name.is_empty() || name.len() >= libc::IFNAMSIZ {
            return Err(Errno::ENODEV);
        }
        let mut body = vec![0; LINK_HEADER];
        let length = u16::try_from(4 + name.len() + 1).expect("a short name");
        body.extend(length.to_ne_bytes());
        body.extend(libc::IFLA_IFNAME.to_ne_bytes());
        body.extend(name.bytes());
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
        let found = self.list(libc::RTM_GETLINK, NLM_F_ACK, &body, Link::read)?;
        found.into_iter().next().ok_or(Errno::ENODEV)
    }

    /// All addresses, in the kernel's order: a subnet's primary before its secondaries.
    pub(super) fn addresses(&mut self) -> Result<Vec<AddressMessage>, Errno> {
        self.list(libc::RTM_GETADDR, NLM_F_DUMP, &[0; 8], read_address)
    }

    /// Puts an address there; `EEXIST` if it is.
    pub(super) fn add_address(&mut self, message: &AddressMessage) -> Result<(), Errno> {
        self.ask(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &emitted(message))
    }

    /// Takes an address away; `EADDRNOTAVAIL` if it is not there.
    pub(super) fn drop_address(&mut self, message: &AddressMessage) -> Result<(), Errno> {
        self.ask(libc::RTM_DELADDR, 0, &emitted(message))
    }

    /// True if the answer was whole: false if changes ran through a dump.
    fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        take: &mut dyn FnMut(&Message<'_>),
    ) -> Result<bool, Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + body.len()).expect("a short request");
        let mut request = Vec::with_capacity(HEADER + body.len());
        request.extend(length.to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        request.extend(self.sequence.to_ne_bytes());
        request.extend([0; 4]);
        request.extend(body);
        self.socket.send(&request, 0).map_err(|error| errno(&error))?;
        let mut whole = true;
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut self.answer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let Some(answer) = self.answer.get(..length) else { return Err(Errno::EMSGSIZE) };
            for message in messages(answer) {
                if message.sequence != self.sequence {
                    continue; // an answer somebody no longer waited for
                }
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => return message.verdict().map(|()| whole),
                    _ => take(&message),
                }
            }
        }
    }
}

/// What an error of a socket says, as a number.
pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// One message of the kernel's.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// What the end of an answer says: a negative error number, or 0.
    fn verdict(&self) -> Result<(), Errno> {
        match self.body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)) {
            0 => Ok(()),
            code => Err(Errno::from_raw(code.wrapping_neg())),
        }
    }
}

/// The messages of a datagram, up to the first that does not fit into it.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let here = rest;
        let length = u32::from_ne_bytes(*here.first_chunk()?) as usize;
        let body = here.get(HEADER..length)?;
        rest = here.get(length.next_multiple_of(4)..).unwrap_or_default();
        let two = |at: usize| u16::from_ne_bytes([here[at], here[at + 1]]);
        let sequence = u32::from_ne_bytes(*here[8..].first_chunk()?);
        Some(Message { kind: two(4), flags: two(6), sequence, body })
    })
}

/// An interface as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// Administratively up and with carrier.
    pub(super) up: bool,
    pub(super) loopback: bool,
    /// The hardware address, if it is an Ethernet one.
    pub(super) mac: Option<[u8; 6]>,
}

impl Link {
    /// Reads what a message says of a link, whether it is there or gone. Nothing else of it is
    /// looked at: what a newer kernel tells besides must not stop us.
    pub(super) fn read(message: &Message<'_>) -> Option<Self> {
        if !matches!(message.kind, libc::RTM_NEWLINK | libc::RTM_DELLINK) {
            return None;
        }
        let header: &[u8; LINK_HEADER] = message.body.first_chunk()?;
        // A bridge tells with its own family that a port left it; the port is still there.
        if i32::from(header[0]) != libc::AF_UNSPEC {
            return None;
        }
        let four = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let flags = i32::from_ne_bytes(four(8));
        let has = |flag: i32| flags & flag == flag;
        let mut link = Self {
            index: u32::from_ne_bytes(four(4)),
            name: String::new(),
            up: has(libc::IFF_UP | libc::IFF_LOWER_UP),
            loopback: has(libc::IFF_LOOPBACK),
            mac: None,
        };
        let ethernet = u16::from_ne_bytes([header[2], header[3]]) == libc::ARPHRD_ETHER;
        for attribute in NlasIterator::new(&message.body[LINK_HEADER..]).map_while(Result::ok) {
            let value = attribute.value();
            match attribute.kind() {
                libc::IFLA_IFNAME => {
                    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
                    link.name = String::from_utf8_lossy(name).into_owned();
                }
                libc::IFLA_ADDRESS if ethernet => link.mac = value.try_into().ok(),
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}

/// Reads what a message says of an address, whether it is there or gone.
pub(super) fn read_address(message: &Message<'_>) -> Option<AddressMessage> {
    if !matches!(message.kind, libc::RTM_NEWADDR | libc::RTM_DELADDR) {
        return None;
    }
    AddressMessage::parse(message.body).ok()
}

/// The address a message is about: on a link with a peer, our own end.
pub(super) fn local(message: &AddressMessage) -> Option<IpAddr> {
    let find = |pick: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(pick);
    find(|attribute| if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None })
        .or_else(|| {
            find(
                |attribute| {
                    if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None }
                },
            )
        })
}

/// All flags of an address.
pub(super) fn flags(message: &AddressMessage) -> AddressFlags {
    let long = message.attributes.iter().find_map(|attribute| {
        if let AddressAttribute::Flags(flags) = attribute { Some(*flags) } else { None }
    });
    long.unwrap_or_else(|| AddressFlags::from_bits_retain(u32::from(message.header.flags.bits())))
}

/// The message for an address to be put on or taken off.
pub(super) fn address_message(index: u32, placed: &Placed) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = placed.prefix;
    message.attributes =
        vec![AddressAttribute::Local(placed.address), AddressAttribute::Address(placed.address)];
    match placed.address {
        IpAddr::V4(address) => {
            message.header.family = AddressFamily::Inet;
            if address.is_loopback() {
                message.header.scope = AddressScope::Host;
            }
            message.attributes.extend(broadcast(address, placed.prefix).map(AddressAttribute::Broadcast));
        }
        IpAddr::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            // Whether anybody else has it is the cluster's business; asking takes two seconds.
            message.header.flags = AddressHeaderFlags::Nodad;
        }
    }
    message
}

/// The last address of a subnet, if it has one of its own: not on a link of two, nor alone.
fn broadcast(address: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    (prefix < 31).then(|| Ipv4Addr::from(u32::from(address) | (u32::MAX >> prefix)))
}

fn emitted(message: &AddressMessage) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcast_address_is_the_last_of_the_subnet() {
        let address = Ipv4Addr::new(10, 88, 5, 103);
        assert_eq!(broadcast(address, 24), Some(Ipv4Addr::new(10, 88, 5, 255)));
        assert_eq!(broadcast(address, 22), Some(Ipv4Addr::new(10, 88, 7, 255)));
        assert_eq!(broadcast(address, 0), Some(Ipv4Addr::BROADCAST));
        assert_eq!(broadcast(address, 31), None);
        assert_eq!(broadcast(address, 32), None);
    }

    #[test]
    fn a_datagram_ends_where_a_message_does_not_fit() {
        let mut datagram = Vec::new();
        for (kind, body) in [(16_u16, 5_usize), (20, 0), (21, 8)] {
            let length = u32::try_from(HEADER + body).unwrap();
            datagram.extend(length.to_ne_bytes());
            datagram.extend(kind.to_ne_bytes());
            datagram.extend([0; 10]);
            datagram.extend(vec![7; body]);
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        let kinds = |bytes: &[u8]| messages(bytes).map(|message| message.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&datagram), [16, 20, 21]);
        assert_eq!(kinds(&datagram[..datagram.len() - 1]), [16, 20]);
        assert_eq!(kinds(&[0; 40]), [0; 0], "a length that cannot be");
        for end in 0..datagram.len() {
            assert!(kinds(&datagram[..end]).len() < 3);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut rng = 1_u32;
        for _ in 0..2000 {
            let mut bytes = Vec::new();
            for _ in 0..(rng >> 8) % 90 {
                rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.push(if rng & 0x400 == 0 { 0 } else { (rng >> 24) as u8 });
            }
            rng = rng.wrapping_add(77);
            for kind in [libc::RTM_NEWLINK, libc::RTM_NEWADDR] {
                let message = Message { kind, flags: 0, sequence: 0, body: &bytes };
                let _ = (Link::read(&message), read_address(&message), message.verdict());
            }
            messages(&bytes).for_each(drop);
        }
    }
}
