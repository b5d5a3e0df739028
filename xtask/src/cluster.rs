//! `cluster`: real daemons in network namespaces, to be tried by hand.
//!
//! The cluster outlives each command and is found again by its name; `cluster down` removes it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use standin_testbed::{Bed, Client, Error, Network, Observer, Options, Program, has_ctdb, usable};

use crate::{build, shell_status, simulator};

/// Options of `cluster`.
#[derive(clap::Args)]
pub struct Args {
    /// Which cluster: 1 to 20 letters, digits and `-`.
    #[arg(long, global = true, default_value = "demo")]
    name: String,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a cluster and start its daemons.
    Up(Shape),
    /// Run the stock `ctdb` on a node: `cluster ctdb 0 status`.
    Ctdb {
        /// On which node.
        node: usize,
        /// The tool's arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// A shell on a node, or one command there.
    Shell {
        /// On which node.
        node: usize,
        /// What to run instead of a shell.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Print who answers a client for each public address, a line a change, until interrupted.
    Watch {
        /// Stop after so many seconds.
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Start a node's daemon.
    Start { node: usize },
    /// Stop a node's daemon cleanly.
    Stop { node: usize },
    /// Kill a node's daemon with SIGKILL: ctdbd's addresses stay, standind's go, unless `--strict`.
    Kill { node: usize },
    /// Take a node's power away.
    Off { node: usize },
    /// Give a node power and start its daemon.
    On { node: usize },
    /// Pull a node's cable.
    Pull {
        /// Whose.
        node: usize,
        /// `private` or `public`.
        #[arg(value_parser = network)]
        network: Network,
    },
    /// Plug a node's cable in again.
    Plug {
        /// Whose.
        node: usize,
        /// `private` or `public`.
        #[arg(value_parser = network)]
        network: Network,
    },
    /// Cut nodes off from the others of a network; no cable is pulled.
    Part {
        /// `private` or `public`.
        #[arg(value_parser = network)]
        network: Network,
        /// Those who are alone, together.
        #[arg(required = true)]
        nodes: Vec<usize>,
    },
    /// One network again.
    Heal {
        /// `private` or `public`.
        #[arg(value_parser = network)]
        network: Network,
    },
    /// Remove the cluster: processes, namespaces, files.
    Down,
    /// Name the clusters there are.
    List,
}

/// What a cluster is made of, by the command line.
#[derive(clap::Args)]
pub(crate) struct Shape {
    /// How many nodes, 1 to 32.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    #[command(flatten)]
    daemons: Daemons,
    /// How many public addresses; two a node unless said.
    #[arg(long, value_name = "COUNT")]
    public: Option<usize>,
    /// With a cluster lock that every node can always reach.
    #[arg(long)]
    lock: bool,
    /// A line of `ctdb.tunables`, such as KeepaliveInterval=1; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = tunable)]
    tunable: Vec<(String, u32)>,
}

/// What its nodes run.
#[derive(clap::Args)]
pub(crate) struct Daemons {
    /// What the nodes run.
    #[arg(long, value_enum, default_value_t = Kind::Standind)]
    program: Kind,
    /// Let these nodes run ctdbd, whatever the others run.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    ctdbd: Vec<usize>,
    /// The standind to run; without it, this tree's is built.
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// Let standind behave as ctdbd in everything, its faults included.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// This project's daemon.
    Standind,
    /// The stock daemon of the package `ctdb`.
    Ctdbd,
}

/// Runs one command; 1 if it could not be done.
pub fn run(root: &Path, args: &Args) -> i32 {
    let name = &args.name;
    let done = match &args.what {
        What::Up(shape) => return up(root, name, shape),
        What::Ctdb { node, args } => return pass(name, *node, "ctdb", args),
        What::Shell { node, command } => return shell(name, *node, command),
        What::Watch { seconds } => Bed::find(name).and_then(|bed| watch(&bed, *seconds)),
        What::Start { node } => Bed::find(name).and_then(|bed| bed.start(*node)),
        What::Stop { node } => Bed::find(name).and_then(|bed| bed.stop(*node)),
        What::Kill { node } => Bed::find(name).and_then(|bed| bed.kill(*node)),
        What::Off { node } => Bed::find(name).and_then(|mut bed| bed.power_off(*node)),
        What::On { node } => Bed::find(name).and_then(|mut bed| {
            bed.power_on(*node)?;
            bed.start(*node)
        }),
        What::Pull { node, network } => Bed::find(name).and_then(|bed| bed.cable(*node, *network, false)),
        What::Plug { node, network } => Bed::find(name).and_then(|bed| bed.cable(*node, *network, true)),
        What::Part { network, nodes } => {
            Bed::find(name).and_then(|bed| bed.partition(*network, &[&[], nodes]))
        }
        What::Heal { network } => Bed::find(name).and_then(|bed| bed.heal(*network)),
        What::Down => down(name),
        What::List => {
            Bed::names().iter().for_each(|name| println!("{name}"));
            Ok(())
        }
    };
    done.map_or_else(|why| complain(&why), |()| 0)
}

fn up(root: &Path, name: &str, shape: &Shape) -> i32 {
    if Bed::exists(name) {
        return complain(&format!(
            "{name} is up already: `cargo xtask cluster down --name {name}` removes it"
        ));
    }
    let options = match shape.options(root) {
        Ok(options) => options,
        Err((why, status)) => return complain_with(&why, status),
    };
    let made = Bed::up(name, &options).and_then(|bed| {
        bed.start_all()?;
        let said = hints(&bed);
        bed.leave();
        Ok(said)
    });
    match made {
        Ok(said) => {
            print!("{said}");
            0
        }
        Err(why) => complain(&why),
    }
}

impl Shape {
    /// The same for a bed; builds standind if it is wanted. An error comes with its exit status.
    pub(crate) fn options(&self, root: &Path) -> Result<Options, (String, i32)> {
        let cannot = |why: Error| (why.to_string(), 1);
        usable().map_err(cannot)?;
        has_ctdb().map_err(cannot)?;
        Ok(Options {
            programs: self.daemons.programs(root, self.nodes, false)?,
            public: self.public.unwrap_or(2 * self.nodes),
            lock: self.lock,
            tunables: self.tunable.clone(),
        })
    }
}

impl Daemons {
    /// A program a node; builds standind if it is wanted. An error comes with its exit status.
    pub(crate) fn programs(
        &self,
        root: &Path,
        nodes: usize,
        strict: bool,
    ) -> Result<Vec<Program>, (String, i32)> {
        if let Some(node) = self.ctdbd.iter().find(|node| **node >= nodes) {
            return Err((format!("there is no node {node} to run ctdbd"), crate::USAGE));
        }
        let kinds = (0..nodes).map(|node| match self.program {
            Kind::Standind if !self.ctdbd.contains(&node) => Kind::Standind,
            Kind::Standind | Kind::Ctdbd => Kind::Ctdbd,
        });
        let kinds: Vec<Kind> = kinds.collect();
        let path = if kinds.contains(&Kind::Standind) { self.standind(root)? } else { PathBuf::new() };
        let strict = self.strict || strict;
        let programs = kinds.iter().map(|kind| match kind {
            Kind::Ctdbd => Program::Ctdbd,
            Kind::Standind => Program::Standind { path: path.clone(), strict },
        });
        Ok(programs.collect())
    }

    fn standind(&self, root: &Path) -> Result<PathBuf, (String, i32)> {
        match &self.path {
            Some(path) => std::path::absolute(path).map_err(|why| (format!("{}: {why}", path.display()), 1)),
            None => build::program(root, "standin-node", "standind", "release")
                .map_err(|why| (why, simulator::CANNOT_RUN)),
        }
    }
}

/// What to type next.
fn hints(bed: &Bed) -> String {
    let programs: BTreeSet<&str> = (0..bed.len()).map(|node| bed.program(node).name()).collect();
    let programs = Vec::from_iter(programs).join(" and ");
    let name = if bed.name() == "demo" { String::new() } else { format!(" --name {}", bed.name()) };
    let addresses = match bed.addresses() {
        [] => "no public address".into(),
        [first] => format!("public address {first}"),
        [first, .., last] => format!("public addresses {first} to {last}"),
    };
    let mut text = format!("{} is up: {} nodes run {programs}, {addresses}.\n", bed.name(), bed.len());
    for (command, what) in [
        ("ctdb 0 status", "the stock tool on node 0; healthy in half a minute with ctdbd"),
        ("watch", "who answers a client for each address, a line a change"),
        ("pull 1 public", "pull a cable of node 1 (plug 1 public: back again)"),
        ("off 2", "power loss (on 2: back again)"),
        ("shell 0", "look around on node 0; logs are in /var/log/ctdb"),
        ("down", "remove everything"),
    ] {
        text += &format!("  cargo xtask cluster{name} {command:<14}  {what}\n");
    }
    text
}

/// Runs a program on a node, terminal passed on; the status is its own.
fn pass(name: &str, node: usize, program: &str, args: &[OsString]) -> i32 {
    let command = Bed::find(name).and_then(|bed| bed.command(node, program));
    match command.map(|mut command| command.args(args).status()) {
        Ok(Ok(status)) => shell_status(status),
        Ok(Err(why)) => complain(&format!("nsenter did not start: {why}")),
        Err(why) => complain(&why),
    }
}

fn shell(name: &str, node: usize, command: &[OsString]) -> i32 {
    let Some((program, args)) = command.split_first() else {
        return pass(name, node, "sh", &["-i".into()]);
    };
    let line: Vec<OsString> = [OsString::from("-c"), "exec \"$0\" \"$@\"".into(), program.clone()]
        .into_iter()
        .chain(args.iter().cloned())
        .collect();
    pass(name, node, "sh", &line)
}

fn down(name: &str) -> Result<(), Error> {
    usable()?;
    if !Bed::exists(name) {
        // Namespaces may be left of one whose folder is gone: nothing speaks against looking.
        eprintln!("xtask: there is no cluster named {name}");
    }
    Bed::remove(name)
}

fn watch(bed: &Bed, seconds: Option<u64>) -> Result<(), Error> {
    let began = Instant::now();
    let until = seconds.map(|seconds| began + Duration::from_secs(seconds));
    let (client, observer) = (Client::start(bed)?, Observer::start(bed)?);
    let say =
        |address, what: String| println!("{:>8.2} s  {address:<15} {what}", began.elapsed().as_secs_f64());
    thread::sleep(Duration::from_millis(300));
    // Who answers, when that was first seen, and who else has the address.
    let mut last = vec![None; bed.addresses().len()];
    let mut silent_since = vec![None; last.len()];
    let mut twice = vec![BTreeSet::new(); last.len()];
    let mut first = true;
    while until.is_none_or(|until| Instant::now() < until) {
        for (at, (address, who)) in client.all().into_iter().enumerate() {
            if first || who != last[at] {
                match who {
                    None => {
                        say(address, "silent".into());
                        silent_since[at] = Some(Instant::now());
                    }
                    Some(node) => {
                        let gap = silent_since[at].take().map(|since: Instant| {
                            let looked = since.checked_sub(Duration::from_millis(200)).unwrap_or(since);
                            client.longest_gap(address, looked, Instant::now()).length()
                        });
                        let after = gap.filter(|_| !first);
                        let after =
                            after.map_or(String::new(), |gap| format!(" after {:.2} s", gap.as_secs_f64()));
                        say(address, format!("n{node}{after}"));
                    }
                }
                last[at] = who;
            }
            let hosts = observer.hosts(address);
            let now_twice = if hosts.len() > 1 { hosts } else { BTreeSet::new() };
            if now_twice != twice[at] {
                let all: Vec<String> = now_twice.iter().map(|node| format!("n{node}")).collect();
                let what = if all.is_empty() {
                    "hosted once again".into()
                } else {
                    format!("hosted twice: {}", all.join(" "))
                };
                say(address, what);
                twice[at] = now_twice;
            }
        }
        first = false;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn network(text: &str) -> Result<Network, String> {
    let found = Network::ALL.into_iter().find(|network| network.name() == text);
    found.ok_or_else(|| "a network is `private` or `public`".into())
}

fn tunable(text: &str) -> Result<(String, u32), String> {
    let (name, value) = text.split_once('=').ok_or("a tunable is NAME=VALUE")?;
    Ok((name.into(), value.parse().map_err(|why| format!("`{value}`: {why}"))?))
}

pub(crate) fn complain(why: &impl ToString) -> i32 {
    complain_with(&why.to_string(), 1)
}

pub(crate) fn complain_with(why: &str, status: i32) -> i32 {
    eprintln!("xtask: {why}");
    status
}
