//! What a CTDB machine is told at birth.

use alloc::boxed::Box;
use core::net::IpAddr;

use super::files::ctdb_conf::{CtdbConf, LogLevel};
use super::plant::Plants;
use super::tunables::Tunables;
use super::types::Capabilities;
use super::wire::DebugLevel;
use crate::time::Duration;

/// The port nodes listen on (IANA: `ctdb`).
pub const PORT: u16 = 4379;

/// What 4.17 says of itself in keepalives: major << 16 | minor.
pub const VERSION: u32 = 0x0004_0011;

/// How many bytes of one database a leader holds while it recovers it, unless told otherwise:
/// 256 MiB, each record counted with 160 bytes beside its key and data.
pub const DATABASE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a node has to do with CTDB's databases. It never has any on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Databases {
    /// Nothing: it says yes to whoever recovers some, and leads only where nobody keeps any.
    #[default]
    None,
    /// It recovers those of other nodes when it leads, and holds each for as long as that takes.
    /// It is no location master, whatever is configured: it could not say where a record is.
    Recovers,
    /// As a node with storage, in memory and for as long as the machine lives. For rehearsals:
    /// it serves no call on a record.
    Rehearses,
}

/// A machine's configuration.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// `[cluster] node address`; without it the first address of the nodes file that is ours.
    pub listen: Option<IpAddr>,
    /// The daemon's process, as GET_PID tells it. 0 until the driver says otherwise.
    pub pid: u32,
    /// How much is logged: `[logging] log level`, and what SET_DEBUG makes of it. The machine
    /// keeps the number and logs nothing itself.
    pub debug_level: DebugLevel,
    /// The port every node listens on.
    pub port: u16,
    /// The control socket's path.
    pub socket: Box<str>,
    /// The nodes file's name.
    pub nodes_file: Box<str>,
    /// The public addresses file's name; there need be none.
    pub public_addresses_file: Box<str>,
    /// The tunables file's name; there need be none. It is read again when we are told to: what it
    /// says at the start is in [`tunables`](Self::tunables).
    pub tunables_file: Box<str>,
    /// The directory of event scripts.
    pub events: Box<str>,
    /// The script that is told of what happened.
    pub notify: Box<str>,
    /// `[cluster] cluster lock`: a file, or `!command`.
    pub cluster_lock: Option<Box<str>>,
    /// `[cluster] leader timeout`.
    pub leader_timeout: Duration,
    /// `[failover] disabled`: no address is handled at all.
    pub failover_disabled: bool,
    /// `CTDB_TEST_MODE`: addresses are never put on interfaces nor looked for there, every interface
    /// is there, and a start waits for nothing.
    pub test_mode: bool,
    /// Our version in keepalives. A foreign one makes real nodes shut down: keep it exact.
    pub version: u32,
    /// What can be tuned.
    pub tunables: Tunables,
    /// `[legacy] start as stopped`.
    pub start_as_stopped: bool,
    /// `[legacy] start as disabled`.
    pub start_as_disabled: bool,
    /// What this node may do.
    pub capabilities: Capabilities,
    /// What it has to do with databases.
    pub databases: Databases,
    /// How many bytes of one database it holds while it recovers it. A cluster with a larger one
    /// needs another leader.
    pub database_bytes_max: usize,
    /// Where we do better than ctdbd.
    pub fixes: Fixes,
    /// A bug planted on purpose.
    pub plants: Plants,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            pid: 0,
            debug_level: DebugLevel::NOTICE,
            port: PORT,
            socket: "ctdbd.socket".into(),
            nodes_file: "nodes".into(),
            public_addresses_file: "public_addresses".into(),
            tunables_file: "ctdb.tunables".into(),
            events: "events/legacy".into(),
            notify: "notify.sh".into(),
            cluster_lock: None,
            leader_timeout: Duration::from_secs(5),
            failover_disabled: false,
            test_mode: false,
            version: VERSION,
            tunables: Tunables::default(),
            start_as_stopped: false,
            start_as_disabled: false,
            capabilities: Capabilities::STOCK,
            databases: Databases::None,
            database_bytes_max: DATABASE_BYTES_MAX,
            fixes: Fixes::ALL,
            plants: Plants::default(),
        }
    }
}

impl Config {
    /// Takes over what a `ctdb.conf` says of a machine, and leaves what it does not name. Where the
    /// log goes, directories, debug scripts and scheduling are the driver's.
    pub fn adopt(&mut self, conf: &CtdbConf) {
        if let Some(address) = conf.node_address {
            self.listen = Some(address);
        }
        if let Some(lock) = conf.lock() {
            self.cluster_lock = Some(lock.into());
        }
        if let Some(seconds) = conf.leader_timeout_s {
            self.leader_timeout = Duration::from_secs(seconds.into());
        }
        if let Some(LogLevel(level)) = conf.log_level {
            self.debug_level = DebugLevel(level.into());
        }
        let set = |to: &mut bool, said: Option<bool>| *to = said.unwrap_or(*to);
        set(&mut self.failover_disabled, conf.failover_disabled);
        set(&mut self.start_as_stopped, conf.start_as_stopped);
        set(&mut self.start_as_disabled, conf.start_as_disabled);
        let roles = [
            (Capabilities::LEADER, conf.leader_capability),
            (Capabilities::LMASTER, conf.lmaster_capability),
        ];
        for (role, said) in roles {
            self.capabilities.set(role, said.unwrap_or(self.capabilities.contains(role)));
        }
    }
}

/// Faults of ctdbd that cost its users, mended where the mending cannot be seen on the wire.
/// `strict` is [`Fixes::NONE`]: every fault as in ctdbd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fixes {
    /// A link that its peer closes as soon as it opens is dialled again after a second. ctdbd
    /// dials at once, thousands of times a second while the peer still holds our old link.
    pub patient_redial: bool,
    /// A link of ours that has been open for as long as silence may last, without the node's own,
    /// is dialled anew: it may be open on our side alone, and nothing is ever written on it that
    /// would tell.
    pub redial_unanswered: bool,
    /// Only both links make a node connected. In ctdbd anything heard from a disconnected node
    /// also does, at the next keepalive tick.
    pub both_links: bool,
    /// A packet that claims to come from another node than its link's is dropped. ctdbd believes
    /// what the header says.
    pub check_source: bool,
    /// A nodes file that does not load leaves the old one in force. In ctdbd it is fatal.
    pub keep_nodes: bool,
    /// What the kernel reports is acted upon at once: an address of ours that vanishes is taken
    /// again, a lost link is a reason to run the monitor event. ctdbd looks once a second, and at
    /// links every `MonitorInterval`.
    pub watch_kernel: bool,
    /// What ends the wait for the next round of the recovery loop: a node lost or gained, flags
    /// that change, a request. ctdbd sleeps its second out.
    pub prompt_rounds: bool,
    /// An address that is kept over a recovery is announced again: its clients may have heard
    /// of another holder meanwhile. And who stood still amid an announcement does not end it: what
    /// is its own still it announces after the recovery. ctdbd announces only what it has just taken,
    /// and all of that, however late.
    pub announce_kept: bool,
    /// A node that comes or goes, and a change of leader, cause a takeover run even where no
    /// recovery is due. In ctdbd the addresses of a dead node that is no location master stay with
    /// the dead, and after a partition two nodes may serve an address for as long as nothing else
    /// happens. Where such a leader leaves the addresses of a dead node alone, a node that could
    /// serve them asks for a run, once the leader has had two keepalive intervals.
    pub run_after_change: bool,
    /// Who asks for a change of an address that is under way already is answered when it is done.
    /// In ctdbd that is a failure, which ends the run and costs credits. An address that is on its
    /// way in when it is wanted gone is released as soon as it has come; ctdbd says at once that it
    /// does not have it. (Either waits while it gives up everything: ctdbd hears nothing then.)
    pub wait_for_changes: bool,
    /// A node that starts and has been through a recovery stays in normal mode when it hears that
    /// another node is well. In ctdbd it falls back, and the cluster recovers once more, ten
    /// seconds later.
    pub calm_start: bool,
    /// A node in recovery mode offers no addresses, because it could not take one. In ctdbd it
    /// does, and the run fails after the address was taken from its holder.
    pub offer_when_ready: bool,
    /// A node that keeps no databases asks the others for theirs before its first recovery, and is
    /// no location master if there are volatile ones. Otherwise it hears of them in that recovery,
    /// and the cluster recovers once more without it as one.
    pub ask_for_databases: bool,
    /// Who holds the cluster lock when an election begins leads. In ctdbd 4.17 it stays what it
    /// was, and if it followed nobody then nobody ever leads (4.24 mended that). And who leads without
    /// the lock has another election held where bans are off: no ban ends its time.
    pub holder_leads: bool,
    /// Addresses that a `shutdown` event leaves which fails or hangs are taken off by us. ctdbd
    /// leaves them to its scripts, and they are hosted twice once another node takes them.
    pub leave_nothing: bool,
}

impl Fixes {
    /// Every fix.
    pub const ALL: Self = Self {
        patient_redial: true,
        redial_unanswered: true,
        both_links: true,
        check_source: true,
        keep_nodes: true,
        watch_kernel: true,
        prompt_rounds: true,
        announce_kept: true,
        run_after_change: true,
        wait_for_changes: true,
        calm_start: true,
        offer_when_ready: true,
        ask_for_databases: true,
        holder_leads: true,
        leave_nothing: true,
    };
    /// As ctdbd; but for a bad frame, which costs its sender the link in any case and kills ctdbd.
    pub const NONE: Self = Self {
        patient_redial: false,
        redial_unanswered: false,
        both_links: false,
        check_source: false,
        keep_nodes: false,
        watch_kernel: false,
        prompt_rounds: false,
        announce_kept: false,
        run_after_change: false,
        wait_for_changes: false,
        calm_start: false,
        offer_when_ready: false,
        ask_for_databases: false,
        holder_leads: false,
        leave_nothing: false,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::files::ctdb_conf::read;
    use alloc::format;

    fn adopted(file: &str) -> Config {
        let mut config = Config::default();
        config.adopt(&read(file.as_bytes()).into_conf().unwrap());
        config
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        assert_eq!(format!("{:?}", adopted("")), format!("{:?}", Config::default()));
        let config = adopted(
            "[cluster]\nrecovery lock = !lock me\nnode address = fd00::1\nleader timeout = 9\n\
             leader capability = no\n[logging]\nlog level = DEBUG\n[failover]\ndisabled = yes\n\
             [legacy]\nstart as stopped = yes\nstart as disabled = yes\n",
        );
        assert_eq!(config.cluster_lock.as_deref(), Some("!lock me"));
        assert_eq!((config.listen, config.debug_level), ("fd00::1".parse().ok(), DebugLevel::DEBUG));
        assert_eq!((config.leader_timeout, config.failover_disabled), (Duration::from_secs(9), true));
        assert_eq!((config.start_as_stopped, config.start_as_disabled), (true, true));
        assert_eq!(config.capabilities, Capabilities::STOCK - Capabilities::LEADER);
        let config = adopted("[legacy]\nlmaster capability = false\n");
        assert_eq!(config.capabilities, Capabilities::STOCK - Capabilities::LMASTER);
    }
}
