//! The node's events, one at a time: the scripts of the events directory, and public addresses
//! where no script sees to them.
//!
//! What follows an event is the asker's: it comes with the [`Wanted`] event and goes back with
//! how that ended. Whether an event may run in a recovery is asked before it is wanted.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::config::Fixes;
use super::cx::Cx;
use super::jobs::Purpose;
use super::notice::Notice;
use crate::host::{AddressError, Done, FileError, Job, Placed, Script, ScriptEnd};
use crate::machine::JobId;
use crate::time::{Duration, Instant};

/// Enabled, it sees to addresses, and we do not.
const ADDRESS_SCRIPT: &str = "10.interface";

/// What scripts are told for an interface that is not known.
const NO_INTERFACE: &str = "__none__";

/// Events that may wait. (Our limit: addresses have one each at most, and nobody else has cause
/// for so many.)
const WAITING_MAX: usize = 4096;

/// As long as the longest `EventScriptTimeout`.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What a script is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Event {
    /// The daemon begins.
    Init,
    /// It is about to serve its clients.
    Setup,
    /// The first recovery is over.
    Startup,
    /// A recovery has begun.
    StartRecovery,
    /// It is over.
    Recovered,
    /// An address is ours from now on.
    TakeIp,
    /// An address is no longer ours.
    ReleaseIp,
    /// An address moves between interfaces.
    UpdateIp,
    /// Addresses have been moved somewhere in the cluster.
    IpReallocated,
    /// Is all well?
    Monitor,
    /// The daemon ends.
    Shutdown,
}

/// What scripts can get as their first argument.
pub const EVENTS: &[&str] = &[
    Event::Init.name(),
    Event::Setup.name(),
    Event::Startup.name(),
    Event::StartRecovery.name(),
    Event::Recovered.name(),
    Event::TakeIp.name(),
    Event::ReleaseIp.name(),
    Event::UpdateIp.name(),
    Event::IpReallocated.name(),
    Event::Monitor.name(),
    Event::Shutdown.name(),
];

impl Event {
    /// Its name: what scripts get as their first argument.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Setup => "setup",
            Self::Startup => "startup",
            Self::StartRecovery => "startrecovery",
            Self::Recovered => "recovered",
            Self::TakeIp => "takeip",
            Self::ReleaseIp => "releaseip",
            Self::UpdateIp => "updateip",
            Self::IpReallocated => "ipreallocated",
            Self::Monitor => "monitor",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether it may run while the recovery mode is active; a control that needs another one
    /// is refused.
    pub(super) const fn allowed_in_recovery(self) -> bool {
        match self {
            Self::Init | Self::Setup | Self::StartRecovery | Self::ReleaseIp | Self::IpReallocated => true,
            Self::Shutdown => true,
            Self::Startup | Self::Recovered | Self::TakeIp | Self::UpdateIp | Self::Monitor => false,
        }
    }

    /// Whether ctdbd takes a hang for success.
    const fn forgives_a_hang(self) -> bool {
        match self {
            Self::StartRecovery | Self::Recovered | Self::TakeIp | Self::ReleaseIp | Self::Shutdown => true,
            Self::Init | Self::Setup | Self::Startup | Self::UpdateIp | Self::IpReallocated => false,
            Self::Monitor => false,
        }
    }
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Ended {
    /// Every script succeeded.
    Ok,
    /// One did not, and those after it did not run.
    Failed,
    /// `EventScriptTimeout` passed.
    TimedOut,
    /// It had to make way, or was not begun at all.
    Cancelled,
}

impl Ended {
    /// The status of the control that ran the event: 0, or a positive errno (8 ENOEXEC,
    /// 110 ETIMEDOUT, 125 ECANCELED). A hang of some events is forgiven.
    pub(super) const fn status(self, event: Event) -> i32 {
        match self {
            Self::Ok => 0,
            Self::TimedOut if event.forgives_a_hang() => 0,
            Self::Failed => 8,
            Self::TimedOut => 110,
            Self::Cancelled => 125,
        }
    }
}

/// An event somebody wants, and what is to follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Wanted<T> {
    event: Event,
    /// What the scripts are told besides.
    arguments: Vec<String>,
    /// What we do ourselves after the scripts, if none of them does.
    placing: VecDeque<Job>,
    then: T,
}

impl<T> Wanted<T> {
    /// An event that is not to be.
    pub(super) fn cancelled(self) -> (Event, T, Ended) {
        (self.event, self.then, Ended::Cancelled)
    }

    /// An event at whose end addresses are given up that are left over.
    pub(super) fn dropping(event: Event, left: Vec<Placed>, then: T) -> Self {
        Self { placing: left.into_iter().map(Job::DropAddress).collect(), ..Self::plain(event, then) }
    }

    /// An event that is about no address.
    pub(super) fn plain(event: Event, then: T) -> Self {
        let moves = matches!(event, Event::TakeIp | Event::ReleaseIp | Event::UpdateIp);
        assert!(!moves, "{} is about an address", event.name());
        Self { event, arguments: Vec::new(), placing: VecDeque::new(), then }
    }

    /// An address comes to this interface.
    pub(super) fn take(to: Placed, then: T) -> Self {
        let arguments = arguments(&[&to.interface], to.address, to.prefix);
        let placing = [Job::AddAddress(to)].into();
        Self { event: Event::TakeIp, arguments, placing, then }
    }

    /// An address leaves the interface we put it on, if we know of one. `found` is where the
    /// kernel has it: it may be elsewhere, put there by hand.
    pub(super) fn release(
        address: IpAddr,
        prefix: u8,
        from: Option<String>,
        found: Option<String>,
        then: T,
    ) -> Self {
        let arguments = arguments(&[from.as_deref().unwrap_or(NO_INTERFACE)], address, prefix);
        let drop = |interface| Job::DropAddress(Placed { interface, address, prefix });
        let placing = found.or(from).map(drop).into_iter().collect();
        Self { event: Event::ReleaseIp, arguments, placing, then }
    }

    /// An address moves to this interface from the one we put it on, if we know of one. `found`
    /// is as in [`release`](Self::release).
    pub(super) fn update(to: Placed, from: Option<String>, found: Option<String>, then: T) -> Self {
        let Placed { ref interface, address, prefix } = to;
        let old = from.as_deref().unwrap_or(NO_INTERFACE);
        let arguments = arguments(&[old, interface], address, prefix);
        let mut placing = VecDeque::new();
        if let Some(old) = found.or(from).filter(|old| old != interface) {
            placing.push_back(Job::DropAddress(Placed { interface: old, address, prefix }));
        }
        placing.push_back(Job::AddAddress(to));
        Self { event: Event::UpdateIp, arguments, placing, then }
    }
}

fn arguments(interfaces: &[&str], address: IpAddr, prefix: u8) -> Vec<String> {
    let mut arguments: Vec<_> = interfaces.iter().map(ToString::to_string).collect();
    arguments.extend([address.to_string(), prefix.to_string()]);
    arguments
}

/// The event under way and those that wait.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Events<T> {
    /// A script sees to addresses, as far as the last list of scripts says.
    stock: bool,
    running: Option<Running<T>>,
    waiting: VecDeque<Wanted<T>>,
}

/// The event under way.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Running<T> {
    /// What went wrong, where leftovers are still to go.
    bad: Option<Ended>,
    /// A script sees to addresses.
    stock: bool,
    wanted: Wanted<T>,
    /// When its time is over, all scripts together; never if `EventScriptTimeout` is 0.
    until: Option<Instant>,
    limit: Duration,
    /// What is being done: the only job whose answer counts.
    job: JobId,
    step: Step,
    /// The scripts to come, without `.script`.
    scripts: VecDeque<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Step {
    /// The list of scripts.
    List,
    /// A script, without `.script`.
    Script(String),
    /// An address.
    Place,
}

/// Where an event stands after an answer.
enum Next {
    Goes(JobId, Step),
    Ends(Ended),
}

impl<T> Default for Events<T> {
    fn default() -> Self {
        Self { stock: true, running: None, waiting: VecDeque::new() }
    }
}

impl<T> Events<T> {
    /// Begins an event, or lets it wait for those before it. What is returned has ended: the
    /// monitor event under way, which any other event ends, or this very event (a monitor event
    /// never waits).
    pub(super) fn request(&mut self, cx: &mut Cx<'_>, wanted: Wanted<T>) -> Option<(Event, T, Ended)> {
        let mut ended = None;
        if let Some(running) = self.running.take() {
            if running.wanted.event != Event::Monitor || wanted.event == Event::Monitor {
                self.running = Some(running);
                if wanted.event == Event::Monitor || self.waiting.len() >= WAITING_MAX {
                    return Some(wanted.cancelled());
                }
                self.waiting.push_back(wanted);
                return None;
            }
            cx.cancel(running.job);
            ended = Some(running.wanted.cancelled());
        }
        self.running = Some(Running::begin(cx, wanted));
        ended
    }

    /// A job of the purpose [`Purpose::Event`] was answered. What is returned has ended, and the
    /// next event has begun.
    pub(super) fn done(&mut self, cx: &mut Cx<'_>, job: JobId, done: Done) -> Option<(Event, T, Ended)> {
        let running = self.running.as_mut().filter(|running| running.job == job)?;
        let next = running.go_on(cx, done);
        self.stock = running.stock;
        match next {
            Next::Goes(job, step) => {
                (running.job, running.step) = (job, step);
                None
            }
            Next::Ends(ended) => {
                let Wanted { event, then, .. } = self.running.take()?.wanted;
                self.running = self.waiting.pop_front().map(|wanted| Running::begin(cx, wanted));
                Some((event, then, ended))
            }
        }
    }

    /// Whether no event is under way.
    pub(super) const fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    #[cfg(test)]
    fn running(&self) -> Option<Event> {
        self.running.as_ref().map(|running| running.wanted.event)
    }

    /// Whether the last event found a script that sees to addresses.
    pub(super) const fn has_address_script(&self) -> bool {
        self.stock
    }

    /// Forgets what waits, and a monitor event under way: nobody is told.
    pub(super) fn forget_waiting(&mut self, cx: &mut Cx<'_>) {
        self.waiting.clear();
        if let Some(running) = self.running.take_if(|running| running.wanted.event == Event::Monitor) {
            cx.cancel(running.job);
        }
    }
}

impl<T> Running<T> {
    fn begin(cx: &mut Cx<'_>, wanted: Wanted<T>) -> Self {
        let limit = cx.config.tunables.event_script_timeout();
        let until = (limit > Duration::ZERO).then(|| cx.now + limit);
        let job = cx.start(Purpose::Event, Job::ListScripts { directory: cx.config.events.as_ref().into() });
        Self {
            bad: None,
            stock: false,
            wanted,
            until,
            limit,
            job,
            step: Step::List,
            scripts: VecDeque::new(),
        }
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, done: Done) -> Next {
        let name = self.wanted.event.name();
        match (&self.step, done) {
            (Step::List, Done::Scripts(Ok(found))) => self.plan(found),
            // No directory, no scripts.
            (Step::List, Done::Scripts(Err(FileError::Missing))) => {}
            (Step::List, Done::Scripts(Err(_))) => {
                let script = cx.config.events.clone();
                cx.notice(Notice::ScriptFailed { event: name, script, end: ScriptEnd::NotStarted });
                return self.fail(cx, Ended::Failed);
            }
            (Step::Script(_), Done::Script(ScriptEnd::Ok)) => {}
            (Step::Script(script), Done::Script(ScriptEnd::TimedOut)) => {
                let script: Box<str> = script.as_str().into();
                return self.hung(cx, script);
            }
            (Step::Script(script), Done::Script(end)) => {
                cx.notice(Notice::ScriptFailed { event: name, script: script.as_str().into(), end });
                return self.fail(cx, Ended::Failed);
            }
            (Step::Place, Done::Address(Ok(()) | Err(AddressError::Unchanged))) => {}
            (Step::Place, _) => return self.fail(cx, Ended::Failed),
            (Step::List | Step::Script(_), _) => return Next::Ends(Ended::Failed),
        }
        self.next(cx)
    }

    /// Takes the scripts that are to run.
    fn plan(&mut self, mut found: Vec<Script>) {
        found.sort_unstable();
        let enabled = found.iter().filter(|script| script.enabled);
        self.scripts = enabled.filter_map(|script| stem(&script.name)).map(Into::into).collect();
        self.stock = self.scripts.iter().any(|script| script == ADDRESS_SCRIPT);
    }

    /// Whether a script has seen to addresses, so that we do not.
    fn is_seen_to(&self, fixes: Fixes) -> bool {
        let left = fixes.leave_nothing && self.wanted.event == Event::Shutdown && self.bad.is_some();
        self.stock && !left
    }

    /// Something went wrong, and with it the event; but leftovers go in any case, and an address is
    /// taken or given up whatever a script says of it: with ctdbd `10.interface` has done that before
    /// any script of an operator's runs.
    fn fail(&mut self, cx: &mut Cx<'_>, how: Ended) -> Next {
        let places = match self.wanted.event {
            Event::Setup | Event::Shutdown | Event::TakeIp | Event::ReleaseIp => true,
            Event::Init | Event::Startup | Event::StartRecovery | Event::Recovered => false,
            Event::UpdateIp | Event::IpReallocated | Event::Monitor => false,
        };
        if !places {
            return Next::Ends(how);
        }
        self.bad.get_or_insert(how);
        self.scripts.clear();
        self.next(cx)
    }

    fn hung(&mut self, cx: &mut Cx<'_>, script: Box<str>) -> Next {
        cx.notice(Notice::ScriptHung { event: self.wanted.event.name(), script, limit: self.limit });
        self.fail(cx, Ended::TimedOut)
    }

    fn next(&mut self, cx: &mut Cx<'_>) -> Next {
        let Some(script) = self.scripts.pop_front() else {
            if self.is_seen_to(cx.config.fixes) {
                self.wanted.placing.clear();
            }
            return match self.wanted.placing.pop_front() {
                Some(placing) => Next::Goes(cx.start(Purpose::Event, placing), Step::Place),
                None => Next::Ends(self.bad.unwrap_or(Ended::Ok)),
            };
        };
        let limit = match self.until {
            Some(until) => until.since(cx.now),
            None => FOR_EVER,
        };
        let event = self.wanted.event.name();
        if limit == Duration::ZERO {
            return self.hung(cx, script.into());
        }
        let run = Job::RunScript {
            path: format!("{}/{script}.script", cx.config.events),
            event: event.into(),
            arguments: self.wanted.arguments.clone(),
            limit,
        };
        Next::Goes(cx.start(Purpose::Event, run), Step::Script(script))
    }
}

/// `10.interface.script` is `10.interface`; what is named otherwise is no event script.
fn stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".script")?;
    match stem.as_bytes() {
        [tens, ones, b'.', ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => Some(stem),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
