//! Real `redis-server`s and `standind`s on hosts of their own, and Redis' tool.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standin_testbed::{Error, Said, test_has, usable};

use super::ask::{Line, ask, nodes};
use super::lan::{Host, Lan};

/// `cluster-node-timeout` of every node, unless said.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Whether there is something to test with. Where `CI` is set, what is missing is a failure.
pub(crate) fn able() -> bool {
    test_has(usable().and_then(|()| {
        for tool in ["redis-server", "redis-cli"] {
            if Command::new(tool).arg("--version").output().is_err() {
                return Err(Error::new(format!("`{tool}` is missing: install the package `redis-server`")));
            }
        }
        Ok(())
    }))
}

#[derive(Debug)]
enum Program {
    Redis,
    Standin,
}

/// A node: its host, its folder, and its process while it runs.
#[derive(Debug)]
struct Member {
    host: Host,
    program: Program,
    child: Option<Child>,
}

/// Nodes and a switch; dropped, all is ended and gone.
#[derive(Debug)]
pub(crate) struct Cluster {
    lan: Lan,
    folder: PathBuf,
    members: Vec<Member>,
    /// That of nodes added from now on.
    pub(crate) node_timeout: Duration,
}

impl Cluster {
    /// A switch without a host.
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("standin-redis-{name}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        Self { lan: Lan::new(), folder, members: Vec::new(), node_timeout: NODE_TIMEOUT }
    }

    fn add(&mut self, program: Program) -> usize {
        let at = self.members.len();
        let host = self.lan.host(at + 1);
        self.members.push(Member { host, program, child: None });
        fs::create_dir_all(self.dir(at)).expect("a folder");
        at
    }

    /// A real node, running. Node 0 is at `10.0.0.1:6379`, and so on.
    pub(crate) fn redis(&mut self) -> usize {
        self.redis_with(|conf| conf)
    }

    /// A real node with another file, running.
    pub(crate) fn redis_with(&mut self, edit: impl Fn(String) -> String) -> usize {
        let at = self.add(Program::Redis);
        let conf = format!(
            "bind {ip} 127.0.0.1\nport 6379\nprotected-mode no\nsave \"\"\ndir {dir}\nlogfile log\n\
             repl-diskless-sync-delay 0\ncluster-enabled yes\ncluster-node-timeout {timeout}\n",
            ip = self.members[at].host.ip,
            dir = self.dir(at).display(),
            timeout = self.node_timeout.as_millis(),
        );
        fs::write(self.dir(at).join("redis.conf"), edit(conf)).expect("a file");
        self.start(at);
        at
    }

    /// Real masters that share the slots, 0 to `masters - 1`, then a replica of each; no tool makes
    /// less than three.
    pub(crate) fn masters_and_replicas(
        &mut self,
        masters: usize,
        edit: impl Fn(String) -> String,
    ) -> Vec<usize> {
        let all: Vec<usize> = (0..2 * masters).map(|_| self.redis_with(&edit)).collect();
        for &at in &all {
            self.tell(at, &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
            let (first, next) = (at * 16384 / masters, (at + 1) * 16384 / masters);
            if at < masters {
                self.tell(at, &format!("CLUSTER ADDSLOTSRANGE {first} {}", next - 1));
            }
            if at > 0 {
                self.tell(at, &format!("CLUSTER MEET {} 6379", self.ip(0)));
            }
        }
        self.wait_well(&all);
        let replicas = &all[masters..];
        for &at in replicas {
            self.tell(at, &format!("CLUSTER REPLICATE {}", self.id(at - masters)));
        }
        self.wait("replicated", |it| {
            let follows = |by: usize, of: usize| it.seen(by, of).is_some_and(|line| line.has("slave"));
            replicas.iter().all(|&of| all.iter().all(|&by| follows(by, of)) && it.has_its_data(of))
        });
        all
    }

    /// Whether a real node is no replica, or one that has synchronised once: no other ever stands
    /// for election.
    fn has_its_data(&self, at: usize) -> bool {
        let text = self.ask(at, "INFO replication").unwrap_or_default();
        !text.contains("role:slave") || text.contains("master_link_status:up")
    }

    /// Real nodes, running.
    pub(crate) fn redises(&mut self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.redis()).collect()
    }

    /// One of ours, running, with these lines in its file; beside it is a folder `state`.
    pub(crate) fn standin(&mut self, lines: &str) -> usize {
        let at = self.add(Program::Standin);
        fs::create_dir_all(self.dir(at).join("state")).expect("a folder");
        let timeout = self.node_timeout.as_millis();
        let toml = format!("node-timeout = \"{timeout}ms\"\n{lines}\n");
        fs::write(self.dir(at).join("standin.toml"), toml).expect("a file");
        self.start(at);
        at
    }

    /// Starts a node, and waits until it answers.
    pub(crate) fn start(&mut self, at: usize) {
        self.spawn(at);
        self.wait("it answers", |it| it.ask(at, "PING").as_deref() == Some("PONG"));
    }

    /// Starts a node.
    pub(crate) fn spawn(&mut self, at: usize) {
        let dir = self.dir(at);
        let mut command = match self.members[at].program {
            Program::Redis => Command::new("redis-server"),
            Program::Standin => Command::new(env!("CARGO_BIN_EXE_standind")),
        };
        match self.members[at].program {
            Program::Redis => command.arg(dir.join("redis.conf")).env("TZ", "UTC"),
            Program::Standin => command.arg("--gossip").arg(dir.join("standin.toml")),
        };
        let log =
            |name: &str| File::options().create(true).append(true).open(dir.join(name)).expect("a file");
        let err = match self.members[at].program {
            Program::Redis => log("err"),
            Program::Standin => log("log"),
        };
        command.stdin(Stdio::null()).stdout(log("out")).stderr(err).env("STANDIN_LOG", "debug");
        let child = self.members[at].host.within(|| command.spawn().expect("it starts"));
        self.members[at].child = Some(child);
    }

    /// A node's folder.
    pub(crate) fn dir(&self, at: usize) -> PathBuf {
        self.folder.join(format!("{}", at + 1))
    }

    /// `10.0.0.1`
    pub(crate) fn ip(&self, at: usize) -> &str {
        &self.members[at].host.ip
    }

    /// `10.0.0.1:6379`
    pub(crate) fn address(&self, at: usize) -> String {
        format!("{}:6379", self.members[at].host.ip)
    }

    /// A host that no node is on.
    pub(crate) fn bare_host(&self, number: usize) -> Host {
        self.lan.host(number)
    }

    pub(crate) fn host(&self, at: usize) -> &Host {
        &self.members[at].host
    }

    /// Pulls a node's cable, or plugs it in.
    pub(crate) fn cable(&self, at: usize, plugged: bool) {
        self.lan.cable(at + 1, plugged);
    }

    /// Cuts a site's nodes off from all others and from the test, or has them back.
    pub(crate) fn part(&self, site: &[usize], away: bool) {
        let numbers: Vec<usize> = site.iter().map(|at| at + 1).collect();
        self.lan.part(&numbers, away);
    }

    /// What a node answers to somebody on its own host.
    pub(crate) fn ask_there(&self, at: usize, command: &str) -> String {
        self.members[at].host.within(|| ask("127.0.0.1:6379", command)).unwrap_or_default()
    }

    pub(crate) fn pid(&self, at: usize) -> Option<u32> {
        self.members[at].child.as_ref().map(Child::id)
    }

    /// Sends a signal to a node's process.
    pub(crate) fn signal(&self, at: usize, signal: Signal) {
        if let Some(pid) = self.pid(at) {
            let _ = kill(Pid::from_raw(pid as i32), signal);
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, at: usize) {
        if let Some(mut child) = self.members[at].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits for the end of a node that has been told to end.
    pub(crate) fn ended(&mut self, at: usize) -> ExitStatus {
        let begin = Instant::now();
        let mut child = self.members[at].child.take().expect("it runs");
        loop {
            match child.try_wait().expect("it is ours") {
                Some(status) => return status,
                None if begin.elapsed() < LONG => sleep(Duration::from_millis(5)),
                None => panic!("node {at} does not end\n{}", self.log(at)),
            }
        }
    }

    /// SIGTERM, to the end.
    pub(crate) fn stop(&mut self, at: usize) -> ExitStatus {
        self.signal(at, Signal::SIGTERM);
        self.ended(at)
    }

    /// A node's log.
    pub(crate) fn log(&self, at: usize) -> String {
        let bytes = fs::read(self.dir(at).join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What a node answers.
    pub(crate) fn ask(&self, at: usize, command: &str) -> Option<String> {
        ask(&self.address(at), command)
    }

    /// What a node answers, which has to be `OK`.
    pub(crate) fn tell(&self, at: usize, command: &str) {
        let said = self.ask(at, command);
        assert_eq!(said.as_deref(), Some("OK"), "{command} at node {at}\n{}", self.told());
    }

    /// `CLUSTER NODES` of a node.
    pub(crate) fn nodes(&self, at: usize) -> Vec<Line> {
        nodes(&self.address(at))
    }

    /// One node as another sees it.
    pub(crate) fn seen(&self, by: usize, of: usize) -> Option<Line> {
        let address = self.address(of);
        self.nodes(by).into_iter().find(|line| line.address == address || by == of && line.has("myself"))
    }

    /// A node's id.
    pub(crate) fn id(&self, at: usize) -> String {
        self.ask(at, "CLUSTER MYID").filter(|id| id.len() == 40).expect("an id")
    }

    /// A line of `CLUSTER INFO`.
    pub(crate) fn info(&self, at: usize, name: &str) -> String {
        let text = self.ask(at, "CLUSTER INFO").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim_end().into()
    }

    /// Whether a node says that the cluster is well.
    pub(crate) fn is_ok(&self, at: usize) -> bool {
        self.info(at, "cluster_state") == "ok"
    }

    /// Whether all of these know all of these and no other, and are connected to them.
    pub(crate) fn meshed(&self, all: &[usize]) -> bool {
        all.iter().all(|&by| {
            let lines = self.nodes(by);
            lines.len() == all.len()
                && all.iter().all(|&of| {
                    let address = self.address(of);
                    let found = lines.iter().find(|line| line.address == address);
                    found.is_some_and(|line| {
                        line.connected
                            && !["handshake", "noaddr", "fail", "fail?"]
                                .map(|it| line.has(it))
                                .contains(&true)
                    })
                })
        })
    }

    /// Waits until all of these are well and connected to one another.
    pub(crate) fn wait_well(&self, all: &[usize]) {
        self.wait("all are well", |it| it.meshed(all) && all.iter().all(|&at| it.is_ok(at)));
    }

    /// `redis-cli` with these words, and what it says.
    pub(crate) fn cli(&self, line: &str) -> Said {
        let mut command = Command::new("timeout");
        command.arg(LONG.as_secs().to_string()).arg("redis-cli").args(line.split_whitespace());
        command.stdin(Stdio::null()).output().expect("redis-cli runs").into()
    }

    /// `redis-cli --cluster` with these words, which has to succeed.
    pub(crate) fn tool(&self, line: &str) -> String {
        let said = self.cli(&format!("--cluster {line}"));
        let told = || format!("redis-cli --cluster {line}: {said:?}\n{}", self.told());
        assert!(said.status == 0 && !said.out.contains("[ERR]"), "{}", told());
        said.out
    }

    /// Whether the tool has nothing to complain of at a node.
    pub(crate) fn checks(&self, at: usize) -> bool {
        let said = self.cli(&format!("--cluster check {}", self.address(at)));
        said.status == 0
            && said.out.contains("[OK] All nodes agree about slots configuration.")
            && said.out.contains("[OK] All 16384 slots covered.")
            && !said.out.contains("[WARNING]")
            && !said.out.contains("[ERR]")
    }

    /// A cluster of these by the tool, with so many replicas for each master.
    pub(crate) fn create(&self, all: &[usize], replicas: usize) {
        let hosts: Vec<String> = all.iter().map(|&at| self.address(at)).collect();
        self.tool(&format!("create {} --cluster-replicas {replicas} --cluster-yes", hosts.join(" ")));
        self.wait_well(all);
        self.wait("replicated", |it| all.iter().all(|&at| it.has_its_data(at)));
    }

    /// Moves the first slots of one node to another by the tool.
    pub(crate) fn reshard(&self, from: usize, to: usize, slots: u32) {
        let (host, from, to) = (self.address(to), self.id(from), self.id(to));
        self.tool(&format!(
            "reshard {host} --cluster-from {from} --cluster-to {to} --cluster-slots {slots} --cluster-yes"
        ));
    }

    /// Waits for something.
    pub(crate) fn wait(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !is(self) {
            assert!(begin.elapsed() < LONG, "not within {LONG:?}: {what}\n{}", self.told());
            sleep(Duration::from_millis(30));
        }
    }

    /// Everything about everybody, for who has to find out.
    pub(crate) fn told(&self) -> String {
        let mut told = String::new();
        for at in 0..self.members.len() {
            let nodes = self.ask(at, "CLUSTER NODES").unwrap_or_else(|| "no answer".into());
            let log = self.log(at);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            let _ = writeln!(told, "--- node {at}\n{nodes}\n{}\n{tail}", self.info(at, "cluster_state"));
        }
        told
    }

    /// Its folder, for files of the test's own.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|at| self.kill(at));
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
