//! The world around one daemon that writes down all it hears.

mod scribe;

use std::net::{IpAddr, SocketAddr};

use standin_core::host::{LockNews, Script, ScriptEnd};
use standin_core::time::Instant;

use self::scribe::{Hands, Heard, Order, Scribe};

use super::fault::{Fault, Ways, Which, Who};
use super::kernel::Kernel;
use super::moment::{EPOCH, Net};
use super::network::Weather;
use super::scripts::Trouble;
use super::*;

const HOST: HostId = HostId(0);
const ONE: Who = Who::One(HOST);
const OTHER: HostId = HostId(1);
const PUBLIC: &str = "10.0.1.5";
const OWN: &str = "10.0.1.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn placed(interface: &str, address: &str, prefix: u8) -> Placed {
    Placed { interface: interface.into(), address: ip(address), prefix }
}

fn secs(secs: u64) -> Moment {
    Moment(secs * 1_000_000)
}

/// Two hosts and a client; nothing runs.
fn world() -> World<Scribe> {
    let mut world = World::new(7, Rc::new(Hands));
    for host in 1..=2 {
        let (private, public) = (IpAddr::from([10, 0, 0, host]), IpAddr::from([10, 0, 1, host]));
        let kernel =
            Kernel::new().plugged("eth0", Net::Private, private, 24).plugged("eth1", Net::Public, public, 24);
        let host = world.add_member(kernel);
        world.scripts(host).install("00.first", true);
        world.scripts(host).install("10.wires", true);
    }
    world.add_stranger(Kernel::new().plugged("eth1", Net::Public, ip("10.0.1.99"), 24));
    world
}

fn started() -> World<Scribe> {
    let mut world = world();
    world.start(HOST);
    world.start(OTHER);
    pass(&mut world, secs(1));
    heard(&mut world);
    world
}

fn pass(world: &mut World<Scribe>, until: Moment) {
    while world.advance(until) {
        world.news.clear();
    }
}

/// What the first host's daemon has heard since somebody asked.
fn heard(world: &mut World<Scribe>) -> Vec<Heard> {
    let process = world.hosts[0].process.as_mut().expect("it runs");
    std::mem::take(&mut process.machine.heard).into_iter().map(|(_, heard)| heard).collect()
}

fn facts(world: &mut World<Scribe>) -> Vec<Fact> {
    let facts = heard(world)
        .into_iter()
        .map(|heard| if let Heard::Fact(fact) = heard { fact } else { panic!("{heard:?} is no fact") });
    facts.collect()
}

fn run(world: &mut World<Scribe>, job: u64, script: &str, event: &str, arguments: &str) {
    let arguments = arguments.split_whitespace().map(str::to_owned).collect();
    let (path, event) = (format!("events/{script}"), event.to_owned());
    let limit = Duration::from_secs(30);
    world.order(HOST, Order::Start(job, Job::RunScript { path, event, arguments, limit }));
}

fn ended(job: u64, end: ScriptEnd) -> Heard {
    Heard::Done(JobId(job), Done::Script(end))
}

#[test]
fn a_daemon_is_told_all_its_kernel_has_before_anything_else() {
    let mut world = world();
    pass(&mut world, secs(5));
    world.start(HOST);
    pass(&mut world, secs(6));
    let heard = std::mem::take(&mut world.hosts[0].process.as_mut().unwrap().machine.heard);
    assert!(heard.iter().all(|(now, _)| *now == Instant::START), "at once");
    let offset = EPOCH + 5_000_000 + world.hosts[0].skew;
    let link = |name: &str, index| Fact::Interface { name: name.into(), index, up: true };
    let facts = [
        Fact::TimeOfDay { offset },
        link("eth0", 2),
        link("eth1", 3),
        Fact::Appeared(placed("eth0", "10.0.0.1", 24)),
        Fact::Appeared(placed("eth1", OWN, 24)),
    ];
    let expected: Vec<Heard> =
        [Heard::Wake].into_iter().chain(facts.map(Heard::Fact)).chain([Heard::Port]).collect();
    assert_eq!(heard.into_iter().map(|(_, heard)| heard).collect::<Vec<_>>(), expected);
}

#[test]
fn clocks_are_right_within_half_a_second_and_not_all_alike() {
    let world = started();
    let skews: Vec<i64> = world.hosts.iter().map(|host| host.skew).collect();
    assert!(skews.iter().all(|skew| skew.abs() <= 500_000) && skews[0] != skews[1], "{skews:?}");
    assert_eq!(world.host(HOST).time_of_day(secs(1)), EPOCH + 1_000_000 + skews[0]);
}

#[test]
fn the_time_of_day_is_told_anew_when_the_monotonic_clock_left_it() {
    let mut world = started();
    let told = world.hosts[0].process.as_ref().unwrap().told;
    world.befall(&Fault::ClockJump(ONE, Duration::from_secs(90)));
    pass(&mut world, secs(2));
    let woke = Fact::Woke { slept: Duration::from_secs(90) };
    let told = told - 90_000_000;
    assert_eq!(facts(&mut world), [woke, Fact::TimeOfDay { offset: told }]);

    world.befall(&Fault::ClockRate(ONE, 100_000));
    pass(&mut world, secs(12));
    assert_eq!(heard(&mut world), [Heard::Wake], "nothing is wrong yet when a clock begins to run fast");
    let (true_time, reckoned) =
        (world.host(HOST).time_of_day(secs(12)), world.host(HOST).reckoned_time_of_day(secs(12)));
    assert_eq!(reckoned, Some(true_time + 1_000_000), "its daemon goes by that clock");
    world.befall(&Fault::ClockRate(ONE, 0));
    pass(&mut world, secs(13));
    let fact = Heard::Fact(Fact::TimeOfDay { offset: told - 1_000_000 });
    assert_eq!(heard(&mut world), [Heard::Wake, fact]);

    world.befall(&Fault::Suspend(ONE));
    pass(&mut world, secs(20));
    world.befall(&Fault::Wake(ONE));
    pass(&mut world, secs(21));
    assert_eq!(facts(&mut world), [Fact::Woke { slept: Duration::from_secs(7) }], "both clocks count sleep");
}

#[test]
fn scripts_are_listed_and_those_that_are_off_do_not_start() {
    let mut world = started();
    world.scripts(HOST).install("10.wires", false);
    world.order(HOST, Order::Start(1, Job::ListScripts { directory: "events".into() }));
    run(&mut world, 2, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, secs(2));
    let script = |name: &str, enabled| Script { name: name.into(), enabled };
    let listed = Done::Scripts(Ok(vec![script("00.first", true), script("10.wires", false)]));
    let heard = heard(&mut world);
    assert_eq!(heard.len(), 2);
    assert!(heard.contains(&Heard::Done(JobId(1), listed)));
    assert!(heard.contains(&ended(2, ScriptEnd::NotStarted)));
}

#[test]
fn a_script_acts_when_it_ends_and_the_daemon_hears_the_acts_first() {
    let mut world = started();
    run(&mut world, 1, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, Moment(1_014_000));
    assert!(!world.host(HOST).kernel.holds(ip(PUBLIC)), "not before its end");
    pass(&mut world, secs(2));
    let appeared = Heard::Fact(Fact::Appeared(placed("eth1", PUBLIC, 24)));
    let said = [Heard::Bytes(b"taken".to_vec()), Heard::Closed];
    let expected: Vec<Heard> = [appeared, ended(1, ScriptEnd::Ok)].into_iter().chain(said).collect();
    assert_eq!(heard(&mut world), expected);

    run(&mut world, 2, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, secs(3));
    assert_eq!(
        heard(&mut world),
        [ended(2, ScriptEnd::Failed(1))],
        "the kernel refuses, and nothing is said"
    );
}

#[test]
fn a_script_that_is_ended_has_done_nothing() {
    let mut world = started();
    run(&mut world, 1, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, Moment(1_005_000));
    world.order(HOST, Order::Cancel(1));
    world.befall(&Fault::Script(ONE, Some("takeip".into()), Trouble::Hangs, Some("10.wires".into())));
    run(&mut world, 2, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, secs(40));
    assert_eq!(heard(&mut world), [ended(2, ScriptEnd::TimedOut)]);
    world.befall(&Fault::Script(ONE, None, Trouble::Fails(3), Some("10.wires".into())));
    world.befall(&Fault::ScriptFine(ONE, Some("takeip".into())));
    run(&mut world, 3, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, secs(41));
    assert_eq!(heard(&mut world), [ended(3, ScriptEnd::Failed(3))]);
    assert!(!world.host(HOST).kernel.holds(ip(PUBLIC)));
    world.befall(&Fault::Heal);
    run(&mut world, 4, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, secs(42));
    assert!(world.host(HOST).kernel.holds(ip(PUBLIC)));
}

#[test]
fn a_script_that_fails_late_has_put_the_address_there() {
    let mut world = started();
    world.befall(&Fault::Script(ONE, Some("takeip".into()), Trouble::FailsLate(1), None));
    run(&mut world, 1, "10.wires", "takeip", &format!("eth1 {PUBLIC} 24"));
    pass(&mut world, secs(2));
    assert!(world.host(HOST).kernel.holds(ip(PUBLIC)));
    assert!(heard(&mut world).contains(&ended(1, ScriptEnd::Failed(1))));
}

#[test]
fn a_job_cancelled_over_its_own_effect_is_not_answered() {
    let mut world = started();
    world.order(HOST, Order::CancelOnFact(1));
    world.order(HOST, Order::Start(1, Job::AddAddress(placed("eth1", PUBLIC, 24))));
    pass(&mut world, secs(2));
    assert_eq!(facts(&mut world), [Fact::Appeared(placed("eth1", PUBLIC, 24))]);
}

#[test]
fn an_address_deleted_by_hand_takes_its_secondaries_with_it() {
    for promote in [false, true] {
        let mut world = started();
        for last in [5, 6] {
            let added = Fault::AddressAdd(ONE, Net::Public, Which::Given([10, 0, 1, last].into()), None);
            world.befall(&added);
        }
        world.befall(&Fault::Promote(ONE, promote));
        world.befall(&Fault::AddressDel(Who::All, Which::Given(ip(OWN))));
        let kernel = &world.host(HOST).kernel;
        assert!(!kernel.holds(ip(OWN)));
        assert_eq!([kernel.holds(ip(PUBLIC)), kernel.holds(ip("10.0.1.6"))], [promote, promote]);
        world.befall(&Fault::Readdress(ONE));
        assert!(world.host(HOST).kernel.holds(ip(OWN)));
        world.befall(&Fault::Heal);
        assert!(!world.host(HOST).kernel.promote_secondaries && !world.host(HOST).kernel.holds(ip(PUBLIC)));
        assert!(world.host(HOST).kernel.holds(ip(OWN)));
    }
}

#[test]
fn healing_takes_away_what_was_added_by_hand_and_nothing_with_it() {
    let mut world = started();
    let stray = |last: u8| Which::Given(IpAddr::from([10, 0, 2, last]));
    world.befall(&Fault::AddressAdd(ONE, Net::Public, stray(5), Some(24)));
    world.befall(&Fault::AddressAdd(ONE, Net::Public, stray(7), Some(24)));
    world.befall(&Fault::AddressDel(ONE, stray(7)));
    world.order(HOST, Order::Start(1, Job::AddAddress(placed("eth1", "10.0.2.6", 24))));
    world.order(HOST, Order::Start(2, Job::AddAddress(placed("eth1", "10.0.2.7", 24))));
    pass(&mut world, secs(2));
    world.befall(&Fault::Heal);
    let holds = |last: u8| world.host(HOST).kernel.holds([10, 0, 2, last].into());
    assert_eq!([holds(5), holds(6), holds(7)], [false, true, true], "the daemon's own stay");
}

#[test]
fn an_interface_set_down_loses_ipv6_and_a_network_restart_all_but_the_hosts_own() {
    let mut world = started();
    for (job, address, prefix) in [(1, PUBLIC, 24), (2, "fd00::5", 64), (3, "10.0.9.1", 24)] {
        world.order(HOST, Order::Start(job, Job::AddAddress(placed("eth1", address, prefix))));
    }
    pass(&mut world, secs(2));
    heard(&mut world);
    let holds = |world: &World<Scribe>| {
        [OWN, PUBLIC, "fd00::5", "10.0.9.1"].map(|address| world.host(HOST).kernel.usable(ip(address)))
    };
    assert_eq!(holds(&world), [true; 4]);
    world.befall(&Fault::InterfaceDown(ONE, Net::Public));
    assert_eq!(holds(&world), [false; 4]);
    world.befall(&Fault::InterfaceUp(ONE, Net::Public));
    assert_eq!(holds(&world), [true, true, false, true]);
    let link = |up| Fact::Interface { name: "eth1".into(), index: 3, up };
    let lost = Fact::Vanished(placed("eth1", "fd00::5", 64));
    assert_eq!(facts(&mut world), [link(false), lost, link(true)]);
    world.befall(&Fault::NetworkRestart(ONE, Net::Public, Duration::from_secs(3)));
    pass(&mut world, secs(4));
    assert_eq!(holds(&world), [false; 4]);
    pass(&mut world, secs(6));
    assert_eq!(holds(&world), [true, false, false, false]);
    assert_eq!(world.host(HOST).kernel.interface("eth1").map(|interface| interface.index), Some(4));
}

#[test]
fn a_lost_lock_is_told_and_one_lost_behind_a_cut_is_told_once_it_is_mended() {
    let mut world = started();
    let hold = || Job::HoldLock { name: "lock".into() };
    let news = |job, news| Heard::Done(JobId(job), Done::Lock(news));
    world.order(HOST, Order::Start(1, hold()));
    pass(&mut world, secs(2));
    world.befall(&Fault::LockLost);
    assert_eq!(heard(&mut world), [news(1, LockNews::Held), news(1, LockNews::Lost)]);

    world.order(HOST, Order::Start(2, hold()));
    pass(&mut world, secs(3));
    world.befall(&Fault::LockUnreachable(ONE));
    world.befall(&Fault::LockLost);
    assert_eq!(heard(&mut world), [news(2, LockNews::Held)]);
    world.order(OTHER, Order::Start(1, hold()));
    pass(&mut world, secs(4));
    assert_eq!(world.locks.believers("lock").collect::<Vec<_>>(), [OTHER, HOST], "two at once");
    world.befall(&Fault::LockReachable(ONE));
    assert_eq!(heard(&mut world), [news(2, LockNews::Lost)]);
}

#[test]
fn stalled_storage_is_given_up_and_healing_brings_it_back() {
    let mut world = started();
    let hold = || Job::HoldLock { name: "lock".into() };
    let news = |job, news| Heard::Done(JobId(job), Done::Lock(news));
    world.befall(&Fault::LockStall);
    world.order(HOST, Order::Start(1, hold()));
    pass(&mut world, secs(12));
    assert_eq!(heard(&mut world), [news(1, LockNews::TimedOut)]);
    world.order(HOST, Order::Start(2, hold()));
    pass(&mut world, secs(13));
    world.befall(&Fault::Heal);
    assert_eq!(heard(&mut world), [news(2, LockNews::Held)]);
    world.befall(&Fault::LockStall);
    world.befall(&Fault::LockUnstall);
    world.order(HOST, Order::Start(3, hold()));
    pass(&mut world, secs(14));
    assert_eq!(heard(&mut world), [news(3, LockNews::Busy)]);
}

#[test]
fn the_client_sees_who_holds_what_it_watches() {
    let mut world = started();
    let watched = [ip(PUBLIC), ip("10.0.1.6")];
    watched.into_iter().chain(watched).for_each(|address| world.watch(address));
    assert_eq!(world.watched(), watched, "each once");
    let seen = |world: &World<Scribe>| world.client_view()[0].1.clone();
    let add = |host, which, bits| Fault::AddressAdd(Who::One(host), Net::Public, which, bits);
    pass(&mut world, secs(3));
    assert_eq!((seen(&world).served_after, seen(&world).out.count), (None, 0), "a cold start");
    world.befall(&add(HOST, Which::Watched(2), Some(32)));
    pass(&mut world, secs(4));
    assert_eq!(seen(&world).served_by, Some(HOST));
    world.befall(&add(OTHER, Which::Watched(0), None));
    assert!(world.host(OTHER).kernel.addresses().any(|it| it == placed("eth1", PUBLIC, 32)), "as elsewhere");
    pass(&mut world, secs(6));
    world.befall(&Fault::CablePull(ONE, Net::Public));
    pass(&mut world, secs(9));
    let out = seen(&world);
    assert_eq!((out.twice.total, out.out.since), (Duration::from_secs(2), Some(secs(6))));
    assert_eq!(out.stale.since, Some(secs(6)), "the other one would answer");
    let announce = |host, interface: &str| {
        (host, Order::Start(9, Job::Announce { interface: interface.into(), address: ip(PUBLIC) }))
    };
    for ((host, order), by) in [(announce(OTHER, "eth0"), None), (announce(OTHER, "eth1"), Some(OTHER))] {
        world.order(host, order);
        let next = world.now() + Duration::from_millis(10);
        pass(&mut world, next);
        assert_eq!(seen(&world).served_by, by, "only the public network hears it");
    }
    world.befall(&Fault::AddressDel(Who::All, Which::Watched(0)));
    assert_eq!(world.public_holders(ip(PUBLIC)).count(), 0);
    world.befall(&Fault::PowerOff(ONE));
    world.befall(&Fault::PowerOn(ONE));
    assert_eq!(world.public_holders(ip(PUBLIC)).count(), 0);
}

#[test]
fn a_stream_keeps_its_order_whatever_is_lost() {
    for jitter_ms in [0, 90, 900] {
        assert_eq!(heard_through(jitter_ms), (0..400).collect::<Vec<_>>(), "{jitter_ms} ms");
    }
}

/// Of 400 numbers that one says to the other, two at a time, those that arrive.
fn heard_through(jitter_ms: u64) -> Vec<u32> {
    let mut world = started();
    let to = SocketAddr::from(([10, 0, 0, 1], 4379));
    world.order(HOST, Order::Listen(to));
    world.order(OTHER, Order::Dial(to));
    pass(&mut world, secs(2));
    let jitter = Duration::from_millis(jitter_ms);
    let storm = Weather { latency: Duration::from_millis(10), jitter, loss_ppm: 50_000 };
    world.befall(&Fault::Weather(Net::Private, Who::All, storm));
    heard(&mut world);
    // Two at a time: the second may be lost while the first is on its way.
    for number in 0..200_u32 {
        for half in 0..2 {
            world.order(OTHER, Order::Say((2 * number + half).to_be_bytes().to_vec()));
        }
        if number % 40 == 39 {
            world.befall(&Fault::Cut(Net::Private, Ways::OneWay(OTHER, HOST)));
        }
        let until = Moment(world.now.0 + 2_000_000);
        pass(&mut world, until);
        if number % 40 == 39 {
            world.befall(&Fault::Mend(Net::Private, Ways::OneWay(OTHER, HOST)));
        }
    }
    world.befall(&Fault::Heal);
    pass(&mut world, secs(1_000));
    let said = heard(&mut world).into_iter().filter_map(|heard| match heard {
        Heard::Bytes(bytes) => Some(bytes),
        Heard::Wake | Heard::Fact(_) | Heard::Done(..) | Heard::Port | Heard::Closed => None,
    });
    let bytes = said.collect::<Vec<_>>().concat();
    bytes.chunks_exact(4).map(|number| u32::from_be_bytes(number.try_into().unwrap())).collect()
}
