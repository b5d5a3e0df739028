//! How fast the world turns: a day of an idle cluster, a host of it losing power now and then;
//! and whether the idle cluster says as much as a real one.
//!
//! Each row runs in a process of its own, so that its peak memory is its own, and runs its plan
//! twice: once for the time, once with every allocation counted. Both take the same way as a
//! seed of `sim` does, and must come to the same trace hash.

use std::fs;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use standin_core::time::Duration;
use standin_sim::campaign::run_plan;
use standin_sim::kit::{IdleRate, Kit};
use standin_sim::plan::{Deed, NODES_MAX, Plan, Setup, Step};
use standin_sim::run::Run;
use standin_sim::world::fault::{Fault, Who};
use standin_sim::world::moment::{HostId, Moment};

use super::file::Aside;
use super::show::{Paint, columns, grouped, long, rate, section, spinner};
use super::values::{Span, hours, small, within};
use super::{
    CRASH, Errand, PROTOCOLS, Refusal, bench_allocation, bench_gossip, bench_membership, dispatch, figures,
    print, rival, wall,
};

/// Measure the simulator: an idle cluster in which a host loses power every 10 minutes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = LONG)]
pub(crate) struct Bench {
    /// The protocol to rehearse.
    #[arg(long, value_name = "NAME", default_value = PROTOCOLS[0])]
    protocol: String,
    /// Cluster sizes, 1 to 250 each, with commas between them.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "3,16,64",
          value_parser = small(1, NODES_MAX))]
    nodes: Vec<u32>,
    /// Simulated hours, up to 10000, fractions allowed; else 24, and 1 of more than 16 nodes.
    #[arg(long, value_name = "H", value_parser = hours, conflicts_with = "quick")]
    hours: Option<Span>,
    /// One simulated hour.
    #[arg(long)]
    quick: bool,
    /// Measure the allocation of public addresses instead.
    #[arg(long, conflicts_with_all = ["protocol", "nodes", "hours", "quick"])]
    allocation: bool,
    /// Hold simulated outages and waits against those measured of real ctdbd instead.
    #[arg(long, conflicts_with_all = ["protocol", "nodes", "hours", "quick", "allocation"])]
    figures: bool,
    /// Measure what it costs nodes to find each other, by five topologies, at these sizes, 2 to
    /// 2000 each.
    #[arg(long, value_name = "LIST", num_args = 0..=1, default_missing_value = "10,100,1000",
          value_delimiter = ',', value_parser = small(2, 2_000),
          conflicts_with_all = ["protocol", "nodes", "hours", "quick", "allocation", "figures"])]
    membership: Option<Vec<u32>>,
    /// Measure Redis Cluster's gossip instead: these parts, or all but `thousand`, which takes some
    /// minutes.
    #[arg(long, value_name = "PARTS", num_args = 0..=1, value_delimiter = ',',
          default_missing_value = "rest,deaths,packets",
          conflicts_with_all = ["protocol", "nodes", "hours", "quick", "allocation", "figures", "membership"])]
    gossip: Option<Vec<bench_gossip::Part>>,
    /// Seeds each situation of --figures, and each death of --gossip, is played with, 1 to 10000.
    #[arg(long, value_name = "N", value_parser = within(1, 10_000), default_value = "40")]
    seeds: u64,
    /// Write the rows as one JSON object.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
    /// Measure one size in this process and print it as JSON.
    #[arg(long, value_name = "NODES", hide = true, value_parser = small(1, NODES_MAX))]
    one: Option<u32>,
}

const LONG: &str = "\
An event is one input handled by one machine. CPU time is that of the one thread that
runs; checks and the trace hash are on. Peak memory is a process's of its own for each
row. Allocations are counted in a second run, whose hash must be the first one's.
The bare loop is the rival that cannot be beaten: the same traffic through a binary
heap, without protocol, codec, TCP, faults, checks and hash, measured in the same process.
The packets are counted between nodes in which nothing happens, over 5 minutes, after 2.

Exit status: 0 if every run passed and repeated; else as of `sim`, 1 if one did not repeat.
Of --figures: 0, whatever they are; 2 if a situation could not be arranged.";

/// Everything about a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    nodes: u32,
    events: u64,
    simulated_us: u64,
    cpu_ns: u64,
    events_per_second: u64,
    simulated_per_cpu_second: u64,
    peak_kib: Option<u64>,
    allocations: u64,
    /// The rival's events a second on the same traffic.
    bare_per_second: u64,
    /// Packets a second between nodes while nothing happens, in tenths: here, as reckoned, and
    /// as captured from a real cluster.
    idle_tenths: u64,
    reckoned_tenths: Option<u64>,
    captured_tenths: Option<u64>,
    hash: String,
    /// The second run's.
    hash_again: String,
    status: u8,
    what: String,
}

/// Does what `bench` was asked for.
pub(crate) fn run(args: &Bench) -> Result<u8, Refusal> {
    if args.allocation {
        let (cpu, cores) = machine();
        return bench_allocation::run(&format!("{cpu}, {cores} cores"), args.json.as_deref());
    }
    if args.figures {
        return figures::run(args.seeds, args.json.as_deref());
    }
    if let Some(parts) = &args.gossip {
        let (cpu, cores) = machine();
        return bench_gossip::run(&format!("{cpu}, {cores} cores"), parts, args.seeds, args.json.as_deref());
    }
    if let Some(sizes) = &args.membership {
        return bench_membership::run(sizes, args.json.as_deref());
    }
    if let Some(nodes) = args.one {
        let span = span(args, nodes);
        return dispatch(&args.protocol, One { nodes, span });
    }
    // A protocol that does not exist is better refused here than by a child.
    dispatch(&args.protocol, Known)?;
    let json = args.json.as_deref().map(Aside::begin).transpose()?;
    let (cpu, cores) = machine();
    let paint = Paint::stdout();
    print(&format!(
        "{}\n{cpu}, {cores} cores, {}\na host without power for 60s every 10m\n\n",
        paint.bold(&format!("{} bench", args.protocol)),
        if cfg!(debug_assertions) { "assertions on" } else { "assertions off" },
    ));
    let mut table = vec![HEADINGS.map(str::to_owned).to_vec()];
    let mut idle = vec![IDLE_HEADINGS.map(str::to_owned).to_vec()];
    let mut rows = Vec::new();
    for &nodes in &args.nodes {
        let spinner = spinner(format!("{nodes} nodes run"));
        let row = child(args, nodes);
        spinner.finish_and_clear();
        let row = row?;
        table.push(cells(&row));
        idle.push(idle_cells(&row));
        rows.push(row);
    }
    print(&columns(&table));
    print(&section(paint, "packets a second between idle nodes", &columns(&idle)));
    let mut status = 0;
    for row in &rows {
        let what = if row.status != 0 {
            format!("the run failed: {}", row.what)
        } else if row.hash != row.hash_again {
            format!("the second run's trace hash is {}", row.hash_again)
        } else {
            continue;
        };
        print(&format!("\n{}  {} nodes: {what}\n", paint.bad("FAILED"), row.nodes));
        status = status.max(row.status.max(1));
    }
    if let Some(json) = json {
        let all = serde_json::json!({
            "protocol": args.protocol, "cpu": cpu, "cores": cores, "rows": rows,
            "assertions": cfg!(debug_assertions),
        });
        json.finish(|out| writeln!(out, "{all:#}"))?;
    }
    Ok(status)
}

/// How much is simulated.
fn span(args: &Bench, nodes: u32) -> Duration {
    match &args.hours {
        Some(hours) => hours.span,
        None if args.quick || nodes > 16 => Duration::from_secs(3_600),
        None => DAY,
    }
}

const DAY: Duration = Duration::from_secs(86_400);

const HEADINGS: [&str; 11] = [
    "nodes",
    "simulated",
    "events",
    "events/s",
    "sim s/CPU s",
    "CPU s",
    "24h take",
    "peak MiB",
    "alloc/event",
    "bare loop/s",
    "trace hash",
];

const IDLE_HEADINGS: [&str; 4] = ["nodes", "simulated", "reckoned", "captured"];

fn tenths(tenths: u64) -> String {
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

fn idle_cells(row: &Row) -> Vec<String> {
    let or_dash = |rate: Option<u64>| rate.map_or_else(|| "-".to_owned(), tenths);
    let rates = [tenths(row.idle_tenths), or_dash(row.reckoned_tenths), or_dash(row.captured_tenths)];
    [row.nodes.to_string()].into_iter().chain(rates).collect()
}

fn cells(row: &Row) -> Vec<String> {
    let day_tenths = u128::from(row.cpu_ns) * u128::from(DAY.as_micros())
        / u128::from(row.simulated_us.max(1))
        / 100_000_000;
    let ten_thousandths = u128::from(row.allocations) * 10_000 / u128::from(row.events.max(1));
    vec![
        row.nodes.to_string(),
        long(Duration(row.simulated_us)),
        grouped(row.events),
        grouped(row.events_per_second),
        grouped(row.simulated_per_cpu_second),
        format!("{}.{:02}", row.cpu_ns / 1_000_000_000, row.cpu_ns / 10_000_000 % 100),
        tenths(u64::try_from(day_tenths).unwrap_or(u64::MAX)) + "s",
        row.peak_kib.map_or_else(|| "?".to_owned(), |kib| tenths((kib * 10 + 512) / 1_024)),
        format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000),
        grouped(row.bare_per_second),
        row.hash.clone(),
    ]
}

/// Measures one size in a process of its own.
fn child(args: &Bench, nodes: u32) -> Result<Row, Refusal> {
    let refuse = |why: String| Refusal { status: CRASH, said: format!("the run of {nodes} nodes: {why}") };
    let program = std::env::current_exe().map_err(|why| refuse(why.to_string()))?;
    let mut command = Command::new(program);
    command.args(["bench", "--protocol", &args.protocol, "--one", &nodes.to_string()]);
    if args.quick {
        command.arg("--quick");
    } else if let Some(hours) = &args.hours {
        command.args(["--hours", &hours.text]);
    }
    let done = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| refuse(why.to_string()))?;
    serde_json::from_slice(&done.stdout).map_err(|_| refuse(format!("ended with {}", done.status)))
}

/// Whether there is such a protocol.
struct Known;

impl Errand for Known {
    fn run<K: Kit>(self) -> Result<u8, Refusal> {
        Ok(0)
    }
}

/// One row.
struct One {
    nodes: u32,
    span: Duration,
}

impl Errand for One {
    fn run<K: Kit>(self) -> Result<u8, Refusal> {
        let row = measure::<K>(self.nodes, self.span)?;
        print(&format!("{}\n", serde_json::json!(row)));
        Ok(0)
    }
}

fn measure<K: Kit>(nodes: u32, span: Duration) -> Result<Row, Refusal> {
    let plan = plan::<K>(nodes, span);
    let (timed, cpu) = wall::cpu_of(|| run_plan::<K>(&plan, false));
    let peak_kib = peak_kib();
    let timed = timed?;
    let mut counted = None;
    let allocated = allocation_counter::measure(|| counted = Some(run_plan::<K>(&plan, false)));
    let hash_again = match counted {
        Some(again) => again?.hash,
        None => timed.hash,
    };
    let nanos = cpu.as_nanos();
    let ((bare, _), bare_cpu) = wall::cpu_of(|| std::hint::black_box(rival::bare_loop(nodes, span)));
    let reckoned = K::idle_rate(nodes);
    Ok(Row {
        idle_tenths: idle::<K>(nodes)?,
        reckoned_tenths: reckoned.map(|IdleRate { tenths, .. }| tenths),
        captured_tenths: reckoned.and_then(|rate| rate.captured_tenths),
        bare_per_second: rate(bare, bare_cpu.as_nanos()),
        nodes,
        events: timed.counts.events,
        simulated_us: timed.simulated.as_micros(),
        cpu_ns: u64::try_from(nanos).unwrap_or(u64::MAX),
        events_per_second: rate(timed.counts.events, nanos),
        simulated_per_cpu_second: rate(timed.simulated.as_micros(), nanos) / 1_000_000,
        peak_kib,
        allocations: allocated.count_total,
        hash: format!("{:016x}", timed.hash),
        hash_again: format!("{hash_again:016x}"),
        status: timed.verdict.exit_status(),
        what: timed.verdict.what().to_owned(),
    })
}

const SEED: u64 = 1;
const BETWEEN_CUTS: Duration = Duration::from_secs(600);
const WITHOUT_POWER: Duration = Duration::from_secs(60);

/// From when on and for how long idle nodes are listened to. What is said every second, every
/// five and every fifteen comes up equally often in it.
const QUIET_AT: Moment = Moment(120_000_000);
const LISTENED: Duration = Duration::from_secs(300);

/// Packets a second between nodes that nothing befalls, in tenths.
fn idle<K: Kit>(nodes: u32) -> Result<u64, Refusal> {
    let setup = Setup { seed: SEED, nodes, settings: Vec::new(), plant: None };
    let mut run = Run::new(K::new(&setup)?, &setup, false);
    run.start();
    run.until(QUIET_AT, |_| true);
    let before = run.world.counts.segments;
    run.until(QUIET_AT + LISTENED, |_| true);
    let packets = run.world.counts.segments - before;
    Ok((packets * 10 + LISTENED.as_secs() / 2) / LISTENED.as_secs())
}

/// Every 10 minutes the next host is without power for a minute.
fn plan<K: Kit>(nodes: u32, span: Duration) -> Plan<K::Action> {
    let heal_at = Moment::START + span;
    let setup = Setup { seed: SEED, nodes, settings: Vec::new(), plant: None };
    let mut steps = Vec::new();
    for turn in 1.. {
        let at = Moment::START + BETWEEN_CUTS.times(turn);
        if at + WITHOUT_POWER >= heal_at {
            break;
        }
        let host = Who::One(HostId(((turn - 1) % u64::from(nodes)) as u32));
        let step = |at, fault, family| Step { at, deed: Deed::Fault(fault), family };
        steps.push(step(at, Fault::PowerOff(host), Some("power")));
        steps.push(step(at + WITHOUT_POWER, Fault::PowerOn(host), None));
    }
    Plan { setup, steps, families: vec!["power"], heal_at }
}

/// The most memory this process has held, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The processor's name and how many of it this program may use.
fn machine() -> (String, usize) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, name)| name.trim());
    (model.to_owned(), cores)
}

#[cfg(test)]
mod tests {
    use super::super::toy::Toy;
    use super::*;

    #[test]
    fn the_hosts_lose_power_in_turn() {
        let plan = plan::<Toy>(3, Duration::from_secs(3_600));
        let text = plan.to_string();
        assert_eq!(plan.steps.len(), 10, "{text}");
        assert!(text.contains("at 600s power-off n0\nat 660s power-on n0\nat 1200s power-off n1"), "{text}");
        assert!(text.ends_with("at 3060s power-on n1\nat 3600s heal\n"), "{text}");
    }

    #[test]
    fn a_row_repeats() {
        let row = measure::<Toy>(2, Duration::from_secs(3_600)).unwrap();
        assert_eq!((row.status, row.hash.clone()), (0, row.hash_again.clone()));
        assert!(row.events > 7_000 && row.allocations > 0);
        assert_eq!(cells(&row).len(), HEADINGS.len());
        assert_eq!(idle_cells(&row), ["2", "0.0", "-", "-"]);
        assert_eq!(row.hash, measure::<Toy>(2, Duration::from_secs(3_600)).unwrap().hash);
    }
}
