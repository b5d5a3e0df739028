//! Addresses go where CTDB's own allocation code, recorded over many clusters, puts them.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;
use standin_core::ctdb::ipalloc::{Algorithm, NodeView, Plan, Problem, allocate};
use standin_core::ctdb::types::Pnn;

#[test]
fn recorded_clusters_are_allocated_as_recorded() {
    let captures = read("ctdb-golden.json");
    let vectors = list(&captures["ipalloc"]);
    for (at, vector) in vectors.iter().enumerate() {
        let known = owned(&vector["input"]);
        let all: Vec<IpAddr> = known.iter().map(|&(address, _)| address).collect();
        let node = |flags: &Value| NodeView {
            known: known.clone(),
            available: if number(flags) == 0 { all.clone() } else { Vec::new() },
        };
        let problem = Problem {
            algorithm: algorithm(&vector["algorithm"]),
            nodes: list(&vector["node_flags"]).iter().map(node).collect(),
            ..Problem::default()
        };
        assert_eq!(
            allocate(&problem),
            Plan { assignments: owned(&vector["result"]) },
            "vector {at}: {vector}"
        );
    }
    assert_eq!(vectors.len(), 36);
}

#[test]
fn recorded_cases_are_allocated_as_recorded() {
    let folder = captures().join("ipalloc");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let case = read(&format!("ipalloc/{name}"));
        let tunable = |name: &str| number(&case["tunables"][name]) != 0;
        let nodes = list(&case["nodes"]);
        let node = |(pnn, node): (usize, &Value)| {
            assert_eq!(number(&node["pnn"]), pnn as i64, "{name}");
            let known = owned(&node["known"]);
            let can_host = node["runstate"] == "RUNNING" && number(&node["flags"]) == 0;
            assert_eq!(node["can_host"], can_host, "{name}");
            let available = known.iter().map(|&(address, _)| address).filter(|_| can_host).collect();
            NodeView { known, available }
        };
        let problem = Problem {
            algorithm: algorithm(&case["algorithm"]),
            no_ip_takeover: tunable("NoIPTakeover"),
            no_ip_failback: tunable("NoIPFailback"),
            forced: list(&case["force_rebalance"]).iter().map(|pnn| Pnn(number(pnn) as u32)).collect(),
            nodes: nodes.iter().enumerate().map(node).collect(),
        };
        assert_eq!(allocate(&problem), Plan { assignments: owned(&case["expected"]) }, "{name}");
        cases += 1;
    }
    assert_eq!(cases, 6);
}

fn captures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/captures"))
}

fn read(file: &str) -> Value {
    let text = fs::read(captures().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"));
    serde_json::from_slice(&text).unwrap_or_else(|why| panic!("{file}: {why}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("a list: {value}"))
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("a number: {value}"))
}

fn algorithm(value: &Value) -> Algorithm {
    match value.as_str() {
        Some("lcp2") => Algorithm::Lcp2,
        Some("nondet") => Algorithm::NonDeterministic,
        Some("det") => Algorithm::Deterministic,
        _ => panic!("an algorithm: {value}"),
    }
}

/// Addresses with their owners; -1 is nobody.
fn owned(value: &Value) -> Vec<(IpAddr, Option<Pnn>)> {
    let pair = |pair: &Value| {
        let address = pair[0].as_str().and_then(|text| text.parse().ok());
        let owner = u32::try_from(number(&pair[1])).ok();
        (address.unwrap_or_else(|| panic!("an address: {pair}")), owner.map(Pnn))
    };
    list(value).iter().map(pair).collect()
}
