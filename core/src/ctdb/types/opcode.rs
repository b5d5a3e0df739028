//! What packets and controls are for.

use core::fmt;

/// What a packet is: the fifth number of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Operation(pub u32);

/// What a control asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Opcode(pub u32);

/// The constants and their names, in one list.
macro_rules! numbers {
    ($of:ident { $($(#[$doc:meta])* $name:ident = $value:literal;)* }) => {
        impl $of {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name of a number that has one, as CTDB's own sources spell it.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        /// The name, or the number where there is none.
        impl fmt::Display for $of {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    };
}

numbers! { Operation {
    /// Run a call on a record.
    REQ_CALL = 0;
    /// Its answer.
    REPLY_CALL = 1;
    /// Ask for a record's data mastership.
    REQ_DMASTER = 2;
    /// Its answer.
    REPLY_DMASTER = 3;
    /// A call failed.
    REPLY_ERROR = 4;
    /// A message to a server id; nobody answers.
    REQ_MESSAGE = 5;
    /// A control.
    REQ_CONTROL = 7;
    /// Its answer.
    REPLY_CONTROL = 8;
    /// A sign of life.
    REQ_KEEPALIVE = 9;
    /// A packet of a tunnel between clients.
    REQ_TUNNEL = 10;
}}

numbers! { Opcode {
    /// Is this a connected client's process?
    PROCESS_EXISTS = 0;
    /// The counters.
    STATISTICS = 1;
    /// How many clients?
    PING = 3;
    /// Where is this database's file?
    GETDBPATH = 4;
    /// The generation and the location masters.
    GETVNNMAP = 5;
    /// Replaces them.
    SETVNNMAP = 6;
    /// How much is logged?
    GET_DEBUG = 7;
    /// Log this much.
    SET_DEBUG = 8;
    /// The databases.
    GET_DBMAP = 9;
    /// Is a recovery under way?
    GET_RECMODE = 15;
    /// A recovery begins or ends.
    SET_RECMODE = 16;
    /// Sets the counters to zero.
    STATISTICS_RESET = 17;
    /// Opens a volatile database.
    DB_ATTACH = 18;
    /// This client wants messages to a server id.
    REGISTER_SRVID = 23;
    /// No longer.
    DEREGISTER_SRVID = 24;
    /// A database's name.
    GET_DBNAME = 25;
    /// A picture of the memory.
    DUMP_MEMORY = 29;
    /// The daemon's process id.
    GET_PID = 30;
    /// Obsolete: the leader is learnt from its messages.
    GET_RECMASTER = 31;
    /// Freeze all databases.
    FREEZE = 33;
    /// Which node is this?
    GET_PNN = 35;
    /// Stop the daemon.
    SHUTDOWN = 36;
    /// A client has a TCP connection to a public address.
    TCP_CLIENT = 44;
    /// Remember a connection.
    TCP_ADD = 45;
    /// Forget a connection.
    TCP_REMOVE = 46;
    /// A node starts: send it the tickle lists.
    STARTUP = 47;
    /// Set a tunable.
    SET_TUNABLE = 48;
    /// A tunable's value.
    GET_TUNABLE = 49;
    /// The tunables' names.
    LIST_TUNABLES = 50;
    /// A node's flags have changed or shall change.
    MODIFY_FLAGS = 52;
    /// All tunables at once.
    GET_ALL_TUNABLES = 53;
    /// The connections to a public address.
    GET_TCP_TICKLE_LIST = 55;
    /// Replaces them.
    SET_TCP_TICKLE_LIST = 56;
    /// Opens a persistent database.
    DB_ATTACH_PERSISTENT = 61;
    /// Take these records: to every location master when a program commits a transaction.
    UPDATE_RECORD = 63;
    /// Announce an address.
    SEND_GRATUITOUS_ARP = 64;
    /// Empty a database.
    WIPE_DATABASE = 67;
    /// Since when?
    UPTIME = 69;
    /// Run the event `startrecovery`.
    START_RECOVERY = 70;
    /// Run the event `recovered`.
    END_RECOVERY = 71;
    /// Read the nodes file again.
    RELOAD_NODES_FILE = 72;
    /// A public address more.
    ADD_PUBLIC_IP = 77;
    /// A public address less.
    DEL_PUBLIC_IP = 78;
    /// What may the node be, what can it do?
    GET_CAPABILITIES = 80;
    /// The recovery daemon lives.
    RECD_PING = 87;
    /// Release an address.
    RELEASE_IP = 88;
    /// Take an address.
    TAKEOVER_IP = 89;
    /// The public addresses and who holds them.
    GET_PUBLIC_IPS = 90;
    /// The nodes.
    GET_NODEMAP = 91;
    /// How long the recovery daemon waited for the lock.
    RECD_RECLOCK_LATENCY = 98;
    /// The cluster lock's name.
    GET_RECLOCK_FILE = 99;
    /// Stop the node.
    STOP_NODE = 101;
    /// Undo that.
    CONTINUE_NODE = 102;
    /// May the node be a location master?
    SET_LMASTERROLE = 104;
    /// May the node be leader?
    SET_RECMASTERROLE = 105;
    /// Ban or unban the node.
    SET_BAN_STATE = 109;
    /// For how long is it banned?
    GET_BAN_STATE = 110;
    /// A message to send once this client is gone.
    REGISTER_NOTIFY = 114;
    /// No longer.
    DEREGISTER_NOTIFY = 115;
    /// A database's sequence number.
    GET_DB_SEQNUM = 120;
    /// One public address and its interfaces.
    GET_PUBLIC_IP_INFO = 123;
    /// The interfaces of the public addresses.
    GET_IFACES = 124;
    /// An interface lost or found its carrier.
    SET_IFACE_LINK_STATE = 125;
    /// Remember a connection, tell the others later.
    TCP_ADD_DELAYED_UPDATE = 126;
    /// The counters' past.
    GET_STAT_HISTORY = 127;
    /// Read the public addresses' file again.
    RELOAD_PUBLIC_IPS = 134;
    /// Run the event `ipreallocated`.
    IPREALLOCATED = 137;
    /// How far has the daemon come?
    GET_RUNSTATE = 138;
    /// What does the nodes file say now?
    GET_NODES_FILE = 140;
    /// Freeze a database.
    DB_FREEZE = 141;
    /// Undo that.
    DB_THAW = 142;
    /// Begin to change a database.
    DB_TRANSACTION_START = 143;
    /// Make it so.
    DB_TRANSACTION_COMMIT = 144;
    /// Leave it as it was.
    DB_TRANSACTION_CANCEL = 145;
    /// Send a database's records.
    DB_PULL = 146;
    /// Records of a database will follow.
    DB_PUSH_START = 147;
    /// How many came?
    DB_PUSH_CONFIRM = 148;
    /// Opens a replicated database.
    DB_ATTACH_REPLICATED = 150;
    /// Is this a connected client's process, registered for this server id?
    CHECK_PID_SRVID = 151;
    /// This client wants the packets of a tunnel.
    TUNNEL_REGISTER = 152;
    /// No longer.
    TUNNEL_DEREGISTER = 153;
    /// The same bytes back.
    ECHO_DATA = 156;
    /// The administrator disables the node.
    DISABLE_NODE = 157;
    /// Undo that.
    ENABLE_NODE = 158;
    /// A client lost its connection (4.24).
    TCP_CLIENT_DISCONNECTED = 159;
    /// A client passed its connection on (4.24).
    TCP_CLIENT_PASSED = 160;
    /// Run the event `startipreallocate` (4.24).
    START_IPREALLOCATE = 161;
}}
