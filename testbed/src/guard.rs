//! Nothing is left behind, however the maker of a bed ends.
//!
//! A shell waits at a pipe that only the maker holds. When the pipe closes without a word (panic,
//! signal, `kill -9`), it sweeps. That needs no signal handler in a test's process.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::shell::run;
use crate::{Error, Result};

/// Removes a bed by name. Processes are found by the namespace they are in and so are never
/// another's; links are deleted by hand, because a namespace outlives its name while anybody
/// still holds it.
const SWEEP: &str = r#"
spaces=$(ip netns list | sed 's/ .*//' | grep -xE "standin-$1-(switch|client|observer|n[0-9]+)")
port() { ip -n "standin-$1-switch" -o link show type veth 2>/dev/null | sed 's/^[0-9]*: //; s/[@:].*//'; }
for port in $(port "$1"); do ip -n "standin-$1-switch" link set "$port" down; done
for space in $spaces; do
    pids=$(ip netns pids "$space")
    [ -z "$pids" ] || kill -9 $pids
done
for port in $(port "$1"); do ip -n "standin-$1-switch" link del "$port"; done
for space in $spaces; do ip netns del "$space"; done
rm -rf --one-file-system "/run/standin-$1"
exit 0
"#;

/// Sweeps at its maker's end unless told not to.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    pub(crate) fn new(bed: &str) -> Result<Self> {
        let script = format!("read -r word && exit 0\n{SWEEP}");
        let shell = Command::new("sh")
            .args(["-c", &script, "standin-guard", bed])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A terminal's interrupt is for the maker; the guard acts after it.
            .process_group(0)
            .current_dir("/")
            .spawn()
            .map_err(|why| Error::new(format!("sh did not start: {why}")))?;
        Ok(Self { shell })
    }

    /// The guard goes and the bed stays.
    pub(crate) fn dismiss(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // A guard that is gone already needs no telling.
            let _ = pipe.write_all(b"stay\n");
        }
        let _ = self.shell.wait();
    }
}

/// Removes all there is of a bed; of one that never was, nothing.
pub(crate) fn sweep(bed: &str) -> Result<()> {
    run(Command::new("sh").args(["-c", SWEEP, "standin-sweep", bed]).current_dir("/")).map(drop)
}
