//! `allocate`: a problem from a file, CTDB's answer on one line.

use std::fs;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use standin_core::ctdb::ipalloc::{Plan, Problem, allocate};
use standin_core::ctdb::types::Pnn;
use standin_sim::ctdb::problem;

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
    problem::read(text).map_err(|wrong| match wrong.place {
        Some((line, column)) => {
            let place = format!("{}:{line}:{column}", name.display());
            Refusal::file(Path::new(&place), &wrong.what)
        }
        None => Refusal::file(name, &wrong.what),
    })
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

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use standin_core::ctdb::ipalloc::NodeView;

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
