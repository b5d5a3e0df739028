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
    watched: Vec<IpAddr>,
    lan: Lan,
    client: Client,
    /// When the one scheduled look happens.
    due: Option<Moment>,
}

impl Onlooker {
    pub(super) fn new(seed: u64) -> Self {
        Self { watched: Vec::new(), lan: Lan::new(), client: Client::new(seed), due: None }
    }
}

impl<M: Machine> World<M> {
    /// Has the client ask `address` from now on.
    pub fn watch(&mut self, address: IpAddr) {
        let Onlooker { watched, lan, client, .. } = &mut self.onlooker;
        watched.push(address);
        client.watch(self.now, address, lan);
        self.onlooker_changed();
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

    /// Kernels, power or cuts are not what they were.
    pub(super) fn onlooker_changed(&mut self) {
        if self.onlooker.watched.is_empty() {
            return;
        }
        let now = self.now;
        let stands = self.stranger;
        let Onlooker { watched, lan, client, .. } = &mut self.onlooker;
        for (host, there) in self.hosts.iter().enumerate().take(self.members as usize) {
            let host = HostId(host as u32);
            if let Some(client_at) = stands {
                let there = self.network.open(Net::Public, client_at, host);
                let back = self.network.open(Net::Public, host, client_at);
                client.set_path(now, host, Path { there, back }, lan);
            }
            for &address in watched.iter() {
                let on_public = there.kernel.net_of(address) == Some(Net::Public);
                let held = there.awake() && on_public && there.kernel.usable(address);
                if lan.set_held(address, host, held) {
                    client.holders_changed(now, address, lan);
                }
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
