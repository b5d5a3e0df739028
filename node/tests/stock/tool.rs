//! The stock tool, command by command: three nodes of ours print what three stock ones print.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Program, Said};

/// How much of an output has to be the same.
#[derive(Clone, Copy, Debug)]
enum Same {
    /// Every letter.
    All,
    /// Every letter that is no digit: times, process ids, generations, counts.
    ButNumbers,
    /// The addresses; who serves each depends on what was when.
    Addresses,
    /// The status.
    Status,
}
use Same::{Addresses, All, ButNumbers, Status};

/// On which node, what, and how much of it must be as with ctdbd; in this order.
const COMMANDS: &[(usize, &str, Same)] = &[
    (0, "version", All),
    (0, "status", ButNumbers),
    (0, "-X status", ButNumbers),
    (0, "-Y status", ButNumbers),
    (1, "nodestatus", All),
    (1, "nodestatus all", All),
    (1, "-X nodestatus all", All),
    (0, "uptime", Status),
    (0, "-X uptime", Status),
    (0, "ping", ButNumbers),
    (0, "ping -n 2", ButNumbers),
    (0, "runstate", All),
    (0, "runstate RUNNING", All),
    (0, "runstate STARTUP", All),
    (0, "runstate nonsense", All),
    (0, "getcapabilities", All),
    (2, "-X getcapabilities -n 1", All),
    (1, "pnn", All),
    (0, "getpid", ButNumbers),
    (0, "getreclock", All),
    (0, "getdebug", All),
    (0, "setdebug INFO", All),
    (0, "getdebug", All),
    (0, "setdebug NOTICE -n 1", All),
    (0, "setdebug nonsense", All),
    (0, "leader", ButNumbers),
    (1, "leader", ButNumbers),
    (0, "listvars", All),
    (0, "-X listvars", All),
    (0, "getvar MonitorInterval", All),
    (0, "getvar Nonsense", All),
    (0, "setvar MonitorInterval 12", All),
    (0, "setvar MonitorInterval", All),
    (0, "setvar Nonsense 1", All),
    (0, "getvar MonitorInterval", All),
    (0, "getvar MonitorInterval -n 2", All),
    (0, "setvar MonitorInterval 15", All),
    (0, "setvar RerecoveryTimeout 1", All),
    (1, "setvar RerecoveryTimeout 1", All),
    (2, "setvar RerecoveryTimeout 1", All),
    (0, "listnodes", All),
    (0, "-X listnodes", All),
    (0, "ip", Addresses),
    (0, "-X ip", Addresses),
    (0, "-v ip", Addresses),
    (0, "ip all", Addresses),
    (0, "-X ip all", Addresses),
    (0, "-v ip all", Addresses),
    (0, "ipinfo 192.168.100.1", Addresses),
    (0, "ipinfo 10.9.9.9", All),
    (0, "ifaces", All),
    (0, "-X ifaces", All),
    (0, "setifacelink lo down", All),
    (0, "ifaces", All),
    (0, "status", ButNumbers),
    (0, "setifacelink lo up", All),
    (0, "setifacelink nonsense up", All),
    (0, "setifacelink lo sideways", All),
    (0, "disable -n 1", All),
    (0, "nodestatus all", All),
    (0, "disable -n 1", All),
    (0, "ip all", Addresses),
    (0, "enable -n 1", All),
    (0, "enable -n 1", All),
    (0, "ip all", Addresses),
    (1, "stop", All),
    (0, "nodestatus all", All),
    (1, "continue", All),
    (1, "continue", All),
    (0, "sync", All),
    (2, "ban 100", All),
    (0, "nodestatus -n 2", All),
    (2, "unban", All),
    (0, "ban", All),
    (0, "unban -n 1", All),
    (0, "sync", All),
    (0, "ipreallocate", All),
    (0, "recover", All),
    (0, "nodestatus all", All),
    (0, "moveip 192.168.100.1 1", All),
    (0, "ip all", Addresses),
    (0, "moveip 192.168.100.1 9", All),
    (0, "moveip 10.9.9.9 1", All),
    (0, "moveip nonsense 1", All),
    (0, "addip 192.168.250.9/24 lo", All),
    (0, "addip 192.168.250.9/24 lo", All),
    (0, "addip nonsense lo", All),
    (0, "delip 192.168.250.9", All),
    (0, "delip 10.9.9.9", All),
    (0, "gettickles 192.168.100.1", All),
    (0, "addtickle 10.1.1.1:5000 192.168.100.1:2049", All),
    (0, "gettickles 192.168.100.1", All),
    (0, "deltickle 10.1.1.1:5000 192.168.100.1:2049", All),
    (0, "gettickles 192.168.100.1", All),
    (0, "process-exists 1", All),
    (0, "process-exists 1 0xF101000000000000", All),
    (0, "statisticsreset", All),
    (0, "statistics", Status),
    (0, "-X statistics", Status),
    (0, "stats", Status),
    (0, "dumpmemory", Status),
    (0, "rddumpmemory", Status),
    (0, "reloadnodes", All),
    (0, "reloadips", All),
    (0, "reloadips all", All),
    (0, "event status legacy startup", ButNumbers),
    (0, "event run 30 legacy monitor", All),
    (0, "event script list legacy", All),
    (0, "event script disable legacy 00.test", All),
    (0, "event script list legacy", All),
    (0, "event script enable legacy 00.test", All),
    (0, "event script enable legacy 99.none", All),
    (0, "event status legacy nonsense", All),
    (0, "scriptstatus startup", ButNumbers),
    (0, "scriptstatus init", ButNumbers),
    (0, "checktcpport 1", All),
    (0, "status -n 7", All),
    (0, "nonsense", Status),
    (0, "getdbmap", Status),
];

fn blurred(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// The words with a dot in them, and how many lines have somebody behind the address.
fn addresses(text: &str) -> (Vec<&str>, usize) {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == '|');
    (words.filter(|word| word.contains('.')).collect(), text.matches("-1").count())
}

fn transcript(programs: [Program; 3], name: &str) -> Vec<Said> {
    let cluster = Cluster::new(name, programs);
    cluster.start_all();
    cluster.wait("six addresses on three nodes", |it| {
        let served = it.tool(0, "ip all").out;
        (0..3).all(|node| {
            served.lines().skip(1).filter(|line| line.ends_with(&format!(" {node}"))).count() == 2
        })
    });
    let folder = cluster.base(0).parent().expect("it has one").display().to_string();
    let asked = COMMANDS.iter().map(|(node, line, _)| {
        let said = cluster.tool(*node, line);
        let tidy = |text: String| text.replace(&folder, "FOLDER");
        Said { status: said.status, out: tidy(said.out), err: tidy(said.err) }
    });
    asked.collect()
}

#[test]
fn every_command_prints_what_it_prints_with_ctdbd() {
    let theirs = std::thread::spawn(|| transcript([Program::Stock; 3], "tool-stock"));
    let ours = transcript([Program::Ours; 3], "tool-ours");
    let theirs = theirs.join().expect("the stock daemons answer");
    let mut differ = BTreeMap::new();
    for (at, ((node, line, same), (ours, theirs))) in
        COMMANDS.iter().zip(ours.iter().zip(&theirs)).enumerate()
    {
        let alike = match same {
            All => ours == theirs,
            ButNumbers => {
                ours.status == theirs.status
                    && blurred(&ours.out) == blurred(&theirs.out)
                    && blurred(&ours.err) == blurred(&theirs.err)
            }
            Addresses => ours.status == theirs.status && addresses(&ours.out) == addresses(&theirs.out),
            Status => ours.status == theirs.status,
        };
        if !alike {
            differ.insert(
                at,
                format!("ctdb {line} (node {node})\n--- ours\n{ours:?}\n--- ctdbd's\n{theirs:?}"),
            );
        }
    }
    let told: Vec<_> = differ.into_values().collect();
    assert!(told.is_empty(), "{} of {} commands differ:\n{}", told.len(), COMMANDS.len(), told.join("\n\n"));
}
