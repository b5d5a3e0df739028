//! The order of a takeover run: everybody has released an address before anybody takes it, and
//! nobody takes one in recovery mode.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::{AddressFault, Notice};
use standin_core::ctdb::types::RecoveryMode;

use super::super::build::Cluster;
use super::super::facts::counts_connected;
use super::detection::host_of;
use super::hands::Hands;
use super::view::node;
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Order {
    cluster: Rc<Cluster>,
    hands: Hands,
    /// Takeover runs under way, by leader.
    runs: BTreeMap<HostId, Run>,
    /// Who is releasing what.
    releasing: BTreeSet<(HostId, IpAddr)>,
    /// Who found last that an address it holds is missing: what it takes then is what it has.
    mending: Option<(HostId, IpAddr, Moment)>,
    /// Who said last that its mode is normal.
    normal: BTreeSet<HostId>,
    looked: u64,
}

#[derive(Debug)]
struct Run {
    /// Another leader has had one meanwhile.
    disputed: bool,
    /// Whom its leader lost or met since: they may not have been asked.
    changed: BTreeSet<HostId>,
}

impl Order {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        Self {
            cluster,
            hands: Hands::default(),
            runs: BTreeMap::new(),
            releasing: BTreeSet::new(),
            mending: None,
            normal: BTreeSet::new(),
            looked: 0,
        }
    }

    fn gone(&mut self, host: HostId) {
        self.runs.remove(&host);
        self.normal.remove(&host);
        self.releasing.retain(|(releasing, _)| *releasing != host);
    }

    fn taking(&mut self, world: &World<Ctdb>, taker: HostId, address: IpAddr) -> Result<(), Violation> {
        self.looked += 1;
        if !self.normal.contains(&taker) {
            let what = format!("{taker} takes {address} in recovery mode");
            return Err(Violation::safety("taken-in-normal-mode", what));
        }
        if self.mending == Some((taker, address, world.now())) {
            return Ok(());
        }
        self.hands.watch(world);
        self.runs.retain(|leader, _| world.host(*leader).runs());
        // Of two leaders each does as it sees fit, and so does an operator.
        let mut runs = self.runs.iter();
        let (Some((&leader, run)), None) = (runs.next(), runs.next()) else { return Ok(()) };
        if !self.hands.off_addresses(world.now()) {
            return Ok(());
        }
        for &(other, of) in &self.releasing {
            let asked = of == address && other != taker && !run.changed.contains(&other);
            let there = other == leader || counts_connected(&self.cluster, world, leader, other);
            // What has left the kernel is released, though a script of that event still runs.
            let has = world.host(other).runs() && world.host(other).kernel.holds(address);
            if asked && there && has {
                let what =
                    format!("{taker} takes {address} while {other} releases it, in a run of {leader}'s");
                return Err(Violation::safety("released-before-taken", what));
            }
        }
        Ok(())
    }

    /// Every release was answered, and every take: each address has one holder at most among
    /// those who were asked.
    fn finished(&mut self, world: &World<Ctdb>, leader: HostId) -> Result<(), Violation> {
        let Some(run) = self.runs.remove(&leader).filter(|run| !run.disputed) else { return Ok(()) };
        self.hands.watch(world);
        if !self.hands.off_addresses(world.now()) || self.cluster.config.failover_disabled {
            return Ok(());
        }
        let mut holders: BTreeMap<IpAddr, HostId> = BTreeMap::new();
        for host in world.members() {
            let asked = host == leader
                || (counts_connected(&self.cluster, world, leader, host) && !run.changed.contains(&host));
            let Some((machine, own)) = node(world, host).filter(|_| asked) else { continue };
            for public in machine.public_addresses().filter(|public| public.holder == Some(own)) {
                self.looked += 1;
                if let Some(other) = holders.insert(public.address, host) {
                    let what = format!(
                        "a run of {leader}'s is over, and {other} and {host} both hold {}",
                        public.address
                    );
                    return Err(Violation::safety("one-holder-after-a-run", what));
                }
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        let (host, notice) = match news {
            News::Started(host) | News::Exited(host, _) => {
                self.gone(*host);
                return Ok(());
            }
            News::Notice(host, notice) => (*host, notice),
            _ => return Ok(()),
        };
        match notice {
            Notice::RecoveryModeChanged { to: RecoveryMode::Normal } => {
                self.normal.insert(host);
            }
            Notice::RecoveryModeChanged { to: RecoveryMode::Active } => {
                self.normal.remove(&host);
            }
            Notice::TakeoverStarted => {
                self.runs.remove(&host);
                self.runs.values_mut().for_each(|run| run.disputed = true);
                let disputed = !self.runs.is_empty();
                self.runs.insert(host, Run { disputed, changed: BTreeSet::new() });
            }
            Notice::TakeoverFinished { .. } => return self.finished(world, host),
            Notice::TakeoverFailed { .. } => {
                self.runs.remove(&host);
            }
            Notice::NodeDead { pnn, .. } | Notice::NodeConnected { pnn } => {
                if let (Some(run), Some(other)) =
                    (self.runs.get_mut(&host), host_of(world, &self.cluster, host, *pnn))
                {
                    run.changed.insert(other);
                }
            }
            Notice::Releasing { address } => {
                self.releasing.insert((host, *address));
            }
            Notice::Released { address, .. } | Notice::ReleaseFailed { address } => {
                self.releasing.remove(&(host, *address));
            }
            Notice::AddressWrong { address, fault: AddressFault::Missing } => {
                self.mending = Some((host, *address, world.now()));
            }
            Notice::Taking { address, .. } => return self.taking(world, host, *address),
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
