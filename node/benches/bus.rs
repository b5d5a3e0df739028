//! What the bus costs at rest: six daemons of ours and, beside them in the same minute, six
//! `redis-server`s, every node on a host of its own. `cargo xtask bench bus` runs it.
//!
//! Bytes are counted at each host's network card, so with all headers and acknowledgements; messages
//! by the nodes themselves.

use std::thread;
use std::time::{Duration, Instant};

#[path = "../tests/redis/ask.rs"]
#[expect(dead_code, reason = "the tests look at more")]
mod ask;
#[path = "../tests/redis/cluster.rs"]
#[expect(dead_code, reason = "the tests do more")]
mod cluster;
#[path = "../tests/redis/lan.rs"]
mod lan;

use cluster::{Cluster, able};

const NODES: usize = 6;
const NODE_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections, handshakes and first failure detection are over by then.
const SETTLING: Duration = Duration::from_secs(60);
const MEASURED: Duration = Duration::from_secs(60);
/// What Linux counts processor time in.
const TICKS_A_SECOND: f64 = 100.0;
/// Measured of Redis 7.0.15 on quiet machines: messages and kB a second.
const KNOWN: (f64, f64) = (1.96, 5.4);

/// A node's counters.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    messages: f64,
    bytes: f64,
    ticks: f64,
    resident_kib: f64,
}

/// A node's share of a second, on average.
struct Load {
    messages: f64,
    kilobytes: f64,
    processor_percent: f64,
    resident_mib: f64,
}

fn counted(cluster: &Cluster, at: usize) -> Counted {
    let device = cluster.host(at).within(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
    let device = device.expect("the kernel counts");
    let card = device.lines().find_map(|line| line.trim().strip_prefix("eth0:")).expect("a card");
    let bytes = card.split_whitespace().nth(8).and_then(|word| word.parse().ok()).expect("bytes sent");
    let pid = cluster.pid(at).expect("it runs");
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    let stat = read("stat");
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok());
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Counted {
        messages: cluster.info(at, "cluster_stats_messages_sent").parse().expect("a count"),
        bytes,
        ticks: ticks.sum(),
        resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap_or_default(),
    }
}

fn load(cluster: &Cluster, all: &[usize]) -> Load {
    cluster.create(all, 0);
    thread::sleep(SETTLING);
    let read = || all.iter().map(|&at| counted(cluster, at)).collect::<Vec<_>>();
    let (begin, before) = (Instant::now(), read());
    thread::sleep(MEASURED);
    let (took, after) = (begin.elapsed().as_secs_f64(), read());
    let mean = |of: &dyn Fn(&Counted) -> f64| {
        let total: f64 = before.iter().zip(&after).map(|(before, after)| of(after) - of(before)).sum();
        total / took / all.len() as f64
    };
    Load {
        messages: mean(&|it| it.messages),
        kilobytes: mean(&|it| it.bytes) / 1e3,
        processor_percent: mean(&|it| it.ticks) / TICKS_A_SECOND * 100.0,
        resident_mib: after.iter().map(|it| it.resident_kib).sum::<f64>() / 1024.0 / all.len() as f64,
    }
}

fn main() {
    if !able() {
        return;
    }
    println!(
        "the bus of {NODES} masters at rest, node timeout {NODE_TIMEOUT:?}, {MEASURED:?} after {SETTLING:?}"
    );
    // Each on a thread of its own: that is where its switch is.
    let (standin, redis) = thread::scope(|scope| {
        let run = |add: fn(&mut Cluster) -> usize| {
            scope.spawn(move || {
                let mut cluster = Cluster::new("bus");
                cluster.node_timeout = NODE_TIMEOUT;
                let all: Vec<usize> = (0..NODES).map(|_| add(&mut cluster)).collect();
                load(&cluster, &all)
            })
        };
        let (standin, redis) = (run(|cluster| cluster.standin("")), run(Cluster::redis));
        (standin.join().expect("ours is measured"), redis.join().expect("Redis is measured"))
    });
    println!();
    println!("{:<32}{:>10}{:>14}{:>16}", "of a node", "standind", "redis-server", "as measured");
    let row = |what: &str, ours: f64, theirs: f64, known: Option<f64>| {
        let known = known.map_or_else(String::new, |known| format!("{known:.2}"));
        println!("{what:<32}{ours:>10.2}{theirs:>14.2}{known:>16}");
    };
    row("messages sent a second", standin.messages, redis.messages, Some(KNOWN.0));
    row("kB sent a second, on the wire", standin.kilobytes, redis.kilobytes, Some(KNOWN.1));
    row("processor, per cent of a core", standin.processor_percent, redis.processor_percent, None);
    row("resident memory, MiB", standin.resident_mib, redis.resident_mib, None);
}
