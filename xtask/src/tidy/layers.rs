//! Who may name whom inside `core`: paths through `crate::` and `super::` against a table.
//!
//! Comments and strings do not count; test modules do. A module that the table does not know
//! is a finding too: a new module gets its row when it is made.

use super::source::{Token, code, tokens};
use super::{Finding, Repo};

const CHECK: &str = "layers";

/// A module of `core/src` and what it may use besides itself.
struct Row {
    /// `ctdb::wire`; `ctdb::*` is any module of that folder without a row of its own.
    module: &'static str,
    may: &'static [&'static [&'static str]],
}

/// What lies below every protocol.
const BELOW: &[&str] = &["time", "rng", "kinds", "plants", "machine", "host", "timers", "bytes", "text"];

/// What the parts of the CTDB machine share; they meet nowhere else but in `machine`.
const SHARED: &[&str] = &[
    "ctdb::state",
    "ctdb::cx",
    "ctdb::config",
    "ctdb::plant",
    "ctdb::notice",
    "ctdb::types",
    "ctdb::wire",
    "ctdb::files",
    "ctdb::tunables",
    "ctdb::requests",
    "ctdb::jobs",
];

/// What the parts of the gossip machine share; they meet nowhere else but in `machine` and
/// `commands`.
const WORDS: &[&str] = &[
    "gossip::table",
    "gossip::config",
    "gossip::plant",
    "gossip::notice",
    "gossip::types",
    "gossip::slots",
    "gossip::wire",
    "gossip::resp",
    "gossip::nodes_conf",
    "gossip::password",
];

/// The layers, lowest first.
const TABLE: &[Row] = &[
    Row { module: "time", may: &[] },
    Row { module: "rng", may: &[&["time"]] },
    Row { module: "machine", may: &[&["time"]] },
    Row { module: "kinds", may: &[&["machine"]] },
    Row { module: "plants", may: &[] },
    Row { module: "host", may: &[&["time", "machine"]] },
    Row { module: "timers", may: &[&["machine", "time"]] },
    Row { module: "bytes", may: &[] },
    Row { module: "text", may: &[&["time"]] },
    // The rooms of the machine, where the parts meet: they see the whole folder.
    Row { module: "ctdb", may: &[BELOW] },
    Row { module: "ctdb::machine", may: &[BELOW, &["ctdb"]] },
    Row { module: "ctdb::types", may: &[BELOW] },
    Row { module: "ctdb::wire", may: &[&["bytes", "ctdb::types"]] },
    // Pure arithmetic over what a leader has gathered.
    Row { module: "ctdb::ipalloc", may: &[&["ctdb::types"]] },
    Row { module: "ctdb::tunables", may: &[&["text", "time"]] },
    // The file of tunables is read against their table.
    Row { module: "ctdb::files", may: &[&["text", "time", "ctdb::tunables"]] },
    Row { module: "ctdb::config", may: &[BELOW, SHARED] },
    Row { module: "ctdb::notice", may: &[BELOW, SHARED] },
    Row { module: "ctdb::state", may: &[BELOW, SHARED] },
    Row { module: "ctdb::requests", may: &[BELOW, SHARED] },
    // A job's beginning goes into the machine's outbox.
    Row { module: "ctdb::jobs", may: &[BELOW, SHARED, &["ctdb::machine"]] },
    // The context names the machine, whose outbox it is.
    Row { module: "ctdb::cx", may: &[BELOW, SHARED, &["ctdb::machine"]] },
    // Dialling again and listening for the first time name the same port; what is served is read
    // against what the kernel has.
    Row { module: "ctdb::boot", may: &[BELOW, SHARED, &["ctdb::links", "ctdb::addresses", "ctdb::kernel"]] },
    // What the host reports of its kernel, kept; the addresses are checked against it.
    Row { module: "ctdb::kernel", may: &[BELOW] },
    Row { module: "ctdb::addresses", may: &[BELOW, SHARED, &["ctdb::kernel"]] },
    // The tests of events read the machine's outbox.
    Row { module: "ctdb::events", may: &[BELOW, SHARED, &["ctdb::machine"]] },
    // How an event ended is what the monitor counts.
    Row { module: "ctdb::monitor", may: &[BELOW, SHARED, &["ctdb::events"]] },
    // Controls about databases are answered as any other.
    Row { module: "ctdb::databases", may: &[BELOW, SHARED, &["ctdb::controls"]] },
    Row { module: "ctdb::store", may: &[BELOW, SHARED, &["ctdb::controls"]] },
    Row { module: "ctdb::*", may: &[BELOW, SHARED] },
    Row { module: "gossip", may: &[BELOW] },
    Row { module: "gossip::machine", may: &[BELOW, &["gossip"]] },
    Row { module: "gossip::commands", may: &[BELOW, &["gossip"]] },
    Row { module: "gossip::types", may: &[BELOW] },
    Row { module: "gossip::slots", may: &[BELOW, &["gossip::types"]] },
    Row { module: "gossip::wire", may: &[&["bytes", "gossip::types", "gossip::slots"]] },
    Row { module: "gossip::resp", may: &[BELOW] },
    // The file is text; its tests draw on the codecs' few cases.
    Row { module: "gossip::nodes_conf", may: &[&["text", "bytes", "gossip::types", "gossip::slots"]] },
    // Names and streams are found by their hashes.
    Row { module: "gossip::table", may: &[BELOW, WORDS, &["gossip::index"]] },
    Row { module: "gossip::links", may: &[BELOW, WORDS, &["gossip::index"]] },
    Row { module: "gossip::*", may: &[BELOW, WORDS] },
];

pub(super) fn check(repo: &Repo, found: &mut Vec<Finding>) {
    for (file, text) in repo.below(ROOT, ".rs") {
        let module = module_of(file);
        if module.is_empty() {
            continue; // lib.rs: the map names everything
        }
        let Some((me, may)) = reach(&module) else {
            let what = format!("`{}` has no row in the table of xtask/src/tidy/layers.rs", module[0]);
            found.push(Finding { file: file.into(), line: 0, check: CHECK, what });
            continue;
        };
        for Use { path, line } in uses(&tokens(&code(text)), &module) {
            if within(&path, &me) || may.iter().any(|other| within(&path, other)) {
                continue;
            }
            let may = if may.is_empty() { "nothing".into() } else { may.join(", ") };
            let what =
                format!("`crate::{}` is out of reach: `{me}` may use itself and {may}", path.join("::"));
            found.push(Finding { file: file.into(), line, check: CHECK, what });
        }
    }
}

const ROOT: &str = "core/src/";

/// `core/src/ctdb/wire/mod.rs` is `ctdb::wire`.
fn module_of(file: &str) -> Vec<&str> {
    let inside = file.trim_start_matches(ROOT).trim_end_matches(".rs");
    let mut module: Vec<&str> = inside.split('/').collect();
    if matches!(module.last(), Some(&"mod" | &"lib")) {
        module.pop();
    }
    module
}

/// What a module counts as, and what that may use.
fn reach(module: &[&str]) -> Option<(String, Vec<&'static str>)> {
    let row = |name: &str| {
        let row = TABLE.iter().find(|row| row.module == name)?;
        Some(row.may.concat())
    };
    let top = module.first()?;
    if let Some(part) = module.get(1) {
        let part = format!("{top}::{part}");
        if let Some(may) = row(&part).or_else(|| row(&format!("{top}::*"))) {
            return Some((part, may));
        }
    }
    Some(((*top).into(), row(top)?))
}

fn within(path: &[String], module: &str) -> bool {
    let mut path = path.iter();
    module.split("::").all(|name| path.next().is_some_and(|step| step == name))
}

/// A path from the crate's root, and where it is written.
struct Use {
    path: Vec<String>,
    line: usize,
}

/// Every path that starts at `crate::` or `super::`, in `use` lines and in expressions.
fn uses(tokens: &[Token<'_>], module: &[&str]) -> Vec<Use> {
    let mut found = Vec::new();
    // Modules written in place: one entry a brace, named if a module opened it.
    let mut braces: Vec<Option<&str>> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).map_or("", |index| tokens[index].text);
        match token.text {
            "{" => braces.push((before(2) == "mod").then_some(before(1))),
            "}" => drop(braces.pop()),
            _ => {}
        }
        let starts = before(1) != "::" && tokens.get(at + 1).is_some_and(|next| next.text == "::");
        let visibility = before(1) == "in" && before(2) == "(" && before(3) == "pub";
        if !starts || visibility || !matches!(token.text, "crate" | "super") {
            continue;
        }
        let inline = braces.iter().flatten();
        let here: Vec<String> = match token.text {
            "crate" => Vec::new(),
            _ => module.iter().chain(inline).map(|&name| name.into()).collect(),
        };
        let mut next = if token.text == "crate" { at + 2 } else { at };
        let mut paths = Vec::new();
        tree(tokens, &mut next, here, &mut paths);
        found.extend(paths.into_iter().map(|path| Use { path, line: token.line }));
    }
    found
}

/// Reads one path or a group of them from `at`, and leaves `at` behind it.
fn tree(tokens: &[Token<'_>], at: &mut usize, mut path: Vec<String>, found: &mut Vec<Vec<String>>) {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    loop {
        match text(*at) {
            "{" => {
                *at += 1;
                while !matches!(text(*at), "}" | "") {
                    tree(tokens, at, path.clone(), found);
                    while !matches!(text(*at), "," | "}" | "") {
                        *at += 1; // `as name`
                    }
                    if text(*at) == "," {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "super" => drop(path.pop()),
            "self" => {}
            step if step == "*" || step.starts_with(super::source::in_word) => path.push(step.into()),
            _ => {
                found.push(path); // `::<` and the like: the path ends before it
                return;
            }
        }
        *at += 1;
        if text(*at) != "::" {
            found.push(path);
            return;
        }
        *at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    /// The paths of a file that are out of its reach.
    fn refused(file: &str, text: &str) -> Vec<String> {
        let said = said(check, &[(file, text)]);
        said.iter().filter_map(|line| Some(line.split('`').nth(1)?.to_string())).collect()
    }

    #[test]
    fn a_finding_names_the_line_the_use_and_what_is_allowed() {
        let said = said(check, &[("core/src/rng.rs", "//! Streams.\n\nuse crate::host::Job;\n")]);
        let line =
            "core/src/rng.rs:3: layers: `crate::host::Job` is out of reach: `rng` may use itself and time";
        assert_eq!(said, [line]);
    }

    #[test]
    fn arrows_point_up_the_page_only() {
        assert_eq!(
            refused("core/src/time.rs", "use crate::machine::Deadline;"),
            ["crate::machine::Deadline"]
        );
        assert_eq!(refused("core/src/machine.rs", "use crate::time::Instant;"), [""; 0]);
        assert_eq!(
            refused("core/src/bytes/reader.rs", "use crate::bytes::Short; use super::Short;"),
            [""; 0]
        );
        assert_eq!(refused("core/src/bytes/reader.rs", "use crate::text::Span;"), ["crate::text::Span"]);
    }

    #[test]
    fn the_two_machines_are_strangers() {
        assert_eq!(refused("core/src/gossip/links.rs", "use crate::ctdb::types::Pnn;").len(), 1);
        assert_eq!(
            refused("core/src/ctdb/mod.rs", "use crate::gossip;\nuse crate::time;"),
            ["crate::gossip"]
        );
        assert_eq!(
            refused("core/src/gossip/mod.rs", "use crate::gossip::links; use crate::rng::Rng;").len(),
            0
        );
    }

    #[test]
    fn parts_meet_in_the_state_and_not_each_other() {
        let part = "core/src/ctdb/keepalive.rs";
        assert_eq!(refused(part, "use crate::ctdb::{state::State, cx::Cx, wire};"), [""; 0]);
        assert_eq!(refused(part, "use crate::ctdb::links::Link;"), ["crate::ctdb::links::Link"]);
        assert_eq!(refused(part, "use super::links::Link;"), ["crate::ctdb::links::Link"]);
        assert_eq!(refused(part, "use crate::ctdb::Ctdb;"), ["crate::ctdb::Ctdb"]);
        assert_eq!(refused("core/src/ctdb/mod.rs", "use crate::ctdb::links::Link;"), [""; 0]);
    }

    #[test]
    fn the_gossip_machine_has_words_and_rooms() {
        let text = "use super::{slots::SlotSet, wire::Packet, table::Table}; use crate::rng::Rng;";
        assert_eq!(refused("core/src/gossip/links.rs", text), [""; 0]);
        assert_eq!(
            refused("core/src/gossip/links.rs", "use super::votes::Vote;"),
            ["crate::gossip::votes::Vote"]
        );
        assert_eq!(refused("core/src/gossip/commands/meet.rs", "use crate::gossip::votes::Vote;"), [""; 0]);
        assert_eq!(refused("core/src/gossip/wire/packet.rs", "use crate::gossip::slots::Bitmap;"), [""; 0]);
        assert_eq!(refused("core/src/gossip/wire/packet.rs", "use crate::gossip::resp::Out;").len(), 1);
    }

    #[test]
    fn a_part_in_a_folder_sees_its_own_folder() {
        let file = "core/src/ctdb/leader/election.rs";
        assert_eq!(refused(file, "use crate::ctdb::leader::lease; use super::survey;"), [""; 0]);
        assert_eq!(refused(file, "use super::super::links;"), ["crate::ctdb::links"]);
    }

    #[test]
    fn files_and_codecs_know_less_than_parts() {
        assert_eq!(refused("core/src/ctdb/wire/header.rs", "use crate::ctdb::types::Pnn;"), [""; 0]);
        assert_eq!(refused("core/src/ctdb/wire/header.rs", "use crate::ctdb::state::State;").len(), 1);
        assert_eq!(refused("core/src/ctdb/files/nodes.rs", "use crate::text::Span;"), [""; 0]);
        assert_eq!(refused("core/src/ctdb/files/tunables.rs", "use crate::ctdb::tunables::TABLE;"), [""; 0]);
        assert_eq!(refused("core/src/ctdb/tunables.rs", "use crate::ctdb::files::nodes;").len(), 1);
        assert_eq!(refused("core/src/ctdb/files/nodes.rs", "use crate::ctdb::types::Pnn;").len(), 1);
    }

    #[test]
    fn groups_expressions_and_globs_are_read() {
        let text = "use crate::{time::{self, Instant as I}, host::*};\nfn a() { crate::machine::b::<u8>() }";
        assert_eq!(refused("core/src/rng.rs", text), ["crate::host::*", "crate::machine::b"]);
    }

    #[test]
    fn comments_strings_and_visibility_are_no_uses() {
        let text = "// use crate::host;\nconst A: &str = \"crate::host\";\npub(in crate::ctdb) struct A;";
        assert_eq!(refused("core/src/rng.rs", text), [""; 0]);
    }

    #[test]
    fn a_test_module_sees_the_file_around_it() {
        let file = "core/src/ctdb/links.rs";
        assert_eq!(refused(file, "mod tests {\n use super::*;\n use super::super::keepalive;\n}").len(), 1);
        assert_eq!(refused(file, "fn a() {}\nuse super::*;"), ["crate::ctdb::*"]);
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        let said = said(check, &[("core/src/odds.rs", "")]);
        assert_eq!(
            said,
            ["core/src/odds.rs: layers: `odds` has no row in the table of xtask/src/tidy/layers.rs"]
        );
    }
}
