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

/// What a host had when its programs had to wait, and what it had when they went on.
#[derive(Clone, Debug)]
struct Passage {
    /// The generation its databases are of. The node itself may have another by then, or none: it
    /// waits for the cluster lock before its programs go on, and is banned or led by another meanwhile.
    generation: Generation,
    own: Pnn,
    before: Held,
    after: Held,
}

/// The checker.
#[derive(Debug)]
pub(super) struct Databases {
    cluster: Rc<Cluster>,
    before: BTreeMap<HostId, Held>,
    passages: BTreeMap<HostId, Passage>,
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
        Self { cluster, before: BTreeMap::new(), passages: BTreeMap::new(), looked: 0 }
    }

    fn keeps(&self, host: HostId) -> bool {
        self.cluster.role(host) == config::Databases::Rehearses
    }

    /// A recovery is about to begin with a host's databases: what one that did not end has written
    /// there is what there was before it, whether it got as far as to say so or not.
    fn begun(&mut self, host: HostId, machine: &Ctdb) {
        let Some(before) = self.before.get_mut(&host) else { return };
        for (name, now) in held(machine) {
            if before.get(&name).is_none_or(|before| before.generation != now.generation) {
                before.insert(name, now);
            }
        }
    }

    fn recovered(&mut self, generation: Generation) -> Result<(), Violation> {
        let fail = |what: String| Err(Violation::safety("databases-are-recovered", what));
        let took_part = || self.passages.iter().filter(|(_, passage)| passage.generation == generation);
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
            News::Started(host) => {
                self.before.remove(host);
                self.passages.remove(host);
            }
            News::Notice(host, Notice::RecoveryModeChanged { to }) if self.keeps(*host) => {
                let Some((machine, own)) = node(world, *host) else { return Ok(()) };
                let now = held(machine);
                if *to == RecoveryMode::Active {
                    self.before.insert(*host, now);
                } else {
                    let before = self.before.remove(host).unwrap_or_default();
                    let generation = generation_of(&now).unwrap_or_else(|| machine.generation());
                    self.passages.insert(*host, Passage { generation, own, before, after: now });
                }
            }
            News::Notice(host, Notice::VnnMapSet { .. }) => {
                if let Some((machine, _)) = node(world, *host) {
                    self.begun(*host, machine);
                }
            }
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
