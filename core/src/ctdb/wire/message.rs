//! Messages: said once, answered by another message if at all.

use alloc::vec::Vec;

use super::super::types::{DbId, Pnn, SrvId};
use super::database::RecordBuffer;
use super::nodemap::NodeFlagChange;
use super::numbers::Seconds;
use super::public_ips::PublicIp;
use super::recovery::{Disable, Election, SrvIdMessage};
use super::text::Text;
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// A message to whoever is registered for a server id. The payload is lent, not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message<'a> {
    /// Where it goes within the node.
    pub srvid: SrvId,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    /// The payload's meaning.
    ///
    /// # Errors
    /// If the payload is not what belongs to this server id.
    pub fn decode_data(&self) -> Result<MessageData, DecodeError> {
        MessageData::decode(self.srvid, self.data)
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let Self { srvid, data } = self;
        srvid.encode(out);
        out.count_le(data.len());
        out.bytes(data);
    }

    #[inline]
    pub(super) fn decode(from: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let srvid = Wire::decode(from)?;
        let length = from.u32_le()?;
        Ok(Self { srvid, data: from.bytes(from.room_for(length, 1)?)? })
    }
}

/// Builds [`MessageData`] from two lists: server ids without and with a payload.
macro_rules! messages {
    (
        without { $($(#[$bare_doc:meta])* $bare:ident = $bare_srvid:ident,)* }
        with { $($(#[$doc:meta])* $name:ident($data:ty) = $srvid:ident,)* }
    ) => {
        /// What a message says. Each variant is the server id of that name.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum MessageData {
            $($(#[$bare_doc])* $bare,)*
            $($(#[$doc])* $name($data),)*
            /// Records of a database, during recovery.
            Records {
                /// The stream they belong to.
                srvid: SrvId,
                /// The records.
                records: RecordBuffer,
            },
            /// Between clients, an answer, or nothing anybody here knows.
            Raw {
                /// Where it goes.
                srvid: SrvId,
                /// The payload as it came.
                data: Vec<u8>,
            },
        }

        impl MessageData {
            /// Where the message goes within the node.
            #[must_use]
            pub const fn srvid(&self) -> SrvId {
                match self {
                    $(Self::$bare => SrvId::$bare_srvid,)*
                    $(Self::$name(_) => SrvId::$srvid,)*
                    Self::Records { srvid, .. } | Self::Raw { srvid, .. } => *srvid,
                }
            }

            /// Appends the payload.
            pub fn encode(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$bare => {})*
                    $(Self::$name(data) => data.encode(out),)*
                    Self::Records { records, .. } => records.encode(out),
                    Self::Raw { data, .. } => out.bytes(data),
                }
            }

            /// Reads all of a payload.
            ///
            /// # Errors
            /// If the payload is not what belongs to this server id.
            pub fn decode(srvid: SrvId, data: &[u8]) -> Result<Self, DecodeError> {
                Ok(match srvid {
                    $(SrvId::$bare_srvid => {
                        Reader::new(data).finish()?;
                        Self::$bare
                    })*
                    $(SrvId::$srvid => Self::$name(Wire::from_bytes(data)?),)*
                    _ if srvid.is_recovery_stream() => {
                        Self::Records { srvid, records: Wire::from_bytes(data)? }
                    }
                    _ => Self::Raw { srvid, data: data.to_vec() },
                })
            }
        }

        /// Every server id that has a variant.
        #[cfg(test)]
        const KNOWN: &[SrvId] = &[$(SrvId::$bare_srvid,)* $(SrvId::$srvid,)*];
    };
}

messages! {
    without {
        /// Read the nodes again: a daemon to its own recovery daemon.
        ReloadNodes = RELOAD_NODES,
        /// A recovery has ended.
        Reconfigure = RECONFIGURE,
    }
    with {
        /// A vote.
        Election(Election) = ELECTION,
        /// The leader; [`Pnn::UNKNOWN`]: an election has begun.
        Leader(Pnn) = LEADER,
        /// Please run a takeover.
        TakeoverRun(SrvIdMessage) = TAKEOVER_RUN,
        /// Please move addresses to this node.
        RebalanceNode(Pnn) = REBALANCE_NODE,
        /// No takeover runs for a while.
        DisableTakeoverRuns(Disable) = DISABLE_TAKEOVER_RUNS,
        /// No recoveries for a while.
        DisableRecoveries(Disable) = DISABLE_RECOVERIES,
        /// No takeover runs for a while; nobody answers.
        DisableIpCheck(Seconds) = DISABLE_IP_CHECK,
        /// A node's flags changed: a daemon to its own recovery daemon.
        PushNodeFlags(NodeFlagChange) = PUSH_NODE_FLAGS,
        /// This node deserves banning credits.
        Banning(Pnn) = BANNING,
        /// An address was released here.
        ReleaseIp(Text) = RELEASE_IP,
        /// An address was taken here.
        TakeIp(Text) = TAKE_IP,
        /// Unused in 4.17.
        RecdUpdateIp(PublicIp) = RECD_UPDATE_IP,
        /// Records for the vacuum.
        VacuumFetch(RecordBuffer) = VACUUM_FETCH,
        /// A database is being detached.
        DetachDatabase(DbId) = DETACH_DATABASE,
        /// Please send a picture of the memory, as text.
        MemDump(SrvIdMessage) = MEM_DUMP,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::types::NodeFlags;
    use super::*;
    use crate::bytes::check::{any_bytes, few};
    use proptest::prelude::*;

    fn bytes_of(message: &MessageData) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.encode(&mut Writer::new(&mut bytes));
        bytes
    }

    #[test]
    fn the_server_id_tells_what_a_payload_is() {
        let stream = SrvId(SrvId::RECOVERY_PREFIX.0 + 3);
        let change = NodeFlagChange { pnn: Pnn(1), new: NodeFlags::BANNED, old: NodeFlags::empty() };
        for message in [
            MessageData::Reconfigure,
            MessageData::Leader(Pnn::UNKNOWN),
            MessageData::PushNodeFlags(change),
            MessageData::TakeIp(Text::from("10.0.0.1")),
            MessageData::Records {
                srvid: stream,
                records: RecordBuffer { id: DbId(7), records: Vec::new() },
            },
            MessageData::Raw { srvid: SrvId(0xae00_0000_0000_0001), data: b"hello".into() },
        ] {
            let bytes = bytes_of(&message);
            assert_eq!(MessageData::decode(message.srvid(), &bytes), Ok(message));
        }
        assert!(MessageData::decode(SrvId::RECONFIGURE, &[0; 4]).is_err());
        assert!(MessageData::decode(SrvId::LEADER, &[0; 3]).is_err());
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn any_payload_to_any_server_id_is_read_or_refused(bytes in any_bytes()) {
            for &srvid in KNOWN.iter().chain([&SrvId::RECOVERY_PREFIX, &SrvId(5)]) {
                for length in [bytes.len(), 0, 4, 8, 12, 16, 24, 32] {
                    let Some(bytes) = bytes.get(..length) else { continue };
                    let Ok(message) = MessageData::decode(srvid, bytes) else { continue };
                    prop_assert_eq!(message.srvid(), srvid);
                    let once = bytes_of(&message);
                    let again = MessageData::decode(srvid, &once).map(|message| bytes_of(&message));
                    prop_assert_eq!(again, Ok(once));
                }
            }
        }
    }
}
