//! TAKEOVER_IP: one row a situation.

use super::*;

type Setting = fn(&mut Bench);
type State = (Option<Pnn>, Option<&'static str>);

fn take(interface: &str) -> Takeover {
    Takeover::Take { interface: interface.into(), bits: 24 }
}

fn update(from: Option<&str>, to: &str) -> Takeover {
    Takeover::Update { from: from.map(Into::into), to: to.into(), bits: 24 }
}

fn link(bench: &mut Bench, name: &str, up: bool) {
    assert_eq!(bench.table.set_link(name, up), Some(true));
}

const NOBODY: State = (None, None);
const ELSEWHERE: State = (Some(OTHER), None);
const ETH0: State = (Some(ME), Some("eth0"));
const ETH1: State = (Some(ME), Some("eth1"));

#[test]
fn every_situation_has_its_answer() {
    const IN_KERNEL: bool = true;
    const MISSING: bool = false;
    let refused = Takeover::Refused;
    let rows: &[(&str, Setting, bool, Takeover, State)] = &[
        // The measured table.
        ("held, in kernel, interface fine", |b| b.hold(A), IN_KERNEL, Takeover::Held, ETH0),
        ("held, missing in kernel", |b| b.hold(A), MISSING, take("eth0"), ETH0),
        (
            "held, its interface down, another up",
            |b| {
                b.hold(A);
                link(b, "eth0", false);
            },
            IN_KERNEL,
            update(Some("eth0"), "eth1"),
            ETH1,
        ),
        (
            "held, another interface has two addresses less",
            |b| {
                b.hold(A);
                b.hold(B);
            },
            IN_KERNEL,
            update(Some("eth0"), "eth1"),
            ETH1,
        ),
        ("in kernel, holder unknown", |_| {}, IN_KERNEL, update(None, "eth0"), ETH0),
        (
            "in kernel, holder another node",
            |b| b.elsewhere(A),
            IN_KERNEL,
            Takeover::Conflict { holder: OTHER },
            ELSEWHERE,
        ),
        (
            "being released, still in kernel",
            |b| {
                b.hold(A);
                b.release(A, Some(OTHER), true);
            },
            IN_KERNEL,
            Takeover::Held,
            ETH0,
        ),
        // The rest.
        ("unknown, not in kernel", |_| {}, MISSING, take("eth0"), ETH0),
        ("elsewhere, not in kernel", |b| b.elsewhere(A), MISSING, take("eth0"), ETH0),
        ("fewest addresses", |b| b.hold(B), MISSING, take("eth1"), ETH1),
        ("first interface down", |b| link(b, "eth0", false), MISSING, take("eth1"), ETH1),
        (
            "all down",
            |b| {
                link(b, "eth0", false);
                link(b, "eth1", false);
            },
            MISSING,
            refused(Refused::NoInterface),
            NOBODY,
        ),
        (
            "held, all down",
            |b| {
                b.hold(A);
                link(b, "eth0", false);
                link(b, "eth1", false);
            },
            IN_KERNEL,
            refused(Refused::NoInterface),
            ETH0,
        ),
        (
            "held, another interface has one address less",
            |b| {
                b.hold(A);
                b.hold(B);
                b.hold(D);
            },
            IN_KERNEL,
            Takeover::Held,
            ETH0,
        ),
        (
            "held, missing, its interface down",
            |b| {
                b.hold(A);
                link(b, "eth0", false);
            },
            MISSING,
            take("eth1"),
            ETH1,
        ),
        (
            "held, missing, another interface has two addresses less",
            |b| {
                b.hold(A);
                b.hold(B);
            },
            MISSING,
            take("eth1"),
            ETH1,
        ),
        (
            "held, missing, to be deleted",
            |b| {
                b.hold(A);
                assert_eq!(b.table.delete(ip(A)), Deleted::Marked);
            },
            MISSING,
            take("eth0"),
            ETH0,
        ),
        (
            "being released, gone from the kernel",
            |b| {
                b.hold(A);
                b.release(A, Some(OTHER), true);
            },
            MISSING,
            refused(Refused::Changing),
            ETH0,
        ),
        (
            "being released, gone from the kernel, its interface down",
            |b| {
                b.hold(A);
                b.release(A, Some(OTHER), true);
                link(b, "eth0", false);
            },
            MISSING,
            refused(Refused::Changing),
            ETH0,
        ),
        ("being taken", |b| drop(b.takeover(A, false)), MISSING, refused(Refused::Changing), ETH0),
        ("being taken, there already", |b| drop(b.takeover(A, false)), IN_KERNEL, Takeover::Held, ETH0),
        (
            "being moved, and the new interface down",
            |b| {
                b.takeover(A, true);
                link(b, "eth0", false);
            },
            IN_KERNEL,
            refused(Refused::Changing),
            ETH0,
        ),
    ];
    for (what, set, have, answer, after) in rows {
        let mut bench = Bench::new();
        set(&mut bench);
        assert_eq!(bench.takeover(A, *have), *answer, "{what}");
        assert_eq!(bench.state(A), *after, "{what}");
        let runs = matches!(answer, Takeover::Take { .. } | Takeover::Update { .. });
        let busy = runs || what.starts_with("being");
        assert_eq!(bench.table.get(ip(A)).unwrap().is_changing(), busy, "{what}");
    }
}

#[test]
fn what_is_for_another_node_or_unknown_is_not_taken() {
    let mut bench = Bench::new();
    let told = |table: &mut Addresses, to, address| table.takeover(ME, to, ip(address), false);
    assert_eq!(told(&mut bench.table, OTHER, A), Takeover::Refused(Refused::OtherNode));
    assert_eq!(told(&mut bench.table, OTHER, "10.0.0.9"), Takeover::Refused(Refused::OtherNode));
    assert_eq!(told(&mut bench.table, ME, "10.0.0.9"), Takeover::NotOurs);
    assert_eq!(bench.state(A), NOBODY);
}

#[test]
fn a_take_ends_in_one_of_these_ways() {
    let taken = || Took::Taken { interface: "eth0".into() };
    let nothing: Setting = |_| {};
    // While the script runs: told to release what is not there yet, then what is.
    let given: Setting = |b| assert_eq!(b.release(A, Some(OTHER), false), Release::Redundant);
    let busy: Setting = |b| assert_eq!(b.release(A, Some(OTHER), true), Release::Busy);
    for (meanwhile, ok, end, after) in [
        (nothing, true, taken(), ETH0),
        (nothing, false, Took::Failed, ETH0),
        (given, true, Took::Forgotten, ELSEWHERE),
        (given, false, Took::Failed, ELSEWHERE),
        (busy, true, taken(), ETH0),
    ] {
        let mut bench = Bench::new();
        bench.takeover(A, false);
        meanwhile(&mut bench);
        assert_eq!(bench.take_ended(A, ok), end);
        assert_eq!(bench.state(A), after);
        assert_eq!(bench.asked().is_empty(), !matches!(end, Took::Taken { .. }));
        assert!(!bench.table.get(ip(A)).unwrap().is_changing());
    }
}

#[test]
fn an_update_ends_in_one_of_these_ways() {
    let here: Setting = |b| {
        b.hold(A);
        b.hold(B);
    };
    let unknown: Setting = |b| b.hold(B);
    let nothing: Setting = |_| {};
    let given: Setting = |b| assert_eq!(b.release(A, Some(OTHER), false), Release::Redundant);
    let moved = || Updated::Moved { to: "eth1".into() };
    for (before, meanwhile, ok, end, after) in [
        (here, nothing, true, moved(), ETH1),
        (here, nothing, false, Updated::Restored { interface: "eth0".into() }, ETH0),
        (here, given, true, Updated::Forgotten, ELSEWHERE),
        (here, given, false, Updated::Forgotten, ELSEWHERE),
        (unknown, nothing, true, moved(), ETH1),
        (unknown, nothing, false, Updated::Unassigned, NOBODY),
        (unknown, given, false, Updated::Forgotten, ELSEWHERE),
    ] {
        let mut bench = Bench::new();
        before(&mut bench);
        assert!(matches!(bench.takeover(A, true), Takeover::Update { .. }));
        assert_eq!(bench.state(A), ETH1);
        meanwhile(&mut bench);
        assert_eq!(bench.with(|table, _| table.update_ended(ip(A), ok)), end);
        assert_eq!(bench.state(A), after);
        assert!(bench.asked().is_empty(), "the script tells the neighbours");
        assert!(!bench.table.get(ip(A)).unwrap().is_changing());
    }
}
