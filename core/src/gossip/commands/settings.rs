//! CONFIG: the options that Redis lets an operator see and change at run time.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::config::{Config, Preferred};
use super::super::machine::Gossip;
use super::super::resp::{Out as Write, is, number};
use super::glob::{PATTERN_MAX, glob};
use super::rows::{A, admin, sub};
use super::table::{Flags, Row};
use super::{CLIENTS_MAX, Call, hello};
use crate::machine::{JobId, Outbox};
use crate::time::{Duration, Instant};

pub(super) static CONFIG: &[Row] = &[
    admin("config|get", -3, get),
    sub("config|help", 2, help),
    admin("config|resetstat", 2, resetstat),
    // Its answer comes later, which a transaction's cannot.
    Row { flags: A.union(Flags::NO_MULTI), ..sub("config|rewrite", 2, rewrite) },
    admin("config|set", -4, set),
];

/// An option: its name, how it is told, how it is changed.
struct Setting {
    name: &'static str,
    tell: fn(&Config) -> String,
    change: Change,
}

/// How an option is changed.
enum Change {
    /// Not at run time.
    Never,
    Switch(fn(&mut Config) -> &mut bool),
    /// From, to.
    Number(u64, u64, fn(&mut Config, u64)),
    Text(fn(&mut Config, &[u8]) -> Result<(), &'static str>),
}

const fn fixed(name: &'static str, tell: fn(&Config) -> String) -> Setting {
    Setting { name, tell, change: Change::Never }
}

/// `yes` or `no`.
macro_rules! switch {
    ($name:literal, $field:ident) => {
        Setting {
            name: $name,
            tell: |config| yes(config.$field),
            change: Change::Switch(|config| &mut config.$field),
        }
    };
}

fn yes(on: bool) -> String {
    String::from(if on { "yes" } else { "no" })
}

const INT_MAX: u64 = i32::MAX as u64;
const PORT_MAX: u64 = u16::MAX as u64;

/// A port; 0 is Redis' word for none.
fn unless_zero(port: u64) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// Of Redis' options those that mean something here, and a few that clients look for.
static SETTINGS: &[Setting] = &[
    Setting {
        name: "cluster-node-timeout",
        tell: |config| (config.node_timeout.0 / 1_000).to_string(),
        change: Change::Number(0, i64::MAX as u64, |config, millis| {
            config.node_timeout = Duration(millis.saturating_mul(1_000));
        }),
    },
    Setting {
        name: "cluster-replica-validity-factor",
        tell: |config| config.replica_validity_factor.to_string(),
        change: Change::Number(0, INT_MAX, |config, factor| config.replica_validity_factor = factor as u32),
    },
    Setting {
        name: "cluster-migration-barrier",
        tell: |config| config.migration_barrier.to_string(),
        change: Change::Number(0, INT_MAX, |config, replicas| config.migration_barrier = replicas as u32),
    },
    Setting {
        name: "repl-ping-replica-period",
        tell: |config| config.repl_ping_period.as_secs().to_string(),
        change: Change::Number(1, INT_MAX, |config, seconds| {
            config.repl_ping_period = Duration::from_secs(seconds);
        }),
    },
    switch!("cluster-require-full-coverage", require_full_coverage),
    switch!("cluster-allow-reads-when-down", allow_reads_when_down),
    switch!("cluster-allow-replica-migration", allow_replica_migration),
    switch!("cluster-replica-no-failover", no_failover),
    Setting {
        name: "cluster-preferred-endpoint-type",
        tell: |config| {
            String::from(match config.preferred_endpoint {
                Preferred::Ip => "ip",
                Preferred::Hostname => "hostname",
                Preferred::Unknown => "unknown-endpoint",
            })
        },
        change: Change::Text(|config, word| {
            config.preferred_endpoint = match word {
                _ if is(word, "ip") => Preferred::Ip,
                _ if is(word, "hostname") => Preferred::Hostname,
                _ if is(word, "unknown-endpoint") => Preferred::Unknown,
                _ => {
                    return Err("argument(s) must be one of the following: ip, hostname, unknown-endpoint");
                }
            };
            Ok(())
        }),
    },
    Setting {
        name: "cluster-announce-hostname",
        tell: |config| config.hostname.as_deref().unwrap_or_default().into(),
        change: Change::Text(|config, word| {
            config.hostname = hostname(word)?;
            Ok(())
        }),
    },
    Setting {
        name: "cluster-announce-ip",
        tell: |config| config.announce_ip.map_or(String::new(), |ip| ip.to_string()),
        change: Change::Text(|config, word| {
            config.announce_ip = announced_ip(word)?;
            Ok(())
        }),
    },
    Setting {
        name: "cluster-announce-port",
        tell: |config| config.announce_port.unwrap_or(0).to_string(),
        change: Change::Number(0, PORT_MAX, |config, port| config.announce_port = unless_zero(port)),
    },
    Setting {
        name: "cluster-announce-bus-port",
        tell: |config| config.announce_bus_port.unwrap_or(0).to_string(),
        change: Change::Number(0, PORT_MAX, |config, port| config.announce_bus_port = unless_zero(port)),
    },
    // Only who has said it gets here.
    fixed("requirepass", |config| {
        let told = config.password.as_ref().map(|password| String::from_utf8_lossy(password.reveal()));
        told.unwrap_or_default().into_owned()
    }),
    fixed("cluster-announce-tls-port", |config| {
        config.tls.and_then(|tls| tls.announce_port).unwrap_or(0).to_string()
    }),
    fixed("tls-port", |config| config.tls.map_or(0, |tls| tls.port).to_string()),
    fixed("tls-cluster", |config| yes(config.is_tls_cluster())),
    fixed("cluster-port", |config| config.bus_port.to_string()),
    fixed("cluster-config-file", |config| config.state_file.to_string()),
    fixed("cluster-enabled", |_| yes(true)),
    fixed("bind", |config| config.listen.to_string()),
    fixed("port", |config| config.port.to_string()),
    fixed("maxclients", |_| CLIENTS_MAX.to_string()),
    fixed("databases", |_| String::from("1")),
    fixed("appendonly", |_| yes(false)),
    fixed("save", |_| String::new()),
    fixed("maxmemory", |_| String::from("0")),
    // Nobody is sent away for saying nothing, nobody writes to a replica, nothing happens to keys.
    fixed("timeout", |_| String::from("0")),
    fixed("replica-read-only", |_| yes(true)),
    fixed("notify-keyspace-events", |_| String::new()),
];

/// Redis' names of before; they are understood, and told as well.
const FORMER: [(&str, &str); 4] = [
    ("cluster-slave-validity-factor", "cluster-replica-validity-factor"),
    ("cluster-slave-no-failover", "cluster-replica-no-failover"),
    ("slave-read-only", "replica-read-only"),
    ("repl-ping-slave-period", "repl-ping-replica-period"),
];

fn hostname(word: &[u8]) -> Result<Option<Box<str>>, &'static str> {
    if word.len() >= 256 {
        return Err("Hostnames must be less than 256 characters");
    }
    let plain = word.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let text = core::str::from_utf8(word).ok().filter(|_| plain);
    let text = text.ok_or("Hostnames may only contain alphanumeric characters, hyphens or dots")?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// Redis takes any text here, which other nodes then cannot dial.
fn announced_ip(word: &[u8]) -> Result<Option<IpAddr>, &'static str> {
    if word.is_empty() {
        return Ok(None);
    }
    let ip = core::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    let ip = ip.filter(|ip: &IpAddr| !ip.is_unspecified());
    ip.map(Some).ok_or("argument must be an IP address that other nodes reach")
}

fn find(name: &[u8]) -> Option<&'static Setting> {
    let former = FORMER.iter().find(|(former, _)| is(name, former)).map(|(_, now)| now.as_bytes());
    SETTINGS.iter().find(|setting| is(former.unwrap_or(name), setting.name))
}

/// `CONFIG GET pattern …`
fn get(machine: &mut Gossip, call: &mut Call<'_>) {
    let patterns: Vec<Vec<u8>> = call.words[2..].iter().map(|word| word.to_ascii_lowercase()).collect();
    if patterns.len() > 64 {
        return call.error("too many patterns");
    }
    if patterns.iter().any(|pattern| pattern.len() > PATTERN_MAX) {
        return call.error("too long a pattern");
    }
    let names = SETTINGS.iter().map(|setting| setting.name).chain(FORMER.map(|(former, _)| former));
    let told: Vec<(&str, String)> = names
        .filter(|name| patterns.iter().any(|pattern| matches(pattern, name.as_bytes())))
        .filter_map(|name| Some((name, (find(name.as_bytes())?.tell)(&machine.config))))
        .collect();
    let mut reply = call.reply();
    reply.map(told.len());
    for (name, value) in told {
        reply.bulk(name);
        reply.bulk(value);
    }
}

/// A name without `*`, `?` or `[` is no pattern.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let plain = !pattern.iter().any(|letter| b"*?[".contains(letter));
    if plain { pattern == name } else { glob(pattern, name) }
}

/// `CONFIG SET name value …`: all or none. Gone with the process, unless CONFIG REWRITE follows.
fn set(machine: &mut Gossip, call: &mut Call<'_>) {
    if call.words.len() % 2 == 1 {
        return call.syntax_error();
    }
    let mut config = machine.config.clone();
    let mut seen: Vec<&str> = Vec::new();
    for pair in call.words[2..].chunks(2) {
        let name = super::shown(&pair[0]).into_owned();
        let Some(setting) = find(&pair[0]) else {
            return call.error(format!("Unknown option or number of arguments for CONFIG SET - '{name}'"));
        };
        let changed = if seen.contains(&setting.name) {
            Err(String::from("duplicate parameter"))
        } else {
            apply(&setting.change, &mut config, &pair[1])
        };
        if let Err(why) = changed {
            return call.error(format!("CONFIG SET failed (possibly related to argument '{name}') - {why}"));
        }
        seen.push(setting.name);
    }
    machine.reconfigure(call.now, config);
    call.ok();
}

fn apply(change: &Change, config: &mut Config, word: &[u8]) -> Result<(), String> {
    match change {
        Change::Never => Err("can't set immutable config".into()),
        Change::Switch(switch) => {
            *switch(config) = match word {
                _ if is(word, "yes") => true,
                _ if is(word, "no") => false,
                _ => return Err("argument must be 'yes' or 'no'".into()),
            };
            Ok(())
        }
        Change::Number(from, to, put) => {
            let Some(said) = number(word) else {
                return Err("argument couldn't be parsed into an integer".into());
            };
            match u64::try_from(said) {
                Ok(said) if (*from..=*to).contains(&said) => {
                    put(config, said);
                    Ok(())
                }
                _ => Err(format!("argument must be between {from} and {to} inclusive")),
            }
        }
        Change::Text(put) => put(config, word).map_err(String::from),
    }
}

/// What can be changed at run time goes into the file; the client waits until it is there.
fn rewrite(machine: &mut Gossip, call: &mut Call<'_>) {
    if !machine.config.has_file {
        return call.error("The server is running without a config file");
    }
    let job = machine.keep_settings(call.out, machine.config.changeable());
    machine.clients.wait_for(call.link, job);
}

impl Config {
    /// The options that CONFIG SET can change, by Redis' names and in Redis' words.
    #[must_use]
    pub fn changeable(&self) -> Vec<(String, String)> {
        let changeable = SETTINGS.iter().filter(|setting| !matches!(setting.change, Change::Never));
        changeable.map(|setting| (setting.name.into(), (setting.tell)(self))).collect()
    }
}

impl Gossip {
    /// Whoever asked for it is told, and may go on.
    pub(in super::super) fn settings_kept(
        &mut self,
        now: Instant,
        out: &mut Outbox<Self>,
        job: JobId,
        kept: Result<(), String>,
    ) {
        let Some((link, resp)) = self.clients.waited_for(job) else { return };
        let mut bytes = Vec::new();
        let mut reply = Write::new(&mut bytes, resp);
        match kept {
            Ok(()) => reply.simple("OK"),
            Err(why) => reply.error(format_args!("Rewriting config file: {why}")),
        }
        self.answer(link, bytes);
        self.serve(now, out, link);
    }
}

/// Counters are not set back: others reckon with them.
fn resetstat(_: &mut Gossip, call: &mut Call<'_>) {
    call.ok();
}

fn help(_: &mut Gossip, call: &mut Call<'_>) {
    hello::help(call, "CONFIG", &CONFIG.iter().map(Row::short).collect::<Vec<_>>());
}
