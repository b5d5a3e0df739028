//! Single words of a story.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// `n2` of so many.
pub(super) fn host(word: Option<&str>, nodes: usize) -> Result<usize, String> {
    let word = word.unwrap_or_default();
    let number = word.strip_prefix('n').and_then(|number| number.parse().ok());
    number.filter(|number| *number < nodes).ok_or_else(|| format!("`{word}` is no node of the cluster"))
}

/// A public address as its place among the bed's.
pub(super) fn place(word: Option<&str>, places: &BTreeMap<IpAddr, usize>) -> Result<usize, String> {
    let word = word.unwrap_or_default();
    let found = word.parse().ok().and_then(|address: IpAddr| places.get(&address));
    found.copied().ok_or_else(|| format!("`{word}` is none of the public addresses the story began with"))
}

/// `1m40s`, `250ms`.
pub(super) fn span(word: Option<&str>) -> Result<Duration, String> {
    let word = word.unwrap_or_default();
    let wrong = || format!("`{word}` is no time: `10s`, `250ms`");
    let (mut total, mut rest) = (Duration::ZERO, word);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = &rest[digits..];
        let letters = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let seconds = match &unit[..letters] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            _ => return Err(wrong()),
        };
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        rest = &unit[letters..];
    }
    if word.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_print() {
        for (word, millis) in [("1m40s", 100_000), ("250ms", 250), ("1.5s", 1500), ("1h", 3_600_000)] {
            assert_eq!(span(Some(word)), Ok(Duration::from_millis(millis)), "{word}");
        }
        assert!(span(Some("10")).is_err() && span(Some("x")).is_err() && span(None).is_err());
    }
}
