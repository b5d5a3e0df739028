use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use standin_core::ctdb::files::public_addresses::PublicAddress;
use standin_core::text::lines;

use super::super::verbs::{AddressesLine, StartAs};
use super::*;

const HOSTS: u32 = 12;

fn words(text: &str) -> Vec<Piece<'_>> {
    lines(text).flat_map(Piece::words).collect()
}

fn hosts() -> impl Strategy<Value = HostId> {
    (0..HOSTS).prop_map(HostId)
}

fn whos() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::All), hosts().prop_map(Who::One)]
}

fn nodes_line() -> impl Strategy<Value = NodesLine> {
    prop_oneof![
        hosts().prop_map(NodesLine::Node),
        hosts().prop_map(NodesLine::Deleted),
        "10\\.[0-9]{1,3}\\.0\\.[0-9]{1,3}".prop_map(NodesLine::Gone),
        Just(NodesLine::Blank),
        "(10\\.0\\.0\\.[0-9]{1,3}|fd00::[0-9a-f]{1,4}|[a-m]{1,8})"
            .prop_filter("a word of its own", |text| text != "blank")
            .prop_map(NodesLine::Text),
    ]
}

fn entry() -> impl Strategy<Value = PublicAddress> {
    let address = prop_oneof![
        any::<[u8; 2]>().prop_map(|[a, b]| (IpAddr::from([10, 1, a, b]), 32)),
        any::<u16>().prop_map(|a| (IpAddr::from([0xfd01, 0, 0, 0, 0, 0, 0, a | 1]), 128)),
    ];
    let interfaces = prop_oneof![Just("eth1"), Just("eth1,eth2"), Just("bond0.7")];
    (address, any::<u8>(), interfaces).prop_map(|((address, most), bits, interfaces)| PublicAddress {
        address,
        bits: bits % (most + 1),
        interfaces: interfaces.split(',').map(str::to_owned).collect(),
    })
}

fn addresses_file() -> impl Strategy<Value = AddressesFile> {
    let line = prop_oneof![
        3 => entry().prop_map(AddressesLine::Entry),
        1 => "[b-m]{1,8}".prop_map(AddressesLine::Text),
    ];
    prop_oneof![
        1 => Just(AddressesFile::Original),
        1 => Just(AddressesFile::Gone),
        3 => vec(line, 1..4).prop_map(AddressesFile::Lines),
    ]
}

fn operator() -> impl Strategy<Value = Operator> {
    let address = || entry().prop_map(|entry| entry.address);
    let plain = OPERATORS.map(|(operator, _)| operator).to_vec();
    prop_oneof![
        select(plain),
        (1..1_000_000_u32).prop_map(Operator::Ban),
        entry().prop_map(Operator::AddIp),
        address().prop_map(Operator::DelIp),
        (address(), "[a-z][a-z0-9]{0,9}").prop_map(|(address, on)| Operator::GratArp(address, on)),
        ("[a-z][a-z0-9]{0,9}", any::<bool>()).prop_map(|(name, up)| Operator::SetIfaceLink(name, up)),
        (select(tunables::TUNABLES.to_vec()), any::<u32>()).prop_map(|(tunable, value)| {
            let range = tunable_range(tunable.name);
            Operator::SetTunable(tunable.name, value.clamp(*range.start(), *range.end()))
        }),
    ]
}

fn one_action() -> impl Strategy<Value = Action> {
    let file = || vec(nodes_line(), 0..5);
    let starts = vec![StartAs::Normal, StartAs::Stopped, StartAs::Disabled];
    let forgeries = Forgery::ALL.map(|(forgery, _)| forgery).to_vec();
    let whom = prop_oneof![Just(Whom::Leader), whos().prop_map(Whom::Who)];
    let on = || proptest::option::of(hosts());
    let files = prop_oneof![
        (whos(), file()).prop_map(|(who, file)| Action::WriteNodes(who, file)),
        (whos(), file()).prop_map(|(who, file)| Action::Renodes(who, file)),
        (whos(), addresses_file()).prop_map(|(who, file)| Action::WriteAddresses(who, file)),
        (whos(), addresses_file()).prop_map(|(who, file)| Action::Readdress(who, file)),
        whos().prop_map(Action::ReloadIps),
        (whos(), vec("[#A-Z][a-z]{0,9}=?[0-9]{0,3}", 0..3))
            .prop_map(|(who, lines)| Action::WriteTunables(who, lines)),
        on().prop_map(|on| Action::ReloadNodes { on }),
    ];
    prop_oneof![
        whos().prop_map(Action::Stop),
        whos().prop_map(Action::Reload),
        whos().prop_map(Action::Babble),
        files,
        (whom, operator()).prop_map(|(whom, operator)| Action::Operator(whom, operator)),
        (entry(), hosts(), on()).prop_map(|(entry, to, on)| Action::MoveIp {
            address: entry.address,
            to,
            on
        }),
        (hosts(), hosts()).prop_map(|(from, to)| Action::Ping(from, to)),
        (whos(), select(starts)).prop_map(|(who, how)| Action::StartAs(who, how)),
        (whos(), any::<u32>()).prop_map(|(who, version)| Action::Version(who, version)),
        (hosts(), hosts(), select(forgeries)).prop_map(|(from, to, what)| Action::Forge(from, to, what)),
    ]
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![4 => one_action(), 1 => vec(one_action(), 2..4).prop_map(Action::Together)]
}

fn facts() -> impl Strategy<Value = Fact> {
    let flags = NodeFlags::PERMANENTLY_DISABLED | NodeFlags::STOPPED | NodeFlags::BANNED | NodeFlags::DELETED;
    let flags = any::<u32>().prop_map(move |bits| NodeFlags::from_bits_truncate(bits) & flags);
    let kinds = select(Notice::KINDS.to_vec());
    let address = || entry().prop_map(|entry| entry.address);
    let served = prop_oneof![select(SERVED.map(|(served, _)| served).to_vec()), hosts().prop_map(Served::On)];
    let states = select(RUNSTATES.map(|(state, _)| state).to_vec());
    let modes = select(MODES.map(|(mode, _)| mode).to_vec());
    let alone =
        vec![Fact::AllConnected, Fact::NoLeader, Fact::GenerationAgreed, Fact::AllServed, Fact::Balanced];
    let of_one = prop_oneof![
        hosts().prop_map(Fact::Dead),
        hosts().prop_map(Fact::Running),
        hosts().prop_map(Fact::Banned),
        hosts().prop_map(Fact::Leader),
        (hosts(), any::<bool>()).prop_map(|(host, healthy)| Fact::Healthy(host, healthy)),
        (hosts(), states).prop_map(|(host, state)| Fact::RunState(host, state)),
        (hosts(), modes).prop_map(|(host, mode)| Fact::Mode(host, mode)),
        (hosts(), any::<u32>()).prop_map(|(host, count)| Fact::Holds(host, count)),
    ];
    prop_oneof![
        select(alone),
        of_one,
        (hosts(), hosts()).prop_map(|(from, to)| Fact::Connected(from, to)),
        (hosts(), any::<u32>()).prop_map(|(host, number)| Fact::Number(host, number)),
        (hosts(), any::<u32>()).prop_map(|(host, count)| Fact::Nodes(host, count)),
        (hosts(), hosts(), flags).prop_map(|(from, to, flags)| Fact::Flags(from, to, flags)),
        (address(), served).prop_map(|(address, served)| Fact::Address(address, served)),
        (hosts(), address(), proptest::option::of(hosts()))
            .prop_map(|(at, address, holder)| Fact::Holder(at, address, holder)),
        (hosts(), kinds).prop_map(|(host, kind)| Fact::Noticed(host, kind.to_owned())),
    ]
}

proptest! {
    #[test]
    fn every_action_is_read_back_from_its_words(done in actions()) {
        let text = done.to_string();
        prop_assert!(VERBS.contains(&words(&text)[0].text), "{text}");
        prop_assert_eq!(action(&words(&text), HOSTS), Ok(done), "{}", text);
    }

    #[test]
    fn every_fact_is_read_back_from_its_words(expected in facts()) {
        let text = expected.to_string();
        prop_assert!(FACTS.contains(&words(&text)[0].text), "{text}");
        prop_assert_eq!(fact(&words(&text), HOSTS), Ok(expected), "{}", text);
    }
}

#[test]
fn every_verb_and_fact_has_its_line_in_the_manual() {
    let manual = include_str!("../../../../scenarios/README.md");
    let ours = manual.split("<!-- ctdb -->").nth(1).and_then(|rest| rest.split("<!-- /ctdb -->").next());
    let lines: Vec<_> = ours.expect("the table is marked").lines().collect();
    for word in VERBS.iter().chain(FACTS) {
        let begins = |line: &&str| {
            let told = line.strip_prefix("| `").and_then(|rest| rest.strip_prefix(word));
            let also = line.rsplit_once("| `").and_then(|(_, rest)| rest.strip_prefix(word));
            told.or(also).is_some_and(|rest| rest.starts_with([' ', '`']))
        };
        assert!(lines.iter().any(begins), "{word} is not in scenarios/README.md");
    }
    let told = lines.iter().filter_map(|line| line.strip_prefix("| `")?.split([' ', '`']).next());
    for word in told {
        assert!(VERBS.contains(&word) || FACTS.contains(&word), "there is no {word}");
    }
    for (_, word) in Forgery::ALL {
        assert!(lines.iter().any(|line| line.contains(&format!("`{word}`"))), "forgery {word}");
    }
}

#[test]
fn what_is_wrong_is_said_at_its_word() {
    let nearest = |text: &str| action(&words(text), 3).map_err(|wrong| (wrong.column, wrong.nearest));
    for (text, column, near) in [
        ("stop n3", 6, None),
        ("stop", 5, None),
        ("stop n1 n2", 9, None),
        ("forge n0 - n1 huge", 10, None),
        ("forge n0 -> n1 huge-", 16, Some("huge")),
        ("start-as n0 stoped", 13, Some("stopped")),
        ("version n2 4", 12, None),
        ("version n2 4.+1", 12, None),
        ("renodes all n0 -n9", 17, None),
        ("dissable n0", 1, Some("disable")),
        ("disable leeder", 9, None),
        ("ban n1 1.5s", 8, None),
        ("ban n1 60", 8, None),
        ("moveip 10.1.0.300 n1", 8, None),
        ("moveip 10.1.0.10 n1 onn n0", 21, Some("on")),
        ("addip n1 10.1.0.77 eth1", 19, None),
        ("addip n1 10.1.0.77/33 eth1", 20, None),
        ("addip n1 10.1.0.77/255.255.0.0 eth1", 20, Some("16")),
        ("addip n1 10.1.0.77/16   eth1,eth1", 30, None),
        ("addip n1 10.1.0.77/16", 22, None),
        ("write-addresses n1", 19, None),
        ("write-addresses n1 none 10.1.0.10/33@eth1", 35, None),
        ("setifacelink n1 eth1 upp", 22, Some("up")),
        ("setifacelink n1 a-very-long-interface up", 17, None),
        ("set-tunable n1 NoIPTakover 1", 16, Some("NoIPTakeover")),
        ("set-tunable n1 NoIPTakeover 2", 29, None),
        ("write-tunables n1 NoSuch=1 KeepaliveInterval=0", 28, None),
        ("disable n1 and dissable n0", 16, Some("disable")),
        ("disable n1 and", 12, None),
    ] {
        let Err((at, meant)) = nearest(text) else { panic!("{text} is read") };
        assert_eq!(at, column, "{text}");
        assert!(near.is_none() || meant.as_deref() == near, "{text}: {meant:?}");
    }
    let wrong = fact(&words("flags n0 n1 stopped|baned"), 3).unwrap_err();
    assert_eq!((wrong.column, wrong.nearest.as_deref()), (21, Some("banned")));
    for (text, column, near) in [
        ("noticed n0 node-ded", 12, Some("node-dead")),
        ("address 10.1.0.10 nowere", 19, Some("nowhere")),
        ("address n1 nowhere", 9, None),
        ("mode n0 norml", 9, Some("normal")),
        ("runstate n0 RUNING", 13, Some("RUNNING")),
        ("al-served", 1, Some("all-served")),
        ("holder n0 10.1.0.10 n7", 21, None),
    ] {
        let wrong = fact(&words(text), 3).unwrap_err();
        assert_eq!((wrong.column, wrong.nearest.as_deref()), (column, near), "{text}");
    }
}

#[test]
fn an_event_that_no_script_is_run_for_is_refused() {
    let said = |text: &str| {
        let read = crate::scenario::parse::parse::<super::super::CtdbKit>(text);
        read.err().and_then(|problems| problems.iter().next().map(ToString::to_string)).unwrap_or_default()
    };
    assert_eq!(said("at 1s script-fail n1 takeip 1"), "");
    assert_eq!(said("at 1s script-fine all any"), "");
    for wrong in ["at 1s script-fail n1 takip 1", "at 1s script-fine n1 takip"] {
        let said = said(wrong);
        assert!(said.contains("`takip` is not an event") && said.contains("did you mean `takeip`"), "{said}");
    }
}
