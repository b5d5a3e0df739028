//! `allocate`: a problem from a file, CTDB's answer on one line.
//!
//! The file is read strictly: an unknown field, a node out of order or an address that is none
//! is refused where it stands, because a plan for another problem than the one meant would look
//! just as convincing.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::de::{Error, IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use standin_core::ctdb::ipalloc::{Algorithm, NodeView, Plan, Problem, allocate};
use standin_core::ctdb::types::{Pnn, RunState};

use super::{Refusal, print};

/// Say which node would serve which public address.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = LONG)]
pub(crate) struct Allocate {
    /// The problem, as JSON; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

const LONG: &str = r#"The problem:
  {
    "algorithm": "lcp2",                  or "nondet" or "det"
    "tunables": {"NoIPTakeover": 0, "NoIPFailback": 0},
    "force_rebalance": [],                node numbers
    "nodes": [
      {"pnn": 0, "flags": 0, "runstate": "RUNNING", "can_host": true,
       "known": [["10.0.0.1", 0], ["10.0.0.2", -1]]}
    ]
  }
A node can host what it knows if it is RUNNING and without flags; can_host may be left
out, as may tunables and force_rebalance. "known" is that node's own list, each address
with the owner it sees, -1 for nobody. "name", "source" and "expected" are ignored.

The answer: {"assignments":[["ADDRESS",PNN],...]} in CTDB's order, -1 for nobody.

Exit status:
  0   the answer is printed
  64  this command line is not understood
  65  the file cannot be read or understood"#;

/// Does what `allocate` was asked for.
pub(crate) fn run(args: &Allocate) -> Result<u8, Refusal> {
    let (name, text) = read(&args.file)?;
    let problem = parse(&name, &text)?;
    print(&answer(&allocate(&problem)));
    Ok(0)
}

/// What is in a file, and what to call it.
fn read(file: &Path) -> Result<(PathBuf, Vec<u8>), Refusal> {
    let (name, read) = if file == Path::new("-") {
        let mut text = Vec::new();
        (PathBuf::from("<stdin>"), io::stdin().lock().read_to_end(&mut text).map(|_| text))
    } else {
        (file.to_owned(), fs::read(file))
    };
    match read {
        Ok(text) => Ok((name, text)),
        Err(why) => Err(Refusal::file(&name, &why.to_string())),
    }
}

/// The problem a file describes.
fn parse(name: &Path, text: &[u8]) -> Result<Problem, Refusal> {
    let file: File = serde_json::from_slice(text).map_err(|why| {
        let told = why.to_string();
        let place = format!(" at line {} column {}", why.line(), why.column());
        match told.strip_suffix(&place) {
            Some(what) if why.line() > 0 => {
                let place = format!("{}:{}:{}", name.display(), why.line(), why.column().max(1));
                Refusal::file(Path::new(&place), what)
            }
            _ => Refusal::file(name, &told),
        }
    })?;
    file.problem().map_err(|why| Refusal::file(name, &why))
}

/// The line that is printed.
fn answer(plan: &Plan) -> String {
    #[derive(Serialize)]
    struct Answer {
        assignments: Vec<(IpAddr, i64)>,
    }
    let owner = |holder: Option<Pnn>| holder.map_or(-1, |Pnn(pnn)| pnn.into());
    let assignments = plan.assignments.iter().map(|&(address, holder)| (address, owner(holder))).collect();
    format!("{}\n", serde_json::json!(Answer { assignments }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a problem's fields")]
#[expect(dead_code, reason = "what a file may say beside its problem")]
struct File {
    name: Option<String>,
    source: Option<String>,
    algorithm: Name,
    #[serde(default)]
    tunables: Tunables,
    #[serde(default)]
    force_rebalance: Vec<u32>,
    #[serde(deserialize_with = "in_order")]
    nodes: Vec<Node>,
    expected: Option<IgnoredAny>,
}

#[derive(Deserialize)]
enum Name {
    #[serde(rename = "lcp2")]
    Lcp2,
    #[serde(rename = "nondet")]
    NonDeterministic,
    #[serde(rename = "det")]
    Deterministic,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "an object with tunables")]
struct Tunables {
    #[serde(rename = "NoIPTakeover")]
    no_ip_takeover: u32,
    #[serde(rename = "NoIPFailback")]
    no_ip_failback: u32,
}

impl File {
    fn problem(self) -> Result<Problem, String> {
        let nodes = self.nodes.len();
        if let Some(stranger) = self.force_rebalance.iter().find(|&&pnn| pnn as usize >= nodes) {
            return Err(format!("force_rebalance: there is no node {stranger}, expected less than {nodes}"));
        }
        Ok(Problem {
            algorithm: match self.algorithm {
                Name::Lcp2 => Algorithm::Lcp2,
                Name::NonDeterministic => Algorithm::NonDeterministic,
                Name::Deterministic => Algorithm::Deterministic,
            },
            no_ip_takeover: self.tunables.no_ip_takeover != 0,
            no_ip_failback: self.tunables.no_ip_failback != 0,
            forced: self.force_rebalance.into_iter().map(Pnn).collect(),
            nodes: self.nodes.into_iter().map(|node| node.view).collect(),
        })
    }
}

/// A node that is what it says.
#[derive(Deserialize)]
#[serde(try_from = "NodeFields")]
struct Node {
    pnn: u32,
    view: NodeView,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a node's fields")]
struct NodeFields {
    pnn: u32,
    flags: u32,
    #[serde(deserialize_with = "runstate")]
    runstate: RunState,
    can_host: Option<bool>,
    known: Vec<(Address, Owner)>,
}

impl TryFrom<NodeFields> for Node {
    type Error = String;

    fn try_from(fields: NodeFields) -> Result<Self, String> {
        let NodeFields { pnn, flags, runstate, can_host, known } = fields;
        let can = runstate == RunState::Running && flags == 0;
        if let Some(said) = can_host.filter(|&said| said != can) {
            return Err(format!(
                "node {pnn}: can_host is {said}, expected {can}: its runstate is {runstate}, its flags {flags}"
            ));
        }
        let known: Vec<_> =
            known.into_iter().map(|(Address(address), Owner(owner))| (address, owner)).collect();
        let available = known.iter().map(|&(address, _)| address).filter(|_| can).collect();
        Ok(Self { pnn, view: NodeView { known, available } })
    }
}

/// Nodes whose numbers are their places.
fn in_order<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Node>, D::Error> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<Node>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of nodes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Node>, A::Error> {
            let mut nodes: Vec<Node> = Vec::new();
            while let Some(node) = from.next_element::<Node>()? {
                if node.pnn as usize != nodes.len() {
                    let (found, place) = (node.pnn, nodes.len());
                    return Err(A::Error::custom(format_args!(
                        "node {found} is out of order, expected node {place}: pnn counts from 0 without gaps"
                    )));
                }
                nodes.push(node);
            }
            Ok(nodes)
        }
    }
    from.deserialize_seq(InOrder)
}

/// One of the names of a [`RunState`].
fn runstate<'de, D: Deserializer<'de>>(from: D) -> Result<RunState, D::Error> {
    let states = || (0..).map_while(|number| RunState::try_from(number).ok());
    let names: Vec<String> = states().map(|state| state.to_string()).collect();
    let expected = format!("a runstate, one of {}", names.join(", "));
    text(from, &expected, |name| states().find(|state| state.to_string() == name))
}

/// An address as text.
struct Address(IpAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from, "an IPv4 or IPv6 address", |address| address.parse().ok()).map(Self)
    }
}

/// A text that means something.
fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    expected: &str,
    meaning: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Text<'a, F>(&'a str, F);
    impl<F: Fn(&str) -> Option<T>, T> Visitor<'_> for Text<'_, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self.0))
        }
    }
    from.deserialize_str(Text(expected, meaning))
}

/// A node's number; -1 is nobody.
struct Owner(Option<Pnn>);

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Owner;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a node's number, or -1 for nobody")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Owner, E> {
                let pnn = u32::try_from(number).ok().and_then(|pnn| Pnn(pnn).known());
                pnn.map_or_else(
                    || Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                    |pnn| Ok(Owner(Some(pnn))),
                )
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Owner, E> {
                if number == -1 {
                    Ok(Owner(None))
                } else {
                    Err(E::invalid_value(Unexpected::Signed(number), &self))
                }
            }
        }
        from.deserialize_i64(Number)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const NODE: &str = r#"{"pnn":0,"flags":0,"runstate":"RUNNING","known":[["10.0.0.1",-1]]}"#;

    fn refused(text: &str) -> String {
        let refused = parse(Path::new("a.json"), text.as_bytes()).expect_err(text);
        assert_eq!(refused.status, 65, "{text}");
        refused.said
    }

    /// A problem of some nodes.
    fn nodes(nodes: &[&str]) -> String {
        format!("{{\"algorithm\":\"lcp2\",\"nodes\":[\n{}]}}", nodes.join(",\n"))
    }

    #[test]
    fn recorded_cases_are_answered_in_their_own_words() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/ipalloc"));
        for entry in fs::read_dir(folder).unwrap() {
            let (name, text) = read(&entry.unwrap().path()).unwrap();
            let case: Value = serde_json::from_slice(&text).unwrap();
            let expected = serde_json::json!({ "assignments": case["expected"] });
            let problem = parse(&name, &text).unwrap();
            assert_eq!(answer(&allocate(&problem)), format!("{expected}\n"), "{}", name.display());
        }
    }

    #[test]
    fn what_may_be_left_out_has_its_usual_value() {
        let problem = parse(Path::new("a.json"), nodes(&[NODE]).as_bytes()).unwrap();
        let address = "10.0.0.1".parse().unwrap();
        let view = NodeView { known: vec![(address, None)], available: vec![address] };
        assert_eq!(problem, Problem { nodes: vec![view], ..Problem::default() });
        assert_eq!(answer(&allocate(&problem)), "{\"assignments\":[[\"10.0.0.1\",0]]}\n");
        let unhealthy = NODE.replace("\"flags\":0", "\"flags\":2");
        let problem = parse(Path::new("a.json"), nodes(&[&unhealthy]).as_bytes()).unwrap();
        assert_eq!(answer(&allocate(&problem)), "{\"assignments\":[[\"10.0.0.1\",-1]]}\n");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_was_expected() {
        let changed = |from: &str, to: &str| nodes(&[&NODE.replace(from, to)]);
        for (text, said) in [
            (String::new(), "a.json:1:1: EOF while parsing a value"),
            (
                "{\"algorithm\":\n\"lcp3\"".into(),
                "a.json:2:6: unknown variant `lcp3`, expected one of `lcp2`, `nondet`, `det`",
            ),
            (
                nodes(&[]).replace("lcp2\"", "det\",\"alg\":1"),
                "a.json:1:24: unknown field `alg`, expected one of",
            ),
            (
                nodes(&[]).replace("lcp2\"", "det\",\"tunables\":{\"NoIPFail\":1}"),
                "a.json:1:41: unknown field `NoIPFail`, expected `NoIPTakeover` or `NoIPFailback`",
            ),
            (nodes(&[NODE, NODE]), "a.json:3:67: node 0 is out of order, expected node 1: pnn counts from 0"),
            (
                changed(",\"known", ",\"up\":1,\"known"),
                "a.json:2:44: unknown field `up`, expected one of `pnn`, `flags`",
            ),
            (
                changed(",\"known", ",\"can_host\":false,\"known"),
                "a.json:2:84: node 0: can_host is false, expected true: its runstate is RUNNING, its flags 0",
            ),
            (
                changed("RUNNING", "DOWN"),
                "a.json:2:36: invalid value: string \"DOWN\", expected a runstate, one of UNKNOWN, INIT, SETUP, FIRST_RECOVERY",
            ),
            (
                changed("10.0.0.1", "10.0.0.300"),
                "a.json:2:62: invalid value: string \"10.0.0.300\", expected an IPv4 or IPv6 address",
            ),
            (changed("-1", "-2"), "invalid value: integer `-2`, expected a node's number, or -1 for nobody"),
            (changed("\"flags\":0,", ""), "a.json:2:56: missing field `flags`"),
            (
                nodes(&[NODE]).replace("\"nodes\"", "\"force_rebalance\":[1],\"nodes\""),
                "a.json: force_rebalance: there is no node 1, expected less than 1",
            ),
            (nodes(&[NODE]) + "x", "trailing characters"),
        ] {
            let told = refused(&text);
            assert!(told.contains(said), "{text}\n{told}\n{said}");
        }
        assert!(
            read(Path::new("no/such/file")).unwrap_err().to_string().starts_with("error: no/such/file: ")
        );
    }
}
