//! Whoever watches the public network: a client that keeps asking each watched address.
//!
//! It stands where strangers stand. What it sees follows from the kernels and the cuts; it
//! costs events only while an address is out that somebody could serve.

use std::net::IpAddr;

use standin_core::machine::Machine;

use super::client::{Client, Path, Summary};
use super::lan::Lan;
use super::moment::{HostId, Moment, Net};
use super::{Event, World};

/// The client, the switch it hangs on, and what it asks for.
#[derive(Clone, Debug)]
pub(super) struct Onlooker {
    /// Each once, in the order somebody asked for them.
    watched: Vec<IpAddr>,
    lan: Lan,
    client: Client,
    /// What it was last told of each member.
    told: Vec<Told>,
    /// When the one scheduled look happens.
    due: Option<Moment>,
}

/// What the client knows of a host.
#[derive(Clone, Debug)]
struct Told {
    path: Path,
    /// Whether the host answered, and the state of its kernel then.
    kernel: Option<(bool, u64)>,
    /// The watched addresses it answers for, sorted.
    held: Vec<IpAddr>,
}

impl Told {
    const NOTHING: Self = Self { path: Path::OPEN, kernel: None, held: Vec::new() };
}

impl Onlooker {
    pub(super) fn new(seed: u64) -> Self {
        let (lan, client) = (Lan::new(), Client::new(seed));
        Self { watched: Vec::new(), lan, client, told: Vec::new(), due: None }
    }
}

impl<M: Machine> World<M> {
    /// Has the client ask `address` from now on.
    pub fn watch(&mut self, address: IpAddr) {
        let Onlooker { watched, lan, client, told, .. } = &mut self.onlooker;
        if watched.contains(&address) {
            return;
        }
        watched.push(address);
        client.watch(self.now, address, lan);
        told.iter_mut().for_each(|told| told.kernel = None);
        self.onlooker_changed();
    }

    /// The addresses the client asks, in the order it was told of them.
    #[must_use]
    pub fn watched(&self) -> &[IpAddr] {
        &self.onlooker.watched
    }

    /// What the client has seen of each watched address, in order of address.
    #[must_use]
    pub fn client_view(&self) -> Vec<(IpAddr, Summary)> {
        self.onlooker.client.summary(self.now)
    }

    /// Who holds a watched address on the public network.
    pub fn public_holders(&self, address: IpAddr) -> impl Iterator<Item = HostId> {
        self.onlooker.lan.holders(address)
    }

    /// Kernels, power or cuts may not be what they were.
    pub(super) fn onlooker_changed(&mut self) {
        if self.onlooker.watched.is_empty() {
            return;
        }
        let now = self.now;
        let stands = self.stranger;
        let Onlooker { lan, client, told, .. } = &mut self.onlooker;
        told.resize(self.members as usize, Told::NOTHING);
        for ((number, there), told) in self.hosts.iter().enumerate().zip(told) {
            let host = HostId(number as u32);
            if let Some(client_at) = stands {
                let there = self.network.open(Net::Public, client_at, host);
                let path = Path { there, back: self.network.open(Net::Public, host, client_at) };
                if path != told.path {
                    told.path = path;
                    client.set_path(now, host, path, lan);
                }
            }
            let kernel = Some((there.awake(), there.kernel.changes()));
            if told.kernel == kernel {
                continue;
            }
            told.kernel = kernel;
            let answers = there.kernel.answers_on(Net::Public).filter(|address| client.watches(*address));
            let mut held: Vec<IpAddr> = if there.awake() { answers.collect() } else { Vec::new() };
            held.sort_unstable();
            held.dedup();
            let before = std::mem::replace(&mut told.held, held);
            let gone = before.iter().filter(|address| told.held.binary_search(address).is_err());
            let new = told.held.iter().filter(|address| before.binary_search(address).is_err());
            for (&address, held) in gone.map(|address| (address, false)).chain(new.map(|it| (it, true))) {
                lan.set_held(address, host, held);
                client.holders_changed(now, address, lan);
            }
        }
        self.onlooker_schedule();
    }

    /// A host told its neighbours that an address lives there.
    pub(super) fn onlooker_hears(&mut self, host: HostId, address: IpAddr) {
        self.onlooker.client.announced(self.now, host, address);
        self.onlooker_schedule();
    }

    pub(super) fn onlooker_due(&mut self) {
        self.onlooker.due = None;
        self.onlooker.client.wake(self.now);
        self.onlooker_schedule();
    }

    fn onlooker_schedule(&mut self) {
        let next = self.onlooker.client.next_deadline();
        if let Some(at) = next.filter(|at| self.onlooker.due.is_none_or(|due| *at < due)) {
            let at = at.max(self.now);
            self.onlooker.due = Some(at);
            self.schedule.push(at, Event::Onlooker);
        }
    }
}
