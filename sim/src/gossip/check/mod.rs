//! What must hold in a gossip cluster, one family of promises a file.

#![expect(clippy::wildcard_enum_match_arm, reason = "a checker looks at what concerns it")]

use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::time::Duration;

use super::build::Cluster;
use crate::check::Checker;

/// How long nothing may happen any more before a run is over.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// Every checker.
pub(super) fn all(cluster: &Rc<Cluster>) -> Vec<Box<dyn Checker<Gossip>>> {
    let _ = cluster;
    Vec::new()
}
