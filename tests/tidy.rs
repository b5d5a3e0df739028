//! The tree keeps its own rules: what `cargo xtask tidy` checks, as a test.

use xtask::tidy::{Repo, check};

#[test]
fn the_tree_is_tidy() {
    let repo = Repo::read(&xtask::root()).expect("the tree can be read");
    assert!(repo.len() > 10, "{} files are not the tree", repo.len());
    let findings: Vec<String> = check(&repo).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}
