//! From the first event to the last: runstates, events and what follows them, monitoring.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::controls::Answer;
use super::super::cx::{Cx, Wake, cx};
use super::super::events::{Ended, Event, Wanted};
use super::super::jobs::Purpose;
use super::super::mail::Heard;
use super::super::monitor::{self, Health};
use super::super::notice::{FlagsCause, Notice, StartRefusal, Stop};
use super::super::plant::Plant;
use super::super::requests::{Asker, Task, Ticket};
use super::super::types::{ControlFlags, Generation, NodeFlags, Pnn, RecoveryMode, RunState};
use super::super::wire::{NodeFlagChange, ReplyData, RequestData};
use super::election::Election;
use super::round::Stage;
use super::{Ctdb, EXIT_CONFIG, Out};
use crate::host::Job;
use crate::time::{Duration, Instant};
use crate::timers::Timers;

/// How often a node looks whether it may start up.
const STARTUP_EVERY: Duration = Duration::from_secs(1);
/// When a failed `startup` event is tried again.
const STARTUP_AGAIN: Duration = Duration::from_secs(5);
/// When a monitor event that had to make way is tried again, if that fix is on: out of step with
/// whatever comes once a second.
const MONITOR_AGAIN: Duration = Duration::from_millis(1_300);
/// How much longer than `RerecoveryTimeout` a node waits after its recovery.
const STARTUP_MARGIN: Duration = Duration::from_secs(3);

/// What follows an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum After {
    Init,
    Setup,
    Startup,
    StartRecovery(Option<Asker>),
    Recovered(Option<Asker>),
    Reallocated(Option<Asker>),
    Take(Option<Asker>, IpAddr),
    Update(Option<Asker>, IpAddr),
    Release(Option<Asker>, IpAddr, Option<Pnn>),
    Drop(IpAddr),
    Monitor,
    Shutdown(u8),
}

impl Ctdb {
    /// Runs an event, or queues it.
    pub(super) fn run_event(&mut self, now: Instant, out: Out<'_>, event: Event, after: After) {
        self.want(now, out, Wanted::plain(event, after));
    }

    /// Whether an event may be run now.
    pub(super) fn may_run(&self, event: Event) -> bool {
        event.allowed_in_recovery() || self.state.recovery_mode == RecoveryMode::Normal
    }

    pub(super) fn event_ended(
        &mut self,
        now: Instant,
        out: Out<'_>,
        event: Event,
        after: After,
        ended: Ended,
    ) {
        let status = ended.status(event);
        let answer = Answer::status(status);
        match after {
            // Who has been told to stop meanwhile neither begins nor complains.
            After::Setup if self.state.runstate == RunState::Shutdown => {}
            After::Init if ended == Ended::Ok => {
                self.notify("init", now, out);
                self.read_nodes(out, Purpose::Boot);
            }
            After::Setup if ended == Ended::Ok => {
                self.notify("setup", now, out);
                self.take_part(now, out);
            }
            After::Init | After::Setup => {
                out.notice(Notice::StartRefused(StartRefusal::Event { name: event.name() }));
                self.exit(out, EXIT_CONFIG);
            }
            After::Startup if ended == Ended::Ok => self.started_up(now, out),
            After::Startup => self.timers.set(Wake::Startup, now + STARTUP_AGAIN),
            After::StartRecovery(asker) | After::Reallocated(asker) => self.reply_if(out, asker, &answer),
            After::Recovered(asker) => {
                self.state.recoveries = self.state.recoveries.saturating_add(1);
                self.state.recovery_finished = Some(now);
                if self.state.runstate == RunState::FirstRecovery {
                    self.reach(out, RunState::Startup);
                }
                self.reply_if(out, asker, &answer);
            }
            After::Take(asker, address) => self.take_ended(now, out, asker, address, status),
            After::Update(asker, address) => self.update_ended(now, out, asker, address, status),
            After::Release(asker, address, holder) => self.release_ended(now, out, asker, address, holder),
            After::Drop(address) => {
                self.drop_ended(now, out, address);
                self.drop_next(now, out);
            }
            After::Monitor => self.monitored(now, out, ended),
            After::Shutdown(status) => self.exit(out, status),
        }
        self.look_at_lost_link(now);
        self.shut_down(now, out);
    }

    /// Tells the notify script; nobody waits for it.
    fn notify(&mut self, what: &str, now: Instant, out: Out<'_>) {
        let job = Job::RunScript {
            path: self.config.notify.to_string(),
            event: what.into(),
            arguments: Vec::new(),
            limit: self.config.tunables.event_script_timeout(),
        };
        cx!(self, now, out).start(Purpose::Notify, job);
    }

    pub(super) fn reach(&mut self, out: Out<'_>, to: RunState) {
        self.state.runstate = to;
        out.notice(Notice::RunStateReached { to });
    }

    /// The `setup` event is over: keepalives and the recovery loop begin.
    fn take_part(&mut self, now: Instant, out: Out<'_>) {
        self.reach(out, RunState::FirstRecovery);
        self.election.priority = self.time_of_day(now);
        self.timers.set(Wake::Keepalive, now + self.tick_interval());
        self.timers
            .set(Wake::Tickles, now + self.config.tunables.tickle_update_interval().max(STARTUP_EVERY));
        self.timers.set(Wake::Startup, now + STARTUP_EVERY);
        self.timers.set(Wake::Round, now);
    }

    /// Once a second until the `startup` event: may it run?
    pub(super) fn startup_due(&mut self, now: Instant, out: Out<'_>) {
        let pause = self.config.tunables.rerecovery_timeout() + STARTUP_MARGIN;
        let long_ago = |at: Instant| now.since(at) >= pause;
        // In test mode one need not be over.
        let rested = self.config.test_mode || self.state.recovery_finished.is_some_and(long_ago);
        let ready = self.state.generation != Generation::INVALID
            && self.state.recovery_mode == RecoveryMode::Normal
            && rested
            && self.state.runstate >= RunState::Startup;
        if ready {
            self.run_event(now, out, Event::Startup, After::Startup);
        } else {
            self.timers.set(Wake::Startup, now + STARTUP_EVERY);
        }
    }

    fn started_up(&mut self, now: Instant, out: Out<'_>) {
        if self.state.runstate == RunState::Shutdown {
            return;
        }
        self.reach(out, RunState::Running);
        self.notify("startup", now, out);
        let me = self.state.own();
        let others: Vec<_> = self.connected().filter(|&pnn| pnn != me).collect();
        for pnn in others {
            let patience = self.config.tunables.control_timeout();
            let flags = ControlFlags::NOREPLY;
            self.ask_flagged(now, out, pnn, &RequestData::Startup, flags, Ticket::UNREAD, patience);
        }
        self.monitor.restart();
        self.timers.set(Wake::Monitor, now + self.monitor.wait());
    }

    pub(super) fn monitor_due(&mut self, now: Instant, out: Out<'_>) {
        if monitor::may_run(&self.state) {
            self.run_event(now, out, Event::Monitor, After::Monitor);
        } else {
            self.timers.set(Wake::Monitor, now + self.monitor.wait());
        }
    }

    /// A monitor event is over: are we well?
    fn monitored(&mut self, now: Instant, out: Out<'_>, ended: Ended) {
        let unhealthy = self.own_flags().contains(NodeFlags::UNHEALTHY);
        let alone = !self.events.has_address_script();
        let ended = if ended == Ended::Ok && alone && !self.has_all_links() { Ended::Failed } else { ended };
        let health = self.monitor.ended(&self.config.tunables, ended, unhealthy);
        if self.state.runstate != RunState::Running {
            return;
        }
        // Something that comes as regularly would have it make way for ever.
        let soon = ended == Ended::Cancelled && self.config.fixes.prompt_rounds;
        let wait = if soon { self.monitor.wait().min(MONITOR_AGAIN) } else { self.monitor.wait() };
        let next = now + wait;
        // It has looked at a lost link, unless that was lost meanwhile.
        self.link_lost &= ended == Ended::Cancelled || self.hurried.is_some();
        let hurried = self.hurried.take().unwrap_or(next);
        self.timers.set(Wake::Monitor, next.min(hurried).max(now + Duration::from_micros(1)));
        let (set, clear, word) = match health {
            Health::Unchanged => return,
            Health::BecameUnhealthy if self.config.plants.has(Plant::MonitorIgnored) => return,
            Health::BecameUnhealthy => (NodeFlags::UNHEALTHY, NodeFlags::empty(), "unhealthy"),
            Health::BecameHealthy => (NodeFlags::empty(), NodeFlags::UNHEALTHY, "healthy"),
        };
        self.set_own_flags(out, set, clear, FlagsCause::Monitor);
        self.notify(word, now, out);
        self.tell_health(now, out);
        self.ask_for_takeover(out);
        self.prompt(now);
    }

    /// Our flags changed: everybody whom the leader sees shall know.
    fn tell_health(&mut self, now: Instant, out: Out<'_>) {
        let Some(leader) = self.state.leader else { return };
        let ticket = self.gathering(Task::Health);
        let patience = self.config.tunables.control_timeout();
        self.ask(now, out, leader, &RequestData::GetNodemap, ticket, patience);
    }

    /// The leader has said whom it sees.
    pub(super) fn health_answer(&mut self, now: Instant, out: Out<'_>, heard: &Heard) {
        let ReplyData::NodeMap(map) = &heard.data else { return };
        let (me, flags) = (self.state.own(), self.own_flags());
        let change = RequestData::ModifyFlags(NodeFlagChange { pnn: me, new: flags, old: flags });
        let patience = self.config.tunables.control_timeout();
        let seen = map.nodes.iter().filter(|entry| !entry.flags.intersects(NodeFlags::DISCONNECTED));
        let seen: Vec<_> = seen.map(|entry| entry.pnn).filter(|&pnn| self.state.is_peer(pnn)).collect();
        for pnn in seen {
            self.ask(now, out, pnn, &change, Ticket::UNREAD, patience);
        }
    }

    /// START_RECOVERY: first of all, is the leader's cluster lock ours?
    pub(super) fn start_recovery_asked(&mut self, now: Instant, out: Out<'_>, asker: Option<Asker>) {
        self.state.recovery_started = Some(now);
        match asker {
            Some(Asker::Node(pnn, _)) if self.is_connected(pnn) && !self.state.is_me(pnn) => {
                let ticket = self.gathering(Task::LockName);
                self.lock_names.push((ticket.serial, asker));
                let patience = self.config.tunables.control_timeout();
                self.ask(now, out, pnn, &RequestData::GetReclockFile, ticket, patience);
            }
            _ => self.run_event(now, out, Event::StartRecovery, After::StartRecovery(asker)),
        }
    }

    /// The leader has said which cluster lock it uses.
    pub(super) fn lock_name_answer(&mut self, now: Instant, out: Out<'_>, ticket: Ticket, heard: &Heard) {
        let Some(place) = self.lock_names.iter().position(|(serial, _)| *serial == ticket.serial) else {
            return;
        };
        let (_, asker) = self.lock_names.swap_remove(place);
        let theirs = if let ReplyData::Text(name) = &heard.data { name.as_str() } else { None };
        if !heard.is_failure() && theirs != self.config.cluster_lock.as_deref() {
            self.reply_if(out, asker, &Answer::failed("another cluster lock"));
            return self.stop(now, out, Stop::OtherLock);
        }
        self.run_event(now, out, Event::StartRecovery, After::StartRecovery(asker));
    }

    /// Ends in order: no more leading, the `shutdown` event, then out.
    pub(super) fn stop(&mut self, now: Instant, out: Out<'_>, why: Stop) {
        if self.state.runstate == RunState::Shutdown {
            return;
        }
        out.notice(Notice::Stopping(why));
        let status = if matches!(why, Stop::Ordered | Stop::Asked(_)) { 0 } else { super::EXIT_FATAL };
        let begun = self.state.runstate >= RunState::Setup;
        self.state.runstate = RunState::Shutdown;
        if !begun {
            return self.exit(out, status);
        }
        self.release_lock(now, out);
        self.rounds.stage = Stage::Resting;
        self.election = Election::default();
        self.timers = Timers::new();
        self.requests.disarm();
        self.events.forget_waiting(&mut cx!(self, now, out));
        self.stopping = Some(status);
        self.shut_down(now, out);
    }

    /// Runs the last event, once no other is under way.
    fn shut_down(&mut self, now: Instant, out: Out<'_>) {
        if let Some(status) = self.stopping.take_if(|_| self.events.is_idle()) {
            let wanted = Wanted::dropping(Event::Shutdown, self.left_behind(), After::Shutdown(status));
            self.want(now, out, wanted);
        }
    }
}
