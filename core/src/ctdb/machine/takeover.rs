//! A takeover run, as the leader runs it: collect, release, wait, take, wait, tell everybody.
//!
//! Releases come first and all of them are awaited: no address is taken while somebody may
//! still hold it.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::super::culprits::Blame;
use super::super::cx::Wake;
use super::super::ipalloc::{self, Algorithm, NodeView, Problem};
use super::super::mail::Heard;
use super::super::notice::{Credit, Notice, TakeoverStep};
use super::super::plant::Plant;
use super::super::requests::{Gather, Task, Ticket};
use super::super::types::{ControlFlags, Pnn, SrvId};
use super::super::wire::{
    self, Disable, MessageData, PublicIp, PublicIpList, ReplyData, RequestData, SrvIdMessage, WireAddr,
};
use super::round::Stage;
use super::{Ctdb, Out};
use crate::time::{Duration, Instant};

/// How long the other nodes are kept from runs of their own; ended early when this one is over.
const OTHERS_OFF_SECONDS: u32 = 60;

/// A takeover run under way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Takeover {
    pub(super) gather: Gather,
    step: TakeoverStep,
    then: Then,
    /// By PNN: the addresses each node knows, and those it could host now.
    known: Vec<PublicIpList>,
    available: Vec<Vec<IpAddr>>,
    /// What is to be: each address and its holder.
    plan: Vec<(IpAddr, Option<Pnn>)>,
    /// Changes of holder in the plan.
    moved: u32,
    /// When releases, takes and the end have to be over.
    until: Instant,
    blame: Blame,
    /// Nodes that addresses were to move to when it began.
    forced: BTreeSet<Pnn>,
}

/// What a takeover run is for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Then {
    /// It ends a recovery.
    EndRecovery,
    /// These have asked for it.
    Answer(Vec<SrvIdMessage>),
}

impl Ctdb {
    pub(super) fn begin_takeover(&mut self, now: Instant, out: Out<'_>, then: Then) {
        self.rounds.changed = false;
        if self.timers.at(Wake::TakeoverRunsOn).is_some() {
            out.notice(Notice::TakeoverFailed { step: TakeoverStep::Begin, pnn: None });
            self.rounds.run_failed = true;
            return self.takeover_over(now, out, then, false);
        }
        out.notice(Notice::TakeoverStarted);
        self.rounds.worked = now;
        self.others_off(out, OTHERS_OFF_SECONDS);
        let count = self.state.nodes.len();
        let mut run = Takeover {
            gather: Gather::default(),
            step: TakeoverStep::Known,
            then,
            known: vec![PublicIpList::default(); count],
            available: vec![Vec::new(); count],
            plan: Vec::new(),
            moved: 0,
            until: now + self.takeover_patience().times(3),
            blame: Blame::default(),
            forced: self.rounds.forced.clone(),
        };
        if self.config.failover_disabled {
            self.tell_reallocated(now, out, run);
            return self.next_stage_if_complete(now, out);
        }
        let nodes: Vec<_> = self.connected().collect();
        run.gather = self.ask_each(now, out, &nodes, &RequestData::GetPublicIps, self.takeover_patience());
        self.rounds.stage = Stage::Takeover(Box::new(run));
    }

    fn takeover_patience(&self) -> Duration {
        self.config.tunables.takeover_timeout().max(Duration::from_secs(1))
    }

    /// The other nodes run no takeover for so long, or may again.
    fn others_off(&mut self, out: Out<'_>, seconds: u32) {
        let answer_to = SrvIdMessage { pnn: Pnn::UNKNOWN, srvid: SrvId(0) };
        let disable = MessageData::DisableTakeoverRuns(Disable { answer_to, seconds });
        let me = self.state.own();
        let others: Vec<_> = self.connected().filter(|&pnn| pnn != me).collect();
        for pnn in others {
            self.tell(out, pnn, &disable);
        }
    }

    /// An answer within a run; the gathering has counted it.
    pub(super) fn takeover_heard(&mut self, from: Pnn, ticket: Ticket, heard: Heard, failed: bool) {
        let Stage::Takeover(run) = &mut self.rounds.stage else { return };
        if failed {
            let apart = matches!(run.step, TakeoverStep::Release | TakeoverStep::Take);
            let address = run.plan.get(ticket.part as usize).map(|(address, _)| *address);
            run.blame.failed(from, address.filter(|_| apart));
        }
        let ReplyData::PublicIps(list) = heard.data else { return };
        let place = from.0 as usize;
        match run.step {
            TakeoverStep::Known => {
                if let Some(known) = run.known.get_mut(place) {
                    *known = list;
                }
            }
            TakeoverStep::Available => {
                if let Some(available) = run.available.get_mut(place) {
                    *available = list.ips.iter().map(|ip| ip.address.0.ip()).collect();
                }
            }
            TakeoverStep::Begin | TakeoverStep::Release | TakeoverStep::Take | TakeoverStep::Reallocated => {}
        }
    }

    /// Every answer of a step is in: the next one.
    pub(super) fn takeover_step(&mut self, now: Instant, out: Out<'_>, mut run: Takeover) {
        if run.gather.has_failed() {
            return self.takeover_failed(now, out, run);
        }
        run.blame.step();
        match run.step {
            TakeoverStep::Begin => {}
            TakeoverStep::Known => {
                let asked: Vec<_> = self
                    .active()
                    .filter(|pnn| run.known.get(pnn.0 as usize).is_some_and(|known| !known.ips.is_empty()))
                    .collect();
                let ticket = self.gathering(Task::Round);
                let patience = self.takeover_patience();
                for &pnn in &asked {
                    let flags = ControlFlags::AVAILABLE_ONLY;
                    self.ask_flagged(now, out, pnn, &RequestData::GetPublicIps, flags, ticket, patience);
                }
                run.gather = Gather::new(ticket.serial, asked.len() as u32);
                run.step = TakeoverStep::Available;
                self.rounds.stage = Stage::Takeover(Box::new(run));
            }
            TakeoverStep::Available => {
                run.until = now + self.takeover_patience().times(3);
                let held = run
                    .known
                    .iter()
                    .zip(self.state.all())
                    .any(|(known, pnn)| known.ips.iter().any(|ip| ip.pnn == pnn));
                if !held && run.available.iter().all(Vec::is_empty) {
                    return self.tell_reallocated(now, out, run);
                }
                self.plan(out, &mut run);
                self.release(now, out, run);
            }
            TakeoverStep::Release => self.take(now, out, run),
            TakeoverStep::Take => self.tell_reallocated(now, out, run),
            TakeoverStep::Reallocated => {
                let unassigned = run.plan.iter().filter(|(_, holder)| holder.is_none()).count() as u32;
                out.notice(Notice::TakeoverFinished { moved: run.moved, unassigned });
                if self.rounds.forced == run.forced {
                    self.rounds.forced.clear();
                }
                self.rounds.run_failed = false;
                self.others_off(out, 0);
                self.takeover_over(now, out, run.then, true);
            }
        }
    }

    /// Who shall hold what.
    fn plan(&self, out: Out<'_>, run: &mut Takeover) {
        let tunables = &self.config.tunables;
        let view = |(known, available): (&PublicIpList, &Vec<IpAddr>)| NodeView {
            known: known.ips.iter().map(|ip| (ip.address.0.ip(), ip.pnn.known())).collect(),
            available: available.clone(),
        };
        let problem = Problem {
            algorithm: Algorithm::from_tunable(tunables.ip_alloc_algorithm()),
            no_ip_takeover: tunables.no_ip_takeover(),
            no_ip_failback: tunables.no_ip_failback(),
            forced: run.forced.iter().copied().collect(),
            nodes: run.known.iter().zip(&run.available).map(view).collect(),
        };
        run.plan = ipalloc::allocate(&problem).assignments;
        for &(address, to) in &run.plan {
            let claims = |(known, pnn): (&PublicIpList, Pnn)| {
                known.ips.iter().any(|ip| ip.address.0.ip() == address && ip.pnn == pnn).then_some(pnn)
            };
            let from = run.known.iter().zip(self.state.all()).filter_map(claims).last();
            if from != to {
                run.moved += 1;
                out.notice(Notice::AddressPlanned { address, from, to });
            }
        }
    }

    /// RELEASE_IP of every address to every connected node that knows it and shall not hold it.
    fn release(&mut self, now: Instant, out: Out<'_>, mut run: Takeover) {
        let ticket = self.gathering(Task::Round);
        let nodes: Vec<_> = self.connected().collect();
        let mut asked = 0;
        for (part, &(address, holder)) in run.plan.iter().enumerate() {
            for &pnn in nodes.iter().filter(|&&pnn| Some(pnn) != holder) {
                if !run.known.get(pnn.0 as usize).is_some_and(|known| knows(known, address)) {
                    continue;
                }
                let ip = PublicIp { pnn: holder.unwrap_or(Pnn::UNKNOWN), address: bare(address) };
                let ticket = Ticket { part: part as u32, ..ticket };
                self.ask(now, out, pnn, &RequestData::ReleaseIp(ip), ticket, run.until.since(now));
                asked += 1;
            }
        }
        run.gather = Gather::new(ticket.serial, asked);
        run.step = TakeoverStep::Release;
        if self.config.plants.has(Plant::TakeBeforeReleased) {
            return self.take(now, out, run);
        }
        self.rounds.stage = Stage::Takeover(Box::new(run));
    }

    /// TAKEOVER_IP of every address to its holder, also where nothing changes.
    fn take(&mut self, now: Instant, out: Out<'_>, mut run: Takeover) {
        let ticket = self.gathering(Task::Round);
        let mut asked = 0;
        for (part, &(address, holder)) in run.plan.iter().enumerate() {
            let Some(pnn) = holder else { continue };
            let ip = PublicIp { pnn, address: bare(address) };
            let ticket = Ticket { part: part as u32, ..ticket };
            self.ask(now, out, pnn, &RequestData::TakeoverIp(ip), ticket, run.until.since(now));
            asked += 1;
        }
        run.gather = Gather::new(ticket.serial, asked);
        run.step = TakeoverStep::Take;
        self.rounds.stage = Stage::Takeover(Box::new(run));
    }

    fn tell_reallocated(&mut self, now: Instant, out: Out<'_>, mut run: Takeover) {
        let nodes: Vec<_> = self.connected().collect();
        run.gather = self.ask_each(now, out, &nodes, &RequestData::IpReallocated, run.until.since(now));
        run.step = TakeoverStep::Reallocated;
        self.rounds.stage = Stage::Takeover(Box::new(run));
    }

    fn takeover_failed(&mut self, now: Instant, out: Out<'_>, run: Takeover) {
        let pnn = run.blame.worst();
        out.notice(Notice::TakeoverFailed {
            step: run.step,
            pnn: pnn.or(run.gather.failed.first().copied()),
        });
        if let Some(pnn) = pnn.filter(|_| self.config.tunables.enable_bans()) {
            let pnn = if self.config.plants.has(Plant::WrongCulprit) { self.state.own() } else { pnn };
            let count = self.state.nodes.len() as u32;
            self.credit(now, out, pnn, count, Credit::Takeover);
        }
        self.rounds.run_failed = true;
        self.others_off(out, 0);
        self.takeover_over(now, out, run.then, false);
    }

    /// The run ends because we lead no more.
    pub(super) fn takeover_aborted(&mut self, now: Instant, out: Out<'_>, run: Takeover) {
        out.notice(Notice::TakeoverFailed { step: run.step, pnn: None });
        self.rounds.run_failed = true;
        self.others_off(out, 0);
        if let Then::Answer(asked) = run.then {
            self.answer_all(out, asked, wire::Answer(-1));
        }
        self.end_round(now);
    }

    fn takeover_over(&mut self, now: Instant, out: Out<'_>, then: Then, well: bool) {
        match then {
            Then::EndRecovery => self.end_recovery(now, out),
            Then::Answer(asked) => {
                let me = self.state.own().0 as i32;
                self.answer_all(out, asked, wire::Answer(if well { me } else { -1 }));
                self.end_round(now);
            }
        }
    }

    fn answer_all(&mut self, out: Out<'_>, asked: Vec<SrvIdMessage>, answer: wire::Answer) {
        for asked in asked.into_iter().filter(|asked| asked.srvid != SrvId(0)) {
            self.answer_to(out, asked, answer);
        }
    }
}

fn knows(list: &PublicIpList, address: IpAddr) -> bool {
    list.ips.iter().any(|ip| ip.address.0.ip() == address)
}

/// Public addresses have no port.
fn bare(address: IpAddr) -> WireAddr {
    SocketAddr::new(address, 0).into()
}
