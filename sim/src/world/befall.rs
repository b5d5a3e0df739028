//! Letting faults happen, and undoing them.

use std::net::SocketAddr;

use standin_core::host::Fact;
use standin_core::machine::{Endpoint, Machine};
use standin_core::time::Duration;

use super::end::{EndRef, Owner, Side};
use super::fault::{Fault, Ways, Who, interface_name};
use super::host::{Pace, Stored};
use super::lock::Storage;
use super::moment::{HostId, Net};
use super::tcp::Piece;
use super::{Event, News, World};

/// A later part of a fault.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The interface of a restarted network comes back.
    Comeback(HostId, Net),
    /// A flapping link turns.
    Turn(u64),
}

/// A link that flaps.
#[derive(Clone, Debug)]
pub(super) struct Flapping {
    serial: u64,
    net: Net,
    ways: Ways,
    down: Duration,
    up: Duration,
    is_down: bool,
}

impl<M: Machine> World<M> {
    /// Lets a fault, or its undoing, happen now.
    pub fn befall(&mut self, fault: &Fault) {
        match fault {
            Fault::PowerOff(who) => self.each(*who, Self::power_off),
            Fault::PowerOn(who) => self.each(*who, Self::power_on),
            Fault::Crash(who) => self.each_awake(*who, Self::end_process),
            Fault::Start(who) => self.each_awake(*who, Self::start),
            Fault::Restart(who) => self.each_awake(*who, |world, host| {
                world.end_process(host);
                world.start(host);
            }),
            Fault::Hang(who) | Fault::Pause(who) => {
                self.each(*who, |world, host| world.pace(host, Pace::Stopped));
            }
            Fault::Resume(who) => self.each(*who, |world, host| world.pace(host, Pace::Running)),
            Fault::Slow(who, Duration::ZERO) => {
                self.each(*who, |world, host| world.pace(host, Pace::Running));
            }
            Fault::Slow(who, late) => self.each(*who, |world, host| world.pace(host, Pace::Slow(*late))),
            Fault::Suspend(who) => self.each(*who, Self::suspend),
            Fault::Wake(who) => self.each(*who, Self::wake_up),
            Fault::ClockRate(who, ppm) => self.each(*who, |world, host| {
                let now = world.now;
                world.hosts[host.index()].clock.set_drift(now, *ppm);
                world.clock_changed(host, Duration::ZERO);
            }),
            Fault::ClockJump(who, ahead) => self.each(*who, |world, host| {
                let now = world.now;
                world.hosts[host.index()].clock.jump(now, *ahead);
                world.clock_changed(host, *ahead);
            }),
            Fault::NetworkRestart(who, net, gap) => self.each(*who, |world, host| {
                // Addresses go first, one by one, and only then the link: so it is reported.
                let (kernel, name) = (&mut world.hosts[host.index()].kernel, interface_name(*net));
                let (Ok(mut facts), Ok(gone)) = (kernel.flush(name), kernel.remove_interface(name)) else {
                    return;
                };
                facts.extend(gone);
                world.rewired(host, facts);
                world.schedule.push(world.now + *gap, Event::Step(Box::new(Step::Comeback(host, *net))));
            }),
            Fault::InterfaceDown(who, net) => self.each(*who, |world, host| world.admin(host, *net, false)),
            Fault::InterfaceUp(who, net) => self.each(*who, |world, host| {
                world.admin(host, *net, true);
                // IPv6 addresses went with the interface; the host configures its own again.
                world.readdress(host, *net);
            }),
            Fault::CablePull(who, net) => self.each(*who, |world, host| world.carrier(host, *net, false)),
            Fault::CablePlug(who, net) => self.each(*who, |world, host| world.carrier(host, *net, true)),
            Fault::Cut(net, ways) => self.ways(*net, ways, true),
            Fault::Mend(net, ways) => self.ways(*net, ways, false),
            Fault::Flap { net, ways, down, up } => {
                let serial = u64::from(self.next_serial);
                self.next_serial += 1;
                let (net, ways, down, up) = (*net, ways.clone(), *down, *up);
                self.flaps.push(Flapping { serial, net, ways, down, up, is_down: false });
                self.turn(serial);
            }
            Fault::Unflap(net, ways) => {
                let found = self.flaps.iter().position(|flap| flap.net == *net && flap.ways == *ways);
                if let Some(at) = found
                    && self.flaps.remove(at).is_down
                {
                    self.ways(*net, ways, false);
                }
            }
            Fault::Weather(net, Who::One(host), weather) => {
                self.network.set_weather(*net, Some(*host), *weather);
                self.changed();
            }
            Fault::Weather(net, Who::All, weather) => {
                self.network.set_weather(*net, None, *weather);
                self.changed();
            }
            Fault::Knock(who) => self.each(*who, Self::knock),
            Fault::Garbage(from, to) => self.garbage(*from, *to),
            Fault::DiskFull(who) => self.each(*who, |world, host| world.hosts[host.index()].disk.full = true),
            Fault::DiskFree(who) => {
                self.each(*who, |world, host| world.hosts[host.index()].disk.full = false);
            }
            Fault::AddressDel(who, which) => self.address_del(*who, *which),
            Fault::AddressAdd(who, net, which, bits) => self.address_add(*who, *net, *which, *bits),
            Fault::Readdress(who) => self.each_awake(*who, |world, host| {
                world.readdress(host, Net::Private);
                world.readdress(host, Net::Public);
            }),
            Fault::Promote(who, on) => self.each_awake(*who, |world, host| {
                world.hosts[host.index()].kernel.promote_secondaries = *on;
            }),
            Fault::Script(who, event, trouble, script) => self.each(*who, |world, host| {
                world.scripts(host).set_fault(event.as_deref(), *trouble, script.as_deref());
            }),
            Fault::ScriptFine(who, event) => {
                self.each(*who, |world, host| world.scripts(host).clear_fault(event.as_deref()));
            }
            Fault::LockLost => {
                let news = self.locks.lose_all();
                self.tell_locks(news);
            }
            Fault::LockStall | Fault::LockUnstall => {
                let news = self.locks.set_stalled(*fault == Fault::LockStall);
                self.tell_locks(news);
            }
            Fault::LockUnreachable(who) => self.storage(*who, Storage::Silent),
            Fault::LockReachable(who) => self.storage(*who, Storage::Fine),
            Fault::Heal => self.heal(),
        }
    }

    pub(super) fn fault_step(&mut self, step: Step) {
        match step {
            Step::Comeback(host, net) => self.comeback(host, net),
            Step::Turn(serial) => self.turn(serial),
        }
    }

    pub(super) fn each(&mut self, who: Who, mut what: impl FnMut(&mut Self, HostId)) {
        match who {
            Who::One(host) => what(self, host),
            Who::All => (0..self.members).for_each(|host| what(self, HostId(host))),
        }
    }

    /// Nobody can do anything on a host that sleeps or has no power.
    pub(super) fn each_awake(&mut self, who: Who, mut what: impl FnMut(&mut Self, HostId)) {
        self.each(who, |world, host| {
            if world.hosts[host.index()].awake() {
                what(world, host);
            }
        });
    }

    fn power_off(&mut self, host: HostId) {
        let there = &mut self.hosts[host.index()];
        if !there.powered {
            return;
        }
        there.powered = false;
        there.suspended = None;
        there.process = None;
        there.disk.power_loss(&mut self.chance);
        self.locks.died(host);
        self.tcp_forget(host);
        self.changed();
    }

    fn power_on(&mut self, host: HostId) {
        let now = self.now;
        let there = &mut self.hosts[host.index()];
        if there.powered {
            return;
        }
        there.powered = true;
        there.kernel.boot(&there.wiring);
        there.clock.set_drift(now, 0);
        self.strays.retain(|(stray, _)| *stray != host);
        self.changed();
        self.start(host);
    }

    fn pace(&mut self, host: HostId, pace: Pace) {
        let now = self.now;
        let Some(process) = &mut self.hosts[host.index()].process else { return };
        process.pace = pace;
        let life = process.life;
        if pace != Pace::Stopped {
            process.inbox.iter_mut().for_each(|(ready, _)| *ready = (*ready).min(now));
            self.schedule.push(now, Event::Inbox { host, life });
        }
        self.changed();
    }

    fn suspend(&mut self, host: HostId) {
        let now = self.now;
        let there = &mut self.hosts[host.index()];
        if there.awake() {
            there.suspended = Some(now);
            self.changed();
        }
    }

    fn wake_up(&mut self, host: HostId) {
        let Some(since) = self.hosts[host.index()].suspended.take() else { return };
        let slept = self.now.since(since);
        self.clock_changed(host, slept);
    }

    /// The daemon's deadlines lie elsewhere now; a jump is told as a fact. So is the time of day
    /// if the clock has left it: what a wrong rate has done is told when the rate changes again.
    fn clock_changed(&mut self, host: HostId, ahead: Duration) {
        let now = self.now;
        if let Some(process) = &mut self.hosts[host.index()].process {
            let life = process.life;
            process.deadline = None;
            process.inbox.iter_mut().for_each(|(ready, _)| *ready = (*ready).min(now));
            self.schedule.push(now, Event::Inbox { host, life });
            let news = if ahead == Duration::ZERO {
                Stored::Wake
            } else {
                Stored::Fact(Box::new(Fact::Woke { slept: ahead }))
            };
            self.deliver_soon(host, news);
            self.tell_time(host);
        }
        self.changed();
    }

    fn admin(&mut self, host: HostId, net: Net, up: bool) {
        if let Ok(facts) = self.hosts[host.index()].kernel.set_admin(interface_name(net), up) {
            self.rewired(host, facts);
        }
    }

    fn carrier(&mut self, host: HostId, net: Net, up: bool) {
        if let Ok(facts) = self.hosts[host.index()].kernel.set_carrier(interface_name(net), up) {
            self.rewired(host, facts);
        }
    }

    /// The interface is there again, with what the host itself configures on it.
    fn comeback(&mut self, host: HostId, net: Net) {
        let name = interface_name(net);
        let there = &mut self.hosts[host.index()];
        let Some(mac) = there.wiring.interface(name).map(|interface| interface.mac) else { return };
        if !there.powered || there.kernel.interface(name).is_some() {
            return;
        }
        let mut facts = there.kernel.add_interface(name, net, mac);
        facts.extend(there.kernel.set_admin(name, true).unwrap_or_default());
        self.rewired(host, facts);
        self.readdress(host, net);
    }

    fn ways(&mut self, net: Net, ways: &Ways, cut: bool) {
        for (from, to) in ways.pairs() {
            if cut {
                self.network.cut(net, from, to);
            } else {
                self.network.mend(net, from, to);
            }
        }
        self.changed();
    }

    fn turn(&mut self, serial: u64) {
        let Some(flap) = self.flaps.iter_mut().find(|flap| flap.serial == serial) else { return };
        flap.is_down = !flap.is_down;
        let (net, ways, cut) = (flap.net, flap.ways.clone(), flap.is_down);
        let lasts = if cut { flap.down } else { flap.up };
        self.ways(net, &ways, cut);
        self.schedule.push(self.now + lasts, Event::Step(Box::new(Step::Turn(serial))));
    }

    fn knock(&mut self, host: HostId) {
        let Some(stranger) = self.stranger else { return };
        let there = &self.hosts[host.index()];
        let Some(process) = &there.process else { return };
        // Who listens everywhere is met at the first address.
        let first = there.kernel.addresses().map(|placed| placed.address).next();
        let place = |door: SocketAddr| match first {
            Some(first) if door.ip().is_unspecified() => SocketAddr::new(first, door.port()),
            _ => door,
        };
        let doors: Vec<_> = process.listens_on().map(place).collect();
        for door in doors {
            let mut says = vec![0; self.chance.between(1, 120) as usize];
            says.fill_with(|| self.chance.bits() as u8);
            self.puppet_dial(stranger, None, &Endpoint::Tcp(door), says);
        }
    }

    fn garbage(&mut self, from: HostId, to: HostId) {
        for conn in self.conns.ids() {
            let Some(held) = self.conns.get(conn) else { continue };
            if held.is_between(from, to) && matches!(held.owner(Side::Dialler), Owner::Machine(_)) {
                let mut bytes = vec![0; self.chance.between(1, 200) as usize];
                bytes.fill_with(|| self.chance.bits() as u8);
                self.inject(from, to, EndRef { conn, side: Side::Dialler }, bytes);
            }
        }
    }

    /// Bytes on a stream that its owner never sent.
    fn inject(&mut self, from: HostId, to: HostId, end: EndRef, bytes: Vec<u8>) {
        self.news.push(News::Meddled(from, to));
        self.transmit(end.conn, end.side, Piece::Bytes(bytes));
    }

    /// Like [`Fault::Garbage`], with bytes of the caller's choice.
    pub fn speak_as(&mut self, from: HostId, to: HostId, bytes: &[u8]) {
        for conn in self.conns.ids() {
            let Some(held) = self.conns.get(conn) else { continue };
            if held.is_between(from, to) && matches!(held.owner(Side::Dialler), Owner::Machine(_)) {
                self.inject(from, to, EndRef { conn, side: Side::Dialler }, bytes.to_vec());
            }
        }
    }

    /// Undoes every fault: power, daemons, clocks, interfaces, addresses, networks, disks, scripts,
    /// locks.
    fn heal(&mut self) {
        self.flaps.clear();
        self.network.heal();
        self.heal_locks();
        self.drop_strays();
        self.changed();
        for host in (0..self.members).map(HostId) {
            for net in [Net::Private, Net::Public] {
                if self.hosts[host.index()].powered {
                    self.comeback(host, net);
                    self.admin(host, net, true);
                    self.carrier(host, net, true);
                    self.readdress(host, net);
                }
            }
            let now = self.now;
            let there = &mut self.hosts[host.index()];
            there.disk.full = false;
            there.scripts.clear_fault(None);
            there.kernel.promote_secondaries = there.wiring.promote_secondaries;
            if there.clock.drift_ppm() != 0 {
                there.clock.set_drift(now, 0);
                self.clock_changed(host, Duration::ZERO);
            }
            self.wake_up(host);
            match self.hosts[host.index()].process.as_ref().map(|process| process.pace) {
                Some(Pace::Running) => {}
                Some(Pace::Stopped | Pace::Slow(_)) => self.pace(host, Pace::Running),
                None => {
                    self.power_on(host);
                    self.start(host);
                }
            }
        }
    }

    /// The host's own addresses are put back where they are missing.
    fn readdress(&mut self, host: HostId, net: Net) {
        let name = interface_name(net);
        let there = &mut self.hosts[host.index()];
        let mut facts = Vec::new();
        for placed in there.wiring.addresses().filter(|placed| placed.interface == name) {
            facts.extend(there.kernel.add_address(&placed).unwrap_or_default());
        }
        if !facts.is_empty() {
            self.rewired(host, facts);
        }
    }
}
