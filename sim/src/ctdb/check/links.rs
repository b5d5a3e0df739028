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
    /// How many links each host has accepted of each, while that is looked at.
    held: Vec<u32>,
}

impl Links {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, looked: 0, held: Vec::new() }
    }

    /// No daemon that has taken all its inputs holds two links of one other, or its own.
    fn one_each_way(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let hosts = world.host_count();
        self.held.clear();
        self.held.resize(hosts * hosts, 0);
        for (from, host) in world.links_accepted() {
            self.held[from.index() * hosts + host.index()] += 1;
        }
        for (at, &held) in self.held.iter().enumerate().filter(|&(_, &held)| held > 0) {
            self.looked += u64::from(held);
            let (from, host) = (HostId((at / hosts) as u32), HostId((at % hosts) as u32));
            // What waits in its kernel it can do nothing about yet.
            if !world.host(host).caught_up() {
                continue;
            }
            if from == host {
                return Err(Violation::safety("no-link-to-oneself", format!("{host} is its own peer")));
            }
            if held > 1 {
                return Err(Violation::safety(
                    "one-link-a-direction",
                    format!("{host} keeps two links of {from}"),
                ));
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
                let out = world.holds_link_to(*host, other);
                let back = world.holds_link_from(*host, other);
                let still = world.host(*host).machine().is_some_and(|machine| machine.is_connected(*pnn));
                let must = self.cluster.config.fixes.both_links && still && world.host(*host).caught_up();
                if !(out && back) && must {
                    let what = format!("{host} counts {other} as connected: out {out}, in {back}");
                    return Err(Violation::safety("connected-is-both-links", what));
                }
                Ok(())
            }
            News::Notice(_, Notice::DuplicateRefused { .. }) => self.one_each_way(world),
            News::Notice(..) | News::Started(_) | News::Exited(..) | News::Meddled(..) | News::Spins(..) => {
                Ok(())
            }
            News::Changed => self.one_each_way(world),
        }
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
