//! Clusters in test mode: three nodes on 127.0.0.1 to 127.0.0.3, in a network of their own, each
//! `standind` or the stock daemon, driven by the stock tool.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

/// Debian's package `ctdb`.
const STOCK: &str = "/usr/sbin/ctdbd";
const HELPERS: &str = "/usr/libexec/ctdb";
/// How long a tool may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which daemon a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Ours, under ctdbd's name.
    Ours,
    /// The stock one.
    Stock,
}

/// A cluster; dropped, it is ended and its folder removed.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: Vec<Program>,
    /// What ours are started with.
    arguments: Vec<String>,
}

/// What a command printed, and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Exit status; 255 if it had none.
    pub(crate) status: u8,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: output.status.code().and_then(|code| code.try_into().ok()).unwrap_or(255),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Cluster {
    /// Three nodes' files, in a network of this thread's own. Nothing runs yet.
    ///
    /// # Panics
    /// If the stock package is missing, or this is not root.
    pub(crate) fn new(name: &str, programs: [Program; 3]) -> Self {
        assert!(Path::new(STOCK).exists(), "Debian's package `ctdb` is needed for this test");
        unshare(CloneFlags::CLONE_NEWNET).expect("tests of whole clusters need to be root");
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip runs");
        assert!(up.success(), "lo is up");
        let folder = std::env::temp_dir().join(format!("standin-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let cluster = Self { folder, programs: programs.to_vec(), arguments: Vec::new() };
        // A copy: who asks finds the name in /proc.
        let ours = cluster.folder.join("bin/ctdbd");
        fs::create_dir_all(ours.parent().expect("it has one")).expect("a folder");
        fs::copy(env!("CARGO_BIN_EXE_standind"), &ours).expect("a copy");
        for node in 0..programs.len() {
            cluster.prepare(node);
        }
        cluster
    }

    fn prepare(&self, node: usize) {
        let base = self.base(node);
        for folder in ["run", "events/legacy", "db/volatile", "db/persistent", "db/state"] {
            fs::create_dir_all(base.join(folder)).expect("a folder");
        }
        let write = |name: &str, text: &str| fs::write(base.join(name), text).expect("a file");
        write("nodes", "127.0.0.1\n127.0.0.2\n127.0.0.3\n");
        let addresses: String =
            (1..=3).map(|at| format!("192.168.100.{at}/24 lo\n192.168.200.{at}/24 lo\n")).collect();
        write("public_addresses", &addresses);
        let db = base.join("db");
        let db = db.display();
        write(
            "ctdb.conf",
            &format!(
                "[logging]\n\tlocation = file:{}\n\tlog level = NOTICE\n[cluster]\n\tnode address = 127.0.0.{}\n\
                 [database]\n\tvolatile database directory = {db}/volatile\n\
                 \tpersistent database directory = {db}/persistent\n\tstate database directory = {db}/state\n",
                base.join("log.ctdb").display(),
                node + 1
            ),
        );
        write("log.ctdb", "");
        for (script, text) in [
            ("events/legacy/00.test.script", "#!/bin/sh\necho event $1\nexit 0\n"),
            ("notify.sh", "#!/bin/sh\n"),
        ] {
            write(script, text);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(base.join(script), mode).expect("it is ours");
        }
    }

    /// Our daemons are started with these arguments.
    pub(crate) fn ours_with(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// Lets every node use one cluster lock: a file, or `!command`.
    pub(crate) fn lock(&self, lock: &str) {
        for node in 0..self.programs.len() {
            let file = self.base(node).join("ctdb.conf");
            let conf = fs::read_to_string(&file).expect("it was written");
            let conf = conf.replace("[cluster]\n", &format!("[cluster]\n\tcluster lock = {lock}\n"));
            fs::write(&file, conf).expect("it is ours");
        }
    }

    /// A file beside the nodes' folders.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A node's base folder.
    pub(crate) fn base(&self, node: usize) -> PathBuf {
        self.folder.join(format!("node.{node}"))
    }

    fn command(&self, node: usize, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("CTDB_TEST_MODE", "yes").env("CTDB_BASE", self.base(node)).stdin(Stdio::null());
        for (variable, helper) in [
            ("CTDB_EVENTD", "ctdb-eventd"),
            ("CTDB_EVENT_HELPER", "ctdb-event"),
            ("CTDB_LOCK_HELPER", "ctdb_lock_helper"),
            ("CTDB_RECOVERY_HELPER", "ctdb_recovery_helper"),
            ("CTDB_TAKEOVER_HELPER", "ctdb_takeover_helper"),
            ("CTDB_CLUSTER_MUTEX_HELPER", "ctdb_mutex_fcntl_helper"),
        ] {
            command.env(variable, Path::new(HELPERS).join(helper));
        }
        command
    }

    /// Starts a node; its daemon goes to the background.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn start(&self, node: usize) {
        let (program, arguments) = match self.programs[node] {
            Program::Ours => (self.folder.join("bin/ctdbd"), &self.arguments[..]),
            Program::Stock => (PathBuf::from(STOCK), &[][..]),
        };
        let said = Said::from(self.command(node, &program).args(arguments).output().expect("it starts"));
        assert_eq!(said.status, 0, "node {node} starts: {}", said.err);
    }

    /// Starts all nodes and waits until all are well.
    ///
    /// # Panics
    /// If they are not within a minute.
    pub(crate) fn start_all(&self) {
        self.start(0);
        self.start_others();
    }

    /// Starts all nodes but the first and waits until all are well.
    ///
    /// # Panics
    /// If they are not within a minute.
    pub(crate) fn start_others(&self) {
        (1..self.programs.len()).for_each(|node| self.start(node));
        self.wait("all are well", |cluster| cluster.tool(0, "nodestatus all").status == 0);
        let fine = |cluster: &Self| !cluster.tool(0, "status").out.contains("RECOVERY");
        self.wait("no recovery", fine);
    }

    /// Kills a daemon and waits until whatever belonged to it has noticed.
    pub(crate) fn kill(&self, node: usize) {
        let pid = self.pid(node);
        self.signal(node, nix::sys::signal::Signal::SIGKILL);
        // The stock event daemon looks every five seconds; another cannot begin before.
        let Some(pid) = pid else { return };
        let mark = format!("-P\0{pid}\0");
        let lives = |entry: std::io::Result<fs::DirEntry>| {
            let line = entry.and_then(|entry| fs::read(entry.path().join("cmdline"))).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&mark)
        };
        self.wait("its event daemon ends", |_| !fs::read_dir("/proc").into_iter().flatten().any(lives));
        let _ = fs::remove_file(self.base(node).join("run/ctdbd.pid"));
    }

    /// A daemon's process id.
    pub(crate) fn pid(&self, node: usize) -> Option<i32> {
        fs::read_to_string(self.base(node).join("run/ctdbd.pid")).ok()?.trim().parse().ok()
    }

    /// Sends a signal to a daemon.
    pub(crate) fn signal(&self, node: usize, signal: nix::sys::signal::Signal) {
        if let Some(pid) = self.pid(node) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        }
    }

    /// Asks with the stock tool; words are parted by blanks.
    ///
    /// # Panics
    /// If it does not run.
    pub(crate) fn tool(&self, node: usize, line: &str) -> Said {
        let mut command = self.command(node, Path::new("/usr/bin/timeout"));
        command.arg(PATIENCE.as_secs().to_string()).arg("ctdb").args(line.split_whitespace());
        command.env("CTDB_TIMEOUT", "50").output().expect("the tool runs").into()
    }

    /// Waits for something.
    ///
    /// # Panics
    /// If it does not come within a minute.
    pub(crate) fn wait(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            if began.elapsed() > PATIENCE {
                let logs: String = (0..self.programs.len()).map(|node| self.log_tail(node)).collect();
                let status = self.tool(0, "status");
                panic!("not within a minute: {what}\n{}{}\n{logs}", status.out, status.err);
            }
            sleep(Duration::from_millis(200));
        }
    }

    fn log_tail(&self, node: usize) -> String {
        let log = fs::read_to_string(self.base(node).join("log.ctdb")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(25);
        format!("--- node {node}\n{}\n", lines[from..].join("\n"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        use nix::sys::signal::Signal;
        for node in 0..self.programs.len() {
            self.signal(node, Signal::SIGCONT);
            self.signal(node, Signal::SIGTERM);
        }
        let began = Instant::now();
        while (0..self.programs.len()).any(|node| self.pid(node).is_some()) {
            if began.elapsed() > Duration::from_secs(10) {
                (0..self.programs.len()).for_each(|node| self.signal(node, Signal::SIGKILL));
                break;
            }
            sleep(Duration::from_millis(50));
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
