//! What one seed goes through, and what must come of it.

use std::fmt::Write as _;
use std::time::Duration;

use madsim::rand::{Rng as _, thread_rng};
use standin_core::machine::Noticed as _;
use tokio::time::sleep;

use crate::cluster::{Cluster, HOSTS};

/// Figures of a run, in the order of what happened: a situation and how long it took.
pub(crate) type Figures = Vec<(&'static str, Duration)>;

/// What is expected of each situation, in seconds: least and most. What only the machine decides
/// (when addresses are served) has a limit that a run which got stuck would miss.
pub(crate) const EXPECTED: &[(&str, f64, f64)] = &[
    ("start: all connected", 0.0, 5.0),
    ("start: all served", 0.0, 120.0),
    ("partition: lost", SILENCE_MIN, SILENCE_MAX),
    ("heal: all connected", 0.0, 5.0),
    ("heal: all served", 0.0, 120.0),
    // How long it was.
    ("nap: nobody lost", 6.0, 20.0),
    ("nap: all served", 0.0, 120.0),
    // The streams of a process that ends are closed.
    ("kill: lost", 0.0, 0.1),
    ("restart: all connected", 0.0, 5.0),
    ("restart: all served", 0.0, 120.0),
    ("freeze: lost", SILENCE_MIN, SILENCE_MAX),
    ("thaw: all connected", 0.0, 5.0),
    ("thaw: all served", 0.0, 120.0),
];

/// 25 to 30 s after the last packet: five `KeepaliveInterval`s of 5 s, and one that had begun. Every
/// node asks every other something each second, so the last packet was sent up to a second before
/// the fault; or it was on its way still.
const SILENCE_MIN: f64 = 24.0;
const SILENCE_MAX: f64 = 30.1;

/// Nothing takes longer.
const LONG: Duration = Duration::from_secs(120);

/// A run's end.
pub(crate) struct Told {
    pub(crate) figures: Figures,
    /// Every notice, a line each.
    pub(crate) trace: String,
    pub(crate) notices: usize,
    /// Over time, host and content of every notice.
    pub(crate) hash: u64,
    /// What went wrong, if something did.
    pub(crate) wrong: Option<String>,
}

/// Runs the whole story.
pub(crate) async fn tell() -> Told {
    let cluster = Cluster::start().await;
    let mut figures = Figures::new();
    let wrong = events(&cluster, &mut figures).await.err().or_else(|| beyond(&figures));
    let world = cluster.world.look();
    let (mut trace, mut hash) = (String::new(), Fnv::default());
    for (at, host, notice) in &world.notices {
        let kind = standin_core::ctdb::notice::Notice::KINDS[notice.kind()];
        let _ = writeln!(trace, "{:>11.6} n{host} {kind} {notice}", *at as f64 / 1e6);
        for word in [*at, *host as u64, notice.kind() as u64] {
            hash.put(word);
        }
        notice.words(&mut |word| hash.put(word));
    }
    Told { figures, trace, notices: world.notices.len(), hash: hash.0, wrong }
}

async fn events(cluster: &Cluster, figures: &mut Figures) -> Result<(), String> {
    back(cluster, figures, "start: all connected", "start: all served").await?;

    let victim = some_time_later().await;
    cluster.isolate(victim);
    lost(cluster, figures, "partition: lost", victim).await?;
    some_time_later().await;
    cluster.heal(victim);
    back(cluster, figures, "heal: all connected", "heal: all served").await?;

    let victim = some_time_later().await;
    nap(cluster, figures, victim).await?;

    let victim = some_time_later().await;
    cluster.kill(victim);
    lost(cluster, figures, "kill: lost", victim).await?;
    some_time_later().await;
    cluster.restart(victim);
    back(cluster, figures, "restart: all connected", "restart: all served").await?;

    let victim = some_time_later().await;
    cluster.freeze(victim);
    lost(cluster, figures, "freeze: lost", victim).await?;
    some_time_later().await;
    cluster.thaw(victim);
    back(cluster, figures, "thaw: all connected", "thaw: all served").await
}

/// Up to twenty seconds, and whom it hits next.
async fn some_time_later() -> usize {
    let wait = Duration::from_micros(thread_rng().gen_range(0..20_000_000));
    sleep(wait).await;
    thread_rng().gen_range(0..HOSTS)
}

/// A host stands still for longer than the leader timeout, not as long as makes it dead. Nobody is
/// lost by it. (That the leader is not missed either is out of madsim's reach, see `Sockets`.)
async fn nap(cluster: &Cluster, figures: &mut Figures, victim: usize) -> Result<(), String> {
    let what = "nap: nobody lost";
    let long = Duration::from_micros(thread_rng().gen_range(6_000_000..20_000_000));
    let since = cluster.world.look().now();
    cluster.freeze(victim);
    sleep(long).await;
    cluster.thaw(victim);
    sleep(Duration::from_secs(5)).await;
    figures.push((what, long));
    let pairs = (0..HOSTS).flat_map(|by| (0..HOSTS).map(move |of| (by, of)));
    for (by, of) in pairs {
        if let Some(after) = cluster.lost(by, of, since) {
            return Err(format!("{what}: n{by} lost n{of} after {:.3} s", after.as_secs_f64()));
        }
    }
    served(cluster, figures, "nap: all served").await
}

/// All others notice the loss; each one's time counts.
async fn lost(
    cluster: &Cluster,
    figures: &mut Figures,
    what: &'static str,
    victim: usize,
) -> Result<(), String> {
    let since = cluster.world.look().now();
    let others = || (0..HOSTS).filter(|host| *host != victim);
    let all = |cluster: &Cluster| others().all(|host| cluster.lost(host, victim, since).is_some());
    cluster.until(what, LONG, all).await?;
    figures.extend(others().filter_map(|host| Some((what, cluster.lost(host, victim, since)?))));
    Ok(())
}

async fn back(
    cluster: &Cluster,
    figures: &mut Figures,
    connected: &'static str,
    all_served: &'static str,
) -> Result<(), String> {
    figures.push((connected, cluster.until(connected, LONG, Cluster::connected).await?));
    served(cluster, figures, all_served).await
}

async fn served(cluster: &Cluster, figures: &mut Figures, what: &'static str) -> Result<(), String> {
    figures.push((what, cluster.until(what, LONG, Cluster::serving).await?));
    Ok(())
}

fn beyond(figures: &Figures) -> Option<String> {
    figures.iter().find_map(|(what, took)| {
        let (_, least, most) = EXPECTED.iter().find(|(name, ..)| name == what)?;
        let took = took.as_secs_f64();
        let fine = (*least..=*most).contains(&took);
        (!fine).then(|| format!("{what}: {took:.3} s, expected {least} to {most} s"))
    })
}

/// FNV-1a over words.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn put(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
