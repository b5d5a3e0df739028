//! What a daemon still does afterwards, whatever it was.

use super::namespace::wait_until;
use super::site::Daemon;

/// It answers the stock tool, and its memory is bounded.
pub(crate) fn is_well(daemon: &Daemon<'_>, kilobytes_max: u64) {
    let pnn = daemon.site.tool("pnn");
    assert_eq!((pnn.status, pnn.out.trim()), (0, "0"), "{}\n{}", pnn.err, daemon.site.log());
    wait_until("its status", || daemon.site.tool("status").out.contains("pnn:0 127.0.0.1"));
    // What is given back to the system goes a moment later.
    wait_until(&format!("less than {kilobytes_max} kB"), || daemon.memory() < kilobytes_max);
    assert!(!daemon.site.log().contains("panicked"), "{}", daemon.site.log());
}
