//! `standind`: arguments and files → machine → driver. A copy named `ctdbd` goes to the
//! background by itself, as ctdbd does.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use standin_core::ctdb::config::{Config, DATABASE_BYTES_MAX, Databases, Fixes};
use standin_core::ctdb::files::ctdb_conf::LogLocation;
use standin_core::ctdb::{Ctdb, Order};
use standin_core::host::Fact;
use standin_core::machine::Level;
use standin_node::clock::Clock;
use standin_node::ctdb::place::Place;
use standin_node::ctdb::settings::{self, Settings};
use standin_node::ctdb::{CtdbHands, eventd, loudness};
use standin_node::daemon::{self, PidFile};
use standin_node::driver::{Driver, News};
use standin_node::gossip;
use standin_node::gossip::state::StateFile;
use standin_node::guard::{self, Guard};
use standin_node::jobs::Tools;
use standin_node::jobs::scripts::{Scripts, Setting};
use standin_node::log::{self, LogFile, Volume};
use standin_node::net::Net;
use standin_node::streams::room;
use standin_node::syslog::Syslog;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// A file is wrong (`EX_CONFIG`).
const CONFIG: u8 = 78;
/// The system refuses what a daemon needs (`EX_OSERR`).
const SYSTEM: u8 = 71;
/// What may be held of a database, unless somebody says otherwise.
const DATABASE_MIB: u32 = (DATABASE_BYTES_MAX >> 20) as u32;
/// A capability is missing (`EX_NOPERM`).
const DENIED: u8 = 77;

/// Keeps a CTDB cluster's public addresses served. Reads ctdbd's own files and speaks its
/// protocol: ctdbd, and the ctdb tool, are its peers.
///
/// With --gossip it is a member of a Redis Cluster instead: a witness that votes and stores nothing.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status:
  0   stopped in order
  1   another version, or the nodes file, drove this node out; with --gossip, its state
      could not be saved at the end
  64  this command line is not understood
  71  the system refuses a socket, a file or a process
  77  a capability is missing: CAP_NET_ADMIN and CAP_NET_RAW
  78  a configuration file is wrong or missing, a script refuses to let us start, or
      another daemon runs here; with --gossip, the state file is wrong or another
      daemon's, or a port is taken"
)]
struct Arguments {
    /// The folder of ctdb.conf, nodes, public_addresses, ctdb.tunables and scripts; else
    /// $CTDB_BASE, else /etc/ctdb
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,

    /// Stay in the foreground and log to standard error
    #[arg(long)]
    foreground: bool,

    /// How log lines look
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogForm::Text)]
    log: LogForm,

    /// Behave as ctdbd in everything, its faults included
    #[arg(long)]
    strict: bool,

    /// Lead also where other nodes keep databases, and recover those: each is held in memory for as
    /// long as that takes, none on disk. This node is no location master then. See docs/databases.md
    #[arg(long)]
    recover_databases: bool,

    /// With --recover-databases: hold at most so many MiB of one database, each record counted with
    /// 160 bytes beside its key and data. Where there is more another node has to lead
    #[arg(long, value_name = "MIB", requires = "recover_databases", default_value_t = DATABASE_MIB)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    database_mib: u32,

    /// Be a member of a Redis Cluster, as this file says; always in the foreground
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["base", "strict", "recover_databases"])]
    gossip: Option<PathBuf>,

    /// Print a file for --gossip with every option, its unit and its default
    #[arg(long, exclusive = true)]
    gossip_template: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogForm {
    /// A readable line each
    Text,
    /// A JSON object each
    Json,
}

/// Why the daemon does not start: a status and what to do.
struct Refused(u8, String);

fn main() -> ExitCode {
    if guard::is_asked_for() {
        guard::run();
    }
    match begin() {
        Ok(status) => ExitCode::from(status),
        Err(Refused(status, what)) => {
            for line in what.lines() {
                let _ = writeln!(io::stderr(), "standind: {line}");
            }
            ExitCode::from(status)
        }
    }
}

fn begin() -> Result<u8, Refused> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return Ok(if error.use_stderr() { 64 } else { 0 });
        }
    };
    if arguments.gossip_template {
        let _ = io::stdout().write_all(gossip::template().as_bytes());
        return Ok(0);
    }
    // Refused, we have as many as before.
    let _ = room::raise();
    match &arguments.gossip {
        Some(file) => begin_gossip(file, arguments.log),
        None => begin_ctdb(&arguments),
    }
}

/// A member of a Redis Cluster, in the foreground.
fn begin_gossip(file: &Path, form: LogForm) -> Result<u8, Refused> {
    let settings = gossip::settings::read(file).map_err(|what| Refused(CONFIG, what))?;
    let state = StateFile::take(&settings.state_file()).map_err(|what| Refused(CONFIG, what))?;
    let _volume = begin_log(log_to_terminal(form), form, Level::Info);
    in_runtime(async { gossip::serve(file, settings, state).await.map_err(refused("cannot begin")) })
}

/// A node in ctdbd's place.
fn begin_ctdb(arguments: &Arguments) -> Result<u8, Refused> {
    let place = Place::find(arguments.base.clone());
    let as_ctdbd = std::env::args_os()
        .next()
        .is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == "ctdbd"));
    let background = as_ctdbd && !arguments.foreground;
    settings::look(&place).map_err(|what| Refused(CONFIG, what))?;
    let mut pid_file = PidFile::take(&place.pid_file).map_err(|error| {
        let file = place.pid_file.display();
        if error.kind() == io::ErrorKind::AddrInUse {
            let pid = std::fs::read_to_string(&place.pid_file).unwrap_or_default();
            Refused(CONFIG, format!("another daemon runs here: process {} holds {file}", pid.trim()))
        } else {
            Refused(SYSTEM, format!("cannot write {file}: {error}"))
        }
    })?;
    let Settings { mut config, log, debug_script, warnings } =
        settings::read(&place, arguments.strict).map_err(|what| Refused(CONFIG, what))?;
    let for_real = !place.test_mode;
    if for_real && !config.failover_disabled && !may_change_addresses() {
        let what = "cannot put addresses on interfaces: run it as root, or with CAP_NET_ADMIN and \
                    CAP_NET_RAW, or say `disabled = true` under [failover] in ctdb.conf";
        return Err(Refused(DENIED, what.into()));
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
            .map_err(|error| Refused(SYSTEM, format!("cannot go to the background: {error}")))?;
    }
    let to = match (file, log) {
        (Some(file), _) => file,
        (None, Some(LogLocation::Syslog(way))) if background => {
            log::To::Syslog(Syslog::new(way, "ctdbd".into()))
        }
        _ => log_to_terminal(arguments.log),
    };
    config.pid = std::process::id();
    if arguments.recover_databases {
        config.databases = Databases::Recovers;
        config.database_bytes_max = (arguments.database_mib as usize) << 20;
    }
    let volume = begin_log(to, arguments.log, loudness(config.debug_level));
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // Before there is anything to guard, and before the runtime.
    let guarded = for_real && !config.failover_disabled && !arguments.strict;
    let guard = guarded
        .then(Guard::spawn)
        .transpose()
        .map_err(|error| Refused(SYSTEM, format!("cannot start the guard: {error}")))?;
    let status = in_runtime(run(place, config, for_real, debug_script, (guard, volume)));
    drop(pid_file);
    status
}

fn in_runtime(daemon: impl Future<Output = Result<u8, Refused>>) -> Result<u8, Refused> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(refused("cannot begin"))?;
    tokio::task::LocalSet::new().block_on(&runtime, daemon)
}

/// An error of the system in our words.
fn refused(what: &str) -> impl Fn(io::Error) -> Refused {
    move |error| Refused(SYSTEM, format!("{what}: {error}"))
}

fn log_to_file(path: &Path) -> Result<log::To, Refused> {
    log::To::file(path)
        .map_err(|error| Refused(CONFIG, format!("{}: {error} (expected a file to log to)", path.display())))
}

/// Standard error, or where it leads.
fn log_to_terminal(form: LogForm) -> log::To {
    if log::is_journal() && form == LogForm::Text { log::To::Journal } else { log::To::Stderr }
}

fn begin_log(to: log::To, form: LogForm, level: Level) -> Volume {
    let form = if form == LogForm::Json { log::Form::Json } else { log::Form::Text };
    log::begin(to, form, level)
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
    debug_script: Option<PathBuf>,
    (guard, volume): (Option<Guard>, Volume),
) -> Result<u8, Refused> {
    let clock = Clock::start();
    let (tell, news) = unbounded_channel::<News<Ctdb>>();
    let (facts, observed) = unbounded_channel::<Fact>();
    let net = if for_real {
        Some(Net::open(facts).await.map_err(refused("cannot speak to the kernel"))?)
    } else {
        drop(facts);
        None
    };
    listen_to_signals(&tell, volume.file()).map_err(refused("cannot listen to signals"))?;
    if place.test_mode {
        end_with_stdin(&tell);
    }
    let environment = environment(&place);
    let scripts = Scripts::new(Setting { environment, debug_script });
    if let Some(folder) = place.event_socket.parent() {
        std::fs::create_dir_all(folder).map_err(refused("cannot make the run folder"))?;
    }
    let _ = std::fs::remove_file(&place.event_socket);
    let events = UnixListener::bind(&place.event_socket).map_err(refused("cannot open the event socket"))?;
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

/// What scripts find besides the daemon's own variables.
fn environment(place: &Place) -> Vec<(String, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    vec![("CTDB_BASE".into(), text(&place.base)), ("CTDB_SOCKET".into(), text(&place.socket))]
}

/// No two lives of a daemon draw the same generations.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    now ^ u64::from(std::process::id()).rotate_left(40)
}
