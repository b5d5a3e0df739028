//! `sim`: to whom its work goes: [`one`] seed, or [`many`], of one protocol or of each.

use standin_sim::ctdb::CtdbKit;
use standin_sim::gossip::GossipKit;
use standin_sim::kit::Kit;

use super::many::Hand;
use super::options::{Sim, families};
use super::{BOTH, Errand, PROTOCOLS, Refusal, dispatch, many, one, print, wall};

/// Does what `sim` was asked for.
pub(crate) fn run(args: Sim) -> Result<u8, Refusal> {
    let asked = args.protocol.as_deref();
    match args.seeds {
        Some(seeds) if args.lists().is_none() && asked.is_none_or(|asked| asked == BOTH) => {
            let hands = hands(&args)?;
            many::run(&args, seeds, &hands)
        }
        _ if asked == Some(BOTH) => {
            Err(Refusal::usage("--protocol: `both` is a campaign's: it goes with --seeds".to_owned()))
        }
        _ => {
            let protocol = asked.unwrap_or(PROTOCOLS[0]).to_owned();
            dispatch(&protocol, args)
        }
    }
}

/// Whoever can do what is asked: all protocols if all can, or else if all were asked for, those
/// that can. If none can, what the first has to say.
fn hands(args: &Sim) -> Result<Vec<Hand>, Refusal> {
    let all: Vec<_> = PROTOCOLS.iter().map(|protocol| hand(protocol, args)).collect();
    if args.protocol.is_some() || all.iter().all(Result::is_err) {
        return all.into_iter().collect();
    }
    Ok(all.into_iter().flatten().collect())
}

fn hand(protocol: &str, args: &Sim) -> Result<Hand, Refusal> {
    match protocol {
        CtdbKit::NAME => Hand::of::<CtdbKit>(args),
        GossipKit::NAME => Hand::of::<GossipKit>(args),
        _ => Err(Refusal::unknown("--protocol", protocol, "protocol", PROTOCOLS)),
    }
}

impl Errand for Sim {
    fn run<K: Kit>(self) -> Result<u8, Refusal> {
        if self.plant.as_deref() == Some("list") {
            print(&K::PLANTS.iter().map(|(name, _)| format!("{name}\n")).collect::<String>());
            return Ok(0);
        }
        if self.faults.as_ref().is_some_and(|faults| faults.text == "list") {
            print(&families::<K>().iter().map(|name| format!("{name}\n")).collect::<String>());
            return Ok(0);
        }
        if self.seeds.is_none() {
            let campaign_only = [
                ("--jobs", self.jobs.is_some()),
                ("--minutes", self.minutes.is_some()),
                ("--json", self.json.is_some()),
            ];
            if let Some((option, _)) = campaign_only.into_iter().find(|(_, given)| *given) {
                return Err(Refusal::usage(format!("{option} is a campaign's: it goes with --seeds")));
            }
        }
        let wishes = self.wishes::<K>()?;
        match self.seeds {
            Some(seeds) => many::run(&self, seeds, &[Hand::of::<K>(&self)?]),
            None => one::run::<K>(&self, self.seed.unwrap_or_else(wall::seed), &wishes),
        }
    }
}
