//! How long LCP2 takes: a cluster's first allocation, and the one after it lost a node.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use standin_core::ctdb::ipalloc::{Algorithm, NodeView, Plan, Problem, allocate};
use standin_core::ctdb::types::Pnn;

use super::file::Aside;
use super::show::{Paint, columns};
use super::{Refusal, print, wall};

/// A cluster's size, and the seconds CTDB takes for it: its own allocation code (samba 4.17.12) on
/// one core, as measured when its behaviour was recorded. `~` marks an estimate.
struct Size {
    nodes: u32,
    addresses: u32,
    ctdb_first: &'static str,
    ctdb_loss: &'static str,
}

const SIZES: [Size; 4] = [
    Size { nodes: 10, addresses: 100, ctdb_first: "0.012", ctdb_loss: "0.001" },
    Size { nodes: 20, addresses: 400, ctdb_first: "1.3", ctdb_loss: "0.013" },
    Size { nodes: 50, addresses: 1_000, ctdb_first: "54.6", ctdb_loss: "0.165" },
    Size { nodes: 100, addresses: 2_000, ctdb_first: "~870", ctdb_loss: "1.15" },
];

/// The least of so many is told: what disturbs a measurement only ever adds to it.
const REPEATS: u32 = 5;

/// What was measured of a size, in microseconds of CPU time; CTDB's in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Row {
    nodes: u32,
    addresses: u32,
    first_us: u64,
    ctdb_first: &'static str,
    loss_us: u64,
    ctdb_loss: &'static str,
}

/// Measures every size and prints the table.
pub(super) fn run(machine: &str, json: Option<&Path>) -> Result<u8, Refusal> {
    let json = json.map(Aside::begin).transpose()?;
    print(&format!(
        "{}\n{machine}\nLCP2 on one core, seconds of CPU time, the least of {REPEATS}; beside it CTDB's own\n\n",
        Paint::stdout().bold("allocation bench"),
    ));
    let rows: Vec<Row> = SIZES.iter().map(measure).collect();
    let table = [HEADINGS.map(str::to_owned).to_vec()].into_iter().chain(rows.iter().map(cells));
    print(&columns(&table.collect::<Vec<_>>()));
    if let Some(json) = json {
        let all = serde_json::json!({ "machine": machine, "repeats": REPEATS, "rows": rows });
        json.finish(|out| writeln!(out, "{all:#}"))?;
    }
    Ok(0)
}

const HEADINGS: [&str; 6] = ["nodes", "addresses", "from nothing", "CTDB", "after a loss", "CTDB"];

fn cells(row: &Row) -> Vec<String> {
    let ours = |us: u64| format!("{}.{:05}", us / 1_000_000, us % 1_000_000 / 10);
    vec![
        row.nodes.to_string(),
        row.addresses.to_string(),
        ours(row.first_us),
        row.ctdb_first.to_owned(),
        ours(row.loss_us),
        row.ctdb_loss.to_owned(),
    ]
}

fn measure(size: &Size) -> Row {
    let everybody: Vec<Pnn> = (0..size.nodes).map(Pnn).collect();
    let nobody: Vec<_> = addresses(size.addresses).map(|address| (address, None)).collect();
    let first = problem(&everybody, &everybody, &nobody);
    let (Plan { assignments }, first_took) = least(&first);
    // The one in the middle loses power: it says nothing, and nobody speaks for its addresses.
    let lost = Pnn(size.nodes / 2);
    let left: Vec<Pnn> = everybody.iter().copied().filter(|&node| node != lost).collect();
    let (_, loss_took) = least(&problem(&everybody, &left, &assignments));
    let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    Row {
        nodes: size.nodes,
        addresses: size.addresses,
        first_us: micros(first_took),
        ctdb_first: size.ctdb_first,
        loss_us: micros(loss_took),
        ctdb_loss: size.ctdb_loss,
    }
}

/// The answer, and the least CPU time it took.
fn least(problem: &Problem) -> (Plan, Duration) {
    let runs = (0..REPEATS).map(|_| wall::cpu_of(|| allocate(problem)));
    runs.min_by_key(|&(_, took)| took).expect("it runs more than once")
}

/// Networks of 250 addresses each.
fn addresses(count: u32) -> impl Iterator<Item = IpAddr> {
    let bits = |at: u32| 0x0a00_0000 | (at / 250) << 8 | (1 + at % 250);
    (0..count).map(move |at| Ipv4Addr::from_bits(bits(at)).into())
}

/// Nodes that know every address and can serve every one, as far as they are up.
fn problem(all: &[Pnn], up: &[Pnn], addresses: &[(IpAddr, Option<Pnn>)]) -> Problem {
    let view = |node: &Pnn| {
        if !up.contains(node) {
            return NodeView::default();
        }
        let available = addresses.iter().map(|&(address, _)| address).collect();
        NodeView { known: addresses.to_vec(), available }
    };
    Problem { algorithm: Algorithm::Lcp2, nodes: all.iter().map(view).collect(), ..Problem::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_a_whole_allocation() {
        let everybody = [0, 1, 2].map(Pnn);
        let nobody: Vec<_> = addresses(30).map(|address| (address, None)).collect();
        let first = allocate(&problem(&everybody, &everybody, &nobody)).assignments;
        let held = |plan: &[(IpAddr, Option<Pnn>)], node: Pnn| {
            plan.iter().filter(|&&(_, holder)| holder == Some(node)).count()
        };
        assert_eq!(everybody.map(|node| held(&first, node)), [10; 3]);
        let later = allocate(&problem(&everybody, &[Pnn(0), Pnn(2)], &first)).assignments;
        assert_eq!(everybody.map(|node| held(&later, node)), [15, 0, 15]);
    }

    #[test]
    fn a_row_tells_seconds() {
        let size = Size { nodes: 3, addresses: 30, ctdb_first: "~1", ctdb_loss: "0.013" };
        let row = Row { first_us: 1_234_567, loss_us: 42, ..measure(&size) };
        assert_eq!(cells(&row), ["3", "30", "1.23456", "~1", "0.00004", "0.013"]);
        assert_eq!(cells(&row).len(), HEADINGS.len());
    }
}
