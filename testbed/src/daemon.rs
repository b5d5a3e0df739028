//! The daemon of a node: starting, stopping and killing it, whichever it is.

use std::process::Command;

use crate::node::Node;
use crate::program::Program;
use crate::shell::{hear, run};
use crate::{Error, Result, files};

/// Where a daemon that stays in the foreground is noted; one that goes to the background notes
/// itself.
const OUR_PID: &str = "/run/standind.pid";
const OUR_LOG: &str = "/var/log/ctdb/standind.log";
const STOCK_PID: &str = "/run/ctdb/ctdbd.pid";

/// How long a daemon has to stop; ctdbd's own scripts have 60 s.
const STOP_MAX: &str = "30";

impl Node {
    pub(crate) fn start(&self) -> Result<()> {
        if self.runs()? {
            return Err(Error::new(format!("node {} runs {} already", self.number, self.program.name())));
        }
        files::scripts(&self.folder().join("etc"), &self.program)?;
        match &self.program {
            Program::Ctdbd => {
                crate::has_ctdb()?;
                run(self.command("ctdbd")?.args::<[&str; 0], _>([])).map(drop)
            }
            Program::Standind { path, strict } => {
                if !path.is_file() {
                    return Err(Error::new(format!("{} is not there", path.display())));
                }
                let strict = if *strict { "--strict" } else { "" };
                // One that refuses its files does so at once, and says why.
                let script = format!(
                    "\"$0\" --base /etc/ctdb --foreground {strict} </dev/null >>{OUR_LOG} 2>&1 & \
                     echo $! >{OUR_PID}; sleep 0.1; kill -0 $! || {{ tail -n 3 {OUR_LOG} >&2; exit 1; }}"
                );
                run(self.command("setsid")?.args(["sh", "-c", &script]).arg(path)).map(drop)
            }
        }
    }

    /// A clean stop. To ctdbd SIGTERM is as good as SIGKILL (4.17.12: addresses stay where they
    /// are), and its service file stops it with the tool.
    pub(crate) fn stop(&self) -> Result<()> {
        let ask = match self.program {
            Program::Ctdbd => "ctdb shutdown >/dev/null || exit 1",
            Program::Standind { .. } => "kill -TERM \"$1\" || exit 1",
        };
        let script = format!("{ask}; while kill -0 \"$1\" 2>/dev/null; do sleep 0.02; done");
        self.signal(self.command("timeout")?.args([STOP_MAX, "sh", "-c", &script, "standin-stop"]))
    }

    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(self.command("kill")?.arg("-9"))
    }

    /// Whether the daemon's process lives.
    pub(crate) fn runs(&self) -> Result<bool> {
        match self.pid()? {
            Some(pid) => Ok(hear(self.command("kill")?.args(["-0", &pid]))?.ok()),
            None => Ok(false),
        }
    }

    fn signal(&self, command: &mut Command) -> Result<()> {
        let Some(pid) = self.pid()? else {
            return Err(Error::new(format!("node {} runs no daemon", self.number)));
        };
        run(command.arg(pid)).map(drop)
    }

    /// The daemon as its own pid namespace counts.
    fn pid(&self) -> Result<Option<String>> {
        let file = match self.program {
            Program::Ctdbd => STOCK_PID,
            Program::Standind { .. } => OUR_PID,
        };
        let said = hear(self.command("cat")?.arg(file))?;
        let pid = said.out.trim();
        Ok((said.ok() && !pid.is_empty()).then(|| pid.to_owned()))
    }
}
