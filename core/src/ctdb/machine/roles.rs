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
use super::super::state::Node;
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
    /// We led, and do not for as long as one of the following takes part.
    left: bool,
    /// They keep databases, which we do not recover.
    keepers: BTreeSet<Pnn>,
    /// They may lead, and a database is too large for us.
    others: BTreeSet<Pnn>,
    /// Who has said what it has.
    answered: BTreeSet<Pnn>,
}

impl Roles {
    fn forget_leaving(&mut self) {
        self.left = false;
        self.keepers.clear();
        self.others.clear();
    }
}

impl Ctdb {
    /// SET_LMASTERROLE, SET_RECMASTERROLE.
    pub(super) fn set_role(&mut self, role: Capabilities, on: bool) -> Answer {
        let cannot = self.config.databases == Databases::Recovers || self.roles.volatile;
        if role == Capabilities::LMASTER && on && cannot {
            return Answer::REFUSED;
        }
        if role == Capabilities::LEADER {
            self.roles.forget_leaving();
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
        if self.leave_leading() {
            self.roles.keepers.extend(keepers);
        }
    }

    /// We lead, and a database is more than we may hold: somebody else has to, if there is anybody.
    pub(super) fn leave_leading_to_others(&mut self) -> bool {
        let others: Vec<_> = self.connected().filter(|&pnn| self.could_lead(pnn)).collect();
        if !others.is_empty() && self.leave_leading() {
            self.roles.others.extend(&others);
        }
        !others.is_empty()
    }

    fn leave_leading(&mut self) -> bool {
        let led = self.config.capabilities.contains(Capabilities::LEADER);
        self.config.capabilities.remove(Capabilities::LEADER);
        self.roles.left |= led;
        led
    }

    /// Whether another node takes part, in our eyes.
    fn takes_part(&self, pnn: Pnn) -> bool {
        let well = |node: &Node| node.is_connected() && !node.flags.is_inactive();
        !self.state.is_me(pnn) && self.state.node(pnn).is_some_and(well)
    }

    fn could_lead(&self, pnn: Pnn) -> bool {
        let leads = |node: &Node| node.capabilities.contains(Capabilities::LEADER);
        self.takes_part(pnn) && self.state.node(pnn).is_some_and(leads)
    }

    /// Where nobody takes part any more for whom we left leading, we may lead again.
    pub(super) fn lead_again_if_alone(&mut self, out: Out<'_>) {
        if !self.roles.left
            || self.roles.keepers.iter().any(|&pnn| self.takes_part(pnn))
            || self.roles.others.iter().any(|&pnn| self.could_lead(pnn))
        {
            return;
        }
        self.roles.forget_leaving();
        self.config.capabilities.insert(Capabilities::LEADER);
        out.notice(Notice::MayLeadAgain);
    }

    /// A node died. What it keeps when it comes back, a recovery will tell.
    pub(super) fn keeper_lost(&mut self, pnn: Pnn) {
        self.roles.keepers.remove(&pnn);
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
