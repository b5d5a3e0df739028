//! What a gossip machine is told at birth.

use alloc::boxed::Box;
use core::net::IpAddr;

use super::password::Password;
use super::plant::Plants;
use crate::time::Duration;

/// The client port Redis takes unless told otherwise.
pub const PORT: u16 = 6379;
/// A node's bus port lies this far above its client port unless it says otherwise.
pub const BUS_ABOVE: u16 = 10_000;

/// What a node is good for. Redis' own nodes are masters and replicas with data; these are ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Role {
    /// A master that votes once it owns a slot, and stores nothing. It never becomes a replica.
    #[default]
    Witness,
    /// A replica without data: it reports an offset and stands for election only if told to.
    Replica {
        /// Stands for election by itself when its master fails. **Its victory loses the data.**
        stands: bool,
    },
    /// A node that knows the cluster and tells clients where to go; owns nothing, reports nobody.
    Observer,
    /// A master or replica with one small register a slot, so that offsets, ranks and dirty
    /// slots mean something in a rehearsal. Not offered by the daemon.
    Register,
}

impl Role {
    /// As configuration files and traces have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Witness => "witness",
            Self::Replica { .. } => "replica",
            Self::Observer => "observer",
            Self::Register => "register",
        }
    }
}

/// What clients are told to connect to (`cluster-preferred-endpoint-type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Preferred {
    /// The IP address.
    #[default]
    Ip,
    /// The hostname; `?` for a node without one.
    Hostname,
    /// Nothing: the client goes on with the address it has.
    Unknown,
}

/// TLS: which ports speak it. The machine only tells of it; the driver does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TlsPort {
    /// The client port that speaks it (`tls-port`).
    pub port: u16,
    /// The TLS port others are told (`cluster-announce-tls-port`).
    pub announce_port: Option<u16>,
    /// Whether the bus speaks it (`tls-cluster`). Then `port` is what others are told first.
    pub cluster: bool,
}

/// A machine's configuration; each option is Redis' of the same name unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// The address both ports are bound to (`bind`).
    pub listen: IpAddr,
    /// The client port (`port`); 0: none but the one that speaks TLS.
    pub port: u16,
    /// The client port that speaks TLS, if there is one.
    pub tls: Option<TlsPort>,
    /// The bus port (`cluster-port`; Redis' 0 is `port` + 10000).
    pub bus_port: u16,
    /// The address others are told (`cluster-announce-ip`); without it they take the one our
    /// packets come from, and we learn ours from the socket a MEET comes in by.
    pub announce_ip: Option<IpAddr>,
    /// The client port others are told (`cluster-announce-port`).
    pub announce_port: Option<u16>,
    /// The bus port others are told (`cluster-announce-bus-port`).
    pub announce_bus_port: Option<u16>,
    /// The hostname others are told (`cluster-announce-hostname`): fewer than 256 characters of
    /// `[A-Za-z0-9.-]`.
    pub hostname: Option<Box<str>>,
    /// `cluster-node-timeout`.
    pub node_timeout: Duration,
    /// What this node is good for. Ours.
    pub role: Role,
    /// Where id, epochs and the table survive (`cluster-config-file`).
    pub state_file: Box<str>,
    /// `cluster-replica-validity-factor`; 0: data never too old.
    pub replica_validity_factor: u32,
    /// `repl-ping-replica-period`.
    pub repl_ping_period: Duration,
    /// `cluster-migration-barrier`.
    pub migration_barrier: u32,
    /// `cluster-allow-replica-migration`.
    pub allow_replica_migration: bool,
    /// `cluster-require-full-coverage`.
    pub require_full_coverage: bool,
    /// `cluster-allow-reads-when-down`.
    pub allow_reads_when_down: bool,
    /// `cluster-replica-no-failover`.
    pub no_failover: bool,
    /// `cluster-preferred-endpoint-type`.
    pub preferred_endpoint: Preferred,
    /// What clients have to say before anything else (`requirepass`); none: nothing. It is neither
    /// shown nor written to a trace.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub password: Option<Password>,
    /// Whether there is a file that CONFIG REWRITE brings up to date. Ours.
    pub has_file: bool,
    /// Planted bugs; none in a daemon.
    pub plants: Plants,
}

impl Config {
    /// Redis' defaults for a node that listens on this address and port.
    #[must_use]
    pub fn new(listen: IpAddr, port: u16) -> Self {
        Self {
            listen,
            port,
            tls: None,
            bus_port: port.saturating_add(BUS_ABOVE),
            announce_ip: None,
            announce_port: None,
            announce_bus_port: None,
            hostname: None,
            node_timeout: Duration::from_secs(15),
            role: Role::default(),
            state_file: "nodes.conf".into(),
            replica_validity_factor: 10,
            repl_ping_period: Duration::from_secs(10),
            migration_barrier: 1,
            allow_replica_migration: true,
            require_full_coverage: true,
            allow_reads_when_down: false,
            no_failover: false,
            preferred_endpoint: Preferred::default(),
            password: None,
            has_file: false,
            plants: Plants::default(),
        }
    }

    /// How long after a fail state a master waits before it serves again, and how long a minority
    /// is held against it: the node timeout, at least 500 ms, at most 5 s.
    #[must_use]
    pub fn rejoin_delay(&self) -> Duration {
        self.node_timeout.clamp(Duration::from_millis(500), Duration::from_secs(5))
    }

    /// How long an attempt to be elected may take: two node timeouts, at least 2 s.
    #[must_use]
    pub fn election_timeout(&self) -> Duration {
        self.node_timeout.times(2).max(Duration::from_secs(2))
    }

    /// How long a node may be known by its address only: a node timeout, at least 1 s.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        self.node_timeout.max(Duration::from_secs(1))
    }

    /// The client port others are told: the one that speaks TLS if the bus does.
    #[must_use]
    pub fn announced_port(&self) -> u16 {
        match self.tls.filter(|tls| tls.cluster) {
            Some(tls) => tls.announce_port.unwrap_or(tls.port),
            None => self.announced_plainly(),
        }
    }

    /// The port without TLS that others are told beside one with; else 0.
    #[must_use]
    pub fn announced_plain_port(&self) -> u16 {
        if self.is_tls_cluster() { self.announced_plainly() } else { 0 }
    }

    fn announced_plainly(&self) -> u16 {
        self.announce_port.unwrap_or(self.port)
    }

    /// Whether the bus speaks TLS.
    #[must_use]
    pub fn is_tls_cluster(&self) -> bool {
        self.tls.is_some_and(|tls| tls.cluster)
    }

    /// The bus port others are told.
    #[must_use]
    pub fn announced_bus_port(&self) -> u16 {
        self.announce_bus_port.unwrap_or(self.bus_port)
    }
}
