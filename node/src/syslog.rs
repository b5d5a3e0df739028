//! The system's log: facility daemon, a datagram a line, in the forms that ctdbd 4.17.12 has for
//! `syslog:nonblocking`, `syslog:udp` and `syslog:udp-rfc5424`. Plain `syslog` is the first of them
//! here, without the C library's time stamp: the log's daemon has the time, and is never waited for.
//!
//! A line that cannot be sent is lost. Locally, where nobody listens or too much is on its way, that
//! is known, and said before the next line that goes through; by UDP nobody knows.

use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use standin_core::ctdb::files::ctdb_conf::Syslog as Way;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Where the C library looks for the log.
const LOG: &str = "/dev/log";
/// Where it is by UDP.
const PORT: u16 = 514;
/// The system's daemons.
const FACILITY: u8 = 3 << 3;

/// The log, and who writes to it.
#[derive(Debug)]
pub struct Syslog {
    /// How each line begins, behind its priority.
    form: Form,
    name: String,
    pid: u32,
    socket: Mutex<Socket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Who, and what; when is known to whoever hears of it.
    Short,
    /// RFC 5424.
    Long,
}

#[derive(Debug)]
struct Socket {
    to: To,
    /// Lines lost since the last that went through.
    lost: u64,
}

#[derive(Debug)]
enum To {
    Local(PathBuf, Option<UnixDatagram>),
    Udp(Option<UdpSocket>),
}

impl To {
    /// Sends a line, by a new socket where the one of before is of no use any more: the log's
    /// daemon was started anew.
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Local(path, socket) => {
                if let Some(known) = socket {
                    match known.send(line) {
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => *socket = None,
                        sent => return sent.map(drop),
                    }
                }
                let new = UnixDatagram::unbound()?;
                new.set_nonblocking(true)?;
                new.connect(path)?;
                socket.insert(new).send(line).map(drop)
            }
            Self::Udp(socket) => {
                let socket = match socket {
                    Some(known) => known,
                    None => {
                        let new = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                        new.set_nonblocking(true)?;
                        socket.insert(new)
                    }
                };
                socket.send_to(line, (Ipv4Addr::LOCALHOST, PORT)).map(drop)
            }
        }
    }
}

impl Syslog {
    /// The log as `location` in `ctdb.conf` has it, written to by this process under a name.
    #[must_use]
    pub fn new(way: Way, name: String) -> Self {
        let local = || To::Local(LOG.into(), None);
        let (form, to) = match way {
            Way::Plain | Way::Nonblocking => (Form::Short, local()),
            Way::Udp => (Form::Short, To::Udp(None)),
            Way::UdpRfc5424 => (Form::Long, To::Udp(None)),
        };
        Self { form, name, pid: std::process::id(), socket: Mutex::new(Socket { to, lost: 0 }) }
    }

    fn send(&self, severity: u8, text: &str) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.lost > 0 {
            let lost = format!("lines lost here: {}", socket.lost);
            if socket.to.send(self.line(WARNING, &lost).as_bytes()).is_ok() {
                socket.lost = 0;
            }
        }
        if socket.to.send(self.line(severity, text).as_bytes()).is_err() {
            socket.lost += 1;
        }
    }

    fn line(&self, severity: u8, text: &str) -> String {
        let (priority, name, pid) = (FACILITY | severity, &self.name, self.pid);
        match self.form {
            Form::Short => format!("<{priority}>{name}[{pid}]: {text}"),
            Form::Long => {
                let mut now = String::new();
                // Into a string: that does not fail.
                let _ = SystemTime.format_time(&mut Writer::new(&mut now));
                let host = host_name();
                format!("<{priority}>1 {now} {host} {name} {pid} - - {text}")
            }
        }
    }
}

/// The host's own name, up to its first dot; `-` for none.
fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default().into_string().unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default();
    if name.is_empty() { "-".to_owned() } else { name.to_owned() }
}

const ERROR: u8 = 3;
const WARNING: u8 = 4;
/// Ours have none between: what ctdbd tells as a notice is information here.
const NOTICE: u8 = 5;
const DEBUG: u8 = 7;

fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => WARNING,
        Level::INFO => NOTICE,
        Level::DEBUG | Level::TRACE => DEBUG,
    }
}

/// One event's lines.
#[derive(Debug)]
pub struct Lines<'s> {
    log: &'s Syslog,
    severity: u8,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.for_each(|line| self.log.send(self.severity, line));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'s> MakeWriter<'s> for Syslog {
    type Writer = Lines<'s>;

    fn make_writer(&'s self) -> Lines<'s> {
        Lines { log: self, severity: NOTICE }
    }

    fn make_writer_for(&'s self, meta: &Metadata<'_>) -> Lines<'s> {
        Lines { log: self, severity: severity(*meta.level()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Where a log may be; gone with this.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("standin-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn heard(by: &UnixDatagram) -> String {
        by.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let mut bytes = [0; 1024];
        let length = by.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    fn local(path: &Path) -> Syslog {
        let socket = Mutex::new(Socket { to: To::Local(path.into(), None), lost: 0 });
        Syslog { form: Form::Short, name: "ctdbd".into(), pid: 7, socket }
    }

    #[test]
    fn lines_go_to_whoever_listens_now_and_what_was_lost_is_said() {
        let place = Place::new("log");
        let path = &place.0;
        let log = local(path);
        log.send(ERROR, "nobody hears this");
        let first = UnixDatagram::bind(path).unwrap();
        Lines { log: &log, severity: NOTICE }.write_all(b"one\n\ntwo\n").unwrap();
        assert_eq!(heard(&first), "<28>ctdbd[7]: lines lost here: 1");
        assert_eq!(heard(&first), "<29>ctdbd[7]: one");
        assert_eq!(heard(&first), "<29>ctdbd[7]: two");
        drop(first);
        fs::remove_file(path).unwrap();
        let second = UnixDatagram::bind(path).unwrap();
        log.send(ERROR, "three");
        assert_eq!(heard(&second), "<27>ctdbd[7]: three");
    }

    #[test]
    fn a_log_that_hangs_is_not_waited_for() {
        let place = Place::new("hung");
        let log = local(&place.0);
        let hung = UnixDatagram::bind(&place.0).unwrap();
        (0..10_000).for_each(|_| log.send(NOTICE, "much"));
        let lost = log.socket.lock().unwrap().lost;
        assert!((1..10_000).contains(&lost), "{lost}");
        drop(hung);
    }
}
