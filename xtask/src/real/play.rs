//! Plays a story on a bed: its deeds at their times, its expectations followed all the while.

use std::sync::RwLock;
use std::thread;
use std::time::{Duration, Instant};

use standin_testbed::{Bed, Client, Error, Observer, Options};

use super::deed::Deed;
use super::eyes::{Eyes, Seen};
use super::fate::{Fate, Played};
use super::story::{Expectation, Figures, Step, Story, When};
use super::table;

/// How often expectations are looked at.
const TICK: Duration = Duration::from_millis(4);

/// How long after its time an answer may still come that decides an expectation.
const GRACE: Duration = Duration::from_secs(4);

/// Two questions without an answer are an outage; one may have been late.
const SILENT: Duration = Duration::from_millis(45);

/// A deed that is later than this is said to be.
const LATE: Duration = Duration::from_millis(50);

/// Until the addresses of a network that restarts are surely gone.
const FLUSHED: Duration = Duration::from_millis(50);

/// When a step began, and from when on it counts as done.
#[derive(Clone, Copy)]
struct Begun {
    at: Instant,
    settled: Option<Instant>,
}

pub(super) fn play(name: &str, story: &Story, options: &Options, slack: Duration) -> Result<Played, Error> {
    if Bed::exists(name) {
        return Err(Error::new(format!("a cluster {name} is up already: choose another --name")));
    }
    let bed = Bed::up(name, options)?;
    let addresses = bed.addresses().to_vec();
    let (client, observer) = (Client::start(&bed)?, Observer::start(&bed)?);
    let bed = RwLock::new(bed);
    let eyes = Eyes::new(&bed, &client);
    let start = Instant::now();
    let status = thread::scope(|scope| {
        eyes.open(scope);
        let played = follow(&bed, &eyes, story, start, slack);
        eyes.close();
        played
    })?;
    let end = Instant::now();
    let figures = |address| {
        let first = client.first_answer(address);
        let gaps = first.map_or(Vec::new(), |first| client.silences(address, first, end, SILENT));
        Figures {
            address: String::new(),
            first: first.map(|first| first.saturating_duration_since(start)),
            out: gaps.iter().map(standin_testbed::Gap::length).sum(),
            longest: gaps.iter().map(standin_testbed::Gap::length).max().unwrap_or_default(),
            twice: observer.twice_for(address, start, end),
        }
    };
    Ok(Played { status, addresses: addresses.into_iter().map(figures).collect() })
}

fn follow<'s>(
    bed: &RwLock<Bed>,
    eyes: &Eyes<'_>,
    story: &'s Story,
    start: Instant,
    slack: Duration,
) -> Result<i32, Error> {
    thread::scope(|scope| {
        let mut begun = vec![Begun { at: start, settled: Some(start) }];
        let mut open: Vec<&Expectation> = Vec::new();
        let mut hands: Vec<(usize, thread::ScopedJoinHandle<'_, Result<Instant, Error>>)> = Vec::new();
        let mut status = 0;
        if story.starts {
            let all: Vec<_> = (0..story.nodes).map(|node| Deed::Start(vec![node])).collect();
            hands.extend(all.into_iter().map(|deed| (0, scope.spawn(move || done(bed, &deed)))));
        }
        let take_up = |open: &mut Vec<&'s Expectation>, steps: usize| {
            open.extend(story.expectations.iter().filter(|one| one.steps == steps));
            eyes.want(open.iter().map(|one| &one.fact));
        };
        take_up(&mut open, 0);
        let mut steps = story.steps.iter();
        let mut next: Option<&Step> = steps.next();
        loop {
            let now = Instant::now();
            while let Some(step) = next.filter(|step| start + step.at <= now) {
                let late = now - (start + step.at);
                let (place, quick) = (begun.len(), step.deeds.iter().all(at_once));
                let settled = (!quick || step.deeds.is_empty()).then(|| now + settling(step));
                begun.push(Begun { at: now, settled });
                hands.extend(step.deeds.iter().map(|deed| (place, scope.spawn(move || done(bed, deed)))));
                println!("{}", table::deed(step, late.saturating_sub(LATE)));
                take_up(&mut open, place);
                next = steps.next();
            }
            for (place, hand) in hands.extract_if(.., |(_, hand)| hand.is_finished()) {
                let ended = hand.join().expect("a deed does not panic")?;
                let settled = &mut begun[place].settled;
                *settled = settled.or(Some(ended));
            }
            let before = open.len();
            open.retain(|one| {
                let Some(settled) = begun[one.steps].settled else { return true };
                let fate = fate(one, begun[one.steps].at, settled, slack, eyes.see(&one.fact));
                let Some(fate) = fate else { return true };
                println!("{}", table::fate(one, &fate));
                if let (0, Fate::Broken { late, .. }) = (status, fate) {
                    status = if late { 2 } else { 1 };
                }
                false
            });
            if open.len() < before {
                eyes.want(open.iter().map(|one| &one.fact));
            }
            if now >= start + story.end && open.is_empty() && hands.is_empty() {
                return Ok(status);
            }
            thread::sleep(TICK);
        }
    })
}

fn done(bed: &RwLock<Bed>, deed: &Deed) -> Result<Instant, Error> {
    deed.carry_out(bed)?;
    Ok(Instant::now())
}

/// Whether all of it has happened when it is done. What a daemon is asked for takes its time in the
/// simulator too.
fn at_once(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::Start(_)
            | Deed::Restart(_)
            | Deed::Crash(_)
            | Deed::PowerOff(_)
            | Deed::PowerOn(_)
            | Deed::Cable(..)
            | Deed::Interface(..)
            | Deed::AddressDel(..)
            | Deed::AddressAdd(..)
            | Deed::OneWay(..)
            | Deed::Sides(_)
            | Deed::Whole
    )
}

fn settling(step: &Step) -> Duration {
    let restarts = step.deeds.iter().any(|deed| matches!(deed, Deed::NetworkRestart(..)));
    if restarts { FLUSHED } else { Duration::ZERO }
}

/// What becomes of an expectation, if that is decided. What was asked in time counts, though it
/// was known later; what was known before a time was so before it.
fn fate(
    one: &Expectation,
    since: Instant,
    settled: Instant,
    slack: Duration,
    seen: Option<Seen>,
) -> Option<Fate> {
    let after = |at: Instant| at.saturating_duration_since(since);
    let until = match one.when {
        When::Now | When::Throughout => since + one.until,
        When::Within | When::Between => since + one.until + slack,
    };
    let unknown = || {
        let over = Instant::now() > until.max(settled) + GRACE;
        over.then(|| Fate::Broken { late: true, after: after(Instant::now()), why: "nobody could say" })
    };
    let Some(seen) = seen.filter(|seen| seen.asked >= settled) else { return unknown() };
    let so = seen.holds == one.holds;
    let broken = |late, why| Some(Fate::Broken { late, after: after(seen.known), why });
    match one.when {
        When::Now if so => Some(Fate::Kept(after(seen.known))),
        When::Now => broken(false, "not so"),
        When::Between if so && seen.known < since + one.from => broken(false, "too early"),
        When::Within | When::Between if seen.asked > until => broken(true, "not in time"),
        When::Within | When::Between if so => Some(Fate::Kept(after(seen.known))),
        When::Throughout if seen.asked > until => Some(Fate::Kept(one.until)),
        When::Throughout if !so && seen.known <= until => broken(false, "no longer so"),
        When::Within | When::Between | When::Throughout => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fact::Fact;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// An answer to a question asked at these milliseconds.
    fn decided(when: When, from: u32, until: u32, asked: u32, holds: bool) -> Option<Fate> {
        let since = Instant::now();
        let (from, until) = (MS * from, MS * until);
        let (steps, text, simulated) = (0, String::new(), None);
        let one =
            Expectation { text, steps, when, from, until, holds: true, fact: Fact::AllServed, simulated };
        let seen = Seen { holds, asked: since + MS * asked, known: since + MS * (asked + 10) };
        fate(&one, since, since + MS * 5, Duration::ZERO, Some(seen))
    }

    #[test]
    fn what_is_asked_in_time_counts() {
        let kept = Some(Fate::Kept(MS * 110));
        assert_eq!(decided(When::Within, 0, 100, 100, true), kept);
        assert_eq!(decided(When::Within, 0, 100, 100, false), None);
        assert!(matches!(decided(When::Within, 0, 100, 101, true), Some(Fate::Broken { late: true, .. })));
        assert_eq!(decided(When::Within, 0, 100, 4, true), None, "before it was done");
        assert_eq!(decided(When::Between, 110, 200, 100, true), kept);
        assert!(matches!(
            decided(When::Between, 120, 200, 100, true),
            Some(Fate::Broken { late: false, .. })
        ));
        assert_eq!(decided(When::Throughout, 0, 100, 101, false), Some(Fate::Kept(MS * 100)));
        assert_eq!(decided(When::Throughout, 0, 100, 95, false), None, "it may have ended after its time");
        assert!(matches!(
            decided(When::Throughout, 0, 100, 50, false),
            Some(Fate::Broken { late: false, .. })
        ));
        assert!(matches!(decided(When::Now, 0, 0, 50, false), Some(Fate::Broken { late: false, .. })));
        assert_eq!(decided(When::Now, 0, 0, 100, true), kept);
    }
}
