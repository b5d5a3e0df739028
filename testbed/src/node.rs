//! One node: a computer as far as a daemon can tell.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use std::os::unix::process::CommandExt;

use crate::program::Program;
use crate::shell::{hear, io, ip_batch};
use crate::switch::{Network, plug_node, port, unplug_node};
use crate::{Error, Result, files, netns};

/// Becomes process 1: own mounts, own name, `/run` as fresh as after a boot. Ends as a sleeper
/// that lets the kernel bury whoever is orphaned to it.
const BOOT: &str = r#"
set -e
hostname "$1"
mkdir -p /etc/ctdb /var/lib/ctdb /var/log/ctdb "$2/run"
mount --bind "$2/etc" /etc/ctdb
mount --bind "$2/lib" /var/lib/ctdb
mount --bind "$2/log" /var/log/ctdb
mount -t tmpfs tmpfs "$2/run"
mkdir -p "$2/run/ctdb" "$2/run/lock" "$2/run/shared"
mount --bind "$3" "$2/run/shared"
mount --rbind "$2/run" /run
exec env --ignore-signal=CHLD sleep infinity
"#;

/// How long the set-up may take on a busy machine.
const BOOT_MAX: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) program: Program,
    bed: String,
    folder: PathBuf,
    /// Process 1 as the machine counts; none without power.
    pid1: Option<u32>,
    /// What holds the pid namespace open, if this process made it.
    holder: Option<Child>,
}

impl Node {
    pub(crate) fn new(bed: &str, folder: &Path, number: usize, program: Program) -> Self {
        let folder = folder.join(format!("n{number}"));
        Self { number, program, bed: bed.into(), folder, pid1: None, holder: None }
    }

    /// Finds a node that another process made.
    pub(crate) fn find(&mut self) -> Result<()> {
        self.pid1 = match netns::identity(&self.space()) {
            Some(_) => netns::pid1(&self.space())?,
            None => None,
        };
        Ok(())
    }

    /// The name of its network namespace.
    pub(crate) fn space(&self) -> String {
        format!("{}-n{}", self.bed, self.number)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn has_power(&self) -> bool {
        self.pid1.is_some()
    }

    pub(crate) fn power_on(&mut self) -> Result<()> {
        if self.has_power() {
            return Ok(());
        }
        let space = self.space();
        netns::add(&space)?;
        plug_node(&self.switch(), &space, self.number)?;
        let console = self.folder.join("console");
        let log = io(&console, fs::File::create(&console))?;
        let errors = io(&console, log.try_clone())?;
        let shared = self.folder.with_file_name("shared");
        files::make_folder(&shared)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &space, "unshare", "--fork", "--pid", "--mount", "--uts"]);
        command.args(["--propagation", "slave", "--mount-proc", "sh", "-c", BOOT, "standin-boot"]);
        command.arg(format!("n{}", self.number)).arg(&self.folder).arg(&shared);
        command.stdin(Stdio::null()).stdout(log).stderr(errors).current_dir("/").process_group(0);
        let mut holder = command.spawn().map_err(|why| Error::new(format!("ip did not start: {why}")))?;
        let until = Instant::now() + BOOT_MAX;
        loop {
            let ended = holder.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > until {
                let said = files::read(&console).unwrap_or_default();
                return Err(Error::new(format!("node {} does not boot: {}", self.number, said.trim())));
            }
            if let Some(pid) = netns::pid1(&space)? {
                self.pid1 = Some(pid);
                self.holder = Some(holder);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The links go first: a dying kernel would otherwise say goodbye for its processes.
    pub(crate) fn power_off(&mut self) -> Result<()> {
        let Some(pid) = self.pid1 else { return Ok(()) };
        let down = Network::ALL.map(|network| format!("link set {} down", port(network, self.number)));
        ip_batch(&self.switch(), &down)?;
        hear(Command::new("kill").args(["-9", &pid.to_string()]))?;
        if let Some(mut holder) = self.holder.take() {
            let _ = holder.wait();
        }
        while Path::new(&format!("/proc/{pid}/ns/net")).exists() && netns::pid1(&self.space())?.is_some() {
            thread::sleep(Duration::from_millis(2));
        }
        self.pid1 = None;
        // What the kernel still held of it, addresses included, goes too.
        unplug_node(&self.switch(), self.number)?;
        netns::delete(&self.space())
    }

    /// A program inside, in all of the node's namespaces, started by root's hand.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let Some(pid) = self.pid1 else {
            return Err(Error::new(format!("node {} has no power", self.number)));
        };
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid.to_string(), "-m", "-u", "-n", "-p", "--", program]);
        command.env_clear().current_dir("/");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/etc/ctdb/stubs");
        for kept in ["TERM", "LANG"] {
            command.envs(std::env::var(kept).map(|value| (kept, value)));
        }
        Ok(command)
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.bed)
    }
}
