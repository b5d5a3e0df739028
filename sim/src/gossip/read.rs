//! Actions and facts from their words: the inverse of their `Display`.

use standin_core::gossip::Notice;
use standin_core::gossip::slots::SLOTS;
use standin_core::machine::Noticed;
use standin_core::text::{Piece, Problem, nearest};

use super::facts::{FACTS, Fact, SIGHTS, STATES};
use super::verbs::{Action, HOWS, How, Ranges, Slot, VERBS, Write};
use crate::scenario::words::Words;
use crate::world::fault::Who;

/// Reads an action.
pub(super) fn action(words: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
    let mut words = Words::new(words, hosts);
    let verb = words.take("a verb")?;
    let action = match verb.text {
        "meet" => Action::Meet(words.host()?, words.host()?),
        "addslots" => Action::AddSlots(words.host()?, ranges(&mut words)?),
        "delslots" => Action::DelSlots(words.host()?, ranges(&mut words)?),
        "replicate" => Action::Replicate(words.host()?, words.host()?),
        "failover" => {
            let host = words.host()?;
            let how = if words.peek().is_none() {
                How::Default
            } else {
                words.one_of("a way to take over", &HOWS)?
            };
            Action::Failover(host, how)
        }
        "forget" => Action::Forget(words.who()?, words.host()?),
        "reset" => Action::Reset(words.host()?, words.take_if("hard")),
        "retire" => Action::Retire(words.host()?, words.take_if("hard")),
        "setslot" => Action::SetSlot(words.host()?, slot(&mut words)?, fate(&mut words)?),
        "import" => Action::Import(slot(&mut words)?, words.host()?),
        "bumpepoch" => Action::BumpEpoch(words.host()?),
        "set-epoch" => Action::SetEpoch(words.host()?, words.number(1, u64::MAX)?),
        "write" => write(&mut words)?,
        "create" => Action::Create,
        "enlist" => Action::Enlist,
        "stop" => Action::Stop(words.who()?),
        "command" => {
            let host = words.host()?;
            let mut line = vec![words.take("a command: `CLUSTER BUMPEPOCH`")?.text];
            while words.peek().is_some() {
                line.push(words.take("a word")?.text);
            }
            Action::Command(host, line.join(" ").trim_matches('"').to_owned())
        }
        _ => return Err(unknown(verb, "a verb", VERBS)),
    };
    words.end()?;
    Ok(action)
}

fn write(words: &mut Words<'_, '_>) -> Result<Action, Problem> {
    let (slot, value) = (slot(words)?, words.number(0, u64::from(u32::MAX))?);
    let times = if words.take_if("times") { words.number(1, 10_000)? as u32 } else { 1 };
    let at = if words.take_if("at") { Some(words.host()?) } else { None };
    Ok(Action::Write(Write { slot, value, times, at }))
}

fn fate(words: &mut Words<'_, '_>) -> Result<Slot, Problem> {
    const EXPECTED: &str = "`importing`, `migrating` or `node` and a host, or `stable`";
    let word = words.take(EXPECTED)?;
    Ok(match word.text {
        "importing" => Slot::Importing(words.host()?),
        "migrating" => Slot::Migrating(words.host()?),
        "node" => Slot::Node(words.host()?),
        "stable" => Slot::Stable,
        _ => {
            let meant = nearest(word.text, ["importing", "migrating", "node", "stable"]);
            let what = format!("{} is nothing a slot can be", word.quoted());
            return Err(word.problem(what, EXPECTED).or_nearest(meant));
        }
    })
}

/// Reads a fact.
pub(super) fn fact(words: &[Piece<'_>], hosts: u32) -> Result<Fact, Problem> {
    let mut words = Words::new(words, hosts);
    let first = words.take("a fact")?;
    let fact = match first.text {
        "master" => Fact::Master(words.host()?),
        "replica" => {
            let host = words.host()?;
            let of = if words.peek().is_some() { Some(words.host()?) } else { None };
            Fact::Replica(host, of)
        }
        "knows" => match words.who()? {
            Who::All => Fact::AllKnow,
            Who::One(host) => Fact::Knows(host, words.host()?),
        },
        "mesh" => Fact::Mesh,
        "state" => Fact::State(words.who()?, words.one_of("a state", &STATES)?),
        "sees" => Fact::Sees(words.host()?, words.host()?, words.one_of("how a node is seen", &SIGHTS)?),
        "slot" => {
            let (slot, owner) = (slot(&mut words)?, words.host()?);
            let on = if words.take_if("on") { words.who()? } else { Who::All };
            Fact::Slot(slot, owner, on)
        }
        "epoch" => Fact::Epoch(words.host()?, words.number(0, u64::MAX)?),
        "config-epoch" => Fact::ConfigEpoch(words.host()?, words.number(0, u64::MAX)?),
        "epochs-unique" => Fact::EpochsUnique,
        "agreed" => Fact::Agreed,
        "covered" => Fact::Covered,
        "value" => {
            let host = words.host()?;
            Fact::Value(host, slot(&mut words)?, words.number(0, u64::MAX)?)
        }
        "holds-writes" => Fact::HoldsWrites(words.host()?),
        "running" => Fact::Running(words.host()?),
        "noticed" => {
            let host = words.host()?;
            let kinds: Vec<_> = Notice::KINDS.iter().map(|kind| (*kind, *kind)).collect();
            Fact::Noticed(host, words.one_of("a kind of notice", &kinds)?.to_owned())
        }
        _ => return Err(unknown(first, "a fact", FACTS)),
    };
    words.end()?;
    Ok(fact)
}

fn unknown(word: Piece<'_>, what: &str, known: &[&'static str]) -> Problem {
    let problem = word.problem(format!("{} is not {what}", word.quoted()), known.join(", "));
    problem.or_nearest(nearest(word.text, known.iter().copied()))
}

fn slot(words: &mut Words<'_, '_>) -> Result<u16, Problem> {
    let slot = words.number(0, u64::from(SLOTS) - 1)?;
    Ok(u16::try_from(slot).unwrap_or_default())
}

/// `0-5460,7`.
fn ranges(words: &mut Words<'_, '_>) -> Result<Ranges, Problem> {
    const EXPECTED: &str = "slots: `0-5460,7`";
    let word = words.take(EXPECTED)?;
    let slot = |text: &str| text.parse::<u16>().ok().filter(|slot| *slot < SLOTS);
    let range = |part: Piece<'_>| {
        let (first, last) = part.text.split_once('-').unwrap_or((part.text, part.text));
        let pair = slot(first).zip(slot(last)).filter(|(first, last)| first <= last);
        pair.ok_or_else(|| part.problem(format!("{} are no slots", part.quoted()), EXPECTED))
    };
    word.split(',').map(range).collect::<Result<_, _>>().map(Ranges)
}
