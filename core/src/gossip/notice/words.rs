//! What of a notice goes into the hash of a trace: fixed-width numbers.

use core::net::{IpAddr, SocketAddr};

use super::super::config::Role;
use super::super::types::NodeId;
use super::{Notice, Oddity, StartRefusal, Was};

impl Notice {
    pub(super) fn put_words(&self, put: &mut dyn FnMut(u64)) {
        let mut all = |words: &[u64]| words.iter().for_each(|&word| put(word));
        match self {
            Self::Listening { id, address } | Self::Met { id, address } => {
                all(&[id.word(), address_word(*address)]);
            }
            Self::StartRefused(why) => all(&match why {
                StartRefusal::BadState { line, .. } => [0, (*line).into()],
                StartRefusal::NoState(error) => [1, *error as u64],
                StartRefusal::CannotListen { port, why } => [2, u64::from(*port) << 8 | *why as u64],
                StartRefusal::OtherRole { role, was } => {
                    let slots = match was {
                        Was::Replica => 0,
                        Was::Master { slots } => 1 + u64::from(*slots),
                    };
                    [3, slots << 1 | u64::from(*role == Role::Observer)]
                }
            }),
            Self::Stopping
            | Self::EpochsExhausted
            | Self::ManualExpired
            | Self::SaveRecovered
            | Self::ClientRefused => {}
            Self::AddressLearnt { ip } => all(&[ip_word(*ip)]),
            Self::Handshake { address, ours } => all(&[address_word(*address), u64::from(*ours)]),
            Self::HandshakeExpired { address } => all(&[address_word(*address)]),
            Self::Heard { id, of } => all(&[id.word(), of.word()]),
            Self::Forgotten { id, cause } => all(&[id.word(), *cause as u64]),
            Self::Connected { id } | Self::PfailCleared { id } | Self::FailCleared { id } => {
                all(&[id.word()]);
            }
            Self::Disconnected { id, why } => all(&[id.word(), why.map_or(u64::MAX, |why| why as u64)]),
            Self::AddressChanged { id, ip, bus_port } => all(&[id.word(), ip_word(*ip), (*bus_port).into()]),
            Self::WrongNode { expected, answered } => all(&[expected.word(), answered.word()]),
            Self::Pfail { id, silent } => all(&[id.word(), silent.0]),
            Self::Fail { id, reports, quorum, told_by } => {
                all(&[id.word(), (*reports).into(), (*quorum).into(), id_word(*told_by)]);
            }
            Self::RoleChanged { id, master } => all(&[id.word(), id_word(*master)]),
            Self::EpochLearnt { epoch, of } => all(&[epoch.0, of.word()]),
            Self::EpochTaken { epoch, cause } => all(&[epoch.0, *cause as u64]),
            Self::SlotsMoved { to, count, epoch } => all(&[to.word(), (*count).into(), epoch.0]),
            Self::SlotsEdited { assigned, freed } => all(&[(*assigned).into(), (*freed).into()]),
            Self::SlotsDirty { count } => all(&[(*count).into()]),
            Self::StaleClaim { by, owner } => all(&[by.word(), owner.word()]),
            Self::StateChanged { state } => all(&[*state as u64]),
            Self::ElectionPlanned { after, rank, manual } => {
                all(&[after.0, (*rank).into(), u64::from(*manual)]);
            }
            Self::ElectionStarted { epoch, needed } => all(&[epoch.0, (*needed).into()]),
            Self::VoteReceived { of, votes, needed } => {
                all(&[of.word(), (*votes).into(), (*needed).into()]);
            }
            Self::ElectionExpired { epoch, votes, needed } => {
                all(&[epoch.0, (*votes).into(), (*needed).into()]);
            }
            Self::ElectionBarred { why } => all(&[*why as u64]),
            Self::VoteGranted { to, epoch } => all(&[to.word(), epoch.0]),
            Self::VoteRefused { to, why } => all(&[to.word(), *why as u64]),
            Self::Promoted { epoch, votes } => all(&[epoch.0, (*votes).into()]),
            Self::Follows { master, cause } => all(&[master.word(), *cause as u64]),
            Self::VoteLost { to } => all(&[to.word()]),
            Self::ManualStarted { how } => all(&[*how as u64]),
            Self::ManualPaused { replica } => all(&[replica.word()]),
            Self::SaveFailed { error } => all(&[*error as u64]),
            Self::FrameRefused { from, error: _ } => all(&[from.map_or(0, ip_word)]),
            Self::PacketRefused { of, why } => all(&[id_word(*of), why.word()]),
            Self::TableFull { nodes } => all(&[(*nodes).into()]),
            Self::Replicating { master, offset } => all(&[master.word(), *offset]),
            Self::ReplicationLost { master } => all(&[master.word()]),
            Self::Reset { hard } => all(&[u64::from(*hard)]),
            Self::Woke { slept } => all(&[slept.0]),
        }
    }
}

impl Oddity {
    const fn word(self) -> u64 {
        match self {
            Self::Version => 0,
            Self::Length => 1,
            Self::Extension => 2,
            Self::FromMyself => 3,
            Self::OwnMaster => 4,
            Self::Type(number) => 0x100 | number as u64,
        }
    }
}

fn id_word(id: Option<NodeId>) -> u64 {
    id.map_or(0, |id| id.word())
}

fn ip_word(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            (bits >> 64) as u64 ^ (bits as u64).rotate_left(1)
        }
    }
}

fn address_word(address: SocketAddr) -> u64 {
    ip_word(address.ip()) << 16 ^ u64::from(address.port())
}
