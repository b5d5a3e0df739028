//! Actions and facts from their words: the inverse of their `Display`.

mod addresses;
#[cfg(test)]
mod tests;

use standin_core::ctdb::files::tunables::parse_lenient;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::tunables;
use standin_core::ctdb::types::NodeFlags;
use standin_core::machine::Noticed;
use standin_core::text::{Piece, Problem, nearest};
use standin_core::time::Duration;

use super::facts::{FACTS, FLAG_WORDS, Fact, MODES, RUNSTATES, SERVED, Served};
use super::settings::tunable_range;
use super::verbs::{
    Action, AddressesFile, Forgery, LINKS, NodesLine, OPERATORS, Operator, STARTS, VERBS, Whom,
};
use crate::scenario::words::{Words, host, one_of};
use crate::world::fault::Who;
use crate::world::moment::HostId;

/// Reads an action, or several with `and` between them.
pub(super) fn action(words: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
    let mut all = Vec::new();
    let mut from = 0;
    for part in words.split(|word| word.text == "and") {
        if part.is_empty() {
            let and = words[from.min(words.len() - 1)];
            return Err(and.problem("a verb is missing beside `and`", "a verb"));
        }
        all.push(one_action(part, hosts)?);
        from += part.len() + 1;
    }
    Ok(if all.len() == 1 { all.remove(0) } else { Action::Together(all) })
}

fn one_action(words: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
    let mut words = Words::new(words, hosts);
    let verb = words.take("a verb")?;
    let action = match verb.text {
        "stop" => Action::Stop(words.who()?),
        "reload" => Action::Reload(words.who()?),
        "write-nodes" => Action::WriteNodes(words.who()?, nodes_lines(&mut words)?),
        "renodes" => Action::Renodes(words.who()?, nodes_lines(&mut words)?),
        "moveip" => {
            let (address, to) = (addresses::address(&mut words)?, words.host()?);
            Action::MoveIp { address, to, on: on(&mut words)? }
        }
        "write-addresses" => Action::WriteAddresses(words.who()?, addresses_file(&mut words)?),
        "reloadips" => Action::ReloadIps(words.who()?),
        "renew-addresses" => Action::Readdress(words.who()?, addresses_file(&mut words)?),
        "write-tunables" => Action::WriteTunables(words.who()?, tunables_lines(&mut words)?),
        "reloadnodes" => Action::ReloadNodes { on: on(&mut words)? },
        "ping" => Action::Ping(words.host()?, words.host()?),
        "start-as" => Action::StartAs(words.who()?, words.one_of("a way to start", &STARTS)?),
        "version" => Action::Version(words.who()?, version(&mut words)?),
        "babble" => Action::Babble(words.who()?),
        "record" => {
            let (host, key, number) = (words.host()?, key(&mut words)?, number(&mut words)?);
            Action::Record { host, key, number, deleted: words.take_if("deleted") }
        }
        "transaction" => Action::Transaction(words.host()?, number(&mut words)?),
        "forge" => {
            let from = words.host()?;
            words.literal("->")?;
            Action::Forge(from, words.host()?, words.one_of("a forgery", &Forgery::ALL)?)
        }
        _ => operator(verb, &mut words)?,
    };
    words.end()?;
    Ok(action)
}

/// What an operator does to the node he sits at.
fn operator(verb: Piece<'_>, words: &mut Words<'_, '_>) -> Result<Action, Problem> {
    let plain = OPERATORS.iter().find(|(_, name)| *name == verb.text).map(|(operator, _)| operator.clone());
    if plain.is_none() && !VERBS.contains(&verb.text) {
        return Err(unknown(verb, "a verb", VERBS));
    }
    let whom = if words.take_if("leader") { Whom::Leader } else { Whom::Who(words.who()?) };
    let operator = match (plain, verb.text) {
        (Some(operator), _) => operator,
        (None, "ban") => Operator::Ban(whole_seconds(words)?),
        (None, "addip") => Operator::AddIp(addresses::two_words(words)?),
        (None, "delip") => Operator::DelIp(addresses::address(words)?),
        (None, "gratarp") => Operator::GratArp(addresses::address(words)?, addresses::interface(words)?),
        (None, "setifacelink") => {
            let interface = addresses::interface(words)?;
            Operator::SetIfaceLink(interface, words.one_of("a link's state", &LINKS)?)
        }
        (None, "set-tunable") => {
            let name = tunable(words)?;
            let range = tunable_range(name);
            let value = words.number((*range.start()).into(), (*range.end()).into())?;
            Operator::SetTunable(name, u32::try_from(value).unwrap_or(u32::MAX))
        }
        (None, _) => return Err(unknown(verb, "a verb", VERBS)),
    };
    Ok(Action::Operator(whom, operator))
}

/// Reads a fact.
pub(super) fn fact(words: &[Piece<'_>], hosts: u32) -> Result<Fact, Problem> {
    let mut words = Words::new(words, hosts);
    let first = words.take("a fact")?;
    let fact = match first.text {
        "connected" => match words.who()? {
            Who::All => Fact::AllConnected,
            Who::One(from) => Fact::Connected(from, words.host()?),
        },
        "dead" => Fact::Dead(words.host()?),
        "pnn" => Fact::Number(words.host()?, number(&mut words)?),
        "nodes" => Fact::Nodes(words.host()?, number(&mut words)?),
        "running" => Fact::Running(words.host()?),
        "flags" => Fact::Flags(words.host()?, words.host()?, flags(&mut words)?),
        "healthy" => Fact::Healthy(words.host()?, true),
        "unhealthy" => Fact::Healthy(words.host()?, false),
        "banned" => Fact::Banned(words.host()?),
        "runstate" => Fact::RunState(words.host()?, words.one_of("a runstate", &RUNSTATES)?),
        "mode" => Fact::Mode(words.host()?, words.one_of("a recovery mode", &MODES)?),
        "leader" => Fact::Leader(words.host()?),
        "no-leader" => Fact::NoLeader,
        "generation-agreed" => Fact::GenerationAgreed,
        "address" => {
            let address = addresses::address(&mut words)?;
            let on = if words.take_if("on") { Some(Served::On(words.host()?)) } else { None };
            let served = match on {
                Some(on) => on,
                None => words.one_of("`on` and a host, or how it is served", &SERVED)?,
            };
            Fact::Address(address, served)
        }
        "all-served" => Fact::AllServed,
        "balanced" => Fact::Balanced,
        "holds" => Fact::Holds(words.host()?, number(&mut words)?),
        "holder" => {
            let (at, address) = (words.host()?, addresses::address(&mut words)?);
            let holder = if words.take_if("nobody") { None } else { Some(words.host()?) };
            Fact::Holder(at, address, holder)
        }
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

/// `on n0`, if it stands here.
fn on(words: &mut Words<'_, '_>) -> Result<Option<HostId>, Problem> {
    if words.peek().is_none() {
        return Ok(None);
    }
    words.literal("on")?;
    words.host().map(Some)
}

/// A tunable's name as it is printed.
fn tunable(words: &mut Words<'_, '_>) -> Result<&'static str, Problem> {
    let word = words.take("a tunable's name")?;
    tunables::position(word.text).map(|at| tunables::TUNABLES[at].name).ok_or_else(|| {
        let problem = word.problem(format!("{} is not a tunable", word.quoted()), "a tunable's name");
        problem.or_nearest(tunables::nearest(word.text))
    })
}

fn whole_seconds(words: &mut Words<'_, '_>) -> Result<u32, Problem> {
    let word = words.peek();
    let span = words.span()?;
    let seconds = u32::try_from(span.0 / 1_000_000).ok();
    let whole = seconds.filter(|&seconds| seconds > 0 && Duration::from_secs(seconds.into()) == span);
    match (whole, word) {
        (Some(seconds), _) => Ok(seconds),
        (None, Some(word)) => {
            Err(word.problem(format!("{} is not a ban's length", word.quoted()), "whole seconds: `60s`"))
        }
        (None, None) => Err(words.missing("whole seconds: `60s`")),
    }
}

/// What a public addresses file becomes: all words that are left.
fn addresses_file(words: &mut Words<'_, '_>) -> Result<AddressesFile, Problem> {
    const EXPECTED: &str = "`original`, `none`, or lines: `10.1.0.10/16@eth1`";
    let mut lines = Vec::new();
    if words.rest().len() == 1 && words.take_if("original") {
        return Ok(AddressesFile::Original);
    }
    if words.rest().len() == 1 && words.take_if("none") {
        return Ok(AddressesFile::Gone);
    }
    while words.peek().is_some() {
        lines.push(addresses::line(words.take(EXPECTED)?)?);
    }
    if lines.is_empty() { Err(words.missing(EXPECTED)) } else { Ok(AddressesFile::Lines(lines)) }
}

/// Lines of a tunables file, as they are: but with none of them may a rehearsal come to rest.
fn tunables_lines(words: &mut Words<'_, '_>) -> Result<Vec<String>, Problem> {
    let mut lines = Vec::new();
    while words.peek().is_some() {
        let line = words.take("`NAME=VALUE`")?;
        let (read, _) = parse_lenient(line.text.as_bytes());
        for (name, value) in read.changed() {
            let range = tunable_range(name);
            if !range.contains(&value) {
                let what = format!("{} is nothing a rehearsal can go on with", line.quoted());
                return Err(line.problem(what, format!("{} to {}", range.start(), range.end())));
            }
        }
        lines.push(line.text.to_owned());
    }
    Ok(lines)
}

/// `k7`.
fn key(words: &mut Words<'_, '_>) -> Result<u32, Problem> {
    let word = words.take("a key: `k7`")?;
    let number = word.text.strip_prefix('k').and_then(|number| number.parse().ok());
    number.ok_or_else(|| word.problem(format!("{} is not a key", word.quoted()), "a key: `k7`"))
}

fn unknown(word: Piece<'_>, what: &str, known: &[&'static str]) -> Problem {
    let problem = word.problem(format!("{} is not {what}", word.quoted()), known.join(", "));
    problem.or_nearest(nearest(word.text, known.iter().copied()))
}

fn number(words: &mut Words<'_, '_>) -> Result<u32, Problem> {
    let number = words.number(0, u64::from(u32::MAX))?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// `4.18`: major << 16 | minor.
fn version(words: &mut Words<'_, '_>) -> Result<u32, Problem> {
    const EXPECTED: &str = "a version: `4.18`";
    let word = words.take(EXPECTED)?;
    let part = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain).map(u32::from)
    };
    let parts = word.text.split_once('.').and_then(|(major, minor)| Some((part(major)?, part(minor)?)));
    let (major, minor) =
        parts.ok_or_else(|| word.problem(format!("{} is not a version", word.quoted()), EXPECTED))?;
    Ok(major << 16 | minor)
}

/// `ok`, or flags with `|` between them.
fn flags(words: &mut Words<'_, '_>) -> Result<NodeFlags, Problem> {
    let word = words.take("flags: `ok`, or `stopped|disabled`")?;
    word.split('|')
        .try_fold(NodeFlags::empty(), |flags, part| Ok(flags | one_of(part, "a flag", &FLAG_WORDS)?))
}

/// The lines of a nodes file: all words that are left.
fn nodes_lines(words: &mut Words<'_, '_>) -> Result<Vec<NodesLine>, Problem> {
    let mut lines = Vec::new();
    while let Some(word) = words.peek() {
        words.take("a line of a nodes file")?;
        lines.push(match (word.text.strip_prefix('-'), word.text) {
            (_, "blank") => NodesLine::Blank,
            (Some(text), _) if is_host(text) => {
                NodesLine::Deleted(host(word.part(1, word.text.len()), words.hosts())?)
            }
            (Some(text), _) => NodesLine::Gone(text.to_owned()),
            (None, text) if is_host(text) => NodesLine::Node(host(word, words.hosts())?),
            (None, text) => NodesLine::Text(text.to_owned()),
        });
    }
    Ok(lines)
}

/// Whether a word is meant as a host: `n3`.
fn is_host(text: &str) -> bool {
    let digits = text.strip_prefix('n').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
