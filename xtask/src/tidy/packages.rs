//! Which package may depend on which: the border, as the manifests state it.

use super::{Finding, Repo};

const CHECK: &str = "packages";

/// All that the protocols may depend on, sorted.
const CORE: &[&str] = &["bitflags", "rand_chacha", "serde"];

/// Who must not depend on whom, tests included.
const NEVER: &[(&str, &[&str], &str)] = &[
    ("sim/Cargo.toml", &["tokio", "standin-node"], "the world has no other clock and no real I/O"),
    ("node/Cargo.toml", &["standin-sim"], "a daemon carries no simulator"),
    (
        "testbed/Cargo.toml",
        &["tokio", "standin-core", "standin-node", "standin-sim"],
        "what measures either daemon knows neither, and is no part of what it measures",
    ),
];

pub(super) fn check(repo: &Repo, found: &mut Vec<Finding>) {
    let mut say =
        |file: &str, line, what| found.push(Finding { file: file.into(), line, check: CHECK, what });
    if let Some(manifest) = repo.get("core/Cargo.toml") {
        let named: Vec<Dependency<'_>> =
            dependencies(manifest).into_iter().filter(|found| found.kind != Kind::Dev).collect();
        for Dependency { name, line, .. } in &named {
            if !CORE.contains(name) {
                let what = format!("core depends on {} and nothing else, not on `{name}`", CORE.join(", "));
                say("core/Cargo.toml", *line, what);
            }
        }
        for missing in CORE.iter().filter(|name| named.iter().all(|found| found.name != **name)) {
            say("core/Cargo.toml", 0, format!("`{missing}` is gone: take it off the list in xtask too"));
        }
    }
    for (file, refused, why) in NEVER {
        for Dependency { name, line, .. } in repo.get(file).map(dependencies).unwrap_or_default() {
            if refused.contains(&name) {
                say(file, line, format!("no dependency on `{name}`: {why}"));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Built into the package, or run to build it.
    Shipped,
    /// For tests, examples and benches.
    Dev,
}

struct Dependency<'a> {
    name: &'a str,
    kind: Kind,
    line: usize,
}

/// Reads a manifest's dependencies line by line: `name = …`, `name.workspace = true`,
/// `[dependencies.name]`, any of them for one target only, and `package = "name"`.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut section = None;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut names = Vec::new();
        if let Some(header) = line.strip_prefix('[') {
            let (table, name) = table(header.trim_end_matches(']'));
            section = kind(table);
            names.extend(name);
        } else {
            names.extend(line.split_once(['=', '.']).map(|(name, _)| name));
            names.extend(line.split_once("package").map(|(_, renamed)| renamed));
        }
        let Some(kind) = section else { continue };
        for name in names {
            let name = name.split(',').next().unwrap_or_default();
            let name = name.trim_matches(|char: char| !char.is_alphanumeric());
            found.push(Dependency { name, kind, line: index + 1 });
        }
    }
    found
}

/// `dependencies.serde` is the table `dependencies` and the name `serde`.
fn table(header: &str) -> (&str, Option<&str>) {
    const WORD: &str = "dependencies";
    match header.rfind("dependencies.") {
        Some(at) => (&header[..at + WORD.len()], Some(&header[at + WORD.len()..])),
        None => (header, None),
    }
}

/// `target.'cfg(unix)'.build-dependencies` is shipped; `features` is no table of dependencies.
fn kind(table: &str) -> Option<Kind> {
    match table.rsplit('.').next()? {
        "dependencies" | "build-dependencies" => Some(Kind::Shipped),
        "dev-dependencies" => Some(Kind::Dev),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    const FINE: &str = "[features]\nserde = []\n[dependencies]\nbitflags.workspace = true\n\
        rand_chacha = \"0.10\" # streams\nserde = { workspace = true, optional = true }\n\
        [dev-dependencies]\nproptest = \"1\"\n[lints]\nworkspace = true\n";

    #[test]
    fn core_depends_on_three_packages_and_no_fourth() {
        assert_eq!(said(check, &[("core/Cargo.toml", FINE)]), [""; 0]);
        for more in [
            "[dependencies]\ntokio = \"1\"",
            "[dependencies.tokio]\nversion = \"1\"",
            "[build-dependencies]\ntokio.workspace = true",
            "[target.'cfg(unix)'.dependencies]\n\"tokio\" = \"1\"",
        ] {
            let said = said(check, &[("core/Cargo.toml", &format!("{FINE}{more}"))]);
            assert!(said.iter().any(|line| line.contains("not on `tokio`")), "{more}: {said:?}");
        }
    }

    #[test]
    fn a_dependency_that_went_leaves_the_list_too() {
        let less = FINE.replace("bitflags.workspace = true\n", "");
        let gone = "core/Cargo.toml: packages: `bitflags` is gone: take it off the list in xtask too";
        assert_eq!(said(check, &[("core/Cargo.toml", &less)]), [gone]);
    }

    #[test]
    fn the_simulator_the_daemon_and_the_testbed_keep_apart() {
        for (file, name) in [
            ("sim/Cargo.toml", "tokio"),
            ("sim/Cargo.toml", "standin-node"),
            ("node/Cargo.toml", "standin-sim"),
            ("testbed/Cargo.toml", "standin-core"),
        ] {
            for text in [
                format!("[dependencies]\n{name}.workspace = true"),
                format!("[dev-dependencies]\nother = {{ package = \"{name}\", version = \"1\" }}"),
            ] {
                let said = said(check, &[(file, &text)]);
                assert_eq!(said.len(), 1, "{said:?}");
                assert!(said[0].starts_with(&format!("{file}:2: packages: no dependency on `{name}`")));
            }
        }
        assert_eq!(said(check, &[("node/Cargo.toml", "[dependencies]\ntokio = \"1\"")]), [""; 0]);
    }
}
