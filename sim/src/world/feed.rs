//! From an event to a machine and back: its input, its effects, its next deadline.

use standin_core::host::{Done, Fact, LockNews};
use standin_core::machine::{
    Depth, Effect, Endpoint, How, Input, LinkId, LinkInput, Machine, Outbox, PortId, Why,
};
use standin_core::rng::Rng;
use standin_core::time::{Duration, Instant};

use super::end::Owner;
use super::host::{Accepted, Listener, Pace, Process, Stored};
use super::kernel::Interface;
use super::moment::HostId;
use super::{Event, News, World};

/// What a process may leave unread before its kernel's window closes.
const UNREAD_MAX: usize = 1 << 16;
/// From here on a daemon is told that the time of day is not what it reckons.
const NOTICEABLE: Duration = Duration::from_millis(1);

impl<M: Machine> World<M> {
    pub(super) fn wake(&mut self, host: HostId, life: u32, serial: u32) {
        let there = &mut self.hosts[host.index()];
        let awake = there.awake();
        let Some(process) = &mut there.process else { return };
        if process.life != life || process.wake_serial != serial {
            return;
        }
        if awake {
            // The deadline stays noted: while its wake waits in the inbox there is no second one.
            self.deliver(host, Stored::Wake);
        } else {
            process.deadline = None;
        }
    }

    /// Brings bytes to a host's daemon, as [`deliver`](Self::deliver). Gives them back if the
    /// daemon has left so much unread that its kernel's window is closed.
    #[inline]
    pub(super) fn deliver_bytes(
        &mut self,
        host: HostId,
        link: LinkId,
        bytes: Vec<u8>,
    ) -> Result<(), Vec<u8>> {
        if !self.hosts[host.index()].takes_at_once() {
            return self.keep_bytes(host, link, bytes);
        }
        self.feed_bytes(host, link, bytes);
        Ok(())
    }

    #[cold]
    fn keep_bytes(&mut self, host: HostId, link: LinkId, bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        let process = self.hosts[host.index()].process.as_ref();
        if process.is_some_and(|process| process.inbox.len() >= UNREAD_MAX) {
            return Err(bytes);
        }
        self.keep(host, Stored::Bytes(link, bytes));
        Ok(())
    }

    /// Brings an input to a host's daemon: now, or into its inbox if it does not keep up.
    pub(super) fn deliver(&mut self, host: HostId, input: Stored<M>) {
        if self.hosts[host.index()].takes_at_once() {
            self.feed_stored(host, input);
        } else {
            self.keep(host, input);
        }
    }

    fn keep(&mut self, host: HostId, input: Stored<M>) {
        let Some(process) = &mut self.hosts[host.index()].process else {
            if let Stored::Bytes(_, bytes) = input {
                self.outbox.recycle(bytes);
            }
            return;
        };
        let ready = match process.pace {
            Pace::Running | Pace::Stopped => self.now,
            Pace::Slow(late) => {
                let ready = process.inbox.back().map_or(self.now, |&(last, _)| last).max(self.now + late);
                self.schedule.push(ready, Event::Inbox { host, life: process.life });
                ready
            }
        };
        process.inbox.push_back((ready, input));
        self.counts.waiting_max = self.counts.waiting_max.max(process.inbox.len() as u64);
    }

    /// Feeds what waits and is due.
    pub(super) fn drain_inbox(&mut self, host: HostId, life: u32) {
        loop {
            let now = self.now;
            let there = &mut self.hosts[host.index()];
            let awake = there.awake();
            let Some(process) = there.process.as_mut().filter(|process| process.life == life) else { return };
            let due = process.inbox.front().is_some_and(|&(ready, _)| ready <= now);
            if !due || process.pace == Pace::Stopped || !awake {
                return;
            }
            let Some((_, input)) = process.inbox.pop_front() else { return };
            let gone = match &input {
                Stored::Bytes(link, _) | Stored::Opened { link, .. } | Stored::Closed(link, _) => {
                    !process.links.contains_key(link)
                }
                Stored::Job(job, done) => {
                    // Its entry goes when it ends; a cancelled one must not be heard.
                    **done == Done::Lock(LockNews::Held) && !process.jobs.contains_key(job)
                }
                Stored::Wake
                | Stored::Port(..)
                | Stored::Accepted(_)
                | Stored::Fact(_)
                | Stored::Order(_) => false,
            };
            if !gone {
                self.feed_stored(host, input);
            }
        }
    }

    #[inline]
    fn feed_bytes(&mut self, host: HostId, link: LinkId, bytes: Vec<u8>) {
        self.counts.segments += 1;
        self.counts.bytes += bytes.len() as u64;
        self.feed(host, false, |machine, now, out| {
            machine.handle(now, Input::Link(link, LinkInput::Bytes(&bytes)), out);
            out.recycle(bytes);
        });
    }

    /// Feeds an input that was stored.
    fn feed_stored(&mut self, host: HostId, input: Stored<M>) {
        let input = match input {
            Stored::Bytes(link, bytes) => return self.feed_bytes(host, link, bytes),
            Stored::Wake => {
                self.counts.wakes += 1;
                return self.feed(host, true, |machine, now, out| machine.handle(now, Input::Wake, out));
            }
            Stored::Port(port, answer) => Some(Input::Port(port, answer)),
            Stored::Opened { link, local } => Some(Input::Link(link, LinkInput::Opened { local })),
            Stored::Accepted(accepted) => {
                let Accepted { link, port, from, local, peer_pid } = *accepted;
                Some(Input::Link(link, LinkInput::Accepted { port, from, local, peer_pid }))
            }
            Stored::Closed(link, why) => {
                if let Some(process) = &mut self.hosts[host.index()].process {
                    process.links.remove(&link);
                }
                Some(Input::Link(link, LinkInput::Closed(why)))
            }
            Stored::Job(job, done) => Some(Input::Job(job, self.translator.done(*done))),
            Stored::Fact(fact) => self.translator.fact(*fact).map(Input::Fact),
            Stored::Order(order) => Some(Input::Order(*order)),
        };
        self.feed(host, false, |machine, now, out| {
            // What a machine has no word for is an event nevertheless.
            if let Some(input) = input {
                machine.handle(now, input, out);
            }
        });
    }

    /// One input as `give` gives it, its effects, and the next deadline.
    #[inline]
    fn feed(&mut self, host: HostId, woken: bool, give: impl FnOnce(&mut M, Instant, &mut Outbox<M>)) {
        let there = &mut self.hosts[host.index()];
        let Some(process) = &mut there.process else { return };
        let now = Instant(there.clock.read(self.now).since(process.born).0);
        self.counts.events += 1;
        let machine = &mut process.machine;
        give(machine, now, &mut self.outbox);
        machine.check(Depth::Quick);
        let next = machine.next_deadline();
        if next.map(|next| next.at) != process.deadline || woken {
            process.deadline = next.map(|next| next.at);
            process.wake_serial = process.wake_serial.wrapping_add(1);
            if let Some(next) = next {
                if woken && next.at <= now {
                    self.news.push(News::Spins(host, next));
                    return;
                }
                let local = Instant(next.at.0 + process.born.0);
                let at = there.clock.when(local).max(self.now);
                let (life, serial) = (process.life, process.wake_serial);
                self.schedule.push(at, Event::Wake { host, life, serial });
            }
        }
        if !self.outbox.is_empty() {
            self.execute(host);
        }
    }

    /// Does what a machine asked for, in order.
    fn execute(&mut self, host: HostId) {
        let mut effects = self.outbox.take();
        let mut noticed = false;
        let mut next_end = None;
        let mut left = effects.drain(..);
        while let Some(effect) = left.next() {
            let Some(process) = &mut self.hosts[host.index()].process else { continue };
            match effect {
                Effect::Send { link, bytes } => {
                    let end = next_end.take().or_else(|| process.links.get(&link).copied());
                    // What is said to all is said on one link after the other.
                    if let [Effect::Send { link: next, .. }, ..] = left.as_slice()
                        && let Some(&next) = process.links.get(next)
                    {
                        self.conns.fetch(next.conn);
                        next_end = Some(next);
                    }
                    match end {
                        Some(end) => self.tcp_send(end, bytes),
                        None => self.outbox.recycle(bytes),
                    }
                }
                Effect::Notice(notice) => {
                    noticed = true;
                    self.news.push(News::Notice(host, notice));
                }
                Effect::Dial { link, from, to } => {
                    assert!(link.0.is_multiple_of(2), "{host} dialled with the driver's number {link:?}");
                    let to = Endpoint::Tcp(to);
                    let end = self.tcp_dial(host, Owner::Machine(link), from, &to);
                    if let Some(process) = &mut self.hosts[host.index()].process {
                        process.links.insert(link, end);
                    }
                    self.counts.connections_max = self.counts.connections_max.max(self.conns.len() as u64);
                }
                Effect::Close { link, how } => {
                    if let Some(end) = process.links.remove(&link) {
                        self.tcp_close(end, how);
                    }
                }
                Effect::Listen { port, on } => self.listen(host, port, on),
                Effect::Unlisten { port } => process.listeners.retain(|listener| listener.port != port),
                Effect::Start { job, what } => {
                    let what = self.translator.job(what);
                    self.start_job(host, job, what);
                }
                Effect::Cancel { job } => self.cancel_job(host, job),
                Effect::Exit { status } => {
                    self.end_process(host);
                    self.news.push(News::Exited(host, status));
                }
            }
        }
        drop(left);
        self.outbox.restore(effects);
        if noticed && let Some(process) = &self.hosts[host.index()].process {
            process.machine.check(Depth::Whole);
        }
    }

    fn listen(&mut self, host: HostId, port: PortId, on: Endpoint) {
        let there = &mut self.hosts[host.index()];
        let Some(process) = &mut there.process else { return };
        let absent = on.ip().is_some_and(|ip| !ip.is_unspecified() && !there.kernel.holds(ip));
        let taken = process.listeners.iter().any(|listener| listener.on == on);
        let answer = match (absent, taken) {
            (true, _) => Err(Why::NoAddress),
            (_, true) => Err(Why::InUse),
            _ => {
                process.listeners.push(Listener { port, on: on.clone() });
                Ok(on)
            }
        };
        self.deliver_soon(host, Stored::Port(port, answer));
    }

    /// An answer to an effect is never part of the drain it came from.
    pub(super) fn deliver_soon(&mut self, host: HostId, input: Stored<M>) {
        let Some(process) = &mut self.hosts[host.index()].process else { return };
        process.inbox.push_back((self.now, input));
        let life = process.life;
        self.schedule.push(self.now, Event::Inbox { host, life });
    }

    /// Starts the host's daemon, if it has power and none runs.
    pub fn start(&mut self, host: HostId) {
        let there = &mut self.hosts[host.index()];
        if !there.powered || there.process.is_some() {
            return;
        }
        there.lives += 1;
        let seed = Rng::new(self.seed, (u64::from(host.0) << 32) | (1 << 31) | u64::from(there.lives)).bits();
        let machine = self.translator.boot(host, &there.disk, seed);
        there.process = Some(Process::new(machine, there.lives, there.clock.read(self.now)));
        self.changed();
        self.news.push(News::Started(host));
        self.deliver_soon(host, Stored::Wake);
        self.introduce(host);
    }

    /// Tells a daemon just started what its kernel has, before it hears anything else: the time
    /// of day, the interfaces, the addresses.
    fn introduce(&mut self, host: HostId) {
        let now = self.now;
        let there = &mut self.hosts[host.index()];
        let Some(offset) = there.offset(now) else { return };
        let interfaces = there.kernel.interfaces().iter().map(Interface::fact);
        let facts = std::iter::once(Fact::TimeOfDay { offset })
            .chain(interfaces)
            .chain(there.kernel.addresses().map(Fact::Appeared));
        let Some(process) = &mut there.process else { return };
        process.told = offset;
        // They wait behind the first wake, whose event takes all that waits.
        process.inbox.extend(facts.map(|fact| (now, Stored::Fact(Box::new(fact)))));
    }

    /// Tells a daemon the time of day if it is noticeably off what it reckons.
    pub(super) fn tell_time(&mut self, host: HostId) {
        let there = &mut self.hosts[host.index()];
        let Some(offset) = there.offset(self.now) else { return };
        let Some(process) = &mut there.process else { return };
        if offset.abs_diff(process.told) >= NOTICEABLE.0 {
            process.told = offset;
            self.deliver_soon(host, Stored::Fact(Box::new(Fact::TimeOfDay { offset })));
        }
    }

    /// Ends the host's daemon as its kernel would: sockets closed, the lock freed. What it
    /// had not read is answered with RST, the rest with FIN.
    pub(super) fn end_process(&mut self, host: HostId) {
        let Some(process) = self.hosts[host.index()].process.take() else { return };
        let unread: Vec<_> = process
            .inbox
            .iter()
            .filter_map(|(_, input)| if let Stored::Bytes(link, _) = input { Some(*link) } else { None })
            .collect();
        let mut links: Vec<_> = process.links.into_iter().collect();
        links.sort_unstable();
        for (link, end) in links {
            let how = if unread.contains(&link) { How::Abort } else { How::Orderly };
            self.tcp_close(end, how);
        }
        self.locks.died(host);
        self.changed();
    }
}
