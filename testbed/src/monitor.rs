//! What a node's kernel says of its addresses while it is listened to.

use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::{Error, Result};

/// How long `ip monitor`, which does not say when it listens, takes to do so.
const LISTENS: Duration = Duration::from_millis(200);

/// Listens to a node's kernel until it is asked what it heard.
#[derive(Debug)]
pub struct Monitor {
    child: Child,
    heard: Option<JoinHandle<Vec<(Instant, String)>>>,
}

impl Monitor {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// No such node, it has no power, or `ip` does not start.
    pub fn start(bed: &Bed, node: usize) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["-n", &bed.powered(node)?, "-o", "-4", "monitor", "address"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| Error::new(format!("ip monitor did not start: {why}")))?;
        let out = BufReader::new(child.stdout.take().expect("piped above"));
        let heard = thread::spawn(move || {
            out.lines().map_while(std::result::Result::ok).map(|line| (Instant::now(), line)).collect()
        });
        thread::sleep(LISTENS);
        Ok(Self { child, heard: Some(heard) })
    }

    /// How long the address was gone, from its first deletion until it was there again; `None` if it
    /// was not deleted, or did not come back.
    pub fn gone(mut self, address: Ipv4Addr) -> Option<Duration> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let heard = self.heard.take()?.join().ok()?;
        gone(&heard, address)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gone(heard: &[(Instant, String)], address: Ipv4Addr) -> Option<Duration> {
    let word = format!(" {address}/");
    let mut about = heard.iter().filter(|(_, line)| line.contains(&word));
    let (deleted, _) = about.find(|(_, line)| line.starts_with("Deleted"))?;
    let (back, _) = about.find(|(_, line)| !line.starts_with("Deleted"))?;
    Some(*back - *deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_gone_from_its_deletion_until_it_is_there_again() {
        let start = Instant::now();
        let line = |ms, text: &str| (start + Duration::from_millis(ms), text.to_owned());
        let heard = [
            line(1, "3: eth1    inet 10.78.1.3/16 scope global eth1"),
            line(2, "Deleted 3: eth1    inet 10.78.1.31/16 scope global eth1"),
            line(5, "Deleted 3: eth1    inet 10.78.1.3/16 scope global eth1"),
            line(9, "3: eth1    inet 10.78.1.31/16 scope global eth1"),
            line(12, "3: eth1    inet 10.78.1.3/16 scope global eth1"),
        ];
        let gone = |count, address: &str| gone(&heard[..count], address.parse().unwrap());
        assert_eq!(gone(5, "10.78.1.3"), Some(Duration::from_millis(7)));
        assert_eq!((gone(4, "10.78.1.3"), gone(5, "10.78.1.4")), (None, None));
    }
}
