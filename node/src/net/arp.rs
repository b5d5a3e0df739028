//! Gratuitous ARP: an IPv4 address lives here. And the question whether it lives elsewhere.

use std::net::Ipv4Addr;

/// Bytes of a frame: what Ethernet asks for at least, and the checksum's room.
const FRAME: usize = 64;

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// One round: a request, then a reply, both to everybody. Some neighbours heed only the one, some
/// only the other.
pub(super) fn frames(mac: [u8; 6], address: Ipv4Addr) -> [Vec<u8>; 2] {
    [frame(REQUEST, mac, address, [0; 6], address), frame(REPLY, mac, address, mac, address)]
}

/// Asks who has an address, as nobody: no neighbour notes anything (RFC 5227).
pub(super) fn probe(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    frame(REQUEST, mac, Ipv4Addr::UNSPECIFIED, [0; 6], address)
}

fn frame(operation: u16, mac: [u8; 6], from: Ipv4Addr, target: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME);
    frame.extend([0xff; 6]);
    frame.extend(mac);
    frame.extend([0x08, 0x06]);
    // Ethernet, IPv4, and the lengths of their addresses.
    frame.extend([0, 1, 0x08, 0x00, 6, 4]);
    frame.extend(operation.to_be_bytes());
    frame.extend(mac);
    frame.extend(from.octets());
    frame.extend(target);
    frame.extend(address.octets());
    frame.resize(FRAME, 0);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::golden;

    #[test]
    fn a_round_is_what_ctdbd_sends() {
        let [request, reply] = frames([2, 0, 0, 0, 2, 2], Ipv4Addr::new(10, 88, 0, 103));
        assert_eq!(request, golden::frame("gratuitous ARP request"));
        assert_eq!(reply, golden::frame("gratuitous ARP reply"));
    }
}
