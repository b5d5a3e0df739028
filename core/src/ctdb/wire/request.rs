//! What controls ask: a variant for each opcode, with its payload.

use alloc::vec::Vec;

use super::super::types::{DbId, Opcode, RecoveryMode, SrvId};
use super::address::WireAddr;
use super::clients::{Echo, Notify, PidSrvId};
use super::database::{DbStream, DbTransaction, RecordBuffer};
use super::nodemap::{BanState, NodeFlagChange, VnnMap};
use super::numbers::{DebugLevel, Pid, RoleSwitch, Waited, WideDbId};
use super::public_ips::{AddrInfo, Interface, PublicIp};
use super::text::Text;
use super::tickle::{Connection, TickleList};
use super::tunables::{TunableName, TunableSet};
use crate::bytes::{DecodeError, Reader, Wire, Writer};

/// Builds [`RequestData`] from two lists: opcodes without and with a payload.
macro_rules! requests {
    (
        without { $($bare:ident = $bare_opcode:ident,)* }
        with { $($name:ident($data:ty) = $opcode:ident,)* }
    ) => {
        /// What a control asks. Each variant is the opcode of that name; see there.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum RequestData {
            $(#[doc = concat!("[`", stringify!($bare_opcode), "`](Opcode::", stringify!($bare_opcode), ")")] $bare,)*
            $(#[doc = concat!("[`", stringify!($opcode), "`](Opcode::", stringify!($opcode), ")")] $name($data),)*
            /// An opcode nobody here knows.
            Raw {
                /// Its number.
                opcode: Opcode,
                /// The payload as it came.
                data: Vec<u8>,
            },
        }

        impl RequestData {
            /// Which control this is.
            #[must_use]
            pub const fn opcode(&self) -> Opcode {
                match self {
                    $(Self::$bare => Opcode::$bare_opcode,)*
                    $(Self::$name(_) => Opcode::$opcode,)*
                    Self::Raw { opcode, .. } => *opcode,
                }
            }

            /// Appends the payload.
            pub fn encode(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$bare => {})*
                    $(Self::$name(data) => data.encode(out),)*
                    Self::Raw { data, .. } => out.bytes(data),
                }
            }

            /// Reads all of a payload. ctdbd answers -1 to a wrong size, so it is an error here.
            ///
            /// # Errors
            /// If the payload is not exactly what the opcode needs.
            pub fn decode(opcode: Opcode, data: &[u8]) -> Result<Self, DecodeError> {
                Ok(match opcode {
                    $(Opcode::$bare_opcode => {
                        Reader::new(data).finish()?;
                        Self::$bare
                    })*
                    $(Opcode::$opcode => Self::$name(Wire::from_bytes(data)?),)*
                    _ => Self::Raw { opcode, data: data.to_vec() },
                })
            }
        }

        /// Every opcode that has a variant.
        #[cfg(test)]
        const KNOWN: &[Opcode] = &[$(Opcode::$bare_opcode,)* $(Opcode::$opcode,)*];
    };
}

requests! {
    without {
        Ping = PING,
        GetPid = GET_PID,
        GetPnn = GET_PNN,
        GetDebug = GET_DEBUG,
        GetNodemap = GET_NODEMAP,
        GetNodesFile = GET_NODES_FILE,
        ReloadNodesFile = RELOAD_NODES_FILE,
        GetRunState = GET_RUNSTATE,
        Uptime = UPTIME,
        GetCapabilities = GET_CAPABILITIES,
        Statistics = STATISTICS,
        StatisticsReset = STATISTICS_RESET,
        GetStatHistory = GET_STAT_HISTORY,
        DumpMemory = DUMP_MEMORY,
        Shutdown = SHUTDOWN,
        StopNode = STOP_NODE,
        ContinueNode = CONTINUE_NODE,
        DisableNode = DISABLE_NODE,
        EnableNode = ENABLE_NODE,
        GetBanState = GET_BAN_STATE,
        GetReclockFile = GET_RECLOCK_FILE,
        Startup = STARTUP,
        RecdPing = RECD_PING,
        RegisterSrvId = REGISTER_SRVID,
        DeregisterSrvId = DEREGISTER_SRVID,
        TunnelRegister = TUNNEL_REGISTER,
        TunnelDeregister = TUNNEL_DEREGISTER,
        ListTunables = LIST_TUNABLES,
        GetAllTunables = GET_ALL_TUNABLES,
        GetRecMode = GET_RECMODE,
        GetVnnMap = GETVNNMAP,
        GetDbMap = GET_DBMAP,
        StartRecovery = START_RECOVERY,
        EndRecovery = END_RECOVERY,
        Freeze = FREEZE,
        GetPublicIps = GET_PUBLIC_IPS,
        GetIfaces = GET_IFACES,
        ReloadPublicIps = RELOAD_PUBLIC_IPS,
        IpReallocated = IPREALLOCATED,
        StartIpReallocate = START_IPREALLOCATE,
    }
    with {
        ProcessExists(Pid) = PROCESS_EXISTS,
        CheckPidSrvId(PidSrvId) = CHECK_PID_SRVID,
        SetDebug(DebugLevel) = SET_DEBUG,
        SetLmasterRole(RoleSwitch) = SET_LMASTERROLE,
        SetLeaderRole(RoleSwitch) = SET_RECMASTERROLE,
        ModifyFlags(NodeFlagChange) = MODIFY_FLAGS,
        SetBanState(BanState) = SET_BAN_STATE,
        RecdReclockLatency(Waited) = RECD_RECLOCK_LATENCY,
        RegisterNotify(Notify) = REGISTER_NOTIFY,
        DeregisterNotify(SrvId) = DEREGISTER_NOTIFY,
        EchoData(Echo) = ECHO_DATA,
        SetTunable(TunableSet) = SET_TUNABLE,
        GetTunable(TunableName) = GET_TUNABLE,
        SetRecMode(RecoveryMode) = SET_RECMODE,
        SetVnnMap(VnnMap) = SETVNNMAP,
        DbAttach(Text) = DB_ATTACH,
        DbAttachPersistent(Text) = DB_ATTACH_PERSISTENT,
        DbAttachReplicated(Text) = DB_ATTACH_REPLICATED,
        GetDbName(DbId) = GET_DBNAME,
        GetDbPath(DbId) = GETDBPATH,
        DbFreeze(DbId) = DB_FREEZE,
        DbThaw(DbId) = DB_THAW,
        DbTransactionStart(DbTransaction) = DB_TRANSACTION_START,
        DbTransactionCommit(DbTransaction) = DB_TRANSACTION_COMMIT,
        DbTransactionCancel(DbId) = DB_TRANSACTION_CANCEL,
        GetDbSeqNum(WideDbId) = GET_DB_SEQNUM,
        DbPull(DbStream) = DB_PULL,
        WipeDatabase(DbTransaction) = WIPE_DATABASE,
        DbPushStart(DbStream) = DB_PUSH_START,
        DbPushConfirm(DbId) = DB_PUSH_CONFIRM,
        UpdateRecord(RecordBuffer) = UPDATE_RECORD,
        GetPublicIpInfo(WireAddr) = GET_PUBLIC_IP_INFO,
        SetIfaceLinkState(Interface) = SET_IFACE_LINK_STATE,
        AddPublicIp(AddrInfo) = ADD_PUBLIC_IP,
        DelPublicIp(AddrInfo) = DEL_PUBLIC_IP,
        ReleaseIp(PublicIp) = RELEASE_IP,
        TakeoverIp(PublicIp) = TAKEOVER_IP,
        SendGratuitousArp(AddrInfo) = SEND_GRATUITOUS_ARP,
        TcpClient(Connection) = TCP_CLIENT,
        TcpAdd(Connection) = TCP_ADD,
        TcpAddDelayedUpdate(Connection) = TCP_ADD_DELAYED_UPDATE,
        TcpRemove(Connection) = TCP_REMOVE,
        TcpClientDisconnected(Connection) = TCP_CLIENT_DISCONNECTED,
        TcpClientPassed(Connection) = TCP_CLIENT_PASSED,
        GetTcpTickleList(WireAddr) = GET_TCP_TICKLE_LIST,
        SetTcpTickleList(TickleList) = SET_TCP_TICKLE_LIST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::{any_bytes, few};
    use proptest::prelude::*;

    fn bytes_of(request: &RequestData) -> Vec<u8> {
        let mut bytes = Vec::new();
        request.encode(&mut Writer::new(&mut bytes));
        bytes
    }

    #[test]
    fn every_named_opcode_but_the_obsolete_one_has_a_variant() {
        let named: Vec<_> = (0..1000).map(Opcode).filter(|opcode| opcode.name().is_some()).collect();
        let mut known = KNOWN.to_vec();
        known.push(Opcode::GET_RECMASTER);
        known.sort();
        assert_eq!(known, named);
    }

    #[test]
    fn a_payload_where_none_belongs_is_an_error() {
        let too_much = RequestData::decode(Opcode::GET_NODEMAP, b"xxxx");
        assert_eq!(too_much, Err(DecodeError::Trailing { left: 4 }));
        let request = RequestData::SetRecMode(RecoveryMode::Active);
        assert_eq!(bytes_of(&request), [1, 0, 0, 0]);
        assert_eq!(RequestData::decode(request.opcode(), &[1, 0, 0, 0]), Ok(request));
        let unknown = RequestData::decode(Opcode(999), b"abc").unwrap();
        assert_eq!((unknown.opcode(), bytes_of(&unknown)), (Opcode(999), b"abc".to_vec()));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn any_payload_of_any_opcode_is_read_or_refused(bytes in any_bytes()) {
            for &opcode in KNOWN {
                // Fixed sizes would hardly ever be hit by chance.
                for length in [bytes.len(), 0, 4, 8, 12, 16, 24, 28, 32, 36, 56] {
                    let Some(bytes) = bytes.get(..length) else { continue };
                    let Ok(request) = RequestData::decode(opcode, bytes) else { continue };
                    prop_assert_eq!(request.opcode(), opcode);
                    let once = bytes_of(&request);
                    let again = RequestData::decode(opcode, &once).map(|request| bytes_of(&request));
                    prop_assert_eq!(again, Ok(once));
                }
            }
        }
    }
}
