//! What must hold in a CTDB cluster, one family of promises a file.
//!
//! `truth` is what the world knows of every two nodes, `hands` what operators did, `view` how a
//! node is looked at, `busy` who has no time to look; the other files are the promises.

#![expect(clippy::wildcard_enum_match_arm, reason = "a checker looks at what concerns it")]

mod announced;
mod asks;
mod bans;
mod busy;
mod databases;
mod detection;
mod elections;
mod hands;
mod leadership;
mod links;
mod maps;
mod moves;
mod numbers;
mod order;
mod recoveries;
mod repaired;
mod served;
mod strangers;
mod truth;
mod twice;
mod unfit;
mod view;

use std::cell::RefCell;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::time::Duration;

pub(super) use self::served::QUIET;
use super::build::Cluster;
use crate::check::Checker;

/// What segments and inputs may take on top of the protocol's own times.
const SLACK: Duration = Duration::from_millis(900);

/// How far off a host's clock may be, with something to spare.
const DRIFT_MAX_PERCENT: u64 = 12;

/// Every checker.
pub(super) fn all(cluster: &Rc<Cluster>) -> Vec<Box<dyn Checker<Ctdb>>> {
    let truth = Rc::new(RefCell::new(truth::Truth::new(cluster.clone())));
    let (cluster, truth) = (|| cluster.clone(), || truth.clone());
    vec![
        Box::new(detection::Detection::new(cluster(), truth())),
        Box::new(links::Links::new(cluster())),
        Box::new(numbers::Numbers::new(cluster())),
        Box::new(strangers::Strangers::default()),
        Box::new(asks::Asks::new(cluster())),
        Box::new(leadership::Leadership::new(cluster(), truth())),
        Box::new(elections::Elections::new(cluster(), truth())),
        Box::new(maps::Maps::new(cluster())),
        Box::new(recoveries::Recoveries::new(cluster(), truth())),
        Box::new(served::Served::new(cluster())),
        Box::new(twice::Twice::default()),
        Box::new(order::Order::new(cluster())),
        Box::new(unfit::Unfit::new(cluster(), truth())),
        Box::new(bans::Bans::new(cluster(), truth())),
        Box::new(moves::Moves::new(cluster(), truth())),
        Box::new(repaired::Repaired::new(cluster(), truth())),
        Box::new(announced::Announced::new(truth())),
        Box::new(databases::Databases::new(cluster())),
    ]
}
