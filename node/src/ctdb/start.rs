//! A node in ctdbd's place: files → machine → driver, and what it is told from beside: signals, the
//! end of standard input.

use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use standin_core::ctdb::config::{Config, Databases, Fixes};
use standin_core::ctdb::files::ctdb_conf::LogLocation;
use standin_core::ctdb::{Ctdb, Order};
use standin_core::host::Fact;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::place::Place;
use super::settings::{self, Settings};
use super::{CtdbHands, eventd, loudness, realtime};
use crate::clock::Clock;
use crate::daemon::{self, PidFile};
use crate::driver::{Driver, News};
use crate::guard::Guard;
use crate::jobs::Tools;
use crate::jobs::scripts::{Scripts, Setting};
use crate::log::{self, Form, LogFile, Volume};
use crate::net::Net;
use crate::refused::{Refused, Status, system};
use crate::syslog::Syslog;

/// What who starts it wants, beside the files.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The folder of the files, unless the environment's.
    pub base: Option<PathBuf>,
    /// Whether it stays, and logs to standard error.
    pub foreground: bool,
    /// How log lines look.
    pub log: Form,
    /// Whether it has ctdbd's faults too.
    pub strict: bool,
    /// Whether it recovers databases, of so many bytes each at most.
    pub recover_databases: Option<usize>,
}

/// Begins as the files say, and returns what to exit with once it is over.
///
/// # Errors
/// Why it does not begin.
pub fn begin(wishes: &Wishes) -> Result<u8, Refused> {
    let place = Place::find(wishes.base.clone());
    let background = !wishes.foreground;
    settings::look(&place).map_err(Refused::config)?;
    let mut pid_file = PidFile::take(&place.pid_file).map_err(|error| {
        let file = place.pid_file.display();
        if error.kind() == io::ErrorKind::AddrInUse {
            let pid = std::fs::read_to_string(&place.pid_file).unwrap_or_default();
            Refused::config(format!("another daemon runs here: process {} holds {file}", pid.trim()))
        } else {
            system(&format!("cannot write {file}"))(error)
        }
    })?;
    let Settings { mut config, log, scripts, realtime, warnings } =
        settings::read(&place, wishes.strict).map_err(Refused::config)?;
    let for_real = !place.test_mode;
    if for_real && !config.failover_disabled && !may_change_addresses() {
        let what = "cannot put addresses on interfaces: run it as root, or with CAP_NET_ADMIN and \
                    CAP_NET_RAW, or say `disabled = true` under [failover] in ctdb.conf";
        return Err(Refused { status: Status::Denied, what: what.into() });
    }
    let file = match &log {
        Some(LogLocation::File(path)) => Some(Path::new(path)),
        Some(LogLocation::Syslog(_)) => None,
        None => Some(&*place.log_file),
    };
    // What cannot be opened is told while somebody reads standard error.
    let file = file.filter(|_| background).map(log_to_file).transpose()?;
    // Nobody reads what is said from here on, except in the log.
    if background {
        daemon::to_background()
            .and_then(|()| pid_file.renew())
            .map_err(system("cannot go to the background"))?;
    }
    let to = match (file, log) {
        (Some(file), _) => file,
        (None, Some(LogLocation::Syslog(way))) if background => {
            log::To::Syslog(Syslog::new(way, "ctdbd".into()))
        }
        _ => log::To::terminal(wishes.log),
    };
    config.pid = std::process::id();
    if let Some(bytes_max) = wishes.recover_databases {
        config.databases = Databases::Recovers;
        config.database_bytes_max = bytes_max;
    }
    let volume = log::begin(to, wishes.log, loudness(config.debug_level));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // Before there is anything to guard, and before the runtime.
    let guarded = for_real && !config.failover_disabled && !wishes.strict;
    let guard = guarded.then(Guard::spawn).transpose().map_err(system("cannot start the guard"))?;
    if realtime && let Err(error) = realtime::claim() {
        tracing::warn!(
            "not real-time, so that a busy host may make this node look dead: {} (expected CAP_SYS_NICE, or \
             `realtime scheduling = false` under [legacy] in ctdb.conf)",
            error.desc()
        );
    }
    let status = daemon::in_runtime(run(place, config, for_real, scripts, (guard, volume)));
    drop(pid_file);
    status
}

fn log_to_file(path: &Path) -> Result<log::To, Refused> {
    log::To::file(path)
        .map_err(|error| Refused::config(format!("{}: {error} (expected a file to log to)", path.display())))
}

/// Whether the effective capabilities hold `CAP_NET_ADMIN` (12) and `CAP_NET_RAW` (13).
fn may_change_addresses() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    let wanted = 1 << 12 | 1 << 13;
    held & wanted == wanted
}

async fn run(
    place: Place,
    config: Config,
    for_real: bool,
    setting: Setting,
    (guard, volume): (Option<Guard>, Volume),
) -> Result<u8, Refused> {
    let clock = Clock::start();
    let (tell, news) = unbounded_channel::<News<Ctdb>>();
    let (facts, observed) = unbounded_channel::<Fact>();
    let net = if for_real {
        Some(Net::open(facts).await.map_err(system("cannot speak to the kernel"))?)
    } else {
        drop(facts);
        None
    };
    listen_to_signals(&tell, volume.file()).map_err(system("cannot listen to signals"))?;
    if place.test_mode {
        end_with_stdin(&tell);
    }
    let scripts = Scripts::new(setting);
    if let Some(folder) = place.event_socket.parent() {
        std::fs::create_dir_all(folder).map_err(system("cannot make the run folder"))?;
    }
    let _ = std::fs::remove_file(&place.event_socket);
    let events = UnixListener::bind(&place.event_socket).map_err(system("cannot open the event socket"))?;
    let directory = PathBuf::from(config.events.as_ref());
    tokio::task::spawn_local(eventd::serve(events, scripts.clone(), directory));
    // Asking the neighbours is nothing that ctdbd does.
    let watched = net.clone().filter(|_| config.fixes != Fixes::NONE);
    // Without one we hold lock files ourselves, and exclude who uses the helper.
    let lock_helper = std::env::var_os("CTDB_CLUSTER_MUTEX_HELPER").map(PathBuf::from);
    let tools = Tools { base: place.base.clone(), scripts, net, lock_helper };
    let hands = CtdbHands::new(tools, guard, tell.clone()).watching(watched).logging(volume);
    let machine = Ctdb::new(config, seed());
    let status = Driver::new(machine, hands, clock, observed, news).run().await;
    let _ = std::fs::remove_file(&place.socket);
    let _ = std::fs::remove_file(&place.event_socket);
    Ok(status)
}

/// SIGHUP is for the files that may have changed, and for the log that may have been moved away.
fn listen_to_signals(tell: &UnboundedSender<News<Ctdb>>, log: Option<LogFile>) -> io::Result<()> {
    for (kind, means) in [
        (SignalKind::terminate(), Order::Stop),
        (SignalKind::interrupt(), Order::Stop),
        (SignalKind::hangup(), Order::Reload),
    ] {
        let mut signals = signal(kind)?;
        let (tell, log) = (tell.clone(), log.clone().filter(|_| means == Order::Reload));
        tokio::task::spawn_local(async move {
            while signals.recv().await.is_some() {
                log.iter().for_each(LogFile::reopen);
                let _ = tell.send(News::Order(means));
            }
        });
    }
    Ok(())
}

/// As ctdbd in test mode: if standard input is a pipe, its end is ours. In the background it is
/// none.
fn end_with_stdin(tell: &UnboundedSender<News<Ctdb>>) {
    let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() else { return };
    let Ok(mut stdin) = Receiver::from_owned_fd(stdin) else { return };
    let tell = tell.clone();
    tokio::task::spawn_local(async move {
        let mut ignored = [0; 64];
        while stdin.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
        tracing::info!("standard input has ended, and so do we");
        let _ = tell.send(News::Order(Order::Stop));
    });
}

/// No two lives of a daemon draw the same generations.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    now ^ u64::from(std::process::id()).rotate_left(40)
}
