//! How a node is looked at, and who goes by which name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::types::{Epoch, NodeId};

use super::super::build::STATE;
use crate::check::Violation;
use crate::world::World;
use crate::world::host::Pace;
use crate::world::moment::{HostId, Moment, Net};

/// Who goes by which name, ever.
#[derive(Debug, Default)]
pub(super) struct Names {
    hosts: BTreeMap<NodeId, HostId>,
}

/// Shared by all checkers; the first of them fills it.
pub(super) type Shared = Rc<RefCell<Names>>;

impl Names {
    /// A host goes by a name.
    pub(super) fn learn(&mut self, name: NodeId, host: HostId) {
        self.hosts.insert(name, host);
    }

    /// Who goes, or went, by a name.
    pub(super) fn host(&self, name: &NodeId) -> Option<HostId> {
        self.hosts.get(name).copied()
    }
}

/// What a host's state file would be after a loss of power.
fn state_file(world: &World<Gossip>, host: HostId) -> Option<&str> {
    world.host(host).disk.read(STATE).ok().and_then(|file| std::str::from_utf8(file).ok())
}

/// The epoch a host last voted in, as its state file has it.
pub(super) fn saved_vote(world: &World<Gossip>, host: HostId) -> Option<Epoch> {
    let vars = state_file(world, host)?.lines().rev().find(|line| line.starts_with("vars "))?;
    let mut words = vars.split(' ').skip_while(|word| *word != "lastVoteEpoch");
    words.nth(1)?.parse().ok().map(Epoch)
}

/// The name and config epoch a host has by its state file.
pub(super) fn saved_claim(world: &World<Gossip>, host: HostId) -> Option<(NodeId, Epoch)> {
    let line = state_file(world, host)?.lines().find(|line| line.contains("myself"))?;
    let words: Vec<&str> = line.split(' ').collect();
    Some((NodeId::new(words.first()?.as_bytes())?, Epoch(words.get(6)?.parse().ok()?)))
}

/// Whether a daemon may say something by itself.
fn speaks(world: &World<Gossip>, host: HostId) -> bool {
    let there = world.host(host);
    there.awake() && there.process.as_ref().is_some_and(|process| process.pace != Pace::Stopped)
}

/// Whether what the second says may reach the first.
pub(super) fn hears(world: &World<Gossip>, host: HostId, from: HostId) -> bool {
    speaks(world, from) && is_way(world, host, from)
}

/// Whether what the second's kernel sends may reach the first's.
pub(super) fn is_way(world: &World<Gossip>, host: HostId, from: HostId) -> bool {
    let wired = |host: HostId| world.host(host).kernel.answers_on(Net::Private).next().is_some();
    world.network().open(Net::Private, from, host) && wired(host) && wired(from)
}

/// A promise that looks broken by what a machine is after an input. If more inputs than one were
/// taken at that moment, because a process woke up, it says nothing.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// When conditions last changed.
    changed: Option<Moment>,
    held: Option<(Moment, HostId, Violation)>,
}

impl Suspicion {
    /// It looks so, at a host that takes its inputs one by one. Whether this is what is held now: one at
    /// a time is.
    pub(super) fn raise(&mut self, world: &World<Gossip>, host: HostId, violation: Violation) -> bool {
        let raised = self.is_plain(world, host) && self.held.is_none();
        if raised {
            self.held = Some((world.now(), host, violation));
        }
        raised
    }

    /// Whether a host takes its inputs one by one at this moment.
    pub(super) fn is_plain(&self, world: &World<Gossip>, host: HostId) -> bool {
        world.host(host).brisk() && self.changed != Some(world.now())
    }

    /// Conditions changed.
    pub(super) fn changed(&mut self, world: &World<Gossip>) {
        self.changed = Some(world.now());
        self.held.take_if(|(at, ..)| *at == world.now());
    }

    /// The same moment brought this host more: what the machine is now does not tell what it was.
    pub(super) fn withdraw(&mut self, world: &World<Gossip>, host: HostId) {
        self.held.take_if(|(at, of, _)| *of == host && *at == world.now());
    }

    /// When it is certain.
    pub(super) fn due(&self) -> Option<Moment> {
        self.held.as_ref().map(|(at, ..)| Moment(at.0 + 1))
    }

    /// It is.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        self.held.take().map_or(Ok(()), |(.., violation)| Err(violation))
    }
}
