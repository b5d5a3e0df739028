//! Simulated figures beside those measured of real ctdbd: what a rehearsal's seconds are worth, and
//! what the mended faults gain.

use std::fmt::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};
use standin_sim::ctdb::figures::{Figure, Missed, Real, SITUATIONS, Situation, Unit};

use super::file::Aside;
use super::many::fan_out;
use super::show::{Paint, columns, indented, seeds as seeds_of, spinner};
use super::{Refusal, print};

/// A situation could not be arranged: something did not happen in time.
const NOT_ARRANGED: u8 = 2;

/// As near to a real range as this, in milliseconds, or as a hundredth of its end, is near. A choice, not a
/// measurement: the real machine was loaded, and how noisy its short figures are is not known.
const NEAR: u64 = 100;

const HEADINGS: [&str; 12] = [
    "seconds, unless said",
    "n",
    "real min",
    "median",
    "max",
    "strict min",
    "median",
    "max",
    "fixed min",
    "median",
    "max",
    "strict is",
];

/// The same figure of several runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Samples {
    /// In thousandths of the figure's unit, sorted.
    came: Vec<u64>,
    /// Runs in which it did not come about.
    never: usize,
}

/// How ctdbd's own behaviour, simulated, compares with the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Its median lies between the real least and most.
    InRange,
    /// It lies as near to them as [`NEAR`] says.
    Near,
    /// It does not, but the ranges overlap.
    Overlaps,
    Differs,
    /// Nobody measured the real one.
    Unmeasured,
}

/// Every figure of every situation, strict and fixed, in their order.
type Table = Vec<Vec<[Samples; 2]>>;

/// Plays every situation with every seed, strict and fixed, and prints the table.
pub(super) fn run(seeds: u64, json: Option<&Path>) -> Result<u8, Refusal> {
    let json = json.map(Aside::begin).transpose()?;
    let spinner = spinner(format!("{} situations, {} each", SITUATIONS.len(), seeds_of(seeds)));
    let (table, missed) = play(SITUATIONS, seeds);
    spinner.finish_and_clear();
    print(&report(Paint::stdout(), SITUATIONS, seeds, &table));
    for Missing { situation, seed, strict, missed } in &missed {
        let kind = if *strict { "strict" } else { "fixed" };
        let name = SITUATIONS[*situation].name;
        eprintln!("{name}, seed {seed}, {kind}: could not be arranged: {}", missed.what);
    }
    if let Some(json) = json {
        let all = as_json(SITUATIONS, seeds, &table);
        json.finish(|out| writeln!(out, "{all:#}"))?;
    }
    Ok(if missed.is_empty() { 0 } else { NOT_ARRANGED })
}

/// A run that came to nothing.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    situation: usize,
    seed: u64,
    strict: bool,
    missed: Missed,
}

/// All runs side by side; what comes of them does not depend on how many run at once.
fn play(situations: &[Situation], seeds: u64) -> (Table, Vec<Missing>) {
    let each = seeds * 2;
    let what = |place: u64| ((place / each) as usize, place % each / 2 + 1, place.is_multiple_of(2));
    let mut table: Table = situations
        .iter()
        .map(|situation| vec![[Samples::default(), Samples::default()]; situation.figures.len()])
        .collect();
    let (mut missing, mut place) = (Vec::new(), 0);
    let work = |place: u64| {
        let (situation, seed, strict) = what(place);
        situations[situation].play(seed, strict)
    };
    let jobs = thread::available_parallelism().map_or(1, NonZero::get);
    fan_out(
        each * situations.len() as u64,
        jobs,
        || false,
        work,
        |ended| {
            let (situation, seed, strict) = what(place);
            place += 1;
            match ended {
                Ok(figures) => {
                    for (samples, figure) in table[situation].iter_mut().zip(figures) {
                        samples[usize::from(!strict)].add(figure);
                    }
                }
                Err(missed) => missing.push(Missing { situation, seed, strict, missed }),
            }
            true
        },
    );
    (table, missing)
}

impl Samples {
    fn add(&mut self, figure: Option<u64>) {
        match figure {
            None => self.never += 1,
            Some(figure) => self.came.insert(self.came.partition_point(|held| *held <= figure), figure),
        }
    }

    const fn count(&self) -> usize {
        self.came.len() + self.never
    }

    /// Of all runs in order of figure, those that never came last, the one at this place.
    fn at(&self, place: usize) -> Option<u64> {
        self.came.get(place).copied()
    }

    /// The one in the middle, or between the two there; nothing if that never came.
    fn median(&self) -> Option<u64> {
        let count = self.count();
        let low = self.at(count.checked_sub(1)? / 2)?;
        Some(u64::midpoint(low, self.at(count / 2)?))
    }

    fn ends(&self) -> [Option<u64>; 3] {
        [self.at(0), self.median(), self.count().checked_sub(1).and_then(|last| self.at(last))]
    }

    fn compare(&self, unit: Unit, real: Option<Real>) -> Mark {
        let Some(Real { min, max, .. }) = real else { return Mark::Unmeasured };
        let least = if unit == Unit::Seconds { NEAR } else { 0 };
        let (low, high) = (min.saturating_sub(least.max(min / 100)), max + least.max(max / 100));
        let overlap = self.came.first().is_some_and(|least| *least <= max)
            && self.came.last().is_some_and(|most| *most >= min);
        match self.median() {
            Some(median) if (min..=max).contains(&median) => Mark::InRange,
            Some(median) if (low..=high).contains(&median) => Mark::Near,
            _ if overlap => Mark::Overlaps,
            _ => Mark::Differs,
        }
    }
}

impl Mark {
    const fn word(self) -> &'static str {
        match self {
            Self::InRange => "in range",
            Self::Near => "near",
            Self::Overlaps => "overlaps",
            Self::Differs => "differs",
            Self::Unmeasured => "",
        }
    }
}

fn report(paint: Paint, situations: &[Situation], seeds: u64, table: &Table) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    let (mut notes, mut tally) = (Vec::new(), [0; 4]);
    for (situation, samples) in situations.iter().zip(table) {
        rows.push(vec![situation.name.to_owned()]);
        for (figure, samples) in situation.figures.iter().zip(samples) {
            rows.push(row(figure, samples, &mut notes));
            match samples[0].compare(figure.unit, figure.real) {
                Mark::InRange => tally[0] += 1,
                Mark::Near => tally[1] += 1,
                Mark::Overlaps => tally[2] += 1,
                Mark::Differs => tally[3] += 1,
                Mark::Unmeasured => {}
            }
        }
    }
    let heading = paint.bold("ctdb, real and simulated");
    let mut text = format!("{heading}\n{INTRODUCTION}\n{} each\n\n{}", seeds_of(seeds), columns(&rows));
    let [within, near, overlap, differ] = tally;
    let _ = writeln!(text, "\n{within} in range, {near} near, {overlap} overlap, {differ} differ");
    text += &nevers(situations, table);
    for (number, note) in notes.iter().enumerate() {
        let _ = write!(text, "\n[{}]\n{}", number + 1, indented(note, 2));
    }
    text
}

/// In how many runs what came in others did not.
fn nevers(situations: &[Situation], table: &Table) -> String {
    let mut text = String::new();
    for (situation, samples) in situations.iter().zip(table) {
        for (figure, kinds) in situation.figures.iter().zip(samples) {
            for (kind, samples) in ["strict", "fixed"].iter().zip(kinds) {
                let Samples { never, .. } = samples;
                if *never > 0 {
                    let (all, name) = (samples.count(), situation.name);
                    let _ = writeln!(text, "never in {never} of {all}, {kind}: {name}: {}", figure.name);
                }
            }
        }
    }
    text
}

const INTRODUCTION: &str = "\
real    measured on ctdb 4.17.12, 3 nodes, 6 addresses, in network namespaces, n times
strict  simulated, ctdbd as it is: in range if its median lies between the real least and
        most, near if within 0.1 s or 1 % of them, else overlaps if the ranges do
fixed   simulated, with ctdbd's faults mended
An outage is the longest time for which one address did not answer; the worst address counts.
What had not come, or not ended, when the watch ended after a minute or more is never.";

fn row(figure: &Figure, samples: &[Samples; 2], notes: &mut Vec<&'static str>) -> Vec<String> {
    let mut cells = vec![format!("  {}", figure.name)];
    match figure.real {
        Some(Real { n, min, median, max }) => {
            cells.push(n.to_string());
            cells.extend([min, median, max].map(|number| told(figure.unit, Some(number))));
        }
        None => cells.extend([""; 4].map(str::to_owned)),
    }
    cells.extend(samples.iter().flat_map(|samples| samples.ends().map(|end| told(figure.unit, end))));
    let mark = samples[0].compare(figure.unit, figure.real);
    let mut word = mark.word().to_owned();
    if let (Mark::Near | Mark::Overlaps | Mark::Differs, Some(note)) = (mark, figure.note) {
        let known = notes.iter().position(|held| *held == note);
        let number = known.unwrap_or_else(|| {
            notes.push(note);
            notes.len() - 1
        });
        let _ = write!(word, " [{}]", number + 1);
    }
    cells.push(word);
    cells
}

/// `0.78`, `27.3`; of counts `2`, `2.5`.
fn told(unit: Unit, thousandths: Option<u64>) -> String {
    let Some(number) = thousandths else { return "never".to_owned() };
    let tenths = (number + 50) / 100;
    match unit {
        Unit::Seconds if number < 9_995 => {
            let hundredths = (number + 5) / 10;
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        }
        Unit::Count if number.is_multiple_of(1_000) => (number / 1_000).to_string(),
        Unit::Seconds | Unit::Count => format!("{}.{}", tenths / 10, tenths % 10),
    }
}

/// For other programs, all in thousandths of the unit.
fn as_json(situations: &[Situation], seeds: u64, table: &Table) -> Value {
    let simulated = |samples: &Samples| {
        let [min, median, max] = samples.ends();
        json!({"min": min, "median": median, "max": max, "never": samples.never, "came": samples.came})
    };
    let figure = |(figure, samples): (&Figure, &[Samples; 2])| {
        let real = figure
            .real
            .map(|Real { n, min, median, max }| json!({"n": n, "min": min, "median": median, "max": max}));
        let unit = match figure.unit {
            Unit::Seconds => "ms",
            Unit::Count => "thousandths",
        };
        let [strict, fixed] = samples.each_ref().map(simulated);
        let mark = samples[0].compare(figure.unit, figure.real).word();
        json!({"figure": figure.name, "unit": unit, "real": real, "strict": strict, "fixed": fixed,
               "strict_is": mark, "note": figure.note})
    };
    let rows = situations.iter().zip(table).map(|(situation, samples)| {
        let figures: Vec<Value> = situation.figures.iter().zip(samples).map(figure).collect();
        json!({"situation": situation.name, "figures": figures})
    });
    json!({"protocol": "ctdb", "nodes": 3, "addresses": 6, "seeds": seeds, "rows": rows.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(figures: &[Option<u64>]) -> Samples {
        let mut samples = Samples::default();
        figures.iter().for_each(|figure| samples.add(*figure));
        samples
    }

    #[test]
    fn two_runs_give_the_same_table() {
        let few = &SITUATIONS[..3];
        let told = || {
            let (table, missing) = play(few, 2);
            assert_eq!(missing, []);
            report(Paint::PLAIN, few, 2, &table)
        };
        let once = told();
        assert_eq!(once, told());
        assert!(few.iter().all(|situation| once.contains(situation.name)), "{once}");
    }

    #[test]
    fn what_never_came_is_more_than_all_that_did() {
        let some = samples(&[Some(3), None, Some(1), Some(8)]);
        assert_eq!(some.ends(), [Some(1), Some(5), None]);
        assert_eq!(samples(&[None, Some(4), None]).ends(), [Some(4), None, None]);
        assert_eq!(samples(&[]).ends(), [None; 3]);
        assert_eq!(samples(&[Some(7)]).ends(), [Some(7); 3]);
    }

    #[test]
    fn a_median_is_held_against_the_real_range() {
        let real = Some(Real { n: 3, min: 1_000, median: 1_500, max: 20_000 });
        for (figures, mark) in [
            (&[Some(20_000)][..], Mark::InRange),
            (&[Some(20_200)], Mark::Near),
            (&[Some(900)], Mark::Near),
            (&[Some(5), Some(899), Some(1_000)], Mark::Overlaps),
            (&[Some(900), Some(20_201), Some(30_000)], Mark::Overlaps),
            (&[Some(1_500), None, None], Mark::Overlaps),
            (&[Some(20_201), Some(20_202)], Mark::Differs),
            (&[None], Mark::Differs),
        ] {
            assert_eq!(samples(figures).compare(Unit::Seconds, real), mark, "{figures:?}");
        }
        assert_eq!(samples(&[Some(989)]).compare(Unit::Count, real), Mark::Differs, "no 0.1 of a count");
        assert_eq!(samples(&[Some(990)]).compare(Unit::Count, real), Mark::Near, "but a hundredth");
        assert_eq!(samples(&[Some(1)]).compare(Unit::Seconds, None), Mark::Unmeasured);
    }

    #[test]
    fn figures_are_told_in_as_many_digits_as_they_have() {
        for (unit, number, text) in [
            (Unit::Seconds, 784, "0.78"),
            (Unit::Seconds, 9_994, "9.99"),
            (Unit::Seconds, 9_996, "10.0"),
            (Unit::Seconds, 125_449, "125.4"),
            (Unit::Count, 2_000, "2"),
            (Unit::Count, 26_950, "27.0"),
        ] {
            assert_eq!(told(unit, Some(number)), text);
        }
        assert_eq!(told(Unit::Seconds, None), "never");
    }
}
