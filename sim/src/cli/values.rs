//! What the values of options look like: numbers with `_`, ranges that are named when missed,
//! spans read exactly.

use standin_core::time::Duration;

/// Reads a whole number; `_` may stand between digits.
pub(crate) fn whole(text: &str) -> Result<u64, String> {
    if !digits(text) {
        return Err("not a whole number".to_owned());
    }
    text.replace('_', "").parse().map_err(|_| format!("more than {}", u64::MAX))
}

/// Whether a text is digits, perhaps grouped.
fn digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '_')
}

/// A reader of whole numbers from `low` to `high`.
pub(crate) fn within(low: u64, high: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| match whole(text) {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        Ok(_) => Err(format!("out of range: {low} to {high}")),
        Err(why) => Err(format!("{why}; expected {low} to {high}")),
    }
}

/// Like [`within`], for what is counted in 32 bits.
pub(crate) fn small(low: u32, high: u32) -> impl Fn(&str) -> Result<u32, String> + Clone {
    let read = within(u64::from(low), u64::from(high));
    move |text| read(text).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// A span of time as it was written, for the command that repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) span: Duration,
}

const HOUR: u64 = 3_600_000_000;
const HOURS_MAX: u64 = 10_000;
const MINUTE: u64 = 60_000_000;
const MINUTES_MAX: u64 = 100_000;

/// Hours, perhaps with a fraction: more than none, up to 10000.
pub(crate) fn hours(text: &str) -> Result<Span, String> {
    decimal(text, HOUR, HOURS_MAX)
}

/// Minutes, perhaps with a fraction: more than none, up to 100000.
pub(crate) fn minutes(text: &str) -> Result<Span, String> {
    decimal(text, MINUTE, MINUTES_MAX)
}

/// A decimal number of units, rounded down to the microsecond. Never a float: the same text is
/// the same span everywhere.
fn decimal(text: &str, unit: u64, most: u64) -> Result<Span, String> {
    let range = format!("more than 0, up to {most}");
    let (before, behind) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(before) || !digits(behind) {
        return Err(format!("not a number; expected {range}"));
    }
    let outside = || format!("out of range: {range}");
    let number = whole(before).ok().filter(|number| *number <= most).ok_or_else(outside)?;
    let mut micros = u128::from(number) * u128::from(unit);
    // What digits beyond the 19th add is less than a microsecond of any unit.
    let behind: String = behind.chars().filter(char::is_ascii_digit).take(19).collect();
    let part: u128 = behind.parse().unwrap_or(0);
    micros += part * u128::from(unit) / 10_u128.pow(behind.len() as u32);
    let micros = u64::try_from(micros).map_err(|_| outside())?;
    if micros == 0 || micros > most * unit {
        return Err(outside());
    }
    Ok(Span { text: text.to_owned(), span: Duration::from_micros(micros) })
}

/// Which faults a plan may hold, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) text: String,
    pub(crate) choice: Choice,
}

/// What [`Faults`] chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// So many at most, of the families the seed draws.
    Count(u32),
    /// Peace.
    None,
    /// Every family.
    All,
    /// These families.
    Families(Vec<String>),
}

/// The most faults that can be asked for.
pub(crate) const FAULTS_MAX: u32 = 100_000;

/// `12`, `none`, `all`, or `power,hang`. Whether the names exist is the protocol's to say.
pub(crate) fn faults(text: &str) -> Result<Faults, String> {
    let choice = match text {
        "none" => Choice::None,
        "all" => Choice::All,
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            Choice::Count(small(0, FAULTS_MAX)(text)?)
        }
        _ => {
            let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
            if names.iter().any(String::is_empty) {
                return Err("a family's name is empty; expected a number, none, all, or names \
                            with commas between them"
                    .to_owned());
            }
            Choice::Families(names)
        }
    };
    Ok(Faults { text: text.to_owned(), choice })
}

/// `NAME=VALUE`.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_grouped_and_must_be_in_range() {
        assert_eq!(whole("1_000_000"), Ok(1_000_000));
        assert_eq!(whole("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["", "_1", "-1", "1.5", "ten", "0x10", "1 ", "18446744073709551616"] {
            assert!(whole(wrong).is_err(), "{wrong}");
        }
        assert_eq!(within(1, 250)("250"), Ok(250));
        assert_eq!(within(1, 250)("251"), Err("out of range: 1 to 250".into()));
        assert_eq!(small(1, 250)("0"), Err("out of range: 1 to 250".into()));
        assert_eq!(small(1, 250)("many"), Err("not a whole number; expected 1 to 250".into()));
    }

    #[test]
    fn hours_are_read_to_the_microsecond() {
        for (text, micros) in [
            ("1", 3_600_000_000),
            ("24", 86_400_000_000),
            ("0.5", 1_800_000_000),
            ("1.25", 4_500_000_000),
            ("0.1", 360_000_000),
            ("0.0001", 360_000),
            ("0.000000000277777778", 1),
            ("0.3333333333333333333333333333333333333333", 1_199_999_999),
            ("1_0.0", 36_000_000_000),
            ("10000", 36_000_000_000_000),
            ("10_000.000", 36_000_000_000_000),
        ] {
            let read = hours(text).map(|hours| hours.span.as_micros());
            assert_eq!(read, Ok(micros), "{text}");
        }
        for wrong in ["0", "0.0", "0.0000000000000001", "10000.1", "10001", "99999999999999999999999"] {
            let said = hours(wrong).unwrap_err();
            assert!(said.contains("more than 0, up to 10000"), "{wrong}: {said}");
        }
        for wrong in ["", ".5", "1.", "-1", "1e3", "1h", "1.2.3", "inf", "nan"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
        assert_eq!(minutes("1.5").map(|minutes| minutes.span.as_secs()), Ok(90));
    }

    #[test]
    fn faults_are_a_number_or_names() {
        let choice = |text| faults(text).map(|faults| faults.choice);
        assert_eq!(choice("0"), Ok(Choice::Count(0)));
        assert_eq!(choice("100_000"), Ok(Choice::Count(100_000)));
        assert_eq!(choice("100001"), Err("out of range: 0 to 100000".into()));
        assert_eq!(choice("-1"), Err("not a whole number; expected 0 to 100000".into()));
        assert_eq!(choice("none"), Ok(Choice::None));
        assert_eq!(choice("all"), Ok(Choice::All));
        assert_eq!(choice("power, hang"), Ok(Choice::Families(vec!["power".into(), "hang".into()])));
        assert!(choice("power,").is_err() && choice("").is_err());
    }

    #[test]
    fn a_setting_has_a_name() {
        assert_eq!(setting("A=1"), Ok(("A".into(), "1".into())));
        assert_eq!(setting("A="), Ok(("A".into(), String::new())));
        assert_eq!(setting("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(setting("A").is_err() && setting("=1").is_err());
    }
}
