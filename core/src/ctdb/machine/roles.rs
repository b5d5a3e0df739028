//! What this node may be: as configured and as operators say, less what storage is needed for.
//!
//! A leader recovers databases: where others keep some, one of them has to lead, as long as one is
//! there. A location master says where a record of a volatile database is: without storage we
//! cannot, and whoever asked us would wait for ever. Persistent and replicated databases never ask.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::config::Databases;
use super::super::controls::Answer;
use super::super::mail::Heard;
use super::super::merge::Kind;
use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::requests::Task;
use super::super::types::{Capabilities, DbId, Generation, Pnn};
use super::super::wire::{ReplyData, RequestData};
use super::{Ctdb, Out};
use crate::time::Instant;

/// What is known of the databases that others keep.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Roles {
    /// Somebody has a volatile database.
    volatile: bool,
    /// We led, and do not until all of these are gone: they keep databases.
    keepers: BTreeSet<Pnn>,
    /// Who has said what it has.
    answered: BTreeSet<Pnn>,
}

impl Ctdb {
    /// SET_LMASTERROLE, SET_RECMASTERROLE.
    pub(super) fn set_role(&mut self, role: Capabilities, on: bool) -> Answer {
        let cannot = self.config.databases == Databases::Recovers || self.roles.volatile;
        if role == Capabilities::LMASTER && on && cannot {
            return Answer::REFUSED;
        }
        if role == Capabilities::LEADER {
            self.roles.keepers.clear();
        }
        self.config.capabilities.set(role, on);
        Answer::OK
    }

    /// Before our first recovery, whose leader asks what we may be, we ask everybody for its
    /// databases. `strict` does not: there the first recovery tells.
    pub(super) fn look_for_databases(&mut self, now: Instant, out: Out<'_>) {
        let matters = self.config.fixes.ask_for_databases
            && self.config.databases == Databases::None
            && self.config.capabilities.contains(Capabilities::LMASTER)
            && self.state.generation == Generation::INVALID;
        if !matters {
            return;
        }
        let unknown = |pnn: &Pnn| !self.state.is_me(*pnn) && !self.roles.answered.contains(pnn);
        let unknown: Vec<_> = self.connected().filter(unknown).collect();
        let patience = self.config.tunables.control_timeout();
        for pnn in unknown {
            let ticket = self.gathering(Task::Databases);
            self.ask(now, out, pnn, &RequestData::GetDbMap, ticket, patience);
        }
    }

    /// We lead, and these keep databases: one of them has to.
    pub(super) fn leave_leading_to(&mut self, keepers: &[Pnn]) {
        self.config.capabilities.remove(Capabilities::LEADER);
        self.roles.keepers.extend(keepers);
    }

    /// Where nobody who keeps databases takes part any more, we may lead again.
    pub(super) fn lead_again_if_alone(&mut self, out: Out<'_>) {
        let takes_part = |pnn: &Pnn| {
            self.state.node(*pnn).is_some_and(|node| !node.flags.is_inactive() && node.is_connected())
        };
        if !self.roles.keepers.is_empty() && !self.roles.keepers.iter().any(takes_part) {
            self.roles.keepers.clear();
            self.config.capabilities.insert(Capabilities::LEADER);
            out.notice(Notice::MayLeadAgain);
        }
    }

    /// A node has said which databases it has.
    pub(super) fn databases_heard(&mut self, out: Out<'_>, from: Pnn, heard: &Heard) {
        if let ReplyData::DbMap(map) = &heard.data {
            self.roles.answered.insert(from);
            let volatile = map.databases.iter().find(|entry| Kind::of(entry.flags) == Kind::Volatile);
            if let Some(entry) = volatile {
                self.volatile_met(out, entry.id);
            }
        }
    }

    /// Another node has this volatile database.
    pub(super) fn volatile_met(&mut self, out: Out<'_>, id: DbId) {
        if self.config.databases != Databases::None || self.roles.volatile {
            return;
        }
        self.roles.volatile = true;
        let stays = self.config.plants.has(Plant::StubStaysMaster);
        if self.config.capabilities.contains(Capabilities::LMASTER) && !stays {
            self.config.capabilities.remove(Capabilities::LMASTER);
            out.notice(Notice::NoLocationMaster { id });
        }
    }
}
