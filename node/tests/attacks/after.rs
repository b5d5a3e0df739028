//! What a daemon still does afterwards, whatever it was.

use super::site::Daemon;

/// It answers the stock tool, and its memory is bounded.
pub(crate) fn is_well(daemon: &Daemon<'_>, kilobytes_max: u64) {
    let pnn = daemon.site.tool("pnn");
    assert_eq!((pnn.status, pnn.out.trim()), (0, "0"), "{}\n{}", pnn.err, daemon.site.log());
    let status = daemon.site.tool("status");
    assert!(status.out.contains("pnn:0 127.0.0.1"), "{}{}", status.out, status.err);
    let held = daemon.memory();
    assert!(held < kilobytes_max, "{held} kB are held, {kilobytes_max} are allowed");
    assert!(!daemon.site.log().contains("panicked"), "{}", daemon.site.log());
}
