//! Every option of the gossip daemon's file: its name, what it takes, its default, and what a
//! person is told of it. The template is printed from this table, and files are read by it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use standin_core::gossip::Config;
use standin_core::gossip::config::{Preferred, Role};
use standin_core::gossip::password::{PASSWORD_MAX, Password};
use standin_core::text::nearest;
use standin_core::time::Duration;

use super::tls::{AUTHORITY, Auth, CERTIFICATE, KEY};
use super::value::{Value, Wrong, word};

/// What a file says, as far as it has been read.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) config: Config,
    /// The port itself says where the bus is, unless this does.
    pub(super) bus_port: Option<u16>,
    pub(super) stands: bool,
    /// Below the file's own folder unless it is a whole path.
    pub(super) dir: PathBuf,
    pub(super) tls: TlsDraft,
}

/// What a file says of TLS, option by option.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsDraft {
    pub(super) port: Option<u16>,
    pub(super) announce_port: Option<u16>,
    pub(super) cluster: bool,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) authority: Option<PathBuf>,
    pub(super) clients: Auth,
}

/// What an option is without a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// This value.
    Is(&'static str),
    /// Nothing, which means something; and an example.
    Unset { means: &'static str, example: &'static str },
}

/// One option.
pub(super) struct Choice {
    /// As files have it.
    pub(super) name: &'static str,
    /// As Redis has it; empty if it has none.
    pub(super) redis: &'static str,
    /// What it takes, with its unit; read after the word "expected".
    pub(super) takes: &'static str,
    pub(super) default: Unsaid,
    /// A few lines for the template.
    says: &'static [&'static str],
    pub(super) read: fn(&Value<'_>, &mut Draft) -> Result<(), Wrong>,
}

const PORTS: RangeInclusive<u64> = 1..=65_535;
const COUNTS: RangeInclusive<u64> = 0..=1_000_000;
/// A tick is a tenth of a second.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3_600);
const HOSTNAME_MAX: usize = 255;

const PORT: &str = "a number from 1 to 65535";
const YES_NO: &str = "true or false";

macro_rules! unset {
    ($means:literal, $example:literal) => {
        Unsaid::Unset { means: $means, example: $example }
    };
}

/// All there are, in the template's order.
pub(super) const CHOICES: &[Choice] = &[
    Choice {
        name: "role",
        redis: "",
        takes: "\"witness\", \"replica\" or \"observer\"",
        default: Unsaid::Is("\"witness\""),
        says: &[
            "What this node is good for.",
            "  witness   a master that votes, once it has a slot; it stores nothing",
            "  replica   a replica without data: it reports and, if told to, stands for election",
            "  observer  knows the cluster and tells clients where to go; no vote, no report",
        ],
        read: |value, draft| {
            let roles = ["witness", "replica", "observer"];
            draft.config.role = match word(value, &roles)? {
                "replica" => Role::Replica { stands: false },
                "observer" => Role::Observer,
                _ => Role::Witness,
            };
            Ok(())
        },
    },
    Choice {
        name: "stands",
        redis: "",
        takes: YES_NO,
        default: Unsaid::Is("false"),
        says: &[
            "Role replica only: whether it stands for election when its master fails.",
            "DANGER: it has no data. If it wins, nothing of that master's keys can be read or written",
            "until a node that still has them takes over (CLUSTER FAILOVER TAKEOVER there), and it",
            "may win against a real replica. Leave it false where data matter.",
        ],
        read: |value, draft| value.yes_no().map(|yes| draft.stands = yes),
    },
    Choice {
        name: "bind",
        redis: "bind",
        takes: "an IP address of this host, \"0.0.0.0\" for all of them",
        default: Unsaid::Is("\"0.0.0.0\""),
        says: &[
            "The address all ports are opened on. Redis' bus has no password, and the clients' port",
            "has none without requirepass: who reaches these ports commands this node. Let only the",
            "cluster and its operators in, by a firewall or by TLS (below).",
        ],
        read: |value, draft| address(value, true).map(|ip| draft.config.listen = ip),
    },
    Choice {
        name: "port",
        redis: "port",
        takes: "a number from 1 to 65535, or 0 for none beside tls-port",
        default: Unsaid::Is("6379"),
        says: &["The port for clients and redis-cli. Above 55535 it needs a bus-port."],
        read: |value, draft| value.number(0..=65_535).map(|port| draft.config.port = port as u16),
    },
    Choice {
        name: "bus-port",
        redis: "cluster-port",
        takes: PORT,
        default: unset!("port + 10000, or tls-port + 10000 with tls-cluster", "16379"),
        says: &["The port for the other nodes: the cluster bus."],
        read: |value, draft| port(value).map(|port| draft.bus_port = Some(port)),
    },
    Choice {
        name: "announce-ip",
        redis: "cluster-announce-ip",
        takes: "an IP address that other nodes reach",
        default: unset!("the address other nodes see", "\"192.0.2.10\""),
        says: &["What others are told to connect to, where that is not what they see (NAT, containers)."],
        read: |value, draft| address(value, false).map(|ip| draft.config.announce_ip = Some(ip)),
    },
    Choice {
        name: "announce-port",
        redis: "cluster-announce-port",
        takes: PORT,
        default: unset!("port", "6379"),
        says: &["The client port others are told."],
        read: |value, draft| port(value).map(|port| draft.config.announce_port = Some(port)),
    },
    Choice {
        name: "announce-bus-port",
        redis: "cluster-announce-bus-port",
        takes: PORT,
        default: unset!("bus-port", "16379"),
        says: &["The bus port others are told."],
        read: |value, draft| port(value).map(|port| draft.config.announce_bus_port = Some(port)),
    },
    Choice {
        name: "announce-hostname",
        redis: "cluster-announce-hostname",
        takes: "at most 255 characters of A-Z, a-z, 0-9, `.` and `-`",
        default: unset!("no hostname", "\"witness.example.org\""),
        says: &["The hostname others are told."],
        read: hostname,
    },
    Choice {
        name: "preferred-endpoint",
        redis: "cluster-preferred-endpoint-type",
        takes: "\"ip\", \"hostname\" or \"unknown\"",
        default: Unsaid::Is("\"ip\""),
        says: &["What clients are told to connect to, of every node."],
        read: |value, draft| {
            draft.config.preferred_endpoint = match word(value, &["ip", "hostname", "unknown"])? {
                "hostname" => Preferred::Hostname,
                "unknown" => Preferred::Unknown,
                _ => Preferred::Ip,
            };
            Ok(())
        },
    },
    Choice {
        name: "requirepass",
        redis: "requirepass",
        takes: "text of 1 to 512 bytes",
        default: unset!("no password", "\"a long random text\""),
        says: &[
            "What clients have to say first (AUTH). The same as on the other nodes, or redis-cli -a",
            "cannot speak to all of them. Let only this daemon and its operators read the file then.",
            "There is no masterauth: this node replicates nobody.",
        ],
        read: password,
    },
    Choice {
        name: "tls-cluster",
        redis: "tls-cluster",
        takes: YES_NO,
        default: Unsaid::Is("false"),
        says: &[
            "Whether the bus speaks TLS, in which every node shows a certificate. As on the other nodes.",
            "What others are told is tls-port then, and port beside it.",
        ],
        read: |value, draft| value.yes_no().map(|yes| draft.tls.cluster = yes),
    },
    Choice {
        name: "tls-port",
        redis: "tls-port",
        takes: PORT,
        default: unset!("no port that speaks TLS", "6380"),
        says: &["The port for clients that speak TLS."],
        read: |value, draft| port(value).map(|port| draft.tls.port = Some(port)),
    },
    Choice {
        name: "announce-tls-port",
        redis: "cluster-announce-tls-port",
        takes: PORT,
        default: unset!("tls-port", "6380"),
        says: &["With tls-cluster: the TLS port others are told."],
        read: |value, draft| port(value).map(|port| draft.tls.announce_port = Some(port)),
    },
    Choice {
        name: CERTIFICATE,
        redis: "tls-cert-file",
        takes: "a file's name",
        default: unset!("no certificate", "\"node.crt\""),
        says: &[
            "What this node shows, to clients and to other nodes: an X.509 v3 certificate in PEM, and",
            "behind it what is between it and the authority. Relative names are below the folder of",
            "this file. All three are read again on SIGHUP.",
        ],
        read: |value, draft| path(value).map(|path| draft.tls.certificate = Some(path)),
    },
    Choice {
        name: KEY,
        redis: "tls-key-file",
        takes: "a file's name",
        default: unset!("no key", "\"node.key\""),
        says: &["Its private key, in PEM and without a password."],
        read: |value, draft| path(value).map(|path| draft.tls.key = Some(path)),
    },
    Choice {
        name: AUTHORITY,
        redis: "tls-ca-cert-file",
        takes: "a file's name",
        default: unset!("nobody is believed", "\"ca.crt\""),
        says: &[
            "Who has to have signed what others show, in PEM. Nobody looks at the names in it: whoever",
            "holds a certificate of this authority is let in.",
        ],
        read: |value, draft| path(value).map(|path| draft.tls.authority = Some(path)),
    },
    Choice {
        name: "tls-auth-clients",
        redis: "tls-auth-clients",
        takes: "\"yes\", \"optional\" or \"no\"",
        default: Unsaid::Is("\"yes\""),
        says: &["Whether clients on tls-port have to show a certificate, may, or are not asked."],
        read: |value, draft| {
            draft.tls.clients = match word(value, &["yes", "optional", "no"])? {
                "optional" => Auth::Optional,
                "no" => Auth::No,
                _ => Auth::Yes,
            };
            Ok(())
        },
    },
    Choice {
        name: "node-timeout",
        redis: "cluster-node-timeout",
        takes: "a duration from \"100ms\" to \"1h\": \"15s\", \"1.5s\", \"2m30s\"",
        default: Unsaid::Is("\"15s\""),
        says: &["How long a node may be silent before it is suspected. The same on all nodes."],
        read: |value, draft| duration(value, TIMEOUT_MIN..=HOUR).map(|time| draft.config.node_timeout = time),
    },
    Choice {
        name: "dir",
        redis: "dir",
        takes: "a folder that is there",
        default: unset!("the folder of this file", "\"/var/lib/standin\""),
        says: &["Where the state file is. A relative one is below the folder of this file."],
        read: |value, draft| {
            let dir = value.text()?;
            if dir.is_empty() {
                return Err(Wrong::says("an empty name is no folder"));
            }
            draft.dir = dir.into();
            Ok(())
        },
    },
    Choice {
        name: "state-file",
        redis: "cluster-config-file",
        takes: "a file's name",
        default: Unsaid::Is("\"nodes.conf\""),
        says: &[
            "This node's id, epochs and picture of the cluster, in Redis' format. It is kept up to",
            "date by the daemon; without it the node is another one. One daemon at a time may have it.",
        ],
        read: |value, draft| {
            let name = value.text()?;
            if name.is_empty() || name.ends_with('/') || name.contains('\0') {
                return Err(Wrong::says(format!("{} is no file's name", value.quoted())));
            }
            draft.config.state_file = name.into();
            Ok(())
        },
    },
    Choice {
        name: "require-full-coverage",
        redis: "cluster-require-full-coverage",
        takes: YES_NO,
        default: Unsaid::Is("true"),
        says: &["Whether the cluster counts as down while a slot is not served. As on the other nodes."],
        read: |value, draft| value.yes_no().map(|yes| draft.config.require_full_coverage = yes),
    },
    Choice {
        name: "allow-reads-when-down",
        redis: "cluster-allow-reads-when-down",
        takes: YES_NO,
        default: Unsaid::Is("false"),
        says: &["Whether clients that read are sent on while the cluster is down."],
        read: |value, draft| value.yes_no().map(|yes| draft.config.allow_reads_when_down = yes),
    },
    Choice {
        name: "no-failover",
        redis: "cluster-replica-no-failover",
        takes: YES_NO,
        default: Unsaid::Is("false"),
        says: &["Role replica only: whether others are told that this one never stands for election."],
        read: |value, draft| value.yes_no().map(|yes| draft.config.no_failover = yes),
    },
    Choice {
        name: "replica-validity-factor",
        redis: "cluster-replica-validity-factor",
        takes: "a number from 0 to 1000000",
        default: Unsaid::Is("10"),
        says: &["Role replica only: node timeouts after which its data are too old; 0: never."],
        read: |value, draft| {
            value.number(COUNTS).map(|factor| draft.config.replica_validity_factor = factor as u32)
        },
    },
    Choice {
        name: "repl-ping-period",
        redis: "repl-ping-replica-period",
        takes: "a duration from \"1s\" to \"1h\"",
        default: Unsaid::Is("\"10s\""),
        says: &["How often masters ping their replicas. As on the other nodes."],
        read: |value, draft| {
            duration(value, Duration::from_secs(1)..=HOUR).map(|time| draft.config.repl_ping_period = time)
        },
    },
    Choice {
        name: "migration-barrier",
        redis: "cluster-migration-barrier",
        takes: "a number from 0 to 1000000",
        default: Unsaid::Is("1"),
        says: &["Role replica only: replicas a master keeps when one leaves for a master without any."],
        read: |value, draft| value.number(COUNTS).map(|many| draft.config.migration_barrier = many as u32),
    },
    Choice {
        name: "allow-replica-migration",
        redis: "cluster-allow-replica-migration",
        takes: YES_NO,
        default: Unsaid::Is("true"),
        says: &["Role replica only: whether it may leave for a master without any."],
        read: |value, draft| value.yes_no().map(|yes| draft.config.allow_replica_migration = yes),
    },
];

fn port(value: &Value<'_>) -> Result<u16, Wrong> {
    value.number(PORTS).map(|port| port as u16)
}

fn path(value: &Value<'_>) -> Result<PathBuf, Wrong> {
    let name = value.text()?;
    if name.is_empty() || name.contains('\0') {
        return Err(Wrong::says(format!("{} is no file's name", value.quoted())));
    }
    Ok(name.into())
}

fn address(value: &Value<'_>, all: bool) -> Result<IpAddr, Wrong> {
    let quoted = value.quoted();
    let ip: IpAddr =
        value.text()?.parse().map_err(|_| Wrong::says(format!("{quoted} is not an IP address")))?;
    if ip.is_multicast() {
        return Err(Wrong::says(format!("{quoted} is the address of a group")));
    }
    if ip.is_unspecified() && !all {
        return Err(Wrong::says(format!("{quoted} is nobody's address")));
    }
    Ok(ip)
}

/// What is wrong with it is told without it.
fn password(value: &Value<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let text = value.value.as_str().ok_or_else(|| Wrong::says("this password is no text"))?;
    let wrong = || Wrong::says(format!("a password of {} bytes; the most are {PASSWORD_MAX}", text.len()));
    draft.config.password = Some(Password::new(text.as_bytes()).ok_or_else(wrong)?);
    Ok(())
}

fn hostname(value: &Value<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let name = value.text()?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    if let Some((at, odd)) = name.char_indices().find(|&(_, letter)| !fits(letter)) {
        let what = format!("a hostname has no `{}`", odd.escape_default());
        return Err(Wrong::says(what).within(at..at + odd.len_utf8()));
    }
    if name.is_empty() || name.len() > HOSTNAME_MAX {
        return Err(Wrong::says(format!("a hostname of {} characters", name.len())));
    }
    draft.config.hostname = Some(name.into());
    Ok(())
}

fn duration(value: &Value<'_>, within: RangeInclusive<Duration>) -> Result<Duration, Wrong> {
    let time = value.duration()?;
    if within.contains(&time) {
        Ok(time)
    } else {
        let bound = if time < *within.start() { "short" } else { "long" };
        Err(Wrong::says(format!("{} is too {bound}", value.quoted())))
    }
}

/// The option of that name.
pub(super) fn find(name: &str) -> Option<&'static Choice> {
    CHOICES.iter().find(|choice| choice.name == name)
}

/// The option that was probably meant: by Redis' name for it, or by a slip of the finger.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase().replace('_', "-");
    let by_redis = CHOICES.iter().find(|choice| !choice.redis.is_empty() && choice.redis == lower);
    by_redis.map(|choice| choice.name).or_else(|| nearest(&lower, CHOICES.iter().map(|choice| choice.name)))
}

/// A file with every option, its unit and its default, which means what an empty one does.
#[must_use]
pub fn template() -> String {
    let mut out = String::from(
        "# standind --gossip FILE: a member of a Redis Cluster that stores nothing.\n\
         # A line that is missing means its default; the lines that begin with `#` and no blank are examples.\n",
    );
    for choice in CHOICES {
        out.push('\n');
        for line in choice.says {
            let _ = writeln!(out, "# {line}");
        }
        let redis = match choice.redis {
            "" => String::new(),
            redis => format!(" Redis: {redis}."),
        };
        let (default, mark, value) = match choice.default {
            Unsaid::Is(value) => (value, "", value),
            Unsaid::Unset { means, example } => (means, "#", example),
        };
        let takes = choice.takes;
        let mut letters = takes.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
        let _ = writeln!(out, "# {first}{}. Default: {default}.{redis}", letters.as_str());
        let _ = writeln!(out, "{mark}{} = {value}", choice.name);
    }
    out
}
