use proptest::prelude::*;

use super::*;

const A: HostId = HostId(0);
const B: HostId = HostId(1);
const C: HostId = HostId(2);

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn secs(secs: u64) -> Moment {
    Moment(secs * 1_000_000)
}

/// A client that watches 10.0.0.1, which A serves, and the network it is on.
fn served_by_a(seed: u64) -> (Client, Lan) {
    let (mut client, mut lan) = (Client::new(seed), Lan::new());
    lan.set_held(address(1), A, true);
    let served = Change { at: Moment::START, address: address(1), from: None, to: Some(A) };
    assert_eq!(client.watch(Moment::START, address(1), &lan), [served]);
    (client, lan)
}

fn hold(client: &mut Client, lan: &mut Lan, now: Moment, host: HostId, held: bool) -> Vec<Change> {
    lan.set_held(address(1), host, held);
    client.holders_changed(now, address(1), lan)
}

/// Calls the client at its deadlines up to `until`.
fn pass(client: &mut Client, until: Moment) {
    while let Some(at) = client.next_deadline().filter(|&at| at <= until) {
        client.wake(at);
    }
}

fn summary(client: &Client, now: Moment) -> Summary {
    client.summary(now)[0].1.clone()
}

#[test]
fn a_served_address_costs_no_events_and_no_outage() {
    let (client, _) = served_by_a(1);
    assert_eq!(client.next_deadline(), None);
    let day = summary(&client, secs(86_400));
    assert_eq!((day.served_by, day.out.total, day.twice.count), (Some(A), Duration::ZERO, 0));
}

#[test]
fn an_announcement_ends_the_outage() {
    let (mut client, mut lan) = served_by_a(1);
    hold(&mut client, &mut lan, secs(100), A, false);
    assert_eq!(client.next_deadline(), None, "nobody could serve it");
    hold(&mut client, &mut lan, Moment(100_400_000), B, true);
    let back = Change { at: Moment(100_500_000), address: address(1), from: None, to: Some(B) };
    assert_eq!(client.announced(Moment(100_500_000), B, address(1)), [back]);
    let seen = summary(&client, secs(1_000));
    assert_eq!((seen.out.total, seen.out.longest_at), (Duration::from_millis(500), Some(secs(100))));
    assert_eq!(
        (seen.stale.total, seen.stale.longest_at),
        (Duration::from_millis(100), Some(Moment(100_400_000)))
    );
    assert_eq!((seen.out.longest, seen.out.since, seen.served_by), (seen.out.total, None, Some(B)));
}

#[test]
fn without_an_announcement_the_entry_has_to_age() {
    let mut outages = Vec::new();
    for seed in 0..200 {
        let (mut client, mut lan) = served_by_a(seed);
        let moved = Moment(100_000_000 + seed * 777_777);
        hold(&mut client, &mut lan, moved, A, false);
        hold(&mut client, &mut lan, moved, B, true);
        pass(&mut client, secs(400));
        assert_eq!(client.served_by(address(1)), Some(B));
        outages.push(summary(&client, secs(400)).out.longest);
    }
    let (low, high) = (*outages.iter().min().unwrap(), *outages.iter().max().unwrap());
    assert!(low >= Duration::from_secs(3) && low < Duration::from_secs(10), "{low}");
    assert!(high > Duration::from_secs(40) && high <= Duration::from_secs(53), "{high}");
}

#[test]
fn who_comes_back_in_time_is_still_believed() {
    let (mut client, mut lan) = served_by_a(1);
    hold(&mut client, &mut lan, secs(100), A, false);
    let back = hold(&mut client, &mut lan, secs(103), A, true);
    assert_eq!(back, [Change { at: secs(103), address: address(1), from: None, to: Some(A) }]);
}

#[test]
fn a_client_that_knows_nobody_asks_once_a_second() {
    let (mut client, mut lan) = (Client::new(1), Lan::new());
    client.watch(Moment::START, address(1), &lan);
    assert_eq!(client.next_deadline(), None);
    hold(&mut client, &mut lan, Moment(7_300_000), A, true);
    assert_eq!(client.next_deadline(), Some(secs(8)));
    pass(&mut client, secs(60));
    let seen = summary(&client, secs(60));
    assert_eq!((seen.served_by, seen.served_after), (Some(A), Some(Duration::from_secs(8))));
    assert_eq!(seen.out, Spans::default(), "a cold start is no outage");
}

#[test]
fn an_answer_needs_both_ways_and_an_announcement_the_way_back() {
    let (mut client, mut lan) = served_by_a(1);
    let deaf = Path { there: true, back: false };
    client.set_path(secs(50), B, deaf, &lan);
    hold(&mut client, &mut lan, secs(50), B, true);
    assert_eq!(client.announced(secs(50), B, address(1)), []);
    assert_eq!(client.served_by(address(1)), Some(A));
    client.set_path(secs(51), B, Path { there: false, back: true }, &lan);
    let lost = Change { at: secs(52), address: address(1), from: Some(A), to: None };
    assert_eq!(client.announced(secs(52), B, address(1)), [lost], "heard, but it cannot be asked");
    assert_eq!(client.set_path(secs(53), B, Path::OPEN, &lan)[0].to, Some(B));
}

#[test]
fn an_announcement_of_what_is_not_held_is_believed_until_it_ages() {
    let (mut client, _) = served_by_a(1);
    client.announced(secs(100), C, address(1));
    pass(&mut client, secs(200));
    let seen = summary(&client, secs(200));
    assert_eq!((seen.out.total, seen.served_by), (Duration::from_secs(8), Some(A)));
}

#[test]
fn two_who_would_answer_are_counted_whoever_is_believed() {
    let (mut client, mut lan) = served_by_a(1);
    hold(&mut client, &mut lan, secs(10), B, true);
    hold(&mut client, &mut lan, secs(12), B, false);
    hold(&mut client, &mut lan, secs(20), C, true);
    client.set_path(secs(25), C, Path::CUT, &lan);
    client.set_path(secs(30), C, Path::OPEN, &lan);
    let twice = Spans {
        total: Duration(17_000_000),
        longest: Duration(10_000_000),
        longest_at: Some(secs(30)),
        count: 3,
        since: Some(secs(30)),
    };
    let seen = summary(&client, secs(40));
    assert_eq!((seen.twice, seen.served_by), (twice, Some(A)));
    assert_eq!(seen.twice_hosts, BTreeSet::from([A, B, C]));
}

#[test]
fn of_several_the_nearest_answers_first() {
    let (mut client, mut lan) = (Client::new(1), Lan::new());
    client.set_distance(A, Duration::from_millis(2));
    lan.set_held(address(1), A, true);
    lan.set_held(address(1), C, true);
    lan.set_held(address(1), B, true);
    client.watch(Moment::START, address(1), &lan);
    assert_eq!(client.served_by(address(1)), Some(B));
}

#[test]
fn what_is_never_served_is_never_out() {
    let (mut client, mut lan) = (Client::new(1), Lan::new());
    client.watch(secs(5), address(1), &lan);
    client.watch(secs(5), address(2), &lan);
    hold(&mut client, &mut lan, secs(9), A, true);
    hold(&mut client, &mut lan, secs(20), A, false);
    let seen = client.summary(secs(30));
    let (one, two) = (&seen[0].1, &seen[1].1);
    assert_eq!((one.served_after, one.out.total), (Some(Duration::from_secs(4)), Duration::from_secs(10)));
    assert_eq!((one.out.since, one.stale.count), (Some(secs(20)), 0));
    assert_eq!((two.served_after, two.out), (None, Spans::default()));
}

#[derive(Clone, Debug)]
enum Step {
    Hold(u8, u32, bool),
    Path(u32, Path),
    Announce(u8, u32),
}

/// Steps, each after a pause of some milliseconds.
fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        4 => (1u8..3, 0u32..3, any::<bool>()).prop_map(|(last, host, held)| Step::Hold(last, host, held)),
        1 => (0u32..3, any::<bool>(), any::<bool>())
            .prop_map(|(host, there, back)| Step::Path(host, Path { there, back })),
        2 => (1u8..3, 0u32..3).prop_map(|(last, host)| Step::Announce(last, host)),
    ];
    let pause = prop_oneof![Just(0u64), 0u64..2_000, 0u64..60_000];
    proptest::collection::vec((pause, step), 1..40)
}

fn apply(client: &mut Client, lan: &mut Lan, now: Moment, step: &Step) {
    match *step {
        Step::Hold(last, host, held) => {
            lan.set_held(address(last), HostId(host), held);
            client.holders_changed(now, address(last), lan);
        }
        Step::Path(host, path) => {
            client.set_path(now, HostId(host), path, lan);
        }
        Step::Announce(last, host) => {
            client.announced(now, HostId(host), address(last));
        }
    }
}

proptest! {
    /// One is called at its deadlines only, one never between changes, one every 10 ms besides.
    /// The last one's state, sampled like a client's answers, gives the outages the first reports.
    #[test]
    fn looking_more_often_changes_nothing(seed in 0u64..1_000, steps in steps()) {
        let new = || {
            let (mut client, lan) = (Client::new(seed), Lan::new());
            client.watch(Moment::START, address(1), &lan);
            client.watch(Moment::START, address(2), &lan);
            (client, lan)
        };
        let ((mut due, mut lan), (mut polled, mut lan_polled), (mut late, mut lan_late)) = (new(), new(), new());
        let mut now = Moment::START;
        let mut unanswered = 0;
        for (pause, step) in &steps {
            let end = now + Duration::from_millis(*pause);
            while now < end {
                let begun = summary(&polled, now).served_after.is_some();
                unanswered += u64::from(begun && polled.served_by(address(1)).is_none());
                now += Duration::from_millis(1).times(10.min((end.0 - now.0) / 1_000));
                pass(&mut polled, now);
                polled.wake(now);
            }
            pass(&mut due, now);
            late.wake(now);
            apply(&mut due, &mut lan, now, step);
            apply(&mut polled, &mut lan_polled, now, step);
            apply(&mut late, &mut lan_late, now, step);
            prop_assert_eq!(due.summary(now), polled.summary(now));
            prop_assert_eq!(due.summary(now), late.summary(now));
        }
        let seen = summary(&due, now);
        let (counted, asked) = (seen.out.total.0 / 10_000, unanswered);
        let slack = u64::from(seen.out.count) + steps.len() as u64 + 1;
        prop_assert!(counted.abs_diff(asked) <= slack, "{counted} of 10 ms, {asked} questions");
    }

    /// Whatever happened: once somebody holds an address for good, it is served within the age of
    /// an entry.
    #[test]
    fn a_lasting_holder_is_found(seed in 0u64..1_000, steps in steps()) {
        let (mut client, mut lan) = (Client::new(seed), Lan::new());
        client.watch(Moment::START, address(1), &lan);
        let mut now = Moment::START;
        for (pause, step) in &steps {
            now += Duration::from_millis(*pause);
            pass(&mut client, now);
            apply(&mut client, &mut lan, now, step);
        }
        client.set_path(now, C, Path::OPEN, &lan);
        hold(&mut client, &mut lan, now, C, true);
        let latest = now + Duration::from_secs(54);
        pass(&mut client, latest);
        prop_assert!(client.served_by(address(1)).is_some());
        prop_assert_eq!(client.next_deadline(), None);
    }
}
