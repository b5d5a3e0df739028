//! The node port and the control socket, in the hands of strangers, of a peer gone mad, and of
//! clients that do not listen.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use standin_core::ctdb::types::{Generation, Opcode, Pnn, RequestId};
use standin_core::ctdb::wire::{Body, ControlRequest, Header, Keepalive, Pdu};

use super::after::is_well;
use super::namespace::{LONG, in_namespace, ip, wait_until};
use super::site::{Daemon, Site};

/// Resident memory of a daemon that was attacked, in kB; idle it holds about 8 MB.
const MEMORY_MAX_KB: u64 = 64 * 1024;

const PEER: &str = "127.0.0.2:0";
const STRANGER: &str = "127.0.0.77:0";

/// What attacks come by.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

fn dial(from: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&from.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&"127.0.0.1:4379".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket.into()
}

fn client(site: &Site) -> UnixStream {
    let stream = UnixStream::connect(site.base().join("run/ctdbd.socket")).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// What comes until the other side hangs up, which it has to.
fn is_hung_up(stream: &mut dyn Wire, what: &str) {
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                return;
            }
            Err(error) => panic!("{what}: not hung up: {error}"),
        }
    }
}

fn packet(source: u32, body: Body<'_>) -> Vec<u8> {
    let header =
        Header { generation: Generation(0), destination: Pnn(0), source: Pnn(source), reqid: RequestId(7) };
    let mut bytes = Vec::new();
    Pdu { header, body }.encode(&mut bytes);
    bytes
}

fn keepalive(source: u32) -> Vec<u8> {
    packet(source, Body::Keepalive(Keepalive { version: 0x0004_0011, uptime: 5 }))
}

fn asking(opcode: Opcode) -> Vec<u8> {
    packet(u32::MAX, Body::ControlRequest(ControlRequest::new(opcode, &[])))
}

fn attacked(test: impl FnOnce(&Daemon<'_>) + Send + 'static) {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let daemon = site.start();
        test(&daemon);
        is_well(&daemon, MEMORY_MAX_KB);
    });
}

#[test]
fn garbage_costs_whoever_sends_it_the_link_and_nothing_else() {
    attacked(|daemon| {
        let noise: Vec<u8> = (0..65_536_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut odd_magic = keepalive(1);
        odd_magic[4] ^= 1;
        let mut odd_version = keepalive(1);
        odd_version[8] = 2;
        let mut too_short = keepalive(1)[..32].to_vec();
        too_short[0] = 32;
        let lengths = [0_u32, 7, 31, u32::MAX, 0x7fff_ffff].map(|length| {
            let mut bytes = keepalive(1);
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            bytes
        });
        let all = [&[noise, odd_magic, odd_version, too_short][..], &lengths].concat();
        for (at, bytes) in all.iter().enumerate() {
            for from in [PEER, STRANGER] {
                let mut stream = dial(from);
                let _ = stream.write_all(bytes);
                is_hung_up(&mut stream, &format!("{from}, number {at}"));
            }
            let mut stream = client(daemon.site);
            let _ = stream.write_all(bytes);
            // As with ctdbd, a client's packet that is odd is passed over; a length that cannot be
            // is the end.
            if [4, 7, 8].contains(&at) {
                is_hung_up(&mut stream, &format!("a client, number {at}"));
            }
        }
    });
}

#[test]
fn halves_of_packets_and_silence_hurt_nobody() {
    attacked(|daemon| {
        let whole = keepalive(1);
        for cut in [1, 3, 4, 5, 31, 32, whole.len() - 1] {
            dial(PEER).write_all(&whole[..cut]).unwrap();
            client(daemon.site).write_all(&whole[..cut]).unwrap();
        }
        // They dial and say nothing.
        let mute: Vec<_> = (0..50).map(|_| (dial(PEER), dial(STRANGER), client(daemon.site))).collect();
        // And some say a byte a second.
        let (mut slow, mut client) = (dial(PEER), client(daemon.site));
        for byte in &asking(Opcode::PING)[..4] {
            let _ = slow.write_all(&[*byte]);
            client.write_all(&[*byte]).unwrap();
            sleep(Duration::from_secs(1));
            assert_eq!(daemon.site.tool("pnn").status, 0);
        }
        client.write_all(&asking(Opcode::PING)[4..]).unwrap();
        assert!(client.read(&mut [0; 64]).unwrap() > 0, "a slow question is one all the same");
        drop(mute);
    });
}

#[test]
fn two_thousand_connections_at_once_are_borne() {
    attacked(|daemon| {
        for from in [STRANGER, PEER] {
            let held: Vec<_> = (0..2000).map(|_| dial(from)).collect();
            is_well(daemon, MEMORY_MAX_KB);
            drop(held);
        }
        let held: Vec<_> = (0..2000).map(|_| client(daemon.site)).collect();
        is_well(daemon, MEMORY_MAX_KB);
        println!("2000 clients: {} kB", daemon.memory());
        drop(held);
    });
}

#[test]
fn descriptors_that_run_out_come_back() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let mut command = site.command("prlimit");
        command.arg("--nofile=128:128").arg(env!("CARGO_BIN_EXE_standind")).arg("--foreground");
        let daemon = site.spawn_as(&mut command);
        daemon.wait_up();
        let held: Vec<_> = (0..500).map(|_| client(&site)).collect();
        let strangers: Vec<_> = (0..500).map(|_| dial(STRANGER)).collect();
        sleep(Duration::from_secs(1));
        drop((held, strangers));
        is_well(&daemon, MEMORY_MAX_KB);
    });
}

#[test]
fn a_flood_of_valid_packets_is_read_and_forgotten() {
    attacked(|daemon| {
        let mut peer = dial(PEER);
        let many = keepalive(1).repeat(1000);
        for _ in 0..200 {
            peer.write_all(&many).unwrap();
        }
        let client = client(daemon.site);
        let (mut asks, mut hears) = (client.try_clone().unwrap(), client);
        let many = asking(Opcode::PING).repeat(1000);
        let reading = std::thread::spawn(move || {
            let (mut piece, mut bytes) = (vec![0; 65_536], 0);
            while bytes < 50_000 * 48 {
                match hears.read(&mut piece).unwrap() {
                    0 => panic!("hung up after {bytes} bytes"),
                    length => bytes += length,
                }
            }
        });
        for _ in 0..50 {
            asks.write_all(&many).unwrap();
        }
        reading.join().unwrap();
        println!("flooded: {} kB, at most {} kB", daemon.memory(), daemon.memory_peak());
    });
}

#[test]
fn a_peer_that_claims_to_be_another_is_not_believed() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        let mut command = site.command(env!("CARGO_BIN_EXE_standind"));
        let daemon = site.spawn_as(command.arg("--foreground").env("STANDIN_LOG", "debug"));
        daemon.wait_up();
        let mut peer = dial(PEER);
        for source in [0, 2, 3, 0xf000_0001, u32::MAX] {
            peer.write_all(&keepalive(source)).unwrap();
        }
        wait_until("it is noticed", || site.log().contains("n1 claims to be n2"));
        let status = site.tool("status").out;
        let line = status.lines().find(|line| line.starts_with("pnn:2")).expect("a line for each node");
        assert!(line.contains("DISCONNECTED"), "{status}");
        is_well(&daemon, MEMORY_MAX_KB);
    });
}

/// Asks and asks and never reads; true once it is hung up on.
fn ask_without_end(site: &Site) -> bool {
    let mut client = client(site);
    client.set_write_timeout(Some(LONG)).unwrap();
    let many = asking(Opcode::STATISTICS).repeat(1000);
    (0..2000).any(|_| client.write_all(&many).is_err())
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    attacked(|daemon| {
        assert!(ask_without_end(daemon.site), "it was answered two million times");
        assert!(daemon.site.log().contains("does not read"), "{}", daemon.site.log());
        println!("one deaf client: at most {} kB, then {} kB", daemon.memory_peak(), daemon.memory());
        assert!(daemon.memory_peak() < 128 * 1024, "{} kB", daemon.memory_peak());
    });
}

#[test]
fn many_clients_that_never_read_share_one_bound() {
    attacked(|daemon| {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..12).map(|_| scope.spawn(|| ask_without_end(daemon.site))).collect();
            assert!(all.into_iter().all(|one| one.join().unwrap()));
        });
        println!("twelve deaf clients: at most {} kB, then {} kB", daemon.memory_peak(), daemon.memory());
        assert!(daemon.memory_peak() < 256 * 1024, "{} kB", daemon.memory_peak());
    });
}
