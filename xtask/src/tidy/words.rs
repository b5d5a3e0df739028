//! Text that must not be there: overlong files, leftovers, other people's disks, and a
//! protocol's name in the world.

use super::source::in_word;
use super::{Finding, Repo};

const LINES_MAX: usize = 600;
const LINES_PLANNED: usize = 450;

/// What somebody meant to come back to. In halves, or this file would be found.
const LEFTOVER_WORDS: &[&str] = &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X")];
const LEFTOVER_CODE: &[&str] =
    &[concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ign", "ore")];

/// Paths that lead out of the tree.
const ABROAD: &[&str] = &[concat!("../sha", "red"), concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// The protocols' own words, which the world does without.
const PROTOCOLS: &[&str] = &["ctdb", "redis", "gossip", "keepalive", "pnn"];

/// The kernel's own, whatever a protocol calls its messages.
const KERNEL: &str = "SO_KEEPALIVE";

pub(super) fn check(repo: &Repo, found: &mut Vec<Finding>) {
    lengths(repo, found);
    leftovers(repo, found);
    abroad(repo, found);
    protocols(repo, found);
}

/// Files over the planned length and not yet over the limit.
pub(super) fn growing(repo: &Repo) -> Vec<String> {
    repo.below("", ".rs")
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| (LINES_PLANNED + 1..=LINES_MAX).contains(lines))
        .map(|(file, lines)| format!("{file}: {lines} lines, {LINES_PLANNED} are planned"))
        .collect()
}

fn lengths(repo: &Repo, found: &mut Vec<Finding>) {
    for (file, text) in repo.below("", ".rs") {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            let what = format!("{lines} lines; {LINES_MAX} are the limit: which part stands alone?");
            found.push(Finding { file: file.into(), line: 0, check: "length", what });
        }
    }
}

fn leftovers(repo: &Repo, found: &mut Vec<Finding>) {
    let files = [".rs", ".md", ".scn"].into_iter().flat_map(|ending| repo.below("", ending));
    for (file, line, text) in lines(files) {
        let words = LEFTOVER_WORDS.iter().filter(|word| has_word(text, word));
        for left in words.chain(LEFTOVER_CODE.iter().filter(|code| text.contains(**code))) {
            let what = format!("`{left}` is left over: do it, or file it");
            found.push(Finding { file: file.into(), line, check: "leftover", what });
        }
    }
}

fn abroad(repo: &Repo, found: &mut Vec<Finding>) {
    for (file, line, text) in lines(repo.below("", "")) {
        for path in ABROAD.iter().filter(|path| leads(text, path)) {
            let what = format!("`{path}` is not in this tree, and not on another's machine");
            found.push(Finding { file: file.into(), line, check: "path", what });
        }
    }
}

fn protocols(repo: &Repo, found: &mut Vec<Finding>) {
    for (file, line, text) in lines(repo.below("sim/src/world/", ".rs")) {
        for name in
            names(&text.replace(KERNEL, "")).into_iter().filter(|name| PROTOCOLS.contains(&name.as_str()))
        {
            let what = format!("the world names no protocol: `{name}` belongs in a kit");
            found.push(Finding { file: file.into(), line, check: "world", what });
        }
    }
}

fn lines<'a>(
    files: impl Iterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = (&'a str, usize, &'a str)> {
    files.flat_map(|(file, text)| text.lines().enumerate().map(move |(at, line)| (file, at + 1, line)))
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|char| !in_word(char)).any(|other| other == word)
}

/// Whether a path starts with `start` somewhere in the line; in the middle of another path it
/// does not start.
fn leads(line: &str, start: &str) -> bool {
    let longer = |char: char| char.is_alphanumeric() || "._~-".contains(char);
    line.match_indices(start).any(|(at, _)| !line[..at].ends_with(longer))
}

/// The words of a line and of the names in it, in lower case: `PnnMap` is `pnn` and `map`.
fn names(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut before = ' ';
    for char in line.chars() {
        if !char.is_alphanumeric() || (char.is_uppercase() && before.is_lowercase()) {
            found.push(String::new());
        }
        if char.is_alphanumeric() {
            found.last_mut().expect("never empty").extend(char.to_lowercase());
        }
        before = char;
    }
    found.retain(|name| !name.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    #[test]
    fn a_file_has_a_length() {
        let text = |lines| "\n".repeat(lines);
        assert_eq!(said(check, &[("a.rs", &text(600)), ("a.txt", &text(601))]), [""; 0]);
        let long = "a.rs: length: 601 lines; 600 are the limit: which part stands alone?";
        assert_eq!(said(check, &[("a.rs", &text(601))]), [long]);
        assert_eq!(growing(&Repo::of(&[("a.rs", &text(450)), ("b.rs", &text(601))])), [""; 0]);
        assert_eq!(growing(&Repo::of(&[("a.rs", &text(451))])), ["a.rs: 451 lines, 450 are planned"]);
    }

    #[test]
    fn leftovers_are_found_in_code_prose_and_scenarios() {
        for left in LEFTOVER_WORDS.iter().chain(LEFTOVER_CODE) {
            for file in ["tests/a.rs", "A.md", "scenarios/a.scn"] {
                let line = format!("# fine\n# {left}: later\n");
                let found = format!("{file}:2: leftover: `{left}` is left over: do it, or file it");
                assert_eq!(said(check, &[(file, &line)]), [found]);
            }
        }
    }

    #[test]
    fn a_word_within_a_word_is_none_left_over() {
        let text = concat!("MAS", "TO", "DON XX", "XX todos #[expect(clippy::todo)]");
        assert_eq!(said(check, &[("a.rs", text)]), [""; 0]);
    }

    #[test]
    fn no_file_leads_out_of_the_tree() {
        for path in ABROAD {
            let text = format!("cp \"{path}notes\" .");
            assert_eq!(said(check, &[(".ci/run", &text)]).len(), 1, "{path}");
        }
        let fine = concat!("https://example.org/wo", "rk/ net", "wo", "rk/ro", "ot/");
        assert_eq!(said(check, &[("a.md", fine)]), [""; 0]);
    }

    #[test]
    fn the_world_names_no_protocol() {
        for text in
            ["// as CTDB does", "use standin_core::ctdb;", "fn pnn_of()", "struct PnnMap;", "\"Redis\""]
        {
            assert_eq!(said(check, &[("sim/src/world/a.rs", text)]).len(), 1, "{text}");
            assert_eq!(said(check, &[("sim/src/ctdb/a.rs", text)]), [""; 0]);
        }
        assert_eq!(said(check, &[("sim/src/world/a.rs", "a gossiping keep-alive, SO_KEEPALIVE")]), [""; 0]);
    }
}
