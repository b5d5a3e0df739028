//! Databases: after a recovery all that took part have the same, and nobody lost a later copy for
//! an earlier one.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::config;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{DbFlags, Generation, Pnn, RecoveryMode};
use standin_core::ctdb::{Ctdb, RecordView};

use super::super::build::Cluster;
use super::view::node;
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// A copy of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copy {
    number: u64,
    master: Pnn,
    data: Vec<u8>,
}

/// A host's copy of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copies {
    /// Of the recovery that wrote it.
    generation: Generation,
    volatile: bool,
    number: u64,
    records: BTreeMap<Vec<u8>, Copy>,
}

/// A host's databases by name.
type Held = BTreeMap<String, Copies>;

/// What a host had before a recovery and what it had after it.
#[derive(Clone, Debug)]
struct Passage {
    own: Pnn,
    before: Held,
    after: Held,
}

/// The checker.
#[derive(Debug)]
pub(super) struct Databases {
    cluster: Rc<Cluster>,
    /// What a host had when it was last looked at, as long as its programs wait.
    waiting: BTreeMap<HostId, Held>,
    /// By the generation that the databases are of. The node itself may have another by then, or
    /// none: it waits for the cluster lock before its programs go on, and is banned or led by another
    /// meanwhile. Until its leader ends the recovery it may pass another's, or start anew.
    passages: BTreeMap<Generation, BTreeMap<HostId, Passage>>,
    looked: u64,
}

fn held(machine: &Ctdb) -> Held {
    let copies = machine.databases().map(|database| {
        let copy = |record: RecordView<'_>| {
            let RecordView { key, number, master, data } = record;
            (key.to_vec(), Copy { number, master, data: data.to_vec() })
        };
        let volatile = !database.flags.intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED);
        let held = Copies {
            generation: database.generation,
            volatile,
            number: database.sequence_number,
            records: database.records().map(copy).collect(),
        };
        (database.name.to_string(), held)
    });
    copies.collect()
}

/// The generation that all of these are of, if it is one.
fn generation_of(held: &Held) -> Option<Generation> {
    let generation = held.values().next()?.generation;
    held.values().all(|copies| copies.generation == generation).then_some(generation)
}

/// A host's part in the recovery of this generation.
fn passage(
    passages: &mut BTreeMap<Generation, BTreeMap<HostId, Passage>>,
    generation: Generation,
    host: HostId,
    own: Pnn,
) -> &mut Passage {
    let new = || Passage { own, before: Held::new(), after: Held::new() };
    passages.entry(generation).or_default().entry(host).or_insert_with(new)
}

/// What is wrong with a volatile record after a recovery: of these copies, each with whose it is,
/// this became.
fn lost(copies: &[(Pnn, &Copy)], after: Option<&Copy>) -> Option<String> {
    let highest = copies.iter().map(|(_, copy)| copy.number).max()?;
    let best = || copies.iter().filter(|(_, copy)| copy.number == highest);
    let is_own = |(own, copy): &&(Pnn, &Copy)| copy.master == *own;
    // A data master changes its copy without a new number.
    let may_be = |data: &[u8]| {
        let owned = best().any(|copy| is_own(&copy));
        best().any(|copy| (!owned || is_own(&copy)) && copy.1.data == data)
    };
    match after {
        Some(after) if after.number < highest => {
            Some(format!("number {} instead of {highest}", after.number))
        }
        Some(after) if !may_be(&after.data) => Some(format!("other data than under number {highest}")),
        None if !may_be(&[]) => Some(format!("nothing instead of number {highest}")),
        Some(_) | None => None,
    }
}

impl Databases {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, waiting: BTreeMap::new(), passages: BTreeMap::new(), looked: 0 }
    }

    fn keeps(&self, host: HostId) -> bool {
        self.cluster.role(host) == config::Databases::Rehearses
    }

    /// Looks at a host whose programs wait: only recoveries change its databases now. One that does
    /// not end has written what the next one finds, whether its leader got as far as to say so or not.
    fn look(&mut self, world: &World<Ctdb>, host: HostId) {
        let Some((machine, own)) = node(world, host) else { return };
        let Some(waiting) = self.waiting.get_mut(&host) else { return };
        for (name, now) in held(machine) {
            let last = waiting.insert(name.clone(), now.clone());
            if last.as_ref() == Some(&now) {
                continue;
            }
            let passage = passage(&mut self.passages, now.generation, host, own);
            if let Some(last) = last {
                passage.before.entry(name.clone()).or_insert(last);
            }
            passage.after.insert(name, now);
        }
    }

    /// A host's programs go on, with all it has.
    fn goes_on(&mut self, world: &World<Ctdb>, host: HostId) {
        self.look(world, host);
        let Some((machine, own)) = node(world, host) else { return };
        let now = self.waiting.remove(&host).unwrap_or_default();
        let generation = generation_of(&now).unwrap_or_else(|| machine.generation());
        let passage = passage(&mut self.passages, generation, host, own);
        for (name, copies) in now.into_iter().filter(|(_, copies)| copies.generation != generation) {
            passage.after.entry(name).or_insert(copies);
        }
    }

    fn recovered(&mut self, generation: Generation) -> Result<(), Violation> {
        let fail = |what: String| Err(Violation::safety("databases-are-recovered", what));
        let passages = self.passages.remove(&generation).unwrap_or_default();
        let took_part = || passages.iter();
        let Some((first, one)) = took_part().next() else { return Ok(()) };
        self.looked += 1;
        for (other, passage) in took_part() {
            if passage.after != one.after {
                return fail(format!(
                    "{first} and {other} have different data after generation {generation}"
                ));
            }
        }
        for (name, after) in &one.after {
            let before: Vec<_> = took_part()
                .filter_map(|(_, passage)| Some((passage.own, passage.before.get(name)?)))
                .collect();
            let numbers = before.iter().map(|(_, copies)| copies.number).max();
            if !after.volatile {
                if numbers.is_some_and(|highest| after.number < highest) {
                    return fail(format!("{name} has number {} and had {numbers:?}", after.number));
                }
                // One copy counts, as a whole.
                let mut best = before.iter().filter(|(_, copies)| Some(copies.number) == numbers);
                if numbers.is_some() && !best.any(|(_, copies)| copies.records == after.records) {
                    return fail(format!("{name} is no copy that anybody had with number {numbers:?}"));
                }
                continue;
            }
            let keys = before.iter().flat_map(|(_, copies)| copies.records.keys());
            for key in keys {
                let copies: Vec<_> = before
                    .iter()
                    .filter_map(|(own, copies)| Some((*own, copies.records.get(key)?)))
                    .collect();
                if let Some(what) = lost(&copies, after.records.get(key)) {
                    let key = String::from_utf8_lossy(key);
                    return fail(format!("{key} of {name} became {what} in generation {generation}"));
                }
            }
            let strange = |copy: &Copy| took_part().all(|(_, passage)| passage.own != copy.master);
            if let Some((key, copy)) = after.records.iter().find(|(_, copy)| strange(copy)) {
                let key = String::from_utf8_lossy(key);
                return fail(format!("{key} of {name} is said to be {}'s, who keeps none", copy.master));
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Databases {
    fn name(&self) -> &'static str {
        "databases"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            // Its programs wait from the first.
            News::Started(host) if self.keeps(*host) => {
                self.waiting.insert(*host, Held::new());
            }
            News::Notice(host, Notice::RecoveryModeChanged { to }) if self.keeps(*host) => {
                let Some((machine, _)) = node(world, *host) else { return Ok(()) };
                if *to == RecoveryMode::Active {
                    self.waiting.insert(*host, held(machine));
                } else {
                    self.goes_on(world, *host);
                }
            }
            // Before it writes anything: a leader that is alone has done so when it tells of its map.
            News::Notice(_, Notice::RecoveryStarted(_)) => {
                let waiting: Vec<_> = self.waiting.keys().copied().collect();
                waiting.into_iter().for_each(|host| self.look(world, host));
            }
            News::Notice(host, Notice::VnnMapSet { .. }) => self.look(world, *host),
            News::Notice(_, Notice::RecoveryFinished { generation, .. }) => {
                return self.recovered(*generation);
            }
            _ => {}
        }
        Ok(())
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(number: u64, master: u32, data: &str) -> Copy {
        Copy { number, master: Pnn(master), data: data.into() }
    }

    #[test]
    fn the_latest_copy_survives_unless_it_was_deleted() {
        let (old, new, gone) = (copy(3, 0, "old"), copy(4, 1, "new"), copy(5, 2, ""));
        let copies = [(Pnn(0), &old), (Pnn(1), &new)];
        assert_eq!(lost(&copies, Some(&new)), None);
        assert_eq!(lost(&copies, Some(&old)).as_deref(), Some("number 3 instead of 4"));
        assert_eq!(lost(&copies, None).as_deref(), Some("nothing instead of number 4"));
        assert_eq!(lost(&copies, Some(&copy(4, 1, "x"))).as_deref(), Some("other data than under number 4"));
        let copies = [(Pnn(0), &old), (Pnn(1), &new), (Pnn(2), &gone)];
        assert_eq!(lost(&copies, None), None);
        assert!(lost(&copies, Some(&new)).is_some());
        assert_eq!(lost(&[], None), None);
    }
}
