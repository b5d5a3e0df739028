//! Figures of small situations, each beside what was measured of ctdbd: how long clients go without an
//! answer, how long an address is hosted twice.
//!
//! The real ones were measured on ctdb 4.17.12 as Debian 12 has it, 3 nodes, 6 addresses, in network
//! namespaces on one machine, every tunable at its default where a situation does not say otherwise.
//! Here is what a situation is and how one is played; `situations` lists them, `script` plays
//! them on a `scene`.

mod scene;
mod script;
mod situations;

use self::scene::Scene;
pub use self::situations::SITUATIONS;
use crate::kit::WrongSetting;
use crate::plan::Setup;

/// Hosts and public addresses of every situation.
const NODES: u32 = 3;
const ADDRESSES: &str = "6";

/// What a figure counts. All of them are told in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Seconds,
    /// Thousandths of one.
    Count,
}

/// What was measured of real ctdbd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Real {
    /// How often.
    pub n: u32,
    /// The least, in thousandths of the figure's unit.
    pub min: u64,
    /// The one in the middle.
    pub median: u64,
    /// The most.
    pub max: u64,
}

/// One figure of a situation.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// What real ctdbd did, if it was measured.
    pub real: Option<Real>,
    /// Why the simulated ones lie elsewhere, if they do.
    pub note: Option<&'static str>,
}

impl Figure {
    /// With the reason why the simulated ones lie elsewhere.
    const fn but(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// Something that befalls a small cluster.
#[derive(Debug)]
pub struct Situation {
    /// What befalls it.
    pub name: &'static str,
    /// Its figures, in the order of the script's answers.
    pub figures: &'static [Figure],
    settings: &'static [(&'static str, &'static str)],
    script: Script,
}

/// Plays a situation: a figure each, in thousandths; nothing if it did not come about.
type Script = fn(&mut Scene) -> Result<Vec<Option<u64>>, Missed>;

/// Why a situation could not be arranged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// What did not come about.
    pub what: String,
}

impl Missed {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned() }
    }
}

impl From<WrongSetting> for Missed {
    fn from(wrong: WrongSetting) -> Self {
        Self { what: wrong.what }
    }
}

impl Situation {
    /// Plays it once: the seed draws when each daemon starts, when the fault happens and whom it
    /// meets. `strict` is ctdbd as it is; else its faults are mended. Answers with as many as
    /// there are [`figures`](Self::figures); nothing for what did not come about.
    ///
    /// # Errors
    /// If the situation could not be arranged.
    pub fn play(&self, seed: u64, strict: bool) -> Result<Vec<Option<u64>>, Missed> {
        let own = [("public", ADDRESSES), ("strict", if strict { "1" } else { "0" })];
        let settings = own.iter().chain(self.settings);
        let settings = settings.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut scene = Scene::new(&Setup { seed, nodes: NODES, settings, plant: None })?;
        (self.script)(&mut scene)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_situation_repeats_and_answers_for_each_of_its_figures() {
        for situation in SITUATIONS {
            let once = situation.play(3, true).unwrap_or_else(|missed| panic!("{}", missed.what));
            assert_eq!(once.len(), situation.figures.len(), "{}", situation.name);
            assert_eq!(situation.play(3, true), Ok(once), "{}", situation.name);
        }
    }

    #[test]
    fn what_was_measured_is_in_order() {
        let figures = || SITUATIONS.iter().flat_map(|situation| situation.figures);
        for Real { n, min, median, max } in figures().filter_map(|figure| figure.real) {
            assert!(n > 0 && min <= median && median <= max, "{min} {median} {max}");
        }
    }
}
