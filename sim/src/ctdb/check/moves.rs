//! Moves: in a cluster at peace a takeover run plans what the allocation of the nodes' own
//! tables comes to, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::ipalloc::{Algorithm, NodeView, Problem, allocate};
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{NodeFlags, Pnn, RecoveryMode, RunState};

use super::super::build::Cluster;
use super::super::facts::{counts_connected, own_flags};
use super::hands::Hands;
use super::truth::Shared;
use super::view::{is_inactive, node};
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
    /// Runs under way that can be judged, by leader.
    runs: BTreeMap<HostId, Run>,
    looked: u64,
}

/// A run under way.
#[derive(Debug)]
struct Run {
    since: Moment,
    /// What the nodes said when it began.
    problem: Problem,
    /// What has still to be planned, once that has begun.
    left: Option<BTreeSet<Move>>,
}

impl Moves {
    pub(super) fn new(cluster: Rc<Cluster>, truth: Shared) -> Self {
        Self { cluster, truth, hands: Hands::default(), runs: BTreeMap::new(), looked: 0 }
    }

    /// What the nodes say to `leader` now; nothing if somebody may be about to say something else.
    fn problem(&mut self, world: &World<Ctdb>, leader: HostId) -> Option<Problem> {
        self.hands.watch(world);
        let (chief, _) = node(world, leader)?;
        let idle = self.cluster.config.failover_disabled;
        if idle || self.hands.lists || !self.hands.off_addresses(world.now()) {
            return None;
        }
        let mut nodes = vec![NodeView::default(); chief.node_count() as usize];
        let mut others = 0;
        for host in world.members() {
            if host != leader && !counts_connected(&self.cluster, world, leader, host) {
                continue;
            }
            let (machine, own) = node(world, host)?;
            if self.cluster.number_of(chief, host) != Some(own) {
                return None;
            }
            // A leader that waits for an answer hears late who takes part again.
            if chief.flags(own).is_some_and(NodeFlags::is_inactive) != is_inactive(world, host) {
                return None;
            }
            let mut links = world.host(host).kernel.interfaces().iter();
            let cut = links.any(|one| one.net == Net::Public && !one.is_up());
            if cut
                || machine.links().any(|(_, up)| !up)
                || machine.public_addresses().any(|it| machine.is_changing(it.address))
            {
                return None;
            }
            let fit = own_flags(world, host).is_some_and(|flags| flags.is_empty());
            let ready = machine.recovery_mode() == RecoveryMode::Normal
                || !self.cluster.config.fixes.offer_when_ready;
            let offers = fit && ready && machine.runstate() == RunState::Running;
            let known: Vec<_> =
                machine.public_addresses().map(|public| (public.address, public.holder)).collect();
            others += u32::from(host != leader && !known.is_empty());
            let available = known.iter().map(|(address, _)| *address).filter(|_| offers).collect();
            *nodes.get_mut(own.0 as usize)? = NodeView { known, available };
        }
        // Alone, a leader is through with all of it before anybody can look.
        let tunables = self.cluster.tunables();
        (others > 0).then(|| Problem {
            algorithm: Algorithm::from_tunable(tunables.ip_alloc_algorithm()),
            no_ip_takeover: tunables.no_ip_takeover(),
            no_ip_failback: tunables.no_ip_failback(),
            forced: chief.forced().collect(),
            nodes,
        })
    }

    /// Whether everybody who was asked has answered at once.
    fn is_calm(&self, world: &World<Ctdb>, leader: HostId, since: Moment) -> bool {
        let truth = self.truth.borrow();
        let asked = |host: &HostId| counts_connected(&self.cluster, world, leader, *host);
        truth.steady_since(leader, since)
            && world
                .members()
                .filter(|host| *host != leader && asked(host))
                .all(|host| truth.in_touch_since(leader, host, since))
    }

    /// The plan is made: what should it be?
    fn reckon(&mut self, world: &World<Ctdb>, leader: HostId) {
        let Some(run) = self.runs.get(&leader).filter(|run| run.left.is_none()) else { return };
        if !self.is_calm(world, leader, run.since) {
            self.runs.remove(&leader);
            return;
        }
        let problem = &run.problem;
        let from = |address: IpAddr| {
            let claims = |(pnn, view): (u32, &NodeView)| {
                view.known.contains(&(address, Some(Pnn(pnn)))).then_some(Pnn(pnn))
            };
            (0..).zip(&problem.nodes).filter_map(claims).last()
        };
        let plan = allocate(problem).assignments.into_iter();
        let moves = plan.map(|(address, to)| (address, from(address), to)).filter(|(_, from, to)| from != to);
        let left = Some(moves.collect());
        self.runs.entry(leader).and_modify(|run| run.left = left);
    }

    fn planned(&mut self, world: &World<Ctdb>, leader: HostId, planned: Move) -> Result<(), Violation> {
        self.reckon(world, leader);
        let Some(left) = self.runs.get_mut(&leader).and_then(|run| run.left.as_mut()) else { return Ok(()) };
        self.looked += 1;
        if left.remove(&planned) {
            return Ok(());
        }
        let (address, from, to) = planned;
        let what = format!("{leader} plans {address} from {from:?} to {to:?}, and should {left:?}");
        Err(Violation::safety("moves-are-needed", what))
    }
}

impl Checker<Ctdb> for Moves {
    fn name(&self) -> &'static str {
        "moves"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Started(_) | News::Exited(..) => {
                self.runs.clear();
                return Ok(());
            }
            News::Notice(host, notice) => (*host, notice),
            _ => return Ok(()),
        };
        match notice {
            Notice::TakeoverStarted => {
                // Two leaders see different things.
                self.runs.clear();
                if let Some(problem) = self.problem(world, host) {
                    self.runs.insert(host, Run { since: world.now(), problem, left: None });
                }
            }
            Notice::AddressPlanned { address, from, to } => {
                return self.planned(world, host, (*address, *from, *to));
            }
            Notice::TakeoverFinished { .. } => {
                self.reckon(world, host);
                if let Some(left) = self.runs.remove(&host).and_then(|run| run.left)
                    && !left.is_empty()
                {
                    let what = format!("{host} should have moved {left:?} too");
                    return Err(Violation::safety("moves-are-needed", what));
                }
            }
            // What a node said before it is not so any more.
            Notice::FlagsChanged { .. }
            | Notice::InterfacesChanged { .. }
            | Notice::RecoveryModeChanged { .. }
            | Notice::Taking { .. }
            | Notice::Releasing { .. }
            | Notice::Released { .. }
            | Notice::TakeFailed { .. }
            | Notice::AddressesReloaded { .. }
            | Notice::TakeoverFailed { .. } => self.runs.retain(|_, run| run.left.is_some()),
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
