//! What must hold in a CTDB cluster, one family of promises a file.
//!
//! `truth` is what the world knows of every two nodes, `hands` what operators did, `view` how a
//! node is looked at; the other files are the promises.

mod announced;
mod asks;
mod bans;
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
    let seen = || (cluster.clone(), truth.clone());
    let ((c1, t1), (c2, t2), (c3, t3), (c4, t4)) = (seen(), seen(), seen(), seen());
    let ((c5, t5), (c6, t6), (c7, t7), (c8, t8), (c9, t9)) = (seen(), seen(), seen(), seen(), seen());
    vec![
        Box::new(detection::Detection::new(c1, t1)),
        Box::new(links::Links::new(cluster.clone())),
        Box::new(numbers::Numbers::new(cluster.clone())),
        Box::new(strangers::Strangers::default()),
        Box::new(asks::Asks::new(cluster.clone())),
        Box::new(leadership::Leadership::new(c2, t2)),
        Box::new(elections::Elections::new(c3, t3)),
        Box::new(maps::Maps::new(cluster.clone())),
        Box::new(recoveries::Recoveries::new(c4, t4)),
        Box::new(served::Served::new(cluster.clone())),
        Box::new(twice::Twice::new(c5, t5)),
        Box::new(order::Order::new(cluster.clone())),
        Box::new(unfit::Unfit::new(c6, t6)),
        Box::new(bans::Bans::new(c7, t7)),
        Box::new(moves::Moves::new(c8, t8)),
        Box::new(repaired::Repaired::new(c9, t9)),
        Box::new(announced::Announced::new(truth)),
    ]
}
