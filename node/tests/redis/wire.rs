//! What strangers and peers gone mad send to the bus and to the clients' port.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use standin_core::gossip::slots::SlotSet;
use standin_core::gossip::types::{Epoch, NodeFlags, NodeId};
use standin_core::gossip::wire::{self, Header, Kind};

use super::cluster::{Cluster, LONG, able};

/// Resident memory of a daemon after an attack, in kB; idle it holds about 6 MB.
const MEMORY_MAX_KB: u64 = 32 * 1024;

fn id(letter: char) -> NodeId {
    NodeId::new(letter.to_string().repeat(40).as_bytes()).expect("an id")
}

/// A packet without gossip.
fn packet(kind: Kind, sender: NodeId) -> Vec<u8> {
    let header = Header {
        kind,
        port: 6379,
        plain_port: 0,
        bus_port: 16379,
        current_epoch: Epoch(0),
        config_epoch: Epoch(0),
        offset: 0,
        sender,
        replica_of: None,
        announced_ip: None,
        flags: NodeFlags::MASTER,
        state_ok: true,
        mflags: [0; 3],
    };
    let mut bytes = Vec::new();
    wire::begin(&mut bytes, &header, &SlotSet::default());
    wire::finish(&mut bytes);
    bytes
}

fn dial(cluster: &Cluster, at: usize, port: u16) -> TcpStream {
    let address: SocketAddr = format!("{}:{port}", cluster.ip(at)).parse().expect("an address");
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("it is ours");
    stream
}

fn bus(cluster: &Cluster, at: usize) -> TcpStream {
    dial(cluster, at, 16379)
}

/// The other side hangs up, which it has to.
fn is_hung_up(stream: &mut TcpStream, what: &str) {
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

/// The next packet's type.
fn heard(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 16];
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(&head[..4], b"RCmb");
    let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    stream.read_exact(&mut vec![0; length - 16]).expect("all of it");
    u16::from_be_bytes([head[12], head[13]])
}

fn memory(cluster: &Cluster, at: usize, what: &str) -> u64 {
    let pid = cluster.pid(at).expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A witness with a slot between two real masters, attacked: at the end all is as before.
fn attacked(name: &str, attack: impl FnOnce(&Cluster, usize)) {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new(name);
    let mut all = cluster.redises(2);
    let witness = cluster.standin("");
    all.push(witness);
    cluster.create(&all, 0);
    let pid = cluster.pid(witness);
    attack(&cluster, witness);
    cluster.wait_well(&all);
    assert_eq!(cluster.nodes(witness).len(), 3, "{}", cluster.told());
    cluster.wait("the tool finds nothing wrong", |it| it.checks(witness));
    assert_eq!(cluster.pid(witness), pid);
    cluster.wait("its memory is back", |it| memory(it, witness, "VmRSS") < MEMORY_MAX_KB);
}

#[test]
fn what_is_no_packet_costs_the_link() {
    attacked("nonsense", |cluster, at| {
        let noise: Vec<u8> = (0..65_536_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut bad_mark = packet(Kind::Ping, id('a'));
        bad_mark[3] = b'B';
        let lengths = [0_u32, 15, 16, 2255, (64 << 20) + 1, u32::MAX].map(|length| {
            let mut bytes = packet(Kind::Ping, id('a'));
            bytes[4..8].copy_from_slice(&length.to_be_bytes());
            bytes
        });
        let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        for (number, bytes) in [noise, bad_mark, http].iter().chain(&lengths).enumerate() {
            let mut stream = bus(cluster, at);
            let _ = stream.write_all(bytes);
            is_hung_up(&mut stream, &format!("number {number}"));
        }
        assert!(cluster.log(at).contains("frame-refused"), "{}", cluster.log(at));
    });
}

#[test]
fn a_packet_that_is_wrong_is_dropped_and_the_link_lives_on() {
    attacked("odd", |cluster, at| {
        let mut stream = bus(cluster, at);
        let edit = |kind: Kind, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = packet(kind, id('b'));
            change(&mut bytes);
            let length = u32::try_from(bytes.len()).expect("short");
            bytes[4..8].copy_from_slice(&length.to_be_bytes());
            bytes
        };
        let set = |at: usize, value: u16| {
            move |bytes: &mut Vec<u8>| bytes[at..at + 2].copy_from_slice(&value.to_be_bytes())
        };
        let odd = [
            ("another version", edit(Kind::Ping, &set(8, 2))),
            ("a count without entries", edit(Kind::Ping, &set(14, 3))),
            ("the greatest count", edit(Kind::Meet, &set(14, u16::MAX))),
            ("an unknown type", edit(Kind::Ping, &set(12, 11))),
            ("the last type", edit(Kind::Ping, &set(12, u16::MAX))),
            ("a type of valkey's", edit(Kind::Publish, &set(12, 0x8004))),
            ("bytes too many", edit(Kind::Ping, &|bytes| bytes.extend_from_slice(&[0; 40]))),
            ("FAIL without a name", edit(Kind::Fail, &|_| {})),
            ("FAIL of somebody odd", edit(Kind::Fail, &|bytes| bytes.extend_from_slice(&[0xff; 40]))),
            ("UPDATE cut", edit(Kind::Update, &|bytes| bytes.extend_from_slice(&[0; 100]))),
            ("PUBLISH of great lengths", edit(Kind::Publish, &|bytes| bytes.extend_from_slice(&[0xff; 8]))),
            ("MODULE of a great length", edit(Kind::Module, &|bytes| bytes.extend_from_slice(&[0xff; 13]))),
            (
                "an extension of no length",
                edit(Kind::Ping, &|bytes| {
                    bytes[2253] = 4;
                    bytes[2215] = 1;
                    bytes.extend_from_slice(&[0; 8]);
                }),
            ),
            (
                "extensions that are not there",
                edit(Kind::Ping, &|bytes| {
                    bytes[2253] = 4;
                    bytes[2214] = 0xff;
                }),
            ),
            ("no id", edit(Kind::AuthRequest, &|bytes| bytes[40..80].fill(0xff))),
            ("our own id", packet(Kind::AuthRequest, NodeId::new(cluster.id(at).as_bytes()).expect("an id"))),
            ("a vote for nobody", packet(Kind::AuthAck, id('b'))),
            ("a stranger's failover", packet(Kind::MfStart, id('b'))),
        ];
        for (what, bytes) in &odd {
            stream.write_all(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            // It answers a ping all the same, and that of a stranger too.
            stream.write_all(&packet(Kind::Ping, id('b'))).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(heard(&mut stream), Kind::Pong.to_wire(), "{what}");
        }
        let sent = odd.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>().concat();
        for piece in sent.chunks(977) {
            stream.write_all(piece).expect("in any cut");
        }
        assert_eq!(cluster.nodes(at).len(), 3, "a stranger's ping makes nobody known\n{}", cluster.told());
    });
}

#[test]
fn slow_and_silent_peers_hurt_nobody() {
    attacked("slow", |cluster, at| {
        let whole = packet(Kind::Ping, id('c'));
        let halves: Vec<TcpStream> = [1, 3, 4, 7, 8, 15, 16, 2255]
            .iter()
            .map(|&cut| {
                let mut stream = bus(cluster, at);
                stream.write_all(&whole[..cut]).expect("it reads");
                stream
            })
            .collect();
        // Each promises the longest packet there is and sends a little of it.
        let greedy: Vec<TcpStream> = (0..20)
            .map(|_| {
                let mut stream = bus(cluster, at);
                let mut bytes = whole.clone();
                bytes[4..8].copy_from_slice(&(64_u32 << 20).to_be_bytes());
                stream.write_all(&bytes).expect("it reads");
                stream
            })
            .collect();
        let mute: Vec<TcpStream> = (0..500).map(|_| bus(cluster, at)).collect();
        let mut slow = bus(cluster, at);
        let (first, last) = whole.split_at(40);
        for byte in first {
            slow.write_all(&[*byte]).expect("it reads");
            sleep(Duration::from_millis(50));
        }
        slow.write_all(last).expect("it reads");
        assert_eq!(heard(&mut slow), Kind::Pong.to_wire());
        assert!(memory(cluster, at, "VmRSS") < MEMORY_MAX_KB, "promises cost nothing");
        assert!(cluster.is_ok(at));
        drop((halves, greedy, mute));
    });
}

#[test]
fn a_flood_is_read_and_who_does_not_listen_is_given_up() {
    attacked("flood", |cluster, at| {
        let ping = packet(Kind::Ping, id('d'));
        let begin = Instant::now();
        // No answers are due to these.
        let mut stream = bus(cluster, at);
        let many = packet(Kind::AuthRequest, id('d')).repeat(100);
        for _ in 0..200 {
            stream.write_all(&many).expect("it reads");
        }
        stream.write_all(&ping).expect("it reads");
        assert_eq!(heard(&mut stream), Kind::Pong.to_wire());
        println!("20000 packets without an answer: {:.2?}", begin.elapsed());
        // Each of these has one, and nobody takes it.
        let mut deaf = bus(cluster, at);
        deaf.set_write_timeout(Some(LONG)).expect("it is ours");
        let many = ping.repeat(100);
        let given_up = (0..10_000).any(|_| deaf.write_all(&many).is_err());
        assert!(given_up, "it was answered a million times");
        cluster.wait("it is told", |it| it.log(at).contains("does not read"));
        assert_eq!(cluster.info(at, "total_cluster_links_buffer_limit_exceeded"), "1");
        println!("a deaf peer: at most {} kB", memory(cluster, at, "VmHWM"));
        assert!(memory(cluster, at, "VmHWM") < 160 * 1024);
    });
}

#[test]
fn strangers_who_greet_without_end_are_not_all_remembered() {
    attacked("greet", |cluster, at| {
        let mut stream = bus(cluster, at);
        for number in 0..3_000_u16 {
            let mut bytes = packet(Kind::Meet, id('e'));
            bytes[10..12].copy_from_slice(&(20_000 + number).to_be_bytes());
            bytes[2248..2250].copy_from_slice(&(30_000 + number).to_be_bytes());
            stream.write_all(&bytes).expect("it reads");
            if number % 100 == 0 {
                assert!(cluster.is_ok(at));
            }
        }
        drop(stream);
        assert!(cluster.nodes(at).len() <= 3 + 1024, "{}", cluster.nodes(at).len());
        cluster.wait("they are forgotten", |it| it.nodes(at).len() == 3);
    });
}

#[test]
fn clients_that_talk_nonsense_are_told_and_left() {
    attacked("clients", |cluster, at| {
        let client = || dial(cluster, at, 6379);
        for bytes in [&b"*1000000000\r\n"[..], b"*1\r\n$-5\r\n", b"*1\r\n$9999999999\r\n", b"*1\r\nx\r\n"] {
            let mut stream = client();
            let _ = stream.write_all(bytes);
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said);
            assert!(said.starts_with(b"-ERR Protocol error"), "{}", String::from_utf8_lossy(&said));
        }
        // Words nobody knows are answered, each, and the stream goes on.
        let mut stream = client();
        stream.write_all(b"NONSENSE a b\r\n*1\r\n$4\r\n\xff\xfe\r\n\r\n*0\r\nPING\r\n").expect("it reads");
        let mut said = [0; 4096];
        let mut length = 0;
        while !said[..length].ends_with(b"+PONG\r\n") {
            match stream.read(&mut said[length..]).expect("an answer") {
                0 => panic!("hung up after {}", String::from_utf8_lossy(&said[..length])),
                more => length += more,
            }
        }
        assert!(said.starts_with(b"-ERR unknown command"), "{}", String::from_utf8_lossy(&said[..length]));
        let idle: Vec<TcpStream> = (0..500).map(|_| client()).collect();
        assert!(cluster.is_ok(at));
        drop(idle);
        // Who asks and never reads is given up.
        let mut deaf = client();
        deaf.set_write_timeout(Some(LONG)).expect("it is ours");
        let many = b"CLUSTER NODES\r\n".repeat(1000);
        assert!((0..10_000).any(|_| deaf.write_all(&many).is_err()), "it was answered ten million times");
    });
}

/// When our kernel is to ask for a peer that has nothing to say: whole minutes of it.
fn asks_in_minutes(cluster: &Cluster, at: usize, stream: &TcpStream) -> bool {
    let peer = stream.local_addr().expect("it has one");
    let command = format!("ss -tnoH state established dst {peer}");
    let output = cluster.host(at).within(|| Command::new("sh").args(["-c", &command]).output());
    let told = String::from_utf8(output.expect("ss is installed").stdout).expect("text");
    let (_, timer) = told.split_once("timer:(keepalive,").unwrap_or_else(|| panic!("no keepalive: {told}"));
    timer.split(',').next().is_some_and(|left| left.contains("min"))
}

#[test]
fn a_node_timeout_that_is_changed_counts_for_those_who_come_later() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("patience");
    for at in [cluster.redis(), cluster.standin("")] {
        let before = bus(&cluster, at);
        cluster.tell(at, "CONFIG SET cluster-node-timeout 90000");
        let after = bus(&cluster, at);
        sleep(Duration::from_millis(500));
        let asks = [&before, &after].map(|stream| asks_in_minutes(&cluster, at, stream));
        assert_eq!(asks, [false, true], "node {at}");
    }
}
