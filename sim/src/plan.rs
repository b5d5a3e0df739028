//! A plan: the cluster, its settings, and what befalls it when. A seed expands to one, a
//! person writes one as a scenario, and each prints as the other's text.

mod general;

use std::fmt::{self, Debug, Display};

use standin_core::rng::Rng;
use standin_core::time::Duration;

use self::general::general;
use crate::world::fault::Fault;
use crate::world::moment::Moment;

/// The cluster a run begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Everything random comes from it.
    pub seed: u64,
    /// Hosts that may run a daemon, 1 to [`NODES_MAX`].
    pub nodes: u32,
    /// Settings of the protocol by name.
    pub settings: Vec<(String, String)>,
    /// A planted bug, by name.
    pub plant: Option<String>,
}

/// Hosts a run may have.
pub const NODES_MAX: u32 = 250;

/// What is done to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed<A> {
    /// Something of the world's.
    Fault(Fault),
    /// Something of the protocol's.
    Protocol(A),
    /// Nothing: time passes.
    Look,
}

impl<A: Display> Display for Deed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => Display::fmt(fault, f),
            Self::Protocol(action) => Display::fmt(action, f),
            Self::Look => f.write_str("look"),
        }
    }
}

/// Something done at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<A> {
    /// When.
    pub at: Moment,
    /// What.
    pub deed: Deed<A>,
    /// The fault family it belongs to; a scenario's steps have none.
    pub family: Option<&'static str>,
}

/// What a seed expands to.
#[derive(Clone, Debug)]
pub struct Plan<A> {
    /// The cluster.
    pub setup: Setup,
    /// In order of time.
    pub steps: Vec<Step<A>>,
    /// The families that were switched on.
    pub families: Vec<&'static str>,
    /// When everything is healed; liveness is demanded some time after.
    pub heal_at: Moment,
}

/// One kind of trouble a seed may draw: a name, and how to make one.
pub struct Family<A: 'static> {
    /// As `--faults` takes it: `power`.
    pub name: &'static str,
    /// How long it lasts, at least and at most.
    pub lasts: (Duration, Duration),
    /// Draws one; `None` if the cluster is too small for it. The undoing is added by the planner.
    pub draw: fn(&mut Rng, &Setup) -> Option<Deed<A>>,
}

/// What a campaign's caller fixes of each plan; the rest is drawn.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// This many nodes.
    pub nodes: Option<u32>,
    /// So long until everything is healed.
    pub hours: Option<Duration>,
    /// Only these families (an empty list: none).
    pub families: Option<Vec<String>>,
    /// So many faults.
    pub faults: Option<u32>,
    /// These settings.
    pub settings: Vec<(String, String)>,
    /// Two to five of the protocol's tunables beside what a seed draws anyway.
    pub tuned: bool,
    /// This planted bug.
    pub plant: Option<String>,
}

/// Settings and what values of each may be drawn.
pub type Tuning = &'static [(&'static str, &'static [&'static str])];

/// What a protocol brings to the expansion of a seed.
pub struct Drawn<A: 'static> {
    /// The numbers of nodes there may be.
    pub sizes: [u32; 8],
    /// Draws settings: (name, value).
    pub settings: fn(&mut Rng) -> Vec<(String, String)>,
    /// Draws those that came later, from a stream of their own: the others' plans are as they were.
    pub later_settings: fn(&mut Rng) -> Vec<(String, String)>,
    /// What is drawn from where tunables are to be drawn too.
    pub tuning: Tuning,
    /// Its own families.
    pub own: &'static [Family<A>],
    /// What is done first, each so long after the start.
    pub opening: Vec<(Duration, A)>,
}

/// Streams of the plan's seed: sizes first, then one a family, in order: the world's, and far from
/// them the protocol's own, so that one more of the world's moves none of these.
const SIZES: u64 = 1_000;
const LATER_SETTINGS: u64 = 1_001;
const TUNING: u64 = 1_002;
const FAMILY: u64 = 1_100;
const FAMILY_OWN: u64 = 2_000;
/// The cluster starts in peace, so that the first fault meets a whole one.
const PEACE: Duration = Duration::from_secs(15);

/// Draws two to five settings, as far as there are so many, each once.
fn tune(tuning: Tuning, rng: &mut Rng) -> Vec<(String, String)> {
    let mut left = tuning.to_vec();
    let mut settings = Vec::new();
    for _ in 0..rng.between(2, 5) {
        let Some(at) = rng.index(left.len()) else { break };
        let (name, values) = left.remove(at);
        let value = values[rng.below(values.len() as u64) as usize];
        settings.push((name.to_owned(), value.to_owned()));
    }
    settings
}

/// Expands a seed.
#[must_use]
pub fn expand<A: Clone + 'static>(
    seed: u64,
    wishes: &Wishes,
    drawn: &Drawn<A>,
    undo: impl Fn(&A) -> Option<A>,
) -> Plan<A> {
    let mut sizes = Rng::new(seed, SIZES);
    let size = drawn.sizes[sizes.below(8) as usize];
    let mut settings = (drawn.settings)(&mut sizes);
    settings.extend((drawn.later_settings)(&mut Rng::new(seed, LATER_SETTINGS)));
    if wishes.tuned {
        let tuned = tune(drawn.tuning, &mut Rng::new(seed, TUNING));
        settings.retain(|(name, _)| !tuned.iter().any(|(one, _)| one == name));
        settings.extend(tuned);
    }
    settings.retain(|(name, _)| !wishes.settings.iter().any(|(wished, _)| wished.eq_ignore_ascii_case(name)));
    settings.extend(wishes.settings.iter().cloned());
    let minutes = sizes.between(10, 40);
    // Some bugs need hours.
    let minutes = if sizes.chance(30_000) { minutes * 15 } else { minutes };
    let until = Moment::START + wishes.hours.unwrap_or(Duration::from_secs(60 * minutes));
    let nodes = wishes.nodes.unwrap_or(size);
    let setup = Setup { seed, nodes, settings, plant: wishes.plant.clone() };

    let opening = drawn.opening.iter();
    let step = |(after, action): &(Duration, A)| Step {
        at: Moment::START + *after,
        deed: Deed::Protocol(action.clone()),
        family: None,
    };
    let mut steps: Vec<_> = opening.map(step).collect();
    let mut families = Vec::new();
    let all = general::<A>();
    for (stream, family) in (FAMILY..FAMILY_OWN).zip(&all).chain((FAMILY_OWN..).zip(drawn.own)) {
        let mut rng = Rng::new(seed, stream);
        let on = rng.chance(350_000);
        let busy = rng.between(60, 600);
        if !wishes.families.as_ref().map_or(on, |wished| wished.iter().any(|name| name == family.name)) {
            continue;
        }
        families.push(family.name);
        let mut at = Moment::START + PEACE + Duration::from_millis(rng.below(busy * 1_000));
        while at < until {
            let lasts = rng.span(family.lasts.0, family.lasts.1);
            if let Some(deed) = (family.draw)(&mut rng, &setup) {
                let undoing = match &deed {
                    Deed::Fault(fault) => fault.undo().map(Deed::Fault),
                    Deed::Protocol(action) => undo(action).map(Deed::Protocol),
                    Deed::Look => None,
                };
                steps.push(Step { at, deed, family: Some(family.name) });
                if let Some(deed) = undoing.filter(|_| at + lasts < until) {
                    steps.push(Step { at: at + lasts, deed, family: None });
                }
            }
            at += lasts + Duration::from_millis(rng.between(1_000, busy * 2_000));
        }
    }
    steps.sort_by_key(|step| step.at);
    if let Some(faults) = wishes.faults {
        keep_first(&mut steps, faults as usize);
    }
    Plan { setup, steps, families, heal_at: until }
}

/// Drops all but the first `faults` faults. Undoings stay: undoing nothing changes nothing.
fn keep_first<A>(steps: &mut Vec<Step<A>>, faults: usize) {
    let mut kept = 0;
    steps.retain(|step| {
        kept += usize::from(step.family.is_some());
        step.family.is_none() || kept <= faults
    });
}

/// The names of the world's own families, in the order of their streams.
#[must_use]
pub fn general_names() -> Vec<&'static str> {
    general::<()>().iter().map(|family| family.name).collect()
}

/// A plan prints as a scenario that does the same.
impl<A: Display> Display for Plan<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}; nodes {}", self.setup.seed, self.setup.nodes)?;
        for (name, value) in &self.setup.settings {
            writeln!(f, "set {name} {value}")?;
        }
        if let Some(plant) = &self.setup.plant {
            writeln!(f, "plant {plant}")?;
        }
        for step in &self.steps {
            writeln!(f, "at {} {}", Duration(step.at.0), step.deed)?;
        }
        writeln!(f, "at {} heal", Duration(self.heal_at.0))
    }
}
