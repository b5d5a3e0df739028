//! A bed: the whole cluster, from nothing to nothing.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::guard::{Guard, sweep};
use crate::node::Node;
use crate::options::Options;
use crate::program::Program;
use crate::shell::{Said, hear};
use crate::{Error, Result, files, netns, switch};

/// A cluster of namespaces. Dropped, it goes without a trace, as it does when its maker dies.
#[derive(Debug)]
pub struct Bed {
    name: String,
    pub(crate) nodes: Vec<Node>,
    addresses: Vec<Ipv4Addr>,
    /// None once the bed is meant to outlive this process.
    guard: Option<Guard>,
}

impl Bed {
    /// Makes the namespaces, plugs everything in and switches every node on; no daemon runs yet.
    ///
    /// `name` is 1 to 20 letters, digits and `-`; what is left of another of this name is removed
    /// first.
    ///
    /// # Errors
    ///
    /// This machine cannot have beds ([`crate::usable`]), the name or the options are out of
    /// bounds, or a step failed; then nothing is left of it.
    pub fn up(name: &str, options: &Options) -> Result<Self> {
        crate::usable()?;
        check_name(name)?;
        if !(1..=32).contains(&options.programs.len()) || options.public > 250 {
            return Err(Error::new("a bed has 1 to 32 nodes and at most 250 public addresses"));
        }
        sweep(name)?;
        let guard = Some(Guard::new(name)?);
        let folder = folder(name);
        files::make_folder(&folder)?;
        let prefix = format!("standin-{name}");
        let node = |(at, program): (usize, &Program)| Node::new(&prefix, &folder, at, program.clone());
        let nodes = options.programs.iter().enumerate().map(node).collect();
        let mut bed = Self { name: name.into(), nodes, addresses: options.addresses(), guard };
        let switch = bed.space("switch");
        switch::make(&switch)?;
        netns::add(&bed.space("client"))?;
        netns::add(&bed.space("observer"))?;
        switch::plug_watchers(&switch, &bed.space("client"), &bed.space("observer"))?;
        for node in &mut bed.nodes {
            files::write(node.folder(), &node.program, options)?;
            node.power_on()?;
        }
        bed.note()?;
        Ok(bed)
    }

    /// Finds a bed that was left standing ([`Self::leave`]); dropping it then leaves it so.
    ///
    /// # Errors
    ///
    /// There is none of this name.
    pub fn find(name: &str) -> Result<Self> {
        crate::usable()?;
        check_name(name)?;
        let folder = folder(name);
        let state = files::read(&folder.join("bed"))
            .map_err(|_| Error::new(format!("there is no cluster named {name}")))?;
        let mut bed = Self { name: name.into(), nodes: Vec::new(), addresses: Vec::new(), guard: None };
        for line in state.lines() {
            match line.split_once(' ') {
                Some(("node", program)) => {
                    let program = Program::from_line(program)
                        .ok_or_else(|| Error::new(format!("the state of {name} does not read: {line}")))?;
                    let mut node = Node::new(&format!("standin-{name}"), &folder, bed.nodes.len(), program);
                    node.find()?;
                    bed.nodes.push(node);
                }
                Some(("address", address)) => bed.addresses.extend(address.parse::<Ipv4Addr>()),
                _ => return Err(Error::new(format!("the state of {name} does not read: {line}"))),
            }
        }
        Ok(bed)
    }

    /// Whether there is a bed of this name, left standing or in use.
    pub fn exists(name: &str) -> bool {
        folder(name).exists()
    }

    /// The names of all beds, in order.
    pub fn names() -> Vec<String> {
        let entries = std::fs::read_dir("/run").into_iter().flatten().flatten();
        let name = |file: String| file.strip_prefix("standin-").map(str::to_owned);
        let mut names: Vec<String> =
            entries.filter_map(|entry| name(entry.file_name().into_string().ok()?)).collect();
        names.sort_unstable();
        names
    }

    /// Leaves the bed standing after this process; [`Self::find`] finds it again.
    pub fn leave(mut self) {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }

    /// Removes a bed, whoever made it: its processes, namespaces and files.
    ///
    /// # Errors
    ///
    /// The name is none, or the shell that removes it did not start.
    pub fn remove(name: &str) -> Result<()> {
        check_name(name)?;
        sweep(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The public addresses.
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }

    /// What a node runs, or would.
    ///
    /// # Panics
    ///
    /// There is no such node.
    pub fn program(&self, node: usize) -> &Program {
        &self.nodes[node].program
    }

    /// The folder of a node that holds `etc`, `lib` and `log` over a power loss.
    ///
    /// # Panics
    ///
    /// There is no such node.
    pub fn folder(&self, node: usize) -> &Path {
        self.nodes[node].folder()
    }

    /// Starts a node's daemon; returns when it is in the background, not when it is healthy.
    ///
    /// # Errors
    ///
    /// No such node, no power, a daemon runs there already, or it did not start.
    pub fn start(&self, node: usize) -> Result<()> {
        self.node(node)?.start()
    }

    /// Starts every daemon in turn.
    ///
    /// # Errors
    ///
    /// One did not start.
    pub fn start_all(&self) -> Result<()> {
        self.nodes.iter().try_for_each(Node::start)
    }

    /// Stops a node's daemon as its service would, ctdbd by `ctdb shutdown` and standind by
    /// SIGTERM; returns when its process is gone.
    ///
    /// # Errors
    ///
    /// No such node, no daemon runs there, or it is still there after 30 s.
    pub fn stop(&self, node: usize) -> Result<()> {
        self.node(node)?.stop()
    }

    /// SIGKILL to a node's daemon and to nothing else of the node.
    ///
    /// # Errors
    ///
    /// No such node, or no daemon runs there.
    pub fn kill(&self, node: usize) -> Result<()> {
        self.node(node)?.kill()
    }

    /// Whether a node's daemon has a living process.
    ///
    /// # Errors
    ///
    /// No such node, or it has no power.
    pub fn runs(&self, node: usize) -> Result<bool> {
        self.node(node)?.runs()
    }

    /// Another daemon for a node, from its next start.
    ///
    /// # Errors
    ///
    /// No such node, or its daemon runs.
    pub fn set_program(&mut self, node: usize, program: Program) -> Result<()> {
        if self.node(node)?.has_power() && self.runs(node)? {
            return Err(Error::new(format!("node {node} runs: stop it first")));
        }
        self.nodes[node].program = program;
        self.note()
    }

    /// Takes a node's power away: silence, and everything gone but its folder.
    ///
    /// # Errors
    ///
    /// No such node, or a step failed.
    pub fn power_off(&mut self, node: usize) -> Result<()> {
        self.node(node)?;
        self.nodes[node].power_off()
    }

    /// Gives it power again, both cables plugged in; no daemon runs yet.
    ///
    /// # Errors
    ///
    /// No such node, or it does not boot.
    pub fn power_on(&mut self, node: usize) -> Result<()> {
        self.node(node)?;
        self.nodes[node].power_on()
    }

    /// A program to be run on a node, in all of its namespaces.
    ///
    /// # Errors
    ///
    /// No such node, or it has no power.
    pub fn command(&self, node: usize, program: &str) -> Result<Command> {
        self.node(node)?.command(program)
    }

    /// Runs the stock `ctdb ARGS` on a node, for at most 30 s.
    ///
    /// # Errors
    ///
    /// No such node, no power, or `nsenter` did not start. That the tool ends badly is an answer.
    pub fn tool(&self, node: usize, args: &[&str]) -> Result<Said> {
        hear(self.command(node, "timeout")?.args(["-k", "1", "30", "ctdb"]).args(args))
    }

    /// Waits until every running daemon says that all of its cluster is well: at least `nodes`
    /// without any flag, and no recovery.
    ///
    /// # Errors
    ///
    /// It does not within `limit`; the error has the last answer.
    pub fn wait_healthy(&self, nodes: usize, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            // At the same time: each answer takes the tool up to a second.
            let complaints: Vec<Result<Option<String>>> = thread::scope(|scope| {
                let powered = self.nodes.iter().filter(|node| node.has_power());
                let asked: Vec<_> =
                    powered.map(|node| scope.spawn(move || self.complaint(node, nodes))).collect();
                asked.into_iter().map(|asked| asked.join().expect("asking does not panic")).collect()
            });
            let complaints: Vec<String> =
                complaints.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
            match complaints.first() {
                None => return Ok(()),
                Some(what) if Instant::now() > until => {
                    return Err(Error::new(format!("not healthy after {} s: {what}", limit.as_secs())));
                }
                Some(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// What a running daemon says if all is not well.
    fn complaint(&self, node: &Node, nodes: usize) -> Result<Option<String>> {
        if !node.runs()? {
            return Ok(None);
        }
        let said = self.tool(node.number, &["status"])?;
        let well = said.out.lines().filter(|line| line.starts_with("pnn:") && says_ok(line)).count();
        let calm = said.out.contains("Recovery mode:NORMAL");
        let fine = said.ok() && calm && well >= nodes;
        Ok((!fine).then(|| format!("node {} says: {}{}", node.number, said.out, said.err)))
    }

    /// The node that `asked` takes for the leader.
    ///
    /// # Errors
    ///
    /// No such node, no power, or its daemon knows none.
    pub fn leader(&self, asked: usize) -> Result<usize> {
        let said = self.tool(asked, &["leader"])?;
        let number = said.out.trim().parse();
        number.map_err(|_| Error::new(format!("node {asked} knows no leader: {}{}", said.out, said.err)))
    }

    /// The name of a namespace of this bed: `switch`, `client`, `observer`.
    pub(crate) fn space(&self, of: &str) -> String {
        format!("standin-{}-{of}", self.name)
    }

    pub(crate) fn node(&self, node: usize) -> Result<&Node> {
        let last = self.nodes.len() - 1;
        self.nodes.get(node).ok_or_else(|| Error::new(format!("there is no node {node}: 0 to {last}")))
    }

    /// Writes what [`Self::find`] reads.
    fn note(&self) -> Result<()> {
        let nodes = self.nodes.iter().map(|node| format!("node {}\n", node.program.to_line()));
        let addresses = self.addresses.iter().map(|address| format!("address {address}\n"));
        files::put(&folder(&self.name).join("bed"), &nodes.chain(addresses).collect::<String>())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            // The guard would do the same, a little later than a caller would like.
            let _ = sweep(&self.name);
            guard.dismiss();
        }
    }
}

/// `pnn:0 10.77.0.1       OK (THIS NODE)`
fn says_ok(line: &str) -> bool {
    line.split_whitespace().nth(2) == Some("OK")
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(format!("/run/standin-{name}"))
}

fn check_name(name: &str) -> Result<()> {
    let fine = |char: char| char.is_ascii_alphanumeric() || char == '-';
    if (1..=20).contains(&name.len()) && name.chars().all(fine) {
        return Ok(());
    }
    Err(Error::new(format!("`{name}` is no name for a cluster: 1 to 20 letters, digits and `-`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_part_of_a_path_and_of_a_pattern() {
        for name in ["a", "demo-2", "ABC"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "a/b", "..", "a b", "a.*", "twenty-one-letters-are"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_status_line_is_ok_or_not() {
        assert!(says_ok("pnn:0 10.77.0.1       OK (THIS NODE)"));
        assert!(!says_ok("pnn:1 10.77.0.2       DISCONNECTED|UNHEALTHY|INACTIVE"));
    }
}
