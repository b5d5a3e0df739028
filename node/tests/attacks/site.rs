//! A daemon's folder and the daemon itself, in test mode on 127.0.0.1 unless told otherwise.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standin_testbed::Said;

use super::namespace::wait_until;

/// A base folder, gone with its test.
#[derive(Debug)]
pub(crate) struct Site {
    folder: PathBuf,
    pub(crate) test_mode: bool,
}

impl Site {
    /// Files that are right: three nodes, of which this is the first, and one script.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("standin-attack-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let site = Self { folder, test_mode: true };
        fs::create_dir_all(site.base().join("events/legacy")).unwrap();
        site.write("nodes", "127.0.0.1\n127.0.0.2\n127.0.0.3\n");
        site.write("public_addresses", "192.168.100.1/24 lo\n");
        // The tool waits for a leader before it tells the status.
        site.write("ctdb.conf", "[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n");
        site.script("events/legacy/00.test.script", "exit 0");
        site.script("notify.sh", "exit 0");
        site
    }

    /// One that is alone in its cluster.
    pub(crate) fn alone() -> Self {
        let site = Self::new();
        site.write("nodes", "127.0.0.1\n");
        site
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.folder.join("base")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.base().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn script(&self, name: &str, body: &str) {
        let path = self.write(name, &format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Everything logged so far, by all daemons of this site.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read(self.folder.join(name)).unwrap_or_default();
        let both = [read("stderr"), read("base/log.ctdb")].concat();
        String::from_utf8_lossy(&both).into_owned()
    }

    /// The daemon's program under another name, or its own.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let copy = self.folder.join(name);
        if !copy.exists() {
            fs::hard_link(env!("CARGO_BIN_EXE_standind"), &copy)
                .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_standind"), &copy).map(drop))
                .unwrap();
        }
        copy
    }

    /// A program with this site's environment.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env("CTDB_BASE", self.base()).stdin(Stdio::null());
        command.env("CTDB_SOCKET", self.base().join("run/ctdbd.socket"));
        match self.test_mode {
            true => command.env("CTDB_TEST_MODE", "yes"),
            false => command.env_remove("CTDB_TEST_MODE"),
        };
        command
    }

    /// The daemon in the foreground, to its end.
    pub(crate) fn refusal(&self) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_standind"));
        Said::from(command.arg("--foreground").output().unwrap())
    }

    /// A daemon in the foreground that is left to itself.
    pub(crate) fn spawn(&self) -> Daemon<'_> {
        let mut command = self.command(env!("CARGO_BIN_EXE_standind"));
        self.spawn_as(command.arg("--foreground"))
    }

    pub(crate) fn spawn_as(&self, command: &mut Command) -> Daemon<'_> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("stderr")).unwrap();
        Daemon { child: command.stderr(log).spawn().unwrap(), site: self }
    }

    /// A daemon that answers.
    pub(crate) fn start(&self) -> Daemon<'_> {
        let daemon = self.spawn();
        daemon.wait_up();
        daemon
    }

    /// Asks with the stock tool.
    pub(crate) fn tool(&self, line: &str) -> Said {
        let mut command = self.command("timeout");
        command.args(["20", "ctdb"]).args(line.split_whitespace());
        command.output().expect("the tool runs").into()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A running daemon; dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Daemon<'s> {
    pub(crate) child: Child,
    pub(crate) site: &'s Site,
}

impl Daemon<'_> {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub(crate) fn wait_up(&self) {
        let site = self.site;
        wait_until("the daemon answers", || {
            let answers = site.base().join("run/ctdbd.socket").exists() && site.tool("pnn").status == 0;
            answers || !Path::new(&format!("/proc/{}/fd", self.pid())).exists()
        });
        assert_eq!(site.tool("pnn").status, 0, "{}", site.log());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Its end, which comes by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the daemon ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    fn kilobytes(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Resident memory in kB.
    pub(crate) fn memory(&self) -> u64 {
        self.kilobytes("VmRSS")
    }

    /// The most it ever was, in kB.
    pub(crate) fn memory_peak(&self) -> u64 {
        self.kilobytes("VmHWM")
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Outside of test mode a guard would outlive a daemon that is killed.
        self.signal(Signal::SIGTERM);
        for _ in 0..300 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
