//! In a Redis Cluster: the daemon's file, its state file, and the hands of its machine.
//!
//! Reading order: `options` (all there are), `value` (one value), [`settings`] (the file),
//! [`tls`] (certificates), `keeping` (what changed, written back into it), [`state`] (the state file,
//! held for life), then this file.

mod keeping;
mod options;
pub mod settings;
pub mod state;
pub mod tls;
mod value;

pub use self::options::template;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use standin_core::gossip::{BUS, CLIENTS, Config, Gossip, Notice, Order, TLS_CLIENTS};
use standin_core::host::{AddressError, Done, Fact, FileError, Job, LockNews, ScriptEnd};
use standin_core::machine::{Endpoint, JobId, PortId};
use standin_core::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, spawn_local};

use self::keeping::Keeper;
use self::settings::Settings;
use self::state::StateFile;
use self::tls::{Credentials, Files};
use crate::clock::Clock;
use crate::driver::{Driver, Hands, News, Times};
use crate::log;
use crate::streams::Handshake;
use crate::streams::room::Caller;

/// The machine's hands: they read and write its state file, and write its settings back into the
/// file they came from; nothing else.
#[derive(Debug)]
pub struct GossipHands {
    state: Rc<StateFile>,
    keeper: Rc<Keeper>,
    /// On the clients' port that speaks it, and on the bus if that does.
    tls: Option<(Credentials, bool)>,
    under_way: BTreeMap<JobId, AbortHandle>,
    tell: UnboundedSender<News<Gossip>>,
}

impl GossipHands {
    /// Hands without a job; `file` is what these settings were read from. Answers go to `tell`.
    #[must_use]
    pub fn new(state: StateFile, file: PathBuf, read: &Config, tell: UnboundedSender<News<Gossip>>) -> Self {
        let (state, keeper) = (Rc::new(state), Rc::new(Keeper::new(file, read.changeable())));
        Self { state, keeper, tls: None, under_way: BTreeMap::new(), tell }
    }

    /// Hands that speak TLS: with clients, and on the bus if the cluster does.
    #[must_use]
    pub fn secured(self, tls: Option<Credentials>, cluster: bool) -> Self {
        Self { tls: tls.map(|tls| (tls, cluster)), ..self }
    }

    fn on_the_bus(&self) -> Option<&Credentials> {
        self.tls.as_ref().filter(|(_, cluster)| *cluster).map(|(tls, _)| tls)
    }
}

/// The machine names one file only, and asks for nothing but to read and write it, and to keep its
/// settings.
async fn run(state: &StateFile, keeper: &Keeper, what: Job) -> Done {
    match what {
        Job::ReadFile { .. } => Done::Read(state.read().await),
        Job::WriteFile { content, .. } => Done::Wrote(state.write(&content).await),
        Job::KeepSettings { settings } => Done::Kept(keeper.keep(&settings).await),
        Job::ListScripts { .. } => Done::Scripts(Err(FileError::Denied)),
        Job::RunScript { .. } => Done::Script(ScriptEnd::NotStarted),
        Job::AddAddress(_) | Job::DropAddress(_) => Done::Address(Err(AddressError::Other)),
        Job::Announce { .. } | Job::Tickle { .. } => Done::Announced,
        Job::HoldLock { .. } => Done::Lock(LockNews::Failed),
    }
}

impl Hands<Gossip> for GossipHands {
    fn start(&mut self, job: JobId, what: Job) {
        let (state, keeper, tell) = (Rc::clone(&self.state), Rc::clone(&self.keeper), self.tell.clone());
        let task = spawn_local(async move {
            let done = run(&state, &keeper, what).await;
            let _ = tell.send(News::Job(job, done));
        });
        self.under_way.insert(job, task.abort_handle());
    }

    fn cancel(&mut self, job: JobId) {
        if let Some(task) = self.under_way.remove(&job) {
            task.abort();
        }
    }

    fn counts(&mut self, job: JobId, _: &Done) -> bool {
        self.under_way.remove(&job).is_some()
    }

    fn noticed(&mut self, _: &Gossip, notice: &Notice) {
        log::notice(notice);
    }

    fn caller(&self, port: PortId, _: &Endpoint) -> Caller {
        if port == BUS { Caller::Peer } else { Caller::Client }
    }

    /// As Redis: two node timeouts, as they are when somebody comes; who came before keeps his.
    fn patience(&self, machine: &Gossip, port: PortId) -> Option<std::time::Duration> {
        match port {
            BUS => Some(std::time::Duration::from_micros(machine.config().node_timeout.times(2).0)),
            CLIENTS | TLS_CLIENTS => Some(CLIENTS_PATIENCE),
            _ => None,
        }
    }

    fn tls_of(&self, port: PortId) -> Option<Handshake> {
        let server = match port {
            BUS => &self.on_the_bus()?.bus,
            TLS_CLIENTS => &self.tls.as_ref()?.0.clients,
            _ => return None,
        };
        Some(Handshake::Accepts(server.clone()))
    }

    /// We dial nobody but nodes.
    fn tls_to_dial(&self) -> Option<Handshake> {
        self.on_the_bus().map(|tls| Handshake::Dials(tls.dials.clone()))
    }
}

impl Times<Gossip> for GossipHands {
    fn time_of_day(&self, offset: i64) -> Fact {
        Fact::TimeOfDay { offset }
    }

    fn woke(&self, slept: Duration) -> Fact {
        Fact::Woke { slept }
    }
}

/// How long a silent client is left alone: Redis' `tcp-keepalive`.
const CLIENTS_PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// Runs a member to its end; its exit status. Its settings were read from `file`. Must be run inside
/// a `LocalSet`.
///
/// # Errors
/// If the system has no signals or no random numbers for us.
pub async fn serve(file: &Path, settings: Settings, state: StateFile) -> io::Result<u8> {
    let (tell, news) = unbounded_channel();
    let (_none, facts) = unbounded_channel();
    let secrets = settings.tls.as_ref().map(tls::load).transpose();
    let secrets = secrets.map_err(|unfit| io::Error::other(unfit.to_string()))?;
    listen_to_signals(&tell, settings.tls.zip(secrets.clone()))?;
    let hands = GossipHands::new(state, file.into(), &settings.config, tell)
        .secured(secrets, settings.config.is_tls_cluster());
    let machine = Gossip::new(Config { has_file: true, ..settings.config }, seed()?);
    Ok(Driver::new(machine, hands, Clock::start(), facts, news).run().await)
}

fn listen_to_signals(
    tell: &UnboundedSender<News<Gossip>>,
    tls: Option<(Files, Credentials)>,
) -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let tell = tell.clone();
        spawn_local(async move {
            while signals.recv().await.is_some() {
                let _ = tell.send(News::Order(Order::Stop));
            }
        });
    }
    // As with Redis, the end of a terminal is not ours.
    let mut signals = signal(SignalKind::hangup())?;
    spawn_local(async move {
        while signals.recv().await.is_some() {
            match &tls {
                None => tracing::info!("SIGHUP: the file is read at the start only"),
                Some((files, secrets)) => renew(files, secrets),
            }
        }
    });
    Ok(())
}

fn renew(files: &Files, secrets: &Credentials) {
    match secrets.renew(files) {
        Ok(()) => tracing::info!("SIGHUP: new connections have the certificates as they are now"),
        Err(unfit) => tracing::error!("SIGHUP: {unfit}; the old certificates stay in use"),
    }
}

/// Ids and election delays are drawn from it: it has to be nobody else's.
fn seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
