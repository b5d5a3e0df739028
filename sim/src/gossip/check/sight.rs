//! How a node is looked at, and who goes by which name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::gossip::types::{Epoch, NodeId};

use super::super::build::STATE;
use crate::world::World;
use crate::world::moment::HostId;

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
