//! What becomes of a story on real daemons.

use std::time::Duration;

use super::story::Figures;

/// Of a whole story.
pub(super) struct Played {
    /// 0, or that of the first expectation that was not kept.
    pub(super) status: i32,
    pub(super) addresses: Vec<Figures>,
}

/// Of an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept(Duration),
    /// Safety, or liveness; and when it was known.
    Broken {
        late: bool,
        after: Duration,
        why: &'static str,
    },
}
