//! What it costs to find each other: each topology at each size, from nothing.

use std::path::Path;

use serde::Serialize;
use standin_sim::membership::{Spreading, Topology, spread};

use super::file::Aside;
use super::show::{Paint, spinner};
use super::{Refusal, print};

#[derive(Serialize)]
struct Row {
    topology: &'static str,
    nodes: u32,
    #[serde(flatten)]
    spreading: Option<Spreading>,
}

/// Runs every topology at every size and prints the table.
pub(super) fn run(sizes: &[u32], json: Option<&Path>) -> Result<u8, Refusal> {
    let json = json.map(Aside::begin).transpose()?;
    print(&format!(
        "{}\nall nodes start at once; payload of TCP, without its headers; one seed\n\n",
        Paint::stdout().bold("membership bench"),
    ));
    // A row at a time: the large ones take minutes.
    print(&line(&HEADINGS.map(str::to_owned)));
    let mut rows = Vec::new();
    for topology in Topology::ALL {
        for &nodes in sizes {
            let busy = spinner(format!("{}, {nodes} nodes", topology.name()));
            let spreading = topology.runs(nodes).then(|| spread(topology, nodes, 1));
            busy.finish_and_clear();
            let row = Row { topology: topology.name(), nodes, spreading };
            print(&line(&cells(&row)));
            rows.push(row);
        }
    }
    if let Some(json) = json {
        let all = serde_json::json!({ "rows": rows });
        json.finish(|out| writeln!(out, "{all:#}"))?;
    }
    Ok(0)
}

const HEADINGS: [&str; 5] = ["topology", "nodes", "all know after", "sent by a node until then", "at rest"];

fn line(cells: &[String; 5]) -> String {
    let [topology, nodes, known, until, rest] = cells;
    format!("  {topology:<36}  {nodes:>5}  {known:>14}  {until:>25}  {rest:>10}\n")
}

fn cells(row: &Row) -> [String; 5] {
    let (topology, nodes) = (row.topology.to_owned(), row.nodes.to_string());
    let Some(spreading) = row.spreading else {
        return [topology, nodes, "not run".to_owned(), String::new(), String::new()];
    };
    let known = spreading.all_know_us;
    let known = known.map_or_else(|| "never".to_owned(), |us| format!("{:.2} s", us as f64 / 1e6));
    let rest = format!("{}/s", size(spreading.idle_bytes_a_second));
    [topology, nodes, known, size(spreading.bytes_a_node), rest]
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
