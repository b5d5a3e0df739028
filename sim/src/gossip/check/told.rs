//! UPDATE: who claims a slot that another owns by a later epoch is told so by anybody who
//! knows it and is in touch with it.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::types::{Epoch, NodeId};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::{all_up, known};
use super::{SLACK, claims, sight, stretched};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment, Net};
use crate::world::network::Weather;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Told {
    cluster: Rc<Cluster>,
    probes: Vec<u16>,
    next: Moment,
    /// Since when the first, whose claim is stale, could have been told by the second.
    since: BTreeMap<(HostId, HostId, u16), Moment>,
    looked: u64,
}

/// Somebody who owns a slot in its own eyes.
struct Owner<'w> {
    host: HostId,
    machine: &'w Gossip,
    epoch: Epoch,
}

impl Told {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        let probes = claims::probes(&cluster);
        Self { cluster, probes, next: Moment::START, since: BTreeMap::new(), looked: 0 }
    }

    /// Everybody pings everybody within half a node timeout and hears the answer, which has the
    /// stale claim; the correction follows at once. Twice that, in case the link is dialled anew.
    fn bound(&self) -> Duration {
        stretched(self.cluster.config.node_timeout.times(2)) + SLACK
    }

    /// Who could tell `stale` that `slot` is not its own any more.
    fn tellers<'w>(
        world: &'w World<Gossip>,
        stale: &Owner<'w>,
        slot: u16,
    ) -> impl Iterator<Item = HostId> + use<'w> {
        let (x, mine, me) = (stale.host, stale.epoch, stale.machine.id());
        let knows = stale.machine;
        let newer = move |machine: &Gossip| -> Option<NodeId> {
            let owner = machine.table().owner(slot)?;
            let owner = machine.table().get(owner);
            (owner.id != me && owner.epoch > mine).then_some(owner.id)
        };
        all_up(world).filter(move |(_, machine)| machine.id() != me).filter_map(move |(host, machine)| {
            let owner = newer(machine)?;
            let touch = sight::hears(world, host, x) && sight::hears(world, x, host);
            // In bad weather links do not live long enough to say anything.
            let weather = world.network().weather(Net::Private, host, x);
            let calm = weather == Weather::CALM && world.host(host).caught_up();
            // Without a disk to promise on, a node says nothing.
            let mute = world.host(host).disk.full || world.host(x).disk.full;
            let touch = touch && calm && !mute;
            let links = known(machine, &me)?.has_link() && known(knows, &machine.id())?.has_link();
            // It hears of owners it knows, if their epoch is news to it.
            let news = known(knows, &owner)?.epoch <= mine;
            (touch && links && news).then_some(host)
        })
    }
}

impl Checker<Gossip> for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn news(&mut self, _: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        if matches!(news, News::Changed | News::Meddled(..)) {
            self.since.clear();
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        Some(self.next)
    }

    fn look(&mut self, world: &World<Gossip>) -> Result<(), Violation> {
        let now = world.now();
        self.next = now + self.cluster.config.node_timeout;
        let mut since = BTreeMap::new();
        for &slot in &self.probes {
            let owns = |(host, machine): (HostId, &'_ Gossip)| {
                machine.owner_of(slot).filter(|owner| *owner == machine.id()).map(|_| host)
            };
            let owners: Vec<HostId> = all_up(world).filter_map(owns).collect();
            if owners.len() < 2 {
                continue;
            }
            self.looked += 1;
            for &host in &owners {
                let Some(machine) = world.host(host).machine().filter(|_| world.host(host).caught_up())
                else {
                    continue;
                };
                let stale = Owner { host, machine, epoch: machine.table().me().epoch };
                for teller in Self::tellers(world, &stale, slot) {
                    let key = (host, teller, slot);
                    let first = self.since.get(&key).copied().unwrap_or(now);
                    if now.since(first) > self.bound() {
                        let what = format!(
                            "{host} claims slot {slot} by epoch {}, and {teller}, in touch with it since {first}, \
                             knows better",
                            stale.epoch
                        );
                        return Err(Violation::liveness("stale-claim-is-told", what));
                    }
                    since.insert(key, first);
                }
            }
        }
        self.since = since;
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
