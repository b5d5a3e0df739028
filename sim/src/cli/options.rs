//! What `sim` can be asked for.

use std::path::PathBuf;

use standin_sim::kit::{ConfigFile, Configured, Kit};
use standin_sim::plan::{NODES_MAX, Wishes, general_names};

use super::values::{Choice, Faults, Span, faults, hours, minutes, setting, small, whole, within};
use super::{BAD_FILE, EXIT_STATUS, PROTOCOLS, Refusal};

/// Run one seed, or a campaign of many.
///
/// A seed expands to a cluster, its settings and the faults that befall it; what is fixed here
/// is not drawn. The same seed and options give the same trace hash on every machine and build.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}"), after_help = "--help tells more, with examples and exit statuses.")]
pub(crate) struct Sim {
    /// Run this seed; without --seed and --seeds one is drawn from the clock.
    #[arg(long, value_name = "N", value_parser = whole, conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// The protocol to rehearse: `ctdb`, `gossip`, or `both` in a campaign, where odd seeds are
    /// CTDB's and even ones gossip's. Without it a single seed is CTDB's, and a campaign is of both
    /// as far as its other options fit both.
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Option<String>,
    /// Hosts that run a daemon, 1 to 250; else the seed draws 2 to 8.
    #[arg(long, value_name = "N", value_parser = small(1, NODES_MAX), help_heading = "The cluster")]
    pub(crate) nodes: Option<u32>,
    /// Rehearse the cluster of this nodes file: as many nodes, their addresses, its deleted lines.
    #[arg(long, value_name = "FILE", conflicts_with = "nodes", help_heading = "The cluster")]
    pub(crate) nodes_file: Option<PathBuf>,
    /// Tune every daemon as this tunables file (`ctdb.tunables`) says; --set goes beyond it.
    #[arg(long, value_name = "FILE", help_heading = "The cluster")]
    pub(crate) tunables_file: Option<PathBuf>,
    /// Serve the addresses of this public addresses file, from every node; its interfaces become the
    /// rehearsal's own.
    #[arg(long, value_name = "FILE", help_heading = "The cluster")]
    pub(crate) public_addresses_file: Option<PathBuf>,
    /// A setting of the protocol; may be given more than once.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting, help_heading = "The cluster")]
    pub(crate) settings: Vec<(String, String)>,
    /// Draw two to five of the protocol's tunables for each seed too, from values that operators
    /// choose; what the seed draws besides is as without.
    #[arg(long, help_heading = "The cluster")]
    pub(crate) tuned: bool,
    /// Plant a known bug that a checker must find, most within 100 seeds, a few that need much to
    /// come together within 200 or 500: the campaign says which. `list` prints their names.
    #[arg(long, value_name = "NAME", help_heading = "The cluster")]
    pub(crate) plant: Option<String>,
    /// Simulated hours until everything is healed, up to 10000, fractions allowed; else the seed
    /// draws 10 to 40 minutes, and now and then hours.
    #[arg(long, value_name = "H", value_parser = hours, help_heading = "What befalls it")]
    pub(crate) hours: Option<Span>,
    /// `none`, `all`, family names with commas between them (`list` prints them), or a number: at
    /// most so many of the faults the seed draws, 0 to 100000.
    #[arg(long, value_name = "FAULTS", value_parser = faults, help_heading = "What befalls it",
          allow_hyphen_values = true)]
    pub(crate) faults: Option<Faults>,
    /// Print the plan as a scenario and run nothing.
    #[arg(long, conflicts_with_all = ["seeds", "trace", "trace_json", "check_determinism"],
          help_heading = "What is shown")]
    pub(crate) plan: bool,
    /// Print the trace.
    #[arg(long, conflicts_with = "seeds", help_heading = "What is shown")]
    pub(crate) trace: bool,
    /// Write the trace as JSON, one object a line.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds", help_heading = "What is shown")]
    pub(crate) trace_json: Option<PathBuf>,
    /// Run each seed twice and compare the traces; a difference fails it (safety).
    #[arg(long)]
    pub(crate) check_determinism: bool,
    /// Run a campaign of N seeds.
    #[arg(long, value_name = "N", value_parser = within(1, 1_000_000_000_000), help_heading = "Campaigns")]
    pub(crate) seeds: Option<u64>,
    /// The campaign's first seed.
    #[arg(long, value_name = "S", value_parser = whole, default_value = "1", requires = "seeds",
          help_heading = "Campaigns")]
    pub(crate) from: u64,
    /// Seeds run side by side, 1 to 1024; else as many as there are cores.
    #[arg(long, value_name = "J", value_parser = small(1, 1024), requires = "seeds",
          help_heading = "Campaigns")]
    pub(crate) jobs: Option<u32>,
    /// Begin no seed after M minutes of wall time.
    #[arg(long, value_name = "M", value_parser = minutes, requires = "seeds", help_heading = "Campaigns")]
    pub(crate) minutes: Option<Span>,
    /// Write the totals and every failure as one JSON object.
    #[arg(long, value_name = "FILE", requires = "seeds", help_heading = "Campaigns")]
    pub(crate) json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask sim                                 a seed nobody chose
  cargo xtask sim --seed 7 --trace                what happens in it
  cargo xtask sim --seed 7 --plan                 the same as a scenario to cut down
  cargo xtask sim --seed 7 --nodes 5 --hours 24 --faults power,partition
  cargo xtask sim --seeds 1_000 --jobs 2 --json campaign.json
  cargo xtask sim --seeds 1_000 --tuned           with tunables as others have set them
  cargo xtask sim --seeds 200 --plant NAME        is the planted bug found?

With --plant a campaign stops at the first seed that fails.";

impl Sim {
    /// Whether names are asked for and no run.
    pub(crate) fn lists(&self) -> Option<()> {
        let plants = self.plant.as_deref() == Some("list");
        let families = self.faults.as_ref().is_some_and(|faults| faults.text == "list");
        (plants || families).then_some(())
    }

    /// What is fixed of every plan.
    pub(crate) fn wishes<K: Kit>(&self) -> Result<Wishes, Refusal> {
        let plants: Vec<&str> = K::PLANTS.iter().map(|(name, _)| *name).collect();
        if let Some(plant) = self.plant.as_deref().filter(|plant| !plants.contains(plant)) {
            return Err(Refusal::unknown("--plant", plant, "planted bug", &plants));
        }
        let known = families::<K>();
        let (mut families, mut count) = (None, None);
        match self.faults.as_ref().map(|faults| &faults.choice) {
            None => {}
            Some(Choice::Count(most)) => count = Some(*most),
            Some(Choice::None) => families = Some(Vec::new()),
            Some(Choice::All) => families = Some(known.iter().map(|&name| name.to_owned()).collect()),
            Some(Choice::Families(names)) => {
                if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
                    let names = [&["none", "all"], known.as_slice()].concat();
                    return Err(Refusal::unknown("--faults", name, "fault family", &names));
                }
                families = Some(names.clone());
            }
        }
        let Configured { nodes, mut settings } = self.configured::<K>()?;
        settings.extend(self.settings.iter().cloned());
        Ok(Wishes {
            nodes: self.nodes.or(nodes),
            hours: self.hours.as_ref().map(|hours| hours.span),
            families,
            faults: count,
            settings,
            tuned: self.tuned,
            plant: self.plant.clone(),
        })
    }

    /// What the files that were named say.
    fn configured<K: Kit>(&self) -> Result<Configured, Refusal> {
        let mut all = Configured::default();
        let files = [
            (ConfigFile::Nodes, "--nodes-file", &self.nodes_file),
            (ConfigFile::Tunables, "--tunables-file", &self.tunables_file),
            (ConfigFile::PublicAddresses, "--public-addresses-file", &self.public_addresses_file),
        ];
        for (kind, option, path) in files {
            let Some(path) = path else { continue };
            let text = std::fs::read(path).map_err(|why| Refusal::file(path, &why.to_string()))?;
            let Some(read) = K::read_config(kind, &text) else {
                return Err(Refusal::usage(format!("{option}: {} reads no such file", K::NAME)));
            };
            let read = read.map_err(|problems| Refusal {
                status: BAD_FILE,
                said: problems.render(&path.display().to_string(), &text).trim_end().to_owned(),
            })?;
            all.nodes = read.nodes.or(all.nodes);
            all.settings.extend(read.settings);
        }
        Ok(all)
    }

    /// The command that runs a seed of this again, whichever protocol's it was.
    pub(crate) fn again_with(&self, protocol: &str, seed: u64) -> String {
        Self { protocol: Some(protocol.to_owned()), ..self.clone() }.again(seed)
    }

    /// The command that runs a seed of this again: every option that shapes a run.
    pub(crate) fn again(&self, seed: u64) -> String {
        let mut words = vec![format!("cargo xtask sim --seed {seed}")];
        let mut say = |option: &str, value: &str| words.push(format!("{option} {}", quoted(value)));
        if let Some(protocol) = self.protocol.as_deref().filter(|protocol| *protocol != PROTOCOLS[0]) {
            say("--protocol", protocol);
        }
        if let Some(nodes) = self.nodes {
            say("--nodes", &nodes.to_string());
        }
        for (option, file) in [
            ("--nodes-file", &self.nodes_file),
            ("--tunables-file", &self.tunables_file),
            ("--public-addresses-file", &self.public_addresses_file),
        ] {
            if let Some(file) = file {
                say(option, &file.display().to_string());
            }
        }
        for (name, value) in &self.settings {
            say("--set", &format!("{name}={value}"));
        }
        if let Some(plant) = &self.plant {
            say("--plant", plant);
        }
        if let Some(hours) = &self.hours {
            say("--hours", &hours.text);
        }
        if let Some(faults) = &self.faults {
            say("--faults", &faults.text);
        }
        if let Some(file) = &self.trace_json {
            say("--trace-json", &file.display().to_string());
        }
        for (given, option) in [
            (self.tuned, "--tuned"),
            (self.trace, "--trace"),
            (self.check_determinism, "--check-determinism"),
        ] {
            if given {
                words.push(option.to_owned());
            }
        }
        words.join(" ")
    }
}

/// Every family of faults a run of this protocol may meet.
pub(crate) fn families<K: Kit>() -> Vec<&'static str> {
    general_names().into_iter().chain(K::families().iter().map(|family| family.name)).collect()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=.,:/@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
