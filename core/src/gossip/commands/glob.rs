//! Redis' patterns.

/// Letters of a pattern that lists of names are held against; Redis has no limit.
pub(super) const PATTERN_MAX: usize = 256;

/// Whether a text is like a pattern: `*` any letters, `?` any one, `[ab]`, `[a-z]`, `[^a-z]` one of
/// those or of the others, `\\` before a letter for itself. Looks at each letter of the text once
/// per letter of the pattern at most.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty(); // So Redis says: not even `*` is like nothing.
    }
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(behind) = one(&pattern[p..], text[t]) {
            p += behind;
            t += 1;
        } else {
            let Some((after, from)) = star else { return false };
            star = Some((after, from + 1));
            (p, t) = (after, from + 1);
        }
    }
    pattern[p..].iter().all(|&letter| letter == b'*')
}

/// How much of the pattern stands for this letter, if it does.
fn one(pattern: &[u8], letter: u8) -> Option<usize> {
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ref set @ ..] => one_of(set, letter).map(|length| length + 1),
        [b'\\', escaped, ..] => (escaped == letter).then_some(2),
        [plain, ..] => (plain == letter).then_some(1),
    }
}

/// The same for what stands behind `[`; at the pattern's end a `]` is not missed.
fn one_of(set: &[u8], letter: u8) -> Option<usize> {
    let not = set.first() == Some(&b'^');
    let (mut at, mut found) = (usize::from(not), false);
    loop {
        at += match set[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= escaped == letter;
                2
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                found |= (from.min(to)..=from.max(to)).contains(&letter);
                3
            }
            [plain, ..] => {
                found |= plain == letter;
                1
            }
        };
    }
    (found != not).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row is redis-server's.
    #[test]
    fn patterns_match_as_redis_matches_them() {
        for (pattern, text, expected) in [
            ("*", "port", true),
            ("*", "", false),
            ("", "", true),
            ("cluster-*", "cluster-port", true),
            ("*-port", "cluster-port", true),
            ("cl?ster*p*t", "cluster-port", true),
            ("cluster-?", "cluster-port", false),
            ("port", "ports", false),
            ("ports", "port", false),
            ("*a*b", "aXbXaXc", false),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("h[a-]llo", "h-llo", false),
            ("h[a-", "h-", true),
            ("h[a", "ha", true),
            ("h[", "h", false),
            ("h[", "h[", false),
            ("h[]llo", "hllo", false),
            ("h[\\]]", "h]", true),
            ("h\\*", "h*", true),
            ("h\\*", "hx", false),
            ("h\\", "h\\", true),
            ("*[0-9]x", "ab12x", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
