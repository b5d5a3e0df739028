//! Unsolicited neighbour advertisements: an IPv6 address lives here.

use std::net::Ipv6Addr;

use super::checksum::checksum;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;
const ADVERTISEMENT: u8 = 136;
const ADVERTISEMENT_BYTES: u8 = 32;

/// What the neighbours have cached is to be overridden.
const OVERRIDE: u8 = 0x20;

/// One round: 86 bytes to all nodes of the link.
pub(super) fn frame(mac: [u8; 6], address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    // Option 2, the target's link-layer address, in units of 8 bytes.
    message.extend([2, 1]);
    message.extend(mac);
    let pseudo = [0, 0, 0, ADVERTISEMENT_BYTES, 0, 0, 0, ICMPV6];
    let sum = checksum(&[&address.octets(), &ALL_NODES.octets(), &pseudo, &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend(mac);
    frame.extend([0x86, 0xdd]);
    // Hop limit 255: no neighbour believes what a router has passed on.
    frame.extend([0x60, 0, 0, 0, 0, ADVERTISEMENT_BYTES, ICMPV6, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::golden;

    #[test]
    fn a_round_is_what_ctdbd_sends() {
        let frame = frame([2, 0, 0, 0, 2, 0], "fd00:88::105".parse().unwrap());
        assert_eq!(frame, golden::frame("unsolicited neighbour advertisement"));
    }
}
