//! How many messages of each type went and came.

use super::wire::Kind;

/// The counters of `CLUSTER INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Traffic {
    /// Sent, by type number.
    pub sent: [u64; 11],
    /// Received, by type number.
    pub received: [u64; 11],
    /// Bytes sent on the bus.
    pub bytes_sent: u64,
    /// Bytes received on the bus.
    pub bytes_received: u64,
    /// Links given up because their peer did not read.
    pub overflowed: u64,
}

impl Traffic {
    pub(super) fn count_sent(&mut self, kind: Kind, bytes: usize) {
        self.sent[usize::from(kind.to_wire())] += 1;
        self.bytes_sent += bytes as u64;
    }

    pub(super) fn count_received(&mut self, kind: Kind) {
        self.received[usize::from(kind.to_wire())] += 1;
    }
}
