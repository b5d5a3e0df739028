//! How reports look: sections, aligned columns, numbers people can read. Plain ASCII.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};
use standin_core::time::Duration;
use standin_sim::campaign::{Addresses, Spread, Worst};
use standin_sim::outcome::AddressOutcome;

/// Colours, if somebody can see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// None.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { on: false };

    /// Colours for standard output: on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { on: io::stdout().is_terminal() && !refused && !dumb }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For a heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what went well.
    pub(crate) fn good(self, text: &str) -> String {
        self.with("1;32", text)
    }

    /// For what did not.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }
}

/// A sign of life on a terminal.
pub(crate) fn spinner(message: String) -> ProgressBar {
    if !(io::stderr().is_terminal() && io::stdout().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
    let style = style.expect("the template is well formed").tick_chars("|/-\\ ");
    let spinner = ProgressBar::new_spinner().with_style(style).with_message(message);
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner
}

/// A number in groups of three: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of seeds: `1 seed`, `1,000 seeds`.
pub(crate) fn seeds(number: u64) -> String {
    format!("{} seed{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A measured span: `150us`, `12.3ms`, `27.3s`, `312.0s`.
pub(crate) fn measured(micros: u64) -> String {
    let tenths = |unit: u64, name: &str| {
        let tenths = (micros + unit / 20) / (unit / 10);
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    };
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..999_950 => tenths(1_000, "ms"),
        _ => tenths(1_000_000, "s"),
    }
}

/// A long span: `45s`, `31m 12s`, `24h`, `3d 4h`, two units at most.
pub(crate) fn long(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let secs = span.as_secs();
    if secs == 0 {
        return measured(span.as_micros());
    }
    let first = UNITS.iter().position(|(unit, _)| secs >= *unit).unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[first];
    let mut text = format!("{}{name}", secs / unit);
    if let Some((smaller, name)) = UNITS.get(first + 1)
        && secs % unit / smaller > 0
    {
        text += &format!(" {}{name}", secs % unit / smaller);
    }
    text
}

/// `count` of something a second of `nanos`.
pub(crate) fn rate(count: u64, nanos: u128) -> u64 {
    let count = u128::from(count) * 1_000_000_000;
    u64::try_from(count / nanos.max(1)).unwrap_or(u64::MAX)
}

/// Rows in columns: the first aligned left, the rest right.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or(0);
            if column == 0 {
                let _ = write!(line, "{cell:<width$}");
            } else {
                let _ = write!(line, "  {cell:>width$}");
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A heading and what stands under it; nothing at all if that is nothing.
pub(crate) fn section(paint: Paint, heading: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("\n{}\n{body}", paint.bold(heading)) }
}

/// Names with texts beside them.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(10);
    rows.iter().map(|(name, text)| format!("  {name:<width$}  {text}\n")).collect()
}

/// Names with numbers.
pub(crate) fn tally<'a>(rows: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let rows: Vec<_> =
        rows.into_iter().map(|(name, number)| vec![format!("{name:<10}"), grouped(number)]).collect();
    columns(&rows)
}

/// `power loss -> dead  n 12  min 25.1s  median 27.3s  p99 29.9s  max 29.9s`.
pub(crate) fn figures(figures: &BTreeMap<&'static str, Vec<u64>>) -> String {
    let rows: Vec<Vec<String>> = figures
        .iter()
        .filter_map(|(what, samples)| {
            let spread = Spread::of(samples)?;
            let spans = [spread.min, spread.median, spread.p99, spread.max].map(measured);
            Some([(*what).to_owned(), grouped(spread.n)].into_iter().chain(spans).collect())
        })
        .collect();
    let names = ["", "n ", "min ", "median ", "p99 ", "max "];
    let widths: Vec<usize> =
        (0..names.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let named = |row: &Vec<String>| {
        let cell = |(column, cell): (usize, &String)| {
            let (name, width) = (names[column], widths[column]);
            if column == 0 { cell.clone() } else { format!("{name}{cell:>width$}") }
        };
        row.iter().enumerate().map(cell).collect()
    };
    columns(&rows.iter().map(named).collect::<Vec<_>>())
}

/// Addresses shown of one run: the worst, if there are more.
const ADDRESSES_SHOWN: usize = 20;

/// What a client saw of each address, under a heading of its own; nothing if it asked none.
pub(crate) fn addresses(all: &[AddressOutcome]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut shown: Vec<&AddressOutcome> = all.iter().collect();
    if shown.len() > ADDRESSES_SHOWN {
        shown
            .sort_by_key(|one| Reverse((one.served_after.is_none(), one.out.longest.max(one.twice.longest))));
        shown.truncate(ADDRESSES_SHOWN);
        shown.sort_by_key(|one| one.address);
    }
    let head = ["address", "first served", "out", "(longest at)", "twice", "(longest at)"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in shown {
        let served = one.served_after.map_or_else(|| "never".to_owned(), |after| measured(after.0));
        let [out, twice] = [one.out, one.twice].map(|spans| match spans.longest_at {
            None => ["-".to_owned(), String::new()],
            Some(at) => {
                [measured(spans.total.0), format!("({} at {}s)", measured(spans.longest.0), at.0 / 1_000_000)]
            }
        });
        rows.push([vec![one.address.to_string(), served], out.to_vec(), twice.to_vec()].concat());
    }
    let mut text = columns(&rows);
    if all.len() > ADDRESSES_SHOWN {
        text += &format!("  the worst {ADDRESSES_SHOWN} of {}\n", grouped(all.len() as u64));
    }
    text
}

/// The worst that happened to addresses in a campaign; nothing if no client asked for any.
pub(crate) fn worst(all: &Addresses) -> String {
    let Addresses { watched, never_served, worst_out, worst_twice } = all;
    if *watched == 0 {
        return String::new();
    }
    let told = |worst: &Option<Worst>| {
        worst.as_ref().map_or_else(
            || "never".to_owned(),
            |Worst { longest, at, address, seed }| {
                format!("{}, {address} at {}s, seed {seed}", measured(longest.0), at.0 / 1_000_000)
            },
        )
    };
    facts(&[
        ("worst outage", told(worst_out)),
        ("worst twice", told(worst_twice)),
        ("never served", format!("{} of {}", grouped(*never_served), grouped(*watched))),
    ])
}

/// A text of several lines, moved right.
pub(crate) fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "").trim_end().to_owned() + "\n").collect()
}

/// Words wrapped at 90 columns.
pub(crate) fn wrapped(words: &[&str]) -> String {
    let mut text = String::new();
    let mut line = String::from(" ");
    for word in words {
        if line.len() + word.len() > 90 {
            text += &line;
            text.push('\n');
            line = String::from(" ");
        }
        line.push(' ');
        line += word;
    }
    if !words.is_empty() {
        text += &line;
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_sim::world::client::Spans;
    use standin_sim::world::moment::Moment;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn spans_are_as_fine_as_they_are_short() {
        for (micros, text) in [
            (0, "0us"),
            (999, "999us"),
            (12_345, "12.3ms"),
            (999_949, "999.9ms"),
            (999_950, "1.0s"),
            (27_349_999, "27.3s"),
            (27_350_000, "27.4s"),
        ] {
            assert_eq!(measured(micros), text);
        }
        let secs = |secs| long(Duration::from_secs(secs));
        assert_eq!([secs(45), secs(1872), secs(86_399)], ["45s", "31m 12s", "23h 59m"]);
        assert_eq!([secs(3600), secs(86_400), secs(273_600)], ["1h", "1d", "3d 4h"]);
        assert_eq!(long(Duration::from_millis(1)), "1.0ms");
    }

    #[test]
    fn figures_stand_in_columns() {
        let samples = BTreeMap::from([
            ("power loss -> dead", vec![25_100_000, 27_300_000, 29_900_000]),
            ("stop -> served", vec![9_000]),
            ("nothing", vec![]),
        ]);
        assert_eq!(
            figures(&samples),
            "  power loss -> dead  n 3  min 25.1s  median 27.3s  p99 29.9s  max 29.9s\n  \
               stop -> served      n 1  min 9.0ms  median 9.0ms  p99 9.0ms  max 9.0ms\n"
        );
    }

    fn seen(last: u8, after: Option<u64>, out: &[u64], twice: &[u64]) -> AddressOutcome {
        let spans = |all: &[u64]| Spans {
            total: Duration(all.iter().sum()),
            longest: Duration(all.iter().copied().max().unwrap_or_default()),
            longest_at: (!all.is_empty()).then_some(Moment(312_400_000)),
            count: all.len() as u32,
            since: None,
        };
        AddressOutcome {
            address: [10, 0, 1, last].into(),
            served_after: after.map(Duration),
            out: spans(out),
            stale: Spans::default(),
            twice: spans(twice),
        }
    }

    #[test]
    fn addresses_stand_in_columns() {
        assert_eq!(addresses(&[]), "");
        let two = [seen(5, Some(2_100_000), &[27_300_000, 1_000_000], &[250_000]), seen(6, None, &[], &[])];
        assert_eq!(
            addresses(&two),
            "  address   first served    out     (longest at)    twice       (longest at)\n  \
               10.0.1.5          2.1s  28.3s  (27.3s at 312s)  250.0ms  (250.0ms at 312s)\n  \
               10.0.1.6         never      -                         -\n"
        );
        let many: Vec<_> = (0..30).map(|last| seen(last, Some(0), &[u64::from(last) + 1], &[])).collect();
        let text = addresses(&many);
        assert!(!text.contains("10.0.1.9 ") && text.contains("10.0.1.10 "), "{text}");
        assert!(text.ends_with("  the worst 20 of 30\n"), "{text}");
    }

    #[test]
    fn the_worst_of_a_campaign_is_told_with_its_seed() {
        assert_eq!(worst(&Addresses::default()), "");
        let longest = Duration(27_300_000);
        let one = Worst { longest, at: Moment(312_400_000), address: [10, 0, 1, 5].into(), seed: 17 };
        let all = Addresses { watched: 12, never_served: 1, worst_out: Some(one), worst_twice: None };
        assert_eq!(
            worst(&all),
            "  worst outage  27.3s, 10.0.1.5 at 312s, seed 17\n  \
               worst twice   never\n  \
               never served  1 of 12\n"
        );
    }

    #[test]
    fn a_section_without_a_body_is_not_shown() {
        assert_eq!(section(Paint::PLAIN, "faults", ""), "");
        let body = tally([("power", 5), ("clock-jump", 12_000)]);
        let shown = section(Paint::PLAIN, "faults", &body);
        assert_eq!(shown, "\nfaults\n  power            5\n  clock-jump  12,000\n");
        assert_eq!(Paint { on: true }.good("x"), "\x1b[1;32mx\x1b[0m");
    }

    #[test]
    fn rates_do_not_overflow() {
        assert_eq!(rate(10_000_000, 2_000_000_000), 5_000_000);
        assert_eq!(rate(u64::MAX, 0), u64::MAX);
    }
}
