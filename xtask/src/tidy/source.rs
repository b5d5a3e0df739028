//! Rust source told apart: code, strings, comments. Just enough of a lexer for [`tidy`](super).

/// Blanks what is not code, each character by a space, lines kept: comments, and the contents
/// of strings and characters with their quotes.
pub(super) fn code(text: &str) -> String {
    strip(text, false)
}

/// Blanks comments alone.
pub(super) fn without_comments(text: &str) -> String {
    strip(text, true)
}

fn strip(text: &str, keep_strings: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let before = at.checked_sub(1).map(|before| chars[before]);
        let (length, keep) = match rest {
            ['/', '/', ..] => (line_comment(rest), false),
            ['/', '*', ..] => (block_comment(rest), false),
            ['"', ..] => (string(rest), keep_strings),
            ['r', ..] if !before.is_some_and(in_word) || before == Some('b') => match raw_string(rest) {
                Some(length) => (length, keep_strings),
                None => (1, true),
            },
            ['\'', ..] => character(rest).map_or((1, true), |length| (length, keep_strings)),
            _ => (1, true),
        };
        for &char in &rest[..length] {
            out.push(if keep || char == '\n' { char } else { ' ' });
        }
        at += length;
    }
    out
}

/// Whether a character can be part of a name.
pub(super) fn in_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn line_comment(rest: &[char]) -> usize {
    rest.iter().position(|&char| char == '\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&char| char == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let body = 2 + hashes;
    let ends = |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).all(|&char| char == '#');
    let end = (body..rest.len()).find(ends).unwrap_or(rest.len());
    Some((end + 1 + hashes).min(rest.len()))
}

/// A character, and not the start of a lifetime.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', ..] => {
            // The escaped character itself may be a quote.
            let end = rest.iter().skip(3).position(|&char| char == '\'')?;
            Some(end + 4)
        }
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// A word or a mark of the code, and its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// A name, `::`, or one other character.
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

/// Splits [`code`] into words and marks.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if in_word(first) {
            rest.find(|char| !in_word(char)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            found.push(Token { text: &rest[..length], line });
        }
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_and_lines_kept() {
        let text = "a // b\n/* c /* d */ e */ f \"g \\\" // h\" i\nr#\"j \" k\"# l b\"m\" '\\'' n '\"' o<'p>";
        let code = code(text);
        let words: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words, "a f i l b n o<'p>");
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn strings_can_stay() {
        assert_eq!(without_comments("\"a // b\" // c").trim_end(), "\"a // b\"");
    }

    #[test]
    fn an_unfinished_file_ends() {
        for text in ["\"a", "/* a", "r#\"a", "'\\", "'", "\"\\", "r\"", "/"] {
            assert_eq!(strip(text, true).chars().count(), text.chars().count(), "{text}");
        }
    }

    #[test]
    fn tokens_know_their_line() {
        let tokens = tokens("use a::b;\n{ç}");
        let texts: Vec<_> = tokens.iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(
            texts,
            [("use", 1), ("a", 1), ("::", 1), ("b", 1), (";", 1), ("{", 2), ("ç", 2), ("}", 2)]
        );
    }
}
