//! `tidy`: the rules of this tree that the compiler does not hold.
//!
//! Every check reads text and nothing else: a [`Repo`] is paths and their contents, so a check
//! is tried on three lines as well as on the whole tree. Each lives in a file of its own:
//! `layers`, `packages`, `words` (lengths, leftovers, names), `scenarios`; `source`
//! tells code from comments and strings.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

mod layers;
mod packages;
mod scenarios;
mod source;
mod words;

/// Options of `tidy`.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Also list the files that grow towards the limit.
    #[arg(long)]
    verbose: bool,
}

/// One rule broken in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root.
    pub file: String,
    /// Line from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Which check speaks.
    pub check: &'static str,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, check, what } = self;
        match line {
            0 => write!(f, "{file}: {check}: {what}"),
            _ => write!(f, "{file}:{line}: {check}: {what}"),
        }
    }
}

/// The tree as text: path from the root, with `/`, and content.
#[derive(Clone, Debug, Default)]
pub struct Repo {
    files: BTreeMap<String, String>,
}

impl Repo {
    /// Reads what git tracks or would track; without git, everything but hidden and target folders.
    ///
    /// # Errors
    ///
    /// A file or folder cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut paths = match tracked(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        paths.retain(|path| root.join(path).symlink_metadata().is_ok_and(|found| found.is_file()));
        let mut files = BTreeMap::new();
        for path in paths {
            // Recorded bytes are searched like text: what is no UTF-8 in them names nothing.
            let text = String::from_utf8_lossy(&fs::read(root.join(&path))?).into_owned();
            files.insert(path, text);
        }
        Ok(Self { files })
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none: a check of nothing proves nothing.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Files below a folder (`core/src/`) with an ending (`.rs`), in order of path.
    fn below<'a>(&'a self, folder: &'a str, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(move |(path, _)| path.starts_with(folder) && path.ends_with(ending))
    }
}

/// Runs every check on the tree at `root` and prints what it finds.
pub fn run(root: &Path, args: &Args) -> i32 {
    let repo = match Repo::read(root) {
        Ok(repo) => repo,
        Err(why) => {
            eprintln!("tidy: the tree at {} cannot be read: {why}", root.display());
            return 1;
        }
    };
    if args.verbose {
        for note in words::growing(&repo) {
            println!("note: {note}");
        }
    }
    let findings = check(&repo);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, all well", repo.len()),
        found => println!("tidy: {} files, {found} findings", repo.len()),
    }
    i32::from(!findings.is_empty())
}

/// Everything that is wrong, by file and line.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    layers::check(repo, &mut found);
    packages::check(repo, &mut found);
    words::check(repo, &mut found);
    scenarios::check(repo, &mut found);
    found.sort();
    found.dedup();
    found
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()?;
    if !listed.status.success() {
        return None;
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    Some(names.split('\0').filter(|name| !name.is_empty()).map(String::from).collect())
}

fn walked(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}{name}");
            if !entry.file_type()?.is_dir() {
                found.push(path);
            } else if name != ".git" && !name.starts_with("target") {
                folders.push(format!("{path}/"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
impl Repo {
    fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|&(path, text)| (path.into(), text.into())).collect() }
    }
}

/// What one check says of a few files, as a person would read it.
#[cfg(test)]
fn said(check: fn(&Repo, &mut Vec<Finding>), files: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    check(&Repo::of(files), &mut found);
    found.sort();
    found.iter().map(Finding::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tree_is_well() {
        assert_eq!(check(&Repo::default()), []);
    }

    #[test]
    fn findings_come_by_file_and_line() {
        let leftover = concat!("\n// FIX", "ME\n");
        let late = format!("fn a() {{}}\n{leftover}");
        let found = check(&Repo::of(&[("b.rs", leftover), ("a.rs", &late), ("core/src/a.rs", "")]));
        let places: Vec<_> = found.iter().map(|finding| (finding.file.as_str(), finding.line)).collect();
        assert_eq!(places, [("a.rs", 3), ("b.rs", 2), ("core/src/a.rs", 0)]);
    }

    #[test]
    fn both_ways_of_listing_see_this_file() {
        let root = crate::root();
        let here = "xtask/src/tidy/mod.rs";
        assert!(walked(&root).unwrap().iter().any(|path| path == here));
        assert!(tracked(&root).is_none_or(|paths| paths.iter().any(|path| path == here)));
    }
}
