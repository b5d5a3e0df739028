//! RELEASE_IP and dropping all: one row a situation.

use super::*;

type Setting = fn(&mut Bench);
type State = (Option<Pnn>, Option<&'static str>);

const IN_KERNEL: bool = true;
const MISSING: bool = false;
const NOBODY: State = (None, None);
const ELSEWHERE: State = (Some(OTHER), None);
const ETH0: State = (Some(ME), Some("eth0"));

fn run(interface: Option<&str>) -> Release {
    Release::Run { interface: interface.map(Into::into), bits: 24 }
}

/// The situation, what is done to reach it, what the kernel has, the answer, the state behind.
type Row = (&'static str, Setting, bool, Release, State);

fn rows() -> [Row; 9] {
    let taking: Setting = |b| drop(b.takeover(A, false));
    let releasing: Setting = |b| {
        b.hold(A);
        b.release(A, Some(OTHER), true);
    };
    [
        ("held, in kernel", |b| b.hold(A), IN_KERNEL, run(Some("eth0")), ETH0),
        ("held, missing", |b| b.hold(A), MISSING, Release::Redundant, NOBODY),
        ("unknown, in kernel", |_| {}, IN_KERNEL, run(None), NOBODY),
        ("unknown, missing", |_| {}, MISSING, Release::Redundant, NOBODY),
        ("elsewhere, in kernel", |b| b.elsewhere(A), IN_KERNEL, run(None), ELSEWHERE),
        ("being taken, in kernel", taking, IN_KERNEL, Release::Busy, ETH0),
        ("being taken, missing", taking, MISSING, Release::Redundant, NOBODY),
        ("being released, in kernel", releasing, IN_KERNEL, Release::Busy, ETH0),
        ("being released, missing", releasing, MISSING, Release::Redundant, NOBODY),
    ]
}

#[test]
fn every_situation_has_its_answer() {
    for (what, set, have, answer, state) in rows() {
        for holder in [Some(Pnn(2)), None, Some(ME)] {
            let mut bench = Bench::new();
            set(&mut bench);
            assert_eq!(bench.release(A, holder, have), answer, "{what}");
            // A redundant release tells us the holder; that it is us nobody else can say.
            let told = (holder.filter(|&holder| holder != ME), None);
            let after = if answer == Release::Redundant { told } else { state };
            assert_eq!(bench.state(A), after, "{what}");
        }
    }
    assert_eq!(Bench::new().release("10.0.0.9", None, true), Release::NotOurs);
}

#[test]
fn all_are_dropped_one_after_another() {
    for (what, set, have, answer, after) in rows() {
        let mut bench = Bench::new();
        set(&mut bench);
        assert_eq!(bench.with(|table, cx| table.drop_one(cx, ip(A), have)), answer, "{what}");
        assert_eq!(bench.state(A), after, "{what}");
    }
    let mut bench = Bench::new();
    bench.elsewhere(A);
    assert_eq!(bench.table.to_drop(), [D, C, B, A].map(ip));
    let dropped = bench.with(|table, cx| table.drop_one(cx, ip(A), false));
    assert_eq!((dropped, bench.state(A)), (Release::Redundant, ELSEWHERE));
    let dropped = bench.with(|table, cx| table.drop_one(cx, ip("10.0.0.9"), true));
    assert_eq!(dropped, Release::NotOurs);
}

#[test]
fn a_release_ends_as_the_kernel_says() {
    let held: Setting = |b| b.hold(A);
    let elsewhere: Setting = |b| b.elsewhere(A);
    for (before, holder, still_there, end, after) in [
        (held, Some(Pnn(2)), false, Released::Done { deleted: false }, (Some(Pnn(2)), None)),
        (held, None, false, Released::Done { deleted: false }, NOBODY),
        (held, Some(ME), false, Released::Done { deleted: false }, NOBODY),
        (held, Some(Pnn(2)), true, Released::Stays, ETH0),
        (elsewhere, None, false, Released::Done { deleted: false }, NOBODY),
        (elsewhere, Some(Pnn(2)), true, Released::Stays, ELSEWHERE),
    ] {
        let mut bench = Bench::new();
        before(&mut bench);
        assert!(matches!(bench.release(A, holder, true), Release::Run { .. }));
        assert_eq!(bench.release_ended(A, holder, still_there), end);
        assert_eq!(bench.state(A), after);
        assert!(!bench.table.get(ip(A)).unwrap().is_changing());
    }
}

#[test]
fn a_released_address_counts_on_its_interface_no_more() {
    let mut bench = Bench::new();
    bench.hold(B);
    assert_eq!(bench.table.references("eth0"), 1);
    bench.release(B, None, true);
    assert_eq!(bench.table.references("eth0"), 1, "not before it is gone");
    bench.release_ended(B, None, false);
    assert_eq!((bench.table.references("eth0"), bench.table.held()), (0, 0));
}

#[test]
fn an_address_to_be_deleted_goes_with_its_release() {
    let mut bench = Bench::new();
    bench.hold(D);
    assert_eq!(bench.table.delete(ip(D)), Deleted::Marked);
    bench.release(D, Some(OTHER), true);
    assert_eq!(bench.release_ended(D, Some(OTHER), true), Released::Stays);
    assert!(bench.table.get(ip(D)).is_some());
    bench.release(D, Some(OTHER), true);
    assert_eq!(bench.release_ended(D, Some(OTHER), false), Released::Done { deleted: true });
    assert!(bench.table.get(ip(D)).is_none());
    // A redundant release is none, in ctdbd too: the entry stays until it is deleted again.
    bench.hold(A);
    assert_eq!(bench.table.delete(ip(A)), Deleted::Marked);
    bench.elsewhere(A);
    assert_eq!(bench.state(A), ELSEWHERE);
    assert_eq!(bench.table.delete(ip(A)), Deleted::AtOnce);
}
