//! Tickles: a bare ACK that makes a client find out that its connection is no more.
//!
//! The client answers with the numbers it believes in; the host that now has the address knows
//! no such connection and resets it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::checksum::checksum;

const TCP: u8 = 6;
const SEGMENT_BYTES: u8 = 20;
const WINDOW: u16 = 1234;

/// The whole IP packet: 40 bytes, or 60 for IPv6. An IPv4 packet's identification and header
/// checksum are 0, which the kernel fills in.
///
/// # Errors
/// If one end is IPv4 and the other IPv6.
pub(super) fn packet(from: SocketAddr, to: SocketAddr) -> io::Result<Vec<u8>> {
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => Ok(v4(source, target, from.port(), to.port())),
        (IpAddr::V6(source), IpAddr::V6(target)) => Ok(v6(source, target, from.port(), to.port())),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "a connection has one address family"))
        }
    }
}

fn v4(source: Ipv4Addr, target: Ipv4Addr, from: u16, to: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 20 + SEGMENT_BYTES, 0, 0, 0, 0, 255, TCP, 0, 0];
    packet.extend(source.octets());
    packet.extend(target.octets());
    let pseudo = [0, TCP, 0, SEGMENT_BYTES];
    packet.extend(segment(&[&source.octets(), &target.octets(), &pseudo], from, to));
    packet
}

fn v6(source: Ipv6Addr, target: Ipv6Addr, from: u16, to: u16) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, SEGMENT_BYTES, TCP, 64];
    packet.extend(source.octets());
    packet.extend(target.octets());
    let pseudo = [0, 0, 0, SEGMENT_BYTES, 0, 0, 0, TCP];
    packet.extend(segment(&[&source.octets(), &target.octets(), &pseudo], from, to));
    packet
}

fn segment(pseudo: &[&[u8]; 3], from: u16, to: u16) -> [u8; SEGMENT_BYTES as usize] {
    let mut segment = [0; SEGMENT_BYTES as usize];
    segment[..2].copy_from_slice(&from.to_be_bytes());
    segment[2..4].copy_from_slice(&to.to_be_bytes());
    // Five words of header, ACK alone.
    segment[12..14].copy_from_slice(&[0x50, 0x10]);
    segment[14..16].copy_from_slice(&WINDOW.to_be_bytes());
    let sum = checksum(&[pseudo[0], pseudo[1], pseudo[2], &segment]);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::golden;

    const ETHERNET: usize = 14;

    #[test]
    fn a_packet_is_what_ctdbd_sends_but_for_the_kernels_part() {
        let packet = packet("10.88.0.104:5000".parse().unwrap(), "10.88.0.250:40001".parse().unwrap());
        let mut golden = golden::frame("TCP tickle ACK").split_off(ETHERNET);
        golden[4..6].fill(0); // identification
        golden[10..12].fill(0); // header checksum
        assert_eq!(packet.unwrap(), golden);
    }

    #[test]
    fn so_is_one_of_ipv6() {
        let packet = packet("[fd00:88::105]:5000".parse().unwrap(), "[fd00:88::fa]:40010".parse().unwrap());
        assert_eq!(packet.unwrap(), golden::frame("TCP tickle ACK ipv6").split_off(ETHERNET));
    }

    #[test]
    fn the_ends_are_of_one_family() {
        let mixed = packet("10.0.0.1:80".parse().unwrap(), "[fd00::1]:80".parse().unwrap());
        assert_eq!(mixed.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
