//! Public addresses at peace: every node is fit again, every address is on exactly one of them,
//! all tables say so, and nothing moves any more.

use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{NodeFlags, RunState};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::super::facts::own_flags;
use super::busy::Busy;
use super::view::{can_lead, leads, node, out_of_reach};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::{News, World};

/// How long nothing may have been elected, recovered or moved once the cluster has had all the
/// time it needs.
pub(in super::super) const QUIET: Duration = Duration::from_secs(30);

/// The checker.
#[derive(Debug)]
pub(super) struct Served {
    cluster: Rc<Cluster>,
    /// The last unrest: when, where and what.
    unrest: Option<(Moment, HostId, &'static str)>,
    busy: Busy,
    /// A leader followed another amid a recovery or a takeover run; until a run ends.
    given_up: Option<Moment>,
    /// For how long addresses had stayed as such a leader left them, though all was healed.
    left: Vec<u64>,
    looked: u64,
}

impl Served {
    pub(super) fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, unrest: None, busy: Busy::default(), given_up: None, left: Vec::new(), looked: 0 }
    }

    fn well_again(&self, world: &World<Ctdb>) -> Result<(), Violation> {
        for host in world.members() {
            let Some((machine, _)) = node(world, host) else { continue };
            let flags = own_flags(world, host).unwrap_or_default();
            // Runs a second apart for what nobody may take can cancel each monitor event of a node
            // that has just begun: a finding, and mended with `prompt_rounds`.
            let starved =
                !self.cluster.config.fixes.prompt_rounds && self.cluster.tunables().no_ip_takeover();
            let flags = if starved { flags - NodeFlags::UNHEALTHY } else { flags };
            if machine.runstate() != RunState::Running || !flags.is_empty() {
                let what = format!("healed, but {host} is {:?} and {flags}", machine.runstate());
                return Err(Violation::liveness("well-again", what));
            }
        }
        match self.unrest {
            Some((at, host, what)) if world.now().since(at) < QUIET => {
                let what = format!("healed long ago, but at {at} {host} had {what}");
                Err(Violation::liveness("quiet-again", what))
            }
            _ => Ok(()),
        }
    }

    fn each_once(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let fail = |what: String| Err(Violation::liveness("served-again", what));
        let none_is_taken = self.cluster.tunables().no_ip_takeover();
        // Whoever leads instead of a leader that gave up has no reason for the run it owed, so that
        // addresses stay where a partition, or half a run, has put them: a finding.
        let owed = self.given_up.filter(|_| !self.cluster.config.fixes.run_after_change);
        for public in self.cluster.public() {
            self.looked += 1;
            let address = public.entry.address;
            let lists = |host: &HostId| self.cluster.public_of(*host).any(|entry| entry.address == address);
            // An operator's DEL_PUBLIC_IP may take effect after the list was read anew.
            let knows = |host: &HostId| {
                node(world, *host)
                    .is_some_and(|(it, _)| it.public_addresses().any(|one| one.address == address))
            };
            // Left behind by a daemon that died, on a host whose file does not have it: the next
            // daemon there knows nothing of it, as with ctdbd.
            let strange = |host: &HostId| !lists(host) && !knows(host);
            let able: Vec<_> = world.members().filter(lists).filter(knows).collect();
            // So is what a daemon leaves that ends and whose last event fails; who ends after the
            // healing is not begun again.
            let holds = |host: &HostId| {
                node(world, *host).is_some() && world.host(*host).kernel.holds(address) && !strange(host)
            };
            let holders: Vec<_> = world.members().filter(holds).collect();
            let machine = |host| node(world, host).map(|(machine, _)| machine);
            let changes = |host: &HostId| machine(*host).is_some_and(|it| it.is_changing(address));
            if let Some(host) = able.iter().copied().find(changes) {
                return fail(format!("healed, and {host} is still changing {address}"));
            }
            let holder = match &holders[..] {
                [] if able.is_empty() || none_is_taken => Ok(None),
                [one] => Ok(Some(*one)),
                other => Err(format!("healed, and {address} is on {other:?}")),
            };
            let told = holder.and_then(|holder| {
                for (host, machine) in able.iter().filter_map(|host| Some((host, machine(*host)?))) {
                    let known = machine.holder_of(address);
                    if known != holder.and_then(|holder| self.cluster.number_of(machine, holder)) {
                        return Err(format!(
                            "healed, {address} is on {holder:?}, and {host} says on {known:?}"
                        ));
                    }
                }
                Ok(())
            });
            match (told, owed) {
                (Ok(()), _) => {}
                (Err(_), Some(since)) => self.left.push(world.now().since(since).0),
                (Err(what), None) => return fail(what),
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Served {
    fn name(&self) -> &'static str {
        "served"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Notice(host, Notice::LeaderChanged { to: Some(_), .. })
                if self.busy.is(*host) && !leads(world, *host) =>
            {
                self.given_up = Some(world.now());
            }
            News::Notice(_, Notice::TakeoverFinished { .. }) => self.given_up = None,
            _ => {}
        }
        self.busy.watch(news);
        let News::Notice(host, notice) = news else { return Ok(()) };
        let what = match notice {
            Notice::ElectionStarted => "an election",
            Notice::RecoveryStarted(_) => "a recovery",
            Notice::AddressPlanned { .. } => "an address to move",
            Notice::Taking { .. } => "an address to take",
            Notice::Releasing { .. } => "an address to release",
            _ => return Ok(()),
        };
        self.unrest = Some((world.now(), *host, what));
        Ok(())
    }

    fn end(&mut self, world: &World<Ctdb>, settled: bool) -> Result<(), Violation> {
        if !settled {
            return Ok(());
        }
        // Without a leader nothing else can be expected; whether there is one is judged elsewhere.
        let may_lead = |host| can_lead(&self.cluster, world, host);
        let leaderless = !world.members().any(|host| leads(world, host));
        if leaderless && (!self.cluster.config.fixes.holder_leads || !world.members().any(may_lead)) {
            return Ok(());
        }
        let mut leaders = world.members().filter(|&host| leads(world, host));
        if leaders.any(|leader| out_of_reach(&self.cluster, world, leader)) {
            return Ok(());
        }
        self.well_again(world)?;
        if self.cluster.config.failover_disabled { Ok(()) } else { self.each_once(world) }
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![("addresses wrong, their run given up, though healed (strict)", self.left.clone())]
    }
}
