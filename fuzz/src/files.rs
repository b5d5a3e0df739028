//! Files a person writes, and those a daemon wrote before: read, printed, read again.
//!
//! What is wrong with one is told with places inside it, in words a terminal can show.

use std::fmt::Display;
use std::path::Path;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::config::Config;
use standin_core::ctdb::files::nodes::Nodes;
use standin_core::ctdb::files::public_addresses::PublicAddresses;
use standin_core::ctdb::files::{ctdb_conf, tunables};
use standin_core::ctdb::ipalloc::allocate;
use standin_core::gossip::nodes_conf::NodesConf;
use standin_core::machine::Machine;
use standin_core::text::{PROBLEMS_SHOWN_MAX, Problems};
use standin_node::gossip::settings;
use standin_sim::ctdb::{CtdbKit, problem};
use standin_sim::gossip::GossipKit;
use standin_sim::kit::Kit;
use standin_sim::scenario::parse;

/// ctdb's nodes.
pub(crate) fn nodes(file: &[u8]) {
    match Nodes::parse(file) {
        Ok(nodes) => {
            assert_eq!(Nodes::parse(nodes.to_string().as_bytes()).as_ref(), Ok(&nodes));
            assert!(nodes.diff(&nodes).is_empty());
            for (pnn, address) in nodes.iter() {
                assert_eq!((nodes.address(pnn), nodes.is_deleted(pnn)), (address, address.is_none()));
                assert!(address.is_none_or(|address| nodes.find(address) == Some(pnn)), "a node twice");
            }
        }
        Err(problems) => told(&problems, file),
    }
}

/// ctdb's public addresses.
pub(crate) fn public_addresses(file: &[u8]) {
    match PublicAddresses::parse(file) {
        Ok(all) => assert_eq!(PublicAddresses::parse(all.to_string().as_bytes()).as_ref(), Ok(&all)),
        Err(problems) => told(&problems, file),
    }
}

/// ctdb's tunables.
pub(crate) fn tunables(file: &[u8]) {
    let (lenient, problems) = tunables::parse_lenient(file);
    match tunables::parse(file) {
        Ok(strict) => assert!(problems.is_empty() && strict == lenient),
        Err(strict) => assert_eq!(strict, problems),
    }
    if !problems.is_empty() {
        told(&problems, file);
    }
    let printed: String = lenient.changed().map(|(name, value)| format!("{name}={value}\n")).collect();
    assert_eq!(tunables::parse(printed.as_bytes()), Ok(lenient));
}

/// ctdb.conf.
pub(crate) fn ctdb_conf(file: &[u8]) {
    let reading = ctdb_conf::read(file);
    for problems in [&reading.fatal, &reading.warnings] {
        if !problems.is_empty() {
            told(problems, file);
        }
    }
    let _ = reading.conf.lock();
    let mut config = Config::default();
    config.adopt(&reading.conf);
    let mut twice = config.clone();
    twice.adopt(&reading.conf);
    assert_eq!(format!("{config:?}"), format!("{twice:?}"), "what is said once is said");
    let _ = Ctdb::new(config, 1).next_deadline();
}

/// What `allocate` is asked, and its answer: nobody serves what it cannot, nothing is lost.
pub(crate) fn allocation_problem(file: &[u8]) {
    let problem = match problem::read(file) {
        Ok(problem) => problem,
        Err(wrong) => {
            let text = wrong.to_string();
            assert!(!text.is_empty() && wrong.place.is_none_or(|(line, column)| line > 0 && column > 0));
            return;
        }
    };
    // Quadratic in what is in it, and nobody's cluster is that large.
    if problem.nodes.iter().map(|node| node.known.len()).sum::<usize>() > 256 {
        return;
    }
    let plan = allocate(&problem);
    for (address, holder) in plan.assignments {
        let known = problem.nodes.iter().any(|node| node.known.iter().any(|(known, _)| *known == address));
        assert!(known, "{address} is in no list");
        if let Some(holder) = holder {
            assert!((holder.0 as usize) < problem.nodes.len(), "{address} is at {holder}");
        }
    }
}

/// A scenario, by the protocol it names.
pub(crate) fn scenario(file: &[u8]) {
    let Ok(text) = str::from_utf8(file) else { return };
    let _ = parse::title(text);
    match parse::protocol(text) {
        Some(GossipKit::NAME) => story::<GossipKit>(text),
        _ => story::<CtdbKit>(text),
    }
}

fn story<K: Kit>(text: &str) {
    let scenario = match parse::parse::<K>(text) {
        Ok(scenario) => scenario,
        Err(problems) => return told(&problems, text.as_bytes()),
    };
    // A story may be of expectations alone; they do not print.
    if scenario.steps.is_empty() {
        return;
    }
    // What was read is written in its own words, and read again.
    let setup = &scenario.setup;
    let mut again = format!("protocol {}\nnodes {}\nseed {}\n", K::NAME, setup.nodes, setup.seed);
    setup.settings.iter().for_each(|(name, value)| again += &format!("set {name} {value}\n"));
    setup.plant.iter().for_each(|plant| again += &format!("plant {plant}\n"));
    if !scenario.starts {
        again += "start none\n";
    }
    for step in &scenario.steps {
        again += &format!("at {} {}\n", standin_core::time::Duration(step.at.0), step.deed);
    }
    let back = parse::parse::<K>(&again).unwrap_or_else(|problems| {
        panic!("printed, it does not read back:\n{}", problems.render("printed", &again))
    });
    assert_eq!(back.setup, scenario.setup);
    let deeds = |story: &standin_sim::scenario::Scenario<K::Action, K::Fact>| -> Vec<String> {
        story.steps.iter().map(|step| format!("{} {}", step.at.0, step.deed)).collect()
    };
    assert_eq!(deeds(&back), deeds(&scenario));
}

/// The state file of a Redis node.
pub(crate) fn nodes_conf(file: &[u8]) {
    match NodesConf::parse(file) {
        Ok(conf) => {
            assert!(conf.myself().is_some());
            let printed = conf.print();
            let back = NodesConf::parse(printed.as_bytes()).unwrap_or_else(|problems| {
                panic!("printed, it does not read back:\n{}", problems.render("nodes.conf", &printed))
            });
            assert_eq!(back.print(), printed);
        }
        Err(problems) => told(&problems, file),
    }
}

/// The options of `standind --gossip`.
pub(crate) fn gossip_options(file: &[u8]) {
    let Ok(text) = str::from_utf8(file) else { return };
    match settings::parse(text, Path::new("/")) {
        Ok(settings) => {
            let _ = settings.state_file();
            let config = &settings.config;
            assert!(config.port != 0 && config.bus_port != 0 && config.port != config.bus_port);
            let _ = (config.rejoin_delay(), config.election_timeout(), config.handshake_timeout());
        }
        Err(problems) => told(&problems, file),
    }
}

/// Whether what is wrong with a file can be shown: in places that are there, in visible letters, in
/// a few lines.
fn told(problems: &Problems, file: &[u8]) {
    assert!(!problems.is_empty(), "refused, and nothing is wrong");
    let text = String::from_utf8_lossy(file);
    for problem in problems.iter() {
        let line = text.lines().nth(problem.line - 1);
        assert!(line.is_some() || problem.line <= text.lines().count() + 1, "no such line: {problem:?}");
        let width = line.map_or(0, |line| line.chars().count());
        assert!(problem.column <= width + 1, "beyond the line of {width}: {problem:?}");
        assert!(problem.column + problem.width <= width + 2, "wider than the line of {width}: {problem:?}");
        visible(problem, 2_000);
        assert!(!problem.what.is_empty() && !problem.expected.is_empty());
    }
    assert!(problems.iter().count() <= PROBLEMS_SHOWN_MAX);
    for line in problems.render("file", file).lines() {
        visible(&line, 2_000);
    }
}

fn visible(text: &impl Display, most: usize) {
    let text = text.to_string();
    assert!(text.chars().count() <= most, "too long to be read: {text:?}");
    assert!(!text.chars().any(char::is_control), "a terminal would obey it: {text:?}");
}
