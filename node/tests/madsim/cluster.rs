//! Three hosts on madsim's network, and what befalls them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use madsim::net::NetSim;
use madsim::rand::{Rng as _, thread_rng};
use madsim::runtime::{Handle, NodeHandle};
use standin_core::ctdb::Ctdb;
use standin_core::ctdb::config::Config;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{Pnn, RecoveryMode, RunState};
use standin_core::host::Fact;
use standin_node::clock::Clock;
use standin_node::driver::{Driver, News};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;

use crate::hands::{Shared, Simple};

/// Hosts of a cluster.
pub(crate) const HOSTS: usize = 3;
/// Public addresses they share.
const PUBLIC: usize = 4;
/// How often the story's teller looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The hosts and what is known of them.
pub(crate) struct Cluster {
    pub(crate) world: Shared,
    hosts: Vec<NodeHandle>,
}

impl Cluster {
    /// The hosts start within two seconds of each other.
    pub(crate) async fn start() -> Self {
        let lines = |line: fn(usize) -> String, count| (1..=count).map(line).collect::<String>();
        let nodes = lines(|host| format!("10.0.0.{host}\n"), HOSTS);
        let public = lines(|address| format!("198.18.0.{address}/24 eth0\n"), PUBLIC);
        let world = Shared::new(HOSTS, &[("nodes", nodes), ("public_addresses", public)]);
        let mut hosts = Vec::new();
        for host in 0..HOSTS {
            let world = world.clone();
            let handle = Handle::current();
            let on = handle.create_node().name(format!("n{host}")).ip(address(host));
            hosts.push(on.init(move || daemon(host, world.clone())).build());
            sleep(Duration::from_millis(thread_rng().gen_range(0..1000))).await;
        }
        Self { world, hosts }
    }

    /// No packet from or to a host any more.
    pub(crate) fn isolate(&self, host: usize) {
        NetSim::current().clog_node(self.hosts[host].id());
    }

    pub(crate) fn heal(&self, host: usize) {
        NetSim::current().unclog_node(self.hosts[host].id());
    }

    /// Ends a host's daemon and all its streams; the kernel's addresses go too.
    pub(crate) fn kill(&self, host: usize) {
        Handle::current().kill(self.hosts[host].id());
        self.world.look().power_lost(host);
    }

    pub(crate) fn restart(&self, host: usize) {
        Handle::current().restart(self.hosts[host].id());
    }

    /// Nothing runs on a host until it is thawed; its streams stay open.
    pub(crate) fn freeze(&self, host: usize) {
        Handle::current().pause(self.hosts[host].id());
    }

    pub(crate) fn thaw(&self, host: usize) {
        Handle::current().resume(self.hosts[host].id());
    }

    /// Waits for something; how long that took.
    pub(crate) async fn until(
        &self,
        what: &str,
        limit: Duration,
        mut fine: impl FnMut(&Self) -> bool,
    ) -> Result<Duration, String> {
        let began = tokio::time::Instant::now();
        while !fine(self) {
            if began.elapsed() > limit {
                return Err(format!("{what}: not within {} s", limit.as_secs()));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(began.elapsed())
    }

    /// When a host noticed the loss of another, since a time.
    pub(crate) fn lost(&self, by: usize, of: usize, since: u64) -> Option<Duration> {
        let of = Pnn(of as u32);
        let dead = |notice: &Notice| matches!(notice, Notice::NodeDead { pnn, .. } if *pnn == of);
        let world = self.world.look();
        let mut later = world.notices.iter().filter(|(at, ..)| *at >= since);
        let found = later.find(|(_, host, notice)| *host == by && dead(notice));
        found.map(|(at, ..)| Duration::from_micros(at - since))
    }

    /// Each is connected to each.
    pub(crate) fn connected(&self) -> bool {
        let world = self.world.look();
        let sees = |machine: &Ctdb, me| {
            (0..HOSTS).all(|other| other == me || machine.is_connected(Pnn(other as u32)))
        };
        (0..HOSTS).all(|host| world.machines.get(&host).is_some_and(|machine| sees(machine, host)))
    }

    /// One leader, no recovery, every public address on one host.
    pub(crate) fn serving(&self) -> bool {
        let world = self.world.look();
        let leader = world.machines.get(&0).and_then(Ctdb::leader);
        let well = |machine: &Ctdb| {
            machine.runstate() == RunState::Running
                && machine.recovery_mode() == RecoveryMode::Normal
                && machine.leader() == leader
        };
        let served: BTreeSet<_> = world.addresses.iter().map(|(_, address)| address).collect();
        world.machines.len() == HOSTS
            && leader.is_some()
            && world.machines.values().all(well)
            && [served.len(), world.addresses.len()] == [PUBLIC; 2]
    }
}

fn address(host: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host as u8 + 1).into()
}

/// What a host does from its start on.
async fn daemon(host: usize, world: Shared) {
    let (facts, observed) = unbounded_channel::<Fact>();
    let (tell, news) = unbounded_channel::<News<Ctdb>>();
    let _ = facts.send(Fact::Interface { name: "eth0".into(), index: 2, up: true });
    // Its address is told: madsim refuses one that is not ours too late for the machine to look.
    let config =
        Config { listen: Some(address(host)), cluster_lock: Some("lock".into()), ..Config::default() };
    let hands = Simple::new(host, world, facts, tell);
    let machine = Ctdb::new(config, thread_rng().r#gen());
    let status = Driver::new(machine, hands, Clock::start(), observed, news).run().await;
    panic!("n{host} has ended with status {status}");
}
