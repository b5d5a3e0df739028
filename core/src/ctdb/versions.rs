//! Who has to go when two versions meet: data in, verdict out.

/// A node's version and how long it has run, as its keepalives say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    /// Major << 16 | minor.
    pub(super) version: u32,
    /// Whole seconds.
    pub(super) uptime: u32,
}

/// Whether we have to shut down: versions differ, mixing is not allowed, and we are the
/// younger, or as young and the older version. (ctdbd 4.17, measured.)
#[must_use]
pub(super) const fn we_must_go(ours: Running, theirs: Running, mixing_allowed: bool) -> bool {
    if mixing_allowed || ours.version == theirs.version {
        return false;
    }
    ours.uptime < theirs.uptime || (ours.uptime == theirs.uptime && ours.version < theirs.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_younger_goes_and_the_older_version_on_a_tie() {
        let running = |version, uptime| Running { version, uptime };
        for (ours, theirs, mixed, go) in [
            (running(17, 5), running(17, 900), false, false),
            (running(17, 5), running(18, 900), false, true),
            (running(17, 5), running(18, 900), true, false),
            (running(17, 900), running(18, 5), false, false),
            (running(17, 7), running(18, 7), false, true),
            (running(18, 7), running(17, 7), false, false),
        ] {
            assert_eq!(we_must_go(ours, theirs, mixed), go, "{ours:?} {theirs:?}");
        }
    }
}
