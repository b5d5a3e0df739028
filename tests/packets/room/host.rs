//! A host: its files, its kernel's addresses, and what jobs do to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use standin_core::ctdb::Ctdb;
use standin_core::host::{AddressError, Done, Fact, FileError, Job, Placed, Script, ScriptEnd};

use super::JOB_US;

#[derive(Clone)]
pub(crate) struct Host {
    /// None for a node that the test plays, or that has ended.
    pub(crate) machine: Option<Box<Ctdb>>,
    /// What a node that the test plays was sent, packet by packet.
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) files: BTreeMap<&'static str, Vec<u8>>,
    /// How long it takes to put an address on, or off.
    pub(crate) address_us: u64,
    /// How the one event script ends each event; None: there are no scripts.
    pub(crate) script: Option<fn(&str) -> ScriptEnd>,
    kernel: BTreeSet<Placed>,
}

impl Host {
    pub(super) fn new(machine: Option<Box<Ctdb>>, nodes: &str, public: &str) -> Self {
        let files = [("nodes", nodes.into()), ("public_addresses", public.into())];
        Self {
            machine,
            heard: Vec::new(),
            files: files.into(),
            address_us: JOB_US,
            script: None,
            kernel: BTreeSet::new(),
        }
    }

    pub(crate) fn node_address(pnn: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, pnn as u8 + 1))
    }

    /// What a daemon is told at birth.
    pub(super) fn facts(pnn: u32) -> Vec<Fact> {
        let up = |name: &str, index| Fact::Interface { name: name.into(), index, up: true };
        let own = Placed { interface: "eth0".into(), address: Self::node_address(pnn), prefix: 24 };
        let today = Fact::TimeOfDay { offset: 1_700_000_000_000_000 };
        vec![today, up("eth0", 1), up("eth1", 2), up("lo", 3), Fact::Appeared(own)]
    }

    pub(super) fn delay(&self, job: &Job) -> u64 {
        let moves = matches!(job, Job::AddAddress(_) | Job::DropAddress(_));
        if moves { self.address_us } else { JOB_US }
    }

    /// Does a job: its answer, and what the kernel reports before it.
    pub(super) fn perform(&mut self, job: Job) -> (Option<Fact>, Done) {
        let unchanged = || (None, Done::Address(Err(AddressError::Unchanged)));
        match job {
            Job::ReadFile { name } => {
                let file = self.files.get(name.as_str()).cloned();
                (None, Done::Read(file.ok_or(FileError::Missing)))
            }
            Job::WriteFile { .. } => (None, Done::Wrote(Ok(()))),
            Job::KeepSettings { .. } => (None, Done::Kept(Ok(()))),
            Job::ListScripts { .. } => {
                let script = self.script.map(|_| Script { name: "50.test.script".into(), enabled: true });
                (None, Done::Scripts(Ok(script.into_iter().collect())))
            }
            Job::RunScript { path, event, .. } => {
                let script = self.script.filter(|_| path.contains("50.test"));
                (None, Done::Script(script.map_or(ScriptEnd::Ok, |script| script(&event))))
            }
            Job::Announce { .. } | Job::Tickle { .. } => (None, Done::Announced),
            Job::AddAddress(placed) if self.kernel.insert(placed.clone()) => {
                (Some(Fact::Appeared(placed)), Done::Address(Ok(())))
            }
            Job::DropAddress(placed) if self.kernel.remove(&placed) => {
                (Some(Fact::Vanished(placed)), Done::Address(Ok(())))
            }
            Job::AddAddress(_) | Job::DropAddress(_) => unchanged(),
            Job::HoldLock { .. } => unreachable!("the room keeps the lock"),
        }
    }

    /// Somebody puts an address on by hand: what the kernel reports.
    pub(super) fn put(&mut self, placed: Placed) -> Fact {
        self.kernel.insert(placed.clone());
        Fact::Appeared(placed)
    }

    /// The public addresses in this host's kernel.
    pub(crate) fn served(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.kernel.iter().map(|placed| placed.address)
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.served().any(|served| served == address)
    }
}
