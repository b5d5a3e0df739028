//! The cluster: addresses, disks, and how a daemon is born from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::config::{Config, Databases};
use standin_core::ctdb::files::{self, nodes::Nodes, public_addresses::PublicAddress};
use standin_core::ctdb::tunables::Tunables;
use standin_core::ctdb::types::{Capabilities, Pnn};
use standin_core::host::{Done, Fact, Job, ScriptEnd};
use standin_core::text::{Piece, Problems, lines};
use standin_core::time::Duration;

use super::interface_script::{self, ScriptAct};
use super::public::{Public, SECOND, Wish};
use super::settings::tunable_range;
use super::verbs::NodesLine;
use crate::kit::Configured;
use crate::plan::{NODES_MAX, Setup};
use crate::world::disk::Disk;
use crate::world::fault::interface_name;
use crate::world::kernel::Kernel;
use crate::world::moment::{HostId, Net};
use crate::world::scripts::{Act, ScriptOutcome, ScriptRun, ScriptView};
use crate::world::{Translator, World};

/// What all daemons of a run have in common.
#[derive(Debug)]
pub struct Cluster {
    /// Hosts that run a daemon.
    pub members: u32,
    /// Their configuration, but for what is said of single hosts and what their disks hold.
    pub config: Config,
    /// The stock script counts a node with one public interface up as healthy.
    pub partial: bool,
    /// The stock script changes addresses; else the daemon does so itself.
    pub stock_scripts: bool,
    /// Each daemon is told its address, instead of finding it.
    pub(super) listen: bool,
    /// The members' addresses on the private network.
    pub(super) addresses: Vec<IpAddr>,
    /// Lines that were deleted before the run began.
    pub(super) deleted: Vec<u32>,
    pub(super) public: Vec<Public>,
    pub(super) wish: Wish,
    /// Hosts that may not lead.
    pub(super) no_leader: Vec<u32>,
    /// Hosts that may not be location masters.
    pub(super) no_lmaster: Vec<u32>,
    /// Hosts that keep databases, in memory; with any, the others recover them as leaders.
    pub(super) databases: Vec<u32>,
    /// Hosts that neither keep nor recover any.
    pub(super) stub: Vec<u32>,
    /// What the address scripts read.
    pub(super) last_read: interface_script::LastRead,
}

/// Files on a host's disk.
pub(super) const NODES: &str = "nodes";
pub(super) const CONF: &str = "ctdb.conf";
/// The event script that sees to public addresses.
const ADDRESS_SCRIPT: &str = "10.interface.script";
pub(super) const VERSION: &str = "samba-version";

/// The cluster lock's file, on storage all share.
pub(super) const LOCK: &str = "cluster.lock";

/// The stranger's number among addresses, beyond every member's.
const STRANGER: u32 = 50_000;

/// A host's address where the cluster's own are not given: IPv4, or IPv6 on the private network.
pub(super) fn usual_address(net: Net, ipv6: bool, host: u32) -> IpAddr {
    let (high, low) = ((host / 200) as u8, (host % 200) as u8 + 1);
    if ipv6 {
        return Ipv6Addr::new(0xfd00, 0, 0, net as u16, 0, 0, u16::from(high), u16::from(low)).into();
    }
    // Benchmarking networks for what no nodes file should name.
    match (net, host) {
        (Net::Private, 0..STRANGER) => Ipv4Addr::new(10, 0, high, low).into(),
        (Net::Private, _) => Ipv4Addr::new(198, 19, high, low).into(),
        (Net::Public, _) => Ipv4Addr::new(198, 18, high, low).into(),
    }
}

impl Cluster {
    /// The address of a member on the private network.
    #[must_use]
    pub fn address(&self, host: HostId) -> IpAddr {
        self.addresses[host.index()]
    }

    /// The member with that address on the private network.
    #[must_use]
    pub fn host_at(&self, address: IpAddr) -> Option<HostId> {
        self.addresses.iter().position(|held| *held == address).map(|host| HostId(host as u32))
    }

    /// A host's own address on the second public interface.
    fn second(host: u32) -> IpAddr {
        Ipv4Addr::new(198, 18, 100 + (host / 200) as u8, (host % 200) as u8 + 1).into()
    }

    /// Whether a member has this address for itself, on any network.
    #[must_use]
    pub fn is_own(&self, address: IpAddr) -> bool {
        let usual =
            |host| usual_address(Net::Public, false, host) == address || Self::second(host) == address;
        self.addresses.contains(&address) || (0..self.members).any(usual)
    }

    /// What a host may be and can do, as configured.
    #[must_use]
    pub fn capabilities(&self, host: HostId) -> Capabilities {
        let mut capabilities = Capabilities::STOCK;
        capabilities.set(Capabilities::LEADER, !self.no_leader.contains(&host.0));
        let master = !self.no_lmaster.contains(&host.0) && self.role(host) != Databases::Recovers;
        capabilities.set(Capabilities::LMASTER, master);
        capabilities
    }

    /// What a host has to do with databases.
    #[must_use]
    pub fn role(&self, host: HostId) -> Databases {
        if self.databases.is_empty() || self.stub.contains(&host.0) {
            Databases::None
        } else if self.databases.contains(&host.0) {
            Databases::Rehearses
        } else {
            Databases::Recovers
        }
    }

    /// The number a machine's nodes file gives a member; mostly the member's own.
    #[must_use]
    pub fn number_of(&self, machine: &Ctdb, of: HostId) -> Option<Pnn> {
        let (address, likely) = (self.address(of), Pnn(of.0));
        if machine.address(likely) == Some(address) { Some(likely) } else { machine.find(address) }
    }

    /// The nodes file the cluster begins with, and returns to when healed.
    #[must_use]
    pub fn nodes_lines(&self) -> Vec<NodesLine> {
        let mut lines: Vec<NodesLine> = Vec::new();
        let mut members = (0..self.members).map(HostId);
        loop {
            if self.deleted.contains(&(lines.len() as u32)) {
                lines.push(NodesLine::Gone(format!("10.0.250.{}", lines.len() % 250 + 1)));
            } else if let Some(member) = members.next() {
                lines.push(NodesLine::Node(member));
            } else {
                return lines;
            }
        }
    }

    /// The public addresses the cluster begins with, and returns to when healed.
    #[must_use]
    pub fn public(&self) -> &[Public] {
        &self.public
    }

    /// Those a host has in its file, in the order of the file.
    pub fn public_of(&self, host: HostId) -> impl Iterator<Item = &PublicAddress> {
        self.public.iter().filter(move |public| self.lists(host, public)).map(|public| &public.entry)
    }

    /// Whether any host's file has this address.
    #[must_use]
    pub fn can_be_served(&self, public: &Public) -> bool {
        (0..self.members).any(|host| self.lists(HostId(host), public))
    }

    fn lists(&self, host: HostId, public: &Public) -> bool {
        let has = public.hosts.as_ref().is_none_or(|hosts| hosts.contains(&host.0));
        has && !self.wish.without.contains(&host.0)
    }

    /// A host's public addresses file; none if the host has no such file.
    #[must_use]
    pub fn public_file(&self, host: HostId) -> Option<String> {
        let none = self.public.is_empty() || self.wish.without.contains(&host.0);
        (!none).then(|| self.public_of(host).map(|entry| format!("{entry}\n")).collect())
    }

    /// Lines as they stand in a file.
    #[must_use]
    pub fn file_of(&self, lines: &[NodesLine]) -> String {
        let line = |line: &NodesLine| match line {
            NodesLine::Node(host) => self.address(*host).to_string(),
            NodesLine::Deleted(host) => format!("#{}", self.address(*host)),
            NodesLine::Gone(text) => format!("#{text}"),
            NodesLine::Blank => String::new(),
            NodesLine::Text(text) => text.clone(),
        };
        lines.iter().map(|one| line(one) + "\n").collect()
    }

    /// The tunables in force.
    #[must_use]
    pub const fn tunables(&self) -> &Tunables {
        &self.config.tunables
    }

    /// By how much rounds are further apart than the second that they are by default.
    #[must_use]
    pub fn rounds_later(&self) -> Duration {
        Duration(self.tunables().recover_interval().0.saturating_sub(Duration::from_secs(1).0))
    }

    /// How long a node may be silent before it has to be dead: one interval may already have
    /// begun when it fell silent.
    #[must_use]
    pub fn silence_max(&self) -> Duration {
        let tunables = self.tunables();
        tunables.keepalive_interval().times(u64::from(tunables.keepalive_limit()) + 1)
    }

    /// How long a node has to be silent before it may be dead.
    #[must_use]
    pub fn silence_min(&self) -> Duration {
        let tunables = self.tunables();
        tunables.keepalive_interval().times(u64::from(tunables.keepalive_limit()))
    }

    /// The number a member's line has in a nodes file, counted as ctdbd counts: blank lines
    /// take no number, deleted ones do.
    #[must_use]
    pub fn line_of(&self, file: &str, host: HostId) -> Option<u32> {
        let own = self.address(host).to_string();
        let lines = file.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.zip(0..).find(|(line, _)| *line == own).map(|(_, number)| number)
    }
}

impl Translator<Ctdb> for Cluster {
    fn boot(&self, host: HostId, disk: &Disk, seed: u64) -> Ctdb {
        let mut config = self.config.clone();
        if self.listen {
            config.listen = Some(self.address(host));
        }
        let text =
            |name| disk.read(name).ok().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        config.start_as_stopped = text(CONF).contains("start as stopped = true");
        config.start_as_disabled = text(CONF).contains("start as disabled = true");
        config.capabilities = self.capabilities(host);
        config.databases = self.role(host);
        if let Ok(file) = disk.read(&config.tunables_file) {
            (config.tunables, _) = files::tunables::parse_lenient(file);
        }
        config.version = text(VERSION).parse().unwrap_or(config.version);
        Ctdb::new(config, seed)
    }

    fn job(&self, job: Job) -> Job {
        job
    }

    fn done(&self, done: Done) -> Done {
        done
    }

    fn fact(&self, fact: Fact) -> Option<Fact> {
        Some(fact)
    }

    fn script(&self, host: &ScriptView<'_>, run: &ScriptRun<'_>) -> ScriptOutcome {
        if run.name() != ADDRESS_SCRIPT {
            return ScriptOutcome::default();
        }
        let file = host.disk.read(&self.config.public_addresses_file).unwrap_or_default();
        let found = interface_script::Found {
            kernel: host.kernel,
            entries: &self.last_read.entries(host.host, file),
            partial: self.partial,
            socket: &self.config.socket,
        };
        let ran = interface_script::run(run.event, run.arguments, &found);
        let end = if ran.status == 0 { ScriptEnd::Ok } else { ScriptEnd::Failed(ran.status) };
        let acts: Vec<_> = ran.acts.into_iter().map(act_of).collect();
        let takes =
            (ran.longer > Duration::ZERO).then(|| (ran.longer, ran.longer + Duration::from_millis(500)));
        ScriptOutcome { acts, end, takes }
    }
}

fn act_of(act: ScriptAct) -> Act {
    match act {
        ScriptAct::InterfaceUp(name) => Act::InterfaceUp(name),
        ScriptAct::Add(placed) => Act::Add(placed),
        ScriptAct::Drop(placed) => Act::Drop(placed),
        ScriptAct::Say(socket, bytes) => Act::Say(socket, bytes),
    }
}

/// The hosts on their networks, with their files.
pub(super) fn world(setup: &Setup, cluster: &Rc<Cluster>) -> World<Ctdb> {
    let mut world = World::new(setup.seed, cluster.clone());
    let kernel = |private: IpAddr, host: u32| {
        let prefix = if private.is_ipv4() { 16 } else { 64 };
        let mut kernel = Kernel::new()
            .plugged(interface_name(Net::Private), Net::Private, private, prefix)
            .plugged(interface_name(Net::Public), Net::Public, usual_address(Net::Public, false, host), 16);
        // As CTDB's own script sets it: an address that goes takes no other with it.
        kernel.promote_secondaries = true;
        if cluster.wish.two && host < STRANGER {
            kernel.plugged(SECOND, Net::Public, Cluster::second(host), 16)
        } else {
            kernel
        }
    };
    let file = cluster.file_of(&cluster.nodes_lines());
    for host in 0..setup.nodes {
        let host = world.add_member(kernel(cluster.address(HostId(host)), host));
        world.disk(host).edit(NODES, file.as_bytes());
        if let Some(file) = cluster.public_file(host) {
            world.disk(host).edit(&cluster.config.public_addresses_file, file.as_bytes());
        }
        for name in ["00.ctdb.script", "50.service.script"] {
            world.scripts(host).install(name, true);
        }
        world.scripts(host).install(ADDRESS_SCRIPT, cluster.stock_scripts);
    }
    let ipv6 = cluster.address(HostId(0)).is_ipv6();
    world.add_stranger(kernel(usual_address(Net::Private, ipv6, STRANGER), STRANGER));
    for public in cluster.public() {
        world.watch(public.entry.address);
    }
    world
}

/// A nodes file as settings.
pub(super) fn nodes_file(text: &[u8]) -> Result<Configured, Problems> {
    let nodes = Nodes::parse(text)?;
    let word =
        |(_, address): (u32, Option<IpAddr>)| address.map_or_else(|| "-".to_owned(), |held| held.to_string());
    let words: Vec<_> = nodes.iter().map(word).collect();
    let live = nodes.iter().filter(|(_, address)| address.is_some()).count() as u32;
    if live > NODES_MAX {
        let start = Piece { text: "", line: 1, column: 1 };
        let what = format!("{live} nodes are more than can be rehearsed");
        return Err(start.problem(what, format!("at most {NODES_MAX}")).into());
    }
    Ok(Configured { nodes: Some(live), settings: vec![("addresses".to_owned(), words.join(","))] })
}

/// A tunables file as settings; what is beyond what can be rehearsed is a problem of its line.
pub(super) fn tunables_file(text: &[u8]) -> Result<Configured, Problems> {
    let (tuned, mut problems) = files::tunables::parse_lenient(text);
    let source = String::from_utf8_lossy(text);
    for (name, value) in tuned.changed() {
        let range = tunable_range(name);
        let is_it = |line: &Piece<'_>| {
            line.split_once('=').is_some_and(|(word, _)| word.trim().text.eq_ignore_ascii_case(name))
        };
        let at = lines(&source).map(Piece::trim).filter(is_it).last();
        if let (false, Some((_, said))) = (range.contains(&value), at.and_then(|line| line.split_once('='))) {
            let what = format!("{name} cannot be {value} in a rehearsal");
            problems.push(
                said.trim().problem(what, format!("a number from {} to {}", range.start(), range.end())),
            );
        }
    }
    let tuned = problems.into_result(tuned)?;
    let settings = tuned.changed().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    Ok(Configured { nodes: None, settings })
}
