//! Stories and their traces: each has the other, and every notice is in one of them.

use std::collections::BTreeSet;

use super::source::without_comments;
use super::{Finding, Repo};

/// Notices that no scenario shows: one a line, the reason after `#`.
const UNSEEN: &str = "scenarios/unseen.txt";

pub(super) fn check(repo: &Repo, found: &mut Vec<Finding>) {
    pairs(repo, found);
    notices(repo, found);
}

fn pairs(repo: &Repo, found: &mut Vec<Finding>) {
    for (ending, other, what) in [
        (".scn", ".snap", "has no snapshot beside it: run it, read it, accept it"),
        (".snap", ".scn", "belongs to no scenario: it was renamed or removed"),
    ] {
        for (file, _) in repo.below("scenarios/", ending) {
            if repo.get(&file.replace(ending, other)).is_none() {
                found.push(Finding { file: file.into(), line: 0, check: "snapshots", what: what.into() });
            }
        }
    }
}

fn notices(repo: &Repo, found: &mut Vec<Finding>) {
    let mut say =
        |file: &str, line, what| found.push(Finding { file: file.into(), line, check: "notices", what });
    let seen: BTreeSet<&str> =
        repo.below("scenarios/", ".snap").flat_map(|(_, text)| text.split(|char| !in_name(char))).collect();
    let excused: Vec<Excuse<'_>> = repo.get(UNSEEN).map(excuses).unwrap_or_default();
    let mut known = BTreeSet::new();
    // Wherever they are told from: a file that is moved or split must not escape.
    let told = |text: &str| text.contains("impl Noticed for") || text.contains("\nkinds! {");
    for (file, text) in repo.below("core/src/", ".rs").filter(|(_, text)| told(text)) {
        let text = without_comments(text);
        let Some(kinds) = kinds(&text) else {
            say(file, 0, "no `kinds! {…}` or `const KINDS: … = &[…]` of names is found here".into());
            continue;
        };
        for (line, kind) in kinds {
            known.insert(kind.to_string());
            if !seen.contains(kind) && excused.iter().all(|excuse| excuse.kind != kind) {
                say(
                    file,
                    line,
                    format!("no scenario shows `{kind}`: tell its story, or say why in {UNSEEN}"),
                );
            }
        }
    }
    for Excuse { kind, reason, line } in excused {
        if reason.is_empty() {
            say(UNSEEN, line, format!("`{kind}` needs its reason after a `#`"));
        }
        if seen.contains(kind) {
            say(UNSEEN, line, format!("a scenario shows `{kind}` by now: take it off"));
        } else if !known.contains(kind) {
            say(UNSEEN, line, format!("there is no notice `{kind}`"));
        }
    }
}

/// `node-dead` is one name.
fn in_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '-' || char == '_'
}

/// The names in the table `kinds!` or the list `KINDS`, and their lines.
fn kinds(text: &str) -> Option<Vec<(usize, &str)>> {
    let (open, list) = if let Some(table) = text.find("\nkinds! {") {
        (table, &text[table..table + text[table..].find("\n}")?])
    } else {
        let declared = text.find("const KINDS")?;
        // The type has brackets of its own: the list is behind the `=`.
        let equals = declared + text[declared..].find('=')?;
        let open = equals + text[equals..].find('[')?;
        (open, &text[open..open + text[open..].find(']')?])
    };
    let names = list.split('"').scan(open, |at, piece| {
        let line = 1 + text[..*at].matches('\n').count();
        *at += piece.len() + 1;
        Some((line, piece))
    });
    Some(names.skip(1).step_by(2).collect())
}

struct Excuse<'a> {
    kind: &'a str,
    reason: &'a str,
    line: usize,
}

fn excuses(text: &str) -> Vec<Excuse<'_>> {
    let lines = text.lines().enumerate().map(|(index, line)| {
        let (kind, reason) = line.split_once('#').unwrap_or((line, ""));
        Excuse { kind: kind.trim(), reason: reason.trim(), line: index + 1 }
    });
    lines.filter(|excuse| !excuse.kind.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    const NOTICE: &str = "impl Noticed for Notice {\n    const KINDS: &'static [&'static str] = &[\n        \
        // links\n        \"link-up\",\n        \"link-lost\", // \"link-old\"\n    ];\n}\n";

    /// What is said of a protocol with two notices, a snapshot and a list of excuses.
    fn story(snapshot: &str, unseen: &str) -> Vec<String> {
        said(
            check,
            &[
                ("core/src/ctdb/notice.rs", NOTICE),
                ("scenarios/ctdb/a.scn", ""),
                ("scenarios/ctdb/a.snap", snapshot),
                (UNSEEN, unseen),
            ],
        )
    }

    #[test]
    fn a_scenario_and_its_snapshot_stand_side_by_side() {
        let pair = [("scenarios/ctdb/a.scn", ""), ("scenarios/ctdb/a.snap", "")];
        assert_eq!(said(check, &pair), [""; 0]);
        let lone = "scenarios/ctdb/a.scn: snapshots: has no snapshot beside it: run it, read it, accept it";
        assert_eq!(said(check, &pair[..1]), [lone]);
        let left = "scenarios/ctdb/a.snap: snapshots: belongs to no scenario: it was renamed or removed";
        assert_eq!(said(check, &pair[1..]), [left]);
        assert_eq!(said(check, &[("tests/captures/a.snap", "")]), [""; 0]);
    }

    #[test]
    fn every_notice_is_shown_by_a_scenario() {
        assert_eq!(
            story(" 1.000  n0  # .  link-up n1\n 2.000  n0  # .  link-lost n1 (reset)\n", ""),
            [""; 0]
        );
        let unseen = "core/src/ctdb/notice.rs:5: notices: no scenario shows `link-lost`: tell its story, or say \
            why in scenarios/unseen.txt";
        assert_eq!(story("link-up n1\nlink-lost-twice\n", ""), [unseen]);
    }

    #[test]
    fn a_notice_may_stay_unseen_for_a_reason() {
        assert_eq!(story("link-up", "# not yet shown\nlink-lost # needs a broken switch\n"), [""; 0]);
        let reasonless = "scenarios/unseen.txt:1: notices: `link-lost` needs its reason after a `#`";
        assert_eq!(story("link-up", "link-lost\n"), [reasonless]);
    }

    #[test]
    fn the_list_of_the_unseen_does_not_outlive_them() {
        let seen = "scenarios/unseen.txt:1: notices: a scenario shows `link-up` by now: take it off";
        assert_eq!(story("link-up link-lost", "link-up # why\n"), [seen]);
        let unknown = "scenarios/unseen.txt:1: notices: there is no notice `link-old`";
        assert_eq!(story("link-up link-lost", "link-old # why\n"), [unknown]);
    }

    #[test]
    fn a_table_of_kinds_is_read_like_a_list() {
        let table = "impl Noticed for Notice {}\n\nkinds! {\n    \"up\" Info Self::Up,\n    \"lost\" Warn Self::Lost,\n}\n";
        let files = [
            ("core/src/ctdb/notice/mod.rs", table),
            ("scenarios/a.scn", ""),
            ("scenarios/a.snap", "1.000 n0 up n1"),
        ];
        let unseen = "core/src/ctdb/notice/mod.rs:5: notices: no scenario shows `lost`: tell its story, or say \
            why in scenarios/unseen.txt";
        assert_eq!(said(check, &files), [unseen]);
    }

    #[test]
    fn notices_without_a_list_are_found() {
        let said = said(check, &[("core/src/gossip/notice.rs", "impl Noticed for Notice {}")]);
        assert_eq!(
            said,
            ["core/src/gossip/notice.rs: notices: no `kinds! {…}` or `const KINDS: … = &[…]` of names is \
                found here"]
        );
    }
}
