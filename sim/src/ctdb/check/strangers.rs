//! Strangers: who is in no nodes file is shown the door, and never counts.

use std::collections::BTreeMap;

use standin_core::ctdb::Ctdb;
use standin_core::time::Duration;

use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::puppet::{PuppetId, Standing};
use crate::world::{News, World};

/// The checker.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    seen: u32,
    /// Knocks under watch: since when the daemon has been able to act on them.
    open: BTreeMap<PuppetId, Moment>,
    looked: u64,
}

/// How long a stranger's connection may stay open.
const TOLERATED: Duration = Duration::from_secs(2);

impl Strangers {
    fn watch(&mut self, world: &World<Ctdb>) {
        while self.seen < world.puppet_count() {
            let id = PuppetId(self.seen);
            if !world.members().any(|member| member == world.puppet(id).host) {
                self.open.insert(id, world.now());
            }
            self.seen += 1;
        }
    }

    fn look_at(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let now = world.now();
        // A daemon that stands still, or cannot be reached, cannot show anybody the door.
        let able = |host: HostId| world.host(host).brisk() || !world.host(host).runs();
        let all_able = world.members().all(able);
        self.open.retain(|id, _| !matches!(world.puppet(*id).standing, Standing::Closed(_)));
        for (id, since) in &mut self.open {
            let puppet = world.puppet(*id);
            if !all_able || puppet.standing == Standing::Dialling || !puppet.is_heard(world) {
                *since = now;
            }
            self.looked += 1;
            if now.since(*since) > TOLERATED {
                let what = format!(
                    "a stranger's connection ({:?}) is {:?} for {}",
                    id,
                    puppet.standing,
                    now.since(*since)
                );
                return Err(Violation::safety("strangers-are-refused", what));
            }
        }
        Ok(())
    }
}

impl Checker<Ctdb> for Strangers {
    fn name(&self) -> &'static str {
        "strangers"
    }

    fn news(&mut self, world: &World<Ctdb>, _: &News<Ctdb>) -> Result<(), Violation> {
        self.watch(world);
        self.look_at(world)
    }

    fn due(&self) -> Option<Moment> {
        let first = self.open.values().min()?;
        Some(*first + TOLERATED + Duration::from_millis(1))
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        self.look_at(world)
    }

    fn looked(&self) -> u64 {
        self.looked
    }
}
