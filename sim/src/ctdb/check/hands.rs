//! What operators have told daemons: what follows from it is nobody's fault.

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::types::Pnn;
use standin_core::ctdb::wire::{Body, MessageData, RequestData};
use standin_core::time::Duration;

use super::asks::packets;
use crate::world::World;
use crate::world::moment::{HostId, Moment};
use crate::world::puppet::PuppetId;

/// How long what an operator said may be on its way to a daemon that is slow, and have effects
/// there: he puts takeover runs off for 20 s.
const AFTERMATH: Duration = Duration::from_secs(150);

/// What operators have said.
#[derive(Debug, Default)]
pub(super) struct Hands {
    seen: u32,
    /// Bans and their ends: on which host, of whom, for how many seconds.
    pub(super) bans: Vec<(HostId, Pnn, u32)>,
    /// When somebody last moved addresses by hand, changed a list of them, or the runs that
    /// move them.
    addresses: Option<Moment>,
    /// Somebody took an address off a list. One that is held then is offered no more, which only
    /// its node knows.
    pub(super) lists: bool,
}

impl Hands {
    /// Looks at what was said since the last time.
    pub(super) fn watch(&mut self, world: &World<Ctdb>) {
        while self.seen < world.puppet_count() {
            let puppet = world.puppet(PuppetId(self.seen));
            self.seen += 1;
            for packet in packets(&puppet.says) {
                match &packet.body {
                    Body::ControlRequest(request) => match request.decode_data() {
                        Ok(RequestData::SetBanState(ban)) => {
                            self.bans.push((puppet.host, ban.pnn, ban.seconds));
                        }
                        Ok(RequestData::DelPublicIp(_) | RequestData::ReloadPublicIps) => {
                            self.lists = true;
                            self.addresses = Some(puppet.born);
                        }
                        Ok(
                            RequestData::TakeoverIp(_)
                            | RequestData::ReleaseIp(_)
                            | RequestData::AddPublicIp(_)
                            | RequestData::SetIfaceLinkState(_)
                            | RequestData::SetTunable(_),
                        ) => self.addresses = Some(puppet.born),
                        _ => {}
                    },
                    Body::Message(message) => {
                        if let Ok(
                            MessageData::DisableIpCheck(_)
                            | MessageData::DisableTakeoverRuns(_)
                            | MessageData::RebalanceNode(_),
                        ) = message.decode_data()
                        {
                            self.addresses = Some(puppet.born);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether operators have left addresses alone for long enough.
    pub(super) fn off_addresses(&self, now: Moment) -> bool {
        self.addresses.is_none_or(|at| now.since(at) > AFTERMATH)
    }
}
