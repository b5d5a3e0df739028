//! Failure: FAIL comes of a majority's reports inside their time, or of somebody who had them; and
//! it goes by its rules only.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::gossip::config::Role;
use standin_core::gossip::table::Node;
use standin_core::gossip::types::{NodeFlags, NodeId};
use standin_core::gossip::{Gossip, Notice};
use standin_core::time::{Duration, Instant};

use super::super::build::Cluster;
use super::sight::{Shared, Suspicion};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// What passes between reading a state file and listening.
const JUST: Duration = Duration::from_millis(100);

/// The checker.
#[derive(Debug)]
pub(super) struct Failure {
    cluster: Rc<Cluster>,
    names: Shared,
    /// When each host last came to hold a node for failed, by its own clock.
    failed: BTreeMap<(HostId, NodeId), Instant>,
    /// Who ever held whom for failed.
    ever: BTreeSet<(HostId, NodeId)>,
    suspicion: Suspicion,
    /// What the suspicion is about.
    few: Option<Few>,
    /// A FAIL that went early, unless the same packet says why.
    early: Option<(Moment, HostId, NodeId)>,
    /// When a name's host fell silent, was first suspected and was first held for failed.
    silent: BTreeMap<NodeId, Moment>,
    suspected: BTreeMap<NodeId, Moment>,
    agreed: BTreeMap<NodeId, Moment>,
    pfail_to_fail: Vec<u64>,
    fail_to_promoted: Vec<u64>,
    power_to_promoted: Vec<u64>,
    looked: u64,
}

/// Fewer reports than a majority takes, so it seems.
#[derive(Clone, Copy, Debug)]
struct Few {
    at: Moment,
    host: HostId,
    /// Reports that are young enough.
    young: u32,
    /// Owners of slots that the host knows now.
    owners: u32,
}

impl Failure {
    pub(super) fn new(cluster: Rc<Cluster>, names: Shared) -> Self {
        Self {
            cluster,
            names,
            failed: BTreeMap::new(),
            ever: BTreeSet::new(),
            suspicion: Suspicion::default(),
            few: None,
            early: None,
            silent: BTreeMap::new(),
            suspected: BTreeMap::new(),
            agreed: BTreeMap::new(),
            pfail_to_fail: Vec::new(),
            fail_to_promoted: Vec::new(),
            power_to_promoted: Vec::new(),
            looked: 0,
        }
    }

    /// By reports: as many as a majority needs of the owners of slots it knows, by our own count of those
    /// still young.
    fn agreed_here(&mut self, world: &World<Gossip>, host: HostId, id: NodeId, said: u32) {
        self.looked += 1;
        let there = world.host(host);
        let Some((machine, now)) = there.machine().zip(there.machine_time(world.now())) else { return };
        let Some(at) = machine.table().find(&id) else { return };
        let own = machine.table().me().is_master() && machine.config().role != Role::Observer;
        let young = machine.reports_on(now, at) + u32::from(own);
        let quorum = machine.table().quorum();
        if young < quorum {
            let what = format!(
                "{host} holds {id:.8} for failed with {said} reports, {young} of them young enough; {quorum} are a majority"
            );
            let raised = self.suspicion.raise(world, host, Violation::safety("majority-fails", what));
            if raised {
                self.few = Some(Few { at: world.now(), host, young, owners: machine.table().size() });
            }
        }
        self.fails(host, id, now);
    }

    /// Slots went to somebody at the same moment: one owner less there may have been when an earlier packet
    /// had somebody held for failed.
    fn one_owner_less(&mut self, world: &World<Gossip>, host: HostId) {
        let Some(few) = self.few.as_mut().filter(|few| few.host == host && few.at == world.now()) else {
            return;
        };
        few.owners = few.owners.saturating_sub(1);
        if few.young > few.owners / 2 {
            self.suspicion.withdraw(world, host);
        }
    }

    fn fails(&mut self, host: HostId, id: NodeId, now: Instant) {
        self.failed.insert((host, id), now);
        self.ever.insert((host, id));
    }

    /// Because somebody said so, who must have thought so once.
    fn told(&mut self, world: &World<Gossip>, host: HostId, id: NodeId, by: NodeId) -> Result<(), Violation> {
        self.looked += 1;
        let teller = self.names.borrow().host(&by);
        if let Some(teller) = teller
            && !self.ever.contains(&(teller, id))
        {
            let what = format!("{host} was told by {teller} that {id:.8} failed, which never thought so");
            return Err(Violation::safety("majority-fails", what));
        }
        if let Some(now) = world.host(host).machine_time(world.now()) {
            self.fails(host, id, now);
        }
        Ok(())
    }

    /// A failed node answers: a replica or an empty master is well at once, an owner of slots
    /// that nobody replaced after two node timeouts.
    fn cleared(&mut self, world: &World<Gossip>, host: HostId, id: NodeId) {
        self.looked += 1;
        let there = world.host(host);
        let Some((machine, now)) = there.machine().zip(there.machine_time(world.now())) else { return };
        let Some(at) = machine.table().find(&id) else { return };
        let Some(&since) = self.failed.get(&(host, id)) else { return };
        let patience: Duration = self.cluster.config.node_timeout.times(2);
        let plain = self.suspicion.is_plain(world, host);
        if plain && machine.table().get(at).is_owner() && now.since(since) + JUST <= patience {
            self.early = Some((world.now(), host, id));
        }
    }

    /// What a new process remembers of failed nodes failed just now.
    fn begins(&mut self, world: &World<Gossip>, host: HostId) {
        let there = world.host(host);
        let Some((machine, now)) = there.machine().zip(there.machine_time(world.now())) else { return };
        self.failed.retain(|(of, _), _| *of != host);
        let failed = |node: &Node| node.flags.contains(NodeFlags::FAIL);
        for (_, node) in machine.table().iter().filter(|(_, node)| failed(node)) {
            self.fails(host, node.id, now);
        }
    }

    /// Somebody took a failed master's place.
    fn replaced(&mut self, world: &World<Gossip>, host: HostId) {
        let Some(machine) = world.host(host).machine() else { return };
        let failed = machine.table().iter().filter(|(_, node)| node.is_failing() && node.slots().is_empty());
        for (_, node) in failed {
            let since = |times: &mut BTreeMap<NodeId, Moment>| times.remove(&node.id);
            let now = world.now();
            if let Some(agreed) = since(&mut self.agreed) {
                self.fail_to_promoted.push(now.since(agreed).0);
            }
            if let Some(silent) = since(&mut self.silent) {
                self.power_to_promoted.push(now.since(silent).0);
            }
        }
    }

    fn timed(&mut self, world: &World<Gossip>, notice: &Notice) {
        match notice {
            Notice::Pfail { id, .. } => {
                self.suspected.entry(*id).or_insert(world.now());
            }
            Notice::Fail { id, told_by: None, .. } if !self.agreed.contains_key(id) => {
                self.agreed.insert(*id, world.now());
                if let Some(since) = self.suspected.get(id) {
                    self.pfail_to_fail.push(world.now().since(*since).0);
                }
            }
            Notice::PfailCleared { id } => drop(self.suspected.remove(id)),
            Notice::FailCleared { id } => {
                self.suspected.remove(id);
                self.agreed.remove(id);
                self.silent.remove(id);
            }
            _ => {}
        }
    }

    /// Masters that lost power, and those that have it again.
    fn powers(&mut self, world: &World<Gossip>) {
        for host in world.members() {
            let there = world.host(host);
            let name = self.cluster.names[host.index()];
            if there.powered {
                continue;
            }
            self.silent.entry(name).or_insert(world.now());
        }
    }
}

impl Checker<Gossip> for Failure {
    fn name(&self) -> &'static str {
        "failure"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Notice(host, notice) => (*host, notice),
            News::Changed => {
                self.powers(world);
                self.suspicion.changed(world);
                self.early.take_if(|(at, ..)| *at == world.now());
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.timed(world, notice);
        match notice {
            Notice::Fail { id, reports, told_by: None, .. } => {
                self.agreed_here(world, host, *id, *reports);
            }
            Notice::Fail { id, told_by: Some(by), .. } => return self.told(world, host, *id, *by),
            Notice::FailCleared { id } => self.cleared(world, host, *id),
            // The same packet gave it slots, or made it a master again.
            Notice::SlotsMoved { to: id, .. } | Notice::RoleChanged { id, .. } => {
                if matches!(notice, Notice::SlotsMoved { .. }) {
                    self.one_owner_less(world, host);
                }
                self.early.take_if(|(_, at, of)| *at == host && of == id);
            }
            Notice::Listening { .. } => self.begins(world, host),
            Notice::Promoted { votes: 1.., .. } => self.replaced(world, host),
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.early.map(|(at, ..)| at + Duration(1)).or_else(|| self.suspicion.due())
    }

    fn look(&mut self, _: &World<Gossip>) -> Result<(), Violation> {
        let Some((at, host, id)) = self.early.take() else { return self.suspicion.look() };
        let what =
            format!("{host} holds {id:.8}, an owner of slots, for well at {at}, too soon after its failure");
        Err(Violation::safety("fail-ends-by-rule", what))
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![
            ("PFAIL -> FAIL", self.pfail_to_fail.clone()),
            ("FAIL -> promoted", self.fail_to_promoted.clone()),
            ("power loss -> promoted", self.power_to_promoted.clone()),
        ]
    }
}
