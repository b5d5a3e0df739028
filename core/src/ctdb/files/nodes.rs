//! The nodes file: who belongs to the cluster, and what a reload changes.
//!
//! A node's number (PNN) is the number of its line, blank lines left out, from 0. A line that
//! begins with `#` is a deleted node, which keeps its number so that the others keep theirs;
//! there are no comments. All nodes of a cluster must have the same file.
//!
//! Stricter than ctdbd, where a file like these starts a cluster that never works:
//! - the same address twice (IPv4-mapped IPv6 addresses are the IPv4 addresses they map);
//! - no node at all, or more than [`NODES_MAX`];
//! - an address that is no host's (unspecified, multicast).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::{address_of, from_here, is_host, text_of};
use crate::text::{Piece, Problem, Problems, lines};

/// Nodes of a cluster, deleted ones included. (Our limit.)
pub const NODES_MAX: u32 = 4096;

/// The nodes of a cluster by number. At least one is not deleted, no two share an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nodes(Vec<Option<IpAddr>>);

impl Nodes {
    /// The nodes with these addresses, `None` for a deleted one.
    ///
    /// # Panics
    /// If these could not stand in a file: no address at all, one twice or not a host's, too many.
    #[must_use]
    pub fn of(addresses: impl IntoIterator<Item = Option<IpAddr>>) -> Self {
        let nodes: Vec<_> =
            addresses.into_iter().map(|node| node.map(|address| address.to_canonical())).collect();
        let mut sorted: Vec<_> = nodes.iter().flatten().collect();
        sorted.sort_unstable();
        assert!(!sorted.is_empty() && nodes.len() <= NODES_MAX as usize, "{} nodes", nodes.len());
        assert!(sorted.iter().all(|&&address| is_host(address)), "no host's address in {nodes:?}");
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]), "an address twice in {nodes:?}");
        Self(nodes)
    }

    /// Reads a nodes file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &[u8]) -> Result<Self, Problems> {
        let text = text_of(file)?;
        let mut problems = Problems::new();
        let mut nodes = Vec::new();
        let mut seen = BTreeMap::new();
        for line in lines(&text).map(Piece::trim).filter(|line| !line.text.is_empty()) {
            if nodes.len() == NODES_MAX as usize {
                problems.push(line.problem("too many nodes", format!("at most {NODES_MAX} lines with one")));
                break;
            }
            nodes.push(match node(line, &mut seen) {
                Ok(node) => node,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            });
        }
        if problems.is_empty() && nodes.iter().all(Option::is_none) {
            let what = if nodes.is_empty() { "the file is empty" } else { "all nodes are deleted" };
            let start = Piece { text: "", line: 1, column: 1 };
            problems.push(start.problem(what, "a line with the address of each node"));
        }
        problems.into_result(Self(nodes))
    }

    /// How many numbers are in use, those of deleted nodes included.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).expect("a ceiling far below")
    }

    /// The address of the node `pnn`; `None` if it is deleted or there is no such number.
    #[must_use]
    pub fn address(&self, pnn: u32) -> Option<IpAddr> {
        *self.0.get(pnn as usize)?
    }

    /// Whether the number `pnn` belongs to a deleted node.
    #[must_use]
    pub fn is_deleted(&self, pnn: u32) -> bool {
        self.0.get(pnn as usize).is_some_and(Option::is_none)
    }

    /// The number of the node with this address.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<u32> {
        self.iter().find(|&(_, node)| node == Some(address.to_canonical())).map(|(pnn, _)| pnn)
    }

    /// The nodes by number, `None` for a deleted one.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Option<IpAddr>)> + '_ {
        (0..).zip(self.0.iter().copied())
    }

    /// What changes from these nodes to `new`, number by number.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Diff {
        let mut diff = Diff::default();
        for pnn in 0..self.count().max(new.count()) {
            match (self.0.get(pnn as usize), new.0.get(pnn as usize)) {
                (Some(Some(from)), Some(Some(to))) if from != to => {
                    diff.changed.push(Changed { pnn, from: *from, to: *to });
                }
                (Some(Some(_)), Some(None)) => diff.deleted.push(pnn),
                (Some(None), Some(Some(_))) => diff.undeleted.push(pnn),
                (Some(_), Some(_)) => diff.kept.push(pnn),
                (None, _) => diff.added.push(pnn),
                (Some(_), None) => diff.removed.push(pnn),
            }
        }
        diff
    }
}

fn node(line: Piece<'_>, seen: &mut BTreeMap<IpAddr, usize>) -> Result<Option<IpAddr>, Problem> {
    if line.text.starts_with('#') {
        return Ok(None);
    }
    let mut words = line.words();
    let word = words.next().unwrap_or(line);
    let address = address_of(word)?.to_canonical();
    if let Some(behind) = words.next() {
        let rest = from_here(line, behind);
        let expected = if behind.text.starts_with('#') {
            "nothing: a nodes file has no comments, a `#` at the beginning of a line deletes its node"
        } else {
            "nothing: each node has a line of its own"
        };
        return Err(rest.problem(format!("{} behind the address", rest.quoted()), expected));
    }
    if let Some(first) = seen.insert(address, line.line) {
        seen.insert(address, first);
        return Err(word.problem(
            format!("{} is the node of line {first} already", word.quoted()),
            "an address of its own for each node",
        ));
    }
    Ok(Some(address))
}

/// As a nodes file; a deleted node is a lone `#`.
impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.0 {
            match node {
                Some(address) => writeln!(f, "{address}")?,
                None => f.write_str("#\n")?,
            }
        }
        Ok(())
    }
}

/// What a reload changes, by number; each number of either file stands in one of the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Diff {
    /// As before, perhaps still deleted.
    pub kept: Vec<u32>,
    /// New at the end of the file; deleted from the start if the new file says so.
    pub added: Vec<u32>,
    /// Had an address, is deleted now.
    pub deleted: Vec<u32>,
    /// Was deleted, has an address now.
    pub undeleted: Vec<u32>,
    /// Has another address.
    pub changed: Vec<Changed>,
    /// Gone from the end of the file, deleted before or not.
    pub removed: Vec<u32>,
}

/// A node whose number has another address now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Changed {
    /// Its number.
    pub pnn: u32,
    /// The address before.
    pub from: IpAddr,
    /// The address now.
    pub to: IpAddr,
}

/// Why a running cluster must not reload its nodes file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// A number is no longer in the file.
    Missing {
        /// The number.
        pnn: u32,
    },
    /// A number belongs to another address.
    AddressChanged {
        /// The number.
        pnn: u32,
        /// The address before.
        from: IpAddr,
        /// The address now.
        to: IpAddr,
    },
    /// A node is deleted that is still there.
    DeletedButConnected {
        /// The number.
        pnn: u32,
    },
}

impl Refusal {
    /// The number of the node it is about.
    #[must_use]
    pub const fn pnn(&self) -> u32 {
        match *self {
            Self::Missing { pnn } | Self::AddressChanged { pnn, .. } | Self::DeletedButConnected { pnn } => {
                pnn
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { pnn } => {
                write!(f, "n{pnn} is missing: a node is deleted by a `#` before its line")
            }
            Self::AddressChanged { pnn, from, to } => {
                write!(f, "n{pnn} has changed from {from} to {to}: delete it and append the new address")
            }
            Self::DeletedButConnected { pnn } => {
                write!(f, "n{pnn} is deleted but still connected: shut it down first")
            }
        }
    }
}

impl Diff {
    /// Whether both files say the same.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { kept: _, added, deleted, undeleted, changed, removed } = self;
        added.is_empty()
            && deleted.is_empty()
            && undeleted.is_empty()
            && changed.is_empty()
            && removed.is_empty()
    }

    /// What the `ctdb reloadnodes` tool refuses, by number; `connected` says of a node whether it
    /// is (true of the own one). A daemon told to reload refuses nothing. Appended and undeleted
    /// nodes are welcome, and a node that is away while others change is a warning at most.
    #[must_use]
    pub fn refusals(&self, connected: impl Fn(u32) -> bool) -> Vec<Refusal> {
        let missing = self.removed.iter().map(|&pnn| Refusal::Missing { pnn });
        let changed =
            self.changed.iter().map(|&Changed { pnn, from, to }| Refusal::AddressChanged { pnn, from, to });
        let deleted = self.deleted.iter().copied().filter(|&pnn| connected(pnn));
        let deleted = deleted.map(|pnn| Refusal::DeletedButConnected { pnn });
        let mut refusals: Vec<_> = missing.chain(changed).chain(deleted).collect();
        refusals.sort_unstable_by_key(Refusal::pnn);
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    fn nodes(file: &str) -> Nodes {
        Nodes::parse(file.as_bytes()).unwrap()
    }

    fn complaints(file: impl AsRef<[u8]>) -> String {
        Nodes::parse(file.as_ref()).unwrap_err().render("nodes", file)
    }

    #[test]
    fn numbers_are_lines_without_the_blank_ones() {
        let found = nodes("\n 10.0.0.1\t\r\n\n  #10.0.0.2\n#\nfd00::3\n::ffff:10.0.0.4\n\n \n");
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(found.iter().map(|(_, node)| node).eq([
            address("10.0.0.1"),
            None,
            None,
            address("fd00::3"),
            address("10.0.0.4"),
        ]));
        assert_eq!(found.count(), 5);
        assert_eq!(found.address(3), address("fd00::3"));
        assert_eq!((found.address(1), found.is_deleted(1)), (None, true));
        assert_eq!((found.address(5), found.is_deleted(5)), (None, false));
        assert_eq!(found.find("::ffff:10.0.0.1".parse().unwrap()), Some(0));
        assert_eq!(found.find("0.0.0.0".parse().unwrap()), None);
        assert_eq!(found.to_string(), "10.0.0.1\n#\n#\nfd00::3\n10.0.0.4\n");
    }

    #[test]
    fn all_that_is_wrong_is_told_in_one_go() {
        assert_eq!(
            complaints(
                "10.0.0.1\n 10.0.0.2:4379\n\nnode3.example\n10.0.0.300\n::ffff:10.0.0.1\n10.0.0.5 # five"
            ),
            "\
nodes:2:10: `10.0.0.2:4379` has a port
  2 |  10.0.0.2:4379
    |          ^^^^^
    = expected the address alone
    = did you mean `10.0.0.2`?

nodes:4:1: `node3.example` is a name, not an address
  4 | node3.example
    | ^^^^^^^^^^^^^
    = expected an IPv4 or IPv6 address, as `10.0.0.1` or `fd00::1`; names are not looked up

nodes:5:8: `300` in `10.0.0.300` is not part of an address
  5 | 10.0.0.300
    |        ^^^
    = expected a number from 0 to 255 without leading zeros

nodes:6:1: `::ffff:10.0.0.1` is the node of line 1 already
  6 | ::ffff:10.0.0.1
    | ^^^^^^^^^^^^^^^
    = expected an address of its own for each node

nodes:7:10: `# five` behind the address
  7 | 10.0.0.5 # five
    |          ^^^^^^
    = expected nothing: a nodes file has no comments, a `#` at the beginning of a line deletes its node
"
        );
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        for (file, first) in [
            ("", "1:1: the file is empty"),
            (" \n\n", "1:1: the file is empty"),
            ("#\n#10.0.0.1\n", "1:1: all nodes are deleted"),
            ("10.0.0.1/24", "1:9: `10.0.0.1/24` has a prefix length"),
            ("[fd00::1]:4379", "1:1: `[fd00::1]:4379` has a port"),
            ("fe80::1%eth0", "1:8: `fe80::1%eth0` has a zone"),
            ("10.0.0.01", "1:8: `01` in `10.0.0.01` is not part of an address"),
            ("10.0.1", "1:1: `10.0.1` is not an IPv4 address"),
            ("10.0..1", "1:1: `10.0..1` is not an IPv4 address"),
            ("10.0.0.1.2", "1:1: `10.0.0.1.2` is not an IPv4 address"),
            ("localhost", "1:1: `localhost` is a name, not an address"),
            ("10.0.0.1,10.0.0.2", "1:1: `10.0.0.1,10.0.0.2` is not an IP address"),
            ("10.0.0.1 10.0.0.2", "1:10: `10.0.0.2` behind the address"),
            ("0.0.0.0", "1:1: `0.0.0.0` is not the address of one host"),
            ("::", "1:1: `::` is not the address of one host"),
            ("::ffff:0.0.0.0", "1:1: `::ffff:0.0.0.0` is not the address of one host"),
            ("224.0.0.1", "1:1: `224.0.0.1` is not the address of one host"),
            ("10.0.0.1\u{a0}", "1:1: `10.0.0.1�` is not an IP address"),
            ("10.0.0.1\n; 2", "2:1: `;` is not an IP address"),
            ("10.0.0.1\nfd00::1\nfd00:0::1", "3:1: `fd00:0::1` is the node of line 2 already"),
        ] {
            let problems = Nodes::parse(file.as_bytes()).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems}");
            assert!(problems.to_string().starts_with(&format!("{first} (")), "{problems}");
        }
        assert!(complaints(b"10.0.0.\xff").starts_with("nodes:1:1: `10.0.0.�` is not an IP address\n"));
    }

    #[test]
    fn there_are_limits() {
        let line = |pnn: u32| format!("10.0.{}.{}\n", pnn / 256, pnn % 256);
        let most: String = (1..=NODES_MAX).map(line).collect();
        assert_eq!(nodes(&most).count(), NODES_MAX);
        let one_more = most + &line(NODES_MAX + 1);
        assert!(complaints(&one_more).starts_with("nodes:4097:1: too many nodes\n"));
        let blank = "\n".repeat(super::super::FILE_BYTES_MAX);
        assert!(complaints(&blank).starts_with("nodes:1:1: the file is empty\n"));
        assert!(complaints(blank + "\n").starts_with("nodes:1:1: the file has 1048577 bytes\n"));
    }

    #[test]
    fn a_reload_sorts_numbers_by_what_becomes_of_them() {
        let old = nodes("10.0.0.1\n10.0.0.2\n#\n10.0.0.4\n#\n");
        let diff = old.diff(&nodes("10.0.0.1\n#\n10.0.0.3\n10.0.0.44\n#\n10.0.0.6\n#\n"));
        assert_eq!(diff.kept, [0, 4]);
        assert_eq!(diff.deleted, [1]);
        assert_eq!(diff.undeleted, [2]);
        assert_eq!(diff.changed.iter().map(|changed| changed.pnn).collect::<Vec<_>>(), [3]);
        assert_eq!(diff.added, [5, 6]);
        assert!(diff.removed.is_empty() && !diff.is_empty());
        assert!(old.diff(&old).is_empty());
    }

    #[test]
    fn a_reload_that_would_hurt_is_refused() {
        let old = nodes("10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n#\n");
        let refused = |new: &str, connected: &[u32]| {
            let refusals = old.diff(&nodes(new)).refusals(|pnn| connected.contains(&pnn));
            refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        for (what, new, connected, refusals) in [
            ("nothing changed", "10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n#", &[0][..], ""),
            (
                "appended, undeleted",
                "10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\n10.0.0.5\n10.0.0.6",
                &[0, 1],
                "",
            ),
            ("deleted and away", "10.0.0.1\n#10.0.0.2\n10.0.0.3\n10.0.0.4\n#", &[0, 2, 3], ""),
            (
                "deleted and there",
                "10.0.0.1\n#10.0.0.2\n10.0.0.3\n10.0.0.4\n#",
                &[0, 1, 2, 3],
                "n1 is deleted but still connected: shut it down first",
            ),
            (
                "all at once",
                "10.0.0.1\n#\n10.0.0.33",
                &[0, 1],
                "n1 is deleted but still connected: shut it down first\n\
                 n2 has changed from 10.0.0.3 to 10.0.0.33: delete it and append the new address\n\
                 n3 is missing: a node is deleted by a `#` before its line\n\
                 n4 is missing: a node is deleted by a `#` before its line",
            ),
        ] {
            assert_eq!(refused(new, connected), refusals, "{what}");
        }
    }

    fn any_nodes() -> impl Strategy<Value = Nodes> {
        proptest::collection::vec(proptest::option::of(any::<IpAddr>()), 0..12).prop_filter_map(
            "nodes a file could have",
            |nodes| {
                let mut file = String::new();
                for node in &nodes {
                    file.push_str(&node.map_or("#".into(), |address| address.to_string()));
                    file.push('\n');
                }
                Nodes::parse(file.as_bytes()).ok()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn nodes_read_back_as_printed(nodes in any_nodes()) {
            prop_assert_eq!(Nodes::parse(nodes.to_string().as_bytes()), Ok(nodes.clone()));
            prop_assert_eq!(Nodes::of(nodes.iter().map(|(_, node)| node)), nodes);
        }

        #[test]
        fn a_diff_names_each_number_once(old in any_nodes(), new in any_nodes()) {
            let Diff { kept, added, deleted, undeleted, changed, removed } = old.diff(&new);
            let changed = changed.iter().map(|changed| changed.pnn).collect();
            let mut all = [kept, added, deleted, undeleted, changed, removed].concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..old.count().max(new.count())));
            prop_assert_eq!(old.diff(&new).is_empty(), old == new);
        }

        #[test]
        fn no_file_breaks_the_reading(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Nodes::parse(&file).map_err(|problems| problems.render("nodes", &file));
        }

        #[test]
        fn no_likely_file_breaks_the_reading(file in "([0-9a-f:.#/%\\[\\] \t]{0,20}\n){0,6}") {
            let _ = Nodes::parse(file.as_bytes()).map_err(|problems| problems.render("nodes", &file));
        }
    }
}
