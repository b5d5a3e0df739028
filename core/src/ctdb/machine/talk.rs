//! Speaking: questions to nodes, messages to nodes, clients and ourselves; and hearing messages.

use alloc::vec::Vec;

use super::super::cx::{Cx, Wake, cx};
use super::super::mail::{Heard, Letter};
use super::super::notice::{Credit, Notice};
use super::super::requests::{Asker, Task, Ticket};
use super::super::types::{ClientId, ControlFlags, NodeFlags, Pnn, RequestId, RunState, SrvId};
use super::super::wire::{self, Asked, Disable, MessageData, RequestData, SrvIdMessage};
use super::round::Stage;
use super::{Ctdb, Out};
use crate::time::{Duration, Instant};

impl Ctdb {
    /// A number for a new gathering.
    pub(super) fn gathering(&mut self, task: Task) -> Ticket {
        self.serial = self.serial.wrapping_add(1);
        Ticket { task, serial: self.serial, part: 0 }
    }

    /// Asks a node, ourselves included; the answer, or that there is none, comes with the ticket.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        out: Out<'_>,
        to: Pnn,
        data: &RequestData,
        ticket: Ticket,
        patience: Duration,
    ) {
        self.ask_flagged(now, out, to, data, ControlFlags::empty(), ticket, patience);
    }

    #[expect(clippy::too_many_arguments, reason = "a question is what it is")]
    pub(super) fn ask_flagged(
        &mut self,
        now: Instant,
        out: Out<'_>,
        to: Pnn,
        data: &RequestData,
        flags: ControlFlags,
        ticket: Ticket,
        patience: Duration,
    ) {
        if self.state.is_me(to) {
            return self.mail.push_back(Letter::Control(ticket, flags, data.clone()));
        }
        if !self.is_connected(to) || !self.requests.has_room() {
            return self.mail.push_back(Letter::Answer(ticket, to, Heard::NOTHING));
        }
        let reqid = if flags.contains(ControlFlags::NOREPLY) {
            RequestId(0)
        } else {
            self.requests.ask(&mut cx!(self, now, out), to, data.opcode(), Asker::Own(ticket), patience)
        };
        // Without a link to write on it is lost, and found out in time.
        let Some(link) = self.links.outgoing(to) else { return };
        let mut bytes = out.buffer();
        let asked = Asked { srvid: SrvId(0), client: ClientId(0), flags };
        wire::encode_request(&self.header(to, reqid), asked, data, &mut bytes);
        self.send_node(out, link, bytes);
    }

    /// Sends a message: to a node, ourselves, or many.
    pub(super) fn tell(&mut self, out: Out<'_>, to: Pnn, data: &MessageData) {
        if !to.is_broadcast() {
            return self.tell_one(out, to, data);
        }
        for pnn in self.state.all() {
            if self.state.node(pnn).is_some_and(|node| is_meant(node.flags, to)) {
                self.tell_one(out, pnn, data);
            }
        }
    }

    fn tell_one(&mut self, out: Out<'_>, to: Pnn, data: &MessageData) {
        if self.state.is_me(to) {
            return self.mail.push_back(Letter::Message(data.clone()));
        }
        let Some(link) = self.links.outgoing(to) else { return };
        let mut bytes = out.buffer();
        wire::encode_message(&self.header(to, RequestId(0)), data, &mut bytes);
        self.send_node(out, link, bytes);
    }

    /// Answers somebody who gave a node and a server id to answer to.
    pub(super) fn answer_to(&mut self, out: Out<'_>, to: SrvIdMessage, answer: wire::Answer) {
        let data = answer.0.to_le_bytes().to_vec();
        self.tell(out, to.pnn, &MessageData::Raw { srvid: to.srvid, data });
    }

    /// Reads what we have said to ourselves, and what follows from it.
    pub(super) fn read_mail(&mut self, now: Instant, out: Out<'_>) {
        while let Some(letter) = self.mail.pop_front() {
            if self.over {
                return self.mail.clear();
            }
            match letter {
                Letter::Control(ticket, flags, data) => {
                    self.asked(now, out, Asker::Own(ticket), flags, &data);
                }
                Letter::Answer(ticket, from, heard) => self.own_answer(now, out, from, ticket, heard),
                Letter::Message(data) => self.message_heard(now, out, &data),
            }
        }
    }

    /// The answer to a question of ours.
    pub(super) fn own_answer(&mut self, now: Instant, out: Out<'_>, from: Pnn, ticket: Ticket, heard: Heard) {
        match ticket.task {
            Task::Round => self.round_answer(now, out, from, ticket, heard),
            Task::Election => self.election_answer(now, out, from, ticket, &heard),
            Task::Health => self.health_answer(now, out, &heard),
            Task::Databases => self.databases_heard(out, from, &heard),
            Task::LockName => self.lock_name_answer(now, out, ticket, &heard),
            Task::Nobody => {}
        }
    }

    /// A message: ours to act upon if it is the cluster's, and whoever listens here gets it too.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not the cluster's is the clients'")]
    pub(super) fn message_heard(&mut self, now: Instant, out: Out<'_>, data: &MessageData) {
        // Before `setup` and after the last word nobody is there to read them.
        let reading = (RunState::FirstRecovery..=RunState::Running).contains(&self.state.runstate);
        match data {
            _ if !reading => {}
            MessageData::Leader(pnn) => self.leader_heard(now, out, *pnn),
            MessageData::Election(election) => self.election_heard(now, out, election),
            MessageData::TakeoverRun(asked) => self.takeover_wanted(now, out, *asked),
            MessageData::RebalanceNode(pnn) if self.is_leader() && self.state.node(*pnn).is_some() => {
                self.rounds.forced.insert(*pnn);
            }
            MessageData::DisableTakeoverRuns(disable) => {
                let busy = matches!(self.rounds.stage, Stage::Takeover(_));
                // The leader's own protection of every run is no news.
                let told = disable.answer_to.srvid != SrvId(0) || disable.answer_to.pnn != Pnn::UNKNOWN;
                self.switch(now, out, Wake::TakeoverRunsOn, *disable, busy, told);
            }
            MessageData::DisableRecoveries(disable) => {
                let busy = matches!(self.rounds.stage, Stage::Recovery(_));
                self.switch(now, out, Wake::RecoveriesOn, *disable, busy, true);
            }
            MessageData::DisableIpCheck(seconds) => {
                let nobody = SrvIdMessage { pnn: Pnn::UNKNOWN, srvid: SrvId(0) };
                let disable = Disable { answer_to: nobody, seconds: seconds.0 };
                let busy = matches!(self.rounds.stage, Stage::Takeover(_));
                self.switch(now, out, Wake::TakeoverRunsOn, disable, busy, true);
            }
            MessageData::Banning(pnn) => {
                let count = self.state.nodes.len() as u32;
                self.credit(now, out, *pnn, count, Credit::Takeover);
            }
            MessageData::MemDump(asked) => self.memory_wanted(out, *asked),
            MessageData::Records { srvid, records } => {
                self.databases.records(*srvid, records.records.len() as u32);
                self.store.records(*srvid, records);
                self.records_heard(*srvid, records);
            }
            _ => {}
        }
        self.tell_clients(out, data);
    }

    /// Takeover runs or recoveries are off for a while, or on again.
    fn switch(&mut self, now: Instant, out: Out<'_>, what: Wake, disable: Disable, busy: bool, told: bool) {
        let Disable { answer_to, seconds } = disable;
        let answer = if busy && seconds > 0 {
            wire::Answer::IN_PROGRESS
        } else {
            if seconds == 0 {
                self.timers.cancel(what);
            } else {
                self.timers.set(what, now + Duration::from_secs(seconds.into()));
            }
            if told {
                out.notice(if what == Wake::TakeoverRunsOn {
                    Notice::TakeoverRunsDisabled { seconds }
                } else {
                    Notice::RecoveriesDisabled { seconds }
                });
            }
            wire::Answer(self.state.own().0 as i32)
        };
        if answer_to.srvid != SrvId(0) {
            self.answer_to(out, answer_to, answer);
        }
    }

    /// Passes a message on to the clients that listen for it.
    fn tell_clients(&mut self, out: Out<'_>, data: &MessageData) {
        let wanting: Vec<_> = self.subscribers.wants(data.srvid()).collect();
        for link in wanting {
            let mut bytes = out.buffer();
            let header = self.header(Pnn(0), RequestId(0));
            wire::encode_message(&header, data, &mut bytes);
            self.send_client(out, link, bytes);
        }
    }
}

/// Whether a broadcast is for a node with these flags.
pub(super) const fn is_meant(flags: NodeFlags, to: Pnn) -> bool {
    match to {
        Pnn::BROADCAST_ACTIVE => !flags.is_inactive(),
        Pnn::BROADCAST_CONNECTED => !flags.intersects(NodeFlags::DELETED.union(NodeFlags::DISCONNECTED)),
        _ => !flags.contains(NodeFlags::DELETED),
    }
}
