//! The guard: a tiny process that takes public addresses off when the daemon dies.
//!
//! A daemon killed outright releases nothing, and its host goes on answering for addresses that
//! another node takes over. So the daemon starts this same program once more as its guard and
//! tells it, before and after each change, what is held. When their socket closes without a
//! farewell, the daemon is dead, however it died, and the guard takes off what it knows of.
//!
//! The guard has a session of its own and blocks every signal. Only SIGKILL ends it: a service
//! manager that kills a whole control group outright leaves nobody to release anything. (systemd
//! sends SIGTERM first and gives the guard more time than it needs.) A third of a megabyte is its
//! own memory, the rest are pages of the program's file. A release takes milliseconds, of a
//! thousand addresses a tenth of a second.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs};

use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, setsockopt, shutdown, socketpair,
    sockopt,
};
use nix::sys::time::TimeVal;
use nix::unistd::{chdir, setsid};
use standin_core::host::{AddressError, Placed};

use crate::net::{Netlink, drop_all};

/// The argument that makes this program a guard.
pub const ARGUMENT: &str = "--guard";

const NAME: &str = "standind-guard";

/// Most addresses in one message, and most bytes: a name, an address and a prefix length take 62.
const ENTRIES_MAX: usize = 500;
const MESSAGE_BYTES: usize = 32 * 1024;

/// A script that the daemon left behind may still put its address on; it is looked for once more.
/// The next daemon does not take an address as early as this.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Seconds the daemon waits for its guard: to be there, and to make room for a message.
const PATIENCE: i64 = 2;

const READY: &[u8] = b"ready";
const FAREWELL: &[u8] = b"farewell";

/// The daemon's end. Dropped without [`farewell`](Self::farewell), it is a death: what is held is
/// released.
#[derive(Debug)]
pub struct Guard {
    socket: OwnedFd,
    child: Child,
    known: BTreeSet<Placed>,
}

impl Guard {
    /// Starts a guard. It is ready, and safe from the daemon's signals, when this returns: within
    /// milliseconds, at most two seconds.
    ///
    /// # Errors
    /// If it cannot be started, or does not say that it is ready.
    pub fn spawn() -> io::Result<Self> {
        Self::spawn_from(Path::new("/proc/self/exe"))
    }

    /// The same with the program named, for those that are not `standind` themselves.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_from(program: &Path) -> io::Result<Self> {
        // Packets keep messages apart; closed on exec, so that no script holds the daemon's end.
        let (socket, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let patience = TimeVal::new(PATIENCE, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        setsockopt(&socket, sockopt::SendTimeout, &patience)?;
        let child = Command::new(program)
            .arg0(NAME)
            .arg(ARGUMENT)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let mut guard = Self { socket, child, known: BTreeSet::new() };
        let mut answer = [0; READY.len()];
        let said = recv(guard.socket.as_raw_fd(), &mut answer, MsgFlags::empty());
        if said.is_err() || answer != READY {
            guard.stop();
            said?;
            return Err(io::Error::other("the guard ended at once"));
        }
        Ok(guard)
    }

    /// Says what is held: everything, not only what is new. Only the difference travels. To be
    /// called before an address is put on and after one was taken off.
    ///
    /// # Errors
    /// If the guard is gone or takes nothing for two seconds. Then there is no guard any more: one
    /// that woke up later and found itself forgotten would release what a living daemon holds.
    pub fn hold(&mut self, all: &[Placed]) -> io::Result<()> {
        let told = self.tell(all.iter().cloned().collect());
        if told.is_err() {
            self.stop();
        }
        told
    }

    fn tell(&mut self, wanted: BTreeSet<Placed>) -> io::Result<()> {
        // What comes goes first: a daemon that dies in between rather releases too much.
        let new: Vec<Placed> = wanted.difference(&self.known).cloned().collect();
        let old: Vec<Placed> = self.known.difference(&wanted).cloned().collect();
        for some in new.chunks(ENTRIES_MAX) {
            self.say(encode('+', some).as_bytes())?;
            self.known.extend(some.iter().cloned());
        }
        for some in old.chunks(ENTRIES_MAX) {
            self.say(encode('-', some).as_bytes())?;
            self.known.retain(|placed| !some.contains(placed));
        }
        Ok(())
    }

    /// Dismisses the guard: it ends and touches nothing. Waits for that, at most two seconds.
    ///
    /// # Errors
    /// If it is gone already, or takes nothing for two seconds and is ended.
    pub fn farewell(mut self) -> io::Result<()> {
        if let Err(error) = self.say(FAREWELL) {
            self.stop();
            return Err(error);
        }
        // Its end closes the socket. If it does not come, it has to be stopped before we go.
        if recv(self.socket.as_raw_fd(), &mut [0], MsgFlags::empty()).is_err() {
            let _ = self.child.kill();
        }
        self.child.wait().map(drop)
    }

    /// The guard's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it was told that is held.
    #[must_use]
    pub fn known(&self) -> &BTreeSet<Placed> {
        &self.known
    }

    /// The daemon's end once more, to see when nobody is at the other. While it is open, so is that.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Ends one that is of no use any more; nothing is released.
    pub fn end(mut self) {
        self.stop();
    }

    /// Has it release what is held, as if the daemon had died. Nobody waits for it.
    pub fn dispatch(self) {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn say(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // One that ended before us leaves nothing behind.
        let _ = self.child.try_wait();
    }
}

/// Whether this process is to be a guard. To be asked before anything else.
#[must_use]
pub fn is_asked_for() -> bool {
    env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT))
}

/// Is the guard, over standard input, until the daemon is gone.
pub fn run() -> ! {
    let socket = io::stdin();
    let code = match guard(socket.as_fd()) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{NAME}: {error}");
            1
        }
    };
    exit(code)
}

fn guard(socket: BorrowedFd<'_>) -> io::Result<()> {
    // Blocked for good: whatever is meant for the daemon. A standard error that nobody reads any
    // more raises one too.
    SigSet::all().thread_block()?;
    // Refused only to the leader of a group, which a spawned process is not.
    setsid()?;
    // No file system stays in use because of us.
    chdir("/")?;
    // The last to go when memory runs out; refused without privileges.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    // Opened while all is well.
    let mut kernel = Netlink::open(NETLINK_ROUTE)?;
    send(socket.as_raw_fd(), READY, MsgFlags::MSG_NOSIGNAL)?;

    let mut held = BTreeSet::new();
    let mut message = vec![0; MESSAGE_BYTES];
    loop {
        let length = match recv(socket.as_raw_fd(), &mut message, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            // Closed; an error of the socket's is no better.
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        match &message[..length] {
            FAREWELL => return Ok(()),
            changes => apply(&mut held, &String::from_utf8_lossy(changes)),
        }
    }
    let held: Vec<Placed> = held.into_iter().collect();
    release(&mut kernel, &held);
    sleep(SECOND_LOOK);
    release(&mut kernel, &held);
    Ok(())
}

fn release(kernel: &mut Netlink, held: &[Placed]) {
    let results = drop_all(kernel, held);
    let failed = results.iter().filter(|result| matches!(result, Err(AddressError::Other))).count();
    if failed > 0 {
        // Standard error may have gone with the daemon.
        let _ = writeln!(io::stderr(), "{NAME}: {failed} addresses could not be released");
    }
}

/// What a guard is told: one change a line, `+eth0 10.0.0.1/24` or `-eth0 10.0.0.1/24`.
#[must_use]
pub fn encode(sign: char, all: &[Placed]) -> String {
    let mut text = String::new();
    for Placed { interface, address, prefix } in all {
        let _ = writeln!(text, "{sign}{interface} {address}/{prefix}");
    }
    text
}

/// What a guard holds once it has been told this. Lines that say nothing of the kind are passed over.
pub fn apply(held: &mut BTreeSet<Placed>, changes: &str) {
    for line in changes.lines() {
        let Some(placed) = line.get(1..).and_then(decode) else { continue };
        if line.starts_with('+') {
            held.insert(placed);
        } else {
            held.remove(&placed);
        }
    }
}

fn decode(text: &str) -> Option<Placed> {
    let (interface, rest) = text.split_once(' ')?;
    let (address, prefix) = rest.split_once('/')?;
    let (address, prefix) = (address.parse().ok()?, prefix.parse().ok()?);
    Some(Placed { interface: interface.to_owned(), address, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(interface: &str, address: &str, prefix: u8) -> Placed {
        Placed { interface: interface.into(), address: address.parse().unwrap(), prefix }
    }

    #[test]
    fn what_is_said_is_understood() {
        let four = placed("eth0.100", "10.0.0.1", 24);
        let six = placed("bond-0", "fd00:88::105", 64);
        let mut held = BTreeSet::new();
        apply(&mut held, &encode('+', &[four.clone(), six.clone()]));
        assert_eq!(held, BTreeSet::from([four.clone(), six.clone()]));
        apply(&mut held, &encode('-', &[four]));
        assert_eq!(held, BTreeSet::from([six]));
    }

    #[test]
    fn most_addresses_fit_into_a_message() {
        let long = placed("interfacename15", "fd00:1111:2222:3333:4444:5555:6666:7777", 128);
        assert!(encode('+', &vec![long; ENTRIES_MAX]).len() <= MESSAGE_BYTES);
    }
}
