//! The guard: a tiny process that takes public addresses off when the daemon dies.
