//! What is known of a bed: every question that is wanted is asked again and again, and each answer
//! is kept with the time it was asked and the time it was known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use standin_testbed::{Bed, Client};

use super::fact::{Fact, Question, Served};

/// Between two questions of a kind; the kernel is asked more often, that costs no program.
const PAUSE: Duration = Duration::from_millis(20);
const KERNEL_PAUSE: Duration = Duration::from_millis(5);

/// What a node answered.
#[derive(Clone, Debug)]
enum Said {
    /// Its daemon does not run, or it has no power.
    NoDaemon,
    /// It runs and gives no answer.
    Silent,
    Runs,
    Held(Vec<Ipv4Addr>),
    Flags(Vec<Row>),
    Cluster {
        leader: Option<usize>,
        normal: bool,
        generation: Option<u32>,
    },
    RunState(String),
    Holders(BTreeMap<Ipv4Addr, Option<usize>>),
}

/// A node in the eyes of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    connected: bool,
    unhealthy: bool,
    inactive: bool,
    /// Neither disconnected nor unhealthy among them; sorted.
    flags: Vec<String>,
}

#[derive(Clone, Debug)]
struct Sample {
    asked: Instant,
    known: Instant,
    said: Said,
}

/// Whether a fact holds, as of when at least and when that was known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) holds: bool,
    pub(super) asked: Instant,
    pub(super) known: Instant,
}

pub(super) struct Eyes<'b> {
    bed: &'b RwLock<Bed>,
    client: &'b Client,
    nodes: usize,
    addresses: Vec<Ipv4Addr>,
    wanted: Mutex<BTreeSet<(Question, usize)>>,
    samples: Mutex<BTreeMap<(Question, usize), Sample>>,
    closed: AtomicBool,
}

impl<'b> Eyes<'b> {
    pub(super) fn new(bed: &'b RwLock<Bed>, client: &'b Client) -> Self {
        let (nodes, addresses) = {
            let bed = bed.read().expect("nobody panics with the bed");
            (bed.len(), bed.addresses().to_vec())
        };
        let (wanted, samples) = (Mutex::default(), Mutex::default());
        Self { bed, client, nodes, addresses, wanted, samples, closed: AtomicBool::new(false) }
    }

    /// Begins to look, until [`Self::close`].
    pub(super) fn open<'s>(&'s self, scope: &'s thread::Scope<'s, '_>) {
        for question in Question::ALL {
            for node in 0..self.nodes {
                scope.spawn(move || self.keep_asking(question, node));
            }
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// From now on these facts matter and no others.
    pub(super) fn want<'f>(&self, facts: impl Iterator<Item = &'f Fact>) {
        let mut wanted = BTreeSet::new();
        for (question, of) in facts.flat_map(Fact::asks) {
            match of {
                Some(node) => drop(wanted.insert((question, node))),
                None => wanted.extend((0..self.nodes).map(|node| (question, node))),
            }
        }
        *self.wanted.lock().expect("nobody panics while looking") = wanted;
    }

    fn keep_asking(&self, question: Question, node: usize) {
        let pause = if question == Question::Held { KERNEL_PAUSE } else { PAUSE };
        while !self.closed.load(Ordering::Relaxed) {
            let wanted = self.wanted.lock().expect("nobody panics while looking").contains(&(question, node));
            if wanted {
                let asked = Instant::now();
                let said = self.ask(question, node);
                let sample = Sample { asked, known: Instant::now(), said };
                let mut samples = self.samples.lock().expect("nobody panics while looking");
                samples.insert((question, node), sample);
            }
            thread::sleep(if wanted { pause } else { KERNEL_PAUSE });
        }
    }

    fn ask(&self, question: Question, node: usize) -> Said {
        let args: &[&str] = match question {
            Question::Held => {
                let held = self.bed.read().expect("nobody panics with the bed").reachable_on(node);
                return Said::Held(held.unwrap_or_default());
            }
            Question::Runs => &[],
            Question::Flags => &["-X", "status"],
            Question::Cluster => &["status"],
            Question::RunState => &["runstate"],
            Question::Holders => &["-X", "ip"],
        };
        let heard = if args.is_empty() { None } else { self.tool(node, args) };
        let read = heard.and_then(|text| match question {
            Question::Flags => rows(&text, self.nodes).map(Said::Flags),
            Question::Cluster => cluster(&text),
            Question::RunState => Some(Said::RunState(text.trim().into())),
            Question::Holders => Some(Said::Holders(holders(&text))),
            Question::Held | Question::Runs => None,
        });
        read.unwrap_or_else(|| {
            let bed = self.bed.read().expect("nobody panics with the bed");
            match bed.runs(node) {
                Ok(true) if question == Question::Runs => Said::Runs,
                Ok(true) => Said::Silent,
                _ => Said::NoDaemon,
            }
        })
    }

    /// What the tool prints if it ends well. The bed is free while it runs.
    fn tool(&self, node: usize, args: &[&str]) -> Option<String> {
        let command = self.bed.read().expect("nobody panics with the bed").command(node, "timeout");
        let output =
            command.ok()?.args(["-k", "1", "5", "ctdb"]).args(args).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether a fact holds, if that is known.
    pub(super) fn see(&self, fact: &Fact) -> Option<Seen> {
        if let Fact::Address(address, Served::Answers) = fact {
            let now = Instant::now();
            let holds = self.client.answers(self.addresses[*address]).is_some();
            return Some(Seen { holds, asked: now, known: now });
        }
        let samples = self.samples.lock().expect("nobody panics while looking");
        let all = fact.asks().into_iter().flat_map(|(question, of)| match of {
            Some(node) => vec![(question, node)],
            None => (0..self.nodes).map(|node| (question, node)).collect(),
        });
        let used: Vec<&Sample> = all.map(|key| samples.get(&key)).collect::<Option<_>>()?;
        let asked = used.iter().map(|sample| sample.asked).min()?;
        let known = used.iter().map(|sample| sample.known).max()?;
        let look = Look { samples: &samples, addresses: &self.addresses, nodes: self.nodes };
        look.holds(fact).map(|holds| Seen { holds, asked, known })
    }
}

/// The newest answers. Nothing is known of a fact as long as a daemon that matters runs and is silent.
struct Look<'s> {
    samples: &'s BTreeMap<(Question, usize), Sample>,
    addresses: &'s [Ipv4Addr],
    nodes: usize,
}

impl Look<'_> {
    fn said(&self, question: Question, node: usize) -> Option<&Said> {
        let said = &self.samples.get(&(question, node))?.said;
        (!matches!(said, Said::Silent)).then_some(said)
    }

    fn held(&self, node: usize) -> &[Ipv4Addr] {
        match self.said(Question::Held, node) {
            Some(Said::Held(held)) => held,
            _ => &[],
        }
    }

    /// Who has an address.
    fn hosts(&self, address: usize) -> Vec<usize> {
        (0..self.nodes).filter(|&node| self.held(node).contains(&self.addresses[address])).collect()
    }

    /// Everybody in the eyes of a node; inner nothing if its daemon does not run.
    fn rows(&self, node: usize) -> Option<Option<&[Row]>> {
        let said = self.said(Question::Flags, node)?;
        Some(if let Said::Flags(rows) = said { Some(rows) } else { None })
    }

    /// Those whose daemons run, with what they see.
    fn running(&self) -> Option<Vec<(usize, &[Row])>> {
        let all: Option<Vec<_>> =
            (0..self.nodes).map(|node| self.rows(node).map(|rows| (node, rows))).collect();
        Some(all?.into_iter().filter_map(|(node, rows)| Some((node, rows?))).collect())
    }

    /// A node's word on its leader; inner nothing if its daemon does not run.
    fn leader(&self, node: usize) -> Option<Option<usize>> {
        let said = self.said(Question::Cluster, node)?;
        Some(if let Said::Cluster { leader, .. } = said { *leader } else { None })
    }

    fn holds(&self, fact: &Fact) -> Option<bool> {
        let own = |node: usize, so: &dyn Fn(&Row) -> bool| {
            Some(self.rows(node)?.is_some_and(|rows| so(&rows[node])))
        };
        Some(match fact {
            Fact::Running(node) => matches!(self.said(Question::Runs, *node)?, Said::Runs),
            Fact::Connected(from, to) => self.rows(*from)?.is_some_and(|rows| rows[*to].connected),
            Fact::AllConnected => {
                let running = self.running()?;
                let all = |rows: &[Row]| running.iter().all(|(other, _)| rows[*other].connected);
                !running.is_empty() && running.iter().all(|(_, rows)| all(rows))
            }
            Fact::Dead(node) => {
                let running = self.running()?;
                let mut others = running.iter().filter(|(other, _)| other != node).peekable();
                others.peek().is_some() && others.all(|(_, rows)| !rows[*node].connected)
            }
            Fact::Flags(from, of, flags) => self.rows(*from)?.is_some_and(|rows| rows[*of].flags == *flags),
            Fact::Healthy(node, healthy) => own(*node, &|row| row.unhealthy != *healthy)?,
            Fact::Banned(node) => own(*node, &|row| row.flags.iter().any(|flag| flag == "banned"))?,
            Fact::RunState(node, state) => {
                matches!(self.said(Question::RunState, *node)?, Said::RunState(said) if said == state)
            }
            Fact::Recovering(node, recovering) => {
                let said = self.said(Question::Cluster, *node)?;
                matches!(said, Said::Cluster { normal, .. } if normal != recovering)
            }
            Fact::Leader(leader) => {
                let bound = |(node, rows): &(usize, &[Row])| {
                    node == leader || (!rows[*node].inactive && rows[*leader].connected)
                };
                let running = self.running()?;
                let bound: Vec<usize> = running.into_iter().filter(bound).map(|(node, _)| node).collect();
                let follow: Option<Vec<_>> = bound.iter().map(|&node| self.leader(node)).collect();
                bound.contains(leader) && follow?.into_iter().all(|said| said == Some(*leader))
            }
            Fact::NoLeader => {
                let said: Option<Vec<_>> = (0..self.nodes).map(|node| self.leader(node)).collect();
                said?.into_iter().enumerate().all(|(node, said)| said != Some(node))
            }
            Fact::GenerationAgreed => {
                let active = self.running()?.into_iter().filter(|(node, rows)| !rows[*node].inactive);
                let generations: Option<Vec<_>> = active
                    .map(|(node, _)| {
                        let said = self.said(Question::Cluster, node)?;
                        Some(if let Said::Cluster { generation, .. } = said { *generation } else { None })
                    })
                    .collect();
                let generations = generations?;
                let first = generations.first().copied().flatten();
                first.is_some() && generations.iter().all(|one| *one == first)
            }
            Fact::Address(address, served) => {
                let hosts = self.hosts(*address);
                match served {
                    Served::On(node) => hosts == [*node],
                    Served::Nowhere => hosts.is_empty(),
                    Served::Twice | Served::Answers => hosts.len() > 1,
                }
            }
            Fact::AllServed => (0..self.addresses.len()).all(|address| self.hosts(address).len() == 1),
            Fact::Balanced => {
                let running = self.running()?;
                let fit = running.iter().filter(|(node, rows)| {
                    let own = &rows[*node];
                    !own.unhealthy && own.flags.is_empty()
                });
                let counts: Vec<usize> = fit.map(|(node, _)| self.held(*node).len()).collect();
                let ends = counts.iter().min().zip(counts.iter().max());
                ends.is_some_and(|(least, most)| most - least <= 1)
            }
            Fact::Holds(node, count) => self.held(*node).len() == *count,
            Fact::Holder(at, address, of) => {
                let said = self.said(Question::Holders, *at)?;
                matches!(said, Said::Holders(all) if all.get(&self.addresses[*address]) == Some(of))
            }
        })
    }
}

/// `|0|10.77.0.1|0|…|Y|` below a line of names; as many as there are nodes, or nothing.
fn rows(text: &str, nodes: usize) -> Option<Vec<Row>> {
    let mut lines = text.lines().map(|line| line.trim_matches('|').split('|').collect::<Vec<_>>());
    let names = lines.next()?;
    let read = |cells: Vec<&str>| {
        let has = |name: &str| {
            let at = names.iter().position(|one| *one == name);
            at.and_then(|at| cells.get(at)).is_some_and(|cell| *cell == "1")
        };
        let flags = ["Banned", "Disabled", "Stopped"].into_iter().filter(|name| has(name));
        Row {
            // Whose flags a node has not been told yet is unknown to the tool, and connected.
            connected: !has("Disconnected"),
            unhealthy: has("Unhealthy"),
            inactive: has("Inactive"),
            flags: flags.map(str::to_ascii_lowercase).collect(),
        }
    };
    let rows: Vec<Row> = lines.map(read).collect();
    (rows.len() == nodes).then_some(rows)
}

fn cluster(text: &str) -> Option<Said> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some(Said::Cluster {
        leader: value("Leader:").and_then(|leader| leader.parse().ok()),
        normal: value("Recovery mode:")?.starts_with("NORMAL"),
        generation: value("Generation:").and_then(|generation| generation.parse().ok()),
    })
}

/// `|10.78.1.1|0|` below a line of names; -1 is nobody.
fn holders(text: &str) -> BTreeMap<Ipv4Addr, Option<usize>> {
    let read = |line: &str| {
        let mut cells = line.trim_matches('|').split('|');
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()))
    };
    text.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_by_their_names() {
        let text = "|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|\n\
                    |0|10.77.0.1|0|0|0|0|0|0|0|0|Y|\n|1|10.77.0.2|1|0|0|1|1|1|1|0|N|\n";
        let rows = rows(text, 2).unwrap();
        assert_eq!(rows[0], Row { connected: true, ..Row::default() });
        let flags = vec!["disabled".to_owned(), "stopped".to_owned()];
        assert_eq!(rows[1], Row { connected: false, unhealthy: true, inactive: true, flags });
        assert!(super::rows(text, 3).is_none() && super::rows("", 3).is_none());
    }

    #[test]
    fn the_cluster_is_read_from_its_status() {
        let text = "Generation:INVALID\nRecovery mode:RECOVERY (1)\nLeader:UNKNOWN\n";
        let said = cluster(text).unwrap();
        assert!(matches!(said, Said::Cluster { leader: None, normal: false, generation: None }));
        assert!(cluster("").is_none());
        let said = cluster("Generation:7\nRecovery mode:NORMAL (0)\nLeader:2\n").unwrap();
        assert!(matches!(said, Said::Cluster { leader: Some(2), normal: true, generation: Some(7) }));
    }

    #[test]
    fn nobody_holds_what_minus_one_holds() {
        let held = holders("|Public IP|Node|\n|10.78.1.1|0|\n|10.78.1.2|-1|\n");
        assert_eq!(held.into_values().collect::<Vec<_>>(), [Some(0), None]);
    }
}
