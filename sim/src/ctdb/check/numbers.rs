//! Node numbers: the line in the nodes file, deleted lines counted, the same for a whole life.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;

use super::super::build::{Cluster, NODES};
use crate::check::{Checker, Violation};
use crate::world::moment::HostId;
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Numbers {
    cluster: Rc<Cluster>,
    /// Each host's number and the life it has it in.
    known: BTreeMap<HostId, (u32, u32)>,
    looked: u64,
}

impl Numbers {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, known: BTreeMap::new(), looked: 0 }
    }

    fn look_at(&mut self, world: &World<Ctdb>, host: HostId) -> Result<(), Violation> {
        let there = world.host(host);
        let Some(number) = there.machine().and_then(Ctdb::pnn) else { return Ok(()) };
        self.looked += 1;
        let before = self.known.insert(host, (there.lives, number.0));
        match before {
            Some((life, old)) if life == there.lives && old != number.0 => Err(Violation::safety(
                "numbers-never-shift",
                format!("{host} was n{old} and is {number} now"),
            )),
            _ => Ok(()),
        }
    }

    /// What the file says while it is being read; edited since, it says nothing.
    fn by_the_file(&self, world: &World<Ctdb>, host: HostId, number: u32) -> Result<(), Violation> {
        let there = world.host(host);
        let file = there.disk.read(NODES).ok().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let expected = file.and_then(|file| self.cluster.line_of(file, host));
        match expected {
            Some(expected) if expected != number => {
                let what = format!("{host} took number {number}, its line is {expected}");
                Err(Violation::safety("numbers-are-lines", what))
            }
            _ => Ok(()),
        }
    }
}

impl Checker<Ctdb> for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        match news {
            News::Notice(host, Notice::Listening { pnn, .. }) => {
                self.by_the_file(world, *host, pnn.0)?;
                self.look_at(world, *host)
            }
            News::Notice(host, Notice::NodesReloaded { .. }) => self.look_at(world, *host),
            News::Notice(..) | News::Started(_) | News::Exited(..) | News::Meddled(..) | News::Spins(..) => {
                Ok(())
            }
            News::Changed => (0..self.cluster.members).try_for_each(|host| self.look_at(world, HostId(host))),
        }
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
