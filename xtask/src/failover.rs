//! `bench failover`: how long clients wait when a real daemon's node is lost, either daemon alike.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, ValueEnum};
use standin_testbed::{Bed, Client, Error, Monitor, Network, Observer, Options, Program};

use crate::cluster::{Shape, complain, complain_with};

/// Measure failover of real daemons in network namespaces.
///
/// One cluster for all runs; each begins with all healthy and ends with all back. Times are in
/// seconds from the fault, to or between answers to a client that asks each address every 20 ms.
#[derive(Parser)]
#[command(name = "cargo xtask bench failover", bin_name = "cargo xtask bench failover")]
struct Args {
    #[command(flatten)]
    shape: Shape,
    /// What happens; may be repeated. All of them unless said.
    #[arg(long, value_enum)]
    situation: Vec<Situation>,
    /// How often each happens.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// The cluster's name, so that several can be measured side by side.
    #[arg(long, default_value = "bench")]
    name: String,
    /// Measure standind, standind --strict and ctdbd beside each other, each in a cluster of its own,
    /// all at once.
    #[arg(long, conflicts_with_all = ["program", "strict", "ctdbd"])]
    beside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Situation {
    /// A follower's daemon is stopped as its service would stop it.
    CleanStop,
    /// A follower loses power.
    Power,
    /// The leader loses power.
    PowerLeader,
    /// One public address is deleted behind the daemon's back.
    Address,
    /// A follower's public cable is pulled.
    Cable,
    /// A follower's public interface is set down and left so.
    Interface,
    /// A follower's public network restarts: all addresses flushed, down for a second, up with
    /// its own.
    Restart,
    /// A follower's daemon is killed with SIGKILL, its node stays up.
    Kill9,
    /// A follower's private network is cut for a minute, carrier up, clients as before.
    Part,
    /// The leader's is.
    PartLeader,
    /// Nothing does, for half a minute: what does a node cost?
    Idle,
}

impl Situation {
    fn hits_leader(self) -> bool {
        matches!(self, Self::PowerLeader | Self::PartLeader)
    }

    /// Whether another node has to serve what is lost; else any may.
    fn moves(self) -> bool {
        !matches!(self, Self::Address | Self::Interface | Self::Restart | Self::Idle)
    }
}

/// What is measured of one run, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Figure {
    Outage,
    Gone,
    Served,
    Twice,
    TwiceAtEnd,
    Again,
    Back,
    Cpu,
    Memory,
}

impl Figure {
    fn words(self) -> &'static str {
        match self {
            Self::Outage => "client outage, worst address",
            Self::Gone => "its kernel was without it",
            Self::Served => "all served by others, as a client sees it",
            Self::Twice => "hosted twice, worst address, while watched",
            Self::TwiceAtEnd => "addresses hosted twice at the end",
            Self::Again => "undone: holds addresses again",
            Self::Back => "undone: client gap, worst address",
            Self::Cpu => "CPU of a node, all its processes, per cent",
            Self::Memory => "memory of a node, resident, MB",
        }
    }
}

/// Figures of a situation's runs; infinity is never.
type Row = (Situation, Figure, Vec<f64>);

/// How long a cluster may take to form, to serve all, to be as before.
const FORM: Duration = Duration::from_secs(120);
const SERVE: Duration = Duration::from_secs(60);

/// How long is looked on after all is served: what is hosted twice then stays so. Longer than
/// CTDB's RerecoveryTimeout, which would otherwise delay what comes next.
const AFTER: Duration = Duration::from_secs(12);

/// How long nothing happens, and what Linux counts processor time in.
const IDLE: Duration = Duration::from_secs(30);
const TICKS_A_SECOND: f64 = 100.0;

/// How long a network is cut, and how long clients are watched after it is healed: a wrong entry
/// in a neighbour table lives for half a minute.
const CUT: Duration = Duration::from_secs(60);
const HEALED: Duration = Duration::from_secs(40);

/// Whether these arguments of `bench` are ours.
pub fn meant(args: &[OsString]) -> bool {
    args.first().is_some_and(|first| first == "failover")
}

/// Measures and prints a table; 1 if a cluster does not come up or does not recover.
pub fn run(root: &Path, args: &[OsString]) -> i32 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(why) => {
            // Nothing is left to do about a closed terminal.
            let _ = why.print();
            return if why.use_stderr() { crate::USAGE } else { 0 };
        }
    };
    if Bed::exists(&args.name) {
        return complain(&format!("a cluster {} is up already: choose another --name", args.name));
    }
    let options = match args.shape.options(root) {
        Ok(options) => options,
        Err((why, status)) => return complain_with(&why, status),
    };
    if args.beside {
        return beside(&args, &options);
    }
    let mut rows = Vec::new();
    let measured = measure(&args, &args.name, &options, &mut rows);
    print!("{}", table(&options, &rows));
    measured.map_or_else(|why| complain(&why), |()| 0)
}

/// The same of three programs at once; 1 if one of them could not be measured to the end.
fn beside(args: &Args, options: &Options) -> i32 {
    let all = |change: &dyn Fn(&Program) -> Program| {
        let programs = options.programs.iter().map(change).collect();
        Options { programs, public: options.public, lock: options.lock, tunables: options.tunables.clone() }
    };
    let strictly = |program: &Program| match program {
        Program::Standind { path, .. } => Program::Standind { path: path.clone(), strict: true },
        Program::Ctdbd => Program::Ctdbd,
    };
    let three =
        [("ctdbd", all(&|_| Program::Ctdbd)), ("strict", all(&strictly)), ("standind", all(&Program::clone))];
    let measured: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> = three
            .iter()
            .map(|(label, options)| {
                scope.spawn(move || {
                    let mut rows = Vec::new();
                    let done = measure(args, &format!("{}-{label}", args.name), options, &mut rows);
                    (done, rows)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("a measurement does not panic")).collect()
    });
    let columns: Vec<_> =
        three.iter().map(|(label, _)| *label).zip(measured.iter().map(|(_, rows)| rows)).collect();
    print!("{}", beside_table(options, &columns));
    measured.iter().filter_map(|(done, _)| done.as_ref().err()).map(complain).max().unwrap_or(0)
}

/// Median, least and most, a column a program.
fn beside_table(options: &Options, columns: &[(&str, &Vec<Row>)]) -> String {
    let mut text = format!(
        "\n{} nodes, {} public addresses; seconds unless said, median (least to most)\n\n{:<12}  {:<42}",
        options.programs.len(),
        options.public,
        "situation",
        "figure"
    );
    for (label, _) in columns {
        text += &format!("  {label:>24}");
    }
    text.push('\n');
    let mut kinds: Vec<(Situation, Figure)> = Vec::new();
    for (situation, figure, _) in columns.iter().flat_map(|(_, rows)| rows.iter()) {
        if !kinds.contains(&(*situation, *figure)) {
            kinds.push((*situation, *figure));
        }
    }
    for (situation, figure) in kinds {
        text += &format!("{:<12}  {:<42}", name(situation), figure.words());
        for (_, rows) in columns {
            let found = rows.iter().find(|row| row.0 == situation && row.1 == figure);
            let told = found.map_or("-".into(), |(_, _, values)| {
                let (min, median, max) = spread(values);
                format!("{} ({} to {})", seconds(median), seconds(min), seconds(max))
            });
            text += &format!("  {told:>24}");
        }
        text.push('\n');
    }
    text
}

/// Least, median and most.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    (sorted[0], median, sorted[sorted.len() - 1])
}

fn measure(args: &Args, bed: &str, options: &Options, rows: &mut Vec<Row>) -> Result<(), Error> {
    let situations = if args.situation.is_empty() { Situation::value_variants() } else { &args.situation };
    let mut bed = Bed::up(bed, options)?;
    let (client, observer) = (Client::start(&bed)?, Observer::start(&bed)?);
    let started = Instant::now();
    bed.start_all()?;
    let served = client.wait(started, FORM, |all| all.iter().all(|(_, who)| who.is_some()))?;
    bed.wait_healthy(bed.len(), FORM)?;
    eprintln!("{}: cold start: all addresses answer after {:.1} s", bed.name(), served.as_secs_f64());
    for &situation in situations {
        for run in 1..=args.runs {
            let figures = if situation == Situation::Idle {
                idle(&bed)?
            } else if matches!(situation, Situation::Part | Situation::PartLeader) {
                parted(&bed, &client, &observer, situation)?
            } else {
                once(&mut bed, &client, &observer, situation)?
            };
            let told: Vec<String> = figures
                .iter()
                .map(|(figure, value)| format!("{} {}", figure.words(), seconds(*value)))
                .collect();
            eprintln!("{} {} {run}: {}", bed.name(), name(situation), told.join("; "));
            for (figure, value) in figures {
                match rows.iter_mut().find(|row| row.0 == situation && row.1 == figure) {
                    Some(row) => row.2.push(value),
                    None => rows.push((situation, figure, vec![value])),
                }
            }
        }
    }
    Ok(())
}

/// One run, from all well to all well.
fn once(
    bed: &mut Bed,
    client: &Client,
    observer: &Observer,
    situation: Situation,
) -> Result<Vec<(Figure, f64)>, Error> {
    let node = settled(bed, situation)?;
    let mut touched = client.of(node);
    if situation == Situation::Address {
        touched.truncate(1);
    }
    let Some(&first) = touched.first() else {
        return Err(Error::new(format!("node {node} serves no address before the fault")));
    };

    let monitor = (situation == Situation::Address).then(|| Monitor::start(bed, node)).transpose()?;
    let fault = Instant::now();
    match situation {
        Situation::CleanStop => bed.stop(node)?,
        Situation::Power | Situation::PowerLeader => bed.power_off(node)?,
        Situation::Address => bed.address_delete(node, first)?,
        Situation::Cable => bed.cable(node, Network::Public, false)?,
        Situation::Interface => bed.interface(node, Network::Public, false)?,
        Situation::Restart => bed.restart_network(node, Network::Public)?,
        Situation::Kill9 => bed.kill(node)?,
        Situation::Part | Situation::PartLeader | Situation::Idle => {}
    }
    let moves = situation.moves();
    if !moves {
        // The same node may serve it again: that it fell silent has to be seen first.
        thread::sleep(Duration::from_millis(220));
    }
    let fine = |(address, who): &(Ipv4Addr, Option<usize>)| {
        !touched.contains(address) || who.is_some_and(|who| !moves || who != node)
    };
    let served = client.wait(fault, SERVE, |all| all.iter().all(fine));
    thread::sleep(AFTER);
    let watched = Instant::now();
    let gap = client.worst_gap(&touched, fault, watched);
    let outage = gap.map_or(0.0, |(_, gap)| gap.length().as_secs_f64());
    let served = served.map_or(f64::INFINITY, |after| after.as_secs_f64());
    let twice = touched.iter().map(|&address| observer.twice_for(address, fault, watched)).max();
    let mut figures = vec![(Figure::Outage, if served.is_finite() { outage } else { served })];
    if let Some(monitor) = monitor {
        figures.push((Figure::Gone, monitor.gone(first).map_or(f64::INFINITY, |gone| gone.as_secs_f64())));
    }
    if moves {
        figures.push((Figure::Served, served));
    }
    figures.push((Figure::Twice, twice.unwrap_or_default().as_secs_f64()));

    let undone = Instant::now();
    match situation {
        Situation::CleanStop | Situation::Kill9 => bed.start(node)?,
        Situation::Power | Situation::PowerLeader => {
            bed.power_on(node)?;
            bed.start(node)?;
        }
        Situation::Cable => bed.cable(node, Network::Public, true)?,
        Situation::Interface => bed.interface(node, Network::Public, true)?,
        Situation::Address
        | Situation::Restart
        | Situation::Part
        | Situation::PartLeader
        | Situation::Idle => {}
    }
    if moves {
        // A killed daemon left addresses behind: not before its own start removed them.
        let early = Duration::from_secs(1);
        let has = |all: &[(Ipv4Addr, Option<usize>)]| all.iter().any(|(_, who)| *who == Some(node));
        let again = client.wait(undone, FORM, |all| undone.elapsed() > early && has(all));
        bed.wait_healthy(bed.len(), FORM)?;
        thread::sleep(AFTER);
        let gap = client.worst_gap(bed.addresses(), undone, Instant::now());
        figures.push((Figure::Again, again.map_or(f64::INFINITY, |after| after.as_secs_f64())));
        figures.push((Figure::Back, gap.map_or(0.0, |(_, gap)| gap.length().as_secs_f64())));
    }
    bed.wait_healthy(bed.len(), FORM)?;
    Ok(figures)
}

/// What every process of a node takes while nothing happens.
fn idle(bed: &Bed) -> Result<Vec<(Figure, f64)>, Error> {
    let follower = (0..bed.len()).rev().find(|node| bed.leader(0).is_ok_and(|leader| leader != *node));
    let node = follower.unwrap_or(0);
    let (before, _) = cost(bed, node)?;
    thread::sleep(IDLE);
    let (after, memory) = cost(bed, node)?;
    let busy = (after - before) / TICKS_A_SECOND / IDLE.as_secs_f64();
    Ok(vec![(Figure::Cpu, busy * 100.0), (Figure::Memory, memory)])
}

/// Clock ticks used by a node's processes and those they waited for, and their resident MB; its
/// first process, which sleeps, and those that ask are left out.
fn cost(bed: &Bed, node: usize) -> Result<(f64, f64), Error> {
    let script = "for p in /proc/[0-9]*; do [ ${p#/proc/} = 1 ] || cat $p/stat $p/statm 2>/dev/null; done";
    let output = bed
        .command(node, "sh")?
        .args(["-c", script])
        .output()
        .map_err(|why| Error::new(format!("sh on node {node}: {why}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (mut ticks, mut pages) = (0.0, 0.0);
    let mut lines = text.lines();
    while let (Some(stat), Some(statm)) = (lines.next(), lines.next()) {
        let Some((head, fields)) = stat.rsplit_once(") ") else { continue };
        if ["(sh", "(cat"].iter().any(|asks| head.ends_with(asks)) {
            continue;
        }
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        // User and system time, of itself and of its children: fields 14 to 17.
        ticks += (11..15).map(|at| number(fields.split(' ').nth(at))).sum::<f64>();
        pages += number(statm.split(' ').nth(1));
    }
    Ok((ticks, pages * 4096.0 / 1e6))
}

/// A cut and its healing, which is what clients suffer from.
fn parted(
    bed: &Bed,
    client: &Client,
    observer: &Observer,
    situation: Situation,
) -> Result<Vec<(Figure, f64)>, Error> {
    let node = settled(bed, situation)?;
    let cut = Instant::now();
    bed.partition(Network::Private, &[&[], &[node]])?;
    thread::sleep(CUT);
    let healed = Instant::now();
    let worst = |from, to| {
        client.worst_gap(bed.addresses(), from, to).map_or(0.0, |(_, gap)| gap.length().as_secs_f64())
    };
    let outage = worst(cut, healed);
    let at_end = u32::try_from(observer.twice().len()).map_or(f64::INFINITY, f64::from);
    bed.heal(Network::Private)?;
    thread::sleep(HEALED);
    bed.wait_healthy(bed.len(), FORM)?;
    let all = Instant::now();
    let twice = bed.addresses().iter().map(|&address| observer.twice_for(address, cut, all)).max();
    Ok(vec![
        (Figure::Outage, outage),
        (Figure::Twice, twice.unwrap_or_default().as_secs_f64()),
        (Figure::TwiceAtEnd, at_end),
        (Figure::Back, worst(healed, all)),
    ])
}

/// Waits a little and names the node that is hit.
fn settled(bed: &Bed, situation: Situation) -> Result<usize, Error> {
    let leader = bed.leader(0)?;
    // Not always at the same moment of the daemons' own timers.
    thread::sleep(Duration::from_secs(2) + phase());
    let follower = (0..bed.len()).rev().find(|node| *node != leader).unwrap_or(leader);
    Ok(if situation.hits_leader() { leader } else { follower })
}

/// Up to five seconds, which is CTDB's longest period.
fn phase() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(u64::from(now.subsec_micros()) % 5000)
}

/// The same form for either program.
fn table(options: &Options, rows: &[Row]) -> String {
    let mut programs: Vec<&str> = options
        .programs
        .iter()
        .map(|program| match program {
            Program::Standind { strict: true, .. } => "standind --strict",
            Program::Standind { .. } | Program::Ctdbd => program.name(),
        })
        .collect();
    programs.sort_unstable();
    programs.dedup();
    let lock = if options.lock { "a lock" } else { "no lock" };
    let tunables: String = options.tunables.iter().map(|(name, value)| format!(", {name}={value}")).collect();
    let mut text = format!(
        "\n{}: {} nodes, {} public addresses, {lock}{tunables}; seconds\n\n",
        programs.join(" and "),
        options.programs.len(),
        options.public
    );
    text += &format!(
        "{:<12}  {:<42}  {:>2}  {:>7}  {:>7}  {:>7}\n",
        "situation", "figure", "n", "min", "median", "max"
    );
    for (situation, figure, values) in rows {
        let (min, median, max) = spread(values);
        text += &format!(
            "{:<12}  {:<42}  {:>2}  {:>7}  {:>7}  {:>7}\n",
            name(*situation),
            figure.words(),
            values.len(),
            seconds(min),
            seconds(median),
            seconds(max)
        );
    }
    text
}

fn seconds(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "never".into(),
        0.0005..0.1 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

fn name(situation: Situation) -> String {
    situation.to_possible_value().map_or(String::new(), |value| value.get_name().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_middle_and_the_ends() {
        let rows = [
            (Situation::CleanStop, Figure::Outage, vec![1.2, 0.8, 1.0]),
            (Situation::Kill9, Figure::Served, vec![8.0, f64::INFINITY]),
        ];
        let text = table(&Options::new(3, &Program::Ctdbd), &rows);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines[0], "ctdbd: 3 nodes, 6 public addresses, no lock; seconds");
        assert!(lines[3].ends_with(" 3     0.80     1.00     1.20"), "{text}");
        assert!(lines[4].ends_with(" 2     8.00    never    never"), "{text}");
    }

    #[test]
    fn bench_is_the_simulators_unless_it_is_failover() {
        assert!(meant(&["failover".into(), "--runs".into()]));
        assert!(!meant(&["--help".into()]) && !meant(&[]));
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
