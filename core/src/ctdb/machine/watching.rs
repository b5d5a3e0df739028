//! Looking after the addresses of this node: the local check of every round, what the kernel
//! reports, and whom to tell after a recovery.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::super::addresses::{Entry, Wrong};
use super::super::cx::{Cx, Wake, cx};
use super::super::kernel::Change;
use super::super::notice::{AddressFault, Notice};
use super::super::plant::Plant;
use super::super::types::{RecoveryMode, RunState};
use super::super::wire::PublicIp;
use super::hosting::Reaction;
use super::{Ctdb, Out};
use crate::host::Placed;
use crate::time::{Duration, Instant};

/// When the leader is asked again about a node that it does not take for dead: it may be only us
/// who lost it.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How far apart an address is put back.
const PUT_BACK_EVERY: Duration = Duration::from_secs(1);

impl Ctdb {
    /// After a recovery: what was kept over it is announced again, if that fix is on.
    pub(super) fn announce_kept(&mut self, now: Instant, out: Out<'_>) {
        let generation = core::mem::replace(&mut self.announced, self.state.generation);
        let takes_part = !self.own_flags().is_inactive();
        if takes_part && self.config.fixes.announce_kept && generation != self.state.generation {
            let kernel = &self.kernel;
            self.addresses.announce_all_held(&mut cx!(self, now, out), |address| kernel.holds(address));
        }
    }

    /// Does our table agree with our kernel? If not, the leader is to look.
    pub(super) fn check_addresses(&mut self, now: Instant, out: Out<'_>) {
        let skipped = self.config.plants.has(Plant::CheckSkipped);
        let off = self.timers.at(Wake::TakeoverRunsOn).is_some();
        if skipped || off || self.config.failover_disabled {
            return;
        }
        let (me, flags, offers) = (self.state.own(), self.own_flags(), self.offers());
        let (state, patience) = (&self.state, self.config.tunables.keepalive_interval().times(2));
        let looks_itself = self.is_leader() || !self.config.fixes.run_after_change;
        let missed = &self.missed;
        let is_gone = |holder| {
            let Some(lost) = state.node(holder).and_then(|node| node.lost) else { return false };
            let asked = missed.get(&holder).filter(|asked| **asked >= lost);
            !looks_itself
                && now.since(lost) >= patience
                && asked.is_none_or(|asked| now.since(*asked) >= ASK_AGAIN_AFTER)
        };
        let wrong = self.addresses.check(me, flags, offers, &self.kernel, is_gone, &mut self.interfaces_seen);
        let blind = self.config.test_mode;
        // What is being put right already is no reason, if that fix is on.
        let patient = self.config.fixes.watch_kernel;
        let wrong: Vec<_> = wrong
            .into_iter()
            .filter(|wrong| match wrong {
                Wrong::Address(_, AddressFault::Missing | AddressFault::Foreign) if blind => false,
                Wrong::Address(address, _) => !patient || !self.is_changing(*address),
                Wrong::Interfaces { .. } => true,
            })
            .collect();
        for wrong in &wrong {
            out.notice(match *wrong {
                Wrong::Interfaces { up, down } => Notice::InterfacesChanged { up, down },
                Wrong::Address(address, fault) => Notice::AddressWrong { address, fault },
            });
        }
        for wrong in &wrong {
            if let Wrong::Address(address, AddressFault::Abandoned) = wrong
                && let Some(holder) = self.addresses.get(*address).and_then(Entry::holder)
            {
                self.missed.insert(holder, now);
            }
        }
        if !wrong.is_empty() {
            self.ask_for_takeover(out);
        }
    }

    /// What the kernel reports, if that fix is on: a lost link is a reason to look at our health,
    /// an address of ours that vanished is put back.
    pub(super) fn kernel_changed(&mut self, now: Instant, out: Out<'_>, change: &Change<'_>) {
        if !self.config.fixes.watch_kernel || self.state.runstate != RunState::Running {
            return;
        }
        let known = |lost: &[IpAddr]| lost.iter().any(|address| self.addresses.get(*address).is_some());
        match change {
            Change::InterfaceChanged { name, up, lost } => {
                let hurry = if *up { Duration::from_secs(2) } else { Duration::ZERO };
                let prompt = known(lost);
                self.link_lost |= !*up && self.addresses.names(name);
                self.hurry_monitor(name, now + hurry);
                if prompt {
                    self.prompt(now);
                }
            }
            Change::InterfaceGone { name, lost } => {
                let prompt = known(lost);
                self.link_lost |= self.addresses.names(name);
                self.hurry_monitor(name, now);
                if prompt {
                    self.prompt(now);
                }
            }
            Change::Vanished(address) => self.put_back(now, out, *address),
            Change::Appeared(address) if self.addresses.get(*address).is_some() => self.prompt(now),
            Change::Appeared(_) | Change::Nothing => {}
        }
    }

    /// The monitor event comes earlier: at once for a link that is lost, a little later for one
    /// that is back, so that a loose cable does not move addresses to and fro.
    fn hurry_monitor(&mut self, interface: &str, at: Instant) {
        if !self.addresses.names(interface) {
            return;
        }
        match self.timers.at(Wake::Monitor) {
            Some(due) => self.timers.set(Wake::Monitor, at.min(due)),
            // One is under way: it may have looked already.
            None => self.hurried = Some(at),
        }
    }

    /// A lost link has waited long enough: what its monitor event had to make way for, such as an
    /// address being put back, is over.
    pub(super) fn look_at_lost_link(&mut self, now: Instant) {
        let due = self.timers.at(Wake::Monitor).filter(|_| self.link_lost && self.events.is_idle());
        if let Some(due) = due {
            self.timers.set(Wake::Monitor, due.min(now + Duration::from_micros(1)));
        }
    }

    /// An address of ours has vanished from the kernel: take it again, if nobody else is about to
    /// decide.
    fn put_back(&mut self, now: Instant, out: Out<'_>, address: IpAddr) {
        let ours = self.addresses.get(address).is_some_and(|entry| entry.is_held() && !entry.is_changing());
        let up = self.addresses.get(address).and_then(|entry| entry.interface());
        let up = up.is_some_and(|name| self.kernel.is_up(name));
        let off = self.timers.at(Wake::TakeoverRunsOn).is_some();
        // What somebody keeps deleting is left to the check of every round.
        let again = self.put_back.get(&address).is_some_and(|at| now.since(*at) < PUT_BACK_EVERY);
        if again {
            return self.prompt(now);
        }
        if !ours
            || !up
            || off
            || self.config.failover_disabled
            || self.state.recovery_mode != RecoveryMode::Normal
        {
            return;
        }
        self.put_back.insert(address, now);
        out.notice(Notice::AddressWrong { address, fault: AddressFault::Missing });
        let ip = PublicIp { pnn: self.state.own(), address: SocketAddr::new(address, 0).into() };
        if let Reaction::Answer(answer) = self.takeover_asked(now, out, None, &ip)
            && answer.status != 0
        {
            self.prompt(now);
        }
    }

    /// Every public address of ours that the kernel has, and where: what the stock script gives
    /// up at the start and at the end, and we where there is none.
    pub(super) fn left_behind(&self) -> Vec<Placed> {
        let place = |address: IpAddr| {
            let interface = self.kernel.interface_of(address)?.into();
            Some(Placed { interface, address, prefix: self.kernel.prefix_of(address)? })
        };
        self.addresses.iter().filter_map(|entry| place(entry.address())).collect()
    }

    /// Whether every interface that an address may be on has a link: what the stock monitor
    /// script asks, and we where there is none.
    pub(super) fn has_all_links(&self) -> bool {
        self.addresses.links().all(|name| self.kernel.is_up(name))
    }
}
