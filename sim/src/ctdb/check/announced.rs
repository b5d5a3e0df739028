//! Announcements: a client that can be reached asks the new holder soon after it has taken an
//! address.
//!
//! Single frames are not seen from here; their effect on a client's neighbour table is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::time::Duration;

use super::truth::Shared;
use super::view::node;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment, Net};
use crate::world::{News, World};

/// How long after a take a client may still ask somebody else: the rounds of the announcement.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// Whether a host's daemon believes that it holds an address.
fn counts_as_own(world: &World<Ctdb>, host: HostId, address: IpAddr) -> bool {
    let Some((machine, own)) = node(world, host) else { return false };
    machine.public_addresses().any(|public| public.address == address && public.holder == Some(own))
}

/// The checker.
#[derive(Debug)]
pub(super) struct Announced {
    truth: Shared,
    /// Who took what, when.
    taken: BTreeMap<IpAddr, (HostId, Moment)>,
    looked: u64,
}

impl Announced {
    pub(super) const fn new(truth: Shared) -> Self {
        Self { truth, taken: BTreeMap::new(), looked: 0 }
    }

    /// Whether a host alone answers for an address, and the client's packets pass both ways.
    fn alone(world: &World<Ctdb>, address: IpAddr, host: HostId) -> bool {
        let client = HostId(world.host_count() as u32 - 1);
        let open = |from, to| world.network().open(Net::Public, from, to);
        let alone = world.public_holders(address).eq([host]);
        alone && open(client, host) && open(host, client)
    }
}

impl Checker<Ctdb> for Announced {
    fn name(&self) -> &'static str {
        "announced"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Notice(host, Notice::Taken { address, .. }) => {
                let heard = world.watched().contains(address) && Self::alone(world, *address, *host);
                if heard {
                    self.taken.insert(*address, (*host, world.now()));
                }
            }
            News::Notice(_, Notice::Releasing { address } | Notice::Released { address, .. }) => {
                self.taken.remove(address);
            }
            // Whoever was cut off or had it for a while may have been asked meanwhile.
            News::Changed => self.taken.retain(|address, (host, _)| Self::alone(world, *address, *host)),
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.taken.values().map(|(_, at)| *at + HEARD_WITHIN).min()
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let now = world.now();
        let view = world.client_view();
        let over: Vec<_> = self.taken.extract_if(.., |_, (_, at)| now.since(*at) >= HEARD_WITHIN).collect();
        for (address, (host, at)) in over {
            self.looked += 1;
            let asks = view.iter().find(|(watched, _)| *watched == address).and_then(|(_, it)| it.served_by);
            // Who believes that it holds the address, cut off as a rule, may announce it late;
            // whether it may believe so is judged elsewhere.
            let mut others = world.members().filter(|other| *other != host);
            let disputed = others.any(|other| counts_as_own(world, other, address));
            if asks != Some(host) && !disputed && self.truth.borrow().steady_since(host, at) {
                let what = format!("{host} took {address} at {at}, and the client does not know it");
                return Err(Violation::safety("takes-are-announced", what));
            }
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
