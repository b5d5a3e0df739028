//! What of a notice goes into the hash of a trace: fixed-width numbers.

use core::net::IpAddr;

use super::super::files::nodes::Refusal;
use super::super::types::Pnn;
use super::{BanCause, Cause, Notice, Oddity, StartRefusal, Stop, Trigger};
use crate::bytes::DecodeError;
use crate::host::ScriptEnd;

impl Notice {
    pub(super) fn put_words(&self, put: &mut dyn FnMut(u64)) {
        let mut all = |words: &[u64]| words.iter().for_each(|&word| put(word));
        match self {
            Self::Listening { pnn, address } => all(&[pnn.0.into(), address_word(*address)]),
            Self::StartRefused(refusal) => all(&refusal.words()),
            Self::NodeConnected { pnn } | Self::DuplicateRefused { pnn } => all(&[pnn.0.into()]),
            Self::FrameRefused { pnn, error } => all(&[pnn.0.into(), error_word(*error)]),
            Self::NodeDead { pnn, cause } => all(&[pnn.0.into(), cause.word()]),
            Self::KeepaliveMissed { pnn, missed, .. } => all(&[pnn.0.into(), (*missed).into()]),
            Self::DialFailed { pnn, why } => all(&[pnn.0.into(), *why as u64]),
            Self::StrangerRefused { from } => all(&[address_word(*from)]),
            Self::PacketRefused { pnn, why } => all(&[pnn.0.into(), why.word()]),
            Self::VersionClash { pnn, version, uptime } => {
                all(&[pnn.0.into(), (*version).into(), (*uptime).into()]);
            }
            Self::Stopping(stop) => all(&[stop.word()]),
            Self::FlagsChanged { pnn, from, to, cause: _ } => {
                all(&[pnn.0.into(), from.bits().into(), to.bits().into()]);
            }
            Self::NodesReloaded { count, added, deleted, undeleted, changed, removed } => {
                let numbers = [count, added, deleted, undeleted, changed, removed];
                all(&numbers.map(|&number| number.into()));
            }
            Self::ReloadRefused(refusal) => {
                let kind = match refusal {
                    Refusal::Missing { .. } => 0,
                    Refusal::AddressChanged { .. } => 1,
                    Refusal::DeletedButConnected { .. } => 2,
                };
                all(&[refusal.pnn().into(), kind]);
            }
            Self::ReloadFailed(file) | Self::AddressesRefused(file) | Self::TunablesRefused(file) => {
                all(&[file.problems().into()]);
            }
            Self::RequestFailed { pnn, opcode, why } => all(&[pnn.0.into(), opcode.0.into(), *why as u64]),
            Self::Woke { slept } => all(&[slept.0]),
            Self::ClientRefused { error } => all(&[error_word(*error)]),
            Self::RunStateReached { to } => all(&[*to as u64]),
            Self::ScriptFailed { event, script, end } => {
                all(&[text_word(event), text_word(script), end_word(*end)]);
            }
            Self::ScriptHung { event, script, limit } => {
                all(&[text_word(event), text_word(script), limit.0]);
            }
            Self::LeaderMissed { last } => all(&[node_word(*last)]),
            Self::ElectionStarted | Self::LockTaken | Self::LockLost | Self::LockReleased => {}
            Self::TakeoverStarted | Self::Unbanned | Self::MayLeadAgain => {}
            Self::LeaderChanged { from, to } => all(&[node_word(*from), node_word(*to)]),
            Self::LockDenied(why) => all(&[*why as u64]),
            Self::RecoveryModeChanged { to } => all(&[*to as u64]),
            Self::RecoveryStarted(trigger) => all(&trigger.words()),
            Self::RecoveryFinished { generation, nodes } => all(&[generation.0.into(), (*nodes).into()]),
            Self::RecoveryFailed { step, pnn } => all(&[*step as u64, node_word(*pnn)]),
            Self::VnnMapSet { generation, size } => all(&[generation.0.into(), (*size).into()]),
            Self::AddressWrong { address, fault } => all(&[address_word(*address), *fault as u64]),
            Self::InterfacesChanged { up, down } => all(&[(*up).into(), (*down).into()]),
            Self::TakeoverRequested { by } => all(&[by.0.into()]),
            Self::AddressPlanned { address, from, to } => {
                all(&[address_word(*address), node_word(*from), node_word(*to)]);
            }
            Self::TakeoverFinished { moved, unassigned } => all(&[(*moved).into(), (*unassigned).into()]),
            Self::DatabaseRecovered { id, name: _, records, messages } => {
                all(&[id.0.into(), (*records).into(), (*messages).into()]);
            }
            Self::DatabaseFailed { id, step, pnn } => all(&[id.0.into(), *step as u64, pnn.0.into()]),
            Self::NoLocationMaster { id } => all(&[id.0.into()]),
            Self::DatabaseTooLarge { id, record, bytes_max, another } => {
                all(&[id.0.into(), *bytes_max, u64::from(*another) | u64::from(*record) << 1]);
            }
            Self::TakeoverFailed { step, pnn } => all(&[*step as u64, node_word(*pnn)]),
            Self::ReleaseRedundant { address, holder } | Self::Released { address, holder } => {
                all(&[address_word(*address), node_word(*holder)]);
            }
            Self::Releasing { address }
            | Self::ReleaseFailed { address }
            | Self::TakeRedundant { address }
            | Self::Announcing { address } => all(&[address_word(*address)]),
            Self::Taking { address, interface } | Self::Taken { address, interface } => {
                all(&[address_word(*address), text_word(interface)]);
            }
            Self::Updating { address, from, to } => {
                let from = from.as_deref().map_or(0, text_word);
                all(&[address_word(*address), from, text_word(to)]);
            }
            Self::Updated { address, to } => all(&[address_word(*address), text_word(to)]),
            Self::TakeFailed { address, status } => all(&[address_word(*address), *status as u32 as u64]),
            Self::AddressConflict { address, holder } => all(&[address_word(*address), holder.0.into()]),
            Self::DroppingAll { cause, held } => all(&[*cause as u64, (*held).into()]),
            Self::Credited { pnn, count, credit } => {
                all(&[pnn.0.into(), (*count).into(), *credit as u64]);
            }
            Self::Banned { seconds, cause } => all(&[(*seconds).into(), cause.word()]),
            Self::TakeoverRunsDisabled { seconds } | Self::RecoveriesDisabled { seconds } => {
                all(&[(*seconds).into()]);
            }
            Self::AddressesReloaded { added, removed } => all(&[(*added).into(), (*removed).into()]),
            Self::TunableSet { name, from, to } => all(&[text_word(name), (*from).into(), (*to).into()]),
        }
    }
}

fn node_word(pnn: Option<Pnn>) -> u64 {
    pnn.map_or(u64::MAX, |pnn| pnn.0.into())
}

/// FNV-1a.
fn text_word(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn end_word(end: ScriptEnd) -> u64 {
    match end {
        ScriptEnd::Ok => 0,
        ScriptEnd::Failed(status) => 0x100 | u64::from(status),
        ScriptEnd::TimedOut => 1,
        ScriptEnd::NotStarted => 2,
    }
}

impl Trigger {
    fn words(self) -> [u64; 3] {
        match self {
            Self::Unfinished => [0, 0, 0],
            Self::InRecovery(pnn) => [1, pnn.0.into(), 0],
            Self::NoLock => [2, 0, 0],
            Self::OtherNodes(pnn) => [3, pnn.0.into(), 0],
            Self::MapSize { map, masters } => [4, map.into(), masters.into()],
            Self::NotInMap(pnn) => [5, pnn.0.into(), 0],
            Self::OtherMap(pnn) => [6, pnn.0.into(), 0],
        }
    }
}

fn error_word(error: DecodeError) -> u64 {
    match error {
        DecodeError::Short { wanted, left } => 0x1_0000_0000 | (wanted as u64) << 8 | left as u64 & 0xff,
        DecodeError::Trailing { left } => 0x2_0000_0000 | left as u64,
        DecodeError::BadValue { value, .. } => 0x3_0000_0000 ^ value,
        DecodeError::TooLong { length, .. } => 0x4_0000_0000 ^ length,
        DecodeError::BadText { .. } => 0x5_0000_0000,
    }
}

fn address_word(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64 ^ u128::from(address) as u64,
    }
}

impl Cause {
    pub(super) fn word(self) -> u64 {
        match self {
            Self::Silence => 0,
            Self::WroteOnOurLink => 1,
            Self::BadFrame => 2,
            Self::LinkOut(why) => 0x100 | why as u64,
            Self::LinkIn(why) => 0x200 | why as u64,
        }
    }
}

impl Stop {
    fn word(self) -> u64 {
        match self {
            Self::Ordered => 0,
            Self::Asked(_) => 1,
            Self::Version => 2,
            Self::NodesFile => 3,
            Self::OtherLock => 4,
        }
    }
}

impl BanCause {
    fn word(self) -> u64 {
        match self {
            Self::Told(_) => 0,
            Self::Conflict => 1,
            Self::ElectionLock => 2,
            Self::RecoveryLock => 3,
        }
    }
}

impl StartRefusal {
    pub(super) fn words(self) -> [u64; 3] {
        match self {
            Self::NoNodesFile => [0, 0, 0],
            Self::BadNodesFile { problems, line } => [1, problems.into(), line.into()],
            Self::NotANode { address } => [2, address_word(address), 0],
            Self::CannotListen { address, why } => [3, address_word(address), why as u64],
            Self::NoOwnAddress => [4, 0, 0],
            Self::NoAddressesFile => [5, 0, 0],
            Self::BadAddressesFile { problems, line } => [6, problems.into(), line.into()],
            Self::NoInterface { address } => [7, address_word(address), 0],
            Self::Event { name } => [8, text_word(name), 0],
        }
    }
}

impl Oddity {
    pub(super) fn word(self) -> u64 {
        match self {
            Self::Liar { claims } => 0x1_0000_0000 | u64::from(claims.0),
            Self::Payload { opcode } => 0x2_0000_0000 | u64::from(opcode.0),
            Self::Unasked => 0,
            Self::Message { srvid } => srvid.0,
        }
    }
}
