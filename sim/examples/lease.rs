//! A third protocol in the rehearsal room: a server that lends one lease, clients that want it,
//! and a checker that no two ever believe they hold it. Nothing in `core` or `world` knows it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use standin_core::time::{Duration, Instant};
use standin_core::{host, machine::*, rng::Rng};
use standin_sim::check::{Checker, Violation};
use standin_sim::world::fault::{Fault, Who};
use standin_sim::world::moment::{HostId, Moment, Net};
use standin_sim::world::{News, Translator, World, disk::Disk, kernel::Kernel};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7000);
const ASK_EVERY: Duration = Duration::from_secs(1);
const LENT_FOR: Duration = Duration::from_secs(5);
const HELD_FOR: Duration = Duration::from_secs(4); // from when it asked: its clock may be slow

#[derive(Clone, Debug)]
enum Lease {
    Server { lent_until: Instant, to: Option<LinkId> },
    Client { link: Option<LinkId>, links: u64, asked: Instant, holds_until: Instant, wake: Instant },
}
#[derive(Clone, Debug)]
struct Holds(bool);
impl std::fmt::Display for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl Noticed for Holds {
    const KINDS: &'static [&'static str] = &["holds"];
    fn kind(&self) -> usize {
        0
    }
    fn words(&self, put: &mut dyn FnMut(u64)) {
        put(u64::from(self.0));
    }
}

impl Machine for Lease {
    type Job = Infallible;
    type Done = ();
    type Fact = ();
    type Order = ();
    type Notice = Holds;
    fn handle(&mut self, now: Instant, input: Input<'_, Self>, out: &mut Outbox<Self>) {
        match (self, input) {
            (Self::Server { .. }, Input::Wake) => {
                out.push(Effect::Listen { port: PortId(0), on: Endpoint::Tcp(SERVER) });
            }
            (Self::Server { lent_until, to }, Input::Link(link, LinkInput::Bytes(_)))
                if *to == Some(link) || *lent_until <= now =>
            {
                (*to, *lent_until) = (Some(link), now + LENT_FOR);
                out.push(Effect::Send { link, bytes: b"yours".to_vec() });
            }
            (Self::Client { link, links, asked, holds_until, wake }, Input::Wake) => {
                if *holds_until != Instant::START && *holds_until <= now {
                    *holds_until = Instant::START;
                    out.notice(Holds(false));
                }
                if link.is_none() {
                    let new = LinkId(*links * 2);
                    (*links, *link) = (*links + 1, Some(new));
                    out.push(Effect::Dial { link: new, from: None, to: SERVER });
                } else if let (true, Some(link)) = (now.since(*asked) >= ASK_EVERY, *link) {
                    *asked = now;
                    out.push(Effect::Send { link, bytes: b"mine?".to_vec() });
                }
                let lapse = if *holds_until > now { *holds_until } else { now + ASK_EVERY };
                *wake = lapse.min(now + ASK_EVERY);
            }
            // An answer that comes too late is an answer to nothing.
            (Self::Client { asked, holds_until, .. }, Input::Link(_, LinkInput::Bytes(_)))
                if *asked + HELD_FOR > now =>
            {
                if *holds_until == Instant::START {
                    out.notice(Holds(true));
                }
                *holds_until = *asked + HELD_FOR;
            }
            (Self::Client { link, .. }, Input::Link(_, LinkInput::Closed(_))) => *link = None,
            _ => {}
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        match self {
            Self::Server { .. } => None,
            Self::Client { wake, .. } => Some(Deadline { at: *wake, why: "ask" }),
        }
    }
}

#[derive(Debug)]
struct Wiring;
impl Translator<Lease> for Wiring {
    fn boot(&self, host: HostId, _: &Disk, _: u64) -> Lease {
        let zero = Instant::START;
        if host.0 == 0 {
            return Lease::Server { lent_until: zero, to: None };
        }
        Lease::Client { link: None, links: 0, asked: zero, holds_until: zero, wake: zero }
    }
    fn job(&self, job: Infallible) -> host::Job {
        match job {}
    }
    fn done(&self, _: host::Done) {}
}

/// At most one client of a living host believes to hold the lease.
#[derive(Default)]
struct OneHolder(BTreeSet<HostId>);
impl Checker<Lease> for OneHolder {
    fn name(&self) -> &'static str {
        "one-holder"
    }
    fn news(&mut self, world: &World<Lease>, news: &News<Lease>) -> Result<(), Violation> {
        if let News::Notice(host, Holds(holds)) = news {
            let _ = if *holds { self.0.insert(*host) } else { self.0.remove(host) };
        }
        self.0.retain(|host| world.host(*host).runs());
        if self.0.len() < 2 { Ok(()) } else { Err(Violation::safety("one-holder", format!("{:?}", self.0))) }
    }
}

fn main() {
    let (mut world, mut checker) = (World::new(42, Rc::new(Wiring)), OneHolder::default());
    for host in 1..=4 {
        let address = Ipv4Addr::new(10, 0, 0, host).into();
        let host = world.add_member(Kernel::new().plugged("eth0", Net::Private, address, 24));
        world.start(host);
    }
    let mut chance = Rng::new(42, 0);
    for minute in 1..=600 {
        while world.advance(Moment(minute * 60_000_000)) {
            for news in std::mem::take(&mut world.news) {
                checker.news(&world, &news).expect("one holder");
            }
        }
        let off = Fault::PowerOff(Who::One(HostId(chance.between(1, 3) as u32)));
        world.befall(&if minute % 2 == 0 { Fault::PowerOn(Who::All) } else { off });
    }
    println!("ten hours, {} events, never two holders", world.counts.events);
}
