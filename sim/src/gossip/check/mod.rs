//! What must hold in a gossip cluster, one family of promises a file.
//!
//! `sight` is how a node is looked at; the other files are the promises: `votes`, `wins` and
//! `epochs` of elections; `failure` of PFAIL and FAIL; `claims` and `told` of slots; `minority` of
//! serving; `strangers` of who may be known; `whole` of what a healed cluster is; `copies` of what
//! replicas hold, `kept` of what was acknowledged; `service` of what clients get.

#![expect(clippy::wildcard_enum_match_arm, reason = "a checker looks at what concerns it")]

mod claims;
mod copies;
mod epochs;
mod failure;
mod kept;
mod minority;
mod service;
mod sight;
mod strangers;
mod told;
mod votes;
mod whole;
mod wins;

use std::cell::RefCell;
use std::rc::Rc;

use standin_core::gossip::Gossip;
use standin_core::time::Duration;

use super::build::Cluster;
use crate::check::Checker;

/// How long nothing may happen any more before a run is over.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// What segments, ticks and savings may take on top of the protocol's own times.
const SLACK: Duration = Duration::from_secs(3);

/// A span by our clock in which any host's has passed `span`: clocks may be off by a tenth.
const fn stretched(span: Duration) -> Duration {
    Duration(span.0 + span.0 / 8)
}

/// Every checker.
pub(super) fn all(cluster: &Rc<Cluster>) -> Vec<Box<dyn Checker<Gossip>>> {
    let names = Rc::new(RefCell::new(sight::Names::default()));
    let (cluster, names) = (|| cluster.clone(), || names.clone());
    vec![
        // First: it learns who is who.
        Box::new(strangers::Strangers::new(cluster(), names())),
        Box::new(votes::Votes::new(names())),
        Box::new(wins::Wins::new(cluster())),
        Box::new(epochs::Epochs::default()),
        Box::new(failure::Failure::new(cluster(), names())),
        Box::new(claims::Claims::new(cluster())),
        Box::new(told::Told::new(cluster())),
        Box::new(minority::Minority::new(cluster(), names())),
        Box::new(whole::Whole::new(cluster())),
        Box::new(copies::Copies::new(names())),
        Box::new(kept::Kept::new(cluster())),
        Box::new(service::Service::new(cluster())),
        Box::new(service::Writes::new(cluster(), false)),
        Box::new(service::Writes::new(cluster(), true)),
    ]
}
