//! Every fault both ways, and what is said about wrong ones.

use proptest::prelude::*;
use standin_core::text::lines;

use super::super::words::SPAN_MAX;
use super::*;
use crate::world::moment::Net;

const HOSTS: u32 = 6;

fn said(text: &str) -> Result<Fault, String> {
    let words: Vec<_> = lines(text).flat_map(Piece::words).collect();
    read(&words, HOSTS).map_err(|problem| problem.to_string())
}

fn hosts() -> impl Strategy<Value = HostId> {
    (0..HOSTS).prop_map(HostId)
}

fn whom() -> impl Strategy<Value = Who> {
    prop_oneof![3 => hosts().prop_map(Who::One), 1 => Just(Who::All)]
}

fn nets() -> impl Strategy<Value = Net> {
    prop_oneof![Just(Net::Private), Just(Net::Public)]
}

fn pairs() -> impl Strategy<Value = (HostId, HostId)> {
    (0..HOSTS, 1..HOSTS).prop_map(|(from, step)| (HostId(from), HostId((from + step) % HOSTS)))
}

fn all_ways() -> impl Strategy<Value = Ways> {
    let order = Just((0..HOSTS).map(HostId).collect::<Vec<_>>()).prop_shuffle();
    let sides = (order, proptest::collection::vec(1..3_usize, 2..4)).prop_map(|(order, sizes)| {
        let mut rest = order.into_iter();
        Ways::Sides(sizes.into_iter().map(|size| rest.by_ref().take(size).collect()).collect())
    });
    prop_oneof![
        pairs().prop_map(|(from, to)| Ways::OneWay(from, to)),
        pairs().prop_map(|(from, to)| Ways::Between(from, to)),
        sides,
    ]
}

fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![(0..10_000_u64), (0..SPAN_MAX.0)].prop_map(Duration)
}

fn skies() -> impl Strategy<Value = Weather> {
    let drawn = (spans(), spans(), 0..=1_000_000_u32);
    prop_oneof![
        1 => Just(Weather::CALM),
        4 => drawn.prop_map(|(latency, jitter, loss_ppm)| Weather { latency, jitter, loss_ppm }),
    ]
}

fn addresses() -> impl Strategy<Value = Which> {
    prop_oneof![any::<IpAddr>().prop_map(Which::Given), any::<u32>().prop_map(Which::Watched),]
}

fn events() -> impl Strategy<Value = Option<String>> {
    proptest::sample::select(vec![None, Some("takeip".to_owned()), Some("monitor".to_owned())])
}

fn troubles() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        spans().prop_map(Trouble::Slow),
        (1..=u8::MAX).prop_map(Trouble::Fails),
        (1..=u8::MAX).prop_map(Trouble::FailsLate),
        Just(Trouble::Hangs),
    ]
}

fn faults() -> impl Strategy<Value = Fault> {
    let simple: [fn(Who) -> Fault; 16] = [
        Fault::PowerOff,
        Fault::PowerOn,
        Fault::Crash,
        Fault::Start,
        Fault::Restart,
        Fault::Hang,
        Fault::Pause,
        Fault::Resume,
        Fault::Suspend,
        Fault::Wake,
        Fault::Knock,
        Fault::DiskFull,
        Fault::DiskFree,
        Fault::Readdress,
        Fault::LockUnreachable,
        Fault::LockReachable,
    ];
    let global = [Fault::LockLost, Fault::LockStall, Fault::LockUnstall, Fault::Heal];
    let added = (whom(), nets(), addresses(), proptest::option::of(0..=32_u8));
    let placed: [fn(Who, Net) -> Fault; 4] =
        [Fault::InterfaceDown, Fault::InterfaceUp, Fault::CablePull, Fault::CablePlug];
    let parted: [fn(Net, Ways) -> Fault; 3] = [Fault::Cut, Fault::Mend, Fault::Unflap];
    let rate = -CLOCK_RATE_MAX as i32..=CLOCK_RATE_MAX as i32;
    let turns = || spans().prop_map(|span| span.max(FLAP_MIN));
    prop_oneof![
        8 => (whom(), proptest::sample::select(simple.to_vec())).prop_map(|(who, make)| make(who)),
        4 => (whom(), nets(), proptest::sample::select(placed.to_vec())).prop_map(|(who, net, make)| make(who, net)),
        4 => (nets(), all_ways(), proptest::sample::select(parted.to_vec())).prop_map(|(net, ways, make)| make(net, ways)),
        1 => (whom(), spans()).prop_map(|(who, late)| Fault::Slow(who, late)),
        1 => (whom(), rate).prop_map(|(who, ppm)| Fault::ClockRate(who, ppm)),
        1 => (whom(), spans()).prop_map(|(who, ahead)| Fault::ClockJump(who, ahead)),
        1 => (whom(), nets(), spans()).prop_map(|(who, net, gap)| Fault::NetworkRestart(who, net, gap)),
        2 => (nets(), all_ways(), turns(), turns())
            .prop_map(|(net, ways, down, up)| Fault::Flap { net, ways, down, up }),
        2 => (nets(), whom(), skies()).prop_map(|(net, who, weather)| Fault::Weather(net, who, weather)),
        1 => pairs().prop_map(|(from, to)| Fault::Garbage(from, to)),
        1 => (whom(), addresses()).prop_map(|(who, which)| Fault::AddressDel(who, which)),
        1 => added.prop_map(|(who, net, which, bits)| Fault::AddressAdd(who, net, which, bits)),
        1 => (whom(), any::<bool>()).prop_map(|(who, on)| Fault::Promote(who, on)),
        2 => (whom(), events(), troubles(), proptest::option::of("[0-9]{2}\\.[a-z]{1,9}"))
            .prop_map(|(who, event, trouble, script)| Fault::Script(who, event, trouble, script)),
        1 => (whom(), events()).prop_map(|(who, event)| Fault::ScriptFine(who, event)),
        1 => proptest::sample::select(global.to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_fault_reads_back_as_printed(fault in faults()) {
        let text = fault.to_string();
        let verb = text.split(' ').next().unwrap_or_default();
        prop_assert!(VERBS.contains(&verb), "{}", text);
        prop_assert_eq!(said(&text), Ok(fault.clone()));
        if let Some(undone) = fault.undo() {
            prop_assert_eq!(said(&undone.to_string()), Ok(undone));
        }
        prop_assert_eq!(said(&text.replace(" private", "")), said(&text));
    }

    #[test]
    fn no_words_break_the_reading(
        verb in proptest::sample::select(VERBS),
        rest in "((n[0-9]{1,2}|all|private|public|->|<->|\\||down|up|loss|calm|1%|-5ppm|5s|any|10\\.0\\.1\\.5(/[0-9]{1,3})?|watched-[0-9]{1,12}|on|\\PC{0,5}) ?){0,8}",
    ) {
        let _ = said(&format!("{verb} {rest}"));
    }
}

#[test]
fn every_verb_is_read() {
    for verb in VERBS {
        let said = said(&format!("{verb} ?")).unwrap_err();
        assert!(!said.contains("is not a verb"), "{said}");
    }
}

#[test]
fn friendlier_forms_mean_the_same() {
    for (friendly, printed) in [
        ("partition private n0 | n1 n2", "cut private n0 | n1 n2"),
        ("partition n0|n1 n2", "cut private n0 | n1 n2"),
        ("rejoin public n0 | n1", "mend public n0 | n1"),
        ("cut n0->n1", "cut private n0 -> n1"),
        ("cut n0<->n1", "cut private n0 <-> n1"),
        ("flap n0 | n1 down 1s up 2s", "flap private n0 | n1 down 1s up 2s"),
        ("weather n0 loss 1%", "weather private n0 latency 0s jitter 0s loss 10000ppm"),
        ("weather all loss 0.5% latency 20ms", "weather private all latency 20ms jitter 0s loss 5000ppm"),
        ("weather public all jitter 5ms", "weather public all latency 0s jitter 5ms loss 0ppm"),
        ("weather all loss 0%", "weather private all calm"),
        ("clock-rate n0 200ppm", "clock-rate n0 +200ppm"),
        ("clock-rate n0 -1%", "clock-rate n0 -10000ppm"),
        ("network-restart n0 5s", "network-restart n0 private 5s"),
        ("cable-pull n0", "cable-pull n0 private"),
        ("garbage n0 n1", "garbage n0 -> n1"),
        ("slow n0 15s", "slow n0 15s"),
        ("address-add n1 public watched-3", "address-add n1 public watched-3"),
        ("address-add n1 fd00:0::5/64", "address-add n1 private fd00::5/64"),
    ] {
        assert_eq!(said(friendly).map(|fault| fault.to_string()), Ok(printed.to_owned()), "{friendly}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_word() {
    for (text, problem) in [
        ("crash n6", "1:7: there is no host `n6` (expected a host: `n0` to `n5`, or `all`)"),
        (
            "crash al",
            "1:7: `al` is not a host (expected a host: `n0` to `n5`, or `all`; did you mean `all`?)",
        ),
        ("cut 2 | n3", "1:5: `2` is not a host (expected a host: `n0` to `n5`; did you mean `n2`?)"),
        ("crash n00", "1:7: `n00` is not a host (expected a host: `n0` to `n5`, or `all`)"),
        ("crash", "1:6: a word is missing here (expected a host: `n0` to `n5`, or `all`)"),
        ("crash n0 n1", "1:10: `n1` is one word too many (expected the end of the line)"),
        (
            "powerof n0",
            "1:1: `powerof` is not a verb (expected something that can befall the world; did you mean `power-off`?)",
        ),
        (
            "cable-pull n0 privat",
            "1:15: `privat` is not a network (expected `private` or `public`; did you mean `private`?)",
        ),
        (
            "slow n0 15",
            "1:9: `15` is not a duration: the unit is missing (expected a number with a unit of h, m, s, ms or us: `30s`, `1.5s`, `250ms`, `2m30s`)",
        ),
        ("slow n0 9000h", "1:9: `9000h` is too long (expected at most `8784h`, a year)"),
        ("cut n0 -> n0", "1:11: `n0` has no way to itself (expected two different hosts)"),
        ("cut n0 | n1 n0", "1:13: `n0` is named twice (expected each host on one side at most)"),
        (
            "partition n0 n1",
            "1:16: the other side is missing here (expected who is cut off from whom: `n0 | n1 n2`, `n0 -> n1` or `n0 <-> n1`)",
        ),
        ("flap n0 | n1 down 0s up 1s", "1:19: `0s` is too short (expected at least `1ms`)"),
        (
            "weather n0 loss 101%",
            "1:17: `101%` is out of range (expected a share: `0.5%`, `200ppm`, at most `100%`)",
        ),
        (
            "weather n0 loss 0.00001%",
            "1:17: `0.00001%` is finer than a part of a million (expected a share: `0.5%`, `200ppm`, at most `100%`)",
        ),
        (
            "weather n0 latncy 5ms",
            "1:12: `latncy` is no weather (expected `calm`, or any of `latency 20ms`, `jitter 5ms`, `loss 1%`; did you mean `latency`?)",
        ),
        ("weather n0 loss 1% loss 2%", "1:20: `loss` is said twice (expected each only once)"),
        (
            "address-del n0 10.0.1",
            "1:16: `10.0.1` is not an address (expected an address: `10.0.1.5`, `10.0.1.5/24`, `fd00::5`, or `watched-0`)",
        ),
        (
            "address-del n0 10.0.1.5/24",
            "1:24: one address is meant, whatever its network (expected no `/` behind it)",
        ),
        (
            "address-add n0 public 10.0.1.5/33",
            "1:32: `33` are no network bits (expected a whole number from 0 to 32)",
        ),
        ("promote n0 of", "1:12: `of` is not a switch (expected a switch: on, off; did you mean `on`?)"),
        ("script-fail n0 takeip 0", "1:23: `0` is out of range (expected a whole number from 1 to 255)"),
        ("script-hang n0", "1:15: a word is missing here (expected an event, or `any`)"),
        (
            "clock-rate n0 600000ppm",
            "1:15: `600000ppm` is out of range (expected parts of a million: `-500000ppm` to `+500000ppm`)",
        ),
    ] {
        assert_eq!(said(text), Err(problem.to_owned()));
    }
}

/// Every verb has its place in the manual, and what undoes a deed there undoes it here.
#[test]
fn the_manual_knows_every_verb() {
    let manual = include_str!("../../../../scenarios/README.md");
    for verb in VERBS {
        let told = manual.contains(&format!("`{verb} ")) || manual.contains(&format!("`{verb}`"));
        assert!(told, "scenarios/README.md says nothing of `{verb}`");
    }
    let mut undone = 0;
    for row in manual.lines().filter(|line| line.starts_with("| `")) {
        let row = row.replace("\\|", "BAR");
        let cells: Vec<_> = row.split('|').map(|cell| cell.split('`').nth(1).unwrap_or("-")).collect();
        let [_, deed, _, undoing, _] = cells[..] else { continue };
        let filled = |words: &str| {
            let blanks = [
                ("BAR", "|"),
                ("WHO", "n0"),
                ("NET", "public"),
                ("TIME", "5s"),
                ("WAYS", "n0 -> n1"),
                ("EVENT", "any"),
            ];
            blanks.iter().fold(words.to_owned(), |text, (blank, word)| text.replace(blank, word))
        };
        if let (Ok(deed), Ok(undoing)) = (said(&filled(deed)), said(&filled(undoing))) {
            assert_eq!(deed.undo(), Some(undoing));
            undone += 1;
        }
    }
    assert_eq!(undone, 23);
}
