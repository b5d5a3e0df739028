//! When something was said in a log, theirs and ours.

/// Seconds of the day of the first line with these words from a time on.
pub(crate) fn said_at(log: &str, words: &str, from: f64) -> Option<f64> {
    log.lines().filter(|line| line.contains(words)).filter_map(time).find(|&at| at >= from)
}

/// `18:01:02.123` somewhere in a line.
fn time(line: &str) -> Option<f64> {
    let word = line.split([' ', 'T', 'Z']).find(|word| word.matches(':').count() == 2)?;
    let mut parts = word.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

/// Seconds of this day.
pub(crate) fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("it is after 1970").as_secs_f64() % 86_400.0
}
