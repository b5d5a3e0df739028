//! The kernel's side against a real kernel, in namespaces of our own.

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::namespace::{LONG, cable, in_namespace, ip, placed, shown, wait_until};
use nix::mount::{MsFlags, mount};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use standin_core::host::{AddressError, Fact, Placed};
use standin_node::net::Net;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A namespace with a cable and an open way to its kernel, of which nothing has been read.
fn with_net<F: Future<Output = ()>>(test: impl FnOnce(Net, Facts) -> F + Send + 'static) {
    in_namespace(|| {
        cable();
        run(test);
    });
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(Net, Facts) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (tell, facts) = unbounded_channel();
        let net = Net::open(tell).await.unwrap();
        test(net, Facts(facts)).await;
    });
}

struct Facts(UnboundedReceiver<Fact>);

impl Facts {
    /// What has been told so far. The kernel's own link-local addresses come when they like.
    fn so_far(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        while let Ok(fact) = self.0.try_recv() {
            facts.push(fact);
        }
        facts.retain(|fact| !is_link_local(fact));
        facts
    }

    /// Everything up to the first fact that is one looked for.
    async fn until(&mut self, wanted: impl Fn(&Fact) -> bool) -> Vec<Fact> {
        let mut facts = Vec::new();
        loop {
            let next = tokio::time::timeout(LONG, self.0.recv()).await;
            let fact = next.unwrap_or_else(|_| panic!("nothing more after {facts:?}")).unwrap();
            let found = wanted(&fact);
            facts.push(fact);
            if found {
                facts.retain(|fact| !is_link_local(fact));
                return facts;
            }
        }
    }

    async fn until_is(&mut self, wanted: Fact) -> Vec<Fact> {
        self.until(|fact| *fact == wanted).await
    }
}

fn is_link_local(fact: &Fact) -> bool {
    let (Fact::Appeared(placed) | Fact::Vanished(placed)) = fact else { return false };
    matches!(placed.address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn interface_of(fact: &Fact) -> Option<(&str, bool)> {
    if let Fact::Interface { name, up, .. } = fact { Some((name, *up)) } else { None }
}

#[test]
fn all_there_is_is_told_first_and_then_what_changes() {
    in_namespace(|| {
        cable();
        ip("addr add 10.0.0.1/24 dev left");
        ip("link set right down");
        run(|net, mut facts| async move {
            let first = facts.so_far();
            let links: Vec<_> = first.iter().filter_map(interface_of).collect();
            assert_eq!(
                links,
                [("left", false), ("lo", false), ("right", false)],
                "no carrier on either side"
            );
            assert_eq!(first[3..], [Fact::Appeared(placed("left", "10.0.0.1/24"))]);

            ip("link set right up");
            facts.until(|fact| interface_of(fact) == Some(("left", true))).await;
            for address in ["10.0.0.2/24", "fd00::2/64"] {
                let address = placed("left", address);
                assert_eq!(net.add(&address).await, Ok(()));
                facts.until_is(Fact::Appeared(address.clone())).await;
                assert_eq!(net.drop(&address).await, Ok(()));
                facts.until_is(Fact::Vanished(address)).await;
            }
            ip("link set right down");
            facts.until(|fact| interface_of(fact) == Some(("left", false))).await;
        });
    });
}

#[test]
fn errors_are_told_apart() {
    with_net(|net, _facts| async move {
        for address in ["10.0.0.1/24", "fd00::1/64", "10.0.0.9/32"] {
            let here = placed("left", address);
            assert_eq!(net.drop(&here).await, Err(AddressError::Unchanged), "{address}");
            assert_eq!(net.add(&here).await, Ok(()), "{address}");
            assert_eq!(net.add(&here).await, Err(AddressError::Unchanged), "{address}");
            let nowhere = placed("nowhere", address);
            assert_eq!(net.add(&nowhere).await, Err(AddressError::NoInterface));
            assert_eq!(net.drop(&nowhere).await, Err(AddressError::NoInterface));
        }
        assert_eq!(net.add(&placed("left", "10.0.0.1/33")).await, Err(AddressError::Other));
        assert_eq!(
            net.announce("nowhere", "10.0.0.1".parse().unwrap()).await.unwrap_err().raw_os_error(),
            Some(19)
        );
    });
}

#[test]
fn an_address_is_placed_as_operators_place_it() {
    with_net(|net, _facts| async move {
        for (address, options) in [
            ("10.0.0.1/24", "brd +"),
            ("10.1.0.1/31", "brd +"),
            ("10.2.0.1/32", ""),
            ("fd00::1/64", "nodad"),
            ("fd00::2/128", "nodad"),
        ] {
            let (bare, _) = address.split_once('/').unwrap();
            let family = if address.contains(':') { "-6" } else { "-4" };
            let show = || {
                let mut routes = String::new();
                wait_until("the address in use", || {
                    routes = ip(&format!("{family} route show dev left table all"));
                    routes.contains(&format!("local {bare} "))
                });
                ip(&format!("{family} -o addr show dev left scope global")) + &routes
            };
            ip(&format!("addr add {address} {options} dev left"));
            let by_hand = show();
            ip(&format!("addr del {address} dev left"));
            assert_eq!(net.add(&placed("left", address)).await, Ok(()));
            assert_eq!(show(), by_hand);
            assert_eq!(net.drop(&placed("left", address)).await, Ok(()));
        }
    });
}

async fn a_primary_goes_alone(net: Net, mut facts: Facts) {
    for address in ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24", "10.9.0.1/24", "10.9.0.2/24"] {
        ip(&format!("addr add {address} brd + dev left"));
    }
    facts.until_is(Fact::Appeared(placed("left", "10.9.0.2/24"))).await;
    let primary = placed("left", "10.0.0.1/24");
    assert_eq!(net.drop(&primary).await, Ok(()));
    let mut left = shown("left");
    left.sort();
    assert_eq!(left, ["10.0.0.2/24", "10.0.0.3/24", "10.9.0.1/24", "10.9.0.2/24"]);
    assert!(
        ip("-o addr show dev left").contains("10.0.0.2/24 brd 10.0.0.255"),
        "with all that belonged to it"
    );
    // Nothing but the one address has gone, for whoever listens.
    let marker = placed("right", "10.77.0.1/24");
    assert_eq!(net.add(&marker).await, Ok(()));
    let told = facts.until_is(Fact::Appeared(marker.clone())).await;
    assert_eq!(told, [Fact::Vanished(primary), Fact::Appeared(marker)]);
}

#[test]
fn what_the_kernel_would_take_along_is_promoted() {
    with_net(a_primary_goes_alone);
}

#[test]
fn what_the_kernel_took_along_is_put_back() {
    in_namespace(|| {
        // The settings are out of reach in here, so nothing can be promoted.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("none"), "/proc/sys", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        cable();
        run(a_primary_goes_alone);
    });
}

#[test]
fn an_interface_is_followed_by_its_name() {
    with_net(|net, mut facts| async move {
        let address = placed("left", "10.0.0.1/24");
        assert_eq!(net.add(&address).await, Ok(()));
        facts.until_is(Fact::Appeared(address.clone())).await;
        ip("link del left");
        cable();
        let told = facts.until(|fact| interface_of(fact) == Some(("left", true))).await;
        let at = |wanted: Fact| told.iter().position(|fact| *fact == wanted).expect("it is told");
        assert!(at(Fact::Vanished(address.clone())) < at(Fact::InterfaceGone { name: "left".into() }));
        assert_eq!(net.add(&address).await, Ok(()));
        facts.until_is(Fact::Appeared(address.clone())).await;

        ip("link set left down");
        ip("link set left name other");
        facts.until_is(Fact::Appeared(Placed { interface: "other".into(), ..address })).await;
    });
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    with_net(|net, mut facts| async move {
        ip("link add bridge type bridge");
        ip("link set left master bridge");
        ip("link set left nomaster");
        let marker = placed("left", "10.0.0.1/24");
        assert_eq!(net.add(&marker).await, Ok(()));
        let told = facts.until_is(Fact::Appeared(marker)).await;
        assert!(!told.contains(&Fact::InterfaceGone { name: "left".into() }), "{told:?}");
    });
}

#[test]
fn an_ipv6_address_counts_once_it_is_usable() {
    with_net(|net, mut facts| async move {
        let address = placed("left", "fd00::1/64");
        ip("addr add fd00::1/64 dev left");
        facts.until_is(Fact::Appeared(address)).await;
        assert!(!ip("-6 -o addr show dev left tentative").contains("fd00::1"), "told only after the check");
        drop(net);
    });
}

#[test]
fn lost_news_are_found_out() {
    with_net(|net, mut facts| async move {
        let [stays, comes] = ["10.0.0.1/24", "10.0.0.3/24"].map(|text| placed("left", text));
        assert_eq!(net.add(&stays).await, Ok(()));
        facts.until_is(Fact::Appeared(stays)).await;
        // None of this lets the watch have its turn.
        let flap = "addr add 10.0.0.2/24 dev left\naddr del 10.0.0.2/24 dev left\n";
        let mut batch = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = batch.stdin.take().unwrap();
        lines.write_all((flap.repeat(12_000) + "addr add 10.0.0.3/24 dev left\n").as_bytes()).unwrap();
        drop(lines);
        assert!(batch.wait().unwrap().success());
        let sockets = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        let drops = |line: &str| line.split_whitespace().nth(8).is_some_and(|count| count != "0");
        assert!(sockets.lines().skip(1).any(drops), "more news than fit:\n{sockets}");
        let told = facts.until_is(Fact::Appeared(comes.clone())).await;
        assert_eq!(told, [Fact::Appeared(comes.clone())]);
        // And the watch goes on.
        assert_eq!(net.drop(&comes).await, Ok(()));
        assert_eq!(facts.until_is(Fact::Vanished(comes.clone())).await, [Fact::Vanished(comes)]);
    });
}

#[test]
fn the_watch_ends_with_the_last_clone() {
    with_net(|net, mut facts| async move {
        let other = net.clone();
        drop(net);
        let address = placed("left", "10.0.0.1/24");
        assert_eq!(other.add(&address).await, Ok(()));
        facts.until_is(Fact::Appeared(address)).await;
        drop(other);
        let end = async { while facts.0.recv().await.is_some() {} };
        tokio::time::timeout(LONG, end).await.expect("nobody is left to tell");
    });
}

/// Hears every frame that arrives on an interface.
struct Observer {
    socket: Socket,
    index: usize,
}

impl Observer {
    fn on(interface: &str) -> Self {
        let all = i32::from(u16::try_from(nix::libc::ETH_P_ALL).unwrap().to_be());
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(all))).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Self { socket, index: usize::try_from(if_nametoindex(interface).unwrap()).unwrap() }
    }

    /// The next frame that is one looked for.
    fn next(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        loop {
            let mut frame = [0; 2048];
            let heard = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame);
            let (length, from) = heard.expect("a frame in time");
            if from.is_some_and(|from| from.ifindex() == self.index) && wanted(&frame[..length]) {
                return frame[..length].to_vec();
            }
        }
    }
}

fn golden(name: &str) -> Vec<u8> {
    const CAPTURE: &str = include_str!("../../../tests/captures/ctdb-golden.json");
    let (_, after) = CAPTURE.split_once(&format!("\"name\": \"{name}\"")).unwrap();
    let hex = after.split("\"hex\": \"").nth(1).unwrap().split('"').next().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn an_announcement_arrives_at_the_other_end() {
    with_net(|net, _facts| async move {
        let observer = Observer::on("right");
        net.announce("left", "10.88.0.103".parse().unwrap()).await.unwrap();
        for name in ["gratuitous ARP request", "gratuitous ARP reply"] {
            assert_eq!(observer.next(|frame| frame[12..14] == [0x08, 0x06]), golden(name), "{name}");
        }
        ip("link set left address 02:00:00:00:02:00");
        net.announce("left", "fd00:88::105".parse().unwrap()).await.unwrap();
        let advertisement = |frame: &[u8]| frame.get(54) == Some(&136);
        assert_eq!(observer.next(advertisement), golden("unsolicited neighbour advertisement"));
        ip("link set lo up");
        net.announce("lo", "127.0.0.1".parse().unwrap()).await.unwrap();
        ip("link set left down");
        assert!(net.announce("left", "10.88.0.103".parse().unwrap()).await.is_err());
    });
}

#[test]
fn a_tickle_goes_out_as_if_from_the_address() {
    with_net(|net, _facts| async move {
        ip("link set left address 02:00:00:00:02:00");
        ip("addr add 10.88.0.1/24 dev left");
        ip("addr add fd00:88::1/64 nodad dev left");
        ip("neigh add 10.88.0.250 lladdr 02:00:00:00:fa:00 dev left");
        let observer = Observer::on("right");
        let to = |text: &str| text.parse::<SocketAddr>().unwrap();
        // Neither source is an address of this host.
        net.tickle(to("10.88.0.104:5000"), to("10.88.0.250:40001")).await.unwrap();
        let mut heard = observer.next(|frame| frame[12..14] == [8, 0] && frame[23] == 6);
        let mut wanted = golden("TCP tickle ACK");
        for frame in [&mut heard, &mut wanted] {
            frame[18..20].fill(0); // the kernel's identification
            frame[24..26].fill(0); // and the checksum over it
        }
        assert_eq!(heard, wanted);
        // A new hardware address makes the kernel forget its neighbours.
        ip("link set left address 02:00:00:00:02:01");
        ip("neigh add fd00:88::fa lladdr 02:00:00:00:fa:00 dev left");
        net.tickle(to("[fd00:88::105]:5000"), to("[fd00:88::fa]:40010")).await.unwrap();
        let heard = observer.next(|frame| frame[12..14] == [0x86, 0xdd] && frame[20] == 6);
        assert_eq!(heard, golden("TCP tickle ACK ipv6"));
    });
}

/// A connection to `server` from `client`, over the loopback interface: both ends.
fn connected(listener: &str, server: &str, client: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((listener, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let domain = if client.contains(':') { Domain::IPV6 } else { Domain::IPV4 };
    let ours = Socket::new(domain, Type::STREAM, None).unwrap();
    ours.bind(&SocketAddr::new(client.parse().unwrap(), 0).into()).unwrap();
    ours.connect(&SocketAddr::new(server.parse().unwrap(), port).into()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    for end in [&theirs, &TcpStream::from(ours.try_clone().unwrap())] {
        end.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    }
    (theirs, ours.into())
}

fn end_of(mut stream: &TcpStream) -> Option<ErrorKind> {
    stream.read(&mut [0]).err().map(|error| error.kind())
}

#[test]
fn connections_of_an_address_end_and_no_others() {
    with_net(|net, mut facts| async move {
        ip("link set lo up");
        for address in ["10.0.0.1/24", "10.0.0.2/24", "fd00::1/64", "fd00::2/64"] {
            let address = placed("left", address);
            net.add(&address).await.unwrap();
            facts.until_is(Fact::Appeared(address)).await;
        }
        let plain = connected("0.0.0.0", "10.0.0.1", "10.0.0.2");
        let mapped = connected("::", "10.0.0.1", "10.0.0.2");
        let newer = connected("::", "fd00::1", "fd00::2");
        let other = connected("0.0.0.0", "10.0.0.2", "10.0.0.2");
        let kill = async |address: &str| net.kill_connections(address.parse().unwrap()).await.unwrap();
        assert_eq!(kill("10.0.0.1").await, 2);
        for (server, client) in [&plain, &mapped] {
            assert_eq!(end_of(server), Some(ErrorKind::ConnectionAborted));
            assert_eq!(end_of(client), Some(ErrorKind::ConnectionReset), "told by a packet");
        }
        assert_eq!(end_of(&newer.0), Some(ErrorKind::WouldBlock), "still open");
        assert_eq!(kill("10.0.0.1").await, 0);
        assert_eq!(kill("fd00::1").await, 1);
        assert_eq!(end_of(&newer.0), Some(ErrorKind::ConnectionAborted));
        assert_eq!(end_of(&newer.1), Some(ErrorKind::ConnectionReset));
        (&other.0).write_all(b"!").unwrap();
        assert_eq!(end_of(&other.1), None, "somebody else's goes on");
    });
}

#[test]
fn no_packet_leaves_an_ipv4_address_that_is_gone() {
    with_net(|net, _facts| async move {
        ip("link set lo up");
        for address in ["10.0.0.1/24", "10.0.0.2/24"] {
            net.add(&placed("left", address)).await.unwrap();
        }
        let (server, client) = connected("0.0.0.0", "10.0.0.1", "10.0.0.2");
        net.drop(&placed("left", "10.0.0.1/24")).await.unwrap();
        assert_eq!(net.kill_connections("10.0.0.1".parse().unwrap()).await.unwrap(), 1);
        assert_eq!(end_of(&server), Some(ErrorKind::ConnectionAborted));
        assert_eq!(end_of(&client), Some(ErrorKind::WouldBlock), "left to the tickle");
    });
}
