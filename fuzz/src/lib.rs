//! Any bytes at all, for everything that reads what others wrote.
//!
//! A [`Target`] is an ordinary function of bytes that panics if a promise is broken. The program
//! beside it hands them to libFuzzer (`cargo xtask fuzz`), the workspace's tests hand it the
//! corpora, file by file. What was found stays there under a name that says what it was.
//!
//! Reading order: `take` (how bytes become deeds), then the families: `ctdb` and `gossip` (the
//! codecs), `files`, `kernel` (what only a real host hears), and the machines: `room` (several of
//! them, and whoever talks to them), `ctdb_room`, `gossip_room`.

mod ctdb;
mod ctdb_room;
mod files;
mod gossip;
mod gossip_room;
mod kernel;
mod room;
mod take;

use std::path::PathBuf;

/// A family of readers.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and its corpus': `nodes_file`.
    pub name: &'static str,
    /// What it reads.
    pub about: &'static str,
    /// Bytes a fuzzer tries at most.
    pub bytes_max: usize,
    /// Reads bytes; panics if a promise is broken.
    pub read: fn(&[u8]),
}

const fn target(name: &'static str, about: &'static str, bytes_max: usize, read: fn(&[u8])) -> Target {
    Target { name, about, bytes_max, read }
}

/// Every family.
pub const TARGETS: &[Target] = &[
    target("ctdb_stream", "CTDB's frames and packets, from nodes and from clients", 2_048, ctdb::stream),
    target("ctdb_payload", "what controls, answers and messages carry", 4_096, ctdb::payload),
    target("ctdb_eventd", "the event daemon's protocol", 1_024, ctdb::eventd),
    target(
        "ctdb_room",
        "three CTDB machines, their clients, and somebody between them",
        2_048,
        ctdb_room::run,
    ),
    target("nodes_file", "ctdb's nodes", 1_024, files::nodes),
    target("public_addresses_file", "ctdb's public_addresses", 1_024, files::public_addresses),
    target("tunables_file", "ctdb's tunables", 1_024, files::tunables),
    target("ctdb_conf", "ctdb.conf", 2_048, files::ctdb_conf),
    target("allocation_problem", "what `allocate` is asked", 2_048, files::allocation_problem),
    target("scenario", "a scenario of either protocol", 2_048, files::scenario),
    target("gossip_stream", "the bus of a Redis cluster", 6_144, gossip::stream),
    target("resp_requests", "what Redis' clients ask", 1_024, gossip::requests),
    target("resp_replies", "what Redis answers", 1_024, gossip::replies),
    target("nodes_conf", "the state file of a Redis node", 2_048, files::nodes_conf),
    target("gossip_options", "the witness' options, TOML", 1_024, files::gossip_options),
    target(
        "gossip_room",
        "four gossip machines, strangers, and somebody between them",
        6_144,
        gossip_room::run,
    ),
    target(
        "gossip_commands",
        "clients of a gossip machine, command by command",
        2_048,
        gossip_room::commands,
    ),
    target("kernel_news", "netlink, ARP and the guard's socket", 1_024, kernel::news),
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// Where its corpus is: files in no order.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "corpus", self.name].iter().collect()
    }
}
