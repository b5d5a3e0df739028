//! Elections: who wins has a majority's votes, alone has its epoch, and a later one than the master
//! it replaces. Who stands waits as its rank says.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use standin_core::gossip::types::{Epoch, NodeFlags, NodeId};
use standin_core::gossip::{Gossip, Notice};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::sight::Suspicion;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// Before anybody asks for votes, at least and at most, and for each rank.
const DELAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(1_000));
const PER_RANK: Duration = Duration::from_secs(1);

/// The checker.
#[derive(Debug)]
pub(super) struct Wins {
    cluster: Rc<Cluster>,
    /// Who won an epoch, of the cluster whose first host this is, and whom it took for the owners of slots.
    won: BTreeMap<(u32, Epoch), (NodeId, BTreeSet<NodeId>)>,
    /// Each candidate's epoch, whom it means to replace, by which epoch that one claimed.
    stands: BTreeMap<HostId, Stand>,
    /// Who gave a vote in an epoch, and to whom.
    granted: BTreeMap<(Epoch, NodeId), BTreeSet<HostId>>,
    suspicion: Suspicion,
    looked: u64,
}

#[derive(Clone, Debug)]
struct Stand {
    epoch: Epoch,
    of: Option<(NodeId, Epoch)>,
    owners: BTreeSet<NodeId>,
}

impl Wins {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        let suspicion = Suspicion::default();
        Self {
            cluster,
            won: BTreeMap::new(),
            stands: BTreeMap::new(),
            granted: BTreeMap::new(),
            suspicion,
            looked: 0,
        }
    }

    fn planned(&mut self, world: &World<Gossip>, host: HostId, after: Duration, rank: u32) {
        self.looked += 1;
        let Some(machine) = world.host(host).machine() else { return };
        let table = machine.table();
        let Some(master) = table.me().master else { return };
        let mine = machine.replication_offset();
        let better = table.replicas_of(master).filter(|(_, node)| {
            !node.flags.intersects(NodeFlags::MYSELF | NodeFlags::NOFAILOVER) && node.offset > mine
        });
        let better = better.count() as u32;
        let waits = PER_RANK.times(rank.into());
        let what = if rank != better {
            format!("{host} stands with rank {rank}, but {better} others have more of the data")
        } else if after < DELAY.0 + waits || after > DELAY.1 + waits {
            format!("{host} of rank {rank} waits {after} before it asks for votes")
        } else {
            return;
        };
        self.suspicion.raise(world, host, Violation::safety("rank", what));
    }

    /// Whether anybody voted for both in an epoch.
    fn voters_of_both(&self, epoch: Epoch, one: NodeId, other: NodeId) -> bool {
        let voters = |of| self.granted.get(&(epoch, of)).into_iter().flatten();
        voters(one).any(|voter| voters(other).any(|also| also == voter))
    }

    fn promoted(
        &mut self,
        machine: &Gossip,
        host: HostId,
        epoch: Epoch,
        votes: u32,
    ) -> Result<(), Violation> {
        let Some(stand) = self.stands.remove(&host) else { return Ok(()) };
        if votes == 0 {
            return Ok(()); // Without asking anybody, as an operator wanted it.
        }
        self.looked += 1;
        let me = machine.id();
        let size = machine.size();
        let quorum = size / 2 + 1;
        let given = self.granted.get(&(stand.epoch, me)).map_or(0, BTreeSet::len) as u32;
        if votes < quorum || given < quorum {
            let what = format!(
                "{host} won epoch {} with {votes} votes, {given} of them given; {quorum} of {size} are a majority",
                stand.epoch
            );
            return Err(Violation::safety("majority-elects", what));
        }
        let place = (self.cluster.places[host.index()].0, stand.epoch);
        let former = self.won.insert(place, (me, stand.owners.clone()));
        // Where a replica took over without votes, or a failover is not known everywhere yet, two
        // sides count different owners. Majorities of these need not meet; with Redis both win.
        if let Some((other, owners)) = former.filter(|(other, _)| *other != me)
            && (owners == stand.owners || self.voters_of_both(stand.epoch, me, other))
        {
            let what = format!("{host} won epoch {}, and so did {other:.8}", stand.epoch);
            return Err(Violation::safety("one-winner-an-epoch", what));
        }
        match stand.of {
            Some((master, former)) if epoch <= former => {
                let what = format!(
                    "{host} won and claims by epoch {epoch}; {master:.8}, whom it replaces, by {former}"
                );
                Err(Violation::safety("winner-is-later", what))
            }
            _ => Ok(()),
        }
    }
}

impl Checker<Gossip> for Wins {
    fn name(&self) -> &'static str {
        "elections"
    }

    fn news(&mut self, world: &World<Gossip>, news: &News<Gossip>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Notice(host, notice) => (*host, notice),
            News::Started(host) => {
                self.stands.remove(host);
                return Ok(());
            }
            News::Changed => {
                self.suspicion.changed(world);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(machine) = world.host(host).machine() else { return Ok(()) };
        match notice {
            Notice::ElectionPlanned { after, rank, manual: false } => {
                self.planned(world, host, *after, *rank);
            }
            Notice::ElectionStarted { epoch, .. } => {
                let table = machine.table();
                let of = table.me().master.map(|at| (table.get(at).id, table.get(at).epoch));
                let owners = table.iter().filter(|(_, node)| node.is_owner()).map(|(_, node)| node.id);
                self.stands.insert(host, Stand { epoch: *epoch, of, owners: owners.collect() });
            }
            Notice::VoteGranted { to, epoch } => {
                self.granted.entry((*epoch, *to)).or_default().insert(host);
            }
            Notice::Promoted { epoch, votes } => return self.promoted(machine, host, *epoch, *votes),
            _ => {}
        }
        Ok(())
    }

    fn due(&self) -> Option<Moment> {
        self.suspicion.due()
    }

    fn look(&mut self, _: &World<Gossip>) -> Result<(), Violation> {
        self.suspicion.look()
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
