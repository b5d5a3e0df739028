//! Times and counters.

use alloc::vec::Vec;

use super::list::decode_entries;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A wall-clock time; all zero for "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeVal {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Microseconds, 0–999999 unless somebody errs.
    pub micros: i64,
}

impl Wire for TimeVal {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { seconds, micros } = self;
        out.i64_le(*seconds);
        out.i64_le(*micros);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { seconds: from.i64_le()?, micros: from.i64_le()? })
    }
}

/// A daemon's past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Uptime {
    /// The answering node's clock.
    pub now: TimeVal,
    /// When the daemon started.
    pub started: TimeVal,
    /// When its last recovery began.
    pub recovery_started: TimeVal,
    /// When its last recovery ended.
    pub recovery_finished: TimeVal,
}

impl Wire for Uptime {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { now, started, recovery_started, recovery_finished } = self;
        for time in [now, started, recovery_started, recovery_finished] {
            time.encode(out);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            now: Wire::decode(from)?,
            started: Wire::decode(from)?,
            recovery_started: Wire::decode(from)?,
            recovery_finished: Wire::decode(from)?,
        })
    }
}

/// How long something took, in seconds, over all times it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Latency {
    /// How often; the average is total / count.
    pub count: i32,
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
    /// All together.
    pub total: f64,
}

impl Wire for Latency {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { count, min, max, total } = self;
        out.i32_le(*count);
        out.zeros(4);
        out.f64_le(*min);
        out.f64_le(*max);
        out.f64_le(*total);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = from.i32_le()?;
        from.skip(4)?;
        Ok(Self { count, min: from.f64_le()?, max: from.f64_le()?, total: from.f64_le()? })
    }
}

/// What one entry of the statistics is on the wire: a number, an array of them, or a structure.
trait Field: Sized {
    fn put(&self, out: &mut Writer<'_>);
    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// What was counted since it was `before`.
    fn since(&self, before: &Self) -> Self;
}

impl Field for u32 {
    fn put(&self, out: &mut Writer<'_>) {
        out.u32_le(*self);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.u32_le()
    }

    fn since(&self, before: &Self) -> Self {
        self.saturating_sub(*before)
    }
}

impl<const N: usize> Field for [u32; N] {
    fn put(&self, out: &mut Writer<'_>) {
        self.iter().for_each(|number| number.put(out));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u32::take(from)?;
        }
        Ok(numbers)
    }

    fn since(&self, before: &Self) -> Self {
        core::array::from_fn(|at| self[at].since(&before[at]))
    }
}

/// A structure that is on the wire by itself.
macro_rules! part {
    ($($name:ident)*) => {$(
        impl Field for $name {
            fn put(&self, out: &mut Writer<'_>) {
                self.encode(out);
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::decode(from)
            }

            fn since(&self, before: &Self) -> Self {
                self.counted_since(before)
            }
        }
    )*};
}

part! { Latency TimeVal NodePackets ClientPackets Timeouts Locks }

impl Latency {
    /// What was added since it was `before`; the shortest and the longest are those of all.
    fn counted_since(&self, before: &Self) -> Self {
        match self.count.saturating_sub(before.count) {
            0 => Self::default(),
            count => Self { count, total: self.total - before.total, ..*self },
        }
    }
}

impl TimeVal {
    /// A time is not counted.
    const fn counted_since(&self, _: &Self) -> Self {
        *self
    }
}

/// A structure whose fields lie in the order written here, aligned to 8 bytes where it says so.
macro_rules! counters {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty $(=> pad $pad:literal)?,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name { $($(#[$doc])* pub $field: $kind,)* }

        impl $name {
            /// What was counted since the counters were as in `before`; times are this one's.
            pub(in crate::ctdb) fn counted_since(&self, before: &Self) -> Self {
                Self { $($field: Field::since(&self.$field, &before.$field)),* }
            }
        }

        impl Wire for $name {
            fn encode(&self, out: &mut Writer<'_>) {
                let Self { $($field),* } = self;
                $($field.put(out); $(out.zeros($pad);)?)*
            }

            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $(let $field = Field::take(from)?; $(from.skip($pad)?;)?)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

counters! {
    /// Packets from other nodes, by operation.
    NodePackets {
        /// Calls asked.
        req_call: u32,
        /// Calls answered.
        reply_call: u32,
        /// Data masterships asked.
        req_dmaster: u32,
        /// Data masterships answered.
        reply_dmaster: u32,
        /// Calls failed.
        reply_error: u32,
        /// Messages.
        req_message: u32,
        /// Controls asked.
        req_control: u32,
        /// Controls answered.
        reply_control: u32,
        /// Tunnel packets.
        req_tunnel: u32,
    }

    /// Packets from clients, by operation.
    ClientPackets {
        /// Calls.
        req_call: u32,
        /// Messages.
        req_message: u32,
        /// Controls.
        req_control: u32,
        /// Tunnel packets.
        req_tunnel: u32,
    }

    /// What took too long.
    Timeouts {
        /// Calls.
        call: u32,
        /// Controls.
        control: u32,
        /// Traverses.
        traverse: u32,
    }

    /// Locks on databases and records.
    Locks {
        /// Ever asked for.
        num_calls: u32,
        /// Being waited for by a process.
        num_current: u32,
        /// Waiting for a process.
        num_pending: u32,
        /// Not got.
        num_failed: u32,
        /// How long they took.
        latency: Latency,
        /// How many took how long.
        buckets: [u32; 16],
    }

    /// A daemon's counters. Those of databases are zero without databases.
    Statistics {
        /// Connected clients.
        num_clients: u32,
        /// Whether the databases are frozen.
        frozen: u32,
        /// Whether a recovery is under way.
        recovering: u32,
        /// Packets sent to clients.
        client_packets_sent: u32,
        /// Packets received from clients.
        client_packets_recv: u32,
        /// Packets sent to nodes.
        node_packets_sent: u32,
        /// Packets received from nodes.
        node_packets_recv: u32,
        /// Keepalives sent.
        keepalive_packets_sent: u32,
        /// Keepalives received.
        keepalive_packets_recv: u32,
        /// Packets by operation, nodes.
        node: NodePackets,
        /// Packets by operation, clients.
        client: ClientPackets,
        /// What took too long.
        timeouts: Timeouts => pad 4,
        /// The cluster lock, as the daemon sees it.
        reclock_ctdbd: Latency,
        /// The cluster lock, as the recovery daemon sees it.
        reclock_recd: Latency,
        /// Locks.
        locks: Locks,
        /// Calls ever.
        total_calls: u32,
        /// Calls under way.
        pending_calls: u32,
        /// Writes by a child ever.
        childwrite_calls: u32,
        /// Writes by a child under way.
        pending_childwrite_calls: u32,
        /// Bytes of memory.
        memory_used: u32,
        /// Internal to ctdbd.
        internal: u32,
        /// The longest way of a call.
        max_hop_count: u32,
        /// How many calls went how far.
        hop_count_bucket: [u32; 16] => pad 4,
        /// How long calls took.
        call_latency: Latency,
        /// How long writes by a child took.
        childwrite_latency: Latency,
        /// Recoveries so far.
        num_recoveries: u32 => pad 4,
        /// Since when this is counted.
        started: TimeVal,
        /// Until when this is counted.
        current: TimeVal,
        /// Read-only copies handed out.
        total_ro_delegations: u32,
        /// Read-only copies taken back.
        total_ro_revokes: u32,
    }
}

/// Bytes of [`Statistics`].
const STATISTICS_SIZE: usize = 488;

/// The counters' past, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StatisticsList {
    /// One entry per `StatHistoryInterval`; ctdbd keeps 100.
    pub entries: Vec<Statistics>,
}

impl Wire for StatisticsList {
    fn encode(&self, out: &mut Writer<'_>) {
        let Self { entries } = self;
        out.count_le(entries.len());
        out.zeros(4);
        for entry in entries {
            entry.encode(out);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = from.u32_le()?;
        from.skip(4)?;
        let count = from.room_for(count, STATISTICS_SIZE)?;
        Ok(Self { entries: decode_entries(from, count)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few, fixture, round_trip, survives};
    use proptest::prelude::*;

    #[test]
    fn a_time_is_seconds_and_microseconds() {
        fixture(
            &TimeVal { seconds: 0x6b01_ff9a, micros: 0x0009_272d },
            &[0x9a, 0xff, 0x01, 0x6b, 0, 0, 0, 0, 0x2d, 0x27, 0x09, 0, 0, 0, 0, 0],
        );
    }

    #[test]
    fn statistics_lie_where_the_stock_tool_reads_them() {
        let mut bytes = [0; STATISTICS_SIZE];
        for (offset, number) in [(32, 1), (36, 2), (72, 3), (96, 4), (104, 5), (168, 6), (216, 7), (280, 8)] {
            bytes[offset] = number;
        }
        for (offset, number) in
            [(304, 9), (368, 10), (376, 11), (408, 12), (440, 13), (448, 14), (464, 15), (484, 16)]
        {
            bytes[offset] = number;
        }
        let read = Statistics::from_bytes(&bytes).unwrap();
        assert_eq!((read.keepalive_packets_recv, read.node.req_call, read.client.req_call), (1, 2, 3));
        assert_eq!((read.timeouts.traverse, read.reclock_ctdbd.count, read.locks.num_calls), (4, 5, 6));
        assert_eq!((read.locks.buckets[0], read.total_calls, read.max_hop_count), (7, 8, 9));
        assert_eq!((read.hop_count_bucket[15], read.call_latency.count), (10, 11));
        assert_eq!((read.childwrite_latency.count, read.num_recoveries), (12, 13));
        assert_eq!((read.started.seconds, read.current.seconds, read.total_ro_revokes), (14, 15, 16));
        assert_eq!(read.to_bytes(), bytes);
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn counters_round_trip(number: u32, time: i64, seconds in -1e9..1e9, history in 0usize..4) {
            let now = TimeVal { seconds: time, micros: number.into() };
            round_trip(&Uptime { now, started: now, recovery_started: now, recovery_finished: now })?;
            let latency = Latency { count: number as i32, min: seconds, max: -seconds, total: 0.5 };
            let statistics = Statistics {
                recovering: number, reclock_recd: latency, hop_count_bucket: [number; 16],
                num_recoveries: number, current: now, total_ro_revokes: number, ..Statistics::default()
            };
            round_trip(&statistics)?;
            round_trip(&StatisticsList { entries: alloc::vec![statistics; history] })?;
        }

        #[test]
        fn any_bytes_are_counters_or_errors(bytes in any_bytes()) {
            survives::<Uptime>(&bytes)?;
            survives::<StatisticsList>(&bytes)?;
            survives::<Statistics>(&bytes[..bytes.len().min(STATISTICS_SIZE)])?;
        }
    }
}
