//! A campaign: many seeds side by side, told as if they had run one after the other.

use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration as Wall;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use standin_sim::campaign::{Difference, InOrder, Spread, Totals, check_determinism, prepare, run_seed};
use standin_sim::kit::{Kit, WrongSetting};
use standin_sim::outcome::Outcome;
use standin_sim::plan::Wishes;

use super::file::Aside;
use super::options::Sim;
use super::show::{Paint, facts, figures, grouped, indented, long, rate, section, tally, worst, wrapped};
use super::wall::Stopwatch;
use super::{Refusal, print, show};

/// Seeds named of each group of failures.
const SEEDS_SHOWN: usize = 5;

/// A protocol's part in a campaign.
pub(crate) struct Hand {
    name: &'static str,
    plants: &'static [(&'static str, u64)],
    wishes: Wishes,
    run: fn(u64, &Wishes) -> Result<Outcome, WrongSetting>,
    twice: fn(u64, &Wishes) -> Result<Outcome, WrongSetting>,
}

impl Hand {
    /// A kit's, if what is asked for can be done with it.
    pub(crate) fn of<K: Kit>(args: &Sim) -> Result<Self, Refusal> {
        let wishes = args.wishes::<K>()?;
        prepare::<K>(args.from, &Wishes { families: Some(Vec::new()), ..wishes.clone() })?;
        let twice = |seed, wishes: &Wishes| {
            let same = check_determinism::<K>(seed, wishes)?;
            let outcome = same.unwrap_or_else(Difference::into_outcome);
            Ok(Outcome { lines: Vec::new(), ..outcome })
        };
        let run = |seed, wishes: &Wishes| run_seed::<K>(seed, wishes, false);
        Ok(Self { name: K::NAME, plants: K::PLANTS, wishes, run, twice })
    }
}

/// Runs it; the answer is the worst failure's exit status. Several hands take turns: odd seeds are
/// the first's, even ones the second's.
pub(crate) fn run(args: &Sim, seeds: u64, hands: &[Hand]) -> Result<u8, Refusal> {
    let last = args.from.checked_add(seeds - 1).ok_or_else(|| {
        Refusal::usage(format!("--from {} leaves no room for {seeds} seeds below {}", args.from, u64::MAX))
    })?;
    let json = args.json.as_deref().map(Aside::begin).transpose()?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = args.jobs.map_or(cores, |jobs| jobs as usize);
    let paint = Paint::stdout();
    let crowd = if jobs == 1 { "one at a time".to_owned() } else { format!("{jobs} at a time") };
    let names: Vec<_> = hands.iter().map(|hand| hand.name).collect();
    let names = names.join(" and ");
    print(&format!("{}, {crowd}\n", paint.bold(&format!("{names} seeds {} to {last}", args.from))));

    let whose = |seed: u64| ((seed.wrapping_sub(1)) % hands.len() as u64) as usize;
    let run = |place: u64| -> (usize, Result<Outcome, WrongSetting>) {
        let seed = args.from + place;
        let at = whose(seed);
        let hand = &hands[at];
        let run = if args.check_determinism { hand.twice } else { hand.run };
        (at, run(seed, &hand.wishes))
    };
    let watch = Stopwatch::start();
    let until = args.minutes.as_ref().map(|minutes| Wall::from_micros(minutes.span.as_micros()));
    let over = || until.is_some_and(|until| watch.wall() >= until);
    let mut totals: Vec<Totals> = hands.iter().map(|_| Totals::new()).collect();
    let mut wrong = None;
    let mut progress = Progress::new(seeds, watch);
    fan_out(seeds, jobs, over, run, |(at, ended)| match ended {
        Ok(outcome) => {
            totals[at].add(outcome);
            progress.show(&totals);
            args.plant.is_none() || totals[at].failures.is_empty()
        }
        Err(refused) => {
            wrong = Some(refused);
            false
        }
    });
    progress.finish();
    if let Some(wrong) = wrong {
        return Err(wrong.into());
    }
    if let Some(json) = json {
        let mut told: Vec<_> =
            hands.iter().zip(&totals).map(|(hand, totals)| summary(args, hand, totals)).collect();
        let told = if told.len() == 1 { told.remove(0) } else { json!({ "protocols": told }) };
        json.finish(|out| writeln!(out, "{told:#}"))?;
    }
    let ran: u64 = totals.iter().map(|totals| totals.runs).sum();
    for (hand, totals) in hands.iter().zip(&totals) {
        if hands.len() > 1 {
            print(&format!("\n{}\n", paint.bold(&format!("== {}", hand.name))));
        }
        print(&report(paint, args, hand, totals, &watch, hands.len() == 1));
    }
    if args.plant.is_none() && ran < seeds {
        print(&format!("stopped after {} of {}\n", grouped(ran), show::seeds(seeds)));
    }
    let statuses = totals.iter().map(Totals::exit_status);
    // The worst counts: 3, then 1, then 2.
    Ok(statuses.max_by_key(|status| [0, 2, 1, 3][usize::from(*status).min(3)]).unwrap_or_default())
}

/// Does `work` for the places 0 to `count` in `jobs` threads, and hands what comes of it to
/// `each` in order. No place is begun once `over` or after `each` answered false.
pub(crate) fn fan_out<T: Send>(
    count: u64,
    jobs: usize,
    over: impl Fn() -> bool + Sync,
    work: impl Fn(u64) -> T + Sync,
    mut each: impl FnMut(T) -> bool,
) {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(usize::try_from(count).unwrap_or(jobs)) {
            let (send, next, stop, over, work) = (send.clone(), &next, &stop, &over, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && !over() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count || send.send((place, work(place))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut order = InOrder::new();
        for (place, done) in receive {
            order.put(place, done);
            while let Some(done) = order.take() {
                if !each(done) {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

/// How far a campaign is: a bar on a terminal, else a line now and then.
struct Progress {
    bar: Option<ProgressBar>,
    seeds: u64,
    watch: Stopwatch,
    next_line: Wall,
}

const BETWEEN_LINES: Wall = Wall::from_secs(10);

impl Progress {
    fn new(seeds: u64, watch: Stopwatch) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = "{bar:30} {pos}/{len} seeds  {msg}  {eta} left";
            let style = ProgressStyle::with_template(style).expect("the template is well formed");
            let bar = ProgressBar::new(seeds).with_style(style.progress_chars("##-"));
            bar.enable_steady_tick(Wall::from_millis(200));
            bar
        });
        Self { bar, seeds, watch, next_line: BETWEEN_LINES }
    }

    fn show(&mut self, totals: &[Totals]) {
        let wall = self.watch.wall();
        let runs: u64 = totals.iter().map(|totals| totals.runs).sum();
        let said = || {
            let events = totals.iter().map(|totals| totals.counts.events).sum();
            let failed: usize = totals.iter().map(|totals| totals.failures.len()).sum();
            format!("{failed} failed  {} events/s", grouped(rate(events, wall.as_nanos())))
        };
        match &self.bar {
            Some(bar) => {
                bar.set_position(runs);
                bar.set_message(said());
            }
            None if wall >= self.next_line => {
                eprintln!("{}s  {runs}/{} seeds  {}", wall.as_secs(), self.seeds, said());
                self.next_line = wall + BETWEEN_LINES;
            }
            None => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn report(paint: Paint, args: &Sim, hand: &Hand, totals: &Totals, watch: &Stopwatch, alone: bool) -> String {
    let mut text = String::new();
    for group in totals.groups() {
        let first = group.first;
        text += &format!("\n{}  {}\n", paint.bad("FAILED"), first.signature);
        text += &indented(&first.what, 2);
        let shown: Vec<_> = group.seeds.iter().take(SEEDS_SHOWN).map(u64::to_string).collect();
        let more = if group.seeds.len() > SEEDS_SHOWN { " ..." } else { "" };
        text += &format!("  {}: {}{more}\n", show::seeds(group.seeds.len() as u64), shown.join(" "));
        text += &format!("  run again: {}\n", args.again_with(hand.name, first.seed));
    }
    text += &section(paint, "figures", &figures(&totals.figures));
    text += &section(paint, "addresses", &worst(&totals.addresses));
    text += &section(paint, "checks", &tally(totals.checks.iter().copied()));
    text +=
        &section(paint, "faults", &tally(totals.faults.iter().map(|(name, times)| (name.as_str(), *times))));
    text += &section(paint, "never noticed", &wrapped(&totals.never_noticed()));
    let cpu = watch.cpu().as_nanos();
    // A second run of each seed, to compare, takes its time too.
    let runs = if args.check_determinism { 2 } else { 1 };
    let speed = grouped(rate(totals.counts.events * runs, cpu));
    let mut rows = vec![
        ("simulated", long(totals.simulated)),
        ("events", grouped(totals.counts.events)),
        ("notices", grouped(totals.notices)),
        ("took", format!("{:.1}s", watch.wall().as_secs_f64())),
    ];
    // Side by side nobody knows whose time it was.
    if alone {
        rows.push(("speed", format!("{speed} events/s per core")));
    }
    text += &section(paint, "totals", &facts(&rows));
    text += &format!("\ncampaign hash {:016x}\n", totals.hash());
    let failed = totals.failures.len() as u64;
    let of = format!("of {}", show::seeds(totals.runs));
    text += &match failed {
        0 => format!("{}  {} {of}\n", paint.good("PASSED"), grouped(totals.passed())),
        _ => format!("{}  {} {of}\n", paint.bad("FAILED"), grouped(failed)),
    };
    if let Some(plant) = &args.plant {
        text += &found(plant, hand, totals);
    }
    text
}

/// Whether and how soon a planted bug was found.
fn found(plant: &str, hand: &Hand, totals: &Totals) -> String {
    let limit = hand.plants.iter().find(|(name, _)| *name == plant).map_or(0, |(_, limit)| *limit);
    let seeds = show::seeds(totals.runs);
    match totals.failures.first() {
        Some(first) => {
            let seed = first.seed;
            format!("plant {plant}: found within {seeds}, by seed {seed}; {limit} are its limit\n")
        }
        None => format!("plant {plant}: not found within {seeds}; {limit} are its limit\n"),
    }
}

/// The campaign for other programs.
fn summary(args: &Sim, hand: &Hand, totals: &Totals) -> serde_json::Value {
    let spreads: serde_json::Map<_, _> = totals
        .figures
        .iter()
        .filter_map(|(&what, samples)| Some((what.to_owned(), json!(Spread::of(samples)?))))
        .collect();
    let failures: Vec<_> = totals
        .failures
        .iter()
        .map(|failure| {
            let mut object = json!(failure);
            object["again"] = json!(args.again_with(hand.name, failure.seed));
            object
        })
        .collect();
    let named = |all: &[(&'static str, u64)]| -> serde_json::Map<_, _> {
        all.iter().map(|&(name, times)| (name.to_owned(), json!(times))).collect()
    };
    json!({
        "protocol": hand.name,
        "from": args.from,
        "seeds": totals.runs,
        "passed": totals.passed(),
        "status": totals.exit_status(),
        "hash": format!("{:016x}", totals.hash()),
        "simulated_us": totals.simulated.as_micros(),
        "counts": totals.counts,
        "notices": totals.notices,
        "kinds": named(&totals.kinds),
        "never_noticed": totals.never_noticed(),
        "faults": totals.faults,
        "checks": named(&totals.checks),
        "figures_us": spreads,
        "addresses": totals.addresses,
        "failures": failures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_side_by_side_is_told_in_order() {
        let slow_first = |place: u64| {
            thread::sleep(Wall::from_millis(if place.is_multiple_of(4) { 3 } else { 0 }));
            place
        };
        for jobs in [1, 3, 8] {
            let mut told = Vec::new();
            fan_out(
                40,
                jobs,
                || false,
                slow_first,
                |place| {
                    told.push(place);
                    true
                },
            );
            assert_eq!(told, (0..40).collect::<Vec<_>>(), "{jobs} jobs");
        }
    }

    #[test]
    fn it_stops_in_order_too() {
        for jobs in [1, 4] {
            let mut told = Vec::new();
            fan_out(
                1_000_000_000,
                jobs,
                || false,
                |place| place,
                |place| {
                    told.push(place);
                    place < 6
                },
            );
            assert_eq!(told, (0..=6).collect::<Vec<_>>(), "{jobs} jobs");
        }
        fan_out(10, 2, || true, |_| (), |()| panic!("time was over before it began"));
    }
}
