//! The tunables by name, in the order of the wire, with their defaults.
//!
//! A tunable is a `u32` with a name. All nodes of a cluster should run with the same values, but
//! nothing enforces it: each node has its own [`Tunables`], read by other nodes with
//! GET_ALL_TUNABLES. Obsolete tunables decide nothing any more; they can still be set and read
//! over the wire, are left out of the list of names and refused in a file.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::text;
use crate::time::Duration;

/// How many tunables there are.
pub const COUNT: usize = 62;

/// What is known of a tunable before anybody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunable {
    /// The name as it is printed; names compare in either case of letters.
    pub name: &'static str,
    /// The value unless it is set.
    pub default: u32,
    /// Whether it is only kept for old tools.
    pub obsolete: bool,
}

/// All tunables, in the order of GET_ALL_TUNABLES.
#[rustfmt::skip]
pub const TUNABLES: [Tunable; COUNT] = [
    obsolete("MaxRedirectCount", 3),
    tunable("SeqnumInterval", 1000),
    tunable("ControlTimeout", 60),
    tunable("TraverseTimeout", 20),
    tunable("KeepaliveInterval", 5),
    tunable("KeepaliveLimit", 5),
    tunable("RecoverTimeout", 30),
    tunable("RecoverInterval", 1),
    tunable("ElectionTimeout", 3),
    tunable("TakeoverTimeout", 9),
    tunable("MonitorInterval", 15),
    tunable("TickleUpdateInterval", 20),
    tunable("EventScriptTimeout", 30),
    tunable("MonitorTimeoutCount", 20),
    obsolete("EventScriptUnhealthyOnTimeout", 0),
    tunable("RecoveryGracePeriod", 120),
    tunable("RecoveryBanPeriod", 300),
    tunable("DatabaseHashSize", 100_001),
    tunable("DatabaseMaxDead", 5),
    tunable("RerecoveryTimeout", 10),
    tunable("EnableBans", 1),
    obsolete("DeterministicIPs", 0),
    obsolete("ReclockPingPeriod", 60),
    tunable("NoIPFailback", 0),
    obsolete("DisableIPFailover", 0),
    tunable("VerboseMemoryNames", 0),
    tunable("RecdPingTimeout", 60),
    tunable("RecdFailCount", 10),
    tunable("LogLatencyMs", 0),
    tunable("RecLockLatencyMs", 1000),
    tunable("RecoveryDropAllIPs", 120),
    obsolete("VerifyRecoveryLock", 1),
    tunable("VacuumInterval", 10),
    tunable("VacuumMaxRunTime", 120),
    tunable("RepackLimit", 10_000),
    obsolete("VacuumLimit", 5000),
    tunable("MaxQueueDropMsg", 1_000_000),
    tunable("AllowUnhealthyDBRead", 0),
    tunable("StatHistoryInterval", 1),
    tunable("DeferredAttachTO", 120),
    tunable("VacuumFastPathCount", 60),
    obsolete("LCP2PublicIPs", 1),
    tunable("AllowClientDBAttach", 1),
    obsolete("RecoverPDBBySeqNum", 1),
    obsolete("DeferredRebalanceOnNodeAdd", 300),
    tunable("FetchCollapse", 1),
    tunable("HopcountMakeSticky", 50),
    tunable("StickyDuration", 600),
    tunable("StickyPindown", 200),
    tunable("NoIPTakeover", 0),
    tunable("DBRecordCountWarn", 100_000),
    tunable("DBRecordSizeWarn", 10_000_000),
    tunable("DBSizeWarn", 100_000_000),
    tunable("PullDBPreallocation", 10_485_760),
    obsolete("NoIPHostOnAllDisabled", 1),
    obsolete("Samba3AvoidDeadlocks", 0),
    obsolete("TDBMutexEnabled", 1),
    tunable("LockProcessesPerDB", 200),
    tunable("RecBufferSizeLimit", 1_000_000),
    tunable("QueueBufferSize", 1024),
    tunable("IPAllocAlgorithm", 2),
    tunable("AllowMixedVersions", 0),
];

const fn tunable(name: &'static str, default: u32) -> Tunable {
    Tunable { name, default, obsolete: false }
}

const fn obsolete(name: &'static str, default: u32) -> Tunable {
    Tunable { name, default, obsolete: true }
}

/// The place of a tunable in the order of the wire, in either case of letters.
#[must_use]
pub fn position(name: &str) -> Option<usize> {
    TUNABLES.iter().position(|tunable| tunable.name.eq_ignore_ascii_case(name))
}

/// The tunable in use that `name` was probably meant to be.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    text::nearest(name, TUNABLES.iter().filter(|tunable| !tunable.obsolete).map(|tunable| tunable.name))
}

/// What LIST_TUNABLES answers: each name in use behind a colon. (On the wire a NUL follows.)
///
/// The order is that of the wire with one exception the old tool's users may have learned:
/// VacuumFastPathCount stands directly behind RepackLimit.
#[must_use]
pub fn list_text() -> String {
    let moved = const { place("VacuumFastPathCount") };
    let behind = const { place("RepackLimit") };
    let mut list = String::new();
    let mut name = |at: usize| {
        list.push(':');
        list.push_str(TUNABLES[at].name);
    };
    for at in (0..COUNT).filter(|&at| !TUNABLES[at].obsolete && at != moved) {
        name(at);
        if at == behind {
            name(moved);
        }
    }
    list
}

/// What setting a tunable did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOutcome {
    /// It has the new value.
    Set,
    /// It has the new value, and nobody asks for it any more.
    Obsolete,
}

/// There is no tunable of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no tunable of that name")
    }
}

impl core::error::Error for Unknown {}

/// One node's values of all tunables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Vec<u32>", try_from = "Vec<u32>"))]
pub struct Tunables([u32; COUNT]);

impl Default for Tunables {
    fn default() -> Self {
        Self(TUNABLES.map(|tunable| tunable.default))
    }
}

impl From<[u32; COUNT]> for Tunables {
    fn from(values: [u32; COUNT]) -> Self {
        Self(values)
    }
}

impl From<Tunables> for Vec<u32> {
    fn from(tunables: Tunables) -> Self {
        Self::from(tunables.0)
    }
}

impl TryFrom<Vec<u32>> for Tunables {
    type Error = WrongCount;

    fn try_from(values: Vec<u32>) -> Result<Self, WrongCount> {
        let count = values.len();
        values.try_into().map(Self).map_err(|_| WrongCount(count))
    }
}

/// So many values are not one for each tunable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongCount(pub usize);

impl fmt::Display for WrongCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values for {COUNT} tunables", self.0)
    }
}

impl core::error::Error for WrongCount {}

impl Tunables {
    /// The values in the order of the wire.
    #[must_use]
    pub const fn values(&self) -> &[u32; COUNT] {
        &self.0
    }

    /// The value of the tunable `name`, obsolete or not.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u32> {
        position(name).map(|at| self.0[at])
    }

    /// Sets the tunable `name`. Any value is taken, however unwise.
    ///
    /// # Errors
    /// If there is no tunable of that name.
    pub fn set(&mut self, name: &str, value: u32) -> Result<SetOutcome, Unknown> {
        let at = position(name).ok_or(Unknown)?;
        self.0[at] = value;
        Ok(if TUNABLES[at].obsolete { SetOutcome::Obsolete } else { SetOutcome::Set })
    }

    /// The tunables in use that differ from their defaults, with their values.
    pub fn changed(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        TUNABLES
            .iter()
            .zip(self.0)
            .filter(|&(tunable, value)| !tunable.obsolete && value != tunable.default)
            .map(|(tunable, value)| (tunable.name, value))
    }
}

/// The place of `name`, found by the compiler: a name that is not in [`TUNABLES`] does not
/// compile.
const fn place(name: &str) -> usize {
    let mut at = 0;
    while !same(TUNABLES[at].name.as_bytes(), name.as_bytes()) {
        at += 1;
    }
    assert!(!TUNABLES[at].obsolete, "obsolete tunables decide nothing");
    at
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Values by meaning: one method a tunable, with the unit in its type.
macro_rules! by_meaning {
    ($($(#[$doc:meta])+ $method:ident, $name:literal, $kind:ident;)+) => {
        impl Tunables {
            $($(#[$doc])+
            #[must_use]
            pub const fn $method(&self) -> by_meaning!(@type $kind) {
                let value = self.0[const { place($name) }];
                by_meaning!(@value $kind value)
            })+
        }
    };
    (@type seconds) => { Duration };
    (@type millis) => { Duration };
    (@type flag) => { bool };
    (@type count) => { u32 };
    (@value seconds $value:ident) => { Duration::from_secs($value as u64) };
    (@value millis $value:ident) => { Duration::from_millis($value as u64) };
    (@value flag $value:ident) => { $value != 0 };
    (@value count $value:ident) => { $value };
}

by_meaning! {
    /// How long a control may go unanswered.
    control_timeout, "ControlTimeout", seconds;
    /// How often a link is looked at, and told that this node lives.
    keepalive_interval, "KeepaliveInterval", seconds;
    /// How many intervals of silence are a death.
    keepalive_limit, "KeepaliveLimit", count;
    /// How long a step of a recovery may take.
    recover_timeout, "RecoverTimeout", seconds;
    /// How far apart the recovery daemon's rounds begin at least.
    recover_interval, "RecoverInterval", seconds;
    /// How much time each entry of the statistics' past covers at least; 0 for no past.
    stat_history_interval, "StatHistoryInterval", seconds;
    /// How long an election lasts.
    election_timeout, "ElectionTimeout", seconds;
    /// How long a step of a takeover run may take.
    takeover_timeout, "TakeoverTimeout", seconds;
    /// How far apart monitor events are.
    monitor_interval, "MonitorInterval", seconds;
    /// How often changed lists of connections are sent to the other nodes.
    tickle_update_interval, "TickleUpdateInterval", seconds;
    /// How long an event's scripts may run.
    event_script_timeout, "EventScriptTimeout", seconds;
    /// How many monitor events in a row may time out before the node is unhealthy.
    monitor_timeout_count, "MonitorTimeoutCount", count;
    /// How long a failing node's last failure is held against it.
    recovery_grace_period, "RecoveryGracePeriod", seconds;
    /// How long a ban lasts.
    recovery_ban_period, "RecoveryBanPeriod", seconds;
    /// How far apart recoveries are at least.
    rerecovery_timeout, "RerecoveryTimeout", seconds;
    /// Whether bans have an effect.
    enable_bans, "EnableBans", flag;
    /// Whether addresses stay where they are when a node comes back.
    no_ip_failback, "NoIPFailback", flag;
    /// Whether addresses stay unserved when their node goes.
    no_ip_takeover, "NoIPTakeover", flag;
    /// How long the recovery daemon may keep silent towards the main daemon.
    recd_ping_timeout, "RecdPingTimeout", seconds;
    /// How many such silences are too many.
    recd_fail_count, "RecdFailCount", count;
    /// How slow taking the cluster lock may be before that is reported.
    rec_lock_latency, "RecLockLatencyMs", millis;
    /// How long a node in recovery keeps its addresses.
    recovery_drop_all_ips, "RecoveryDropAllIPs", seconds;
    /// How addresses are distributed: 0 deterministic, 1 not, 2 LCP2.
    ip_alloc_algorithm, "IPAllocAlgorithm", count;
    /// Whether nodes of another version may stay.
    allow_mixed_versions, "AllowMixedVersions", flag;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a 4.17.12 daemon, 819 bytes with the NUL.
    const LISTED: &str = concat!(
        ":SeqnumInterval:ControlTimeout:TraverseTimeout:KeepaliveInterval:KeepaliveLimit",
        ":RecoverTimeout:RecoverInterval:ElectionTimeout:TakeoverTimeout:MonitorInterval",
        ":TickleUpdateInterval:EventScriptTimeout:MonitorTimeoutCount:RecoveryGracePeriod",
        ":RecoveryBanPeriod:DatabaseHashSize:DatabaseMaxDead:RerecoveryTimeout:EnableBans",
        ":NoIPFailback:VerboseMemoryNames:RecdPingTimeout:RecdFailCount:LogLatencyMs",
        ":RecLockLatencyMs:RecoveryDropAllIPs:VacuumInterval:VacuumMaxRunTime:RepackLimit",
        ":VacuumFastPathCount:MaxQueueDropMsg:AllowUnhealthyDBRead:StatHistoryInterval",
        ":DeferredAttachTO:AllowClientDBAttach:FetchCollapse:HopcountMakeSticky:StickyDuration",
        ":StickyPindown:NoIPTakeover:DBRecordCountWarn:DBRecordSizeWarn:DBSizeWarn",
        ":PullDBPreallocation:LockProcessesPerDB:RecBufferSizeLimit:QueueBufferSize",
        ":IPAllocAlgorithm:AllowMixedVersions",
    );

    /// The values of a 4.17.12 daemon's GET_ALL_TUNABLES, nothing set.
    #[rustfmt::skip]
    const RECORDED: [u32; COUNT] = [
        3, 1000, 60, 20, 5, 5, 30, 1, 3, 9, 15, 20, 30, 20, 0, 120, 300, 100_001, 5, 10, 1,
        0, 60, 0, 0, 0, 60, 10, 0, 1000, 120, 1, 10, 120, 10_000, 5000, 1_000_000, 0, 1, 120, 60, 1,
        1, 1, 300, 1, 50, 600, 200, 0, 100_000, 10_000_000, 100_000_000, 10_485_760, 1, 0, 1, 200,
        1_000_000, 1024, 2, 0,
    ];

    #[test]
    fn the_list_of_names_is_the_recorded_one() {
        assert_eq!(list_text(), LISTED);
        assert_eq!(list_text().len() + 1, 819);
    }

    #[test]
    fn the_defaults_are_the_recorded_ones() {
        assert_eq!(*Tunables::default().values(), RECORDED);
        assert_eq!(Tunables::default().changed().count(), 0);
        assert_eq!(TUNABLES.iter().filter(|tunable| tunable.obsolete).count(), 13);
    }

    #[test]
    fn names_compare_in_either_case_and_are_all_different() {
        for (at, tunable) in TUNABLES.iter().enumerate() {
            assert_eq!(position(&tunable.name.to_ascii_uppercase()), Some(at));
        }
        assert_eq!(position("KeepaliveInterva"), None);
        assert_eq!(position(""), None);
        assert_eq!(nearest("KeepAliveIntervall"), Some("KeepaliveInterval"));
        assert_eq!(nearest("LCP2PublicIP"), None);
    }

    #[test]
    fn setting_tells_obsolete_from_unknown() {
        let mut tunables = Tunables::default();
        assert_eq!(tunables.set("monitorinterval", 7), Ok(SetOutcome::Set));
        assert_eq!(tunables.set("LCP2PublicIPs", 0), Ok(SetOutcome::Obsolete));
        assert_eq!(tunables.set("Bogus", 1), Err(Unknown));
        assert_eq!(tunables.get("MonitorInterval"), Some(7));
        assert_eq!(tunables.get("LCP2PublicIPs"), Some(0));
        assert_eq!(tunables.get("Bogus"), None);
        assert!(tunables.changed().eq([("MonitorInterval", 7)]));
        assert_eq!(tunables.monitor_interval(), Duration::from_secs(7));
    }

    #[test]
    fn values_by_meaning_have_their_units() {
        let mut tunables = Tunables::default();
        assert_eq!(tunables.keepalive_interval(), Duration::from_secs(5));
        assert_eq!(tunables.keepalive_limit(), 5);
        assert_eq!(tunables.rec_lock_latency(), Duration::from_millis(1000));
        assert!(tunables.enable_bans() && !tunables.no_ip_failback());
        assert_eq!(tunables.set("RecoveryBanPeriod", u32::MAX), Ok(SetOutcome::Set));
        assert_eq!(tunables.recovery_ban_period(), Duration::from_secs(u64::from(u32::MAX)));
    }

    #[test]
    fn only_one_value_for_each_tunable_is_taken() {
        let tunables = Tunables::from(RECORDED);
        let values: Vec<u32> = tunables.clone().into();
        assert_eq!(Tunables::try_from(values.clone()), Ok(tunables));
        assert_eq!(Tunables::try_from(values[1..].to_vec()), Err(WrongCount(61)));
    }
}
