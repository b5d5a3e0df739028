//! What happened since the counters were last set to zero.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::types::Operation;
use super::wire::{Body, Latency, Statistics, TimeVal};
use crate::time::{Duration, Instant};

/// The counters. What is a state rather than a count is filled in by whoever shows them.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Counters {
    counts: Box<Statistics>,
    /// Since when they count, if not since birth.
    since: Option<Instant>,
    /// How many recoveries there had been by then.
    recoveries: u32,
    past: Past,
}

/// What was counted in each of the last spans of time, newest first.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Past {
    entries: VecDeque<Statistics>,
    /// The counts, and the time, at the end of the newest.
    before: Box<Statistics>,
    until: Option<Instant>,
}

/// As many as ctdbd keeps.
const PAST_MAX: usize = 100;

/// Counts one; a counter that is full stays so.
const fn one(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

impl Counters {
    /// STATISTICS_RESET.
    pub(super) fn reset(&mut self, now: Instant, recoveries: u32) {
        *self.counts = Statistics::default();
        self.since = Some(now);
        self.recoveries = recoveries;
        *self.past.before = Statistics::default();
    }

    /// What was counted in each of the last spans of time, newest first, at most 100.
    pub(super) fn past(&self) -> Vec<Statistics> {
        self.past.entries.iter().copied().collect()
    }

    /// Since when nothing of the past is kept yet.
    pub(super) const fn past_until(&self) -> Option<Instant> {
        self.past.until
    }

    /// Adds what was counted since the last time to the past.
    pub(super) fn remember(&mut self, now: Instant, recoveries: u32, started: TimeVal, current: TimeVal) {
        let counts = self.counts(recoveries);
        let entry = Statistics { started, current, ..counts.counted_since(&self.past.before) };
        self.past.entries.truncate(PAST_MAX - 1);
        self.past.entries.push_front(entry);
        *self.past.before = counts;
        self.past.until = Some(now);
    }

    /// Since when this counts, if not since birth.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The counts so far, with those of `recoveries` since birth that lie in this time.
    pub(super) fn counts(&self, recoveries: u32) -> Statistics {
        Statistics { num_recoveries: recoveries.saturating_sub(self.recoveries), ..*self.counts }
    }

    /// A node's sign of life.
    #[inline]
    pub(super) fn keepalive_heard(&mut self) {
        one(&mut self.counts.node_packets_recv);
        one(&mut self.counts.keepalive_packets_recv);
    }

    /// A sign of life to a node.
    pub(super) fn keepalive_sent(&mut self) {
        one(&mut self.counts.keepalive_packets_sent);
        self.sent_to_node();
    }

    /// Any other packet of a node.
    pub(super) fn node_heard(&mut self, body: &Body<'_>) {
        let counts = &mut *self.counts;
        one(&mut counts.node_packets_recv);
        let by_kind = &mut counts.node;
        match body.operation() {
            Operation::REQ_CALL => one(&mut by_kind.req_call),
            Operation::REPLY_CALL => one(&mut by_kind.reply_call),
            Operation::REQ_DMASTER => one(&mut by_kind.req_dmaster),
            Operation::REPLY_DMASTER => one(&mut by_kind.reply_dmaster),
            Operation::REPLY_ERROR => one(&mut by_kind.reply_error),
            Operation::REQ_MESSAGE => one(&mut by_kind.req_message),
            Operation::REQ_CONTROL => one(&mut by_kind.req_control),
            Operation::REPLY_CONTROL => one(&mut by_kind.reply_control),
            Operation::REQ_TUNNEL => one(&mut by_kind.req_tunnel),
            _ => {}
        }
    }

    /// A packet to a node.
    pub(super) fn sent_to_node(&mut self) {
        one(&mut self.counts.node_packets_sent);
    }

    /// A client's packet.
    pub(super) fn client_heard(&mut self, body: &Body<'_>) {
        let counts = &mut *self.counts;
        one(&mut counts.client_packets_recv);
        match body.operation() {
            Operation::REQ_CALL => one(&mut counts.client.req_call),
            Operation::REQ_MESSAGE => one(&mut counts.client.req_message),
            Operation::REQ_CONTROL => one(&mut counts.client.req_control),
            Operation::REQ_TUNNEL => one(&mut counts.client.req_tunnel),
            _ => {}
        }
    }

    /// A packet to a client.
    pub(super) fn sent_to_client(&mut self) {
        one(&mut self.counts.client_packets_sent);
    }

    /// A control was not answered in time.
    pub(super) fn control_timed_out(&mut self) {
        one(&mut self.counts.timeouts.control);
    }

    /// Whether the cluster lock is held was answered after so long.
    pub(super) fn lock_checked(&mut self, after: Duration) {
        add(&mut self.counts.reclock_ctdbd, seconds(after));
    }

    /// The cluster lock was taken after so long.
    pub(super) fn lock_taken(&mut self, after: Duration) {
        self.lock_waited(seconds(after));
    }

    /// Somebody waited so many seconds for the cluster lock, or says so.
    pub(super) fn lock_waited(&mut self, seconds: f64) {
        if seconds.is_finite() && seconds >= 0.0 {
            add(&mut self.counts.reclock_recd, seconds);
        }
    }
}

fn seconds(span: Duration) -> f64 {
    span.as_micros() as f64 / 1e6
}

fn add(latency: &mut Latency, seconds: f64) {
    let first = latency.count == 0;
    latency.count = latency.count.saturating_add(1);
    latency.min = if first { seconds } else { latency.min.min(seconds) };
    latency.max = latency.max.max(seconds);
    latency.total += seconds;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::types::Opcode;
    use crate::ctdb::wire::{ControlRequest, Keepalive};

    #[test]
    fn packets_are_counted_by_kind_until_the_counters_are_set_back() {
        let mut counters = Counters::default();
        let control = Body::ControlRequest(ControlRequest::new(Opcode::PING, &[]));
        let strange = Body::Other { operation: Operation(99), body: &[] };
        let keepalive = Body::Keepalive(Keepalive { version: 1, uptime: 0 });
        for body in [control, strange, keepalive] {
            counters.node_heard(&body);
            counters.client_heard(&body);
        }
        counters.keepalive_heard();
        counters.keepalive_sent();
        counters.sent_to_client();
        counters.control_timed_out();
        let counts = counters.counts(3);
        assert_eq!((counts.node_packets_recv, counts.node.req_control), (4, 1));
        assert_eq!((counts.client_packets_recv, counts.client.req_control), (3, 1));
        assert_eq!((counts.keepalive_packets_recv, counts.keepalive_packets_sent), (1, 1));
        assert_eq!((counts.node_packets_sent, counts.client_packets_sent), (1, 1));
        assert_eq!((counts.timeouts.control, counts.num_recoveries, counters.since()), (1, 3, None));
        counters.reset(Instant(7), 3);
        let zero = Statistics { num_recoveries: 1, ..Statistics::default() };
        assert_eq!((counters.counts(4), counters.since()), (zero, Some(Instant(7))));
    }

    #[test]
    fn the_past_tells_what_was_counted_in_each_span() {
        let mut counters = Counters::default();
        let at = |seconds| TimeVal { seconds, micros: 0 };
        for second in 0..120 {
            (0..second).for_each(|_| counters.sent_to_client());
            counters.lock_checked(Duration::from_millis(second as u64));
            counters.remember(Instant(second as u64), second as u32 / 60, at(second), at(second + 1));
        }
        let past = counters.past();
        assert_eq!((past.len(), counters.past_until()), (100, Some(Instant(119))));
        let of =
            |at: usize| (past[at].client_packets_sent, past[at].started.seconds, past[at].num_recoveries);
        assert_eq!((of(0), of(59), of(99)), ((119, 119, 0), (60, 60, 1), (20, 20, 0)));
        assert_eq!((past[0].reclock_ctdbd.count, past[0].current), (1, at(120)));
        counters.reset(Instant(120), 1);
        counters.sent_to_client();
        counters.remember(Instant(121), 1, at(120), at(121));
        let past = counters.past();
        assert_eq!((past.len(), past[0].client_packets_sent, past[1].client_packets_sent), (100, 1, 119));
    }

    #[test]
    fn how_long_a_lock_took_is_kept_as_shortest_longest_and_sum() {
        let mut counters = Counters::default();
        counters.lock_checked(Duration::from_millis(500));
        counters.lock_checked(Duration::from_millis(250));
        counters.lock_taken(Duration::from_secs(4));
        for seconds in [2.0, f64::NAN, f64::INFINITY, -1.0] {
            counters.lock_waited(seconds);
        }
        let counts = counters.counts(0);
        assert_eq!(counts.reclock_ctdbd, Latency { count: 2, min: 0.25, max: 0.5, total: 0.75 });
        assert_eq!(counts.reclock_recd, Latency { count: 2, min: 2.0, max: 4.0, total: 6.0 });
    }
}
