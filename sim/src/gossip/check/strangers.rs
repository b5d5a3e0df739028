//! Acquaintance: nobody is heard of but from somebody known; who was forgotten stays away for its
//! minute; clusters that nobody had meet stay apart; a greeting that is not answered ends.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use standin_core::gossip::notice::Forgot;
use standin_core::gossip::types::NodeId;
use standin_core::gossip::{Gossip, Notice};
use standin_core::time::{Duration, Instant};

use super::super::build::Cluster;
use super::sight::{Shared, Suspicion};
use super::{SLACK, stretched};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How long gossip does not bring back who was forgotten.
const AWAY: Duration = Duration::from_secs(60);
/// Looks at a handshake that should have ended, before it is said.
const STRIKES: u8 = 3;

/// The checker.
#[derive(Debug)]
pub(super) struct Strangers {
    cluster: Rc<Cluster>,
    names: Shared,
    /// A host of each host's camp, itself at the root: those whom operators have brought together.
    camps: Vec<HostId>,
    /// Whom each host was told to forget, and until when by its clock.
    away: BTreeMap<(HostId, NodeId), Instant>,
    /// When a host has to have done with a handshake, and how often it had not.
    greetings: VecDeque<(Moment, HostId, u8)>,
    /// Who took in whom on the word of somebody it does not know, unless it was told meanwhile to forget
    /// the teller.
    suspicion: Suspicion,
    looked: u64,
}

impl Strangers {
    pub(super) fn new(cluster: Rc<Cluster>, names: Shared) -> Self {
        let camp =
            |host: u32| if cluster.fresh { HostId(host) } else { HostId(cluster.places[host as usize].0) };
        let camps = (0..cluster.members).map(camp).collect();
        for (host, name) in (0..).zip(&cluster.names).filter(|_| !cluster.fresh) {
            names.borrow_mut().learn(*name, HostId(host));
        }
        let (away, greetings) = (BTreeMap::new(), VecDeque::new());
        Self { cluster, names, camps, away, greetings, suspicion: Suspicion::default(), looked: 0 }
    }

    fn camp(&self, host: HostId) -> HostId {
        let mut at = host;
        while self.camps[at.index()] != at {
            at = self.camps[at.index()];
        }
        at
    }

    fn joined(&mut self, world: &World<Gossip>, host: HostId, at: IpAddr) {
        if let Some(other) = world.members().find(|other| world.host(*other).kernel.holds(at)) {
            let (one, other) = (self.camp(host), self.camp(other));
            self.camps[one.max(other).index()] = one.min(other);
        }
    }

    fn acquainted(&mut self, host: HostId, id: NodeId) -> Result<(), Violation> {
        self.looked += 1;
        let Some(other) = self.names.borrow().host(&id) else { return Ok(()) };
        if self.camp(host) == self.camp(other) {
            return Ok(());
        }
        let what = format!("{host} knows {other} ({id:.8}), and nobody had their clusters meet");
        Err(Violation::safety("clusters-stay-apart", what))
    }

    fn heard(
        &mut self,
        world: &World<Gossip>,
        host: HostId,
        id: NodeId,
        of: NodeId,
    ) -> Result<(), Violation> {
        let there = world.host(host);
        let Some((machine, now)) = there.machine().zip(there.machine_time(world.now())) else {
            return Ok(());
        };
        let known = machine.table().find(&of).is_some_and(|at| !machine.table().get(at).in_handshake());
        if of == machine.id() || !known {
            let what = format!("{host} took in {id:.8} on the word of a stranger");
            self.suspicion.raise(world, host, Violation::safety("strangers-unheard", what));
        }
        if self.away.get(&(host, id)).is_some_and(|until| now < *until) {
            let what =
                format!("{host} was told to forget {id:.8}, and took it back from gossip before its time");
            return Err(Violation::safety("forgotten-stays-away", what));
        }
        self.acquainted(host, id)
    }
}

impl Checker<Gossip> for Strangers {
    fn name(&self) -> &'static str {
        "strangers"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Notice(host, notice) => (*host, notice),
            News::Started(host) => {
                self.away.retain(|(at, _), _| at != host);
                return Ok(());
            }
            News::Changed => {
                self.suspicion.changed(world);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match notice {
            Notice::Listening { id, .. } => self.names.borrow_mut().learn(*id, host),
            Notice::Reset { .. } => {
                if let Some(machine) = world.host(host).machine() {
                    self.names.borrow_mut().learn(machine.id(), host);
                }
            }
            Notice::Handshake { address, ours } => {
                if *ours {
                    self.joined(world, host, address.ip());
                }
                let limit = stretched(self.cluster.config.handshake_timeout()) + SLACK;
                self.greetings.push_back((world.now() + limit, host, 0));
            }
            Notice::Met { id, .. } => {
                self.away.remove(&(host, *id));
                return self.acquainted(host, *id);
            }
            Notice::Heard { id, of } => return self.heard(world, host, *id, *of),
            Notice::Forgotten { id, cause: Forgot::Command } => {
                if let Some(now) = world.host(host).machine_time(world.now()) {
                    self.away.insert((host, *id), now + AWAY);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        let greeting = self.greetings.front().map(|(at, ..)| *at);
        greeting.into_iter().chain(self.suspicion.due()).min()
    }

    fn look(&mut self, world: &World<Gossip>) -> Result<(), Violation> {
        if self.suspicion.due().is_some_and(|due| due <= world.now()) {
            self.suspicion.look()?;
        }
        let Some((_, host, strikes)) = self.greetings.pop_front_if(|(at, ..)| *at <= world.now()) else {
            return Ok(());
        };
        let there = world.host(host);
        let Some((machine, now)) = there.machine().zip(there.machine_time(world.now())) else {
            return Ok(());
        };
        self.looked += 1;
        let limit = self.cluster.config.handshake_timeout() + Duration::from_secs(1);
        let late =
            machine.table().iter().any(|(_, node)| node.in_handshake() && now.since(node.since) > limit);
        if !late || !there.caught_up() {
            return Ok(());
        }
        if strikes >= STRIKES {
            let what = format!("{host} goes on with a handshake that nobody answers");
            return Err(Violation::liveness("handshakes-end", what));
        }
        let again = world.now() + Duration::from_secs(1);
        let place = self.greetings.partition_point(|(at, ..)| *at <= again);
        self.greetings.insert(place, (again, host, strikes + 1));
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
