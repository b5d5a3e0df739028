//! What must hold in a CTDB cluster, one family of promises a file.

mod asks;
mod detection;
mod links;
mod numbers;
mod strangers;
mod truth;

use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::time::Duration;

use super::build::Cluster;
use crate::check::Checker;

/// What segments and inputs may take on top of the protocol's own times.
const SLACK: Duration = Duration::from_millis(900);

/// How far off a host's clock may be, with something to spare.
const DRIFT_MAX_PERCENT: u64 = 12;

/// Every checker.
pub(super) fn all(cluster: &Rc<Cluster>) -> Vec<Box<dyn Checker<Ctdb>>> {
    vec![
        Box::new(detection::Detection::new(cluster.clone())),
        Box::new(links::Links::new(cluster.clone())),
        Box::new(numbers::Numbers::new(cluster.clone())),
        Box::new(strangers::Strangers::default()),
        Box::new(asks::Asks::new(cluster.clone())),
    ]
}
