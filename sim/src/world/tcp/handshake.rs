//! How a connection begins: SYN and its retries, the listener's kernel, the third leg.

use std::net::{IpAddr, SocketAddr};

use rustc_hash::FxHashMap;
use standin_core::machine::{Endpoint, LinkId, Machine, Why};
use standin_core::time::Duration;

use super::conn::{Conn, Origin, Piece};
use super::endurance::IDLE_MAX;
use crate::world::end::{ConnId, EndRef, Owner, Side};
use crate::world::host::{Accepted, Host, Stored};
use crate::world::kernel::Kernel;
use crate::world::moment::{HostId, Net};
use crate::world::{Event, World};

/// Linux: how often SYN is repeated.
const SYN_TRIES_MAX: u32 = 6;
/// Connections a kernel completes for a process that does not accept them (`listen(10)`).
const BACKLOG: usize = 10;
/// How long address resolution takes to fail.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);

impl<M: Machine> World<M> {
    /// Opens a connection for `owner`; what becomes of it arrives later.
    pub(in crate::world) fn tcp_dial(
        &mut self,
        host: HostId,
        owner: Owner,
        from: Option<IpAddr>,
        to: &Endpoint,
    ) -> EndRef {
        let (local, remote, net, failure) = self.route(host, from, to);
        let now = self.now;
        let origins = [local, to.clone()].map(|address| Origin { address, opened: now });
        let conn = Conn::new(host, owner, remote.unwrap_or(host), net, now);
        let conn = self.conns.insert(conn, origins);
        match failure {
            Some((after, why)) => {
                self.schedule.push(self.now + after, Event::Reset { conn, to: Side::Dialler, why });
            }
            None => self.tcp_syn(conn, 0),
        }
        EndRef { conn, side: Side::Dialler }
    }

    /// Our end's address, the host and network of the other one, and what is wrong at once.
    #[expect(clippy::type_complexity, reason = "four answers of one question")]
    fn route(
        &mut self,
        host: HostId,
        from: Option<IpAddr>,
        to: &Endpoint,
    ) -> (Endpoint, Option<HostId>, Option<Net>, Option<(Duration, Why)>) {
        let Endpoint::Tcp(to) = to else {
            return (Endpoint::Unix("".into()), Some(host), None, None);
        };
        self.next_port = if self.next_port == u16::MAX { 32_768 } else { self.next_port + 1 };
        let port = self.next_port;
        let kernel = &self.hosts[host.index()].kernel;
        let local = |ip| Endpoint::Tcp(SocketAddr::new(ip, port));
        if let Some(from) = from.filter(|from| !kernel.holds(*from)) {
            return (local(from), None, None, Some((Duration::ZERO, Why::NoAddress)));
        }
        if kernel.holds(to.ip()) {
            return (local(from.unwrap_or(to.ip())), Some(host), None, None);
        }
        let far = self.home(to.ip());
        let kernel = &self.hosts[host.index()].kernel;
        let net = far.and_then(|far| self.hosts[far].kernel.net_of(to.ip()));
        let ours = from.or_else(|| net.and_then(|net| first_usable(kernel, net, to.is_ipv4())));
        match (far, net, ours) {
            (Some(far), Some(net), Some(ours)) if kernel.usable(ours) => {
                (local(ours), Some(HostId(far as u32)), Some(net), None)
            }
            (None, ..) => {
                let ours = ours.unwrap_or(to.ip());
                (local(ours), None, None, Some((UNREACHABLE_AFTER, Why::Unreachable)))
            }
            _ => (local(ours.unwrap_or(to.ip())), None, None, Some((Duration::ZERO, Why::Unreachable))),
        }
    }

    /// Which host has an address; looked up once a topology, however many dial it.
    fn home(&mut self, address: IpAddr) -> Option<usize> {
        if self.homes.0 != self.topology {
            self.homes = (self.topology, FxHashMap::default());
        }
        let hosts = &self.hosts;
        *self.homes.1.entry(address).or_insert_with(|| {
            let there = |far: &Host<M>| far.kernel.holds(address);
            // A host without power may have an address that another has got since.
            let far = hosts.iter().position(|far| far.powered && there(far));
            far.or_else(|| hosts.iter().position(there))
        })
    }

    /// Sends SYN, and again after 1, 2, 4 … s.
    pub(in crate::world) fn tcp_syn(&mut self, conn: ConnId, tries: u32) {
        let Some(held) = self.conns.get(conn) else { return };
        if held.way(Side::Dialler).established || held.owner(Side::Dialler) == Owner::Nobody {
            return;
        }
        if self.hosts[held.host(Side::Dialler).index()].suspended.is_some() {
            // Its kernel sleeps; it goes on where it was.
            self.schedule.push(self.now + Duration::from_secs(1), Event::Syn { conn, tries });
            return;
        }
        if self.passes(conn, Side::Dialler) {
            let at = self.now + self.delay(conn, Side::Dialler);
            self.schedule.push(at, Event::SynArrives { conn });
        }
        let next = self.now + Duration::from_secs(1 << tries);
        if tries < SYN_TRIES_MAX {
            self.schedule.push(next, Event::Syn { conn, tries: tries + 1 });
        } else {
            self.schedule.push(next, Event::Reset { conn, to: Side::Dialler, why: Why::TimedOut });
        }
    }

    pub(in crate::world) fn tcp_syn_arrives(&mut self, conn: ConnId) {
        if !self.open(conn, Side::Dialler) {
            return;
        }
        let Some((held, origins)) = self.conns.peek(conn) else { return };
        let (owner, address) = (held.owner(Side::Acceptor), &origins[1].address);
        let process = self.hosts[held.host(Side::Acceptor).index()].process.as_ref();
        let listens =
            process.is_some_and(|process| process.listeners.iter().any(|listener| listener.takes(address)));
        // A local client waits for its turn.
        if held.net().is_some() && process.is_some_and(|process| process.unaccepted() >= BACKLOG) {
            return;
        }
        let fresh = matches!(owner, Owner::Nobody | Owner::Embryo);
        if !fresh || !self.passes(conn, Side::Acceptor) {
            return;
        }
        let at = self.now + self.delay(conn, Side::Acceptor);
        if !listens {
            self.schedule.push(at, Event::Reset { conn, to: Side::Dialler, why: Why::Refused });
            return;
        }
        if let Some(held) = self.conns.get(conn) {
            held.set_owner(Side::Acceptor, Owner::Embryo);
        }
        self.schedule.push(at, Event::SynAck { conn });
    }

    pub(in crate::world) fn tcp_syn_ack(&mut self, conn: ConnId) {
        if !self.open(conn, Side::Acceptor) {
            return;
        }
        let Some(held) = self.conns.get(conn) else { return };
        let (owner, host) = (held.owner(Side::Dialler), held.host(Side::Dialler));
        let way = held.way_mut(Side::Dialler);
        if way.established || matches!(owner, Owner::Nobody | Owner::Kernel) {
            return;
        }
        way.established = true;
        let origin = &mut self.conns.origins(conn)[0];
        origin.opened = self.now;
        let local = origin.address.clone();
        self.transmit(conn, Side::Dialler, Piece::Hello);
        self.watch_idle(EndRef { conn, side: Side::Dialler });
        match owner {
            Owner::Machine(link) => self.deliver(host, Stored::Opened { link, local }),
            Owner::Puppet(puppet) => self.puppet_opened(puppet),
            Owner::Nobody | Owner::Kernel | Owner::Embryo => {}
        }
    }

    fn watch_idle(&mut self, end: EndRef) {
        self.schedule.push(self.now + IDLE_MAX, Event::Idle { end, probes: 0 });
    }

    /// Hands a completed connection to the process that listens.
    pub(super) fn accept(&mut self, id: ConnId) {
        let Some((conn, origins)) = self.conns.peek(id) else { return };
        let [from, local] = origins.clone().map(|origin| origin.address);
        let host = conn.host(Side::Acceptor);
        let Owner::Embryo = conn.owner(Side::Acceptor) else { return };
        let peer_pid = match conn.owner(Side::Dialler) {
            Owner::Puppet(puppet) if conn.net().is_none() => Some(1_000 + puppet.0),
            Owner::Nobody | Owner::Kernel | Owner::Embryo | Owner::Machine(_) | Owner::Puppet(_) => None,
        };
        let process = self.hosts[host.index()].process.as_mut();
        let port = process.and_then(|process| {
            let port = process.listeners.iter().find(|listener| listener.takes(&local))?.port;
            let link = LinkId(process.next_link);
            process.next_link += 2;
            process.links.insert(link, EndRef { conn: id, side: Side::Acceptor });
            Some((port, link))
        });
        let Some(conn) = self.conns.get(id) else { return };
        let Some((port, link)) = port else {
            conn.set_owner(Side::Acceptor, Owner::Nobody);
            self.schedule.push(self.now, Event::Reset { conn: id, to: Side::Dialler, why: Why::Reset });
            return;
        };
        conn.set_owner(Side::Acceptor, Owner::Machine(link));
        conn.way_mut(Side::Acceptor).established = true;
        self.conns.origins(id)[1].opened = self.now;
        self.watch_idle(EndRef { conn: id, side: Side::Acceptor });
        self.deliver(host, Stored::Accepted(Box::new(Accepted { link, port, from, local, peer_pid })));
    }

    pub(in crate::world) fn tcp_reset(&mut self, conn: ConnId, to: Side, why: Why) {
        let Some(held) = self.conns.get(conn) else { return };
        let (established, host) = (held.way(to).established, held.host(to));
        let opening = matches!(why, Why::TimedOut | Why::Refused | Why::Unreachable | Why::NoAddress);
        if (opening && established) || !self.hosts[host.index()].awake() {
            return;
        }
        self.end_closed(EndRef { conn, side: to }, why);
    }
}

/// The address a kernel picks for an unbound socket towards a network.
fn first_usable(kernel: &Kernel, net: Net, v4: bool) -> Option<IpAddr> {
    let plugged = kernel.interfaces().iter().filter(|interface| interface.net == net && interface.is_up());
    let mut held = plugged.flat_map(|interface| &interface.addresses);
    held.find(|held| held.address.is_ipv4() == v4).map(|held| held.address)
}
