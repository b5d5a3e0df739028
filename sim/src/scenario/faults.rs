//! A fault from its words: the inverse of its `Display`, and a few friendlier forms.

use std::net::IpAddr;

use standin_core::text::{Piece, Problem, nearest};
use standin_core::time::Duration;

use super::words::{Words, host};
use crate::world::fault::{ANY_EVENT, Fault, WATCHED, Ways, Which, Who};
use crate::world::moment::HostId;
use crate::world::network::Weather;
use crate::world::scripts::Trouble;

/// The first words of what can befall the world.
pub const VERBS: &[&str] = &[
    "power-off",
    "power-on",
    "crash",
    "start",
    "restart",
    "hang",
    "pause",
    "resume",
    "suspend",
    "wake",
    "slow",
    "clock-rate",
    "clock-jump",
    "network-restart",
    "interface-down",
    "interface-up",
    "cable-pull",
    "cable-plug",
    "cut",
    "mend",
    "partition",
    "rejoin",
    "flap",
    "unflap",
    "weather",
    "knock",
    "garbage",
    "disk-full",
    "disk-free",
    "address-del",
    "address-add",
    "readdress",
    "promote",
    "script-slow",
    "script-fail",
    "script-fail-late",
    "script-hang",
    "script-fine",
    "lock-lost",
    "lock-stall",
    "lock-unstall",
    "lock-unreachable",
    "lock-reachable",
    "heal",
];

/// A clock may run this much too fast or too slow (ppm).
pub const CLOCK_RATE_MAX: i64 = 500_000;
/// A link flaps no faster than this.
pub const FLAP_MIN: Duration = Duration::from_millis(1);

/// Reads a fault of a cluster of so many hosts.
///
/// # Errors
/// What is wrong, at the word it is wrong with.
///
/// # Panics
/// If there are no words.
pub fn read(words: &[Piece<'_>], hosts: u32) -> Result<Fault, Problem> {
    let mut words = Words::new(words, hosts);
    let verb = words.take("a verb")?;
    let befallen: Option<fn(Who) -> Fault> = match verb.text {
        "power-off" => Some(Fault::PowerOff),
        "power-on" => Some(Fault::PowerOn),
        "crash" => Some(Fault::Crash),
        "start" => Some(Fault::Start),
        "restart" => Some(Fault::Restart),
        "hang" => Some(Fault::Hang),
        "pause" => Some(Fault::Pause),
        "resume" => Some(Fault::Resume),
        "suspend" => Some(Fault::Suspend),
        "wake" => Some(Fault::Wake),
        "knock" => Some(Fault::Knock),
        "disk-full" => Some(Fault::DiskFull),
        "disk-free" => Some(Fault::DiskFree),
        "readdress" => Some(Fault::Readdress),
        "lock-unreachable" => Some(Fault::LockUnreachable),
        "lock-reachable" => Some(Fault::LockReachable),
        _ => None,
    };
    let fault = match befallen {
        Some(befallen) => befallen(words.who()?),
        None => longer(verb, &mut words)?,
    };
    words.end()?;
    Ok(fault)
}

/// Faults that say more than whom.
fn longer(verb: Piece<'_>, words: &mut Words<'_, '_>) -> Result<Fault, Problem> {
    Ok(match verb.text {
        "slow" => Fault::Slow(words.who()?, words.span()?),
        "clock-rate" => Fault::ClockRate(words.who()?, clock_rate(words)?),
        "clock-jump" => Fault::ClockJump(words.who()?, words.span()?),
        "network-restart" => Fault::NetworkRestart(words.who()?, words.net()?, words.span()?),
        "interface-down" => Fault::InterfaceDown(words.who()?, words.net()?),
        "interface-up" => Fault::InterfaceUp(words.who()?, words.net()?),
        "cable-pull" => Fault::CablePull(words.who()?, words.net()?),
        "cable-plug" => Fault::CablePlug(words.who()?, words.net()?),
        "cut" | "partition" => Fault::Cut(words.net()?, ways(words)?),
        "mend" | "rejoin" => Fault::Mend(words.net()?, ways(words)?),
        "flap" => {
            let (net, ways) = (words.net()?, ways(words)?);
            words.literal("down")?;
            let down = turn(words)?;
            words.literal("up")?;
            Fault::Flap { net, ways, down, up: turn(words)? }
        }
        "unflap" => Fault::Unflap(words.net()?, ways(words)?),
        "weather" => Fault::Weather(words.net()?, words.who()?, weather(words)?),
        "garbage" => {
            let from = words.host()?;
            words.take_if("->");
            let to = words.peek();
            let (from, to) = (from, (words.host()?, to));
            Fault::Garbage(from, apart(from, to)?)
        }
        "address-del" => {
            let (who, (which, bits)) = (words.who()?, address(words)?);
            if let Some((word, _)) = bits {
                return Err(word.problem("one address is meant, whatever its network", "no `/` behind it"));
            }
            Fault::AddressDel(who, which)
        }
        "address-add" => {
            let (who, net, (which, bits)) = (words.who()?, words.net()?, address(words)?);
            Fault::AddressAdd(who, net, which, bits.map(|(_, bits)| bits))
        }
        "promote" => Fault::Promote(words.who()?, words.one_of("a switch", &[(true, "on"), (false, "off")])?),
        "script-slow" => script(words, |words| words.span().map(Trouble::Slow))?,
        "script-fail" => script(words, |words| status(words).map(Trouble::Fails))?,
        "script-fail-late" => script(words, |words| status(words).map(Trouble::FailsLate))?,
        "script-hang" => script(words, |_| Ok(Trouble::Hangs))?,
        "script-fine" => Fault::ScriptFine(words.who()?, event(words)?),
        "lock-lost" => Fault::LockLost,
        "lock-stall" => Fault::LockStall,
        "lock-unstall" => Fault::LockUnstall,
        "heal" => Fault::Heal,
        _ => {
            return Err(verb
                .problem(format!("{} is not a verb", verb.quoted()), "something that can befall the world")
                .or_nearest(nearest(verb.text, VERBS.iter().copied())));
        }
    })
}

/// `takeip`, or `any`.
fn event(words: &mut Words<'_, '_>) -> Result<Option<String>, Problem> {
    let word = words.take("an event, or `any`")?;
    Ok((word.text != ANY_EVENT).then(|| word.text.to_owned()))
}

/// Whom, the event, what is wrong, perhaps the script's name.
fn script<'s, 't>(
    words: &mut Words<'s, 't>,
    trouble: impl FnOnce(&mut Words<'s, 't>) -> Result<Trouble, Problem>,
) -> Result<Fault, Problem> {
    let (who, event) = (words.who()?, event(words)?);
    let trouble = trouble(words)?;
    let name = words.peek().map(|word| word.text.to_owned());
    if name.is_some() {
        words.take("a script's name")?;
    }
    Ok(Fault::Script(who, event, trouble, name))
}

fn status(words: &mut Words<'_, '_>) -> Result<u8, Problem> {
    words.number(1, u64::from(u8::MAX)).map(|status| u8::try_from(status).unwrap_or(u8::MAX))
}

/// `10.0.1.5`, `fd00::5` or `watched-3`, perhaps with `/24` behind it.
fn address<'t>(words: &mut Words<'_, 't>) -> Result<(Which, Option<(Piece<'t>, u8)>), Problem> {
    const EXPECTED: &str = "an address: `10.0.1.5`, `10.0.1.5/24`, `fd00::5`, or `watched-0`";
    let word = words.take(EXPECTED)?;
    let slash = word.text.find('/');
    let name = word.part(0, slash.unwrap_or(word.text.len()));
    let watched = name.text.strip_prefix(WATCHED).and_then(|number| number.parse().ok());
    let which = match (watched, name.text.parse()) {
        (Some(number), _) => Which::Watched(number),
        (_, Ok(address)) => Which::Given(address),
        _ => return Err(name.problem(format!("{} is not an address", name.quoted()), EXPECTED)),
    };
    let Some(slash) = slash else { return Ok((which, None)) };
    let most = if matches!(which, Which::Given(IpAddr::V6(_))) { 128 } else { 32 };
    let bits = word.part(slash + 1, word.text.len());
    let number = bits.text.parse().ok().filter(|number| (0..=most).contains(number));
    let number = number.ok_or_else(|| {
        bits.problem(
            format!("{} are no network bits", bits.quoted()),
            format!("a whole number from 0 to {most}"),
        )
    })?;
    Ok((which, Some((word.part(slash, word.text.len()), number))))
}

/// How long a flapping link stays as it is.
fn turn(words: &mut Words<'_, '_>) -> Result<Duration, Problem> {
    let word = words.peek();
    let span = words.span()?;
    match word {
        Some(word) if span < FLAP_MIN => {
            Err(word.problem(format!("{} is too short", word.quoted()), format!("at least `{FLAP_MIN}`")))
        }
        _ => Ok(span),
    }
}

fn clock_rate(words: &mut Words<'_, '_>) -> Result<i32, Problem> {
    let expected = format!("parts of a million: `-{CLOCK_RATE_MAX}ppm` to `+{CLOCK_RATE_MAX}ppm`");
    let word = words.take(&expected)?;
    let ppm = parts(word, -CLOCK_RATE_MAX, CLOCK_RATE_MAX, &expected)?;
    Ok(i32::try_from(ppm).unwrap_or_default())
}

fn weather(words: &mut Words<'_, '_>) -> Result<Weather, Problem> {
    const EXPECTED: &str = "`calm`, or any of `latency 20ms`, `jitter 5ms`, `loss 1%`";
    if words.take_if("calm") {
        return Ok(Weather::CALM);
    }
    let mut weather = Weather::CALM;
    let mut said = Vec::new();
    let mut word = words.take(EXPECTED)?;
    loop {
        if said.contains(&word.text) {
            return Err(word.problem(format!("{} is said twice", word.quoted()), "each only once"));
        }
        said.push(word.text);
        match word.text {
            "latency" => weather.latency = words.span()?,
            "jitter" => weather.jitter = words.span()?,
            "loss" => {
                let expected = "a share: `0.5%`, `200ppm`, at most `100%`";
                let ppm = parts(words.take(expected)?, 0, 1_000_000, expected)?;
                weather.loss_ppm = u32::try_from(ppm).unwrap_or_default();
            }
            _ => {
                return Err(word
                    .problem(format!("{} is no weather", word.quoted()), EXPECTED)
                    .or_nearest(nearest(word.text, ["latency", "jitter", "loss", "calm"])));
            }
        }
        if words.peek().is_none() {
            return Ok(weather);
        }
        word = words.take(EXPECTED)?;
    }
}

/// Parts of a million: `200ppm`, `-5ppm`, `0.5%`.
fn parts(word: Piece<'_>, from: i64, to: i64, expected: &str) -> Result<i64, Problem> {
    let no_share = || word.problem(format!("{} is not a share", word.quoted()), expected);
    let (negative, rest) = match word.text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.text.strip_prefix('+').unwrap_or(word.text)),
    };
    let (number, decimals) = match (rest.strip_suffix("ppm"), rest.strip_suffix('%')) {
        (Some(number), _) => (number, 0),
        (_, Some(number)) => (number, 4),
        _ => return Err(no_share()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(no_share());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > decimals {
        return Err(word.problem(format!("{} is finer than a part of a million", word.quoted()), expected));
    }
    let ppm = format!("{whole}{fraction:0<decimals$}").parse::<i64>().unwrap_or(i64::MAX);
    let ppm = if negative { -ppm } else { ppm };
    if !(from..=to).contains(&ppm) {
        return Err(word.problem(format!("{} is out of range", word.quoted()), expected));
    }
    Ok(ppm)
}

/// `n0 -> n1`, `n0 <-> n1` or `n0 n1 | n2`, up to the end or the word `down`. Blanks around the
/// marks may be left out.
fn ways(words: &mut Words<'_, '_>) -> Result<Ways, Problem> {
    const EXPECTED: &str = "who is cut off from whom: `n0 | n1 n2`, `n0 -> n1` or `n0 <-> n1`";
    let missing = words.missing(EXPECTED);
    let mut pieces = Vec::new();
    while let Some(word) = words.peek().filter(|word| word.text != "down") {
        words.take(EXPECTED)?;
        at_marks(word, &mut pieces);
    }
    if pieces.is_empty() {
        return Err(missing);
    }
    let Some(arrow) = pieces.iter().find(|piece| matches!(piece.text, "->" | "<->")) else {
        return sides(&pieces, words.hosts(), EXPECTED);
    };
    let mut pair = Words::new(&pieces, words.hosts());
    let from = pair.host()?;
    pair.literal(if arrow.text == "->" { "->" } else { "<->" })?;
    let to = pair.peek();
    let to = apart(from, (pair.host()?, to))?;
    pair.end()?;
    Ok(if arrow.text == "->" { Ways::OneWay(from, to) } else { Ways::Between(from, to) })
}

fn sides(pieces: &[Piece<'_>], hosts: u32, expected: &str) -> Result<Ways, Problem> {
    let mut seen = Vec::new();
    let mut sides = vec![Vec::new()];
    for piece in pieces {
        if piece.text == "|" {
            if sides.last().is_some_and(Vec::is_empty) {
                return Err(piece.problem("a side has no hosts", expected));
            }
            sides.push(Vec::new());
            continue;
        }
        let host = host(*piece, hosts)?;
        if seen.contains(&host) {
            return Err(piece.problem(format!("`{host}` is named twice"), "each host on one side at most"));
        }
        seen.push(host);
        if let Some(side) = sides.last_mut() {
            side.push(host);
        }
    }
    let end = pieces[pieces.len() - 1].end();
    if sides.last().is_some_and(Vec::is_empty) {
        return Err(end.problem("a side has no hosts", expected));
    }
    if sides.len() < 2 {
        return Err(end.problem("the other side is missing here", expected));
    }
    Ok(Ways::Sides(sides))
}

/// Cuts a word at the marks in it.
fn at_marks<'t>(word: Piece<'t>, pieces: &mut Vec<Piece<'t>>) {
    let found = ["<->", "->", "|"]
        .into_iter()
        .filter_map(|mark| word.text.find(mark).map(|at| (at, mark.len())))
        .min_by_key(|&(at, _)| at);
    let Some((at, length)) = found else {
        pieces.push(word);
        return;
    };
    if at > 0 {
        pieces.push(word.part(0, at));
    }
    pieces.push(word.part(at, at + length));
    if at + length < word.text.len() {
        at_marks(word.part(at + length, word.text.len()), pieces);
    }
}

/// The second of two hosts that must not be one.
fn apart(from: HostId, (to, word): (HostId, Option<Piece<'_>>)) -> Result<HostId, Problem> {
    match word {
        Some(word) if from == to => {
            Err(word.problem(format!("`{from}` has no way to itself"), "two different hosts"))
        }
        _ => Ok(to),
    }
}

#[cfg(test)]
mod tests;
