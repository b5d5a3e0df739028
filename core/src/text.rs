//! Complaints about line-oriented text, with line, column and the nearest valid word.
//!
//! Every file a person writes for us (nodes, tunables, public addresses, scenarios) is read in
//! the same way: the text is cut into [`Piece`]s, which know where they stand; what is wrong
//! with a piece becomes a [`Problem`]; all problems of a file are reported in one go, shown in
//! their lines:
//!
//! ```text
//! nodes:2:9: `10.0.0.2:4379` has a port
//!   2 | 10.0.0.2:4379
//!     |         ^^^^^
//!     = expected the address alone
//!     = did you mean `10.0.0.2`?
//! ```
//!
//! Columns count characters, not bytes. Bytes that are not UTF-8 are to be replaced
//! ([`String::from_utf8_lossy`]) before they are cut; the columns then fit what
//! [`Problems::render`] shows.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::time::Duration;

/// Problems kept and shown of one text; of the others only the number is told.
pub const PROBLEMS_SHOWN_MAX: usize = 20;
/// Characters of a line shown around a problem.
const LINE_SHOWN_MAX: usize = 100;
/// Characters shown before a problem in a line too long to be shown whole.
const LEAD_SHOWN: usize = 30;
/// Characters of a word repeated in a sentence.
const WORD_SHOWN_MAX: usize = 40;
/// Columns a tab takes when shown.
const TAB_WIDTH: usize = 4;
/// Longer words are nobody's slip of the finger.
const NEAREST_WORD_MAX: usize = 64;

/// One thing wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The first character of the span, from 1; one past the line's end if something is missing
    /// there.
    pub column: usize,
    /// Characters in the span, at least 1.
    pub width: usize,
    /// What is wrong: `` `10.0.0.300` is not an IP address ``.
    pub what: String,
    /// What would be right, read after the word "expected".
    pub expected: String,
    /// The valid word that was probably meant.
    pub nearest: Option<String>,
}

impl Problem {
    /// The same problem with the word that was probably meant.
    #[must_use]
    pub fn or_nearest(mut self, nearest: Option<impl Into<String>>) -> Self {
        self.nearest = nearest.map(Into::into);
        self
    }

    fn show(&self, out: &mut dyn fmt::Write, file: &str, source: &str, gutter: usize) -> fmt::Result {
        writeln!(out, "{file}:{}:{}: {}", self.line, self.column, Shown(&self.what))?;
        if let Some(line) = source.lines().nth(self.line - 1) {
            let (shown, lead, span) = excerpt(line, self.column - 1, self.width);
            writeln!(out, "  {:>gutter$} | {shown}", self.line)?;
            writeln!(out, "  {:>gutter$} | {:lead$}{:^<span$}", "", "", "")?;
        }
        writeln!(out, "  {:>gutter$} = expected {}", "", Shown(&self.expected))?;
        if let Some(nearest) = &self.nearest {
            writeln!(out, "  {:>gutter$} = did you mean `{}`?", "", Shown(nearest))?;
        }
        Ok(())
    }
}

/// One line without the source: `3:1: … (expected …; did you mean …?)`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, what, expected, .. } = self;
        write!(f, "{line}:{column}: {} (expected {}", Shown(what), Shown(expected))?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{}`?", Shown(nearest))?;
        }
        f.write_str(")")
    }
}

/// All that is wrong with one text, in the order it was found.
///
/// The first [`PROBLEMS_SHOWN_MAX`] are kept, the others counted: a wrong file given by mistake
/// costs neither memory nor a screen full of complaints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Nothing wrong so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Vec::new(), more: 0 }
    }

    /// Adds a problem.
    ///
    /// # Panics
    /// If its line, column or width is zero.
    pub fn push(&mut self, problem: Problem) {
        assert!(problem.line > 0 && problem.column > 0 && problem.width > 0, "counted from 1: {problem:?}");
        if self.kept.len() < PROBLEMS_SHOWN_MAX {
            self.kept.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many there are, kept or only counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.kept.iter()
    }

    /// The value that was read, if nothing is wrong.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Each problem with its line of `source` and the span underlined, then what was expected.
    /// Control characters of the source are not repeated, long lines are cut around the span.
    #[must_use]
    pub fn render(&self, file: &str, source: impl AsRef<[u8]>) -> String {
        let source = String::from_utf8_lossy(source.as_ref());
        let gutter = self.iter().map(|problem| problem.line).max().unwrap_or(1).ilog10() as usize + 1;
        let mut out = String::new();
        for problem in &self.kept {
            if !out.is_empty() {
                out.push('\n');
            }
            let shown = problem.show(&mut out, file, &source, gutter);
            assert!(shown.is_ok(), "a string takes what is written to it");
        }
        if self.more > 0 {
            out.push_str(&format!("\n… and {} more in {file}\n", self.more));
        }
        out
    }
}

/// A line a problem, for where the source is not at hand.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.kept.iter().enumerate() {
            let gap = if place > 0 { "\n" } else { "" };
            write!(f, "{gap}{problem}")?;
        }
        if self.more > 0 {
            write!(f, "\n… and {} more", self.more)?;
        }
        Ok(())
    }
}

impl core::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        let mut problems = Self::new();
        problems.push(problem);
        problems
    }
}

/// A stretch of one line that knows where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The characters.
    pub text: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// The column of the first character, from 1.
    pub column: usize,
}

/// The lines of a text, without their ends.
pub fn lines(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.lines().zip(1..).map(|(text, line)| Piece { text, line, column: 1 })
}

impl<'a> Piece<'a> {
    /// The part from byte `start` up to byte `end`.
    ///
    /// # Panics
    /// If these are not ends of characters within the piece.
    #[must_use]
    pub fn part(self, start: usize, end: usize) -> Self {
        let column = self.column + self.text[..start].chars().count();
        Self { text: &self.text[start..end], line: self.line, column }
    }

    /// The piece without the blanks around it.
    #[must_use]
    pub fn trim(self) -> Self {
        let start = self.text.find(|c| !is_blank(c)).unwrap_or(self.text.len());
        self.part(start, start + self.text[start..].trim_end_matches(is_blank).len())
    }

    /// The words: what stands between blanks.
    pub fn words(self) -> impl Iterator<Item = Self> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let start = rest.text.find(|c| !is_blank(c))?;
            rest = rest.part(start, rest.text.len());
            let end = rest.text.find(is_blank).unwrap_or(rest.text.len());
            let word = rest.part(0, end);
            rest = rest.part(end, rest.text.len());
            Some(word)
        })
    }

    /// The pieces between the marks `mark`, one more than there are marks.
    pub fn split(self, mark: char) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        core::iter::from_fn(move || {
            let now = rest?;
            let (first, after) = now.split_once(mark).map_or((now, None), |(a, b)| (a, Some(b)));
            rest = after;
            Some(first)
        })
    }

    /// The pieces before and after the first `mark`.
    #[must_use]
    pub fn split_once(self, mark: char) -> Option<(Self, Self)> {
        let at = self.text.find(mark)?;
        Some((self.part(0, at), self.part(at + mark.len_utf8(), self.text.len())))
    }

    /// The piece up to a comment that begins with one of `marks` anywhere in it.
    #[must_use]
    pub fn before_comment(self, marks: &[char]) -> Self {
        self.part(0, self.text.find(marks).unwrap_or(self.text.len()))
    }

    /// The empty place behind the last character, to complain that something is missing there.
    #[must_use]
    pub fn end(self) -> Self {
        self.part(self.text.len(), self.text.len())
    }

    /// A problem with this piece.
    #[must_use]
    pub fn problem(self, what: impl Into<String>, expected: impl Into<String>) -> Problem {
        Problem {
            line: self.line,
            column: self.column,
            width: self.text.chars().count().max(1),
            what: what.into(),
            expected: expected.into(),
            nearest: None,
        }
    }

    /// The piece as a span of time, see [`parse_duration`].
    ///
    /// # Errors
    /// A problem with the part of the piece that is wrong.
    pub fn duration(self) -> Result<Duration, Problem> {
        parse_duration(self.text).map_err(|wrong| {
            self.part(wrong.start, wrong.end)
                .problem(format!("{} is not a duration: {}", self.quoted(), wrong.why), EXPECTED_DURATION)
        })
    }

    /// The piece in back quotes, cut and without control characters, for a sentence.
    #[must_use]
    pub fn quoted(self) -> String {
        let mut out = String::from("`");
        out.extend(self.text.chars().take(WORD_SHOWN_MAX).map(printable));
        if self.text.chars().nth(WORD_SHOWN_MAX).is_some() {
            out.push('…');
        }
        out.push('`');
        out
    }
}

/// Whether `c` separates words. Blanks beyond ASCII do not: they are never seen, only suffered.
const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// `c` as it may be shown on a terminal: no escapes, nothing that hides or reverses its
/// neighbours.
const fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{0}'..='\u{1f}'
        | '\u{7f}'..='\u{a0}'
        | '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// A sentence, which may repeat what stands in a file, as it may be shown.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(printable(c)))
    }
}

/// What is shown of `line`, how far in the span begins there, and how wide it is.
fn excerpt(line: &str, before: usize, width: usize) -> (String, usize, usize) {
    let length = line.chars().count();
    let before = before.min(length);
    let skipped =
        if before.saturating_add(width) <= LINE_SHOWN_MAX { 0 } else { before.saturating_sub(LEAD_SHOWN) };
    let mut shown = String::new();
    let (mut lead, mut span) = (0, 0);
    if skipped > 0 {
        shown.push('…');
        lead += 1;
    }
    for (place, c) in line.chars().enumerate().skip(skipped).take(LINE_SHOWN_MAX) {
        let columns = if c == '\t' { TAB_WIDTH } else { 1 };
        for _ in 0..columns {
            shown.push(printable(c));
        }
        if place < before {
            lead += columns;
        } else if place - before < width {
            span += columns;
        }
    }
    if length - skipped > LINE_SHOWN_MAX {
        shown.push('…');
    }
    shown.truncate(shown.trim_end().len());
    (shown, lead, span.max(1))
}

/// The candidate a slip or two of the finger away from `word`: up to a third of its characters
/// (at least one) left out, added, replaced or swapped with a neighbour, in either case of
/// letters. The first of several equally near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = lower(word);
    if word.is_empty() || word.len() > NEAREST_WORD_MAX {
        return None;
    }
    let slips_max = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = lower(candidate);
            if other.len().abs_diff(word.len()) > slips_max {
                return None;
            }
            let slips = distance(&word, &other);
            // With every character replaced, nothing of the word is left to be near to.
            (slips <= slips_max && slips < other.len()).then_some((slips, candidate))
        })
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, candidate)| candidate)
}

fn lower(word: &str) -> Vec<char> {
    word.chars().take(NEAREST_WORD_MAX + 1).map(|c| c.to_ascii_lowercase()).collect()
}

/// Optimal string alignment distance: Levenshtein's with neighbours swapped at the price of one.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut older = vec![0; to.len() + 1];
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i; to.len() + 1];
        for j in 1..=to.len() {
            let same = from[i - 1] == to[j - 1];
            let mut least = (above[j - 1] + usize::from(!same)).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(older[j - 2] + 1);
            }
            row[j] = least;
        }
        older = above;
        above = row;
    }
    above[to.len()]
}

const EXPECTED_DURATION: &str = "a number with a unit of h, m, s, ms or us: `30s`, `1.5s`, `250ms`, `2m30s`";

/// Units a duration is written in, with their microseconds, largest first.
const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Why a text is not a duration, and which bytes of it are to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationError {
    /// The first byte of the wrong part.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
    /// What is wrong with it.
    pub why: DurationFault,
}

/// What can be wrong with a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationFault {
    /// No digits where a number begins or behind its point.
    NumberMissing,
    /// A number alone.
    UnitMissing,
    /// A unit nobody knows.
    UnitUnknown,
    /// A unit that is not smaller than the one before it.
    UnitOrder,
    /// A fraction with another number behind it.
    FractionInside,
    /// Parts of a microsecond.
    TooFine,
    /// More than 2⁶⁴ microseconds.
    TooLong,
}

impl fmt::Display for DurationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NumberMissing => "a number is missing here",
            Self::UnitMissing => "the unit is missing",
            Self::UnitUnknown => "there is no such unit",
            Self::UnitOrder => "units must get smaller from left to right",
            Self::FractionInside => "only the last number may have a fraction",
            Self::TooFine => "nothing is shorter than a microsecond",
            Self::TooLong => "that is too long to count",
        })
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (expected {EXPECTED_DURATION})", self.why)
    }
}

impl core::error::Error for DurationError {}

/// Reads a span of time: numbers with units, the largest unit first, the last number perhaps
/// with a fraction: `30s`, `250ms`, `1.5s`, `2m30s`, `150us`. Exact to the microsecond.
///
/// # Errors
/// If it is not written so, finer than a microsecond or too long to count.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut sum: u64 = 0;
    let mut at = 0;
    let mut units_left = &UNITS[..];
    loop {
        let number = &text[at..];
        let whole = digits(number);
        let point = number[whole..].starts_with('.');
        let fraction = if point { digits(&number[whole + 1..]) } else { 0 };
        let unit_at = at + whole + usize::from(point) + fraction;
        let fault = |start: usize, end: usize, why| Err(DurationError { start, end, why });
        if whole == 0 || (point && fraction == 0) {
            let start = at + if whole == 0 { 0 } else { whole + 1 };
            let end = start + text[start..].chars().next().map_or(0, char::len_utf8);
            return fault(start, end, DurationFault::NumberMissing);
        }
        let unit = &text[unit_at..];
        let next = unit_at + unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let unit = &text[unit_at..next];
        if unit.is_empty() {
            return fault(at, unit_at, DurationFault::UnitMissing);
        }
        if !UNITS.iter().any(|&(name, _)| name == unit) {
            return fault(unit_at, next, DurationFault::UnitUnknown);
        }
        let Some(place) = units_left.iter().position(|&(name, _)| name == unit) else {
            return fault(unit_at, next, DurationFault::UnitOrder);
        };
        if point && next < text.len() {
            return fault(at, next, DurationFault::FractionInside);
        }
        let micros = units_left[place].1;
        let Some(part) = number_of(&number[..whole]).and_then(|count| count.checked_mul(micros)) else {
            return fault(at, next, DurationFault::TooLong);
        };
        let behind = if point { &number[whole + 1..whole + 1 + fraction] } else { "" };
        let Some(rest) = fraction_of(behind, micros) else {
            return fault(at, next, DurationFault::TooFine);
        };
        let Some(total) = sum.checked_add(part).and_then(|sum| sum.checked_add(rest)) else {
            return fault(at, next, DurationFault::TooLong);
        };
        if next == text.len() {
            return Ok(Duration::from_micros(total));
        }
        sum = total;
        units_left = &units_left[place + 1..];
        at = next;
    }
}

/// How many digits `text` begins with.
fn digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

fn number_of(digits: &str) -> Option<u64> {
    digits.parse().ok()
}

/// `0.DIGITS` of a unit, if that is a whole number of microseconds.
fn fraction_of(digits: &str, micros: u64) -> Option<u64> {
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let scale = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let scaled = u128::from(number_of(digits)?) * u128::from(micros);
    scaled.is_multiple_of(u128::from(scale)).then(|| u64::try_from(scaled / u128::from(scale)).ok())?
}

#[cfg(test)]
mod tests;
