//! What controls answer, besides their status.
//!
//! Some answer with the status alone: PING the number of clients, GET_PID and GET_PNN what they
//! are named for, GET_RECMODE 0 or 1, CHECK_PID_SRVID 0 or -1. A control that runs an event
//! answers a positive errno if the event failed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::types::{Capabilities, DbId, Opcode, RunState};
use super::clients::Echo;
use super::database::DbMap;
use super::nodemap::{BanState, NodeMap, VnnMap};
use super::numbers::{DebugLevel, RecordCount, SeqNum, TunableValue};
use super::public_ips::{InterfaceList, PublicIpInfo, PublicIpList};
use super::status::{Statistics, StatisticsList, Uptime};
use super::text::Text;
use super::tickle::TickleList;
use super::tunables::{AllTunables, TunableNames};
use crate::bytes::{DecodeError, Wire, Writer};

/// Builds [`ReplyData`] from the payloads and the opcodes that answer with them.
macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident($data:ty) = $($opcode:ident)|+,)*) => {
        /// The payload of an answer.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum ReplyData {
            /// None: the status says it all.
            Empty,
            $($(#[$doc])* $name($data),)*
            /// A payload nobody expects there: text of DUMP_MEMORY, or the answer to an opcode
            /// nobody here knows.
            Raw(Vec<u8>),
        }

        impl ReplyData {
            /// Appends the payload.
            pub fn encode(&self, out: &mut Writer<'_>) {
                match self {
                    Self::Empty => {}
                    $(Self::$name(data) => data.encode(out),)*
                    Self::Raw(data) => out.bytes(data),
                }
            }

            /// Reads all of the payload of an answer to `opcode`; unless the status is 0 there
            /// is nothing to read.
            ///
            /// # Errors
            /// If the payload is not what this opcode answers.
            pub fn decode(opcode: Opcode, status: i32, data: &[u8]) -> Result<Self, DecodeError> {
                if status != 0 || (data.is_empty() && opcode == Opcode::GET_RECLOCK_FILE) {
                    return Ok(Self::raw(data));
                }
                Ok(match opcode {
                    $($(Opcode::$opcode)|+ => Self::$name(Wire::from_bytes(data)?),)*
                    _ => Self::raw(data),
                })
            }
        }

        /// Every opcode that answers with a payload.
        #[cfg(test)]
        const ANSWERED: &[Opcode] = &[$($(Opcode::$opcode,)+)*];
    };
}

replies! {
    /// The nodes, as known or as the nodes file says.
    NodeMap(NodeMap) = GET_NODEMAP | GET_NODES_FILE,
    /// Generation and location masters.
    VnnMap(VnnMap) = GETVNNMAP,
    /// How far the daemon has come.
    RunState(RunState) = GET_RUNSTATE,
    /// The daemon's past.
    Uptime(Uptime) = UPTIME,
    /// What the node may be and can do.
    Capabilities(Capabilities) = GET_CAPABILITIES,
    /// The counters.
    Statistics(Box<Statistics>) = STATISTICS,
    /// The counters' past.
    StatisticsList(StatisticsList) = GET_STAT_HISTORY,
    /// How much is logged.
    DebugLevel(DebugLevel) = GET_DEBUG,
    /// A ban.
    BanState(BanState) = GET_BAN_STATE,
    /// The cluster lock; [`Empty`](Self::Empty) if there is none. A database's name or file.
    Text(Text) = GET_RECLOCK_FILE | GET_DBNAME | GETDBPATH,
    /// The same bytes back.
    Echo(Echo) = ECHO_DATA,
    /// A tunable's value.
    TunableValue(TunableValue) = GET_TUNABLE,
    /// The tunables' names.
    TunableNames(TunableNames) = LIST_TUNABLES,
    /// All tunables' values.
    AllTunables(Box<AllTunables>) = GET_ALL_TUNABLES,
    /// The databases.
    DbMap(DbMap) = GET_DBMAP,
    /// The database's number.
    DbId(DbId) = DB_ATTACH | DB_ATTACH_PERSISTENT | DB_ATTACH_REPLICATED,
    /// The database's sequence number.
    SeqNum(SeqNum) = GET_DB_SEQNUM,
    /// How many records were sent or received.
    RecordCount(RecordCount) = DB_PULL | DB_PUSH_CONFIRM,
    /// The public addresses.
    PublicIps(PublicIpList) = GET_PUBLIC_IPS,
    /// One public address.
    PublicIpInfo(PublicIpInfo) = GET_PUBLIC_IP_INFO,
    /// The interfaces.
    Interfaces(InterfaceList) = GET_IFACES,
    /// The connections to a public address.
    Tickles(TickleList) = GET_TCP_TICKLE_LIST,
}

impl ReplyData {
    fn raw(data: &[u8]) -> Self {
        if data.is_empty() { Self::Empty } else { Self::Raw(data.to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few};
    use proptest::prelude::*;

    fn bytes_of(reply: &ReplyData) -> Vec<u8> {
        let mut bytes = Vec::new();
        reply.encode(&mut Writer::new(&mut bytes));
        bytes
    }

    #[test]
    fn a_payload_is_read_only_after_success() {
        let state = ReplyData::RunState(RunState::Running);
        assert_eq!(ReplyData::decode(Opcode::GET_RUNSTATE, 0, &[5, 0, 0, 0]), Ok(state));
        assert_eq!(ReplyData::decode(Opcode::GET_RUNSTATE, -1, &[]), Ok(ReplyData::Empty));
        assert!(ReplyData::decode(Opcode::GET_RUNSTATE, 0, &[]).is_err());
        assert_eq!(ReplyData::decode(Opcode::GET_RECLOCK_FILE, 0, &[]), Ok(ReplyData::Empty));
        let text = ReplyData::Text(Text::from("/lock"));
        assert_eq!(ReplyData::decode(Opcode::GET_RECLOCK_FILE, 0, b"/lock\0"), Ok(text));
        assert_eq!(ReplyData::decode(Opcode::PING, 0, b"x"), Ok(ReplyData::Raw(b"x".into())));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn any_answer_to_any_opcode_is_read_or_refused(bytes in any_bytes()) {
            for &opcode in ANSWERED {
                for length in [bytes.len(), 0, 4, 8, 64, 248, 488] {
                    let Some(bytes) = bytes.get(..length) else { continue };
                    let Ok(reply) = ReplyData::decode(opcode, 0, bytes) else { continue };
                    let once = bytes_of(&reply);
                    let again = ReplyData::decode(opcode, 0, &once).map(|reply| bytes_of(&reply));
                    prop_assert_eq!(again, Ok(once));
                }
            }
        }
    }
}
