//! Whatever happens, the table keeps its invariants.

use alloc::collections::BTreeMap;
use alloc::vec;
use proptest::prelude::*;

use super::super::super::types::NodeFlags;
use super::super::super::wire::TickleList;
use super::*;
use crate::bytes::check::few;

const ADDRESSES: [&str; 5] = [A, B, C, D, "10.0.0.5"];
const LINES: [&str; 5] = [
    "10.0.0.1/24 eth0,eth1",
    "10.0.0.2/25 eth0",
    "10.0.0.3/25 eth0",
    "fd00::4/64 eth1",
    "10.0.0.5/24 lo,eth1,eth0",
];

/// Something happens, mostly to an address: its place in `ADDRESSES`.
#[derive(Clone, Copy, Debug)]
enum Step {
    Takeover {
        to: u32,
        at: usize,
        have: bool,
    },
    Release {
        holder: Option<u32>,
        at: usize,
        have: bool,
    },
    Drop {
        at: usize,
        have: bool,
    },
    /// The event of an address ends, if one is running.
    End {
        at: usize,
        well: bool,
    },
    Add(usize),
    Delete(usize),
    Link {
        name: &'static str,
        up: bool,
    },
    Tickle {
        at: usize,
        client: u16,
        told: bool,
    },
    Set {
        at: usize,
        clients: u16,
    },
    Kept,
    Wait,
}

fn any_step() -> impl Strategy<Value = Step> {
    let at = 0..ADDRESSES.len();
    let holder = proptest::option::of(0_u32..3);
    prop_oneof![
        4 => (prop_oneof![9 => Just(0), 1 => Just(1)], at.clone(), any::<bool>())
            .prop_map(|(to, at, have)| Step::Takeover { to, at, have }),
        4 => (holder, at.clone(), any::<bool>())
            .prop_map(|(holder, at, have)| Step::Release { holder, at, have }),
        1 => (at.clone(), any::<bool>()).prop_map(|(at, have)| Step::Drop { at, have }),
        6 => (at.clone(), any::<bool>()).prop_map(|(at, well)| Step::End { at, well }),
        1 => at.clone().prop_map(Step::Add),
        1 => at.clone().prop_map(Step::Delete),
        2 => (prop_oneof![Just("eth0"), Just("eth1"), Just("lo")], any::<bool>())
            .prop_map(|(name, up)| Step::Link { name, up }),
        1 => (at.clone(), 0_u16..4, any::<bool>())
            .prop_map(|(at, client, told)| Step::Tickle { at, client, told }),
        1 => (at, 0_u16..4).prop_map(|(at, clients)| Step::Set { at, clients }),
        1 => Just(Step::Kept),
        2 => Just(Step::Wait),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Take,
    Update,
    Release(Option<Pnn>),
}

/// A connection of this client to an address.
fn to(at: usize, client: u16) -> Connection {
    let server = WireAddr((ip(ADDRESSES[at]), 445).into());
    let from = if server.ip().is_ipv4() { "10.9.0.1" } else { "fd09::1" };
    Connection { client: WireAddr((ip(from), 1000 + client).into()), server }
}

struct Run {
    bench: Bench,
    running: BTreeMap<usize, Running>,
}

impl Run {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let bench = &mut self.bench;
        match step {
            Step::Takeover { to, at, have } => {
                let before = bench.table.clone();
                let told = bench.with(|table, _| table.takeover(ME, Pnn(to), ip(ADDRESSES[at]), have));
                self.took(at, &before, told)?;
            }
            Step::Release { holder, at, have } => {
                let holder = holder.map(Pnn);
                let told = bench.release(ADDRESSES[at], holder, have);
                self.left(at, told, holder)?;
            }
            Step::Drop { at, have } => {
                let told = bench.with(|table, cx| table.drop_one(cx, ip(ADDRESSES[at]), have));
                self.left(at, told, None)?;
            }
            Step::End { at, well } => self.end(at, well)?,
            Step::Add(at) => {
                let new = file(LINES[at]);
                let there = bench.table.get(ip(ADDRESSES[at])).is_some_and(|entry| !entry.delete_pending);
                let added = bench.table.add(&new.entries()[0], &bench.kernel);
                prop_assert_eq!(added, if there { Err(AddRefused::Duplicate) } else { Ok(()) });
            }
            Step::Delete(at) => {
                let deleted = bench.table.delete(ip(ADDRESSES[at]));
                prop_assert!(deleted != Deleted::AtOnce || !self.running.contains_key(&at));
            }
            Step::Link { name, up } => {
                bench.table.set_link(name, up);
            }
            Step::Tickle { at, client, told } => {
                bench.table.add_tickle(to(at, client), told);
            }
            Step::Set { at, clients } => {
                let connections = (0..clients).map(|client| to(at, client)).collect();
                bench.table.set_tickles(&TickleList { address: to(at, 0).server, connections });
            }
            Step::Kept => bench.with(|table, cx| table.announce_all_held(cx, |_| true)),
            Step::Wait => {
                bench.now += Duration::from_millis(700);
                while let Some(wake) = bench.timers.pop_due(bench.now) {
                    let Wake::Announce(address) = wake else { panic!("{wake:?}") };
                    bench.with(|table, cx| table.announce_due(cx, address));
                }
            }
        }
        self.agrees()
    }

    fn took(&mut self, at: usize, before: &Addresses, told: Takeover) -> Result<(), TestCaseError> {
        let address = ip(ADDRESSES[at]);
        let after = self.bench.table.get(address).and_then(Entry::interface);
        match told {
            Takeover::Take { interface, .. } => {
                prop_assert_eq!(after, Some(interface.as_str()));
                prop_assert!(before.is_up(&interface), "{} has no link", interface);
                prop_assert_eq!(self.running.insert(at, Running::Take), None);
            }
            Takeover::Update { from, to, .. } => {
                prop_assert_eq!(after, Some(to.as_str()));
                prop_assert!(before.is_up(&to) && from.as_ref() != Some(&to));
                prop_assert_eq!(from.as_deref(), before.get(address).and_then(Entry::interface));
                prop_assert_eq!(self.running.insert(at, Running::Update), None);
            }
            Takeover::Refused(_) | Takeover::NotOurs | Takeover::Conflict { .. } | Takeover::Held => {
                prop_assert_eq!(after, before.get(address).and_then(Entry::interface));
            }
        }
        Ok(())
    }

    fn left(&mut self, at: usize, told: Release, holder: Option<Pnn>) -> Result<(), TestCaseError> {
        if let Release::Run { .. } = told {
            prop_assert_eq!(self.running.insert(at, Running::Release(holder)), None);
        }
        if told == Release::Redundant {
            prop_assert!(!self.bench.table.get(ip(ADDRESSES[at])).unwrap().is_held());
        }
        Ok(())
    }

    fn end(&mut self, at: usize, well: bool) -> Result<(), TestCaseError> {
        let address = ADDRESSES[at];
        match self.running.remove(&at) {
            None => {}
            Some(Running::Take) => {
                let took = self.bench.take_ended(address, well);
                prop_assert!(well != (took == Took::Failed));
            }
            Some(Running::Update) => {
                let updated = self.bench.with(|table, _| table.update_ended(ip(address), well));
                let moved = matches!(updated, Updated::Moved { .. });
                prop_assert!(well || !moved);
            }
            Some(Running::Release(holder)) => {
                let released = self.bench.release_ended(address, holder, !well);
                prop_assert_eq!(well, released != Released::Stays);
                let deleted = released == Released::Done { deleted: true };
                prop_assert_eq!(deleted, self.bench.table.get(ip(address)).is_none());
            }
        }
        Ok(())
    }

    /// What can be seen agrees with itself.
    fn agrees(&mut self) -> Result<(), TestCaseError> {
        let Bench { table, kernel, timers, .. } = &mut self.bench;
        table.check_invariants(Some(ME));
        for (at, address) in ADDRESSES.iter().enumerate() {
            let address = ip(address);
            let entry = table.get(address);
            let running = self.running.contains_key(&at);
            prop_assert_eq!(running, entry.is_some_and(Entry::is_changing));
            let waits = timers.at(Wake::Announce(address)).is_some();
            let announcing = entry.is_some_and(|entry| entry.announcing.is_some());
            prop_assert!(waits || !announcing, "nothing wakes the announcement of {}", address);
            if let Some(info) = table.info(address) {
                prop_assert_eq!(info.active != u32::MAX, info.ip.pnn == ME);
            }
        }
        let references: u32 = table.interfaces().interfaces.iter().map(|link| link.references).sum();
        prop_assert_eq!(references, table.held());
        let mut last = None;
        let _ = table.check(ME, NodeFlags::empty(), true, kernel, |_| false, &mut last);
        let _ = table.take_changed();
        self.bench.is_quiet();
        Ok(())
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn nothing_that_happens_breaks_the_table(steps in proptest::collection::vec(any_step(), 0..120)) {
        let mut run = Run { bench: Bench::new(), running: BTreeMap::new() };
        for step in steps {
            run.step(step)?;
        }
    }
}
