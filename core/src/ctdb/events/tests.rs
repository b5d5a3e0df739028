use super::super::config::Config;
use super::super::config::Fixes;
use super::super::cx::{Cx, Wake};
use super::super::jobs::Jobs;
use super::super::machine::Ctdb;
use super::*;
use crate::machine::{Effect, Outbox};
use crate::timers::Timers;

const ALL: [Event; 11] = [
    Event::Init,
    Event::Setup,
    Event::Startup,
    Event::StartRecovery,
    Event::Recovered,
    Event::TakeIp,
    Event::ReleaseIp,
    Event::UpdateIp,
    Event::IpReallocated,
    Event::Monitor,
    Event::Shutdown,
];

/// Events whose jobs the test answers; what follows an event is a word.
struct Room {
    config: Config,
    timers: Timers<Wake>,
    jobs: Jobs,
    out: Outbox<Ctdb>,
    now: Instant,
    events: Events<&'static str>,
    /// The job under way, and what came of all before it.
    job: JobId,
    log: Vec<String>,
}

type Outcome = Option<(Event, &'static str, Ended)>;

impl Room {
    fn new() -> Self {
        Self {
            config: Config::default(),
            timers: Timers::new(),
            jobs: Jobs::default(),
            out: Outbox::new(),
            now: Instant::START,
            events: Events::default(),
            job: JobId(u64::MAX),
            log: Vec::new(),
        }
    }

    fn with<R>(&mut self, act: impl FnOnce(&mut Events<&'static str>, &mut Cx<'_>) -> R) -> R {
        let mut cx = Cx {
            now: self.now,
            config: &self.config,
            timers: &mut self.timers,
            jobs: &mut self.jobs,
            out: &mut self.out,
        };
        let result = act(&mut self.events, &mut cx);
        for effect in self.out.take() {
            let line = match effect {
                Effect::Start { job, what } => {
                    self.job = job;
                    match what {
                        Job::ListScripts { directory } => format!("list {directory}"),
                        Job::RunScript { path, event, arguments, limit } => {
                            format!("{path} {event} {} {limit}", arguments.join(","))
                        }
                        Job::AddAddress(placed) => format!("add {}", shown(&placed)),
                        Job::DropAddress(placed) => format!("drop {}", shown(&placed)),
                        Job::ReadFile { .. }
                        | Job::WriteFile { .. }
                        | Job::KeepSettings { .. }
                        | Job::Announce { .. }
                        | Job::Tickle { .. }
                        | Job::HoldLock { .. } => unreachable!("no step of an event"),
                    }
                }
                Effect::Cancel { job } => format!("cancel {}", job.0),
                Effect::Notice(notice) => format!("{notice}"),
                Effect::Listen { .. }
                | Effect::Unlisten { .. }
                | Effect::Dial { .. }
                | Effect::Send { .. }
                | Effect::Close { .. }
                | Effect::Exit { .. } => unreachable!("nothing an event asks for"),
            };
            self.log.push(line);
        }
        result
    }

    fn request(&mut self, wanted: Wanted<&'static str>) -> Outcome {
        self.with(|events, cx| events.request(cx, wanted))
    }

    fn plain(&mut self, event: Event, then: &'static str) -> Outcome {
        self.request(Wanted::plain(event, then))
    }

    fn answer(&mut self, done: Done) -> Outcome {
        let job = self.job;
        self.with(|events, cx| events.done(cx, job, done))
    }

    /// The list of scripts; those with a dash before them are not enabled.
    fn list(&mut self, names: &[&str]) -> Outcome {
        let script = |name: &&str| Script {
            name: name.trim_start_matches('-').into(),
            enabled: !name.starts_with('-'),
        };
        let found = names.iter().map(script).collect();
        self.answer(Done::Scripts(Ok(found)))
    }

    fn script(&mut self, end: ScriptEnd) -> Outcome {
        self.answer(Done::Script(end))
    }

    fn placed(&mut self, result: Result<(), AddressError>) -> Outcome {
        self.answer(Done::Address(result))
    }

    /// What was asked of the host since the last look, and what was noticed.
    fn log(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
    }
}

fn shown(placed: &Placed) -> String {
    format!("{}/{} {}", placed.address, placed.prefix, placed.interface)
}

fn address() -> IpAddr {
    IpAddr::from([10, 0, 0, 9])
}

fn on(interface: &str) -> Placed {
    Placed { interface: interface.into(), address: address(), prefix: 24 }
}

fn take() -> Wanted<&'static str> {
    Wanted::take(on("eth0"), "taken")
}

fn release(from: Option<&str>, found: Option<&str>) -> Wanted<&'static str> {
    Wanted::release(address(), 24, from.map(Into::into), found.map(Into::into), "released")
}

fn update(from: Option<&str>, found: Option<&str>, to: &str) -> Wanted<&'static str> {
    Wanted::update(on(to), from.map(Into::into), found.map(Into::into), "updated")
}

#[test]
fn enabled_event_scripts_run_by_name_one_after_another() {
    let mut room = Room::new();
    assert_eq!(room.plain(Event::Startup, "up"), None);
    assert_eq!(room.log(), ["list events/legacy"]);
    let names =
        ["50.samba.script", "-11.natgw.script", "notes.script", "00.ctdb.script", "01.x", "00.script"];
    assert_eq!(room.list(&names), None);
    assert_eq!(room.log(), ["events/legacy/00.ctdb.script startup  30s"]);
    assert_eq!(room.script(ScriptEnd::Ok), None);
    assert_eq!(room.log(), ["events/legacy/50.samba.script startup  30s"]);
    assert_eq!(room.script(ScriptEnd::Ok), Some((Event::Startup, "up", Ended::Ok)));
    assert!(room.events.is_idle() && room.log().is_empty());
}

#[test]
fn no_directory_is_no_scripts_and_any_other_error_a_failure() {
    let mut room = Room::new();
    let _ = room.plain(Event::Init, "");
    let missing = Done::Scripts(Err(FileError::Missing));
    assert_eq!(room.answer(missing), Some((Event::Init, "", Ended::Ok)));
    let _ = room.plain(Event::Init, "");
    let denied = Done::Scripts(Err(FileError::Denied));
    assert_eq!(room.answer(denied), Some((Event::Init, "", Ended::Failed)));
}

#[test]
fn an_event_stops_at_its_first_failure() {
    for end in [ScriptEnd::Failed(1), ScriptEnd::NotStarted] {
        let mut room = Room::new();
        let _ = room.plain(Event::IpReallocated, "");
        let _ = room.list(&["10.interface.script", "20.multipathd.script"]);
        room.log.clear();
        assert_eq!(room.script(end), Some((Event::IpReallocated, "", Ended::Failed)));
        let notice = Notice::ScriptFailed { event: "ipreallocated", script: "10.interface".into(), end };
        assert_eq!(room.log(), [format!("{notice}")]);
        assert!(room.events.is_idle());
    }
}

#[test]
fn all_scripts_of_an_event_share_one_timeout() {
    let mut room = Room::new();
    let _ = room.plain(Event::Monitor, "");
    let _ = room.list(&["00.a.script", "01.b.script", "02.c.script"]);
    room.now = Instant(20_000_000);
    let _ = room.script(ScriptEnd::Ok);
    assert_eq!(room.log()[2], "events/legacy/01.b.script monitor  10s");
    // What ends at the last moment leaves nothing for the next.
    room.now = Instant(30_000_000);
    assert_eq!(room.script(ScriptEnd::Ok), Some((Event::Monitor, "", Ended::TimedOut)));
    let hung = |script: &str| {
        let limit = Duration::from_secs(30);
        format!("{}", Notice::ScriptHung { event: "monitor", script: script.into(), limit })
    };
    assert_eq!(room.log(), [hung("02.c")]);
    let _ = room.plain(Event::Monitor, "");
    let _ = room.list(&["00.a.script", "01.b.script"]);
    room.log.clear();
    assert_eq!(room.script(ScriptEnd::TimedOut), Some((Event::Monitor, "", Ended::TimedOut)));
    assert_eq!(room.log(), [hung("00.a")]);
}

#[test]
fn a_script_that_goes_wrong_keeps_no_address_where_it_is() {
    for (end, ended) in [(ScriptEnd::Failed(1), Ended::Failed), (ScriptEnd::TimedOut, Ended::TimedOut)] {
        let mut room = Room::new();
        let from = Some("eth1".into());
        let _ = room.request(Wanted::release(address(), 24, from.clone(), from, "gone"));
        let _ = room.list(&["50.samba.script"]);
        room.log.clear();
        assert_eq!(room.script(end), None);
        assert_eq!(room.log()[1], "drop 10.0.0.9/24 eth1");
        assert_eq!(room.placed(Ok(())), Some((Event::ReleaseIp, "gone", ended)));
        let _ = room.request(Wanted::take(on("eth1"), "here"));
        let _ = room.list(&["50.samba.script"]);
        room.log.clear();
        assert_eq!(room.script(end), None);
        assert_eq!(room.log()[1], "add 10.0.0.9/24 eth1");
        assert_eq!(room.placed(Ok(())), Some((Event::TakeIp, "here", ended)));
    }
}

#[test]
fn what_a_last_event_leaves_that_goes_wrong_we_take_off() {
    let ends = [(ScriptEnd::TimedOut, Ended::TimedOut), (ScriptEnd::Failed(1), Ended::Failed)];
    for (script, end) in ends {
        let mut room = Room::new();
        let _ = room.request(Wanted::dropping(Event::Shutdown, [on("eth1"), on("eth2")].into(), "over"));
        let _ = room.list(&["10.interface.script", "50.samba.script"]);
        room.log.clear();
        assert_eq!(room.script(script), None);
        assert_eq!(room.log()[1], "drop 10.0.0.9/24 eth1");
        assert_eq!(room.placed(Err(AddressError::Other)), None);
        assert_eq!(room.log(), ["drop 10.0.0.9/24 eth2"]);
        assert_eq!(room.placed(Ok(())), Some((Event::Shutdown, "over", end)));
    }
    // A script that ends well has seen to them; ctdbd leaves all of it to scripts.
    for (script, fixes) in [(ScriptEnd::Ok, Fixes::ALL), (ScriptEnd::Failed(1), Fixes::NONE)] {
        let mut room = Room::new();
        room.config.fixes = fixes;
        let _ = room.request(Wanted::dropping(Event::Shutdown, [on("eth1")].into(), "over"));
        let _ = room.list(&["10.interface.script"]);
        assert!(room.script(script).is_some());
    }
}

#[test]
fn a_timeout_of_zero_is_none() {
    let mut room = Room::new();
    assert!(room.config.tunables.set("EventScriptTimeout", 0).is_ok());
    let _ = room.plain(Event::Setup, "");
    let _ = room.list(&["00.a.script"]);
    assert_eq!(room.log()[1], "events/legacy/00.a.script setup  4294967295s");
}

#[test]
fn events_wait_for_each_other_in_the_order_they_came() {
    let mut room = Room::new();
    assert_eq!(room.plain(Event::StartRecovery, "first"), None);
    assert_eq!(room.plain(Event::Recovered, "second"), None);
    assert_eq!(room.plain(Event::IpReallocated, "third"), None);
    assert_eq!((room.events.running(), room.log().len()), (Some(Event::StartRecovery), 1));
    assert_eq!(room.list(&[]), Some((Event::StartRecovery, "first", Ended::Ok)));
    assert_eq!(room.list(&[]), Some((Event::Recovered, "second", Ended::Ok)));
    assert_eq!((room.events.running(), room.log().len()), (Some(Event::IpReallocated), 2));
    assert_eq!(room.list(&[]), Some((Event::IpReallocated, "third", Ended::Ok)));
    assert_eq!(room.events.running(), None);
}

#[test]
fn any_other_event_ends_a_monitor_event() {
    let mut room = Room::new();
    let _ = room.plain(Event::Monitor, "watch");
    let _ = room.list(&["00.a.script"]);
    let monitor = room.job;
    room.log.clear();
    let cancelled = Some((Event::Monitor, "watch", Ended::Cancelled));
    assert_eq!(room.plain(Event::IpReallocated, "next"), cancelled);
    assert_eq!(room.log(), [format!("cancel {}", monitor.0), "list events/legacy".into()]);
    // Its answer, were there one, is nobody's any more.
    let late = room.with(|events, cx| events.done(cx, monitor, Done::Script(ScriptEnd::Ok)));
    assert_eq!(late, None);
}

#[test]
fn a_monitor_event_runs_only_if_nothing_else_does() {
    let mut room = Room::new();
    let cancelled = Some((Event::Monitor, "watch", Ended::Cancelled));
    let _ = room.plain(Event::Recovered, "");
    assert_eq!(room.plain(Event::Monitor, "watch"), cancelled);
    let _ = room.list(&[]);
    assert_eq!(room.plain(Event::Monitor, "first"), None);
    assert_eq!(room.plain(Event::Monitor, "watch"), cancelled);
    assert_eq!(room.list(&[]), Some((Event::Monitor, "first", Ended::Ok)));
}

#[test]
fn only_so_many_events_wait() {
    let mut room = Room::new();
    for _ in 0..=WAITING_MAX {
        assert_eq!(room.plain(Event::IpReallocated, ""), None);
    }
    let refused = Some((Event::IpReallocated, "", Ended::Cancelled));
    assert_eq!(room.plain(Event::IpReallocated, ""), refused);
}

#[test]
fn a_daemon_that_stops_forgets_what_waits_and_ends_what_runs() {
    let mut room = Room::new();
    let _ = room.plain(Event::Recovered, "");
    let _ = room.plain(Event::IpReallocated, "");
    room.log.clear();
    room.with(Events::forget_waiting);
    assert!(room.log().is_empty() && !room.events.is_idle());
    assert_eq!(room.list(&[]), Some((Event::Recovered, "", Ended::Ok)));
    assert!(room.events.is_idle());
    // Nobody waits for a monitor event.
    let _ = room.plain(Event::Monitor, "");
    let running = room.job;
    room.log.clear();
    room.with(Events::forget_waiting);
    assert_eq!(room.log(), [format!("cancel {}", running.0)]);
    assert!(room.events.is_idle());
}

#[test]
fn the_interface_script_sees_to_addresses_if_it_is_enabled() {
    let mut room = Room::new();
    let _ = room.request(take());
    let _ = room.list(&["10.interface.script"]);
    assert_eq!(room.log()[1], "events/legacy/10.interface.script takeip eth0,10.0.0.9,24 30s");
    assert_eq!(room.script(ScriptEnd::Ok), Some((Event::TakeIp, "taken", Ended::Ok)));
    // Another script leaves them to us, and comes first.
    let _ = room.request(take());
    let _ = room.list(&["-10.interface.script", "50.samba.script"]);
    room.log.clear();
    assert_eq!(room.script(ScriptEnd::Ok), None);
    assert_eq!(room.log(), ["add 10.0.0.9/24 eth0"]);
    assert_eq!(room.placed(Ok(())), Some((Event::TakeIp, "taken", Ended::Ok)));
}

#[test]
fn an_address_that_is_as_it_should_be_is_no_failure() {
    for (result, ended) in [
        (Ok(()), Ended::Ok),
        (Err(AddressError::Unchanged), Ended::Ok),
        (Err(AddressError::NoInterface), Ended::Failed),
        (Err(AddressError::Other), Ended::Failed),
    ] {
        for wanted in [take(), release(Some("eth0"), None)] {
            let mut room = Room::new();
            let _ = room.request(wanted);
            assert_eq!(room.list(&[]), None);
            assert_eq!(room.placed(result).map(|(_, _, ended)| ended), Some(ended));
        }
    }
}

#[test]
fn an_address_is_released_where_the_kernel_has_it() {
    for (from, found, told, done) in [
        (Some("eth0"), None, "eth0", Some("eth0")),
        (Some("eth0"), Some("eth1"), "eth0", Some("eth1")),
        (None, Some("eth1"), "__none__", Some("eth1")),
        (None, None, "__none__", None),
    ] {
        let mut room = Room::new();
        let _ = room.request(release(from, found));
        let _ = room.list(&["00.a.script"]);
        assert_eq!(room.log()[1], format!("events/legacy/00.a.script releaseip {told},10.0.0.9,24 30s"));
        let ended = room.script(ScriptEnd::Ok);
        match done {
            Some(interface) => assert_eq!(room.log(), [format!("drop 10.0.0.9/24 {interface}")]),
            None => assert_eq!(ended, Some((Event::ReleaseIp, "released", Ended::Ok))),
        }
    }
}

#[test]
fn an_address_moves_by_leaving_the_old_interface_first() {
    for (from, found, told, done) in [
        (Some("eth0"), None, "eth0", Some("eth0")),
        (None, Some("eth0"), "__none__", Some("eth0")),
        (None, Some("eth1"), "__none__", None),
        (None, None, "__none__", None),
    ] {
        let mut room = Room::new();
        let _ = room.request(update(from, found, "eth1"));
        let _ = room.list(&["00.a.script"]);
        let asked = format!("events/legacy/00.a.script updateip {told},eth1,10.0.0.9,24 30s");
        assert_eq!(room.log()[1], asked);
        assert_eq!(room.script(ScriptEnd::Ok), None);
        if let Some(old) = done {
            assert_eq!(room.log(), [format!("drop 10.0.0.9/24 {old}")]);
            assert_eq!(room.placed(Err(AddressError::Unchanged)), None);
        }
        assert_eq!(room.log(), ["add 10.0.0.9/24 eth1"]);
        assert_eq!(room.placed(Ok(())), Some((Event::UpdateIp, "updated", Ended::Ok)));
    }
}

#[test]
fn the_status_of_a_hang_depends_on_the_event() {
    let statuses: Vec<_> = ALL.map(|event| (event.name(), Ended::TimedOut.status(event))).into();
    let wanted = [
        ("init", 110),
        ("setup", 110),
        ("startup", 110),
        ("startrecovery", 0),
        ("recovered", 0),
        ("takeip", 0),
        ("releaseip", 0),
        ("updateip", 110),
        ("ipreallocated", 110),
        ("monitor", 110),
        ("shutdown", 0),
    ];
    assert_eq!(statuses, wanted);
    for event in ALL {
        let statuses = [Ended::Ok, Ended::Failed, Ended::Cancelled].map(|ended| ended.status(event));
        assert_eq!(statuses, [0, 8, 125]);
    }
}

#[test]
fn some_events_may_not_run_in_a_recovery() {
    let refused = ALL.into_iter().filter(|event| !event.allowed_in_recovery()).map(Event::name);
    assert!(refused.eq(["startup", "recovered", "takeip", "updateip", "monitor"]));
}
