//! From "it does not answer me" to "it failed", and back.

use super::super::notice::Notice;
use super::super::plant::Plant;
use super::super::table::{Ix, When};
use super::super::types::NodeFlags;
use super::{Gossip, Out, Todo};
use crate::time::Instant;

impl Gossip {
    /// Forgets reports older than two node timeouts; how many are left.
    pub(super) fn reports(&mut self, now: Instant, about: Ix) -> u32 {
        let age = self.config.node_timeout.times(2);
        let ageless = self.config.plants.has(Plant::ReportsNeverExpire);
        let mut node = self.table.get_mut(about);
        node.keep_reports(|_, at| ageless || now.since(at) <= age);
        node.reports().len() as u32
    }

    /// PFAIL becomes FAIL once a majority of the owners of slots would agree.
    pub(super) fn fail_if_agreed(&mut self, now: Instant, out: Out<'_>, at: Ix) {
        let flags = self.table.get(at).flags;
        if !flags.contains(NodeFlags::PFAIL) || flags.contains(NodeFlags::FAIL) {
            return;
        }
        let plant = self.config.plants.has(Plant::PfailCountedAsFail);
        let reports = self.reports(now, at) + u32::from(self.reports_failures());
        let known = self.standing.quorum();
        let quorum = match plant {
            true => 1,
            false if reports < known => known,
            // The whole table is counted only if that may matter.
            false => self.quorum(),
        };
        if reports < quorum {
            return;
        }
        self.set_fail(now, at);
        let id = self.table.get(at).id;
        out.notice(Notice::Fail { id, reports, quorum, told_by: None });
        self.broadcast_fail(id);
    }

    /// Whether what we cannot reach counts: we are a master, and no observer.
    fn reports_failures(&self) -> bool {
        self.table.me().is_master() && self.config.role != super::super::config::Role::Observer
    }

    pub(super) fn set_fail(&mut self, now: Instant, at: Ix) {
        let mut node = self.table.get_mut(at);
        node.flags.remove(NodeFlags::PFAIL);
        node.flags.insert(NodeFlags::FAIL);
        node.failed = Some(now);
        self.todo |= Todo::STATE | Todo::SAVE;
    }

    /// A node answered: it is suspected no more, and may be well again.
    pub(super) fn answered(&mut self, now: Instant, out: Out<'_>, at: Ix) {
        let early = self.config.plants.has(Plant::FailClearedEarly);
        let patience = self.config.node_timeout.times(2);
        self.table.answered(at, now);
        let mut node = self.table.get_mut(at);
        node.ping_sent = When::NEVER;
        let id = node.id;
        if node.flags.contains(NodeFlags::PFAIL) {
            node.flags.remove(NodeFlags::PFAIL);
            out.notice(Notice::PfailCleared { id });
            self.todo |= Todo::STATE | Todo::SAVE;
        } else if node.flags.contains(NodeFlags::FAIL) {
            let nobody_replaced_it = node.failed.is_none_or(|failed| now.since(failed) > patience);
            if !node.is_owner() || nobody_replaced_it || early {
                node.flags.remove(NodeFlags::FAIL);
                node.failed = None;
                out.notice(Notice::FailCleared { id });
                self.todo |= Todo::STATE | Todo::SAVE;
            }
        }
    }

    /// Somebody says that a node failed.
    pub(super) fn told_of_failure(&mut self, now: Instant, out: Out<'_>, about: Ix, by: Ix) {
        if about == Ix::ME || self.table.get(about).flags.contains(NodeFlags::FAIL) {
            return;
        }
        self.set_fail(now, about);
        let told_by = Some(self.table.get(by).id);
        let quorum = self.quorum();
        out.notice(Notice::Fail { id: self.table.get(about).id, reports: 0, quorum, told_by });
    }
}
