//! Links: connected means both links, never two in one direction, never to oneself.

use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;

use super::super::build::Cluster;
use super::detection::host_of;
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Links {
    cluster: Rc<Cluster>,
    looked: u64,
}

impl Links {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, looked: 0 }
    }

    fn one_each_way(&mut self, world: &World<Ctdb>, host: HostId) -> Result<(), Violation> {
        // What waits in its kernel it can do nothing about yet.
        if !world.host(host).caught_up() {
            return Ok(());
        }
        for from in (0..self.cluster.members).map(HostId) {
            self.looked += 1;
            let held = world.links_between(from, host).into_iter().filter(|&(_, accepted)| accepted).count();
            if held > 1 {
                return Err(Violation::safety(
                    "one-link-a-direction",
                    format!("{host} keeps {held} links of {from}"),
                ));
            }
            if from == host && held > 0 {
                return Err(Violation::safety("no-link-to-oneself", format!("{host} is its own peer")));
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Links {
    fn name(&self) -> &'static str {
        "links"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Notice(host, Notice::NodeConnected { pnn }) => {
                let Some(other) = host_of(world, &self.cluster, *host, *pnn) else { return Ok(()) };
                self.looked += 1;
                let out = world.links_between(*host, other).into_iter().any(|(dialled, _)| dialled);
                let back = world.links_between(other, *host).into_iter().any(|(_, accepted)| accepted);
                let still = world.host(*host).machine().is_some_and(|machine| machine.is_connected(*pnn));
                let must = self.cluster.config.fixes.both_links && still && world.host(*host).caught_up();
                if !(out && back) && must {
                    let what = format!("{host} counts {other} as connected: out {out}, in {back}");
                    return Err(Violation::safety("connected-is-both-links", what));
                }
                self.one_each_way(world, *host)
            }
            News::Notice(host, Notice::DuplicateRefused { .. }) => self.one_each_way(world, *host),
            News::Notice(..) | News::Started(_) | News::Exited(..) | News::Meddled(..) | News::Spins(..) => {
                Ok(())
            }
            News::Changed => world.members().try_for_each(|host| self.one_each_way(world, host)),
        }
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
