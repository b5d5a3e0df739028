//! `standind`: what it is called with, and which daemon that is. A copy named `ctdbd` goes to the
//! background by itself, as ctdbd does.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use standin_core::ctdb::config::DATABASE_BYTES_MAX;
use standin_core::machine::Level;
use standin_node::ctdb::start::{self, Wishes};
use standin_node::gossip::state::StateFile;
use standin_node::log::{self, Form};
use standin_node::refused::{Refused, system};
use standin_node::streams::room;
use standin_node::{daemon, gossip, guard};

/// What may be held of a database, unless somebody says otherwise.
const DATABASE_MIB: u32 = (DATABASE_BYTES_MAX >> 20) as u32;

/// Keeps a CTDB cluster's public addresses served. Reads ctdbd's own files and speaks its
/// protocol: ctdbd, and the ctdb tool, are its peers.
///
/// With --gossip it is a member of a Redis Cluster instead: a witness that votes and stores nothing.
#[derive(Debug, Parser)]
#[command(
    name = "standind",
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

    /// Stay in the foreground and log to standard error (ctdbd: --interactive)
    #[arg(long, short = 'i', alias = "interactive")]
    foreground: bool,

    /// How log lines look
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    log: Form,

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

fn main() -> ExitCode {
    if guard::is_asked_for() {
        guard::run();
    }
    match begin() {
        Ok(status) => ExitCode::from(status),
        Err(Refused { status, what }) => {
            for line in what.lines() {
                let _ = writeln!(io::stderr(), "standind: {line}");
            }
            ExitCode::from(status as u8)
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
        None => start::begin(&Wishes {
            base: arguments.base,
            foreground: arguments.foreground || !is_ctdbd(),
            log: arguments.log,
            strict: arguments.strict,
            recover_databases: arguments.recover_databases.then_some((arguments.database_mib as usize) << 20),
        }),
    }
}

/// Whether we are called by the name of the stock daemon.
fn is_ctdbd() -> bool {
    let name = std::env::args_os().next();
    name.is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == "ctdbd"))
}

/// A member of a Redis Cluster, in the foreground.
fn begin_gossip(file: &Path, form: Form) -> Result<u8, Refused> {
    let settings = gossip::settings::read(file).map_err(Refused::config)?;
    let state = StateFile::take(&settings.state_file()).map_err(Refused::config)?;
    let _volume = log::begin(log::To::terminal(form), form, Level::Info);
    daemon::in_runtime(async { gossip::serve(file, settings, state).await.map_err(system("cannot begin")) })
}
