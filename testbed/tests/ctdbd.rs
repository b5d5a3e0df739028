//! Three stock daemons in a bed: the bed works, and this is what we are measured against.
//!
//! Needs root and the package `ctdb`; without them it says so and passes, but not in CI.

use std::time::{Duration, Instant};

use standin_testbed::{Bed, Client, Observer, Options, Program, has_ctdb, test_has, usable};

/// Whether there is anything to test with.
fn able() -> bool {
    test_has(usable().and_then(|()| has_ctdb()))
}

#[test]
fn a_stopped_ctdbd_hands_its_addresses_over() {
    if !able() {
        return;
    }
    let began = Instant::now();
    let options = Options::new(3, &Program::Ctdbd);
    let bed = Bed::up(&format!("ctdbd-{}", std::process::id()), &options).unwrap();
    let (client, observer) = (Client::start(&bed).unwrap(), Observer::start(&bed).unwrap());
    eprintln!("bed made in {:.2} s", began.elapsed().as_secs_f64());

    let started = Instant::now();
    bed.start_all().unwrap();
    let served = client
        .wait(started, Duration::from_secs(45), |all| all.iter().all(|(_, who)| who.is_some()))
        .unwrap();
    bed.wait_healthy(3, Duration::from_secs(20)).unwrap();
    eprintln!(
        "all answer after {:.2} s, healthy after {:.2} s",
        served.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );

    // The last node to become healthy gets its share in the leader's next round.
    let share = |all: &[(_, Option<usize>)], node| all.iter().filter(|(_, who)| *who == Some(node)).count();
    let spread = |all: &[_]| (0..3).all(|node| share(all, node) == 2);
    client.wait(started, Duration::from_secs(10), spread).unwrap();
    let touched = client.of(2);
    assert_eq!(bed.addresses_on(2).unwrap(), touched);
    std::thread::sleep(Duration::from_secs(1));
    assert!(observer.twice().is_empty());

    let stopped = Instant::now();
    bed.stop(2).unwrap();
    client
        .wait(stopped, Duration::from_secs(30), |all| {
            all.iter().all(|(_, who)| who.is_some_and(|node| node != 2))
        })
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let (address, gap) = client.worst_gap(&touched, stopped, Instant::now()).unwrap();
    eprintln!("clean stop: {address} was silent for {:.3} s", gap.length().as_secs_f64());
    // Eight seconds if the leader was stopped, and the machine may be busy.
    assert!(gap.length() < Duration::from_secs(20), "{gap:?}");
    assert!(observer.twice().is_empty());
    assert!(began.elapsed() < Duration::from_secs(120));
}
