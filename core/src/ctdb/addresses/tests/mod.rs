//! A node with four addresses on two interfaces, for the tests of each file.

mod any;
mod leave;
mod shout;
mod table;
mod takeover;

use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::config::Config;
use super::super::cx::{Cx, Out, Wake};
use super::super::files::public_addresses::PublicAddresses;
use super::super::jobs::Jobs;
use super::super::kernel::Kernel;
use super::super::notice::AddRefused;
use super::super::types::Pnn;
use super::super::wire::{Connection, WireAddr};
use super::change::Reloaded;
use super::take::Refused;
use super::*;
use crate::host::{Fact, Job, Placed};
use crate::machine::Effect;
use crate::time::{Duration, Instant};
use crate::timers::Timers;

const ME: Pnn = Pnn(0);
const OTHER: Pnn = Pnn(1);

/// `A` may be on either interface, `B` and `C` on eth0, `D` on eth1.
const FILE: &str = "10.0.0.1/24 eth0,eth1\n10.0.0.2/25 eth0\n10.0.0.3/25 eth0\nfd00::4/64 eth1\n";
const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.0.3";
const D: &str = "fd00::4";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn file(text: &str) -> PublicAddresses {
    PublicAddresses::parse(text.as_bytes()).unwrap()
}

fn connection(client: &str, server: &str) -> Connection {
    let [client, server] = [client, server].map(|end| WireAddr(end.parse().unwrap()));
    Connection { client, server }
}

/// The table and what stands around it.
struct Bench {
    table: Addresses,
    kernel: Kernel,
    now: Instant,
    config: Config,
    timers: Timers<Wake>,
    jobs: Jobs,
    out: Out,
}

impl Bench {
    fn new() -> Self {
        let mut kernel = Kernel::default();
        for (name, index) in [("lo", 1), ("eth0", 2), ("eth1", 3)] {
            kernel.apply(&Fact::Interface { name: name.into(), index, up: true });
        }
        Self {
            table: Addresses::load(&file(FILE)),
            kernel,
            now: Instant(1_000_000),
            config: Config::default(),
            timers: Timers::new(),
            jobs: Jobs::default(),
            out: Out::new(),
        }
    }

    /// Calls the table with a context.
    fn with<T>(&mut self, call: impl FnOnce(&mut Addresses, &mut Cx<'_>) -> T) -> T {
        let Self { table, kernel: _, now, config, timers, jobs, out } = self;
        let answer = call(table, &mut Cx { now: *now, config, timers, jobs, out });
        self.table.check_invariants(Some(ME));
        answer
    }

    fn takeover(&mut self, address: &str, have: bool) -> Takeover {
        self.with(|table, _| table.takeover(ME, ME, ip(address), have))
    }

    fn take_ended(&mut self, address: &str, ok: bool) -> Took {
        self.with(|table, cx| table.take_ended(cx, ip(address), ok))
    }

    fn release(&mut self, address: &str, holder: Option<Pnn>, have: bool) -> Release {
        self.with(|table, cx| table.release(cx, ME, holder, ip(address), have))
    }

    fn release_ended(&mut self, address: &str, holder: Option<Pnn>, still_there: bool) -> Released {
        self.with(|table, _| table.release_ended(ME, ip(address), holder, still_there))
    }

    /// Takes an address and hears no more of it.
    fn hold(&mut self, address: &str) {
        assert!(matches!(self.takeover(address, false), Takeover::Take { .. }));
        assert!(matches!(self.take_ended(address, true), Took::Taken { .. }));
        self.is_quiet();
    }

    /// Another node holds an address.
    fn elsewhere(&mut self, address: &str) {
        assert_eq!(self.release(address, Some(OTHER), false), Release::Redundant);
    }

    /// Who holds an address, and where it is assigned.
    fn state(&self, address: &str) -> (Option<Pnn>, Option<&str>) {
        let entry = self.table.get(ip(address)).unwrap();
        (entry.holder(), entry.interface())
    }

    /// Drops what was asked for since last time: whether there was nothing.
    fn is_quiet(&mut self) -> bool {
        self.out.take().is_empty()
    }

    /// The jobs asked for since last time.
    fn asked(&mut self) -> Vec<Job> {
        let effects = self.out.take().into_iter();
        let jobs = effects
            .filter_map(|effect| if let Effect::Start { what, .. } = effect { Some(what) } else { None });
        jobs.collect()
    }

    /// The next wake is due so much later.
    fn woken_after(&mut self, span: Duration) {
        let deadline = self.timers.next().expect("something is due").at;
        assert_eq!(deadline, self.now + span);
        self.now = deadline;
        let Some(Wake::Announce(address)) = self.timers.pop_due(deadline) else { panic!("no announcement") };
        self.with(|table, cx| table.announce_due(cx, address));
    }

    fn place(&mut self, address: &str, interface: &str) {
        let placed = Placed { interface: interface.into(), address: ip(address), prefix: 24 };
        self.kernel.apply(&Fact::Appeared(placed));
    }
}
