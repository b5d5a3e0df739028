//! Telling the neighbours where an address lives now: three rounds of frames, and after each a
//! tickle for every connection that somebody else served before.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::super::cx::{Cx, Wake};
use super::super::jobs::Purpose;
use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::wire::{Connection, WireAddr};
use super::{Addresses, Entry};
use crate::host::Job;
use crate::time::{Duration, Instant};

/// How often an address is announced, and how long after one another.
pub(super) const ROUNDS: u8 = 3;
const APART: Duration = Duration::from_millis(1_100);

/// A round that is later than this is left out, with [`announce_kept`]: we have stood still, and the
/// address may be another's.
///
/// [`announce_kept`]: super::super::config::Fixes::announce_kept
const LATE: Duration = APART;

/// Nobody outside can be reached over it.
const LOOPBACK: &str = "lo";

/// An announcement with rounds to come.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Announcing {
    /// How many rounds are to come.
    pub(super) left: u8,
    /// When the next of them is due.
    next: Instant,
    /// Whom to shake off in each.
    tickles: Vec<Connection>,
}

impl Addresses {
    /// The next round of an address is due, unless it was released meanwhile.
    pub(in super::super) fn announce_due(&mut self, cx: &mut Cx<'_>, address: IpAddr) {
        if let Some(entry) = self.get_mut(address)
            && let Some(announcing) = entry.announcing.take()
            && !(cx.config.fixes.announce_kept && cx.now > announcing.next + LATE)
        {
            entry.round(cx, announcing);
        }
    }

    /// Announces an address that went to another interface of ours.
    pub(in super::super) fn announce_moved(&mut self, cx: &mut Cx<'_>, address: IpAddr) {
        if let Some(entry) = self.get_mut(address) {
            let tickles = entry.announcing.take().map_or_else(Vec::new, |announcing| announcing.tickles);
            entry.announce(cx, tickles);
        }
    }

    /// Announces every address that is held here, that `have` says our kernel has, and that is
    /// neither being changed nor announced already: they were kept, and others may have heard of
    /// another holder. Their connections live, so nobody is shaken off.
    pub(in super::super) fn announce_all_held(&mut self, cx: &mut Cx<'_>, have: impl Fn(IpAddr) -> bool) {
        for entry in &mut self.list {
            if !entry.is_changing() && entry.announcing.is_none() && have(entry.address) {
                entry.announce(cx, Vec::new());
            }
        }
    }
}

impl Entry {
    /// Announces an address that was just taken, and shakes off the clients on its list.
    pub(super) fn announce_taken(&mut self, cx: &mut Cx<'_>) {
        let mut tickles = self.tickles.take_all();
        // A take amid an announcement: what was about to be shaken off still is.
        if let Some(before) = self.announcing.take() {
            tickles.extend(before.tickles);
            tickles.sort_unstable();
            tickles.dedup();
        }
        self.announce(cx, tickles);
    }

    fn announce(&mut self, cx: &mut Cx<'_>, tickles: Vec<Connection>) {
        cx.timers.cancel(Wake::Announce(self.address));
        let silent = cx.config.plants.has(Plant::AnnouncedNever);
        if self.audience().is_some() && !silent {
            cx.notice(Notice::Announcing { address: self.address });
            self.round(cx, Announcing { left: ROUNDS, next: cx.now, tickles });
        }
    }

    /// The interface to be heard on, if there is one.
    fn audience(&self) -> Option<&str> {
        self.interface().filter(|&name| name != LOOPBACK)
    }

    fn round(&mut self, cx: &mut Cx<'_>, mut announcing: Announcing) {
        let address = self.address;
        let Some(interface) = self.audience().map(String::from) else { return };
        let purpose = || Purpose::Announce(address, interface.clone());
        cx.start(purpose(), Job::Announce { interface: interface.clone(), address });
        for connection in &announcing.tickles {
            let (from, to) = (socket(connection.server), socket(connection.client));
            cx.start(purpose(), Job::Tickle { from, to });
        }
        announcing.left -= 1;
        if announcing.left > 0 {
            announcing.next = cx.now + APART;
            cx.timers.set(Wake::Announce(address), announcing.next);
            self.announcing = Some(announcing);
        }
    }
}

/// IPv4 as IPv4, however it was written.
const fn socket(address: WireAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}
