//! Moves: in a cluster at peace a takeover run plans what the allocation of the nodes' own
//! tables comes to, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::ipalloc::{Algorithm, NodeView, Problem, allocate};
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Pnn, RunState};

use super::super::build::Cluster;
use super::super::facts::{counts_connected, own_flags};
use super::hands::Hands;
use super::truth::Shared;
use super::view::node;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment, Net};
use crate::world::{News, World};

/// An address, from whom and to whom.
type Move = (IpAddr, Option<Pnn>, Option<Pnn>);

/// The checker.
#[derive(Debug)]
pub(super) struct Moves {
    cluster: Rc<Cluster>,
    truth: Shared,
    hands: Hands,
    /// Runs under way that can be judged, by leader: since when, and what is to move, once known.
    runs: BTreeMap<HostId, (Moment, Option<BTreeSet<Move>>)>,
    /// Whose interfaces were not all up when it last looked.
    down: BTreeSet<HostId>,
    looked: u64,
}

impl Moves {
    pub(super) fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        let (runs, down) = (BTreeMap::new(), BTreeSet::new());
        Self { cluster, truth, hands: Hands::default(), runs, down, looked: 0 }
    }

    /// What a run of `leader`'s that began at `began` has to move; nothing is said where somebody
    /// may have told it what is not so any more.
    fn expected(&mut self, world: &World<Ctdb>, leader: HostId, began: Moment) -> Option<BTreeSet<Move>> {
        self.hands.watch(world);
        let truth = self.truth.borrow();
        let (chief, _) = node(world, leader)?;
        let still = self.hands.off_addresses(world.now()) && truth.steady_since(leader, began);
        if !still {
            return None;
        }
        let mut nodes = vec![NodeView::default(); chief.node_count() as usize];
        for host in world.members() {
            if host != leader && !counts_connected(&self.cluster, world, leader, host) {
                continue;
            }
            let (machine, own) = node(world, host)?;
            let up = |one: &&crate::world::kernel::Interface| one.net == Net::Public && !one.is_up();
            let plugged = !world.host(host).kernel.interfaces().iter().any(|one| up(&one));
            let calm = plugged
                && !self.down.contains(&host)
                && (host == leader || truth.in_touch_since(leader, host, began));
            if !calm {
                return None;
            }
            let fit = own_flags(world, host).is_some_and(|flags| flags.is_empty());
            let offers = fit && machine.runstate() == RunState::Running;
            let known: Vec<_> =
                machine.public_addresses().map(|public| (public.address, public.holder)).collect();
            let available = known.iter().map(|(address, _)| *address).filter(|_| offers).collect();
            *nodes.get_mut(own.0 as usize)? = NodeView { known, available };
        }
        let tunables = self.cluster.tunables();
        let problem = Problem {
            algorithm: Algorithm::from_tunable(tunables.ip_alloc_algorithm()),
            no_ip_takeover: tunables.no_ip_takeover(),
            no_ip_failback: tunables.no_ip_failback(),
            forced: Vec::new(),
            nodes,
        };
        let from = |address: IpAddr| {
            let claims = |(pnn, view): (u32, &NodeView)| {
                view.known.contains(&(address, Some(Pnn(pnn)))).then_some(Pnn(pnn))
            };
            (0..).zip(&problem.nodes).filter_map(claims).last()
        };
        let moves =
            allocate(&problem).assignments.into_iter().map(|(address, to)| (address, from(address), to));
        Some(moves.filter(|(_, from, to)| from != to).collect())
    }

    fn planned(&mut self, world: &World<Ctdb>, leader: HostId, planned: Move) -> Result<(), Violation> {
        let Some((began, None)) = self.runs.get(&leader).map(|(began, moves)| (*began, moves.as_ref()))
        else {
            return self.moved(leader, planned);
        };
        match self.expected(world, leader, began) {
            Some(expected) => {
                self.runs.insert(leader, (began, Some(expected)));
                self.moved(leader, planned)
            }
            None => {
                self.runs.remove(&leader);
                Ok(())
            }
        }
    }

    fn moved(&mut self, leader: HostId, planned: Move) -> Result<(), Violation> {
        let Some((_, Some(expected))) = self.runs.get_mut(&leader) else { return Ok(()) };
        self.looked += 1;
        if expected.remove(&planned) {
            return Ok(());
        }
        let (address, from, to) = planned;
        let what = format!("{leader} plans {address} from {from:?} to {to:?}, and should {expected:?}");
        Err(Violation::safety("moves-are-needed", what))
    }
}

impl Checker<Ctdb> for Moves {
    fn name(&self) -> &'static str {
        "moves"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Started(host) | News::Exited(host, _) => {
                self.runs.clear();
                self.down.remove(host);
                return Ok(());
            }
            News::Notice(host, notice) => (*host, notice),
            _ => return Ok(()),
        };
        match notice {
            Notice::TakeoverStarted => {
                // Two leaders see different things.
                self.runs.clear();
                self.runs.insert(host, (world.now(), None));
            }
            Notice::AddressPlanned { address, from, to } => {
                return self.planned(world, host, (*address, *from, *to));
            }
            Notice::TakeoverFinished { .. } => {
                if let Some((_, Some(left))) = self.runs.remove(&host)
                    && !left.is_empty()
                {
                    let what = format!("{host} should have moved {left:?} too");
                    return Err(Violation::safety("moves-are-needed", what));
                }
            }
            Notice::InterfacesChanged { down, .. } => {
                if *down > 0 {
                    self.down.insert(host);
                } else {
                    self.down.remove(&host);
                }
                self.runs.retain(|_, (_, known)| known.is_some());
            }
            // What a node said before it is not so any more.
            Notice::FlagsChanged { .. }
            | Notice::Taking { .. }
            | Notice::Releasing { .. }
            | Notice::Released { .. }
            | Notice::TakeFailed { .. }
            | Notice::AddressesReloaded { .. }
            | Notice::TakeoverFailed { .. } => self.runs.retain(|_, (_, known)| known.is_some()),
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
